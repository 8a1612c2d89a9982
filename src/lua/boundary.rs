//! The boundary between a script and the rest of the world: every call that leaves the script passes here,
//! and so does every poll of whether it must stop. A recording is made here, and a replay answers here.

use std::rc::Rc;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Value};

use crate::lua::error::{ScriptLine, caller, stop_in};
use crate::lua::host_function::HostFunction;
use crate::lua::memory::reserve_arguments;
use crate::lua::pcall;
use crate::lua::typed_read::Reading;
use crate::lua::{ScriptContext, Stop};

/// A call that leaves the script.
pub struct HostCall<'a> {
    /// The interpreter, in the coroutine that calls.
    pub lua: &'a Lua,
    pub function: &'static HostFunction,
    pub arguments: &'a MultiValue,
    /// The type that the source expects; not a part of the arguments.
    pub reading: Option<Reading>,
}

impl HostCall<'_> {
    /// The default that it was given.
    pub fn default(&self) -> Option<&Value> {
        self.arguments.get(self.function.default?)
    }

    /// Whether it answers the default that it was given, which is an object with an identity.
    pub fn answers_default(&self, values: &MultiValue) -> bool {
        let has_identity = |value: &&Value| {
            matches!(value, Value::Table(_) | Value::Function(_) | Value::Thread(_) | Value::UserData(_))
        };
        values.len() == 1
            && self.default().filter(has_identity).is_some_and(|own| values.front() == Some(own))
    }
}

/// The work behind a call.
pub type Work<'a> = &'a dyn Fn() -> mlua::Result<MultiValue>;

/// A function of the script that a call calls back.
pub struct Callback<'a> {
    pub function: &'a Function,
    pub arguments: &'a MultiValue,
    /// Whether the answer is that of Lua's `pcall`.
    pub protected: bool,
}

impl Callback<'_> {
    /// Calls it.
    ///
    /// # Errors
    /// What it raises, unless it is protected.
    pub fn run(&self, lua: &Lua) -> mlua::Result<MultiValue> {
        if !self.protected {
            return self.function.call(self.arguments.clone());
        }
        let mut arguments = self.arguments.clone();
        arguments.push_front(Value::Function(self.function.clone()));
        pcall::raw(lua)?.call(arguments)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFate {
    /// It was committed.
    Done,
    /// Others had changed what was read; the function runs again.
    Retry,
    Refused,
}

pub trait Boundary {
    /// Executes a call, or answers it.
    ///
    /// # Errors
    /// What the call raises now, or raised when it was recorded.
    fn call(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue>;

    /// The running call calls a function of the script.
    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue>;

    /// The running call has called a function of the script and is about to commit its result, unless others
    /// changed what it read: the result of that attempt, if it is known already.
    fn commit_fate(&self) -> Option<CommitFate> {
        None
    }

    /// The script was stopped by a poll while it ran at `place`, not in a call.
    fn stopped_at(&self, _place: Option<ScriptLine>) {}

    /// A function of the script has returned: the reason why it had to stop before that, where the next poll
    /// would say so in a replay.
    fn stop_before_return(&self) -> Option<Stop> {
        None
    }

    /// Whether the script must stop, for which `due` gives the current reason.
    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop>;
}

/// A boundary that passes everything through.
pub struct PassThrough;

impl Boundary for PassThrough {
    fn call(&self, _: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        work()
    }

    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
        call_back.run(lua)
    }

    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        due()
    }
}

/// A function whose calls cross the boundary to `work`, which checks its arguments by their types.
pub fn outside<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    function: &'static HostFunction,
    work: impl Fn(&Lua, A) -> mlua::Result<R> + 'static,
) -> mlua::Result<Function> {
    let context = Rc::clone(context);
    lua.create_function(move |lua, arguments: MultiValue| {
        context.limits.stop_overdue(lua)?;
        let call = HostCall { lua, function, arguments: &arguments, reading: None };
        let answer = || {
            reserve_arguments(lua, &arguments)?;
            work(lua, A::from_lua_multi(arguments.clone(), lua)?)?.into_lua_multi(lua)
        };
        let result = context.boundary.call(&call, &answer);
        note_stop(lua, &context, &result);
        result
    })
}

/// Notes where the script called, if the call ends because it must stop.
pub(super) fn note_stop(lua: &Lua, context: &ScriptContext, result: &mlua::Result<MultiValue>) {
    if let Err(error) = result
        && stop_in(error).is_some()
    {
        context.limits.note_place(caller(lua));
    }
}

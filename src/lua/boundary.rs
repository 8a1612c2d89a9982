//! Where a script ends and the rest of the world begins: every call that leaves the script goes
//! through here, and so does every look at whether it has to stop. A recording is made here, and
//! a replay answers here.

use std::rc::Rc;
use std::time::Duration;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue};

use crate::lua::call::raw_pcall;
use crate::lua::reading::Reading;
use crate::lua::recorded_value::RecordedValue;
use crate::lua::{Context, Stop};

/// What a call may do, which decides how it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It looks, or says something, and changes nothing: one record is enough.
    Read,
    /// It may change something: there is a record before it and one after it.
    Write,
}

/// What a function is about, which is its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The entry of that key.
    Entry,
    /// The entries that a pattern matches, or the whole state.
    Entries,
    /// The lock of that name.
    Lock,
    /// Nothing in the state.
    Other,
}

/// What a call makes of the function of the script that it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnsCallback {
    /// Its answer is not that of the function, or it calls none.
    Nothing,
    /// It answers what the function returns.
    Values,
    /// It answers as Lua's `pcall` does.
    Protected,
}

/// What a call of a function means to a recording, a replay and a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What it may do.
    pub effect: Effect,
    /// The function of the same module whose calls mean the same; itself, unless it is another name of that.
    pub like: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What it makes of the function that it calls.
    pub returns_callback: ReturnsCallback,
    /// Whether it writes what that function made of what it had read, after it has returned.
    pub writes_at_end: bool,
    /// Whether it may last, so that its beginning is written at once.
    pub lasts: bool,
    /// The first format of recordings whose scripts have the function.
    pub since: u32,
}

impl Meaning {
    /// Of the function `name`, which is about an entry.
    pub const fn of(name: &'static str, effect: Effect) -> Meaning {
        Meaning {
            effect,
            like: name,
            subject: Subject::Entry,
            returns_callback: ReturnsCallback::Nothing,
            writes_at_end: false,
            lasts: false,
            since: 1,
        }
    }
}

/// A call that leaves the script.
pub struct HostCall<'a> {
    /// The interpreter, in the coroutine that calls.
    pub lua: &'a Lua,
    /// The table of the function; empty for a global.
    pub module: &'static str,
    /// The name of the function.
    pub name: &'static str,
    /// What a call of it means.
    pub meaning: Meaning,
    /// What it was given.
    pub arguments: &'a MultiValue,
    /// What the source says about the type that it wants; not a part of the arguments.
    pub reading: Option<Reading>,
}

impl HostCall<'_> {
    /// Whether this is the function that a script names so.
    pub fn is_of(&self, function: &str) -> bool {
        match function.strip_suffix(self.name).map(|rest| rest.strip_suffix('.').unwrap_or(rest)) {
            Some(module) => module == self.module && function.len() == self.length(),
            None => false,
        }
    }

    /// The length of the name that a script has for the function.
    fn length(&self) -> usize {
        let point = usize::from(!self.module.is_empty());
        self.module.len() + point + self.name.len()
    }

    /// The function as a script names it.
    pub fn function(&self) -> String {
        match self.module {
            "" => self.name.to_string(),
            module => format!("{module}.{}", self.name),
        }
    }
}

/// Something that happens in a run and is no call of a script: a task begins, ends, is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What happens, in one word.
    pub name: &'static str,
    /// What there is to tell about it.
    pub told: Vec<(&'static str, RecordedValue)>,
    /// How long it took; zero where that makes no sense.
    pub took: Duration,
}

/// The work behind a call.
pub type Work<'a> = &'a dyn Fn() -> mlua::Result<MultiValue>;

/// A function of the script that a call calls.
pub struct Callback<'a> {
    /// The function.
    pub function: &'a Function,
    /// What it is given.
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
        arguments.push_front(mlua::Value::Function(self.function.clone()));
        raw_pcall(lua)?.call(arguments)
    }
}

/// What became of an attempt to write what a function made of what it had read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFate {
    /// It took effect.
    Done,
    /// Others had changed what was read, and it is begun anew.
    Anew,
    /// It was refused.
    Refused,
}

/// The border itself.
pub trait Boundary {
    /// Lets a call out, or answers it.
    ///
    /// # Errors
    /// What the work raises, or what it raised when it was recorded.
    fn call(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue>;

    /// A call that is under way calls a function of the script.
    ///
    /// # Errors
    /// What that raises.
    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue>;

    /// The call that is under way has called a function of the script and is about to write what came of
    /// it, unless others changed what it read: what became of that, where it is known already.
    fn commit_fate(&self) -> Option<CommitFate> {
        None
    }

    /// Looks whether the script has to stop, which `due` tells.
    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop>;

    /// Something happens in the run; how long it took is what counts for the script.
    fn step(&self, step: Step) -> Duration;

    /// A line that the run itself adds to the log: about what happens around the script, which need
    /// not happen again.
    fn note(&self, line: &str);
}

/// A border without control.
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

    fn step(&self, step: Step) -> Duration {
        step.took
    }

    fn note(&self, _: &str) {}
}

/// What a call of a function outside of our tables means.
fn meaning(module: &str, name: &'static str) -> Meaning {
    let effect = match module {
        "os" | "math" | "log" => Effect::Read,
        "" if name != "sleep" => Effect::Read,
        _ => Effect::Write,
    };
    Meaning { subject: Subject::Other, lasts: name == "sleep", ..Meaning::of(name, effect) }
}

/// A function of a script's world outside of our tables: its calls cross the border.
pub fn outside<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    context: &Rc<Context>,
    module: &'static str,
    name: &'static str,
    work: impl Fn(&Lua, A) -> mlua::Result<R> + 'static,
) -> mlua::Result<Function> {
    let context = Rc::clone(context);
    lua.create_function(move |lua, arguments: MultiValue| {
        let meaning = meaning(module, name);
        let call = HostCall { lua, module, name, meaning, arguments: &arguments, reading: None };
        let answer = || work(lua, A::from_lua_multi(arguments.clone(), lua)?)?.into_lua_multi(lua);
        context.boundary.call(&call, &answer)
    })
}

//! Functions that scripts call: their arguments checked by name, their failures raised at the
//! line of the call.

use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

use crate::lua::boundary::{Callback, HostCall, note_stop};
use crate::lua::convert;
use crate::lua::error::{CallError, raise};
use crate::lua::host_function::{CallTarget, CallbackKind, HostFunction};
use crate::lua::memory::reserve_arguments;
use crate::lua::typed_read::Reading;
use crate::lua::{ScriptContext, Stop};
use crate::store::{self, Entry, ErrorKind, Key, Number, Pattern, StoreError};
use crate::text::escape::escape;

pub type NativeBody = fn(&Call) -> Result<MultiValue, CallError>;

/// A function: its row and its body.
#[derive(Clone, Copy)]
pub struct Native {
    pub function: HostFunction,
    body: NativeBody,
}

impl Native {
    pub const fn new(function: HostFunction, body: NativeBody) -> Native {
        Native { function, body }
    }

    /// The same function under another name, available since this format of recordings.
    pub const fn alias(self, name: &'static str, since: u32) -> Native {
        Native { function: HostFunction { name, since, ..self.function }, ..self }
    }
}

/// Adds `functions` to the table of their module.
pub fn install(
    lua: &Lua,
    table: &Table,
    context: &Rc<ScriptContext>,
    functions: &'static [Native],
) -> mlua::Result<()> {
    for native in functions {
        if native.function.since <= context.format {
            table.raw_set(native.function.short_name(), function(lua, context, native, None)?)?;
        }
    }
    Ok(())
}

/// A function for scripts, which reads an entry in the type of `reading`, if it reads one.
pub fn function(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    Native { function, body }: &'static Native,
    reading: Option<Reading>,
) -> mlua::Result<Function> {
    let context = Rc::clone(context);
    let may_mismatch = function.default.is_some() && context.reads_sources();
    let is_under_lock = function.target == CallTarget::Lock && function.callback == CallbackKind::Protected;
    lua.create_function(move |lua, arguments: MultiValue| {
        context.limits.stop_overdue(lua)?;
        let call = Call { lua, context: &context, arguments, reading };
        let arguments = &call.arguments;
        let host_call = HostCall { lua, function, arguments, reading };
        let work = || {
            reserve_arguments(lua, arguments)?;
            body(&call).map_err(|error| call.raise(function.name, error))
        };
        let result = context.boundary.call(&host_call, &work);
        note_stop(lua, &context, &result);
        if is_under_lock && let Some(Value::String(lock)) = arguments.front() {
            // Also in a replay, where the body does not run.
            context.limits.leave_lock(&lock.to_string_lossy());
        }
        if may_mismatch
            && let (Some(Value::String(key)), Ok(answer)) = (arguments.front(), &result)
            && let Some(value) = answer.front()
        {
            let line = || lua.inspect_stack(1, |caller| caller.current_line()).flatten();
            context.mismatches.add_read(&key.as_bytes(), value, line);
        }
        result
    })
}

/// One call of a function by a script.
pub struct Call<'a> {
    /// The interpreter, in the coroutine that calls.
    pub lua: &'a Lua,
    pub context: &'a ScriptContext,
    /// The type that the source expects.
    pub reading: Option<Reading>,
    arguments: MultiValue,
}

impl Call<'_> {
    /// The argument at `index`, counted from 0; nil if there is none.
    pub fn value(&self, index: usize) -> &Value {
        self.arguments.get(index).unwrap_or(&Value::Nil)
    }

    /// Whether the argument was left out, or is nil.
    pub fn is_nil(&self, index: usize) -> bool {
        self.value(index).is_nil()
    }

    pub fn answer(&self, values: impl IntoLuaMulti) -> Result<MultiValue, CallError> {
        Ok(values.into_lua_multi(self.lua)?)
    }

    pub fn answer_value(&self, value: &store::Value) -> Result<MultiValue, CallError> {
        self.answer(to_lua(self.lua, value)?)
    }

    /// The value of an entry for a function about values: untyped text has the type that it spells.
    pub fn spelled(&self, entry: &Entry) -> store::Value {
        if self.context.reads_sources() { entry.spelled_value() } else { entry.value() }
    }

    /// The key that is the first argument.
    pub fn key(&self) -> Result<Key, CallError> {
        Ok(Key::new(self.text(0, "key")?).map_err(StoreError::from)?)
    }

    pub fn text(&self, index: usize, name: &str) -> Result<String, CallError> {
        match self.value(index) {
            Value::String(text) => match text.to_str() {
                Ok(text) => Ok(text.to_string()),
                Err(_) => Err(CallError::usage(format!("the {name} is no UTF-8 text"))),
            },
            Value::Integer(_) | Value::Number(_) => {
                let text = self.value(index).to_string()?;
                Err(CallError::usage(format!(
                    "the {name} is the number {text}, not text: write tostring({text})"
                )))
            }
            other => Err(self.unfit(other, name, "text")),
        }
    }

    pub fn optional_text(&self, index: usize, name: &str) -> Result<Option<String>, CallError> {
        if self.is_nil(index) { Ok(None) } else { self.text(index, name).map(Some) }
    }

    /// An optional argument that is a pattern of keys; all keys without it.
    pub fn pattern(&self, index: usize) -> Result<Pattern, CallError> {
        let text = self.optional_text(index, "pattern")?.unwrap_or_default();
        Pattern::new(&text).map_err(|error| CallError::usage(error.to_string()))
    }

    /// An argument that is a finite number.
    pub fn number(&self, index: usize, name: &str) -> Result<Number, CallError> {
        let number = match self.value(index) {
            Value::Integer(integer) => Some(Number::Integer(*integer)),
            Value::Number(number) => Number::from_f64(*number),
            other => return Err(self.unfit(other, name, "a number")),
        };
        number.ok_or_else(|| CallError::usage(format!("the {name} is not a finite number")))
    }

    /// An argument that is a duration in seconds, with or without a fraction.
    pub fn seconds(&self, index: usize, name: &str) -> Result<Duration, CallError> {
        let seconds = self.number(index, name)?.as_f64();
        duration(seconds)
            .ok_or_else(|| CallError::usage(format!("{name} is {seconds}, which is no length of time")))
    }

    /// As [`Call::seconds`], and more than 0.
    pub fn positive_seconds(&self, index: usize, name: &str) -> Result<Duration, CallError> {
        positive(self.seconds(index, name)?, name)
    }

    pub fn function(&self, index: usize, name: &str) -> Result<&Function, CallError> {
        match self.value(index) {
            Value::Function(function) => Ok(function),
            other => Err(self.unfit(other, name, "a function")),
        }
    }

    /// Calls a script's function and returns what Lua's own `pcall` does, so that a raised value stays
    /// unchanged.
    pub fn protected(&self, function: &Function) -> Result<MultiValue, CallError> {
        let call_back = Callback { function, arguments: &MultiValue::new(), protected: true };
        Ok(self.context.boundary.call_back(self.lua, &call_back)?)
    }

    /// Calls a script's function; an error of it ends this call.
    pub fn call_back(&self, function: &Function, argument: &Value) -> Result<MultiValue, CallError> {
        let arguments = MultiValue::from_iter([argument.clone()]);
        let call_back = Callback { function, arguments: &arguments, protected: false };
        Ok(self.context.boundary.call_back(self.lua, &call_back)?)
    }

    /// An argument to be stored.
    pub fn stored(&self, index: usize) -> Result<crate::store::Value, CallError> {
        match self.value(index) {
            Value::Nil => {
                Err(CallError::usage("the value is nil; to remove an entry call state.delete(key)"))
            }
            value => Ok(convert::to_stored(self.lua, value, "value")?),
        }
    }

    /// Waits, and ends the call if the work must stop.
    pub fn pause(&self, time: Duration) -> Result<(), CallError> {
        self.context.limits.pause(time).map_err(stopped)
    }

    fn unfit(&self, found: &Value, name: &str, wanted: &str) -> CallError {
        match found {
            Value::Nil => CallError::usage(format!("the {name} is missing: it must be {wanted}")),
            other => CallError::unfit(&format!("the {name}"), wanted, other),
        }
    }

    fn raise(&self, function: &str, error: CallError) -> mlua::Error {
        if let CallError::Lua(error) = error {
            // An error of the script has its place already; or the work must stop.
            return error;
        }
        let cause = match &error {
            // The key is named in front of the cause.
            CallError::Store(
                error @ StoreError {
                    kind:
                        ErrorKind::WrongType { key, .. }
                        | ErrorKind::OutOfRange { key }
                        | ErrorKind::NotWrittenAsNumber { key, .. },
                    ..
                },
            ) => {
                let text = error.to_string();
                text.strip_prefix(&format!("{key}: ")).unwrap_or(&text).into()
            }
            other => other.to_string(),
        };
        let key = match self.value(0) {
            Value::String(text) => format!("\"{}\"", escape(&text.as_bytes())),
            _ => String::new(),
        };
        raise(self.lua, format!("{function}({key}): {cause}"))
    }
}

/// The error that ends a call because the work must stop.
pub fn stopped(stop: Stop) -> CallError {
    CallError::Lua(mlua::Error::external(stop))
}

/// `seconds` as a duration; `None` if it is negative, not finite or too large.
pub fn duration(seconds: f64) -> Option<Duration> {
    // A hundred thousand years: longer durations cannot be added to the current time.
    const MAX_SECONDS: f64 = 3.2e12;
    if seconds <= MAX_SECONDS { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

/// `time` if it is at least a millisecond, the resolution of every expiry.
pub fn positive(time: Duration, name: &str) -> Result<Duration, CallError> {
    if time < Duration::from_millis(1) {
        return Err(CallError::usage(format!("{name} must be greater than 0")));
    }
    Ok(time)
}

/// A stored value as Lua sees it. JSON's null is nil.
///
/// # Errors
/// An integer beyond 2^53 is not a number in Lua: the error names the way to read its digits.
pub fn to_lua(lua: &Lua, value: &store::Value) -> Result<Value, CallError> {
    match value {
        store::Value::Number(number) if number.is_beyond_doubles() => Err(CallError::usage(format!(
            "this is {number}: beyond 2^53 Lua's numbers lose digits; read it as text: state.get(key, \"\")"
        ))),
        other => Ok(convert::to_lua_or_digits(lua, other)?),
    }
}

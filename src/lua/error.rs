//! Errors of scripts, in terms of the script: without the stack of the runtime.

use mlua::{Error, Lua, Value};

use crate::lua::Stop;
use crate::lua::convert::{Unstorable, kind};
use crate::store::StoreError;

pub use crate::lua::memory::OUT_OF_MEMORY;

/// Why a function that a script called could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call is wrong.
    #[error("{0}")]
    Usage(String),
    /// A value cannot be stored.
    #[error("{0}")]
    Unstorable(#[from] Unstorable),
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A lock was lost while a function worked under it.
    #[error("the lock was lost: {0}")]
    LockLost(String),
    /// Lua itself failed, or code of the script that was called from here.
    #[error("{}", message(.0))]
    Lua(#[from] Error),
}

impl CallError {
    /// An error about the arguments of a call.
    pub fn usage(text: impl Into<String>) -> CallError {
        CallError::Usage(text.into())
    }

    /// An error about a value of another type than the one that is wanted.
    pub fn unfit(name: &str, wanted: &str, found: &Value) -> CallError {
        CallError::Usage(format!("{name} must be {wanted}, and this is a {}", kind(found)))
    }
}

/// `file:line` of the script that called the running function: the first caller that is not built in.
pub fn caller(lua: &Lua) -> Option<ScriptLine> {
    // The first level is the built-in function itself.
    script_line(lua, 1)
}

/// `file:line` of the script that runs: of its function, or of the first caller that is not built in.
pub fn running(lua: &Lua) -> Option<ScriptLine> {
    script_line(lua, 0)
}

fn script_line(lua: &Lua, first_level: usize) -> Option<ScriptLine> {
    (first_level..32).find_map(|level| {
        lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let file = source.short_src.as_deref().filter(|_| source.what != "C")?;
            let line = debug.current_line()?;
            // The prelude, loaded strings, and what mlua puts in front of methods.
            let ours = file.starts_with('[') || file.starts_with("__mlua");
            (!ours).then(|| ScriptLine { file: file.to_string(), line })
        })
        .flatten()
    })
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptLine {
    /// The file, as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl std::fmt::Display for ScriptLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// An error to raise in a script, with the place of the call in front.
pub fn raise(lua: &Lua, text: impl std::fmt::Display) -> Error {
    match caller(lua) {
        Some(place) => Error::RuntimeError(format!("{place}: {text}")),
        None => Error::RuntimeError(text.to_string()),
    }
}

/// The message of an error, without Lua's stack.
pub fn message(error: &Error) -> String {
    let text = match error {
        Error::CallbackError { cause, .. } | Error::BadArgument { cause, .. } => return message(cause),
        Error::WithContext { cause, .. } => return message(cause),
        Error::RuntimeError(text) | Error::MemoryError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    match text.split_once("\nstack traceback:") {
        Some((text, _)) => text.to_string(),
        None => text,
    }
}

/// The message of a value that a script raised.
pub fn raised(value: &Value) -> String {
    match value {
        Value::Error(error) => message(error),
        Value::String(text) => text.to_string_lossy(),
        Value::Table(table) => {
            let field = table.get::<Option<mlua::LuaString>>("message").ok().flatten();
            let text = field.map(|text| text.to_string_lossy());
            // Without a text of its own it has only its address, which differs from run to run.
            let has_own = || {
                let field = table.metatable().and_then(|meta| meta.raw_get::<Value>("__tostring").ok());
                field.is_some_and(|field| !field.is_nil())
            };
            let own = || has_own().then(|| value.to_string().ok()).flatten();
            text.or_else(own).unwrap_or_else(|| "an error without a message".into())
        }
        Value::Nil => "an error without a message".into(),
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => {
            value.to_string().unwrap_or_else(|_| format!("an error that is a {}", value.type_name()))
        }
        other => format!("an error that is a {}", kind(other)),
    }
}

/// The stop that an error is about, if it is one.
pub fn stop_in(error: &Error) -> Option<Stop> {
    match error {
        Error::CallbackError { cause, .. }
        | Error::BadArgument { cause, .. }
        | Error::WithContext { cause, .. } => stop_in(cause),
        Error::ExternalError(error) => error.downcast_ref::<Stop>().cloned(),
        _ => None,
    }
}

//! The log of a script: `log.debug`, `log.info`, `log.warn`, `log.error`, and `print`.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table, Value};

use crate::lua::ScriptContext;
use crate::lua::boundary::HostCall;
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::memory::{exhausted, largest_text, reserve};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For debugging.
    Debug,
    /// Progress.
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub const ALL: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

    /// The name of the function in `log`, and the word that is shown.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// The functions of the module, by their levels.
pub static FUNCTIONS: [(LogLevel, HostFunction); 4] = [
    (LogLevel::Debug, writes_line("log.debug")),
    (LogLevel::Info, writes_line("log.info")),
    (LogLevel::Warn, writes_line("log.warn")),
    (LogLevel::Error, writes_line("log.error")),
];

const fn writes_line(name: &'static str) -> HostFunction {
    HostFunction::reads(name).about(CallTarget::Log)
}

/// The level of the lines that this function logs; `None` if it does not log.
pub fn level_of_function(function: &str) -> Option<LogLevel> {
    FUNCTIONS.iter().find(|(_, row)| row.name == function).map(|(level, _)| *level)
}

/// Makes the table `log` and the function `print`.
pub fn install(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<Table> {
    let log = lua.create_table()?;
    for (level, function) in &FUNCTIONS {
        let writer = line_writer(lua, context, *level, function)?;
        log.raw_set(function.short_name(), &writer)?;
        if *level == LogLevel::Info {
            lua.globals().raw_set("print", writer)?;
        }
    }
    lua.globals().raw_set("log", &log)?;
    Ok(log)
}

fn line_writer(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    level: LogLevel,
    function: &'static HostFunction,
) -> mlua::Result<Function> {
    let context = Rc::clone(context);
    lua.create_function(move |lua, values: MultiValue| {
        // As `print` does: with the script's own `tostring`, and tabs between values.
        let tostring: Function = lua.globals().get("tostring")?;
        let mut line = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                line.push(b'\t');
            }
            let text: mlua::LuaString = tostring.call(value)?;
            if line.len() + text.as_bytes().len() > largest_text(lua) {
                return Err(exhausted());
            }
            line.extend_from_slice(&text.as_bytes());
        }
        let arguments = MultiValue::from_iter([Value::String(lua.create_string(&line)?)]);
        let call = HostCall { lua, function, arguments: &arguments, reading: None };
        context.boundary.call(&call, &|| {
            // The line is copied, escaped, and shown.
            reserve(lua, line.len().saturating_mul(2))?;
            (context.log)(level, &line);
            Ok(MultiValue::new())
        })
    })
}

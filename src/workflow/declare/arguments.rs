//! Reads the arguments of the methods of tasks and workflows.

use std::time::Duration;

use mlua::{Lua, MultiValue, Value};

use super::Rules;
use crate::lua::convert::kind;
use crate::lua::error::raise;
use crate::lua::memory::reserve;
use crate::lua::object_text::text_of;
use crate::workflow::{Backoff, LuaRef, Retries};

/// Whether a host is always this machine.
pub(super) fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "local" | "127.0.0.1" | "::1") || host == crate::store::host_name()
}

/// The hosts that something is delegated to.
pub(super) fn hosts(lua: &Lua, owner: &str, value: &Value, rules: Rules) -> mlua::Result<Vec<String>> {
    match value {
        Value::Table(several) => {
            let mut names = Vec::new();
            for pair in several.pairs::<Value, Value>() {
                let (option, item) = pair?;
                // A list of hosts, or the description of one host with its address.
                let is_host = match &option {
                    Value::Integer(_) => true,
                    option => matches!(text_of(lua, option)?.as_str(), "address" | "host" | "name" | "agent"),
                };
                if is_host {
                    names.push(text(lua, owner, "delegate_to", &item)?);
                }
            }
            match names.is_empty() && !rules.run_delegated_here {
                true => Err(unfit(lua, owner, "delegate_to", "the name of a host", value)),
                false => Ok(names),
            }
        }
        // The host does not matter.
        Value::String(_) => Ok(vec![text(lua, owner, "delegate_to", value)?]),
        _ if rules.run_delegated_here => Ok(vec!["an unknown host".into()]),
        other => Err(unfit(lua, owner, "delegate_to", "the name of a host", other)),
    }
}

pub(super) fn retries(lua: &Lua, owner: &str, arguments: &MultiValue) -> mlua::Result<Retries> {
    let mut retries = Retries::default();
    match arguments.front() {
        Some(Value::Integer(count @ 0..=1000)) => retries.count = u32::try_from(*count).unwrap_or_default(),
        _ => return Err(raise(lua, format!("{owner}: retries must be a whole number from 0 to 1000"))),
    }
    if let Some(name) = arguments.get(1).filter(|value| !value.is_nil()) {
        let name = text(lua, owner, "retries' strategy", name)?;
        retries.backoff = Backoff::from_name(&name).ok_or_else(|| {
            raise(lua, format!("{owner}: retries grow fixed, linear or exponential, and this is {name}"))
        })?;
    }
    if let Some(base) = arguments.get(2).filter(|value| !value.is_nil()) {
        retries.base = time(lua, owner, "time between retries", base)?;
    }
    Ok(retries)
}

/// A duration: seconds, or text such as `"30s"` or `"5m"`.
pub(super) fn time(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<Duration> {
    let time = match value {
        Value::Integer(seconds) => crate::lua::seconds(*seconds as f64),
        Value::Number(seconds) => crate::lua::seconds(*seconds),
        Value::String(text) => humantime::parse_duration(&text.to_string_lossy()).ok(),
        _ => None,
    };
    time.filter(|time| !time.is_zero()).ok_or_else(|| {
        raise(lua, format!("{owner}: {name} must be a number of seconds, or text such as \"30s\" or \"5m\""))
    })
}

pub(super) fn text(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<String> {
    match value {
        Value::String(text) => match text.to_str() {
            Ok(text) => {
                // It is kept as a name or a command, and as a key.
                reserve(lua, 2 * text.len())?;
                Ok(text.to_string())
            }
            Err(_) => Err(raise(lua, format!("{owner}: the {name} is no UTF-8 text"))),
        },
        other => Err(unfit(lua, owner, name, "text", other)),
    }
}

pub(super) fn function(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<LuaRef> {
    match value {
        Value::Function(function) => LuaRef::new(lua, function),
        other => Err(unfit(lua, owner, name, "a function", other)),
    }
}

pub(super) fn unfit(lua: &Lua, owner: &str, name: &str, wanted: &str, found: &Value) -> mlua::Error {
    raise(lua, format!("{owner}: {name} must be {wanted}, and this is a {}", kind(found)))
}

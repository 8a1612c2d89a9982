//! The text of a value in messages of the runtime: an object has the number that `tostring` gives it, never its
//! address, which differs from run to run.

use mlua::{Function, Lua, Value};

use crate::lua::convert::kind;

const TOSTRING: &str = "slothstate.tostring";

/// Saves the prelude's `tostring`, which a script may replace.
pub(super) fn keep_tostring(lua: &Lua, tostring: &Function) -> mlua::Result<()> {
    lua.set_named_registry_value(TOSTRING, tostring)
}

/// A value in a message of a call that leaves the script: an object has no number there, since a replay does not
/// execute the call and would give the number to the next object.
///
/// # Errors
/// Lua's own, if its memory is too small.
pub fn name_of(value: &Value) -> mlua::Result<String> {
    match value {
        Value::Table(_) | Value::Function(_) | Value::Thread(_) | Value::UserData(_) => {
            Ok(format!("(a {})", kind(value)))
        }
        other => other.to_string(),
    }
}

/// A value as `tostring` shows it, outside of calls that leave the script.
///
/// # Errors
/// What a `__tostring` of the script raises.
pub fn text_of(lua: &Lua, value: &Value) -> mlua::Result<String> {
    match value {
        Value::Table(_) | Value::Function(_) | Value::Thread(_) | Value::UserData(_) => {
            let tostring: Function = lua.named_registry_value(TOSTRING)?;
            Ok(tostring.call::<mlua::LuaString>(value)?.to_string_lossy())
        }
        other => other.to_string(),
    }
}

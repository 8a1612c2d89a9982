//! Lua values to stored values and back.
//!
//! Lua 5.1 knows one kind of number, the double: a number that is integral is stored as an integer, and an
//! integer beyond 2^53 has no number in Lua. A table that was read from JSON is written back with the bytes
//! of all that the script left as it was.

mod json_writer;
mod path;
mod table_fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mlua::{Lua, LuaString, Table, Value as LuaValue};

use self::json_writer::{Writer, blanks_before, refused};
use self::path::Path;
use crate::lua::table_origin::Origins;
use crate::store::json::{self, JsonNode, JsonText};
use crate::store::{Number, Value};

/// The deepest nesting of tables that is stored, which is the deepest JSON that is read.
pub const MAX_DEPTH: usize = 127;

/// Why a Lua value cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {reason}")]
pub struct Unstorable {
    /// The way to the value, such as `value.hosts[2]`.
    pub path: String,
    pub reason: String,
}

impl Unstorable {
    fn at(path: &Path<'_>, reason: impl Into<String>) -> Unstorable {
        Unstorable { path: path.to_string(), reason: reason.into() }
    }
}

/// `value` as it is stored; `name` is its name in errors.
///
/// # Errors
/// [`Unstorable`] with the path of a value that cannot be stored: nil, functions, userdata,
/// coroutines, NaN and infinities; in tables also cycles, mixed, sparse or boolean keys, and
/// strings that are not UTF-8; and the number that stands for an integer which Lua had to round.
pub fn to_stored(lua: &Lua, value: &LuaValue, name: &str) -> Result<Value, Unstorable> {
    to_stored_over(lua, value, name, None)
}

/// As [`to_stored`], for a value that takes the place of `present`: what is the same in both keeps its
/// bytes.
///
/// # Errors
/// As [`to_stored`].
pub fn to_stored_over(
    lua: &Lua,
    value: &LuaValue,
    name: &str,
    present: Option<&Value>,
) -> Result<Value, Unstorable> {
    let path = Path::Root(name);
    match value {
        LuaValue::String(text) => Ok(Value::String(text.as_bytes().to_vec())),
        LuaValue::Boolean(truth) => Ok(Value::Boolean(*truth)),
        LuaValue::Integer(_) | LuaValue::Number(_) => {
            let writer = Writer::new(lua, &path)?;
            Ok(Value::number(writer.number(value, None, &path)?))
        }
        LuaValue::Table(_) => {
            let present = match present {
                Some(Value::Table(json)) => Some(json.as_str()),
                _ => None,
            };
            Writer::new(lua, &path)?.write(value, present, &path).map(Value::Table)
        }
        other => Err(refused(other, &path)),
    }
}

/// `value` as a piece of JSON, as it is stored within a table.
///
/// # Errors
/// As [`to_stored`].
pub fn to_json(lua: &Lua, value: &LuaValue, name: &str) -> Result<JsonText, Unstorable> {
    let path = Path::Root(name);
    Writer::new(lua, &path)?.write(value, None, &path)
}

/// As [`to_lua`](crate::lua::call::to_lua), for a result that must not fail: an integer beyond 2^53 becomes
/// the text of its digits.
pub fn to_lua_or_digits(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::String(bytes) => LuaValue::String(lua.create_string(bytes)?),
        Value::Number(number) if number.is_beyond_doubles() => {
            LuaValue::String(lua.create_string(number.to_string())?)
        }
        Value::Number(number) => match number.number() {
            Number::Integer(integer) => LuaValue::Integer(integer),
            Number::Float(float) => LuaValue::Number(float),
        },
        Value::Boolean(truth) => LuaValue::Boolean(*truth),
        Value::Table(json) => json_to_lua(lua, json)?,
    })
}

/// A piece of JSON as Lua sees it: an integer beyond 2^53 becomes the text of its digits, but within a table
/// the nearest number, which keeps its digits when it is written back unchanged.
pub fn json_to_lua(lua: &Lua, json: &JsonText) -> mlua::Result<LuaValue> {
    match json.look() {
        JsonNode::Number(number) if json::is_beyond_doubles(number) => {
            Ok(LuaValue::String(lua.create_string(number)?))
        }
        JsonNode::List(_) | JsonNode::Object(_) => {
            let text = json.as_str();
            JsonReader { lua, origins: Origins::of(lua)?, text, source: lua.create_string(text)? }.read(text)
        }
        _ => JsonReader { lua, origins: Origins::of(lua)?, text: "", source: lua.create_string("")? }
            .read(json.as_str()),
    }
}

/// Makes Lua values of the pieces of a text: in the steps in which [`RecordedValue::to_lua`] makes them of what was
/// recorded, so that `pairs` goes through both in the same order.
///
/// [`RecordedValue::to_lua`]: crate::lua::recorded_value::RecordedValue::to_lua
struct JsonReader<'a> {
    lua: &'a Lua,
    origins: Origins,
    text: &'a str,
    source: LuaString,
}

impl JsonReader<'_> {
    fn read(&self, piece: &str) -> mlua::Result<LuaValue> {
        Ok(match json::look(piece) {
            JsonNode::Null => LuaValue::Nil,
            JsonNode::Boolean(truth) => LuaValue::Boolean(truth),
            JsonNode::Number(number) => {
                let double = number.parse().unwrap_or(f64::NAN);
                if json::is_beyond_doubles(number) && !is_exact(number, double) {
                    self.origins.note_rounded(double, number)?;
                }
                LuaValue::Number(double)
            }
            JsonNode::String(text) => LuaValue::String(self.lua.create_string(text.as_bytes())?),
            JsonNode::List(items) => {
                let first = items.iter().take_while(|item| **item != "null").count();
                let later = items[first..].iter().filter(|item| **item != "null").count();
                let table = self.lua.create_table_with_capacity(first, later)?;
                for (index, item) in items.iter().enumerate().filter(|(_, item)| **item != "null") {
                    table.raw_set(index + 1, self.read(item)?)?;
                }
                self.note(table, piece)?
            }
            JsonNode::Object(members) => {
                let last: BTreeMap<&str, &str> =
                    members.iter().map(|member| (&*member.name, member.value)).collect();
                let count = last.values().filter(|value| **value != "null").count();
                let table = self.lua.create_table_with_capacity(0, count)?;
                for (name, value) in last.into_iter().filter(|(_, value)| *value != "null") {
                    table.raw_set(name, self.read(value)?)?;
                }
                self.note(table, piece)?
            }
        })
    }

    fn note(&self, table: Table, piece: &str) -> mlua::Result<LuaValue> {
        let place = json::offset(self.text, piece) + blanks_before(piece);
        self.origins.note(&table, &self.source, place)?;
        Ok(LuaValue::Table(table))
    }
}

/// Whether a double is exactly the integer with these digits.
fn is_exact(digits: &str, double: f64) -> bool {
    digits.parse::<i128>().is_ok_and(|integer| double.abs() < 1e38 && double as i128 == integer)
}

/// The number that a value is, if it is one.
pub fn double(value: &LuaValue) -> Option<f64> {
    match value {
        LuaValue::Integer(integer) => Some(*integer as f64),
        LuaValue::Number(number) => Some(*number),
        _ => None,
    }
}

/// What Lua's `type` calls a value, with `coroutine` for a thread.
pub fn kind(value: &LuaValue) -> &'static str {
    match value {
        LuaValue::Integer(_) | LuaValue::Number(_) => "number",
        LuaValue::Thread(_) => "coroutine",
        LuaValue::LightUserData(_) | LuaValue::Error(_) => "userdata",
        other => other.type_name(),
    }
}

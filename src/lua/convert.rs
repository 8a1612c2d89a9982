//! Lua values to stored values and back.
//!
//! Lua 5.1 knows one kind of number, the double: a number that is integral is stored as an integer,
//! and an integer beyond 2^53 that comes from the store is rounded when a script reads it.

use mlua::{Lua, Table, Value as LuaValue};
use serde_json::{Map, Value as Json};

use crate::escape::escape;
use crate::store::{Number, Value};

/// The deepest nesting of tables that is stored; JSON readers give up at 128.
const DEEPEST: usize = 100;

/// Why a Lua value cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {reason}")]
pub struct Unstorable {
    /// The way to the value, such as `value.hosts[2]`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Unstorable {
    fn at(path: &str, reason: impl Into<String>) -> Unstorable {
        Unstorable { path: path.into(), reason: reason.into() }
    }
}

/// `value` as it is stored; `name` is what errors call it.
///
/// # Errors
/// [`Unstorable`] with the path of whatever has no place in the store: nil, functions, userdata,
/// coroutines, NaN and infinities; in tables also cycles, mixed, sparse or boolean keys, and
/// strings that are no UTF-8.
pub fn to_stored(value: &LuaValue, name: &str) -> Result<Value, Unstorable> {
    match value {
        LuaValue::String(text) => Ok(Value::String(text.as_bytes().to_vec())),
        LuaValue::Boolean(truth) => Ok(Value::Boolean(*truth)),
        LuaValue::Integer(integer) => Ok(Value::integer(*integer)),
        LuaValue::Number(number) => Ok(Value::Number(finite(*number, name)?)),
        LuaValue::Table(table) => Ok(Value::Table(table_to_json(table, name, &mut Vec::new())?)),
        other => Err(refused(other, name)),
    }
}

/// `value` as a piece of JSON, as it is stored within a table.
///
/// # Errors
/// As [`to_stored`].
pub fn to_json(value: &LuaValue, name: &str) -> Result<Json, Unstorable> {
    json_at(value, name, &mut Vec::new())
}

/// A stored value as Lua sees it. JSON's null is nil.
pub fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::String(bytes) => LuaValue::String(lua.create_string(bytes)?),
        Value::Number(Number::Integer(integer)) => LuaValue::Integer(*integer),
        Value::Number(Number::Float(float)) => LuaValue::Number(*float),
        Value::Boolean(truth) => LuaValue::Boolean(*truth),
        Value::Table(json) => json_to_lua(lua, json)?,
    })
}

/// A piece of JSON as Lua sees it.
pub fn json_to_lua(lua: &Lua, json: &Json) -> mlua::Result<LuaValue> {
    Ok(match json {
        Json::Null => LuaValue::Nil,
        Json::Bool(truth) => LuaValue::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => LuaValue::Integer(integer),
            None => LuaValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => LuaValue::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, json_to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields {
                table.raw_set(name.as_str(), json_to_lua(lua, field)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

fn json_at(value: &LuaValue, path: &str, above: &mut Vec<Table>) -> Result<Json, Unstorable> {
    match value {
        LuaValue::String(text) => match text.to_str() {
            Ok(text) => Ok(Json::String(text.to_string())),
            Err(_) => Err(Unstorable::at(path, "is no UTF-8 text, which a table cannot hold")),
        },
        LuaValue::Boolean(truth) => Ok(Json::Bool(*truth)),
        LuaValue::Integer(integer) => Ok((*integer).into()),
        LuaValue::Number(number) => Ok(match finite(*number, path)? {
            Number::Integer(integer) => integer.into(),
            Number::Float(float) => float.into(),
        }),
        LuaValue::Table(table) => table_to_json(table, path, above),
        other => Err(refused(other, path)),
    }
}

fn table_to_json(table: &Table, path: &str, above: &mut Vec<Table>) -> Result<Json, Unstorable> {
    if above.contains(table) {
        return Err(Unstorable::at(path, "contains itself: a cycle cannot be stored"));
    }
    if above.len() >= DEEPEST {
        return Err(Unstorable::at(path, format!("is nested deeper than {DEEPEST} tables")));
    }
    above.push(table.clone());
    let mut items = Vec::new();
    let mut fields = Map::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(|error| Unstorable::at(path, error.to_string()))?;
        match key {
            LuaValue::Integer(index) => {
                let item = json_at(&value, &format!("{path}[{index}]"), above)?;
                items.push((index, item));
            }
            LuaValue::String(name) => {
                let name = name.to_str().map_err(|_| {
                    let shown = escape(&name.as_bytes());
                    Unstorable::at(path, format!("has the key {shown}, which is no UTF-8 text"))
                })?;
                let field = json_at(&value, &step(path, &name), above)?;
                fields.insert(name.to_string(), field);
            }
            other => {
                let reason = format!("has a key that is a {}: keys are text, or 1, 2, 3 …", kind(&other));
                return Err(Unstorable::at(path, reason));
            }
        }
    }
    above.pop();
    if items.is_empty() {
        return Ok(Json::Object(fields));
    }
    if !fields.is_empty() {
        return Err(Unstorable::at(path, "mixes list items and named fields"));
    }
    items.sort_by_key(|(index, _)| *index);
    let gap = items.iter().zip(1..).find(|((index, _), expected)| index != expected);
    if let Some(((index, _), expected)) = gap {
        return Err(Unstorable::at(path, format!("is a list with a gap: [{index}] without [{expected}]")));
    }
    Ok(Json::Array(items.into_iter().map(|(_, item)| item).collect()))
}

/// The path of a field: `value.name`, or `value["odd name"]`.
fn step(path: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| !c.is_ascii_digit());
    if plain { format!("{path}.{name}") } else { format!("{path}[\"{}\"]", escape(name.as_bytes())) }
}

fn finite(number: f64, path: &str) -> Result<Number, Unstorable> {
    Number::from_f64(number).ok_or_else(|| {
        let what = if number.is_nan() { "NaN (not a number)" } else { "infinite" };
        Unstorable::at(path, format!("is {what}, which cannot be stored"))
    })
}

fn refused(value: &LuaValue, path: &str) -> Unstorable {
    Unstorable::at(path, format!("is a {}, which cannot be stored", kind(value)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(code: &str) -> Result<Value, Unstorable> {
        let lua = Lua::new();
        let value: LuaValue = lua.load(code).eval().unwrap();
        to_stored(&value, "value")
    }

    fn refusal(code: &str) -> String {
        stored(code).unwrap_err().to_string()
    }

    #[test]
    fn values_keep_their_types() {
        assert_eq!(stored("7"), Ok(Value::integer(7)));
        assert_eq!(stored("0.5"), Ok(Value::Number(Number::Float(0.5))));
        assert_eq!(stored("1e-300"), Ok(Value::Number(Number::Float(1e-300))));
        assert_eq!(stored("true"), Ok(Value::Boolean(true)));
        assert_eq!(stored(r#""a\0\255""#), Ok(Value::String(b"a\0\xff".to_vec())));
        assert_eq!(stored("{1, 'b', {x = 2}}"), Ok(Value::Table(serde_json::json!([1, "b", {"x": 2}]))));
        assert_eq!(stored("{}"), Ok(Value::Table(serde_json::json!({}))));
    }

    #[test]
    fn what_cannot_be_stored_is_refused_with_its_path() {
        assert_eq!(refusal("{a = {print}}"), "value.a[1] is a function, which cannot be stored");
        assert_eq!(
            refusal("{['x y'] = 0/0}"),
            "value[\"x y\"] is NaN (not a number), which cannot be stored"
        );
        assert_eq!(refusal("-1/0"), "value is infinite, which cannot be stored");
        assert_eq!(refusal("{1, a = 2}"), "value mixes list items and named fields");
        assert_eq!(refusal("{[1] = 1, [3] = 3}"), "value is a list with a gap: [3] without [2]");
        assert_eq!(refusal("{[0] = 1}"), "value is a list with a gap: [0] without [1]");
        assert!(refusal("{[true] = 1}").contains("has a key that is a boolean"));
        assert!(refusal("{[1.5] = 1}").contains("has a key that is a number"));
        assert!(refusal("{a = '\\255'}").starts_with("value.a is no UTF-8 text"));
        assert!(
            refusal("(function() local t = {}; t.me = t; return t end)()").starts_with("value.me contains")
        );
        assert!(
            refusal("(function() local t = {}; for _ = 1, 200 do t = {t} end; return t end)()")
                .contains("nested deeper")
        );
        assert_eq!(
            refusal("coroutine.create(function() end)"),
            "value is a coroutine, which cannot be stored"
        );
    }

    #[test]
    fn one_table_in_two_places_is_no_cycle() {
        assert!(stored("(function() local t = {1}; return {t, t} end)()").is_ok());
    }

    #[test]
    fn what_was_stored_comes_back() {
        let lua = Lua::new();
        let json = serde_json::json!({"a": [1, 2.5, {"b": "é"}], "c": false});
        let value = to_lua(&lua, &Value::Table(json.clone())).unwrap();
        assert_eq!(to_stored(&value, "value"), Ok(Value::Table(json)));
    }
}

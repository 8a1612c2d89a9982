//! The `data` module: values as JSON text and back. Its calls do not leave the script.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua::ScriptContext;
use crate::lua::convert::{json_to_lua, kind, to_json};
use crate::lua::error::raise;
use crate::store::JsonText;

pub(super) fn install(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<Table> {
    let data = lua.create_table()?;
    for (name, body) in [("to_json", write as fn(&Lua, &Value) -> _), ("parse_json", parse)] {
        let context = Rc::clone(context);
        let function = move |lua: &Lua, value: Value| {
            context.poll_before_long_call(lua)?;
            body(lua, &value)
        };
        data.raw_set(name, lua.create_function(function)?)?;
    }
    lua.globals().raw_set("data", &data)?;
    Ok(data)
}

/// `data.to_json(value)`: its text, or nil and the reason.
fn write(lua: &Lua, value: &Value) -> mlua::Result<MultiValue> {
    let text = match value {
        Value::Nil => Ok("null".to_string()),
        value => to_json(lua, value, "value").map(|json| json.to_string()).map_err(|error| error.to_string()),
    };
    answer(lua, text.map(|text| lua.create_string(text).map(Value::String)))
}

/// `data.parse_json(text)`: the value, or nil and the error.
fn parse(lua: &Lua, text: &Value) -> mlua::Result<MultiValue> {
    let Value::String(text) = text else {
        return Err(raise(
            lua,
            format!("data.parse_json: the text must be text, and this is a {}", kind(text)),
        ));
    };
    let bytes = text.as_bytes();
    let json = std::str::from_utf8(&bytes).map_err(|error| error.to_string());
    let json = json.and_then(|text| JsonText::parse(text).map_err(|error| error.to_string()));
    answer(lua, json.map(|json| json_to_lua(lua, &json)).map_err(|error| format!("not JSON: {error}")))
}

fn answer(lua: &Lua, result: Result<mlua::Result<Value>, String>) -> mlua::Result<MultiValue> {
    Ok(match result {
        Ok(value) => MultiValue::from_iter([value?]),
        Err(why) => MultiValue::from_iter([Value::Nil, Value::String(lua.create_string(why)?)]),
    })
}

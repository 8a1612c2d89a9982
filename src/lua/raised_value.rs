//! The message of a value that a script raised and did not catch.

use mlua::{Table, Value};

use crate::lua::convert::kind;
use crate::lua::error::raised;
use crate::lua::error_details::ScriptCall;
use crate::lua::recorded_value::RecordedValue;
use crate::text::escape::escape;

/// The name of the code that comes with the runtime, in Lua's messages.
const INTERNAL: &str = "[slothstate]:";
/// How many fields of a table are shown, and how deep.
const MAX_FIELDS: usize = 8;
const MAX_DEPTH: usize = 2;
/// How much of a text in a table is shown, in characters.
const MAX_TEXT: usize = 80;

/// The message: a text as it is, a table with its fields; `innermost` is where it was raised.
pub(super) fn message(value: &Value, innermost: Option<&ScriptCall>) -> String {
    let at = |text: String| match innermost {
        Some(call) => format!("{}: {text}", call.place),
        None => text,
    };
    match value {
        Value::Table(table) if !has_own_text(table) => at(shown_table(table, 0)),
        Value::String(text) => {
            let text = text.to_string_lossy();
            public(&text).map_or(text, at)
        }
        Value::Nil => at("nil was raised as an error".into()),
        Value::Function(_) | Value::Thread(_) | Value::UserData(_) => at(raised(value)),
        other => raised(other),
    }
}

/// A message that names code of the runtime, without that name and its line; `None` for any other.
pub(super) fn public(text: &str) -> Option<String> {
    let (line, rest) = text.strip_prefix(INTERNAL)?.split_once(": ")?;
    let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    // The runtime calls Lua's own functions by these names.
    is_line.then(|| rest.replace("'tostring_at'", "'tostring'").replace("'raw_", "'"))
}

/// Whether a table says itself what the message is.
fn has_own_text(table: &Table) -> bool {
    let message = table.raw_get::<Value>("message");
    let tostring = table.metatable().and_then(|meta| meta.raw_get::<Value>("__tostring").ok());
    matches!(message, Ok(Value::String(_))) || tostring.is_some_and(|field| !field.is_nil())
}

/// The fields of a table, in an order that depends only on its content.
fn shown_table(table: &Table, depth: usize) -> String {
    if depth >= MAX_DEPTH {
        return "{…}".into();
    }
    let mut items = Vec::new();
    let length = table.raw_len();
    for index in 1..=length.min(MAX_FIELDS) {
        items.push(table.raw_get::<Value>(index).map_or_else(|_| String::new(), |item| shown(&item, depth)));
    }
    let mut fields = Vec::new();
    let mut others = 0;
    for (key, value) in table.pairs::<Value, Value>().flatten() {
        match &key {
            Value::Integer(index)
                if usize::try_from(*index).is_ok_and(|index| (1..=length).contains(&index)) => {}
            Value::String(name) => fields.push((name.to_string_lossy(), value)),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
                fields.push((format!("[{}]", RecordedValue::of(&key)), value));
            }
            _ => others += 1,
        }
    }
    fields.sort_by(|left, right| left.0.cmp(&right.0));
    let room = MAX_FIELDS.saturating_sub(items.len());
    others += fields.len().saturating_sub(room) + length.saturating_sub(MAX_FIELDS);
    items.extend(
        fields.iter().take(room).map(|(name, value)| format!("{} = {}", cut(name), shown(value, depth))),
    );
    if others > 0 {
        items.push(format!("{others} more"));
    }
    format!("{{{}}}", items.join(", "))
}

fn shown(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", cut(&text.to_string_lossy())),
        Value::Table(table) => shown_table(table, depth + 1),
        Value::Nil | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => {
            value.to_string().unwrap_or_else(|_| kind(value).into())
        }
        other => format!("a {}", kind(other)),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", escape(&text.as_bytes()[..end])),
        None => escape(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    #[test]
    fn tables_show_their_fields_without_addresses() {
        let lua = Lua::new();
        let cases = [
            ("{code = 1}", "{code = 1}"),
            ("{}", "{}"),
            ("{1, 2, x = 'a\\nb', [true] = 1.5}", "{1, 2, [true] = 1.5, x = \"a\\nb\"}"),
            ("{t = {a = {b = {}}}}", "{t = {a = {…}}}"),
            ("{f = print, [{}] = 1, [print] = 2}", "{f = a function, 2 more}"),
            ("{1,2,3,4,5,6,7,8,9,10, x = 1}", "{1, 2, 3, 4, 5, 6, 7, 8, 3 more}"),
            ("setmetatable({}, {__tostring = function() return 'own' end})", "own"),
            (
                "setmetatable({code = 2}, {__tostring = function() return {} end})",
                "an error without a message",
            ),
            ("{message = 'said'}", "said"),
            ("42", "42"),
            ("true", "true"),
            ("nil", "nil was raised as an error"),
            ("print", "an error that is a function"),
        ];
        for (code, expected) in cases {
            let value: Value = lua.load(format!("return {code}")).eval().unwrap();
            assert_eq!(message(&value, None), expected, "{code}");
        }
    }

    #[test]
    fn names_of_the_runtime_are_left_out() {
        assert_eq!(
            public("[slothstate]:107: bad argument #1 to 'tostring_at' (value expected)").as_deref(),
            Some("bad argument #1 to 'tostring' (value expected)")
        );
        assert_eq!(public("w.lua:1: [slothstate]:107: x"), None);
        assert_eq!(public("[slothstate]:x: y"), None);
    }
}

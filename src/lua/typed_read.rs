//! The type that the reader of an entry expects, and the value of an entry in that type.

use mlua::Value as LuaValue;

use crate::lua::source::{Literal, SourceCall, Use};
use crate::store::{Entry, Number, Type, Value};

/// The type that a source expects of a call of `state.get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is compared with a literal of that type.
    Equality(Type),
    /// A literal of that type is the default.
    Or(Type),
    Condition,
}

impl Reading {
    /// Every reading, with the name of the variant of `state.get` that reads so.
    pub const VARIANTS: [(&'static str, Reading); 8] = [
        ("== string", Reading::Equality(Type::String)),
        ("== number", Reading::Equality(Type::Number)),
        ("== boolean", Reading::Equality(Type::Boolean)),
        ("or string", Reading::Or(Type::String)),
        ("or number", Reading::Or(Type::Number)),
        ("or boolean", Reading::Or(Type::Boolean)),
        ("or table", Reading::Or(Type::Table)),
        ("condition", Reading::Condition),
    ];

    /// The name of the variant for a call of a source, if there is one.
    pub fn variant_of(call: &SourceCall) -> Option<&'static str> {
        let type_of = |literal| match literal {
            Literal::Text => Type::String,
            Literal::Number => Type::Number,
            Literal::Boolean => Type::Boolean,
            Literal::Table => Type::Table,
        };
        let reading = match call.used {
            Use::Unknown => return None,
            Use::Condition => Reading::Condition,
            Use::Or(literal) => Reading::Or(type_of(literal)),
            Use::Equality(literal) => Reading::Equality(type_of(literal)),
        };
        Reading::VARIANTS.iter().find(|(_, variant)| *variant == reading).map(|(name, _)| *name)
    }
}

/// The value of an entry in the type that its reader expects: that of the literal that it is compared with,
/// of the default, or of the literal after `or`, in this order. Without such a type, or if the conversion
/// would lose something, it is the stored value.
pub fn value(entry: &Entry, default: &LuaValue, reading: Option<Reading>) -> Value {
    let of_default = match default {
        LuaValue::String(_) => Some(Type::String),
        LuaValue::Integer(_) | LuaValue::Number(_) => Some(Type::Number),
        LuaValue::Boolean(_) => Some(Type::Boolean),
        LuaValue::Table(_) => Some(Type::Table),
        _ => None,
    };
    match (reading, of_default) {
        (Some(Reading::Equality(wanted)), _) | (_, Some(wanted)) | (Some(Reading::Or(wanted)), None) => {
            converted(entry, wanted)
        }
        (Some(Reading::Condition), None) => match entry.value() {
            Value::String(text) => truth(text),
            other => other,
        },
        (None, None) => entry.value(),
    }
}

fn truth(text: Vec<u8>) -> Value {
    Value::from_stored(&text, Some(Type::Boolean))
}

fn converted(entry: &Entry, wanted: Type) -> Value {
    match (entry.value(), wanted) {
        // A text needs no conversion.
        (Value::Number(_) | Value::Boolean(_) | Value::Table(_), Type::String) => {
            Value::String(entry.stored.clone())
        }
        (Value::String(text), Type::Number) => {
            Number::spelled_exactly(&text).map_or(Value::String(text), Value::number)
        }
        (Value::String(text), Type::Boolean) => truth(text),
        (Value::String(text), Type::Table) => table(text),
        (value, _) => value,
    }
}

/// Parses a text as a JSON object or array, if Lua can hold all of its numbers without losing a digit.
fn table(text: Vec<u8>) -> Value {
    const MAX_EXACT_INTEGER: u64 = 1 << 53;
    fn is_exact(json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => integer.unsigned_abs() <= MAX_EXACT_INTEGER,
                (None, Some(_)) => false,
                (None, None) => number.as_f64().is_some_and(|float| float.abs() <= MAX_EXACT_INTEGER as f64),
            },
            serde_json::Value::Array(items) => items.iter().all(is_exact),
            serde_json::Value::Object(fields) => fields.values().all(is_exact),
            _ => true,
        }
    }
    let parsed = serde_json::from_slice::<serde_json::Value>(&text);
    match parsed {
        Ok(json) if is_exact(&json) => Value::from_stored(&text, Some(Type::Table)),
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::entry;

    fn read(stored: &str, stored_type: Option<Type>, wanted: Type) -> Value {
        value(&entry("k", stored, stored_type), &LuaValue::Nil, Some(Reading::Or(wanted)))
    }

    #[test]
    fn a_value_is_read_as_its_reader_means_it() {
        for text_type in [None, Some(Type::String)] {
            assert_eq!(read("5", text_type, Type::Number), Value::integer(5));
            assert_eq!(read("1e+06", text_type, Type::Number), Value::integer(1_000_000));
            assert_eq!(read("-1.5", text_type, Type::Number), Value::number(Number::Float(-1.5)));
            assert_eq!(read("true", text_type, Type::Boolean), Value::Boolean(true));
            assert_eq!(read("5", text_type, Type::String), Value::text("5"));
            assert_eq!(read("[1]", text_type, Type::Table), Value::parse(b"[1]", Type::Table).unwrap());
            for (text, wanted) in [
                ("1234567890123456789", Type::Number),
                ("007", Type::Number),
                ("", Type::Number),
                ("yes", Type::Boolean),
                ("True", Type::Boolean),
                ("5", Type::Table),
                ("[9007199254740993]", Type::Table),
            ] {
                assert_eq!(read(text, text_type, wanted), Value::text(text), "{text}");
            }
        }
        assert_eq!(
            read("1234567890123456789", Some(Type::Number), Type::String),
            Value::text("1234567890123456789")
        );
        assert_eq!(read("true", Some(Type::Boolean), Type::String), Value::text("true"));
        assert_eq!(
            read("{\"b\":1, \"a\":2}", Some(Type::Table), Type::String),
            Value::text("{\"b\":1, \"a\":2}")
        );
        assert_eq!(read("1", Some(Type::Number), Type::Boolean), Value::integer(1));
    }

    #[test]
    fn the_most_direct_word_of_the_reader_counts() {
        let entry = entry("k", "true", None);
        let read = |default: LuaValue, reading| value(&entry, &default, reading);
        assert_eq!(read(LuaValue::Nil, None), Value::text("true"));
        assert_eq!(read(LuaValue::Boolean(false), None), Value::Boolean(true));
        assert_eq!(read(LuaValue::Nil, Some(Reading::Condition)), Value::Boolean(true));
        let compared = Some(Reading::Equality(Type::String));
        assert_eq!(read(LuaValue::Boolean(false), compared), Value::text("true"));
        assert_eq!(read(LuaValue::Boolean(false), Some(Reading::Or(Type::String))), Value::Boolean(true));
    }
}

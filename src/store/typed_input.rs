//! What becomes of a value that somebody types: on the command line, in a form, for a trial.

use crate::store::{Entry, Expiry, InvalidValue, Key, Operation, Type, UNTYPED, Value};

/// A value that was typed, as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum TypedInput {
    /// It has a type.
    Value(Value),
    /// Text without a type, as a program that knows no types would have written it.
    Untyped(Vec<u8>),
}

impl TypedInput {
    /// What a new entry becomes of which nobody says the type: a whole number in its plain digits is a
    /// number, a JSON object or array a table, anything else untyped text, which is read as whatever
    /// its reader means.
    pub fn guess(text: &[u8]) -> TypedInput {
        let integer = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        if let Some(integer) = integer.filter(|integer| integer.to_string().as_bytes() == text) {
            return TypedInput::Value(Value::integer(integer));
        }
        match Value::parse(text, Type::Table) {
            Ok(table) => TypedInput::Value(table),
            Err(_) => TypedInput::Untyped(text.to_vec()),
        }
    }

    /// What the text becomes over `found`, whose type it keeps; a new entry is guessed.
    ///
    /// # Errors
    /// It is not of the type of `found`.
    pub fn over(text: &[u8], found: Option<&Entry>) -> Result<TypedInput, InvalidValue> {
        match found {
            None => Ok(TypedInput::guess(text)),
            Some(entry) => Value::parse(text, entry.value_type()).map(TypedInput::Value),
        }
    }

    /// The name of the type that is stored, as it is shown.
    pub fn type_name(&self) -> &'static str {
        match self {
            TypedInput::Value(value) => value.value_type().name(),
            TypedInput::Untyped(_) => UNTYPED,
        }
    }

    /// The bytes that are stored.
    pub fn to_stored(&self) -> Vec<u8> {
        match self {
            TypedInput::Value(value) => value.to_stored(),
            TypedInput::Untyped(text) => text.clone(),
        }
    }

    pub fn put(self, key: Key, expiry: Expiry) -> Operation {
        match self {
            TypedInput::Value(value) => Operation::Put { key, value, expiry },
            TypedInput::Untyped(text) => Operation::PutUntyped { key, text, expiry },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_guessed() {
        for (text, type_name) in [
            ("42", "number"),
            ("-7", "number"),
            ("0", "number"),
            ("9223372036854775807", "number"),
            ("9223372036854775808", "untyped"),
            ("-1.5", "untyped"),
            ("1.0", "untyped"),
            ("1.10", "untyped"),
            ("007", "untyped"),
            ("-0", "untyped"),
            ("+5", "untyped"),
            ("1e3", "untyped"),
            ("true", "untyped"),
            ("false", "untyped"),
            ("null", "untyped"),
            ("\"x\"", "untyped"),
            ("", "untyped"),
            (" 42", "untyped"),
            ("[1,2]", "table"),
            ("{\"a\":1}", "table"),
            ("{a", "untyped"),
        ] {
            assert_eq!(TypedInput::guess(text.as_bytes()).type_name(), type_name, "{text:?}");
            assert_eq!(TypedInput::guess(text.as_bytes()).to_stored(), text.as_bytes(), "{text:?}");
        }
    }
}

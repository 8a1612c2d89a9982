//! What becomes of a value that somebody types: on the command line, in a form, for a trial.

use crate::store::{Entry, Expiry, InvalidValue, Key, Operation, Type, Value};

/// A value that was typed, as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// It has a type.
    Value(Value),
    /// Text without a type, as a program that knows no types would have written it.
    Untyped(Vec<u8>),
}

impl Typed {
    /// What a new entry becomes of which nobody says the type: a whole number in its plain digits is a
    /// number, a JSON object or array a table, anything else untyped text, which is read as whatever
    /// its reader means.
    pub fn guess(text: &[u8]) -> Typed {
        let integer = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        if let Some(integer) = integer.filter(|integer| integer.to_string().as_bytes() == text) {
            return Typed::Value(Value::integer(integer));
        }
        match Value::parse(text, Type::Table) {
            Ok(table) => Typed::Value(table),
            Err(_) => Typed::Untyped(text.to_vec()),
        }
    }

    /// What the text becomes over `found`, whose type it keeps; a new entry is guessed.
    ///
    /// # Errors
    /// It is not of the type of `found`.
    pub fn over(text: &[u8], found: Option<&Entry>) -> Result<Typed, InvalidValue> {
        match found {
            None => Ok(Typed::guess(text)),
            Some(entry) => Value::parse(text, entry.value_type()).map(Typed::Value),
        }
    }

    /// The name of the type that is stored, as it is shown.
    pub fn type_name(&self) -> &'static str {
        match self {
            Typed::Value(value) => value.value_type().name(),
            Typed::Untyped(_) => UNTYPED,
        }
    }

    /// The bytes that are stored.
    pub fn to_stored(&self) -> Vec<u8> {
        match self {
            Typed::Value(value) => value.to_stored(),
            Typed::Untyped(text) => text.clone(),
        }
    }

    /// The write of this value.
    pub fn put(self, key: Key, expiry: Expiry) -> Operation {
        match self {
            Typed::Value(value) => Operation::Put { key, value, expiry },
            Typed::Untyped(text) => Operation::PutUntyped { key, text, expiry },
        }
    }
}

/// What the type of text without a type is called.
pub const UNTYPED: &str = "untyped";

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
            assert_eq!(Typed::guess(text.as_bytes()).type_name(), type_name, "{text:?}");
            assert_eq!(Typed::guess(text.as_bytes()).to_stored(), text.as_bytes(), "{text:?}");
        }
    }
}

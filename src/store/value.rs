//! Values and their types.

use std::fmt;
use std::str::FromStr;

use crate::escape::escape;

/// What is stored: a table is stored as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Any bytes.
    String,
    /// A 64-bit integer or a finite double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A JSON array or object.
    Table,
}

impl Type {
    /// The name as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Table => "table",
        }
    }

    /// The type of that name; `list`, which Sloth Runner's older generation knows, is a table.
    pub fn from_name(name: &str) -> Option<Type> {
        match name {
            "string" => Some(Type::String),
            "number" => Some(Type::Number),
            "boolean" => Some(Type::Boolean),
            "table" | "list" => Some(Type::Table),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number: integers stay integers as long as they fit into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A 64-bit integer.
    Integer(i64),
    /// A finite double.
    Float(f64),
}

impl Number {
    /// `value` as a number, an integer where it is one exactly; `None` for NaN and infinities.
    pub fn from_f64(value: f64) -> Option<Number> {
        // 2^63 is the first double that is too large for an i64.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if !value.is_finite() {
            None
        } else if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) {
            Some(Number::Integer(value as i64))
        } else {
            Some(Number::Float(value))
        }
    }

    /// The number as a double; integers beyond 2^53 are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    /// The sum; exact for integers that fit, a double otherwise. `None` if it is not finite.
    pub fn plus(self, other: Number) -> Option<Number> {
        if let (Number::Integer(left), Number::Integer(right)) = (self, other)
            && let Some(sum) = left.checked_add(right)
        {
            return Some(Number::Integer(sum));
        }
        let sum = self.as_f64() + other.as_f64();
        sum.is_finite().then_some(Number::Float(sum))
    }

    /// The number with the other sign; the smallest integer becomes a double.
    pub fn negated(self) -> Number {
        match self {
            Number::Integer(integer) => {
                integer.checked_neg().map_or(Number::Float(-(integer as f64)), Number::Integer)
            }
            Number::Float(float) => Number::Float(-float),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(integer) => write!(f, "{integer}"),
            Number::Float(float) => write!(f, "{float:?}"),
        }
    }
}

/// Why a text is not a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number")]
pub struct NotANumber(String);

impl FromStr for Number {
    type Err = NotANumber;

    /// Reads decimal integers and doubles, as JSON and Lua write them; no spaces, no `inf`.
    fn from_str(text: &str) -> Result<Number, NotANumber> {
        let refused = || NotANumber(escape(text.as_bytes()));
        if let Ok(integer) = text.parse::<i64>() {
            return Ok(Number::Integer(integer));
        }
        let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
        if !text.chars().all(plain) {
            return Err(refused());
        }
        let float: f64 = text.parse().map_err(|_| refused())?;
        if !float.is_finite() {
            return Err(refused());
        }
        Ok(Number::Float(float))
    }
}

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, or any bytes that another program wrote.
    String(Vec<u8>),
    /// A number.
    Number(Number),
    /// A truth value.
    Boolean(bool),
    /// A JSON array or object; compared by content.
    Table(serde_json::Value),
}

impl Value {
    /// A string value.
    pub fn text(text: impl Into<String>) -> Value {
        Value::String(text.into().into_bytes())
    }

    /// An integer value.
    pub fn integer(integer: i64) -> Value {
        Value::Number(Number::Integer(integer))
    }

    /// The type of the value.
    pub fn value_type(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::Number(_) => Type::Number,
            Value::Boolean(_) => Type::Boolean,
            Value::Table(_) => Type::Table,
        }
    }

    /// The value as it is stored.
    pub fn to_stored(&self) -> Vec<u8> {
        match self {
            Value::String(bytes) => bytes.clone(),
            Value::Number(number) => number.to_string().into_bytes(),
            Value::Boolean(truth) => truth.to_string().into_bytes(),
            Value::Table(json) => json.to_string().into_bytes(),
        }
    }

    /// Reads what is stored. The stored type is advice: what does not parse as its type, and
    /// what has no type, is the string it is.
    pub fn from_stored(stored: &[u8], advice: Option<Type>) -> Value {
        let typed = advice.and_then(|value_type| Value::parse(stored, value_type).ok());
        typed.unwrap_or_else(|| Value::String(stored.to_vec()))
    }

    /// Reads `text` as a value of type `value_type`.
    ///
    /// # Errors
    /// [`InvalidValue`] says what the text is not, and for a table where the JSON is wrong.
    pub fn parse(text: &[u8], value_type: Type) -> Result<Value, InvalidValue> {
        let utf8 = || {
            std::str::from_utf8(text)
                .map_err(|_| InvalidValue { value_type, reason: "it is not UTF-8 text".into() })
        };
        let refused = |reason: String| InvalidValue { value_type, reason };
        match value_type {
            Type::String => Ok(Value::String(text.to_vec())),
            Type::Number => {
                let number = utf8()?.parse().map_err(|error: NotANumber| refused(error.to_string()))?;
                Ok(Value::Number(number))
            }
            Type::Boolean => match text {
                b"true" => Ok(Value::Boolean(true)),
                b"false" => Ok(Value::Boolean(false)),
                _ => Err(refused("it is neither true nor false".into())),
            },
            Type::Table => {
                let json: serde_json::Value =
                    serde_json::from_str(utf8()?).map_err(|error| refused(error.to_string()))?;
                match json {
                    serde_json::Value::Array(_) | serde_json::Value::Object(_) => Ok(Value::Table(json)),
                    _ => Err(refused("a table is a JSON array or object".into())),
                }
            }
        }
    }

    /// What a text looks like: only what would be written back in the same characters is taken
    /// for a number, so that a version such as `1.10` stays the text it is.
    pub fn guess(text: &[u8]) -> Value {
        let number = Value::parse(text, Type::Number).ok().filter(|number| number.to_stored() == text);
        number
            .or_else(|| Value::parse(text, Type::Boolean).ok())
            .or_else(|| Value::parse(text, Type::Table).ok())
            .unwrap_or_else(|| Value::String(text.to_vec()))
    }

    /// The value as JSON. A string that is no UTF-8 has its wrong bytes replaced.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::String(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
            Value::Number(Number::Integer(integer)) => (*integer).into(),
            Value::Number(Number::Float(float)) => (*float).into(),
            Value::Boolean(truth) => (*truth).into(),
            Value::Table(json) => json.clone(),
        }
    }
}

/// Why a text is not a value of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct InvalidValue {
    /// The type that was asked for.
    pub value_type: Type,
    /// What is wrong with the text.
    pub reason: String,
}

impl InvalidValue {
    /// Of a number the reason says it already.
    fn text(&self) -> String {
        match self.value_type {
            Type::Number => self.reason.clone(),
            other => format!("this is no {other}: {}", self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_as_its_type_is_a_string() {
        assert_eq!(Value::from_stored(b"12", Some(Type::Number)), Value::integer(12));
        assert_eq!(Value::from_stored(b"twelve", Some(Type::Number)), Value::text("twelve"));
        assert_eq!(Value::from_stored(b"{", Some(Type::Table)), Value::text("{"));
        assert_eq!(Value::from_stored(b"3", Some(Type::Table)), Value::text("3"));
        assert_eq!(Value::from_stored(b"true", None), Value::text("true"));
    }

    #[test]
    fn integers_stay_integers() {
        let large = Number::Integer(i64::MAX - 1);
        assert_eq!(large.plus(Number::Integer(1)), Some(Number::Integer(i64::MAX)));
        assert_eq!(Number::from_f64(3.0), Some(Number::Integer(3)));
        assert_eq!(Number::from_f64(9.3e18), Some(Number::Float(9.3e18)));
        assert_eq!(Number::from_f64(f64::NAN), None);
    }

    #[test]
    fn numbers_are_read_back_as_they_were_written() {
        for number in [Number::Integer(i64::MIN), Number::Float(0.1), Number::Float(-1.5e300)] {
            assert_eq!(number.to_string().parse(), Ok(number));
        }
        for text in ["", "inf", "NaN", " 1", "0x10", "1e999", "--1"] {
            assert!(text.parse::<Number>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn tables_compare_by_content() {
        let left = Value::parse(br#"{"a":1,"b":[true]}"#, Type::Table).unwrap();
        let right = Value::parse(br#"{ "b": [true], "a": 1 }"#, Type::Table).unwrap();
        assert_eq!(left, right);
    }

    #[test]
    fn only_what_is_written_back_the_same_is_taken_for_a_number() {
        for (text, value_type) in [
            ("42", Type::Number),
            ("-1.5", Type::Number),
            ("1.10", Type::String),
            ("007", Type::String),
            ("1e3", Type::String),
            ("true", Type::Boolean),
            ("True", Type::String),
            ("[1,2]", Type::Table),
            ("\"x\"", Type::String),
            ("", Type::String),
        ] {
            assert_eq!(Value::guess(text.as_bytes()).value_type(), value_type, "{text}");
        }
    }
}

//! Values and their types.

use std::fmt;
use std::str::FromStr;

use crate::store::json::{self, JsonText};
use crate::text::escape::escape;

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

/// A number to calculate with: integers stay integers as long as they fit into 64 bits.
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

    /// The sum of a number and a step. An integer stays one; `None` where the sum of whole numbers has no
    /// place in 64 bits, where it is not finite, and where the step is lost on a number that is too large
    /// for it.
    pub fn plus(self, step: Number) -> Option<Number> {
        if let (Number::Integer(left), Number::Integer(right)) = (self, step) {
            return left.checked_add(right).map(Number::Integer);
        }
        let is_rounded =
            |number: Number| matches!(number, Number::Integer(integer) if is_beyond_doubles(integer));
        if is_rounded(self) || is_rounded(step) {
            return None;
        }
        let (left, right) = (self.as_f64(), step.as_f64());
        let sum = left + right;
        if !sum.is_finite() || (sum == left && right != 0.0) {
            return None;
        }
        match (self, Number::from_f64(sum)) {
            // An integer does not become a double because it grows.
            (Number::Integer(_), Some(Number::Float(float))) if float.fract() == 0.0 => None,
            (Number::Integer(_), whole) => whole,
            (Number::Float(_), _) => Some(Number::Float(sum)),
        }
    }

    /// The number as an integer where it is a whole one that fits; `None` if it is not finite.
    pub(crate) fn in_plain_digits(self) -> Option<Number> {
        match self {
            Number::Integer(_) => Some(self),
            Number::Float(float) => Number::from_f64(float),
        }
    }

    /// The number with the other sign; `None` for the smallest integer.
    pub fn negated(self) -> Option<Number> {
        match self {
            Number::Integer(integer) => integer.checked_neg().map(Number::Integer),
            Number::Float(float) => Some(Number::Float(-float)),
        }
    }
}

/// Whether there are doubles that stand for several integers of this size: beyond 2^53.
fn is_beyond_doubles(integer: i64) -> bool {
    integer.unsigned_abs() > 1 << 53
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(integer) => write!(f, "{integer}"),
            Number::Float(float) => write!(f, "{float:?}"),
        }
    }
}

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

/// A number as it is written: its digits, and its spelling. Two of them are equal if they are written alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Numeral {
    number: Number,
    /// `None` where it is spelled as the program spells it.
    spelling: Option<Box<str>>,
}

impl Numeral {
    /// The number; of more digits than it can hold, the nearest one.
    pub fn number(&self) -> Number {
        self.number
    }

    /// Whether it is a whole number beyond 2^53, where a double no longer has its last digit.
    pub fn is_beyond_doubles(&self) -> bool {
        match self.number {
            Number::Integer(integer) => is_beyond_doubles(integer),
            Number::Float(_) => self.is_beyond_integers(),
        }
    }

    /// Whether it is a whole number that has no place in 64 bits, so that nothing can be added to it.
    pub fn is_beyond_integers(&self) -> bool {
        matches!(self.number, Number::Float(_)) && self.spelling.as_deref().is_some_and(json::is_whole)
    }

    /// Whether both are the same number: whole numbers beyond 2^53 to the last digit, others as doubles.
    pub fn means(&self, other: &Numeral) -> bool {
        json::is_same_number(&self.to_string(), &other.to_string())
    }

    /// As JSON spells it: as it is written, if that is JSON.
    fn to_json(&self) -> String {
        let text = self.to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let digits = digits.trim_start_matches('+');
        let zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
        let needed = digits.as_bytes().get(zeros).is_none_or(|byte| !byte.is_ascii_digit());
        let digits = &digits[zeros - usize::from(needed && zeros > 0)..];
        let spelled = format!("{sign}{digits}");
        if JsonText::parse(&spelled).is_ok() { spelled } else { self.number.to_string() }
    }
}

impl From<Number> for Numeral {
    fn from(number: Number) -> Numeral {
        Numeral { number, spelling: None }
    }
}

impl fmt::Display for Numeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spelling {
            Some(spelling) => f.write_str(spelling),
            None => self.number.fmt(f),
        }
    }
}

impl FromStr for Numeral {
    type Err = NotANumber;

    /// Reads what [`Number`] reads, and keeps how it is spelled.
    fn from_str(text: &str) -> Result<Numeral, NotANumber> {
        let number: Number = text.parse()?;
        Ok(Numeral { number, spelling: (number.to_string() != text).then(|| text.into()) })
    }
}

/// A typed value. Two values are equal if they have the same type and the same bytes; [`Value::means`]
/// compares what they say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, or any bytes that another program wrote.
    String(Vec<u8>),
    Number(Numeral),
    Boolean(bool),
    /// A JSON array or object, as it is written.
    Table(JsonText),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Value {
        Value::String(text.into().into_bytes())
    }

    pub fn integer(integer: i64) -> Value {
        Value::number(Number::Integer(integer))
    }

    pub fn number(number: Number) -> Value {
        Value::Number(number.into())
    }

    /// A table of a JSON array or object.
    pub fn table(json: serde_json::Value) -> Value {
        Value::Table(json.into())
    }

    pub fn value_type(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::Number(_) => Type::Number,
            Value::Boolean(_) => Type::Boolean,
            Value::Table(_) => Type::Table,
        }
    }

    pub fn to_stored(&self) -> Vec<u8> {
        match self {
            Value::String(bytes) => bytes.clone(),
            Value::Number(number) => number.to_string().into_bytes(),
            Value::Boolean(truth) => truth.to_string().into_bytes(),
            Value::Table(json) => json.as_str().as_bytes().to_vec(),
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
                let json = JsonText::parse(utf8()?).map_err(|error| refused(error.to_string()))?;
                if !json.is_table() {
                    return Err(refused("a table is a JSON array or object".into()));
                }
                Ok(Value::Table(json))
            }
        }
    }

    /// The value as JSON, tables and numbers as they are written. A string that is not UTF-8 has its wrong
    /// bytes replaced.
    pub fn to_json(&self) -> String {
        match self {
            Value::String(bytes) => json::quote(&String::from_utf8_lossy(bytes)),
            Value::Number(number) => number.to_json(),
            Value::Boolean(truth) => truth.to_string(),
            Value::Table(json) => json.on_one_line().into_owned(),
        }
    }

    /// Whether both say the same: numbers as numbers, tables by their content (see [`JsonText::means`]).
    pub fn means(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(one), Value::Number(other)) => one.means(other),
            (Value::Table(one), Value::Table(other)) => one.means(other),
            (one, other) => one == other,
        }
    }
}

/// Why a text is not a value of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct InvalidValue {
    pub value_type: Type,
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

/// What the type of text without a type is called.
pub const UNTYPED: &str = "untyped";

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
    fn values_are_equal_by_their_bytes_and_mean_the_same_by_their_content() {
        for (value_type, one, other) in [
            (Type::Table, r#"{"a":1,"b":[true]}"#, r#"{ "b": [true], "a": 1 }"#),
            (Type::Number, "1.50", "15e-1"),
            (Type::Number, "007", "7"),
        ] {
            let [one, other] = [one, other].map(|text| Value::parse(text.as_bytes(), value_type).unwrap());
            assert!(one.means(&other) && one != other, "{one:?} and {other:?}");
        }
        let [one, other] =
            ["9007199254740993", "9007199254740992"].map(|text| Value::number(text.parse().unwrap()));
        assert!(!one.means(&other));
    }

    #[test]
    fn numbers_and_tables_keep_their_spelling() {
        for (text, as_json) in [
            ("1.50", "1.50"),
            ("+5", "5"),
            ("-007", "-7"),
            ("-0", "-0"),
            ("00", "0"),
            ("00.5", "0.5"),
            (".5", "0.5"),
            ("1e+06", "1e+06"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("0.12345678901234567890", "0.12345678901234567890"),
        ] {
            let value = Value::parse(text.as_bytes(), Type::Number).unwrap();
            assert_eq!(value.to_stored(), text.as_bytes());
            assert_eq!(value.to_json(), as_json);
        }
        let text = b" {\"z\": 1.0,\n\"z\":12345678901234567890123 }";
        let table = Value::parse(text, Type::Table).unwrap();
        assert_eq!(table.to_stored(), text);
    }

    #[test]
    fn a_sum_is_exact_or_refused() {
        let (integer, float) = (Number::Integer, Number::Float);
        for (left, step, sum) in [
            (integer(i64::MAX), integer(1), None),
            (integer(i64::MIN), integer(-1), None),
            (integer(i64::MAX - 1), integer(1), Some(integer(i64::MAX))),
            (integer(5), float(0.5), Some(float(5.5))),
            (integer(5), float(2.0), Some(integer(7))),
            (integer(1 << 54), float(0.5), None),
            (integer(5), float(1e300), None),
            (float(1e300), integer(1), None),
            (float(1.5), integer(1), Some(float(2.5))),
            (float(f64::MAX), float(f64::MAX), None),
        ] {
            assert_eq!(left.plus(step), sum, "{left:?} and {step:?}");
        }
        assert_eq!(integer(i64::MIN).negated(), None);
    }
}

//! Numbers as text: which number a text spells, and whether it is written as a number would be.

use crate::store::Number;

impl Number {
    /// The number that `text` spells in decimal digits, as JSON writes numbers: `42`, `-1.50`, `1e+06`.
    /// A whole number that fits 64 bits is an integer, exactly. `None` for anything else, such as
    /// leading zeros, blanks, a plus sign, or what is too large for a double.
    pub fn spelled(text: &[u8]) -> Option<Number> {
        let decimal = Decimal::read(text)?;
        if let Some(integer) = decimal.integer() {
            return Some(Number::Integer(integer));
        }
        let float: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        float.is_finite().then_some(Number::Float(float))
    }

    /// As [`Number::spelled`], if a script can have the number without losing a digit.
    pub fn spelled_exactly(text: &[u8]) -> Option<Number> {
        const LARGEST: u64 = 1 << 53;
        match Number::spelled(text)? {
            Number::Integer(integer) => {
                (integer.unsigned_abs() <= LARGEST).then_some(Number::Integer(integer))
            }
            Number::Float(float) => {
                let shortest = Decimal::read(format!("{float:e}").as_bytes());
                (shortest == Decimal::read(text)).then_some(Number::Float(float))
            }
        }
    }

    /// As [`Number::spelled`], if a program that has the number would write it so: `42`, `-7`, `1.5`, and
    /// Sloth Runner's `1e+06`; not `1.10` or `1e3`, which may be a version or a checksum.
    pub fn written(text: &[u8]) -> Option<Number> {
        let number = Number::spelled(text)?;
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], Some(&text[at..])),
            None => (text, None),
        };
        let has_plain_mantissa =
            text != b"-0" && !(mantissa.contains(&b'.') && mantissa.last() == Some(&b'0'));
        let is_plain = match exponent {
            None => has_plain_mantissa,
            Some(exponent) => {
                let digits = exponent.strip_prefix(b"e+").or_else(|| exponent.strip_prefix(b"e-"));
                let unsigned = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
                let has_one_digit = unsigned.len() == 1 || unsigned.get(1) == Some(&b'.');
                has_plain_mantissa && has_one_digit && digits.is_some_and(|digits| digits.len() >= 2)
            }
        };
        (is_plain || number.to_string().as_bytes() == text).then_some(number)
    }
}

/// A decimal number: 0.DIGITS times ten to a power, without zeros at either end of the digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    power: i64,
}

impl Decimal {
    fn read(text: &[u8]) -> Option<Decimal> {
        let (is_negative, rest) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let digits_in = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, rest) = rest.split_at(digits_in(rest));
        if whole.is_empty() || whole.len() > 1 && whole[0] == b'0' {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => rest.split_at(digits_in(rest)),
            None => (&b""[..], rest),
        };
        let has_point = text.contains(&b'.');
        if has_point && fraction.is_empty() {
            return None;
        }
        let exponent: i64 = match rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
            Some(exponent) => {
                let unsigned =
                    exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
                let is_whole =
                    !unsigned.is_empty() && unsigned.len() <= 9 && digits_in(unsigned) == unsigned.len();
                is_whole.then(|| std::str::from_utf8(exponent).ok()?.parse().ok()).flatten()?
            }
            None if rest.is_empty() => 0,
            None => return None,
        };
        let all = [whole, fraction].concat();
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let trailing = all[leading..].iter().rev().take_while(|digit| **digit == b'0').count();
        let digits = all[leading..all.len() - trailing].to_vec();
        let power = match digits.is_empty() {
            true => 0,
            false => whole.len() as i64 - leading as i64 + exponent,
        };
        Some(Decimal { is_negative, digits, power })
    }

    /// The number as a 64-bit integer, if it is one; a negative zero is none.
    fn integer(&self) -> Option<i64> {
        let length = i64::try_from(self.digits.len()).ok()?;
        if self.digits.is_empty() {
            return (!self.is_negative).then_some(0);
        }
        if self.power < length || self.power > 19 {
            return None;
        }
        let zeros = usize::try_from(self.power - length).ok()?;
        let sign = if self.is_negative { "-" } else { "" };
        let digits = String::from_utf8_lossy(&self.digits);
        format!("{sign}{digits}{}", "0".repeat(zeros)).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_spells_a_number() {
        for (text, expected) in [
            ("42", Some(Number::Integer(42))),
            ("-7", Some(Number::Integer(-7))),
            ("0", Some(Number::Integer(0))),
            ("1.0", Some(Number::Integer(1))),
            ("-1.50", Some(Number::Float(-1.5))),
            ("1e+06", Some(Number::Integer(1_000_000))),
            ("1.796001296e+09", Some(Number::Integer(1_796_001_296))),
            ("9223372036854775807", Some(Number::Integer(i64::MAX))),
            ("-9223372036854775808", Some(Number::Integer(i64::MIN))),
            ("9223372036854775808", Some(Number::Float(9_223_372_036_854_775_808.0))),
            ("1e-07", Some(Number::Float(1e-7))),
            ("0e999999999", Some(Number::Integer(0))),
        ] {
            assert_eq!(Number::spelled(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "-",
            "+5",
            "007",
            "01234",
            " 1",
            "1 ",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x10",
            "inf",
            "NaN",
            "1e999",
            "--1",
            "1_000",
            "1,5",
            "1e+1.5",
            "1e9999999999",
            "true",
            "1.2.3",
            "é",
        ] {
            assert_eq!(Number::spelled(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn digits_are_not_lost() {
        for text in ["9007199254740992", "0.1", "-1.50", "1e300", "3.14159", "1.0", "1e+06"] {
            assert!(Number::spelled_exactly(text.as_bytes()).is_some(), "{text}");
        }
        for text in
            ["9007199254740993", "1234567890123456789", "0.10000000000000000001", "12345678901234567890123"]
        {
            assert_eq!(Number::spelled_exactly(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn some_texts_only_look_like_numbers() {
        for text in ["42", "-7", "0", "1.5", "-0.25", "1e+06", "1.796001296e+09", "1e-07", "1e300", "1.5e-7"]
        {
            assert!(Number::written(text.as_bytes()).is_some(), "{text}");
        }
        for text in
            ["007", "1.10", "1.0", "1e3", "12e+06", "1E+06", "-0", " 5", "5 ", "1.50e+06", "4e5", "+1"]
        {
            assert_eq!(Number::written(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(integer in any::<i64>(), float in any::<f64>()) {
            let text = integer.to_string();
            prop_assert_eq!(Number::written(text.as_bytes()), Some(Number::Integer(integer)));
            if let Some(number) = Number::from_f64(float) {
                let text = number.to_string();
                prop_assert_eq!(Number::spelled(text.as_bytes()).map(Number::as_f64), Some(float));
                let is_negative_zero = float == 0.0 && float.is_sign_negative();
                prop_assert!(is_negative_zero || Number::written(text.as_bytes()).is_some(), "{}", text);
            }
        }
    }
}

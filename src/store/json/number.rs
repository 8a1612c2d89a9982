//! The spelling of numbers in JSON texts, and what they mean.

/// Whether a number is spelled as a whole number: digits, and perhaps a sign.
pub fn is_whole(number: &str) -> bool {
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether two numbers, as they are spelled, are the same one: whole numbers beyond 2^53 to the last digit,
/// others as doubles, which is how Lua sees them.
pub fn is_same_number(one: &str, other: &str) -> bool {
    let double = |number: &str| number.parse::<f64>().ok();
    one == other
        || decimal(one) == decimal(other)
        || (double(one) == double(other) && !is_beyond_doubles(one) && !is_beyond_doubles(other))
}

/// Whether a number is spelled as a whole one beyond 2^53, where a double no longer has its last digit.
pub fn is_beyond_doubles(number: &str) -> bool {
    is_whole(number) && number.parse::<i64>().map_or(true, |integer| integer.unsigned_abs() > 1 << 53)
}

/// A number as its sign, its digits without zeros at either end, and the power of ten of the last.
fn decimal(number: &str) -> (bool, String, i64) {
    let (is_negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let power =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let power =
        power.saturating_sub(fraction.len() as i64).saturating_add((digits.len() - trimmed.len()) as i64);
    match trimmed.trim_start_matches('0') {
        "" => (false, String::new(), 0),
        digits => (is_negative, digits.to_string(), power),
    }
}

//! What an entry is for, inferred from its key and value.

mod names;

use std::sync::Arc;

pub use self::names::names_a_time;
use self::names::{is_lock_name, names_a_cache, names_a_flag, names_locks};
use crate::store::json::{JsonNode, JsonText};
use crate::store::{Entry, Key, Kind, Number, Pattern, Type, Value};
use crate::time::Millis;

/// Kinds that keys have by the user's word, whatever would be inferred.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    rules: Option<Arc<[(Pattern, Kind)]>>,
}

impl Kinds {
    /// No key has one.
    pub const NONE: &'static Kinds = &Kinds { rules: None };

    /// Of several patterns that fit a key, the first counts.
    pub fn new(rules: Vec<(Pattern, Kind)>) -> Kinds {
        Kinds { rules: (!rules.is_empty()).then(|| rules.into()) }
    }

    /// The kind that entries of this key have; `None` if it is inferred.
    pub fn of(&self, key: &Key) -> Option<Kind> {
        let fits = self.rules.as_ref()?.iter().find(|(pattern, _)| pattern.matches(key));
        fits.map(|(_, kind)| *kind)
    }

    /// Whether an entry of this key may be used as a lock: all that can be told without its value.
    pub fn may_be_lock(&self, key: &Key) -> bool {
        match self.of(key) {
            Some(kind) => kind == Kind::Lock,
            None => is_lock_name(&key.to_text()),
        }
    }

    /// The entry with the kind that its key has.
    #[must_use]
    pub fn mark(&self, entry: Entry) -> Entry {
        match self.of(&entry.key) {
            None => entry,
            kind => Entry { kind, ..entry },
        }
    }
}

/// The kind of an entry, and why it is thought to be of that kind. It follows from the key and the type
/// alone (text that another program wrote has the type that it spells): a counter at 1, a gauge with a
/// fraction and an entry with an expiry are what they were before.
pub fn infer(entry: &Entry) -> (Kind, &'static str) {
    if let Some(kind) = entry.kind {
        return (kind, "the configuration says so");
    }
    let name = entry.key.to_text();
    match spelled_type(entry) {
        Spelled::Boolean => (Kind::Flag, "the value is true or false"),
        Spelled::Number if is_lock_name(&name) && !names_locks(&name) => (Kind::Lock, "the key ends in lock"),
        Spelled::Number if names_a_flag(&name) => (Kind::Flag, "the key names a flag"),
        Spelled::Number if names_a_time(&name) => (Kind::Timestamp, "the key names a time"),
        Spelled::Number => (Kind::Counter, "the value is a number"),
        Spelled::Word if names_a_flag(&name) => {
            (Kind::Flag, "the key names a flag and the value is a word for on or off")
        }
        Spelled::Date if names_a_time(&name) => {
            (Kind::Timestamp, "the key names a time and the value is a date")
        }
        Spelled::Holder | Spelled::Text | Spelled::Word if is_lock_name(&name) => {
            (Kind::Lock, "the key ends in lock and the value is text")
        }
        Spelled::Holder if is_lock_name(&name) => {
            (Kind::Lock, "the key ends in lock and the value names a holder")
        }
        Spelled::Date | Spelled::Holder | Spelled::Table | Spelled::Text | Spelled::Word
            if names_a_cache(&name) =>
        {
            (Kind::Cache, "the key names a cache")
        }
        Spelled::Holder | Spelled::Table => (Kind::Table, "the value is a JSON table"),
        Spelled::Date | Spelled::Text | Spelled::Word => (Kind::Plain, "no other kind applies"),
    }
}

/// An entry that is used as a lock: its key ends in `lock` and its value names a holder, or the
/// configuration says so.
pub fn is_used_as_lock(entry: &Entry) -> bool {
    entry.kind.is_some_and(|kind| kind == Kind::Lock)
        || infer(entry).0 == Kind::Lock && names_a_holder(&entry.value())
}

/// The moment that a number stands for, in seconds or milliseconds since the epoch.
pub fn moment(number: &str) -> Option<Millis> {
    let number: Number = number.parse().ok()?;
    let value = number.as_f64();
    is_epoch(number).then_some(Millis(if value < 1e11 { value * 1000.0 } else { value } as i64))
}

/// The holder that an entry used as a lock names.
pub fn holder_in(entry: &Entry) -> String {
    let named = match Value::parse(&entry.stored, Type::Table) {
        Ok(Value::Table(json)) => {
            HOLDER_FIELDS.iter().find_map(|name| json.get(name)).map(|holder| match holder.look() {
                JsonNode::String(holder) => holder.into_owned(),
                _ => holder.to_string(),
            })
        }
        _ => None,
    };
    named.unwrap_or_else(|| String::from_utf8_lossy(&entry.stored).into_owned())
}

/// The other state of a flag, in the same type and spelling; `None` if the value is no flag.
pub fn toggled(value: &Value) -> Option<Value> {
    match value {
        Value::Boolean(truth) => Some(Value::Boolean(!truth)),
        Value::Number(number) if number.number() == Number::Integer(0) => Some(Value::integer(1)),
        Value::Number(number) if number.number() == Number::Integer(1) => Some(Value::integer(0)),
        Value::String(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let lower = text.to_ascii_lowercase();
            let other = ON_AND_OFF.iter().find_map(|(on, off)| match lower.as_str() {
                word if word == *on => Some(*off),
                word if word == *off => Some(*on),
                _ => None,
            })?;
            Some(Value::text(spelled_like(other, text)))
        }
        _ => None,
    }
}

/// Whether a flag is on; `None` if the value is no flag.
pub fn is_on(value: &Value) -> Option<bool> {
    toggled(value)?;
    Some(match value {
        Value::Boolean(truth) => *truth,
        Value::Number(number) => number.number() == Number::Integer(1),
        Value::String(text) => {
            let lower = text.to_ascii_lowercase();
            ON_AND_OFF.iter().any(|(on, _)| on.as_bytes() == lower)
        }
        Value::Table(_) => return None,
    })
}

const ON_AND_OFF: [(&str, &str); 5] =
    [("true", "false"), ("on", "off"), ("yes", "no"), ("enabled", "disabled"), ("1", "0")];

/// The fields of a table that name a holder.
const HOLDER_FIELDS: [&str; 3] = ["holder", "owner", "locked_by"];

/// What kind of text a value is, whoever wrote it.
enum Spelled {
    Boolean,
    Number,
    /// Another word for on or off, such as `yes`.
    Word,
    Date,
    /// A table that says who holds something.
    Holder,
    Table,
    Text,
}

fn spelled_type(entry: &Entry) -> Spelled {
    let value = entry.value();
    match &value {
        Value::Boolean(_) => Spelled::Boolean,
        Value::Number(_) => Spelled::Number,
        Value::Table(json) if names_a_holder_in(json) => Spelled::Holder,
        Value::Table(_) => Spelled::Table,
        Value::String(_) if entry.value_type() == Type::Table => Spelled::Table,
        Value::String(text) if is_truth(text) => Spelled::Boolean,
        Value::String(text) => {
            let is_untyped = entry.stored_type.is_none();
            if is_untyped && spells_a_number(text) {
                Spelled::Number
            } else if toggled(&value).is_some() {
                Spelled::Word
            } else if is_date(text) {
                Spelled::Date
            } else if is_untyped && let Some(json) = json_table(text) {
                if names_a_holder_in(&json) { Spelled::Holder } else { Spelled::Table }
            } else {
                Spelled::Text
            }
        }
    }
}

fn is_truth(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false")
}

/// Whether text is as it would be written for a number: `42`, `-7`, `1.5`, and as Sloth Runner writes them
/// `1e+06`; not `007`, `1.0`, `+1` or a number that would lose digits.
fn spells_a_number(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = are_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let is_fraction = fraction.is_none_or(|fraction| are_digits(fraction) && !fraction.ends_with('0'));
    let is_exponent = exponent.is_none_or(|exponent| {
        whole.len() == 1 && whole != "0" && exponent.strip_prefix(['+', '-']).is_some_and(are_digits)
    });
    let fits = || match text.parse::<Number>() {
        Ok(Number::Integer(_)) => true,
        Ok(Number::Float(_)) => fraction.is_some() || exponent.is_some(),
        Err(_) => false,
    };
    is_whole && is_fraction && is_exponent && text != "-0" && fits()
}

fn spelled_like(word: &str, model: &str) -> String {
    let letters = || model.chars().filter(|c| c.is_alphabetic());
    if letters().count() > 1 && letters().all(char::is_uppercase) {
        return word.to_ascii_uppercase();
    }
    let mut characters = word.chars();
    match (characters.next(), model.chars().next()) {
        (Some(first), Some(capital)) if capital.is_uppercase() => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => word.to_string(),
    }
}

fn json_table(text: &[u8]) -> Option<JsonText> {
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return None;
    }
    match Value::parse(text, Type::Table) {
        Ok(Value::Table(json)) => Some(json),
        _ => None,
    }
}

/// A holder is a name, a number, or a table that says who; what merely says "free" is none.
fn names_a_holder(value: &Value) -> bool {
    match value {
        Value::Number(_) => toggled(value).is_none(),
        Value::String(text) if toggled(value).is_none() => match json_table(text) {
            Some(json) => names_a_holder_in(&json),
            None => {
                !text.is_empty()
                    && !matches!(
                        &text.to_ascii_lowercase()[..],
                        b"null" | b"nil" | b"none" | b"free" | b"unlocked"
                    )
            }
        },
        Value::Table(json) => names_a_holder_in(json),
        _ => false,
    }
}

fn names_a_holder_in(json: &JsonText) -> bool {
    HOLDER_FIELDS.iter().any(|name| json.get(name).is_some())
}

/// Seconds or milliseconds between 2001 and 2286.
fn is_epoch(number: Number) -> bool {
    let value = number.as_f64();
    (1e9..1e10).contains(&value) || (1e12..1e13).contains(&value)
}

fn is_date(text: &[u8]) -> bool {
    (10..=40).contains(&text.len())
        && std::str::from_utf8(text).is_ok_and(|text| {
            chrono::DateTime::parse_from_rfc3339(text).is_ok()
                || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").is_ok()
                || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;
    use crate::time::Millis;

    fn entry(key: &str, value: Value, untyped: bool, expires: bool) -> Entry {
        let entry = testing::entry(key, value.to_stored(), (!untyped).then(|| value.value_type()));
        Entry { expires_at: expires.then_some(Millis(1)), ..entry }
    }

    #[test]
    fn kinds_are_inferred_from_key_and_type() {
        let untyped = |text: &str| (Value::text(text), true);
        let string = |text: &str| (Value::text(text), false);
        let typed = |value: Value| (value, false);
        let float = |value: f64| typed(Value::number(Number::Float(value)));
        let cases = [
            ("new_ui", typed(Value::Boolean(true)), Kind::Flag),
            ("new_ui", untyped("true"), Kind::Flag),
            ("new_ui", string("False"), Kind::Flag),
            ("new_ui", untyped("on"), Kind::Plain),
            ("country", untyped("NO"), Kind::Plain),
            ("country", untyped("yes"), Kind::Plain),
            ("answer", untyped("1"), Kind::Counter),
            ("feature:new_ui", untyped("1"), Kind::Flag),
            ("feature:new_ui", typed(Value::integer(0)), Kind::Flag),
            ("featureNewUi", untyped("Off"), Kind::Flag),
            ("cache_enabled", untyped("enabled"), Kind::Flag),
            ("feature:name", untyped("blue"), Kind::Plain),
            ("feature:requests", untyped("1"), Kind::Counter),
            ("use_count", typed(Value::integer(1)), Kind::Counter),
            ("feature:rollout", typed(Value::integer(1)), Kind::Counter),
            ("total_deploys", untyped("17"), Kind::Counter),
            ("total_deploys", typed(Value::integer(1)), Kind::Counter),
            ("total_deploys", untyped("1e+06"), Kind::Counter),
            ("ratio", untyped("-1.5"), Kind::Counter),
            ("load", float(0.5), Kind::Counter),
            ("load", float(1.0), Kind::Counter),
            ("load", untyped("0.25"), Kind::Counter),
            ("bytes_sent", typed(Value::integer(1_790_000_000)), Kind::Counter),
            ("zip", untyped("01234"), Kind::Plain),
            ("version", untyped("1.10"), Kind::Plain),
            ("version", untyped("1.0"), Kind::Plain),
            ("version", untyped("v1.2.3"), Kind::Plain),
            ("sha", untyped("12345678901234567890123"), Kind::Plain),
            ("build", string("42"), Kind::Plain),
            ("deploy_lock", untyped("ann@web1:42"), Kind::Lock),
            ("deploy_lock", untyped(""), Kind::Lock),
            ("deployLock", untyped("{\"owner\":\"ann\"}"), Kind::Lock),
            ("deploy_lock", untyped("4711"), Kind::Lock),
            ("open_locks", untyped("3"), Kind::Counter),
            ("deploy_lock", typed(Value::Boolean(false)), Kind::Flag),
            ("deploy_start_time", typed(Value::integer(1_790_000_000)), Kind::Timestamp),
            ("deploy_start_time", typed(Value::integer(0)), Kind::Timestamp),
            ("critical_operation_started", typed(Value::integer(1_790_000_000)), Kind::Timestamp),
            ("critical_operation_started", untyped("1.796001296e+09"), Kind::Timestamp),
            ("last_api_failure", untyped("1.796e+09"), Kind::Timestamp),
            ("lastSeen", untyped("1.796e+09"), Kind::Timestamp),
            ("workers_completed", untyped("4"), Kind::Counter),
            ("jobs_started", untyped("4"), Kind::Counter),
            ("last_deployed_version", untyped("42"), Kind::Counter),
            ("response_time", float(0.25), Kind::Counter),
            ("last_backup", untyped("2026-11-23 12:30:00"), Kind::Timestamp),
            ("release", untyped("2026-11-23"), Kind::Plain),
            ("config", untyped("{\"a\":1}"), Kind::Table),
            ("cache:report", untyped("x"), Kind::Cache),
            ("cache:report", untyped("{\"a\":1}"), Kind::Cache),
            ("cache:hits", untyped("3"), Kind::Counter),
        ];
        for (key, (value, is_untyped), kind) in cases {
            for expires in [false, true] {
                let entry = entry(key, value.clone(), is_untyped, expires);
                assert_eq!(infer(&entry).0, kind, "{key} {value:?}, expires: {expires}");
            }
        }
    }

    #[test]
    fn no_number_moves_an_entry_to_another_kind() {
        let floats = [0.0, 0.5, -1.5, 1e9, 1.79e9, 1e12, 1e300].map(Number::Float);
        let integers = [0, 1, 2, -1, 1_000_000_000, 1_790_000_000_000, i64::MAX].map(Number::Integer);
        for key in ["jobs", "load", "feature:x", "is_on", "last_run", "at", "cache:hits", "bytes", "my_lock"]
        {
            let kinds: Vec<Kind> = floats
                .iter()
                .chain(&integers)
                .map(|number| infer(&entry(key, Value::number(*number), false, false)).0)
                .collect();
            assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "{key}: {kinds:?}");
        }
    }

    #[test]
    fn text_is_a_number_only_as_it_would_be_written_for_one() {
        for text in ["0", "42", "-7", "1.5", "-0.25", "1e+06", "1.796e+09", "1e-05", "9223372036854775807"] {
            assert!(spells_a_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "007", "01234", "+1", " 1", "1 ", "1.0", "1.", ".5", "1e6", "1E+06", "10e+06"]
            .into_iter()
            .chain(["-0", "0x10", "inf", "NaN", "1e+999", "9223372036854775808", "1_000", "1,5", "١"])
        {
            assert!(!spells_a_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_lock_that_names_nobody_is_not_held() {
        for (text, is_held) in [("ann", true), ("4711", true), ("", false), ("free", false), ("0", false)] {
            assert_eq!(is_used_as_lock(&entry("db_lock", Value::text(text), true, false)), is_held, "{text}");
        }
    }

    #[test]
    fn what_the_configuration_says_counts_for_more() {
        let kinds = Kinds::new(vec![(Pattern::new("leader:*").unwrap(), Kind::Lock)]);
        let leader = kinds.mark(entry("leader:web", Value::text("ann"), true, false));
        assert_eq!(infer(&leader).0, Kind::Lock);
        assert!(is_used_as_lock(&leader) && kinds.may_be_lock(&leader.key));
        let other = kinds.mark(entry("leader", Value::text("ann"), true, false));
        assert_eq!(infer(&other).0, Kind::Plain);
        assert!(kinds.may_be_lock(&Key::new("db_lock").unwrap()));
        let unlike = Kinds::new(vec![(Pattern::new("db_").unwrap(), Kind::Plain)]);
        assert!(!unlike.may_be_lock(&Key::new("db_lock").unwrap()));
    }

    #[test]
    fn a_holder_is_found_in_a_table_too() {
        let table = Value::table(serde_json::json!({"owner": "bob", "since": 1}));
        assert_eq!(holder_in(&entry("db_lock", table, false, false)), "bob");
        assert_eq!(holder_in(&entry("db_lock", Value::text("ann"), false, false)), "ann");
    }

    #[test]
    fn toggling_twice_gives_the_same_text() {
        for text in ["true", "False", "ON", "yes", "Disabled", "0"] {
            let value = Value::text(text);
            let other = toggled(&value).unwrap();
            assert_ne!(other, value);
            assert_eq!(toggled(&other), Some(value), "{text}");
        }
        assert_eq!(toggled(&Value::text("maybe")), None);
    }
}

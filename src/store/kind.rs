//! What an entry is for, inferred from its key and value.

use std::fmt;
use std::sync::Arc;

use crate::store::json::Look;
use crate::store::{Entry, Key, Millis, Number, Pattern, Type, Value};

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Switches behaviour: on or off.
    Flag,
    /// Counts something.
    Counter,
    /// Names the holder of a critical section.
    Lock,
    /// A moment.
    Timestamp,
    /// Kept for a while to save work.
    Cache,
    /// Structured data.
    Table,
    /// Anything else.
    Plain,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] =
        [Kind::Flag, Kind::Counter, Kind::Lock, Kind::Timestamp, Kind::Cache, Kind::Table, Kind::Plain];

    /// The name as it is shown and configured.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Counter => "counter",
            Kind::Lock => "lock",
            Kind::Timestamp => "timestamp",
            Kind::Cache => "cache",
            Kind::Table => "table",
            Kind::Plain => "plain",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
            None => is_lock_name(&key.to_text().to_ascii_lowercase()),
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

/// The kind of an entry, and why it is thought to be of that kind.
pub fn infer(entry: &Entry) -> (Kind, &'static str) {
    if let Some(kind) = entry.kind {
        return (kind, "the configuration says so");
    }
    let name = entry.key.to_text().to_ascii_lowercase();
    let value = entry.value();
    if is_lock_name(&name) && names_a_holder(&value) {
        return (Kind::Lock, "the key ends in lock and the value names a holder");
    }
    if let Value::Boolean(_) = value {
        return (Kind::Flag, "the value is a boolean");
    }
    if toggled(&value).is_some() {
        let spelled_out = number_in(&value).is_none();
        if spelled_out {
            return (Kind::Flag, "the value is a word for on or off");
        }
        if has_word(&name, FLAG_WORDS) {
            return (Kind::Flag, "the key names a flag and the value is 0 or 1");
        }
    }
    if let Some(number) = number_in(&value) {
        if has_word(&name, TIME_WORDS) && is_epoch(number) {
            return (Kind::Timestamp, "the key names a time and the value is an epoch number");
        }
        if entry.expires_at.is_some() && has_word(&name, CACHE_WORDS) {
            return (Kind::Cache, "the key names a cache and the entry expires");
        }
        return match number {
            Number::Integer(_) => (Kind::Counter, "the value is an integer"),
            Number::Float(_) => (Kind::Plain, "the value is a number with a fraction"),
        };
    }
    if entry.expires_at.is_some() {
        return (Kind::Cache, "the entry expires");
    }
    if let Value::String(text) = &value
        && is_date(text)
    {
        return (Kind::Timestamp, "the value is a date");
    }
    if entry.value_type() == Type::Table || is_json_table(&entry.stored) {
        return (Kind::Table, "the value is a JSON table");
    }
    (Kind::Plain, "nothing marks it as anything else")
}

/// An entry that is used as a lock: its key ends in `lock` and its value names a holder, or the
/// configuration says so.
pub fn is_used_as_lock(entry: &Entry) -> bool {
    infer(entry).0 == Kind::Lock
}

/// The moment that a number stands for, in seconds or milliseconds since the epoch.
pub fn moment(number: &str) -> Option<Millis> {
    let number: Number = number.parse().ok()?;
    let value = number.as_f64();
    is_epoch(number).then_some(Millis(if value < 1e11 { value * 1000.0 } else { value } as i64))
}

/// Whether a name is one of a time.
pub fn names_a_time(name: &str) -> bool {
    has_word(&name.to_ascii_lowercase(), TIME_WORDS)
}

/// The holder that an entry used as a lock names.
pub fn holder_in(entry: &Entry) -> String {
    let named = match Value::parse(&entry.stored, Type::Table) {
        Ok(Value::Table(json)) => {
            HOLDER_FIELDS.iter().find_map(|name| json.get(name)).map(|holder| match holder.look() {
                Look::String(holder) => holder.into_owned(),
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

const FLAG_WORDS: &[&str] =
    &["flag", "flags", "feature", "enable", "enabled", "disabled", "is", "use", "maintenance", "toggle"];
const TIME_WORDS: &[&str] =
    &["time", "timestamp", "at", "ts", "epoch", "last", "since", "until", "date", "seen", "heartbeat"];
const CACHE_WORDS: &[&str] = &["cache", "cached"];

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

fn is_json_table(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'[')) && Value::parse(text, Type::Table).is_ok()
}

fn has_word(name: &str, words: &[&str]) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.contains(&part))
}

fn is_lock_name(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .next_back()
        .is_some_and(|last| matches!(last, "lock" | "locked" | "mutex" | "locks"))
}

/// A holder is a name, or a table that says who; what merely says "free" is none.
fn names_a_holder(value: &Value) -> bool {
    match value {
        Value::String(text) if toggled(value).is_none() => {
            !text.is_empty()
                && !matches!(
                    &text.to_ascii_lowercase()[..],
                    b"null" | b"nil" | b"none" | b"free" | b"unlocked"
                )
        }
        Value::Table(json) => HOLDER_FIELDS.iter().any(|name| json.get(name).is_some()),
        _ => false,
    }
}

fn number_in(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.number()),
        Value::String(text) if text.len() <= 32 => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
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
    use crate::store::{Millis, Revision};

    fn entry(key: &str, value: Value, untyped: bool, expires: bool) -> Entry {
        let stored = value.to_stored();
        Entry {
            key: Key::new(key).unwrap(),
            size: stored.len() as u64,
            stored,
            stored_type: (!untyped).then(|| value.value_type()),
            expires_at: expires.then_some(Millis(1)),
            version: 1,
            revision: Revision(1),
            created_at: None,
            modified_at: None,
            actor: None,
            kind: None,
        }
    }

    #[test]
    fn kinds_are_inferred_from_key_and_value() {
        let cases = [
            ("new_ui", Value::Boolean(true), Kind::Flag),
            ("new_ui", Value::text("on"), Kind::Flag),
            ("feature:new_ui", Value::text("1"), Kind::Flag),
            ("total_deploys", Value::text("17"), Kind::Counter),
            ("total_deploys", Value::integer(1), Kind::Counter),
            ("deploy_lock", Value::text("ann@web1:42"), Kind::Lock),
            ("deploy_lock", Value::Boolean(false), Kind::Flag),
            ("deploy_start_time", Value::integer(1_790_000_000), Kind::Timestamp),
            ("last_backup", Value::text("2026-11-23 12:30:00"), Kind::Timestamp),
            ("config", Value::text("{\"a\":1}"), Kind::Table),
            ("version", Value::text("v1.2.3"), Kind::Plain),
            ("load", Value::number(Number::Float(0.5)), Kind::Plain),
        ];
        for (key, value, kind) in cases {
            assert_eq!(infer(&entry(key, value, true, false)).0, kind, "{key}");
        }
        let cached = entry("cache:report", Value::text("x"), false, true);
        assert_eq!(infer(&cached).0, Kind::Cache);
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

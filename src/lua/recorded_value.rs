//! Script values as plain data: the arguments and results of calls, which are recorded, compared and given
//! back to scripts.

use mlua::{Lua, MultiValue, Table, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::lua::convert::{MAX_DEPTH, kind};
use crate::lua::table_origin::Origins;
use crate::lua::value_digest::ContentDigest;
pub use crate::lua::value_digest::TextChange;
use crate::text::escape::escape;
use crate::text::masked::{MASK_START, fits_masked, is_mask};

/// How large an argument is stored whole, in bytes; a replay only compares arguments.
pub const ARGUMENT_LIMIT: usize = 16 << 10;
/// How large a value is stored whole that is neither an argument nor an answer, in bytes.
pub const COMPARED_LIMIT: usize = 4096;
/// How much of a text is stored that is stored cut, in bytes.
const CUT_TEXT: usize = 1024;
/// What a scalar counts, in bytes, where sizes are compared.
const SCALAR: usize = 8;
/// What a value takes in memory, in bytes.
const IN_MEMORY: usize = size_of::<RecordedValue>();
/// The largest value that is converted whole where no other limit applies, in bytes.
const LARGEST: usize = 64 << 20;

/// A value of a script, without its identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecordedValue {
    #[serde(rename = "n")]
    Nil,
    #[serde(rename = "b")]
    Boolean(bool),
    #[serde(rename = "i")]
    Integer(i64),
    /// Any other number, bit for bit.
    #[serde(rename = "f")]
    Float(u64),
    /// Any bytes.
    #[serde(rename = "s")]
    Text(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A table: its items from 1 on, and its other fields in the order of their keys.
    #[serde(rename = "t")]
    Table(Vec<RecordedValue>, Vec<(RecordedValue, RecordedValue)>),
    /// A function, and where it is defined.
    #[serde(rename = "c")]
    Function(String),
    /// A value without content: a coroutine, a task, a table that contains itself.
    #[serde(rename = "o")]
    Other(String),
    /// A large value of which only this is stored: how it begins if it is a text, its length in bytes, and a digest of
    /// its content. Since format 7, and never in an answer.
    #[serde(rename = "d")]
    Cut(#[serde(with = "serde_bytes")] Vec<u8>, u64, String),
}

/// What is left of the bytes that a conversion may take.
struct Budget<'a> {
    left: usize,
    /// What each value takes besides its text.
    per_value: usize,
    change: TextChange<'a>,
}

impl<'a> Budget<'a> {
    fn new(left: usize, per_value: usize, change: TextChange<'a>) -> Budget<'a> {
        Budget { left, per_value, change }
    }

    /// A text that is kept.
    fn text(&mut self, text: &[u8]) -> Option<RecordedValue> {
        // What it is changed to is about as long.
        self.left.checked_sub(text.len() / 2)?;
        let text = self.change.map_or_else(|| text.to_vec(), |change| change(text.to_vec()));
        self.take(text.len())?;
        Some(RecordedValue::Text(text))
    }

    fn take(&mut self, text: usize) -> Option<()> {
        self.left = self.left.checked_sub(text.checked_add(self.per_value)?)?;
        Some(())
    }
}

impl RecordedValue {
    pub fn text(text: impl Into<Vec<u8>>) -> RecordedValue {
        RecordedValue::Text(text.into())
    }

    pub fn number(number: f64) -> RecordedValue {
        match number {
            // -0 is not an integer, and numbers beyond 2^53 are kept bit for bit.
            whole
                if whole.fract() == 0.0
                    && whole.abs() < 9.0e15
                    && !(whole == 0.0 && whole.is_sign_negative()) =>
            {
                RecordedValue::Integer(whole as i64)
            }
            other => RecordedValue::Float(other.to_bits()),
        }
    }

    /// The value, cut if it is larger than any that is worked with.
    pub fn of(value: &Value) -> RecordedValue {
        let mut budget = Budget::new(LARGEST, IN_MEMORY, None);
        record_value(value, &mut Vec::new(), &mut budget).unwrap_or_else(|| RecordedValue::cut(value, None))
    }

    pub fn all(values: &MultiValue) -> Vec<RecordedValue> {
        values.iter().map(RecordedValue::of).collect()
    }

    /// The values whole; `None` if they take more than `limit` bytes of memory.
    pub fn all_within(values: &MultiValue, limit: usize) -> Option<Vec<RecordedValue>> {
        let mut budget = Budget::new(limit, IN_MEMORY, None);
        values.iter().map(|value| record_value(value, &mut Vec::new(), &mut budget)).collect()
    }

    /// The value as it is stored where a replay only compares it, its texts changed by `change`: cut if it is larger
    /// than `limit` bytes.
    pub fn at_most(value: &Value, limit: usize, change: TextChange<'_>) -> RecordedValue {
        let mut budget = Budget::new(limit, SCALAR, change);
        let whole = record_value(value, &mut Vec::new(), &mut budget);
        whole.unwrap_or_else(|| RecordedValue::cut(value, change))
    }

    /// The arguments of a call, as they are stored.
    pub fn arguments(values: &MultiValue, change: TextChange<'_>) -> Vec<RecordedValue> {
        values.iter().map(|value| RecordedValue::at_most(value, ARGUMENT_LIMIT, change)).collect()
    }

    fn cut(value: &Value, change: TextChange<'_>) -> RecordedValue {
        let digest = ContentDigest::of(value, change);
        let start = match value {
            // What is changed may go beyond the cut.
            Value::String(text) => match change {
                Some(change) => change(text.as_bytes().to_vec()),
                None => text.as_bytes()[..text.as_bytes().len().min(CUT_TEXT)].to_vec(),
            },
            _ => Vec::new(),
        };
        let start = start[..start.len().min(CUT_TEXT)].to_vec();
        RecordedValue::Cut(start, digest.bytes, digest.hash())
    }

    /// Whether the content is not all there.
    pub fn is_cut(&self) -> bool {
        match self {
            RecordedValue::Cut(..) => true,
            RecordedValue::Table(list, fields) => {
                list.iter().any(RecordedValue::is_cut)
                    || fields.iter().any(|(key, value)| key.is_cut() || value.is_cut())
            }
            _ => false,
        }
    }

    /// The value that a script gets. A table is made in the same steps for the same content, so that `pairs`
    /// goes through it in the same order. A function or the like becomes nil: no replayed call returns one.
    pub fn to_lua(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            RecordedValue::Nil
            | RecordedValue::Function(_)
            | RecordedValue::Other(_)
            | RecordedValue::Cut(..) => Value::Nil,
            RecordedValue::Boolean(truth) => Value::Boolean(*truth),
            RecordedValue::Integer(integer) => Value::Integer(*integer),
            RecordedValue::Float(bits) => Value::Number(f64::from_bits(*bits)),
            RecordedValue::Text(bytes) => Value::String(lua.create_string(bytes)?),
            RecordedValue::Table(list, fields) => {
                let table = lua.create_table_with_capacity(list.len(), fields.len())?;
                for (item, index) in list.iter().zip(1..) {
                    table.raw_set(index, item.to_lua(lua)?)?;
                }
                for (key, field) in fields {
                    table.raw_set(key.to_lua(lua)?, field.to_lua(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }

    /// As [`RecordedValue::to_lua`], for a snapshot of `value`: its tables get the origins of those of
    /// `value`.
    pub fn to_lua_like(&self, lua: &Lua, value: &Value) -> mlua::Result<Value> {
        let made = self.to_lua(lua)?;
        Origins::of(lua)?.carry(value, &made)?;
        Ok(made)
    }

    /// Whether something in it is masked.
    pub fn has_mask(&self) -> bool {
        match self {
            RecordedValue::Text(text) => memchr::memmem::find(text, MASK_START.as_bytes()).is_some(),
            RecordedValue::Table(list, fields) => {
                let mut values = list.iter().chain(fields.iter().flat_map(|(key, field)| [key, field]));
                values.any(RecordedValue::has_mask)
            }
            _ => false,
        }
    }

    /// The value with `change` applied to every text in it.
    #[must_use]
    pub fn with_texts(self, change: &dyn Fn(Vec<u8>) -> Vec<u8>) -> RecordedValue {
        match self {
            RecordedValue::Text(bytes) => RecordedValue::Text(change(bytes)),
            RecordedValue::Table(list, fields) => RecordedValue::Table(
                list.into_iter().map(|item| item.with_texts(change)).collect(),
                fields
                    .into_iter()
                    .map(|(key, field)| (key.with_texts(change), field.with_texts(change)))
                    .collect(),
            ),
            other => other,
        }
    }

    /// The value as it is stored where a replay only compares it: a digest in its place if it is large.
    #[must_use]
    pub fn compared(self) -> RecordedValue {
        if self.size() <= COMPARED_LIMIT {
            return self;
        }
        // The format can hold all of our plain data.
        let bytes = rmp_serde::to_vec(&self.without_places()).unwrap_or_default();
        let digest: String =
            Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        RecordedValue::Other(format!("{} bytes with the digest {digest}", bytes.len()))
    }

    /// Roughly how many bytes it takes.
    fn size(&self) -> usize {
        match self {
            RecordedValue::Text(text) => text.len() + 2,
            RecordedValue::Function(text) | RecordedValue::Other(text) => text.len() + 2,
            RecordedValue::Cut(text, ..) => text.len() + SCALAR,
            RecordedValue::Table(list, fields) => {
                let items: usize = list.iter().map(RecordedValue::size).sum();
                items + fields.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>() + 2
            }
            _ => SCALAR,
        }
    }

    /// The value with all functions alike, as [`RecordedValue::is_like`] takes them.
    fn without_places(self) -> RecordedValue {
        match self {
            RecordedValue::Function(_) => RecordedValue::Function(String::new()),
            RecordedValue::Table(list, fields) => RecordedValue::Table(
                list.into_iter().map(RecordedValue::without_places).collect(),
                fields
                    .into_iter()
                    .map(|(key, value)| (key.without_places(), value.without_places()))
                    .collect(),
            ),
            other => other,
        }
    }

    /// Whether `value` is like this: see [`RecordedValue::is_like`].
    pub fn is_like_value(&self, value: &Value) -> bool {
        match (self, value) {
            (RecordedValue::Text(bytes), Value::String(text)) => {
                is_like_text(bytes, &text.as_bytes()) || fits_masked(bytes, &text.as_bytes())
            }
            (RecordedValue::Text(bytes), Value::Integer(_) | Value::Number(_)) => is_mask(bytes),
            (RecordedValue::Integer(integer), Value::Integer(other)) => integer == other,
            (RecordedValue::Boolean(truth), Value::Boolean(other)) => truth == other,
            (RecordedValue::Nil, Value::Nil) | (RecordedValue::Function(_), Value::Function(_)) => true,
            (RecordedValue::Cut(_, bytes, hash), value) => {
                let digest = ContentDigest::of(value, None);
                digest.bytes == *bytes && digest.hash() == *hash
            }
            (RecordedValue::Table(..), Value::Table(_)) => {
                // Whatever takes much more is another value.
                let mut budget = Budget::new(self.size().saturating_mul(2).saturating_add(4096), 2, None);
                record_value(value, &mut Vec::new(), &mut budget).is_some_and(|other| self.is_like(&other))
            }
            (
                RecordedValue::Table(..)
                | RecordedValue::Float(_)
                | RecordedValue::Integer(_)
                | RecordedValue::Other(_),
                other,
            ) => self.is_like(&RecordedValue::of(other)),
            _ => false,
        }
    }

    /// Whether the two are equal as arguments: all functions are alike, wherever they are defined, and any
    /// value may stand behind a mask of this one.
    pub fn is_like(&self, other: &RecordedValue) -> bool {
        match (self, other) {
            (RecordedValue::Function(_), RecordedValue::Function(_)) => true,
            (RecordedValue::Text(text), RecordedValue::Text(other)) => {
                is_like_text(text, other) || fits_masked(text, other)
            }
            (RecordedValue::Text(text), RecordedValue::Integer(_) | RecordedValue::Float(_)) => is_mask(text),
            (RecordedValue::Cut(_, bytes, hash), RecordedValue::Cut(_, other_bytes, other_hash)) => {
                bytes == other_bytes && hash == other_hash
            }
            (RecordedValue::Table(list, fields), RecordedValue::Table(other_list, other_fields)) => {
                let both = |left: &(RecordedValue, RecordedValue), right: &(RecordedValue, RecordedValue)| {
                    left.0.is_like(&right.0) && left.1.is_like(&right.1)
                };
                list.len() == other_list.len()
                    && fields.len() == other_fields.len()
                    && list.iter().zip(other_list).all(|(left, right)| left.is_like(right))
                    && fields.iter().zip(other_fields).all(|(left, right)| both(left, right))
            }
            (left, right) => left == right,
        }
    }
}

/// Whether two texts are equal, but for line numbers of the runtime in front of an error: up to format 5 of
/// recordings, errors had them.
fn is_like_text(left: &[u8], right: &[u8]) -> bool {
    const NAME: &[u8] = b"[slothstate]:";
    let without_lines = |text: &[u8]| {
        let mut kept = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = memchr::memmem::find(rest, NAME) {
            let (before, after) = rest.split_at(start + NAME.len());
            kept.extend_from_slice(before);
            let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest = if after[digits..].starts_with(b": ") { &after[digits..] } else { after };
        }
        kept.extend_from_slice(rest);
        kept
    };
    left == right || memchr::memmem::find(left, NAME).is_some() && without_lines(left) == without_lines(right)
}

impl std::fmt::Display for RecordedValue {
    /// As a script would write it, escaped, on one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordedValue::Nil => f.write_str("nil"),
            RecordedValue::Boolean(truth) => write!(f, "{truth}"),
            RecordedValue::Integer(integer) => write!(f, "{integer}"),
            RecordedValue::Float(bits) => write!(f, "{}", f64::from_bits(*bits)),
            RecordedValue::Text(bytes) => write!(f, "\"{}\"", escape(bytes)),
            RecordedValue::Table(list, fields) => {
                f.write_str("{")?;
                let mut gap = "";
                for item in list {
                    write!(f, "{gap}{item}")?;
                    gap = ", ";
                }
                for (key, field) in fields {
                    match key {
                        RecordedValue::Text(name) if is_name(name) => {
                            write!(f, "{gap}{}={field}", escape(name))?
                        }
                        key => write!(f, "{gap}[{key}]={field}")?,
                    }
                    gap = ", ";
                }
                f.write_str("}")
            }
            RecordedValue::Function(place) if place.is_empty() => f.write_str("function"),
            RecordedValue::Function(place) => write!(f, "function at {}", escape(place.as_bytes())),
            RecordedValue::Other(what) => f.write_str(&escape(what.as_bytes())),
            RecordedValue::Cut(start, bytes, hash) if start.is_empty() => {
                write!(f, "a value of {bytes} bytes (digest {})", escape(hash.as_bytes()))
            }
            RecordedValue::Cut(start, bytes, hash) => {
                write!(f, "\"{}…\" ({bytes} bytes, digest {})", escape(start), escape(hash.as_bytes()))
            }
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn record_value(value: &Value, above: &mut Vec<Table>, budget: &mut Budget<'_>) -> Option<RecordedValue> {
    if let Value::String(text) = value {
        return budget.text(&text.as_bytes());
    }
    budget.take(0)?;
    Some(match value {
        Value::Nil => RecordedValue::Nil,
        Value::Boolean(truth) => RecordedValue::Boolean(*truth),
        Value::Integer(integer) => RecordedValue::Integer(*integer),
        Value::Number(number) => RecordedValue::number(*number),
        Value::Table(table) => return of_table(table, above, budget),
        Value::Function(function) => {
            let info = function.info();
            let place = match (info.short_src, info.line_defined) {
                (Some(file), Some(line)) if info.what != "C" => format!("{file}:{line}"),
                _ => String::new(),
            };
            RecordedValue::Function(place)
        }
        Value::Error(error) => return budget.text(crate::lua::error::message(error).as_bytes()),
        other => RecordedValue::Other(kind(other).to_string()),
    })
}

fn of_table(table: &Table, above: &mut Vec<Table>, budget: &mut Budget<'_>) -> Option<RecordedValue> {
    if above.len() >= MAX_DEPTH || above.contains(table) {
        return Some(RecordedValue::Other("a table within itself".into()));
    }
    above.push(table.clone());
    let mut list = Vec::new();
    let mut fields = Vec::new();
    for (key, value) in table.pairs::<Value, Value>().filter_map(Result::ok) {
        fields.push((record_value(&key, above, budget)?, record_value(&value, above, budget)?));
    }
    above.pop();
    fields.sort_by(|left, right| order(&left.0, &right.0).then_with(|| order(&left.1, &right.1)));
    let in_sequence =
        fields.iter().zip(1..).take_while(|((key, _), next)| *key == RecordedValue::Integer(*next)).count();
    list.extend(fields.drain(..in_sequence).map(|(_, item)| item));
    Some(RecordedValue::Table(list, fields))
}

/// A deterministic order of keys: 1, 2, 3 … first.
pub fn order(left: &RecordedValue, right: &RecordedValue) -> std::cmp::Ordering {
    let rank = |record_value: &RecordedValue| match record_value {
        RecordedValue::Integer(number) if *number >= 1 => 0,
        RecordedValue::Integer(_) => 1,
        RecordedValue::Float(_) => 2,
        RecordedValue::Text(_) => 3,
        RecordedValue::Boolean(_) => 4,
        RecordedValue::Table(..) => 5,
        RecordedValue::Function(_) => 6,
        RecordedValue::Other(_) => 7,
        RecordedValue::Nil => 8,
        RecordedValue::Cut(..) => 9,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (RecordedValue::Integer(left), RecordedValue::Integer(right)) => left.cmp(right),
        (RecordedValue::Float(left), RecordedValue::Float(right)) => {
            f64::from_bits(*left).total_cmp(&f64::from_bits(*right))
        }
        (RecordedValue::Text(left), RecordedValue::Text(right)) => left.cmp(right),
        (RecordedValue::Boolean(left), RecordedValue::Boolean(right)) => left.cmp(right),
        (RecordedValue::Function(left), RecordedValue::Function(right))
        | (RecordedValue::Other(left), RecordedValue::Other(right)) => left.cmp(right),
        // Tables are compared by their text.
        (left, right) => left.to_string().cmp(&right.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_may_differ_in_lines_of_the_runtime() {
        for (left, right, is_like) in [
            ("[slothstate]:106: bad", "[slothstate]:77: bad", true),
            ("1: [slothstate]:1: [slothstate]:2: x", "1: [slothstate]:3: [slothstate]:40: x", true),
            ("[slothstate]:106: bad", "[slothstate]:106: good", false),
            ("w.lua:1: x", "w.lua:2: x", false),
            ("[slothstate]:1", "x", false),
        ] {
            assert_eq!(RecordedValue::text(left).is_like(&RecordedValue::text(right)), is_like, "{left}");
        }
    }

    fn of(code: &str) -> RecordedValue {
        RecordedValue::of(&Lua::new().load(code).eval::<Value>().unwrap())
    }

    #[test]
    fn tables_are_what_is_in_them_whatever_their_making() {
        let one = of("(function() local t = {1, 2, x = 'a', [true] = {}} return t end)()");
        let other = of("(function() local t = {} t[true] = {} t.x = 'a' t[2] = 2 t[1] = 1 return t end)()");
        assert_eq!(one, other);
        assert_eq!(one.to_string(), "{1, 2, x=\"a\", [true]={}}");
        assert_eq!(of("{[1] = 1, [3] = 3}").to_string(), "{1, [3]=3}");
        let selfish = of("(function() local t = {} t.t = t return t end)()");
        assert_eq!(selfish.to_string(), "{t=a table within itself}");
    }

    #[test]
    fn numbers_are_kept_bit_for_bit() {
        for number in [0.1, -0.0, 1e300, f64::NAN, f64::INFINITY, 9_007_199_254_740_993.0, 3.0] {
            let lua = Lua::new();
            let Ok(back) = RecordedValue::number(number).to_lua(&lua) else { panic!() };
            let back = back.as_number().or(back.as_integer().map(|integer| integer as f64)).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{number}");
        }
    }

    #[test]
    fn what_comes_back_is_gone_through_in_the_same_order() {
        let lua = Lua::new();
        let code = "local t = {} for i = 1, 40 do t['k' .. i * 7919 % 101] = i end return t";
        let record_value = RecordedValue::of(&lua.load(code).eval().unwrap());
        let order = |value: Value| -> Vec<String> {
            let table = value.as_table().unwrap().clone();
            table.pairs::<String, Value>().map(|pair| pair.unwrap().0).collect()
        };
        let first = order(record_value.to_lua(&lua).unwrap());
        assert_eq!(
            order(RecordedValue::of(&record_value.to_lua(&lua).unwrap()).to_lua(&Lua::new()).unwrap()),
            first
        );
    }
}

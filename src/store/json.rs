//! JSON text as it was written: looked into one level at a time, compared by what it means, laid out on
//! lines, and changed in one place without touching the rest.

mod number;
mod splice;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use self::number::{is_beyond_doubles, is_same_number, is_whole};
use self::splice::merge;
pub use self::splice::{Part, Span, offset, spans_of_items, spans_of_members, splice};

/// A JSON value as its text: white space, order of members, duplicate members and the spelling of numbers
/// are those that were written. Two of them are equal if their texts are; [`JsonText::means`] compares
/// what they say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// Any JSON value. It is nested at most 127 levels deep, its strings are Unicode text (no half of a
    /// surrogate pair), and its numbers fit a double.
    ///
    /// # Errors
    /// Says where the text is not such a value.
    pub fn parse(text: &str) -> Result<JsonText, serde_json::Error> {
        serde_json::from_str::<Valid>(text)?;
        Ok(JsonText(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the value is.
    pub fn look(&self) -> JsonNode<'_> {
        look(&self.0)
    }

    /// Whether it is an array or an object.
    pub fn is_table(&self) -> bool {
        is_table(&self.0)
    }

    /// The value of a member of an object: of several of that name the last.
    pub fn get(&self, name: &str) -> Option<JsonText> {
        let JsonNode::Object(members) = self.look() else { return None };
        members.iter().rfind(|member| member.name == name).map(|member| JsonText(member.value.into()))
    }

    /// How many items a list has. An empty object counts as an empty list, since Lua cannot tell them apart.
    pub fn length(&self) -> Option<usize> {
        match self.look() {
            JsonNode::List(items) => Some(items.len()),
            JsonNode::Object(members) if members.is_empty() => Some(0),
            _ => None,
        }
    }

    /// The list with one more item at its end; `None` if it is not a list.
    pub fn push(&self, item: &JsonText) -> Option<JsonText> {
        match self.look() {
            JsonNode::List(items) => {
                let spans = spans_of_items(&self.0, &items);
                let kept = (0..items.len()).map(Part::Kept);
                let parts: Vec<Part> = kept.chain([Part::Added(compact(&item.0))]).collect();
                Some(JsonText(splice(&self.0, &spans, &parts).into()))
            }
            JsonNode::Object(members) if members.is_empty() => {
                Some(JsonText(format!("[{}]", compact(&item.0)).into()))
            }
            _ => None,
        }
    }

    /// The list without its last item, and that item; `None` if there is none.
    pub fn pop(&self) -> Option<(JsonText, JsonText)> {
        let JsonNode::List(items) = self.look() else { return None };
        let last = items.last()?;
        let spans = spans_of_items(&self.0, &items);
        let parts: Vec<Part> = (0..items.len() - 1).map(Part::Kept).collect();
        Some((JsonText(splice(&self.0, &spans, &parts).into()), JsonText((*last).into())))
    }

    /// Whether both say the same: members in any order, of duplicate members the last, numbers by their
    /// exact value, strings by their characters. An empty list is the same as an empty object.
    pub fn means(&self, other: &JsonText) -> bool {
        mean_the_same(&self.0, &other.0)
    }

    /// On many lines, with each member on its own; strings and numbers stay as they are spelled.
    pub fn pretty(&self) -> String {
        pretty(&self.0)
    }

    /// On one line: white space outside of strings that breaks lines, or moves to columns, becomes a blank.
    pub fn on_one_line(&self) -> Cow<'_, str> {
        // In strings such characters are always escaped.
        match self.0.contains(['\n', '\r', '\t']) {
            true => self.0.replace(['\n', '\r', '\t'], " ").into(),
            false => Cow::Borrowed(&self.0),
        }
    }

    /// This text with what is different in `edited`: whatever has the same spelling there, white space
    /// between it not counted, keeps its bytes.
    pub fn merge(&self, edited: &JsonText) -> JsonText {
        merge(&self.0, &edited.0).map_or_else(|| self.clone(), |merged| JsonText(merged.into()))
    }
}

impl From<serde_json::Value> for JsonText {
    fn from(json: serde_json::Value) -> JsonText {
        JsonText(json.to_string().into())
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One level of a JSON value. The pieces are parts of the text that was looked into.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonNode<'a> {
    Null,
    Boolean(bool),
    /// A number as it is spelled.
    Number(&'a str),
    String(Cow<'a, str>),
    /// The items of an array.
    List(Vec<&'a str>),
    /// The members of an object, in their order, with duplicates.
    Object(Vec<Member<'a>>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// Its name, decoded.
    pub name: Cow<'a, str>,
    /// Its name as it is spelled, in quotation marks.
    pub key: &'a str,
    pub value: &'a str,
}

/// What a valid piece of JSON text is. A text that is not valid counts as null.
pub fn look(text: &str) -> JsonNode<'_> {
    try_look(text).unwrap_or(JsonNode::Null)
}

fn try_look(text: &str) -> Option<JsonNode<'_>> {
    let text = text.trim_ascii();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            JsonNode::Object(
                members.into_iter().map(|(key, value)| member(key, value)).collect::<Option<_>>()?,
            )
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            JsonNode::List(items.into_iter().map(RawValue::get).collect())
        }
        b'"' => JsonNode::String(decode(text)?),
        b't' => JsonNode::Boolean(true),
        b'f' => JsonNode::Boolean(false),
        b'n' => JsonNode::Null,
        _ => JsonNode::Number(text),
    })
}

fn member<'a>(key: &'a RawValue, value: &'a RawValue) -> Option<Member<'a>> {
    Some(Member { name: decode(key.get())?, key: key.get(), value: value.get() })
}

fn decode(string: &str) -> Option<Cow<'_, str>> {
    if string.contains('\\') {
        return serde_json::from_str::<String>(string).ok().map(Cow::Owned);
    }
    string.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

/// Whether a text begins as an array or an object does.
fn is_table(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
}

/// A text as a JSON string.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A valid text without the white space between its tokens.
pub fn compact(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for token in tokens(text) {
        made.push_str(token);
    }
    made
}

fn pretty(text: &str) -> String {
    let mut made = String::with_capacity(text.len() * 2);
    let (mut depth, mut was_opened) = (0, false);
    let line = |made: &mut String, depth: usize| {
        made.push('\n');
        made.extend(std::iter::repeat_n("  ", depth));
    };
    for token in tokens(text) {
        match token {
            "}" | "]" => {
                depth -= usize::from(depth > 0);
                if !was_opened {
                    line(&mut made, depth);
                }
            }
            _ if was_opened => line(&mut made, depth),
            _ => {}
        }
        made.push_str(token);
        was_opened = matches!(token, "{" | "[");
        match token {
            "{" | "[" => depth += 1,
            "," => line(&mut made, depth),
            ":" => made.push(' '),
            _ => {}
        }
    }
    made
}

/// The tokens of a valid text, without white space.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut place = 0;
    std::iter::from_fn(move || {
        while bytes.get(place).is_some_and(u8::is_ascii_whitespace) {
            place += 1;
        }
        let start = place;
        match bytes.get(place)? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => place += 1,
            b'"' => {
                place += 1;
                while let Some(byte) = bytes.get(place) {
                    place += if *byte == b'\\' { 2 } else { 1 };
                    if *byte == b'"' {
                        break;
                    }
                }
            }
            _ => {
                let ends = |byte: &u8| b"{}[],:\" \t\n\r".contains(byte);
                place += bytes[place..].iter().position(ends).unwrap_or(bytes.len() - place).max(1);
            }
        }
        place = place.min(bytes.len());
        Some(&text[start..place])
    })
}

fn mean_the_same(one: &str, other: &str) -> bool {
    match (look(one), look(other)) {
        (JsonNode::Null, JsonNode::Null) => true,
        (JsonNode::Boolean(one), JsonNode::Boolean(other)) => one == other,
        (JsonNode::Number(one), JsonNode::Number(other)) => is_same_number(one, other),
        (JsonNode::String(one), JsonNode::String(other)) => one == other,
        (JsonNode::List(one), JsonNode::List(other)) => {
            one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| mean_the_same(one, other))
        }
        (JsonNode::Object(one), JsonNode::Object(other)) => {
            // The last of duplicates is what is found.
            let map = |members: Vec<Member<'_>>| -> std::collections::BTreeMap<String, String> {
                members.into_iter().map(|member| (member.name.into_owned(), member.value.into())).collect()
            };
            let (one, other) = (map(one), map(other));
            let same =
                |((name, value), (other_name, other_value)): ((&String, &String), (&String, &String))| {
                    name == other_name && mean_the_same(value, other_value)
                };
            one.len() == other.len() && one.iter().zip(&other).all(same)
        }
        (JsonNode::List(one), JsonNode::Object(other)) => one.is_empty() && other.is_empty(),
        (JsonNode::Object(one), JsonNode::List(other)) => one.is_empty() && other.is_empty(),
        _ => false,
    }
}

/// Checks a value without keeping anything of it.
struct Valid;

impl<'de> Deserialize<'de> for Valid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Valid, D::Error> {
        deserializer.deserialize_any(Valid)
    }
}

impl<'de> Visitor<'de> for Valid {
    type Value = Valid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Valid, E> {
        Ok(Valid)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Valid, A::Error> {
        while items.next_element::<Valid>()?.is_some() {}
        Ok(Valid)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Valid, A::Error> {
        while members.next_entry::<Valid, Valid>()?.is_some() {}
        Ok(Valid)
    }
}

/// The members of an object in their order.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(InOrder).map(Members)
    }
}

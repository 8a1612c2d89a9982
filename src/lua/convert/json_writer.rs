//! Writes Lua values as JSON: what a script left unchanged keeps its bytes, and new tables are written in an
//! order that depends only on their content.

use std::cell::Cell;
use std::collections::HashMap;
use std::os::raw::c_void;

use mlua::{Lua, Table, Value as LuaValue};

use super::path::Path;
use super::table_fields::Fields;
use super::{MAX_DEPTH, Unstorable, double, kind};
use crate::lua::memory::largest_text;
use crate::lua::table_origin::Origins;
use crate::store::Number;
use crate::store::json::{self, JsonNode, JsonText, Part};

/// How far an item of a list is searched among its old items.
const ALIGNMENT_WINDOW: usize = 64;

/// After how many values the size of the whole is looked at.
const VALUES_BEFORE_SIZE: usize = 50_000;

/// Why a value cannot be stored that is larger than the memory of its run.
const TOO_LARGE: &str = "does not fit in the memory that the run may have (--memory MB); a table that stands in \
                         several places is written in each";

/// A piece of the JSON that a value replaces.
#[derive(Clone, Copy)]
struct BaseText<'a> {
    text: &'a str,
    /// The whole text and the offset in it, if a script has tables of that text.
    place: Option<(*const c_void, usize)>,
}

impl<'a> BaseText<'a> {
    fn piece(&self, text: &'a str) -> BaseText<'a> {
        let place = self.place.map(|(mark, place)| (mark, place + json::offset(self.text, text)));
        BaseText { text, place }
    }
}

/// The JSON of a value.
enum EncodedJson {
    /// The same as its base, byte for byte.
    Same,
    /// Another.
    Other(String),
}

/// Writes Lua values as JSON.
pub(super) struct Writer {
    origins: Origins,
    /// How many bytes may be written: tables that share others are written out.
    most: usize,
    /// How many were written, and how many values.
    written: Cell<(usize, usize)>,
}

impl Writer {
    pub(super) fn new(lua: &Lua, path: &Path<'_>) -> Result<Writer, Unstorable> {
        let origins = Origins::of(lua).map_err(|error| Unstorable::at(path, error.to_string()))?;
        Ok(Writer { origins, most: largest_text(lua), written: Cell::default() })
    }

    /// Counts a value that is written, one of those in the outermost of `ancestors`.
    fn count(&self, value: &LuaValue, path: &Path<'_>, ancestors: &[Table]) -> Result<(), Unstorable> {
        let too_large = || Err(Unstorable::at(path, TOO_LARGE));
        let (bytes, values) = self.written.get();
        let (bytes, values) = (bytes.saturating_add(least_size(value)), values + 1);
        self.written.set((bytes, values));
        if bytes > self.most {
            return too_large();
        }
        // Before a value that writes out to very many takes long.
        if values == VALUES_BEFORE_SIZE
            && let Some(whole) = ancestors.first()
            && written_size(whole, &mut HashMap::new(), 0) > self.most
        {
            return too_large();
        }
        Ok(())
    }

    /// The JSON of a value that takes the place of `present`.
    pub(super) fn write(
        &self,
        value: &LuaValue,
        present: Option<&str>,
        path: &Path<'_>,
    ) -> Result<JsonText, Unstorable> {
        let base = present.map(|text| BaseText { text, place: None });
        let text = match (self.encode(value, base, path, &mut Vec::new())?, present) {
            (EncodedJson::Other(text), _) => text,
            (EncodedJson::Same, present) => present.unwrap_or_default().to_string(),
        };
        JsonText::parse(&text).map_err(|error| Unstorable::at(path, error.to_string()))
    }

    fn encode(
        &self,
        value: &LuaValue,
        base: Option<BaseText<'_>>,
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<EncodedJson, Unstorable> {
        self.count(value, path, ancestors)?;
        if let LuaValue::Table(table) = value {
            return self.encode_table(table, base, path, ancestors);
        }
        if base.is_some_and(|base| is_scalar(value, base.text)) {
            return Ok(EncodedJson::Same);
        }
        Ok(EncodedJson::Other(match value {
            LuaValue::String(text) => match text.to_str() {
                Ok(text) => json::quote(&text),
                Err(_) => return Err(Unstorable::at(path, "is not UTF-8 text, which a table cannot hold")),
            },
            LuaValue::Boolean(truth) => truth.to_string(),
            LuaValue::Integer(_) | LuaValue::Number(_) => {
                let base = base.map(|base| base.text);
                json_number(self.number(value, base, path)?)
            }
            other => return Err(refused(other, path)),
        }))
    }

    /// A number to be written over the JSON `base`.
    ///
    /// A double that stands for a rounded integer keeps the digits only in its old place; anywhere else they
    /// would be lost.
    pub(super) fn number(
        &self,
        value: &LuaValue,
        base: Option<&str>,
        path: &Path<'_>,
    ) -> Result<Number, Unstorable> {
        const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;
        let double = double(value).ok_or_else(|| refused(value, path))?;
        let number = Number::from_f64(double).ok_or_else(|| {
            let what = if double.is_nan() { "NaN (not a number)" } else { "infinite" };
            Unstorable::at(path, format!("is {what}, which cannot be stored"))
        })?;
        if double.abs() >= EXACT_INTEGERS && double.fract() == 0.0 {
            let rounded = self.origins.rounded(double);
            let rounded = rounded.map_err(|error| Unstorable::at(path, error.to_string()))?;
            let over = base.filter(|base| json::is_beyond_doubles(base)).map(String::from);
            if let Some(digits) = rounded.or(over) {
                let reason = format!(
                    "would lose digits: it comes from {digits}, and beyond 2^53 Lua's numbers are rounded; \
                     keep such a number as text"
                );
                return Err(Unstorable::at(path, reason));
            }
        }
        Ok(number)
    }

    fn encode_table(
        &self,
        table: &Table,
        base: Option<BaseText<'_>>,
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<EncodedJson, Unstorable> {
        if ancestors.contains(table) {
            return Err(Unstorable::at(path, "contains itself: a cycle cannot be stored"));
        }
        if ancestors.len() >= MAX_DEPTH {
            return Err(Unstorable::at(path, format!("is nested deeper than {MAX_DEPTH} tables")));
        }
        let fields = Fields::of(table, path)?;
        ancestors.push(table.clone());
        let origin = self.origins.origin(table).map_err(|error| Unstorable::at(path, error.to_string()))?;
        let origin = origin.filter(|origin| {
            base.and_then(|base| base.place)
                .is_none_or(|(mark, place)| (mark, place) != (origin.mark(), origin.place()))
        });
        let piece = origin.as_ref().and_then(|origin| origin.piece());
        let encoded = match (&origin, &piece) {
            (Some(origin), Some(piece)) => {
                let own = BaseText {
                    text: piece,
                    place: Some((origin.mark(), origin.place() - blanks_before(piece))),
                };
                let text = match self.encode_fields(&fields, Some(own), path, ancestors)? {
                    EncodedJson::Same => piece.clone(),
                    EncodedJson::Other(text) => text,
                };
                let text = if ancestors.len() > 1 { text.trim_ascii() } else { &text };
                match base {
                    Some(base) if base.text == text => EncodedJson::Same,
                    _ => EncodedJson::Other(text.to_string()),
                }
            }
            _ => self.encode_fields(&fields, base, path, ancestors)?,
        };
        ancestors.pop();
        Ok(encoded)
    }

    fn encode_fields(
        &self,
        fields: &Fields,
        base: Option<BaseText<'_>>,
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<EncodedJson, Unstorable> {
        match (base, base.map(|base| json::look(base.text))) {
            (Some(base), Some(JsonNode::Object(members))) if fields.items.is_empty() => {
                self.splice_object(fields, base, &members, path, ancestors)
            }
            (Some(base), Some(JsonNode::List(items))) if fields.named.is_empty() => {
                self.splice_list(fields, base, &items, path, ancestors)
            }
            _ => self.new_table(fields, path, ancestors).map(EncodedJson::Other),
        }
    }

    /// A table without a base.
    fn new_table(
        &self,
        fields: &Fields,
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<String, Unstorable> {
        let mut text = String::new();
        if fields.items.is_empty() {
            text.push('{');
            for name in &fields.named {
                if text.len() > 1 {
                    text.push(',');
                }
                text.push_str(&json::quote(name));
                text.push(':');
                let path = Path::Field(path, name);
                text.push_str(&self.new_value(&fields.named(name, &path)?, &path, ancestors)?);
            }
            text.push('}');
            return Ok(text);
        }
        fields.refuse_gaps(&[], path)?;
        text.push('[');
        for place in 0..fields.items.len() {
            if text.len() > 1 {
                text.push(',');
            }
            let path = Path::Item(path, place + 1);
            text.push_str(&self.new_value(&fields.item(place, &path)?, &path, ancestors)?);
        }
        text.push(']');
        Ok(text)
    }

    fn new_value(
        &self,
        value: &LuaValue,
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<String, Unstorable> {
        match self.encode(value, None, path, ancestors)? {
            EncodedJson::Other(text) => Ok(text),
            EncodedJson::Same => Ok(String::new()),
        }
    }

    fn splice_object(
        &self,
        fields: &Fields,
        base: BaseText<'_>,
        members: &[json::Member<'_>],
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<EncodedJson, Unstorable> {
        let last: HashMap<&str, usize> =
            members.iter().enumerate().map(|(place, member)| (&*member.name, place)).collect();
        let is_named = |name: &str| fields.named.binary_search_by(|other| other.as_str().cmp(name)).is_ok();
        let mut parts = Vec::with_capacity(members.len());
        let mut is_same = true;
        for (place, member) in members.iter().enumerate() {
            let counts = last[&*member.name] == place;
            match is_named(&member.name) {
                // Of duplicates, a script sees the last one.
                true if !counts => parts.push(Part::Kept(place)),
                true => {
                    let path = Path::Field(path, &member.name);
                    let value = fields.named(&member.name, &path)?;
                    match self.encode(&value, Some(base.piece(member.value)), &path, ancestors)? {
                        EncodedJson::Same => parts.push(Part::Kept(place)),
                        EncodedJson::Other(text) => {
                            is_same = false;
                            parts.push(Part::Replaced(place, text));
                        }
                    }
                }
                // A script does not see null.
                false if members[last[&*member.name]].value == "null" => parts.push(Part::Kept(place)),
                false => is_same = false,
            }
        }
        for name in fields.named.iter().filter(|name| !last.contains_key(name.as_str())) {
            is_same = false;
            let path = Path::Field(path, name);
            let text = self.new_value(&fields.named(name, &path)?, &path, ancestors)?;
            parts.push(Part::AddedMember(json::quote(name), text));
        }
        if is_same {
            return Ok(EncodedJson::Same);
        }
        Ok(EncodedJson::Other(json::splice(base.text, &json::spans_of_members(base.text, members), &parts)))
    }

    fn splice_list(
        &self,
        fields: &Fields,
        base: BaseText<'_>,
        items: &[&str],
        path: &Path<'_>,
        ancestors: &mut Vec<Table>,
    ) -> Result<EncodedJson, Unstorable> {
        fields.refuse_gaps(items, path)?;
        let places: Vec<(bool, Option<usize>)> = if items.contains(&"null") {
            fields.by_place(items)
        } else {
            self.align(fields, base, items, path)?.into_iter().map(|old| (true, old)).collect()
        };
        let mut parts = Vec::with_capacity(places.len());
        for (place, (has_value, old)) in places.into_iter().enumerate() {
            let path = Path::Item(path, place + 1);
            let base = old.map(|old| base.piece(items[old]));
            let encoded = match has_value {
                true => Some(self.encode(&fields.value(place as i64 + 1, &path)?, base, &path, ancestors)?),
                false => None,
            };
            parts.push(match (encoded, old) {
                (None | Some(EncodedJson::Same), Some(old)) => Part::Kept(old),
                (Some(EncodedJson::Other(text)), Some(old)) => Part::Replaced(old, text),
                (Some(EncodedJson::Other(text)), None) => Part::Added(text),
                (None | Some(EncodedJson::Same), None) => Part::Added("null".into()),
            });
        }
        if parts.len() == items.len() && parts.iter().all(|part| matches!(part, Part::Kept(_))) {
            return Ok(EncodedJson::Same);
        }
        Ok(EncodedJson::Other(json::splice(base.text, &json::spans_of_items(base.text, items), &parts)))
    }

    /// Which old item each new item replaces: equal items at both ends, in between those in the same order,
    /// and if the count is the same, the one at the same index.
    fn align(
        &self,
        fields: &Fields,
        base: BaseText<'_>,
        items: &[&str],
        path: &Path<'_>,
    ) -> Result<Vec<Option<usize>>, Unstorable> {
        let count = fields.items.len();
        let starts: HashMap<usize, usize> = match base.place {
            Some(_) => {
                let places = items.iter().map(|item| base.piece(item).place.map_or(0, |(_, place)| place));
                places.zip(0..).collect()
            }
            None => HashMap::new(),
        };
        let known = |value: &LuaValue| {
            let LuaValue::Table(table) = value else { return None };
            let origin = self.origins.origin(table).ok()??;
            let is_here = base.place.is_some_and(|(mark, _)| mark == origin.mark());
            starts.get(&origin.place()).copied().filter(|_| is_here)
        };
        let is_at = |value: &LuaValue, place: usize| match value {
            LuaValue::Table(_) => known(value) == Some(place),
            value => is_scalar(value, items[place]),
        };
        // One value at a time: Lua can hold only some thousands of them outside of its tables.
        let item = |number: usize| fields.item(number, path);
        let shorter = count.min(items.len());
        let mut before = 0;
        while before < shorter && is_at(&item(before)?, before) {
            before += 1;
        }
        let mut after = 0;
        while after < shorter - before && is_at(&item(count - after - 1)?, items.len() - after - 1) {
            after += 1;
        }
        let (new_end, old_end) = (count - after, items.len() - after);
        let mut places: Vec<Option<usize>> = (0..before).map(Some).collect();
        let mut next = before;
        for number in before..new_end {
            let found = match new_end == old_end {
                true => Some(number),
                false => {
                    let value = item(number)?;
                    match known(&value) {
                        Some(place) => Some(place).filter(|place| (next..old_end).contains(place)),
                        None => {
                            (next..old_end.min(next + ALIGNMENT_WINDOW)).find(|place| is_at(&value, *place))
                        }
                    }
                }
            };
            next = found.map_or(next, |found| found + 1);
            places.push(found);
        }
        places.extend((old_end..items.len()).map(Some));
        Ok(places)
    }
}

/// Whether a scalar value is what a script sees for this JSON.
fn is_scalar(value: &LuaValue, json: &str) -> bool {
    match value {
        LuaValue::String(text) => {
            json.starts_with('"')
                && match json.contains('\\') {
                    true => {
                        matches!(json::look(json), JsonNode::String(found) if *text.as_bytes() == *found.as_bytes())
                    }
                    false => *text.as_bytes() == json.as_bytes()[1..json.len() - 1],
                }
        }
        LuaValue::Boolean(truth) => json == if *truth { "true" } else { "false" },
        LuaValue::Integer(integer) => json.parse() == Ok(*integer as f64),
        LuaValue::Number(number) => json.parse() == Ok(*number),
        _ => false,
    }
}

/// What a value takes in Lua at least, if it is not shared, and roughly in JSON.
fn least_size(value: &LuaValue) -> usize {
    const IN_TABLE: usize = 16;
    match value {
        LuaValue::String(text) => text.as_bytes().len(),
        _ => IN_TABLE,
    }
}

/// The size of a table that is written out, in time linear in the tables.
fn written_size(table: &Table, known: &mut HashMap<*const c_void, usize>, depth: usize) -> usize {
    let place = table.to_pointer();
    if let Some(size) = known.get(&place) {
        return *size;
    }
    let mut size = 0_usize;
    for (_, value) in table.pairs::<LuaValue, LuaValue>().filter_map(Result::ok) {
        size = size.saturating_add(match &value {
            LuaValue::Table(inner) if depth < MAX_DEPTH => written_size(inner, known, depth + 1),
            other => least_size(other),
        });
    }
    known.insert(place, size);
    size
}

/// A number in JSON.
fn json_number(number: Number) -> String {
    match number {
        Number::Integer(integer) => integer.to_string(),
        Number::Float(float) => serde_json::Value::from(float).to_string(),
    }
}

/// How many blanks a text begins with.
pub(super) fn blanks_before(text: &str) -> usize {
    text.len() - text.trim_ascii_start().len()
}

pub(super) fn refused(value: &LuaValue, path: &Path<'_>) -> Unstorable {
    Unstorable::at(path, format!("is a {}, which cannot be stored", kind(value)))
}

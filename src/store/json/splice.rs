//! Changing a JSON text so that all but what is changed stays as it was written.

use super::{JsonNode, Member, compact, look, tokens};

/// Where an item or a member stands in a text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where its value begins: for an item where it begins itself.
    pub value: usize,
    /// Where it ends.
    pub end: usize,
}

/// Where the items of a list stand in `text`, which they are pieces of.
pub fn spans_of_items(text: &str, items: &[&str]) -> Vec<Span> {
    let span = |item: &&str| {
        let start = offset(text, item);
        Span { start, value: start, end: start + item.len() }
    };
    items.iter().map(span).collect()
}

/// Where the members of an object stand in `text`, which they are pieces of.
pub fn spans_of_members(text: &str, members: &[Member<'_>]) -> Vec<Span> {
    let span = |member: &Member<'_>| {
        let value = offset(text, member.value);
        Span { start: offset(text, member.key), value, end: value + member.value.len() }
    };
    members.iter().map(span).collect()
}

/// Where `piece`, a part of `text`, begins in it.
pub fn offset(text: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// A part of an array or object that is made from another one.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What stood at this place, as it was.
    Kept(usize),
    /// What stood at this place, with another value.
    Replaced(usize, String),
    /// A new item.
    Added(String),
    /// A new member: its name as a JSON string, and its value.
    AddedMember(String, String),
}

impl Part {
    fn place(&self) -> Option<usize> {
        match self {
            Part::Kept(place) | Part::Replaced(place, _) => Some(*place),
            Part::Added(_) | Part::AddedMember(..) => None,
        }
    }
}

/// The array or object `text` with these parts instead of those that stand at `spans`. What is kept has
/// the white space that it had; what is new has that of the last.
pub fn splice(text: &str, spans: &[Span], parts: &[Part]) -> String {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return enclose(text, parts) };
    let before = |place: usize| &text[spans[place - 1].end..spans[place].start];
    let usual = match spans.len() {
        1 => {
            let open = text.find(['{', '[']).map_or(0, |open| open + 1);
            format!(",{}", &text[open..first.start])
        }
        count => before(count - 1).to_string(),
    };
    let colon = &text[last.start..last.value];
    let colon = colon.rfind('"').map_or("", |quote| &colon[quote + 1..]);
    let mut made = String::with_capacity(text.len() + 64);
    made.push_str(&text[..first.start]);
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            match part.place() {
                Some(place) if place > 0 => made.push_str(before(place)),
                _ => made.push_str(&usual),
            }
        }
        match part {
            Part::Kept(place) => made.push_str(&text[spans[*place].start..spans[*place].end]),
            Part::Replaced(place, value) => {
                made.push_str(&text[spans[*place].start..spans[*place].value]);
                made.push_str(value);
            }
            Part::Added(value) => made.push_str(value),
            Part::AddedMember(key, value) => {
                made.push_str(key);
                made.push_str(colon);
                made.push_str(value);
            }
        }
    }
    made.push_str(&text[last.end..]);
    made
}

/// The parts of what was empty before.
fn enclose(text: &str, parts: &[Part]) -> String {
    if parts.is_empty() {
        return text.to_string();
    }
    let parts = parts.iter().map(|part| match part {
        Part::AddedMember(key, value) => format!("{key}:{value}"),
        Part::Added(value) | Part::Replaced(_, value) => value.clone(),
        Part::Kept(_) => String::new(),
    });
    let parts = parts.collect::<Vec<_>>().join(",");
    if text.trim_ascii_start().starts_with('{') { format!("{{{parts}}}") } else { format!("[{parts}]") }
}

/// `base` with what is different in `edited`; `None` if nothing is.
pub(super) fn merge(base: &str, edited: &str) -> Option<String> {
    match (look(base), look(edited)) {
        (JsonNode::Object(old), JsonNode::Object(new)) => {
            let mut parts = Vec::with_capacity(new.len());
            let (mut next, mut differs) = (0, old.len() != new.len());
            for member in &new {
                let found = old[next..].iter().position(|other| other.key == member.key);
                let Some(place) = found.map(|found| found + next) else {
                    // It is new, or it stood further in front: then its value is compared to that.
                    let before = old.iter().find(|other| other.key == member.key);
                    let value = match before.map(|before| (before.value, merge(before.value, member.value))) {
                        Some((_, Some(merged))) => merged,
                        Some((kept, None)) => kept.to_string(),
                        None => compact(member.value),
                    };
                    parts.push(Part::AddedMember(member.key.to_string(), value));
                    differs = true;
                    continue;
                };
                next = place + 1;
                match merge(old[place].value, member.value) {
                    None => parts.push(Part::Kept(place)),
                    Some(merged) => {
                        parts.push(Part::Replaced(place, merged));
                        differs = true;
                    }
                }
            }
            differs.then(|| splice(base, &spans_of_members(base, &old), &parts))
        }
        (JsonNode::List(old), JsonNode::List(new)) => {
            let same = |(one, other): &(&&str, &&str)| tokens(one).eq(tokens(other));
            let before = old.iter().zip(&new).take_while(same).count();
            if before == old.len() && before == new.len() {
                return None;
            }
            let rest = (old[before..].iter().rev()).zip(new[before..].iter().rev());
            let after = rest.take_while(same).count();
            let (old_end, new_end) = (old.len() - after, new.len() - after);
            let mut parts: Vec<Part> = (0..before).map(Part::Kept).collect();
            for (place, item) in new.iter().enumerate().take(new_end).skip(before) {
                parts.push(match old[..old_end].get(place) {
                    Some(other) => {
                        merge(other, item).map_or(Part::Kept(place), |merged| Part::Replaced(place, merged))
                    }
                    None => Part::Added(compact(item)),
                });
            }
            parts.extend((old_end..old.len()).map(Part::Kept));
            Some(splice(base, &spans_of_items(base, &old), &parts))
        }
        _ if base.trim_ascii() == edited.trim_ascii() => None,
        _ => Some(compact(edited)),
    }
}

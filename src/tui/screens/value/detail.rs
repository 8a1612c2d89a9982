//! What the detail pane knows of the row under the cursor.

use crate::store::{Change, Entry, Kind, Type, Value, kind_inference};
use crate::tui::keys::RowKind;
use crate::tui::list::{Row, RowId};
use crate::tui::widgets::json_tree::JsonTree;
use crate::tui::widgets::wrap::Wrapped;

/// How long a piece of a value is, in bytes, of one that is not shown as a whole.
pub const DETAIL_VALUE: u64 = 64 * 1024;

/// How long a table may become, in bytes, where it is spread over lines.
const SPREAD: usize = 4 * DETAIL_VALUE as usize;

/// A row with more of its value. It is made by whoever reads it: a value may be long, and whoever draws
/// has no time to look through it.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// The row, with a piece of its value.
    pub row: Row,
    /// Where in the value that piece begins, in bytes.
    pub offset: u64,
    /// The value, if it is JSON with members, and all of it is there.
    pub tree: Option<JsonTree>,
    /// What an entry is; `None` where this is a later piece of its value, which says nothing about it.
    pub nature: Option<Classification>,
    /// A short table on many lines.
    spread: Option<Vec<u8>>,
    /// Its text in lines, as wide as they were when it was last shown like that.
    wrapped: Option<Wrapped>,
}

/// What an entry is, by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classification {
    pub kind: Kind,
    /// Why it is thought to be of that kind.
    pub why: &'static str,
    pub value_type: Type,
}

impl Classification {
    pub fn of(entry: &Entry) -> Classification {
        let (kind, why) = kind_inference::infer(entry);
        Classification { kind, why, value_type: entry.value_type() }
    }
}

impl Detail {
    /// A row with the piece of its value that begins at `offset`.
    pub fn new(row: Row, offset: u64) -> Detail {
        let entry = row.entry();
        let nature = entry.filter(|_| offset == 0).map(Classification::of);
        let tree = entry.filter(|entry| entry.is_whole()).and_then(|entry| JsonTree::parse(&entry.stored));
        Detail { row, offset, tree, nature, spread: None, wrapped: None }.with_spread()
    }

    /// An entry with the first piece of its value, of which more was read: JSON is kept as a whole where
    /// it can be shown as a tree.
    pub fn of_entry(mut entry: Entry) -> Detail {
        let nature = Some(Classification::of(&entry));
        let tree = if entry.is_whole() { JsonTree::parse(&entry.stored) } else { None };
        if tree.is_none() {
            cut(&mut entry);
        }
        Detail { row: Row::Entry(entry), offset: 0, tree, nature, spread: None, wrapped: None }.with_spread()
    }

    fn with_spread(mut self) -> Detail {
        let stored = self.row.entry().filter(|entry| entry.is_whole()).map(|entry| &entry.stored);
        let table = stored.filter(|stored| {
            matches!(stored.first(), Some(b'{' | b'[')) && piece(stored).len() == stored.len()
        });
        if let Some(Ok(Value::Table(json))) = table.map(|stored| Value::parse(stored, Type::Table)) {
            self.spread = Some(json.pretty().into_bytes()).filter(|spread| spread.len() <= SPREAD);
        }
        self
    }

    /// The value as it is shown as text: of a short table its members line by line, of any other value
    /// no more than a piece.
    pub fn text(&self) -> &[u8] {
        match (&self.spread, self.row.entry()) {
            (Some(spread), _) => spread,
            (None, Some(entry)) => piece(&entry.stored),
            (None, None) => &[],
        }
    }

    /// Its text in lines of so many columns, if it was laid out like that.
    pub fn wrapped(&self, width: usize) -> Option<&Wrapped> {
        self.wrapped.as_ref().filter(|wrapped| wrapped.width() == width)
    }

    /// Lays out its text, which takes its time, in lines of so many columns.
    pub fn wrap(&mut self, width: usize) {
        if self.wrapped(width).is_none() {
            self.wrapped = Some(Wrapped::of(self.text(), width));
        }
    }

    /// What was folded in an earlier reading of the same row stays folded.
    pub fn follow(&mut self, earlier: &Detail) {
        if let (Some(tree), Some(before)) = (&mut self.tree, &earlier.tree)
            && self.row.id() == earlier.row.id()
        {
            tree.follow(before);
        }
    }

    pub fn kind(&self) -> RowKind {
        match self.nature {
            Some(nature) => RowKind::Entry(nature.kind, nature.value_type),
            None => self.row.kind(),
        }
    }

    /// Where the piece before, or the one after, this one of the value begins, if there is one.
    pub fn next_piece(&self, forwards: bool) -> Option<u64> {
        let entry = self.row.entry()?;
        match forwards {
            _ if entry.is_whole() => None,
            true => Some(self.offset + DETAIL_VALUE).filter(|offset| *offset < entry.size),
            false => (self.offset > 0).then(|| self.offset.saturating_sub(DETAIL_VALUE)),
        }
    }
}

/// As much of a value as is one piece of it: no character is torn at its end.
pub fn piece(stored: &[u8]) -> &[u8] {
    let end = stored.len().min(DETAIL_VALUE as usize);
    let torn = stored[end..].iter().take(3).take_while(|byte| is_inside(**byte)).count();
    &stored[..end + torn]
}

/// Leaves no more of a value than one piece.
pub fn cut(entry: &mut Entry) {
    entry.stored.truncate(piece(&entry.stored).len());
}

/// Whether a byte goes on with a character of UTF-8.
pub fn is_inside(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As a tree, if it is JSON.
    Tree,
    /// As text.
    Text,
    /// As bytes.
    Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecentChanges {
    /// The entry or the lock.
    pub of: RowId,
    /// Its changes, the newest first, with the beginning of each value.
    pub changes: Vec<Change>,
}

impl RecentChanges {
    /// The most changes that are kept.
    pub const MOST: usize = 2000;

    /// Takes in changes, the oldest first: those that are of this, and not there yet.
    pub fn add<'a>(&mut self, changes: impl DoubleEndedIterator<Item = &'a Change>) {
        let newest = self.changes.first().map(|newest| newest.revision);
        let is_new = |change: &&Change| {
            newest.is_none_or(|newest| newest < change.revision) && RowId::subject_of(change) == self.of
        };
        let new: Vec<Change> = changes.rev().filter(is_new).cloned().collect();
        self.changes.splice(0..0, new);
        self.changes.truncate(RecentChanges::MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::fixtures::entry;
    use crate::tui::widgets::json_tree::NODES;

    #[test]
    fn only_what_is_shown_as_a_tree_is_kept_as_a_whole() {
        let table = |count: usize| format!("[{}]", vec!["12345678"; count].join(","));
        let read = |value: &str| {
            let detail = Detail::of_entry(entry("table", value, None));
            (detail.row.entry().unwrap().stored.len() as u64, detail.tree.is_some())
        };
        let walkable = table(NODES - 1);
        assert!(walkable.len() as u64 > DETAIL_VALUE);
        assert_eq!(read(&walkable), (walkable.len() as u64, true));
        assert_eq!(read(&table(NODES)), (DETAIL_VALUE, false), "too many nodes");
        assert_eq!(read(&walkable[..walkable.len() - 1]), (DETAIL_VALUE, false), "no JSON");
    }

    #[test]
    fn what_an_entry_is_is_known_from_all_of_its_value_and_from_no_later_piece() {
        let long = format!("[{}]", vec!["12345678"; NODES].join(","));
        let detail = Detail::of_entry(entry("long", &long, Some(Type::Table)));
        assert!(!detail.row.entry().unwrap().is_whole());
        assert_eq!(detail.kind(), RowKind::Entry(Kind::Table, Type::Table));
        let piece = Entry { size: 99, ..entry("long", "8", None) };
        assert_eq!(Detail::new(Row::Entry(piece), 64).nature, None);
    }
}

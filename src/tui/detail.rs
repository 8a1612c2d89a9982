//! What the detail pane knows of the row under the cursor.

use super::json::Tree;
use super::row::{Row, RowId};
use crate::store::Change;

/// How long a piece of a value is, in bytes, of one that is not shown as a whole.
pub const DETAIL_VALUE: u64 = 64 * 1024;

/// A row with more of its value, and what is known about its past.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// The row, with a piece of its value.
    pub row: Row,
    /// Where in the value that piece begins, in bytes.
    pub offset: u64,
    /// The value, if it is JSON with members, and all of it is there.
    pub tree: Option<Tree>,
}

impl Detail {
    /// A row as it was read. Of the tree, what was folded in an earlier one of it stays folded.
    pub fn new(row: Row, offset: u64, earlier: Option<&Detail>) -> Detail {
        let whole = row.entry().filter(|entry| entry.is_whole());
        let mut tree = whole.and_then(|entry| Tree::parse(&entry.stored));
        let earlier = earlier.filter(|earlier| earlier.row.id() == row.id());
        if let (Some(tree), Some(earlier)) = (&mut tree, earlier.and_then(|earlier| earlier.tree.as_ref())) {
            tree.follow(earlier);
        }
        Detail { row, offset, tree }
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

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As a tree, if it is JSON.
    Tree,
    /// As text.
    Text,
    /// As bytes.
    Bytes,
}

/// The last changes of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The entry or the lock.
    pub of: RowId,
    /// Its changes, the newest first, with the beginning of each value.
    pub changes: Vec<Change>,
}

impl Past {
    /// The most changes that are kept.
    pub const MOST: usize = 2000;

    /// Takes in a change, if it is one of this, and not there yet.
    pub fn add(&mut self, change: &Change) {
        let is_newer = self.changes.first().is_none_or(|newest| newest.revision < change.revision);
        if is_newer && RowId::subject_of(change) == self.of {
            self.changes.insert(0, change.clone());
            self.changes.truncate(Past::MOST);
        }
    }
}

//! A row of the past: an entry as it was and as it is.

use ratatui::style::Style;

use crate::store::{Entry, Key};
use crate::tui::list::{Rank, Sort, SortBy};
use crate::tui::theme::Theme;

/// An entry then and now; at least one of them is there.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffRow {
    pub key: Key,
    /// What it was; `None` if it was not there.
    pub then: Option<Entry>,
    /// What it is; `None` if it is not there.
    pub now: Option<Entry>,
}

/// How an entry differs from what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffKind {
    /// It does not.
    None,
    /// It was not there.
    Added,
    /// It is gone.
    Removed,
    /// It has another value, type or expiry.
    Changed,
}

impl DiffRow {
    /// What it was, or what it is where it was not there.
    pub fn entry(&self) -> Option<&Entry> {
        self.then.as_ref().or(self.now.as_ref())
    }

    /// What it was of what a list is sorted by. Where it was not there, it comes last.
    pub fn rank(&self, sort: Sort) -> Rank {
        let entry = if sort.by == SortBy::Name { self.entry() } else { self.then.as_ref() };
        Rank::of_entry(entry, sort)
    }

    /// How it differs. Of long values that were written again it is not known that they are the
    /// same: they count as changed.
    pub fn difference(&self) -> DiffKind {
        match (&self.then, &self.now) {
            (None, _) => DiffKind::Added,
            (Some(_), None) => DiffKind::Removed,
            (Some(then), Some(now)) => {
                let is_known = then.is_whole() || then.revision == now.revision;
                let is_same = is_known && then.size == now.size && then.image() == now.image();
                if is_same { DiffKind::None } else { DiffKind::Changed }
            }
        }
    }
}

impl DiffKind {
    /// What stands before the row.
    pub fn mark(self) -> &'static str {
        match self {
            DiffKind::None => " ",
            DiffKind::Added => "+",
            DiffKind::Removed => "-",
            DiffKind::Changed => "~",
        }
    }

    pub fn tone(self, theme: &Theme) -> Style {
        match self {
            DiffKind::None => theme.faint,
            DiffKind::Added => theme.good,
            DiffKind::Removed => theme.bad,
            DiffKind::Changed => theme.warning,
        }
    }

    /// What became of the entry, in words.
    pub fn describe(self) -> &'static str {
        match self {
            DiffKind::None => "the same now",
            DiffKind::Added => "added since then",
            DiffKind::Removed => "removed since then",
            DiffKind::Changed => "changed since then",
        }
    }
}

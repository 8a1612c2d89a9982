//! Which rows of a list are to be read.

use std::collections::BTreeSet;

use crate::store::Key;
use crate::tui::list::{Filter, Position, RowId, Sort};
use crate::tui::request::RequestId;
use crate::tui::view::View;

#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub generation: RequestId,
    pub view: View,
    pub filter: Filter,
    /// Of the history: the entry or the lock that it is of; `None` for all of it.
    pub scope: Option<RowId>,
    /// Of keys as a tree: the groups that are open; `None` for a list.
    pub tree: Option<BTreeSet<Key>>,
    /// By what the rows are sorted, if not in the order of the view.
    pub sort: Option<Sort>,
    pub from: LoadFrom,
    pub limit: usize,
}

/// What may have changed of a list of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    pub generation: RequestId,
    pub filter: Filter,
    /// The newest run that is known, where runs that are newer belong into the list.
    pub newest: Option<i64>,
    /// The runs of the list that had not ended.
    pub open: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LoadFrom {
    /// The first rows of the list.
    Start,
    /// The last rows of the list.
    End,
    /// The row at this place, and those that follow it.
    At(Position),
    /// The rows that follow this place.
    After(Position),
    /// The rows before this place.
    Before(Position),
}

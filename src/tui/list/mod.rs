//! The list that every view shows: rows, cursor, sort order, tree, filter and marks.
//!
//! It holds what is common to all views. What one view has of its own (its columns, its details, how its rows are
//! read) is in its folder in `screens`.

pub mod cell;
pub mod columns;
pub mod diff_row;
pub mod draw;
pub mod filter;
pub mod filter_line;
pub mod load;
pub mod lock_keys;
pub mod lookalikes;
pub mod marks;
pub mod read;
pub mod read_diff;
pub mod read_sorted;
pub mod row;
pub mod run_tasks;
pub mod saved_filters;
pub mod sort;
pub mod state;
pub mod time_series;
pub mod tree;
pub mod trends;
pub mod window;

pub use crate::tui::list::cell::{Cell, Drawn};
pub use crate::tui::list::columns::{Column, Listing};
pub use crate::tui::list::diff_row::{DiffKind, DiffRow};
pub use crate::tui::list::filter::{Filter, FilterError};
pub use crate::tui::list::filter_line::FilterLine;
pub use crate::tui::list::load::{Load, LoadFrom, Refresh};
pub use crate::tui::list::lock_keys::LockKeys;
pub use crate::tui::list::marks::{MARKS_MAX, MarkState, Marks};
pub use crate::tui::list::read::{LIST_VALUE, ListReader, ReaderCache, TREE_VALUE};
pub use crate::tui::list::read_diff::PastQuery;
pub use crate::tui::list::row::{Group, LockRow, Position, Row, RowId, RowOrder, RunRow, RunSummary};
pub use crate::tui::list::run_tasks::{TaskSummary, Tasks};
pub use crate::tui::list::saved_filters::{SavedFilter, SavedFilterEdit};
pub use crate::tui::list::sort::{Rank, Sort, SortBy};
pub use crate::tui::list::state::{HistoryScope, ListReading, ListState};
pub use crate::tui::list::time_series::Series;
pub use crate::tui::list::tree::{COUNT_AGAIN, GroupSize, KeyTree};
pub use crate::tui::list::trends::Trends;
pub use crate::tui::list::window::{ListEnd, Window};

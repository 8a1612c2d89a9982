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

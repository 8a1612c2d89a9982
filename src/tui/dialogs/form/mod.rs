//! The form that edits or adds an entry.

pub mod draw;
pub mod state;
pub mod update;

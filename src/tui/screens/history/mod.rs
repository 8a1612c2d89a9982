//! The History view: every change, newest first.

pub mod columns;
pub mod details;
pub mod read;
pub mod recent_changes;

//! The Runs view: every run of a workflow, newest first.

pub mod columns;
pub mod details;
pub mod read;
pub mod update;

//! The dialog that starts a workflow.

pub mod draw;
pub mod state;
pub mod update;

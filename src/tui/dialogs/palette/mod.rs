//! The command palette: a command by its name, with an argument.

pub mod draw;
pub mod state;
pub mod update;

//! The command palette: a command by its name, with an argument.

pub mod choices;
pub mod draw;
pub mod state;
pub mod update;

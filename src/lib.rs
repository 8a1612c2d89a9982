//! slothstate: a terminal inspector and editor for workflow state, with the Lua runtime that
//! produces it.

pub mod atomic_file;
pub mod cli;
pub mod config;
pub mod export;
pub mod input_file;
pub mod lua;
pub mod store;
pub mod supervisor;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod tui;
pub mod workflow;

//! slothstate: a terminal inspector and editor for workflow state, with the Lua runtime that produces it.
//!
//! Not a library API: the crate is public only for the tests and the benchmarks.
//!
//! To read the code, start with [`store`] (entries, locks and history behind one contract), then [`lua`]
//! (the functions that scripts call) and [`workflow`] (run, record, replay), then [`tui`] or [`cli`], which
//! use the layers below. `assets/docs/architecture.md` follows data through the code and says where to add
//! things.
//!
//! What always holds:
//! - A write is one transaction of conditions and operations, and every change is in history with its actor.
//! - Revisions only grow. Outside of [`store`] they are compared, never calculated with.
//! - A store that finds its database replaced refuses to write.
//! - Every call that leaves a script passes [`lua::Boundary`], where it is recorded or replayed.
//! - Lists are read in pages, and no reader stays open between two pages.
//! - Bytes from outside are escaped by [`text`] before they reach a terminal.
//! - What a script learns of time, randomness and the environment comes from [`lua::Host`].
//! - A layer imports only those below it; `tests/it/layers.rs` checks that.

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

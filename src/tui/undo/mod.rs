//! Undo and redo: the changes that were made here, undoing them in order, and the list to choose from.
//!
//! `stack` is the state, `update` the commands, `draw` the list.

pub mod draw;
pub mod stack;
pub mod update;

//! What can be open over a screen and takes all keys: questions, the edit form, the palette, help, messages.
//!
//! `tui/dialog.rs` lists the kinds; one with a state of its own has a folder with `state`, `update` and `draw`.

pub mod confirm_changes;
pub mod conflict;
pub mod draw;
pub mod form;
pub mod help;
pub mod messages;
pub mod palette;
pub mod run_dialog;
pub mod update;

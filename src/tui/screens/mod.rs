//! What fills the screen, one folder per screen or view.
//!
//! A view of the list has `columns` (its heading and cells), `details` (the pane beside the list) and `read` (how a
//! worker reads its rows). A screen of its own (`past`, `debugger`, `value`) has `state`, `update`, `draw` and its
//! worker.

pub mod debugger;
pub mod entries;
pub mod history;
pub mod locks;
pub mod overview;
pub mod past;
pub mod runs;
pub mod screen;
pub mod value;

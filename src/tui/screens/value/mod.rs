//! The details of a row: in the pane beside the list, and on the whole screen.

pub mod detail;
pub mod draw;
pub mod draw_value;
pub mod shown;
pub mod state;
pub mod update;

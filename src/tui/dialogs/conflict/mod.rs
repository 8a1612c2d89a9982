//! A write that was refused because somebody else changed the entry: both versions side by side.

pub mod draw;
pub mod state;
pub mod update;

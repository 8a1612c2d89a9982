//! Time travel: the state as it was at a moment, beside what it is now, and restoring from it.

pub mod columns;
pub mod details;
pub mod draw;
pub mod read;
pub mod restore;
pub mod scrubber;
pub mod state;
pub mod update;

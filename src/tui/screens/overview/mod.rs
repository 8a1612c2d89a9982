//! The overview: locks, failed runs, the busiest keys and what expires next on one screen.

pub mod draw;
pub mod layout;
pub mod read;
pub mod state;

//! The messages that were shown so far.

pub mod draw;
pub mod log;
pub mod update;

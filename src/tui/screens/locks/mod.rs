//! The Locks view: locks with the state of their holders, and keys used as locks.

pub mod columns;
pub mod details;
pub mod read;
pub mod update;

//! The views of entries: Keys (as a list or a tree), Flags, Counters and Expiring.

pub mod counters;
pub mod details;
pub mod expiring;
pub mod flags;
pub mod group_details;
pub mod keys;
pub mod read;
pub mod read_expiring;
pub mod read_tree;
pub mod update;

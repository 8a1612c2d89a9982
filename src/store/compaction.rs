//! Compaction: giving free space inside a database back to the system.

use std::path::PathBuf;
use std::time::Duration;

/// What compacting a database comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The size of the file before and after, in bytes.
    pub bytes: (u64, u64),
    /// The size of the log before and after, in bytes. What somebody still reads stays in it.
    pub log: (u64, u64),
    /// How long it took. Writers were held up for most of it.
    pub duration: Duration,
}

/// What is known of a compaction before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionPlan {
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// How much of it is free, in bytes, not counting pages that are filled in part.
    pub free: u64,
    /// The shortest and the longest time that it is likely to take.
    pub time: (Duration, Duration),
    /// Folders that have less room than it may need, with what they have and need in bytes.
    pub short: Vec<(PathBuf, u64, u64)>,
}

//! How much history is kept.

use std::time::Duration;

/// How much history is kept. What is beyond any of the limits goes, the oldest first; the newest
/// change always stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most changes, at least 1.
    pub rows: u64,
    /// The greatest age, in whole days.
    pub age: Duration,
    /// The most bytes of old and new values.
    pub bytes: u64,
}

impl Default for Retention {
    /// What a new database is set to: 200,000 changes, 30 days, 256 MiB. The SQLite engine writes the same
    /// numbers in `assets/schema/1.sql` and `2.sql`.
    fn default() -> Retention {
        Retention { rows: 200_000, age: Duration::from_secs(30 * 86_400), bytes: 256 * 1024 * 1024 }
    }
}

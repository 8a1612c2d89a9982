//! The files that SQLite keeps beside a database: their paths and their sizes.

use std::path::{Path, PathBuf};

use crate::atomic_file::beside;

/// A log that is larger is made shorter as soon as nobody needs it, in bytes. It is as large as
/// this while it is taken into the file as it should be.
pub(super) const LARGE_LOG: u64 = 32 << 20;

/// The size of the log of the database at `path` in bytes; 0 where there is none.
pub(super) fn log_bytes(path: &Path) -> u64 {
    size_beside(path, "-wal")
}

/// The log beside a database.
pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The index of the log beside a database.
pub(super) fn index_of(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

/// Whether the file beside the database that has this ending has anything in it.
pub(super) fn has_content(path: &Path, ending: &str) -> bool {
    size_beside(path, ending) > 0
}

/// Bytes of the file beside the database that has this ending; 0 where there is none.
pub(super) fn size_beside(path: &Path, ending: &str) -> u64 {
    std::fs::metadata(beside(path, ending)).map_or(0, |metadata| metadata.len())
}

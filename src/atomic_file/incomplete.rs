//! How an incomplete file is named and locked, and which ones this process has.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tempfile::NamedTempFile;

/// How the name of an incomplete file begins; [`SUFFIX`] letters and digits follow.
pub(super) const PREFIX: &str = ".slothstate-unfinished-";
/// How many letters and digits follow.
pub(super) const SUFFIX: usize = 6;
/// What SQLite adds to the name of a database for the files that it keeps beside it.
pub(super) const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The incomplete files of this process.
static INCOMPLETE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The path of the file beside another one whose name has this suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes what SQLite keeps beside a file that is about to be removed.
pub(super) fn remove_sides(path: &Path) {
    for side in SIDES {
        let _ = std::fs::remove_file(beside(path, side));
    }
}

fn incomplete() -> MutexGuard<'static, Vec<PathBuf>> {
    INCOMPLETE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a file and notes that it is incomplete. What removes all of them meanwhile waits, and removes this one
/// too.
pub(super) fn note(make: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<NamedTempFile> {
    let mut names = incomplete();
    let file = make()?;
    names.push(file.path().to_path_buf());
    Ok(file)
}

pub(super) fn forget(name: &Path) {
    incomplete().retain(|path| path != name);
}

/// Removes every incomplete file of this process, which is about to end. A thread that would make another one,
/// or misses its own, waits for that end.
pub fn remove_all() {
    static REMOVED: Once = Once::new();
    // A second thread that ends the program waits for the first one, and for nothing else.
    REMOVED.call_once(|| {
        let mut names = incomplete();
        for path in names.drain(..) {
            remove_sides(&path);
            // A missing file was completed or removed.
            let _ = std::fs::remove_file(path);
        }
        // Locked for good.
        std::mem::forget(names);
    });
}

/// Whether anybody has the file locked for writing it; `None` where that cannot be told. Who only
/// looks takes a lock that others can have as well.
pub(super) fn is_locked(file: &File) -> Option<bool> {
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

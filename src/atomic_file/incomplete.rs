//! How an incomplete file is named and locked, and which ones this process has.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// How the name of an incomplete file begins; [`SUFFIX`] letters and digits follow.
pub(super) const PREFIX: &str = ".slothstate-unfinished-";
/// How many letters and digits follow.
pub(super) const SUFFIX: usize = 6;
/// What SQLite adds to the name of a database for the files that it keeps beside it.
pub(super) const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The incomplete files of this process; `None` once it is about to end.
static INCOMPLETE: Mutex<Option<Vec<PathBuf>>> = Mutex::new(Some(Vec::new()));

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

fn incomplete() -> MutexGuard<'static, Option<Vec<PathBuf>>> {
    INCOMPLETE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a file and notes that it is incomplete, unless the process is about to end. What removes all of them
/// meanwhile waits, and removes this one too.
pub(super) fn note(make: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<NamedTempFile> {
    note_in(&mut incomplete(), make)
}

fn note_in(
    names: &mut Option<Vec<PathBuf>>,
    make: impl FnOnce() -> io::Result<NamedTempFile>,
) -> io::Result<NamedTempFile> {
    let names = names.as_mut().ok_or_else(|| io::Error::other("the program is ending"))?;
    let file = make()?;
    names.push(file.path().to_path_buf());
    Ok(file)
}

pub(super) fn forget(name: &Path) {
    incomplete().iter_mut().for_each(|names| names.retain(|path| path != name));
}

/// Removes every incomplete file of this process, which is about to end. No thread makes another one.
pub fn remove_all() {
    remove_all_in(&mut incomplete());
}

fn remove_all_in(names: &mut Option<Vec<PathBuf>>) {
    for path in names.take().into_iter().flatten() {
        remove_sides(&path);
        // A missing file was completed or removed.
        let _ = std::fs::remove_file(path);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_about_to_end_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Some(Vec::new());
        let make = || NamedTempFile::new_in(folder.path());
        let path = note_in(&mut names, make).unwrap().into_temp_path();
        assert!(path.exists());
        remove_all_in(&mut names);
        assert!(!path.exists());
        assert!(note_in(&mut names, make).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

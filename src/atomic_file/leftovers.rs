//! Incomplete files that a killed program left.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::incomplete::{PREFIX, SIDES, SUFFIX, is_locked};

/// An incomplete file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it is still being written.
    pub state: LeftoverState,
}

/// What is known of whoever writes an incomplete file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverState {
    /// A running program has it locked: it is being written.
    Writing,
    /// Nobody has it locked: the program that wrote it was killed.
    Stale,
    /// It cannot be told: the file may not be opened, or its file system has no locks.
    Unknown,
}

/// The incomplete files in a folder, in the order of their names. Nothing is changed.
///
/// # Errors
/// If the folder cannot be read.
pub fn leftovers(folder: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(Incomplete { bytes, database }) = incomplete(&path) else { continue };
        let written = database.as_ref().unwrap_or(&path);
        let state = match open(written).map(|file| is_locked(&file)) {
            Ok(Some(true)) => LeftoverState::Writing,
            Ok(Some(false)) => LeftoverState::Stale,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match database {
                Some(_) => LeftoverState::Stale,
                // It got its name, or was removed, in this moment.
                None => continue,
            },
            Ok(None) | Err(_) => LeftoverState::Unknown,
        };
        found.push(Leftover { path, bytes, state });
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Removes the stale incomplete files of a folder. What cannot be removed stays.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(incomplete) = incomplete(&path) else { continue };
        let written = incomplete.database.as_ref().unwrap_or(&path);
        // The lock is held until the file is removed: whoever made it in this moment waits for it,
        // and finds that it is gone.
        match open(written) {
            Ok(file) if file.try_lock().is_ok() && is_same(written, &file) => {
                let _ = std::fs::remove_file(&path);
            }
            Err(error) if incomplete.database.is_some() && error.kind() == io::ErrorKind::NotFound => {
                let _ = std::fs::remove_file(&path);
            }
            _ => {}
        }
    }
}

/// A file that is named as an incomplete one is.
struct Incomplete {
    bytes: u64,
    /// The incomplete database that SQLite keeps it beside, if it is such a file.
    database: Option<PathBuf>,
}

/// The regular file at `path`, if its name is that of an incomplete file.
fn incomplete(path: &Path) -> Option<Incomplete> {
    let suffix = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (random, side) = suffix.split_at_checked(SUFFIX)?;
    let is_ours = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_side = SIDES.contains(&side);
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let database = is_side.then(|| path.with_file_name(format!("{PREFIX}{random}")));
    (is_ours && (side.is_empty() || is_side) && metadata.is_file())
        .then_some(Incomplete { bytes: metadata.len(), database })
}

/// Opens the file itself, never what a link leads to, and waits for nobody.
fn open(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn is_same(path: &Path, file: &File) -> bool {
    let of = |metadata: std::fs::Metadata| (metadata.is_file(), metadata.dev(), metadata.ino());
    let named = std::fs::symlink_metadata(path).map(of).ok();
    named.is_some_and(|(is_file, ..)| is_file) && named == file.metadata().map(of).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::NamedFile;

    #[test]
    fn stale_files_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let outside = tempfile::tempdir().unwrap();
        let precious = outside.path().join("precious");
        std::fs::write(&precious, "precious").unwrap();
        let swept = [
            ".slothstate-unfinished-abc123",
            ".slothstate-unfinished-000000",
            // Beside a stale one, and beside one that is gone.
            ".slothstate-unfinished-abc123-wal",
            ".slothstate-unfinished-abc124-journal",
        ];
        let kept = [
            ".slothstate-unfinished-",
            ".slothstate-unfinished-abc12",
            ".slothstate-unfinished-abc1234",
            ".slothstate-unfinished-abc.db",
            ".slothstate-unfinished-abc123-",
            ".slothstate-unfinished-abc123-wal2",
            ".slothstate-unfinished-äää",
            "slothstate-unfinished-abc123",
            "x.slothstate-unfinished-abc123",
        ];
        for name in swept.iter().chain(&kept) {
            std::fs::write(at(name), "x").unwrap();
        }
        std::fs::create_dir(at(".slothstate-unfinished-folder")).unwrap();
        std::os::unix::fs::symlink(&precious, at(".slothstate-unfinished-link00")).unwrap();
        nix::unistd::mkfifo(&at(".slothstate-unfinished-fifo00"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let writing = NamedFile::replacing(&at("target"), 0o600).unwrap();
        let beside = PathBuf::from(format!("{}-wal", writing.path().display()));
        std::fs::write(&beside, "x").unwrap();
        let listed = leftovers(folder.path()).unwrap();
        let state = |path: &Path| listed.iter().find(|one| one.path == path).map(|one| one.state);
        assert_eq!(state(writing.path()), Some(LeftoverState::Writing));
        assert_eq!(state(&beside), Some(LeftoverState::Writing));
        for name in swept {
            assert_eq!(state(&at(name)), Some(LeftoverState::Stale), "{name}");
        }
        assert_eq!(listed.len(), swept.len() + 2, "{listed:?}");
        sweep(folder.path());
        assert!(swept.iter().all(|name| !at(name).exists()));
        assert!(kept.iter().all(|name| at(name).exists()));
        for name in ["folder", "link00", "fifo00"] {
            assert!(at(&format!(".slothstate-unfinished-{name}")).symlink_metadata().is_ok(), "{name}");
        }
        assert!(writing.path().exists() && beside.exists());
        drop(writing);
        assert!(!beside.exists());
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }

    #[test]
    fn writers_and_sweepers_at_the_same_moment_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || {
                    for number in 0..100 {
                        let target = folder.join(format!("{writer}-{number}"));
                        let file = NamedFile::create(&target).unwrap();
                        std::io::Write::write_all(&mut file.file(), b"x").unwrap();
                        file.finish(Some(folder)).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 400);
        assert_eq!(leftovers(folder).unwrap(), []);
    }
}

//! Incomplete files that a killed program left.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::named::{PREFIX, SUFFIX, is_locked};

/// An incomplete file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
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
        let Some(bytes) = incomplete(&path) else { continue };
        let state = match open(&path).map(|file| is_locked(&file)) {
            Ok(Some(true)) => LeftoverState::Writing,
            Ok(Some(false)) => LeftoverState::Stale,
            // It got its name, or was removed, in this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
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
        if incomplete(&path).is_none() {
            continue;
        }
        // The lock is held until the file is removed: whoever made it in this moment waits for it,
        // and finds that it is gone.
        if let Ok(file) = open(&path)
            && file.try_lock().is_ok()
            && is_same(&path, &file)
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// The size of the regular file at `path`, if its name is that of an incomplete file.
fn incomplete(path: &Path) -> Option<u64> {
    let suffix = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let is_ours = suffix.len() == SUFFIX && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let metadata = std::fs::symlink_metadata(path).ok()?;
    (is_ours && metadata.is_file()).then_some(metadata.len())
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
        let swept = [".slothstate-unfinished-abc123", ".slothstate-unfinished-000000"];
        let kept = [
            ".slothstate-unfinished-",
            ".slothstate-unfinished-abc12",
            ".slothstate-unfinished-abc1234",
            ".slothstate-unfinished-abc.db",
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
        let listed = leftovers(folder.path()).unwrap();
        let state = |path: &Path| listed.iter().find(|one| one.path == path).map(|one| one.state);
        assert_eq!(state(writing.path()), Some(LeftoverState::Writing));
        assert_eq!(state(&at(swept[0])), Some(LeftoverState::Stale));
        assert_eq!(listed.len(), 3, "{listed:?}");
        sweep(folder.path());
        assert!(swept.iter().all(|name| !at(name).exists()));
        assert!(kept.iter().all(|name| at(name).exists()));
        for name in ["folder", "link00", "fifo00"] {
            assert!(at(&format!(".slothstate-unfinished-{name}")).symlink_metadata().is_ok(), "{name}");
        }
        assert!(writing.path().exists());
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
                        file.finish(folder).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 400);
        assert_eq!(leftovers(folder).unwrap(), []);
    }
}

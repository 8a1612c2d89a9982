//! Changing a file as a whole, with what others write at the same moment.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{NamedFile, folder_of, leftovers};
use crate::input_file;

/// How long somebody else who changes the file is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest file that is changed, in bytes.
const MAX_SIZE: u64 = 16 * 1024 * 1024;
/// How often it is looked whether the other is done.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How often the edit is repeated because a program without the lock wrote the file.
const ATTEMPTS: u32 = 100;

/// Changes a file, which may not exist, in a folder that may not exist: `edit` makes the new content
/// from the present one; `None` where there is no file.
///
/// The new content is written to a file of its own and put in the place of the old one, because
/// another process may read it: nobody ever reads half of it. Other processes that change the file
/// in this way are waited for, and what an editor wrote in the meantime is edited instead: nothing
/// of theirs is lost. A new file has `mode`, less what the process keeps from all of its files; an
/// existing one keeps its permissions.
///
/// # Errors
/// If it cannot be read or written, or `edit` fails; the file is unchanged then.
pub fn change(
    file: &Path,
    mode: u32,
    edit: impl Fn(Option<Vec<u8>>) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A link leads to where the file really is.
    let file: PathBuf = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let _lock = lock(folder_of(&file))?;
    leftovers::sweep(folder_of(&file));
    for _ in 0..ATTEMPTS {
        let before = read(&file)?;
        let text = edit(before.clone())?;
        if Some(&text) == before.as_ref() {
            return Ok(());
        }
        let new = NamedFile::replacing(&file, mode)?;
        if before.is_some() {
            new.file().set_permissions(std::fs::metadata(&file)?.permissions())?;
        }
        new.file().write_all(&text)?;
        if read(&file)? == before {
            return new.replace();
        }
    }
    Err(io::Error::other("other programs change it all the time"))
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    input_file::read_regular(file, MAX_SIZE)
}

/// Waits until nobody else changes a file of the folder, and keeps others from it. It is the folder that is
/// locked: the file itself is not the same any more once it was changed, and nothing is left of the lock.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::open(folder)?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(POLL_INTERVAL)
            }
            Err(TryLockError::WouldBlock) => {
                let words = format!("another program has had {} locked for seconds", folder.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, words));
            }
            // Not every file system of a network has such locks. What others do in that moment is still
            // looked for.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(lock),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn with_line(before: Option<Vec<u8>>, line: &str) -> Vec<u8> {
        [&before.unwrap_or_default()[..], line.as_bytes(), b"\n"].concat()
    }

    #[test]
    fn nobody_who_changes_a_file_at_the_same_moment_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/lines.txt");
        let write = |writer: usize| {
            for number in 0..20 {
                change(&file, 0o644, |before| Ok(with_line(before, &format!("{writer} {number}")))).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for writer in 0..6 {
                scope.spawn(move || write(writer));
            }
        });
        let text = std::fs::read_to_string(&file).unwrap();
        for writer in 0..6 {
            let of = format!("{writer} ");
            let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&of)).collect();
            let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn what_an_editor_writes_meanwhile_is_edited_instead() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines.txt");
        let tries = Cell::new(0);
        let edit = |before: Option<Vec<u8>>| {
            tries.set(tries.get() + 1);
            if tries.get() == 1 {
                std::fs::write(&file, "theirs\n").unwrap();
            }
            Ok(with_line(before, "ours"))
        };
        change(&file, 0o644, edit).unwrap();
        assert_eq!((tries.get(), std::fs::read_to_string(&file).unwrap().as_str()), (2, "theirs\nours\n"));
    }

    #[test]
    fn permissions_are_kept_and_new_files_have_those_asked_for() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines.txt");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        change(&file, 0o600, |before| Ok(with_line(before, "one"))).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        change(&file, 0o666, |before| Ok(with_line(before, "two"))).unwrap();
        assert_eq!((mode(), std::fs::read_dir(folder.path()).unwrap().count()), (0o640, 1));
    }

    #[test]
    fn a_failure_leaves_the_file_as_it_is_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines.txt");
        std::fs::write(&file, "kept\n").unwrap();
        assert!(change(&file, 0o644, |_| Err(io::Error::other("no"))).is_err());
        change(&file, 0o644, |before| Ok(before.unwrap())).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Files that are replaced as a whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long somebody else who changes the file is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the other is done.
const LOOK: Duration = Duration::from_millis(5);
/// How often it is begun anew because somebody who knows of no lock wrote the file.
const ATTEMPTS: u32 = 100;

/// Changes a file, which may not be there, in a folder that may not be there: `edit` makes what is to
/// be in it of what there is; `None` where there is no file.
///
/// It is written aside and put in the place of the other, because another process may read it: no half
/// of it is ever read. Who changes it in this way is waited for, in whatever process that is, and what
/// an editor wrote in the meantime is edited instead: nothing of theirs is lost. A new file has `mode`,
/// less what the process keeps from all of its files.
///
/// # Errors
/// If it cannot be read or written, or `edit` fails; the file is as it was then.
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
    let _lock = file.parent().map(lock).transpose()?;
    for _ in 0..ATTEMPTS {
        let before = read(&file)?;
        let text = edit(before.clone())?;
        if Some(&text) == before.as_ref() {
            return Ok(());
        }
        let aside = file.with_extension(std::process::id().to_string());
        let written = write(&aside, &text, mode).and_then(|()| {
            let is_same = read(&file)? == before;
            if is_same { std::fs::rename(&aside, &file).map(|()| true) } else { Ok(false) }
        });
        if !matches!(written, Ok(true)) {
            let _ = std::fs::remove_file(&aside);
        }
        if written? {
            return Ok(());
        }
    }
    Err(io::Error::other("others write it all the time"))
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(file: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut output = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(file)?;
    output.write_all(text)?;
    output.sync_all()
}

/// Waits until nobody else changes a file of the folder, and keeps others from it. It is the folder that is
/// locked: the file itself is not the same any more once it was changed, and nothing is left of the lock.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::open(folder)?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => std::thread::sleep(LOOK),
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

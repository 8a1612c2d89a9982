//! Files that are written as a whole: a reader finds all of a file, or none of it.
//!
//! A new file is written without a name where the system offers that (Linux: `O_TMPFILE`), so that
//! nothing of it is left however the program ends. Where it needs a name before it is complete, it
//! has one that tells what it is, stands under a lock (`flock`) as long as it is being written, and
//! is removed when the program ends, also by a signal. What `kill -9` leaves is not locked by
//! anybody; the next file that is written into that folder removes it.

mod change;
mod cleanup_on_signal;
mod incomplete;
mod leftovers;
mod replace;
mod unnamed_file;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use self::change::change;
pub use self::cleanup_on_signal::remove_on_signals;
pub use self::incomplete::{beside, remove_all};
pub use self::leftovers::{Leftover, LeftoverState, leftovers};
pub use self::replace::NamedFile;
use self::unnamed_file::Unnamed;

/// A new file that appears under its name when it is complete and on the disk. If it is dropped
/// before that, nothing is left of it.
pub struct NewFile(NewFileKind);

enum NewFileKind {
    Unnamed(Unnamed),
    Named(NamedFile),
}

impl NewFile {
    /// An empty file that only its owner can read.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if there is anything at `target`, also a broken link; the
    /// system's errors.
    pub fn create(target: &Path) -> io::Result<NewFile> {
        refuse_existing(target)?;
        leftovers::sweep(folder_of(target));
        match Unnamed::create(target)? {
            Some(file) => Ok(NewFile(NewFileKind::Unnamed(file))),
            None => NamedFile::create(target).map(|file| NewFile(NewFileKind::Named(file))),
        }
    }

    /// What to write to.
    pub fn file(&self) -> &File {
        match &self.0 {
            NewFileKind::Unnamed(unnamed) => &unnamed.file,
            NewFileKind::Named(named) => named.file(),
        }
    }

    /// Gives the file its name once it is on the disk, with the permissions that the file at `model`
    /// has, without those to execute it. Its size in bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if a file of that name was made meanwhile, which is left as
    /// it is; the system's errors.
    pub fn finish(self, model: Option<&Path>) -> io::Result<u64> {
        match self.0 {
            NewFileKind::Unnamed(unnamed) => unnamed.finish(model),
            NewFileKind::Named(named) => named.finish(model),
        }
    }
}

impl io::Write for &NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    }
}

fn refuse_existing(target: &Path) -> io::Result<()> {
    match target.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(()),
    }
}

/// Has the file readable and writable by those whom the file at `model` lets read and write, by its owner
/// alone without one, and waits until it is on the disk; its size in bytes.
fn complete(file: &File, model: Option<&Path>) -> io::Result<u64> {
    use std::os::unix::fs::PermissionsExt;
    let mode = match model {
        Some(model) => std::fs::metadata(model)?.permissions().mode() & 0o666,
        None => 0o600,
    };
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Waits until the names in the folder of `path` are on the disk.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// A path that stays right if the working folder changes.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Both ways to make a file, whatever the system offers.
    fn both(target: &Path) -> Vec<NewFile> {
        let unnamed = Unnamed::create(target).unwrap();
        let named = NamedFile::create(target).unwrap();
        let unnamed = unnamed.map(|file| NewFile(NewFileKind::Unnamed(file)));
        unnamed.into_iter().chain([NewFile(NewFileKind::Named(named))]).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_complete_with_the_permissions_of_its_model() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        std::fs::write(&model, "").unwrap();
        std::fs::set_permissions(&model, PermissionsExt::from_mode(0o750)).unwrap();
        let target = folder.path().join("target");
        for mut file in both(&target) {
            file.write_all(b"all of it").unwrap();
            assert!(!target.exists());
            assert_eq!(file.finish(Some(&model)).unwrap(), 9);
            assert_eq!(std::fs::read(&target).unwrap(), b"all of it");
            assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
            std::fs::remove_file(&target).unwrap();
        }
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn what_was_made_meanwhile_is_not_overwritten_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let files = both(&target);
        std::fs::write(&target, "theirs").unwrap();
        for mut file in files {
            file.write_all(b"ours").unwrap();
            let refused = file.finish(Some(&target)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(NewFile::create(&target).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["target"]);
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = both(&folder.path().join("target"));
        assert_eq!(names(folder.path()).len(), 1, "one of them has a name");
        files.pop();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_broken_link_is_something() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink("nowhere", &target).unwrap();
        assert_eq!(NewFile::create(&target).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(NamedFile::create(&target).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    }
}

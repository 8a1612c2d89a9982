//! A new file that has a name of its own while it is being written, under a lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::incomplete::{PREFIX, SUFFIX, forget, remove_sides};
use super::{cleanup_on_signal, incomplete, leftovers};

/// An incomplete file beside the one that it becomes, for what opens files by their names, as SQLite
/// does. It is removed when it is dropped, and when the program ends.
///
/// The lock is one of `flock`. SQLite's own locks are of another kind, so that neither gets in the
/// way of the other.
pub struct NamedFile {
    file: File,
    /// `None` once it has its name.
    path: Option<TempPath>,
    target: PathBuf,
}

impl NamedFile {
    /// An empty file that only its owner can read.
    pub fn create(target: &Path) -> io::Result<NamedFile> {
        super::refuse_existing(target)?;
        leftovers::sweep(super::folder_of(target));
        NamedFile::replacing(target, 0o600)
    }

    /// As [`NamedFile::create`], where there may be a file at `target`, with `mode` less what the
    /// process keeps from all of its files.
    pub(super) fn replacing(target: &Path, mode: u32) -> io::Result<NamedFile> {
        const ATTEMPTS: u32 = 100;
        cleanup_on_signal::listen();
        let target = super::absolute(target);
        for _ in 0..ATTEMPTS {
            let make = || {
                tempfile::Builder::new()
                    .prefix(PREFIX)
                    .rand_bytes(SUFFIX)
                    .permissions(PermissionsExt::from_mode(mode))
                    .tempfile_in(super::folder_of(&target))
            };
            let (file, path) = incomplete::note(make)?.into_parts();
            let file = NamedFile { file, path: Some(path), target: target.clone() };
            // Not every file system has locks. Where it has none, nothing is taken for stale either.
            let _ = file.file.lock();
            // Somebody who looked between the two took it for one that nobody writes.
            if file.is_in_place() {
                return Ok(file);
            }
        }
        Err(io::Error::other("another program removes the incomplete files"))
    }

    /// As [`NamedFile::create`], to take the place of the file at `target`, if there is one.
    pub fn over(target: &Path) -> io::Result<NamedFile> {
        leftovers::sweep(super::folder_of(target));
        NamedFile::replacing(target, 0o600)
    }

    /// As [`NamedFile::finish`], in the place of the file at the target, if there is one.
    pub fn finish_over(self, model: &Path) -> io::Result<u64> {
        let bytes = super::complete(&self.file, Some(model))?;
        self.rename(|path, target| path.persist(target))?;
        Ok(bytes)
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(&self.target)
    }

    /// The file. Closing it ends every lock that SQLite has on it, so it is open until the end.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// As [`super::NewFile::finish`].
    pub fn finish(self, model: Option<&Path>) -> io::Result<u64> {
        let bytes = super::complete(&self.file, model)?;
        self.rename(|path, target| path.persist_noclobber(target))?;
        Ok(bytes)
    }

    /// Puts the file in the place of the one at the target, if there is one.
    pub(super) fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        self.rename(|path, target| path.persist(target))
    }

    fn rename(
        mut self,
        rename: impl FnOnce(TempPath, &Path) -> Result<(), tempfile::PathPersistError>,
    ) -> io::Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let name = path.to_path_buf();
        let renamed = rename(path, &self.target);
        forget(&name);
        // A file that was not renamed is removed with the error that has it.
        renamed.map_err(|refused| refused.error)?;
        super::sync_folder_of(&self.target)
    }

    fn is_in_place(&self) -> bool {
        let of = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let named = std::fs::symlink_metadata(self.path()).map(of).ok();
        named.is_some() && named == self.file.metadata().map(of).ok()
    }
}

impl Drop for NamedFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let name = path.to_path_buf();
            remove_sides(&name);
            drop(path);
            forget(&name);
        }
    }
}

//! An export of selected entries, written by the terminal interface.

use std::path::{Path, PathBuf};

use super::record::{EntryRecord, ExportRecord};
use super::writer::ExportWriter;
use crate::atomic_file::NewFile;
#[cfg(doc)]
use crate::store::ErrorKind;
use crate::store::{Entry, Location, Revision, StoreError};
use crate::time::Millis;

/// An export file being written. It appears under its name when it is complete.
pub struct EntriesFile {
    writer: ExportWriter<NewFile>,
    target: PathBuf,
}

impl EntriesFile {
    /// Starts a file at `target` for entries of the database `source` at `revision`.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] if there is anything at `target`; [`ErrorKind::Io`].
    pub fn begin(
        target: &Path,
        source: &Location,
        revision: Revision,
        now: Millis,
    ) -> Result<EntriesFile, StoreError> {
        let writer = NewFile::create(target)
            .and_then(|file| ExportWriter::begin(file, source, revision, now, false))
            .map_err(|error| StoreError::of_file(target, error))?;
        Ok(EntriesFile { writer, target: target.to_path_buf() })
    }

    pub fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let put = self.writer.put(&ExportRecord::Entry(EntryRecord::from(entry)));
        put.map_err(|error| StoreError::of_file(&self.target, error))
    }

    /// Completes the file and publishes it under its name, readable by those who can read the database.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] if a file of that name was created meanwhile; [`ErrorKind::Io`].
    pub fn finish(self, source: &Location, revision: Revision) -> Result<(), StoreError> {
        let file = self.writer.finish(revision);
        let published = file.and_then(|(file, _)| file.finish(source.as_file()));
        published.map(|_| ()).map_err(|error| StoreError::of_file(&self.target, error))
    }
}

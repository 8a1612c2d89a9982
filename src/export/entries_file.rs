//! An export of selected entries, written by the terminal interface.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::record::{EntryRecord, ExportHeader, ExportRecord, FORMAT, FORMAT_VERSION, Footer};
use crate::atomic_file::NewFile;
use crate::store::{Entry, Location, Revision, StoreError};
use crate::text::escape::drawable_json;
use crate::time::Millis;

/// An export file being written. It appears under its name when it is complete.
pub struct EntriesFile {
    output: BufWriter<NewFile>,
    target: PathBuf,
    end: Footer,
}

impl EntriesFile {
    /// Starts a file at `target` for entries of the database `source` at `revision`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is anything at `target`; [`StoreError::Io`].
    pub fn begin(
        target: &Path,
        source: &Location,
        revision: Revision,
        now: Millis,
    ) -> Result<EntriesFile, StoreError> {
        let file = NewFile::create(target).map_err(|source| StoreError::of_file(target, source))?;
        let output = BufWriter::with_capacity(256 * 1024, file);
        let mut file = EntriesFile { output, target: target.to_path_buf(), end: Footer::default() };
        file.line(&ExportHeader {
            format: FORMAT.into(),
            format_version: FORMAT_VERSION,
            program: format!("slothstate {}", env!("CARGO_PKG_VERSION")),
            source: source.name(),
            exported_at: now.to_string(),
            from_revision: revision.0,
            history: false,
        })?;
        Ok(file)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.end.entries += 1;
        self.line(&ExportRecord::Entry(EntryRecord::from(entry)))
    }

    /// Completes the file and publishes it under its name, readable by those who can read the database.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if a file of that name was created meanwhile; [`StoreError::Io`].
    pub fn finish(mut self, source: &Location, revision: Revision) -> Result<(), StoreError> {
        self.end.to_revision = revision.0;
        let end = ExportRecord::End(self.end);
        self.line(&end)?;
        let file = self.output.into_inner().map_err(std::io::IntoInnerError::into_error);
        let finished = file.and_then(|file| file.finish(source.as_file()));
        finished.map(|_| ()).map_err(|error| StoreError::of_file(&self.target, error))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io { path: self.target.clone(), source };
        let text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        writeln!(self.output, "{}", drawable_json(&text)).map_err(failed)
    }
}

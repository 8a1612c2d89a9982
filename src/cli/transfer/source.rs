//! Where an import comes from: any database that can be browsed, or an export.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::record::{End, FORMAT, FORMAT_VERSION, Header, Record};
use crate::cli::Failure;
use crate::cli::database::tell;
use crate::escape::escape;
use crate::store::{
    Entry, Key, KeyRange, Lock, ManualClock, Millis, Scan, Settings, SqliteStore, Store, StoreError,
    all_locks,
};

/// What hands over entries takes them in pages.
pub type Visit<'a> = dyn FnMut(Vec<Entry>) -> Result<(), Failure> + 'a;

/// An open source. It is only read.
pub enum Source {
    /// A database.
    Database(Box<SqliteStore>),
    /// An export, found whole.
    Export(ExportFile),
}

/// An export, and what was counted in it.
pub struct ExportFile {
    name: String,
    file: RefCell<File>,
    locks: Vec<Lock>,
    changes: u64,
}

impl Source {
    /// Opens a source. An export is read to its end first, to see that it is whole.
    ///
    /// # Errors
    /// Says what the file is instead, or where it is damaged.
    pub fn open(path: &Path, settings: Settings) -> Result<Source, Failure> {
        let name = escape(path.as_os_str().as_encoded_bytes());
        // Before all time nothing has expired: what has is handed over as well, to be counted.
        let clock = Arc::new(ManualClock::at(Millis(i64::MIN)));
        match SqliteStore::open(path, Settings { read_only: true, clock, ..settings }) {
            Ok(store) => {
                tell(&store);
                if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
                    return Err(Failure::No(format!("{name} is empty: there is nothing to import")));
                }
                Ok(Source::Database(Box::new(store)))
            }
            Err(StoreError::NotFound { .. }) => {
                Err(Failure::No(format!("there is no file {name} to import")))
            }
            Err(error @ StoreError::NotAStateDatabase { .. }) => {
                // It is no database of this process: no lock is lost when it is closed.
                let file =
                    File::open(path).map_err(|source| Failure::System { what: name.clone(), source })?;
                match ExportFile::check(name, file)? {
                    Some(export) => Ok(Source::Export(export)),
                    None => Err(Failure::No(format!("{error}; nor is it an export of slothstate"))),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Hands over all entries, those that have expired included.
    ///
    /// # Errors
    /// What `visit` fails with, or the source.
    pub fn for_each_page(&self, visit: &mut Visit<'_>) -> Result<(), Failure> {
        match self {
            Source::Database(store) => for_each_page(&**store, visit),
            Source::Export(export) => export.for_each_page(visit),
        }
    }

    /// Every lock, those whose lease has run out included.
    ///
    /// # Errors
    /// What the source fails with.
    pub fn locks(&self) -> Result<Vec<Lock>, Failure> {
        match self {
            Source::Database(store) => Ok(all_locks(&**store)?),
            Source::Export(export) => Ok(export.locks.clone()),
        }
    }

    /// How many rows of history there are.
    ///
    /// # Errors
    /// What the source fails with.
    pub fn history(&self) -> Result<u64, Failure> {
        match self {
            Source::Database(store) => Ok(store.stats()?.history),
            Source::Export(export) => Ok(export.changes),
        }
    }
}

/// The most entries of a page.
const PAGE: usize = 500;

/// Hands over the entries of a database. No transaction stays open between two pages.
///
/// # Errors
/// What `visit` fails with, or the store.
pub fn for_each_page(store: &dyn Store, visit: &mut Visit<'_>) -> Result<(), Failure> {
    /// A page holds no more of each value than this; longer ones are handed over one by one.
    const VALUE: u64 = 64 * 1024;
    let mut scan = Scan { value_limit: VALUE, ..Scan::new(KeyRange::all(), PAGE) };
    loop {
        let page = store.scan(&scan)?;
        let Some(last) = page.last() else { return Ok(()) };
        scan.after = Some(last.key.clone());
        let mut whole = Vec::with_capacity(page.len());
        for entry in page {
            if entry.is_whole() {
                whole.push(entry);
            } else {
                visit(std::mem::take(&mut whole))?;
                // One that was deleted in the meantime is not there to be handed over.
                visit(store.get(&entry.key)?.into_iter().collect())?;
            }
        }
        visit(whole)?;
    }
}

impl ExportFile {
    /// Reads `file` to its end; `None` if it is no export at all.
    fn check(name: String, file: File) -> Result<Option<ExportFile>, Failure> {
        let mut export = ExportFile { name, file: RefCell::new(file), locks: Vec::new(), changes: 0 };
        if !export.is_export()? {
            return Ok(None);
        }
        let mut locks = Vec::new();
        let mut found = End::default();
        let mut last_key: Option<Key> = None;
        export
            .for_each_record(&mut |line, record| {
                match record {
                    Record::Entry(record) => {
                        found.entries += 1;
                        let key = record.into_entry().map_err(|wrong| export.damaged(line, &wrong))?.key;
                        if let Some(last) = last_key.as_ref().filter(|last| **last >= key) {
                            let wrong = format!(
                                "key {key} comes after {last}: each key comes once, in ascending order"
                            );
                            return Err(export.damaged(line, &wrong));
                        }
                        last_key = Some(key);
                    }
                    Record::Lock(record) => {
                        found.locks += 1;
                        locks.push(Lock::from(record));
                    }
                    Record::Change(record) => {
                        found.changes += 1;
                        record.check().map_err(|wrong| export.damaged(line, &wrong))?;
                    }
                    Record::End(end) => {
                        for (what, told, found) in [
                            ("entries", end.entries, found.entries),
                            ("locks", end.locks, found.locks),
                            ("rows of history", end.changes, found.changes),
                        ] {
                            if told != found {
                                let wrong = format!("there should be {told} {what}, and there are {found}");
                                return Err(export.damaged(line, &wrong));
                            }
                        }
                    }
                }
                Ok(())
            })
            .map_err(|failure| match failure {
                Failure::No(wrong) => Failure::No(format!("{wrong}; nothing was imported")),
                other => other,
            })?;
        export.locks = locks;
        export.changes = found.changes;
        Ok(Some(export))
    }

    fn for_each_page(&self, visit: &mut Visit<'_>) -> Result<(), Failure> {
        let mut page = Vec::new();
        self.for_each_record(&mut |line, record| {
            let Record::Entry(record) = record else { return Ok(()) };
            page.push(record.into_entry().map_err(|wrong| self.damaged(line, &wrong))?);
            if page.len() == PAGE || page.last().is_some_and(|entry| entry.size > 64 * 1024) {
                visit(std::mem::take(&mut page))?;
            }
            Ok(())
        })?;
        visit(page)
    }

    /// Whether the first line is that of an export, of whatever version.
    fn is_export(&self) -> Result<bool, Failure> {
        /// No first line is longer than this; any other file may have no line break at all.
        const LIMIT: u64 = 64 * 1024;
        let mut file = self.file.borrow_mut();
        let mut line = Vec::new();
        BufReader::new((&mut *file).take(LIMIT))
            .read_until(b'\n', &mut line)
            .map_err(|error| self.unreadable(error))?;
        let object: Option<serde_json::Value> = serde_json::from_slice(&line).ok();
        Ok(object.is_some_and(|object| object["format"] == FORMAT))
    }

    /// Hands over every record with the number of its line. The last one is the end.
    fn for_each_record(
        &self,
        visit: &mut dyn FnMut(u64, Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(0)).map_err(|error| self.unreadable(error))?;
        let mut reader = BufReader::with_capacity(256 * 1024, &mut *file);
        let mut line = Vec::new();
        let mut has_ended = false;
        for number in 1.. {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(|error| self.unreadable(error))?;
            if line.is_empty() {
                return match has_ended {
                    true => Ok(()),
                    false => Err(self.damaged(
                        number,
                        "the last line, which has the counts, is missing: the file was cut off",
                    )),
                };
            }
            if has_ended {
                return Err(self.damaged(number, "there is something after the last line"));
            }
            if number == 1 {
                self.check_header(&line)?;
                continue;
            }
            let record = serde_json::from_slice(&line).map_err(|error| self.no_record(number, &error))?;
            has_ended = matches!(record, Record::End(_));
            visit(number, record)?;
        }
        Ok(())
    }

    fn check_header(&self, line: &[u8]) -> Result<(), Failure> {
        let object: serde_json::Value =
            serde_json::from_slice(line).map_err(|error| self.no_record(1, &error))?;
        match object["format_version"].as_u64() {
            Some(version) if version > FORMAT_VERSION => Err(self.damaged(
                1,
                &format!(
                    "a newer slothstate wrote this (format {version}; this one knows up to {FORMAT_VERSION}): \
                     update slothstate"
                ),
            )),
            _ => serde_json::from_slice::<Header>(line).map(|_| ()).map_err(|error| self.no_record(1, &error)),
        }
    }

    fn no_record(&self, line: u64, error: &serde_json::Error) -> Failure {
        if error.is_eof() {
            return self.damaged(line, "the line is cut off");
        }
        // What it says of the line is always 1, since it was given no more.
        let text = error.to_string();
        let wrong = text.split(" at line 1 column ").next().unwrap_or(&text);
        self.damaged(line, &format!("column {}: {}", error.column(), escape(wrong.as_bytes())))
    }

    fn damaged(&self, line: u64, wrong: &str) -> Failure {
        Failure::No(format!("{}, line {line}: {wrong}", self.name))
    }

    fn unreadable(&self, source: std::io::Error) -> Failure {
        Failure::System { what: self.name.clone(), source }
    }
}

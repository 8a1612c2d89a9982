//! Sources of an import: a readable database or an export, from a file or a pipe.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use crate::cli::CliError;
use crate::cli::database::print_notices;
use crate::cli::output;
use crate::export::record::{ExportHeader, ExportRecord, FORMAT, FORMAT_VERSION, Footer};
use crate::input_file::{Accept, Input, STANDARD_INPUT};
use crate::store::{
    Entry, ErrorKind, Key, KeyRange, Location, Lock, LockReading, Options, Scan, Store, StoreError,
    all_locks, entry_pages, open, open_older,
};
use crate::text::escape::escape;
use crate::time::{ManualClock, Millis};

/// Receives pages of entries.
pub type PageVisitor<'a> = dyn FnMut(Vec<Entry>) -> Result<(), CliError> + 'a;

/// The most bytes read from a pipe; they are spooled to a temporary file.
const MAX_PIPE_SIZE: u64 = 4 << 30;
/// The longest line of an export in bytes: a change with two values of the largest size, each byte escaped
/// as six.
const MAX_LINE: u64 = 2 * 6 * (256 << 20) + (64 << 20);

/// An open source, read-only.
pub enum ImportSource {
    /// A database, with the folder of its copy if it came through a pipe.
    Database { store: Box<dyn Store>, _folder: Option<tempfile::TempDir> },
    /// A complete export.
    Export(ExportFile),
}

/// How the database of an import is opened.
#[derive(Default)]
pub struct SourceOptions {
    /// The options of any database.
    pub common: Options,
    /// Where a file has the tables of both of Sloth Runner's generations, whether those of the older one are
    /// read.
    pub older: bool,
}

/// A validated export file.
pub struct ExportFile {
    name: String,
    file: RefCell<File>,
    /// How many bytes are read; bytes appended later are ignored.
    length: u64,
    locks: Vec<Lock>,
    changes: u64,
}

impl ImportSource {
    /// Opens a source. An export is read to its end first, to check that it is complete.
    ///
    /// # Errors
    /// What the file is instead, or where it is damaged.
    pub fn open(source: &Location, options: SourceOptions) -> Result<ImportSource, CliError> {
        let Location::File(path) = source else {
            return Ok(ImportSource::open_database(source, None, options)?);
        };
        let is_standard_input = path == Path::new(STANDARD_INPUT);
        let name = match is_standard_input {
            true => "standard input".into(),
            false => escape(path.as_os_str().as_encoded_bytes()),
        };
        match std::fs::metadata(path) {
            // Files of the system have a size of 0, whatever their content is.
            Ok(metadata)
                if (metadata.is_dir() || metadata.is_file() && metadata.len() > 0) && !is_standard_input =>
            {
                ImportSource::open_file(path, name, options)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_standard_input => {
                Err(CliError::Failed(format!("there is no file {name} to import")))
            }
            _ => match Input::open(path, Accept::Pipes, MAX_PIPE_SIZE) {
                Ok(input) => ImportSource::open_pipe(input, name, options),
                Err(error) => Err(CliError::Failed(format!("{name} cannot be imported: {error}"))),
            },
        }
    }

    fn open_database(
        location: &Location,
        folder: Option<tempfile::TempDir>,
        options: SourceOptions,
    ) -> Result<ImportSource, StoreError> {
        // Before all time nothing has expired: what has is handed over as well, to be counted.
        let clock = Arc::new(ManualClock::at(Millis(i64::MIN)));
        let open = if options.older { open_older } else { open };
        let options = Options { read_only: true, clock, ..options.common };
        let store = open(location, &options)?;
        print_notices(&*store);
        Ok(ImportSource::Database { store, _folder: folder })
    }

    fn open_file(path: &Path, name: String, options: SourceOptions) -> Result<ImportSource, CliError> {
        match ImportSource::open_database(&Location::from(path), None, options) {
            Err(error @ StoreError { kind: ErrorKind::NotAStateDatabase { .. }, .. }) => {
                // It is no database of this process: no lock is lost when it is closed.
                let file =
                    File::open(path).map_err(|source| CliError::System { what: name.clone(), source })?;
                match ExportFile::check(name, file)? {
                    Some(export) => Ok(ImportSource::Export(export)),
                    None => Err(CliError::Failed(format!("{error}; nor is it an export of slothstate"))),
                }
            }
            other => Ok(other?),
        }
    }

    /// Spools a pipe to a temporary file once its first bytes show a format that can be imported.
    fn open_pipe(mut input: Input, name: String, options: SourceOptions) -> Result<ImportSource, CliError> {
        const DATABASE: &[u8] = b"SQLite format 3\0";
        let unreadable = |source| CliError::System { what: name.clone(), source };
        let no_copy = |source| CliError::System { what: format!("a temporary copy of {name}"), source };
        let mut begin = Vec::new();
        input.by_ref().take(MAX_HEADER).read_to_end(&mut begin).map_err(unreadable)?;
        if begin.is_empty() {
            return Err(CliError::Failed(format!("{name} is empty: there is nothing to import")));
        }
        let mut copy_to = |file: &mut File| -> Result<(), CliError> {
            file.write_all(&begin).map_err(no_copy)?;
            let mut piece = vec![0; 256 * 1024];
            loop {
                match input.read(&mut piece).map_err(unreadable)? {
                    0 => return Ok(()),
                    read => file.write_all(&piece[..read]).map_err(no_copy)?,
                }
            }
        };
        if begin.starts_with(DATABASE) {
            let folder = tempfile::Builder::new().prefix("slothstate-import-").tempdir().map_err(no_copy)?;
            let path = folder.path().join("state.db");
            copy_to(&mut File::create_new(&path).map_err(no_copy)?)?;
            return Ok(ImportSource::open_database(&Location::from(path.as_path()), Some(folder), options)?);
        }
        if !is_export(&begin) {
            return Err(CliError::Failed(format!(
                "{name} is neither an SQLite database nor an export of slothstate"
            )));
        }
        let mut file = tempfile::tempfile().map_err(no_copy)?;
        copy_to(&mut file)?;
        match ExportFile::check(name.clone(), file)? {
            Some(export) => Ok(ImportSource::Export(export)),
            None => Err(CliError::Failed(format!("{name} is not an export of slothstate"))),
        }
    }

    /// Visits all entries, expired ones included.
    ///
    /// # Errors
    /// What `visit` fails with, or the source.
    pub fn for_each_page(&self, visit: &mut PageVisitor<'_>) -> Result<(), CliError> {
        match self {
            ImportSource::Database { store, .. } => for_each_page(&**store, visit),
            ImportSource::Export(export) => export.for_each_page(visit),
        }
    }

    /// All locks, expired ones included.
    pub fn locks(&self) -> Result<Vec<Lock>, CliError> {
        match self {
            ImportSource::Database { store, .. } => readable_locks(&**store),
            ImportSource::Export(export) => Ok(export.locks.clone()),
        }
    }

    /// How many rows of history there are.
    pub fn history(&self) -> Result<u64, CliError> {
        match self {
            ImportSource::Database { store, .. } => Ok(store.stats()?.history),
            ImportSource::Export(export) => Ok(export.changes),
        }
    }
}

/// The most entries of a page.
const PAGE: usize = 500;

/// All locks, expired ones included, but for those that cannot be read: they are named.
///
/// # Errors
/// Those of reading.
pub fn readable_locks(store: &dyn Store) -> Result<Vec<Lock>, CliError> {
    let (unreadable, locks) = all_locks(store)?
        .into_iter()
        .partition::<Vec<Lock>, _>(|lock| lock.reading == LockReading::Unreadable);
    for lock in unreadable {
        let (name, why) = (escape(lock.name.as_bytes()), escape(lock.holder.as_bytes()));
        output::print_notice(format_args!("lock {name} is left out: {why}"));
    }
    Ok(locks)
}

/// Visits the entries of a database page by page. No transaction stays open between pages.
///
/// # Errors
/// What `visit` fails with, or the store.
pub fn for_each_page(store: &dyn Store, visit: &mut PageVisitor<'_>) -> Result<(), CliError> {
    /// The most bytes of a value in a page; longer values are read one at a time.
    const VALUE_LIMIT: u64 = 64 * 1024;
    for page in entry_pages(store, Scan { value_limit: VALUE_LIMIT, ..Scan::new(KeyRange::all(), PAGE) }) {
        let page = page?;
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
    Ok(())
}

impl ExportFile {
    /// Reads `file` to its end; `None` if it is not an export.
    fn check(name: String, file: File) -> Result<Option<ExportFile>, CliError> {
        let unreadable = |source| CliError::System { what: name.clone(), source };
        let length = file.metadata().map_err(unreadable)?.len();
        let mut export = ExportFile { name, file: RefCell::new(file), length, locks: Vec::new(), changes: 0 };
        if !export.is_export()? {
            return Ok(None);
        }
        let mut locks = Vec::new();
        let mut found = Footer::default();
        let mut last_key: Option<Key> = None;
        export
            .for_each_record(&mut |line, record| {
                match record {
                    ExportRecord::Entry(record) => {
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
                    ExportRecord::Lock(record) => {
                        found.locks += 1;
                        locks.push(record.into_lock().map_err(|wrong| export.damaged(line, &wrong))?);
                    }
                    ExportRecord::Change(record) => {
                        found.changes += 1;
                        record.check().map_err(|wrong| export.damaged(line, &wrong))?;
                    }
                    ExportRecord::End(end) => {
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
            .map_err(|error| match error {
                CliError::Failed(wrong) => CliError::Failed(format!("{wrong}; nothing was imported")),
                other => other,
            })?;
        export.locks = locks;
        export.changes = found.changes;
        Ok(Some(export))
    }

    fn for_each_page(&self, visit: &mut PageVisitor<'_>) -> Result<(), CliError> {
        let mut page = Vec::new();
        self.for_each_record(&mut |line, record| {
            let ExportRecord::Entry(record) = record else { return Ok(()) };
            page.push(record.into_entry().map_err(|wrong| self.damaged(line, &wrong))?);
            if page.len() == PAGE || page.last().is_some_and(|entry| entry.size > 64 * 1024) {
                visit(std::mem::take(&mut page))?;
            }
            Ok(())
        })?;
        visit(page)
    }

    /// Whether the first line is the header of an export of any version.
    fn is_export(&self) -> Result<bool, CliError> {
        let mut file = self.file.borrow_mut();
        let mut begin = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| (&mut *file).take(MAX_HEADER).read_to_end(&mut begin))
            .map_err(|error| self.unreadable(error))?;
        Ok(is_export(&begin))
    }

    /// Visits every record with its line number. The last one is the footer.
    fn for_each_record(
        &self,
        visit: &mut dyn FnMut(u64, ExportRecord) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(0)).map_err(|error| self.unreadable(error))?;
        let mut reader = BufReader::with_capacity(256 * 1024, (&mut *file).take(self.length));
        let mut line = Vec::new();
        let mut has_ended = false;
        for number in 1.. {
            line.clear();
            if !read_line(&mut reader, &mut line).map_err(|error| self.unreadable(error))? {
                return Err(self.damaged(number, "the line is not text, or longer than any that is exported"));
            }
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
            has_ended = matches!(record, ExportRecord::End(_));
            visit(number, record)?;
        }
        Ok(())
    }

    fn check_header(&self, line: &[u8]) -> Result<(), CliError> {
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
            _ => serde_json::from_slice::<ExportHeader>(line).map(|_| ()).map_err(|error| self.no_record(1, &error)),
        }
    }

    fn no_record(&self, line: u64, error: &serde_json::Error) -> CliError {
        if error.is_eof() {
            return self.damaged(line, "the line is cut off");
        }
        // What it says of the line is always 1, since it was given no more.
        let text = error.to_string();
        let wrong = text.split(" at line 1 column ").next().unwrap_or(&text);
        self.damaged(line, &format!("column {}: {}", error.column(), escape(wrong.as_bytes())))
    }

    fn damaged(&self, line: u64, wrong: &str) -> CliError {
        CliError::Failed(format!("{}, line {line}: {wrong}", self.name))
    }

    fn unreadable(&self, source: std::io::Error) -> CliError {
        CliError::System { what: self.name.clone(), source }
    }
}

/// The longest first line of an export, in bytes; another file may have no line break at all.
const MAX_HEADER: u64 = 64 * 1024;

/// Whether a file with these first bytes is an export of any version.
fn is_export(begin: &[u8]) -> bool {
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let object: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    object.is_some_and(|object| object["format"] == FORMAT)
}

/// Reads a line with its line break, or the rest of the file; false if it is too long for an export.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let piece = reader.fill_buf()?;
        let end = memchr::memchr(b'\n', piece).map(|at| at + 1);
        let taken = &piece[..end.unwrap_or(piece.len())];
        // JSON has no such byte; a file that is mostly a hole consists of nothing else.
        if memchr::memchr(0, taken).is_some() || (line.len() + taken.len()) as u64 > MAX_LINE {
            return Ok(false);
        }
        line.extend_from_slice(taken);
        let (length, is_end) = (taken.len(), end.is_some() || piece.is_empty());
        reader.consume(length);
        if is_end {
            return Ok(true);
        }
    }
}

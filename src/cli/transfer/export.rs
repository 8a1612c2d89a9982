//! `export`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::source::for_each_page;
use super::{entries, locks, rows_of_history};
use crate::atomic_file::NewFile;
use crate::cli::{CliError, Database, output};
use crate::export::record::{
    ChangeRecord, EntryRecord, ExportHeader, ExportRecord, FORMAT, FORMAT_VERSION, Footer, LockRecord,
};
use crate::store::{Change, Store, StoreError, all_locks, change_pages_since};
use crate::text::escape::{drawable_json, escape};

/// Arguments of `export`.
#[derive(clap::Args, Debug)]
pub struct ExportArguments {
    /// Write to this file instead of standard output; one that is there already is never overwritten
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out history
    #[arg(long)]
    no_history: bool,
}

/// Writes entries, locks and history as lines of JSON.
pub fn export(database: &Database, arguments: &ExportArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let with_history = !arguments.no_history;
    let Some(target) = &arguments.output else {
        write_all(&*store, with_history, JsonLines::new(std::io::stdout().lock(), &CliError::Output))?;
        return Ok(());
    };
    let refused = |source| StoreError::of_file(target, source);
    let failed = |source| CliError::System { what: shown(target), source };
    let file = NewFile::create(target).map_err(refused)?;
    let end = write_all(&*store, with_history, JsonLines::new(&file, &failed))?;
    file.finish(store.location().as_file()).map_err(refused)?;
    let told = format!(
        "exported {}, {} and {} to {}",
        entries(end.entries),
        locks(end.locks),
        rows_of_history(end.changes),
        shown(target)
    );
    output::line(told.as_bytes())
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Buffered output of JSON lines.
struct JsonLines<'a, W: Write> {
    output: BufWriter<W>,
    failed: &'a dyn Fn(std::io::Error) -> CliError,
}

impl<'a, W: Write> JsonLines<'a, W> {
    fn new(output: W, failed: &'a dyn Fn(std::io::Error) -> CliError) -> JsonLines<'a, W> {
        JsonLines { output: BufWriter::with_capacity(256 * 1024, output), failed }
    }

    fn put(&mut self, line: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(line).map_err(|error| (self.failed)(error.into()))?;
        writeln!(self.output, "{}", drawable_json(&text)).map_err(self.failed)
    }

    fn finish(mut self) -> Result<(), CliError> {
        self.output.flush().map_err(self.failed)
    }
}

/// Reads page by page, so that writers are not blocked: concurrent changes may or may not be included. The
/// header and the footer have the revisions before and after.
fn write_all<W: Write>(
    store: &dyn Store,
    with_history: bool,
    mut lines: JsonLines<'_, W>,
) -> Result<Footer, CliError> {
    let mut end = Footer::default();
    lines.put(&ExportHeader {
        format: FORMAT.into(),
        format_version: FORMAT_VERSION,
        program: format!("slothstate {}", env!("CARGO_PKG_VERSION")),
        source: store.location().name(),
        exported_at: store.clock().now().to_string(),
        from_revision: store.revision()?.0,
        history: with_history,
    })?;
    for_each_page(store, &mut |page| {
        end.entries += page.len() as u64;
        page.iter().try_for_each(|entry| lines.put(&ExportRecord::Entry(EntryRecord::from(entry))))
    })?;
    for lock in all_locks(store)? {
        end.locks += 1;
        lines.put(&ExportRecord::Lock(LockRecord::from(&lock)))?;
    }
    if with_history {
        for_each_change(store, &mut |change| {
            end.changes += 1;
            lines.put(&ExportRecord::Change(Box::new(ChangeRecord::from(change))))
        })?;
    }
    end.to_revision = store.revision()?.0;
    lines.put(&ExportRecord::End(end))?;
    lines.finish()?;
    Ok(end)
}

/// Visits history up to now, oldest first.
fn for_each_change(
    store: &dyn Store,
    visit: &mut dyn FnMut(&Change) -> Result<(), CliError>,
) -> Result<(), CliError> {
    const PAGE: usize = 500;
    /// The most bytes of a value in a page; longer values are read one at a time.
    const VALUE: u64 = 64 * 1024;
    let Some(span) = store.history_span()? else { return Ok(()) };
    let last = span.newest.0;
    // The oldest rows may be removed in the meantime.
    for page in change_pages_since(store, span.oldest.0.before(), PAGE, VALUE) {
        for change in &page? {
            if change.revision > last {
                return Ok(());
            }
            let may_be_cut = [&change.old, &change.new]
                .into_iter()
                .flatten()
                .any(|image| image.stored.len() as u64 >= VALUE);
            if !may_be_cut {
                visit(change)?;
            } else if let Some(whole) = store.change(change.revision, u64::MAX)? {
                visit(&whole)?;
            }
        }
    }
    Ok(())
}

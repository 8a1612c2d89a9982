//! `export`.

use std::io::Write;
use std::path::PathBuf;

use super::source::for_each_page;
use super::source::readable_locks;
use super::{entries, locks, rows_of_history};
use crate::atomic_file::NewFile;
use crate::cli::{CliError, Database, output};
use crate::export::ExportWriter;
use crate::export::record::{EntryRecord, ExportRecord, Footer, LockRecord};
use crate::store::{Change, Store, StoreError, change_pages_since};
use crate::text::escape;

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
        write_all(&*store, with_history, std::io::stdout().lock(), &CliError::Output)?;
        return Ok(());
    };
    let refused = |source| StoreError::of_file(target, source);
    let failed = |source| CliError::System { what: escape::path(target), source };
    let file = NewFile::create(target).map_err(refused)?;
    let footer = write_all(&*store, with_history, &file, &failed)?;
    file.finish(store.location().as_file()).map_err(refused)?;
    let summary = format!(
        "exported {}, {} and {} to {}",
        entries(footer.entries),
        locks(footer.locks),
        rows_of_history(footer.changes),
        escape::path(target)
    );
    output::line(summary.as_bytes())
}

/// Reads page by page, so that writers are not blocked: concurrent changes may or may not be included. The
/// header and the footer have the revisions before and after.
fn write_all(
    store: &dyn Store,
    with_history: bool,
    output: impl Write,
    failed: &dyn Fn(std::io::Error) -> CliError,
) -> Result<Footer, CliError> {
    let (location, now) = (store.location(), store.clock().now());
    let writer = ExportWriter::begin(output, location, store.revision()?, now, with_history);
    let mut writer = writer.map_err(failed)?;
    let mut put = |record: &ExportRecord| writer.put(record).map_err(failed);
    for_each_page(store, &mut |page| {
        page.iter().try_for_each(|entry| put(&ExportRecord::Entry(EntryRecord::from(entry))))
    })?;
    for lock in readable_locks(store)? {
        put(&ExportRecord::Lock(LockRecord::from(&lock)))?;
    }
    if with_history {
        for_each_change(store, &mut |change| put(&ExportRecord::Change(Box::new(change.into()))))?;
    }
    let (_, footer) = writer.finish(store.revision()?).map_err(failed)?;
    Ok(footer)
}

/// Visits history up to now, oldest first.
fn for_each_change(
    store: &dyn Store,
    visit: &mut dyn FnMut(&Change) -> Result<(), CliError>,
) -> Result<(), CliError> {
    const PAGE: usize = 500;
    /// The most bytes of a value in a page; longer values are read one at a time.
    const VALUE_LIMIT: u64 = 64 * 1024;
    let Some(span) = store.history_span()? else { return Ok(()) };
    let last = span.newest.0;
    // The oldest rows may be removed in the meantime.
    for page in change_pages_since(store, span.oldest.0.before(), PAGE, VALUE_LIMIT) {
        for change in &page? {
            if change.revision > last {
                return Ok(());
            }
            let may_be_cut = [&change.old, &change.new]
                .into_iter()
                .flatten()
                .any(|image| image.stored.len() as u64 >= VALUE_LIMIT);
            if !may_be_cut {
                visit(change)?;
            } else if let Some(whole) = store.change(change.revision, u64::MAX)? {
                visit(&whole)?;
            }
        }
    }
    Ok(())
}

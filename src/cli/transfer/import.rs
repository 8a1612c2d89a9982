//! `import`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::plan::{ImportPlan, ImportSummary, OnConflict};
use super::source::{ImportSource, SourceOptions};
use super::{entries, locks, rows_of_history};
use crate::cli::database::{location_at, print_notices};
use crate::cli::{CliError, Database, output};
use crate::store::{AcquireOutcome, Batches, Location, Lock, Revision, Store, all_locks};
use crate::text::escape::escape;

/// Arguments of `import`.
#[derive(clap::Args, Debug)]
pub struct ImportArguments {
    /// A file of Sloth Runner, of its present or its older generation, a database of slothstate, or
    /// what `export` wrote, also through a pipe; - is standard input, etcd://… a prefix of etcd. It is only read
    file: PathBuf,
    /// Of a file that has the tables of both generations, the older ones, also into the file itself
    #[arg(long)]
    older: bool,
    /// Where an entry is there already with another value, leave it
    #[arg(long, conflicts_with = "replace")]
    keep: bool,
    /// Where an entry is there already with another value, overwrite it
    #[arg(long)]
    replace: bool,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

impl ImportArguments {
    fn on_conflict(&self) -> OnConflict {
        match (self.keep, self.replace) {
            (true, _) => OnConflict::Keep,
            (_, true) => OnConflict::Replace,
            _ => OnConflict::Undecided,
        }
    }
}

/// Imports entries and locks from another file or prefix.
pub fn import(database: &Database, arguments: &ImportArguments) -> Result<(), CliError> {
    let location = database.location()?;
    let from = location_at("FILE", arguments.file.as_os_str())?;
    if arguments.older && from.as_file().is_none() {
        return Err(CliError::Usage(format!(
            "--older is for files of Sloth Runner, and {from} is not a file"
        )));
    }
    // The older tables of a file are no part of its state: that can take them in.
    if !arguments.older && is_same_database(&from, &location) {
        return Err(CliError::Usage(format!(
            "{location} cannot be imported into itself: name another with --db"
        )));
    }
    let target = database.open_or_create()?;
    if !arguments.dry_run {
        target.check_writable()?;
    }
    let options = SourceOptions { common: database.settings(), older: arguments.older };
    let source = ImportSource::open(&from, options)?;
    let (start, summary) = (Revision::default(), ImportSummary::default());
    let mut import = Import { source, from, target, arguments, start, summary };
    let done = import.run();
    print_notices(&*import.target);
    done
}

fn is_same_database(left: &Location, right: &Location) -> bool {
    let place = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    match (left, right) {
        (Location::File(left), Location::File(right)) => {
            place(left).is_some_and(|left| place(right) == Some(left))
        }
        _ => left.identity() == right.identity(),
    }
}

/// An import in progress.
struct Import<'a> {
    source: ImportSource,
    /// Where the source is.
    from: Location,
    target: Box<dyn Store>,
    arguments: &'a ImportArguments,
    /// A later revision was written by another process, unless by this import.
    start: Revision,
    summary: ImportSummary,
}

impl Import<'_> {
    fn run(&mut self) -> Result<(), CliError> {
        self.summary.history_passed_over = self.source.history()?;
        self.start = self.target.revision()?;
        // All of the source is read before anything is written: one that is damaged changes nothing.
        self.compare()?;
        self.locks(false)?;
        let conflicts = &self.summary.conflicts;
        if conflicts.count > 0 {
            let wrong = format!(
                "nothing was imported: {} with another value here: {}; --keep leaves what is here, \
                 --replace overwrites it",
                entries(conflicts.count),
                conflicts.list()
            );
            return self.refuse(wrong);
        }
        if self.arguments.dry_run {
            return self.report();
        }
        if self.arguments.on_conflict() == OnConflict::Replace && self.summary.imported > 0 {
            // From here on every change is recorded, and what others change is told from it.
            self.target.adopt()?;
            self.start = self.target.revision()?;
        }
        self.summary = ImportSummary {
            history_passed_over: self.summary.history_passed_over,
            ..ImportSummary::default()
        };
        if let Err(error) = self.write().and_then(|()| self.locks(true)) {
            let (entries, locks) = (entries(self.summary.imported), locks(self.summary.locks_imported));
            output::print_notice(format_args!(
                "the import ended early: {entries} and {locks} were imported; run it again to go on, since what \
                 is already there is passed over"
            ));
            return Err(error);
        }
        if self.summary.changed_meanwhile.count > 0 {
            let changed = &self.summary.changed_meanwhile;
            let wrong = format!(
                "{} changed by others in the meantime, and left alone: {}; imported: {}; look at these, \
                 and run it again with --keep or --replace",
                entries(changed.count),
                changed.list(),
                entries(self.summary.imported)
            );
            return self.refuse(wrong);
        }
        self.report()
    }

    /// Compares without writing.
    fn compare(&mut self) -> Result<(), CliError> {
        let on_conflict = self.arguments.on_conflict();
        let Import { source, target, start, summary, .. } = self;
        let plan = ImportPlan { target: &**target, on_conflict, start: *start };
        let capabilities = target.capabilities();
        source.for_each_page(&mut |page| {
            for entry in page {
                capabilities.check_value(&entry.key, entry.size)?;
                let verdict = plan.verdict(&entry)?;
                summary.count(&entry, &verdict);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn write(&mut self) -> Result<(), CliError> {
        /// How often a value is in memory while it is written: as read, as it was here, in the transaction.
        const COPIES: u64 = 3;
        let on_conflict = self.arguments.on_conflict();
        let Import { source, target, start, summary, .. } = self;
        let plan = ImportPlan { target: &**target, on_conflict, start: *start };
        let mut batches = Batches::new(&**target);
        source.for_each_page(&mut |page| {
            for entry in page {
                let bytes = entry.size.saturating_mul(COPIES);
                if let Some(full) = batches.push(entry, bytes) {
                    plan.write(&full, summary)?;
                }
            }
            Ok(())
        })?;
        plan.write(&batches.take(), summary)
    }

    /// Counts the locks by what comes of them, and imports them if `write`.
    fn locks(&mut self, write: bool) -> Result<(), CliError> {
        let now = self.target.clock().now();
        let held = all_locks(&*self.target)?.into_iter().filter(|lock| !lock.is_expired(now));
        let held: HashMap<String, Lock> = held.map(|lock| (lock.name.clone(), lock)).collect();
        for lock in self.source.locks()? {
            if lock.expires_at.is_none_or(|end| end <= now) {
                self.summary.locks_expired += 1;
                continue;
            }
            let outcome = match (write, held.get(&lock.name)) {
                (true, _) => self.target.import_lock(&lock)?,
                (false, Some(held)) => AcquireOutcome::Held(held.clone()),
                (false, None) => AcquireOutcome::Acquired(lock.clone()),
            };
            match outcome {
                AcquireOutcome::Acquired(_) => self.summary.locks_imported += 1,
                AcquireOutcome::Held(held) if is_same_lock(&held, &lock) => self.summary.locks_equal += 1,
                AcquireOutcome::Held(_) | AcquireOutcome::Queued => {
                    self.summary.locks_held.add(escape(lock.name.as_bytes()));
                }
            }
        }
        Ok(())
    }

    /// A negative answer; with `--json` the summary is printed too.
    fn refuse(&self, wrong: String) -> Result<(), CliError> {
        if self.arguments.json {
            self.print_json(false)?;
        }
        Err(CliError::Failed(wrong))
    }

    fn print_json(&self, done: bool) -> Result<(), CliError> {
        let mut object = json!(self.summary);
        object["done"] = done.into();
        object["dry_run"] = self.arguments.dry_run.into();
        object["source"] = self.from.name().into();
        output::json(&object)
    }

    fn report(&self) -> Result<(), CliError> {
        if self.arguments.json {
            return self.print_json(!self.arguments.dry_run);
        }
        let summary = &self.summary;
        let verb = if self.arguments.dry_run { "would import" } else { "imported" };
        let mut text = format!(
            "{verb} {} and {} from {}",
            entries(summary.imported),
            locks(summary.locks_imported),
            self.from
        );
        let held = summary.locks_held.count;
        for (count, what, counted) in [
            (summary.replaced, "had another value here, which was overwritten", entries(summary.replaced)),
            (summary.equal, "already there", entries(summary.equal)),
            (summary.kept, "with another value here, which was kept", entries(summary.kept)),
            (summary.expired, "expired", entries(summary.expired)),
            (summary.locks_equal, "already there", locks(summary.locks_equal)),
            (summary.locks_expired, "with a lease that has run out", locks(summary.locks_expired)),
            (
                held,
                "not free here, and left alone",
                format!("{}: {}", locks(held), summary.locks_held.list()),
            ),
            (
                summary.history_passed_over,
                "left where it was made",
                rows_of_history(summary.history_passed_over),
            ),
        ] {
            if count > 0 {
                text.push_str(&format!("\n  {what}: {counted}"));
            }
        }
        output::line(text.as_bytes())
    }
}

fn is_same_lock(left: &Lock, right: &Lock) -> bool {
    /// The tolerance in ms: an expiry by the boot clock maps to a slightly different wall time at each reading.
    const TOLERANCE: u64 = 1000;
    let same_end = match (left.expires_at, right.expires_at) {
        (Some(left), Some(right)) => left.0.abs_diff(right.0) <= TOLERANCE,
        (left, right) => left == right,
    };
    left.holder == right.holder && left.process == right.process && same_end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expiry, Key, KeyRange, Operation, Options, SqliteStore, State, Transaction, Value};

    #[test]
    fn an_engine_that_can_do_little_together_takes_an_import_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("source.db");
        let put = |number: usize, value: Value| {
            let key = Key::new(format!("key{number:03}")).unwrap();
            Operation::Put { key, value, expiry: Expiry::Clear }
        };
        let source = SqliteStore::open_or_create(&file, Options::default()).unwrap();
        source
            .commit(&Transaction::all((0..100).map(|number| put(number, Value::text("v"))).collect()))
            .unwrap();
        let large = |bytes| Transaction::of(put(50, Value::text("x".repeat(bytes))));
        source.commit(&large(400_000)).unwrap();
        let arguments = ImportArguments {
            file: file.clone(),
            older: false,
            keep: false,
            replace: false,
            dry_run: false,
            json: false,
        };
        let import_into = |name: &str| {
            let target = SqliteStore::open_or_create(&folder.path().join(name), Options::default()).unwrap();
            let from = Location::from(file.as_path());
            let source = ImportSource::open(&from, SourceOptions::default()).unwrap();
            let (arguments, summary) = (&arguments, ImportSummary::default());
            let mut import = Import {
                source,
                from,
                target: Box::new(target.limited()),
                arguments,
                start: Revision::default(),
                summary,
            };
            let done = import.run();
            (done, import.target.count(&KeyRange::all()).unwrap(), import.summary.imported)
        };
        let (done, entries, imported) = import_into("target.db");
        done.unwrap();
        assert_eq!((entries, imported), (100, 100));
        source.commit(&large(490_001)).unwrap();
        let (refused, entries, _) = import_into("other.db");
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("is too large: 490001 bytes, at most 490000"), "{refused}");
        assert_eq!(entries, 0, "nothing is half imported");
    }
}

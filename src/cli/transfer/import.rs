//! `import`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::source::Source;
use super::{entries, locks, rows_of_history};
use crate::cli::database::tell;
use crate::cli::{Database, Failure, output};
use crate::escape::escape;
use crate::store::{
    Acquisition, Condition, Entry, Image, Lock, Millis, Operation, Outcome, Purpose, Revision, SqliteStore,
    Store, StoreError, Transaction, all_locks,
};

/// What `import` is called with.
#[derive(clap::Args, Debug)]
pub struct ImportArguments {
    /// A file of Sloth Runner, of its present or its older generation, a database of slothstate, or
    /// what `export` wrote. It is only read
    file: PathBuf,
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

/// What became of the entries and the locks of a source.
#[derive(Default, Serialize)]
struct Summary {
    /// Entries that are written, or would be.
    imported: u64,
    /// Those among them that had another value before.
    replaced: u64,
    /// Entries that are there with the same value already.
    equal: u64,
    /// Entries that have expired.
    expired: u64,
    /// Entries that are there with another value, and stay so.
    kept: u64,
    /// The first keys that are there with another value and stand in the way.
    conflicts: Names,
    /// The first keys that somebody changed while they were to be written; they were left alone.
    changed_meanwhile: Names,
    /// Locks that are written, or would be.
    locks_imported: u64,
    /// Locks that are there already.
    locks_equal: u64,
    /// Locks whose lease has run out, or has no end that can be read.
    locks_expired: u64,
    /// The first locks that somebody else holds here, or waits for.
    locks_held: Names,
    /// Rows of history, none of which comes along.
    history_passed_over: u64,
}

/// How many there are, and the first few of them, escaped.
#[derive(Default, Serialize)]
struct Names {
    count: u64,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < 5 {
            self.first.push(name);
        }
    }

    fn list(&self) -> String {
        let more = self.count - self.first.len() as u64;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", self.first.join(", "))
    }
}

/// Brings entries and locks over from another file.
pub fn import(database: &Database, arguments: &ImportArguments) -> Result<(), Failure> {
    let path = database.path()?;
    if is_the_same_file(&arguments.file, &path) {
        let name = escape(path.as_os_str().as_encoded_bytes());
        return Err(Failure::Usage(format!("{name} cannot be imported into itself: name another with --db")));
    }
    let target = database.open_or_create()?;
    if !arguments.dry_run {
        target.check_writable()?;
    }
    let source = Source::open(&arguments.file, database.settings())?;
    let mut import =
        Import { source, target, arguments, start: Revision::default(), summary: Summary::default() };
    let done = import.run();
    tell(&import.target);
    done
}

/// Whether both names lead to one file.
fn is_the_same_file(left: &Path, right: &Path) -> bool {
    let place = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    place(left).is_some_and(|left| place(right) == Some(left))
}

/// An import under way.
struct Import<'a> {
    source: Source,
    target: SqliteStore,
    arguments: &'a ImportArguments,
    /// What was written after this was written by others meanwhile, if not by this import.
    start: Revision,
    summary: Summary,
}

/// What is to be done with an entry.
enum Verdict {
    /// Write it, if that still holds.
    Write(Condition),
    /// It is there already.
    Equal,
    /// It has expired.
    Expired,
    /// Another value is there, and stays.
    Keep,
    /// Another value is there, and nobody said what to do about it.
    Conflict,
    /// It was changed by somebody else in the meantime.
    Changed,
}

impl Import<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        self.summary.history_passed_over = self.source.history()?;
        self.start = self.target.revision()?;
        // All of the source is read before anything is written: one that is damaged changes nothing.
        self.compare()?;
        self.compare_locks()?;
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
        self.summary =
            Summary { history_passed_over: self.summary.history_passed_over, ..Summary::default() };
        if self.arguments.replace {
            // From here on every change is recorded, and what others change is told from it.
            self.target.commit(&Transaction::default())?;
            self.start = self.target.revision()?;
        }
        self.write()?;
        self.write_locks()?;
        if self.summary.changed_meanwhile.count > 0 {
            let changed = &self.summary.changed_meanwhile;
            let wrong = format!(
                "{} changed by others in the meantime, and left as they are: {}; imported: {}; look at these, \
                 and run it again with --keep or --replace",
                entries(changed.count),
                changed.list(),
                entries(self.summary.imported)
            );
            return self.refuse(wrong);
        }
        self.report()
    }

    /// Looks what would happen.
    fn compare(&mut self) -> Result<(), Failure> {
        let Import { source, target, arguments, start, summary } = self;
        let plan = Plan { target, arguments, start: *start };
        let limit = target.capabilities().largest_value;
        source.for_each_page(&mut |page| {
            for entry in page {
                if entry.size > limit {
                    return Err(StoreError::TooLarge { key: entry.key, bytes: entry.size, limit }.into());
                }
                let verdict = plan.verdict(&entry)?;
                summary.count(&entry, &verdict);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        /// The most operations of a transaction.
        const OPERATIONS: usize = 10_000;
        /// The most bytes of values of a transaction, but for a single value that is larger.
        const BYTES: u64 = 16 * 1024 * 1024;
        let Import { source, target, arguments, start, summary } = self;
        let plan = Plan { target, arguments, start: *start };
        let mut batch: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        source.for_each_page(&mut |page| {
            for entry in page {
                if batch.len() == OPERATIONS || (bytes + entry.size > BYTES && !batch.is_empty()) {
                    plan.write(&std::mem::take(&mut batch), summary)?;
                    bytes = 0;
                }
                bytes += entry.size;
                batch.push(entry);
            }
            Ok(())
        })?;
        plan.write(&batch, summary)
    }

    fn write_locks(&mut self) -> Result<(), Failure> {
        let now = self.target.clock().now();
        for lock in self.source.locks()? {
            if lock.expires_at.is_none_or(|end| end <= now) {
                self.summary.locks_expired += 1;
                continue;
            }
            match self.target.adopt_lock(&lock)? {
                Acquisition::Acquired(_) => self.summary.locks_imported += 1,
                Acquisition::Held(held) if is_the_same_lock(&held, &lock) => self.summary.locks_equal += 1,
                Acquisition::Held(_) | Acquisition::Queued => {
                    self.summary.locks_held.add(escape(lock.name.as_bytes()));
                }
            }
        }
        Ok(())
    }

    fn compare_locks(&mut self) -> Result<(), Failure> {
        let now = self.target.clock().now();
        let here = all_locks(&self.target)?;
        for lock in self.source.locks()? {
            let held = here.iter().find(|held| held.name == lock.name && !held.is_expired(now));
            match held {
                _ if lock.expires_at.is_none_or(|end| end <= now) => self.summary.locks_expired += 1,
                None => self.summary.locks_imported += 1,
                Some(held) if is_the_same_lock(held, &lock) => self.summary.locks_equal += 1,
                Some(_) => self.summary.locks_held.add(escape(lock.name.as_bytes())),
            }
        }
        Ok(())
    }

    /// A plain no; the figures are printed for those who read JSON.
    fn refuse(&self, wrong: String) -> Result<(), Failure> {
        if self.arguments.json {
            self.print_json(false)?;
        }
        Err(Failure::No(wrong))
    }

    fn print_json(&self, done: bool) -> Result<(), Failure> {
        let mut object = json!(self.summary);
        object["done"] = done.into();
        object["dry_run"] = self.arguments.dry_run.into();
        object["source"] = self.arguments.file.to_string_lossy().into();
        output::json(&object)
    }

    fn report(&self) -> Result<(), Failure> {
        if self.arguments.json {
            return self.print_json(!self.arguments.dry_run);
        }
        let summary = &self.summary;
        let verb = if self.arguments.dry_run { "would import" } else { "imported" };
        let mut told = format!(
            "{verb} {} and {} from {}",
            entries(summary.imported),
            locks(summary.locks_imported),
            escape(self.arguments.file.as_os_str().as_encoded_bytes())
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
                told.push_str(&format!("\n  {what}: {counted}"));
            }
        }
        output::line(told.as_bytes())
    }
}

impl Summary {
    fn count(&mut self, entry: &Entry, verdict: &Verdict) {
        match verdict {
            Verdict::Write(Condition::Unchanged(_)) => {
                self.imported += 1;
                self.replaced += 1;
            }
            Verdict::Write(_) => self.imported += 1,
            Verdict::Equal => self.equal += 1,
            Verdict::Expired => self.expired += 1,
            Verdict::Keep => self.kept += 1,
            Verdict::Conflict => self.conflicts.add(entry.key.to_string()),
            Verdict::Changed => self.changed_meanwhile.add(entry.key.to_string()),
        }
    }
}

/// What decides about entries.
struct Plan<'a> {
    target: &'a SqliteStore,
    arguments: &'a ImportArguments,
    start: Revision,
}

impl Plan<'_> {
    fn verdict(&self, entry: &Entry) -> Result<Verdict, Failure> {
        if entry.is_expired(self.target.clock().now()) {
            return Ok(Verdict::Expired);
        }
        // Enough to find the same table in it if it is written with more spaces; what is much longer
        // than that is another value, and need not be held in memory.
        let enough = entry.size.saturating_mul(4).max(4096);
        Ok(match self.target.peek(&entry.key, enough)? {
            None => Verdict::Write(Condition::Absent(entry.key.clone())),
            Some(found) if is_equal(&found, entry) => Verdict::Equal,
            Some(_) if self.arguments.keep => Verdict::Keep,
            // Each key comes once, so this was not written by this import.
            Some(found) if found.revision > self.start => Verdict::Changed,
            Some(found) if self.arguments.replace => Verdict::Write(Condition::Unchanged(Box::new(found))),
            Some(_) => Verdict::Conflict,
        })
    }

    /// Writes a batch in one transaction, in which everything is as it was when it was looked at.
    fn write(&self, entries: &[Entry], summary: &mut Summary) -> Result<(), Failure> {
        const ATTEMPTS: u32 = 100;
        let mut key = None;
        for _ in 0..ATTEMPTS {
            let verdicts = entries.iter().map(|entry| self.verdict(entry)).collect::<Result<Vec<_>, _>>()?;
            let mut transaction = Transaction { purpose: Purpose::Import, ..Transaction::default() };
            for (entry, verdict) in entries.iter().zip(&verdicts) {
                if let Verdict::Write(condition) = verdict {
                    transaction.conditions.push(condition.clone());
                    transaction.operations.push(restore(entry));
                }
            }
            if !transaction.operations.is_empty()
                && let Outcome::Refused { condition, .. } = self.target.commit(&transaction)?
            {
                key = transaction.operations[condition].key().cloned();
                continue;
            }
            for (entry, verdict) in entries.iter().zip(&verdicts) {
                // There was none when all was compared: somebody wrote it since.
                let verdict = if matches!(verdict, Verdict::Conflict) { &Verdict::Changed } else { verdict };
                summary.count(entry, verdict);
            }
            return Ok(());
        }
        match key {
            Some(key) => Err(StoreError::Contended { key, attempts: ATTEMPTS }.into()),
            None => Ok(()),
        }
    }
}

fn restore(entry: &Entry) -> Operation {
    let image =
        Image { stored: entry.stored.clone(), stored_type: entry.stored_type, expires_at: entry.expires_at };
    Operation::Restore { key: entry.key.clone(), image }
}

/// Whether two entries mean the same: value, type and expiry. Tables are compared by content.
fn is_equal(left: &Entry, right: &Entry) -> bool {
    left.expires_at == right.expires_at && left.value() == right.value()
}

fn is_the_same_lock(left: &Lock, right: &Lock) -> bool {
    let told = |lock: &Lock| -> (String, Option<Millis>) { (lock.holder.clone(), lock.expires_at) };
    told(left) == told(right) && left.process == right.process
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expiry, Key, Settings, Value};

    fn put(store: &SqliteStore, key: &str, value: i64) {
        let key = Key::new(key).unwrap();
        store.commit(&Transaction::put(key, Value::integer(value), Expiry::Clear)).unwrap();
    }

    fn value(store: &SqliteStore, key: &str) -> Value {
        store.get(&Key::new(key).unwrap()).unwrap().unwrap().value()
    }

    #[test]
    fn what_somebody_changes_during_an_import_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |name: &str| SqliteStore::open_or_create(&folder.path().join(name), Settings::default()).unwrap();
        let (source, target) = (open("source.db"), open("target.db"));
        for key in ["changed", "free", "made", "same"] {
            put(&source, key, 9);
        }
        put(&target, "changed", 1);
        put(&target, "same", 1);
        for replace in [false, true] {
            let start = target.revision().unwrap();
            let arguments = ImportArguments {
                file: "source.db".into(),
                keep: false,
                replace,
                dry_run: false,
                json: false,
            };
            put(&target, "changed", 2);
            put(&target, "made", 3);
            let mut summary = Summary::default();
            let mut entries = Vec::new();
            super::super::source::for_each_page(&source, &mut |page| {
                entries.extend(page);
                Ok(())
            })
            .unwrap();
            Plan { target: &target, arguments: &arguments, start }.write(&entries, &mut summary).unwrap();
            // Without a decision, what stood in the way all the time is not overwritten either.
            let left = if replace { vec!["changed", "made"] } else { vec!["changed", "made", "same"] };
            assert_eq!(summary.changed_meanwhile.first, left);
            assert_eq!(value(&target, "changed"), Value::integer(2));
            assert_eq!(value(&target, "made"), Value::integer(3));
            assert_eq!(value(&target, "free"), Value::integer(9));
            assert_eq!(value(&target, "same"), Value::integer(if replace { 9 } else { 1 }));
        }
    }
}

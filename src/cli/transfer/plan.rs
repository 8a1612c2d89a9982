//! The plan of an import: what to do with each entry, and the summary.

use serde::Serialize;

use crate::cli::CliError;
use crate::store::{
    Condition, Entry, ErrorKind, Image, Operation, Outcome, Purpose, Revision, Store, StoreError, Transaction,
};

#[derive(Default, Serialize)]
pub struct ImportSummary {
    /// Entries that are written, or would be.
    pub imported: u64,
    /// Those of them that replace another value.
    pub replaced: u64,
    /// Entries that already exist with the same value.
    pub equal: u64,
    pub expired: u64,
    /// Entries that exist with another value and are kept.
    pub kept: u64,
    /// Keys that exist with another value: conflicts.
    pub conflicts: NameSample,
    /// Keys that another process changed during the import; they are not overwritten.
    pub changed_meanwhile: NameSample,
    /// Locks that are written, or would be.
    pub locks_imported: u64,
    /// Locks that already exist.
    pub locks_equal: u64,
    /// Locks with an expired lease, or one whose end is unreadable.
    pub locks_expired: u64,
    /// Locks that another process holds or waits for in the target.
    pub locks_held: NameSample,
    /// Rows of history; history is not imported.
    pub history_passed_over: u64,
}

/// The number of names, and the first few of them, escaped.
#[derive(Default, Serialize)]
pub struct NameSample {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

impl NameSample {
    pub fn add(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < 5 {
            self.first.push(name);
        }
    }

    /// The first names and the number of further ones.
    pub fn list(&self) -> String {
        let more = self.count - self.first.len() as u64;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", self.first.join(", "))
    }
}

/// What to do with an entry that exists with another value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Not given: import nothing.
    Undecided,
    Keep,
    Replace,
}

pub enum EntryDecision {
    /// Write it under this condition.
    Write(Condition),
    /// It already exists.
    Equal,
    Expired,
    /// Keep the existing value.
    Keep,
    /// Another value exists, and [`OnConflict::Undecided`].
    Conflict,
    /// Another process changed it during the import.
    Changed,
}

impl ImportSummary {
    pub fn count(&mut self, entry: &Entry, verdict: &EntryDecision) {
        match verdict {
            EntryDecision::Write(Condition::Unchanged(_)) => {
                self.imported += 1;
                self.replaced += 1;
            }
            EntryDecision::Write(_) => self.imported += 1,
            EntryDecision::Equal => self.equal += 1,
            EntryDecision::Expired => self.expired += 1,
            EntryDecision::Keep => self.kept += 1,
            EntryDecision::Conflict => self.conflicts.add(entry.key.to_string()),
            EntryDecision::Changed => self.changed_meanwhile.add(entry.key.to_string()),
        }
    }
}

/// Decides about entries.
pub struct ImportPlan<'a> {
    /// Where the entries go.
    pub target: &'a dyn Store,
    /// What to do with other values.
    pub on_conflict: OnConflict,
    /// A later revision was written by another process, unless by this import.
    pub start: Revision,
}

impl ImportPlan<'_> {
    /// Decides about an entry by the present state.
    pub fn verdict(&self, entry: &Entry) -> Result<EntryDecision, CliError> {
        if entry.is_expired(self.target.clock().now()) {
            return Ok(EntryDecision::Expired);
        }
        // What is longer is another value, and need not be held in memory.
        Ok(match self.target.get_prefix(&entry.key, entry.size.saturating_add(1))? {
            None => EntryDecision::Write(Condition::Absent(entry.key.clone())),
            Some(found) if is_equal(&found, entry) => EntryDecision::Equal,
            Some(_) if self.on_conflict == OnConflict::Keep => EntryDecision::Keep,
            // Each key comes once, so this was not written by this import.
            Some(found) if found.revision > self.start => EntryDecision::Changed,
            Some(found) if self.on_conflict == OnConflict::Replace => {
                EntryDecision::Write(Condition::Unchanged(Box::new(found)))
            }
            Some(_) => EntryDecision::Conflict,
        })
    }

    /// Writes a batch, in one transaction if the engine can write it together, under the condition that nothing
    /// changed since the decision.
    ///
    /// # Errors
    /// An error of the store; `summary` counts what was written before.
    pub fn write(&self, entries: &[Entry], summary: &mut ImportSummary) -> Result<(), CliError> {
        match self.write_together(entries, summary) {
            Err(CliError::Store(error)) if error.is_too_much_together() && entries.len() > 1 => {
                let (first, second) = entries.split_at(entries.len() / 2);
                self.write(first, summary)?;
                self.write(second, summary)
            }
            done => done,
        }
    }

    /// Writes a batch in one transaction.
    ///
    /// # Errors
    /// An error of the store; then nothing of the batch is written.
    fn write_together(&self, entries: &[Entry], summary: &mut ImportSummary) -> Result<(), CliError> {
        const ATTEMPTS: u32 = 100;
        let mut key = None;
        for _ in 0..ATTEMPTS {
            let verdicts = entries.iter().map(|entry| self.verdict(entry)).collect::<Result<Vec<_>, _>>()?;
            let mut transaction = Transaction { purpose: Purpose::Import, ..Transaction::default() };
            for (entry, verdict) in entries.iter().zip(&verdicts) {
                if let EntryDecision::Write(condition) = verdict {
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
                let verdict = if matches!(verdict, EntryDecision::Conflict) {
                    &EntryDecision::Changed
                } else {
                    verdict
                };
                summary.count(entry, verdict);
            }
            return Ok(());
        }
        match key {
            Some(key) => Err(StoreError::from(ErrorKind::Contended { key, attempts: ATTEMPTS }).into()),
            None => Ok(()),
        }
    }
}

fn restore(entry: &Entry) -> Operation {
    let image =
        Image { stored: entry.stored.clone(), stored_type: entry.stored_type, expires_at: entry.expires_at };
    Operation::Restore { key: entry.key.clone(), image }
}

/// Whether two entries have the same bytes, type and expiry.
fn is_equal(left: &Entry, right: &Entry) -> bool {
    left.expires_at == right.expires_at && left.value() == right.value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::transfer::source::for_each_page;
    use crate::store::{Expiry, Key, Options, SqliteStore, State, Value};

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
            |name: &str| SqliteStore::open_or_create(&folder.path().join(name), Options::default()).unwrap();
        let (source, target) = (open("source.db"), open("target.db"));
        for key in ["changed", "free", "made", "same"] {
            put(&source, key, 9);
        }
        put(&target, "changed", 1);
        put(&target, "same", 1);
        for on_conflict in [OnConflict::Undecided, OnConflict::Replace] {
            let replace = on_conflict == OnConflict::Replace;
            let start = target.revision().unwrap();
            put(&target, "changed", 2);
            put(&target, "made", 3);
            let mut summary = ImportSummary::default();
            let mut entries = Vec::new();
            for_each_page(&source, &mut |page| {
                entries.extend(page);
                Ok(())
            })
            .unwrap();
            ImportPlan { target: &target, on_conflict, start }.write(&entries, &mut summary).unwrap();
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

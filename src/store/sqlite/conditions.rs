//! What must hold for a write to take effect, looked at in its own transaction.

use rusqlite::params;

use super::changes;
use super::locks::LEASE_RUNS;
use super::read::EntryRow;
use super::transaction::{TxError, WriteTx};
use crate::store::lock::lock_lost;
use crate::store::{Condition, Entry, KeyRange, Token};

impl WriteTx<'_> {
    /// Whether a condition holds; if not, the entry that it is about.
    pub(super) fn check(&self, condition: &Condition) -> Result<Result<(), Option<Box<Entry>>>, TxError> {
        let verdict = |holds: bool, found: Option<EntryRow>| match holds {
            true => Ok(()),
            false => Err(found.map(|found| Box::new(found.entry))),
        };
        let entry = |found: &Option<EntryRow>, test: &dyn Fn(&Entry) -> bool| {
            found.as_ref().is_some_and(|found| test(&found.entry))
        };
        Ok(match condition {
            Condition::Absent(key) => {
                let found = self.find(key)?;
                verdict(found.is_none(), found)
            }
            Condition::Exists(key) => verdict(self.find(key)?.is_some(), None),
            Condition::AtRevision(key, revision) => {
                let found = self.find(key)?;
                verdict(entry(&found, &|entry| entry.revision == *revision), found)
            }
            Condition::AtVersion(key, version) => {
                let found = self.find(key)?;
                let holds = match &found {
                    None => *version == 0,
                    Some(found) => found.entry.version == *version && *version > 0,
                };
                verdict(holds, found)
            }
            Condition::Equals(key, value) => {
                let found = self.find(key)?;
                verdict(entry(&found, &|entry| entry.equals(value)), found)
            }
            Condition::Unchanged(seen) => {
                let found = self.find(&seen.key)?;
                verdict(entry(&found, &|entry| entry.is_unchanged_since(seen)), found)
            }
            Condition::Is(key, image) => {
                let found = self.find(key)?;
                verdict(entry(&found, &|entry| entry.image() == *image), found)
            }
            Condition::HoldsLock(name, token) => verdict(self.holds_lock(name, *token)?, None),
            Condition::RangeAtRevision(range, since) => {
                self.sweep_range(range)?;
                let (holds, changed) = changes::range_since(self.connection, range, *since)?;
                let found = changed.map(|key| self.find(&key)).transpose()?.flatten();
                verdict(holds, found)
            }
        })
    }

    /// Removes what has expired in a range, where history shows it.
    fn sweep_range(&self, range: &KeyRange) -> rusqlite::Result<()> {
        let any = self
            .connection
            .prepare_cached("SELECT 1 FROM state WHERE expires_at_ms <= ?1")?
            .exists([self.now.0])?;
        if any {
            self.recorded_as("expire", |connection| {
                connection
                    .prepare_cached(
                        "DELETE FROM state WHERE expires_at_ms <= ?3 \
                         AND (?1 IS NULL OR key >= ?1) AND (?2 IS NULL OR key < ?2)",
                    )?
                    .execute(params![range.start, range.end, self.now.0])
            })?;
        }
        Ok(())
    }

    /// Refuses the write unless all of these locks are held.
    pub(super) fn check_fence(&self, held: &[(String, Token)]) -> Result<(), TxError> {
        for (name, token) in held {
            if !self.holds_lock(name, *token)? {
                let found = self.lock(name)?;
                return Err(lock_lost(name, *token, found.as_ref(), self.now).into());
            }
        }
        Ok(())
    }

    fn holds_lock(&self, name: &str, token: Token) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(&format!("SELECT 1 FROM locks WHERE name = ?4 AND token = ?5 AND {LEASE_RUNS}"))?
            .exists(params![
                self.now.0,
                self.boot.map(|boot| boot.boot_id),
                self.boot.map(|boot| boot.millis),
                name,
                token.0.0
            ])
    }
}

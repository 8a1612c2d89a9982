//! What must hold for a write to take effect, looked at in its own transaction.

use rusqlite::params;

use super::changes;
use super::locks::LEASE_RUNS;
use super::query::{execute, exists};
use super::transaction::{TxError, WriteTx};
use crate::store::lock::lock_lost;
use crate::store::{Condition, Entry, Key, KeyRange, Token};

impl WriteTx<'_> {
    /// Whether a condition holds; if not, the entry that it is about.
    pub(super) fn check(&self, condition: &Condition) -> Result<Result<(), Option<Box<Entry>>>, TxError> {
        let find = |key: Option<&Key>| key.map(|key| self.find(key)).transpose().map(Option::flatten);
        let (holds, found) = match condition {
            Condition::HoldsLock(name, token) => (self.holds_lock(name, *token)?, None),
            Condition::RangeAtRevision(range, since) => {
                self.sweep_range(range)?;
                let (holds, changed) = changes::range_since(self.connection, range, *since)?;
                (holds, find(changed.as_ref())?)
            }
            about_entry => {
                let found = find(about_entry.key())?;
                (about_entry.holds_for(found.as_ref().map(|found| &found.entry)), found)
            }
        };
        Ok(if holds { Ok(()) } else { Err(found.map(|found| Box::new(found.entry))) })
    }

    /// Removes what has expired in a range, where history shows it.
    fn sweep_range(&self, range: &KeyRange) -> rusqlite::Result<()> {
        if self.has_expired()? {
            let sql = "DELETE FROM state WHERE expires_at_ms <= ?3 \
                       AND (?1 IS NULL OR key >= ?1) AND (?2 IS NULL OR key < ?2)";
            let parameters = params![range.start, range.end, self.now.0];
            self.recorded_as("expire", |connection| execute(connection, sql, parameters))?;
        }
        Ok(())
    }

    /// Whether there is an entry that has expired and was not removed.
    pub(super) fn has_expired(&self) -> rusqlite::Result<bool> {
        exists(self.connection, "SELECT 1 FROM state WHERE expires_at_ms <= ?1", [self.now.0])
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
        let sql = format!("SELECT 1 FROM locks WHERE name = ?4 AND token = ?5 AND {LEASE_RUNS}");
        let (boot_id, millis) = (self.boot.map(|boot| boot.boot_id), self.boot.map(|boot| boot.millis));
        exists(self.connection, &sql, params![self.now.0, boot_id, millis, name, token.0.0])
    }
}

//! Makes entries again what they were.

use super::bulk::Telling;
use super::past::entry_at;
use crate::store::{Condition, Key, Millis, Operation, Outcome, Revision, Store, StoreError, Transaction};
use crate::tui::bulk::{self, BYTES_TOGETHER, BulkDone, Ended, Progress, Reason, Tally, Told};
use crate::tui::travel::Restore;

/// Makes entries again what they were. As many as [`BYTES_TOGETHER`] are one transaction. One that is
/// not what it was seen to be now is left alone, as is one whose time is over.
pub fn restore(store: &dyn Store, restore: &Restore, tell: &dyn Fn(Told)) -> Result<BulkDone, StoreError> {
    let mut restoring =
        Restoring { store, now: store.clock().now(), tally: Tally::default(), revisions: Vec::new() };
    let mut telling = Telling::new();
    let ended = restoring.all(restore, &mut |read| {
        if telling.is_due() {
            let words = format!("restoring {read} of {}", bulk::entries(restore.entries.len() as u64));
            tell(Told::Progress(Progress { words }));
        }
    });
    let Restoring { tally, revisions, .. } = restoring;
    match ended {
        // What was done before is to be told as well.
        Err(error) if !revisions.is_empty() => {
            Ok(BulkDone { tally, revisions, ended: Some(Ended::Failed(error)) })
        }
        ended => ended.map(|()| BulkDone { tally, revisions, ended: None }),
    }
}

/// A restoring under way.
struct Restoring<'a> {
    store: &'a dyn Store,
    now: Millis,
    tally: Tally,
    revisions: Vec<Revision>,
}

impl Restoring<'_> {
    fn all(&mut self, restore: &Restore, tell: &mut dyn FnMut(usize)) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        let mut transaction = Transaction::default();
        let mut bytes = 0;
        for (place, (key, seen)) in restore.entries.iter().enumerate() {
            tell(place);
            let operation = match entry_at(self.store, key, restore.moment, u64::MAX)? {
                Some(entry) if entry.is_expired(self.now) => {
                    self.tally.leave(key, Reason::Expired);
                    continue;
                }
                Some(entry) => {
                    bytes += entry.size;
                    Operation::Restore { key: key.clone(), image: entry.image() }
                }
                None => Operation::Delete(key.clone()),
            };
            transaction.operations.push(operation);
            transaction.conditions.push(match seen {
                Some(seen) => Condition::Unchanged(Box::new(seen.clone())),
                None => Condition::Absent(key.clone()),
            });
            keys.push(key);
            if bytes >= BYTES_TOGETHER {
                self.commit(std::mem::take(&mut keys), std::mem::take(&mut transaction))?;
                bytes = 0;
            }
        }
        self.commit(keys, transaction)
    }

    /// Carries out a transaction, without what somebody changed meanwhile.
    fn commit(&mut self, mut keys: Vec<&Key>, mut transaction: Transaction) -> Result<(), StoreError> {
        while !keys.is_empty() {
            match self.store.commit(&transaction)? {
                Outcome::Committed { revision, changed } => {
                    self.revisions.extend((changed > 0).then_some(revision));
                    self.tally.done += keys.len() as u64;
                    break;
                }
                Outcome::Refused { condition, .. } => {
                    self.tally.leave(keys.remove(condition), Reason::Changed);
                    transaction.operations.remove(condition);
                    transaction.conditions.remove(condition);
                }
            }
        }
        Ok(())
    }
}

//! Makes entries again what they were.

use crate::store::{Batches, Condition, Key, Operation, Revision, Store, StoreError};
use crate::time::Millis;
use crate::tui::bulk;
use crate::tui::bulk::commit::BulkItem;
use crate::tui::bulk::worker::ProgressThrottle;
use crate::tui::bulk::{BulkCounts, BulkProgress, BulkReply, BulkResult, BulkStop, SkipReason};
use crate::tui::screens::past::read::entry_at;
use crate::tui::screens::past::state::RestoreRequest;

/// Makes entries again what they were, in as many transactions as it needs ([`Batches`]). One that is not what it was seen to be now is left alone, as is one whose time is over.
pub fn restore(
    store: &dyn Store,
    restore: &RestoreRequest,
    tell: &dyn Fn(BulkReply),
) -> Result<BulkResult, StoreError> {
    let mut restoring =
        Restoring { store, now: store.clock().now(), tally: BulkCounts::default(), revisions: Vec::new() };
    let mut telling = ProgressThrottle::new();
    let ended = restoring.all(restore, &mut |read| {
        if telling.is_due() {
            let words = format!("restoring {read} of {}", bulk::entries(restore.entries.len() as u64));
            tell(BulkReply::Progress(BulkProgress { words }));
        }
    });
    let Restoring { tally, revisions, .. } = restoring;
    match ended {
        // What was done before is to be told as well.
        Err(error) if !revisions.is_empty() => {
            Ok(BulkResult { tally, revisions, ended: Some(BulkStop::Failed(error)) })
        }
        ended => ended.map(|()| BulkResult { tally, revisions, ended: None }),
    }
}

/// A restoring under way.
struct Restoring<'a> {
    store: &'a dyn Store,
    now: Millis,
    tally: BulkCounts,
    revisions: Vec<Revision>,
}

impl Restoring<'_> {
    fn all(&mut self, restore: &RestoreRequest, tell: &mut dyn FnMut(usize)) -> Result<(), StoreError> {
        let mut batches = Batches::new(self.store);
        for (place, (key, seen)) in restore.entries.iter().enumerate() {
            tell(place);
            let (operation, bytes) = match entry_at(self.store, key, restore.moment, u64::MAX)? {
                Some(entry) if entry.is_expired(self.now) => {
                    self.tally.leave(key, SkipReason::Expired);
                    continue;
                }
                Some(entry) => (Operation::Restore { key: key.clone(), image: entry.image() }, entry.size),
                None => (Operation::Delete(key.clone()), 0),
            };
            let condition = match seen {
                Some(seen) => Condition::Unchanged(Box::new(seen.clone())),
                None => Condition::Absent(key.clone()),
            };
            if let Some(full) = batches.push(BulkItem { of: key, operation, condition }, bytes) {
                self.commit(full)?;
            }
        }
        self.commit(batches.take())
    }

    /// Carries out a transaction, without what somebody changed meanwhile.
    fn commit(&mut self, parts: Vec<BulkItem<&Key>>) -> Result<(), StoreError> {
        let carried = bulk::commit::carry_out(self.store, parts)?;
        self.revisions.extend(carried.revision);
        self.tally.done += carried.done.len() as u64;
        carried.left.into_iter().for_each(|key| self.tally.leave(key, SkipReason::Changed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Expiry, History, LARGEST_BATCH, Options, SqliteStore, State, Transaction, Value, When,
    };

    fn key(number: usize) -> Key {
        Key::new(format!("key-{number:05}")).unwrap()
    }

    /// A store in which so many entries came after the moment that is told with it.
    fn with_new(count: usize) -> (tempfile::TempDir, SqliteStore, RestoreRequest) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open_or_create(&folder.path().join("state.db"), Options::default()).unwrap();
        let first = Key::new("first").unwrap();
        store.commit(&Transaction::put(first, Value::text("v"), Expiry::Clear)).unwrap();
        let moment = store.moment(When::Revision(store.revision().unwrap())).unwrap();
        let put =
            |number| Operation::Put { key: key(number), value: Value::text("v"), expiry: Expiry::Clear };
        let operations = (0..count).map(put).collect();
        store.commit(&Transaction { operations, ..Transaction::default() }).unwrap();
        let seen = |number| (key(number), store.get_prefix(&key(number), 64).unwrap());
        let entries = (0..count).map(seen).collect();
        (folder, store, RestoreRequest { moment, entries })
    }

    #[test]
    fn no_more_are_changed_together_than_others_can_wait_for() {
        let (_folder, store, asked) = with_new(LARGEST_BATCH + 1);
        let done = restore(&store, &asked, &|_| {}).unwrap();
        assert_eq!((done.tally.done, done.revisions.len()), (LARGEST_BATCH as u64 + 1, 2));
        assert_eq!(store.get_prefix(&key(LARGEST_BATCH), 1).unwrap(), None);
    }

    #[test]
    fn what_somebody_changed_is_left_alone_and_all_else_is_restored_together() {
        let (_folder, store, asked) = with_new(40);
        for number in (0..40).step_by(2) {
            let other = Transaction::put(key(number), Value::text("theirs"), Expiry::Clear);
            store.commit(&other).unwrap();
        }
        store.commit(&Transaction::delete(key(1))).unwrap();
        let done = restore(&store, &asked, &|_| {}).unwrap();
        assert_eq!((done.tally.done, done.revisions.len()), (19, 1));
        let left = (0..40).filter(|number| store.get_prefix(&key(*number), 1).unwrap().is_some());
        assert!(left.eq((0..40).step_by(2)));
    }
}

//! What is kept of locks and of those who wait for them.

use serde::{Deserialize, Serialize};

use super::keys::RecordName;
use super::record::revision_at;
use super::wire::KeyValue;
use crate::store::{Actor, Image, Process, Token};
use crate::time::Millis;

/// A lock: it stays when its lease ends, so that it is known who had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LockRecord {
    pub holder: String,
    /// As JSON, since not all of its fields are always there.
    pub process: Option<String>,
    pub actor: Actor,
    pub acquired_at: Option<i64>,
    /// When the first lease ended unless it was renewed, by the clock of the process that acquired it.
    pub expires_at: i64,
    /// How many seconds that lease was granted for; 0 if it was over already.
    pub seconds: i64,
    /// It was held elsewhere, by a process that says nothing of itself here.
    pub is_imported: bool,
    /// The place of the acquisition in its transaction, from 1.
    pub place: u8,
    /// The record of history of that transaction.
    pub record: RecordName,
}

impl LockRecord {
    /// The token under which it is held, if it was acquired at that revision of etcd's.
    pub(super) fn token(&self, revision: i64) -> Token {
        Token(revision_at(revision, usize::from(self.place.max(1)) - 1))
    }

    /// The lock in history.
    pub(super) fn image(&self) -> Image {
        let expires_at = Some(Millis(self.expires_at));
        Image { stored: self.holder.clone().into_bytes(), stored_type: None, expires_at }
    }

    pub(super) fn process(&self) -> Option<Process> {
        self.process.as_deref().and_then(process_of)
    }
}

/// What is there as long as the lease of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LifeRecord {
    /// How many seconds a renewal lasts.
    pub seconds: i64,
}

/// Somebody who waits for a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WaiterRecord {
    pub holder: String,
    pub process: Option<String>,
    pub since: i64,
    /// The ticket of one that was silent for long and has its place again.
    pub ticket: Option<i64>,
}

impl WaiterRecord {
    /// The place in the queue of the waiter with that key.
    pub(super) fn ticket(&self, kv: &KeyValue) -> i64 {
        self.ticket.unwrap_or(kv.create_revision)
    }
}

/// A process as it is stored.
pub(super) fn stored_process(process: &Process) -> Option<String> {
    serde_json::to_string(process).ok()
}

/// A process that was stored.
pub(super) fn process_of(stored: &str) -> Option<Process> {
    serde_json::from_str(stored).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::etcd::record::{decode, encode};
    use crate::store::{Actor, Revision};

    #[test]
    fn locks_and_waiters_are_read_as_they_were_written() {
        let here = Process::current();
        let lock = LockRecord {
            holder: "ann".into(),
            process: stored_process(&here),
            actor: Actor::external(),
            acquired_at: None,
            expires_at: -1,
            seconds: 30,
            is_imported: false,
            place: 2,
            record: RecordName { bucket: 1, unique: u64::MAX },
        };
        assert_eq!(decode::<LockRecord>(&encode(&lock)), Ok(lock.clone()));
        assert_eq!(lock.token(3), Token(Revision(3 << 8 | 2)));
        assert_eq!(LockRecord { place: 0, ..lock.clone() }.token(3), Token(Revision(3 << 8 | 1)));
        assert_eq!((lock.process(), lock.image().stored), (Some(here), b"ann".to_vec()));
        let waiter = WaiterRecord { holder: "bob".into(), process: None, since: 5, ticket: None };
        assert_eq!(decode::<WaiterRecord>(&encode(&waiter)), Ok(waiter.clone()));
        let kv = KeyValue { create_revision: 9, ..KeyValue::default() };
        assert_eq!((waiter.ticket(&kv), WaiterRecord { ticket: Some(4), ..waiter }.ticket(&kv)), (9, 4));
    }
}

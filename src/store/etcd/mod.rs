//! The etcd engine: entries as keys under a prefix, shared by the processes of many machines.
//!
//! Entries lie verbatim under the prefix, so that any etcd client reads them; what slothstate keeps of its own
//! lies beside them (`keys`), as records (`record`). Each trait of the contract is implemented in a file of its
//! name; `write` has the loop of every write of entries, `commit_record` the one transaction that writes a record
//! of history, and `history_view` what is read of them. `wire` speaks to etcd.

mod address;
mod commit_record;
mod doctor;
mod error_mapping;
mod history;
mod history_view;
mod keys;
mod last_seen;
mod lock_queue;
mod lock_read;
mod lock_record;
mod locks;
mod maintenance;
mod past_source;
mod plan;
mod presence;
mod read;
mod record;
mod recordings;
mod run_record;
mod runs;
mod state;
mod stats;
mod temporary;
#[cfg(test)]
mod tests;
mod unrecorded;
mod watch;
mod wire;
mod write;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

pub use self::address::{EtcdAddress, InvalidEtcdAddress, Password};
pub use self::doctor::examine;
use self::keys::Keys;
use self::last_seen::LastSeen;
use self::presence::{Holding, Presence};
use self::record::{Format, Unreadable};
pub use self::temporary::TemporaryPrefix;
use self::watch::Subscription;
use self::wire::{Gateway, Op, OpResponse, RangeRequest, RangeResponse, Txn, TxnResponse, Wire, WireError};
use crate::store::credentials;
use crate::store::kind_inference::Kinds;
use crate::store::time_travel::RevisionIndex;
use crate::store::{
    Actor, Capabilities, EpochStart, ErrorKind, Identity, Key, Location, Maintained, Options, Process,
    Revision, State, Stats, Store, StoreError, Ticket, Token,
};
use crate::time::{Clock, Millis};

/// The most changes of entries in one transaction, where etcd accepts the usual 128 operations.
const OPERATIONS: usize = 24;
/// What is left of a request for everything besides the values: keys, each of them several times, and records.
const OVERHEAD: u64 = 102_864;
/// How often a value is in the request that changes it: as the entry, and as the old and the new one in history.
const COPIES: u64 = 3;

/// A state database on etcd.
pub struct EtcdStore {
    wire: Arc<dyn Wire>,
    keys: Keys,
    location: Location,
    settings: Options,
    capabilities: Capabilities,
    /// The most operations in one transaction of etcd's.
    max_operations: usize,
    /// The largest request in bytes.
    max_request: u64,
    /// Whether all keys go with a lease.
    is_temporary: bool,
    /// How many records a bucket of history has on the average; tests close them sooner.
    bucket_records: u64,
    actor: RefCell<Actor>,
    fence: RefCell<Vec<(String, Token)>>,
    revision_index: RefCell<RevisionIndex>,
    /// The first change of the oldest bucket of history, by the bucket.
    oldest: Cell<Option<(u64, Revision, Millis)>>,
    /// Whether etcd had forgotten a revision at which something was to be read.
    was_compacted: Cell<bool>,
    /// What this store last saw of entries: writes are planned on it.
    last_seen: RefCell<LastSeen>,
    /// When this store last removed what had expired.
    swept: Cell<Option<Millis>>,
    watch: OnceCell<Subscription>,
    /// The records of runs that are not written yet.
    records: RefCell<recordings::Records>,
    /// Whether this store added runs.
    has_runs: Cell<bool>,
    /// The locks and runs of this process that were begun with this store.
    holdings: RefCell<HashMap<Holding, Presence>>,
    /// The leases of the waiters of this store.
    waiting: RefCell<BTreeMap<Ticket, i64>>,
    /// The processes that were present at a moment.
    present: RefCell<Option<(Instant, HashSet<Vec<u8>>)>>,
    /// The last key of the last page that was read, and the length of the beginning that all its keys share.
    last_page: RefCell<Option<(Key, usize)>>,
    /// What is to be shown to the user, and the last of it that there was.
    notices: RefCell<Vec<String>>,
    last_notice: RefCell<String>,
}

impl EtcdStore {
    /// Reaches the database at `address`. Nothing is changed by that; a prefix without keys is an empty
    /// database.
    ///
    /// # Errors
    /// No node answers, or it does not let this user in.
    pub fn open(address: &EtcdAddress, settings: Options) -> Result<EtcdStore, StoreError> {
        let location = Location::Etcd(Box::new(address.clone()));
        let gateway = Gateway::new(address, credentials::password(), settings.busy_limit)
            .map_err(|(path, source)| ErrorKind::Io { source }.at(path.as_path()))?;
        let store = EtcdStore::over(Arc::new(gateway), address, settings, location);
        store.format()?;
        Ok(store)
    }

    /// A store that speaks over `wire`.
    fn over(wire: Arc<dyn Wire>, address: &EtcdAddress, settings: Options, location: Location) -> EtcdStore {
        let largest = address.max_request.saturating_sub(OVERHEAD) / COPIES;
        // Of 128 operations, a change of an entry takes up to 4, and the rest is for the transaction.
        let operations = (address.max_operations.saturating_sub(16) * OPERATIONS / 112).clamp(1, 60);
        EtcdStore {
            wire,
            keys: Keys::new(&address.prefix),
            location,
            capabilities: Capabilities {
                largest_value: largest,
                operations,
                // Each takes up to two compares, and so does each entry that is written.
                conditions: Some(address.max_operations.saturating_sub(2 * operations + 8) / 2),
                largest_transaction: largest,
                expiry_grain: 1,
            },
            max_operations: address.max_operations,
            max_request: address.max_request,
            is_temporary: address.lease.is_some(),
            bucket_records: maintenance::BUCKET_RECORDS,
            actor: RefCell::new(settings.actor.clone()),
            settings,
            fence: RefCell::default(),
            revision_index: RefCell::default(),
            oldest: Cell::default(),
            was_compacted: Cell::default(),
            last_seen: RefCell::default(),
            swept: Cell::default(),
            watch: OnceCell::new(),
            records: RefCell::default(),
            has_runs: Cell::default(),
            holdings: RefCell::default(),
            waiting: RefCell::default(),
            present: RefCell::default(),
            last_page: RefCell::default(),
            notices: RefCell::default(),
            last_notice: RefCell::default(),
        }
    }

    fn now(&self) -> Millis {
        self.settings.clock.now()
    }

    /// The error for what went wrong on the way to etcd or there.
    fn error(&self, error: WireError) -> StoreError {
        self.was_compacted.set(error.is_compacted());
        let error = error_mapping::store_error(error, &self.location);
        match &error.kind {
            ErrorKind::Engine { reason } if self.is_temporary && reason.contains("lease not found") => {
                error.with_remedy("this temporary database is over")
            }
            ErrorKind::Denied { reason } if reason.contains("permission denied") => {
                let grants = self.keys.all().map(|span| span.to_string());
                error.with_remedy(format!("the database needs to read and write {}", grants.join(" and ")))
            }
            _ => error,
        }
    }

    fn malformed(&self, reason: &str) -> StoreError {
        self.error(WireError::Malformed { reason: reason.into() })
    }

    fn unreadable(&self, error: Unreadable, key: &[u8]) -> StoreError {
        error_mapping::unreadable(error, key, &self.location)
    }

    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, StoreError> {
        self.wire.range(request).map_err(|error| self.error(error))
    }

    fn txn(&self, txn: &Txn) -> Result<TxnResponse, StoreError> {
        match self.wire.txn(txn) {
            Err(error) if error.is_out_of_space() && txn.only_reads() => self.read_apart(txn),
            answer => answer.map_err(|error| self.error(error)),
        }
    }

    /// Carries out a transaction that only reads without one: beyond its quota etcd 3.5 refuses all of them, and
    /// answers reads. All is read at one revision.
    fn read_apart(&self, txn: &Txn) -> Result<TxnResponse, StoreError> {
        let (mut revision, mut responses) = (0, Vec::new());
        for op in &txn.success {
            let Op::Range(request) = op else { continue };
            let mut request = request.clone();
            if request.revision == 0 {
                request.revision = revision;
            }
            let answer = self.range(&request)?;
            if revision == 0 {
                revision = answer.revision;
            }
            responses.push(OpResponse::Range(answer));
        }
        Ok(TxnResponse { revision, succeeded: true, responses })
    }

    /// Which database it is; `None` before the first write.
    fn format(&self) -> Result<Option<Format>, StoreError> {
        let found = self.range(&RangeRequest::key(self.keys.format()))?;
        self.format_of(&found)
    }

    fn format_of(&self, found: &RangeResponse) -> Result<Option<Format>, StoreError> {
        let Some(kv) = found.first() else { return Ok(None) };
        record::decode(&kv.value).map(Some).map_err(|error| self.unreadable(error, &kv.key))
    }
}

impl Store for EtcdStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn clock(&self) -> &dyn Clock {
        &*self.settings.clock
    }

    fn kinds(&self) -> &Kinds {
        &self.settings.kinds
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        match self.settings.read_only {
            true => Err(ErrorKind::ReadOnly { reason: "it was opened read-only".into() }.at(&self.location)),
            false => Ok(()),
        }
    }

    fn set_actor(&self, actor: Actor) {
        self.actor.replace(actor);
    }

    fn set_fence(&self, held: Vec<(String, Token)>) {
        self.fence.replace(held);
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        let format = self.format()?;
        let epoch = i64::from(format.is_some());
        Ok(Identity { database: format.map(|format| format.id), epoch, revision: self.revision()? })
    }

    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError> {
        Ok(Vec::new())
    }

    fn poll_changes(&self) -> Result<bool, StoreError> {
        match self.watch.get() {
            Some(watch) => watch.take_news().map_err(|error| self.error(error)),
            None => {
                self.subscription()?;
                // Nothing is known of what was there before.
                Ok(true)
            }
        }
    }

    fn change_fd(&self) -> Option<BorrowedFd<'_>> {
        self.subscription().ok().map(Subscription::descriptor)
    }

    fn request_stop(&self, process: &Process, here: &Process) -> Result<bool, StoreError> {
        self.request_stop_of(process, here)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.read_stats()
    }

    fn take_notices(&self) -> Vec<String> {
        self.notices.take()
    }

    fn location(&self) -> &Location {
        &self.location
    }

    fn maintain(&self) -> Result<Maintained, StoreError> {
        self.maintain_now()
    }
}

impl EtcdStore {
    /// Another number after every time that entries were found which another program changed, since anybody
    /// listens.
    fn unrecorded_changes(&self) -> i64 {
        self.watch.get().map_or(0, Subscription::unrecorded)
    }

    /// What is heard of others: from the first time that anybody asks.
    fn subscription(&self) -> Result<&Subscription, StoreError> {
        if let Some(watch) = self.watch.get() {
            return Ok(watch);
        }
        let newest = self.range(&RangeRequest::key(self.keys.newest()))?.revision;
        let identity = self.location.identity();
        let subscription = Subscription::new(&identity, &self.wire, &self.keys.watched(), newest)
            .map_err(|source| ErrorKind::Io { source }.at(&self.location))?;
        Ok(self.watch.get_or_init(|| subscription))
    }
}

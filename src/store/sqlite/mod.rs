//! The SQLite engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::store::*;

/// How a database is opened.
#[derive(Clone)]
pub struct Settings {
    /// Never write, whoever asks.
    pub read_only: bool,
    /// How long a busy database is waited for.
    pub busy_limit: Duration,
    /// Whether a commit survives the loss of power (FULL) and not only the death of any process.
    pub full_sync: bool,
    /// The clock that expiry and leases go by.
    pub clock: Arc<dyn Clock>,
    /// Under whose name changes are recorded.
    pub actor: Actor,
    /// The process that locks are held by.
    pub process: Process,
}

impl Default for Settings {
    /// This process, the machine's clock, 10 seconds of patience.
    fn default() -> Settings {
        let process = Process::current();
        Settings {
            read_only: false,
            busy_limit: Duration::from_secs(10),
            full_sync: false,
            clock: Arc::new(SystemClock),
            actor: Actor::current(&process),
            process,
        }
    }
}

/// A state database.
pub struct SqliteStore {}

impl SqliteStore {
    /// Opens the database at `path`. Nothing of the file is changed by that.
    pub fn open(_path: &Path, _settings: Settings) -> Result<SqliteStore, StoreError> {
        todo!()
    }
    /// As [`SqliteStore::open`]; where there is no file it is made by the first write.
    pub fn open_or_create(_path: &Path, _settings: Settings) -> Result<SqliteStore, StoreError> {
        todo!()
    }
}
#[allow(unused_variables)]
impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        todo!()
    }
    fn clock(&self) -> &dyn Clock {
        todo!()
    }
    fn check_writable(&self) -> Result<(), StoreError> {
        todo!()
    }
    fn act_as(&self, actor: Actor) {
        todo!()
    }
    fn revision(&self) -> Result<Revision, StoreError> {
        todo!()
    }
    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        todo!()
    }
    fn peek(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        todo!()
    }
    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        todo!()
    }
    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        todo!()
    }
    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        todo!()
    }
    fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        todo!()
    }
    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        todo!()
    }
    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError> {
        todo!()
    }
    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<Acquisition, StoreError> {
        todo!()
    }
    fn renew(&self, name: &str, token: Token, lease: std::time::Duration) -> Result<bool, StoreError> {
        todo!()
    }
    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        todo!()
    }
    fn clear_lock(&self, seen: &Lock) -> Result<Clearing, StoreError> {
        todo!()
    }
    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        todo!()
    }
    fn keep_waiting(&self, ticket: Ticket) -> Result<(), StoreError> {
        todo!()
    }
    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        todo!()
    }
    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        todo!()
    }
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        todo!()
    }
    fn has_news(&self) -> Result<bool, StoreError> {
        todo!()
    }
    fn stats(&self) -> Result<Stats, StoreError> {
        todo!()
    }
    fn take_notices(&self) -> Vec<String> {
        todo!()
    }
}

//! The locks that this run holds. A thread with its own connection to the store renews their leases and sends
//! the supervisors of running commands their deadlines. It releases the locks if the script is stuck where
//! nothing else can stop it.
//!
//! A lost lock is reported once, through [`Losses`], which ends the script.

mod lease_keeper;
mod losses;
mod table;

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::losses::Losses;
pub use self::table::LostLock;
use self::table::{HeldLock, Shared, Table};
use crate::store::{ErrorKind, Location, Lock, Reset, Store, StoreError, Token, why_lost};
use crate::supervisor::{CommandDeadlines, Control, LeaseTerm};
use crate::time::BootInstant;

/// The reason of a loss that the store does not explain: the lock may still exist.
const NOT_RENEWED: &str = "its lease could not be renewed in time";
/// The reason of a loss if the lock is gone and history does not say who removed it.
const GONE: &str = "it was removed";

/// How long a lock that was acquired waits for the keeper to open its connection. After that the keeper opens it
/// as soon as it can.
const WATCH_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a lock is lost because of what happened to its database; `None` if the error does not prove that
/// anything did.
fn lost_database(error: &StoreError) -> Option<String> {
    let changed = |why: &Reset| {
        let location = error.location().map_or("its database".into(), Location::to_string);
        Some(format!("{location} changed while the lock was held: {why}"))
    };
    match &error.kind {
        // It may be the same database, which cannot be examined now; the lease decides.
        ErrorKind::Reset { why: Reset::Unseen(_) } => None,
        ErrorKind::Reset { why } => changed(why),
        // It existed when the lock was acquired.
        ErrorKind::NotFound => changed(&Reset::Missing),
        ErrorKind::IsDirectory | ErrorKind::NotAStateDatabase { .. } | ErrorKind::Emptied { .. } => {
            Some(format!("its database was replaced: {error}"))
        }
        _ => None,
    }
}

/// Opens one more connection to the store of the run; fails where the database is gone.
pub type StoreFactory = Arc<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send + Sync>;

/// Polled by the thread that renews the leases: once the script is stuck, its commands are killed, the locks
/// are released, and the program is ended.
pub struct StuckGuard {
    /// Whether the script is stuck where it cannot be stopped.
    pub is_stuck: Box<dyn Fn() -> bool + Send>,
    pub give_up: Box<dyn Fn() + Send>,
}

/// The locks that a run holds. They are released when this is dropped.
pub struct HeldLocks {
    store: Rc<dyn Store>,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
    /// Whether the leases expire by the time of this machine; in a what-if run they do not.
    has_leases: bool,
}

/// A moment in the run: see [`HeldLocks::release_since`].
#[derive(Clone, Copy)]
pub struct LockMark(u64);

impl HeldLocks {
    /// No locks yet.
    ///
    /// # Errors
    /// The system's, if it has no thread left to give.
    pub fn new(
        store: Rc<dyn Store>,
        store_factory: StoreFactory,
        guard: Option<StuckGuard>,
    ) -> std::io::Result<HeldLocks> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let keeper = std::thread::Builder::new().name("leases".into()).spawn(move || {
            lease_keeper::keep(&theirs, &store_factory, guard.as_ref());
        })?;
        Ok(HeldLocks { store, shared, keeper: Some(keeper), has_leases: true })
    }

    /// Locks of a private store whose time stands still: they are never renewed, and last until they are
    /// released.
    pub fn without_leases(store: Rc<dyn Store>) -> HeldLocks {
        HeldLocks { store, shared: Arc::default(), keeper: None, has_leases: false }
    }

    /// Renews the lease of `lock` from now on. It was requested at `requested_at` or later.
    ///
    /// Before the first lock is reported as held, the keeper has opened its connection: what happens to the
    /// files of the database later is compared with what they were then.
    pub fn keep(&self, lock: &Lock, lease: Duration, requested_at: BootInstant) {
        let is_first = self.shared.table().database.is_none();
        let identity = is_first.then(|| self.store.identity().ok()).flatten();
        let mut table = self.shared.table();
        table.database = table.database.take().or(identity.and_then(|identity| identity.database));
        table.taken += 1;
        let held = HeldLock {
            number: table.taken,
            name: lock.name.clone(),
            holder: lock.holder.clone(),
            token: lock.token,
            acquired_at: lock.acquired_at,
            lease: self.has_leases.then(|| LeaseTerm::new(requested_at, lease)),
        };
        table.held.push(held);
        table.tell_commands();
        self.shared.publish(&table);
        self.shared.wake.notify_one();
        if self.keeper.is_some() {
            let is_unwatched = |table: &mut Table| !table.is_watched;
            drop(self.shared.watched.wait_timeout_while(table, WATCH_TIMEOUT, is_unwatched));
        }
    }

    /// Releases the lock of that name, if this run holds it (as `holder`, if one is given); returns whether
    /// it was still held. If not, [`Losses`] report it.
    pub fn release(&self, name: &str, holder: Option<&str>) -> Result<bool, StoreError> {
        let found = {
            let mut table = self.shared.table();
            let found = table
                .held
                .iter()
                .rposition(|held| held.fits(name, holder))
                .map(|index| table.held.remove(index));
            self.shared.publish(&table);
            found
        };
        found.map_or(Ok(false), |held| self.give_back(&held))
    }

    /// Releases a lock that is no longer in the table.
    fn give_back(&self, held: &HeldLock) -> Result<bool, StoreError> {
        let reason = match self.store.release(&held.name, held.token) {
            Ok(true) => return Ok(true),
            Ok(false) => why_lost(&*self.store, &held.name, held.token).unwrap_or_else(|| GONE.into()),
            Err(error) => match lost_database(&error) {
                Some(reason) => reason,
                None => return Err(error),
            },
        };
        let mut table = self.shared.table();
        table.note_loss(held, reason);
        self.shared.publish(&table);
        Ok(false)
    }

    /// The token under which this run holds the lock of that name (as `holder`, if one is given).
    pub fn token(&self, name: &str, holder: Option<&str>) -> Option<Token> {
        let table = self.shared.table();
        table.held.iter().rfind(|held| held.fits(name, holder)).map(|held| held.token)
    }

    /// Marks the beginning of an attempt of a task, for [`HeldLocks::release_since`].
    pub fn mark(&self) -> LockMark {
        let mut table = self.shared.table();
        table.taken_before = table.taken;
        LockMark(table.taken)
    }

    /// Releases every lock acquired since `mark`, and returns their names. One that cannot be released
    /// expires with its lease; a lost one is reported by [`Losses`].
    pub fn release_since(&self, mark: LockMark) -> Vec<String> {
        let (taken, given_up) = {
            let mut table = self.shared.table();
            let (kept, taken) =
                std::mem::take(&mut table.held).into_iter().partition(|held| held.number <= mark.0);
            table.held = kept;
            self.shared.publish(&table);
            let taken: Vec<HeldLock> = taken;
            (taken, std::mem::take(&mut table.given_up))
        };
        for held in given_up {
            // Its loss is known already; another process may hold it now.
            let _ = self.store.release(&held.name, held.token);
        }
        let still_held = |held: &HeldLock| self.give_back(held).unwrap_or(false);
        taken.into_iter().filter(still_held).map(|held| held.name).collect()
    }

    pub fn release_all(&self) -> Vec<String> {
        self.release_since(LockMark(0))
    }

    pub fn losses(&self) -> Losses {
        Losses { shared: Arc::clone(&self.shared), store: Rc::clone(&self.store) }
    }

    /// The deadlines of a command that is started now.
    pub fn bounds(&self) -> CommandDeadlines {
        self.bounds_in(&self.shared.table())
    }

    fn bounds_in(&self, table: &Table) -> CommandDeadlines {
        // Without a thread that sends deadlines, a command must not wait for them.
        if self.keeper.is_some() { table.bounds() } else { CommandDeadlines::NONE }
    }

    /// Sends a heartbeat to a command without a lock, for which the other thread is not needed.
    pub fn beat(&self, command: &Control) {
        let bounds = self.bounds();
        if bounds.end.is_none() {
            command.bound(bounds);
        }
    }

    /// Sends the deadlines to a running command until the returned value is dropped.
    pub fn feed(&self, command: Control) -> CommandFeed {
        let mut table = self.shared.table();
        if !table.lost.is_empty() {
            command.end();
        }
        command.bound(self.bounds_in(&table));
        table.commands_started += 1;
        let number = table.commands_started;
        table.commands.push((number, command));
        drop(table);
        self.shared.wake.notify_one();
        CommandFeed { shared: Arc::clone(&self.shared), number }
    }
}

impl Drop for HeldLocks {
    fn drop(&mut self) {
        self.release_all();
        self.shared.table().ended = true;
        self.shared.wake.notify_one();
        if let Some(keeper) = self.keeper.take() {
            // A panic of the thread needs no handling here.
            let _ = keeper.join();
        }
    }
}

/// A running command that gets the deadlines of the leases.
#[must_use]
pub struct CommandFeed {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for CommandFeed {
    fn drop(&mut self) {
        self.shared.table().commands.retain(|(number, _)| *number != self.number);
    }
}

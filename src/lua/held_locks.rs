//! The locks that this run holds. A thread of their own keeps their leases alive, with its own
//! connection to the store, and tells the supervisors of running commands how long these last. It gives
//! the locks up if the script is stuck where nothing else can reach it.
//!
//! A lock that is lost is reported once: to whoever asks for [`Losses`], which is what ends the script.

mod lease_keeper;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::{ErrorKind, Location, Lock, Reset, Store, StoreError, Token, why_lost};
use crate::supervisor::{CommandDeadlines, Control, LeaseTerm};
use crate::text::escape::escape;
use crate::time::BootInstant;
use crate::time::Millis;

/// Why a lock was lost of which the store tells nothing: it may still be there.
const NOT_RENEWED: &str = "its lease could not be renewed in time";
/// Why a lock was lost that is not there any more, where history does not tell who removed it.
const GONE: &str = "it was removed";

/// Why a lock is lost because of what happened to its database; `None` if the error does not prove that
/// anything did.
fn lost_database(error: &StoreError) -> Option<String> {
    let changed = |why: &Reset| {
        let location = error.location().map_or("its database".into(), Location::to_string);
        Some(format!("{location} changed while the lock was held: {why}"))
    };
    match &error.kind {
        // It may be the same one that cannot be examined now; the lease decides.
        ErrorKind::Reset { why: Reset::Unseen(_) } => None,
        ErrorKind::Reset { why } => changed(why),
        // It was there when the lock was taken.
        ErrorKind::NotFound => changed(&Reset::Missing),
        ErrorKind::IsDirectory | ErrorKind::NotAStateDatabase { .. } | ErrorKind::Emptied { .. } => {
            Some(format!("its database was replaced: {error}"))
        }
        _ => None,
    }
}

/// Opens one more connection to the store of the run; fails where the database is gone.
pub type StoreFactory = Arc<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send + Sync>;

/// Asked again and again by the thread that keeps the leases: whether the script is stuck. When
/// it is, its commands are killed and the locks are released, and the second function is called; it
/// ends the program.
pub struct StuckGuard {
    /// Whether the script is stuck where it cannot be stopped.
    pub is_stuck: Box<dyn Fn() -> bool + Send>,
    /// Ends the program.
    pub give_up: Box<dyn Fn() + Send>,
}

/// The locks that a run holds. They are released when this is dropped.
pub struct HeldLocks {
    store: Rc<dyn Store>,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
    /// Whether the leases end by the time of this machine; in a trial they do not.
    has_leases: bool,
}

/// A lock that this run held, and that it lost before it released it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostLock {
    /// The name of the lock.
    pub lock: String,
    /// Who took it, or why it was lost; escaped.
    pub reason: String,
    /// Whether it was held since before the present attempt of a task: then all that is still to come
    /// in the run was to happen under it.
    pub is_of_run: bool,
}

impl std::fmt::Display for LostLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lock {} was lost: {}", escape(self.lock.as_bytes()), self.reason)
    }
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    wake: Condvar,
    /// Whether a lock was lost that nobody was told of.
    has_lost: AtomicBool,
    /// When the first of the leases has to be given up, as [`BootInstant::to_nanoseconds`]; 0 without one.
    give_up_at: AtomicU64,
}

#[derive(Default)]
struct Table {
    held: Vec<HeldLock>,
    /// The id of the database that the locks are held in; `None` if it is not known.
    database: Option<String>,
    taken: u64,
    /// The last lock that was taken before the present attempt of a task.
    taken_before: u64,
    ended: bool,
    /// Locks that were lost, and of which nobody was told yet.
    lost: VecDeque<LostLock>,
    /// Locks whose lease was not renewed in time, still to be released.
    given_up: Vec<HeldLock>,
    /// The commands that run, by their numbers.
    commands: Vec<(u64, Control)>,
    commands_started: u64,
}

#[derive(Clone)]
struct HeldLock {
    number: u64,
    name: String,
    holder: String,
    token: Token,
    acquired_at: Option<Millis>,
    /// `None` where it lasts until it is released.
    lease: Option<LeaseTerm>,
}

impl HeldLock {
    fn renew_at(&self) -> Option<BootInstant> {
        self.lease.map(|lease| lease.ends_at.minus(lease.length - lease.length / 3))
    }

    /// Whether it is a lock of that name, and of that holder if one is given.
    fn fits(&self, name: &str, holder: Option<&str>) -> bool {
        self.name == name && holder.is_none_or(|holder| self.holder == holder)
    }

    /// Whether a lock that was found is this one: another database may give the same token.
    fn is(&self, lock: &Lock) -> bool {
        (&lock.name, lock.token, lock.acquired_at) == (&self.name, self.token, self.acquired_at)
    }

    fn must_be_given_up(&self, now: BootInstant) -> bool {
        self.lease.is_some_and(|lease| lease.terminate_at() <= now)
    }
}

/// A moment in the run: see [`HeldLocks::release_since`].
#[derive(Clone, Copy)]
pub struct LockMark(u64);

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What others see of the table without locking it.
    fn publish(&self, table: &Table) {
        let leases = table.held.iter().filter_map(|held| held.lease);
        let first = leases.map(|lease| lease.terminate_at().to_nanoseconds().max(1)).min();
        self.give_up_at.store(first.unwrap_or(0), Ordering::Release);
        self.has_lost.store(!table.lost.is_empty(), Ordering::Release);
    }

    /// Takes note that a lock was lost, and ends the commands that ran under it.
    fn lose(&self, number: u64, reason: String, must_be_released: bool) {
        let mut table = self.table();
        // The script may have released it in the meantime.
        let Some(index) = table.held.iter().position(|held| held.number == number) else { return };
        let held = table.held.remove(index);
        table.note_loss(&held, reason);
        if must_be_released {
            table.given_up.push(held);
        }
        self.publish(&table);
    }
}

impl Table {
    fn note_loss(&mut self, held: &HeldLock, reason: String) {
        let is_of_run = held.number <= self.taken_before;
        self.lost.push_back(LostLock { lock: held.name.clone(), reason, is_of_run });
        for (_, command) in &self.commands {
            command.end();
        }
    }

    fn bounds(&self) -> CommandDeadlines {
        CommandDeadlines::of(self.held.iter().filter_map(|held| held.lease))
    }

    /// Tells the running commands how long they may go on.
    fn tell_commands(&self) {
        for (_, command) in &self.commands {
            command.bound(self.bounds());
        }
    }
}

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

    /// Locks of a store that nobody else sees, where time stands still: they are never renewed, and last
    /// until they are released.
    pub fn without_leases(store: Rc<dyn Store>) -> HeldLocks {
        HeldLocks { store, shared: Arc::default(), keeper: None, has_leases: false }
    }

    /// Keeps the lease of `lock` alive from now on. It was asked for at `requested_at`, or after that.
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
        drop(table);
        self.shared.wake.notify_one();
    }

    /// Releases the lock of that name, if this run holds it (as `holder`, if one is given);
    /// whether it was still held. If not it was lost, which [`Losses`] tell.
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

    /// An attempt of a task begins: this moment, for [`HeldLocks::release_since`].
    pub fn mark(&self) -> LockMark {
        let mut table = self.shared.table();
        table.taken_before = table.taken;
        LockMark(table.taken)
    }

    /// Releases every lock taken since `mark`, and answers their names. One that cannot be
    /// released is left to the end of its lease; one that was lost is told by [`Losses`].
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
            // That it was lost is known already; another may have it by now.
            let _ = self.store.release(&held.name, held.token);
        }
        let still_held = |held: &HeldLock| self.give_back(held).unwrap_or(false);
        taken.into_iter().filter(still_held).map(|held| held.name).collect()
    }

    /// Releases every lock.
    pub fn release_all(&self) -> Vec<String> {
        self.release_since(LockMark(0))
    }

    /// The locks that are lost.
    pub fn losses(&self) -> Losses {
        Losses { shared: Arc::clone(&self.shared), store: Rc::clone(&self.store) }
    }

    /// Until when a command may run that is started now.
    pub fn bounds(&self) -> CommandDeadlines {
        self.bounds_in(&self.shared.table())
    }

    fn bounds_in(&self, table: &Table) -> CommandDeadlines {
        // Where no thread sends them, none must be waited for.
        if self.keeper.is_some() { table.bounds() } else { CommandDeadlines::NONE }
    }

    /// Tells a command that runs under no lock that this thread is alive: the other one is not needed
    /// for that.
    pub fn beat(&self, command: &Control) {
        let bounds = self.bounds();
        if bounds.end.is_none() {
            command.bound(bounds);
        }
    }

    /// Has a running command hear of the leases, until the answer is dropped.
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
            // A thread that panicked has nothing more to say here.
            let _ = keeper.join();
        }
    }
}

/// A running command that hears of the leases.
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

/// The locks that are lost, each told once.
pub struct Losses {
    shared: Arc<Shared>,
    store: Rc<dyn Store>,
}

impl Losses {
    /// The next lock that was lost; the same until [`Losses::acknowledge`].
    pub fn next(&self) -> Option<LostLock> {
        let give_up_at = self.shared.give_up_at.load(Ordering::Acquire);
        if give_up_at != 0 && BootInstant::now() >= BootInstant::from_nanoseconds(give_up_at) {
            self.give_up();
        }
        if !self.shared.has_lost.load(Ordering::Acquire) {
            return None;
        }
        self.shared.table().lost.front().cloned()
    }

    /// The next lock that was lost is not told again.
    pub fn acknowledge(&self, lost: &LostLock) {
        let mut table = self.shared.table();
        if table.lost.front() == Some(lost) {
            table.lost.pop_front();
            self.shared.publish(&table);
        }
    }

    /// Gives up the locks whose leases were not renewed in time, whatever the thread is doing that should
    /// have done so.
    fn give_up(&self) {
        let now = BootInstant::now();
        let table = self.shared.table();
        let overdue: Vec<HeldLock> =
            table.held.iter().filter(|held| held.must_be_given_up(now)).cloned().collect();
        drop(table);
        for held in overdue {
            let reason = why_lost(&*self.store, &held.name, held.token);
            let reason = reason.unwrap_or_else(|| NOT_RENEWED.into());
            self.shared.lose(held.number, reason, true);
        }
    }
}

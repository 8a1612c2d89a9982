//! The locks that this run holds. A thread of their own keeps their leases alive, with its own
//! connection to the store, and gives them up if the script is stuck where nothing else can
//! reach it.

use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{Lock, Store, StoreError, Token};

/// Opens one more connection to the store of the run.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send + Sync>;

/// Asked again and again by the thread that keeps the leases: whether the script is stuck. When
/// it is, the locks are released, and the second function is called; it ends the program.
pub struct Guard {
    /// Whether the script is stuck where it cannot be stopped.
    pub is_stuck: Box<dyn Fn() -> bool + Send>,
    /// Ends the program.
    pub give_up: Box<dyn Fn() + Send>,
}

/// The locks that a run holds. They are released when this is dropped.
pub struct Locks {
    store: Rc<dyn Store>,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    wake: Condvar,
}

#[derive(Default)]
struct Table {
    held: Vec<Held>,
    taken: u64,
    ended: bool,
    lost: Vec<String>,
}

#[derive(Clone)]
struct Held {
    number: u64,
    name: String,
    holder: String,
    token: Token,
    lease: Duration,
    renew_at: Instant,
}

/// A moment in the run: see [`Locks::release_since`].
#[derive(Clone, Copy)]
pub struct Mark(u64);

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locks {
    /// No locks yet.
    ///
    /// # Errors
    /// The system's, if it has no thread left to give.
    pub fn new(store: Rc<dyn Store>, opener: Opener, guard: Option<Guard>) -> std::io::Result<Locks> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let keeper = std::thread::Builder::new().name("leases".into()).spawn(move || {
            keep(&theirs, &opener, guard.as_ref());
        })?;
        Ok(Locks { store, shared, keeper: Some(keeper) })
    }

    /// Keeps the lease of `lock` alive from now on.
    pub fn keep(&self, lock: &Lock, lease: Duration) {
        let mut table = self.shared.table();
        table.taken += 1;
        let held = Held {
            number: table.taken,
            name: lock.name.clone(),
            holder: lock.holder.clone(),
            token: lock.token,
            lease,
            renew_at: Instant::now() + lease / 3,
        };
        table.held.push(held);
        drop(table);
        self.shared.wake.notify_one();
    }

    /// Releases the lock of that name, if this run holds it (as `holder`, if one is given);
    /// whether it was still held.
    pub fn release(&self, name: &str, holder: Option<&str>) -> Result<bool, StoreError> {
        let found = {
            let mut table = self.shared.table();
            let fits = |held: &Held| held.name == name && holder.is_none_or(|holder| held.holder == holder);
            table.held.iter().rposition(fits).map(|index| table.held.remove(index))
        };
        match found {
            Some(held) => self.store.release(&held.name, held.token),
            None => Ok(false),
        }
    }

    /// The token under which this run holds the lock of that name (as `holder`, if one is given).
    pub fn token(&self, name: &str, holder: Option<&str>) -> Option<Token> {
        let table = self.shared.table();
        let fits = |held: &&Held| held.name == name && holder.is_none_or(|holder| held.holder == holder);
        table.held.iter().rfind(fits).map(|held| held.token)
    }

    /// This moment, for [`Locks::release_since`].
    pub fn mark(&self) -> Mark {
        Mark(self.shared.table().taken)
    }

    /// Releases every lock taken since `mark`, and answers their names. One that cannot be
    /// released is left to the end of its lease.
    pub fn release_since(&self, mark: Mark) -> Vec<String> {
        let taken = {
            let mut table = self.shared.table();
            let (kept, taken) =
                std::mem::take(&mut table.held).into_iter().partition(|held| held.number <= mark.0);
            table.held = kept;
            let taken: Vec<Held> = taken;
            taken
        };
        let still_held = |held: &Held| self.store.release(&held.name, held.token).unwrap_or(false);
        taken.into_iter().filter(still_held).map(|held| held.name).collect()
    }

    /// Releases every lock.
    pub fn release_all(&self) -> Vec<String> {
        self.release_since(Mark(0))
    }

    /// The names of locks whose lease was lost since this was last asked: somebody cleared
    /// them, or the store could not be reached in time.
    pub fn take_lost(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.table().lost)
    }
}

impl Drop for Locks {
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

/// What the thread does until the run ends.
fn keep(shared: &Shared, opener: &Opener, guard: Option<&Guard>) {
    const LOOK: Duration = Duration::from_millis(250);
    let mut store: Option<Box<dyn Store>> = None;
    loop {
        let now = Instant::now();
        let due: Vec<Held> = {
            let table = shared.table();
            if table.ended {
                return;
            }
            let next = table.held.iter().map(|held| held.renew_at).min();
            let wait = next.map_or(LOOK, |next| next.saturating_duration_since(now).min(LOOK));
            // Without a guard nothing but locks is there to look after.
            let table = match (next, guard) {
                (None, None) => shared.wake.wait(table).unwrap_or_else(PoisonError::into_inner),
                _ => shared.wake.wait_timeout(table, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
            if table.ended {
                return;
            }
            let now = Instant::now();
            table.held.iter().filter(|held| held.renew_at <= now).cloned().collect()
        };
        if let Some(guard) = guard
            && (guard.is_stuck)()
        {
            let held = std::mem::take(&mut shared.table().held);
            if let Some(store) = connection(&mut store, opener) {
                for held in held {
                    // What cannot be released runs out by itself.
                    let _ = store.release(&held.name, held.token);
                }
            }
            (guard.give_up)();
        }
        for held in due {
            let renewed = match connection(&mut store, opener) {
                Some(store) => store.renew(&held.name, held.token, held.lease).ok(),
                None => None,
            };
            settle(shared, &held, renewed);
        }
    }
}

/// Notes what came of a renewal: `None` if the store could not be asked.
fn settle(shared: &Shared, renewed: &Held, outcome: Option<bool>) {
    let mut table = shared.table();
    // The script may have released it in the meantime.
    let Some(index) = table.held.iter().position(|held| held.number == renewed.number) else { return };
    let now = Instant::now();
    match outcome {
        Some(true) => table.held[index].renew_at = now + renewed.lease / 3,
        Some(false) => {
            let lost = table.held.remove(index);
            table.lost.push(lost.name);
        }
        // Soon again: the lease lasts two thirds longer.
        None => table.held[index].renew_at = now + (renewed.lease / 10).min(Duration::from_secs(1)),
    }
}

fn connection<'a>(store: &'a mut Option<Box<dyn Store>>, opener: &Opener) -> Option<&'a dyn Store> {
    if store.is_none() {
        *store = opener().ok();
    }
    store.as_deref()
}

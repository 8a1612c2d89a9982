//! The thread that renews the leases of a run, checks that the database and the locks still exist, and
//! releases everything if the script is stuck.

use std::sync::PoisonError;
use std::time::Duration;

use super::table::{HeldLock, Shared};
use super::{GONE, NOT_RENEWED, StoreFactory, StuckGuard, lost_database};
use crate::store::{ErrorKind, Reset, Store, StoreError, why_lost};
use crate::supervisor::LeaseTerm;
use crate::time::BootInstant;

/// How often the thread checks for a stuck script, for cleared locks, and the files of the database.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// What the thread does until the run ends.
pub(super) fn keep(shared: &Shared, store_factory: &StoreFactory, guard: Option<&StuckGuard>) {
    let mut store: Option<Box<dyn Store>> = None;
    let mut checked_at = BootInstant::now();
    while wait_for_work(shared, guard.is_some()) {
        if let Some(guard) = guard
            && (guard.is_stuck)()
        {
            release_in_distress(shared, connection(shared, &mut store, store_factory));
            (guard.give_up)();
        }
        // A connection that was opened just now may lead to another database than that of the locks.
        if store.is_none() || BootInstant::now().since(checked_at) >= CHECK_INTERVAL {
            checked_at = BootInstant::now();
            if check(shared, &mut store, store_factory) {
                shared.table().is_watched = true;
                shared.watched.notify_all();
            }
        }
        for held in due_for_renewal(shared) {
            if let Some(lease) = held.lease {
                renew(shared, store.as_deref(), &held, lease);
            }
        }
    }
}

/// Renews a lease; it stays due if the store cannot be reached.
fn renew(shared: &Shared, store: Option<&dyn Store>, held: &HeldLock, lease: LeaseTerm) {
    let requested_at = BootInstant::now();
    let why = || store.and_then(|store| why_lost(store, &held.name, held.token));
    if held.must_be_given_up(requested_at) {
        // The supervisors have terminated the commands under it.
        return shared.lose(held.number, why().unwrap_or_else(|| NOT_RENEWED.into()), true);
    }
    match store.map(|store| store.renew(&held.name, held.token, lease.length)) {
        Some(Ok(true)) => extend(shared, held.number, LeaseTerm::new(requested_at, lease.length)),
        Some(Ok(false)) => shared.lose(held.number, why().unwrap_or_else(|| GONE.into()), false),
        Some(Err(error)) => {
            if let Some(reason) = lost_database(&error) {
                shared.lose(held.number, reason, false);
            }
        }
        None => {}
    }
}

/// Checks that the database is the one that the locks were acquired in, and that they still exist: the next
/// renewal may be far away. Whether there were any.
fn check(shared: &Shared, store: &mut Option<Box<dyn Store>>, store_factory: &StoreFactory) -> bool {
    let held = shared.table().held.clone();
    if held.is_empty() {
        return false;
    }
    if let Err(error) = find_losses(shared, &held, store, store_factory)
        && let Some(reason) = lost_database(&error)
    {
        for held in held {
            shared.lose(held.number, reason.clone(), false);
        }
    }
    true
}

fn find_losses(
    shared: &Shared,
    held: &[HeldLock],
    store: &mut Option<Box<dyn Store>>,
    store_factory: &StoreFactory,
) -> Result<(), StoreError> {
    let store = match store {
        Some(store) => store,
        None => store.insert(open(shared, store_factory)?),
    };
    if !store.poll_changes()? {
        return Ok(());
    }
    let mut missing = Vec::new();
    for held in held {
        if !store.lock(&held.name)?.is_some_and(|lock| held.is(&lock)) {
            missing.push((held.number, why_lost(&**store, &held.name, held.token)));
        }
    }
    // Fails unless the present state follows from the one that was read before. It is checked after the
    // locks: a database that was replaced in between has not lost them, it is another one.
    let followed = store.revision().and_then(|revision| store.changes(revision, 1, 0));
    if let Err(error @ StoreError { kind: ErrorKind::Reset { .. }, .. }) = followed {
        return Err(error);
    }
    for (number, reason) in missing {
        shared.lose(number, reason.unwrap_or_else(|| GONE.into()), false);
    }
    Ok(())
}

/// The locks whose leases must be renewed now.
fn due_for_renewal(shared: &Shared) -> Vec<HeldLock> {
    let now = BootInstant::now();
    let is_due = |held: &&HeldLock| held.renew_at().is_some_and(|at| at <= now);
    shared.table().held.iter().filter(is_due).cloned().collect()
}

/// Waits until a lease must be renewed or another check is due; false at the end of the run.
fn wait_for_work(shared: &Shared, has_guard: bool) -> bool {
    /// How soon a failed renewal is retried.
    const RETRY_INTERVAL: Duration = Duration::from_millis(20);
    let table = shared.table();
    if table.ended {
        return false;
    }
    let now = BootInstant::now();
    let next = table.held.iter().filter_map(HeldLock::renew_at).min();
    let waits = [
        // The wait uses a clock that stops while the machine is suspended; leases do not stop.
        next.map(|next| next.since(now).clamp(RETRY_INTERVAL, CHECK_INTERVAL)),
        (!table.commands.is_empty()).then(|| table.bounds().interval()),
        has_guard.then_some(CHECK_INTERVAL),
        // The script waits for the first connection, and its notice may have come before this wait.
        (!table.held.is_empty() && !table.is_watched).then_some(Duration::ZERO),
    ];
    let table = match waits.into_iter().flatten().min() {
        Some(wait) => shared.wake.wait_timeout(table, wait).unwrap_or_else(PoisonError::into_inner).0,
        None => shared.wake.wait(table).unwrap_or_else(PoisonError::into_inner),
    };
    if table.ended {
        return false;
    }
    table.tell_commands();
    true
}

fn extend(shared: &Shared, number: u64, lease: LeaseTerm) {
    let mut table = shared.table();
    // The script may have released it meanwhile.
    if let Some(held) = table.held.iter_mut().find(|held| held.number == number) {
        held.lease = Some(lease);
    }
    table.tell_commands();
    shared.publish(&table);
}

/// Kills the commands and releases the locks of a script that is stuck, before the program ends.
fn release_in_distress(shared: &Shared, store: Option<&dyn Store>) {
    const KILL_TIMEOUT: Duration = Duration::from_secs(2);
    let (held, commands) = {
        let mut table = shared.table();
        (std::mem::take(&mut table.held), std::mem::take(&mut table.commands))
    };
    for (_, command) in &commands {
        command.kill();
    }
    // Nobody may get the lock while a command under it still runs.
    if !commands.iter().all(|(_, command)| command.has_ended(KILL_TIMEOUT)) {
        return;
    }
    if let Some(store) = store {
        for held in held {
            // A lock that cannot be released expires.
            let _ = store.release(&held.name, held.token);
        }
    }
}

/// Opens a connection, unless the path now leads to another database than that of the locks, or to an earlier
/// state of it.
fn open(shared: &Shared, store_factory: &StoreFactory) -> Result<Box<dyn Store>, StoreError> {
    // Before the database is read: a lock that is acquired meanwhile has a later revision.
    let (database, acquired) = {
        let table = shared.table();
        (table.database.clone(), table.held.iter().map(|held| held.token.0).max())
    };
    let store = store_factory()?;
    let found = store.identity()?;
    let why = match acquired {
        _ if database.is_some() && found.database != database => Reset::OtherDatabase,
        Some(seen) if found.revision < seen => Reset::WentBack { seen, newest: found.revision },
        _ => return Ok(store),
    };
    Err(ErrorKind::Reset { why }.at(store.location()))
}

fn connection<'a>(
    shared: &Shared,
    store: &'a mut Option<Box<dyn Store>>,
    store_factory: &StoreFactory,
) -> Option<&'a dyn Store> {
    if store.is_none() {
        *store = open(shared, store_factory).ok();
    }
    store.as_deref()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::lua::HeldLocks;
    use crate::store::{AcquireOutcome, Key, Location, LockRequest, Options, Transaction, Value};

    fn opened(path: &Path) -> Box<dyn Store> {
        let location = Location::File(path.to_path_buf());
        crate::store::open_or_create(&location, &Options::default()).unwrap()
    }

    fn set(store: &dyn Store, number: i64) {
        let put = Transaction::put(Key::new("k").unwrap(), Value::integer(number), Default::default());
        assert!(store.commit(&put).unwrap().is_committed());
    }

    /// Why a lock of the database at `path` is lost if the name leads to `now` by the time at which the
    /// thread opens it.
    fn reason(path: &Path, lock: &str, now: &Path) -> String {
        let store: Rc<dyn Store> = Rc::from(opened(path));
        let now = now.to_path_buf();
        let store_factory: StoreFactory = Arc::new(move || Ok(opened(&now)));
        let locks = HeldLocks::new(Rc::clone(&store), store_factory, None).unwrap();
        let lease = Duration::from_secs(3600);
        let request = LockRequest { name: lock.into(), holder: "me".into(), lease };
        let requested_at = BootInstant::now();
        let AcquireOutcome::Acquired(lock) = store.acquire(&request, None).unwrap() else { panic!() };
        locks.keep(&lock, lease, requested_at);
        let start = Instant::now();
        loop {
            if let Some(lost) = locks.losses().next() {
                return lost.reason;
            }
            assert!(start.elapsed() < Duration::from_secs(300), "it is not lost");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_lock_is_not_said_to_be_removed_where_its_name_leads_to_another_database() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other, earlier] =
            ["state.db", "other.db", "earlier.db"].map(|name| folder.path().join(name));
        // The other database has more revisions, and its locks may have the same tokens.
        (0..50).for_each(|number| set(&*opened(&other), number));
        set(&*opened(&path), 1);
        opened(&path).back_up(&earlier).unwrap();
        for (lock, now, expected) in
            [("a", &other, "another database"), ("b", &earlier, "an earlier state was restored")]
        {
            let reason = reason(&path, lock, now);
            assert!(reason.contains("changed while the lock was held: "), "{reason}");
            assert!(reason.contains(expected), "{reason}");
        }
    }
}

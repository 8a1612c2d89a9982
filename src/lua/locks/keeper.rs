//! The thread that keeps the leases of a run alive, looks whether the locks are still there, and gives
//! everything up if the script is stuck.

use std::sync::PoisonError;
use std::time::Duration;

use super::{GONE, Guard, Held, NOT_RENEWED, Opener, Shared};
use crate::store::{Store, all_locks, why_lost};
use crate::supervisor::{Lease, Moment};

/// How often a script is looked at that may be stuck, and locks that somebody may have cleared.
const LOOK: Duration = Duration::from_millis(250);

/// What the thread does until the run ends.
pub(super) fn keep(shared: &Shared, opener: &Opener, guard: Option<&Guard>) {
    let mut store: Option<Box<dyn Store>> = None;
    let mut checked_at = Moment::now();
    while let Some(due) = wait_for_work(shared, guard.is_some()) {
        if let Some(guard) = guard
            && (guard.is_stuck)()
        {
            release_in_distress(shared, connection(&mut store, opener));
            (guard.give_up)();
        }
        for held in due {
            if let Some(lease) = held.lease {
                renew(shared, connection(&mut store, opener), &held, lease);
            }
        }
        if Moment::now().since(checked_at) >= LOOK {
            checked_at = Moment::now();
            check(shared, &mut store, opener);
        }
    }
}

/// Renews a lease; what is due stays due if the store cannot be reached.
fn renew(shared: &Shared, store: Option<&dyn Store>, held: &Held, lease: Lease) {
    let requested_at = Moment::now();
    let why = || store.and_then(|store| why_lost(store, &held.name, held.token));
    if held.must_be_given_up(requested_at) {
        // The supervisors have ended what runs under it.
        return shared.lose(held.number, why().unwrap_or_else(|| NOT_RENEWED.into()), true);
    }
    match store.map(|store| store.renew(&held.name, held.token, lease.length)) {
        Some(Ok(true)) => extend(shared, held.number, Lease::new(requested_at, lease.length)),
        Some(Ok(false)) => shared.lose(held.number, why().unwrap_or_else(|| GONE.into()), false),
        Some(Err(_)) | None => {}
    }
}

/// Looks whether the locks are still there, if anything was changed: a renewal may be long in coming.
fn check(shared: &Shared, store: &mut Option<Box<dyn Store>>, opener: &Opener) {
    let held = shared.table().held.clone();
    if held.is_empty() {
        return;
    }
    let Some(store) = connection(store, opener).filter(|store| store.has_news().unwrap_or(false)) else {
        return;
    };
    let Ok(found) = all_locks(store) else { return };
    for held in held {
        if !found.iter().any(|lock| lock.name == held.name && lock.token == held.token) {
            let reason = why_lost(store, &held.name, held.token);
            shared.lose(held.number, reason.unwrap_or_else(|| GONE.into()), false);
        }
    }
}

/// Waits until a lease has to be renewed, or there is something else to look at; the locks that are due,
/// or `None` at the end of the run.
fn wait_for_work(shared: &Shared, has_guard: bool) -> Option<Vec<Held>> {
    /// How soon a renewal that failed is tried again.
    const SOONEST: Duration = Duration::from_millis(20);
    let table = shared.table();
    if table.ended {
        return None;
    }
    let now = Moment::now();
    let next = table.held.iter().filter_map(Held::renew_at).min();
    let waits = [
        // A wait goes on by a clock that stands still while the machine is suspended, and leases do not.
        next.map(|next| next.since(now).clamp(SOONEST, LOOK)),
        (!table.commands.is_empty()).then(|| table.bounds().interval()),
        has_guard.then_some(LOOK),
    ];
    let table = match waits.into_iter().flatten().min() {
        Some(wait) => shared.wake.wait_timeout(table, wait).unwrap_or_else(PoisonError::into_inner).0,
        None => shared.wake.wait(table).unwrap_or_else(PoisonError::into_inner),
    };
    if table.ended {
        return None;
    }
    table.tell_commands();
    let now = Moment::now();
    let is_due = |held: &&Held| held.renew_at().is_some_and(|at| at <= now);
    Some(table.held.iter().filter(is_due).cloned().collect())
}

/// Notes that a lease was renewed.
fn extend(shared: &Shared, number: u64, lease: Lease) {
    let mut table = shared.table();
    // The script may have released it in the meantime.
    if let Some(held) = table.held.iter_mut().find(|held| held.number == number) {
        held.lease = Some(lease);
    }
    table.tell_commands();
    shared.publish(&table);
}

/// Kills the commands and releases the locks of a script that is stuck, before the program ends.
fn release_in_distress(shared: &Shared, store: Option<&dyn Store>) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let (held, commands) = {
        let mut table = shared.table();
        (std::mem::take(&mut table.held), std::mem::take(&mut table.commands))
    };
    for (_, command) in &commands {
        command.kill();
    }
    // Nobody is to have the lock while what ran under it goes on.
    if !commands.iter().all(|(_, command)| command.has_ended(PATIENCE)) {
        return;
    }
    if let Some(store) = store {
        for held in held {
            // What cannot be released runs out by itself.
            let _ = store.release(&held.name, held.token);
        }
    }
}

fn connection<'a>(store: &'a mut Option<Box<dyn Store>>, opener: &Opener) -> Option<&'a dyn Store> {
    if store.is_none() {
        *store = opener().ok();
    }
    store.as_deref()
}

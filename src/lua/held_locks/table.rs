//! The table of held locks, which the script and the keeper of the leases share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::store::{Lock, Token, renewal_period};
use crate::supervisor::{CommandDeadlines, Control, LeaseTerm};
use crate::text::escape::escape;
use crate::time::{BootInstant, Millis};

/// A lock that this run lost before it released it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostLock {
    pub lock: String,
    /// Who took it, or another reason; escaped.
    pub reason: String,
    /// Whether it was held since before the current attempt of a task: then the rest of the run was meant to
    /// happen under it.
    pub is_of_run: bool,
}

impl std::fmt::Display for LostLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lock {} was lost: {}", escape(self.lock.as_bytes()), self.reason)
    }
}

#[derive(Default)]
pub(super) struct Shared {
    pub table: Mutex<Table>,
    pub wake: Condvar,
    /// Notified once [`Table::is_watched`] is set.
    pub watched: Condvar,
    /// Whether a lost lock was not reported yet.
    pub has_lost: AtomicBool,
    /// When the first lease must be given up, as [`BootInstant::to_nanoseconds`]; 0 without one.
    pub give_up_at: AtomicU64,
}

#[derive(Default)]
pub(super) struct Table {
    pub held: Vec<HeldLock>,
    /// The id of the database that the locks are held in; `None` if it is not known.
    pub database: Option<String>,
    /// Whether the keeper has opened its connection, or could not.
    pub is_watched: bool,
    pub taken: u64,
    /// The last lock that was acquired before the current attempt of a task.
    pub taken_before: u64,
    pub ended: bool,
    /// Lost locks that were not reported yet.
    pub lost: VecDeque<LostLock>,
    /// Locks whose lease was not renewed in time, still to be released.
    pub given_up: Vec<HeldLock>,
    /// The running commands, by their numbers.
    pub commands: Vec<(u64, Control)>,
    pub commands_started: u64,
}

#[derive(Clone)]
pub(super) struct HeldLock {
    pub number: u64,
    pub name: String,
    pub holder: String,
    pub token: Token,
    pub acquired_at: Option<Millis>,
    /// `None` where it lasts until it is released.
    pub lease: Option<LeaseTerm>,
}

impl HeldLock {
    /// When its lease is renewed next.
    pub(super) fn renew_at(&self) -> Option<BootInstant> {
        self.lease.map(|lease| lease.ends_at.minus(lease.length - renewal_period(lease.length)))
    }

    /// Whether it is a lock of that name, and of that holder if one is given.
    pub(super) fn fits(&self, name: &str, holder: Option<&str>) -> bool {
        self.name == name && holder.is_none_or(|holder| self.holder == holder)
    }

    /// Whether a lock that was found is this one: another database may give the same token.
    pub(super) fn is(&self, lock: &Lock) -> bool {
        (&lock.name, lock.token, lock.acquired_at) == (&self.name, self.token, self.acquired_at)
    }

    pub(super) fn must_be_given_up(&self, now: BootInstant) -> bool {
        self.lease.is_some_and(|lease| lease.terminate_at() <= now)
    }
}

impl Shared {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates what other threads read without locking the table.
    pub(super) fn publish(&self, table: &Table) {
        let leases = table.held.iter().filter_map(|held| held.lease);
        let first = leases.map(|lease| lease.terminate_at().to_nanoseconds().max(1)).min();
        self.give_up_at.store(first.unwrap_or(0), Ordering::Release);
        self.has_lost.store(!table.lost.is_empty(), Ordering::Release);
    }

    /// Notes that a lock was lost, and terminates the running commands.
    pub(super) fn lose(&self, number: u64, reason: String, must_be_released: bool) {
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
    pub(super) fn note_loss(&mut self, held: &HeldLock, reason: String) {
        let is_of_run = held.number <= self.taken_before;
        self.lost.push_back(LostLock { lock: held.name.clone(), reason, is_of_run });
        for (_, command) in &self.commands {
            command.end();
        }
    }

    pub(super) fn bounds(&self) -> CommandDeadlines {
        CommandDeadlines::of(self.held.iter().filter_map(|held| held.lease))
    }

    /// Sends the running commands their deadlines.
    pub(super) fn tell_commands(&self) {
        for (_, command) in &self.commands {
            command.bound(self.bounds());
        }
    }
}

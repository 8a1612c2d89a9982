//! The list of locks, and of entries used as locks.

use super::{LIST_VALUE, PIECE, Reading};
use crate::store::{KeyRange, Lock, Scan, StoreError, Waiter};
use crate::tui::action::View;
use crate::tui::effect::From;
use crate::tui::row::{LockRow, Row, RowOrder};

/// The most locks that are read.
const LOCKS: usize = 5000;

impl Reading<'_> {
    /// Locks are few: they are always read all.
    pub(super) fn read_locks(&mut self) -> Result<(), StoreError> {
        let waiters = self.store.waiters()?;
        let locks = self.store.locks(None, LOCKS)?;
        let now = self.store.clock().now();
        let passing = locks.into_iter().filter(|lock| self.load.filter.passes_lock(lock, now));
        let rows: Vec<Row> = passing.map(|lock| Row::Lock(self.lock_row(lock, &waiters))).collect();
        self.found.extend(rows);
        self.load.from = From::Start;
        self.load.limit = usize::MAX;
        let mut scan = Scan::new(KeyRange::all(), PIECE);
        loop {
            let now = self.store.clock().now();
            let keys = self.store.scan_keys(&scan)?;
            scan.after = keys.last().cloned();
            for key in keys.iter().filter(|key| self.store.kinds().may_be_lock(key)) {
                if let Some(entry) = self.store.peek(key, LIST_VALUE)?
                    && View::Locks.takes(&entry, &self.load.filter, now)
                {
                    self.found.push(Row::Entry(entry));
                }
            }
            if keys.len() < PIECE {
                if let Some(sort) = self.load.sort {
                    self.found.sort_by_cached_key(|row| row.position(RowOrder::Sorted(sort)));
                }
                self.finish(true);
                return Ok(());
            }
            if self.is_outdated() {
                return Ok(());
            }
            self.looked_at += keys.len() as u64;
        }
    }

    pub(super) fn lock_row(&self, lock: Lock, waiters: &[Waiter]) -> LockRow {
        let waiting = waiters.iter().filter(|waiter| waiter.lock == lock.name);
        LockRow {
            liveness: lock.liveness(self.here),
            waiting: waiting.map(|waiter| (waiter.holder.clone(), waiter.since)).collect(),
            lock,
        }
    }
}

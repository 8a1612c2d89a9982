//! The list of locks, and of entries used as locks.

use crate::store::{Lock, StoreError, Waiter, all_locks};
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, LockRow, Row, RowOrder};
use crate::tui::view::View;

impl ListReader<'_> {
    /// Locks are few: they are always read all.
    pub fn read_locks(&mut self) -> Result<(), StoreError> {
        if !self.follow_lock_keys()? {
            return Ok(());
        }
        let waiters = self.store.waiters()?;
        let locks = all_locks(self.store)?;
        let now = self.store.clock().now();
        let passing = locks.into_iter().filter(|lock| self.load.filter.passes_lock(lock, now));
        let rows: Vec<Row> = passing.map(|lock| Row::Lock(self.lock_row(lock, &waiters))).collect();
        self.found.extend(rows);
        // What cannot be read of another program's file does not keep ours from being shown.
        let of_stacks = self.store.stacks().unwrap_or_default().locks.into_iter().map(LockRow::of_stack);
        let passing = of_stacks.filter(|row| self.load.filter.passes_lock(&row.lock, now));
        let rows: Vec<Row> = passing.map(Row::Lock).collect();
        self.found.extend(rows);
        self.load.from = LoadFrom::Start;
        self.load.limit = usize::MAX;
        for key in self.kept.lock_keys.keys() {
            if let Some(entry) = self.store.get_prefix(key, LIST_VALUE)?
                && View::Locks.takes(&entry, &self.load.filter, now)
            {
                self.found.push(Row::Entry(entry));
            }
        }
        let order = self.load.sort.map_or(RowOrder::DeadFirst, RowOrder::Sorted);
        self.found.sort_by_cached_key(|row| row.position(order));
        self.finish(true);
        Ok(())
    }

    /// Brings the keys that look like locks up to date; false if nobody wants to know any more.
    pub fn follow_lock_keys(&mut self) -> Result<bool, StoreError> {
        let (lists, generation) = (self.lists, self.load.generation);
        let mut scanned = 0;
        let followed = self.kept.lock_keys.follow(self.store, &mut |keys| {
            scanned += keys as u64;
            !lists.is_cancelled(generation)
        });
        self.scanned += scanned;
        followed
    }

    pub fn lock_row(&self, lock: Lock, waiters: &[Waiter]) -> LockRow {
        LockRow::of(lock, waiters, self.store, self.here)
    }
}

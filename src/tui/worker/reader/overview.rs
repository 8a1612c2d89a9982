//! What needs a look: who holds which lock, what failed, what changes most, what expires next.

use std::collections::HashMap;
use std::time::Duration;

use super::{LIST_VALUE, Reading, send};
use crate::store::{Change, HistoryScan, Liveness, Millis, Run, StoreError};
use crate::tui::effect::{Answer, From};
use crate::tui::overview::{LATELY, Overview, Section};
use crate::tui::row::{LockRow, Row, RowId, RunRow};

/// The most locks, runs and changes that are looked at.
const LOCKS: usize = 5000;
const RUNS: usize = 300;
const CHANGES: usize = 10_000;
/// The most entries that are looked at for those that expire next.
const SOON: usize = 500;
/// The least rows of a section, however small the screen.
const LEAST: usize = 3;
/// How long a run that failed is worth a look.
const RUNS_OF: Duration = Duration::from_secs(24 * 3600);

impl Reading<'_> {
    /// Of each section as many rows as have room: what one does not need, the others have.
    pub(super) fn read_overview(&mut self) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        let mut overview = Overview::default();
        let locks = self.held_locks(&mut overview, now)?;
        let runs = self.runs_that_failed(&mut overview, now)?;
        let changes = self.what_changes_most(&mut overview, now)?;
        let mut expiring = self.store.scan_expiring(None, SOON, LIST_VALUE)?;
        expiring.retain(|entry| self.load.filter.passes(entry, now));
        overview.counts[Section::Expiring as usize] = expiring.len() as u64;
        let expiring = expiring.into_iter().map(Row::Entry).collect();
        let mut sections = [locks, runs, changes, expiring];
        let room = self.load.limit.max(Section::ALL.len() * LEAST);
        let shares = shares(sections.each_ref().map(Vec::len), room);
        for (rows, share) in sections.iter_mut().zip(shares) {
            rows.truncate(share);
        }
        overview.rows = sections.each_ref().map(Vec::len);
        send(self.answers, Answer::Overview(self.load.epoch, overview));
        self.found = sections.into_iter().flatten().collect();
        self.load.from = From::Start;
        self.load.limit = usize::MAX;
        self.finish(true);
        Ok(())
    }

    /// The locks, those first whose holders are dead, then those that are held longest.
    fn held_locks(&self, overview: &mut Overview, now: Millis) -> Result<Vec<Row>, StoreError> {
        let waiters = self.store.waiters()?;
        let mut locks: Vec<LockRow> =
            self.store.locks(None, LOCKS)?.into_iter().map(|lock| self.lock_row(lock, &waiters)).collect();
        locks.retain(|row| self.load.filter.passes_lock(&row.lock, now));
        let trouble = |row: &LockRow| match (row.liveness, row.lock.is_expired(now)) {
            (Liveness::Dead, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        locks.sort_by_key(|row| (trouble(row), row.lock.acquired_at));
        overview.counts[Section::Locks as usize] = locks.len() as u64;
        overview.dead = locks.iter().filter(|row| row.liveness == Liveness::Dead).count() as u64;
        Ok(locks.into_iter().map(Row::Lock).collect())
    }

    /// The runs of the last day that did not end well, the newest first.
    fn runs_that_failed(&self, overview: &mut Overview, now: Millis) -> Result<Vec<Row>, StoreError> {
        let began_lately = |run: &Run| now.since(run.began_at) < RUNS_OF;
        let runs = self.store.runs(None, RUNS)?.into_iter().take_while(began_lately);
        let mut rows = Vec::new();
        for run in runs {
            let row = RunRow::of(run, self.here);
            if !self.load.filter.passes_run(&row.run, &row.status, now) {
                continue;
            }
            match row.status.as_str() {
                "done" => {}
                "running" => overview.running += 1,
                _ => rows.push(Row::Run(Box::new(row))),
            }
        }
        overview.counts[Section::Runs as usize] = rows.len() as u64;
        Ok(rows)
    }

    /// The last change of what changed most in the last minutes.
    fn what_changes_most(&self, overview: &mut Overview, now: Millis) -> Result<Vec<Row>, StoreError> {
        let scan = HistoryScan { value_limit: LIST_VALUE, ..HistoryScan::newest(CHANGES) };
        let page = self.store.history(&scan)?;
        overview.is_cut = page.len() == CHANGES;
        let filter = &self.load.filter;
        let lately = page.into_iter().take_while(|change| now.since(change.recorded_at) < LATELY);
        let lately = lately.filter(|change| filter.passes_change(change, now));
        let mut last: HashMap<RowId, (Change, u64)> = HashMap::new();
        for change in lately {
            overview.changes += 1;
            last.entry(RowId::subject_of(&change)).or_insert((change, 0)).1 += 1;
        }
        let mut last: Vec<(Change, u64)> = last.into_values().collect();
        last.sort_by_key(|(change, count)| std::cmp::Reverse((*count, change.revision)));
        overview.counts[Section::Changes as usize] = last.len() as u64;
        overview.times =
            last.iter().map(|(change, count)| (change.revision, *count)).take(self.load.limit).collect();
        Ok(last.into_iter().map(|(change, _)| Row::Change(change)).collect())
    }
}

/// How many rows each section has of `room`, where it could use so many.
fn shares(wanted: [usize; 4], room: usize) -> [usize; 4] {
    let mut shares = [0; 4];
    for _ in 0..room {
        let poorest =
            (0..4).filter(|place| shares[*place] < wanted[*place]).min_by_key(|place| shares[*place]);
        let Some(poorest) = poorest else { break };
        shares[poorest] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_one_section_does_not_need_goes_to_the_others() {
        assert_eq!(shares([9, 9, 9, 9], 16), [4, 4, 4, 4]);
        assert_eq!(shares([1, 0, 20, 20], 16), [1, 0, 8, 7]);
        assert_eq!(shares([1, 1, 1, 1], 16), [1, 1, 1, 1]);
    }
}

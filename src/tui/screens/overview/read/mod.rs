//! What needs a look: who holds which lock, what failed, what changes most, what expires next.
//!
//! It is all read once, and then followed: what is known of runs, of keys that look like locks and of the
//! changes of the last minutes is kept from one reading to the next.

pub mod activity;
pub mod failures;

use crate::store::{
    Changes, Entry, Liveness, Revision, StoreError, all_locks, expiring_pages, kind_inference,
};
use crate::time::Millis;
use crate::tui::effect::Reply;
use crate::tui::list;
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, LockRow, Row};
use crate::tui::message::send;
use crate::tui::screens::overview::read::activity::{Activity, Followed};
use crate::tui::screens::overview::read::failures::FailedRuns;
use crate::tui::screens::overview::state::{Counted, Expiring, Overview, Section};
use crate::tui::view::View;

/// How many entries are looked at together for those that expire next, and how many at most.
const SOON: usize = 500;
const SOON_AT_MOST: u64 = 10_000;
/// The least rows of a section, however small the screen.
const LEAST: usize = 3;

/// What is kept of the overview from one reading to the next.
#[derive(Default)]
pub struct Board {
    runs: FailedRuns,
    activity: Option<Activity>,
}

impl ListReader<'_> {
    /// Of each section as many rows as have room: what one does not need, the others have.
    pub fn read_overview(&mut self) -> Result<(), StoreError> {
        let kept = self.kept.overview.take().and_then(|kept| kept.downcast::<Board>().ok());
        let mut board = kept.unwrap_or_default();
        let read = self.read_board(&mut board);
        self.kept.overview = Some(board);
        read
    }

    fn read_board(&mut self, board: &mut Board) -> Result<(), StoreError> {
        self.load.from = LoadFrom::Start;
        let room = self.load.limit.max(Section::ALL.len() * LEAST);
        self.load.limit = usize::MAX;
        let (lists, generation) = (self.lists, self.load.generation);
        let stops = || lists.is_cancelled(generation);
        if !board.runs.follow(self.store, self.here, &stops)? {
            return Ok(());
        }
        board.activity.take_if(|activity| !activity.matches(&self.load.filter));
        // Counting the last minutes and looking through all keys may take a while: what is known is shown.
        if board.activity.is_none() || self.kept.lock_keys.is_new() {
            self.show(board, room, false)?;
        }
        if !self.follow_lock_keys()? || !self.follow_activity(board, &stops)? {
            return Ok(());
        }
        self.show(board, room, true)
    }

    /// Counts the changes of the last minutes; false if nobody wants to know any more.
    fn follow_activity(&self, board: &mut Board, stops: &dyn Fn() -> bool) -> Result<bool, StoreError> {
        if let Some(activity) = &mut board.activity {
            match activity.follow(self.store, stops)? {
                Followed::All => return Ok(true),
                Followed::Stopped => return Ok(false),
                Followed::Lost => {}
            }
        }
        board.activity = None;
        if matches!(self.store.changes(Revision::default(), 1, 0)?, Changes::NotRecorded) {
            return Ok(true);
        }
        board.activity = Activity::read(self.store, &self.load.filter, stops)?;
        Ok(board.activity.is_some())
    }

    /// Hands over figures and rows; with `is_all` they are complete.
    fn show(&mut self, board: &mut Board, room: usize, is_all: bool) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        let mut overview = Overview::default();
        let locks = self.held_locks(&mut overview, is_all, now)?;
        let (failures, runs) = board.runs.shown(&self.load.filter, now);
        overview.failures = failures;
        let runs: Vec<Row> = runs.into_iter().map(|row| Row::Run(Box::new(row))).collect();
        let mut changes = Vec::new();
        overview.lately = match board.activity.as_mut().filter(|_| is_all) {
            Some(activity) => {
                for (change, times) in activity.most(self.store, room)? {
                    overview.times.insert(change.revision, times);
                    changes.push(Row::Change(change));
                }
                Counted::All(activity.figures())
            }
            None if is_all => Counted::NotRecorded,
            None => Counted::NotYet,
        };
        let expiring = self.expiring(&mut overview, room, now)?.into_iter().map(Row::Entry).collect();
        let mut sections = [locks, runs, changes, expiring];
        let shares = shares(sections.each_ref().map(Vec::len), room);
        for (rows, share) in sections.iter_mut().zip(shares) {
            rows.truncate(share);
        }
        overview.rows = sections.each_ref().map(Vec::len);
        if self.is_outdated() {
            return Ok(());
        }
        send(self.answers, Reply::Overview(self.load.generation, overview));
        self.found = sections.into_iter().flatten().collect();
        // These rows take the place of those that were shown before.
        self.any_sent = false;
        self.hand_over(true, is_all);
        Ok(())
    }

    /// The locks, those first whose holders are dead, then those that are held longest; then the keys
    /// that are used as locks.
    fn held_locks(
        &self,
        overview: &mut Overview,
        with_keys: bool,
        now: Millis,
    ) -> Result<Vec<Row>, StoreError> {
        let waiters = self.store.waiters()?;
        let mut locks: Vec<LockRow> =
            all_locks(self.store)?.into_iter().map(|lock| self.lock_row(lock, &waiters)).collect();
        locks.retain(|row| self.load.filter.passes_lock(&row.lock, now));
        let trouble = |row: &LockRow| match (row.liveness, row.lock.is_expired(now)) {
            (Liveness::Dead, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        locks.sort_by_key(|row| (trouble(row), row.lock.acquired_at));
        overview.locks = locks.len() as u64;
        overview.dead = locks.iter().filter(|row| row.liveness == Liveness::Dead).count() as u64;
        let mut rows: Vec<Row> = locks.into_iter().map(Row::Lock).collect();
        if with_keys {
            let before = rows.len();
            for key in self.kept.lock_keys.keys() {
                let entry = self.store.get_prefix(key, LIST_VALUE)?;
                let is_lock = |entry: &Entry| View::Locks.takes(entry, &self.load.filter, now);
                rows.extend(entry.filter(is_lock).map(Row::Entry));
            }
            overview.lock_keys = Some((rows.len() - before) as u64);
        }
        Ok(rows)
    }

    /// The entries that expire first, as many as there is room for, without those that are among the locks:
    /// no row is there twice.
    fn expiring(&self, overview: &mut Overview, room: usize, now: Millis) -> Result<Vec<Entry>, StoreError> {
        let value_limit = self.load.filter.value_bytes().unwrap_or(LIST_VALUE);
        let mut soon: Vec<Entry> = Vec::new();
        let (mut scanned, mut among_locks) = (0, 0);
        let mut is_last = true;
        for page in expiring_pages(self.store, None, SOON, value_limit) {
            let page = page?;
            is_last = page.len() < SOON;
            scanned += page.len() as u64;
            let passing = page.into_iter().filter(|entry| self.load.filter.passes(entry, now));
            let (locks, others): (Vec<Entry>, Vec<Entry>) =
                passing.partition(kind_inference::is_used_as_lock);
            among_locks += locks.len() as u64;
            soon.extend(others.into_iter().map(list::read::shortened));
            if soon.len() >= room || scanned >= SOON_AT_MOST || self.is_outdated() {
                break;
            }
            is_last = true;
        }
        soon.truncate(room);
        overview.expiring = match soon.is_empty() && among_locks == 0 {
            false => Expiring::Some { among_locks },
            true if is_last => Expiring::None,
            true => Expiring::NoneOf(scanned),
        };
        Ok(soon)
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

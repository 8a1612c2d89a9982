//! What takes its time and is not waited for: each kind of question is answered in its turn, and
//! only the newest of a kind.

use std::collections::HashSet;

use crate::store::{HistoryScan, Key, KeyRange, Revision, Scan, Store, StoreError, Subject};
use crate::tui::effect::{Figure, Reply};
use crate::tui::list::{GroupSize, RowId};
use crate::tui::screens::value::detail::RecentChanges;

/// How much of each value of a past change is read, in bytes.
const VALUE: u64 = 256;
/// How many of the last changes are read to tell how numbers went up and down, and how much of each
/// value, in bytes.
const RECENT: usize = 10_000;
const NUMBER: u64 = 64;
/// How many keys are counted between two looks for something more urgent.
const PIECE: usize = 10_000;

/// The newest request of each kind.
#[derive(Default)]
pub struct PendingFigures {
    count: bool,
    past: Option<RowId>,
    recent: bool,
    known: Option<Vec<Revision>>,
    weighing: GroupCounting,
}

/// The counting of what is in groups, which goes on piece by piece when nothing else is wanted.
#[derive(Default)]
struct GroupCounting {
    /// The groups that are left, the next one last.
    groups: Vec<Key>,
    /// The last key that was counted of the next one.
    after: Option<Key>,
    keys: u64,
    bytes: u64,
}

impl GroupCounting {
    fn of(mut groups: Vec<Key>) -> GroupCounting {
        groups.reverse();
        GroupCounting { groups, ..GroupCounting::default() }
    }

    /// Counts a piece of the next group; `None` if there is none.
    fn step(&mut self, store: &dyn Store) -> Option<Result<Reply, StoreError>> {
        let prefix = self.groups.last()?.clone();
        let scan = Scan { after: self.after.take(), ..Scan::new(KeyRange::beginning(&prefix), PIECE) };
        let weight = match store.measure(&scan) {
            Ok(weight) => weight,
            Err(error) => {
                *self = GroupCounting::default();
                return Some(Err(error));
            }
        };
        self.keys += weight.entries;
        self.bytes += weight.bytes;
        let is_all = weight.last.is_none();
        let size = GroupSize { keys: self.keys, bytes: self.bytes, is_all, is_old: false };
        if is_all {
            self.groups.pop();
            (self.keys, self.bytes) = (0, 0);
        }
        self.after = weight.last;
        Some(Ok(Reply::Weighed(prefix, size)))
    }
}

impl PendingFigures {
    /// Takes in a request: it replaces an earlier one of its kind.
    pub fn add(&mut self, figure: Figure) {
        match figure {
            Figure::Count => self.count = true,
            Figure::Past(of) => self.past = Some(of),
            Figure::Recent => self.recent = true,
            Figure::Known(revisions) => self.known = Some(revisions),
            Figure::Weigh(groups) => self.weighing = GroupCounting::of(groups),
        }
    }

    /// Answers the most urgent request; `None` if there is none. `own` is who makes changes here.
    pub fn answer(&mut self, store: &dyn Store, own: &str) -> Option<Reply> {
        let answer = if let Some(of) = self.past.take() {
            past(store, of).map(Reply::Past)
        } else if std::mem::take(&mut self.count) {
            store.count(&KeyRange::all()).map(Reply::Count)
        } else if std::mem::take(&mut self.recent) {
            let scan = HistoryScan { value_limit: NUMBER, ..HistoryScan::newest(RECENT) };
            store.history(&scan).map(Reply::Recent)
        } else if let Some(revisions) = self.known.take() {
            known(store, &revisions, own).map(|known| Reply::Known(revisions, known))
        } else {
            return None;
        };
        Some(answer.unwrap_or_else(Reply::failed))
    }

    /// Counts a piece of what is in groups of keys; `None` if all is counted.
    pub fn weigh(&mut self, store: &dyn Store) -> Option<Reply> {
        Some(self.weighing.step(store)?.unwrap_or_else(Reply::failed))
    }
}

/// Those of the changes that are in history, made by that actor.
fn known(store: &dyn Store, revisions: &[Revision], actor: &str) -> Result<HashSet<Revision>, StoreError> {
    let mut known = HashSet::new();
    for revision in revisions {
        let found = store.change(*revision, 0)?;
        known.extend(found.filter(|change| change.actor.name == actor).map(|change| change.revision));
    }
    Ok(known)
}

fn past(store: &dyn Store, of: RowId) -> Result<RecentChanges, StoreError> {
    let (key, subject) = match &of {
        RowId::Entry(key) => (Some(key.clone()), Subject::Entry),
        RowId::Lock(name) => (Key::new(name).ok(), Subject::Lock),
        RowId::Change(_) | RowId::Group(_) | RowId::Run(_) => {
            return Ok(RecentChanges { of, changes: Vec::new() });
        }
    };
    let scan = HistoryScan {
        key,
        subject: Some(subject),
        value_limit: VALUE,
        ..HistoryScan::newest(RecentChanges::MOST)
    };
    Ok(RecentChanges { of, changes: store.history(&scan)? })
}

//! Reads the past: where a step leads to, the changes around it, and the entries then and now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use super::bulk::Telling;
use super::reader::{TREE_VALUE, first_piece, send};
use crate::store::{
    Change, Changes, Entry, HistoryScan, HistorySpan, Key, KeyRange, Moment, Order, Revision, Scan, Store,
    StoreError, Subject, When,
};
use crate::tui::action::View;
use crate::tui::bulk::{self, Progress, TOGETHER, Told};
use crate::tui::effect::Answer;
use crate::tui::filter::Filter;
use crate::tui::message::Message;
use crate::tui::travel::{
    Differ, Difference, Differing, Goal, Page, Place, STRIP, ThenAndNow, Visit, Visited,
};

/// How much of each value is read, in bytes.
const VALUE: u64 = 1024;
/// How much of it is kept of an entry that is marked.
const MARKED: usize = 64;
/// How many entries are looked at between two looks for a newer question.
const PIECE: usize = 500;

/// What is asked about the past.
pub enum Question {
    /// The state around a moment, under this number.
    Visit(u64, Visit),
    /// One entry, with more of its value.
    Look(u64, Key, Moment),
}

/// Answers questions about the past; of those about a whole state only the newest that waits.
pub fn run(store: &dyn Store, questions: &Receiver<Question>, answers: &Sender<Message>, newest: &AtomicU64) {
    while let Ok(question) = questions.recv() {
        let (number, visit) = match question {
            Question::Visit(number, visit) => (number, visit),
            Question::Look(number, key, moment) => {
                send(answers, Answer::LookedBack(number, look(store, &key, moment)));
                continue;
            }
        };
        let is_outdated = || newest.load(Ordering::SeqCst) != number;
        if is_outdated() {
            continue;
        }
        match (Visiting { store, visit, is_outdated: &is_outdated }).answer() {
            Ok(Some(visited)) => send(answers, Answer::Visited(number, Box::new(Ok(visited)))),
            // Nobody wants it any more.
            Ok(None) => {}
            Err(error) => send(answers, Answer::Visited(number, Box::new(Err(error)))),
        }
    }
}

/// An entry as it was, with so much of its value: where several are read of one moment, what became
/// of them is looked up once, which reading each by itself is not.
pub(super) fn entry_at(
    store: &dyn Store,
    key: &Key,
    moment: Moment,
    value_limit: u64,
) -> Result<Option<Entry>, StoreError> {
    let scan = Scan { value_limit, ..Scan::new(KeyRange::only(key), 1) };
    Ok(store.scan_at(&scan, moment)?.pop())
}

/// An entry as it was, with the first piece of its value.
fn look(store: &dyn Store, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError> {
    Ok(entry_at(store, key, moment, TREE_VALUE)?.map(first_piece))
}

struct Visiting<'a> {
    store: &'a dyn Store,
    visit: Visit,
    is_outdated: &'a dyn Fn() -> bool,
}

impl Visiting<'_> {
    fn answer(mut self) -> Result<Option<Visited>, StoreError> {
        let page = self.visit.from.clone();
        if let Goal::Stay(moment) = self.visit.goal {
            let rows = self.rows(moment)?;
            return Ok(rows.map(|(rows, is_end)| Visited { place: None, page, rows, is_end, pruned: None }));
        }
        let mut pruned = None;
        let place = match self.place() {
            Err(error @ StoreError::Pruned { .. }) => {
                pruned = Some(error);
                self.visit.goal = Goal::Oldest;
                self.place()?
            }
            place => place?,
        };
        let rows = self.rows(place.moment)?;
        Ok(rows.map(|(rows, is_end)| Visited { place: Some(place), page, rows, is_end, pruned }))
    }

    /// Where the goal is.
    fn place(&self) -> Result<Place, StoreError> {
        let Some(span) = self.store.history_span()? else {
            // The store says why there is none.
            let moment = self.store.moment(When::Revision(Revision(0)))?;
            return Err(StoreError::NotYet { newest: moment.revision });
        };
        let when = match self.visit.goal {
            Goal::Newest => When::Revision(span.newest.0),
            Goal::Oldest => When::Revision(before(span.oldest.0)),
            Goal::When(when) => when,
            Goal::Stay(moment) => When::Revision(moment.revision),
            Goal::Steps(from, by) => When::Revision(self.step(from, by, &span)?),
        };
        let moment = self.store.moment(when)?;
        let earlier = HistoryScan {
            subject: Some(Subject::Entry),
            before: Some(Revision(moment.revision.0 + 1)),
            value_limit: 0,
            ..HistoryScan::newest(STRIP)
        };
        let before = self.store.history(&earlier)?;
        let after = self.later(moment.revision, STRIP)?;
        Ok(Place { moment, span, before, after })
    }

    /// The revision so many changes of entries on, or back; no further than history goes.
    fn step(&self, from: Revision, by: isize, span: &HistorySpan) -> Result<Revision, StoreError> {
        let count = by.unsigned_abs();
        if by > 0 {
            let later = self.later(from, count)?;
            return Ok(later.get(count - 1).map_or(span.newest.0, |change| change.revision));
        }
        let scan = HistoryScan {
            subject: Some(Subject::Entry),
            before: Some(Revision(from.0 + 1)),
            value_limit: 0,
            ..HistoryScan::newest(count + 1)
        };
        let earlier = self.store.history(&scan)?;
        Ok(earlier.get(count).map_or(before(span.oldest.0), |change| change.revision))
    }

    /// The changes of entries after a revision, the oldest first.
    fn later(&self, revision: Revision, count: usize) -> Result<Vec<Change>, StoreError> {
        let mut later = Vec::new();
        let mut since = revision;
        while later.len() < count {
            let page = match self.store.changes(since, STRIP, 0)? {
                Changes::Since(page) => page,
                Changes::Pruned { oldest } => {
                    since = before(oldest);
                    continue;
                }
                Changes::NotRecorded => break,
            };
            let Some(last) = page.last() else { break };
            since = last.revision;
            later.extend(page.into_iter().filter(|change| change.subject == Subject::Entry));
        }
        later.truncate(count);
        Ok(later)
    }

    /// The rows that are wanted, and whether the list ends with them; `None` if nobody wants them any
    /// more.
    fn rows(&self, moment: Moment) -> Result<Option<(Vec<ThenAndNow>, bool)>, StoreError> {
        if self.visit.only_different {
            return self.different(moment);
        }
        let bytes = self.visit.filter.value_bytes().unwrap_or(VALUE).max(VALUE);
        let mut scan = Scan { value_limit: bytes, ..Scan::new(KeyRange::all(), PIECE) };
        match &self.visit.from {
            Page::From(key) => scan.range.start = key.clone(),
            Page::After(key) => scan.after = Some(key.clone()),
            Page::Before(key) => {
                scan.after = Some(key.clone());
                scan.order = Order::Descending;
            }
        }
        let mut rows = Vec::new();
        loop {
            let (page, last) = self.page(&scan, moment)?;
            rows.extend(page.into_iter().filter(|row| self.passes(row, moment)).map(shortened));
            let is_end = last.is_none();
            if is_end || rows.len() > self.visit.limit {
                let is_end = is_end && rows.len() <= self.visit.limit;
                rows.truncate(self.visit.limit);
                if scan.order == Order::Descending {
                    rows.reverse();
                }
                return Ok(Some((rows, is_end)));
            }
            if (self.is_outdated)() {
                return Ok(None);
            }
            scan.after = last;
        }
    }

    /// The entries of the next keys, and where to go on if there may be more.
    fn page(&self, scan: &Scan, moment: Moment) -> Result<(Vec<ThenAndNow>, Option<Key>), StoreError> {
        let now = self.store.scan(scan)?;
        // What follows a full page is not known of now: nor is it wanted of then. Of a time before
        // anything was there all keys would have to be gone through.
        let mut earlier = scan.clone();
        if let Some(last) = now.last().filter(|_| now.len() >= scan.limit) {
            match scan.order {
                Order::Ascending => earlier.range.end = Some(last.key.successor()),
                Order::Descending => earlier.range.start = Some(last.key.clone()),
            }
        }
        let then = self.store.scan_at(&earlier, moment)?;
        let is_within = |key: &Key, last: &Key| match scan.order {
            Order::Ascending => key <= last,
            Order::Descending => key >= last,
        };
        // Beyond the last key of a full page it is not known what the other one has there.
        let ends = [&then, &now].map(|page| {
            let is_full = page.len() >= scan.limit;
            page.last().filter(|_| is_full).map(|entry| entry.key.clone())
        });
        let last = match ends {
            [Some(then), Some(now)] => Some(if is_within(&then, &now) { then } else { now }),
            [then, now] => then.or(now),
        };
        let mut rows = std::collections::BTreeMap::new();
        let is_known = |entry: &Entry| last.as_ref().is_none_or(|last| is_within(&entry.key, last));
        for entry in then.into_iter().filter(&is_known) {
            rows.insert(entry.key.clone(), (Some(entry), None));
        }
        for entry in now.into_iter().filter(&is_known) {
            let both = rows.entry(entry.key.clone()).or_insert((None, None));
            both.1 = Some(entry);
        }
        let mut rows: Vec<ThenAndNow> =
            rows.into_iter().map(|(key, (then, now))| ThenAndNow { key, then, now }).collect();
        if scan.order == Order::Descending {
            rows.reverse();
        }
        Ok((rows, last))
    }

    /// Those that are not the same now: they are found without looking at the others.
    fn different(&self, moment: Moment) -> Result<Option<(Vec<ThenAndNow>, bool)>, StoreError> {
        let differing = Differing { moment, view: self.visit.view, filter: self.visit.filter.clone() };
        let after = match &self.visit.from {
            Page::After(key) => Some(key.clone()),
            Page::From(_) | Page::Before(_) => None,
        };
        let mut walk = Walk::new(self.store, &differing, after)?;
        let mut rows = Vec::new();
        loop {
            rows.extend(walk.next()?);
            if walk.is_end || rows.len() >= self.visit.limit {
                return Ok(Some((rows, walk.is_end)));
            }
            if (self.is_outdated)() {
                return Ok(None);
            }
        }
    }

    /// Whether an entry belongs into the list, by what it was or by what it is.
    fn passes(&self, row: &ThenAndNow, moment: Moment) -> bool {
        passes(self.store, (self.visit.view, &self.visit.filter), row, moment)
    }
}

fn passes(store: &dyn Store, (view, filter): (View, &Filter), row: &ThenAndNow, moment: Moment) -> bool {
    let now = store.clock().now();
    row.then.as_ref().is_some_and(|entry| view.takes(entry, filter, moment.at))
        || row.now.as_ref().is_some_and(|entry| view.takes(entry, filter, now))
}

/// A walk through what is not the same now as it was.
struct Walk<'a> {
    store: &'a dyn Store,
    differing: &'a Differing,
    present: Moment,
    after: Option<Key>,
    looked_at: u64,
    is_end: bool,
}

impl Walk<'_> {
    fn new<'a>(
        store: &'a dyn Store,
        differing: &'a Differing,
        after: Option<Key>,
    ) -> Result<Walk<'a>, StoreError> {
        let present = store.moment(When::Revision(store.revision()?))?;
        Ok(Walk { store, differing, present, after, looked_at: 0, is_end: false })
    }

    /// The next of them, of some [`PIECE`] keys.
    fn next(&mut self) -> Result<Vec<ThenAndNow>, StoreError> {
        let Differing { moment, view, filter } = self.differing;
        let bytes = filter.value_bytes().unwrap_or(VALUE).max(VALUE);
        let page = self.store.differences(*moment, self.present, self.after.as_ref(), PIECE)?;
        self.is_end = page.len() < PIECE;
        self.looked_at += page.len() as u64;
        self.after = page.last().map(|difference| difference.key.clone());
        let mut rows = Vec::new();
        for difference in page {
            let then = entry_at(self.store, &difference.key, *moment, bytes)?;
            let now = self.store.peek(&difference.key, bytes)?;
            let row = ThenAndNow { key: difference.key, then, now };
            let is_there = row.then.is_some() || row.now.is_some();
            if is_there
                && row.difference() != Difference::None
                && passes(self.store, (*view, filter), &row, *moment)
            {
                rows.push(shortened(row));
            }
        }
        Ok(rows)
    }
}

/// All that is not the same now, up to as many as are changed together; `None` if it was stopped.
pub fn differ(
    store: &dyn Store,
    differing: &Differing,
    tell: &dyn Fn(Told),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Differ>, StoreError> {
    let mut walk = Walk::new(store, differing, None)?;
    let mut entries = Vec::new();
    let mut telling = Telling::new();
    while !walk.is_end && entries.len() <= TOGETHER {
        if stopped() {
            return Ok(None);
        }
        for row in walk.next()? {
            // The beginning of a value is enough to know the entry again: its revision tells the rest.
            let now = row.now.map(|entry| Entry {
                stored: entry.stored[..entry.stored.len().min(MARKED)].to_vec(),
                ..entry
            });
            entries.push((row.key, now));
        }
        if telling.is_due() {
            let words = format!("marking what is not the same now: {}", bulk::entries(entries.len() as u64));
            tell(Told::Progress(Progress { words }));
        }
    }
    let has_more = entries.len() > TOGETHER;
    entries.truncate(TOGETHER);
    Ok(Some(Differ { entries, has_more }))
}

/// What a filter had to read beyond what a row shows is not kept.
fn shortened(mut row: ThenAndNow) -> ThenAndNow {
    for entry in [&mut row.then, &mut row.now].into_iter().flatten() {
        entry.stored.truncate(VALUE as usize);
    }
    row
}

/// What was until a revision was made.
fn before(revision: Revision) -> Revision {
    Revision(revision.0 - 1)
}

//! Reads the past: where a step leads to, the changes around it, and the entries then and now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use super::bulk::Telling;
use super::reader::sorted::MOST;
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

/// The rows that were read, if they are not too many, and whether the list ends with them.
struct Rows {
    rows: Option<Vec<ThenAndNow>>,
    is_end: bool,
}

impl Visiting<'_> {
    fn answer(mut self) -> Result<Option<Visited>, StoreError> {
        let page = self.visit.from.clone();
        if let Goal::Stay(moment) = self.visit.goal {
            let read = self.rows(moment)?;
            return Ok(read.map(|Rows { rows, is_end }| Visited {
                place: None,
                page,
                rows,
                is_end,
                pruned: None,
            }));
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
        let read = self.rows(place.moment)?;
        Ok(read.map(|Rows { rows, is_end }| Visited { place: Some(place), page, rows, is_end, pruned }))
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
    /// more. Of a list that is sorted there are none if they are too many.
    fn rows(&self, moment: Moment) -> Result<Option<Rows>, StoreError> {
        let Visit { filter, only_different, sort, .. } = &self.visit;
        let limit = sort.map_or(self.visit.limit, |_| MOST);
        let present = only_different.then(|| present(self.store)).transpose()?;
        let takes_all = filter.is_empty() && self.visit.view == View::Keys && sort.is_none();
        let mut scan = scan_for(filter, if takes_all { limit + 1 } else { PIECE });
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
            let (page, last) = match present {
                Some(present) => differing(self.store, &scan, (moment, present))?,
                None => self.page(&scan, moment)?,
            };
            rows.extend(page.into_iter().filter(|row| self.passes(row, moment)).map(shortened));
            let is_end = last.is_none();
            if is_end || rows.len() > limit {
                let is_end = is_end && rows.len() <= limit;
                if let Some(sort) = sort {
                    rows.sort_by_cached_key(|row| row.rank(*sort));
                    return Ok(Some(Rows { rows: is_end.then_some(rows), is_end }));
                }
                rows.truncate(limit);
                if scan.order == Order::Descending {
                    rows.reverse();
                }
                return Ok(Some(Rows { rows: Some(rows), is_end }));
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

/// The present moment.
fn present(store: &dyn Store) -> Result<Moment, StoreError> {
    store.moment(When::Revision(store.revision()?))
}

/// A scan that reads as much of each value as a row shows and a filter asks for.
fn scan_for(filter: &Filter, limit: usize) -> Scan {
    let value_limit = filter.value_bytes().unwrap_or(VALUE).max(VALUE);
    Scan { value_limit, ..Scan::new(KeyRange::all(), limit) }
}

/// The next entries that are not the same now, and where to go on if there may be more: they are found
/// without looking at the others.
fn differing(
    store: &dyn Store,
    scan: &Scan,
    (moment, present): (Moment, Moment),
) -> Result<(Vec<ThenAndNow>, Option<Key>), StoreError> {
    let page = store.differences(moment, present, scan)?;
    let last = page.last().filter(|_| page.len() >= scan.limit).map(|difference| difference.key.clone());
    let mut rows = Vec::new();
    for difference in page {
        let then = entry_at(store, &difference.key, moment, scan.value_limit)?;
        let now = store.peek(&difference.key, scan.value_limit)?;
        let row = ThenAndNow { key: difference.key, then, now };
        let is_there = row.then.is_some() || row.now.is_some();
        if is_there && row.difference() != Difference::None {
            rows.push(row);
        }
    }
    Ok((rows, last))
}

/// All that is not the same now, up to as many as are changed together; `None` if it was stopped.
pub fn differ(
    store: &dyn Store,
    asked: &Differing,
    tell: &dyn Fn(Told),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Differ>, StoreError> {
    let Differing { moment, view, filter } = asked;
    let present = present(store)?;
    let mut scan = scan_for(filter, PIECE);
    let mut entries = Vec::new();
    let mut telling = Telling::new();
    let mut is_end = false;
    while !is_end && entries.len() <= TOGETHER {
        if stopped() {
            return Ok(None);
        }
        let (page, last) = differing(store, &scan, (*moment, present))?;
        is_end = last.is_none();
        scan.after = last;
        for row in page.into_iter().filter(|row| passes(store, (*view, filter), row, *moment)) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::store::{Expiry, ManualClock, Millis, Operation, Settings, SqliteStore, Transaction, Value};
    use crate::tui::sort::SortBy;

    const NOON: Millis = Millis(1_800_000_000_000);

    fn key(number: usize) -> Key {
        Key::new(format!("k{number:05}")).unwrap()
    }

    fn put(key: Key, text: &str, expiry: Expiry) -> Operation {
        Operation::Put { key, value: Value::text(text), expiry }
    }

    fn store() -> (tempfile::TempDir, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let settings = Settings { clock, ..Settings::default() };
        let store = SqliteStore::open_or_create(&folder.path().join("state.db"), settings).unwrap();
        (folder, store)
    }

    fn commit(store: &SqliteStore, operations: Vec<Operation>) -> Revision {
        store.commit(&Transaction::all(operations)).unwrap();
        store.revision().unwrap()
    }

    /// All that differs, or all that there is, since a revision.
    fn asked(revision: Revision) -> Visit {
        Visit {
            goal: Goal::When(When::Revision(revision)),
            view: View::Keys,
            filter: Filter::default(),
            only_different: false,
            sort: None,
            from: Page::From(None),
            limit: 300,
        }
    }

    fn visited(store: &SqliteStore, visit: Visit) -> Visited {
        Visiting { store, visit, is_outdated: &|| false }.answer().unwrap().unwrap()
    }

    fn keys(visited: &Visited) -> Vec<String> {
        visited.rows.iter().flatten().map(|row| row.key.to_text()).collect()
    }

    #[test]
    fn what_differs_is_read_in_pieces_there_and_back() {
        let (_folder, store) = store();
        let put = |number, text| put(key(number), text, Expiry::Clear);
        let began = commit(&store, (0..1000).map(|number| put(number, "then")).collect());
        commit(&store, (0..500).map(|number| put(number * 2, "now")).collect());
        let differing = Visit { only_different: true, ..asked(began) };
        let differing = |from| visited(&store, Visit { from, ..differing.clone() });
        let first = differing(Page::From(None));
        let expected = |range: std::ops::Range<usize>| -> Vec<String> {
            range.map(|place| key(place * 2).to_text()).collect()
        };
        assert_eq!((keys(&first), first.is_end), (expected(0..300), false));
        let second = differing(Page::After(key(299 * 2)));
        assert_eq!((keys(&second), second.is_end), (expected(300..500), true));
        let back = differing(Page::Before(key(400 * 2)));
        assert_eq!((keys(&back), back.is_end), (expected(100..400), false));
        let back = differing(Page::Before(key(100 * 2)));
        assert_eq!((keys(&back), back.is_end), (expected(0..100), true));
        let here = differing(Page::From(Some(key(77))));
        assert_eq!(keys(&here), expected(39..339));
    }

    #[test]
    fn what_expired_soonest_at_that_moment_comes_first() {
        let (_folder, store) = store();
        let hours = |hours: u64| Expiry::After(Duration::from_secs(hours * 3600));
        let name = |name: &str| Key::new(name).unwrap();
        let then = vec![
            put(name("a:later"), "1", hours(9)),
            put(name("b:soon"), "1", hours(1)),
            put(name("c:never"), "1", Expiry::Clear),
            put(name("d:between"), "1", hours(5)),
        ];
        let began = commit(&store, then);
        let now = vec![
            put(name("a:later"), "1", hours(2)),
            put(name("c:never"), "1", hours(3)),
            put(name("e:new"), "1", hours(1)),
        ];
        commit(&store, now);
        let sort = Some(SortBy::Left.usual());
        let found = visited(&store, Visit { view: View::Expiring, sort, ..asked(began) });
        // What did not expire then, or was not there, comes last.
        assert_eq!(keys(&found), ["b:soon", "d:between", "a:later", "c:never", "e:new"]);
        assert!(found.is_end);
    }

    #[test]
    fn there_is_a_most_that_is_sorted() {
        let (_folder, store) = store();
        let began = commit(&store, (0..MOST).map(|number| put(key(number), "1", Expiry::Clear)).collect());
        let sorted = Visit { sort: Some(SortBy::Name.usual()), ..asked(began) };
        assert_eq!(visited(&store, sorted.clone()).rows.map(|rows| rows.len()), Some(MOST));
        commit(&store, vec![put(key(MOST), "1", Expiry::Clear)]);
        let found = visited(&store, sorted);
        assert!(found.rows.is_none() && found.place.is_some());
    }
}

//! Reads the past: where a step leads to, the changes around it, and the entries then and now.

pub mod cache;
pub mod source;
#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::sync::mpsc::Sender;

use crate::store::{
    Change, Entry, ErrorKind, HistoryScan, HistorySpan, Key, KeyRange, Moment, Order, Revision, Scan, Store,
    StoreError, Subject, When, change_pages_since,
};
use crate::tui::bulk;
use crate::tui::bulk::worker::{ProgressThrottle, remembered};
use crate::tui::bulk::{BulkProgress, BulkReply};
use crate::tui::effect::Reply;
use crate::tui::list::diff_row::DiffRow;
use crate::tui::list::marks::MARKS_MAX;
use crate::tui::list::read::TREE_VALUE;
use crate::tui::list::read_sorted::MOST;
use crate::tui::message::{Message, send};
use crate::tui::request::RequestId;
use crate::tui::screens::past::read::cache::PastCache;
use crate::tui::screens::past::read::source::{PastQuery, page_of};
use crate::tui::screens::past::state::{
    DiffKeys, DiffRequest, PageFrom, PastPage, PastPosition, PastRequest, PastTarget, SCRUBBER_LEN,
};
use crate::tui::screens::value::detail::Detail;

/// The state around a moment, under this number. What was read for it is held for the next one. Between two
/// pieces the reader does what is more urgent, and asks whether anybody still waits.
pub fn visit(
    store: &dyn Store,
    number: RequestId,
    visit: PastRequest,
    held: &mut Option<PastCache>,
    answers: &Sender<Message>,
    is_cancelled: &dyn Fn() -> bool,
) {
    if is_cancelled() {
        return;
    }
    match (PastReader { store, visit, is_outdated: is_cancelled }).answer(held) {
        Ok(Some(visited)) => send(answers, Reply::PastPage(number, Box::new(Ok(visited)))),
        // Nobody wants it any more.
        Ok(None) => {}
        Err(error) => send(answers, Reply::PastPage(number, Box::new(Err(error)))),
    }
}

/// An entry as it was, with so much of its value: where several are read of one moment, what became
/// of them is looked up once, which reading each by itself is not.
pub fn entry_at(
    store: &dyn Store,
    key: &Key,
    moment: Moment,
    value_limit: u64,
) -> Result<Option<Entry>, StoreError> {
    let scan = Scan { value_limit, ..Scan::new(KeyRange::only(key), 1) };
    Ok(store.scan_at(&scan, moment)?.pop())
}

/// An entry as it was, with the first piece of its value.
pub fn look(store: &dyn Store, key: &Key, moment: Moment) -> Result<Option<Box<Detail>>, StoreError> {
    Ok(entry_at(store, key, moment, TREE_VALUE)?.map(Detail::of_entry).map(Box::new))
}

struct PastReader<'a> {
    store: &'a dyn Store,
    visit: PastRequest,
    is_outdated: &'a dyn Fn() -> bool,
}

/// The rows that were read, if they are not too many, and whether the list ends with them.
struct PastRows {
    rows: Option<Vec<DiffRow>>,
    is_end: bool,
}

impl PastReader<'_> {
    /// The answer. What was read for it is held for the next one.
    fn answer(mut self, held: &mut Option<PastCache>) -> Result<Option<PastPage>, StoreError> {
        let page = self.visit.from.clone();
        if let PastTarget::Stay(moment) = self.visit.goal {
            let read = self.rows(held, moment)?;
            return Ok(read.map(|PastRows { rows, is_end }| PastPage {
                place: None,
                page,
                rows,
                is_end,
                pruned: None,
            }));
        }
        let mut pruned = None;
        let place = match self.place() {
            Err(error @ StoreError { kind: ErrorKind::Pruned { .. }, .. }) => {
                pruned = Some(error);
                self.visit.goal = PastTarget::Oldest;
                self.place()?
            }
            place => place?,
        };
        let read = self.rows(held, place.moment)?;
        Ok(read.map(|PastRows { rows, is_end }| PastPage { place: Some(place), page, rows, is_end, pruned }))
    }

    /// Where the goal is.
    fn place(&self) -> Result<PastPosition, StoreError> {
        let Some(span) = self.store.history_span()? else {
            // The store says why there is none.
            let moment = self.store.moment(When::Revision(Revision(0)))?;
            return Err(ErrorKind::NotYet { newest: moment.revision }.into());
        };
        let when = match self.visit.goal {
            PastTarget::Newest => When::Now,
            PastTarget::Oldest => When::Revision(span.oldest.0.before()),
            PastTarget::When(when) => when,
            PastTarget::Stay(moment) => When::Revision(moment.revision),
            PastTarget::Steps(from, by) => When::Revision(self.step(from, by, &span)?),
        };
        let moment = self.store.moment(when)?;
        let earlier = HistoryScan {
            subject: Some(Subject::Entry),
            to: Bound::Included(moment.revision),
            value_limit: 0,
            ..HistoryScan::newest(SCRUBBER_LEN)
        };
        let before = self.store.history(&earlier)?;
        let after = self.later(moment.revision, SCRUBBER_LEN)?;
        Ok(PastPosition { moment, span, before, after })
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
            to: Bound::Included(from),
            value_limit: 0,
            ..HistoryScan::newest(count + 1)
        };
        let earlier = self.store.history(&scan)?;
        Ok(earlier.get(count).map_or(span.oldest.0.before(), |change| change.revision))
    }

    /// The changes of entries after a revision, the oldest first.
    fn later(&self, revision: Revision, count: usize) -> Result<Vec<Change>, StoreError> {
        let mut later = Vec::new();
        for page in change_pages_since(self.store, revision, SCRUBBER_LEN, 0) {
            later.extend(page?.into_iter().filter(|change| change.subject == Subject::Entry));
            if later.len() >= count {
                break;
            }
        }
        later.truncate(count);
        Ok(later)
    }

    /// The rows that are wanted, and whether the list ends with them; `None` if nobody wants them any
    /// more. Of a list that is sorted there are none if they are too many.
    fn rows(&self, held: &mut Option<PastCache>, moment: Moment) -> Result<Option<PastRows>, StoreError> {
        let PastRequest { from, sort, limit, .. } = &self.visit;
        let source = PastQuery::of(&self.visit);
        let moments = (moment, present(self.store)?);
        let kept = match held.take() {
            Some(kept) => kept.follow(self.store, &source, moments)?,
            None => None,
        };
        let from = match from {
            PageFrom::From(None) => Bound::Unbounded,
            PageFrom::From(Some(key)) => Bound::Included(key.clone()),
            PageFrom::After(key) => Bound::Excluded(key.clone()),
            PageFrom::Before(key) => {
                let known = kept.as_ref().and_then(|kept| kept.before(key, *limit));
                *held = kept;
                return match known {
                    Some((rows, is_end)) => Ok(Some(PastRows { rows: Some(rows), is_end })),
                    None => self.rows_before(key, &source, moments),
                };
            }
        };
        let limit = sort.map_or(*limit, |_| MOST);
        let mut kept = kept
            .filter(|kept| kept.covers(&from))
            .unwrap_or_else(|| PastCache::new(source, moments, from.clone()));
        let read = kept.after(self.store, from, limit, self.is_outdated)?;
        *held = Some(kept).filter(PastCache::is_of_use);
        Ok(read.map(|(mut rows, is_end)| match sort {
            Some(sort) => {
                rows.sort_by_cached_key(|row| row.rank(*sort));
                PastRows { rows: is_end.then_some(rows), is_end }
            }
            None => PastRows { rows: Some(rows), is_end },
        }))
    }

    /// The rows before a key, in their order.
    fn rows_before(
        &self,
        key: &Key,
        source: &PastQuery,
        moments: (Moment, Moment),
    ) -> Result<Option<PastRows>, StoreError> {
        let limit = self.visit.limit;
        let after = Some(key.clone());
        let mut scan = Scan { order: Order::Descending, after, ..source.scan(limit) };
        let mut rows = Vec::new();
        loop {
            let (page, last) = page_of(self.store, source, &scan, moments)?;
            rows.extend(page);
            let is_end = last.is_none();
            if is_end || rows.len() > limit {
                let is_end = is_end && rows.len() <= limit;
                rows.truncate(limit);
                rows.reverse();
                return Ok(Some(PastRows { rows: Some(rows), is_end }));
            }
            if (self.is_outdated)() {
                return Ok(None);
            }
            scan.after = last;
        }
    }
}

/// The present moment.
fn present(store: &dyn Store) -> Result<Moment, StoreError> {
    store.moment(When::Now)
}

/// All that is not the same now, up to as many as are changed together; `None` if it was stopped.
pub fn differ(
    store: &dyn Store,
    asked: &DiffRequest,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<DiffKeys>, StoreError> {
    let DiffRequest { moment, view, filter } = asked;
    let source = PastQuery { view: *view, filter: filter.clone(), only_different: true };
    let moments = (*moment, present(store)?);
    let mut scan = source.scan(usize::MAX);
    let mut entries = Vec::new();
    let mut telling = ProgressThrottle::new();
    let mut is_end = false;
    while !is_end && entries.len() <= MARKS_MAX {
        if stopped() {
            return Ok(None);
        }
        let (page, last) = page_of(store, &source, &scan, moments)?;
        is_end = last.is_none();
        scan.after = last;
        for row in page {
            entries.push((row.key, row.now.map(remembered)));
        }
        if telling.is_due() {
            let words = format!("marking what is not the same now: {}", bulk::entries(entries.len() as u64));
            tell(BulkReply::Progress(BulkProgress { words }));
        }
    }
    let has_more = entries.len() > MARKS_MAX;
    entries.truncate(MARKS_MAX);
    Ok(Some(DiffKeys { entries, has_more }))
}

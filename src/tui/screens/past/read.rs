//! Reads the past: where a step leads to, the changes around it, and the entries then and now.

pub mod cache;
#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::sync::mpsc::Sender;

use crate::store::{
    Change, ErrorKind, HistoryScan, HistorySpan, Key, Moment, Order, Revision, Scan, Store, StoreError,
    Subject, When, change_pages_since,
};
use crate::tui::effect::Reply;
use crate::tui::list::read_diff::{entry_at, page_of};
use crate::tui::list::read_sorted::MOST;
use crate::tui::list::{DiffRow, Load, LoadFrom, PastQuery, Position, TREE_VALUE};
use crate::tui::message::{Message, send};
use crate::tui::screens::past::read::cache::PastCache;
use crate::tui::screens::past::state::{PastPage, PastPosition, PastRequest, PastTarget, SCRUBBER_LEN};
use crate::tui::screens::value::detail::Detail;

/// The state around a moment. What was read for it is held for the next one. Between two pieces the reader does
/// what is more urgent, and asks whether anybody still waits.
pub fn visit(
    store: &dyn Store,
    visit: PastRequest,
    held: &mut Option<PastCache>,
    answers: &Sender<Message>,
    is_cancelled: &dyn Fn() -> bool,
) {
    if is_cancelled() {
        return;
    }
    let number = visit.load.generation;
    let answer = PastReader { store, visit, is_outdated: is_cancelled }.answer(held);
    // Otherwise nobody wants it any more.
    if let Some(answer) = answer.transpose() {
        send(answers, Reply::PastPage(number, Box::new(answer)));
    }
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
type PastRows = (Option<Vec<DiffRow>>, bool);

impl PastReader<'_> {
    /// The answer. What was read for it is held for the next one.
    fn answer(mut self, held: &mut Option<PastCache>) -> Result<Option<PastPage>, StoreError> {
        let mut pruned = None;
        let (moment, place) = match self.visit.goal {
            PastTarget::Stay(moment) => (moment, None),
            _ => {
                let place = match self.place() {
                    Err(error @ StoreError { kind: ErrorKind::Pruned { .. }, .. }) => {
                        pruned = Some(error);
                        self.visit.goal = PastTarget::Oldest;
                        self.place()?
                    }
                    place => place?,
                };
                (place.moment, Some(place))
            }
        };
        let read = self.rows(held, moment)?;
        let from = self.visit.load.from;
        Ok(read.map(|(rows, is_end)| PastPage { place, from, rows, is_end, pruned }))
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
        let before = self.earlier(moment.revision, SCRUBBER_LEN)?;
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
        let earlier = self.earlier(from, count + 1)?;
        Ok(earlier.get(count).map_or(span.oldest.0.before(), |change| change.revision))
    }

    /// The changes of entries up to a revision, the newest first.
    fn earlier(&self, revision: Revision, count: usize) -> Result<Vec<Change>, StoreError> {
        self.store.history(&HistoryScan {
            subject: Some(Subject::Entry),
            to: Bound::Included(revision),
            value_limit: 0,
            ..HistoryScan::newest(count)
        })
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
        let Load { from, sort, limit, .. } = &self.visit.load;
        let source = PastQuery::of(&self.visit.load, self.visit.only_different);
        let moments = (moment, self.store.moment(When::Now)?);
        let kept = match held.take() {
            Some(kept) => kept.follow(self.store, &source, moments)?,
            None => None,
        };
        let bound = |position: &Position, bound: fn(Key) -> Bound<Key>| {
            position.key().cloned().map_or(Bound::Unbounded, bound)
        };
        let from = match from {
            LoadFrom::Start => Bound::Unbounded,
            LoadFrom::At(position) => bound(position, Bound::Included),
            LoadFrom::After(position) => bound(position, Bound::Excluded),
            LoadFrom::Before(_) | LoadFrom::End => {
                let key = match from {
                    LoadFrom::Before(position) => position.key(),
                    _ => None,
                };
                let known = kept.as_ref().and_then(|kept| kept.before(key?, *limit));
                *held = kept;
                return match known {
                    Some((rows, is_end)) => Ok(Some((Some(rows), is_end))),
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
                (is_end.then_some(rows), is_end)
            }
            None => (Some(rows), is_end),
        }))
    }

    /// The rows before a key, or the last ones, in their order.
    fn rows_before(
        &self,
        key: Option<&Key>,
        source: &PastQuery,
        moments: (Moment, Moment),
    ) -> Result<Option<PastRows>, StoreError> {
        let limit = self.visit.load.limit;
        let mut scan = Scan { order: Order::Descending, after: key.cloned(), ..source.scan(limit) };
        let mut rows = Vec::new();
        loop {
            let (page, last) = page_of(self.store, source, &scan, moments)?;
            rows.extend(page);
            let is_end = last.is_none();
            if is_end || rows.len() > limit {
                let is_end = is_end && rows.len() <= limit;
                rows.truncate(limit);
                rows.reverse();
                return Ok(Some((Some(rows), is_end)));
            }
            if (self.is_outdated)() {
                return Ok(None);
            }
            scan.after = last;
        }
    }
}

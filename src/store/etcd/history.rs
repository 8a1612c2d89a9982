//! The history of a database: what changed, what was, and how much of it is kept.

use std::ops::Bound;

use super::EtcdStore;
use super::history_view::HistoryView;
use super::past_source::PastView;
use super::record::{self, Format, RecordedTransaction};
use super::wire::{Compare, Op, RangeRequest, Txn};
use crate::store::time_travel;
use crate::store::{
    Change, Changes, Entry, EntryDiff, ErrorKind, History, HistoryScan, HistorySpan, Key, Moment, Recorded,
    Retention, Revision, Scan, Store, StoreError, Subject, When,
};

impl History for EtcdStore {
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        self.with_history(|view| view.changes(since, limit, value_limit))
    }

    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.with_history(|view| view.span())
    }

    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        self.with_history(|view| view.page(scan))
    }

    fn moment(&self, when: When) -> Result<Moment, StoreError> {
        let now = self.now();
        let moment = self.with_history(|view| time_travel::moment(&PastView::new(view), when, now))?;
        moment.ok_or_else(|| self.not_recorded())
    }

    fn get_at(&self, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError> {
        let entry = self.with_history(|view| time_travel::get(&PastView::at(view, moment), key, moment))?;
        Ok(entry.map(|entry| self.settings.kinds.mark(entry)))
    }

    fn scan_at(&self, scan: &Scan, moment: Moment) -> Result<Vec<Entry>, StoreError> {
        let page = self.with_history(|view| {
            let source = PastView::at(view, moment);
            time_travel::scan(&source, &mut self.revision_index.borrow_mut(), scan, moment)
        })?;
        Ok(page.into_iter().map(|entry| self.settings.kinds.mark(entry)).collect())
    }

    fn differences(&self, from: Moment, to: Moment, scan: &Scan) -> Result<Vec<EntryDiff>, StoreError> {
        self.with_history(|view| {
            let mut index = self.revision_index.borrow_mut();
            // What was not changed since is the same at both.
            let later = if to.revision > from.revision { to } else { from };
            time_travel::differences(&PastView::at(view, later), &mut index, (from, to), scan)
        })
    }

    fn not_recorded(&self) -> StoreError {
        ErrorKind::NotRecorded.at(&self.location)
    }

    fn recorded(&self) -> Result<Recorded, StoreError> {
        Ok(Recorded { version: self.unrecorded_changes(), gap: None })
    }

    fn retention(&self) -> Result<Retention, StoreError> {
        Ok(self.format()?.map_or_else(Retention::default, |format| format.retention()))
    }

    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        self.change_format(&|format| format.with_retention(retention))?;
        self.prune_now()
    }
}

impl HistoryView<'_> {
    /// See [`History::changes`].
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        let Some((newest, _)) = self.newest else { return Ok(Changes::Since(Vec::new())) };
        if since >= newest {
            return Ok(Changes::Since(Vec::new()));
        }
        if since < self.reaches_back_to()
            && let Some((oldest, _)) = self.oldest()?
        {
            return Ok(Changes::Pruned { oldest });
        }
        let mut changes = Vec::new();
        self.walk_up(since, &mut |recorded, place| {
            changes.extend(recorded.change(place, value_limit));
            Ok(changes.len() < limit)
        })?;
        self.mark_undone(&mut changes)?;
        Ok(Changes::Since(changes))
    }

    /// See [`History::history`].
    fn page(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        let Some((newest, _)) = self.newest else { return Ok(Vec::new()) };
        let until = match scan.to {
            Bound::Unbounded => newest,
            Bound::Included(to) => to.min(newest),
            Bound::Excluded(to) => to.before().min(newest),
        };
        let since = match scan.from {
            Bound::Unbounded => Revision(0),
            Bound::Included(from) => from.before(),
            Bound::Excluded(from) => from,
        };
        let mut page = Vec::new();
        match &scan.key {
            Some(key) => self.page_of_key(scan, key, (since, until), &mut page)?,
            None => self.walk_down(until, &mut |recorded, place| {
                if recorded.revision_of(place) <= since {
                    return Ok(false);
                }
                let subject = recorded.record.changes[place].subject();
                if scan.subject.is_none_or(|wanted| wanted == subject) {
                    page.extend(recorded.change(place, scan.value_limit));
                }
                Ok(page.len() < scan.limit)
            })?,
        }
        self.mark_undone(&mut page)?;
        Ok(page)
    }

    /// The changes of a key, or of the lock of that name, newest first.
    fn page_of_key(
        &self,
        scan: &HistoryScan,
        key: &Key,
        (since, until): (Revision, Revision),
        page: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        for subject in [Subject::Entry, Subject::Lock] {
            if scan.subject.is_some_and(|wanted| wanted != subject) {
                continue;
            }
            let mut found = 0;
            self.walk_key(subject, key, &mut |recorded: &RecordedTransaction, place| {
                let revision = recorded.revision_of(place);
                if revision <= since {
                    return Ok(false);
                }
                if revision <= until {
                    page.extend(recorded.change(place, scan.value_limit));
                    found += 1;
                }
                Ok(found < scan.limit)
            })?;
        }
        page.sort_by_key(|change| std::cmp::Reverse(change.revision));
        page.truncate(scan.limit);
        Ok(())
    }
}

impl EtcdStore {
    /// Changes what is kept with the database about itself.
    pub(super) fn change_format(&self, change: &dyn Fn(Format) -> Format) -> Result<(), StoreError> {
        self.check_writable()?;
        let key = self.keys.format();
        let new = Format::new();
        loop {
            let found = self.range(&RangeRequest::key(key.clone()))?;
            let seen = found.first().map_or(0, |kv| kv.mod_revision);
            let format = self.format_of(&found)?.unwrap_or_else(|| new.clone());
            let value = record::encode(&change(format));
            // As it is after an attempt whose answer was lost.
            if found.first().is_some_and(|kv| kv.value == value) {
                return Ok(());
            }
            let txn = Txn {
                compares: vec![Compare::modified_at(key.clone(), seen)],
                success: vec![Op::put(key.clone(), value)],
                failure: Vec::new(),
            };
            if self.txn(&txn)?.succeeded {
                return Ok(());
            }
        }
    }
}

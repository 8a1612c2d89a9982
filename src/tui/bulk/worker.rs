//! What is done with all that is marked, in pieces: nobody waits for it, and it can be stopped.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::export::EntriesFile;
use crate::store::{
    Batches, ClearOutcome, Condition, Entry, Key, KeyRange, Moment, Process, Revision, Scan, Store,
    StoreError, When, all_locks, entry_pages,
};
use crate::tui::bulk;
use crate::tui::bulk::commit::{BulkItem, Judged, remembered};
use crate::tui::bulk::restore::restoring;
use crate::tui::bulk::{
    Bulk, BulkCounts, BulkOperation, BulkReply, BulkRequest, BulkResult, BulkStop, SelectRequest, Selection,
    SkipReason, entries,
};
use crate::tui::effect::Reply;
use crate::tui::list::{LIST_VALUE, LockRow, MARKS_MAX, Marks, PastQuery, read_diff};
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestId};
use crate::tui::view::View;

/// How many entries are looked at between two looks whether to stop.
const PIECE: usize = 2000;
/// How often it is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Answers a question about what is marked. Between two pieces it is asked whether it was cancelled.
pub fn answer(
    store: &dyn Store,
    number: RequestId,
    asked: BulkRequest,
    answers: &Sender<Message>,
    stopped: &dyn Fn() -> bool,
) {
    let tell = |told| send(answers, Reply::Bulk(number, Box::new(told)));
    let answered = match asked {
        BulkRequest::Select(asked) => {
            let selected = match asked.moment {
                Some(moment) => differing(store, moment, asked)
                    .and_then(|pages| select(pages, "what is not the same now: ", &tell, stopped)),
                None => locks_passing(store, &asked).and_then(|locks| {
                    let selected = select(passing(store, asked), "", &tell, stopped)?;
                    Ok(selected.map(|selected| Selection { locks, ..selected }))
                }),
            };
            tell(BulkReply::Selected(selected));
            Ok(())
        }
        BulkRequest::Preview(bulk) => preview(store, &bulk, &tell, stopped),
        BulkRequest::Export(bulk) => {
            let written = export(store, &bulk, &tell, stopped);
            tell(BulkReply::Exported(bulk, written));
            Ok(())
        }
    };
    if let Err(error) = answered {
        send(answers, Reply::failed(error));
    }
}

/// The marked entries as they are now, or why one is left alone. Values are read up to `bytes` at least.
fn marked(
    store: &dyn Store,
    marks: &Marks,
    bytes: u64,
) -> impl Iterator<Item = Result<Result<Entry, (Key, SkipReason)>, StoreError>> {
    marks.keys().iter().map(move |(key, seen)| {
        Ok(as_seen(store, key, seen.as_ref(), bytes)?.map_err(|reason| (key.clone(), reason)))
    })
}

/// An entry as it is now, unless it was changed since it was seen.
fn as_seen(
    store: &dyn Store,
    key: &Key,
    seen: Option<&Entry>,
    bytes: u64,
) -> Result<Result<Entry, SkipReason>, StoreError> {
    Ok(match (store.get_prefix(key, bytes.max(LIST_VALUE))?, seen) {
        (None, _) => Err(SkipReason::Gone),
        (Some(entry), Some(seen)) if entry.is_unchanged_since(seen) => Ok(entry),
        (Some(_), _) => Err(SkipReason::Changed),
    })
}

/// Says how far something is, not too often.
pub struct ProgressThrottle {
    last: Instant,
}

impl ProgressThrottle {
    pub fn new() -> ProgressThrottle {
        ProgressThrottle { last: Instant::now() }
    }

    pub fn is_due(&mut self) -> bool {
        let due = self.last.elapsed() >= PROGRESS_INTERVAL;
        if due {
            self.last = Instant::now();
        }
        due
    }
}

/// Some of the entries that are to be marked as they are now; `None` for one that is gone.
type SeenPage = Result<Vec<(Key, Option<Entry>)>, StoreError>;

/// The entries that pass a filter, in pieces.
fn passing(store: &dyn Store, asked: SelectRequest) -> impl Iterator<Item = SeenPage> {
    let SelectRequest { view, filter, at, .. } = asked;
    let value_limit = filter.value_bytes().unwrap_or(LIST_VALUE).max(LIST_VALUE);
    let pages = entry_pages(store, Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) });
    pages.map(move |page| {
        let passes = page?.into_iter().filter(|entry| view.takes(entry, &filter, at));
        Ok(passes.map(|entry| (entry.key.clone(), Some(entry))).collect())
    })
}

/// The locks that pass a filter, in the list of locks.
fn locks_passing(store: &dyn Store, asked: &SelectRequest) -> Result<Vec<LockRow>, StoreError> {
    if asked.view != View::Locks {
        return Ok(Vec::new());
    }
    let here = Process::current();
    let ours = all_locks(store)?.into_iter().map(|lock| LockRow::of(lock, &[], store, &here));
    let of_stacks = store.stacks().unwrap_or_default().locks.into_iter().map(LockRow::of_stack);
    Ok(ours.chain(of_stacks).filter(|row| asked.filter.passes_lock(&row.lock, asked.at)).collect())
}

/// A marked lock as it is now, if it may be cleared with others: it is the one that was seen, and its holder is
/// gone.
fn stale(
    store: &dyn Store,
    seen: &LockRow,
    here: &Process,
) -> Result<Result<LockRow, SkipReason>, StoreError> {
    let now = match &seen.stack {
        Some(_) => {
            let stacks = store.stacks()?.locks.into_iter().map(LockRow::of_stack);
            stacks.into_iter().find(|row| row.lock.name == seen.lock.name)
        }
        None => store.lock(&seen.lock.name)?.map(|lock| LockRow::of(lock, &[], store, here)),
    };
    Ok(match now {
        None => Err(SkipReason::Gone),
        Some(row) if !row.is_same_holding(seen) => Err(SkipReason::Changed),
        Some(row) if !row.lock.is_stale(row.liveness, store.clock().now()) => {
            Err(SkipReason::HolderMayBeAlive)
        }
        Some(row) => Ok(row),
    })
}

/// What passes a filter and is not the same now as it was, in pieces.
fn differing(
    store: &dyn Store,
    moment: Moment,
    asked: SelectRequest,
) -> Result<impl Iterator<Item = SeenPage>, StoreError> {
    let source = PastQuery { view: asked.view, filter: asked.filter, only_different: true };
    let pages = read_diff::pages(store, source, (moment, store.moment(When::Now)?));
    Ok(pages.map(|page| Ok(page?.into_iter().map(|row| (row.key, row.now)).collect())))
}

/// Reads what is to be marked: no more than [`MARKS_MAX`]; `None` if it was stopped.
fn select(
    pages: impl Iterator<Item = SeenPage>,
    what: &str,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Selection>, StoreError> {
    let mut selected = Vec::new();
    let mut telling = ProgressThrottle::new();
    for page in pages {
        if stopped() {
            return Ok(None);
        }
        selected.extend(page?.into_iter().map(|(key, entry)| (key, entry.map(remembered))));
        if selected.len() > MARKS_MAX {
            break;
        }
        if telling.is_due() {
            let words = format!("marking {what}{}", entries(selected.len() as u64));
            tell(BulkReply::Progress(words));
        }
    }
    let has_more = selected.len() > MARKS_MAX;
    selected.truncate(MARKS_MAX);
    Ok(Some(Selection { entries: selected, locks: Vec::new(), has_more }))
}

/// Says what would be done, and does nothing.
fn preview(
    store: &dyn Store,
    bulk: &Bulk,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<(), StoreError> {
    let retention = store.retention()?;
    let now = store.clock().now();
    let mut tally = BulkCounts::default();
    let mut telling = ProgressThrottle::new();
    let keeps = |tally: &BulkCounts| {
        let is_beyond = tally.done > retention.rows || tally.bytes > retention.bytes;
        is_beyond.then_some(retention.rows)
    };
    for entry in marked(store, &bulk.marks, LIST_VALUE) {
        if stopped() {
            return Ok(());
        }
        match entry? {
            Ok(entry) => match bulk.deed.judge(&entry) {
                Ok(_) => tally.take(&bulk.deed, &entry, now),
                Err(reason) => tally.leave(&entry.key, reason),
            },
            Err((key, reason)) => tally.leave(&key, reason),
        }
        tally.scanned += 1;
        if telling.is_due() {
            let history_keeps = keeps(&tally);
            tell(BulkReply::Previewed { tally: tally.clone(), complete: false, history_keeps });
        }
    }
    let here = Process::current();
    for (name, seen) in bulk.marks.locks() {
        let judged = match bulk.deed {
            BulkOperation::ClearLocks => stale(store, seen, &here)?,
            _ => Err(SkipReason::Lock),
        };
        match judged {
            Ok(row) => tally.take_lock(&row, now),
            Err(reason) => tally.leave_lock(name, reason),
        }
        tally.scanned += 1;
    }
    let history_keeps = keeps(&tally).filter(|_| bulk.deed != BulkOperation::ClearLocks);
    tell(BulkReply::Previewed { tally, complete: true, history_keeps });
    Ok(())
}

/// Writes what is marked to a file that is not there yet, as lines of JSON that `import` reads.
fn export(
    store: &dyn Store,
    bulk: &Bulk,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<BulkCounts, StoreError> {
    let BulkOperation::Export(path) = &bulk.deed else { return Ok(BulkCounts::default()) };
    let target = at_home(path);
    let now = store.clock().now();
    let mut file = EntriesFile::begin(&target, store.location(), store.revision()?, now)?;
    let mut tally = BulkCounts::default();
    let mut telling = ProgressThrottle::new();
    for entry in marked(store, &bulk.marks, u64::MAX) {
        if stopped() {
            // The half of a file is dropped with what was to become it.
            return Ok(BulkCounts::default());
        }
        match entry? {
            Ok(entry) => {
                file.put(&entry)?;
                tally.take(&bulk.deed, &entry, now);
            }
            Err((key, reason)) => tally.leave(&key, reason),
        }
        if telling.is_due() {
            let words = format!("wrote {}", entries(tally.done));
            tell(BulkReply::Progress(words));
        }
    }
    bulk.marks.locks().keys().for_each(|name| tally.leave_lock(name, SkipReason::Lock));
    file.finish(store.location(), store.revision()?)?;
    Ok(tally)
}

/// A path as people write it.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(folders)) => folders.home_dir().join(rest),
        _ => path.to_path_buf(),
    }
}

/// Changes what is marked, in as many transactions as it needs ([`Batches`]). An entry that is not as
/// it was when it was marked is left alone.
pub fn change(
    store: &dyn Store,
    bulk: &Bulk,
    tell: &dyn Fn(BulkReply),
    cancelled: &CancelToken,
    number: RequestId,
) -> Result<BulkResult, StoreError> {
    let mut changing = Changing { store, bulk, tally: BulkCounts::default(), revisions: Vec::new() };
    let ended = changing.all(tell, &|| cancelled.is_cancelled(number));
    let Changing { tally, revisions, .. } = changing;
    match ended {
        Ok(ended) => Ok(BulkResult { tally, revisions, ended }),
        // What was done before is to be told as well.
        Err(error) if tally.done > 0 => {
            Ok(BulkResult { tally, revisions, ended: Some(BulkStop::Failed(error)) })
        }
        Err(error) => Err(error),
    }
}

/// What a change of what is marked does with an entry that was not changed since it was seen.
fn changing(
    store: &dyn Store,
    key: &Key,
    seen: Option<&Entry>,
    deed: &BulkOperation,
) -> Result<Judged, StoreError> {
    let judged = as_seen(store, key, seen, LIST_VALUE)?.and_then(|entry| Ok((deed.judge(&entry)?, entry)));
    Ok(judged.map(|(operation, of)| {
        let (condition, bytes) = (Condition::Unchanged(Box::new(of.clone())), of.size);
        Some((BulkItem { of, operation: operation?, condition }, bytes))
    }))
}

/// A change of what is marked under way.
struct Changing<'a> {
    store: &'a dyn Store,
    bulk: &'a Bulk,
    tally: BulkCounts,
    revisions: Vec<Revision>,
}

impl Changing<'_> {
    fn all(
        &mut self,
        tell: &dyn Fn(BulkReply),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<BulkStop>, StoreError> {
        let mut batches = Batches::new(self.store);
        let mut telling = ProgressThrottle::new();
        let Bulk { marks, deed } = self.bulk;
        for (place, (key, seen)) in marks.keys().iter().enumerate() {
            if stopped() {
                return Ok(Some(BulkStop::Stopped));
            }
            let item = match deed {
                BulkOperation::Restore(moment) => restoring(self.store, key, seen.as_ref(), *moment)?,
                _ => changing(self.store, key, seen.as_ref(), deed)?,
            };
            match item {
                Ok(Some((item, bytes))) => {
                    if let Some(full) = batches.push(item, bytes) {
                        self.commit(full)?;
                    }
                }
                Ok(None) => {}
                Err(reason) => self.tally.leave(key, reason),
            }
            if telling.is_due() {
                let words = match deed {
                    BulkOperation::Restore(_) => format!("restoring {place} of {}", entries(marks.count())),
                    _ => format!("{} so far", deed.done(self.tally.done)),
                };
                tell(BulkReply::Progress(words));
            }
        }
        self.commit(batches.take())?;
        self.locks(stopped)
    }

    /// Clears the marked locks, if that is wanted.
    fn locks(&mut self, stopped: &dyn Fn() -> bool) -> Result<Option<BulkStop>, StoreError> {
        let here = Process::current();
        for (name, seen) in self.bulk.marks.locks() {
            if stopped() {
                return Ok(Some(BulkStop::Stopped));
            }
            let judged = match self.bulk.deed {
                BulkOperation::ClearLocks => stale(self.store, seen, &here)?,
                _ => Err(SkipReason::Lock),
            };
            let now = self.store.clock().now();
            let cleared = match judged {
                Err(reason) => Err(reason),
                Ok(row) => match &row.stack {
                    Some(stack) => {
                        self.store.clear_stack_lock(stack)?.then_some(row).ok_or(SkipReason::Changed)
                    }
                    None => match self.store.clear_lock(&row.lock)? {
                        ClearOutcome::Cleared => Ok(row),
                        ClearOutcome::AlreadyGone => Err(SkipReason::Gone),
                        ClearOutcome::Changed(_) => Err(SkipReason::Changed),
                    },
                },
            };
            match cleared {
                Ok(row) => self.tally.take_lock(&row, now),
                Err(reason) => self.tally.leave_lock(name, reason),
            }
        }
        Ok(None)
    }

    /// Carries out a batch, without those of its entries that somebody changed since they were read.
    fn commit(&mut self, batch: Vec<BulkItem<Entry>>) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        let carried = bulk::commit::carry_out(self.store, batch)?;
        self.revisions.extend(carried.revisions);
        carried.done.iter().for_each(|entry| self.tally.take(&self.bulk.deed, entry, now));
        for entry in carried.left {
            let is_there = self.store.get_prefix(&entry.key, 0)?.is_some();
            self.tally.leave(&entry.key, if is_there { SkipReason::Changed } else { SkipReason::Gone });
        }
        carried.failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Expiry, History, HistoryScan, Operation, Options, SqliteStore, State, Transaction, Value,
    };
    use crate::tui::list::Row;

    #[test]
    fn an_engine_that_can_do_little_together_does_it_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap().limited();
        let mut marks = Marks::default();
        for number in 0..50 {
            let key = Key::new(format!("flag{number}")).unwrap();
            store.commit(&Transaction::put(key.clone(), Value::Boolean(false), Expiry::Clear)).unwrap();
            marks.add(&Row::Entry(store.get(&key).unwrap().unwrap()));
        }
        let bulk = Bulk { marks, deed: BulkOperation::Toggle };
        let done = change(&store, &bulk, &|_| {}, &CancelToken::default(), RequestId(1)).unwrap();
        assert_eq!((done.tally.done, done.revisions.len()), (50, 3));
        assert!(done.ended.is_none());
        let changes = store.history(&HistoryScan::newest(50)).unwrap();
        assert!(changes.iter().all(|change| change.operation == "toggle"));
        // One that somebody changed meanwhile is left alone, and the others are done.
        let first = bulk.marks.keys().keys().next().unwrap().clone();
        let mut marks = Marks::default();
        let entries = store.scan(&Scan::new(KeyRange::all(), 50)).unwrap();
        entries.into_iter().for_each(|entry| marks.add(&Row::Entry(entry)));
        store.commit(&Transaction::of(Operation::Delete(first))).unwrap();
        let bulk = Bulk { marks, deed: BulkOperation::Delete };
        let done = change(&store, &bulk, &|_| {}, &CancelToken::default(), RequestId(1)).unwrap();
        assert_eq!((done.tally.done, done.revisions.len()), (49, 3));
        assert_eq!(store.count(&KeyRange::all()).unwrap(), 0);
    }
}

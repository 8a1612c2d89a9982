//! What is done with all that is marked, in pieces: nobody waits for it, and it can be stopped.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bulk_commit::{self, BulkItem};
use super::past;
use super::reader::send;
use crate::export::EntriesFile;
use crate::store::{Condition, Entry, Key, KeyRange, Revision, Scan, Store, StoreError, entry_pages};
use crate::tui::bulk::{
    BULK_TX_MAX, BULK_TX_MAX_BYTES, Bulk, BulkCounts, BulkOperation, BulkProgress, BulkReply, BulkRequest,
    BulkResult, BulkStop, SkipReason, entries,
};
use crate::tui::effect::Reply;
use crate::tui::marks::Marks;
use crate::tui::message::Message;

/// How much of each value is read, in bytes: as much as a row of a list has.
const VALUE: u64 = 256;
/// How many entries are looked at between two looks whether to stop.
const PIECE: usize = 2000;
/// How often it is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// What is to be stopped.
#[derive(Clone, Default)]
pub struct Stops {
    /// Everything.
    pub all: Arc<AtomicBool>,
    numbers: Arc<Mutex<BTreeSet<u64>>>,
}

impl Stops {
    /// Stops what has this number.
    pub fn stop(&self, number: u64) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    }

    fn is_stopped(&self, number: u64) -> bool {
        self.all.load(Ordering::SeqCst)
            || self.numbers.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
    }
}

/// Answers questions about what is marked until nobody asks any more.
pub fn run(
    store: &dyn Store,
    path: &Path,
    questions: &Receiver<(u64, BulkRequest)>,
    answers: &Sender<Message>,
    stops: &Stops,
) {
    while let Ok((number, asked)) = questions.recv() {
        let tell = |told| send(answers, Reply::Bulk(number, Box::new(told)));
        let stopped = || stops.is_stopped(number);
        let answered = match asked {
            BulkRequest::Count(marks) => count(store, &marks, &tell, &stopped),
            BulkRequest::Preview(bulk) => preview(store, &bulk, &tell, &stopped),
            BulkRequest::Export(bulk) => {
                let written = export(store, path, &bulk, &tell, &stopped);
                tell(BulkReply::Exported(bulk, written));
                Ok(())
            }
            BulkRequest::Differing(differing) => {
                tell(BulkReply::Differ(past::differ(store, &differing, &tell, &stopped)));
                Ok(())
            }
        };
        if let Err(error) = answered {
            send(answers, Reply::failed(error));
        }
    }
}

/// A step on the way through what is marked.
enum Step {
    /// An entry, as it was when it was marked.
    Entry(Entry),
    /// One that is left alone.
    Left(Key, SkipReason),
    /// So many entries were looked at since the last time.
    LookedAt(usize),
}

/// What is done at each step: it may end the walk, or fail.
type Visit<'a> = dyn FnMut(Step) -> Result<ControlFlow<()>, StoreError> + 'a;

/// Goes through all that is marked. Values are read up to `bytes` at least.
fn walk(store: &dyn Store, marks: &Marks, bytes: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    for (key, seen) in marks.keys() {
        let step = match store.get_prefix(key, bytes.max(VALUE))? {
            None => Step::Left(key.clone(), SkipReason::Gone),
            Some(entry) if !entry.is_unchanged_since(seen) => Step::Left(key.clone(), SkipReason::Changed),
            Some(entry) => Step::Entry(entry),
        };
        if visit(step)?.is_break() || visit(Step::LookedAt(1))?.is_break() {
            return Ok(());
        }
    }
    for place in 0..marks.sets().len() {
        if walk_set(store, marks, place, bytes, visit)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// Goes through the set at `place`, without what is marked otherwise as well.
fn walk_set(
    store: &dyn Store,
    marks: &Marks,
    place: usize,
    bytes: u64,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let set = &marks.sets()[place];
    let value_limit = set.value_bytes(VALUE);
    for page in entry_pages(store, Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) }) {
        let page = page?;
        let read = page.len();
        for mut entry in page {
            if !set.takes(&entry) || !marks.is_first_in(place, &entry) {
                continue;
            }
            let step = if set.is_unseen(&entry) {
                Step::Left(entry.key, SkipReason::Changed)
            } else if bytes > value_limit && !entry.is_whole() {
                match store.get_prefix(&entry.key, bytes)? {
                    None => Step::Left(entry.key, SkipReason::Gone),
                    Some(whole) if whole.revision != entry.revision => {
                        Step::Left(entry.key, SkipReason::Changed)
                    }
                    Some(whole) => Step::Entry(whole),
                }
            } else {
                entry.stored.truncate(usize::try_from(bytes.max(VALUE)).unwrap_or(usize::MAX));
                Step::Entry(entry)
            };
            if visit(step)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if visit(Step::LookedAt(read))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Says how far something is, not too often.
pub(super) struct ProgressThrottle {
    last: Instant,
}

impl ProgressThrottle {
    pub(super) fn new() -> ProgressThrottle {
        ProgressThrottle { last: Instant::now() }
    }

    pub(super) fn is_due(&mut self) -> bool {
        let due = self.last.elapsed() >= PROGRESS_INTERVAL;
        if due {
            self.last = Instant::now();
        }
        due
    }
}

/// Counts the set that was marked last.
fn count(
    store: &dyn Store,
    marks: &Marks,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<(), StoreError> {
    let Some(place) = marks.sets().len().checked_sub(1) else { return Ok(()) };
    // Whatever is written from here on was not seen.
    let revision = store.revision()?;
    let mut count = 0;
    let mut telling = ProgressThrottle::new();
    let ended = walk_set(store, marks, place, VALUE, &mut |step| {
        match step {
            Step::Entry(_) => count += 1,
            Step::Left(..) => {}
            Step::LookedAt(_) if stopped() => return Ok(ControlFlow::Break(())),
            Step::LookedAt(_) if telling.is_due() => {
                tell(BulkReply::Counted { revision, count, complete: false });
            }
            Step::LookedAt(_) => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    tell(BulkReply::Counted { revision, count, complete: ended.is_continue() });
    Ok(())
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
    let mut is_stopped = false;
    walk(store, &bulk.marks, VALUE, &mut |step| {
        match step {
            Step::Entry(entry) => match bulk.deed.judge(&entry) {
                Ok(_) => tally.take(&bulk.deed, &entry, now),
                Err(reason) => tally.leave(&entry.key, reason),
            },
            Step::Left(key, reason) => tally.leave(&key, reason),
            Step::LookedAt(count) => {
                tally.scanned += count as u64;
                is_stopped = stopped();
                if telling.is_due() {
                    let history_keeps = keeps(&tally);
                    tell(BulkReply::Previewed { tally: tally.clone(), complete: false, history_keeps });
                }
            }
        }
        Ok(if is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if !is_stopped {
        let history_keeps = keeps(&tally);
        tell(BulkReply::Previewed { tally, complete: true, history_keeps });
    }
    Ok(())
}

/// Writes what is marked to a file that is not there yet, as lines of JSON that `import` reads.
fn export(
    store: &dyn Store,
    database: &Path,
    bulk: &Bulk,
    tell: &dyn Fn(BulkReply),
    stopped: &dyn Fn() -> bool,
) -> Result<BulkCounts, StoreError> {
    let BulkOperation::Export(path) = &bulk.deed else { return Ok(BulkCounts::default()) };
    let target = at_home(path);
    let now = store.clock().now();
    let mut file = EntriesFile::begin(&target, database, store.revision()?, now)?;
    let mut tally = BulkCounts::default();
    let mut telling = ProgressThrottle::new();
    let mut is_stopped = false;
    walk(store, &bulk.marks, u64::MAX, &mut |step| {
        match step {
            Step::Entry(entry) => {
                file.put(&entry)?;
                tally.take(&bulk.deed, &entry, now);
            }
            Step::Left(key, reason) => tally.leave(&key, reason),
            Step::LookedAt(_) => {
                is_stopped = stopped();
                if telling.is_due() {
                    tell(BulkReply::Progress(BulkProgress {
                        words: format!("wrote {}", entries(tally.done)),
                    }));
                }
            }
        }
        Ok(if is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if is_stopped {
        // The half of a file is dropped with what was to become it.
        return Ok(BulkCounts::default());
    }
    file.finish(database, store.revision()?)?;
    Ok(tally)
}

/// A path as people write it.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(folders)) => folders.home_dir().join(rest),
        _ => path.to_path_buf(),
    }
}

/// Changes what is marked. As many as [`BULK_TX_MAX`] are one transaction; what is more is as many
/// transactions as it needs. An entry that is not as it was when it was marked is left alone.
pub fn change(
    store: &dyn Store,
    bulk: &Bulk,
    tell: &dyn Fn(BulkReply),
    stops: &Stops,
    number: u64,
) -> Result<BulkResult, StoreError> {
    let mut changing = Changing { store, bulk, tally: BulkCounts::default(), revisions: Vec::new() };
    let mut batch = BulkBatch::default();
    let mut telling = ProgressThrottle::new();
    let mut is_stopped = false;
    let walked = walk(store, &bulk.marks, VALUE, &mut |step| {
        match step {
            Step::Entry(entry) => match bulk.deed.judge(&entry) {
                Ok(Some(operation)) => {
                    batch.bytes += entry.size;
                    let condition = Condition::Unchanged(Box::new(entry.clone()));
                    batch.parts.push(BulkItem { of: entry, operation, condition });
                }
                Ok(None) => {}
                Err(reason) => changing.tally.leave(&entry.key, reason),
            },
            Step::Left(key, reason) => changing.tally.leave(&key, reason),
            Step::LookedAt(_) => {
                is_stopped = stops.is_stopped(number);
                if telling.is_due() {
                    let words = bulk.deed.done(changing.tally.done);
                    tell(BulkReply::Progress(BulkProgress { words: format!("{words} so far") }));
                }
            }
        }
        if is_stopped {
            return Ok(ControlFlow::Break(()));
        }
        if batch.parts.len() >= BULK_TX_MAX || batch.bytes >= BULK_TX_MAX_BYTES {
            changing.commit(std::mem::take(&mut batch))?;
        }
        Ok(ControlFlow::Continue(()))
    });
    let ended = match walked {
        Err(error) => Err(error),
        Ok(()) if is_stopped => Ok(Some(BulkStop::Stopped)),
        Ok(()) => changing.commit(batch).map(|()| None),
    };
    let Changing { tally, revisions, .. } = changing;
    match ended {
        Ok(ended) => Ok(BulkResult { tally, revisions, ended }),
        // What was done before is to be told as well.
        Err(error) if !revisions.is_empty() => {
            Ok(BulkResult { tally, revisions, ended: Some(BulkStop::Failed(error)) })
        }
        Err(error) => Err(error),
    }
}

/// What is done in one transaction with entries, and how many bytes of values they have.
#[derive(Default)]
struct BulkBatch {
    parts: Vec<BulkItem<Entry>>,
    bytes: u64,
}

/// A change of what is marked under way.
struct Changing<'a> {
    store: &'a dyn Store,
    bulk: &'a Bulk,
    tally: BulkCounts,
    revisions: Vec<Revision>,
}

impl Changing<'_> {
    /// Carries out a batch, without those of its entries that somebody changed since they were read.
    fn commit(&mut self, batch: BulkBatch) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        let carried = bulk_commit::carry_out(self.store, batch.parts)?;
        self.revisions.extend(carried.revision);
        carried.done.iter().for_each(|entry| self.tally.take(&self.bulk.deed, entry, now));
        for entry in carried.left {
            let is_there = self.store.get_prefix(&entry.key, 0)?.is_some();
            self.tally.leave(&entry.key, if is_there { SkipReason::Changed } else { SkipReason::Gone });
        }
        Ok(())
    }
}

//! Reads lists in pieces, so that a newer question is never kept waiting by an older one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use super::Question;
use crate::store::{Entry, Key, KeyRange, Lock, Millis, Order, Process, Scan, Store, StoreError, Waiter};
use crate::tui::action::View;
use crate::tui::effect::{Answer, Epoch, From, Load};
use crate::tui::message::Message;
use crate::tui::row::{LockRow, Position, Row, RowId};

/// How much of a value a list row has, in bytes.
const LIST_VALUE: u64 = 256;
/// How much of a value the detail pane has, in bytes.
pub const DETAIL_VALUE: u64 = 64 * 1024;
/// How many entries are looked at between two looks for a newer question.
const PIECE: usize = 2000;
/// The same where only keys are looked at.
const KEYS: usize = 20_000;
/// How often rows that were found are handed over while the search goes on.
const HAND_OVER: Duration = Duration::from_millis(30);
/// The most locks that are read.
const LOCKS: usize = 5000;

/// Answers questions until nobody asks any more.
pub fn run(
    store: &dyn Store,
    here: &Process,
    questions: &Receiver<Question>,
    answers: &Sender<Message>,
    newest: &AtomicU64,
) {
    while let Ok(question) = questions.recv() {
        let answered = match question {
            // Somebody typed on: there is a newer question behind it.
            Question::Load(load) if load.epoch.0 != newest.load(Ordering::SeqCst) => Ok(()),
            Question::Load(load) => Reading::new(store, here, answers, newest, load).run(),
            Question::Refetch(epoch, keys) => refetch(store, epoch, keys, answers, newest),
            Question::Detail(key) => {
                store.peek(&key, DETAIL_VALUE).map(|entry| send(answers, Answer::Detail(key, entry)))
            }
        };
        if let Err(error) = answered {
            send(answers, Answer::Failed(error.to_string()));
        }
    }
}

/// Counts entries whenever it is asked to; several wishes are one.
pub fn count(store: &dyn Store, wishes: &Receiver<()>, answers: &Sender<Message>) {
    while wishes.recv().is_ok() {
        while wishes.try_recv().is_ok() {}
        match store.count(&KeyRange::all()) {
            Ok(count) => send(answers, Answer::Count(count)),
            Err(error) => send(answers, Answer::Failed(error.to_string())),
        }
    }
}

/// Nobody is left to hear it: the program is ending.
fn send(answers: &Sender<Message>, answer: Answer) {
    let _ = answers.send(Message::Answer(answer));
}

fn refetch(
    store: &dyn Store,
    epoch: Epoch,
    keys: Vec<Key>,
    answers: &Sender<Message>,
    newest: &AtomicU64,
) -> Result<(), StoreError> {
    if newest.load(Ordering::SeqCst) != epoch.0 {
        return Ok(());
    }
    let entries = keys
        .into_iter()
        .map(|key| store.peek(&key, LIST_VALUE).map(|entry| (key, entry)))
        .collect::<Result<Vec<_>, _>>()?;
    send(answers, Answer::Entries(epoch, entries));
    Ok(())
}

/// The answering of one question for rows.
struct Reading<'a> {
    store: &'a dyn Store,
    here: &'a Process,
    answers: &'a Sender<Message>,
    newest: &'a AtomicU64,
    load: Load,
    found: Vec<Row>,
    handed_over: usize,
    any_sent: bool,
    looked_at: u64,
    last_sent: Instant,
}

impl<'a> Reading<'a> {
    fn new(
        store: &'a dyn Store,
        here: &'a Process,
        answers: &'a Sender<Message>,
        newest: &'a AtomicU64,
        load: Load,
    ) -> Reading<'a> {
        Reading {
            store,
            here,
            answers,
            newest,
            load,
            found: Vec::new(),
            handed_over: 0,
            any_sent: false,
            looked_at: 0,
            last_sent: Instant::now(),
        }
    }

    fn run(mut self) -> Result<(), StoreError> {
        match self.load.view {
            View::Locks => self.read_locks(),
            View::Expiring => self.read_expiring(),
            View::Keys if self.load.filter.is_about_keys() && !self.load.filter.is_empty() => {
                self.read_by_key()
            }
            View::Keys | View::Flags | View::Counters => self.read_by_entry(),
        }
    }

    fn is_outdated(&self) -> bool {
        self.newest.load(Ordering::SeqCst) != self.load.epoch.0
    }

    fn is_backwards(&self) -> bool {
        matches!(self.load.from, From::End | From::Before(_))
    }

    /// Counts what was looked at; whether to go on.
    fn goes_on(&mut self, looked_at: usize) -> bool {
        self.looked_at += looked_at as u64;
        if self.is_outdated() || self.handed_over + self.found.len() >= self.load.limit {
            return false;
        }
        if self.last_sent.elapsed() >= HAND_OVER && !self.is_backwards() {
            self.hand_over(false, false);
        }
        true
    }

    /// Finishes the answer if the list has come to its end, there are rows enough, or nobody
    /// wants them any more; whether that was so.
    fn is_done(&mut self, looked_at: usize, asked: usize) -> bool {
        let exhausted = looked_at < asked;
        let done = exhausted || !self.goes_on(looked_at);
        if done {
            self.finish(exhausted);
        }
        done
    }

    fn hand_over(&mut self, exhausted: bool, complete: bool) {
        let mut rows = std::mem::take(&mut self.found);
        let room = self.load.limit.saturating_sub(self.handed_over);
        let exhausted = exhausted && rows.len() <= room;
        rows.truncate(room);
        self.handed_over += rows.len();
        if self.is_backwards() {
            rows.reverse();
        }
        send(
            self.answers,
            Answer::Rows {
                epoch: self.load.epoch,
                from: self.load.from.clone(),
                rows,
                exhausted,
                complete,
                first: !std::mem::replace(&mut self.any_sent, true),
                looked_at: self.looked_at,
            },
        );
        self.last_sent = Instant::now();
    }

    fn finish(&mut self, exhausted: bool) {
        if !self.is_outdated() {
            self.hand_over(exhausted, true);
        }
    }

    /// The scan that the question asks for.
    fn scan(&self, value_limit: u64) -> Scan {
        let key_of = |position: &Position| match position {
            Position::Name(RowId::Entry(key)) | Position::Expiry(_, key) => Some(key.clone()),
            Position::Name(RowId::Lock(_)) => None,
        };
        let mut scan = Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) };
        match &self.load.from {
            From::Start => {}
            From::End => scan.order = Order::Descending,
            From::At(position) => scan.range.start = key_of(position),
            From::After(position) => scan.after = key_of(position),
            From::Before(position) => {
                scan.order = Order::Descending;
                scan.after = key_of(position);
            }
        }
        if self.load.filter.is_empty() && self.load.view == View::Keys {
            scan.limit = self.load.limit + 1;
        }
        scan
    }

    fn read_by_entry(&mut self) -> Result<(), StoreError> {
        let mut scan = self.scan(self.load.filter.value_bytes().unwrap_or(LIST_VALUE));
        let wants_all = self.load.filter.is_empty() && self.load.view == View::Keys;
        if !wants_all {
            // The first piece is small, so that a screen that is easily filled is filled at once.
            scan.limit = 500;
        }
        loop {
            let now = self.store.clock().now();
            let page = self.store.scan(&scan)?;
            let (read, asked) = (page.len(), scan.limit);
            scan.after = page.last().map(|entry| entry.key.clone());
            let (view, filter) = (self.load.view, &self.load.filter);
            let taken = page.into_iter().filter(|entry| view.takes(entry, filter, now)).map(shortened);
            self.found.extend(taken.map(Row::Entry));
            if self.is_done(read, asked) {
                return Ok(());
            }
            scan.limit = PIECE;
        }
    }

    /// A filter about keys is answered from the index of keys; only what passes is read.
    fn read_by_key(&mut self) -> Result<(), StoreError> {
        let needles = self.load.filter.needles();
        let mut scan = Scan { limit: KEYS, ..self.scan(LIST_VALUE) };
        loop {
            let page = self.store.search_keys(&scan, &needles)?;
            for key in page.found.iter().filter(|key| self.load.filter.passes_key(key)) {
                self.found.extend(self.store.peek(key, LIST_VALUE)?.map(Row::Entry));
                if self.handed_over + self.found.len() > self.load.limit {
                    break;
                }
            }
            scan.after = page.last;
            if self.is_done(page.looked_at, KEYS) {
                return Ok(());
            }
        }
    }

    fn read_expiring(&mut self) -> Result<(), StoreError> {
        /// Sorts behind every text key.
        const LAST: &[u8] = &[0xff; 9];
        if self.is_backwards() {
            return self.read_expiring_backwards();
        }
        let mut after = match &self.load.from {
            From::At(Position::Expiry(at, _)) => Some((Millis(at.0 - 1), Key::from_stored(LAST, true))),
            From::After(Position::Expiry(at, key)) => Some((*at, key.clone())),
            _ => None,
        };
        let value_limit = self.load.filter.value_bytes().unwrap_or(LIST_VALUE);
        loop {
            let now = self.store.clock().now();
            let cursor = after.as_ref().map(|(at, key)| (*at, key));
            let page = self.store.scan_expiring(cursor, PIECE, value_limit)?;
            let read = page.len();
            after = page.last().and_then(|entry| Some((entry.expires_at?, entry.key.clone())));
            let filter = &self.load.filter;
            let taken = page.into_iter().filter(|entry| filter.passes(entry, now)).map(shortened);
            self.found.extend(taken.map(Row::Entry));
            if self.is_done(read, PIECE) {
                return Ok(());
            }
        }
    }

    /// The store reads by expiry in one direction only; the last rows are those that are left
    /// when all have gone by.
    fn read_expiring_backwards(&mut self) -> Result<(), StoreError> {
        let end = match &self.load.from {
            From::Before(Position::Expiry(at, key)) => Some((*at, key.clone())),
            _ => None,
        };
        let mut last = std::collections::VecDeque::new();
        let mut passed = 0;
        let mut after: Option<(Millis, Key)> = None;
        'pages: loop {
            let now = self.store.clock().now();
            let cursor = after.as_ref().map(|(at, key)| (*at, key));
            let page = self.store.scan_expiring(cursor, PIECE, LIST_VALUE)?;
            let read = page.len();
            after = page.last().and_then(|entry| Some((entry.expires_at?, entry.key.clone())));
            for entry in page {
                let place = entry.expires_at.map(|at| (at, entry.key.clone()));
                if end.is_some() && place >= end {
                    break 'pages;
                }
                if self.load.filter.passes(&entry, now) {
                    passed += 1;
                    last.push_front(Row::Entry(entry));
                    last.truncate(self.load.limit);
                }
            }
            if read < PIECE || self.is_outdated() {
                break;
            }
        }
        self.found = last.into();
        self.finish(passed <= self.load.limit);
        Ok(())
    }

    /// Locks are few: they are always read all.
    fn read_locks(&mut self) -> Result<(), StoreError> {
        let waiters = self.store.waiters()?;
        let locks = self.store.locks(None, LOCKS)?;
        let passing = locks.into_iter().filter(|lock| self.load.filter.passes_name(lock.name.as_bytes()));
        let rows: Vec<Row> = passing.map(|lock| self.lock_row(lock, &waiters)).collect();
        self.found.extend(rows);
        self.load.from = From::Start;
        self.load.limit = usize::MAX;
        let mut scan = Scan::new(KeyRange::all(), PIECE);
        loop {
            let now = self.store.clock().now();
            let keys = self.store.scan_keys(&scan)?;
            scan.after = keys.last().cloned();
            for key in keys.iter().filter(|key| self.store.kinds().may_be_lock(key)) {
                if let Some(entry) = self.store.peek(key, LIST_VALUE)?
                    && View::Locks.takes(&entry, &self.load.filter, now)
                {
                    self.found.push(Row::Entry(entry));
                }
            }
            if keys.len() < PIECE {
                self.finish(true);
                return Ok(());
            }
            if self.is_outdated() {
                return Ok(());
            }
            self.looked_at += keys.len() as u64;
        }
    }

    fn lock_row(&self, lock: Lock, waiters: &[Waiter]) -> Row {
        let waiting = waiters.iter().filter(|waiter| waiter.lock == lock.name);
        Row::Lock(LockRow {
            liveness: lock.liveness(self.here),
            waiting: waiting.map(|waiter| (waiter.holder.clone(), waiter.since)).collect(),
            lock,
        })
    }
}

/// What a filter had to read beyond what a list shows is not kept.
fn shortened(mut entry: Entry) -> Entry {
    entry.stored.truncate(LIST_VALUE as usize);
    entry
}

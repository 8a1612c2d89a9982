//! Reads lists in pieces, so that a newer question is never kept waiting by an older one.

use std::any::Any;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::store::{Entry, Process, Store};
use crate::tui::effect::Reply;
use crate::tui::list::{Load, LoadFrom, LockKeys, Row};
use crate::tui::message::{Message, send};
use crate::tui::request::CancelToken;

/// How much of a value a list row has, in bytes.
pub const LIST_VALUE: u64 = 256;
/// The most of a value that is shown as a tree, in bytes.
pub const TREE_VALUE: u64 = 1024 * 1024;
/// How many entries are looked at between two looks for a newer question.
pub const PIECE: usize = 2000;
/// The same where only keys are looked at.
pub const KEYS: usize = 20_000;
/// How often rows that were found are handed over while the search goes on.
const FLUSH_INTERVAL: Duration = Duration::from_millis(30);

/// What is kept from one reading to the next, and followed.
#[derive(Default)]
pub struct ReaderCache {
    pub lock_keys: LockKeys,
    /// What the overview keeps, as only it knows it.
    pub overview: Option<Box<dyn Any>>,
}

/// The answering of one question for rows.
pub struct ListReader<'a> {
    pub store: &'a dyn Store,
    pub here: &'a Process,
    pub answers: &'a Sender<Message>,
    pub lists: &'a CancelToken,
    pub kept: &'a mut ReaderCache,
    pub load: Load,
    pub found: Vec<Row>,
    pub handed_over: usize,
    pub any_sent: bool,
    pub scanned: u64,
    last_sent: Instant,
}

impl<'a> ListReader<'a> {
    pub fn new(
        store: &'a dyn Store,
        here: &'a Process,
        answers: &'a Sender<Message>,
        lists: &'a CancelToken,
        kept: &'a mut ReaderCache,
        load: Load,
    ) -> ListReader<'a> {
        ListReader {
            store,
            here,
            answers,
            lists,
            kept,
            load,
            found: Vec::new(),
            handed_over: 0,
            any_sent: false,
            scanned: 0,
            last_sent: Instant::now(),
        }
    }

    pub fn is_outdated(&self) -> bool {
        self.lists.is_cancelled(self.load.generation)
    }

    pub fn is_backwards(&self) -> bool {
        matches!(self.load.from, LoadFrom::End | LoadFrom::Before(_))
    }

    /// Counts what was looked at; whether to go on.
    pub fn goes_on(&mut self, scanned: usize) -> bool {
        self.scanned += scanned as u64;
        if self.is_outdated() || self.handed_over + self.found.len() >= self.load.limit {
            return false;
        }
        if self.last_sent.elapsed() >= FLUSH_INTERVAL && !self.is_backwards() {
            self.hand_over(false, false);
        }
        true
    }

    /// Finishes the answer if the list has come to its end, there are rows enough, or nobody
    /// wants them any more; whether that was so.
    pub fn is_done(&mut self, scanned: usize, asked: usize) -> bool {
        let exhausted = scanned < asked;
        let done = exhausted || !self.goes_on(scanned);
        if done {
            self.finish(exhausted);
        }
        done
    }

    pub fn hand_over(&mut self, exhausted: bool, complete: bool) {
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
            Reply::Rows {
                generation: self.load.generation,
                from: self.load.from.clone(),
                rows,
                exhausted,
                complete,
                first: !std::mem::replace(&mut self.any_sent, true),
                scanned: self.scanned,
            },
        );
        self.last_sent = Instant::now();
    }

    pub fn finish(&mut self, exhausted: bool) {
        if !self.is_outdated() {
            self.hand_over(exhausted, true);
        }
    }
}

/// What a filter had to read beyond what a list shows is not kept.
pub fn shortened(mut entry: Entry) -> Entry {
    entry.stored.truncate(LIST_VALUE as usize);
    entry
}

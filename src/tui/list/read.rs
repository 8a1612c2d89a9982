//! Reads lists in pieces, so that a newer question is never kept waiting by an older one.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::store::{Entry, Key, Process, Store, StoreError};
use crate::tui::effect::{Effect, Load, LoadFrom, Reply};
use crate::tui::list::row::{Row, RowId};
use crate::tui::message::Message;
use crate::tui::request::{CancelToken, RequestId, RequestQueue};
use crate::tui::list::lock_keys::LockKeys;
use crate::tui::screens::overview::read::Board;
use crate::tui::screens::value::detail::{DETAIL_VALUE, Detail, cut, is_inside};
use crate::tui::screens::{self, runs};

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

/// Answers questions until nobody asks any more.
pub fn run(
    store: &dyn Store,
    here: &Process,
    requests: &RequestQueue<Effect>,
    answers: &Sender<Message>,
    lists: &CancelToken,
) {
    let mut kept = ReaderCache::default();
    while let Some(request) = requests.next() {
        let answered = match request {
            // Somebody typed on: there is a newer question behind it.
            Effect::Load(load) if lists.is_cancelled(load.generation) => Ok(()),
            Effect::Load(load) => ListReader::new(store, here, answers, lists, &mut kept, load).run(),
            Effect::Refresh(refresh) => runs::read::refresh(store, here, &refresh, answers, lists),
            Effect::Refetch(id, keys) => refetch(store, id, keys, answers, lists),
            Effect::Detail(id, offset) => detail(store, here, &id, offset)
                .map(|detail| send(answers, Reply::Detail(id, detail.map(Box::new)))),
            _ => Ok(()),
        };
        if let Err(error) = answered {
            send(answers, Reply::failed(error));
        }
    }
}

/// Nobody is left to hear it: the program is ending.
pub fn send(answers: &Sender<Message>, answer: Reply) {
    let _ = answers.send(Message::Reply(answer));
}

fn refetch(
    store: &dyn Store,
    id: RequestId,
    keys: Vec<Key>,
    answers: &Sender<Message>,
    lists: &CancelToken,
) -> Result<(), StoreError> {
    if lists.is_cancelled(id) {
        return Ok(());
    }
    let entries = keys
        .into_iter()
        .map(|key| store.get_prefix(&key, LIST_VALUE).map(|entry| (key, entry)))
        .collect::<Result<Vec<_>, _>>()?;
    send(answers, Reply::Entries(id, entries));
    Ok(())
}

/// A row with a piece of its value from `offset` on; a lock has no more than its row.
fn detail(store: &dyn Store, here: &Process, id: &RowId, offset: u64) -> Result<Option<Detail>, StoreError> {
    let row = match id {
        RowId::Entry(key) if offset == 0 => {
            return Ok(store.get_prefix(key, TREE_VALUE)?.map(Detail::of_entry));
        }
        // A few bytes more, so that no character is torn where one piece ends.
        RowId::Entry(key) => store.get_slice(key, offset, DETAIL_VALUE + 3)?.map(|mut entry| {
            let start = entry.stored.iter().take(3).take_while(|byte| is_inside(**byte)).count();
            cut(&mut entry);
            entry.stored.drain(..start.min(entry.stored.len()));
            Row::Entry(entry)
        }),
        RowId::Change(revision) => store.change(*revision, DETAIL_VALUE)?.map(Row::Change),
        RowId::Run(number) => runs::read::detail(store, here, *number)?,
        RowId::Lock(_) | RowId::Group(_) => None,
    };
    Ok(row.map(|row| Detail::new(row, offset)))
}

/// What is kept from one reading to the next, and followed.
#[derive(Default)]
pub struct ReaderCache {
    pub board: Board,
    pub lock_keys: LockKeys,
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

    pub fn run(mut self) -> Result<(), StoreError> {
        if let Some(open) = self.load.tree.take() {
            return self.read_tree(open);
        }
        match self.load.sort.filter(|_| self.load.view.has_entries()) {
            Some(sort) => self.read_sorted(sort),
            None => (screens::listing(self.load.view).read)(&mut self),
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

//! What is written, and what becomes of it.

use crate::store::{
    ClearOutcome, Condition, Edit, Entry, Expiry, Key, Lock, Operation, Process, Revision, StackLock,
    StoreError, Transaction, Type, UndoOutcome, Value,
};
use crate::tui::bulk::{Bulk, BulkResult};
use crate::tui::request::RequestId;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::widgets::text_diff::TextDiff;

/// How many bytes of a value are kept to be shown.
const BEGINNING: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub what: WriteKind,
    /// In the words of the status line when it is done.
    pub done: String,
}

impl Write {
    /// A write of a value over the entry that was seen, its expiry kept.
    pub fn put(seen: Entry, value: Value, done: String) -> Write {
        let draft = Some(Draft::of(&value));
        let transaction = Transaction::put(seen.key.clone(), value, Expiry::Keep);
        Write::guarded(seen, transaction, draft, done)
    }

    pub fn delete(seen: Entry) -> Write {
        let done = format!("deleted {}", seen.key);
        let transaction = Transaction::delete(seen.key.clone());
        Write::guarded(seen, transaction, None, done)
    }

    /// A change of the entry that was seen, if it is still that one.
    pub fn guarded(seen: Entry, transaction: Transaction, draft: Option<Draft>, done: String) -> Write {
        let seen = Box::new(seen);
        let transaction = transaction.when(Condition::Unchanged(seen.clone()));
        Write { what: WriteKind::Guarded { transaction, seen: Some(seen), draft: draft.map(Box::new) }, done }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum WriteKind {
    /// A transaction under the condition that nothing has changed.
    Guarded {
        transaction: Transaction,
        /// The entry it is about, as it was seen.
        seen: Option<Box<Entry>>,
        /// What was typed for it, if anything was.
        draft: Option<Box<Draft>>,
    },
    /// An edit that depends on nothing that was seen.
    Edit(Key, Edit),
    ClearLock(Box<Lock>),
    /// Taking away the lock of a stack, which Sloth Runner keeps.
    ClearStackLock(Box<StackLock>),
    /// Asking a run to stop, by a signal to its process.
    StopRun(Box<Process>),
    /// Taking back a change; with force also where somebody changed something since.
    Undo {
        change: UndoableChange,
        chosen: UndoSource,
        /// Whether what others did since does not count.
        force: bool,
    },
    /// Changing all that is marked, under this number.
    Bulk(RequestId, Box<Bulk>),
}

/// Where a change that is taken back was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoSource {
    Last,
    /// It is the last taking back, so that what was taken back is done again.
    LastUndone,
    /// In the list of what was changed here; it is not the last.
    FromList,
    /// In the history, where anybody may have made it.
    FromHistory,
}

/// What was typed for an entry, to be gone on with where it was not written.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// In the form, or by a key that changes the value; what is `None` or empty was left as it was.
    Form { text: Option<String>, value_type: Option<Type>, expiry: String },
    /// The value, in the user's editor.
    Outside(Vec<u8>),
}

impl Draft {
    /// A value that a key made.
    pub fn of(value: &Value) -> Draft {
        match String::from_utf8(value.to_stored()) {
            Ok(text) => Draft::Form { text: Some(text), value_type: None, expiry: String::new() },
            Err(error) => Draft::Outside(error.into_bytes()),
        }
    }
}

#[derive(Debug)]
pub enum WriteOutcome {
    /// Of a transaction that took place.
    Committed {
        /// The last revision that it made.
        revision: Revision,
        /// How many entries it changed.
        changed: u64,
    },
    /// Of a transaction that was refused, because something had changed.
    Refused(Box<Refusal>),
    /// Of an edit: the revision that it made.
    Edited(Option<Revision>),
    /// Of taking something back.
    UndoOutcome {
        /// The revisions that did so, the first one first; undoing them does it again.
        made: Vec<Revision>,
        /// What became of the transaction that was not taken back.
        ended: Option<Box<Result<UndoOutcome, StoreError>>>,
    },
    /// Of changing all that is marked.
    Bulk(Box<BulkResult>),
    /// Of a clearing.
    ClearOutcome(ClearOutcome),
    /// Of clearing the lock of a stack: whether it still was the one that was seen.
    StackLockCleared(bool),
    /// Of asking a run to stop: whether its process was there.
    Signalled(bool),
}

/// What is there instead of what was seen, beside what was to be written. Values may be long: whoever
/// writes compares them, not whoever draws.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The entry as it is by now; `None` if it is gone.
    pub theirs: Option<Entry>,
    pub their_type: Option<Type>,
    /// The first bytes of the value that was to be written.
    pub beginning: Vec<u8>,
    /// Where the two values differ, if there are two.
    pub difference: TextDiff,
}

impl Refusal {
    /// Of a transaction that was refused, and the entry that was found instead.
    pub fn of(transaction: &Transaction, theirs: Option<Entry>) -> Refusal {
        let found = theirs.as_ref().map(Entry::value);
        let their_type = found.as_ref().map(Value::value_type);
        let (mut beginning, mut difference) = (Vec::new(), TextDiff::default());
        if let Some(mine) = transaction.operations.first().and_then(Operation::value) {
            beginning = mine.to_stored();
            beginning.truncate(BEGINNING);
            difference = found.map(|theirs| TextDiff::of(&mine, &theirs)).unwrap_or_default();
        }
        Refusal { theirs, their_type, beginning, difference }
    }
}

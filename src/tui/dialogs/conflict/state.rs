//! A change that was refused, because somebody else changed the entry while it was made.

use crate::store::{Condition, Entry, Expiry, Key, Operation, Transaction, Type, Value};
use crate::tui::dialogs::form::state::Draft;
use crate::tui::effect::{Write, WriteKind};
use crate::tui::widgets::text_diff::TextDiff;

/// What is there instead of what was seen, beside what was to be written. Values may be long: whoever
/// writes compares them, not whoever draws.
#[derive(Debug)]
pub struct Refusal {
    theirs: Option<Entry>,
    their_type: Option<Type>,
    beginning: Vec<u8>,
    difference: TextDiff,
}

/// What was to be made of an entry, beside what somebody else has made of it.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The write that was refused.
    write: Write,
    /// The entry as it is by now; `None` if it is gone.
    pub theirs: Option<Entry>,
    /// The type of their value.
    pub their_type: Option<Type>,
    /// The first bytes of the value that was to be written.
    pub beginning: Vec<u8>,
    /// Where the two values differ, if there are two.
    pub difference: TextDiff,
}

/// How many bytes of a value are kept to be shown.
const BEGINNING: usize = 4096;

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

impl Conflict {
    /// Of a write that was refused, and what was found instead.
    pub fn new(write: Write, found: Refusal) -> Conflict {
        let Refusal { theirs, their_type, beginning, difference } = found;
        Conflict { write, theirs, their_type, beginning, difference }
    }

    fn transaction(&self) -> Option<&Transaction> {
        match &self.write.what {
            WriteKind::Guarded { transaction, .. } => Some(transaction),
            _ => None,
        }
    }

    fn operation(&self) -> Option<&Operation> {
        self.transaction()?.operations.first()
    }

    /// The entry that it is about.
    pub fn key(&self) -> Option<&Key> {
        self.transaction()?.operations.iter().find_map(Operation::key)
    }

    /// The value that was to be written; `None` if something else was to be done.
    pub fn mine(&self) -> Option<Value> {
        self.operation()?.value()
    }

    /// What was to become of the expiry; `None` if it was to be kept, or is none of it.
    pub fn expiry(&self) -> Option<Expiry> {
        match self.operation()? {
            Operation::Put { expiry, .. }
            | Operation::PutUntyped { expiry, .. }
            | Operation::SetExpiry { expiry, .. } => Some(*expiry).filter(|expiry| *expiry != Expiry::Keep),
            _ => None,
        }
    }

    /// What was typed, if it can be gone on with over what is there now.
    pub fn draft(&self) -> Option<&Draft> {
        match &self.write.what {
            WriteKind::Guarded { draft, .. } if self.theirs.is_some() => draft.as_deref(),
            _ => None,
        }
    }

    /// Whether it can be done all the same: what is gone has no expiry to be changed, and is not
    /// deleted once more.
    pub fn can_go_on(&self) -> bool {
        self.theirs.is_some() || self.mine().is_some()
    }

    /// The same write over what is there now, and over nothing else: it may change once more.
    pub fn all_the_same(self) -> Write {
        let key = self.key().cloned();
        let Conflict { mut write, theirs, .. } = self;
        if let WriteKind::Guarded { transaction, seen, .. } = &mut write.what {
            let condition = match (&theirs, key) {
                (Some(entry), _) => Some(Condition::Unchanged(Box::new(entry.clone()))),
                (None, key) => key.map(Condition::Absent),
            };
            transaction.conditions = condition.into_iter().collect();
            *seen = theirs.map(Box::new);
        }
        write
    }
}

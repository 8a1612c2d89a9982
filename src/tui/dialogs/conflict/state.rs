//! A change that was refused, because somebody else changed the entry while it was made.

use crate::store::{Condition, Expiry, Key, Operation, Transaction, Value};
use crate::tui::write::{Draft, Refusal, Write, WriteKind};

/// What was to be made of an entry, beside what somebody else has made of it.
#[derive(Clone, Debug)]
pub struct Conflict {
    pub write: Write,
    pub found: Refusal,
}

impl Conflict {
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
            WriteKind::Guarded { draft, .. } if self.found.theirs.is_some() => draft.as_deref(),
            _ => None,
        }
    }

    /// Whether it can be done all the same: what is gone has no expiry to be changed, and is not
    /// deleted once more.
    pub fn can_go_on(&self) -> bool {
        self.found.theirs.is_some() || self.mine().is_some()
    }

    /// The same write over what is there now, and over nothing else: it may change once more.
    pub fn all_the_same(self) -> Write {
        let key = self.key().cloned();
        let Conflict { mut write, found } = self;
        if let WriteKind::Guarded { transaction, seen, .. } = &mut write.what {
            let condition = match (&found.theirs, key) {
                (Some(entry), _) => Some(Condition::Unchanged(Box::new(entry.clone()))),
                (None, key) => key.map(Condition::Absent),
            };
            transaction.conditions = condition.into_iter().collect();
            *seen = found.theirs.map(Box::new);
        }
        write
    }
}

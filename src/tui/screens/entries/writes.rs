//! Writes of one entry, on the condition that it is still what was seen.

use crate::store::{Condition, Entry, Expiry, Key, Transaction, TypedInput, Value};
use crate::tui::dialogs::form::state::{Draft, Form};
use crate::tui::effect::{Write, WriteKind};

/// A write of a value over the entry that was seen, its expiry kept.
pub fn put(seen: Entry, value: Value, done: String) -> Write {
    let draft = Some(Draft::of(&value));
    let transaction = Transaction::put(seen.key.clone(), value, Expiry::Keep);
    guarded(seen, transaction, draft, done)
}

/// A deletion of the entry that was seen.
pub fn delete(seen: Entry) -> Write {
    let done = format!("deleted {}", seen.key);
    let transaction = Transaction::delete(seen.key.clone());
    guarded(seen, transaction, None, done)
}

/// A change of the entry that was seen, if it is still that one.
pub fn guarded(seen: Entry, transaction: Transaction, draft: Option<Draft>, done: String) -> Write {
    let seen = Box::new(seen);
    let transaction = transaction.when(Condition::Unchanged(seen.clone()));
    Write { what: WriteKind::Guarded { transaction, seen: Some(seen), draft: draft.map(Box::new) }, done }
}

/// A new entry, if there is none of its key.
pub fn create(form: &Form, (key, value): (Key, TypedInput), expiry: Expiry) -> Write {
    let done = match (form.value_type(), &value) {
        (Some(_), _) => format!("added {key}"),
        (None, TypedInput::Untyped(_)) => format!("added {key} as untyped text"),
        (None, TypedInput::Value(value)) => format!("added {key} as a {}", value.value_type()),
    };
    let draft = form.draft();
    let transaction = Transaction::of(value.put(key.clone(), expiry)).when(Condition::Absent(key));
    Write { what: WriteKind::Guarded { transaction, seen: None, draft: Some(Box::new(draft)) }, done }
}

//! Taking changes back: a new change that restores what was there, where nobody has changed it since.

use std::ops::Bound;

use crate::store::{
    Actor, Change, Condition, Entry, ErrorKind, HistoryScan, Image, Key, Operation, Outcome, Purpose,
    Revision, Store, StoreError, Subject, Transaction, change_pages,
};
use crate::time::Millis;

/// What became of taking a change back.
#[derive(Clone, Debug, PartialEq)]
pub enum UndoOutcome {
    /// It was taken back, together with all that its transaction had changed.
    Done {
        /// The revision of the change that did so; undoing that one does the change again.
        revision: Revision,
        /// The entries that have their former value again.
        restored: Vec<Key>,
        /// The entries that the change had made, and that are gone again.
        removed: Vec<Key>,
        /// Entries whose former value would have expired by now, and when: they were left alone.
        expired: Vec<(Key, Millis)>,
    },
    /// These entries were changed since; nothing was done. With them what they are now.
    Conflict(Vec<(Key, Option<Box<Entry>>)>),
    /// That revision took it back before; nothing was done.
    AlreadyUndone(Revision),
    /// There is nothing that could be taken back.
    NothingToUndo(NothingToUndo),
}

/// Why there is nothing to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NothingToUndo {
    /// The change is about locks, which are held by processes.
    Locks,
    /// The change is the beginning of an epoch.
    Epoch,
    /// The entry expired: with its former expiry it would be gone at once.
    Expired { key: Key, at: Millis },
    /// Everything already is what it was before the change: an entry that it had made is gone.
    AsBefore,
}

/// Takes back the change of `revision` and all that was changed in the same transaction. Unless
/// `force`, nothing is done where an entry was changed since.
///
/// # Errors
/// [`ErrorKind::NoSuchChange`], [`ErrorKind::Pruned`] or [`ErrorKind::NotYet`] if there is no
/// such change in history.
pub fn undo(store: &dyn Store, revision: Revision, force: bool) -> Result<UndoOutcome, StoreError> {
    let changes = transaction_of(store, revision)?;
    if let Some(by) = changes.iter().find_map(|change| change.undone_by)
        && !force
        && !is_undone(store, by)?
    {
        return Ok(UndoOutcome::AlreadyUndone(by));
    }
    let plan = match Plan::of(&changes, store.clock().now()) {
        Ok(plan) => plan,
        Err(nothing) => return Ok(UndoOutcome::NothingToUndo(nothing)),
    };
    let first = changes.first().map_or(revision, |change| change.transaction.0);
    let transaction = Transaction {
        conditions: if force { Vec::new() } else { plan.conditions.clone() },
        operations: plan.operations,
        purpose: Purpose::Undo(first),
    };
    match store.commit(&transaction)? {
        Outcome::Committed { changed: 0, .. } => Ok(UndoOutcome::NothingToUndo(NothingToUndo::AsBefore)),
        Outcome::Committed { revision, .. } => Ok(UndoOutcome::Done {
            revision,
            restored: plan.restored,
            removed: plan.removed,
            expired: plan.expired,
        }),
        Outcome::Refused { .. } => conflicts(store, &plan.conditions),
    }
}

/// The newest change that `actor`'s user made by hand on that host, from any process, and that was
/// not taken back: the one that a person means by "the last". Changes by workflows do not count.
pub fn last_by_hand(store: &dyn Store, actor: &Actor) -> Result<Option<Revision>, StoreError> {
    const PAGE: usize = 500;
    let scan = HistoryScan { value_limit: 0, subject: Some(Subject::Entry), ..HistoryScan::newest(PAGE) };
    for page in change_pages(store, scan) {
        for change in page? {
            let by_hand = change.actor.run.is_none() && change.actor.task.is_none();
            let theirs = !by_hand || change.actor.place() != actor.place();
            if theirs || matches!(change.operation.as_str(), "undo" | "expire") {
                continue;
            }
            match change.undone_by {
                Some(by) if !is_undone(store, by)? => {}
                _ => return Ok(Some(change.revision)),
            }
        }
    }
    Ok(None)
}

/// Whether the change of that revision was itself taken back.
fn is_undone(store: &dyn Store, revision: Revision) -> Result<bool, StoreError> {
    match store.change(revision, 0)?.and_then(|change| change.undone_by) {
        Some(by) => Ok(!is_undone(store, by)?),
        None => Ok(false),
    }
}

/// All changes of the transaction that made `revision`, oldest first.
fn transaction_of(store: &dyn Store, revision: Revision) -> Result<Vec<Change>, StoreError> {
    let Some(change) = store.change(revision, 0)? else {
        let kind = match store.history_span()? {
            Some(span) if !span.reaches(revision.before()) => {
                ErrorKind::Pruned { oldest: span.oldest.0, oldest_at: span.oldest.1 }
            }
            Some(span) if revision > span.newest.0 => ErrorKind::NotYet { newest: span.newest.0 },
            _ => ErrorKind::NoSuchChange { revision },
        };
        return Err(kind.into());
    };
    let (first, last) = change.transaction;
    let (from, to) = (Bound::Included(first), Bound::Included(last));
    let scan = HistoryScan { from, to, ..HistoryScan::newest(usize::MAX) };
    let mut changes = store.history(&scan)?;
    changes.reverse();
    match changes.first() {
        // The beginning of a transaction may be gone already; half of it is not taken back.
        Some(oldest) if oldest.revision == first => Ok(changes),
        _ => Err(ErrorKind::NoSuchChange { revision: first }.into()),
    }
}

/// What has to be done to take changes back.
#[derive(Default)]
struct Plan {
    conditions: Vec<Condition>,
    operations: Vec<Operation>,
    restored: Vec<Key>,
    removed: Vec<Key>,
    expired: Vec<(Key, Millis)>,
}

/// One entry before and after the changes of a transaction.
struct EntrySpan<'a> {
    key: &'a Key,
    before: Option<&'a Image>,
    last: &'a Change,
}

impl Plan {
    fn of(changes: &[Change], now: Millis) -> Result<Plan, NothingToUndo> {
        let mut spans: Vec<EntrySpan<'_>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        let mut expired = Vec::new();
        for change in changes.iter().filter(|change| change.subject == Subject::Entry) {
            if change.operation == "expire" {
                let at = change.old.as_ref().and_then(|old| old.expires_at).unwrap_or(change.at);
                expired.push((change.key.clone(), at));
                continue;
            }
            match places.get(&change.key) {
                Some(&place) => {
                    let span: &mut EntrySpan<'_> = &mut spans[place];
                    span.last = change;
                }
                None => {
                    places.insert(&change.key, spans.len());
                    spans.push(EntrySpan { key: &change.key, before: change.old.as_ref(), last: change });
                }
            }
        }
        if spans.is_empty() {
            return Err(match expired.pop() {
                Some((key, at)) => NothingToUndo::Expired { key, at },
                None if changes.iter().any(|change| change.subject == Subject::Database) => {
                    NothingToUndo::Epoch
                }
                None => NothingToUndo::Locks,
            });
        }
        let mut plan = Plan::default();
        for span in spans {
            plan.add(&span, now);
        }
        match (plan.operations.is_empty(), plan.expired.pop()) {
            (true, Some((key, at))) => Err(NothingToUndo::Expired { key, at }),
            (_, popped) => {
                plan.expired.extend(popped);
                Ok(plan)
            }
        }
    }

    fn add(&mut self, span: &EntrySpan<'_>, now: Millis) {
        let key = span.key.clone();
        if let Some(at) = span.before.and_then(|image| image.expires_at).filter(|at| *at <= now) {
            self.expired.push((key, at));
            return;
        }
        // What it is counts, not who made it so: after a later change was taken back, this one
        // can be as well.
        self.conditions.push(match &span.last.new {
            Some(image) => Condition::Is(key.clone(), image.clone()),
            None => Condition::Absent(key.clone()),
        });
        match span.before {
            Some(image) => {
                self.operations.push(Operation::Restore { key: key.clone(), image: image.clone() });
                self.restored.push(key);
            }
            None if span.last.new.is_none() => {}
            None => {
                self.operations.push(Operation::Delete(key.clone()));
                self.removed.push(key);
            }
        }
    }
}

/// The entries of which the condition does not hold, as they are now.
fn conflicts(store: &dyn Store, conditions: &[Condition]) -> Result<UndoOutcome, StoreError> {
    let mut conflicts = Vec::new();
    for condition in conditions {
        let Some(key) = condition.key() else { continue };
        let found = store.get(key)?;
        if !condition.holds_for(found.as_ref()) {
            conflicts.push((key.clone(), found.map(Box::new)));
        }
    }
    Ok(UndoOutcome::Conflict(conflicts))
}

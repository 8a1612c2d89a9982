//! A store on top of another: what is written stays in it, what was read is remembered.
//!
//! It can tell what it read as conditions and what was written as operations, so that all of it
//! takes effect below in one transaction, or is only looked at.

mod base;
mod changes;
mod locks;
mod pages;
mod passthrough;
mod state;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use self::base::Base;
use self::changes::OverlayChanges;
use self::locks::Tokens;
use crate::store::edit::Planned;
use crate::store::transaction::last_writes;
use crate::store::{
    Actor, Condition, Entry, Expiry, Image, Key, KeyRange, Locks, Moment, Operation, PAGE, Revision, Scan,
    Store, StoreError, Token, Transaction, Value, entry_pages,
};
use crate::time::Millis;

/// State as it would be after writes that are kept back.
///
/// An entry is read below once, and is the same from then on; a range is read below each time,
/// and that nothing in it changed since the first time is a condition. A write to a key reads it
/// as well, since the change has the entry below. A key that is written more than once is committed as one
/// write, so that its version grows by one. What is not committed yet has no actor, and a revision that
/// holds in this overlay only.
pub struct Overlay {
    below: Base,
    /// Whether what is written is to be committed below some time.
    is_to_commit: bool,
    /// Where the locks are, the queue for them, the clock, and the figures.
    beside: Rc<dyn Store>,
    /// The tokens of locks that stand for others, by the names of the locks.
    tokens: RefCell<BTreeMap<String, Tokens>>,
    /// The token that the next lock is to go by.
    expected: Cell<Option<Token>>,
    /// Who makes changes that are never committed.
    actor: RefCell<Actor>,
    /// How many changes the store beside had when the overlay was made.
    history_beside: u64,
    kept: RefCell<OverlayBuffer>,
}

#[derive(Default)]
struct OverlayBuffer {
    read: BTreeMap<Key, Option<Entry>>,
    ranges: Vec<(KeyRange, Revision)>,
    locks: Vec<(String, Token)>,
    /// What there is now of each key that was written, and what there was below.
    written: BTreeMap<Key, BeforeAfter>,
    operations: Vec<Operation>,
    deleted: Vec<KeyRange>,
    /// What stood in `written` before each change of it, to take changes back.
    journal: Vec<(Key, Option<BeforeAfter>)>,
    /// What history would have of this, if it is never committed.
    changes: OverlayChanges,
    /// The revision below when the first write was made, and how many were made since.
    revision: Option<(Revision, i64)>,
}

impl OverlayBuffer {
    /// What makes of a key that was written what it is here; `None` if it was not written.
    fn result_of(&self, key: &Key) -> Option<Operation> {
        let key = key.clone();
        Some(match &self.written.get(&key)?.new {
            Some(entry) => Operation::Restore { key, image: entry.image() },
            None => Operation::Delete(key),
        })
    }
}

/// What became of one key; `None` is "no such entry".
#[derive(Clone, Debug, PartialEq)]
pub struct BeforeAfter {
    /// The entry below.
    pub old: Option<Entry>,
    pub new: Option<Entry>,
}

/// A moment in the writing of an overlay: see [`Overlay::roll_back`].
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    journal: usize,
    operations: usize,
    deleted: usize,
    locks: usize,
    changes: u64,
}

impl Overlay {
    /// An overlay with nothing in it; locks, clock and figures are those of the store below.
    pub fn new(below: Rc<dyn Store>) -> Overlay {
        let beside = Rc::clone(&below);
        Overlay::over(Base::now(below), true, beside)
    }

    /// An overlay that is never committed, on a store as it is or as it was at `moment`; with the
    /// locks, the queue for them, the clock, changes and figures of the store beside it.
    pub fn apart(below: Rc<dyn Store>, moment: Option<Moment>, beside: Rc<dyn Store>) -> Overlay {
        Overlay::over(Base::at(below, moment), false, beside)
    }

    fn over(below: Base, is_to_commit: bool, beside: Rc<dyn Store>) -> Overlay {
        let (tokens, expected, kept) = Default::default();
        let actor = RefCell::new(Actor::external());
        // Only a trial asks for it, and its store can be read.
        let history_beside = if is_to_commit { 0 } else { beside.stats().map_or(0, |stats| stats.history) };
        Overlay { below, is_to_commit, beside, tokens, expected, actor, history_beside, kept }
    }

    /// What was read below, as conditions that hold as long as it is still so.
    pub fn conditions(&self) -> Vec<Condition> {
        let kept = self.kept.borrow();
        let locks = kept.locks.iter().map(|(name, token)| Condition::HoldsLock(name.clone(), *token));
        let entries = kept.read.iter().map(|(key, found)| match found {
            Some(entry) => Condition::Unchanged(Box::new(entry.clone())),
            None => Condition::Absent(key.clone()),
        });
        let ranges =
            kept.ranges.iter().map(|(range, since)| Condition::RangeAtRevision(range.clone(), *since));
        locks.chain(entries).chain(ranges).collect()
    }

    /// What was written, whatever was read: the last write of each key, in their order. Expiries are moments,
    /// counted from when it was written, and edits are what they came to.
    pub fn operations(&self) -> Vec<Operation> {
        let kept = self.kept.borrow();
        let result_of = |operation: Operation| match &operation {
            Operation::Edit { key, .. } => kept.result_of(key).unwrap_or(operation),
            _ => operation,
        };
        self.last_writes().into_iter().map(result_of).collect()
    }

    /// An edit that was carried out here does not fail: what it found is a condition.
    fn last_writes(&self) -> Vec<Operation> {
        last_writes(self.kept.borrow().operations.clone(), false)
    }

    /// Everything that was read and written, to be committed below.
    pub fn transaction(&self) -> Transaction {
        let (conditions, operations) = (self.conditions(), self.last_writes());
        Transaction { conditions, operations, ..Transaction::default() }
    }

    /// As [`Overlay::transaction`], without a copy: the overlay has nothing in it afterwards.
    pub fn take_transaction(&self) -> Transaction {
        let kept = std::mem::take(&mut *self.kept.borrow_mut());
        let locks = kept.locks.into_iter().map(|(name, token)| Condition::HoldsLock(name, token));
        let entries = kept.read.into_iter().map(|(key, found)| match found {
            Some(entry) => Condition::Unchanged(Box::new(entry)),
            None => Condition::Absent(key),
        });
        let ranges = kept.ranges.into_iter().map(|(range, since)| Condition::RangeAtRevision(range, since));
        let conditions = locks.chain(entries).chain(ranges).collect();
        Transaction { conditions, operations: last_writes(kept.operations, false), ..Transaction::default() }
    }

    /// What would change, key by key, in the order of the keys.
    pub fn rewritten(&self) -> Vec<(Key, BeforeAfter)> {
        let kept = self.kept.borrow();
        kept.written.iter().map(|(key, rewritten)| (key.clone(), rewritten.clone())).collect()
    }

    /// This moment, for [`Overlay::roll_back`].
    pub fn checkpoint(&self) -> Checkpoint {
        let kept = self.kept.borrow();
        let (journal, operations) = (kept.journal.len(), kept.operations.len());
        let changes = kept.changes.made();
        Checkpoint { journal, operations, deleted: kept.deleted.len(), locks: kept.locks.len(), changes }
    }

    /// Forgets how the present state came about, which only a commit below needs.
    fn forget_operations(&self) {
        let mut kept = self.kept.borrow_mut();
        kept.operations = Vec::new();
        kept.journal = Vec::new();
        kept.changes.prune();
    }

    /// Takes back what was written since `checkpoint`. What was read stays read.
    pub fn roll_back(&self, checkpoint: Checkpoint) {
        let mut kept = self.kept.borrow_mut();
        kept.operations.truncate(checkpoint.operations);
        kept.deleted.truncate(checkpoint.deleted);
        kept.locks.truncate(checkpoint.locks);
        kept.changes.roll_back(checkpoint.changes);
        while kept.journal.len() > checkpoint.journal {
            match kept.journal.pop() {
                Some((key, Some(before))) => kept.written.insert(key, before),
                Some((key, None)) => kept.written.remove(&key),
                None => return,
            };
        }
    }

    fn now(&self) -> Millis {
        self.clock().now()
    }

    /// The entry as it is here, whole. What is read below is remembered.
    fn find(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let now = self.now();
        let visible = |entry: &Entry| !entry.is_expired(now);
        if let Some(rewritten) = self.kept.borrow().written.get(key) {
            return Ok(rewritten.new.clone().filter(visible));
        }
        if let Some(found) = self.kept.borrow().read.get(key) {
            return Ok(found.clone().filter(visible));
        }
        let found = self.below.get(key)?;
        self.kept.borrow_mut().read.insert(key.clone(), found.clone());
        Ok(found)
    }

    /// Whether a condition holds; if not, the entry that it is about.
    fn check(&self, condition: &Condition) -> Result<Result<(), Option<Box<Entry>>>, StoreError> {
        let (holds, found) = match condition {
            Condition::HoldsLock(name, token) => {
                let held =
                    self.lock(name)?.is_some_and(|lock| lock.token == *token && !lock.is_expired(self.now()));
                if held {
                    self.kept.borrow_mut().locks.push((name.clone(), *token));
                }
                (held, None)
            }
            Condition::RangeAtRevision(range, since) => {
                self.note_range(range.clone(), *since);
                let kept = self.kept.borrow();
                let written = kept.written.iter().filter(|(key, _)| range.contains(key));
                let mut written = written.filter_map(|(_, rewritten)| rewritten.new.as_ref());
                let changed = written.find(|entry| entry.revision > *since);
                (changed.is_none(), changed.cloned())
            }
            about_entry => {
                let found = about_entry.key().map(|key| self.find(key)).transpose()?.flatten();
                (about_entry.holds_for(found.as_ref()), found)
            }
        };
        Ok(if holds { Ok(()) } else { Err(found.map(Box::new)) })
    }

    /// Carries out one operation; how many entries it changed. What edits came to is added to `edits`.
    fn carry_out(&self, operation: &Operation, edits: &mut Vec<Planned>) -> Result<u64, StoreError> {
        let now = self.now();
        let expiry_over = |found: &Option<Entry>, expiry: Expiry| {
            expiry.after(found.as_ref().and_then(|entry| entry.expires_at), now)
        };
        let image_over = |found: &Option<Entry>, value: &Value, expiry: Expiry| {
            let expires_at = expiry_over(found, expiry)?;
            let stored_type = Image::type_over(found.as_ref().map(|entry| entry.stored_type), value);
            Ok::<_, StoreError>(Image { stored: value.to_stored(), stored_type, expires_at })
        };
        match operation {
            Operation::Put { key, value, expiry } => {
                let found = self.find(key)?;
                let image = image_over(&found, value, *expiry)?;
                let expiry = fixed(image.expires_at);
                self.keep_image(key, found, image, "set")?;
                self.record(Operation::Put { key: key.clone(), value: value.clone(), expiry });
                Ok(1)
            }
            Operation::PutUntyped { key, text, expiry } => {
                let found = self.find(key)?;
                let expires_at = expiry_over(&found, *expiry)?;
                let image = Image { stored: text.clone(), stored_type: None, expires_at };
                self.keep_image(key, found, image, "set")?;
                let expiry = fixed(expires_at);
                self.record(Operation::PutUntyped { key: key.clone(), text: text.clone(), expiry });
                Ok(1)
            }
            Operation::Restore { key, image } => {
                let found = self.find(key)?;
                self.keep_image(key, found, image.clone(), "set")?;
                self.record(operation.clone());
                Ok(1)
            }
            Operation::Edit { key, edit } => {
                let found = self.find(key)?;
                let planned = edit.plan(key, found.as_ref().map(Entry::value).as_ref())?;
                let changed = u64::from(planned.written().is_some());
                if let Some(value) = planned.written() {
                    let image = image_over(&found, value, Expiry::Keep)?;
                    self.keep_image(key, found, image, edit.operation_name())?;
                    self.record(operation.clone());
                }
                edits.push(planned);
                Ok(changed)
            }
            Operation::SetExpiry { key, expiry } => match self.find(key)? {
                None => Ok(0),
                Some(mut entry) => {
                    let expires_at = expiry.after(entry.expires_at, now)?;
                    if expires_at == entry.expires_at {
                        return Ok(0);
                    }
                    entry.expires_at = expires_at;
                    (entry.version, entry.created_at) = self.version_over(key, Some(&entry), now);
                    let expiry = fixed(entry.expires_at);
                    self.keep(key, Some(entry), "ttl")?;
                    self.record(Operation::SetExpiry { key: key.clone(), expiry });
                    Ok(1)
                }
            },
            Operation::Delete(key) => match self.find(key)? {
                None => Ok(0),
                Some(_) => {
                    self.keep(key, None, "delete")?;
                    self.record(Operation::Delete(key.clone()));
                    Ok(1)
                }
            },
            Operation::DeleteRange(range) => {
                let gone = self.delete_range(range)?;
                let mut kept = self.kept.borrow_mut();
                kept.deleted.push(range.clone());
                kept.operations.push(operation.clone());
                Ok(gone)
            }
        }
    }

    fn keep_image(
        &self,
        key: &Key,
        found: Option<Entry>,
        image: Image,
        operation: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let bytes = image.stored.len() as u64;
        self.capabilities().check_value(key, bytes)?;
        let (version, created_at) = self.version_over(key, found.as_ref(), now);
        let entry = Entry {
            key: key.clone(),
            size: bytes,
            stored: image.stored,
            stored_type: image.stored_type,
            expires_at: image.expires_at,
            version,
            revision: Revision::default(),
            kind: found.as_ref().and_then(|entry| entry.kind),
            created_at,
            modified_at: Some(now),
            actor: None,
        };
        self.keep(key, Some(entry), operation)
    }

    /// The version and the time of creation of an entry that is written at `now` over `found`. What is
    /// committed is one write of a key, over the entry below, however often it is written here.
    fn version_over(&self, key: &Key, found: Option<&Entry>, now: Millis) -> (u64, Option<Millis>) {
        let kept = self.kept.borrow();
        let below = || match kept.written.get(key) {
            Some(rewritten) => rewritten.old.as_ref(),
            None => kept.read.get(key)?.as_ref(),
        };
        let replaced = match self.is_to_commit {
            false => found,
            // The deletion of a range is committed as one, before what is written after it.
            true if kept.deleted.iter().any(|range| range.contains(key)) => None,
            true => below().filter(|entry| !entry.is_expired(now)),
        };
        replaced.map_or((1, Some(now)), |entry| (entry.version + 1, entry.created_at))
    }

    fn delete_range(&self, range: &KeyRange) -> Result<u64, StoreError> {
        let mut gone = 0;
        for page in entry_pages(self, Scan::new(range.clone(), PAGE)) {
            for entry in page? {
                gone += 1;
                let old = self.old_of(&entry);
                self.keep_over(&entry.key, old, None, "delete")?;
            }
        }
        Ok(gone)
    }

    /// The entry below that stands behind one that a scan found.
    fn old_of(&self, found: &Entry) -> Option<Entry> {
        match self.kept.borrow().written.get(&found.key) {
            Some(rewritten) => rewritten.old.clone(),
            None => Some(found.clone()),
        }
    }

    /// Makes `new` the present state of a key that was read before.
    fn keep(&self, key: &Key, new: Option<Entry>, operation: &str) -> Result<(), StoreError> {
        let old = {
            let kept = self.kept.borrow();
            match kept.written.get(key) {
                Some(rewritten) => rewritten.old.clone(),
                None => kept.read.get(key).cloned().flatten(),
            }
        };
        self.keep_over(key, old, new, operation)
    }

    fn keep_over(
        &self,
        key: &Key,
        old: Option<Entry>,
        new: Option<Entry>,
        operation: &str,
    ) -> Result<(), StoreError> {
        let mut revision = self.next_revision()?;
        if !self.is_to_commit {
            let image = |entry: &Option<Entry>| entry.as_ref().map(|entry| (entry.image(), entry.version));
            let present = match self.kept.borrow().written.get(key) {
                Some(rewritten) => image(&rewritten.new),
                None => image(&old),
            };
            revision = self.note_change(key, operation, present, image(&new), revision)?;
        }
        let new = new.map(|entry| Entry { revision, ..entry });
        let mut kept = self.kept.borrow_mut();
        let before = kept.written.insert(key.clone(), BeforeAfter { old, new });
        kept.journal.push((key.clone(), before));
        Ok(())
    }

    fn next_revision(&self) -> Result<Revision, StoreError> {
        let known = self.kept.borrow().revision;
        let (base, made) = match known {
            Some(known) => known,
            None => (self.below.revision()?, 0),
        };
        self.kept.borrow_mut().revision = Some((base, made + 1));
        Ok(Revision(base.0 + made + 1))
    }

    /// Notes an operation that was carried out; one on a key that was written before as what it came to, since
    /// it may depend on that, and on an expiry that passes before the commit.
    fn record(&self, operation: Operation) {
        let mut kept = self.kept.borrow_mut();
        let again = match kept.journal.last() {
            Some((key, Some(_))) if operation.key() == Some(key) => kept.result_of(key),
            _ => None,
        };
        kept.operations.push(again.unwrap_or(operation));
    }

    /// Notes that a range was read below at a revision; the first reading of it counts.
    fn note_range(&self, range: KeyRange, since: Revision) {
        let mut kept = self.kept.borrow_mut();
        match kept.ranges.iter_mut().find(|(known, _)| *known == range) {
            Some((_, known)) => *known = since.min(*known),
            None => kept.ranges.push((range, since)),
        }
    }
}

/// The expiry that leads to this moment whenever the write takes effect.
fn fixed(expires_at: Option<Millis>) -> Expiry {
    expires_at.map_or(Expiry::Clear, Expiry::At)
}

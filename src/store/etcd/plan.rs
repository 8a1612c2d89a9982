//! What a transaction comes to: conditions are judged and operations carried out on what was read, in memory.

use std::collections::HashMap;

use super::read::Found;
use super::record::{About, LastRecord};
use crate::store::edit::Planned;
use crate::store::{
    Capabilities, Condition, Entry, Expiry, Image, Key, KeyRange, Operation, Purpose, StoreError, Token,
    Transaction, Value,
};
use crate::time::Millis;

/// What was read of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// What is stored, expired or not.
    pub found: Option<Found>,
    /// What was known of an entry that another program has changed or deleted since.
    pub stale: Option<About>,
    /// The revision of etcd's at which what is known of the entry was written; 0 if nothing is.
    pub about_at: i64,
    /// The mark of its deletion.
    pub tombstone: Option<LastRecord>,
    /// The revision of etcd's at which that was written; 0 without one.
    pub deleted_at: i64,
}

/// All that was read for a transaction, at one revision of etcd's.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub slots: HashMap<Key, Slot>,
    /// Whether each lock that matters is held under its token.
    pub held: Vec<((String, Token), bool)>,
    /// For each condition about a range, whether it is unchanged, or else a key that was changed.
    pub ranges: Vec<Result<(), Option<Key>>>,
    /// For each range that is deleted, the keys in it.
    pub deleted: Vec<(KeyRange, Vec<Key>)>,
    pub revision: i64,
}

impl Present {
    /// The entry, if it has not expired.
    fn live(&self, key: &Key, now: Millis) -> Option<&Found> {
        let found = self.slots.get(key)?.found.as_ref()?;
        (!found.is_expired(now)).then_some(found)
    }

    fn entry(&self, key: &Key, now: Millis) -> Option<Entry> {
        Some(self.live(key, now)?.clone().entry(key.clone(), u64::MAX))
    }

    pub(super) fn holds_lock(&self, name: &str, token: Token) -> bool {
        self.held.iter().any(|((held, under), holds)| *holds && held == name && *under == token)
    }
}

/// What a write makes of an entry.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub key: Key,
    /// What is there afterwards.
    pub image: Option<Image>,
    /// The operation that history names.
    pub operation: String,
}

/// What a transaction comes to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The entries that are written or deleted, each once, in the order of the operations.
    pub written: Vec<Written>,
    /// How many entries the operations changed.
    pub changed: u64,
    /// What the edits came to.
    pub edited: Vec<Planned>,
}

/// A condition that does not hold: its place, the entry, and the places of others.
pub(super) type Refusal = (usize, Option<Box<Entry>>, Vec<usize>);

/// The first condition that does not hold, if there is one.
pub(super) fn judge(transaction: &Transaction, present: &Present, now: Millis) -> Option<Refusal> {
    let mut ranges = present.ranges.iter();
    let mut refusal: Option<Refusal> = None;
    for (place, condition) in transaction.conditions.iter().enumerate() {
        let is_range = matches!(condition, Condition::RangeAtRevision(..));
        let verdict = match is_range {
            true => match ranges.next() {
                Some(Ok(())) => Ok(()),
                Some(Err(Some(key))) => Err(present.entry(key, now).map(Box::new)),
                Some(Err(None)) | None => Err(None),
            },
            false => holds(condition, present, now),
        };
        let Err(found) = verdict else { continue };
        match &mut refusal {
            Some((_, _, others)) if !is_range => others.push(place),
            Some(_) => {}
            None if is_range => return Some((place, found, Vec::new())),
            None => refusal = Some((place, found, Vec::new())),
        }
    }
    refusal
}

/// Whether a condition about an entry or a lock holds; if not, the entry.
fn holds(condition: &Condition, present: &Present, now: Millis) -> Result<(), Option<Box<Entry>>> {
    if let Condition::HoldsLock(name, token) = condition {
        return if present.holds_lock(name, *token) { Ok(()) } else { Err(None) };
    }
    let found = condition.key().and_then(|key| present.entry(key, now));
    if condition.holds_for(found.as_ref()) { Ok(()) } else { Err(found.map(Box::new)) }
}

/// The entries while operations are carried out on them.
struct Draft<'a> {
    present: &'a Present,
    now: Millis,
    images: HashMap<Key, Option<Image>>,
    plan: Plan,
}

impl Draft<'_> {
    fn image(&self, key: &Key) -> Option<Image> {
        match self.images.get(key) {
            Some(image) => image.clone(),
            None => self.present.live(key, self.now).map(Found::image),
        }
    }

    fn write(&mut self, key: &Key, image: Option<Image>, operation: &str) {
        self.plan.changed += 1;
        self.images.insert(key.clone(), image.clone());
        let written = self.plan.written.iter_mut().find(|written| written.key == *key);
        match written {
            Some(written) => (written.image, written.operation) = (image, operation.into()),
            None => {
                self.plan.written.push(Written { key: key.clone(), image, operation: operation.into() });
            }
        }
    }

    fn put(&mut self, key: &Key, value: &Value, expiry: Expiry, operation: &str) -> Result<(), StoreError> {
        let found = self.image(key);
        let image = Image {
            stored: value.to_stored(),
            stored_type: Image::type_over(found.as_ref().map(|found| found.stored_type), value),
            expires_at: expiry.after(found.and_then(|found| found.expires_at), self.now)?,
        };
        self.write(key, Some(image), operation);
        Ok(())
    }
}

/// Carries out the operations of a transaction on what was read.
///
/// # Errors
/// An edit does not apply, a value is too large, an expiry too late.
pub(super) fn plan(
    transaction: &Transaction,
    present: &Present,
    now: Millis,
    capabilities: &Capabilities,
) -> Result<Plan, StoreError> {
    let mut draft = Draft { present, now, images: HashMap::new(), plan: Plan::default() };
    let named = |name: &'static str| match transaction.purpose {
        Purpose::Change => name,
        Purpose::Import => "import",
        Purpose::Undo(_) => "undo",
    };
    let check = |key: &Key, stored: &[u8]| capabilities.check_value(key, stored.len() as u64);
    let mut deleted = present.deleted.iter();
    for operation in &transaction.operations {
        match operation {
            Operation::Put { key, value, expiry } => {
                check(key, &value.to_stored())?;
                draft.put(key, value, *expiry, named("set"))?;
            }
            Operation::PutUntyped { key, text, expiry } => {
                check(key, text)?;
                let found = draft.image(key).and_then(|found| found.expires_at);
                let image =
                    Image { stored: text.clone(), stored_type: None, expires_at: expiry.after(found, now)? };
                draft.write(key, Some(image), named("set"));
            }
            Operation::Restore { key, image } => {
                check(key, &image.stored)?;
                draft.write(key, Some(image.clone()), named("set"));
            }
            Operation::Edit { key, edit } => {
                let value = draft.image(key).map(|image| image.value());
                let planned = edit.plan(key, value.as_ref())?;
                if let Some(value) = planned.written() {
                    check(key, &value.to_stored())?;
                    draft.put(key, value, Expiry::Keep, named(edit.operation_name()))?;
                }
                draft.plan.edited.push(planned);
            }
            Operation::SetExpiry { key, expiry } => {
                let Some(mut image) = draft.image(key) else { continue };
                let expires_at = expiry.after(image.expires_at, now)?;
                if expires_at != image.expires_at {
                    image.expires_at = expires_at;
                    draft.write(key, Some(image), named("ttl"));
                }
            }
            Operation::Delete(key) => {
                if draft.image(key).is_some() {
                    draft.write(key, None, named("delete"));
                }
            }
            Operation::DeleteRange(range) => {
                let there = deleted.next().map_or(&[][..], |(_, keys)| &keys[..]);
                let made = draft.images.keys().filter(|key| range.contains(key));
                let mut keys: Vec<Key> = there.iter().chain(made).cloned().collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    if draft.image(&key).is_some() {
                        draft.write(&key, None, named("delete"));
                    }
                }
            }
        }
    }
    let mut plan = draft.plan;
    // What was made and deleted again was never there.
    plan.written.retain(|written| written.image.is_some() || present.live(&written.key, now).is_some());
    Ok(plan)
}

/// The keys that a transaction names.
pub(super) fn keys_of(transaction: &Transaction) -> Vec<Key> {
    let of_conditions = transaction.conditions.iter().filter_map(Condition::key);
    let of_operations = transaction.operations.iter().filter_map(Operation::key);
    let mut keys: Vec<Key> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for key in of_conditions.chain(of_operations) {
        if seen.insert(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The ranges that a transaction deletes.
pub(super) fn deleted_ranges(transaction: &Transaction) -> Vec<KeyRange> {
    let range = |operation: &Operation| match operation {
        Operation::DeleteRange(range) => Some(range.clone()),
        _ => None,
    };
    transaction.operations.iter().filter_map(range).collect()
}

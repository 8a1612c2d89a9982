//! The state as it was: the present one, with what history says of every entry that was changed
//! since.
//!
//! Which entries that are is known to [`RevisionIndex`].

use std::ops::Bound;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::changes::{self, reaches};
use super::revision_index::{ChangedKeys, EntryChange, RevisionIndex};
use super::schema_version::SchemaFlavor;
use super::{read, timeline};
use crate::store::{
    Change, Entry, EntryDiff, Image, Key, KeyRange, Moment, Order, Revision, Scan, StoreError, When,
};
use crate::time::Millis;

/// Why a read of the past fails.
pub(super) enum PastError {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for PastError {
    fn from(error: rusqlite::Error) -> PastError {
        PastError::Sql(error)
    }
}

impl From<StoreError> for PastError {
    fn from(error: StoreError) -> PastError {
        PastError::Store(error)
    }
}

pub(super) fn pruned((oldest, oldest_at): (Revision, Millis)) -> StoreError {
    StoreError::Pruned { oldest, oldest_at }
}

/// The moment that is meant.
pub(super) fn moment(
    connection: &Connection,
    flavor: SchemaFlavor,
    when: When,
    now: Millis,
) -> Result<Option<Moment>, PastError> {
    let Some(span) = flavor.is_ours().then(|| changes::span(connection)).transpose()?.flatten() else {
        return Ok(None);
    };
    let newest = span.newest.0;
    let last = |condition: &str, bound: i64| {
        let sql = format!(
            "SELECT revision, at_ms FROM slothstate_history WHERE {condition} ORDER BY revision DESC LIMIT 1"
        );
        connection
            .prepare_cached(&sql)?
            .query_row([bound], |row| Ok((Revision(row.get(0)?), Millis(row.get(1)?))))
            .optional()
    };
    match when {
        When::Revision(revision) if revision > newest => Err(StoreError::NotYet { newest }.into()),
        When::Time(time) if time > now => Err(StoreError::NotYet { newest }.into()),
        When::Now => Ok(Some(Moment { revision: newest, at: now })),
        When::Revision(revision) if let Some(epoch) = timeline::skipping(connection, flavor, revision)? => {
            Err(StoreError::lost(revision, &epoch).into())
        }
        When::Revision(revision) if !reaches(&span, revision) => Err(pruned(span.oldest).into()),
        When::Revision(revision) => {
            let made = last("revision <= ?1", revision.0)?;
            // Before the first change there was the state that it found.
            Ok(Some(Moment { revision, at: made.map_or(span.oldest.1, |(_, at)| at) }))
        }
        When::Time(time) => match last("at_ms <= ?1", time.0)? {
            Some((revision, _)) => Ok(Some(Moment { revision, at: time })),
            None => Err(pruned(span.oldest).into()),
        },
    }
}

/// One entry as it was, if it was there and had not expired.
pub(super) fn get(
    connection: &Connection,
    flavor: SchemaFlavor,
    key: &Key,
    moment: Moment,
) -> Result<Option<Entry>, PastError> {
    if let Some(span) = changes::span(connection)?
        && !reaches(&span, moment.revision)
    {
        return Err(pruned(span.oldest).into());
    }
    let change = |condition: &str| -> rusqlite::Result<Option<Change>> {
        let sql = format!(
            "{} WHERE subject = 'entry' AND key = :key AND {condition} LIMIT 1",
            changes::select_alone(flavor)
        );
        connection
            .prepare_cached(&sql)?
            .query_row(
                named_params! { ":key": key, ":revision": moment.revision.0, ":bytes": i64::MAX },
                changes::change_row,
            )
            .map(|found| found.fetch(connection, i64::MAX))
            .optional()
    };
    let entry = match change("h.revision > :revision ORDER BY h.revision")? {
        None => read::row_of(connection, flavor, key, u64::MAX)?.map(|found| of_the_past(found.entry)),
        Some(next) => {
            let made = change("h.revision <= :revision ORDER BY h.revision DESC")?;
            as_it_was(next, made)
        }
    };
    Ok(entry.filter(|entry| !entry.is_expired(moment.at)))
}

/// An entry that was not changed since, with as much of it as is known of any entry of the past: an
/// answer about the past stays the same when the entry is changed, or removed after its expiry.
fn of_the_past(entry: Entry) -> Entry {
    Entry { created_at: None, ..entry }
}

/// What `next` replaced, which `made` had made.
fn as_it_was(next: Change, made: Option<Change>) -> Option<Entry> {
    let is_replaced = next.new.is_some();
    let Image { stored, stored_type, expires_at } = next.old?;
    let before =
        if is_replaced { next.version.map(|version| version.saturating_sub(1)) } else { next.version };
    Some(Entry {
        key: next.key,
        size: stored.len() as u64,
        stored,
        stored_type,
        expires_at,
        version: before.unwrap_or(0),
        revision: made.as_ref().map_or(Revision::default(), |made| made.revision),
        created_at: None,
        modified_at: made.as_ref().map(|made| made.recorded_at),
        actor: made.map(|made| made.actor),
        kind: None,
    })
}

/// A page of entries as they were.
pub(super) fn scan(
    connection: &Connection,
    flavor: SchemaFlavor,
    revision_index: &mut RevisionIndex,
    scan: &Scan,
    moment: Moment,
) -> Result<Vec<Entry>, PastError> {
    revision_index.follow(connection, moment.revision, None)?;
    let touched = revision_index.touched(moment.revision);
    let mut page = Vec::new();
    let mut cursor = scan.after.clone();
    while page.len() < scan.limit {
        let part = Scan { after: cursor, limit: scan.limit, ..scan.clone() };
        let (entries, last) = page_of(connection, flavor, touched, &part)?;
        page.extend(entries.into_iter().filter(|entry| !entry.is_expired(moment.at)));
        match last {
            Some(last) => cursor = Some(last),
            None => break,
        }
    }
    page.truncate(scan.limit);
    Ok(page)
}

/// The entries of the next keys, expired ones included, and where to go on if there may be more.
fn page_of(
    connection: &Connection,
    flavor: SchemaFlavor,
    touched: &ChangedKeys,
    scan: &Scan,
) -> Result<(Vec<Entry>, Option<Key>), PastError> {
    let mut present = read::scan_all(connection, flavor, scan)?.into_iter().peekable();
    let bounds = bounds(&scan.range, scan.after.as_ref(), scan.order);
    let touched: Vec<(&Key, &EntryChange)> = match scan.order {
        Order::Ascending => touched.range::<Key, _>(bounds).take(scan.limit).collect(),
        Order::Descending => touched.range::<Key, _>(bounds).rev().take(scan.limit).collect(),
    };
    let mut touched = touched.into_iter().peekable();
    let is_before = |left: &Key, right: &Key| match scan.order {
        Order::Ascending => left < right,
        Order::Descending => left > right,
    };
    let mut entries = Vec::new();
    let mut last = None;
    for _ in 0..scan.limit {
        let takes_touched = match (present.peek(), touched.peek()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(entry), Some((key, _))) => !is_before(&entry.key, key),
        };
        if !takes_touched {
            let Some(entry) = present.next() else { return Ok((entries, None)) };
            last = Some(entry.key.clone());
            entries.push(of_the_past(entry));
            continue;
        }
        let Some((key, touched)) = touched.next() else { return Ok((entries, None)) };
        present.next_if(|entry| entry.key == *key);
        last = Some(key.clone());
        if !touched.is_there {
            continue;
        }
        let next = change_at(connection, flavor, touched.next, scan.value_limit)?;
        let made = change_at(connection, flavor, touched.last, 0)?;
        entries.extend(next.and_then(|next| as_it_was(next, made)));
    }
    Ok((entries, last))
}

fn bounds<'a>(range: &'a KeyRange, after: Option<&'a Key>, order: Order) -> (Bound<&'a Key>, Bound<&'a Key>) {
    let start = range.start.as_ref().map_or(Bound::Unbounded, Bound::Included);
    let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    match (after, order) {
        (None, _) => (start, end),
        (Some(after), Order::Ascending) => (Bound::Excluded(after), end),
        (Some(after), Order::Descending) => (start, Bound::Excluded(after)),
    }
}

fn change_at(
    connection: &Connection,
    flavor: SchemaFlavor,
    revision: i64,
    value_limit: u64,
) -> rusqlite::Result<Option<Change>> {
    let bytes = i64::try_from(value_limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("{} WHERE h.revision = :revision", changes::select_alone(flavor)))?
        .query_row(named_params! { ":revision": revision, ":bytes": bytes }, changes::change_row)
        .map(|found| found.fetch(connection, bytes))
        .optional()
}

/// A page of what is not the same at two moments.
pub(super) fn differences(
    connection: &Connection,
    flavor: SchemaFlavor,
    revision_index: &mut RevisionIndex,
    (from, to): (Moment, Moment),
    scan: &Scan,
) -> Result<Vec<EntryDiff>, PastError> {
    revision_index.follow(connection, from.revision, Some(to.revision))?;
    revision_index.follow(connection, to.revision, Some(from.revision))?;
    let mut differences = Vec::new();
    let mut part = scan.clone();
    while differences.len() < scan.limit {
        let keys = candidates(connection, revision_index, from, to, &part)?;
        let Some(last) = keys.last() else { break };
        part.after = Some(last.clone());
        for key in keys {
            let old = image_at(connection, flavor, revision_index, &key, from)?;
            let new = image_at(connection, flavor, revision_index, &key, to)?;
            if old != new {
                differences.push(EntryDiff { key, old, new });
            }
        }
    }
    Ok(differences)
}

/// The next keys that may not be the same: they were changed between the moments, or expired.
fn candidates(
    connection: &Connection,
    revision_index: &RevisionIndex,
    from: Moment,
    to: Moment,
    scan: &Scan,
) -> Result<Vec<Key>, PastError> {
    let bounds = bounds(&scan.range, scan.after.as_ref(), scan.order);
    // The clock may have been set back in between: then what had expired is there again.
    let (earlier, later) = (from.at.min(to.at), from.at.max(to.at));
    let expired = |at: Option<i64>| at.is_some_and(|at| at > earlier.0 && at <= later.0);
    let until = to.revision.0;
    let mut keys = read::expiring_between(connection, earlier, later, scan)?;
    let changed = |(_, touched): &(&Key, &EntryChange)| touched.next <= until;
    let expired_before = |(_, touched): &(&Key, &EntryChange)| expired(touched.expires_at);
    let (before, after) = (revision_index.touched(from.revision), revision_index.touched(to.revision));
    let key_of = |(key, _): (&Key, &EntryChange)| key.clone();
    match scan.order {
        Order::Ascending => {
            keys.extend(before.range::<Key, _>(bounds).filter(changed).take(scan.limit).map(key_of));
            keys.extend(after.range::<Key, _>(bounds).filter(expired_before).take(scan.limit).map(key_of));
            keys.sort();
        }
        Order::Descending => {
            let last = |touched: &ChangedKeys, is_meant: &dyn Fn(&(&Key, &EntryChange)) -> bool| {
                let all = touched.range::<Key, _>(bounds).rev();
                all.filter(is_meant).take(scan.limit).map(key_of).collect::<Vec<_>>()
            };
            keys.extend(last(before, &changed));
            keys.extend(last(after, &expired_before));
            keys.sort_by(|left, right| right.cmp(left));
        }
    }
    keys.dedup();
    keys.truncate(scan.limit);
    Ok(keys)
}

fn image_at(
    connection: &Connection,
    flavor: SchemaFlavor,
    revision_index: &RevisionIndex,
    key: &Key,
    moment: Moment,
) -> Result<Option<Image>, PastError> {
    let image = match revision_index.touched(moment.revision).get(key) {
        Some(touched) if !touched.is_there => None,
        Some(touched) => change_at(connection, flavor, touched.next, u64::MAX)?.and_then(|next| next.old),
        None => read::row_of(connection, flavor, key, u64::MAX)?.map(|found| found.entry.image()),
    };
    Ok(image.filter(|image| image.expires_at.is_none_or(|at| at > moment.at)))
}

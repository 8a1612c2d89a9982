//! The state as it was: the present one, with what history says of every entry that was changed since.
//!
//! It is computed from what an engine reads as a [`PastSource`]. Which entries were changed is known to
//! [`RevisionIndex`].

mod revision_index;
mod source;

use std::ops::Bound;

pub(in crate::store) use self::revision_index::RevisionIndex;
use self::revision_index::{ChangedKeys, EntryChange};
pub(in crate::store) use self::source::{ChangeSource, PastSource, Replaced};
use crate::store::{
    Change, Entry, EntryDiff, ErrorKind, Image, Key, Moment, Order, Revision, Scan, StoreError, When,
};
use crate::time::Millis;

fn pruned((oldest, oldest_at): (Revision, Millis)) -> StoreError {
    ErrorKind::Pruned { oldest, oldest_at }.into()
}

/// The moment that is meant; `None` if nothing was recorded.
pub(in crate::store) fn moment(
    source: &impl PastSource,
    when: When,
    now: Millis,
) -> Result<Option<Moment>, StoreError> {
    let Some(span) = source.span()? else { return Ok(None) };
    let newest = span.newest.0;
    match when {
        When::Revision(revision) if revision > newest => Err(ErrorKind::NotYet { newest }.into()),
        When::Time(time) if time > now => Err(ErrorKind::NotYet { newest }.into()),
        When::Now => Ok(Some(Moment { revision: newest, at: now })),
        When::Revision(revision)
            if let Some(epoch) = source.epochs()?.iter().find(|epoch| epoch.skips(revision)) =>
        {
            Err(StoreError::lost(revision, epoch))
        }
        When::Revision(revision) if !span.reaches(revision) => Err(pruned(span.oldest)),
        When::Revision(revision) => {
            let made = source.newest_until(when)?;
            // Before the first change there was the state that it found.
            Ok(Some(Moment { revision, at: made.map_or(span.oldest.1, |(_, at)| at) }))
        }
        When::Time(time) => match source.newest_until(when)? {
            Some((revision, _)) => Ok(Some(Moment { revision, at: time })),
            None => Err(pruned(span.oldest)),
        },
    }
}

/// One entry as it was, if it was there and had not expired.
pub(in crate::store) fn get(
    source: &impl PastSource,
    key: &Key,
    moment: Moment,
) -> Result<Option<Entry>, StoreError> {
    if let Some(span) = source.span()?
        && !span.reaches(moment.revision)
    {
        return Err(pruned(span.oldest));
    }
    let entry = match source.first_change_after(key, moment.revision)? {
        None => source.present(key)?.map(of_the_past),
        Some(next) => as_it_was(next, source.last_change_until(key, moment.revision)?),
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
pub(in crate::store) fn scan(
    source: &impl PastSource,
    revision_index: &mut RevisionIndex,
    scan: &Scan,
    moment: Moment,
) -> Result<Vec<Entry>, StoreError> {
    revision_index.follow(source, moment.revision, None)?;
    let touched = revision_index.touched(moment.revision);
    let mut page = Vec::new();
    let mut cursor = scan.after.clone();
    while page.len() < scan.limit {
        let part = Scan { after: cursor, limit: scan.limit, ..scan.clone() };
        let (entries, last) = page_of(source, touched, &part)?;
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
    source: &impl PastSource,
    touched: &ChangedKeys,
    scan: &Scan,
) -> Result<(Vec<Entry>, Option<Key>), StoreError> {
    let mut present = source.scan_present(scan)?.into_iter().peekable();
    let mut touched = changed_in(touched, scan, |_| true).into_iter().peekable();
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
        if !touched.replaced.is_there {
            continue;
        }
        let next = source.change(touched.next, scan.value_limit)?;
        let made = source.change(touched.last, 0)?;
        entries.extend(next.and_then(|next| as_it_was(next, made)));
    }
    Ok((entries, last))
}

/// The next changed keys of a scan that are meant.
fn changed_in<'a>(
    touched: &'a ChangedKeys,
    scan: &Scan,
    is_meant: impl Fn(&EntryChange) -> bool,
) -> Vec<(&'a Key, &'a EntryChange)> {
    let start = scan.range.start.as_ref().map_or(Bound::Unbounded, Bound::Included);
    let end = scan.range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let bounds = match (&scan.after, scan.order) {
        (None, _) => (start, end),
        (Some(after), Order::Ascending) => (Bound::Excluded(after), end),
        (Some(after), Order::Descending) => (start, Bound::Excluded(after)),
    };
    let meant = touched.range::<Key, _>(bounds).filter(|(_, change)| is_meant(change));
    match scan.order {
        Order::Ascending => meant.take(scan.limit).collect(),
        Order::Descending => meant.rev().take(scan.limit).collect(),
    }
}

/// A page of what is not the same at two moments.
pub(in crate::store) fn differences(
    source: &impl PastSource,
    revision_index: &mut RevisionIndex,
    (from, to): (Moment, Moment),
    scan: &Scan,
) -> Result<Vec<EntryDiff>, StoreError> {
    revision_index.follow(source, from.revision, Some(to.revision))?;
    revision_index.follow(source, to.revision, Some(from.revision))?;
    let mut differences = Vec::new();
    let mut part = scan.clone();
    while differences.len() < scan.limit {
        let keys = candidates(source, revision_index, from, to, &part)?;
        let Some(last) = keys.last() else { break };
        part.after = Some(last.clone());
        for key in keys {
            let old = image_at(source, revision_index.touched(from.revision), &key, from)?;
            let new = image_at(source, revision_index.touched(to.revision), &key, to)?;
            if old != new {
                differences.push(EntryDiff { key, old, new });
            }
        }
    }
    Ok(differences)
}

/// The next keys that may not be the same: they were changed between the moments, or expired.
fn candidates(
    source: &impl PastSource,
    revision_index: &RevisionIndex,
    from: Moment,
    to: Moment,
    scan: &Scan,
) -> Result<Vec<Key>, StoreError> {
    // The clock may have been set back in between: then what had expired is there again.
    let (earlier, later) = (from.at.min(to.at), from.at.max(to.at));
    let expired = |at: Option<Millis>| at.is_some_and(|at| at > earlier && at <= later);
    let mut keys = source.keys_expiring(earlier, later, scan)?;
    let (before, after) = (revision_index.touched(from.revision), revision_index.touched(to.revision));
    let changed = changed_in(before, scan, |touched| touched.next <= to.revision);
    let expired_before = changed_in(after, scan, |touched| expired(touched.replaced.expires_at));
    keys.extend(changed.into_iter().chain(expired_before).map(|(key, _)| key.clone()));
    match scan.order {
        Order::Ascending => keys.sort(),
        Order::Descending => keys.sort_by(|left, right| right.cmp(left)),
    }
    keys.dedup();
    keys.truncate(scan.limit);
    Ok(keys)
}

fn image_at(
    source: &impl PastSource,
    touched: &ChangedKeys,
    key: &Key,
    moment: Moment,
) -> Result<Option<Image>, StoreError> {
    let image = match touched.get(key) {
        Some(touched) if !touched.replaced.is_there => None,
        Some(touched) => source.change(touched.next, u64::MAX)?.and_then(|next| next.old),
        None => source.present(key)?.map(|found| found.image()),
    };
    Ok(image.filter(|image| image.expires_at.is_none_or(|at| at > moment.at)))
}

//! Reading entries: each is a key of its own, and what is known of it besides its value is another one, valid
//! only if both were written together.

use std::collections::HashMap;

use super::EtcdStore;
use super::keys::Keys;
use super::record::{self, About, HEAD, Unreadable, type_of};
use super::wire::{KeySpan, KeyValue, Op, RangeRequest, RangeResponse, Txn};
use crate::store::{Actor, Entry, ErrorKind, Image, Key, KeyPage, KeyRange, Needle, Order, Scan, StoreError};
use crate::time::Millis;

/// The most keys of one page of etcd's.
const PAGE_KEYS: usize = 1000;
/// About how many bytes of values one answer is to have, so that it comes within the time of an attempt.
const ANSWER_BYTES: u64 = 2 << 20;
/// How large values are taken to be before any was read.
const UNKNOWN_VALUE_BYTES: u64 = 512 << 10;

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub kv: KeyValue,
    /// `None` if another program wrote it.
    pub about: Option<About>,
}

impl Found {
    pub(super) fn expires_at(&self) -> Option<Millis> {
        self.about.as_ref().and_then(|about| about.expires_at).map(Millis)
    }

    pub(super) fn is_expired(&self, now: Millis) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    pub(super) fn image(&self) -> Image {
        Image {
            stored: self.kv.value.clone(),
            stored_type: self.about.as_ref().and_then(|about| about.stored_type).and_then(type_of),
            expires_at: self.expires_at(),
        }
    }

    /// The entry with no more than `value_limit` bytes of its value. Where it was read without its value, the
    /// beginning that is known besides stands for it.
    pub(super) fn entry(self, key: Key, value_limit: u64) -> Entry {
        let limit = usize::try_from(value_limit).unwrap_or(usize::MAX);
        let place = self.about.as_ref().map_or(1, |about| about.place.max(1));
        let revision = record::revision_at(self.kv.mod_revision, usize::from(place) - 1);
        let expires_at = self.expires_at();
        let version = u64::try_from(self.kv.version).unwrap_or(0);
        let about = self.about;
        let (size, mut stored) = match &about {
            Some(about) if self.kv.value.is_empty() => (about.size, about.head.to_vec()),
            _ => (self.kv.value.len() as u64, self.kv.value),
        };
        stored.truncate(limit);
        Entry {
            key,
            stored,
            size,
            stored_type: about.as_ref().and_then(|about| about.stored_type).and_then(type_of),
            expires_at,
            version,
            revision,
            created_at: about.as_ref().and_then(|about| about.created_at).map(Millis),
            modified_at: about.as_ref().map(|about| Millis(about.modified_at)),
            actor: Some(about.map_or_else(Actor::external, |about| about.actor)),
            kind: None,
        }
    }
}

/// What is known of an entry, if it was written with it.
pub(super) fn about_of(kv: &KeyValue, about: Option<&KeyValue>) -> Result<Option<About>, Unreadable> {
    match about.filter(|about| about.mod_revision == kv.mod_revision) {
        None => Ok(None),
        Some(about) => match record::decode(&about.value) {
            Ok(about) => Ok(Some(about)),
            // Another program wrote that too, or it is damaged: the value is there all the same.
            Err(Unreadable::Damaged) => Ok(None),
            Err(newer) => Err(newer),
        },
    }
}

/// A page of what is stored, expired or not.
struct StoredPage {
    found: Vec<(Key, Found)>,
    /// The last key that was looked at, if there may be more.
    last: Option<Key>,
}

/// A mark of an expiry that another program made obsolete: it changed or deleted the entry.
#[derive(Debug)]
pub(super) struct StaleMark {
    /// The name of the mark, and the revision of etcd's at which it was written.
    pub name: Vec<u8>,
    pub written_at: i64,
    /// The entry, and the revision at which it was written; 0 if it does not exist.
    pub key: Key,
    pub entry_written_at: i64,
}

/// The entries with their marks of expiry.
#[derive(Default)]
pub(super) struct Expiring {
    pub found: Vec<(Key, Found)>,
    pub stale: Vec<StaleMark>,
}

impl EtcdStore {
    fn found(&self, kv: KeyValue, about: Option<&KeyValue>) -> Result<Found, StoreError> {
        let about = about_of(&kv, about).map_err(|error| self.unreadable(error, &kv.key))?;
        Ok(Found { kv, about })
    }

    /// What is stored under some keys, as of a revision of etcd's (0: now), with the size of each value where
    /// it is known. All of it is of one revision, and is read in parts, so that no answer becomes large.
    fn stored(
        &self,
        keys: &[(Key, Option<u64>)],
        mut revision: i64,
    ) -> Result<Vec<Option<Found>>, StoreError> {
        let mut stored = Vec::with_capacity(keys.len());
        let mut mean = UNKNOWN_VALUE_BYTES;
        while stored.len() < keys.len() {
            let rest = &keys[stored.len()..];
            let part = &rest[..length_of_part(rest, mean, self.max_operations / 2)];
            let get = |key: Vec<u8>| Op::Range(RangeRequest { revision, ..RangeRequest::key(key) });
            let gets = part.iter().flat_map(|(key, _)| [self.keys.entry(key), self.keys.about(key)]);
            let (newest, answers) = self.read_all(gets.map(get).collect())?;
            if revision == 0 {
                revision = newest;
            }
            let pair = |pair: &[RangeResponse]| match pair[0].first() {
                None => Ok(None),
                Some(kv) => self.found(kv.clone(), pair[1].first()).map(Some),
            };
            let from = stored.len();
            for answer in answers.chunks_exact(2) {
                stored.push(pair(answer)?);
            }
            let sizes = stored[from..].iter().zip(part).filter(|(_, (_, size))| size.is_none());
            let sizes: Vec<u64> =
                sizes.filter_map(|(found, _)| Some(found.as_ref()?.kv.value.len() as u64)).collect();
            if !sizes.is_empty() {
                // Values that follow small ones may be large: the parts grow in steps.
                mean = (sizes.iter().sum::<u64>() / sizes.len() as u64).max(mean / 4);
            }
        }
        Ok(stored)
    }

    /// One entry, expired or not.
    pub(super) fn stored_entry(&self, key: &Key, revision: i64) -> Result<Option<Found>, StoreError> {
        Ok(self.stored(&[(key.clone(), None)], revision)?.pop().flatten())
    }

    /// One entry that has not expired, with no more than `value_limit` bytes of its value.
    pub(super) fn entry(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        if key.is_blob() || key.as_bytes().is_empty() {
            return Ok(None);
        }
        let now = self.now();
        let found = self.stored_entry(key, 0)?;
        self.last_seen.borrow_mut().see(key, found.as_ref());
        let found = found.filter(|found| !found.is_expired(now));
        Ok(found.map(|found| self.settings.kinds.mark(found.entry(key.clone(), value_limit))))
    }

    /// Reads some ranges at one revision, in as many transactions as they take; the revision is that of the
    /// first one.
    pub(super) fn read_all(&self, ops: Vec<Op>) -> Result<(i64, Vec<RangeResponse>), StoreError> {
        let (mut revision, mut answers) = (0, Vec::with_capacity(ops.len()));
        let mut rest = &ops[..];
        while !rest.is_empty() {
            let (part, others) = rest.split_at(self.reads_of_one_request(rest)?);
            rest = others;
            let mut part = part.to_vec();
            if revision > 0 {
                for op in &mut part {
                    if let Op::Range(request) = op
                        && request.revision == 0
                    {
                        request.revision = revision;
                    }
                }
            }
            let answer = self.txn(&Txn { success: part, ..Txn::default() })?;
            if revision == 0 {
                revision = answer.revision;
            }
            answers.extend(answer.into_ranges());
        }
        match answers.len() == ops.len() {
            true => Ok((revision, answers)),
            false => Err(self.malformed("an answer that has not all of what was asked for")),
        }
    }

    /// How many of these reads, at least one of which there is, one request takes.
    fn reads_of_one_request(&self, ops: &[Op]) -> Result<usize, StoreError> {
        let (most, mut bytes) = (self.max_request, 0);
        let fits = |op: &&Op| {
            bytes += op.request_bytes();
            bytes <= most
        };
        match ops.iter().take(self.max_operations).take_while(fits).count() {
            0 => Err(ErrorKind::TransactionTooLarge { bytes: ops[0].request_bytes(), most }.into()),
            count => Ok(count),
        }
    }

    /// Calls `each` with all keys of a range and their values, in the order of the keys, at one revision. They
    /// are read in pages, so that no answer becomes large.
    pub(super) fn range_in_pages(
        &self,
        mut request: RangeRequest,
        each: &mut dyn FnMut(KeyValue) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut mean = UNKNOWN_VALUE_BYTES;
        loop {
            request.limit = i64::try_from(keys_of_size(mean)).unwrap_or(i64::MAX);
            let answer = self.range(&request)?;
            if request.revision == 0 {
                request.revision = answer.revision;
            }
            let Some(last) = answer.kvs.last() else { return Ok(()) };
            request.span.start = [&last.key[..], b"\0"].concat();
            // Values that follow small ones may be large: the pages grow in steps.
            mean = mean_size(&answer.kvs).max(mean / 4);
            for kv in answer.kvs {
                each(kv)?;
            }
            if !answer.more {
                return Ok(());
            }
        }
    }

    /// A page of what is stored, with values of which no more than `value_limit` bytes are needed; `None` if
    /// the keys suffice. It may end before `limit`, also where there is more.
    ///
    /// A page costs etcd as much as its range is long, since it counts to the end of it. So the page after
    /// another one is looked for near that first: among the keys that begin as all of the page did.
    fn stored_page(
        &self,
        scan: &Scan,
        limit: usize,
        value_limit: Option<u64>,
        revision: i64,
    ) -> Result<StoredPage, StoreError> {
        let mut range = narrowed(&scan.range, scan.after.as_ref(), scan.order);
        let read = |range: &KeyRange| self.page_of(range, scan.order, limit, value_limit, revision);
        if let Some(shared) = self.shared_with(scan) {
            let (mut length, mut step) = (shared.len(), 1);
            while length > 0 {
                let near = KeyRange::beginning(&Key::from_stored(&shared[..length], false));
                let Some(end) = near.end.filter(|end| !end.as_bytes().is_empty()) else { break };
                if range.end.as_ref().is_some_and(|whole| end >= *whole) {
                    break;
                }
                let mut page = read(&KeyRange { start: range.start.clone(), end: Some(end.clone()) })?;
                if let Some((last, _)) = page.found.last() {
                    page.last = Some(last.clone());
                    self.remember_page(&page);
                    return Ok(page);
                }
                range.start = Some(end);
                // Nothing is there: fewer and fewer bytes are shared, in growing steps.
                (length, step) = (length.saturating_sub(step), step * 2);
            }
        }
        let page = read(&range)?;
        self.remember_page(&page);
        Ok(page)
    }

    /// The beginning that all keys of the page before share, if that was the last one that was read.
    fn shared_with(&self, scan: &Scan) -> Option<Vec<u8>> {
        let (last, length) = self.last_page.take()?;
        let follows = scan.order == Order::Ascending && scan.after.as_ref() == Some(&last);
        follows.then(|| last.as_bytes()[..length].to_vec())
    }

    fn remember_page(&self, page: &StoredPage) {
        let (Some((first, _)), Some(last)) = (page.found.first(), &page.last) else { return };
        let pairs = first.as_bytes().iter().zip(last.as_bytes());
        let length = pairs.take_while(|(one, other)| one == other).count();
        self.last_page.replace(Some((last.clone(), length)));
    }

    /// A page of a range. Values that are longer than what is known of them besides are read by their sizes.
    fn page_of(
        &self,
        range: &KeyRange,
        order: Order,
        limit: usize,
        value_limit: Option<u64>,
        revision: i64,
    ) -> Result<StoredPage, StoreError> {
        let is_descending = order == Order::Descending;
        let request = |span: KeySpan, keys_only| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Op::Range(RangeRequest { limit, revision, is_descending, keys_only, ..RangeRequest::of(span) })
        };
        let both = vec![request(self.keys.entries(range), true), request(self.keys.abouts(range), false)];
        let (newest, mut answers) = self.read_all(both)?;
        // What is read besides is of the same revision.
        let revision = if revision > 0 { revision } else { newest };
        let (abouts, entries) = (answers.pop().unwrap_or_default(), answers.pop().unwrap_or_default());
        let mut known: HashMap<Key, KeyValue> = HashMap::with_capacity(abouts.kvs.len());
        let mut last_known = None;
        for about in abouts.kvs {
            let Some(key) = self.keys.key_of_about(&about.key) else { continue };
            last_known = Some(key.clone());
            known.insert(key, about);
        }
        let mut page = StoredPage { found: Vec::with_capacity(entries.kvs.len()), last: None };
        // What another program deleted is still known of, so that the page of that may end before.
        let mut unread: Vec<(usize, (Key, Option<u64>))> = Vec::new();
        for kv in entries.kvs {
            let Some(key) = self.keys.key_of_entry(&kv.key) else { continue };
            page.last = entries.more.then(|| key.clone());
            let about = known.get(&key);
            let is_beyond = abouts.more
                && last_known.as_ref().is_none_or(|last| match order {
                    Order::Ascending => key > *last,
                    Order::Descending => key < *last,
                });
            let found = self.found(kv, about)?;
            let size = found.about.as_ref().map(|about| about.size);
            let is_short = match (value_limit, size) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(limit), Some(size)) => size.min(limit) <= HEAD as u64,
            };
            if is_beyond || !is_short {
                unread.push((page.found.len(), (key.clone(), size)));
            }
            page.found.push((key, found));
        }
        let (places, unread): (Vec<usize>, Vec<_>) = unread.into_iter().unzip();
        for (place, found) in places.into_iter().zip(self.stored(&unread, revision)?) {
            if let Some(found) = found {
                page.found[place].1 = found;
            }
        }
        Ok(page)
    }

    /// A page of entries as of a revision of etcd's (0: now), with those that have expired if `now` is `None`.
    pub(super) fn scan_stored(
        &self,
        scan: &Scan,
        now: Option<Millis>,
        revision: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut page = Vec::new();
        self.scan_pages(scan, Some(scan.value_limit), now, revision, &mut |key, found| {
            page.push(found.entry(key, scan.value_limit));
        })?;
        Ok(page)
    }

    /// Calls `each` with what is stored, as often as a scan has entries; see [`EtcdStore::stored_page`].
    fn scan_pages(
        &self,
        scan: &Scan,
        value_limit: Option<u64>,
        now: Option<Millis>,
        revision: i64,
        each: &mut dyn FnMut(Key, Found),
    ) -> Result<(), StoreError> {
        let mut part = scan.clone();
        let mut count = 0;
        while count < scan.limit {
            let limit = (scan.limit - count).min(PAGE_KEYS);
            let stored = self.stored_page(&part, limit, value_limit, revision)?;
            for (key, found) in stored.found {
                if now.is_none_or(|now| !found.is_expired(now)) {
                    count += 1;
                    each(key, found);
                }
            }
            match stored.last {
                Some(last) => part.after = Some(last),
                None => break,
            }
        }
        Ok(())
    }

    /// A page of keys in which `needles` are looked for.
    pub(super) fn look_through_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError> {
        let now = self.now();
        let mut page = KeyPage::default();
        let mut part = scan.clone();
        while page.looked_at < scan.limit {
            let limit = (scan.limit - page.looked_at).min(PAGE_KEYS);
            let stored = self.stored_page(&part, limit, None, 0)?;
            page.looked_at += stored.found.len();
            page.last = stored.found.last().map(|(key, _)| key.clone()).or(page.last);
            let is_found = |key: &Key, found: &Found| {
                !found.is_expired(now) && needles.iter().all(|needle| needle.is_in(key.as_bytes()))
            };
            let all = stored.found.into_iter();
            page.found.extend(all.filter(|(key, found)| is_found(key, found)).map(|(key, _)| key));
            match stored.last {
                Some(last) => part.after = Some(last),
                None => break,
            }
        }
        if page.looked_at < scan.limit {
            page.last = None;
        }
        Ok(page)
    }

    /// The first keys of a page that are not expired.
    pub(super) fn scan_only_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        self.scan_pages(scan, None, Some(self.now()), 0, &mut |key, _| keys.push(key))?;
        Ok(keys)
    }

    /// A page of the entries that expire from `from` on and before `to`, soonest first, after the one that is
    /// named, as of a revision of etcd's; marks that nobody keeps any more are passed over.
    pub(super) fn expiring(
        &self,
        (from, to): (Millis, Millis),
        after: Option<(Millis, &Key)>,
        limit: usize,
        revision: i64,
    ) -> Result<Vec<(Key, Found)>, StoreError> {
        Ok(self.expiring_in(&KeyRange::all(), (from, to), after, limit, revision)?.found)
    }

    /// As [`EtcdStore::expiring`], of a range of keys.
    fn expiring_in(
        &self,
        range: &KeyRange,
        (from, to): (Millis, Millis),
        after: Option<(Millis, &Key)>,
        limit: usize,
        revision: i64,
    ) -> Result<Expiring, StoreError> {
        let mut span = self.keys.expiries(from, to);
        if let Some((at, key)) = after {
            span.start = span.start.max(self.keys.expiry(at, &key.successor()));
        }
        let mut all = Expiring::default();
        while all.found.len() < limit && span.start < span.end {
            let asked = (limit - all.found.len()).min(PAGE_KEYS);
            let request = RangeRequest {
                limit: i64::try_from(asked).unwrap_or(i64::MAX),
                keys_only: true,
                revision,
                ..RangeRequest::of(span.clone())
            };
            let marks = self.range(&request)?;
            let Some(last) = marks.kvs.last() else { break };
            span.start = [&last.key[..], b"\0"].concat();
            let more = marks.more;
            let named = |mark: KeyValue| Some((self.keys.entry_of_expiry(&mark.key)?, mark));
            let mut marked: Vec<((Millis, Key), KeyValue)> =
                marks.kvs.into_iter().filter_map(named).collect();
            marked.retain(|((_, key), _)| range.contains(key));
            let keys: Vec<_> = marked.iter().map(|((_, key), _)| (key.clone(), None)).collect();
            for (((at, key), mark), found) in marked.into_iter().zip(self.stored(&keys, revision)?) {
                match found {
                    Some(found) if found.expires_at() == Some(at) => all.found.push((key, found)),
                    found => all.stale.push(StaleMark {
                        name: mark.key,
                        written_at: mark.mod_revision,
                        key,
                        entry_written_at: found.map_or(0, |found| found.kv.mod_revision),
                    }),
                }
            }
            if !more {
                break;
            }
        }
        Ok(all)
    }

    /// The entries of a range that have expired and were not removed.
    pub(super) fn expired_in(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Found)>, StoreError> {
        Ok(self.expired(range, limit)?.found)
    }

    /// As [`EtcdStore::expired_in`], with the stale marks that were read on the way.
    pub(super) fn expired(&self, range: &KeyRange, limit: usize) -> Result<Expiring, StoreError> {
        let until = Millis(self.now().0.saturating_add(1));
        self.expiring_in(range, (Millis(i64::MIN), until), None, limit, 0)
    }

    /// How many entries of a range have not expired.
    pub(super) fn count_entries(&self, range: &KeyRange) -> Result<u64, StoreError> {
        let request = RangeRequest { count_only: true, ..RangeRequest::of(self.keys.entries(range)) };
        let stored = u64::try_from(self.range(&request)?.count).unwrap_or(0);
        let expired = self.expired_in(range, usize::MAX)?.len() as u64;
        Ok(stored.saturating_sub(expired))
    }
}

/// The mean size of the values of some keys, in bytes; at least 1.
fn mean_size(kvs: &[KeyValue]) -> u64 {
    let bytes: u64 = kvs.iter().map(|kv| kv.value.len() as u64).sum();
    (bytes / (kvs.len() as u64).max(1)).max(1)
}

/// How many keys with values of that mean size one answer is to have.
fn keys_of_size(mean: u64) -> usize {
    usize::try_from(ANSWER_BYTES / mean.max(1)).unwrap_or(PAGE_KEYS).clamp(1, PAGE_KEYS)
}

/// How many of these keys, at least one, are read in one part, where values of unknown size have that mean.
fn length_of_part(keys: &[(Key, Option<u64>)], mean: u64, most: usize) -> usize {
    let mut bytes = 0u64;
    let fits = |(_, size): &&(Key, Option<u64>)| {
        bytes = bytes.saturating_add(size.unwrap_or(mean));
        bytes <= ANSWER_BYTES
    };
    keys.iter().take(most.max(1)).take_while(fits).count().max(1)
}

/// What is left of a range behind the last key of the page before.
fn narrowed(range: &KeyRange, after: Option<&Key>, order: Order) -> KeyRange {
    let mut range = range.clone();
    match (after, order) {
        (None, _) => {}
        (Some(after), Order::Ascending) => {
            let next = after.successor();
            if range.start.as_ref().is_none_or(|start| *start < next) {
                range.start = Some(next);
            }
        }
        (Some(after), Order::Descending) => {
            if range.end.as_ref().is_none_or(|end| *end > *after) {
                range.end = Some(after.clone());
            }
        }
    }
    range
}

/// Whether the key of an entry can be one here.
pub(super) fn check_key(keys: &Keys, key: &Key) -> bool {
    !key.is_blob() && keys.key_of_entry(&keys.entry(key)).is_some()
}

//! The names of all keys of a database: entries lie under the prefix and a slash as they are named, what
//! slothstate keeps of its own beside them under `.s/`.

use super::wire::KeySpan;
use crate::store::{Key, KeyRange};
use crate::time::Millis;

/// The name of a record of history: the bucket that it is in, and what tells it apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct RecordName {
    pub bucket: u64,
    pub unique: u64,
}

/// The keys of one database.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The prefix with its slash.
    entries: Vec<u8>,
    /// The prefix with `.s/`.
    own: Vec<u8>,
}

impl Keys {
    /// The keys of the database at `prefix`, which ends with no slash.
    pub fn new(prefix: &str) -> Keys {
        Keys { entries: format!("{prefix}/").into_bytes(), own: format!("{prefix}.s/").into_bytes() }
    }

    fn of(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [&self.own[..], kind.as_bytes(), name].concat()
    }

    /// An entry.
    pub fn entry(&self, key: &Key) -> Vec<u8> {
        [&self.entries[..], key.as_bytes()].concat()
    }

    /// The key of an entry, from its full name.
    pub fn key_of_entry(&self, name: &[u8]) -> Option<Key> {
        let key = name.strip_prefix(&self.entries[..]).filter(|key| !key.is_empty())?;
        Some(Key::from_stored(key, false))
    }

    /// The entries of a range. Keys that are blobs come after all text, and there are none here.
    pub fn entries(&self, range: &KeyRange) -> KeySpan {
        bounds(&self.entries, range)
    }

    /// What is known of an entry besides its value.
    pub fn about(&self, key: &Key) -> Vec<u8> {
        self.of("M/", key.as_bytes())
    }

    /// As [`Keys::key_of_entry`], from the full name of what is known of it.
    pub fn key_of_about(&self, name: &[u8]) -> Option<Key> {
        let key = name.strip_prefix(&self.own[..])?.strip_prefix(b"M/").filter(|key| !key.is_empty())?;
        Some(Key::from_stored(key, false))
    }

    /// What is known of the entries of a range.
    pub fn abouts(&self, range: &KeyRange) -> KeySpan {
        bounds(&self.of("M/", b""), range)
    }

    /// The mark of an entry that expires.
    pub fn expiry(&self, at: Millis, key: &Key) -> Vec<u8> {
        self.of("X/", &[ordered(at).as_bytes(), b"/", key.as_bytes()].concat())
    }

    /// The marks of the entries that expire at `from` or later, and before `to`.
    pub fn expiries(&self, from: Millis, to: Millis) -> KeySpan {
        KeySpan { start: self.of("X/", ordered(from).as_bytes()), end: self.of("X/", ordered(to).as_bytes()) }
    }

    /// The time and the entry of a mark.
    pub fn entry_of_expiry(&self, name: &[u8]) -> Option<(Millis, Key)> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"X/")?;
        let (digits, key) = (rest.get(..16)?, rest.get(17..)?);
        let number = hexadecimal(digits)?;
        let at = Millis((number ^ (1 << 63)).cast_signed());
        (rest[16] == b'/' && !key.is_empty()).then(|| (at, Key::from_stored(key, false)))
    }

    /// The mark of an entry that was deleted.
    pub fn tombstone(&self, key: &Key) -> Vec<u8> {
        self.of("D/", key.as_bytes())
    }

    /// The marks of the entries of a range that were deleted.
    pub fn tombstones(&self, range: &KeyRange) -> KeySpan {
        bounds(&self.of("D/", b""), range)
    }

    /// A record of history.
    pub fn record(&self, name: RecordName) -> Vec<u8> {
        self.of("h/", format!("{:016x}/{:016x}", name.bucket, name.unique).as_bytes())
    }

    /// The name of a record.
    pub fn name_of_record(&self, name: &[u8]) -> Option<RecordName> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"h/")?;
        let (bucket, unique) = (rest.get(..16)?, rest.get(17..)?);
        (rest[16] == b'/' && unique.len() == 16).then_some(())?;
        Some(RecordName { bucket: hexadecimal(bucket)?, unique: hexadecimal(unique)? })
    }

    /// The records of a bucket.
    pub fn records(&self, bucket: u64) -> KeySpan {
        KeySpan::beginning(self.of("h/", format!("{bucket:016x}/").as_bytes()))
    }

    /// The bucket that is written to: the revision of this key is its name.
    pub fn current_bucket(&self) -> Vec<u8> {
        self.of("b", b"")
    }

    /// A bucket that is not written to any more.
    pub fn closed_bucket(&self, bucket: u64) -> Vec<u8> {
        self.of("B/", format!("{bucket:016x}").as_bytes())
    }

    /// The name of a bucket that is closed.
    pub fn bucket_of(&self, name: &[u8]) -> Option<u64> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"B/")?;
        (rest.len() == 16).then(|| hexadecimal(rest)).flatten()
    }

    /// All buckets that are closed.
    pub fn closed_buckets(&self) -> KeySpan {
        KeySpan::beginning(self.of("B/", b""))
    }

    /// The newest change: the revision of this key, and the number of changes in its value.
    pub fn newest(&self) -> Vec<u8> {
        self.of("E", b"")
    }

    /// The mark of a transaction that was undone, by its first revision.
    pub fn undone(&self, revision: i64) -> Vec<u8> {
        self.of("u/", format!("{revision:016x}").as_bytes())
    }

    /// The revision of such a mark.
    pub fn revision_of_undone(&self, name: &[u8]) -> Option<i64> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"u/")?;
        i64::try_from(hexadecimal(rest)?).ok()
    }

    /// The marks from one revision up to another.
    pub fn undones(&self, first: i64, last: i64) -> KeySpan {
        KeySpan { start: self.undone(first), end: self.undone(last.saturating_add(1)) }
    }

    /// Which database it is, and how much of its history is kept.
    pub fn format(&self) -> Vec<u8> {
        self.of("F", b"")
    }

    /// A lock: who holds it, or held it when its lease ended.
    pub fn lock(&self, name: &str) -> Vec<u8> {
        self.of("l/", name.as_bytes())
    }

    /// All locks.
    pub fn locks(&self) -> KeySpan {
        KeySpan::beginning(self.of("l/", b""))
    }

    /// The name of a lock.
    pub fn name_of_lock(&self, name: &[u8]) -> Option<String> {
        let name = name.strip_prefix(&self.own[..])?.strip_prefix(b"l/").filter(|name| !name.is_empty())?;
        String::from_utf8(name.to_vec()).ok()
    }

    /// What is there as long as the lease of a lock.
    pub fn life(&self, name: &str) -> Vec<u8> {
        self.of("a/", name.as_bytes())
    }

    /// The last record of history about a lock.
    pub fn lock_record(&self, name: &str) -> Vec<u8> {
        self.of("L/", name.as_bytes())
    }

    /// All of those.
    pub fn lock_records(&self) -> KeySpan {
        KeySpan::beginning(self.of("L/", b""))
    }

    /// Somebody who waits for a lock, under a lease of that id.
    pub fn waiter(&self, name: &str, lease: i64) -> Vec<u8> {
        self.of("q/", format!("{}/{:016x}", name_in_key(name), lease.cast_unsigned()).as_bytes())
    }

    /// All who wait for a lock.
    pub fn waiters(&self, name: &str) -> KeySpan {
        KeySpan::beginning(self.of("q/", format!("{}/", name_in_key(name)).as_bytes()))
    }

    /// All who wait for any lock.
    pub fn all_waiters(&self) -> KeySpan {
        KeySpan::beginning(self.of("q/", b""))
    }

    /// The lock and the lease of somebody who waits.
    pub fn waiter_of(&self, name: &[u8]) -> Option<(String, i64)> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"q/")?;
        let slash = rest.iter().rposition(|byte| *byte == b'/')?;
        Some((name_from_key(&rest[..slash])?, hexadecimal(&rest[slash + 1..])?.cast_signed()))
    }

    /// A process that is alive, by a name of its own.
    pub fn presence(&self, process: &str) -> Vec<u8> {
        self.of("P/", process.as_bytes())
    }

    /// The number of the last run.
    pub fn last_run(&self) -> Vec<u8> {
        self.of("N", b"")
    }

    /// A run.
    pub fn run(&self, number: i64) -> Vec<u8> {
        self.of("r/", format!("{number:016x}").as_bytes())
    }

    /// The runs up to that number, which is not among them; `None`: all.
    pub fn runs(&self, before: Option<i64>) -> KeySpan {
        let all = KeySpan::beginning(self.of("r/", b""));
        let end = before.map_or(all.end, |before| self.run(before));
        KeySpan { start: all.start, end }
    }

    /// The number of a run.
    pub fn number_of_run(&self, name: &[u8]) -> Option<i64> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"r/")?;
        i64::try_from(hexadecimal(rest)?).ok()
    }

    /// The request that a process stops, by the name of its presence: not only runs are stopped.
    pub fn stop(&self, process: &str) -> Vec<u8> {
        self.of("s/", process.as_bytes())
    }

    /// A piece of a recording, by the number of its first record.
    pub fn chunk(&self, run: i64, first: u64) -> Vec<u8> {
        self.of("Z/", format!("{run:016x}/{first:016x}").as_bytes())
    }

    /// The pieces of a recording from one of them up to another, which is not among them.
    pub fn chunks(&self, run: i64, from: u64, to: u64) -> KeySpan {
        KeySpan { start: self.chunk(run, from), end: self.chunk(run, to) }
    }

    /// All pieces of all recordings.
    pub fn all_chunks(&self) -> KeySpan {
        KeySpan::beginning(self.of("Z/", b""))
    }

    /// The run and the first record of a piece.
    pub fn piece_of(&self, name: &[u8]) -> Option<(i64, u64)> {
        let rest = name.strip_prefix(&self.own[..])?.strip_prefix(b"Z/")?;
        let (run, first) = (rest.get(..16)?, rest.get(17..)?);
        (rest[16] == b'/').then_some(())?;
        Some((hexadecimal(run)?.cast_signed(), hexadecimal(first)?))
    }

    /// A part of a piece that is too long for one value.
    pub fn chunk_part(&self, run: i64, first: u64, part: usize) -> Vec<u8> {
        self.of("Y/", format!("{run:016x}/{first:016x}/{part:04x}").as_bytes())
    }

    /// The mark of a change that belongs to a piece written before.
    pub fn chunk_mark(&self, run: i64, first: u64) -> Vec<u8> {
        self.of("V/", format!("{run:016x}/{first:016x}").as_bytes())
    }

    /// The marks of the pieces of a recording from one of them on.
    pub fn chunk_marks(&self, run: i64, from: u64) -> KeySpan {
        KeySpan { start: self.chunk_mark(run, from), end: self.of("V/", format!("{run:016x}0").as_bytes()) }
    }

    /// All keys of a recording.
    pub fn recording(&self, run: i64) -> [KeySpan; 3] {
        ["Z/", "Y/", "V/"].map(|kind| KeySpan::beginning(self.of(kind, format!("{run:016x}/").as_bytes())))
    }

    /// What a watch hears: entries, and what is news beside them. What only belongs to those is not heard,
    /// and has a capital.
    pub fn watched(&self) -> [KeySpan; 2] {
        let news = KeySpan { start: self.of("a", b""), end: self.of("{", b"") };
        [KeySpan::beginning(self.entries.clone()), news]
    }

    /// Both ranges of the database: the grants that a user needs.
    pub fn all(&self) -> [KeySpan; 2] {
        [KeySpan::beginning(self.entries.clone()), KeySpan::beginning(self.own.clone())]
    }
}

/// A range of keys under a prefix, which ends with a slash.
fn bounds(prefix: &[u8], range: &KeyRange) -> KeySpan {
    let whole = KeySpan::beginning(prefix.to_vec());
    let place = |key: &Key| match key.is_blob() {
        true => whole.end.clone(),
        false => [prefix, key.as_bytes()].concat(),
    };
    let start = range.start.as_ref().map_or_else(|| whole.start.clone(), place);
    let end = range.end.as_ref().map_or_else(|| whole.end.clone(), place);
    // etcd takes an end that is before the start for an empty range, as it is.
    KeySpan { start, end }
}

/// A time in digits whose order is that of times.
fn ordered(at: Millis) -> String {
    format!("{:016x}", at.0.cast_unsigned() ^ (1 << 63))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let is_plain = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
    let text =
        std::str::from_utf8(digits).ok().filter(|_| digits.len() == 16 && digits.iter().all(is_plain))?;
    u64::from_str_radix(text, 16).ok()
}

/// A name without slashes: one more part follows it.
fn name_in_key(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

fn name_from_key(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    Some(text.replace("%2F", "/").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new("/prod")
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    #[test]
    fn every_kind_of_key_has_its_place() {
        let keys = keys();
        let record = RecordName { bucket: 18, unique: u64::MAX };
        for (found, expected) in [
            (keys.entry(&key("a/b")), "/prod/a/b"),
            (keys.about(&key("a/b")), "/prod.s/M/a/b"),
            (keys.expiry(Millis(255), &key("a/b")), "/prod.s/X/80000000000000ff/a/b"),
            (keys.tombstone(&key("k")), "/prod.s/D/k"),
            (keys.record(record), "/prod.s/h/0000000000000012/ffffffffffffffff"),
            (keys.current_bucket(), "/prod.s/b"),
            (keys.closed_bucket(18), "/prod.s/B/0000000000000012"),
            (keys.newest(), "/prod.s/E"),
            (keys.undone(4097), "/prod.s/u/0000000000001001"),
            (keys.format(), "/prod.s/F"),
            (keys.lock("a/b%"), "/prod.s/l/a/b%"),
            (keys.life("l"), "/prod.s/a/l"),
            (keys.lock_record("l"), "/prod.s/L/l"),
            (keys.waiter("l/m", 7), "/prod.s/q/l%2Fm/0000000000000007"),
            (keys.presence("host:boot:1:2"), "/prod.s/P/host:boot:1:2"),
            (keys.last_run(), "/prod.s/N"),
            (keys.run(7), "/prod.s/r/0000000000000007"),
            (keys.stop("host:boot:1:2"), "/prod.s/s/host:boot:1:2"),
            (keys.chunk(7, 0), "/prod.s/Z/0000000000000007/0000000000000000"),
            (keys.chunk_part(7, 0, 1), "/prod.s/Y/0000000000000007/0000000000000000/0001"),
            (keys.chunk_mark(7, 0), "/prod.s/V/0000000000000007/0000000000000000"),
        ] {
            assert_eq!(text(found), expected);
        }
        assert_eq!(keys.name_of_record(&keys.record(record)), Some(record));
        assert_eq!(keys.name_of_lock(&keys.lock("a/b%2F")), Some("a/b%2F".into()));
        assert_eq!(keys.waiter_of(&keys.waiter("a/%", -1)), Some(("a/%".into(), -1)));
        assert_eq!(keys.number_of_run(&keys.run(7)), Some(7));
        assert_eq!(keys.piece_of(&keys.chunk(7, u64::MAX)), Some((7, u64::MAX)));
        assert_eq!(keys.bucket_of(&keys.closed_bucket(9)), Some(9));
        assert_eq!(keys.revision_of_undone(&keys.undone(9)), Some(9));
        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mark = keys.expiry(Millis(at), &key("k/é"));
            assert_eq!(keys.entry_of_expiry(&mark), Some((Millis(at), key("k/é"))));
        }
    }

    #[test]
    fn the_order_of_keys_is_that_of_entries_and_of_times() {
        let keys = keys();
        let names = ["\u{1}", " ", "a", "a b", "a/10", "a/2", "b", "z", "~", "é"];
        for pair in names.windows(2) {
            assert!(key(pair[0]) < key(pair[1]));
            assert!(keys.entry(&key(pair[0])) < keys.entry(&key(pair[1])), "{pair:?}");
        }
        let mark = |at: i64| keys.expiry(Millis(at), &key("k"));
        assert!(mark(-5) < mark(-1) && mark(-1) < mark(0) && mark(0) < mark(i64::MAX));
    }

    #[test]
    fn ranges_stay_within_the_prefix() {
        let keys = keys();
        let all = keys.entries(&KeyRange::all());
        assert_eq!((text(all.start), text(all.end)), ("/prod/".into(), "/prod0".into()));
        let some = keys.entries(&KeyRange::prefix("a/"));
        assert_eq!((text(some.start), text(some.end)), ("/prod/a/".into(), "/prod/a0".into()));
        let blobs = KeyRange { start: Some(Key::from_stored(b"a", true)), end: None };
        let blobs = keys.entries(&blobs);
        assert_eq!(blobs.start, blobs.end, "no key here is a blob");
        // Another database beside this one, and one of which the name begins alike.
        let other = Keys::new("/prod.test");
        for span in keys.all().into_iter().chain(keys.watched()) {
            for name in [other.entry(&key("k")), other.format(), b"/prod".to_vec(), b"/product/k".to_vec()] {
                assert!(!(span.start <= name && name < span.end), "{span:?} {name:?}");
            }
        }
    }

    #[test]
    fn what_another_program_named_is_not_taken_for_ours() {
        let keys = keys();
        for name in [
            &b"/prod.s/h/1/2"[..],
            b"/prod.s/h/0000000000000012/fffffffffffffff",
            b"/prod.s/h/0000000000000012-ffffffffffffffff",
            b"/prod.s/h/000000000000001G/ffffffffffffffff",
            b"/prod.s/h/",
            b"/prod/x",
            b"",
            b"\xff",
        ] {
            assert_eq!(keys.name_of_record(name), None, "{name:?}");
            assert_eq!(keys.entry_of_expiry(name), None, "{name:?}");
            assert_eq!(keys.waiter_of(name), None, "{name:?}");
        }
        for name in [&b"/prod.s/X/80000000000000ff"[..], b"/prod.s/X/80000000000000ff/", b"/prod.s/X/zz/k"] {
            assert_eq!(keys.entry_of_expiry(name), None, "{name:?}");
        }
        assert_eq!(keys.key_of_entry(b"/prod/"), None);
        assert_eq!(keys.name_of_lock(b"/prod.s/l/\xff"), None);
    }
}

//! What slothstate keeps in values of its own: MessagePack after one byte of format version.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::keys::RecordName;
use crate::store::{Actor, Change, Image, Key, RecordingRetention, Retention, Revision, Subject, Type};
use crate::time::Millis;

/// The format of all records that this version writes.
const VERSION: u8 = 1;

/// Why the bytes of a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A later version wrote it.
    Newer(u8),
    /// It is damaged, or another program wrote it.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Newer(version) => {
                write!(f, "a later version of slothstate wrote it (format {version})")
            }
            Unreadable::Damaged => f.write_str("its record is damaged, or another program wrote it"),
        }
    }
}

/// The bytes of a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Nothing but memory is written to, and every type here can be written.
    let written = rmp_serde::encode::write(&mut bytes, record);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// Reads a record.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => rmp_serde::from_slice(rest).map_err(|_| Unreadable::Damaged),
        Some((&newer, _)) if newer > VERSION && newer < 32 => Err(Unreadable::Newer(newer)),
        _ => Err(Unreadable::Damaged),
    }
}

/// What is known of an entry besides its value. It is valid only if it was written with the entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub stored_type: Option<u8>,
    pub expires_at: Option<i64>,
    pub created_at: Option<i64>,
    pub modified_at: i64,
    pub actor: Actor,
    /// The place of the change in its transaction, from 1.
    pub place: u8,
    /// The record of that transaction.
    pub record: RecordName,
    /// How long the value is, and the first bytes of it: lists need no more.
    pub size: u64,
    pub head: ByteBuf,
}

/// The most bytes of [`About::head`].
pub(super) const HEAD: usize = 256;

/// The mark of an entry that was deleted, and of what was last done with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastRecord {
    pub record: RecordName,
}

/// A value before or after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    stored: ByteBuf,
    stored_type: Option<u8>,
    expires_at: Option<i64>,
}

impl ImageRecord {
    /// The image with no more than `limit` bytes of the value.
    fn image(&self, limit: u64) -> Image {
        let end = usize::try_from(limit).unwrap_or(usize::MAX).min(self.stored.len());
        Image {
            stored: self.stored[..end].to_vec(),
            stored_type: self.stored_type.and_then(type_of),
            expires_at: self.expires_at.map(Millis),
        }
    }
}

impl From<&Image> for ImageRecord {
    fn from(image: &Image) -> ImageRecord {
        ImageRecord {
            stored: ByteBuf::from(image.stored.clone()),
            stored_type: image.stored_type.map(number_of),
            expires_at: image.expires_at.map(|at| at.0),
        }
    }
}

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ChangeRecord {
    subject: u8,
    #[serde(with = "serde_bytes")]
    key: Vec<u8>,
    pub operation: String,
    old: Option<ImageRecord>,
    new: Option<ImageRecord>,
    version: Option<u64>,
    /// The record of the change of this key before this one.
    pub previous: Option<RecordName>,
    /// Another program made it, and it is only recorded here.
    is_external: bool,
}

/// A change as it is to be recorded.
#[derive(Clone, Debug)]
pub(super) struct NewChange<'a> {
    pub subject: Subject,
    pub key: &'a [u8],
    pub operation: &'a str,
    pub old: Option<&'a Image>,
    pub new: Option<&'a Image>,
    pub version: Option<u64>,
    pub previous: Option<RecordName>,
    pub is_external: bool,
}

impl NewChange<'_> {
    pub(super) fn record(&self) -> ChangeRecord {
        let subject = match self.subject {
            Subject::Entry => 0,
            Subject::Lock => 1,
            Subject::Database => 2,
        };
        ChangeRecord {
            subject,
            key: self.key.to_vec(),
            operation: self.operation.into(),
            old: self.old.map(ImageRecord::from),
            new: self.new.map(ImageRecord::from),
            version: self.version,
            previous: self.previous,
            is_external: self.is_external,
        }
    }
}

impl ChangeRecord {
    /// Whether it is about that key or lock.
    pub(super) fn is_about(&self, subject: Subject, key: &[u8]) -> bool {
        self.subject() == subject && self.key == key
    }

    pub(super) fn subject(&self) -> Subject {
        match self.subject {
            1 => Subject::Lock,
            2 => Subject::Database,
            _ => Subject::Entry,
        }
    }

    pub(super) fn key(&self) -> Key {
        Key::from_stored(&self.key, false)
    }

    /// What is there since.
    pub(super) fn new_image(&self) -> Option<Image> {
        self.new.as_ref().map(|image| image.image(u64::MAX))
    }

    /// When what it replaced expired, and whether there was anything.
    pub(super) fn replaced(&self) -> (Option<Millis>, bool) {
        (self.old.as_ref().and_then(|old| old.expires_at).map(Millis), self.old.is_some())
    }

    /// Whether another program made it.
    pub(super) fn is_external(&self) -> bool {
        self.is_external
    }

    /// How many bytes of values it has.
    pub(super) fn bytes(&self) -> u64 {
        [&self.old, &self.new].into_iter().flatten().map(|image| image.stored.len() as u64).sum()
    }

    /// Whether it is a transaction by itself, beside the others of its record.
    fn stands_alone(&self) -> bool {
        self.is_external || self.operation == "expire"
    }
}

/// One transaction of history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HistoryRecord {
    pub at: i64,
    pub actor: Actor,
    pub changes: Vec<ChangeRecord>,
}

/// A transaction of history with its place in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecordedTransaction {
    /// etcd's revision.
    pub revision: i64,
    pub record: HistoryRecord,
}

impl RecordedTransaction {
    /// The revision of the change at that place, counted from 0.
    pub(super) fn revision_of(&self, place: usize) -> Revision {
        revision_at(self.revision, place)
    }

    /// The revision of its last change.
    pub(super) fn last(&self) -> Revision {
        self.revision_of(self.record.changes.len().saturating_sub(1))
    }

    /// The change at that place, with no more than `limit` bytes of each value. Whether it was undone is not
    /// known here.
    pub(super) fn change(&self, place: usize, limit: u64) -> Option<Change> {
        let record = self.record.changes.get(place)?;
        let revision = self.revision_of(place);
        let together = || {
            let all = self.record.changes.iter().enumerate();
            let mut places = all.filter(|(_, change)| !change.stands_alone()).map(|(place, _)| place);
            let first = places.next().unwrap_or(place);
            (self.revision_of(first), self.revision_of(places.next_back().unwrap_or(first)))
        };
        let recorded_at = Millis(self.record.at);
        let old = record.old.as_ref().map(|image| image.image(limit));
        let expired_at = old.as_ref().and_then(|old| old.expires_at);
        let at = match expired_at {
            Some(at) if record.operation == "expire" && record.subject() == Subject::Entry => {
                at.min(recorded_at)
            }
            _ => recorded_at,
        };
        Some(Change {
            revision,
            at,
            recorded_at,
            subject: record.subject(),
            key: record.key(),
            operation: record.operation.clone(),
            old,
            new: record.new.as_ref().map(|image| image.image(limit)),
            actor: if record.is_external { Actor::external() } else { self.record.actor.clone() },
            version: record.version,
            transaction: if record.stands_alone() { (revision, revision) } else { together() },
            undone_by: None,
        })
    }
}

/// The revision of the change at a place, counted from 0, in the transaction that etcd gave that revision.
pub(super) fn revision_at(revision: i64, place: usize) -> Revision {
    let place = i64::try_from(place + 1).unwrap_or(i64::MAX).min(255);
    Revision(revision.min(i64::MAX >> 8) << 8 | place)
}

/// The end of what has that revision of etcd's: no change of it comes later.
pub(super) fn end_of(revision: i64) -> Revision {
    revision_at(revision, 254)
}

/// etcd's revision of a change.
pub(super) fn etcd_revision(revision: Revision) -> i64 {
    revision.0.max(0) >> 8
}

/// A bucket that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenBucket {
    pub opened_at: i64,
}

/// A bucket that is closed; nothing is known of its content until somebody counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedBucket {
    pub closed_at: i64,
    pub content: Option<BucketContent>,
}

/// What is in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BucketContent {
    /// How many changes.
    pub changes: u64,
    /// How many bytes of values.
    pub bytes: u64,
    /// When the earliest of them was recorded: clocks may go back.
    pub earliest: i64,
}

/// The newest change: how many changes its transaction has, and when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Newest {
    pub changes: u8,
    pub at: i64,
}

/// Which database it is, and how much is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Format {
    /// The id of the database.
    pub id: String,
    pub rows: u64,
    pub seconds: u64,
    pub bytes: u64,
    pub recordings: u64,
    pub recording_seconds: u64,
}

impl Format {
    /// A new database, with an id that no other one has.
    pub(super) fn new() -> Format {
        let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let format = Format { id, rows: 0, seconds: 0, bytes: 0, recordings: 0, recording_seconds: 0 };
        format.with_retention(&Retention::default()).with_recordings(&RecordingRetention::default())
    }

    pub(super) fn retention(&self) -> Retention {
        Retention {
            rows: self.rows.max(1),
            age: std::time::Duration::from_secs(self.seconds),
            bytes: self.bytes,
        }
    }

    pub(super) fn with_retention(self, retention: &Retention) -> Format {
        Format {
            rows: retention.rows.max(1),
            seconds: retention.age.as_secs(),
            bytes: retention.bytes,
            ..self
        }
    }

    pub(super) fn recording_retention(&self) -> RecordingRetention {
        let age = std::time::Duration::from_secs(self.recording_seconds);
        RecordingRetention { count: self.recordings, age }
    }

    pub(super) fn with_recordings(self, recordings: &RecordingRetention) -> Format {
        Format { recordings: recordings.count, recording_seconds: recordings.age.as_secs(), ..self }
    }
}

/// The number that stands for a type.
pub(super) fn number_of(stored_type: Type) -> u8 {
    match stored_type {
        Type::String => 0,
        Type::Number => 1,
        Type::Boolean => 2,
        Type::Table => 3,
    }
}

/// The type of that number.
pub(super) fn type_of(number: u8) -> Option<Type> {
    match number {
        0 => Some(Type::String),
        1 => Some(Type::Number),
        2 => Some(Type::Boolean),
        3 => Some(Type::Table),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> HistoryRecord {
        let image =
            Image { stored: vec![0, 255], stored_type: Some(Type::Table), expires_at: Some(Millis(-1)) };
        let change = |key: &[u8], operation: &str, is_external| {
            NewChange {
                subject: Subject::Entry,
                key,
                operation,
                old: None,
                new: Some(&image),
                version: Some(1),
                previous: Some(RecordName { bucket: 1, unique: u64::MAX }),
                is_external,
            }
            .record()
        };
        let changes =
            vec![change(b"x", "set", true), change(b"\xff", "set", false), change(b"k", "set", false)];
        HistoryRecord { at: 5, actor: Actor::external(), changes }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let record = history();
        assert_eq!(decode::<HistoryRecord>(&encode(&record)), Ok(record));
        let format = Format::new();
        assert_eq!(format.retention(), Retention::default());
        assert_eq!(format.recording_retention(), RecordingRetention::default());
        assert_eq!(decode::<Format>(&encode(&format)), Ok(format));
        for number in 0..=255 {
            assert!(type_of(number).is_none_or(|found| number_of(found) == number));
        }
    }

    #[test]
    fn changes_have_their_revisions_and_their_transaction() {
        let recorded = RecordedTransaction { revision: 3, record: history() };
        let change = |place| recorded.change(place, 1).unwrap();
        let own = |place: i64| Revision(3 << 8 | place);
        assert_eq!([0, 1, 2].map(|place| change(place).revision), [own(1), own(2), own(3)]);
        assert_eq!(change(0).transaction, (own(1), own(1)));
        assert_eq!(change(1).transaction, (own(2), own(3)));
        assert_eq!(change(2).transaction, (own(2), own(3)));
        assert_eq!(change(1).new.unwrap().stored, [0]);
        assert_eq!((recorded.last(), recorded.change(3, 1)), (own(3), None));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = encode(&history());
        for end in 0..whole.len() {
            assert_eq!(decode::<HistoryRecord>(&whole[..end]), Err(Unreadable::Damaged), "{end}");
        }
        for place in 0..whole.len() {
            for byte in [0, 0x7f, 0xc1, 0xdd, 0xff] {
                let mut altered = whole.clone();
                altered[place] = byte;
                let _ = decode::<HistoryRecord>(&altered);
            }
        }
        assert_eq!(decode::<HistoryRecord>(b"\x02x"), Err(Unreadable::Newer(2)));
        // An array that says it has four thousand million items.
        assert_eq!(
            decode::<HistoryRecord>(b"\x01\x93\x00\xc0\xdd\xff\xff\xff\xff"),
            Err(Unreadable::Damaged)
        );
        assert_eq!(decode::<About>(b"true"), Err(Unreadable::Damaged));
    }
}

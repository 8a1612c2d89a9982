//! The lines of an export: JSON objects that restore every byte.
//!
//! The first line is the header, the last one the footer with the counts. Between them are entries in key
//! order, then locks, then history, oldest first. Text that is not UTF-8 has its bytes in a field of the
//! same name with `_hex`.

use serde::{Deserialize, Serialize};

use crate::store::{
    Actor, Change, Entry, Image, Key, Lock, LockReading, Process, Revision, Subject, Token, Type,
};
use crate::text::escape::escape;
use crate::text::escape::hex_unless_utf8;
use crate::time::Millis;

/// The name of the format in the header.
pub const FORMAT: &str = "slothstate-export";
/// The newest version of the format that this program supports.
pub const FORMAT_VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// [`FORMAT`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u64,
    pub program: String,
    /// The source database, for people.
    pub source: String,
    /// When the export began, for people.
    pub exported_at: String,
    /// The newest revision when the export began.
    pub from_revision: i64,
    pub history: bool,
}

/// Any other line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportRecord {
    Entry(EntryRecord),
    Lock(LockRecord),
    Change(Box<ChangeRecord>),
    End(Footer),
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    pub entries: u64,
    pub locks: u64,
    /// How many rows of history there are.
    pub changes: u64,
    /// The newest revision when the export ended.
    pub to_revision: i64,
}

/// A stored value with its type and expiry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageRecord {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    stored_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorRecord {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRecord {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    key_is_blob: bool,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    stored_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    version: u64,
    revision: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ActorRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockRecord {
    name: String,
    holder: String,
    token: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acquired_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ActorRecord>,
    stored_expiry: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    revision: i64,
    at_ms: i64,
    subject: Subject,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    key_is_blob: bool,
    operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<ImageRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<ImageRecord>,
    actor: ActorRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    transaction: (i64, i64),
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<i64>,
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> EntryRecord {
        let (key, key_hex) = to_text(entry.key.as_bytes());
        let (value, value_hex) = to_text(&entry.stored);
        EntryRecord {
            key,
            key_hex,
            key_is_blob: entry.key.is_blob(),
            value,
            value_hex,
            stored_type: entry.stored_type.map(|stored_type| stored_type.name().into()),
            expires_at_ms: entry.expires_at.map(|at| at.0),
            version: entry.version,
            revision: entry.revision.0,
            created_at_ms: entry.created_at.map(|at| at.0),
            modified_at_ms: entry.modified_at.map(|at| at.0),
            actor: entry.actor.as_ref().map(ActorRecord::from),
        }
    }
}

impl EntryRecord {
    pub fn into_entry(self) -> Result<Entry, String> {
        let key = from_text("key", self.key, self.key_hex)?;
        let stored = from_text("value", self.value, self.value_hex)?;
        Ok(Entry {
            key: Key::from_stored(&key, self.key_is_blob),
            size: stored.len() as u64,
            stored,
            stored_type: self.stored_type.as_deref().map(known_type).transpose()?,
            expires_at: self.expires_at_ms.map(expiry).transpose()?,
            version: self.version,
            revision: Revision(self.revision),
            created_at: self.created_at_ms.map(Millis),
            modified_at: self.modified_at_ms.map(Millis),
            actor: self.actor.map(Actor::from),
            kind: None,
        })
    }
}

impl From<&Lock> for LockRecord {
    fn from(lock: &Lock) -> LockRecord {
        LockRecord {
            name: lock.name.clone(),
            holder: lock.holder.clone(),
            token: lock.token.0.0,
            acquired_at_ms: lock.acquired_at.map(|at| at.0),
            expires_at_ms: lock.expires_at.map(|at| at.0),
            process: lock.process.clone(),
            actor: lock.actor.as_ref().map(ActorRecord::from),
            stored_expiry: lock.version.to_string(),
        }
    }
}

impl LockRecord {
    pub fn into_lock(self) -> Result<Lock, String> {
        Ok(Lock {
            name: self.name,
            holder: self.holder,
            token: Token(Revision(self.token)),
            acquired_at: self.acquired_at_ms.map(Millis),
            expires_at: self.expires_at_ms.map(expiry).transpose()?,
            renewal: None,
            process: self.process,
            actor: self.actor.map(Actor::from),
            version: self.stored_expiry.into(),
            reading: LockReading::Whole,
        })
    }
}

impl From<&Change> for ChangeRecord {
    fn from(change: &Change) -> ChangeRecord {
        let (key, key_hex) = to_text(change.key.as_bytes());
        ChangeRecord {
            revision: change.revision.0,
            at_ms: change.recorded_at.0,
            subject: change.subject,
            key,
            key_hex,
            key_is_blob: change.key.is_blob(),
            operation: change.operation.clone(),
            old: change.old.as_ref().map(ImageRecord::from),
            new: change.new.as_ref().map(ImageRecord::from),
            actor: ActorRecord::from(&change.actor),
            version: change.version,
            transaction: (change.transaction.0.0, change.transaction.1.0),
            undone_by: change.undone_by.map(|revision| revision.0),
        }
    }
}

impl ChangeRecord {
    /// What is wrong with it.
    pub fn check(self) -> Result<(), String> {
        from_text("key", self.key, self.key_hex)?;
        for image in [self.old, self.new].into_iter().flatten() {
            from_text("value", image.value, image.value_hex)?;
            image.stored_type.as_deref().map(known_type).transpose()?;
        }
        Ok(())
    }
}

impl From<&Image> for ImageRecord {
    fn from(image: &Image) -> ImageRecord {
        let (value, value_hex) = to_text(&image.stored);
        ImageRecord {
            value,
            value_hex,
            stored_type: image.stored_type.map(|stored_type| stored_type.name().into()),
            expires_at_ms: image.expires_at.map(|at| at.0),
        }
    }
}

impl From<&Actor> for ActorRecord {
    fn from(actor: &Actor) -> ActorRecord {
        ActorRecord { name: actor.name.clone(), run: actor.run, task: actor.task.clone() }
    }
}

impl From<ActorRecord> for Actor {
    fn from(record: ActorRecord) -> Actor {
        Actor { name: record.name, run: record.run, task: record.task }
    }
}

/// Parses an expiry. One beyond all dates was clamped when it was written, or is a mistake.
fn expiry(at: i64) -> Result<Millis, String> {
    if at > Millis::LATEST.0 {
        return Err(format!(
            "expires_at_ms is {at}, which is after the year 9999: give an earlier time, or leave it out for \
             what does not expire"
        ));
    }
    Ok(Millis(at))
}

fn known_type(name: &str) -> Result<Type, String> {
    Type::from_name(name).ok_or_else(|| {
        format!(
            "there is no type {}; the types are string, number, boolean and table",
            escape(name.as_bytes())
        )
    })
}

/// The text, and the bytes in hexadecimal if the text does not represent them.
fn to_text(bytes: &[u8]) -> (String, Option<String>) {
    (String::from_utf8_lossy(bytes).into_owned(), hex_unless_utf8(bytes))
}

/// The bytes. The text beside the hexadecimal digits is for people, but must match them.
fn from_text(name: &str, text: String, hex: Option<String>) -> Result<Vec<u8>, String> {
    let Some(hex) = hex else { return Ok(text.into_bytes()) };
    let digits = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(digits).collect();
    let bytes = bytes.ok_or_else(|| format!("{name}_hex is no row of pairs of hexadecimal digits"))?;
    if String::from_utf8_lossy(&bytes) != text {
        return Err(format!("{name} and {name}_hex are not the same text"));
    }
    Ok(bytes)
}

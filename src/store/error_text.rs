//! The sentences of errors: what happened, to which database, and what to do about it.

use std::fmt;

use crate::store::{EmptyKey, ErrorKind, StoreError};
use crate::text::duration::show_duration;
use crate::text::escape::escape;

impl fmt::Display for StoreError {
    /// What happened, and the remedy, if the engine knows one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Some(location) => sentence(f, &self.kind, &location.to_string())?,
            None => sentence(f, &self.kind, "the database")?,
        }
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// What happened to the database or file `place`, without the remedy.
fn sentence(f: &mut fmt::Formatter<'_>, kind: &ErrorKind, place: &str) -> fmt::Result {
    match kind {
        ErrorKind::EmptyKey => write!(f, "{EmptyKey}"),
        ErrorKind::EmptyLockName => write!(f, "the name of a lock cannot be empty"),
        ErrorKind::NotFound => write!(f, "there is no database at {place}"),
        ErrorKind::Exists => {
            write!(f, "{place} is there already; it was not overwritten: name another file")
        }
        ErrorKind::NotEmpty => write!(f, "{place} is not empty"),
        ErrorKind::IsDirectory => write!(f, "{place} is a directory"),
        ErrorKind::NotAStateDatabase { reason } => write!(f, "{place} is not a state database: {reason}"),
        ErrorKind::Incomplete { what, .. } => write!(f, "{place} is not as slothstate left it: {what}"),
        ErrorKind::Unsafe { reason } => write!(f, "{place} cannot be used safely: {reason}"),
        ErrorKind::NewerSchema { found, known } => write!(
            f,
            "{place} was made by a newer slothstate (schema {found}; this one knows up to {known}): update \
             slothstate"
        ),
        ErrorKind::Corrupt { reason } => write!(f, "{place} is damaged ({reason})"),
        ErrorKind::Reset { why } => {
            write!(f, "{place} changed while it was in use: {why}; nothing more is written to it")
        }
        ErrorKind::Emptied { remains } => write!(f, "{place} is empty or gone, and {remains}"),
        ErrorKind::SameFile => write!(f, "{place} is the database itself, not a backup of it"),
        ErrorKind::Mismatched { part, reason } => {
            write!(f, "{place} and {part} do not belong together: {reason}")
        }
        ErrorKind::LostRevision { revision, epoch, first, after, reason } => write!(
            f,
            "revision {revision} is not of any state that there is: epoch {epoch} began with revision {first} \
             after revision {after} ({reason})"
        ),
        ErrorKind::Permission { action, reason } => write!(f, "no permission to {action} {place}: {reason}"),
        ErrorKind::ReadOnly { reason } => write!(f, "{place} cannot be written: {reason}"),
        ErrorKind::Busy { waited, is_write } => write!(
            f,
            "{place} was busy for {:.1} s: another process has locked it; {}try again",
            waited.as_secs_f64(),
            if *is_write { "nothing was changed, " } else { "" }
        ),
        ErrorKind::Unreachable { waited, reasons } => {
            write!(f, "no node of {place} answered for {:.1} s ({reasons})", waited.as_secs_f64())
        }
        ErrorKind::Unconfirmed { waited, reasons } => write!(
            f,
            "no node of {place} answered for {:.1} s ({reasons}): it is not known whether this took effect; look \
             for it in history before you try again",
            waited.as_secs_f64()
        ),
        ErrorKind::Denied { reason } => write!(f, "{place} does not allow it: {reason}"),
        ErrorKind::DiskFull => write!(
            f,
            "no room left on the disk of {place}: nothing was changed; free some room and try again"
        ),
        ErrorKind::TooLarge { key, bytes, limit } => {
            write!(f, "the value of {key} is too large: {bytes} bytes, at most {limit}")
        }
        ErrorKind::TooManyOperations { given, most } => write!(
            f,
            "{given} changes in one transaction, and the most that this database can make together are {most}; \
             nothing was changed"
        ),
        ErrorKind::TransactionTooLarge { bytes, most } => write!(
            f,
            "one transaction would take {bytes} bytes, with its keys and the values that it replaces, and this \
             database can write at most {most} together; nothing was changed"
        ),
        ErrorKind::TooManyConditions { given, most } => write!(
            f,
            "the transaction depends on {given} entries, ranges and locks, and this database can check at most \
             {most} together; nothing was changed"
        ),
        ErrorKind::WrongType { key, operation, wanted, found } => {
            write!(f, "{key}: {operation} needs a {wanted}, and this is a {found}; it was left as it is")
        }
        ErrorKind::NotWrittenAsNumber { key, operation, text } => {
            write!(f, "{key}: {}", looks_like_a_number(operation, text))
        }
        ErrorKind::OutOfRange { key } => write!(
            f,
            "{key}: the result is out of range: whole numbers go up to 9223372036854775807, and others have \
             about 15 digits; it was left as it is"
        ),
        ErrorKind::TooLong { time, is_lease } => write!(
            f,
            "{} from now is after the year 9999, and was not cut to that: give a shorter time{}",
            show_duration(*time),
            if *is_lease { "" } else { ", or none, for an entry that does not expire" }
        ),
        ErrorKind::NoRevisionLeft { newest } => write!(
            f,
            "{place} cannot be written: its history has the revision {newest}, which no number of changes \
             leads to, so that none can follow; it is damaged, or another program wrote to it: slothstate \
             doctor tells how to mend it"
        ),
        ErrorKind::NoSuchEntry { key } => write!(f, "there is no key {key}"),
        ErrorKind::Reentrant { name, holder } => write!(
            f,
            "lock {name} is already held by {holder} itself: a lock cannot be taken twice; release it first"
        ),
        ErrorKind::Pruned { oldest, oldest_at } => {
            write!(f, "history goes back to revision {oldest} ({oldest_at}); what was before is not known")
        }
        ErrorKind::NoSuchChange { revision } => write!(f, "there is no change {revision} in history"),
        ErrorKind::NotRecorded => write!(f, "{place} keeps no history yet"),
        ErrorKind::NotYet { newest } => {
            write!(f, "that has not come yet: the newest revision is {newest}")
        }
        ErrorKind::Contended { key, attempts } => {
            write!(f, "{key} was changed by others {attempts} times in a row; nothing was changed, try again")
        }
        ErrorKind::LockLost { name, token, now } => {
            write!(f, "lock {name} is not held under token {token}: {now}; nothing was written")
        }
        ErrorKind::Unsupported { operation } => write!(f, "{place} does not support {operation}"),
        ErrorKind::Io { source } => write!(f, "{place}: {source}"),
        ErrorKind::Engine { reason } => write!(f, "{place}: {reason}"),
    }
}

/// Why such text is not added to, without the key.
fn looks_like_a_number(operation: &str, text: &str) -> String {
    format!(
        "{operation} needs a number, and this is the text \"{}\", which is not written as one \
         (as 42, -7, 1.5 or 1e+06); it was left as it is",
        escape(text.as_bytes())
    )
}

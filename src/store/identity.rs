//! Whether a database is still the one that was opened, and in a state that followed from what was
//! read: what can happen to it, in plain words.

use std::fmt;

use crate::store::Revision;
use crate::time::Millis;

/// Which database it is, and which of its states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The id that a database shares with its copies; `None` for a file that has none yet.
    pub database: Option<String>,
    /// Raised whenever revisions may have been lost, such as by restoring a backup; 0 for a file
    /// that has none yet.
    pub epoch: i64,
    pub revision: Revision,
}

/// Why a database is no longer the one that was opened, or not in a state that followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    Missing,
    /// It cannot be looked at any more, for this reason.
    Unseen(String),
    /// Another file is at its path.
    Replaced,
    /// Something that is not a file is at its path: its kind, such as "a directory".
    NotAFile(&'static str),
    /// The file is shorter than it was; sizes in bytes.
    Truncated {
        before: u64,
        now: u64,
    },
    /// Another program wrote to the file, not through the engine.
    Overwritten,
    /// Something happened to a part of it that the engine keeps beside it.
    Part {
        /// The cause: see [`Reset::cause`].
        cause: &'static str,
        /// What the engine calls the part.
        name: &'static str,
        what: PartChange,
    },
    /// It holds another database, or something else than a state database.
    OtherDatabase,
    /// A new epoch began, for this reason: a backup was restored, or the file is a copy.
    Epoch {
        epoch: i64,
        reason: String,
    },
    /// The newest revision is less than one that was seen before.
    WentBack {
        seen: Revision,
        newest: Revision,
    },
    /// A revision that was seen is another change now.
    Diverged(Revision),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartChange {
    /// It is gone.
    Removed,
    /// Another file has its name.
    Replaced,
    /// It is shorter than what is in it.
    Truncated,
}

impl Reset {
    /// One word for programs, which stays the same in later versions.
    pub fn cause(&self) -> &'static str {
        match self {
            Reset::Missing => "missing",
            Reset::Unseen(_) => "unseen",
            Reset::Replaced | Reset::NotAFile(_) => "replaced",
            Reset::Truncated { .. } => "truncated",
            Reset::Overwritten => "overwritten",
            Reset::Part { cause, .. } => cause,
            Reset::OtherDatabase => "database",
            Reset::Epoch { .. } => "epoch",
            Reset::WentBack { .. } | Reset::Diverged(_) => "restored",
        }
    }

    /// Whether content is lost, which no later state of the files takes back. A file that was moved away, or
    /// replaced, can come back to its path.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Reset::Truncated { .. } | Reset::Overwritten | Reset::Part { what: PartChange::Truncated, .. }
        )
    }

    /// What happened, without the number of an epoch.
    pub fn reason(&self) -> String {
        match self {
            Reset::Epoch { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reset::Missing => f.write_str("the file was deleted or moved away"),
            Reset::Unseen(why) => write!(f, "the file cannot be looked at: {why}"),
            Reset::Replaced => f.write_str("another file took its place"),
            Reset::NotAFile(kind) => write!(f, "{kind} took its place"),
            Reset::Truncated { before, now } => {
                write!(f, "the file was truncated from {before} to {now} bytes")
            }
            Reset::Overwritten => {
                f.write_str("another program wrote over the file without SQLite, as cp does")
            }
            Reset::Part { name, what, .. } => {
                let what = match what {
                    PartChange::Removed => "removed",
                    PartChange::Replaced => "replaced",
                    PartChange::Truncated => "truncated",
                };
                write!(f, "the {name} was {what}")
            }
            Reset::OtherDatabase => f.write_str("the file holds another database now"),
            Reset::Epoch { epoch, reason } => write!(f, "epoch {epoch} began: {reason}"),
            Reset::WentBack { seen, newest } => write!(
                f,
                "an earlier state was restored: the newest revision is {newest}, and revision {seen} was \
                 seen before"
            ),
            Reset::Diverged(revision) => {
                write!(f, "another state was restored: revision {revision} is not the change that it was")
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// Its number, from 2 on.
    pub epoch: i64,
    pub revision: Revision,
    /// The newest revision before it: those between the two are of no state that there is.
    pub after: Revision,
    pub at: Millis,
    /// Why, in a sentence without its full stop.
    pub reason: String,
    /// Who wrote when it began.
    pub actor: String,
}

impl EpochStart {
    /// Whether a revision is in the gap before this epoch: if it was ever given, it was lost.
    pub fn skips(&self, revision: Revision) -> bool {
        self.after < revision && revision < self.revision
    }
}

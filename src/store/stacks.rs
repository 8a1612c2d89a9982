//! What Sloth Runner keeps of its own in a `stacks.db` beside its state: the runs of its stacks, and the locks
//! on them. It is shown, and a stale lock can be cleared; nothing else there is changed.

use std::path::PathBuf;

use crate::store::Millis;

/// The runs of stacks, and the locks on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stacks {
    /// The file; `None` if there is none.
    pub path: Option<PathBuf>,
    /// The runs, the newest first; only the newest of them.
    pub runs: Vec<StackRun>,
    /// The locks, by the names of their stacks.
    pub locks: Vec<StackLock>,
}

/// A run of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRun {
    /// Its number among the runs of stacks.
    pub number: i64,
    /// The name of the stack.
    pub stack: String,
    /// The workflow's file, if that is known.
    pub file: Option<String>,
    /// How it stands, in Sloth Runner's words: running, completed, failed.
    pub status: String,
    /// When it began, if that can be read.
    pub began_at: Option<Millis>,
    /// When it ended; `None` if it has not, or that cannot be read.
    pub ended_at: Option<Millis>,
    /// How many tasks it has.
    pub tasks: u64,
    /// How many of them succeeded.
    pub ok: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// A lock on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackLock {
    /// The identity of the stack.
    pub stack_id: String,
    /// The name of the stack.
    pub stack: String,
    /// The identity of the lock.
    pub lock_id: String,
    /// Who holds it.
    pub who: String,
    /// What it is held for.
    pub operation: String,
    /// When it was acquired, if that can be read.
    pub acquired_at: Option<Millis>,
    /// When it runs out; `None` if that cannot be read.
    pub expires_at: Option<Millis>,
    /// What is stored as time of expiry, byte for byte: part of what a clearing compares.
    pub stored_expiry: String,
}

impl StackLock {
    /// The name under which it is listed beside other locks.
    pub fn name(&self) -> String {
        format!("{STACKS_DB}: {}", self.stack)
    }

    /// Whether it has run out at `now`. Whether its holder is alive is never known.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

/// The name of the file.
pub const STACKS_DB: &str = "stacks.db";

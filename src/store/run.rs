//! Runs: which workflow was at work on the state, when, and how it ended.

use std::collections::BTreeMap;

use std::time::Duration;

use crate::store::{Actor, Liveness, Process, Revision};
use crate::time::Millis;

/// The origin of an imported run of which it is not known on which database it ran.
pub const UNKNOWN_ORIGIN: &str = "unknown";

#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub workflow: String,
    /// Its file, as it was named.
    pub file: String,
    pub params: BTreeMap<String, String>,
    /// The first piece of its recording, in the words of whoever records; `None` if it is not
    /// recorded, and always of a run that is read.
    pub header: Option<Vec<u8>>,
}

/// A part of a recording: records that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingChunk {
    /// The number of its first record, counted from 1; 0 is the header.
    pub first: u64,
    pub last: u64,
    /// The newest revision when it was written, the change of its transaction included.
    pub revision: Revision,
    /// Whether a record in it was said to be a landmark.
    pub landmark: bool,
    /// The records, in the words of whoever records.
    pub data: Vec<u8>,
}

impl RecordingChunk {
    /// A part with one record, of which it is not known yet at which revision it is written.
    pub(super) fn begin(number: u64, landmark: bool, data: &[u8]) -> RecordingChunk {
        RecordingChunk {
            first: number,
            last: number,
            revision: Revision::default(),
            landmark,
            data: data.to_vec(),
        }
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, number: u64, landmark: bool, data: &[u8]) {
        self.last = number;
        self.landmark |= landmark;
        self.data.extend_from_slice(data);
    }
}

/// How many recordings are kept. What is beyond any of the limits goes, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingRetention {
    pub count: u64,
    /// The greatest age, in whole days.
    pub age: Duration,
}

impl Default for RecordingRetention {
    /// What a new database is set to: 1,000 recordings, 30 days.
    fn default() -> RecordingRetention {
        RecordingRetention { count: 1000, age: Duration::from_secs(30 * 86_400) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// In one word: done, failed, aborted, timed_out, stopped.
    pub outcome: String,
    /// Tasks that are done.
    pub ok: u32,
    pub failed: u32,
    /// Tasks that were not run.
    pub skipped: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number, which no other run on this database has: the one that changes name as theirs.
    pub number: i64,
    pub new: NewRun,
    pub actor: Actor,
    /// The process that ran it, if it can be read.
    pub process: Option<Process>,
    pub began_at: Millis,
    /// The newest revision when it began; `None` if that was not noted.
    pub revision: Option<Revision>,
    pub recorded: bool,
    /// The database that it ran on, or [`UNKNOWN_ORIGIN`], if it was imported; `None` if it ran on this
    /// one. The revisions in the recording of an imported run are not those of this database, even if
    /// the two have the same identity: a copy has that too.
    pub origin: Option<String>,
    /// When and how it ended; `None` as long as it runs, and for good if its process was killed.
    pub ended: Option<(Millis, RunEnd)>,
}

impl Run {
    /// Whether it was imported: the history of this database does not have its changes.
    pub fn is_imported(&self) -> bool {
        self.origin.is_some()
    }

    /// Whether its process is alive, as seen from `here`. Of an imported run that is unknown: the run
    /// may have ended since it was exported.
    pub fn liveness(&self, here: &Process) -> Liveness {
        if self.is_imported() {
            return Liveness::Unknown;
        }
        self.process.as_ref().map_or(Liveness::Unknown, |process| process.liveness(here))
    }

    /// Its status in one word: its outcome; for a run without an end running if
    /// its process is alive, killed if that is dead, and otherwise the word for the process: stopped
    /// (suspended), elsewhere or unknown.
    pub fn status(&self, liveness: Liveness) -> &str {
        if let Some((_, end)) = &self.ended {
            return &end.outcome;
        }
        match liveness {
            Liveness::Alive => "running",
            Liveness::Dead => "killed",
            other => other.name(),
        }
    }
}

//! Runs: which workflow was at work on the state, when, and how it ended.

use std::collections::BTreeMap;

use crate::store::{Actor, Liveness, Millis, Process};

/// A run that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// The workflow's name.
    pub workflow: String,
    /// Its file, as it was named.
    pub file: String,
    /// The parameters it was given.
    pub params: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// In one word: done, failed, aborted, timed_out, stopped.
    pub outcome: String,
    /// Tasks that are done.
    pub ok: u32,
    /// Tasks that failed.
    pub failed: u32,
    /// Tasks that were not run.
    pub skipped: u32,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number, which no other run on this database has: the one that changes name as theirs.
    pub number: i64,
    /// What was run.
    pub new: NewRun,
    /// Who ran it.
    pub actor: Actor,
    /// The process that ran it, if it can be read.
    pub process: Option<Process>,
    /// When it began.
    pub began_at: Millis,
    /// When and how it ended; `None` as long as it runs, and for good if its process was killed.
    pub ended: Option<(Millis, RunEnd)>,
}

impl Run {
    /// How it stands, in one word, as seen from `here`: its outcome, or running, killed, or for a
    /// run without an end on another host unknown.
    pub fn status(&self, here: &Process) -> &str {
        match (&self.ended, self.process.as_ref().map(|process| process.liveness(here))) {
            (Some((_, end)), _) => &end.outcome,
            (None, Some(Liveness::Alive)) => "running",
            (None, Some(Liveness::Dead)) => "killed",
            (None, _) => "unknown",
        }
    }
}

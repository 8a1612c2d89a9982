//! What is kept of runs of workflows and of their recordings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::lock_record::{process_of, stored_process};
use super::record::Unreadable;
use crate::store::{Actor, NewRun, Revision, Run, RunEnd};
use crate::time::Millis;

/// The number of the last run, and which attempt to begin one took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastRun {
    pub number: i64,
    pub unique: u64,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub workflow: String,
    file: String,
    params: BTreeMap<String, String>,
    actor: String,
    /// As JSON, since not all of its fields are always there.
    process: Option<String>,
    pub began_at: i64,
    revision: Option<i64>,
    origin: Option<String>,
    pub end: Option<EndRecord>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndRecord {
    at: i64,
    outcome: String,
    ok: u32,
    failed: u32,
    skipped: u32,
}

impl EndRecord {
    pub(super) fn new(at: Millis, end: &RunEnd) -> EndRecord {
        let RunEnd { outcome, ok, failed, skipped } = end.clone();
        EndRecord { at: at.0, outcome, ok, failed, skipped }
    }
}

impl RunRecord {
    pub(super) fn new(run: &Run) -> RunRecord {
        RunRecord {
            workflow: run.new.workflow.clone(),
            file: run.new.file.clone(),
            params: run.new.params.clone(),
            actor: run.actor.name.clone(),
            process: run.process.as_ref().and_then(stored_process),
            began_at: run.began_at.0,
            revision: run.revision.map(|revision| revision.0),
            origin: run.origin.clone(),
            end: run.ended.as_ref().map(|(at, end)| EndRecord::new(*at, end)),
        }
    }

    /// What stands for a run of which nothing but the number can be read.
    pub(super) fn unreadable(why: Unreadable) -> RunRecord {
        RunRecord {
            workflow: format!("unreadable: {why}"),
            file: String::new(),
            params: BTreeMap::new(),
            actor: "unknown".into(),
            process: None,
            began_at: 0,
            revision: None,
            origin: None,
            end: None,
        }
    }

    /// The run of that number.
    pub(super) fn run(self, number: i64, recorded: bool) -> Run {
        let ended = self.end.map(|end| {
            let EndRecord { at, outcome, ok, failed, skipped } = end;
            (Millis(at), RunEnd { outcome, ok, failed, skipped })
        });
        Run {
            number,
            new: NewRun { workflow: self.workflow, file: self.file, params: self.params, header: None },
            actor: Actor { name: self.actor, run: Some(number), task: None },
            process: self.process.as_deref().and_then(process_of),
            began_at: Millis(self.began_at),
            revision: self.revision.map(Revision),
            recorded,
            origin: self.origin,
            ended,
        }
    }
}

/// A piece of a recording. One that is longer than a part has the parts before its last one beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceRecord {
    /// The number of its last record.
    pub last: u64,
    pub landmark: bool,
    /// With which revision it was written.
    pub written: PieceRevision,
    /// How many parts are before `data`.
    pub parts: u16,
    pub data: ByteBuf,
}

/// The newest revision when a piece was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PieceRevision {
    /// It was written in a transaction with so many changes.
    WithChanges(u8),
    /// It was written by itself.
    Alone(i64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Process;
    use crate::store::etcd::record::{decode, encode};

    #[test]
    fn runs_and_pieces_are_read_as_they_were_written() {
        let new = NewRun {
            workflow: "deploy".into(),
            file: "deploy.sloth".into(),
            params: [("env".to_string(), "prod".to_string())].into(),
            header: None,
        };
        let end = RunEnd { outcome: "done".into(), ok: 3, failed: 0, skipped: 1 };
        let run = Run {
            number: 7,
            new,
            actor: Actor { name: "ann@web1:1".into(), run: Some(7), task: None },
            process: Some(Process::current()),
            began_at: Millis(5),
            revision: Some(Revision(257)),
            recorded: true,
            origin: Some("elsewhere".into()),
            ended: Some((Millis(6), end)),
        };
        for run in [run.clone(), Run { process: None, revision: None, origin: None, ended: None, ..run }] {
            let bytes = encode(&RunRecord::new(&run));
            assert_eq!(decode::<RunRecord>(&bytes).unwrap().run(7, true), run);
            for end in 0..bytes.len() {
                assert!(decode::<RunRecord>(&bytes[..end]).is_err(), "{end}");
            }
        }
        for written in [PieceRevision::WithChanges(255), PieceRevision::Alone(i64::MAX)] {
            let piece =
                PieceRecord { last: 9, landmark: true, written, parts: 3, data: ByteBuf::from([0, 255]) };
            assert_eq!(decode::<PieceRecord>(&encode(&piece)), Ok(piece));
        }
    }
}

//! How tasks and runs end.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::lua::LostLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    Ok,
    Failed,
    TimedOut,
    /// Its `run_if` returned false.
    Skipped,
    /// A task that it depends on did not succeed.
    Blocked,
    /// Its `abort_if` returned true.
    Aborted,
    /// The run was stopped before it, or while it ran.
    Stopped,
}

impl TaskOutcome {
    const ALL: [TaskOutcome; 7] = [
        TaskOutcome::Ok,
        TaskOutcome::Failed,
        TaskOutcome::TimedOut,
        TaskOutcome::Skipped,
        TaskOutcome::Blocked,
        TaskOutcome::Aborted,
        TaskOutcome::Stopped,
    ];

    pub fn from_name(name: &str) -> Option<TaskOutcome> {
        TaskOutcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Whether the run can be a success with this.
    pub fn is_fine(self) -> bool {
        matches!(self, TaskOutcome::Ok | TaskOutcome::Skipped)
    }

    /// The word that scripts and people see.
    pub fn name(self) -> &'static str {
        match self {
            TaskOutcome::Ok => "ok",
            TaskOutcome::Failed => "failed",
            TaskOutcome::TimedOut => "timed_out",
            TaskOutcome::Skipped => "skipped",
            TaskOutcome::Blocked => "blocked",
            TaskOutcome::Aborted => "aborted",
            TaskOutcome::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every task succeeded or was skipped by its own condition.
    Done,
    Failed,
    /// A task's `abort_if` returned true.
    Aborted,
    TimedOut,
    Stopped {
        /// The signal's number; 0 in recordings up to format 3.
        signal: usize,
    },
}

impl RunOutcome {
    /// The outcome with this name, in which the signal is not known.
    pub fn from_name(name: &str) -> Option<RunOutcome> {
        let all = [
            RunOutcome::Done,
            RunOutcome::Failed,
            RunOutcome::Aborted,
            RunOutcome::TimedOut,
            RunOutcome::Stopped { signal: 0 },
        ];
        all.into_iter().find(|outcome| outcome.name() == name)
    }

    /// The word that scripts and people see.
    pub fn name(&self) -> &'static str {
        match self {
            RunOutcome::Done => "done",
            RunOutcome::Failed => "failed",
            RunOutcome::Aborted => "aborted",
            RunOutcome::TimedOut => "timed_out",
            RunOutcome::Stopped { .. } => "stopped",
        }
    }
}

/// How many tasks ended how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub outcome: RunOutcome,
    pub ok: usize,
    /// Tasks that failed, timed out or aborted the run.
    pub failed: usize,
    /// Tasks that were not run.
    pub skipped: usize,
    /// Locks that were lost while the run held them.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "lost_locks")]
    pub lost_locks: Vec<LostLock>,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
}

fn lost_locks<S: Serializer>(lost: &[LostLock], serializer: S) -> Result<S::Ok, S::Error> {
    serializer
        .collect_seq(lost.iter().map(|lost| serde_json::json!({ "lock": lost.lock, "reason": lost.reason })))
}

pub(super) fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

//! The events of a run, as they are shown and printed.

use std::time::Duration;

use serde::Serialize;

use crate::lua::LogLevel;
use crate::lua::error_details::ErrorDetails;
use crate::workflow::outcome::milliseconds;
use crate::workflow::{RunEvent, Summary, TaskOutcome};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    RunStarted {
        /// The number of the run; `None` if nothing is recorded.
        run: Option<i64>,
        workflow: String,
        /// The names of its tasks in their order.
        tasks: Vec<String>,
    },
    TaskStarted {
        task: String,
    },
    /// A hook or a callback of a task is called.
    HookStarted {
        task: String,
        /// Which one: pre_hook, post_hook, on_success, on_failure, on_timeout, run_if, abort_if.
        hook: &'static str,
    },
    /// An attempt failed, and it was not the last.
    AttemptFailed {
        task: String,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// How many there may be.
        attempts: u32,
        reason: String,
        /// The pause before the next.
        #[serde(rename = "retry_in_milliseconds", serialize_with = "milliseconds")]
        retry_in: Duration,
    },
    /// A task has ended, or will not be run.
    TaskFinished {
        task: String,
        outcome: TaskOutcome,
        /// What it returned, or why it failed or was not run.
        message: Option<String>,
        /// How many attempts were made.
        attempts: u32,
        /// How long it took, with all attempts and hooks.
        #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
        duration: Duration,
    },
    Log {
        /// The running task, if there is one.
        task: Option<String>,
        level: LogLevel,
        /// The line, as the script wrote it; bytes that are not UTF-8 are replaced.
        line: String,
    },
    /// Where the error is that the event before was about.
    ErrorDetails {
        /// The task, if it happened in one.
        task: Option<String>,
        #[serde(flatten)]
        details: ErrorDetails,
    },
    RunFinished(Summary),
}

impl Event {
    /// The event in a recording; `None` for a line of the log, which is recorded as a call, and for what a replay
    /// finds out itself.
    pub fn recorded(&self) -> Option<RunEvent> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Some(match self.clone() {
            Event::RunStarted { workflow, tasks, .. } => RunEvent::RunStarted { workflow, tasks },
            Event::TaskStarted { task } => RunEvent::TaskStarted { task },
            Event::HookStarted { task, hook } => RunEvent::HookStarted { task, hook: hook.into() },
            Event::AttemptFailed { task, attempt, attempts, reason, retry_in } => {
                RunEvent::AttemptFailed { task, attempt, attempts, reason, retry_in }
            }
            Event::TaskFinished { task, outcome, message, attempts, duration } => {
                RunEvent::TaskFinished { task, outcome: Some(outcome), message, attempts, duration }
            }
            Event::RunFinished(summary) => RunEvent::RunFinished {
                outcome: Some(summary.outcome),
                ok: count(summary.ok),
                failed: count(summary.failed),
                skipped: count(summary.skipped),
                lost_locks: summary.lost_locks.iter().map(ToString::to_string).collect(),
                duration: summary.duration,
            },
            Event::Log { .. } | Event::ErrorDetails { .. } => return None,
        })
    }
}

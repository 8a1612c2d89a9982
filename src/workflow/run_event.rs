//! The events of a run, besides the calls of its script, as recordings store them.

use std::cell::RefCell;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lua::recorded_value::RecordedValue;
use crate::workflow::{RunOutcome, TaskOutcome};

/// The field of an outcome that is not known.
pub const MASKED_OUTCOME: &str = "masked";

/// An event of a run that is not a call of its script. Stored by serde since format 4 of recordings: the
/// short names and the order of the fields are a part of the format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunEvent {
    #[serde(rename = "r")]
    RunStarted {
        workflow: String,
        /// The names of its tasks in their order.
        tasks: Vec<String>,
    },
    #[serde(rename = "t")]
    TaskStarted { task: String },
    /// A hook of a task or of the workflow is called.
    #[serde(rename = "h")]
    HookStarted {
        /// The task; empty for the workflow.
        task: String,
        hook: String,
    },
    /// An attempt failed, and another follows.
    #[serde(rename = "a")]
    AttemptFailed {
        task: String,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// How many there may be.
        attempts: u32,
        reason: String,
        /// The time before the next attempt.
        retry_in: Duration,
    },
    /// A task has ended, or is not run.
    #[serde(rename = "f")]
    TaskFinished {
        task: String,
        /// How it ended; `None` where a recording up to format 3 has masked the word.
        outcome: Option<TaskOutcome>,
        /// What it returned, or why it failed or is not run.
        message: Option<String>,
        /// How many attempts were made.
        attempts: u32,
        /// How long it took.
        #[serde(with = "microseconds")]
        duration: Duration,
    },
    /// The function of a task returned outputs, since format 5 of recordings.
    #[serde(rename = "o")]
    TaskReturned {
        task: String,
        /// As a table, cut to a digest where it is large.
        outputs: RecordedValue,
    },
    #[serde(rename = "e")]
    RunFinished {
        /// How it ended; `None` as for a task.
        outcome: Option<RunOutcome>,
        ok: u64,
        failed: u64,
        /// Tasks that were not run.
        skipped: u64,
        lost_locks: Vec<String>,
        /// How long it took.
        #[serde(with = "microseconds")]
        duration: Duration,
    },
    #[serde(rename = "i")]
    RunRefused { reason: String },
}

impl RunEvent {
    /// Its name for people and in JSON; the name in recordings up to format 3.
    pub fn name(&self) -> &'static str {
        match self {
            RunEvent::RunStarted { .. } => "run started",
            RunEvent::TaskStarted { .. } => "task started",
            RunEvent::HookStarted { .. } => "hook started",
            RunEvent::AttemptFailed { .. } => "attempt failed",
            RunEvent::TaskFinished { .. } => "task finished",
            RunEvent::TaskReturned { .. } => "task returned",
            RunEvent::RunFinished { .. } | RunEvent::RunRefused { .. } => "run finished",
        }
    }

    /// Its fields by their names, without the duration.
    pub fn fields(&self) -> Vec<(&'static str, RecordedValue)> {
        let text = |text: &str| RecordedValue::text(text);
        let list = |texts: &[String]| {
            RecordedValue::Table(texts.iter().map(|item| text(item)).collect(), Vec::new())
        };
        let count = |count: u64| RecordedValue::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let outcome = || self.outcome().map_or(RecordedValue::Other(MASKED_OUTCOME.into()), text);
        match self {
            RunEvent::RunStarted { workflow, tasks } => {
                vec![("workflow", text(workflow)), ("tasks", list(tasks))]
            }
            RunEvent::TaskStarted { task } => vec![("task", text(task))],
            RunEvent::HookStarted { task, hook } => vec![("task", text(task)), ("hook", text(hook))],
            RunEvent::AttemptFailed { task, attempt, attempts, reason, retry_in } => vec![
                ("task", text(task)),
                ("attempt", count((*attempt).into())),
                ("attempts", count((*attempts).into())),
                ("reason", text(reason)),
                ("retry_in", RecordedValue::number(retry_in.as_secs_f64())),
            ],
            RunEvent::TaskFinished { task, message, attempts, .. } => vec![
                ("task", text(task)),
                ("outcome", outcome()),
                ("message", message.as_deref().map_or(RecordedValue::Nil, text)),
                ("attempts", count((*attempts).into())),
            ],
            RunEvent::TaskReturned { task, outputs } => {
                vec![("task", text(task)), ("outputs", outputs.clone())]
            }
            RunEvent::RunFinished { ok, failed, skipped, lost_locks, .. } => {
                let mut fields = vec![
                    ("outcome", outcome()),
                    ("ok", count(*ok)),
                    ("failed", count(*failed)),
                    ("skipped", count(*skipped)),
                ];
                if !lost_locks.is_empty() {
                    fields.push(("lost_locks", list(lost_locks)));
                }
                fields
            }
            RunEvent::RunRefused { reason } => vec![("outcome", outcome()), ("reason", text(reason))],
        }
    }

    /// The duration of a task or run that ends; zero for other events.
    pub fn duration(&self) -> Duration {
        match self {
            RunEvent::TaskFinished { duration, .. } | RunEvent::RunFinished { duration, .. } => *duration,
            _ => Duration::ZERO,
        }
    }

    /// How a task or the run ended, in one word; `None` also if that is not known.
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            RunEvent::TaskFinished { outcome, .. } => outcome.map(TaskOutcome::name),
            RunEvent::RunFinished { outcome, .. } => outcome.as_ref().map(RunOutcome::name),
            RunEvent::RunRefused { .. } => Some("invalid"),
            _ => None,
        }
    }

    /// Why something failed, or what a task returned.
    pub fn message(&self) -> Option<&str> {
        match self {
            RunEvent::AttemptFailed { reason, .. } | RunEvent::RunRefused { reason } => Some(reason),
            RunEvent::TaskFinished { message, .. } => message.as_deref(),
            _ => None,
        }
    }

    /// Whether it is the end of an attempt, a task or a run that failed.
    pub fn is_failure(&self) -> bool {
        match self {
            RunEvent::AttemptFailed { .. } | RunEvent::RunRefused { .. } => true,
            RunEvent::TaskFinished { outcome, .. } => outcome.is_some_and(|outcome| {
                !matches!(outcome, TaskOutcome::Ok | TaskOutcome::Skipped | TaskOutcome::Stopped)
            }),
            RunEvent::RunFinished { outcome, .. } => outcome
                .as_ref()
                .is_some_and(|outcome| !matches!(outcome, RunOutcome::Done | RunOutcome::Stopped { .. })),
            _ => false,
        }
    }

    /// Whether nothing follows it.
    pub fn ends_run(&self) -> bool {
        matches!(self, RunEvent::RunFinished { .. } | RunEvent::RunRefused { .. })
    }

    /// As it is recorded and compared: large outputs are a digest.
    #[must_use]
    pub fn compared(self) -> RunEvent {
        match self {
            RunEvent::TaskReturned { task, outputs } => {
                RunEvent::TaskReturned { task, outputs: outputs.compared() }
            }
            other => other,
        }
    }

    /// The same event with each of its texts changed by `change`.
    #[must_use]
    pub fn with_texts(mut self, change: &mut dyn FnMut(String) -> String) -> RunEvent {
        let mut replace = |text: &mut String| *text = change(std::mem::take(text));
        match &mut self {
            RunEvent::RunStarted { workflow, tasks } => {
                replace(workflow);
                tasks.iter_mut().for_each(replace);
            }
            RunEvent::TaskStarted { task } => replace(task),
            RunEvent::HookStarted { task, hook } => [task, hook].into_iter().for_each(replace),
            RunEvent::AttemptFailed { task, reason, .. } => [task, reason].into_iter().for_each(replace),
            RunEvent::TaskFinished { task, message, .. } => {
                replace(task);
                message.iter_mut().for_each(replace);
            }
            RunEvent::TaskReturned { task, outputs } => {
                replace(task);
                let replace = RefCell::new(replace);
                let changed = |bytes: Vec<u8>| {
                    let mut text = String::from_utf8_lossy(&bytes).into_owned();
                    (replace.borrow_mut())(&mut text);
                    text.into_bytes()
                };
                *outputs = std::mem::replace(outputs, RecordedValue::Nil).with_texts(&changed);
            }
            RunEvent::RunFinished { lost_locks, .. } => lost_locks.iter_mut().for_each(replace),
            RunEvent::RunRefused { reason } => replace(reason),
        }
        self
    }
}

/// Durations as whole microseconds.
mod microseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

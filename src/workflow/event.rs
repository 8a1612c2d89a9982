//! What happens in a run, one event after the other: for the terminal, for scripts, and for
//! whoever records it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::lua::Level;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Ok,
    /// It failed.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// Its `run_if` said no.
    Skipped,
    /// Something that it depends on was not done.
    Blocked,
    /// Its `abort_if` said yes.
    Aborted,
    /// The run was stopped before it, or while it ran.
    Stopped,
}

impl Outcome {
    /// Whether the run can be a success with this.
    pub fn is_fine(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::Skipped)
    }

    /// The word that scripts and people see.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Skipped => "skipped",
            Outcome::Blocked => "blocked",
            Outcome::Aborted => "aborted",
            Outcome::Stopped => "stopped",
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every task is done, or was skipped by its own condition.
    Done,
    /// A task failed.
    Failed,
    /// A task's `abort_if` said yes.
    Aborted,
    /// Its time was up.
    TimedOut,
    /// A signal stopped it.
    Stopped {
        /// The signal's number.
        signal: usize,
    },
}

impl RunOutcome {
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
    /// How the run ended.
    pub outcome: RunOutcome,
    /// Tasks that are done.
    pub ok: usize,
    /// Tasks that failed, timed out or aborted the run.
    pub failed: usize,
    /// Tasks that were not run.
    pub skipped: usize,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// The number of the run; none where nothing can be written.
        run: Option<i64>,
        /// The workflow.
        workflow: String,
        /// The names of its tasks in their order.
        tasks: Vec<String>,
    },
    /// A task begins.
    TaskStarted {
        /// The task.
        task: String,
    },
    /// An attempt failed, and it was not the last.
    AttemptFailed {
        /// The task.
        task: String,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// How many there may be.
        attempts: u32,
        /// Why it failed.
        reason: String,
        /// How long it is waited before the next.
        #[serde(rename = "retry_in_milliseconds", serialize_with = "milliseconds")]
        retry_in: Duration,
    },
    /// A task has ended, or will not be run.
    TaskFinished {
        /// The task.
        task: String,
        /// How it ended.
        outcome: Outcome,
        /// What it said, or why it failed or was not run.
        message: Option<String>,
        /// How many attempts were made.
        attempts: u32,
        /// How long it took, with all attempts and hooks.
        #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
        duration: Duration,
    },
    /// A line of the log.
    Log {
        /// The task at work, if one is.
        task: Option<String>,
        /// How much it matters.
        level: Level,
        /// The line, as the script wrote it; bytes that are no UTF-8 are replaced.
        line: String,
    },
    /// The run has ended.
    RunFinished(Summary),
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Where events go, with the task that is at work.
#[derive(Clone)]
pub struct Reporter {
    sink: Rc<dyn Fn(&Event)>,
    task: Rc<RefCell<Option<String>>>,
}

impl Reporter {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(&Event) + 'static) -> Reporter {
        Reporter { sink: Rc::new(sink), task: Rc::default() }
    }

    /// Tells that something happened.
    pub fn tell(&self, event: &Event) {
        (self.sink)(event);
    }

    /// Writes a line to the log, under the name of the task at work.
    pub fn log(&self, level: Level, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        self.tell(&Event::Log { task: self.task.borrow().clone(), level, line });
    }

    /// Notes which task is at work from here on.
    pub fn set_task(&self, task: Option<&str>) {
        *self.task.borrow_mut() = task.map(String::from);
    }
}

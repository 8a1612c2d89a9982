//! What happens in a run, one event after the other: for the terminal, for scripts, and for
//! whoever records it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::lua::boundary::{Boundary, Step};
use crate::lua::recorded_value::RecordedValue;
use crate::lua::{Level, LostLock, PassThrough};

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
    /// Locks that were lost while the run held them.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "lost_locks")]
    pub lost_locks: Vec<LostLock>,
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
    /// A hook of a task, or a function that is told of its end, is called.
    HookStarted {
        /// The task.
        task: String,
        /// Which one: pre_hook, post_hook, on_success, on_failure, on_timeout, run_if, abort_if.
        hook: &'static str,
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

impl Event {
    /// What a recording has of it; `None` of a line of the log, which is a call of the script's.
    fn step(&self) -> Option<Step> {
        let text = |text: &str| RecordedValue::text(text);
        let count = |count: u32| RecordedValue::Integer(count.into());
        let step = |name, told, took| Some(Step { name, told, took });
        match self {
            Event::RunStarted { workflow, tasks, .. } => {
                let tasks = RecordedValue::Table(tasks.iter().map(|task| text(task)).collect(), Vec::new());
                step("run started", vec![("workflow", text(workflow)), ("tasks", tasks)], Duration::ZERO)
            }
            Event::TaskStarted { task } => step("task started", vec![("task", text(task))], Duration::ZERO),
            Event::HookStarted { task, hook } => {
                step("hook started", vec![("task", text(task)), ("hook", text(hook))], Duration::ZERO)
            }
            Event::AttemptFailed { task, attempt, attempts, reason, retry_in } => {
                let told = vec![
                    ("task", text(task)),
                    ("attempt", count(*attempt)),
                    ("attempts", count(*attempts)),
                    ("reason", text(reason)),
                    ("retry_in", RecordedValue::number(retry_in.as_secs_f64())),
                ];
                step("attempt failed", told, Duration::ZERO)
            }
            Event::TaskFinished { task, outcome, message, attempts, duration } => {
                let told = vec![
                    ("task", text(task)),
                    ("outcome", text(outcome.name())),
                    ("message", message.as_deref().map_or(RecordedValue::Nil, text)),
                    ("attempts", count(*attempts)),
                ];
                step("task finished", told, *duration)
            }
            Event::RunFinished(summary) => {
                let number = |count: usize| RecordedValue::Integer(i64::try_from(count).unwrap_or(i64::MAX));
                let mut told = vec![
                    ("outcome", text(summary.outcome.name())),
                    ("ok", number(summary.ok)),
                    ("failed", number(summary.failed)),
                    ("skipped", number(summary.skipped)),
                ];
                if !summary.lost_locks.is_empty() {
                    let lost = summary.lost_locks.iter().map(|lost| text(&lost.to_string())).collect();
                    told.push(("lost_locks", RecordedValue::Table(lost, Vec::new())));
                }
                step("run finished", told, summary.duration)
            }
            Event::Log { .. } => None,
        }
    }
}

fn lost_locks<S: Serializer>(lost: &[LostLock], serializer: S) -> Result<S::Ok, S::Error> {
    serializer
        .collect_seq(lost.iter().map(|lost| serde_json::json!({ "lock": lost.lock, "reason": lost.reason })))
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Where events go, with the task that is at work.
#[derive(Clone)]
pub struct Reporter {
    sink: Rc<dyn Fn(&Event)>,
    boundary: Rc<dyn Boundary>,
    task: Rc<RefCell<Option<String>>>,
}

impl Reporter {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(&Event) + 'static) -> Reporter {
        Reporter { sink: Rc::new(sink), boundary: Rc::new(PassThrough), task: Rc::default() }
    }

    /// The same reporter, with its steps told to `boundary` as well.
    #[must_use]
    pub fn through(self, boundary: Rc<dyn Boundary>) -> Reporter {
        Reporter { boundary, ..self }
    }

    /// Tells that something happened; the duration that counts for the script.
    pub fn tell(&self, event: &Event) -> Duration {
        let took = event.step().map_or(Duration::ZERO, |step| self.boundary.step(step));
        (self.sink)(event);
        took
    }

    /// Writes a line of the script's to the log, under the name of the task at work.
    pub fn log(&self, level: Level, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        (self.sink)(&Event::Log { task: self.task.borrow().clone(), level, line });
    }

    /// Notes that the workflow cannot be run.
    pub fn refuse(&self, reason: &str) {
        let told = vec![("outcome", RecordedValue::text("invalid")), ("reason", RecordedValue::text(reason))];
        self.boundary.step(Step { name: "run finished", told, took: Duration::ZERO });
    }

    /// Warns of something around the script, under the name of the task at work.
    pub fn warn(&self, text: &str) {
        self.boundary.note(text);
        self.log(Level::Warn, text.as_bytes());
    }

    /// Notes which task is at work from here on.
    pub fn set_task(&self, task: Option<&str>) {
        *self.task.borrow_mut() = task.map(String::from);
    }
}

//! What happens in a run, one event after the other: for the terminal, for scripts, and for
//! whoever records it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::lua::{Boundary, LogLevel, LostLock, PassThrough};
use crate::workflow::RunEvent;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    const ALL: [Outcome; 7] = [
        Outcome::Ok,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Skipped,
        Outcome::Blocked,
        Outcome::Aborted,
        Outcome::Stopped,
    ];

    /// The outcome with this name.
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        level: LogLevel,
        /// The line, as the script wrote it; bytes that are no UTF-8 are replaced.
        line: String,
    },
    /// The run has ended.
    RunFinished(Summary),
}

impl Event {
    /// What a recording has of it; `None` of a line of the log, which is a call of the script's.
    fn recorded(&self) -> Option<RunEvent> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Some(match self.clone() {
            Event::RunStarted { workflow, tasks, .. } => RunEvent::RunStarted { workflow, tasks },
            Event::TaskStarted { task } => RunEvent::TaskStarted { task },
            Event::HookStarted { task, hook } => RunEvent::HookStarted { task, hook: hook.into() },
            Event::AttemptFailed { task, attempt, attempts, reason, retry_in } => {
                RunEvent::AttemptFailed { task, attempt, attempts, reason, retry_in }
            }
            Event::TaskFinished { task, outcome, message, attempts, duration } => {
                RunEvent::TaskFinished { task, outcome, message, attempts, duration }
            }
            Event::RunFinished(summary) => RunEvent::RunFinished {
                outcome: summary.outcome,
                ok: count(summary.ok),
                failed: count(summary.failed),
                skipped: count(summary.skipped),
                lost_locks: summary.lost_locks.iter().map(ToString::to_string).collect(),
                duration: summary.duration,
            },
            Event::Log { .. } => return None,
        })
    }
}

fn lost_locks<S: Serializer>(lost: &[LostLock], serializer: S) -> Result<S::Ok, S::Error> {
    serializer
        .collect_seq(lost.iter().map(|lost| serde_json::json!({ "lock": lost.lock, "reason": lost.reason })))
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A boundary that also takes what happens in the run besides the calls of its script.
pub trait RunBoundary: Boundary {
    /// Something happens in the run; answers the duration of it that counts for the script.
    fn event(&self, event: RunEvent) -> Duration;

    /// A line that the run itself adds to the log: about something around the script, which need not
    /// happen again.
    fn note(&self, line: &str);
}

impl RunBoundary for PassThrough {
    fn event(&self, event: RunEvent) -> Duration {
        event.duration()
    }

    fn note(&self, _: &str) {}
}

/// The task that is being executed, shared by all that need to know it.
#[derive(Clone, Debug, Default)]
pub struct CurrentTask(Rc<RefCell<Option<String>>>);

impl CurrentTask {
    /// Its name; `None` between tasks.
    pub fn name(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    fn set(&self, name: Option<String>) {
        self.0.replace(name);
    }
}

/// Where events go, with the task that is being executed.
#[derive(Clone)]
pub struct Reporter {
    sink: Rc<dyn Fn(&Event)>,
    boundary: Rc<dyn RunBoundary>,
    task: CurrentTask,
}

impl Reporter {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(&Event) + 'static) -> Reporter {
        Reporter { sink: Rc::new(sink), boundary: Rc::new(PassThrough), task: CurrentTask::default() }
    }

    /// The same reporter, which reports to `boundary` as well.
    #[must_use]
    pub fn through(self, boundary: Rc<dyn RunBoundary>) -> Reporter {
        Reporter { boundary, ..self }
    }

    /// The task that is being executed, as far as events say.
    pub fn current_task(&self) -> CurrentTask {
        self.task.clone()
    }

    /// Reports an event; answers the duration that counts for the script.
    pub fn report(&self, event: &Event) -> Duration {
        if let Event::TaskStarted { task } = event {
            self.task.set(Some(task.clone()));
        }
        let duration = event.recorded().map_or(Duration::ZERO, |event| self.boundary.event(event));
        if let Event::TaskFinished { .. } = event {
            self.task.set(None);
        }
        (self.sink)(event);
        duration
    }

    /// Writes a line of the script's to the log, under the name of the current task.
    pub fn log(&self, level: LogLevel, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        (self.sink)(&Event::Log { task: self.task.name(), level, line });
    }

    /// Records that the workflow cannot be run.
    pub fn refuse(&self, reason: &str) {
        self.boundary.event(RunEvent::RunRefused { reason: reason.into() });
    }

    /// Warns of something around the script, under the name of the current task.
    pub fn warn(&self, text: &str) {
        self.boundary.note(text);
        self.log(LogLevel::Warn, text.as_bytes());
    }
}

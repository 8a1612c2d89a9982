//! Where the events of a run go, with the task that is being executed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::lua::error_details::ErrorDetails;
use crate::lua::recorded_value::{COMPARED_LIMIT, RecordedValue};
use crate::lua::{Boundary, LogLevel, PassThrough};
use crate::workflow::{Event, RunEvent};

/// A boundary that also gets the events of the run.
pub trait RunBoundary: Boundary {
    /// An event of the run; returns the duration that counts for the script.
    fn event(&self, event: RunEvent) -> Duration;

    /// A value as it is recorded where a replay only compares it.
    fn compared(&self, value: &mlua::Value) -> RecordedValue {
        RecordedValue::at_most(value, COMPARED_LIMIT, None)
    }

    /// A line that the run itself logs, about its environment: it need not happen again in a replay.
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
    pub fn new(sink: impl Fn(&Event) + 'static) -> Reporter {
        Reporter { sink: Rc::new(sink), boundary: Rc::new(PassThrough), task: CurrentTask::default() }
    }

    /// The same reporter, which reports to `boundary` as well.
    #[must_use]
    pub fn through(self, boundary: Rc<dyn RunBoundary>) -> Reporter {
        Reporter { boundary, ..self }
    }

    /// The same reporter, which shows events only as long as `is_shown` holds.
    #[must_use]
    pub fn shown_while(self, is_shown: impl Fn() -> bool + 'static) -> Reporter {
        let sink = self.sink;
        let shown = move |event: &Event| {
            if is_shown() {
                sink(event);
            }
        };
        Reporter { sink: Rc::new(shown), ..self }
    }

    /// The task that is being executed, according to the events.
    pub fn current_task(&self) -> CurrentTask {
        self.task.clone()
    }

    /// Reports an event; returns the duration that counts for the script.
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

    /// Records the outputs that the function of a task returned, by the rules of a format of recordings.
    pub fn returned(&self, task: &str, outputs: &mlua::Value, format: u32) {
        let outputs = match format >= 7 {
            true => self.boundary.compared(outputs),
            false => RecordedValue::of(outputs),
        };
        self.boundary.event(RunEvent::TaskReturned { task: task.into(), outputs });
    }

    /// Shows the details of an error of a task, or of none.
    pub fn details(&self, task: Option<&str>, details: &ErrorDetails) {
        if !details.is_empty() {
            let (task, details) = (task.map(String::from), details.clone());
            (self.sink)(&Event::ErrorDetails { task, details });
        }
    }

    /// Records that the workflow cannot be run.
    pub fn refuse(&self, reason: &str) {
        self.boundary.event(RunEvent::RunRefused { reason: reason.into() });
    }

    /// Warns about the environment, under the name of the current task.
    pub fn warn(&self, text: &str) {
        self.boundary.note(text);
        self.log(LogLevel::Warn, text.as_bytes());
    }
}

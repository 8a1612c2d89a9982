//! The tasks of a run, as far as its recording tells of them.

use crate::workflow::recording::{Record, RecordKind};
use crate::workflow::{MASKED_OUTCOME, RunEvent};

/// The tasks that began, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tasks {
    all: Vec<TaskSummary>,
    /// How the run ended, in one word.
    pub outcome: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TaskSummary {
    pub name: String,
    /// The record with which it begins.
    pub first: u64,
    /// When it began, in microseconds since the run began.
    pub at: u64,
    /// How it ended; `None` as long as it is at work.
    pub end: Option<TaskResult>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TaskResult {
    /// The record with which it ends.
    pub last: u64,
    /// In one word.
    pub outcome: String,
    /// What it said, or why it failed.
    pub message: Option<String>,
    /// How long it took, in microseconds.
    pub took: u64,
}

impl Tasks {
    pub fn all(&self) -> &[TaskSummary] {
        &self.all
    }

    /// The place of the task that a record belongs to.
    pub fn at(&self, number: u64) -> Option<usize> {
        let begun = self.all.partition_point(|task| task.first <= number);
        let task = self.all.get(begun.checked_sub(1)?)?;
        task.end.as_ref().is_none_or(|end| number <= end.last).then(|| begun - 1)
    }

    /// Takes in a record, if it tells of a task, and is later than all before.
    pub fn add(&mut self, record: &Record) {
        let RecordKind::Event(event) = &record.what else { return };
        let is_new = self.all.last().is_none_or(|last| {
            let known = last.end.as_ref().map_or(last.first, |end| end.last);
            known < record.number
        });
        let begun =
            |name: &str, end| TaskSummary { name: name.into(), first: record.number, at: record.at, end };
        match event {
            RunEvent::TaskStarted { task } if is_new => self.all.push(begun(task, None)),
            RunEvent::TaskFinished { task: name, message, duration, .. } => {
                let end = Some(TaskResult {
                    last: record.number,
                    outcome: event.outcome().unwrap_or(MASKED_OUTCOME).into(),
                    message: message.clone(),
                    took: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                });
                match self.all.iter_mut().rev().find(|task| task.name == *name && task.end.is_none()) {
                    Some(task) => task.end = end,
                    // One that was not run ends without having begun.
                    None if is_new => self.all.push(begun(name, end)),
                    None => {}
                }
            }
            event if event.ends_run() => self.outcome = event.outcome().map(String::from),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::workflow::TaskOutcome;

    fn record(number: u64, event: RunEvent) -> Record {
        Record { number, at: number, task: None, place: None, what: RecordKind::Event(event), revision: None }
    }

    fn started(number: u64, task: &str) -> Record {
        record(number, RunEvent::TaskStarted { task: task.into() })
    }

    fn finished(number: u64, task: &str, outcome: TaskOutcome) -> Record {
        let (task, outcome, duration) = (task.into(), Some(outcome), Duration::from_micros(5));
        record(number, RunEvent::TaskFinished { task, outcome, message: None, attempts: 1, duration })
    }

    #[test]
    fn tasks_begin_and_end() {
        let mut tasks = Tasks::default();
        let mut records = vec![
            started(2, "a"),
            finished(9, "a", TaskOutcome::Ok),
            finished(10, "skipped", TaskOutcome::Skipped),
            started(12, "b"),
        ];
        // Reading the same again adds nothing.
        records.iter().chain(&records).for_each(|record| tasks.add(record));
        let names: Vec<&str> = tasks.all().iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["a", "skipped", "b"]);
        let ended: Vec<bool> = tasks.all().iter().map(|task| task.end.is_some()).collect();
        assert_eq!(ended, [true, true, false]);
        let at: Vec<_> = [1, 2, 9, 10, 11, 12, 99].map(|number| tasks.at(number)).into();
        assert_eq!(at, [None, Some(0), Some(0), Some(1), None, Some(2), Some(2)]);
        // Nor does reading only the end of one again.
        records.push(finished(20, "b", TaskOutcome::Ok));
        records[4..].iter().chain(&records[3..]).for_each(|record| tasks.add(record));
        assert_eq!(tasks.all().len(), 3);
    }
}

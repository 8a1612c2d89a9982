//! What a trial shows, and what it is given in the place of the world.

use super::divergence::Divergence;
use crate::workflow::RunEvent;
use crate::workflow::recording::Record;
use crate::workflow::run_event::MASKED_OUTCOME;

/// A call of the script in a trial whose answer is not the recorded one.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherAnswer {
    /// The recorded call.
    pub record: Record,
    /// What was answered when it was recorded.
    pub recorded: String,
    /// What is answered now.
    pub actual: String,
}

/// What a trial showed.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub divergence: Option<Divergence>,
    pub other_answer: Option<OtherAnswer>,
    /// The end of each task, in its order: name, outcome, message.
    pub tasks: Vec<TaskEnd>,
    /// Commands that were not run.
    pub commands: Vec<String>,
    pub recorded_to: u64,
    /// Whether the recording has no more after that, though the run had not ended.
    pub is_cut_off: bool,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    /// The task.
    pub task: String,
    /// In one word.
    pub outcome: String,
    /// What it said.
    pub message: Option<String>,
}

impl TaskEnd {
    /// The end of a task, if the event is one.
    pub fn of(event: &RunEvent) -> Option<TaskEnd> {
        let RunEvent::TaskFinished { task, message, .. } = event else { return None };
        let outcome = event.outcome().unwrap_or(MASKED_OUTCOME).into();
        Some(TaskEnd { task: task.clone(), outcome, message: message.clone() })
    }
}

//! What is observed in a what-if run.

use super::divergence::Divergence;
use super::trial_budget::TrialLimit;
use crate::workflow::RunEvent;
use crate::workflow::recording::Record;
use crate::workflow::run_event::MASKED_OUTCOME;

/// A call in a what-if run whose answer is not the recorded one.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherAnswer {
    pub record: Record,
    pub recorded: String,
    pub actual: String,
}

/// What was observed in a what-if run.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub divergence: Option<Divergence>,
    pub other_answer: Option<OtherAnswer>,
    /// The ends of the tasks, in order.
    pub tasks: Vec<TaskEnd>,
    /// Commands that were not run.
    pub commands: Vec<String>,
    /// How many of them were taken to succeed and to print nothing.
    pub assumed: u64,
    pub recorded_to: u64,
    /// Whether the recording ends there, before its run did.
    pub is_cut_off: bool,
    /// The limit that it was ended by.
    pub limit: Option<TrialLimit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    pub task: String,
    pub outcome: String,
    /// What it returned, or why it failed.
    pub message: Option<String>,
}

impl TaskEnd {
    pub fn of(event: &RunEvent) -> Option<TaskEnd> {
        let RunEvent::TaskFinished { task, message, .. } = event else { return None };
        let outcome = event.outcome().unwrap_or(MASKED_OUTCOME).into();
        Some(TaskEnd { task: task.clone(), outcome, message: message.clone() })
    }

    /// Whether it is the end that was recorded; a masked outcome may have been any.
    pub fn is_like(&self, recorded: &TaskEnd) -> bool {
        let outcome_fits = self.outcome == recorded.outcome || recorded.outcome == MASKED_OUTCOME;
        self.task == recorded.task && self.message == recorded.message && outcome_fits
    }
}

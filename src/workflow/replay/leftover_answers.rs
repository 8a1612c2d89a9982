//! Answers in the rest of a recording that are still used after the run has left the recording.

use std::collections::{BTreeMap, VecDeque};

use crate::lua::functions;
use crate::lua::host_function::CallTarget;
use crate::lua::recorded_value::RecordedValue;
use crate::workflow::recording::{Answer, RecordKind, RecordedEvents};

fn target(function: &str) -> Option<CallTarget> {
    functions::find(function).map(|function| function.target)
}

/// Answers about the environment that do not depend on the course of the run.
#[derive(Default)]
pub(super) struct LeftoverAnswers {
    variables: BTreeMap<Vec<u8>, Answer>,
    commands: BTreeMap<Vec<u8>, VecDeque<Answer>>,
}

impl LeftoverAnswers {
    /// Keeps the answer of a replayed record, if it may be used again.
    pub(super) fn remember(&mut self, what: &RecordKind) {
        if let RecordKind::Call { function, arguments, answer, .. } = what
            && target(function) == Some(CallTarget::Variable)
            && let Some(RecordedValue::Text(name)) = arguments.first()
        {
            self.variables.insert(name.clone(), answer.clone());
        }
    }

    /// Collects the answers of the remaining records, as far as they can be read.
    pub(super) fn take_in(&mut self, events: &mut RecordedEvents) {
        // The commands of the running calls; `None` for other calls.
        let mut running: Vec<Option<Vec<u8>>> = Vec::new();
        while let Ok(Some(record)) = events.take() {
            self.remember(&record.what);
            match record.what {
                RecordKind::Begin { function, arguments } => {
                    running.push(match arguments.into_iter().next() {
                        Some(RecordedValue::Text(command))
                            if target(&function) == Some(CallTarget::Command) =>
                        {
                            Some(command)
                        }
                        _ => None,
                    });
                }
                RecordKind::End { answer, .. } => {
                    if let Some(Some(command)) = running.pop() {
                        self.commands.entry(command).or_default().push_back(answer);
                    }
                }
                _ => {}
            }
        }
    }

    /// The recorded value of a variable of the environment.
    pub(super) fn variable(&self, name: &[u8]) -> Option<Answer> {
        self.variables.get(name).cloned()
    }

    /// The next recorded result of a command.
    pub(super) fn command(&mut self, command: &[u8]) -> Option<Answer> {
        self.commands.get_mut(command)?.pop_front()
    }
}

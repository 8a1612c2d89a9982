//! What is left of a recording once the path is another one: the answers that may still serve.

use std::collections::{BTreeMap, VecDeque};

use crate::lua::functions;
use crate::lua::host_function::CallTarget;
use crate::lua::recorded_value::RecordedValue;
use crate::workflow::recording::{Answer, RecordKind, RecordedEvents};

/// What the calls of a recorded function are about.
fn target(function: &str) -> Option<CallTarget> {
    functions::find(function).map(|function| function.target)
}

/// Answers about the world that do not depend on the path.
#[derive(Default)]
pub(super) struct LeftoverAnswers {
    variables: BTreeMap<Vec<u8>, Answer>,
    commands: BTreeMap<Vec<u8>, VecDeque<Answer>>,
}

impl LeftoverAnswers {
    /// Remembers the answer of a record that has come to pass, if it may serve again.
    pub(super) fn remember(&mut self, what: &RecordKind) {
        if let RecordKind::Call { function, arguments, answer, .. } = what
            && target(function) == Some(CallTarget::Variable)
            && let Some(RecordedValue::Text(name)) = arguments.first()
        {
            self.variables.insert(name.clone(), answer.clone());
        }
    }

    /// Takes in all that the rest of a tape has. What cannot be read of it is not there.
    pub(super) fn take_in(&mut self, tape: &mut RecordedEvents) {
        // The calls that are under way: the command of each, where it is one.
        let mut running: Vec<Option<Vec<u8>>> = Vec::new();
        while let Ok(Some(record)) = tape.take() {
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

    /// What a variable of the environment was.
    pub(super) fn variable(&self, name: &[u8]) -> Option<Answer> {
        self.variables.get(name).cloned()
    }

    /// What a command answered, each time the next of what it answered then.
    pub(super) fn command(&mut self, command: &[u8]) -> Option<Answer> {
        self.commands.get_mut(command)?.pop_front()
    }
}

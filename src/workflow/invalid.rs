//! Why a workflow is not run.

use std::path::PathBuf;

use crate::lua::error::ScriptLine;
use crate::lua::error_details::ScriptCall;

/// Why a workflow cannot be run at all. No task was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWorkflow {
    /// A script has a mistake; the text names file and line.
    #[error("{text}")]
    Script {
        text: String,
        /// The functions that were being called, the innermost first.
        calls: Vec<ScriptCall>,
    },
    /// Tasks depend on each other in a cycle.
    #[error("{place}: the tasks depend on one another in a circle: {path}")]
    Cycle {
        /// Where the first of them was declared.
        place: ScriptLine,
        /// Their names.
        path: String,
    },
    /// A task depends on an unknown one.
    #[error("{place}: task {task} depends on {dependency}, which is not declared; {known}")]
    UnknownDependency { place: ScriptLine, task: String, dependency: String, known: String },
    /// A task has nothing to do.
    #[error("{place}: task {task} has no command; give it one with :command(function(params, deps) … end)")]
    NoCommand { place: ScriptLine, task: String },
    /// A shell command of a task may not be started.
    #[error("{place}: task {task}: its {option} \"{command}\" {why}")]
    RefusedCommand {
        place: ScriptLine,
        task: String,
        /// The method that it was given to.
        option: &'static str,
        /// Its text, escaped.
        command: String,
        why: String,
    },
    /// A selected task does not exist.
    #[error("there is no task {name}; {known}")]
    UnknownTask { name: String, known: String },
    /// The file has the older form, which is not supported.
    #[error(
        "{} sets TaskDefinitions{tasks}: the form of older Sloth Runner versions, which slothstate does not run; \
         declare each task with task(\"name\"):command(function(this, params) … end), and list them in \
         workflow.define(\"name\", {{ tasks = {{ … }} }})",
        file.display()
    )]
    TaskDefinitions {
        file: PathBuf,
        /// The names of the tasks in it, where they could be read: ` (a, b)`.
        tasks: String,
    },
    /// The file declares nothing.
    #[error("{} declares no task; declare one with task(\"name\"):command(function(params, deps) … end)", file.display())]
    Empty { file: PathBuf },
}

impl InvalidWorkflow {
    /// The functions of the script that were being called, the innermost first.
    pub fn calls(&self) -> &[ScriptCall] {
        match self {
            InvalidWorkflow::Script { calls, .. } => calls,
            _ => &[],
        }
    }
}

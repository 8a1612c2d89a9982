//! A run that is open: its steps in memory, what is folded, what is typed and what is being looked for.

use std::time::Duration;

use tui_input::Input;

use crate::lua::error::ScriptLine;
use crate::store::Key;
use crate::time::Millis;
use crate::tui::keys::{Action, RowKind, RunAction};
use crate::tui::list::{RunRow, Tasks};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::folded_steps::Folds;
use crate::tui::screens::debugger::requests::{
    DebugSessionId, DebuggerReport, StepDetails, StepFilter, StepSearch,
};
use crate::tui::screens::debugger::source::RunSource;
use crate::tui::screens::debugger::steps::{Steps, key_of};
use crate::tui::screens::debugger::what_if_form::WhatIfForm;
use crate::tui::timing::HOLDER_REFRESH;

/// How long a search takes before the screen mentions it.
pub const SEARCH_NOTICE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
pub struct Debugger {
    /// What it was opened under.
    pub sitting: DebugSessionId,
    pub run: RunRow,
    pub source: RunSource,
    pub steps: Steps,
    /// Of which calls and tasks only the beginning and the end are shown.
    pub folds: Folds,
    /// The tasks; `None` until they have been read.
    pub tasks: Option<Tasks>,
    /// What was read about the step under the cursor.
    pub about: Option<StepDetails>,
    /// A line that is being typed.
    pub prompt: Option<DebuggerPrompt>,
    /// What is to be tried, while it is typed.
    pub wish: Option<WhatIfForm>,
    /// The text that was looked for last.
    pub text: Option<String>,
    /// What is being looked for, or tried out.
    pub search: Option<PendingSearch>,
    /// Whether the cursor stays on the newest step.
    pub follows: bool,
    /// What a comparison or a trial showed, over all else.
    pub report: Option<DebuggerReport>,
    /// The place in the list of where it stops that has the cursor, while that is shown.
    pub stops: Option<usize>,
    /// The first line shown of what is known about the step.
    pub scroll: usize,
    pub format: u32,
    /// The last record of the recording that is known; records that were removed since count as well.
    pub last: u64,
    /// When it was last asked how far a run at work has come.
    pub looked: Millis,
}

/// Something that is being looked for, or tried out.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingSearch {
    /// Its number; answers to earlier ones are dropped.
    pub number: RequestId,
    /// What asked for it: the same once more, while it is under way, changes nothing.
    pub by: Action,
    /// What is looked for, in words.
    pub what: String,
    pub from: u64,
    pub since: Millis,
    /// The step that it has come to, where it tells.
    pub at: Option<u64>,
}

impl PendingSearch {
    /// What is being done, in words.
    pub fn describe(&self) -> String {
        match self.by {
            Action::Run(RunAction::WhatIf) => "running it once more".into(),
            Action::CompareRun => "comparing the runs".into(),
            Action::Run(RunAction::BreakOn) => format!("looking for a step that stops at {}", self.what),
            _ => format!("looking for the {}", self.what),
        }
    }

    /// Whether the cursor goes to what is found; if not, it may go elsewhere meanwhile.
    pub fn moves(&self) -> bool {
        !matches!(
            self.by,
            Action::Run(RunAction::WhatIf)
                | Action::CompareRun
                | Action::Run(RunAction::BreakOn)
                | Action::Run(RunAction::Breaks)
        )
    }
}

#[derive(Clone, Debug)]
pub struct DebuggerPrompt {
    pub purpose: PromptPurpose,
    pub input: Input,
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptPurpose {
    /// The number of a step to go to.
    Jump,
    /// A text to be found in the steps.
    Find,
    /// A line or a key to stop at.
    Break,
}

impl PromptPurpose {
    /// What stands before the line, and an example.
    pub fn describe(self) -> (&'static str, &'static str) {
        match self {
            PromptPurpose::Jump => ("go to step ", "a number"),
            PromptPurpose::Find => ("find ", "a part of a call, a value, an error"),
            PromptPurpose::Break => ("stop at ", "12, file.lua:12, or a key"),
        }
    }
}

impl Debugger {
    /// The line of the source that the step under the cursor is at: where a failure names one that line,
    /// otherwise that of its call or of the last call before it.
    pub fn line(&self) -> Option<ScriptLine> {
        let cursor = self.steps.window.cursor();
        let failed = self.steps.record(cursor).and_then(|record| self.source.failed_at(record));
        failed.or_else(|| self.steps.placed(cursor)?.place.clone())
    }

    /// Whether the run ended otherwise than well.
    pub fn has_failed(&self) -> bool {
        self.run.run.ended.as_ref().is_some_and(|(_, end)| end.outcome != "done")
    }

    /// Whether records that were there are not there any more.
    pub fn is_shortened(&self) -> bool {
        self.steps.last() < self.last
    }

    /// Whether more may be recorded: the run has not ended, and its process is not known to be dead.
    pub fn may_go_on(&self) -> bool {
        self.run.run.ended.is_none() && self.run.status != "killed"
    }

    /// When a run that seems to be running is read again, because one that is killed commits nothing.
    pub fn looks_again_at(&self) -> Option<Millis> {
        self.run.is_alive.then(|| self.looked.plus(HOLDER_REFRESH))
    }

    /// Whether a line is open that takes what is typed.
    pub fn is_typed_into(&self) -> bool {
        self.prompt.is_some() || self.wish.is_some()
    }

    /// Whether something is open that takes every key: a line, the list of where it stops, a report.
    pub fn takes_all_keys(&self) -> bool {
        self.is_typed_into() || self.stops.is_some() || self.report.is_some()
    }

    pub fn search_for(&self, from: u64, forwards: bool, test: StepFilter) -> StepSearch {
        StepSearch { run: self.sitting.run, from, forwards, test, last: self.last }
    }

    /// What commands ask of the run.
    pub fn kind(&self) -> RowKind {
        RowKind::Run { is_alive: self.run.is_alive, is_recorded: true }
    }

    /// The key of the state that the step under the cursor is about.
    pub fn key(&self) -> Option<Key> {
        let record = self.steps.call_at(self.steps.window.cursor())?;
        key_of(&self.steps.record(record)?.what)
    }
}

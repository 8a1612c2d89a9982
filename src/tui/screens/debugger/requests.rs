//! What the debugger asks its threads, and what they answer.

use std::path::PathBuf;

use crate::lua::exec::CommandBounds;
use crate::store::{Change, Image, Key, Location, Needle, Revision};
use crate::text::escape::escape;
use crate::tui::list::{RunRow, Tasks};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::folded_steps::Folds;
use crate::workflow::recording::{Header, Record};
use crate::workflow::replay::{ExecStub, KeyOverride};

/// A run that is open, from when it was asked for until it is left. What is answered to the question
/// of an earlier sitting is dropped: no number is used twice, whichever databases are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugSessionId {
    pub number: RequestId,
    pub run: i64,
}

/// Something to be read, looked for or done.
#[derive(Clone, Debug, PartialEq)]
pub enum DebuggerRequest {
    Open(DebugSessionId, OpenAt),
    /// Read the steps around one of them that are shown.
    Page(DebugSessionId, u64, Folds),
    /// Read what a step did.
    Details(StepQuery),
    /// Read the tasks of a run.
    Tasks(DebugSessionId),
    /// Look for a step, under a number that grows.
    Search(RequestId, StepSearch),
    /// Compare two runs, the one that is open first.
    Compare(RequestId, i64, i64),
    /// Run it once more with something other than it was.
    WhatIf(RequestId, i64, WhatIfInput),
    /// Which files were run before, and with what.
    Suggestions,
    /// Which files a path may go on to.
    Complete(String),
    /// Start a workflow, under a number.
    Start(RequestId, WorkflowStart),
}

impl DebuggerRequest {
    /// The sitting that it belongs to, where it is about what is on the screen.
    pub fn sitting(&self) -> Option<DebugSessionId> {
        match self {
            DebuggerRequest::Open(sitting, _)
            | DebuggerRequest::Page(sitting, ..)
            | DebuggerRequest::Tasks(sitting) => Some(*sitting),
            DebuggerRequest::Details(step) => Some(step.sitting),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenAt {
    /// At its first step, or, as long as it is at work, at its newest.
    Begin,
    /// At the step that made this revision.
    Revision(Revision),
    /// At the step of this number.
    Step(u64),
}

/// A step of which more is to be known.
#[derive(Clone, Debug, PartialEq)]
pub struct StepQuery {
    pub sitting: DebugSessionId,
    pub number: u64,
    /// When it was, in microseconds since the run began.
    pub at: u64,
    /// The newest revision before it.
    pub revision: Revision,
    /// The revisions between which it may have changed something, each time without the first.
    pub changes: Vec<(Revision, Revision)>,
    /// Of the first step of a call, the same of its last step.
    pub changes_at_end: Vec<(Revision, Revision)>,
    /// The call that it is of, if that may write to the state.
    pub call: Option<CallSpan>,
    pub key: Option<Key>,
}

/// A call that may write to the state.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSpan {
    /// Its first step.
    pub begin: u64,
    /// Whether it is known that it has ended.
    pub has_ended: bool,
    /// Whether the recording tells for certain which step made a change, as those of format 1 do not.
    pub is_proven: bool,
}

/// What is known about a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepDetails {
    pub number: u64,
    pub changed: StepChanges,
    /// The entry that it is about as it was before the step.
    pub before: Option<StateBefore>,
}

impl StepDetails {
    /// The changes that are known, oldest first.
    pub fn changes(&self) -> &[Change] {
        match &self.changed {
            StepChanges::These { changes, .. } => changes,
            _ => &[],
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepChanges {
    /// It is not a write, or nothing is known of it.
    #[default]
    Unknown,
    /// These changes, oldest first.
    These {
        /// The newest of them.
        changes: Vec<Change>,
        has_more: bool,
    },
    /// Nothing, for certain.
    Nothing,
    /// History does not reach back to it.
    Pruned,
    /// It ran on another database, whose history has its changes.
    Elsewhere,
    InTransaction {
        /// The first step of the transaction.
        first: u64,
        /// What became of what this step wrote.
        ended: WriteFate,
    },
}

impl StepChanges {
    /// Why there is no change to be shown, in words.
    pub fn describe(&self) -> String {
        match self {
            StepChanges::Unknown | StepChanges::These { .. } => "no change of this step is known".into(),
            StepChanges::Nothing => "this step changed nothing".into(),
            StepChanges::Pruned => "history does not reach back to the change of this step".into(),
            StepChanges::Elsewhere => ELSEWHERE.into(),
            StepChanges::InTransaction { first, ended } => {
                let transaction = format!("the transaction of step {first}");
                match ended {
                    WriteFate::Committed(at) => format!("committed with {transaction} at step {at}"),
                    WriteFate::RolledBack(at) => {
                        format!("rolled back at step {at}, as a part of {transaction}")
                    }
                    WriteFate::Repeated(at) => {
                        format!(
                            "dropped: {transaction} began again at step {at}, since others had changed what it read"
                        )
                    }
                    WriteFate::Unknown => format!("a part of {transaction}, of which no end is known"),
                }
            }
        }
    }
}

pub const ELSEWHERE: &str = "the run was imported: its changes are in the history of the database it ran on";

/// What became of a write in a transaction, with the step at which that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFate {
    Committed(u64),
    RolledBack(u64),
    /// It was dropped, and the function was called once more.
    Repeated(u64),
    /// It is not known: the transaction has not ended, or its end is too far away.
    Unknown,
}

/// An entry before a step; `None` if there was none.
#[derive(Clone, Debug, PartialEq)]
pub enum StateBefore {
    /// Right before the change that the step made.
    Image(Option<Image>),
    /// At the newest revision that was recorded before the step.
    At(Revision, Option<Image>),
    /// It is in the history of the database that the run ran on.
    Elsewhere,
    /// Why it is not known.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct StepSearch {
    pub run: i64,
    pub from: u64,
    /// In which direction.
    pub forwards: bool,
    /// Which one.
    pub test: StepFilter,
    /// The last step of the recording that is known.
    pub last: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StepFilter {
    /// The next one that is not inside of the one under the cursor.
    Over,
    Change,
    Failure,
    Break(Vec<Breakpoint>),
    Text(Box<Needle>),
}

/// What is to be other than it was when a run is run once more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIfInput {
    pub values: Vec<KeyOverride>,
    /// The file of another source.
    pub source: Option<PathBuf>,
    /// What commands answer.
    pub stubs: Vec<ExecStub>,
    /// Whether commands that nobody knows the answer of are run in truth.
    pub live: bool,
    /// Which commands may be run then.
    pub bounds: CommandBounds,
}

impl WhatIfInput {
    /// In words, escaped.
    pub fn describe(&self) -> String {
        let mut all: Vec<String> = self
            .values
            .iter()
            .map(|(key, value)| match value {
                Some(value) => format!("{key} had been {}", escape(&value.to_stored())),
                None => format!("{key} had not been there"),
            })
            .collect();
        all.extend(
            self.source
                .as_ref()
                .map(|file| format!("it had been {}", escape(file.as_os_str().as_encoded_bytes()))),
        );
        all.extend(self.stubs.iter().map(|stub| {
            let pattern = escape(stub.command.glob().glob().as_bytes());
            format!("{pattern} had written {}", escape(&stub.output))
        }));
        all.extend(self.live.then(|| "commands were run".to_string()));
        format!("What if {}", all.join(", "))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowStart {
    pub database: Location,
    /// The workflow's file.
    pub file: PathBuf,
    /// Its parameters, each `KEY=VALUE`.
    pub params: Vec<String>,
    /// The folder of the configuration, which is that of the interface.
    pub config: Option<PathBuf>,
}

/// Steps that follow each other, but for those that are hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepPage {
    pub records: Vec<Record>,
    /// Of each of them: the newest revision before it.
    pub revisions: Vec<Revision>,
    /// Of each of them: the revisions between which it may have changed something, each time without
    /// the first.
    pub changes: Vec<Vec<(Revision, Revision)>>,
    /// Whether nothing comes before them.
    pub at_start: bool,
    /// Whether nothing follows them.
    pub at_end: bool,
    pub last: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenedRun {
    pub run: RunRow,
    pub header: Header,
    /// The steps around the one that is shown.
    pub window: StepPage,
    pub at: u64,
    /// Whether it is the newest of a run at work.
    pub follows: bool,
}

/// What a comparison or a trial showed.
#[derive(Clone, Debug, PartialEq)]
pub struct DebuggerReport {
    pub title: String,
    /// What it says, escaped.
    pub lines: Vec<String>,
    /// The step of the run that is open at which the two part.
    pub step: Option<u64>,
    /// The first line shown.
    pub top: usize,
}

/// A file that was run before, and the parameters that it was given last.
pub type RunSuggestion = (String, Vec<(String, String)>);

#[derive(Debug)]
pub enum DebuggerReply {
    Opened(DebugSessionId, Result<Box<OpenedRun>, String>),
    /// The steps around one, of a run, with the run as it is now.
    Page(DebugSessionId, Box<RunRow>, StepPage),
    /// More about a step of a run.
    Details(DebugSessionId, StepDetails),
    Tasks(DebugSessionId, Tasks),
    /// The step that a search has come to.
    Progress(RequestId, u64),
    /// The step that was looked for, if there is one.
    Found(RequestId, Result<Option<u64>, String>),
    /// What a comparison or a trial showed.
    Report(RequestId, Result<DebuggerReport, String>),
    /// Files that were run before.
    Suggestions(Vec<RunSuggestion>),
    /// What a path may go on to.
    Completions(String, Vec<String>),
    /// A workflow was started under a number, as this run, or why not.
    Started(RequestId, Result<i64, String>),
    /// Reading failed, for a sitting where it was for one.
    Failed(Option<DebugSessionId>, String),
}

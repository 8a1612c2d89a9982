//! What the debugger asks its threads, and what they answer.

use std::path::PathBuf;

use super::Report;
use crate::store::{Change, Entry, Key, Needle, Revision};
use crate::tui::row::RunRow;
use crate::tui::tasks::Tasks;
use crate::workflow::recording::{Header, Record, What};

/// Something to be read, looked for or done.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Open a run.
    Open(i64, At),
    /// Read the steps around one of them.
    Window(i64, u64),
    /// Read what a step did.
    About(Step),
    /// Read the tasks of a run.
    Tasks(i64),
    /// Look for a step, under a number that grows.
    Seek(u64, Seek),
    /// Compare two runs, the one that is open first.
    Compare(u64, i64, i64),
    /// Run it once more with another value, or none, of an entry at its beginning.
    WhatIf(u64, i64, Key, Option<Vec<u8>>),
    /// What is being looked for is not wanted any more.
    Cancel(u64),
    /// Which files were run before, and with what.
    Offers,
    /// Which files a path may go on to.
    Complete(String),
    /// Start a workflow.
    Start(Start),
}

/// Where a run is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At its first step, or, as long as it is at work, at its newest.
    Begin,
    /// At the step that made this revision.
    Revision(Revision),
}

/// A step of which more is to be known.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The run.
    pub run: i64,
    /// The number of the step.
    pub number: u64,
    /// When it was, in microseconds since the run began.
    pub at: u64,
    /// The newest revision before it.
    pub revision: Revision,
    /// The revisions between which it changed something, without the first.
    pub changes: Option<(Revision, Revision)>,
    /// The key that it is about.
    pub key: Option<Key>,
}

/// What is known about a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The number of the step.
    pub number: u64,
    /// What it changed, oldest first.
    pub changes: Vec<Change>,
    /// Whether what it changed is gone from history.
    pub is_pruned: bool,
    /// The entry that it is about as it was before the step, or why that is not known.
    pub state: Option<Result<Option<Entry>, String>>,
}

/// A step to be looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    /// The run.
    pub run: i64,
    /// The step from which on.
    pub from: u64,
    /// In which direction.
    pub forwards: bool,
    /// Which one.
    pub test: Test,
}

/// Which step is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The next one that is not inside of the one under the cursor.
    Over,
    /// One that changed the state.
    Change,
    /// One at which to stop.
    Break(Vec<Breakpoint>),
    /// One with this text in it.
    Text(Box<Needle>),
}

/// Where to stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Breakpoint {
    /// At a line, of any file or of this one.
    Line(Option<String>, usize),
    /// At a call that is about this key.
    Key(Vec<u8>),
}

impl Breakpoint {
    /// Whether a record stops here.
    pub fn stops(&self, record: &Record) -> bool {
        match self {
            Breakpoint::Line(file, line) => record.place.as_ref().is_some_and(|place| {
                let is_file =
                    |file: &String| place.file == *file || place.file.ends_with(&format!("/{file}"));
                place.line == *line && file.as_ref().is_none_or(is_file)
            }),
            Breakpoint::Key(key) => {
                let arguments = match &record.what {
                    What::Call { function, arguments, .. } | What::Begin { function, arguments }
                        if function.starts_with("state.") =>
                    {
                        arguments
                    }
                    _ => return false,
                };
                matches!(arguments.first(), Some(crate::lua::datum::Datum::Text(text)) if text == key)
            }
        }
    }
}

/// A workflow to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The database.
    pub database: PathBuf,
    /// The workflow's file.
    pub file: PathBuf,
    /// Its parameters, each `KEY=VALUE`.
    pub params: Vec<String>,
}

/// Steps that follow each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// The records.
    pub records: Vec<Record>,
    /// Whether nothing comes before them.
    pub at_start: bool,
    /// Whether nothing follows them.
    pub at_end: bool,
    /// The newest revision before the first of them.
    pub before: Revision,
}

/// A run as it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The run.
    pub run: RunRow,
    /// What was run.
    pub header: Header,
    /// The steps around the one that is shown.
    pub window: Window,
    /// That step.
    pub at: u64,
    /// Whether it is the newest of a run at work.
    pub follows: bool,
}

/// A file that was run before, and the parameters that it was given last.
pub type Offer = (String, Vec<(String, String)>);

/// What comes back.
#[derive(Debug)]
pub enum Told {
    /// A run was opened, or cannot be.
    Opened(Result<Box<Opened>, String>),
    /// The steps around one, of a run, with the run as it is now.
    Window(Box<RunRow>, Window),
    /// More about a step of a run.
    About(i64, About),
    /// The tasks of a run.
    Tasks(i64, Tasks),
    /// The step that was looked for, if there is one.
    Found(u64, Result<Option<u64>, String>),
    /// What a comparison or a trial showed.
    Report(u64, Result<Report, String>),
    /// Files that were run before.
    Offers(Vec<Offer>),
    /// What a path may go on to.
    Completions(String, Vec<String>),
    /// A workflow was started, as a run of this number, or why not.
    Started(Result<i64, String>),
    /// Reading failed.
    Failed(String),
}

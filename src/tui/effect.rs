//! What an update wants done elsewhere, and what comes back: the only way between the interface
//! and the database.

use std::collections::HashSet;
use std::time::Duration;

use crate::config::Context;
use crate::store::{Change, Entry, ErrorKind, Key, Location, Moment, Reset, Revision, Seen, StoreError};
use crate::tui::bulk::{BulkOperation, BulkReply, BulkRequest};
use crate::tui::connection::saved_session::SavedSession;
use crate::tui::keys::Action;
use crate::tui::list::{GroupSize, Load, LoadFrom, Refresh, Row, RowId, SavedFilter, SavedFilterEdit};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::requests::{DebuggerReply, DebuggerRequest};
use crate::tui::screens::overview::state::Overview;
use crate::tui::screens::past::state::{PastPage, PastRequest};
use crate::tui::screens::value::detail::{Detail, RecentChanges};
use crate::tui::terminal::external_editor::Edited;
use crate::tui::write::{Write, WriteKind, WriteOutcome};

/// Something to be done elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Read rows of a list.
    Load(Load),
    /// Read again what may have changed of a list of runs.
    Refresh(Refresh),
    /// Read these entries again, unless the list is another one since.
    Refetch(RequestId, Vec<Key>),
    /// Read what the detail pane shows of an entry or a change: its value from this byte on.
    Detail(RowId, u64),
    /// Read what takes its time and is not waited for.
    Figure(Figure),
    /// Read, look for or start something for the debugger.
    Debugger(DebuggerRequest),
    /// Write.
    Write(Write),
    /// Answer a question about all that is marked, under this number.
    Bulk(RequestId, BulkRequest),
    ReadPast(PastRequest),
    /// Read an entry as it was, with more of its value, under this number.
    LookBack(RequestId, Key, Moment),
    /// Stop what has this number.
    Stop(RequestId),
    /// Edit a value in the user's editor, with the terminal handed over to it; with a text that
    /// was refused before, go on with that.
    EditOutside(Entry, Option<Vec<u8>>),
    /// Write down what is to become of the name of a filter.
    NameFilter(SavedFilterEdit),
    /// Offer a text to the terminal's clipboard.
    Copy(Vec<u8>),
    /// Suspend the program, until somebody continues it.
    Suspend,
    /// Take the terminal over once more: the program was stopped.
    Repair,
    /// Use the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Ask the terminal what its background is.
    AskBackground,
    /// Open another database, under a number.
    Open(RequestId, Context),
    /// Close the database and open it again, under a number: it is not what it was. What was seen of it.
    Reopen(RequestId, Option<Seen>),
    /// Take the database of that number, which is open, in place of the one before.
    Enter(RequestId),
    /// An effect after a question, or where none is needed. Only [`crate::tui::update`] sees it.
    Approved(Box<Effect>),
    /// Call a command, with what was written after its name. Only [`crate::tui::update`] sees it.
    Call(Action, Option<String>),
    /// Leave the program.
    Quit,
    /// Leave the program because a part of it is gone.
    Fail,
}

/// What an effect changes of the database, or of what others do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectImpact {
    /// Whether the database is written to.
    pub writes: bool,
    /// Whether undo can take it back.
    pub is_reversible: bool,
}

impl Effect {
    /// What it changes; `None` for one that changes nothing. Every effect is named here, so that a new
    /// one cannot be forgotten: what changes something passes the question that a context wants.
    pub fn change(&self) -> Option<EffectImpact> {
        match self {
            Effect::Write(write) => Some(match &write.what {
                WriteKind::Guarded { .. }
                | WriteKind::Edit(..)
                | WriteKind::Undo { .. } => EffectImpact { writes: true, is_reversible: true },
                WriteKind::Bulk(_, bulk) => {
                    EffectImpact { writes: true, is_reversible: bulk.deed != BulkOperation::ClearLocks }
                }
                WriteKind::ClearLock(_) => EffectImpact { writes: true, is_reversible: false },
                // That is not a change of this database.
                WriteKind::ClearStackLock(_) | WriteKind::StopRun(_) => EffectImpact { writes: false, is_reversible: false },
            }),
            Effect::Debugger(question) => match question {
                DebuggerRequest::Start(..) => Some(EffectImpact { writes: true, is_reversible: false }),
                DebuggerRequest::Open(..)
                | DebuggerRequest::Page(..)
                | DebuggerRequest::Details(..)
                | DebuggerRequest::Tasks(..)
                | DebuggerRequest::Search(..)
                | DebuggerRequest::Compare(..)
                // On a copy of the state.
                | DebuggerRequest::WhatIf(..)
                | DebuggerRequest::Suggestions
                | DebuggerRequest::Complete(..) => None,
            },
            Effect::Approved(effect) => effect.change(),
            Effect::Load(_)
            | Effect::Refresh(_)
            | Effect::Refetch(..)
            | Effect::Detail(..)
            | Effect::Figure(_)
            // What is asked about marks: what passes a filter, a preview, an export to another file.
            | Effect::Bulk(..)
            | Effect::ReadPast(..)
            | Effect::LookBack(..)
            | Effect::Stop(_)
            // What comes back from the editor is written by an effect of its own.
            | Effect::EditOutside(..)
            | Effect::NameFilter(_)
            | Effect::Copy(_)
            | Effect::Open(..)
            | Effect::Reopen(..)
            | Effect::Enter(_)
            | Effect::Call(..)
            | Effect::Suspend
            | Effect::Repair
            | Effect::Mouse(_)
            | Effect::AskBackground
            | Effect::Quit
            | Effect::Fail => None,
        }
    }
}

/// What takes its time and is not waited for: of each kind the newest request counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// How many entries there are.
    Count,
    /// What happened to an entry or a lock.
    Past(RowId),
    /// The last changes of anything.
    Recent,
    /// Which of these changes, which were made here, are still in history.
    Known(Vec<Revision>),
    /// How much is in these groups of keys.
    Weigh(Vec<Key>),
}

#[derive(Debug)]
pub enum Reply {
    /// Rows of a list; more may follow until `complete`.
    Rows {
        generation: RequestId,
        from: LoadFrom,
        /// The rows, in the order of the list.
        rows: Vec<Row>,
        /// Whether the reading came to the end of the list in its direction.
        exhausted: bool,
        /// Whether no more rows come for this question.
        complete: bool,
        /// Whether these are the first rows that come for this question.
        first: bool,
        /// How many entries were looked at so far.
        scanned: u64,
    },
    /// What may have changed of a list of runs.
    Refreshed {
        generation: RequestId,
        rows: Vec<Row>,
        /// Those that do not belong into the list any more.
        gone: Vec<RowId>,
        newest: Option<i64>,
        /// Whether there are so many new ones that the list is to be read again.
        has_more: bool,
    },
    /// Figures of the overview; its rows follow.
    Overview(RequestId, Overview),
    /// More rows pass than can be sorted.
    TooLong(RequestId),
    /// Entries as they are now, under the number of the request; `None` for one that is gone.
    Entries(RequestId, Vec<(Key, Option<Entry>)>),
    Detail(RowId, Option<Box<Detail>>),
    /// What happened to an entry or a lock.
    Past(RecentChanges),
    /// The last changes of anything, the newest first, with the beginning of each value.
    Recent(Vec<Change>),
    /// How many entries there are.
    Count(u64),
    /// How much is in a group of keys, as far as it was counted.
    Weighed(Key, GroupSize),
    /// Something was committed: these entries, or nobody knows which.
    Changed(CommitNotice),
    /// A write took place, or did not.
    Written(Write, Result<WriteOutcome, StoreError>),
    /// A value comes back from the user's editor; an error says why not.
    EditedOutside(Entry, Result<Option<Box<Edited>>, String>),
    /// What was asked about all that is marked, or how far it is.
    Bulk(RequestId, Box<BulkReply>),
    /// What the debugger's threads have to say.
    Debugger(Box<DebuggerReply>),
    PastPage(RequestId, Box<Result<PastPage, StoreError>>),
    /// An entry as it was, if it was there.
    LookedBack(RequestId, Result<Option<Box<Detail>>, StoreError>),
    /// The name of a filter was written down, or why not; with the filters that there are now.
    FilterNamed(SavedFilterEdit, Result<Vec<SavedFilter>, String>),
    /// Whether the first write adopts another program's file, where that has changed.
    Adopts(bool),
    /// The database is not what it was; what was seen of it.
    Reset(Reset, Option<Seen>),
    /// History begins with this revision, later than before.
    Forgotten(Revision),
    /// Of these changes, which were made here, those are still in history.
    Known(Vec<Revision>, HashSet<Revision>),
    Notice(String),
    /// Something is missing in the database that is needed to read it.
    Incomplete(String),
    Failed(String),
    /// The database could not be read because another program has locked it; how long ago it was read
    /// last, if that is known.
    Locked(Option<Duration>),
    /// It can be read again.
    Unlocked,
    /// The database of that number is open, or cannot be opened.
    Opened(RequestId, Result<Box<DatabaseInfo>, String>),
}

impl Reply {
    pub fn failed(error: StoreError) -> Reply {
        match error.kind {
            _ if error.is_transient() => Reply::Locked(None),
            // The database answers: with what it is not.
            ErrorKind::Incomplete { .. } => Reply::Incomplete(error.to_string()),
            _ => Reply::Failed(error.to_string()),
        }
    }
}

/// What there is to know about a database that was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseInfo {
    pub location: Location,
    /// What the configuration knows of it.
    pub known: Option<Context>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Why, where that is not what the user asked for.
    pub unwritable: Option<String>,
    /// Whether the first write adopts another program's file.
    pub adopts: bool,
    pub notices: Vec<String>,
    /// How it was left, if it is to be opened like that.
    pub last: Option<SavedSession>,
}

/// What was committed.
#[derive(Clone, Debug, PartialEq)]
pub enum CommitNotice {
    /// These changes, oldest first, with as much of each value as a list shows.
    Changes(Vec<Change>),
    Anything,
}

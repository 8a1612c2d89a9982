//! What a user can want. Keys, the palette, hints, help and the mouse all lead here.

use crate::tui::view::View;

/// A part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyTarget {
    /// The key of an entry or of what was changed, the name of a lock.
    Key,
    /// The value of an entry, the holder of a lock.
    Value,
    Row,
}

/// What a user wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Move the cursor by so many rows.
    Move(isize),
    /// Move the cursor by so many half pages.
    Page(isize),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
    /// Show all of the row under the cursor.
    Details,
    /// Show values in another way: as a tree, as text, as bytes.
    Format,
    /// Scroll the detail pane by so many lines.
    ScrollDetail(isize),
    Show(View),
    /// Open the view so many tabs further.
    StepView(isize),
    /// Show the history of what is under the cursor.
    HistoryOf,
    /// Sort the list by the next of its columns, or in its own order again.
    Sort,
    /// Sort the list the other way round.
    SortReverse,
    /// Show keys as a tree, or as a list.
    Tree,
    /// Open or close a group of keys.
    Fold,
    /// Go to the entry or the lock that the row under the cursor is about.
    GoTo,
    /// Show the state as it was.
    OpenPast,
    /// Type into the filter line.
    Filter,
    /// Choose a filter that has a name.
    SavedFilters,
    /// Give the filter a name.
    SaveFilter,
    /// Take its name from a filter.
    ForgetFilter,
    /// Leave what is open; otherwise clear the filter.
    Back,
    /// Choose a command by name.
    Palette,
    /// Offer a part of the row under the cursor to the clipboard.
    Copy(CopyTarget),
    /// Show what was said.
    Messages,
    /// Go to another database.
    Context,
    /// Choose how it looks.
    Theme,
    /// Show every key of the view.
    Help,
    /// Read everything again.
    Reload,
    /// Suspend the program; the shell continues it.
    Suspend,
    /// Use the mouse, or leave it to the terminal.
    Mouse,
    /// Show the values of keys that look like secrets, or mask them.
    Secrets,
    /// Leave the program.
    Quit,
    Add,
    /// Take a lock away from its holder.
    ClearLock,
    /// Take back the change under the cursor, otherwise the last one made here.
    Undo,
    /// Choose one of the changes made here to be taken back.
    Undos,
    /// Do again what was taken back last.
    Redo,
    /// Ask the run under the cursor to stop.
    StopRun,
    /// Open the run under the cursor, step by step.
    OpenRun,
    /// Mark the run under the cursor, to compare another with it.
    MarkRun,
    /// Compare the run under the cursor with the one that is marked.
    CompareRun,
    StartRun,
    /// Open the run that made the change under the cursor, at the step that made it.
    StepOf,
    /// Go to the change that the step made, in the history.
    ChangeOf,
    Past(PastAction),
    /// Something in an open run.
    Run(RunAction),
    /// Something in a value that fills the screen.
    Value(ValueAction),
    /// Something with the entry under the cursor, or with those that are marked.
    Entry(EntryAction),
    Mark(MarkAction),
}

/// What a user wants done with the entry under the cursor, or with those that are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryAction {
    /// Turn a flag round.
    Toggle,
    /// Edit the entry here, beginning with its value.
    Edit,
    /// Edit the entry here, beginning with its type.
    ChangeType,
    /// Edit the value in `$EDITOR`.
    EditOutside,
    /// Add so much to a number.
    Increment(i64),
    /// Set a counter to 0.
    Reset,
    /// Edit the entry here, beginning with when it expires.
    TimeToLive,
    Delete,
}

/// What a user wants done with marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkAction {
    /// Mark the entry under the cursor, or unmark it.
    Toggle,
    /// Mark all from the one that was marked last to the cursor.
    Range,
    /// Mark all that passes the filter.
    All,
    Clear,
    /// Write what is marked to a file.
    Export,
}

/// What a user wants done in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PastAction {
    /// So many changes on in time; back, if that is less than nothing.
    Step(isize),
    /// As far back as history goes.
    Oldest,
    /// To the last change that there is.
    Newest,
    /// Show only what is not the same now, or everything.
    Differing,
    /// Mark what is to be restored, or unmark it.
    Mark,
    /// Mark all that is not the same now.
    MarkAll,
    /// Make what is marked, or under the cursor, again what it was.
    Restore,
    /// Leave the past.
    Close,
}

/// What a user wants done in an open run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunAction {
    /// To the next step, or the one before, that is not inside of this one.
    Over(bool),
    /// To the next step, or the one before, that changed the state.
    NextChange(bool),
    /// To the next step, or the one before, that failed.
    NextFailure(bool),
    /// To the next task, or the one before.
    NextTask(bool),
    /// Stop at this line, or no more.
    BreakHere,
    /// Stop at a line or a key.
    BreakOn,
    /// Stop nowhere.
    ClearBreaks,
    /// Show where it stops.
    Breaks,
    /// Show nothing of what is inside of a call or a task, or show it again.
    FoldStep,
    /// Show nothing of what is inside of tasks, or show all.
    FoldSteps(bool),
    /// On, or back, to where it is to stop.
    Continue(bool),
    /// To a step by its number.
    Jump,
    FindStep,
    /// To the next step, or the one before, with the text that was looked for.
    FindNext(bool),
    /// Run it once more with another value.
    WhatIf,
}

/// What a user wants done in a value that fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueAction {
    /// Leave the value that fills the screen.
    Close,
    /// Look for a text in the value.
    Find,
    /// To the next place with that text, or the one before.
    NextFound(bool),
    /// A page on in the value.
    ReadOn,
    /// Fold the part of the value under the cursor, or unfold it.
    Fold,
    /// Unfold the part under the cursor.
    Unfold,
    /// Fold the part under the cursor, or go to the one that it is in.
    Leave,
    /// Fold all parts, or unfold them.
    FoldAll(bool),
    /// Offer the path of the part under the cursor to the clipboard.
    CopyPath,
}

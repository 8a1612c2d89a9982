//! The one table of commands: keys, hints, help and the palette are read from it.

pub use crate::tui::keys::command_target::{CommandContext, CommandTarget, Mode, RowKind, ScreenKind};

use crate::tui::keys::action::{
    Action, CopyTarget, EntryAction, MarkAction, PastAction, RunAction, ValueAction, View,
};

pub struct Command {
    /// Its name in the keymap and in the palette.
    pub name: &'static str,
    /// What it does, for help and palette.
    pub help: &'static str,
    /// A word for the row of hints; `None` keeps it out of there.
    pub hint: Option<&'static str>,
    pub action: Action,
    pub when: CommandTarget,
    /// What may follow its name in the palette.
    pub argument: Argument,
    /// Whether it may lead to a change of the database, or of a run: then it does nothing where nothing can be
    /// written.
    pub writes: bool,
}

impl Command {
    /// Whether it does something where this is the context.
    pub fn applies(&self, context: &CommandContext) -> bool {
        !(self.writes && context.read_only) && self.when.holds(context)
    }
}

/// What may follow the name of a command in the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    None,
    /// What is written into the filter line.
    Filter,
    /// A revision, a time, or how long ago.
    Moment,
    Theme,
    /// The name of a database.
    Context,
    Sort,
    SavedFilter,
    FilterName,
}

const fn command(
    name: &'static str,
    action: Action,
    when: CommandTarget,
    hint: Option<&'static str>,
    help: &'static str,
) -> Command {
    Command { name, help, hint, action, when, argument: Argument::None, writes: false }
}

/// The same with something that may follow its name.
const fn with(argument: Argument, command: Command) -> Command {
    Command { argument, ..command }
}

const fn show(view: View) -> Command {
    let (name, help) = view.command();
    with(Argument::Filter, command(name, Action::Show(view), CommandTarget::Always, None, help))
}

/// The same for a command that may lead to a change.
const fn writing(command: Command) -> Command {
    Command { writes: true, ..command }
}

/// Every command, in the order of help and hints.
pub const COMMANDS: &[Command] = &[
    writing(command(
        "toggle",
        Action::Entry(EntryAction::Toggle),
        CommandTarget::Flags,
        Some("toggle"),
        "turn the flag round, or all that are marked",
    )),
    writing(command(
        "increment",
        Action::Entry(EntryAction::Increment(1)),
        CommandTarget::Number,
        Some("add 1"),
        "add 1 to the number",
    )),
    writing(command(
        "decrement",
        Action::Entry(EntryAction::Increment(-1)),
        CommandTarget::Number,
        Some("take 1"),
        "take 1 from the number",
    )),
    writing(command(
        "reset",
        Action::Entry(EntryAction::Reset),
        CommandTarget::Number,
        Some("reset"),
        "set the number to 0 (asks)",
    )),
    writing(command(
        "clear-lock",
        Action::ClearLock,
        CommandTarget::Lock,
        Some("clear"),
        "clear the lock, if it still is the one you see (asks)",
    )),
    writing(command(
        "edit",
        Action::Entry(EntryAction::Edit),
        CommandTarget::Entry,
        Some("edit"),
        "edit the value, the type and the expiry",
    )),
    writing(command(
        "edit-outside",
        Action::Entry(EntryAction::EditOutside),
        CommandTarget::Entry,
        None,
        "edit the value in $VISUAL or $EDITOR",
    )),
    command("open-run", Action::OpenRun, CommandTarget::Recorded, Some("open"), "open the run, step by step"),
    command(
        "mark-run",
        Action::MarkRun,
        CommandTarget::Recorded,
        Some("mark"),
        "mark the run, to compare another with it",
    ),
    command(
        "compare-run",
        Action::CompareRun,
        CommandTarget::Recorded,
        Some("compare"),
        "compare the run with the marked one: where do they part",
    ),
    command(
        "over",
        Action::Run(RunAction::Over(true)),
        CommandTarget::Debugger,
        Some("over"),
        "next step that is not inside of this one",
    ),
    command(
        "back-over",
        Action::Run(RunAction::Over(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "next-change",
        Action::Run(RunAction::NextChange(true)),
        CommandTarget::Debugger,
        Some("change"),
        "next step that changed the state",
    ),
    command(
        "previous-change",
        Action::Run(RunAction::NextChange(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "next-failure",
        Action::Run(RunAction::NextFailure(true)),
        CommandTarget::Debugger,
        Some("failure"),
        "next call, attempt or task that failed",
    ),
    command(
        "previous-failure",
        Action::Run(RunAction::NextFailure(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "next-task",
        Action::Run(RunAction::NextTask(true)),
        CommandTarget::Debugger,
        Some("task"),
        "next task",
    ),
    command(
        "previous-task",
        Action::Run(RunAction::NextTask(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "fold-step",
        Action::Run(RunAction::FoldStep),
        CommandTarget::Debugger,
        None,
        "hide what is inside of this call or task, or show it",
    ),
    command(
        "fold-tasks",
        Action::Run(RunAction::FoldSteps(true)),
        CommandTarget::Debugger,
        None,
        "hide what is inside of every task",
    ),
    command(
        "unfold",
        Action::Run(RunAction::FoldSteps(false)),
        CommandTarget::Debugger,
        None,
        "show all steps",
    ),
    command(
        "break",
        Action::Run(RunAction::BreakHere),
        CommandTarget::Debugger,
        Some("break"),
        "stop at this line, or no more",
    ),
    command(
        "break-on",
        Action::Run(RunAction::BreakOn),
        CommandTarget::Debugger,
        None,
        "stop at a line or a key that you type",
    ),
    command(
        "clear-breaks",
        Action::Run(RunAction::ClearBreaks),
        CommandTarget::Debugger,
        None,
        "stop nowhere",
    ),
    command(
        "breaks",
        Action::Run(RunAction::Breaks),
        CommandTarget::Debugger,
        None,
        "where it stops, to take one of it out",
    ),
    command(
        "continue",
        Action::Run(RunAction::Continue(true)),
        CommandTarget::Debugger,
        Some("go on"),
        "go on to where it is to stop",
    ),
    command(
        "continue-back",
        Action::Run(RunAction::Continue(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "what-if",
        Action::Run(RunAction::WhatIf),
        CommandTarget::Debugger,
        Some("what if"),
        "run it once more with another value",
    ),
    command(
        "find-step",
        Action::Run(RunAction::FindStep),
        CommandTarget::Debugger,
        Some("find"),
        "find a text in the steps",
    ),
    command(
        "find-next",
        Action::Run(RunAction::FindNext(true)),
        CommandTarget::Debugger,
        None,
        "next step with that text",
    ),
    command(
        "find-previous",
        Action::Run(RunAction::FindNext(false)),
        CommandTarget::Debugger,
        None,
        "the same, backwards",
    ),
    command(
        "jump",
        Action::Run(RunAction::Jump),
        CommandTarget::Debugger,
        Some("jump"),
        "go to a step by its number",
    ),
    command(
        "change-of",
        Action::ChangeOf,
        CommandTarget::Debugger,
        None,
        "the change that this step made, in the history",
    ),
    command(
        "step-of",
        Action::StepOf,
        CommandTarget::ChangeOfRun,
        Some("step"),
        "the step of the run that made this change",
    ),
    command(
        "earlier",
        Action::Past(PastAction::Step(-1)),
        CommandTarget::Past,
        Some("earlier"),
        "one change back",
    ),
    command("later", Action::Past(PastAction::Step(1)), CommandTarget::Past, Some("later"), "one change on"),
    command("earlier-10", Action::Past(PastAction::Step(-10)), CommandTarget::Past, None, "10 changes back"),
    command("later-10", Action::Past(PastAction::Step(10)), CommandTarget::Past, None, "10 changes on"),
    command(
        "earlier-100",
        Action::Past(PastAction::Step(-100)),
        CommandTarget::Past,
        None,
        "100 changes back",
    ),
    command("later-100", Action::Past(PastAction::Step(100)), CommandTarget::Past, None, "100 changes on"),
    command(
        "oldest",
        Action::Past(PastAction::Oldest),
        CommandTarget::Past,
        None,
        "as far back as history goes",
    ),
    command("newest", Action::Past(PastAction::Newest), CommandTarget::Past, None, "to the last change"),
    command(
        "differing",
        Action::Past(PastAction::Differing),
        CommandTarget::Past,
        Some("differing"),
        "only what is not the same now, or all",
    ),
    command(
        "mark-then",
        Action::Past(PastAction::Mark),
        CommandTarget::Then,
        Some("mark"),
        "mark the entry or unmark it, and go on",
    ),
    command(
        "mark-different",
        Action::Past(PastAction::MarkAll),
        CommandTarget::Past,
        None,
        "mark all that is not the same now",
    ),
    writing(command(
        "restore",
        Action::Past(PastAction::Restore),
        CommandTarget::Restorable,
        Some("restore"),
        "make the entry, or the marked ones, again what they were (asks)",
    )),
    command("present", Action::Past(PastAction::Close), CommandTarget::Past, None, "back to the present"),
    command(
        "fold-part",
        Action::Value(ValueAction::Fold),
        CommandTarget::Part,
        Some("fold"),
        "fold or unfold the part",
    ),
    command("unfold-part", Action::Value(ValueAction::Unfold), CommandTarget::Part, None, "unfold the part"),
    command(
        "leave-part",
        Action::Value(ValueAction::Leave),
        CommandTarget::Part,
        None,
        "fold the part, or go out of it",
    ),
    command(
        "fold-all",
        Action::Value(ValueAction::FoldAll(true)),
        CommandTarget::Part,
        Some("fold all"),
        "fold all parts",
    ),
    command(
        "unfold-all",
        Action::Value(ValueAction::FoldAll(false)),
        CommandTarget::Part,
        None,
        "unfold all parts",
    ),
    command(
        "copy-path",
        Action::Value(ValueAction::CopyPath),
        CommandTarget::Part,
        Some("copy path"),
        "send the path of the part to the terminal's clipboard",
    ),
    command(
        "find-in-value",
        Action::Value(ValueAction::Find),
        CommandTarget::Viewing,
        Some("find"),
        "find a text in the value",
    ),
    command(
        "next-found",
        Action::Value(ValueAction::NextFound(true)),
        CommandTarget::Viewing,
        None,
        "next place with that text",
    ),
    command(
        "previous-found",
        Action::Value(ValueAction::NextFound(false)),
        CommandTarget::Viewing,
        None,
        "the same, backwards",
    ),
    command("read-on", Action::Value(ValueAction::ReadOn), CommandTarget::Viewing, None, "a page on"),
    command(
        "close-value",
        Action::Value(ValueAction::Close),
        CommandTarget::Viewing,
        None,
        "back to the list",
    ),
    writing(command(
        "start-run",
        Action::StartRun,
        CommandTarget::Always,
        Some("start"),
        "start a workflow, and watch it",
    )),
    writing(command(
        "stop-run",
        Action::StopRun,
        CommandTarget::RunAtWork,
        Some("stop"),
        "ask the run to stop (asks)",
    )),
    writing(command(
        "ttl",
        Action::Entry(EntryAction::TimeToLive),
        CommandTarget::Entries,
        Some("ttl"),
        "set, extend or remove the expiry, or of the marked",
    )),
    writing(command(
        "type",
        Action::Entry(EntryAction::ChangeType),
        CommandTarget::Entry,
        None,
        "give the value another type, if it is one",
    )),
    writing(command(
        "delete",
        Action::Entry(EntryAction::Delete),
        CommandTarget::Entries,
        Some("delete"),
        "delete the entry, or the marked ones (asks)",
    )),
    command(
        "mark",
        Action::Mark(MarkAction::Toggle),
        CommandTarget::Entry,
        None,
        "mark the entry or unmark it, and go on",
    ),
    command(
        "mark-range",
        Action::Mark(MarkAction::Range),
        CommandTarget::Entry,
        None,
        "mark all from the last mark to the cursor",
    ),
    command(
        "mark-all",
        Action::Mark(MarkAction::All),
        CommandTarget::Entry,
        None,
        "mark all that pass the filter",
    ),
    command("unmark", Action::Mark(MarkAction::Clear), CommandTarget::Marked, None, "unmark all"),
    command(
        "export",
        Action::Mark(MarkAction::Export),
        CommandTarget::Entries,
        None,
        "write the entry, or the marked ones, to a file",
    ),
    writing(command("add", Action::Add, CommandTarget::List, Some("add"), "add an entry")),
    command(
        "history-of",
        Action::HistoryOf,
        CommandTarget::Changing,
        Some("history"),
        "every change of the entry or the lock under the cursor",
    ),
    command(
        "go-to",
        Action::GoTo,
        CommandTarget::Elsewhere,
        Some("go to"),
        "go to the entry, the lock or the run that the row is about",
    ),
    command(
        "fold",
        Action::Fold,
        CommandTarget::Tree,
        Some("open"),
        "open or close a group of keys; enter and space too",
    ),
    with(
        Argument::Sort,
        command(
            "sort",
            Action::Sort,
            CommandTarget::Sortable,
            None,
            "sort by the next column, after the last in the usual order",
        ),
    ),
    command("sort-reverse", Action::SortReverse, CommandTarget::Sortable, None, "sort the other way round"),
    command("tree", Action::Tree, CommandTarget::Always, None, "keys as a tree by : / . and _, or as a list"),
    command(
        "details",
        Action::Details,
        CommandTarget::Row,
        Some("view"),
        "show all of the row on the whole screen",
    ),
    with(
        Argument::Moment,
        command(
            "at",
            Action::OpenPast,
            CommandTarget::ListOrPast,
            None,
            "the state as it was; :at 10m, 14:05 or a revision",
        ),
    ),
    command(
        "filter",
        Action::Filter,
        CommandTarget::ListOrPast,
        Some("filter"),
        "filter the list as you type",
    ),
    with(
        Argument::SavedFilter,
        command(
            "filters",
            Action::SavedFilters,
            CommandTarget::Always,
            None,
            "choose a filter that was saved",
        ),
    ),
    with(
        Argument::FilterName,
        command(
            "save-filter",
            Action::SaveFilter,
            CommandTarget::Always,
            None,
            "save the filter under a name",
        ),
    ),
    with(
        Argument::SavedFilter,
        command(
            "forget-filter",
            Action::ForgetFilter,
            CommandTarget::Always,
            None,
            "remove a filter that was saved",
        ),
    ),
    command(
        "palette",
        Action::Palette,
        CommandTarget::Everywhere,
        Some("commands"),
        "choose a command by its name",
    ),
    command("help", Action::Help, CommandTarget::Everywhere, Some("help"), "show every key of this view"),
    command(
        "copy-key",
        Action::Copy(CopyTarget::Key),
        CommandTarget::Shown,
        None,
        "send the key to the terminal's clipboard",
    ),
    command(
        "copy-value",
        Action::Copy(CopyTarget::Value),
        CommandTarget::Shown,
        None,
        "send the value to the terminal's clipboard",
    ),
    command(
        "copy-row",
        Action::Copy(CopyTarget::Row),
        CommandTarget::Shown,
        None,
        "send all of the row there, as JSON",
    ),
    command(
        "messages",
        Action::Messages,
        CommandTarget::Everywhere,
        None,
        "what was said, to be read again and copied",
    ),
    with(
        Argument::Context,
        command(
            "context",
            Action::Context,
            CommandTarget::Always,
            None,
            "go to another database of the configuration",
        ),
    ),
    with(
        Argument::Theme,
        command("theme", Action::Theme, CommandTarget::Everywhere, None, "choose how it looks"),
    ),
    command("quit", Action::Quit, CommandTarget::Everywhere, Some("quit"), "leave slothstate"),
    writing(command(
        "undo",
        Action::Undo,
        CommandTarget::Undoable,
        Some("undo"),
        "take back the last change made here; in the history, the one under the cursor (asks)",
    )),
    writing(command(
        "undos",
        Action::Undos,
        CommandTarget::Undoable,
        None,
        "what was changed here; one of it is taken back",
    )),
    writing(command(
        "redo",
        Action::Redo,
        CommandTarget::Undoable,
        None,
        "do again what was taken back last",
    )),
    command("down", Action::Move(1), CommandTarget::Everywhere, None, "next row"),
    command("up", Action::Move(-1), CommandTarget::Everywhere, None, "previous row"),
    command("page-down", Action::Page(2), CommandTarget::Everywhere, None, "a page down"),
    command("page-up", Action::Page(-2), CommandTarget::Everywhere, None, "a page up"),
    command("half-page-down", Action::Page(1), CommandTarget::Everywhere, None, "half a page down"),
    command("half-page-up", Action::Page(-1), CommandTarget::Everywhere, None, "half a page up"),
    command("top", Action::Top, CommandTarget::Everywhere, None, "first row"),
    command("bottom", Action::Bottom, CommandTarget::Everywhere, None, "last row"),
    command(
        "format",
        Action::Format,
        CommandTarget::Formatted,
        None,
        "show values as a tree, as text or as bytes",
    ),
    command(
        "detail-down",
        Action::ScrollDetail(1),
        CommandTarget::Everywhere,
        None,
        "scroll the details down",
    ),
    command("detail-up", Action::ScrollDetail(-1), CommandTarget::Everywhere, None, "scroll the details up"),
    show(View::Keys),
    show(View::Flags),
    show(View::Counters),
    show(View::Locks),
    show(View::Expiring),
    show(View::History),
    show(View::Runs),
    show(View::Overview),
    command("next-view", Action::StepView(1), CommandTarget::Always, None, "next view"),
    command("previous-view", Action::StepView(-1), CommandTarget::Always, None, "previous view"),
    command(
        "mouse",
        Action::Mouse,
        CommandTarget::Everywhere,
        None,
        "use the mouse here, or leave it to the terminal to select text",
    ),
    command(
        "secrets",
        Action::Secrets,
        CommandTarget::Everywhere,
        None,
        "show the values of keys that look like secrets, or mask them",
    ),
    command(
        "suspend",
        Action::Suspend,
        CommandTarget::Everywhere,
        None,
        "suspend; fg in the shell comes back",
    ),
    command("back", Action::Back, CommandTarget::Everywhere, None, "close what is open; clear the filter"),
    command("reload", Action::Reload, CommandTarget::Everywhere, None, "read everything again"),
];

pub fn of(action: Action) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.action == action)
}

pub fn applicable(context: &CommandContext) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|command| command.applies(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, Type};

    #[test]
    fn read_only_leaves_no_command_that_writes() {
        let writing = [
            Action::Entry(EntryAction::Toggle),
            Action::Entry(EntryAction::Edit),
            Action::Entry(EntryAction::EditOutside),
            Action::Add,
            Action::Entry(EntryAction::Increment(1)),
            Action::Entry(EntryAction::Increment(-1)),
            Action::Entry(EntryAction::Reset),
            Action::Entry(EntryAction::ChangeType),
            Action::Entry(EntryAction::TimeToLive),
            Action::Entry(EntryAction::Delete),
            Action::ClearLock,
        ];
        for row in [None, Some(RowKind::Lock), Some(RowKind::Entry(Kind::Flag, Type::Boolean))] {
            let left: Vec<_> = applicable(&CommandContext {
                read_only: true,
                row,
                marked: true,
                ..CommandContext::default()
            })
            .map(|command| command.action)
            .collect();
            assert!(left.iter().all(|action| !writing.contains(action)), "{left:?}");
        }
    }

    #[test]
    fn an_entry_is_added_in_lists_of_entries() {
        let added = |view: View, read_only| {
            let context =
                CommandContext { read_only, has_entries: view.has_entries(), ..CommandContext::default() };
            applicable(&context).any(|command| command.action == Action::Add)
        };
        let views: Vec<View> = View::ALL.into_iter().filter(|view| added(*view, false)).collect();
        assert_eq!(views, [View::Keys, View::Flags, View::Counters, View::Expiring]);
        assert!(!added(View::Keys, true));
    }

    #[test]
    fn what_is_under_the_cursor_decides() {
        let applies = |action, row| {
            let context = CommandContext { read_only: false, row: Some(row), ..CommandContext::default() };
            applicable(&context).any(|command| command.action == action)
        };
        assert!(applies(Action::Entry(EntryAction::Toggle), RowKind::Entry(Kind::Flag, Type::String)));
        assert!(!applies(Action::Entry(EntryAction::Toggle), RowKind::Entry(Kind::Counter, Type::Number)));
        assert!(applies(Action::ClearLock, RowKind::Entry(Kind::Lock, Type::String)));
        assert!(applies(Action::ClearLock, RowKind::Lock));
        assert!(!applies(Action::Entry(EntryAction::Delete), RowKind::Lock));
    }
}

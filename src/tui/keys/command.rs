//! The one table of commands: keys, hints, help and the palette are read from it.

use crate::tui::keys::{
    Action, CommandContext, CommandTarget, CopyTarget, EntryAction, MarkAction, PastAction, RunAction,
    ValueAction,
};
use crate::tui::view::View;

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

const fn command(name: &'static str, action: Action, when: CommandTarget) -> Command {
    Command { name, help: "", hint: None, action, when, argument: Argument::None, writes: false }
}

const fn show(view: View) -> Command {
    let (name, help) = view.command();
    command(name, Action::Show(view), CommandTarget::Always).help(help).takes(Argument::Filter)
}

impl Command {
    const fn help(self, help: &'static str) -> Command {
        Command { help, ..self }
    }

    const fn hint(self, hint: &'static str) -> Command {
        Command { hint: Some(hint), ..self }
    }

    const fn takes(self, argument: Argument) -> Command {
        Command { argument, ..self }
    }

    const fn writes(self) -> Command {
        Command { writes: true, ..self }
    }
}

/// Every command, in the order of help and hints.
pub const COMMANDS: &[Command] = &[
    command("toggle", Action::Entry(EntryAction::Toggle), CommandTarget::Flags)
        .help("turn the flag round, or all that are marked")
        .hint("toggle")
        .writes(),
    command("increment", Action::Entry(EntryAction::Increment(1)), CommandTarget::Number)
        .help("add 1 to the number")
        .hint("add 1")
        .writes(),
    command("decrement", Action::Entry(EntryAction::Increment(-1)), CommandTarget::Number)
        .help("take 1 from the number")
        .hint("take 1")
        .writes(),
    command("reset", Action::Entry(EntryAction::Reset), CommandTarget::Number)
        .help("set the number to 0 (asks)")
        .hint("reset")
        .writes(),
    command("clear-lock", Action::ClearLock, CommandTarget::Lock)
        .help("clear the lock, or the marked ones of holders that are gone (asks)")
        .hint("clear")
        .writes(),
    command("edit", Action::Entry(EntryAction::Edit), CommandTarget::Entry)
        .help("edit the value, the type and the expiry")
        .hint("edit")
        .writes(),
    command("edit-outside", Action::Entry(EntryAction::EditOutside), CommandTarget::Entry)
        .help("edit the value in $VISUAL or $EDITOR")
        .writes(),
    command("open-run", Action::OpenRun, CommandTarget::Recorded)
        .help("open the run, step by step")
        .hint("open"),
    command("mark-run", Action::MarkRun, CommandTarget::Recorded)
        .help("mark the run, to compare another with it")
        .hint("mark"),
    command("compare-run", Action::CompareRun, CommandTarget::Recorded)
        .help("compare the run with the marked one: where do they part")
        .hint("compare"),
    command("over", Action::Run(RunAction::Over(true)), CommandTarget::Debugger)
        .help("next step that is not inside of this one")
        .hint("over"),
    command("back-over", Action::Run(RunAction::Over(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("next-change", Action::Run(RunAction::NextChange(true)), CommandTarget::Debugger)
        .help("next step that changed the state")
        .hint("change"),
    command("previous-change", Action::Run(RunAction::NextChange(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("next-failure", Action::Run(RunAction::NextFailure(true)), CommandTarget::Debugger)
        .help("next call, attempt or task that failed")
        .hint("failure"),
    command("previous-failure", Action::Run(RunAction::NextFailure(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("next-task", Action::Run(RunAction::NextTask(true)), CommandTarget::Debugger)
        .help("next task")
        .hint("task"),
    command("previous-task", Action::Run(RunAction::NextTask(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("fold-step", Action::Run(RunAction::FoldStep), CommandTarget::Debugger)
        .help("hide what is inside of this call or task, or show it"),
    command("fold-tasks", Action::Run(RunAction::FoldSteps(true)), CommandTarget::Debugger)
        .help("hide what is inside of every task"),
    command("unfold", Action::Run(RunAction::FoldSteps(false)), CommandTarget::Debugger)
        .help("show all steps"),
    command("break", Action::Run(RunAction::BreakHere), CommandTarget::Debugger)
        .help("stop at this line, or no more")
        .hint("break"),
    command("break-on", Action::Run(RunAction::BreakOn), CommandTarget::Debugger)
        .help("stop at a line or a key that you type"),
    command("clear-breaks", Action::Run(RunAction::ClearBreaks), CommandTarget::Debugger)
        .help("stop nowhere"),
    command("breaks", Action::Run(RunAction::Breaks), CommandTarget::Debugger)
        .help("where it stops, to take one of it out"),
    command("continue", Action::Run(RunAction::Continue(true)), CommandTarget::Debugger)
        .help("go on to where it is to stop")
        .hint("go on"),
    command("continue-back", Action::Run(RunAction::Continue(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("what-if", Action::Run(RunAction::WhatIf), CommandTarget::Debugger)
        .help("run it once more with another value")
        .hint("what if"),
    command("find-step", Action::Run(RunAction::FindStep), CommandTarget::Debugger)
        .help("find a text in the steps")
        .hint("find"),
    command("find-next", Action::Run(RunAction::FindNext(true)), CommandTarget::Debugger)
        .help("next step with that text"),
    command("find-previous", Action::Run(RunAction::FindNext(false)), CommandTarget::Debugger)
        .help("the same, backwards"),
    command("jump", Action::Run(RunAction::Jump), CommandTarget::Debugger)
        .help("go to a step by its number")
        .hint("jump"),
    command("change-of", Action::ChangeOf, CommandTarget::Debugger)
        .help("the change that this step made, in the history"),
    command("step-of", Action::StepOf, CommandTarget::ChangeOfRun)
        .help("the step of the run that made this change")
        .hint("step"),
    command("earlier", Action::Past(PastAction::Step(-1)), CommandTarget::Past)
        .help("one change back")
        .hint("earlier"),
    command("later", Action::Past(PastAction::Step(1)), CommandTarget::Past)
        .help("one change on")
        .hint("later"),
    command("earlier-10", Action::Past(PastAction::Step(-10)), CommandTarget::Past).help("10 changes back"),
    command("later-10", Action::Past(PastAction::Step(10)), CommandTarget::Past).help("10 changes on"),
    command("earlier-100", Action::Past(PastAction::Step(-100)), CommandTarget::Past)
        .help("100 changes back"),
    command("later-100", Action::Past(PastAction::Step(100)), CommandTarget::Past).help("100 changes on"),
    command("oldest", Action::Past(PastAction::Oldest), CommandTarget::Past)
        .help("as far back as history goes"),
    command("newest", Action::Past(PastAction::Newest), CommandTarget::Past).help("to the last change"),
    command("differing", Action::Past(PastAction::Differing), CommandTarget::Past)
        .help("only what is not the same now, or all")
        .hint("differing"),
    command("mark-then", Action::Past(PastAction::Mark), CommandTarget::Then)
        .help("mark the entry or unmark it, and go on")
        .hint("mark"),
    command("mark-different", Action::Past(PastAction::MarkAll), CommandTarget::Past)
        .help("mark all that is not the same now"),
    command("restore", Action::Past(PastAction::Restore), CommandTarget::Restorable)
        .help("make the entry, or the marked ones, again what they were (asks)")
        .hint("restore")
        .writes(),
    command("present", Action::Past(PastAction::Close), CommandTarget::Past).help("back to the present"),
    command("fold-part", Action::Value(ValueAction::Fold), CommandTarget::Part)
        .help("fold or unfold the part")
        .hint("fold"),
    command("unfold-part", Action::Value(ValueAction::Unfold), CommandTarget::Part).help("unfold the part"),
    command("leave-part", Action::Value(ValueAction::Leave), CommandTarget::Part)
        .help("fold the part, or go out of it"),
    command("fold-all", Action::Value(ValueAction::FoldAll(true)), CommandTarget::Part)
        .help("fold all parts")
        .hint("fold all"),
    command("unfold-all", Action::Value(ValueAction::FoldAll(false)), CommandTarget::Part)
        .help("unfold all parts"),
    command("copy-path", Action::Value(ValueAction::CopyPath), CommandTarget::Part)
        .help("send the path of the part to the terminal's clipboard")
        .hint("copy path"),
    command("find-in-value", Action::Value(ValueAction::Find), CommandTarget::Viewing)
        .help("find a text in the value")
        .hint("find"),
    command("next-found", Action::Value(ValueAction::NextFound(true)), CommandTarget::Viewing)
        .help("next place with that text"),
    command("previous-found", Action::Value(ValueAction::NextFound(false)), CommandTarget::Viewing)
        .help("the same, backwards"),
    command("read-on", Action::Value(ValueAction::ReadOn), CommandTarget::Viewing).help("a page on"),
    command("close-value", Action::Value(ValueAction::Close), CommandTarget::Viewing)
        .help("back to the list"),
    command("start-run", Action::StartRun, CommandTarget::Always)
        .help("start a workflow, and watch it")
        .hint("start")
        .writes(),
    command("stop-run", Action::StopRun, CommandTarget::RunAtWork)
        .help("ask the run to stop (asks)")
        .hint("stop")
        .writes(),
    command("ttl", Action::Entry(EntryAction::TimeToLive), CommandTarget::Entries)
        .help("set, extend or remove the expiry, or of the marked")
        .hint("ttl")
        .writes(),
    command("type", Action::Entry(EntryAction::ChangeType), CommandTarget::Entry)
        .help("give the value another type, if it is one")
        .writes(),
    command("delete", Action::Entry(EntryAction::Delete), CommandTarget::Entries)
        .help("delete the entry, or the marked ones (asks)")
        .hint("delete")
        .writes(),
    command("mark", Action::Mark(MarkAction::Toggle), CommandTarget::Markable)
        .help("mark or unmark it, and move down"),
    command("mark-range", Action::Mark(MarkAction::Range), CommandTarget::Markable)
        .help("mark all from the last mark to the cursor"),
    command("mark-all", Action::Mark(MarkAction::All), CommandTarget::Markable)
        .help("mark all that pass the filter"),
    command("unmark", Action::Mark(MarkAction::Clear), CommandTarget::Marked).help("unmark all"),
    command("export", Action::Mark(MarkAction::Export), CommandTarget::Entries)
        .help("write the entry, or the marked ones, to a file"),
    command("add", Action::Add, CommandTarget::List).help("add an entry").hint("add").writes(),
    command("history-of", Action::HistoryOf, CommandTarget::Changing)
        .help("every change of the entry or the lock under the cursor")
        .hint("history"),
    command("go-to", Action::GoTo, CommandTarget::Elsewhere)
        .help("go to the entry, the lock or the run that the row is about")
        .hint("go to"),
    command("fold", Action::Fold, CommandTarget::Tree)
        .help("open or close a group of keys; enter and space too")
        .hint("open"),
    command("sort", Action::Sort, CommandTarget::Sortable)
        .help("sort by the next column, after the last in the usual order")
        .takes(Argument::Sort),
    command("sort-reverse", Action::SortReverse, CommandTarget::Sortable).help("sort the other way round"),
    command("tree", Action::Tree, CommandTarget::Always).help("keys as a tree by : / . and _, or as a list"),
    command("details", Action::Details, CommandTarget::Row)
        .help("show all of the row on the whole screen")
        .hint("view"),
    command("at", Action::OpenPast, CommandTarget::ListOrPast)
        .help("the state as it was; :at 10m, 14:05 or a revision")
        .takes(Argument::Moment),
    command("filter", Action::Filter, CommandTarget::ListOrPast)
        .help("filter the list as you type")
        .hint("filter"),
    command("filters", Action::SavedFilters, CommandTarget::Always)
        .help("choose a filter that was saved")
        .takes(Argument::SavedFilter),
    command("save-filter", Action::SaveFilter, CommandTarget::Always)
        .help("save the filter under a name")
        .takes(Argument::FilterName),
    command("forget-filter", Action::ForgetFilter, CommandTarget::Always)
        .help("remove a filter that was saved")
        .takes(Argument::SavedFilter),
    command("palette", Action::Palette, CommandTarget::Everywhere)
        .help("choose a command by its name")
        .hint("commands"),
    command("help", Action::Help, CommandTarget::Everywhere).help("show every key of this view").hint("help"),
    command("copy-key", Action::Copy(CopyTarget::Key), CommandTarget::Shown)
        .help("send the key to the terminal's clipboard"),
    command("copy-value", Action::Copy(CopyTarget::Value), CommandTarget::Shown)
        .help("send the value to the terminal's clipboard"),
    command("copy-row", Action::Copy(CopyTarget::Row), CommandTarget::Shown)
        .help("send all of the row there, as JSON"),
    command("messages", Action::Messages, CommandTarget::Everywhere)
        .help("what was said, to be read again and copied"),
    command("context", Action::Context, CommandTarget::Always)
        .help("go to another database of the configuration")
        .takes(Argument::Context),
    command("theme", Action::Theme, CommandTarget::Everywhere)
        .help("choose how it looks")
        .takes(Argument::Theme),
    command("quit", Action::Quit, CommandTarget::Everywhere).help("leave slothstate").hint("quit"),
    command("undo", Action::Undo, CommandTarget::Undoable)
        .help("take back the last change made here; in the history, the one under the cursor (asks)")
        .hint("undo")
        .writes(),
    command("undos", Action::Undos, CommandTarget::Undoable)
        .help("what was changed here; one of it is taken back")
        .writes(),
    command("redo", Action::Redo, CommandTarget::Undoable).help("do again what was taken back last").writes(),
    command("down", Action::Move(1), CommandTarget::Everywhere).help("next row"),
    command("up", Action::Move(-1), CommandTarget::Everywhere).help("previous row"),
    command("page-down", Action::Page(2), CommandTarget::Everywhere).help("a page down"),
    command("page-up", Action::Page(-2), CommandTarget::Everywhere).help("a page up"),
    command("half-page-down", Action::Page(1), CommandTarget::Everywhere).help("half a page down"),
    command("half-page-up", Action::Page(-1), CommandTarget::Everywhere).help("half a page up"),
    command("top", Action::Top, CommandTarget::Everywhere).help("first row"),
    command("bottom", Action::Bottom, CommandTarget::Everywhere).help("last row"),
    command("format", Action::Format, CommandTarget::Formatted)
        .help("show values as a tree, as text or as bytes"),
    command("detail-down", Action::ScrollDetail(1), CommandTarget::Everywhere)
        .help("scroll the details down"),
    command("detail-up", Action::ScrollDetail(-1), CommandTarget::Everywhere).help("scroll the details up"),
    show(View::Keys),
    show(View::Flags),
    show(View::Counters),
    show(View::Locks),
    show(View::Expiring),
    show(View::History),
    show(View::Runs),
    show(View::Overview),
    command("next-view", Action::StepView(1), CommandTarget::Always).help("next view"),
    command("previous-view", Action::StepView(-1), CommandTarget::Always).help("previous view"),
    command("mouse", Action::Mouse, CommandTarget::Everywhere)
        .help("use the mouse here, or leave it to the terminal to select text"),
    command("secrets", Action::Secrets, CommandTarget::Everywhere)
        .help("show the values of keys that look like secrets, or mask them"),
    command("suspend", Action::Suspend, CommandTarget::Everywhere)
        .help("suspend; fg in the shell comes back"),
    command("back", Action::Back, CommandTarget::Everywhere).help("close what is open; clear the filter"),
    command("reload", Action::Reload, CommandTarget::Everywhere).help("read everything again"),
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
    use crate::tui::keys::RowKind;

    #[test]
    fn every_command_has_help() {
        assert!(COMMANDS.iter().all(|command| !command.help.is_empty()));
    }

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

//! When a command applies: what fills the screen, and what is under the cursor.

use crate::store::{Kind, Subject, Type};

/// What a command applies to. That it writes, and so does not apply where nothing can be written, is a column
/// of the table of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandTarget {
    /// Every list.
    Always,
    Row,
    Entry,
    /// An entry, or entries that are marked.
    Entries,
    /// An entry or a lock.
    Markable,
    /// A flag, or entries that are marked.
    Flags,
    Marked,
    Number,
    /// A lock, or an entry used as one, or locks that are marked.
    Lock,
    /// A row that has a history.
    Changing,
    /// A row of a tree of keys.
    Tree,
    /// A row of the overview, or a change: what it is about is in another list.
    Elsewhere,
    /// A list that can be sorted.
    Sortable,
    List,
    /// A run that is running on this machine.
    RunAtWork,
    Recorded,
    ChangeOfRun,
    /// Every list, and whatever else fills the screen.
    Everywhere,
    /// An open run.
    Debugger,
    /// Every list, and the past.
    ListOrPast,
    /// Any row, also in the past and where its value fills the screen.
    Shown,
    /// An entry, also where its value fills the screen.
    Formatted,
    /// Every list, the past, and a value that fills the screen.
    Undoable,
    Past,
    /// A row of the past.
    Then,
    /// A row of the past, or entries that are marked there.
    Restorable,
    /// A value that fills the screen.
    Viewing,
    /// The same, as a tree.
    Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScreenKind {
    #[default]
    List,
    /// The state as it was.
    Past,
    /// The details of a row, and whether its value is shown as a tree.
    Value {
        is_tree: bool,
    },
    Run,
}

impl ScreenKind {
    /// Where keys have a meaning of their own on it.
    pub fn modes(self) -> &'static [Mode] {
        match self {
            ScreenKind::List => &[],
            ScreenKind::Past => &[Mode::Past],
            ScreenKind::Value { is_tree: true } => &[Mode::Part, Mode::Value],
            ScreenKind::Value { is_tree: false } => &[Mode::Value],
            ScreenKind::Run => &[Mode::Debugger],
        }
    }

    /// What going back leads to, for the hints; `None` where that goes without saying.
    pub fn way_out(self) -> Option<&'static str> {
        match self {
            ScreenKind::List | ScreenKind::Run => None,
            ScreenKind::Past => Some("now"),
            ScreenKind::Value { .. } => Some("close"),
        }
    }
}

/// What decides which commands apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandContext {
    /// Whether nothing can be written.
    pub read_only: bool,
    pub screen: ScreenKind,
    /// Whether keys are shown as a tree.
    pub is_tree: bool,
    pub is_overview: bool,
    /// Whether the list is one of entries.
    pub has_entries: bool,
    /// Whether the list can be sorted.
    pub can_sort: bool,
    /// What is under the cursor.
    pub row: Option<RowKind>,
    pub marked: bool,
    /// Whether locks are among what is marked.
    pub marked_locks: bool,
}

/// What is under the cursor, as far as commands care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    Entry(Kind, Type),
    /// A row of the table of locks.
    Lock,
    /// A change of an entry or a lock, and whether a run made it.
    Change(Subject, bool),
    Run {
        /// Whether its process is alive on this machine.
        is_alive: bool,
        is_recorded: bool,
    },
    Group,
}

/// Where a key has a meaning of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Where a run is open.
    Debugger,
    /// In a value that fills the screen as a tree.
    Part,
    /// Where a value fills the screen.
    Value,
    Past,
    /// On a run, or a change that a run made.
    Run,
    /// Anywhere else, and wherever a key has no meaning of its own.
    List,
}

impl Mode {
    /// The narrowest first.
    pub const ALL: [Mode; 6] = [Mode::Debugger, Mode::Part, Mode::Value, Mode::Past, Mode::Run, Mode::List];
}

/// The screens of a condition, as the columns of the table below.
const LIST: u8 = 1;
const PAST: u8 = 2;
const VALUE: u8 = 4;
const RUN: u8 = 8;
const ALL: u8 = LIST | PAST | VALUE | RUN;

impl CommandTarget {
    /// Where its keys have their meaning, the screens it holds on, and what must be there.
    fn columns(self) -> (Mode, u8, fn(&CommandContext) -> bool) {
        match self {
            CommandTarget::Always => (Mode::List, LIST, |_| true),
            CommandTarget::Row => (Mode::List, LIST | PAST, has_row),
            CommandTarget::Entry => (Mode::List, LIST, has_entry),
            CommandTarget::Markable => {
                (Mode::List, LIST, |context| has_entry(context) || context.row == Some(RowKind::Lock))
            }
            CommandTarget::Entries => (Mode::List, LIST, |context| context.marked || has_entry(context)),
            CommandTarget::Flags => (Mode::List, LIST, |context| context.marked || has_flag(context)),
            CommandTarget::Marked => (Mode::List, LIST | PAST, |context| context.marked),
            CommandTarget::Number => (Mode::List, LIST, has_number),
            CommandTarget::Lock => (Mode::List, LIST, |context| context.marked_locks || has_lock(context)),
            CommandTarget::Changing => (Mode::List, LIST, has_history),
            CommandTarget::Tree => (Mode::List, LIST, |context| context.is_tree && has_row(context)),
            CommandTarget::Elsewhere => (Mode::List, LIST, is_in_another_list),
            CommandTarget::Sortable => (Mode::List, LIST | PAST, |context| context.can_sort),
            CommandTarget::List => (Mode::List, LIST, |context| context.has_entries),
            CommandTarget::RunAtWork => (Mode::Run, LIST | RUN, has_running_run),
            CommandTarget::Recorded => (Mode::Run, LIST, has_recorded_run),
            CommandTarget::ChangeOfRun => {
                (Mode::Run, LIST, |context| matches!(context.row, Some(RowKind::Change(_, true))))
            }
            CommandTarget::Everywhere => (Mode::List, ALL, |_| true),
            CommandTarget::Debugger => (Mode::Debugger, RUN, |_| true),
            CommandTarget::ListOrPast => (Mode::List, LIST | PAST, |_| true),
            CommandTarget::Shown => (Mode::List, LIST | PAST | VALUE, has_row),
            CommandTarget::Formatted => (Mode::List, LIST | VALUE, has_entry),
            CommandTarget::Undoable => (Mode::List, LIST | PAST | VALUE, |_| true),
            CommandTarget::Past => (Mode::Past, PAST, |_| true),
            CommandTarget::Then => (Mode::Past, PAST, has_row),
            CommandTarget::Restorable => (Mode::Past, PAST, |context| context.marked || has_row(context)),
            CommandTarget::Viewing => (Mode::Value, VALUE, |_| true),
            CommandTarget::Part => {
                (Mode::Part, VALUE, |context| context.screen == ScreenKind::Value { is_tree: true })
            }
        }
    }

    /// Where a command with this condition has its keys.
    pub fn mode(self) -> Mode {
        self.columns().0
    }

    /// Whether it holds.
    pub fn holds(self, context: &CommandContext) -> bool {
        let screen = match context.screen {
            ScreenKind::List => LIST,
            ScreenKind::Past => PAST,
            ScreenKind::Value { .. } => VALUE,
            ScreenKind::Run => RUN,
        };
        let (_, screens, target) = self.columns();
        screens & screen != 0 && target(context)
    }
}

fn has_row(context: &CommandContext) -> bool {
    context.row.is_some()
}

fn has_entry(context: &CommandContext) -> bool {
    matches!(context.row, Some(RowKind::Entry(..)))
}

fn has_flag(context: &CommandContext) -> bool {
    matches!(context.row, Some(RowKind::Entry(Kind::Flag, _)))
}

fn has_number(context: &CommandContext) -> bool {
    let is_number = |kind, value_type| kind == Kind::Counter || value_type == Type::Number;
    matches!(context.row, Some(RowKind::Entry(kind, value_type)) if is_number(kind, value_type))
}

fn has_lock(context: &CommandContext) -> bool {
    matches!(context.row, Some(RowKind::Lock | RowKind::Entry(Kind::Lock, _)))
}

fn has_history(context: &CommandContext) -> bool {
    context.row.is_some_and(|row| !matches!(row, RowKind::Group | RowKind::Run { .. }))
}

fn is_in_another_list(context: &CommandContext) -> bool {
    context.is_overview && has_row(context) || matches!(context.row, Some(RowKind::Change(..)))
}

fn has_running_run(context: &CommandContext) -> bool {
    matches!(context.row, Some(RowKind::Run { is_alive: true, .. }))
}

fn has_recorded_run(context: &CommandContext) -> bool {
    matches!(context.row, Some(RowKind::Run { is_recorded: true, .. }))
}

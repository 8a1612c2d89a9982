//! When a command applies: what fills the screen, and what is under the cursor.

use crate::store::{Kind, Subject, Type};

/// When a command applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// Where writing is possible.
    Writable,
    /// On any row.
    Row,
    /// On an entry, where writing is possible.
    Entry,
    /// On an entry, or where some are marked.
    Chosen,
    /// The same, where writing is possible.
    Entries,
    /// On a flag, or where entries are marked.
    Flags,
    /// Where entries are marked.
    Marked,
    /// On a number.
    Number,
    /// On a lock, or an entry used as one.
    Lock,
    /// On something that has a history.
    Changing,
    /// On an entry.
    Value,
    /// In a tree of keys.
    Tree,
    /// On a row of the overview, or a change: what it is about is in another list.
    Elsewhere,
    /// In a list that can be sorted.
    Sortable,
    /// In a list of entries, where writing is possible.
    List,
    /// On a run that is at work on this machine, where writing is possible.
    RunAtWork,
    /// On a run of which there is a recording.
    Recorded,
    /// On a change that a run made.
    ChangeOfRun,
    /// In every list, and whatever else fills the screen.
    Everywhere,
    /// Where a run is open.
    Debugger,
    /// In every list, and in the past.
    ListOrPast,
    /// On any row, also in the past and where its value fills the screen.
    Shown,
    /// On an entry, also where its value fills the screen.
    Formatted,
    /// Where writing is possible, also in the past and where a value fills the screen.
    Undoable,
    /// In the past.
    Past,
    /// On a row of the past.
    Then,
    /// On a row of the past, or where some are marked there, and writing is possible.
    Restorable,
    /// Where a value fills the screen.
    Viewing,
    /// The same, as a tree.
    Part,
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// A list.
    #[default]
    List,
    /// The state as it was.
    Past,
    /// The details of a row, and whether its value is shown as a tree.
    Value {
        /// Whether it is.
        is_tree: bool,
    },
    /// A run, step by step.
    Run,
}

impl Screen {
    /// Where keys have a meaning of their own on it.
    pub fn modes(self) -> &'static [Mode] {
        match self {
            Screen::List => &[],
            Screen::Past => &[Mode::Past],
            Screen::Value { is_tree: true } => &[Mode::Part, Mode::Value],
            Screen::Value { is_tree: false } => &[Mode::Value],
            Screen::Run => &[Mode::Debugger],
        }
    }

    /// What going back leads to, for the hints; `None` where that goes without saying.
    pub fn way_out(self) -> Option<&'static str> {
        match self {
            Screen::List | Screen::Run => None,
            Screen::Past => Some("now"),
            Screen::Value { .. } => Some("close"),
        }
    }
}

/// What decides which commands apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandContext {
    /// Whether nothing can be written.
    pub read_only: bool,
    /// What fills the screen.
    pub screen: Screen,
    /// Whether keys are shown as a tree.
    pub is_tree: bool,
    /// Whether this is the overview.
    pub is_overview: bool,
    /// Whether the list is one of entries.
    pub has_entries: bool,
    /// Whether the list can be sorted.
    pub can_sort: bool,
    /// What is under the cursor.
    pub row: Option<RowKind>,
    /// Whether entries are marked.
    pub marked: bool,
}

/// What is under the cursor, as far as commands care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// An entry of this kind and type.
    Entry(Kind, Type),
    /// A row of the table of locks.
    Lock,
    /// A change of an entry or a lock, and whether a run made it.
    Change(Subject, bool),
    /// A run.
    Run {
        /// Whether its process is alive on this machine.
        is_alive: bool,
        /// Whether there is a recording of it.
        is_recorded: bool,
    },
    /// A group of keys.
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
    /// In the past.
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

impl Condition {
    /// Where a command with this condition has its keys.
    pub fn mode(self) -> Mode {
        match self {
            Condition::Debugger => Mode::Debugger,
            Condition::Part => Mode::Part,
            Condition::Viewing => Mode::Value,
            Condition::Past | Condition::Then | Condition::Restorable => Mode::Past,
            Condition::Recorded | Condition::RunAtWork | Condition::ChangeOfRun => Mode::Run,
            _ => Mode::List,
        }
    }

    /// Whether a command with this condition applies.
    pub fn applies(self, context: &CommandContext) -> bool {
        match context.screen {
            Screen::List => self.applies_in_list(context),
            Screen::Past => self.applies_in_past(context),
            Screen::Value { is_tree } => self.applies_to_value(is_tree, context),
            Screen::Run => {
                let is_at_work = matches!(context.row, Some(RowKind::Run { is_alive: true, .. }));
                match self {
                    Condition::Everywhere | Condition::Debugger => true,
                    Condition::RunAtWork => is_at_work && !context.read_only,
                    _ => false,
                }
            }
        }
    }

    fn applies_in_past(self, context: &CommandContext) -> bool {
        match self {
            Condition::Everywhere | Condition::ListOrPast | Condition::Past => true,
            Condition::Row | Condition::Shown | Condition::Then => context.row.is_some(),
            Condition::Sortable => context.can_sort,
            Condition::Marked => context.marked,
            Condition::Undoable => !context.read_only,
            Condition::Restorable => !context.read_only && (context.marked || context.row.is_some()),
            _ => false,
        }
    }

    fn applies_to_value(self, is_tree: bool, context: &CommandContext) -> bool {
        match self {
            Condition::Everywhere | Condition::Viewing => true,
            Condition::Part => is_tree,
            Condition::Shown => context.row.is_some(),
            Condition::Formatted => matches!(context.row, Some(RowKind::Entry(..))),
            Condition::Undoable => !context.read_only,
            _ => false,
        }
    }

    fn applies_in_list(self, context: &CommandContext) -> bool {
        match self {
            Condition::Always | Condition::Everywhere | Condition::ListOrPast => return true,
            Condition::Debugger
            | Condition::Past
            | Condition::Then
            | Condition::Restorable
            | Condition::Viewing
            | Condition::Part => {
                return false;
            }
            Condition::Recorded => {
                return matches!(context.row, Some(RowKind::Run { is_recorded: true, .. }));
            }
            Condition::ChangeOfRun => return matches!(context.row, Some(RowKind::Change(_, true))),
            Condition::Row | Condition::Shown => return context.row.is_some(),
            Condition::Changing => {
                return context.row.is_some_and(|row| !matches!(row, RowKind::Group | RowKind::Run { .. }));
            }
            Condition::Elsewhere => {
                return context.is_overview && context.row.is_some()
                    || matches!(context.row, Some(RowKind::Change(..)));
            }
            Condition::Sortable => return context.can_sort,
            Condition::Tree => return context.is_tree && context.row.is_some(),
            Condition::Value | Condition::Formatted => {
                return matches!(context.row, Some(RowKind::Entry(..)));
            }
            Condition::Chosen => return context.marked || matches!(context.row, Some(RowKind::Entry(..))),
            Condition::Marked => return context.marked,
            _ => {}
        }
        !context.read_only
            && match (self, context.row) {
                (Condition::Writable | Condition::Undoable, _) => true,
                (Condition::Entries | Condition::Flags, _) if context.marked => true,
                (Condition::List, _) => context.has_entries,
                (Condition::Entry | Condition::Entries, Some(RowKind::Entry(..))) => true,
                (Condition::Flags, Some(RowKind::Entry(kind, _))) => kind == Kind::Flag,
                (Condition::Number, Some(RowKind::Entry(kind, value_type))) => {
                    kind == Kind::Counter || value_type == Type::Number
                }
                (Condition::Lock, Some(RowKind::Lock)) => true,
                (Condition::Lock, Some(RowKind::Entry(kind, _))) => kind == Kind::Lock,
                (Condition::RunAtWork, Some(RowKind::Run { is_alive, .. })) => is_alive,
                _ => false,
            }
    }
}

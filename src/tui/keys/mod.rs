//! Keys and commands: `command` is the one table, `action` what a command asks for, `command_target` where it
//! applies, `keymap` which key calls which command.

pub mod action;
pub mod command;
pub mod command_target;
pub mod keymap;
pub mod scroll;

pub use crate::tui::keys::action::{
    Action, CopyTarget, EntryAction, MarkAction, PastAction, RunAction, ValueAction,
};
pub use crate::tui::keys::command::{Argument, COMMANDS, Command};
pub use crate::tui::keys::command_target::{CommandContext, CommandTarget, Mode, RowKind, ScreenKind};
pub use crate::tui::keys::keymap::Keymap;

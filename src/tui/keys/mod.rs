//! Keys and commands: `command` is the one table, `action` what a command asks for, `command_target` where it
//! applies, `keymap` which key calls which command.

pub mod action;
pub mod command;
pub mod command_target;
pub mod keymap;
pub mod scroll;

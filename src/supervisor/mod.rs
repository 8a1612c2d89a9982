//! Commands under supervision: a command never outlives the lease that it works under, nor the process
//! that started it.
//!
//! Every command gets a supervisor: this program, executed once more under another name. It starts
//! the command, and hears over a socket until when it may run. Where nothing is heard for a third of
//! the lease, since the sender is suspended, it stops the command, and lets it go on when messages come
//! again. Shortly before the lease ends, or when the socket is closed, since the sender has died, it
//! ends the command with everything that it started, daemons too.

mod client;
mod deadlines;
mod message;
mod process;
mod process_tree;

use std::process::ExitCode;

pub use client::{Control, StartError, Supervised};
pub use deadlines::{CommandDeadlines, GRACE, LeaseTerm};
pub use message::{Bytes, CommandEnd, CommandSpec, EndCause, ExitStatus, SupervisorReport};

/// What a supervisor is called, in place of the program's own name.
const NAME: &str = "sloth-guard";

/// Is a supervisor if this process was started to be one: answers how it ended. Must be called before
/// anything else is done.
pub fn entered() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    (name == NAME).then(process::supervise)
}

/// Those of `signals` that this process does not ignore, as `nohup` has it do. Without `/proc` that is not
/// known, and they are taken not to be ignored.
pub fn not_ignored<const COUNT: usize>(signals: [i32; COUNT]) -> impl Iterator<Item = i32> {
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    signals.into_iter().filter(move |signal| mask >> (signal - 1) & 1 == 0)
}

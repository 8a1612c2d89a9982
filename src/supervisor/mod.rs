//! Supervised commands: a command outlives neither its lease nor the process that started it.
//!
//! Every command gets a supervisor: this program, executed again under another name. It starts the command
//! and receives its deadlines over a socket. If no message arrives for a third of the lease (the sender is
//! suspended), it pauses the command until messages arrive again. Shortly before the lease ends, or when
//! the socket closes (the sender has died), it ends the command with everything that it started, daemons
//! included.
//!
//! It imports `time` only. `client` starts a supervisor, `supervise` is one, `message` is what they exchange.

mod client;
mod deadlines;
mod message;
mod process_tree;
mod supervise;

use std::process::ExitCode;

pub use client::{Control, StartError, Supervised};
pub use deadlines::{CommandDeadlines, GRACE, LeaseTerm};
pub use message::{Bytes, CommandEnd, CommandSpec, EndCause, ExitStatus, SupervisorReport};

/// The process name of a supervisor.
const NAME: &str = "sloth-guard";

/// Runs the supervisor if this process was started as one, and returns its exit code. Must be called first
/// in `main`.
pub fn entered() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    (name == NAME).then(supervise::supervise)
}

/// Those of `signals` that this process does not ignore (`nohup` makes it ignore some). Without `/proc` none
/// counts as ignored.
pub fn not_ignored<const COUNT: usize>(signals: [i32; COUNT]) -> impl Iterator<Item = i32> {
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    signals.into_iter().filter(move |signal| mask >> (signal - 1) & 1 == 0)
}

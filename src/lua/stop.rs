//! Why a workflow has to stop.

use std::time::Duration;

use crate::lua::LostLock;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum Stop {
    #[error("stopped by {}", signal_name(*.0))]
    Signal(usize),
    /// The current piece of work timed out.
    #[error("timed out after {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The whole run timed out.
    #[error("the run timed out after {}", humantime::format_duration(*.0))]
    RunTimeout(Duration),
    /// A lock that it ran under was lost.
    #[error("{0}")]
    LockLost(LostLock),
    /// It needs more memory than this many bytes, counting what the program holds for its scripts.
    #[error("it needs more memory than it may have (--memory {})", .0 >> 20)]
    Memory(u64),
    /// A replay has ended or diverged.
    #[error("the replay ended here")]
    Replayed,
}

fn signal_name(number: usize) -> String {
    let known = i32::try_from(number).ok().and_then(|number| nix::sys::signal::Signal::try_from(number).ok());
    known.map_or_else(|| format!("signal {number}"), |signal| signal.as_str().to_string())
}

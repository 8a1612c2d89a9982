//! Errors of commands and their exit codes.

use crate::store::{EmptyKey, ErrorKind, StoreError};
use crate::tui::TuiError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tui(#[from] TuiError),
    /// The database of a context does not exist.
    #[error("{0}")]
    NoContext(String),
    /// A negative answer without a message.
    #[error("no")]
    Negative,
    /// A negative answer with a message.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    /// A signal stopped the program (exit code 128 + signal number).
    #[error("stopped by signal {signal}")]
    Stopped { signal: usize },
    /// Another exit code, with a message unless it is empty.
    #[error("{message}")]
    Exit { code: u8, message: String },
    /// The output could not be written.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// An operation on a file or a process failed.
    #[error("{what}: {source}")]
    System {
        /// What it failed for.
        what: String,
        source: std::io::Error,
    },
}

impl From<EmptyKey> for CliError {
    fn from(error: EmptyKey) -> CliError {
        StoreError::from(error).into()
    }
}

impl CliError {
    /// 1 negative answer, 2 wrong usage, 3 the database could not be used, 128 + number of the signal that
    /// stopped the program; 0 for a closed pipe.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Store(error) | CliError::Tui(TuiError::Store(error)) => match error.kind {
                ErrorKind::EmptyKey | ErrorKind::EmptyLockName => 2,
                _ if error.is_database_failure() => 3,
                _ => 1,
            },
            CliError::Usage(_) | CliError::Tui(TuiError::NoTerminal(_)) => 2,
            CliError::NoContext(_) => 3,
            CliError::Exit { code, .. } => *code,
            CliError::Stopped { signal } => signal_exit_code(*signal),
            CliError::Tui(TuiError::Stopped(signal)) => {
                signal_exit_code(usize::try_from(*signal).unwrap_or_default())
            }
            // Whoever reads no more has what it wanted.
            CliError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            CliError::Negative
            | CliError::Failed(_)
            | CliError::Tui(_)
            | CliError::Output(_)
            | CliError::System { .. } => 1,
        }
    }
}

/// The exit code of a program stopped by a signal, as in shells.
fn signal_exit_code(signal: usize) -> u8 {
    128 + u8::try_from(signal % 128).unwrap_or_default()
}

//! How a command ends, other than well.

use std::io::ErrorKind;

use super::output;
use crate::store::StoreError;
use crate::tui::TuiError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The store refused, or could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The terminal interface ended early.
    #[error(transparent)]
    Tui(#[from] TuiError),
    /// There is no database where the configuration has it.
    #[error("{0}")]
    NoContext(String),
    /// A plain "no"; the answer says what there is to say.
    #[error("no")]
    Told,
    /// A plain "no", with what to say about it.
    #[error("{0}")]
    No(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A signal asked the program to stop (exit code 128 and the signal's number).
    #[error("stopped by signal {signal}")]
    Stopped {
        /// The signal's number.
        signal: usize,
    },
    /// With this exit code, and what to say about it; nothing if it is empty.
    #[error("{message}")]
    Exit {
        /// The exit code.
        code: u8,
        /// What to say.
        message: String,
    },
    /// The answer could not be written.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// Something around the database failed: a file, a process.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The system's words.
        source: std::io::Error,
    },
}

impl CliError {
    /// 1 a negative answer, 2 wrong usage, 3 the database could not be used, 128 and the number of the
    /// signal that stopped the program; 0 if only nobody reads the answer to its end.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Store(error) | CliError::Tui(TuiError::Store(error)) => match error {
                StoreError::EmptyKey | StoreError::EmptyLockName => 2,
                error if error.is_database_failure() => 3,
                _ => 1,
            },
            CliError::Usage(_) | CliError::Tui(TuiError::NoTerminal(_)) => 2,
            CliError::NoContext(_) => 3,
            CliError::Exit { code, .. } => *code,
            CliError::Stopped { signal } => of_signal(*signal),
            CliError::Tui(TuiError::Stopped(signal)) => {
                of_signal(usize::try_from(*signal).unwrap_or_default())
            }
            // Whoever reads no more has what it wanted.
            CliError::Output(error) if error.kind() == ErrorKind::BrokenPipe => 0,
            CliError::Told
            | CliError::No(_)
            | CliError::Tui(_)
            | CliError::Output(_)
            | CliError::System { .. } => 1,
        }
    }

    /// Says on standard error what went wrong. A reader that has gone away is told nothing.
    pub fn report(&self) {
        match self {
            CliError::Told => {}
            CliError::Exit { message, .. } if message.is_empty() => {}
            CliError::Output(error) if error.kind() == ErrorKind::BrokenPipe => {}
            CliError::Tui(TuiError::Store(StoreError::NotFound { .. })) => {
                output::print_notice(format_args!("{self}; to look around first: slothstate demo"));
            }
            error => output::print_notice(error),
        }
    }
}

/// The exit code of a program that a signal stopped, as shells have it.
fn of_signal(signal: usize) -> u8 {
    128 + u8::try_from(signal % 128).unwrap_or_default()
}

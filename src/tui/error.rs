//! Why the interface could not be opened, or ended early.

use crate::store::StoreError;

/// Why the interface could not be opened, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no terminal, or one that can show nothing but lines.
    #[error(
        "{0}, so that the interface cannot be shown; commands work without a terminal: slothstate keys, \
         slothstate get KEY, slothstate locks, slothstate watch (slothstate --help lists all)"
    )]
    NoTerminal(&'static str),
    /// A signal asked the interface to end.
    #[error("stopped by signal {0}")]
    Stopped(i32),
    /// A part of the program panicked.
    #[error("a part of slothstate failed, which is a mistake in it; what it said stands above")]
    Fault,
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

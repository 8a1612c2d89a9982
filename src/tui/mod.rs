//! The terminal interface.

use std::path::PathBuf;

use crate::store::{Settings, StoreError};

/// What the interface is opened with.
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// How it is opened.
    pub settings: Settings,
}

/// Why the interface could not be opened or ended early.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The terminal.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Runs the interface until the user quits.
pub fn run(_options: Options) -> Result<(), TuiError> {
    todo!()
}

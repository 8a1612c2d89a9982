//! `slothstate run`.

use std::path::PathBuf;

use crate::cli::{Database, Failure};

/// What `run` is called with.
#[derive(clap::Args, Debug)]
pub struct RunArguments {
    /// The workflow
    file: PathBuf,
}

/// Runs a workflow.
pub fn run(_database: &Database, _arguments: &RunArguments) -> Result<(), Failure> {
    todo!()
}

//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::store::{Settings, SqliteStore, StoreError};

mod run;

/// A terminal inspector and editor for workflow state.
#[derive(Parser)]
#[command(name = "slothstate", version)]
struct Cli {
    #[command(flatten)]
    database: Database,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Which database, and how it is opened.
#[derive(clap::Args, Clone, Debug)]
pub struct Database {
    /// The state database [default: ~/.sloth-runner/state.db]
    #[arg(long, value_name = "FILE", global = true, env = "SLOTHSTATE_DB")]
    db: Option<PathBuf>,
    /// Look only: never write, whoever asks
    #[arg(long, global = true)]
    read_only: bool,
}

impl Database {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| {
            directories::BaseDirs::new()
                .map(|dirs| dirs.home_dir().join(".sloth-runner/state.db"))
                .unwrap_or_else(|| PathBuf::from("state.db"))
        })
    }

    /// How it is opened.
    pub fn settings(&self) -> Settings {
        Settings { read_only: self.read_only, ..Settings::default() }
    }

    /// Opens an existing database.
    pub fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.path(), self.settings())
    }

    /// Opens a database that may not exist yet.
    pub fn open_or_create(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_or_create(&self.path(), self.settings())
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run a workflow
    Run(run::RunArguments),
}

/// How a command ended, other than well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database could not be used (exit code 3), or what was asked of it makes no sense (2).
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A plain "no" (exit code 1), with what to say on standard error.
    #[error("{0}")]
    No(String),
    /// Wrong usage (exit code 2).
    #[error("{0}")]
    Usage(String),
    /// A signal asked the program to stop (exit code 128 and the signal's number).
    #[error("stopped by signal {signal}")]
    Stopped {
        /// The signal's number.
        signal: usize,
    },
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::No(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Stopped { signal } => 128 + u8::try_from(*signal).unwrap_or_default() % 128,
            Failure::Store(error) if error.is_database_failure() => 3,
            Failure::Store(_) => 1,
        }
    }
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Run(arguments)) => run::run(&cli.database, &arguments),
        None => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("slothstate: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

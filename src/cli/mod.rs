//! The command line: one file per group of commands, which parses arguments, calls the layers below and
//! prints the answer.
//!
//! It may import every layer. A new command is a file here, a variant of [`CliCommand`] and an arm in
//! `dispatch`; what two commands share goes into `output.rs`, `database.rs` or `confirm.rs`.

mod backup;
mod changes;
mod compact;
mod completions;
mod config;
mod confirm;
mod database;
mod demo;
mod doctor;
mod entries;
mod error;
mod history;
mod keys;
mod lock;
mod lock_guard;
mod locks;
mod log;
mod output;
mod parse;
mod recording;
mod replay;
mod restore;
mod retention;
mod run;
mod runs;
mod signals;
mod sloth_runner_stacks;
pub(crate) mod transfer;
mod undo;
mod unlock;
mod watch;
mod what_if;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use self::database::Database;
pub use self::error::CliError;
use crate::store::{ErrorKind, StoreError, credentials};
use crate::tui::TuiError;
use crate::{atomic_file, tui};

/// See the state that workflows share, live; change it safely; run workflows against it.
///
/// Without a command the terminal interface opens.
#[derive(Parser)]
#[command(name = "slothstate", version, max_term_width = 100, arg_required_else_help = false)]
#[command(after_help = "Exit codes: 0 done; 1 a plain no (no such key, lock held, task failed); \
    2 wrong usage; 3 the database could not be used.")]
struct Cli {
    /// Open the interface as it was left: view, filter and cursor
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    log: log::LogArguments,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Watch live workflows on a throw-away database: a temporary file, or with --db an empty prefix of etcd
    Demo(demo::DemoArguments),
    /// What `demo` starts to look after its workflows, and to tidy up after it
    #[command(hide = true)]
    DemoWorkflows(demo::WorkflowsArguments),
    /// Run a workflow
    Run(run::RunArguments),
    /// Show which workflows ran, when, and how they ended; what was recorded of them
    Runs(runs::RunsArguments),
    /// Run a recorded run once more, on the recorded answers
    Replay(replay::ReplayArguments),
    /// Print the value of a key
    Get(entries::GetArguments),
    /// Set a key to a value
    Set(entries::SetArguments),
    /// Delete keys
    Del(entries::DelArguments),
    /// List keys
    Keys(keys::KeysArguments),
    /// Add to a number
    Incr(entries::IncrArguments),
    /// Show or change when a key expires
    Ttl(entries::TtlArguments),
    /// Turn a flag round, keeping its type and spelling
    Toggle(entries::ToggleArguments),
    /// Run a command while a lock is held
    Lock(lock::LockArguments),
    /// Show who holds which lock, and whether that process lives
    Locks(locks::LocksArguments),
    /// Clear a lock whose holder is gone
    Unlock(unlock::UnlockArguments),
    /// Show what was changed, by whom, newest first
    History(history::HistoryArguments),
    /// Show what differs between two states of the past, or one and now
    Diff(history::DiffArguments),
    /// Print each change as it is committed, as JSON lines
    Watch(watch::WatchArguments),
    /// Take a change back
    Undo(undo::UndoArguments),
    /// Show or change how much history is kept
    Retention(retention::RetentionArguments),
    /// Show figures about the database
    Stats(entries::StatsArguments),
    /// Look for what is wrong with the database and around it, and tell what to do about it
    Doctor(doctor::DoctorArguments),
    /// Bring entries and locks over from another file, or a prefix of etcd
    Import(transfer::ImportArguments),
    /// Write all there is as lines of JSON, to be imported elsewhere
    Export(transfer::ExportArguments),
    /// Copy the database as it is at one moment, while others go on writing
    ///
    /// To go back to it: slothstate restore FILE
    Backup(backup::BackupArguments),
    /// Free unused space in the database file; writers wait until it is done
    Compact(compact::CompactArguments),
    /// Replace the database by a backup, also while others have it open
    ///
    /// All that was written since the backup is gone then; the state before is kept beside the database, as
    /// FILE.before-restore. Programs of slothstate that have the database open notice: the interface reads it
    /// again, watch prints a line, a run writes nothing more and fails. Locks are not restored.
    Restore(restore::RestoreArguments),
    /// Show the configuration, and what is wrong with it
    Config(config::ConfigArguments),
    /// Print a shell's completions for slothstate
    Completions(completions::CompletionsArguments),
    /// Print the manual page
    Man,
}

impl CliCommand {
    /// Whether it ends in its own way when a signal asks it to.
    fn handles_signals(&self) -> bool {
        use CliCommand::{Demo, DemoWorkflows, Replay, Run, Watch};
        matches!(self, Demo(_) | DemoWorkflows(_) | Run(_) | Replay(_) | Watch(_))
    }
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    signals::settle();
    // Nothing has started a thread yet, nor a command that would inherit it.
    credentials::take_from_environment();
    let cli: Cli = match parse::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    cli.database.warn_of_password();
    let done = dispatch(&cli).map_err(|error| cli.database.with_context_hint(error));
    // A thread of the interface may be writing a file while the program ends.
    atomic_file::remove_all();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints an error on standard error; nothing for a closed pipe.
fn report(error: &CliError) {
    match error {
        CliError::Negative => {}
        CliError::Exit { message, .. } if message.is_empty() => {}
        CliError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        CliError::Tui(TuiError::Store(StoreError { kind: ErrorKind::NotFound, .. })) => {
            output::print_notice(format_args!("{error}; to look around first: slothstate demo"));
        }
        error => output::print_notice(error),
    }
}

fn dispatch(cli: &Cli) -> Result<(), CliError> {
    cli.log.begin()?;
    cli.database.receive_password()?;
    if !cli.command.as_ref().is_none_or(CliCommand::handles_signals) {
        atomic_file::remove_on_signals();
    }
    let database = &cli.database;
    match &cli.command {
        None => Ok(tui::run(tui::TuiOptions {
            location: database.location()?,
            settings: database.settings(),
            known: database.known().cloned(),
            read_only: database.is_read_only(),
            resume: cli.resume || database.config().resume,
            config: database.config().clone(),
        })?),
        Some(CliCommand::Demo(arguments)) => demo::demo(database, arguments),
        Some(CliCommand::DemoWorkflows(arguments)) => demo::run_workflows(database, arguments),
        Some(CliCommand::Run(arguments)) => run::run(database, arguments),
        Some(CliCommand::Runs(arguments)) => runs::runs(database, arguments),
        Some(CliCommand::Replay(arguments)) => replay::replay(database, arguments),
        Some(CliCommand::Get(arguments)) => entries::get(database, arguments),
        Some(CliCommand::Set(arguments)) => entries::set(database, arguments),
        Some(CliCommand::Del(arguments)) => entries::del(database, arguments),
        Some(CliCommand::Keys(arguments)) => keys::keys(database, arguments),
        Some(CliCommand::Incr(arguments)) => entries::incr(database, arguments),
        Some(CliCommand::Ttl(arguments)) => entries::ttl(database, arguments),
        Some(CliCommand::Toggle(arguments)) => entries::toggle(database, arguments),
        Some(CliCommand::Lock(arguments)) => lock::lock(database, arguments),
        Some(CliCommand::Locks(arguments)) => locks::locks(database, arguments),
        Some(CliCommand::Unlock(arguments)) => unlock::unlock(database, arguments),
        Some(CliCommand::History(arguments)) => history::history(database, arguments),
        Some(CliCommand::Diff(arguments)) => history::diff(database, arguments),
        Some(CliCommand::Watch(arguments)) => watch::watch(database, arguments),
        Some(CliCommand::Undo(arguments)) => undo::undo(database, arguments),
        Some(CliCommand::Retention(arguments)) => retention::retention(database, arguments),
        Some(CliCommand::Stats(arguments)) => entries::stats(database, arguments),
        Some(CliCommand::Doctor(arguments)) => doctor::doctor(database, arguments),
        Some(CliCommand::Import(arguments)) => transfer::import(database, arguments),
        Some(CliCommand::Export(arguments)) => transfer::export(database, arguments),
        Some(CliCommand::Backup(arguments)) => backup::backup(database, arguments),
        Some(CliCommand::Compact(arguments)) => compact::compact(database, arguments),
        Some(CliCommand::Restore(arguments)) => restore::restore(database, arguments),
        Some(CliCommand::Config(arguments)) => config::config(database, arguments),
        Some(CliCommand::Completions(arguments)) => completions::completions(arguments, &Cli::command()),
        Some(CliCommand::Man) => completions::man(&Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_put_together_soundly() {
        Cli::command().debug_assert();
    }
}

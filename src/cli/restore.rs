//! `restore`.

use std::cell::RefCell;

use serde_json::json;

use super::confirm::{self, Reversible};
use super::{CliError, Database, output};
use crate::store::time_point::show_time;
use crate::store::{
    Contents, Liveness, Lock, Present, Process, RestorePlan, Run, plan_restore, restore as restore_backup,
};
use crate::text::escape::escape;

/// Arguments of `restore`.
#[derive(clap::Args, Debug)]
pub struct RestoreArguments {
    /// The backup, which stays as it is
    backup: std::path::PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also while locks are held or runs are running, also from a backup of another database, and
    /// also over a file that cannot be read
    #[arg(long)]
    force: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

pub fn restore(database: &Database, arguments: &RestoreArguments) -> Result<(), CliError> {
    let (location, settings) = (database.location()?, database.settings());
    let plan = plan_restore(&location, &arguments.backup, &settings)?;
    let shown = |path: &std::path::Path| escape(path.as_os_str().as_encoded_bytes());
    let (target, backup) = (location.to_string(), shown(&arguments.backup));
    let obstacles = |present: &Present| obstacles(present, settings.clock.now());
    let refuse = |found: &[String]| {
        let why = found.join("; ");
        CliError::Failed(format!("{target} was not restored: {why}; --force restores it all the same"))
    };
    let known = obstacles(&plan.present);
    if !arguments.force && !known.is_empty() {
        return Err(refuse(&known));
    }
    if !arguments.yes {
        for obstacle in &known {
            output::print_notice(obstacle);
        }
        confirm_first(database, &target, &backup, &plan)?;
    }
    // While it was asked, or the copy was made, somebody may have acquired a lock or started a run.
    let found = RefCell::new(Vec::new());
    let accept = |present: &Present| {
        *found.borrow_mut() = if arguments.force { Vec::new() } else { obstacles(present) };
        found.borrow().is_empty()
    };
    let Some(restored) = restore_backup(&location, &arguments.backup, &settings, &plan, &accept)? else {
        return Err(refuse(&found.take()));
    };
    let kept = restored.kept.as_deref().map(shown);
    if arguments.json {
        return output::json(&json!({
            "file": target,
            "backup": backup,
            "kept": kept,
            "entries": plan.contents.entries,
            "database": restored.identity.database,
            "epoch": restored.identity.epoch,
            "revision": restored.identity.revision.0,
        }));
    }
    let entries = entries(&plan.contents);
    let kept = kept.map_or(String::new(), |kept| format!("; the state before is kept as {kept}"));
    output::line(format!("restored {target} from {backup}: {entries}{kept}").as_bytes())
}

fn entries(contents: &Contents) -> String {
    match contents.entries {
        1 => "1 entry".into(),
        count => format!("{count} entries"),
    }
}

fn describe(contents: &Contents) -> String {
    let newest = contents
        .newest
        .map_or(String::new(), |(revision, at)| format!(", revision {revision} of {}", show_time(at)));
    format!("{}{newest}", entries(contents))
}

/// The reasons to refuse without `--force`.
fn obstacles(present: &Present, now: crate::time::Millis) -> Vec<String> {
    let here = Process::current();
    match present {
        Present::Nothing => Vec::new(),
        Present::Unusable(why) => {
            vec![format!(
                "it cannot be read ({why}), so it is not known whether locks are held or runs are running"
            )]
        }
        Present::Database { locks, runs, is_other, .. } => {
            let is_held = |lock: &&Lock| !lock.is_stale(lock.liveness(&here), now);
            let locks = locks.iter().filter(is_held).map(|lock| {
                format!("lock {} is held by {}", escape(lock.name.as_bytes()), escape(lock.holder.as_bytes()))
            });
            let runs = runs.iter().filter(|run| is_running(run, &here)).map(|run| {
                format!("run {} ({}) is running", run.number, escape(run.new.workflow.as_bytes()))
            });
            let other = is_other.then(|| "the backup is of another database".to_string());
            locks.chain(runs).chain(other).collect()
        }
    }
}

/// Whether the process of a run is known to live. Most runs whose process cannot be seen ended long ago.
fn is_running(run: &Run, here: &Process) -> bool {
    matches!(run.liveness(here), Liveness::Alive | Liveness::Stopped)
}

fn confirm_first(
    database: &Database,
    target: &str,
    backup: &str,
    plan: &RestorePlan,
) -> Result<(), CliError> {
    if !confirm::can_ask() {
        return Err(CliError::Usage(format!(
            "{target} was not restored: standard input is not a terminal, so it cannot ask; use --yes to restore without a question"
        )));
    }
    let with = format!("{backup} ({})", describe(&plan.contents));
    let question = match &plan.present {
        Present::Nothing => format!("make {target} from {with}?"),
        Present::Database { contents, .. } => format!("replace {target} ({}) by {with}?", describe(contents)),
        Present::Unusable(_) => format!("replace {target}, which cannot be read, by {with}?"),
    };
    confirm::ask(database, &question, Reversible::No)
}

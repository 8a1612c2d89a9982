//! Sloth Runner's runs and locks of stacks, beside ours in `runs`, `locks` and `unlock`.

use serde_json::{Value as Json, json};

use super::confirm::{Reversible, confirm};
use super::{CliError, Database, output};
use crate::store::time_point::show_time;
use crate::store::{StackLock, StackRun, Stacks, Store};
use crate::text::duration::{show_duration, show_short_span};
use crate::text::escape::escape;
use crate::time::Millis;

/// The actor shown for Sloth Runner's own runs and locks.
const SLOTH_RUNNER: &str = "sloth-runner";

/// Sloth Runner's runs and locks from beside the database; a read error is reported as a notice.
pub fn stacks(store: &dyn Store) -> Stacks {
    store.stacks().unwrap_or_else(|error| {
        output::print_notice(format_args!("Sloth Runner's runs and stack locks are not shown: {error}"));
        Stacks::default()
    })
}

pub fn run_to_row(run: &StackRun) -> [String; 7] {
    let error = run.error.as_ref().map_or(String::new(), |error| format!(": {}", escape(error.as_bytes())));
    [
        format!("stack {}", run.number),
        escape(run.status.as_bytes()),
        escape(run.stack.as_bytes()),
        run.began_at.map_or("-".into(), show_time),
        run.duration().map_or("-".into(), show_short_span),
        run.tasks_in_words().unwrap_or_else(|| "-".into()),
        format!("{SLOTH_RUNNER}{error}"),
    ]
}

/// The same as JSON.
pub fn run_to_json(run: &StackRun) -> Json {
    json!({
        "run": null,
        "source": SLOTH_RUNNER,
        "stack_run": run.number,
        "status": run.status,
        "workflow": run.stack,
        "file": run.file,
        "recorded": false,
        "began_at": run.began_at.map(|at| at.to_string()),
        "ended_at": run.ended_at.map(|at| at.to_string()),
        "took_ms": run.duration().map(|duration| duration.as_millis() as u64),
        "tasks": run.tasks,
        "ok": run.ok,
        "failed": run.failed,
        "error": run.error,
    })
}

pub fn lock_to_row(lock: &StackLock, now: Millis) -> [String; 8] {
    let none = || String::from("-");
    [
        escape(lock.name().as_bytes()),
        escape(lock.who.as_bytes()),
        "unknown".into(),
        lock.acquired_at.map_or_else(none, |at| show_duration(now.since(at))),
        match lock.expires_at {
            None => none(),
            Some(_) if lock.is_expired(now) => "expired".into(),
            Some(at) => show_duration(at.since(now)),
        },
        none(),
        format!("{SLOTH_RUNNER} ({})", escape(lock.operation.as_bytes())),
        none(),
    ]
}

/// The same as JSON.
pub fn lock_to_json(lock: &StackLock, now: Millis) -> Json {
    json!({
        "name": lock.name(),
        "source": SLOTH_RUNNER,
        "stack": lock.stack,
        "holder": lock.who,
        "operation": lock.operation,
        "state": "unknown",
        "expired": lock.expires_at.map(|at| at <= now),
        "held_ms": lock.acquired_at.map(|at| now.since(at).as_millis() as u64),
        "lease_ms": lock.expires_at.map(|at| at.since(now).as_millis() as u64),
        "acquired_at": lock.acquired_at.map(|at| at.to_string()),
        "expires_at": lock.expires_at.map(|at| at.to_string()),
    })
}

/// Clears the lock on a stack, named as `locks` shows it, if it expired or `force` is given; in a dry run it
/// stays. Returns the lock
/// and the message to print, or `None` if the stack has no such lock.
pub fn unlock(
    database: &Database,
    store: &dyn Store,
    name: &str,
    force: bool,
    is_answered: bool,
    is_dry_run: bool,
) -> Result<Option<(StackLock, String)>, CliError> {
    let Some(lock) = stacks(store).locks.into_iter().find(|lock| lock.name() == name) else {
        return Ok(None);
    };
    let now = store.clock().now();
    let (shown, who) = (escape(name.as_bytes()), escape(lock.who.as_bytes()));
    if !force && !lock.is_expired(now) {
        return Err(CliError::Failed(format!(
            "{shown} was not cleared: {who} holds it, and whether that process is alive is unknown; --force clears \
             it anyway"
        )));
    }
    let held = lock.acquired_at.map_or(String::new(), |at| format!(" for {}", show_duration(now.since(at))));
    let expired = if lock.is_expired(now) { ", expired" } else { "" };
    let details = format!("Sloth Runner's lock {shown}: {who} (unknown{expired}) had held it{held}");
    if is_dry_run {
        return Ok(Some((lock, format!("would clear {details}"))));
    }
    if force {
        let question = format!("Clear Sloth Runner's lock {shown}, held by {who} (unknown)?");
        confirm(database, &question, Reversible::No, is_answered)?;
    }
    if !store.clear_stack_lock(&lock)? {
        return Err(CliError::Failed(format!("{shown} was not cleared: it has changed in the meantime")));
    }
    Ok(Some((lock, format!("cleared {details}"))))
}

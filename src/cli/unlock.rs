//! `unlock`.

use serde_json::json;

use super::confirm::{Reversible, confirm};
use super::database::print_notices;
use super::{CliError, Database, output, sloth_runner_stacks};
use crate::store::secret_keys::MASK;
use crate::store::{
    ClearOutcome, Condition, Key, Liveness, Lock, Process, Store, Transaction, kind_inference,
};
use crate::text::duration::show_duration;
use crate::text::escape::escape;

/// Arguments of `unlock`.
#[derive(clap::Args, Debug)]
pub struct UnlockArguments {
    /// The lock, or the key that is used as one
    name: String,
    /// Clear it even if the holder is alive, or cannot be seen from here
    #[arg(long)]
    force: bool,
    /// Only if the lock has this token, as `locks` shows it
    #[arg(long)]
    token: Option<i64>,
    /// With --force in a production context: do not ask
    #[arg(long)]
    yes: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Clears a lock if it is stale and unchanged since it was read.
pub fn unlock(database: &Database, arguments: &UnlockArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let name = escape(arguments.name.as_bytes());
    let Some(lock) = store.lock(&arguments.name)? else {
        return unlock_key(database, &*store, arguments);
    };
    let now = store.clock().now();
    let here = Process::current();
    let holder = escape(lock.holder.as_bytes());
    if let Some(token) = arguments.token
        && token != lock.token.0.0
    {
        return Err(CliError::Failed(format!(
            "lock {name} was not cleared: it has token {} by now, not {token}; {holder} holds it",
            lock.token
        )));
    }
    let state = store.holder_liveness(&lock, &here);
    if !arguments.force && !lock.is_stale(state, now) {
        return Err(CliError::Failed(format!(
            "lock {name} was not cleared: its holder {holder} {}; --force clears it anyway",
            refusal(&lock, state)
        )));
    }
    if arguments.force {
        let question = format!("Clear lock {name}, held by {holder} ({})?", state.name());
        confirm(database, &question, Reversible::No, arguments.yes)?;
    }
    let clearing = store.clear_lock(&lock)?;
    print_notices(&*store);
    let message = match clearing {
        ClearOutcome::Cleared => {
            let held =
                lock.acquired_at.map_or(String::new(), |at| format!(" for {}", show_duration(now.since(at))));
            let expired = if lock.is_expired(now) { ", lease expired" } else { "" };
            format!(
                "cleared lock {name}: {holder} ({}{expired}) had held it{held}, token {}",
                state.name(),
                lock.token
            )
        }
        ClearOutcome::AlreadyGone => format!("lock {name} was released by its holder in the meantime"),
        ClearOutcome::Changed(new) => {
            return Err(CliError::Failed(format!(
                "lock {name} was not cleared: {} has taken it in the meantime (token {})",
                escape(new.holder.as_bytes()),
                new.token
            )));
        }
    };
    report(arguments, &lock.holder, &message)
}

/// Why a lock must not be cleared without `--force`: the predicate of a sentence about its holder.
fn refusal(lock: &Lock, state: Liveness) -> &'static str {
    match state {
        Liveness::Alive => "is alive",
        Liveness::Stopped => "is stopped, and goes on with the lock when it is continued",
        Liveness::Elsewhere => "is on another host or in another container, where it may be alive",
        Liveness::Unknown if lock.process.is_none() => "is another program, which may be alive",
        Liveness::Unknown => "cannot be seen from here, and may be alive",
        Liveness::Dead => "is dead",
    }
}

fn unlock_key(database: &Database, store: &dyn Store, arguments: &UnlockArguments) -> Result<(), CliError> {
    let name = escape(arguments.name.as_bytes());
    let none = || CliError::Failed(format!("there is no lock {name}"));
    let of_stack =
        sloth_runner_stacks::unlock(database, store, &arguments.name, arguments.force, arguments.yes)?;
    if let Some((lock, message)) = of_stack {
        return report(arguments, &lock.who, &message);
    }
    let key = Key::new(&arguments.name).map_err(|_| none())?;
    let entry = store.get(&key)?.filter(kind_inference::is_used_as_lock).ok_or_else(none)?;
    let holder = match database.secrets().hides(&entry.key) {
        true => MASK.into(),
        false => kind_inference::holder_in(&entry),
    };
    let shown = escape(holder.as_bytes());
    if !arguments.force {
        return Err(CliError::Failed(format!(
            "{name} is a key used as a lock, and whether {shown} lives cannot be told; --force deletes the key"
        )));
    }
    let question = format!("Delete key {name}, used as a lock by {shown}?");
    confirm(database, &question, Reversible::Yes, arguments.yes)?;
    let delete = Transaction::delete(key).when(Condition::Unchanged(Box::new(entry)));
    let outcome = store.commit(&delete)?;
    print_notices(store);
    if !outcome.is_committed() {
        return Err(CliError::Failed(format!("{name} was not deleted: it has changed in the meantime")));
    }
    report(arguments, &holder, &format!("deleted key {name}, used as a lock: {shown} had held it"))
}

fn report(arguments: &UnlockArguments, holder: &str, message: &str) -> Result<(), CliError> {
    if arguments.json {
        return output::json(&json!({ "name": arguments.name, "holder": holder, "done": message }));
    }
    output::line(message.as_bytes())
}

//! `locks` and `unlock`.

use serde_json::json;

use super::confirm::{Reversible, confirm};
use super::database::print_notices;
use super::{CliError, Database, output, sloth_runner_stacks};
use crate::store::secret_keys::MASK;
use crate::store::{
    ClearOutcome, Condition, Entry, Key, KeyRange, Liveness, Lock, Process, Scan, Store, Transaction, Waiter,
    all_locks, key_pages, kind_inference,
};
use crate::text::duration::show_duration;
use crate::text::escape::escape;
use crate::time::Millis;

/// Arguments of `locks`.
#[derive(clap::Args, Debug)]
pub struct LocksArguments {
    /// Print a JSON object a lock
    #[arg(long)]
    json: bool,
}

/// Lists locks and the keys that are used as locks.
pub fn locks(database: &Database, arguments: &LocksArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let here = Process::current();
    let liveness = |lock: &Lock| store.holder_liveness(lock, &here);
    let now = store.clock().now();
    let locks = all_locks(&*store)?;
    let waiters = store.waiters()?;
    let secrets = database.secrets();
    let holder_in = |entry: &Entry| match secrets.hides(&entry.key) {
        true => MASK.into(),
        false => kind_inference::holder_in(entry),
    };
    let keys = keys_used_as_locks(&*store)?;
    let of_stacks = sloth_runner_stacks::stacks(&*store).locks;
    if arguments.json {
        for lock in &locks {
            output::json(&lock_to_json(lock, &waiters, liveness(lock), now))?;
        }
        for entry in &keys {
            output::json(&json!({
                "name": entry.key.to_text(), "holder": holder_in(entry), "state": "key",
                "revision": entry.revision, "held_ms": entry.modified_at.map(|at| now.since(at).as_millis() as u64),
            }))?;
        }
        return of_stacks
            .iter()
            .try_for_each(|lock| output::json(&sloth_runner_stacks::lock_to_json(lock, now)));
    }
    let mut rows =
        vec![["NAME", "HOLDER", "STATE", "HELD", "LEASE", "TOKEN", "TAKEN BY", "WAITING"].map(String::from)];
    rows.extend(locks.iter().map(|lock| lock_to_row(lock, &waiters, liveness(lock), now)));
    rows.extend(keys.iter().map(|entry| key_to_row(entry, &holder_in(entry), now)));
    rows.extend(of_stacks.iter().map(|lock| sloth_runner_stacks::lock_to_row(lock, now)));
    output::table(&rows)
}

fn keys_used_as_locks(store: &dyn Store) -> Result<Vec<Entry>, CliError> {
    const PAGE: usize = 5000;
    /// The bytes of a value that are searched for a holder.
    const VALUE_LIMIT: u64 = 4096;
    let mut found = Vec::new();
    for page in key_pages(store, Scan::new(KeyRange::all(), PAGE)) {
        for key in page?.iter().filter(|key| store.kinds().may_be_lock(key)) {
            found.extend(store.get_prefix(key, VALUE_LIMIT)?.filter(kind_inference::is_used_as_lock));
        }
    }
    Ok(found)
}

fn lock_to_json(lock: &Lock, waiters: &[Waiter], liveness: Liveness, now: Millis) -> serde_json::Value {
    let waiting: Vec<&str> = waiting_for(lock, waiters).map(|waiter| waiter.holder.as_str()).collect();
    json!({
        "name": lock.name,
        "holder": lock.holder,
        "state": liveness.name(),
        "expired": lock.expires_at.map(|at| at <= now),
        "token": lock.token,
        "held_ms": lock.acquired_at.map(|at| now.since(at).as_millis() as u64),
        "lease_ms": lock.expires_at.map(|at| at.since(now).as_millis() as u64),
        "acquired_at": lock.acquired_at.map(|at| at.to_string()),
        "expires_at": lock.expires_at.map(|at| at.to_string()),
        "process": lock.process,
        "actor": lock.actor.as_ref().map(ToString::to_string),
        "waiting": waiting,
    })
}

fn waiting_for<'a>(lock: &'a Lock, waiters: &'a [Waiter]) -> impl Iterator<Item = &'a Waiter> {
    waiters.iter().filter(|waiter| waiter.lock == lock.name)
}

fn lock_to_row(lock: &Lock, waiters: &[Waiter], liveness: Liveness, now: Millis) -> [String; 8] {
    [
        escape(lock.name.as_bytes()),
        escape(lock.holder.as_bytes()),
        liveness.name().into(),
        lock.acquired_at.map_or("-".into(), |at| show_duration(now.since(at))),
        match lock.expires_at {
            None => "-".into(),
            Some(_) if lock.is_expired(now) => "expired".into(),
            Some(at) => show_duration(at.since(now)),
        },
        lock.token.to_string(),
        taken_by(lock),
        waiting_in_words(lock, waiters),
    ]
}

fn key_to_row(entry: &Entry, holder: &str, now: Millis) -> [String; 8] {
    let none = || String::from("-");
    [
        entry.key.to_string(),
        escape(holder.as_bytes()),
        "key".into(),
        entry.modified_at.map_or_else(none, |at| show_duration(now.since(at))),
        entry.time_to_live(now).map_or_else(none, show_duration),
        none(),
        entry.actor.as_ref().map_or_else(none, |actor| escape(actor.to_string().as_bytes())),
        none(),
    ]
}

/// The process that acquired a lock, with its run and task; unknown for another program.
fn taken_by(lock: &Lock) -> String {
    match (&lock.actor, &lock.process) {
        (Some(actor), _) => escape(actor.to_string().as_bytes()),
        (None, Some(process)) => escape(format!("{}:{}", process.host, process.pid).as_bytes()),
        (None, None) => "-".into(),
    }
}

/// The number of waiters and the next one in the queue.
fn waiting_in_words(lock: &Lock, waiters: &[Waiter]) -> String {
    /// The most names that a message lists.
    const NAMED: usize = 3;
    let names: Vec<String> =
        waiting_for(lock, waiters).map(|waiter| escape(waiter.holder.as_bytes())).collect();
    match names.len() {
        0 => "0".into(),
        count if count <= NAMED => format!("{count}: {}", names.join(", ")),
        count => format!("{count}: {}, …", names[..NAMED].join(", ")),
    }
}

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

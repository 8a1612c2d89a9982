//! `unlock`.

use serde_json::json;

use super::confirm::{Reversible, confirm};
use super::database::print_notices;
use super::locks::NameGlob;
use super::{CliError, Database, output, sloth_runner_stacks};
use crate::store::secret_keys::MASK;
use crate::store::{
    ClearOutcome, Condition, Key, Liveness, Lock, LockReading, Process, Store, Transaction, all_locks,
    kind_inference,
};
use crate::text::duration::show_duration;
use crate::text::escape::escape;

/// Arguments of `unlock`.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("which").args(["names", "dead", "name_glob"]).required(true).multiple(true)))]
pub struct UnlockArguments {
    /// The locks, or keys that are used as locks
    #[arg(value_name = "NAME", conflicts_with_all = ["dead", "name_glob"])]
    names: Vec<String>,
    /// All locks whose holder is dead
    #[arg(long, conflicts_with = "force")]
    dead: bool,
    /// All locks whose name matches this glob; with --dead, those of them whose holder is dead
    #[arg(long = "match", value_name = "GLOB", value_parser = NameGlob::parse)]
    name_glob: Option<NameGlob>,
    /// Clear them even if the holder is alive, or cannot be seen from here
    #[arg(long)]
    force: bool,
    /// Only if the lock has this token, as `locks` shows it
    #[arg(long, conflicts_with_all = ["dead", "name_glob"])]
    token: Option<i64>,
    /// Print what would be cleared, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// With --force in a production context: do not ask
    #[arg(long)]
    yes: bool,
    /// Print the result as a JSON object, one per lock
    #[arg(long)]
    json: bool,
}

/// Clears locks that are stale and unchanged since they were read.
pub fn unlock(database: &Database, arguments: &UnlockArguments) -> Result<(), CliError> {
    if arguments.token.is_some() && arguments.names.len() > 1 {
        return Err(CliError::Usage("--token is the token of one lock".into()));
    }
    let store = database.open()?;
    let command = Unlocking { database, store: &*store, arguments, here: Process::current() };
    let locks = command.chosen()?;
    if locks.is_empty() && arguments.names.is_empty() {
        output::print_notice(if arguments.dead {
            "no lock has a holder that is known to be dead"
        } else {
            "no lock matches"
        });
        return Ok(());
    }
    // One question for all of them.
    if arguments.force && !arguments.dry_run {
        command.confirm(&locks)?;
    }
    let mut refused = Vec::new();
    for (lock, _) in &locks {
        refused.extend(command.clear(lock).map(|()| None).or_else(continue_after)?);
    }
    for (place, name) in arguments.names.iter().enumerate() {
        let is_first = !arguments.names[..place].contains(name);
        if is_first && locks.iter().all(|(lock, _)| lock.name != *name) {
            refused.extend(command.clear_key(name).map(|()| None).or_else(continue_after)?);
        }
    }
    match &refused[..] {
        [] => Ok(()),
        [only] => Err(CliError::Failed(only.clone())),
        several => Err(CliError::Failed(several.join("\n"))),
    }
}

/// Why a lock was not cleared that somebody else has acquired since it was read.
fn taken(name: &str, new: &Lock) -> CliError {
    let holder = escape(new.holder.as_bytes());
    CliError::Failed(format!(
        "lock {name} was not cleared: {holder} has taken it in the meantime (token {})",
        new.token
    ))
}

/// The message of a refusal, after which the other locks are still cleared.
///
/// # Errors
/// Any other error.
fn continue_after(error: CliError) -> Result<Option<String>, CliError> {
    match error {
        CliError::Failed(message) => Ok(Some(message)),
        other => Err(other),
    }
}

struct Unlocking<'a> {
    database: &'a Database,
    store: &'a dyn Store,
    arguments: &'a UnlockArguments,
    here: Process,
}

impl Unlocking<'_> {
    /// The locks that the arguments name, with the states of their holders.
    fn chosen(&self) -> Result<Vec<(Lock, Liveness)>, CliError> {
        let UnlockArguments { names, dead, name_glob, .. } = self.arguments;
        let mut locks = Vec::new();
        if names.is_empty() {
            let matches = |lock: &Lock| name_glob.as_ref().is_none_or(|glob| glob.matches(&lock.name));
            locks.extend(all_locks(self.store)?.into_iter().filter(matches));
        }
        for (place, name) in names.iter().enumerate() {
            if !names[..place].contains(name) {
                locks.extend(self.store.lock(name)?);
            }
        }
        let with_state = |lock: Lock| {
            let state = self.store.holder_liveness(&lock, &self.here);
            (lock, state)
        };
        let mut locks: Vec<(Lock, Liveness)> = locks.into_iter().map(with_state).collect();
        locks.retain(|(_, state)| !dead || *state == Liveness::Dead);
        Ok(locks)
    }

    fn confirm(&self, locks: &[(Lock, Liveness)]) -> Result<(), CliError> {
        let question = match locks {
            [] => return Ok(()),
            [(lock, state)] => {
                let [name, holder] = [&lock.name, &lock.holder].map(|text| escape(text.as_bytes()));
                format!("Clear lock {name}, held by {holder} ({})?", state.name())
            }
            several => {
                let dead = several.iter().filter(|(_, state)| *state == Liveness::Dead).count();
                format!("Clear {} locks, {dead} of them with a dead holder?", several.len())
            }
        };
        confirm(self.database, &question, Reversible::No, self.arguments.yes)
    }

    /// Clears one lock. It is read again: its holder may have renewed the lease while others were cleared.
    fn clear(&self, seen: &Lock) -> Result<(), CliError> {
        let UnlockArguments { token, force, dry_run, .. } = self.arguments;
        let (name, holder) = (escape(seen.name.as_bytes()), escape(seen.holder.as_bytes()));
        let gone = || format!("lock {name} is not held any more: it was released or cleared in the meantime");
        let lock = match self.store.lock(&seen.name)? {
            None => return self.report(&seen.name, &seen.holder, &gone()),
            Some(lock) if lock.token != seen.token => return Err(taken(&name, &lock)),
            Some(lock) => lock,
        };
        let state = self.store.holder_liveness(&lock, &self.here);
        let now = self.store.clock().now();
        if let Some(token) = token
            && *token != lock.token.0.0
        {
            return Err(CliError::Failed(format!(
                "lock {name} was not cleared: it has token {}, not {token}; {holder} holds it",
                lock.token
            )));
        }
        if !force && !lock.is_stale(state, now) {
            return Err(CliError::Failed(format!(
                "lock {name} was not cleared: its holder {holder} {}; --force clears it anyway",
                refusal(&lock, state)
            )));
        }
        let held =
            lock.acquired_at.map_or(String::new(), |at| format!(" for {}", show_duration(now.since(at))));
        let expired = if lock.is_expired(now) { ", lease expired" } else { "" };
        let details = format!("{holder} ({}{expired}) had held it{held}, token {}", state.name(), lock.token);
        if *dry_run {
            return self.report(&lock.name, &lock.holder, &format!("would clear lock {name}: {details}"));
        }
        let clearing = self.store.clear_lock(&lock)?;
        print_notices(self.store);
        let message = match clearing {
            ClearOutcome::Cleared => format!("cleared lock {name}: {details}"),
            ClearOutcome::AlreadyGone => gone(),
            ClearOutcome::Changed(new) => return Err(taken(&name, &new)),
        };
        self.report(&lock.name, &lock.holder, &message)
    }

    /// Clears a lock of Sloth Runner's, or deletes a key that is used as a lock.
    fn clear_key(&self, name: &str) -> Result<(), CliError> {
        let UnlockArguments { force, dry_run, yes, .. } = self.arguments;
        let shown_name = escape(name.as_bytes());
        let none = || CliError::Failed(format!("there is no lock {shown_name}"));
        let of_stack = sloth_runner_stacks::unlock(self.database, self.store, name, *force, *yes, *dry_run)?;
        if let Some((lock, message)) = of_stack {
            return self.report(name, &lock.who, &message);
        }
        let key = Key::new(name).map_err(|_| none())?;
        let entry = self.store.get(&key)?.filter(kind_inference::is_used_as_lock).ok_or_else(none)?;
        let holder = match self.database.secrets().hides(&entry.key) {
            true => MASK.into(),
            false => kind_inference::holder_in(&entry),
        };
        let shown = escape(holder.as_bytes());
        if !force {
            return Err(CliError::Failed(format!(
                "{shown_name} is a key used as a lock, and whether {shown} lives cannot be told; --force deletes the key"
            )));
        }
        if *dry_run {
            let message = format!("would delete key {shown_name}, used as a lock: {shown} has held it");
            return self.report(name, &holder, &message);
        }
        let question = format!("Delete key {shown_name}, used as a lock by {shown}?");
        confirm(self.database, &question, Reversible::Yes, *yes)?;
        let delete = Transaction::delete(key).when(Condition::Unchanged(Box::new(entry)));
        let outcome = self.store.commit(&delete)?;
        print_notices(self.store);
        if !outcome.is_committed() {
            return Err(CliError::Failed(format!(
                "{shown_name} was not deleted: it has changed in the meantime"
            )));
        }
        let message = format!("deleted key {shown_name}, used as a lock: {shown} had held it");
        self.report(name, &holder, &message)
    }

    fn report(&self, name: &str, holder: &str, message: &str) -> Result<(), CliError> {
        if self.arguments.json {
            let mut object = json!({ "name": name, "holder": holder, "done": message });
            if self.arguments.dry_run {
                object["dry_run"] = true.into();
            }
            return output::json(&object);
        }
        output::line(message.as_bytes())
    }
}

/// Why a lock must not be cleared without `--force`: the predicate of a sentence about its holder.
fn refusal(lock: &Lock, state: Liveness) -> &'static str {
    match state {
        Liveness::Alive => "is alive",
        Liveness::Stopped => "is stopped, and goes on with the lock when it is continued",
        Liveness::Elsewhere => "is on another host or in another container, where it may be alive",
        Liveness::Unknown if lock.reading == LockReading::Unreadable => "may be alive",
        Liveness::Unknown if lock.process.is_none() => "is another program, which may be alive",
        Liveness::Unknown => "cannot be seen from here, and may be alive",
        Liveness::Dead => "is dead",
    }
}

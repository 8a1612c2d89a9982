//! `locks`.

use serde_json::json;

use super::{CliError, Database, output, sloth_runner_stacks};
use crate::store::secret_keys::MASK;
use crate::store::{
    Entry, Key, KeyRange, Liveness, Lock, LockReading, Pattern, Process, Scan, Store, Waiter, all_locks,
    key_pages, kind_inference,
};
use crate::text::duration::show_duration;
use crate::text::escape::escape;
use crate::time::Millis;

/// Arguments of `locks`.
#[derive(clap::Args, Debug)]
pub struct LocksArguments {
    /// Only locks whose holder is in one of these states; `key` stands for keys that are used as locks
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = STATES)]
    state: Vec<String>,
    /// Only locks whose name matches this glob
    #[arg(long = "match", value_name = "GLOB", value_parser = NameGlob::parse)]
    name_glob: Option<NameGlob>,
    /// Print a JSON object a lock
    #[arg(long)]
    json: bool,
}

/// The states that `--state` takes.
const STATES: [&str; 6] = ["alive", "dead", "stopped", "elsewhere", "unknown", KEY_STATE];
/// The state of a key that is used as a lock.
const KEY_STATE: &str = "key";

/// A glob of lock names. Without glob characters it matches one name.
#[derive(Clone, Debug)]
pub struct NameGlob {
    text: String,
    pattern: Option<Pattern>,
}

impl NameGlob {
    /// Reads `job:*`.
    ///
    /// # Errors
    /// Says what is wrong with the glob.
    pub fn parse(text: &str) -> Result<NameGlob, String> {
        let is_glob = text.contains(['*', '?', '[']);
        let pattern = is_glob.then(|| Pattern::new(text)).transpose().map_err(|error| error.to_string())?;
        Ok(NameGlob { text: text.into(), pattern })
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(&Key::from_stored(name.as_bytes(), false)),
            None => name == self.text,
        }
    }
}

impl LocksArguments {
    fn includes(&self, name: &str, state: &str) -> bool {
        (self.state.is_empty() || self.state.iter().any(|wanted| wanted == state))
            && self.name_glob.as_ref().is_none_or(|glob| glob.matches(name))
    }
}

/// Lists locks and the keys that are used as locks.
pub fn locks(database: &Database, arguments: &LocksArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let here = Process::current();
    let liveness = |lock: &Lock| store.holder_liveness(lock, &here);
    let now = store.clock().now();
    let mut locks: Vec<(Lock, Liveness)> = all_locks(&*store)?
        .into_iter()
        .map(|lock| {
            let state = liveness(&lock);
            (lock, state)
        })
        .collect();
    locks.retain(|(lock, state)| arguments.includes(&lock.name, state.name()));
    let waiters = store.waiters()?;
    let secrets = database.secrets();
    let holder_in = |entry: &Entry| match secrets.hides(&entry.key) {
        true => MASK.into(),
        false => kind_inference::holder_in(entry),
    };
    let mut keys = keys_used_as_locks(&*store)?;
    keys.retain(|entry| arguments.includes(&entry.key.to_text(), KEY_STATE));
    let mut of_stacks = sloth_runner_stacks::stacks(&*store).locks;
    of_stacks.retain(|lock| arguments.includes(&lock.name(), Liveness::Unknown.name()));
    if arguments.json {
        for (lock, state) in &locks {
            output::json(&lock_to_json(lock, &waiters, *state, now))?;
        }
        for entry in &keys {
            output::json(&json!({
                "name": entry.key.to_text(), "holder": holder_in(entry), "state": KEY_STATE,
                "revision": entry.revision, "held_ms": entry.modified_at.map(|at| now.since(at).as_millis() as u64),
            }))?;
        }
        return of_stacks
            .iter()
            .try_for_each(|lock| output::json(&sloth_runner_stacks::lock_to_json(lock, now)));
    }
    let mut rows =
        vec![["NAME", "HOLDER", "STATE", "HELD", "LEASE", "TOKEN", "TAKEN BY", "WAITING"].map(String::from)];
    rows.extend(locks.iter().map(|(lock, state)| lock_to_row(lock, &waiters, *state, now)));
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
        "expired": lock.has_expired(now),
        "unreadable": lock.reading == LockReading::Unreadable,
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
            _ if lock.is_expired(now) => "expired".into(),
            None => "-".into(),
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
        KEY_STATE.into(),
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

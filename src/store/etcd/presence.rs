//! The presence of this process: a key under a lease, as long as it holds a lock or has a run without an end.
//!
//! One thread per process and database keeps the lease, and hears of requests to stop, which processes of
//! other machines leave beside that key.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::EtcdStore;
use super::keys::Keys;
use super::wire::{Compare, GRANTS, KeySpan, Op, RangeRequest, Txn, WatchMessage, Wire, WireError};
use crate::store::{ErrorKind, Liveness, Lock, Process, Run, Store, StoreError, Token};

/// How many seconds a process that ended, or is cut off, passes for alive.
const LEASE: i64 = 10;
/// The least time between two renewals.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it is remembered which processes are alive.
const FRESH: Duration = Duration::from_millis(500);

/// Those of this process, by the database and the key.
static KEPT: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

type Registry = HashMap<(String, Vec<u8>), Weak<Kept>>;

/// Why a process is present.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holding {
    Lock(String, Token),
    Run(i64),
}

/// What the stores of a process share.
#[derive(Default)]
struct Kept {
    state: Mutex<KeptState>,
}

#[derive(Default)]
struct KeptState {
    /// How many locks and runs there are.
    holdings: usize,
    /// Whether a thread keeps the lease.
    is_kept: bool,
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, KeptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a process present.
pub(super) struct Presence(Arc<Kept>);

impl Drop for Presence {
    fn drop(&mut self) {
        // The thread outlives the last holding for a moment, so that a process that takes one lock after another
        // does not write its presence each time.
        self.0.state().holdings -= 1;
    }
}

/// The name of a process among those that are present.
pub(super) fn name_of(process: &Process) -> String {
    let plain = |text: &str| text.replace('%', "%25").replace('/', "%2F").replace(':', "%3A");
    let number = |number: Option<u64>| number.map_or("-".to_string(), |number| number.to_string());
    format!(
        "{}:{}:{}:{}:{}:{}",
        plain(&process.host),
        plain(&process.boot_id),
        process.pid,
        number(process.start_ticks),
        number(process.pid_namespace),
        number(process.time_namespace)
    )
}

/// The key of a process that is present, and under which lease.
struct PresenceKey {
    wire: Arc<dyn Wire>,
    key: Vec<u8>,
    /// The request to stop.
    stop: Vec<u8>,
    /// What is done about one.
    on_stop: fn(),
}

/// The lease of a presence, and etcd's revision since which requests to stop count.
type Term = (i64, i64);

impl PresenceKey {
    fn put(&self) -> Result<Term, WireError> {
        let mut grants = 0;
        loop {
            let lease = self.wire.grant(LEASE)?.id;
            grants += 1;
            let put = Op::Put { key: self.key.clone(), value: Vec::new(), lease };
            match self.wire.txn(&Txn { success: vec![put], ..Txn::default() }) {
                Err(error) if error.is_lease_gone() && grants < GRANTS => {}
                answer => return Ok((lease, answer?.revision)),
            }
        }
    }

    /// Keeps the lease until nothing is held any more.
    fn keep(&self, kept: &Kept, (mut lease, mut revision): Term) {
        loop {
            let begun = Instant::now();
            let span = KeySpan::one(self.stop.clone());
            let heard = self.wire.watch(&[span], revision.saturating_add(1), &mut |message| {
                revision = match message {
                    WatchMessage::Events { revision: newest, events } => {
                        if events.iter().any(|event| !event.is_deleted) {
                            (self.on_stop)();
                        }
                        newest.max(revision)
                    }
                    WatchMessage::Compacted { oldest } => oldest.max(revision),
                };
                // The lease is due.
                begun.elapsed() < PAUSE * 3
            });
            if heard.is_err() || begun.elapsed() < PAUSE {
                thread::sleep(PAUSE);
            }
            {
                let mut state = kept.state();
                if state.holdings == 0 {
                    state.is_kept = false;
                    break;
                }
            }
            // One that was cut off for long has to say again that it is there.
            if let Ok(None) = self.wire.keep_alive(lease)
                && let Ok(term) = self.put()
            {
                lease = term.0;
            }
        }
        // Without an answer it ends by itself.
        let _ = self.wire.revoke(lease);
    }
}

/// Ends this process, as a signal to stop does.
fn stop_this_process() {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGTERM);
}

impl EtcdStore {
    /// Makes this process present before it holds something.
    pub(super) fn enter(&self) -> Result<Presence, StoreError> {
        let process = &self.settings.process;
        let is_this = process.pid == std::process::id();
        let name = name_of(process);
        let presence_key = PresenceKey {
            wire: self.wire.clone(),
            key: self.keys.presence(&name),
            stop: self.keys.stop(&name),
            on_stop: if is_this { stop_this_process } else { || {} },
        };
        let database = self.location.identity().to_string_lossy().into_owned();
        let kept = {
            let mut registry = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            registry.retain(|_, kept| kept.strong_count() > 0);
            let known = registry.entry((database, presence_key.key.clone())).or_default();
            known.upgrade().unwrap_or_else(|| {
                let kept = Arc::new(Kept::default());
                *known = Arc::downgrade(&kept);
                kept
            })
        };
        let mut state = kept.state();
        if !state.is_kept {
            let term = presence_key.put().map_err(|error| self.error(error))?;
            let shared = kept.clone();
            thread::Builder::new()
                .name("etcd presence".into())
                .spawn(move || presence_key.keep(&shared, term))
                .map_err(|source| ErrorKind::Io { source }.at(&self.location))?;
            state.is_kept = true;
        }
        state.holdings += 1;
        drop(state);
        Ok(Presence(kept))
    }

    /// Which processes are present. It may be half a second old.
    fn is_present(&self, process: &Process) -> Result<bool, StoreError> {
        let key = self.keys.presence(&name_of(process));
        if let Some((read, present)) = &*self.present.borrow()
            && read.elapsed() < FRESH
        {
            return Ok(present.contains(&key));
        }
        let request = RangeRequest { keys_only: true, ..RangeRequest::of(self.keys.presences()) };
        let present: HashSet<Vec<u8>> = self.range(&request)?.kvs.into_iter().map(|kv| kv.key).collect();
        let is_present = present.contains(&key);
        self.present.replace(Some((Instant::now(), present)));
        Ok(is_present)
    }

    /// Whether the holder of a lock is alive. What this machine shows of it comes first.
    pub(super) fn liveness_of_holder(&self, lock: &Lock, here: &Process) -> Liveness {
        let seen = lock.liveness(here);
        let (Liveness::Elsewhere | Liveness::Unknown, Some(process)) = (seen, &lock.process) else {
            return seen;
        };
        match self.is_present(process) {
            Ok(true) => Liveness::Alive,
            // One that is cut off or suspended for longer than the lease of its presence is absent as well.
            Ok(false) | Err(_) => seen,
        }
    }

    /// Whether the process of a run is alive. What this machine shows of it comes first.
    pub(super) fn liveness_of_run(&self, run: &Run, here: &Process) -> Liveness {
        let seen = run.liveness(here);
        let is_over = run.ended.is_some() || run.is_imported();
        let (Liveness::Elsewhere | Liveness::Unknown, false, Some(process)) = (seen, is_over, &run.process)
        else {
            return seen;
        };
        match self.is_present(process) {
            Ok(true) => Liveness::Alive,
            Ok(false) => Liveness::Unknown,
            Err(_) => seen,
        }
    }

    /// Asks a process to end; one of another machine by a key under the lease of its presence. Whether it was
    /// there to be asked.
    pub(super) fn request_stop_of(&self, process: &Process, here: &Process) -> Result<bool, StoreError> {
        match process.liveness(here) {
            Liveness::Alive | Liveness::Stopped => return Ok(process.request_stop(here)),
            Liveness::Dead => return Ok(false),
            Liveness::Elsewhere | Liveness::Unknown => {}
        }
        self.check_writable()?;
        let name = name_of(process);
        let key = self.keys.presence(&name);
        let Some(found) = self.range(&RangeRequest::key(key.clone()))?.kvs.pop() else { return Ok(false) };
        let value = self.actor.borrow().name.clone().into_bytes();
        let request = Op::Put { key: self.keys.stop(&name), value, lease: found.lease };
        let is_there = Compare::modified_at(key, found.mod_revision);
        let txn = Txn { compares: vec![is_there], success: vec![request], failure: Vec::new() };
        Ok(self.txn(&txn)?.succeeded)
    }
}

impl Keys {
    /// All processes that are present.
    fn presences(&self) -> KeySpan {
        KeySpan::beginning(self.presence(""))
    }
}

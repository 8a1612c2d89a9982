//! "What if": runs a recorded run again with something changed, on a private copy of the state.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::observations::{Observations, OtherAnswer, TaskEnd};
use super::overrides::{ExecStub, KeyOverride, StateOverride};
use super::recorded_reads::put_reads;
use super::state_difference::{EntryDifference, differences};
use super::trial_budget::{TrialLimit, TrialTime};
use super::virtual_host::VirtualHost;
use super::what_if_boundary::{UnknownCommand, WhatIfBoundary, WhatIfRules};
use super::{Divergence, ReplayError, recorded_request};
use crate::lua::exec::CommandBounds;
use crate::lua::{HeldLocks, Host, StopSignal, SystemHost};
use crate::store::{
    Actor, Entry, ErrorKind, Expiry, Key, Moment, Operation, Options, Overlay, Revision, ScratchError,
    ScratchStore, Store, StoreError, Transaction, Type, TypedInput, When, all_locks, scratch,
};
use crate::time::{Clock, ManualClock, SystemClock};
use crate::workflow::recording::{RecordKind, Recording, RecordingError};
use crate::workflow::{Reporter, RunEnv, RunRequest, Script, Summary, execute};

/// Options of a what-if run.
pub struct WhatIfOptions {
    /// Entries that are changed before the run begins.
    pub values: Vec<KeyOverride>,
    pub source: Option<Script>,
    /// Whether commands are really run, and variables really read, once the run has left the recording.
    pub live: bool,
    /// Which commands may be really run.
    pub bounds: CommandBounds,
    pub stubs: Vec<ExecStub>,
    /// How much time it may take once the run has left the recording, virtual while it waits; `None` is ten
    /// times the recorded time and a minute at least, or ten minutes without a recording.
    pub time: Option<Duration>,
    pub stop_signal: StopSignal,
}

/// The state that a what-if run begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseState {
    /// The state at this revision, from history.
    History(Revision),
    /// Only the values that the run itself read, since the state that it began with is not known.
    Reads(Missing),
    Now,
}

/// Why the state that a run began with is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// History does not reach back that far.
    Pruned,
    /// It is in the history of another database: the run was imported, or is read from a file.
    Elsewhere,
}

/// The result of a what-if run.
#[derive(Debug)]
pub struct WhatIfOutcome {
    pub base_state: BaseState,
    /// Where it diverged from the recording; `None` if it did not.
    pub divergence: Option<Divergence>,
    /// The first call before the divergence that got another answer.
    pub other_answer: Option<OtherAnswer>,
    /// The number of the last replayed record.
    pub recorded_to: u64,
    /// Whether the recording ends before the run did: the run was killed or has not ended, or the rest of
    /// its recording was removed.
    pub is_cut_off: bool,
    /// Where the run diverges if it is repeated without a change: its final state is not known then.
    pub unrepeatable: Option<u64>,
    /// How the tasks ended when it was recorded.
    pub recorded_tasks: Vec<TaskEnd>,
    /// How they ended now.
    pub tasks: Vec<TaskEnd>,
    /// The entries that end up different.
    pub state: Vec<EntryDifference>,
    /// Commands that were not run.
    pub commands: Vec<String>,
    /// How many of them were taken to succeed and to print nothing.
    pub assumed: u64,
    /// The limit that ended it, before the run came to an end.
    pub limit: Option<TrialLimit>,
    /// How the run ended; `None` if it ended where the recording does, or at a limit.
    pub summary: Option<Summary>,
}

/// A store for the locks of a what-if run.
fn scratch_store(clock: &Arc<ManualClock>, settings: &Options) -> Result<ScratchStore, ReplayError> {
    scratch(&Options { clock: Arc::clone(clock) as _, ..settings.clone() }).map_err(|error| match error {
        ScratchError::Folder(error) => ReplayError::System(error),
        ScratchError::Store(error) => error.into(),
    })
}

/// Runs a recorded run again with something changed.
///
/// # Errors
/// [`ReplayError`] if it cannot be run at all.
pub fn what_if(
    store: Option<&Rc<dyn Store>>,
    recording: &Recording,
    options: &WhatIfOptions,
    settings: &Options,
    reporter: Reporter,
) -> Result<WhatIfOutcome, ReplayError> {
    let header = &recording.header;
    let store = store.filter(|_| !recording.run.is_imported());
    let moment = match (store, recording.run.revision) {
        (Some(store), Some(revision)) => match store.moment(When::Revision(revision)) {
            Ok(moment) => Some(Moment { at: header.began_at(), ..moment }),
            Err(StoreError {
                kind: ErrorKind::Pruned { .. } | ErrorKind::NotRecorded | ErrorKind::NotYet { .. },
                ..
            }) => None,
            Err(error) => return Err(error.into()),
        },
        _ => None,
    };
    let missing = if store.is_some() { Missing::Pruned } else { Missing::Elsewhere };
    let (recorded_tasks, length) = recorded_end(recording)?;
    let time = TrialTime::new(options.time, Some(length));
    let base_state = moment.map_or(BaseState::Reads(missing), |moment| BaseState::History(moment.revision));
    let attempt = |values: &[KeyOverride], source: Option<Script>, live, reporter| {
        let clock = Arc::new(ManualClock::at(header.began_at()));
        let scratch = scratch_store(&clock, settings)?;
        let overlay = match (store, moment) {
            (Some(store), Some(moment)) => {
                Overlay::apart(Rc::clone(store), Some(moment), Rc::clone(&scratch.store))
            }
            _ => {
                put_reads(&*scratch.store, recording)?;
                Overlay::apart(Rc::clone(&scratch.store), None, Rc::clone(&scratch.store))
            }
        };
        let rules = WhatIfRules {
            format: header.format,
            events: Some(recording.events()),
            began_at: header.began_at(),
            changed: values.iter().map(|(key, _)| key.clone()).collect(),
            live,
            stubs: options.stubs.clone(),
            unknown_command: UnknownCommand::Refused(
                "the recording has no answer for this command (--live runs it, --stub answers it)",
            ),
            time,
            signal: Arc::clone(&options.stop_signal.signal),
        };
        let host = VirtualHost::new(Arc::clone(&clock), header.utc_offset, header.began_at.unsigned_abs());
        let machine = || SystemHost::new(BTreeMap::new()).with_bounds(options.bounds.clone());
        let host = if live { host.with(machine(), true) } else { host };
        let number = store.map(|_| recording.run.number);
        let actor = Actor { name: header.holder.clone(), run: number, task: None };
        let env = WhatIfEnv { clock, host: Rc::new(host), scratch, actor };
        run(&recorded_request(header, source), overlay, values, rules, env, reporter)
    };
    // The final state of the recorded run is found in the same way, with nothing changed.
    let recorded = attempt(&[], None, false, Reporter::new(|_| {}))?;
    let WhatIfResult { observations, state, summary, .. } =
        attempt(&options.values, options.source.clone(), options.live, reporter)?;
    let mut differences = differences(&recorded.state, &state)?;
    for difference in &mut differences {
        let stored = difference.trial.as_ref().map(|image| &image.stored);
        difference.is_as_given = options.values.iter().any(|(key, value)| {
            *key == difference.key && value.as_ref().map(StateOverride::to_stored).as_ref() == stored
        });
    }
    let unrepeatable = match (&recorded.observations.divergence, &recorded.observations.other_answer) {
        (Some(divergence), _) => Some(divergence.number),
        (None, other) => other.as_ref().map(|other| other.record.number),
    };
    Ok(WhatIfOutcome {
        is_cut_off: observations.is_cut_off || recorded.observations.is_cut_off,
        unrepeatable,
        base_state,
        divergence: observations.divergence,
        other_answer: observations.other_answer,
        recorded_to: observations.recorded_to,
        recorded_tasks,
        tasks: observations.tasks,
        state: differences,
        commands: observations.commands,
        assumed: observations.assumed,
        limit: observations.limit,
        summary,
    })
}

/// Runs a workflow on a private copy of the current state. A command without a stub is taken to succeed, unless
/// it `is_strict`: then it fails.
///
/// # Errors
/// [`ReplayError`] if it cannot be run at all.
pub fn dry_run(
    store: &Rc<dyn Store>,
    request: &RunRequest,
    options: &WhatIfOptions,
    is_strict: bool,
    settings: &Options,
    machine: SystemHost,
    reporter: Reporter,
) -> Result<WhatIfOutcome, ReplayError> {
    let now = SystemClock.now();
    let clock = Arc::new(ManualClock::at(now));
    let scratch = scratch_store(&clock, settings)?;
    // Locks that others hold are held in the dry run as well.
    for lock in all_locks(&**store)?.into_iter().filter(|lock| !lock.is_expired(now)) {
        scratch.store.import_lock(&lock)?;
    }
    let overlay = Overlay::apart(Rc::clone(store), None, Rc::clone(&scratch.store));
    let rules = WhatIfRules {
        format: 0,
        events: None,
        began_at: now,
        changed: Vec::new(),
        live: options.live,
        stubs: options.stubs.clone(),
        unknown_command: match is_strict {
            true => UnknownCommand::Refused("a dry run runs no command (--live runs it, --stub answers it)"),
            false => UnknownCommand::Assumed,
        },
        time: TrialTime::new(options.time, None),
        signal: Arc::clone(&options.stop_signal.signal),
    };
    let offset = machine.utc_offset(now);
    let machine = machine.with_stubs(options.stubs.clone()).with_bounds(options.bounds.clone());
    let host = VirtualHost::new(Arc::clone(&clock), offset, now.0.unsigned_abs()).with(machine, options.live);
    let actor = Actor { run: None, task: None, ..settings.actor.clone() };
    let env = WhatIfEnv { clock, host: Rc::new(host), scratch, actor };
    let WhatIfResult { observations, state, summary, .. } =
        run(request, overlay, &options.values, rules, env, reporter)?;
    let changed = state.rewritten().into_iter();
    let changed =
        changed.filter_map(|(key, both)| EntryDifference::between(key, [both.old, both.new], false));
    Ok(WhatIfOutcome {
        base_state: BaseState::Now,
        divergence: None,
        other_answer: None,
        recorded_to: 0,
        is_cut_off: false,
        unrepeatable: None,
        recorded_tasks: Vec::new(),
        tasks: observations.tasks,
        state: changed.collect(),
        commands: observations.commands,
        assumed: observations.assumed,
        limit: observations.limit,
        summary,
    })
}

/// The environment of a what-if run.
struct WhatIfEnv {
    clock: Arc<ManualClock>,
    host: Rc<VirtualHost>,
    scratch: ScratchStore,
    /// Who makes the changes; its name is that of the holder of locks.
    actor: Actor,
}

/// The observations and the final state of a what-if run.
struct WhatIfResult {
    observations: Observations,
    state: Rc<Overlay>,
    summary: Option<Summary>,
    _scratch: ScratchStore,
}

fn run(
    request: &RunRequest,
    overlay: Overlay,
    values: &[KeyOverride],
    rules: WhatIfRules,
    env: WhatIfEnv,
    reporter: Reporter,
) -> Result<WhatIfResult, ReplayError> {
    let overlay = Rc::new(overlay);
    for (key, value) in values {
        change(&*overlay, key, value.as_ref())?;
    }
    let store: Rc<dyn Store> = Rc::clone(&overlay) as _;
    let trial = Rc::new(WhatIfBoundary::new(
        rules,
        Rc::clone(&overlay),
        Arc::clone(&env.clock),
        Rc::clone(&env.host),
    ));
    let ending = Rc::clone(&trial);
    // How tasks end that a limit interrupts is not how they would end.
    let reporter = reporter.shown_while(move || !ending.is_over());
    let run_env = RunEnv {
        host: Rc::clone(&env.host) as _,
        boundary: Rc::clone(&trial) as _,
        locks: HeldLocks::without_leases(Rc::clone(&store)),
        stop_signal: StopSignal::default(),
        holder: env.actor.name.clone(),
        store,
        reporter,
    };
    let result = execute(request, run_env, |_| Ok(env.actor));
    let observations = trial.finish();
    let summary = match result {
        _ if observations.is_cut_off || observations.limit.is_some() => None,
        Ok(summary) => Some(summary),
        Err(error) => return Err(ReplayError::RunRequest(error)),
    };
    Ok(WhatIfResult { observations, state: overlay, summary, _scratch: env.scratch })
}

/// Changes an entry; a text keeps the type of the entry.
fn change(store: &dyn Store, key: &Key, value: Option<&StateOverride>) -> Result<(), ReplayError> {
    let operation = match value {
        None => Operation::Delete(key.clone()),
        Some(StateOverride::Typed(value)) => {
            Operation::Put { key: key.clone(), value: value.clone(), expiry: Expiry::Keep }
        }
        Some(StateOverride::Text(text)) => {
            let found = store.get(key)?;
            let typed = TypedInput::over(text, found.as_ref()).map_err(|error| {
                let was = found.as_ref().map_or(Type::String, Entry::value_type);
                ReplayError::Change(format!("{key} was a {was}: {error}; {key}:=JSON gives it another type"))
            })?;
            typed.put(key.clone(), Expiry::Keep)
        }
    };
    store.commit(&Transaction::of(operation))?;
    Ok(())
}

/// How the tasks ended in the recorded run, and how long its recording is.
fn recorded_end(recording: &Recording) -> Result<(Vec<TaskEnd>, Duration), RecordingError> {
    let mut events = recording.events();
    let (mut tasks, mut length) = (Vec::new(), 0);
    while let Some(record) = events.take()? {
        length = record.at;
        if let RecordKind::Event(event) = &record.what {
            tasks.extend(TaskEnd::of(event));
        }
    }
    Ok((tasks, Duration::from_micros(length)))
}

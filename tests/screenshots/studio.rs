//! Workflows in front of a painted backdrop: time passes only as far as they let it, and chance and
//! the environment are always the same.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slothstate::lua::exec::{Finished, ShellCommand, Sink, Watch};
use slothstate::lua::{HeldLocks, Host, StopSignal, StoreFactory};
use slothstate::store::{Actor, NewRun, Options, RunEnd, SqliteStore, Store};
use slothstate::time::{Clock, Millis};
use slothstate::workflow::recording::{DEFAULT_PATTERNS, FORMAT, Header, Mask, RecordingBoundary};
use slothstate::workflow::{Reporter, RunEnv, RunOutcome, RunRequest, Script, Workflow, execute};

use crate::clock::SharedClock;

/// What each look at the time takes, so that every step of a run takes some.
const LOOK: Duration = Duration::from_micros(137);

/// Why a workflow of the pictures can neither run commands nor make directories.
const NOTHING_OF_THE_MACHINE: &str = "nothing of the machine may be in the pictures";

struct Studio {
    clock: Arc<SharedClock>,
    began: Duration,
    sequence: Cell<u64>,
}

impl Host for Studio {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        // Not always the same, so that it looks like what it stands for.
        let turn = self.sequence.get() + 1;
        self.sequence.set(turn);
        self.clock.advance(LOOK * u32::try_from(1 + turn % 5).unwrap());
        self.clock.elapsed() - self.began
    }

    fn utc_offset(&self, _: Millis) -> i32 {
        0
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        (name == "HOSTNAME").then(|| b"build7".into())
    }

    fn seed(&self) -> u64 {
        // Another one for each run, and always the same for one.
        self.began.as_secs()
    }

    fn sleep(&self, time: Duration, _: &dyn Fn() -> bool) {
        self.clock.advance(time);
    }

    fn path_exists(&self, _: &Path) -> bool {
        false
    }

    fn is_directory(&self, _: &Path) -> bool {
        false
    }

    fn create_directory(&self, _: &Path) -> std::io::Result<()> {
        Err(std::io::Error::other(NOTHING_OF_THE_MACHINE))
    }

    fn remove_directory(&self, _: &Path) -> std::io::Result<()> {
        Err(std::io::Error::other(NOTHING_OF_THE_MACHINE))
    }

    fn execute(&self, _: ShellCommand, _: &Watch<'_>, _: Sink) -> std::io::Result<Finished> {
        Err(std::io::Error::other(NOTHING_OF_THE_MACHINE))
    }
}

/// Runs a workflow, given by its name and its source, and records it; whether all of it was done.
pub fn run(
    database: &Path,
    settings: &Options,
    clock: &Arc<SharedClock>,
    (file, source): (&str, Vec<u8>),
    params: &[(&str, &str)],
) -> bool {
    let store: Rc<dyn Store> = Rc::new(SqliteStore::open_or_create(database, settings.clone()).unwrap());
    let host: Rc<dyn Host> =
        Rc::new(Studio { clock: clock.clone(), began: clock.elapsed(), sequence: Cell::new(0) });
    let params: Vec<(String, String)> =
        params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let request = RunRequest {
        script: Script { file: file.into(), source },
        modules: Vec::new(),
        params: params.clone(),
        selected_tasks: Vec::new(),
        memory: 64 << 20,
        timeout: None,
        values: None,
        run_delegated_here: false,
        format: FORMAT,
    };
    let actor = settings.actor.clone();
    let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
    let header = Header::of(&request, &*host, &actor, mask.patterns()).encode();
    let new = NewRun {
        workflow: String::new(),
        file: file.into(),
        params: params.into_iter().collect(),
        header: Some(header),
    };
    let reporter = Reporter::new(|_| {});
    let task = reporter.current_task();
    let recorder =
        Rc::new(RecordingBoundary::new(store.clone(), host.clone(), mask, new, actor.clone(), task));
    let (path, opening) = (database.to_path_buf(), settings.clone());
    let store_factory: StoreFactory =
        Arc::new(move || Ok(Box::new(SqliteStore::open(&path, opening.clone())?) as _));
    let env = RunEnv {
        locks: HeldLocks::new(store.clone(), store_factory, None).unwrap(),
        store,
        host,
        boundary: recorder.clone(),
        stop_signal: StopSignal::default(),
        holder: actor.name.clone(),
        reporter,
    };
    let begin = |workflow: &Workflow| {
        recorder.name(&workflow.name)?;
        Ok(Actor { run: Some(recorder.begin()?), ..actor.clone() })
    };
    let summary = execute(&request, env, begin).unwrap();
    let count = |tasks: usize| u32::try_from(tasks).unwrap();
    let end = RunEnd {
        outcome: summary.outcome.name().into(),
        ok: count(summary.ok),
        failed: count(summary.failed),
        skipped: count(summary.skipped),
    };
    recorder.end(&end).unwrap();
    summary.outcome == RunOutcome::Done
}

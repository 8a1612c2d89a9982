//! Loads and runs a workflow: the common part of a run, a replay and a what-if run.

use std::rc::Rc;
use std::time::Duration;

use crate::lua::error::message;
use crate::lua::{HeldLocks, Host, Limits, Mismatches, Runtime, ScriptContext, StateScope, Stop, StopSignal};
use crate::store::{Actor, Store, StoreError};
use crate::workflow::load::Given;
use crate::workflow::{InvalidWorkflow, Reporter, RunBoundary, Script, Summary, Workflow, load, runner};

#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The workflow's file.
    pub script: Script,
    /// Files to run before it, for `require`.
    pub modules: Vec<Script>,
    pub params: Vec<(String, String)>,
    /// The tasks to run, and what they depend on; none for all.
    pub selected_tasks: Vec<String>,
    /// The most memory in bytes.
    pub memory: usize,
    /// The timeout of the whole run; it overrides the one of the workflow.
    pub timeout: Option<Duration>,
    /// The content of the global `values` besides the parameters, as the text of a JSON object.
    pub values: Option<String>,
    /// Whether tasks that are delegated to another host run here.
    pub run_delegated_here: bool,
    /// The format of recordings whose rules apply: [`FORMAT`](crate::workflow::recording::FORMAT) unless an
    /// older recording is played.
    pub format: u32,
}

pub struct RunEnv {
    pub store: Rc<dyn Store>,
    /// The machine, or its replacement.
    pub host: Rc<dyn Host>,
    /// The boundary between the script and its environment.
    pub boundary: Rc<dyn RunBoundary>,
    pub locks: HeldLocks,
    pub stop_signal: StopSignal,
    /// The default name of the holder of locks.
    pub holder: String,
    pub reporter: Reporter,
}

/// Why a run failed to start or was stopped before its tasks.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The workflow cannot be run at all.
    #[error(transparent)]
    Invalid(#[from] InvalidWorkflow),
    /// It was stopped before any task ran.
    #[error(transparent)]
    Stopped(Stop),
    /// The interpreter could not be created.
    #[error("cannot start Lua: {0}")]
    Lua(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the files, and runs what they declare. In between, `begin` gets the workflow and returns the actor
/// of the run.
///
/// # Errors
/// [`RunError`]; failures of tasks are not errors but a part of the summary.
pub fn execute(
    request: &RunRequest,
    env: RunEnv,
    begin: impl FnOnce(&Workflow) -> Result<Actor, StoreError>,
) -> Result<Summary, RunError> {
    // A file that only declares tasks loads quickly.
    const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
    let RunEnv { store, host, boundary, locks, stop_signal, holder, reporter } = env;
    let reporter = reporter.through(Rc::clone(&boundary));
    let limits =
        Rc::new(Limits::new(Rc::clone(&host), Rc::clone(&boundary) as _, stop_signal, locks.losses()));
    let log = reporter.clone();
    let context = ScriptContext {
        scope: StateScope::new(store),
        boundary,
        limits: Rc::clone(&limits),
        host,
        locks,
        holder,
        format: request.format,
        mismatches: Mismatches::default(),
        log: Box::new(move |level, line| log.log(level, line)),
    };
    limits.limit_run(request.timeout);
    limits.limit_memory(request.memory);
    let runtime =
        Runtime::new(Rc::new(context), request.memory).map_err(|error| RunError::Lua(message(&error)))?;
    let given = Given {
        params: &request.params,
        values: request.values.as_deref(),
        run_delegated_here: request.run_delegated_here,
    };
    let load = || load(&runtime, &request.script, &request.modules, &request.selected_tasks, &given);
    let workflow = match limits.within(Some(LOAD_TIMEOUT), load) {
        Ok(workflow) => workflow,
        Err(invalid) => {
            let reason = invalid.to_string();
            reporter.refuse(&reason);
            reporter.details(
                None,
                &match limits.stop() {
                    Some(_) => runtime.context.details_of_stop(),
                    None => runtime.context.details(&reason, invalid.calls()),
                },
            );
            return Err(match limits.stop() {
                Some(stop @ Stop::Signal(_)) => RunError::Stopped(stop),
                _ => match limits.take_lost().into_iter().next() {
                    Some(lost) => RunError::Stopped(Stop::LockLost(lost)),
                    None => invalid.into(),
                },
            });
        }
    };
    if request.timeout.is_none() {
        limits.limit_run(workflow.timeout);
    }
    let actor = begin(&workflow)?;
    Ok(runner::run(&runtime, &workflow, &request.params, &actor, &reporter))
}

//! `run`: runs a workflow against the state, with progress on standard error.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cli::what_if::{self, TrialArguments};
use crate::cli::{CliError, Database, signals};
use crate::input_file::{Accept, STANDARD_INPUT};
use crate::lua::exec::{CommandBounds, CommandPattern};
use crate::lua::{
    HeldLocks, Host, LogLevel, PassThrough, Stop, StopSignal, StoreFactory, StuckGuard, SystemHost,
};
use crate::store::{Actor, ErrorKind, Maintenance, NewRun, RunEnd, Store, StoreError, open};
use crate::text::duration::parse_positive_duration;
use crate::time::ActiveTimer;
use crate::workflow::recording::{self, Header, Mask, RecordingBoundary};
use crate::workflow::replay::dry_run;
use crate::workflow::{
    Reporter, RunEnv, RunError, RunOutcome, RunRequest, Script, Summary, Workflow, execute,
};

mod progress;
mod values;

use progress::ProgressReporter;

/// Arguments of `run`.
#[derive(clap::Args, Debug)]
pub struct RunArguments {
    /// The workflow, a file of Lua; - is standard input
    file: PathBuf,
    /// Run this task and what it depends on, and nothing else; may be repeated
    #[arg(long, value_name = "NAME")]
    task: Vec<String>,
    /// A parameter for the tasks, found in params.KEY; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    param: Vec<(String, String)>,
    /// A file of YAML or JSON whose fields are in the global `values`; parameters take precedence
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// What os.getenv answers for KEY, whatever the environment says; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// A file of Lua to run first, for require("its name without .lua"); may be repeated
    #[arg(long, value_name = "FILE")]
    require: Vec<PathBuf>,
    /// Run tasks here that are delegated to other hosts, instead of refusing the workflow
    #[arg(long)]
    run_delegated_here: bool,
    /// The most memory that the workflow may use, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    memory: u32,
    /// How long the whole run may take, such as 90, 90s or 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_positive_duration)]
    timeout: Option<Duration>,
    /// Show what it would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// In a dry run, let a command without a stub fail, instead of assuming that it succeeds and prints nothing
    #[arg(long, requires = "dry_run")]
    strict: bool,
    /// Start no command: string commands and conditions are refused, exec.run and exec.result raise an error
    #[arg(long)]
    no_exec: bool,
    /// Start only commands that match this glob as a whole, such as 'git *'; may be repeated. Each command of a
    /// list or pipe must match, and $(…), redirections to files and the like are refused. The configuration of
    /// a context may allow less
    #[arg(long, value_name = "PATTERN", conflicts_with = "no_exec")]
    allow_exec: Vec<CommandPattern>,
    #[command(flatten)]
    trial: TrialArguments,
    /// Do not record the run, so that it cannot be replayed
    #[arg(long)]
    no_record: bool,
    /// How large the recording may become, in MiB. It ends where something does not fit; the run goes on
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    record_limit: u64,
    /// The name of a variable or parameter, such as *_PIN, whose value is not to be stored; may be repeated, and
    /// is added to what is masked anyway: names with TOKEN, SECRET, PASSW, CREDENTIAL, PRIVATE_KEY or API_KEY in
    /// them
    #[arg(long, value_name = "PATTERN")]
    mask: Vec<String>,
    /// One JSON object a line on standard output for everything that happens
    #[arg(long)]
    json: bool,
}

/// Splits `KEY=VALUE`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("this is not KEY=VALUE".into()),
    }
}

/// Runs a workflow.
///
/// # Errors
/// [`CliError::Failed`] if a task failed or the run was stopped, [`CliError::Usage`] for a workflow
/// that cannot be run, [`CliError::Store`] for a database that cannot be used.
pub fn run(database: &Database, arguments: &RunArguments) -> Result<(), CliError> {
    if !arguments.dry_run {
        arguments.trial.check_without_trial("--dry-run")?;
    }
    let request = request(arguments)?;
    let store: Rc<dyn Store> = Rc::from(database.open_or_create()?);
    let opened = Rc::clone(&store);
    if arguments.dry_run {
        return try_out(database, arguments, &request, &store);
    }
    let progress = Rc::new(ProgressReporter::new(arguments.json));
    let (shown, notices) = (Rc::clone(&progress), Rc::clone(&store));
    let reporter = Reporter::new(move |event| {
        for notice in notices.take_notices() {
            shown.notice(&notice);
        }
        shown.show(event);
    });
    let stop_signal = stop_signal()?;
    let overrides: BTreeMap<String, String> = arguments.env.iter().cloned().collect();
    let bounds = database.read_only_bounds(bounds(database, arguments));
    let machine = SystemHost::new(overrides).with_stubs(arguments.trial.stubs().to_vec()).with_bounds(bounds);
    let host: Rc<dyn Host> = Rc::new(machine);
    let settings = database.settings();
    let recording_boundary =
        recording_boundary(arguments, &request, &store, &host, &settings.actor, &reporter)?;
    let (location, opening) = (database.location()?, settings.clone());
    // The file exists at this point; a missing one is an error, and is not created.
    let store_factory: StoreFactory = Arc::new(move || open(&location, &opening).map(|store| store as _));
    let env = RunEnv {
        boundary: match &recording_boundary {
            Some(recording_boundary) if !arguments.no_record => Rc::clone(recording_boundary) as _,
            _ => Rc::new(PassThrough),
        },
        locks: HeldLocks::new(Rc::clone(&store), store_factory, Some(guard(stop_signal.clone())))
            .map_err(|error| CliError::Failed(format!("cannot start a thread: {error}")))?,
        host,
        stop_signal,
        holder: settings.actor.name.clone(),
        reporter: reporter.clone(),
        store,
    };
    let begin = |workflow: &Workflow| -> Result<Actor, StoreError> {
        let Some(recording_boundary) = &recording_boundary else { return Ok(settings.actor.clone()) };
        recording_boundary.name(&workflow.name)?;
        Ok(Actor { run: Some(recording_boundary.begin()?), ..settings.actor.clone() })
    };
    let maintenance = Maintenance::start(&database.location()?, &settings);
    let outcome = execute(&request, env, begin);
    let mut reset = None;
    if let Some(recording_boundary) = &recording_boundary {
        match recording_boundary.end(&run_end(&outcome)) {
            Ok(()) => {}
            Err(error @ StoreError { kind: ErrorKind::Reset { .. }, .. }) => reset = Some(error),
            // What the tasks did counts, and is done.
            Err(error) => {
                let text = format!("how the run ended could not be noted: {error}");
                reporter.log(LogLevel::Warn, text.as_bytes());
            }
        }
    }
    drop(maintenance);
    progress.end();
    // Whatever the script made of that.
    if let Some(error) = reset {
        if let Some(kept) = opened.keep_leftover() {
            progress::print_notice(&format!("slothstate: {}", kept_log(&kept)));
        }
        match &outcome {
            // The loss of a lock names the same cause, and says what it led to.
            Ok(summary) if !summary.lost_locks.is_empty() => {
                progress::print_notice(&format!("slothstate: {error}"))
            }
            _ => return Err(error.into()),
        }
    }
    match outcome {
        Ok(summary) => verdict(&request.script, &summary),
        Err(error) => Err(failed(error)),
    }
}

/// Which commands may be started: what both the configuration and the options allow.
fn bounds(database: &Database, arguments: &RunArguments) -> CommandBounds {
    let bounds = database.command_bounds();
    match (arguments.no_exec, arguments.allow_exec.is_empty()) {
        (true, _) => bounds.and_none("--no-exec"),
        (false, false) => bounds.and_only("--allow-exec", arguments.allow_exec.clone()),
        (false, true) => bounds,
    }
}

/// The path of the log kept from a database that was replaced.
pub(super) fn kept_log(kept: &Path) -> String {
    format!("the log (-wal) of what the database was before is kept as {}", kept.display())
}

/// Runs it on a copy of the state (`--dry-run`).
fn try_out(
    database: &Database,
    arguments: &RunArguments,
    request: &RunRequest,
    store: &Rc<dyn Store>,
) -> Result<(), CliError> {
    let progress = ProgressReporter::new(false);
    let reporter = Reporter::new(move |event| progress.show(event));
    let machine = SystemHost::new(arguments.env.iter().cloned().collect());
    // Where nothing is started, a command has the end that it has in a run that may write.
    let bounds = match arguments.trial.is_live() {
        true => database.read_only_bounds(bounds(database, arguments)),
        false => bounds(database, arguments),
    };
    let options = arguments.trial.options(Vec::new(), None, bounds, what_if_stop_signal()?);
    let mut outcome =
        dry_run(store, request, &options, arguments.strict, &database.settings(), machine, reporter)?;
    outcome.mask(&database.secrets());
    what_if::show(&progress::visible(&request.script.file.display().to_string()), &outcome, arguments.json)?;
    match outcome.summary {
        Some(summary) => verdict(&request.script, &summary),
        // Without a recording only a limit ends a trial before the run ends.
        None => Err(CliError::Negative),
    }
}

pub(super) fn request(arguments: &RunArguments) -> Result<RunRequest, CliError> {
    let files = arguments.require.iter().chain([&arguments.file]);
    if files.filter(|file| **file == Path::new(STANDARD_INPUT)).count() > 1 {
        return Err(CliError::Usage("only one file can be -, which is standard input".into()));
    }
    Ok(RunRequest {
        script: read(&arguments.file)?,
        modules: arguments.require.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?,
        params: arguments.param.clone(),
        selected_tasks: arguments.task.clone(),
        memory: usize::try_from(arguments.memory).unwrap_or(usize::MAX).saturating_mul(1 << 20),
        timeout: arguments.timeout,
        values: arguments.values.as_deref().map(values::read).transpose()?,
        run_delegated_here: arguments.run_delegated_here,
        format: recording::FORMAT,
    })
}

pub(super) fn read(file: &Path) -> Result<Script, CliError> {
    Script::read(file, Accept::Pipes).map_err(CliError::Usage)
}

/// The stop signal that termination signals set.
pub(super) fn stop_signal() -> Result<StopSignal, CliError> {
    let mut stop_signal = StopSignal::default();
    stop_signal.signal = signals::stop_requested()?;
    Ok(stop_signal)
}

/// The same for a dry run or replay, which may be cut off at once.
pub(super) fn what_if_stop_signal() -> Result<StopSignal, CliError> {
    signals::end_when_stuck()?;
    stop_signal()
}

/// Records the run. A run on a read-only database has no number.
fn recording_boundary(
    arguments: &RunArguments,
    request: &RunRequest,
    store: &Rc<dyn Store>,
    host: &Rc<dyn Host>,
    actor: &Actor,
    reporter: &Reporter,
) -> Result<Option<Rc<RecordingBoundary>>, CliError> {
    if store.check_writable().is_err() {
        return Ok(None);
    }
    let built_in = recording::DEFAULT_PATTERNS.map(String::from);
    let mask = Mask::new(&[&built_in[..], &arguments.mask].concat()).map_err(CliError::Usage)?;
    let params: Vec<_> = request.params.iter().map(|param| mask.parameter(param)).collect();
    let values = request.values.as_deref().map(|values| mask.values(values));
    mask.environment(std::env::vars_os());
    for (name, value) in &arguments.env {
        mask.read(name.as_bytes(), value.as_bytes());
    }
    let stem = request.script.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let header = (!arguments.no_record).then(|| {
        let header = Header::of(request, &**host, actor, mask.patterns());
        Header { params: params.clone(), values, ..header }.encode()
    });
    let new = NewRun {
        workflow: stem,
        file: request.script.file.display().to_string(),
        params: if arguments.no_record { BTreeMap::new() } else { params.into_iter().collect() },
        header,
    };
    let (store, host, task) = (Rc::clone(store), Rc::clone(host), reporter.current_task());
    let boundary = RecordingBoundary::new(store, host, mask, new, actor.clone(), task);
    Ok(Some(Rc::new(boundary.within(arguments.record_limit << 20, request.memory))))
}

fn run_end(outcome: &Result<Summary, RunError>) -> RunEnd {
    let count = |tasks: usize| u32::try_from(tasks).unwrap_or(u32::MAX);
    match outcome {
        Ok(summary) => RunEnd {
            outcome: summary.outcome.name().into(),
            ok: count(summary.ok),
            failed: count(summary.failed),
            skipped: count(summary.skipped),
        },
        Err(error) => {
            let outcome = if matches!(error, RunError::Stopped(_)) { "stopped" } else { "invalid" };
            RunEnd { outcome: outcome.into(), ok: 0, failed: 0, skipped: 0 }
        }
    }
}

/// Maps a run error to an error of the command line.
pub(super) fn failed(error: RunError) -> CliError {
    match error {
        RunError::Invalid(invalid) => CliError::Usage(progress::visible(&invalid.to_string())),
        RunError::Stopped(Stop::Signal(signal)) => CliError::Stopped { signal },
        RunError::Store(error) => CliError::Store(error),
        other => CliError::Failed(progress::visible(&other.to_string())),
    }
}

/// Ends the program if a script is stuck in code that no limit interrupts, such as copies of enormous texts.
fn guard(stop_signal: StopSignal) -> StuckGuard {
    const AFTER_SIGNAL: Duration = Duration::from_secs(3);
    // Longer than a busy database is waited for.
    const AFTER_DEADLINE: Duration = Duration::from_secs(15);
    let started = Instant::now();
    // It is asked a few times a second.
    const POLL_INTERVAL: Duration = Duration::from_millis(500);
    let signalled: OnceCell<ActiveTimer> = OnceCell::new();
    let signal = Arc::clone(&stop_signal.signal);
    let is_stuck = move || {
        stop_signal.note(started.elapsed());
        if stop_signal.signal.load(Ordering::Relaxed) != 0 {
            signalled.get_or_init(|| ActiveTimer::new(POLL_INTERVAL));
        }
        signalled.get().is_some_and(|awake| awake.passed() >= AFTER_SIGNAL)
            || stop_signal.is_overdue(started.elapsed(), AFTER_DEADLINE)
    };
    let give_up = move || {
        progress::print_notice(
            "slothstate: the workflow could not be stopped in good order; its locks are released",
        );
        let code = match signal.load(Ordering::Relaxed) {
            0 => 1,
            number => 128 + i32::try_from(number).unwrap_or_default(),
        };
        std::process::exit(code);
    };
    StuckGuard { is_stuck: Box::new(is_stuck), give_up: Box::new(give_up) }
}

/// The exit code, and the last line unless the run succeeded.
fn verdict(script: &Script, summary: &Summary) -> Result<(), CliError> {
    let file = progress::visible(&script.file.display().to_string());
    match &summary.outcome {
        RunOutcome::Done => Ok(()),
        RunOutcome::Failed => {
            let failed = match summary.failed {
                0 => Vec::new(),
                tasks => vec![format!("{} failed", progress::tasks(tasks))],
            };
            let lost = summary.lost_locks.iter().map(|lost| progress::visible(&lost.to_string()));
            let reasons: Vec<String> = failed.into_iter().chain(lost).collect();
            Err(CliError::Failed(format!("{file}: {}", reasons.join("; "))))
        }
        RunOutcome::Aborted => Err(CliError::Failed(format!("{file}: the run was aborted"))),
        RunOutcome::TimedOut => Err(CliError::Failed(format!("{file}: the run timed out"))),
        RunOutcome::Stopped { signal } => Err(CliError::Stopped { signal: *signal }),
    }
}

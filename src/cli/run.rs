//! `slothstate run`: a workflow against the state, its progress on standard error.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::{Database, Failure};
use crate::lua::{Alarm, Context, Guard, Level, Limits, Locks, Machine, Opener, Runtime, Stop, Stores};
use crate::span::parse_span;
use crate::store::{Actor, NewRun, RunEnd, SqliteStore, Store};
use crate::workflow::{self, Reporter, RunOutcome, Script, Summary};

mod progress;

use progress::Progress;

/// What `run` is called with.
#[derive(clap::Args, Debug)]
pub struct RunArguments {
    /// The workflow, a file of Lua
    file: PathBuf,
    /// Run this task and what it depends on, and nothing else; may be repeated
    #[arg(long, value_name = "NAME")]
    task: Vec<String>,
    /// A parameter for the tasks, found in params.KEY; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    param: Vec<(String, String)>,
    /// What os.getenv answers for KEY, whatever the environment says; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// A file of Lua to run first, for require("its name without .lua"); may be repeated
    #[arg(long, value_name = "FILE")]
    require: Vec<PathBuf>,
    /// The most memory that the workflow may use, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    memory: u32,
    /// How long the whole run may take, such as 90, 90s or 5m
    #[arg(long, value_name = "DURATION", value_parser = time)]
    timeout: Option<Duration>,
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

/// A length of time that is longer than nothing.
fn time(text: &str) -> Result<Duration, String> {
    parse_span(text).and_then(|time| match time.is_zero() {
        true => Err("a time limit is longer than 0".into()),
        false => Ok(time),
    })
}

/// Runs a workflow.
///
/// # Errors
/// [`Failure::No`] if a task failed or the run was stopped, [`Failure::Usage`] for a workflow
/// that cannot be run, [`Failure::Store`] for a database that cannot be used.
pub fn run(database: &Database, arguments: &RunArguments) -> Result<(), Failure> {
    let script = read(&arguments.file)?;
    let modules = arguments.require.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let store: Rc<dyn Store> = Rc::new(database.open_or_create()?);
    let progress = Rc::new(Progress::new(arguments.json));
    let (shown, notices) = (Rc::clone(&progress), Rc::clone(&store));
    let reporter = Reporter::new(move |event| {
        for notice in notices.take_notices() {
            shown.notice(&notice);
        }
        shown.show(event);
    });
    let alarm = Alarm::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(&alarm.signal), number)
            .map_err(|error| Failure::No(format!("cannot listen to signals: {error}")))?;
    }
    let summary = {
        let runtime = runtime(database, arguments, store, &alarm, &reporter)?;
        execute(&runtime, database, arguments, &script, &modules, &reporter)?
    };
    progress.end();
    verdict(&script, &summary)
}

fn read(file: &Path) -> Result<Script, Failure> {
    let source = std::fs::read(file)
        .map_err(|error| Failure::Usage(format!("cannot read the workflow {}: {error}", file.display())))?;
    Ok(Script { file: file.into(), source })
}

fn runtime(
    database: &Database,
    arguments: &RunArguments,
    store: Rc<dyn Store>,
    alarm: &Alarm,
    reporter: &Reporter,
) -> Result<Runtime, Failure> {
    let overrides: BTreeMap<String, String> = arguments.env.iter().cloned().collect();
    let host: Rc<Machine> = Rc::new(Machine::new(overrides));
    let (path, settings) = (database.path()?, database.settings());
    let opener: Opener = Arc::new(move || {
        Ok(Box::new(SqliteStore::open_or_create(&path, settings.clone())?) as Box<dyn Store>)
    });
    let locks = Locks::new(Rc::clone(&store), opener, Some(guard(alarm.clone())))
        .map_err(|error| Failure::No(format!("cannot start a thread: {error}")))?;
    let log = reporter.clone();
    let context = Context {
        stores: Stores::new(store),
        limits: Rc::new(Limits::new(Rc::clone(&host) as Rc<dyn crate::lua::Host>, alarm.clone())),
        host,
        locks,
        holder: database.settings().actor.name,
        log: Box::new(move |level, line| log.log(level, line)),
    };
    context.limits.limit_run(arguments.timeout);
    let memory = usize::try_from(arguments.memory).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    Runtime::new(Rc::new(context), memory)
        .map_err(|error| Failure::No(format!("cannot start Lua: {}", crate::lua::fault::message(&error))))
}

fn execute(
    runtime: &Runtime,
    database: &Database,
    arguments: &RunArguments,
    script: &Script,
    modules: &[Script],
    reporter: &Reporter,
) -> Result<Summary, Failure> {
    // A file that only declares what there is to do needs no time worth mentioning.
    const LOADING: Duration = Duration::from_secs(30);
    let limits = Rc::clone(&runtime.context.limits);
    let load = || workflow::load(runtime, script, modules, &arguments.task);
    let workflow = limits.within(Some(LOADING), load).map_err(|invalid| match limits.stop() {
        Some(Stop::Signal(signal)) => Failure::Stopped { signal },
        _ => Failure::Usage(progress::visible(&invalid.to_string())),
    })?;
    if arguments.timeout.is_none() {
        limits.limit_run(workflow.timeout);
    }
    let store = runtime.context.store();
    // A run that may only look has no number: nobody could find anything under it.
    let number = match store.check_writable() {
        Ok(()) => Some(store.begin_run(&NewRun {
            workflow: workflow.name.clone(),
            file: script.file.display().to_string(),
            params: arguments.param.iter().cloned().collect(),
        })?),
        Err(_) => None,
    };
    let actor = Actor { run: number, ..database.settings().actor };
    let summary = workflow::run(runtime, &workflow, &arguments.param, &actor, reporter);
    // What the tasks did counts, and is done.
    if let Some(number) = number
        && let Err(error) = store.end_run(number, &end_of(&summary))
    {
        reporter.log(Level::Warn, format!("how the run ended could not be noted: {error}").as_bytes());
    }
    Ok(summary)
}

fn end_of(summary: &Summary) -> RunEnd {
    let count = |tasks: usize| u32::try_from(tasks).unwrap_or(u32::MAX);
    RunEnd {
        outcome: summary.outcome.name().into(),
        ok: count(summary.ok),
        failed: count(summary.failed),
        skipped: count(summary.skipped),
    }
}

/// Ends the program if a script is stuck in code that no limit reaches, such as one enormous
/// pattern match.
fn guard(alarm: Alarm) -> Guard {
    const AFTER_SIGNAL: Duration = Duration::from_secs(3);
    // Longer than a busy database is waited for.
    const AFTER_DEADLINE: Duration = Duration::from_secs(15);
    let started = Instant::now();
    let signalled: Cell<Option<Instant>> = Cell::new(None);
    let signal = Arc::clone(&alarm.signal);
    let is_stuck = move || {
        if alarm.signal.load(Ordering::Relaxed) != 0 && signalled.get().is_none() {
            signalled.set(Some(Instant::now()));
        }
        signalled.get().is_some_and(|since| since.elapsed() >= AFTER_SIGNAL)
            || alarm.is_overdue(started.elapsed(), AFTER_DEADLINE)
    };
    let give_up = move || {
        progress::say("slothstate: the workflow could not be stopped in good order; its locks are released");
        let code = match signal.load(Ordering::Relaxed) {
            0 => 1,
            number => 128 + i32::try_from(number).unwrap_or_default(),
        };
        std::process::exit(code);
    };
    Guard { is_stuck: Box::new(is_stuck), give_up: Box::new(give_up) }
}

/// The exit code, and the last line if the run did not end well.
fn verdict(script: &Script, summary: &Summary) -> Result<(), Failure> {
    let file = progress::visible(&script.file.display().to_string());
    match &summary.outcome {
        RunOutcome::Done => Ok(()),
        RunOutcome::Failed => Err(Failure::No(format!("{file}: {} failed", progress::tasks(summary.failed)))),
        RunOutcome::Aborted => Err(Failure::No(format!("{file}: the run was aborted"))),
        RunOutcome::TimedOut => Err(Failure::No(format!("{file}: the run timed out"))),
        RunOutcome::Stopped { signal } => Err(Failure::Stopped { signal: *signal }),
    }
}

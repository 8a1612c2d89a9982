//! `demo`: the terminal interface on a temporary database that real workflow processes write to. It is a file, or
//! an empty prefix of etcd, where all that is written is under one lease.
//!
//! A separate process starts the workflows. It ends when the pipe from the interface closes, which
//! happens however the interface ends, also by `kill -9`; it then stops the workflows and removes the
//! folder and the keys. If that process is killed as well, etcd removes the keys when the lease ends.

use std::io::{BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{CliError, Database, output};
use crate::store::credentials::Handover;
use crate::store::{
    Expiry, Key, Location, Options, StoreError, TemporaryPrefix, Transaction, Value, open_or_create,
};
use crate::tui;

/// The example workflows, and how many processes run each of them.
const WORKFLOWS: [(&str, &str, usize); 7] = [
    ("deploy.lua", include_str!("../../assets/workflows/deploy.lua"), 1),
    ("workers.lua", include_str!("../../assets/workflows/workers.lua"), 1),
    ("circuit_breaker.lua", include_str!("../../assets/workflows/circuit_breaker.lua"), 1),
    ("metrics.lua", include_str!("../../assets/workflows/metrics.lua"), 1),
    ("critical_section.lua", include_str!("../../assets/workflows/critical_section.lua"), 2),
    ("cached_report.lua", include_str!("../../assets/workflows/cached_report.lua"), 1),
    ("feature_flags.lua", include_str!("../../assets/workflows/feature_flags.lua"), 1),
];

/// The workflow that is killed at times while it holds its lock, so that the demo has a lock with a dead
/// holder.
const KILLED_AT_TIMES: &str = "critical_section.lua";

/// Arguments of `demo`.
#[derive(clap::Args, Debug)]
pub struct DemoArguments {
    /// Seconds that a workflow takes between two steps
    #[arg(long, value_name = "SECONDS", default_value_t = 0.4)]
    pace: f64,
}

/// What the process that looks after the workflows is called with.
#[derive(clap::Args, Debug)]
pub struct WorkflowsArguments {
    /// The folder with the database and the workflows; it is removed in the end
    folder: PathBuf,
    /// Seconds that a workflow takes between two steps
    pace: f64,
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> CliError {
    let what = what.into();
    |source| CliError::System { what, source }
}

/// Opens the interface on a temporary database.
pub fn demo(database: &Database, arguments: &DemoArguments) -> Result<(), CliError> {
    let config = database.config();
    let etcd = database.etcd()?;
    if etcd.is_some() && database.is_read_only() {
        return Err(CliError::Usage("demo writes to its database: leave out --read-only".into()));
    }
    if !(0.0..=60.0).contains(&arguments.pace) {
        return Err(CliError::Usage("--pace is between 0 and 60 seconds".into()));
    }
    tui::check_terminal()?;
    let folder = tempfile::Builder::new()
        .prefix("slothstate-demo-")
        .tempdir()
        .map_err(system("a folder for the demo"))?;
    for (name, source, _) in WORKFLOWS {
        std::fs::write(folder.path().join(name), source).map_err(system(name))?;
    }
    let settings = Options { kinds: config.kinds.clone(), ..Options::default() };
    let prefix = match etcd {
        Some(address) => Some(TemporaryPrefix::begin(&address, &database.settings())?),
        None => None,
    };
    let location = match &prefix {
        Some(prefix) => prefix.location().clone(),
        None => Location::File(database_in(folder.path())),
    };
    let shown = show(database, arguments, folder.path(), location, settings);
    match prefix {
        Some(prefix) => end(&prefix, shown),
        None => shown,
    }
}

/// Shows the interface while workflows write.
fn show(
    database: &Database,
    arguments: &DemoArguments,
    folder: &Path,
    location: Location,
    settings: Options,
) -> Result<(), CliError> {
    let store = open_or_create(&location, &settings)?;
    let welcome = Value::text("a throw-away database: change anything; it is gone when you quit");
    store.commit(&Transaction::put(Key::new("about:demo")?, welcome, Expiry::Clear))?;
    drop(store);
    let caretaker = Caretaker::start(folder, &location, arguments.pace)?;
    let shown = tui::run(tui::TuiOptions {
        location,
        settings,
        known: None,
        read_only: false,
        resume: false,
        config: database.config().clone(),
    });
    drop(caretaker);
    Ok(shown?)
}

/// Removes what the demo wrote at a prefix, and reports what others wrote there.
fn end(prefix: &TemporaryPrefix, shown: Result<(), CliError>) -> Result<(), CliError> {
    // What the caretaker did already is not done twice.
    match prefix.end().and_then(|()| prefix.foreign_entries()) {
        Ok(0) => {}
        Ok(left) => output::print_notice(format_args!(
            "{left} entries at {} were not written by this demo, and are left there",
            prefix.location()
        )),
        Err(error) => output::print_notice(format_args!(
            "etcd removes what this demo wrote within {} seconds: {error}",
            TemporaryPrefix::SECONDS
        )),
    }
    shown
}

fn database_in(folder: &Path) -> PathBuf {
    folder.join("state.db")
}

/// The process that supervises the workflows; dropping this stops it.
struct Caretaker(Child);

impl Caretaker {
    fn start(folder: &Path, location: &Location, pace: f64) -> Result<Caretaker, CliError> {
        let program = std::env::current_exe().map_err(system("the program's own file"))?;
        let mut child = Command::new(program)
            .arg("--db")
            .arg(location.as_arg())
            .arg("demo-workflows")
            .arg(folder)
            .arg(pace.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C and a closed terminal reach the interface alone.
            .process_group(0)
            .spawn()
            .map_err(system("the demo's workflows"))?;
        let given = child.stdin.as_mut().map(|input| Handover::write_line(location, input));
        let caretaker = Caretaker(child);
        given.transpose().map_err(system("the demo's workflows"))?;
        Ok(caretaker)
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // If it cannot be waited for it is gone already.
        let _ = self.0.wait();
    }
}

/// Runs the workflows until standard input ends, then removes the folder and the database.
pub fn run_workflows(database: &Database, arguments: &WorkflowsArguments) -> Result<(), CliError> {
    let program = std::env::current_exe().map_err(system("the program's own file"))?;
    let location = database.location()?;
    let mut input = BufReader::new(std::io::stdin());
    Handover::read_line(&mut input).map_err(system("standard input"))?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut loops = Vec::new();
    for (name, _, processes) in WORKFLOWS {
        for _ in 0..processes {
            let worker = Worker {
                program: program.clone(),
                folder: arguments.folder.clone(),
                location: location.clone(),
                workflow: name,
                pace: arguments.pace,
                stop: stop.clone(),
            };
            loops.push(std::thread::spawn(move || worker.run_until_stopped()));
        }
    }
    let prefix = match &location {
        Location::Etcd(address) => Some(TemporaryPrefix::of(address, &database.settings())?),
        Location::File(_) => None,
    };
    let is_over = Arc::new(AtomicBool::new(false));
    let keeper = prefix.map(|prefix| {
        let is_over = is_over.clone();
        std::thread::spawn(move || keep(&prefix, &is_over))
    });
    // Nothing more is ever sent; an error is an end like any other.
    let _ = input.read_to_end(&mut Vec::new());
    stop.store(true, Ordering::SeqCst);
    for worker in loops {
        let _ = worker.join();
    }
    is_over.store(true, Ordering::SeqCst);
    let removed = keeper.map(|keeper| keeper.join().unwrap_or(Ok(())));
    std::fs::remove_dir_all(&arguments.folder).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(CliError::System { what: crate::text::escape::path(&arguments.folder), source: error }),
    })?;
    removed.unwrap_or(Ok(())).map_err(CliError::from)
}

/// Keeps a prefix until that is over, then removes what was written there.
fn keep(prefix: &TemporaryPrefix, is_over: &AtomicBool) -> Result<(), StoreError> {
    /// How often it is kept.
    const PERIOD: Duration = Duration::from_secs(TemporaryPrefix::SECONDS / 6);
    let mut kept = Instant::now();
    while !is_over.load(Ordering::SeqCst) {
        if kept.elapsed() >= PERIOD {
            kept = Instant::now();
            // Without an answer it is tried again before the time is up.
            let _ = prefix.keep();
        }
        std::thread::sleep(Worker::POLL_INTERVAL);
    }
    prefix.end()
}

/// Runs one workflow in a loop.
struct Worker {
    program: PathBuf,
    folder: PathBuf,
    location: Location,
    workflow: &'static str,
    pace: f64,
    stop: Arc<AtomicBool>,
}

impl Worker {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);

    fn run_until_stopped(&self) {
        while !self.is_stopped() {
            if let Ok(mut process) = self.start() {
                self.supervise(&mut process);
            }
            self.rest(Duration::from_millis(fastrand::u64(200..1200)));
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .arg("--db")
            .arg(self.location.as_arg())
            .arg("run")
            .arg(self.folder.join(self.workflow))
            .arg("--param")
            .arg(format!("pace={}", self.pace))
            .env_remove("SLOTHSTATE_DB")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let handover = Handover::prepare(&self.location, &mut command);
        let mut child = command.spawn()?;
        handover.give(&mut child)?;
        Ok(child)
    }

    /// Waits for the end of a run; kills it when the demo is over, or at random.
    fn supervise(&self, process: &mut Child) {
        let killed = self.workflow == KILLED_AT_TIMES && fastrand::u32(0..6) == 0;
        let accident = killed.then(|| Instant::now() + Duration::from_millis(fastrand::u64(300..1500)));
        let mut patience: Option<Instant> = None;
        while let Ok(None) = process.try_wait() {
            if accident.is_some_and(|time| Instant::now() >= time) {
                let _ = process.kill();
            }
            match patience {
                None if self.is_stopped() => {
                    if let Ok(pid) = i32::try_from(process.id()) {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                    }
                    patience = Some(Instant::now() + Duration::from_secs(2));
                }
                Some(end) if Instant::now() >= end => {
                    let _ = process.kill();
                }
                _ => {}
            }
            std::thread::sleep(Self::POLL_INTERVAL);
        }
    }

    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.is_stopped() {
            std::thread::sleep(Self::POLL_INTERVAL);
        }
    }
}

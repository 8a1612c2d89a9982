//! `lock`: runs a command while a lock is held.

mod signal_forwarding;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::signal_forwarding::SignalForwarder;
use self::terminal::Terminal;
use super::lock_guard::{LOCK, LOCK_DATABASE, SurroundingLock, TOKEN, absolute_name};
use super::{CliError, Database, output};
use crate::lua::{HeldLocks, LostLock, StoreFactory};
use crate::store::{
    ErrorKind, Lock, LockRequest, Process, Store, StoreError, WaitOutcome, open, wait_for_lock,
};
use crate::supervisor::{
    Bytes, CommandEnd, CommandSpec, EndCause, ExitStatus, StartError, Supervised, SupervisorReport,
};
use crate::text::duration::{parse_duration, show_duration, show_short_span};
use crate::text::escape::escape;
use crate::time::BootInstant;
use crate::time::Millis;

/// How long a command may take to end after a termination signal was forwarded to it.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `lock`.
#[derive(clap::Args, Debug)]
#[command(after_help = "The command finds the lock, its token and the database in $SLOTHSTATE_LOCK, \
    $SLOTHSTATE_TOKEN and $SLOTHSTATE_DB; set, incr, del, toggle and ttl use them, and refuse to write once \
    the lock is lost. When the lock is lost or this program dies, the command and everything that it \
    started are ended. SIGTERM, SIGINT and SIGHUP are passed on; a command that does not end within 10 \
    seconds is killed. While this program is suspended (Ctrl-Z), so is the command, which is ended before \
    the lease expires.\n\n\
    Exit codes: that of the command; 128 plus the number of the signal that ended it; 126 if it cannot be \
    executed, 127 if it does not exist; 1 if the lock was lost, or not acquired in time \
    (--conflict-exit-code); 2 wrong usage; 3 the database could not be used.")]
pub struct LockArguments {
    /// The lock
    name: String,
    /// The lease: how long the lock stays held if this program is killed; renewed while the command runs
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    ttl: Duration,
    /// How long to wait for the lock, first come, first served; 0 tries once [default: until it is
    /// free, as flock and consul lock do]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// The exit code if the lock was not acquired in time
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    conflict_exit_code: u8,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Parses a lease that is long enough to be renewed in time.
fn lease(text: &str) -> Result<Duration, String> {
    const MIN_LEASE: Duration = Duration::from_millis(100);
    parse_duration(text).and_then(|time| match time < MIN_LEASE {
        true => Err("a lease lasts 100ms or longer".into()),
        false => Ok(time),
    })
}

/// Runs a command while a lock is held.
///
/// # Errors
/// [`CliError::Exit`] with the code of the command, or if the lock was not acquired in time;
/// [`CliError::Failed`] if it was lost.
pub fn lock(database: &Database, arguments: &LockArguments) -> Result<(), CliError> {
    let signals = SignalForwarder::listen()?;
    let store: Rc<dyn Store> = Rc::from(database.open_or_create()?);
    store.check_writable()?;
    let location = database.location()?;
    let name = absolute_name(&location);
    refuse_twice(&*store, database, arguments)?;
    let settings = database.settings();
    let opening = settings.clone();
    // By its name, which may lead to another file later; a missing file is an error, and is not created.
    let store_factory: StoreFactory = Arc::new(move || open(&location, &opening).map(|store| store as _));
    let locks = HeldLocks::new(Rc::clone(&store), store_factory, None)
        .map_err(|source| CliError::System { what: "a thread to renew the lock".into(), source })?;
    let request =
        LockRequest { name: arguments.name.clone(), holder: settings.actor.name, lease: arguments.ttl };
    let (lock, requested_at) = acquire(&*store, &request, arguments, &signals)?;
    locks.keep(&lock, arguments.ttl, requested_at);
    for notice in store.take_notices() {
        output::print_notice(output::visible(notice.as_bytes()));
    }

    let spec = spec(&arguments.command, &lock, &name, &locks);
    let ended = supervise(spec, &locks, &signals);
    if matches!(ended, Err(StartError::Killed)) {
        // Something of the command may still run: the lease has to run out.
        std::mem::forget(locks);
        return Err(CliError::Failed("the supervisor of the command was killed; the lock is held on".into()));
    }
    if let Err(error) = locks.release(&arguments.name, None) {
        output::print_notice(format_args!(
            "the lock could not be released, so it is held until its lease ends: {error}"
        ));
    }
    let lost = locks.losses().next();
    if matches!(store.poll_changes(), Err(StoreError { kind: ErrorKind::Reset { .. }, .. }))
        && let Some(kept) = store.keep_leftover()
    {
        output::print_notice(output::visible(super::run::kept_log(&kept).as_bytes()));
    }
    match ended {
        Ok(end) => verdict(&arguments.name, &end, lost),
        Err(StartError::Interrupted(signal)) => {
            Err(CliError::Stopped { signal: usize::try_from(signal).unwrap_or_default() })
        }
        Err(StartError::Command(error)) => Err(not_started(&arguments.command[0], &error)),
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}

/// Refuses a lock that an enclosing `slothstate lock` holds: waiting for it would never end.
fn refuse_twice(store: &dyn Store, database: &Database, arguments: &LockArguments) -> Result<(), CliError> {
    let Some(surrounding_lock) = SurroundingLock::of_environment(|name| std::env::var_os(name))? else {
        return Ok(());
    };
    if surrounding_lock.lock != arguments.name || !surrounding_lock.is_held_in(&database.location()?) {
        return Ok(());
    }
    match store.lock(&arguments.name)? {
        Some(lock) if lock.token == surrounding_lock.token && !lock.is_expired(store.clock().now()) => {
            Err(CliError::Exit {
                code: arguments.conflict_exit_code,
                message: format!(
                    "lock {} is held already by the slothstate lock that runs this command",
                    escape(arguments.name.as_bytes())
                ),
            })
        }
        _ => Ok(()),
    }
}

/// Waits for the lock; returns it with an instant before it was requested.
fn acquire(
    store: &dyn Store,
    request: &LockRequest,
    arguments: &LockArguments,
    signals: &SignalForwarder,
) -> Result<(Lock, BootInstant), CliError> {
    let limit = arguments.wait.unwrap_or(Duration::MAX);
    let mut requested_at = BootInstant::now();
    let mut news = HolderNotices::default();
    let mut pause = |time: Duration| {
        news.print_notices(store, &request.name);
        std::thread::sleep(time);
        requested_at = BootInstant::now();
        signals.received().is_none()
    };
    let name = escape(request.name.as_bytes());
    match wait_for_lock(store, request, limit, &mut pause)? {
        WaitOutcome::Acquired(lock) => Ok((lock, requested_at)),
        WaitOutcome::Cancelled => Err(CliError::Stopped { signal: signals.received().unwrap_or_default() }),
        WaitOutcome::TimedOut(found) => {
            let holder = match found.map_or_else(|| store.lock(&request.name), |lock| Ok(Some(lock)))? {
                Some(lock) => describe(store, &lock),
                None => "others wait for it".into(),
            };
            let time = match limit {
                Duration::ZERO => String::new(),
                limit => format!(" within {}", show_short_span(limit)),
            };
            let message = format!("lock {name} was not free{time}: {holder}");
            Err(CliError::Exit { code: arguments.conflict_exit_code, message })
        }
    }
}

/// Describes who holds a lock, the state of the holder, and the rest of the lease.
fn describe(store: &dyn Store, lock: &Lock) -> String {
    let now = store.clock().now();
    let held = lock.acquired_at.map_or(String::new(), |at| format!(" for {}", show_duration(now.since(at))));
    format!("{} ({}) has held it{held}", escape(lock.holder.as_bytes()), state(store, lock, now))
}

/// Describes the holder's state and whether the lease has expired.
fn state(store: &dyn Store, lock: &Lock, now: Millis) -> String {
    let expired = if lock.is_expired(now) { ", lease expired" } else { "" };
    format!("{}{expired}", store.holder_liveness(lock, &Process::current()).name())
}

/// Notices for a waiter: names the holder of the lock whenever it changes.
#[derive(Default)]
struct HolderNotices {
    looked: Option<Instant>,
    notice: Option<String>,
}

impl HolderNotices {
    fn print_notices(&mut self, store: &dyn Store, name: &str) {
        const POLL_INTERVAL: Duration = Duration::from_millis(500);
        if self.looked.is_some_and(|looked| looked.elapsed() < POLL_INTERVAL) {
            return;
        }
        self.looked = Some(Instant::now());
        // It is only to be told, and the next look may succeed.
        let Ok(found) = store.lock(name) else { return };
        let notice =
            found.as_ref().map(|lock| format!("{} {}", lock.token, state(store, lock, store.clock().now())));
        if let Some(lock) = found
            && notice != self.notice
        {
            let name = escape(name.as_bytes());
            output::print_notice(format_args!("waiting for lock {name}: {}", describe(store, &lock)));
        }
        self.notice = notice;
    }
}

fn spec(command: &[OsString], lock: &Lock, database: &OsStr, locks: &HeldLocks) -> CommandSpec {
    let bytes = |text: &OsStr| Bytes::from(text.as_bytes());
    let token = lock.token.to_string();
    let variables: [(&str, &OsStr); 4] = [
        (LOCK, lock.name.as_ref()),
        (TOKEN, token.as_ref()),
        (LOCK_DATABASE, database),
        ("SLOTHSTATE_DB", database),
    ];
    CommandSpec {
        program: bytes(&command[0]),
        arguments: command[1..].iter().map(|argument| bytes(argument)).collect(),
        env: variables.map(|(name, value)| (bytes(name.as_ref()), bytes(value))).into(),
        cwd: None,
        // That of the terminal's foreground, if it is this one: Ctrl-C and Ctrl-Z reach the command too.
        group: Some(nix::unistd::getpgrp().as_raw()),
        bounds: Some(locks.bounds()),
    }
}

/// Runs the command until it ends.
fn supervise(
    spec: CommandSpec,
    locks: &HeldLocks,
    signals: &SignalForwarder,
) -> Result<CommandEnd, StartError> {
    const POLL_INTERVAL: Duration = Duration::from_millis(100);
    let streams = || -> std::io::Result<[OwnedFd; 3]> {
        Ok([
            std::io::stdin().as_fd().try_clone_to_owned()?,
            std::io::stdout().as_fd().try_clone_to_owned()?,
            std::io::stderr().as_fd().try_clone_to_owned()?,
        ])
    };
    let terminal = Terminal::remember();
    let mut supervised = Supervised::start(spec, streams().map_err(StartError::Supervisor)?)?;
    let _feeding = locks.feed(supervised.control());
    loop {
        match supervised.wait(POLL_INTERVAL)? {
            // Before that the terminal's signals did not reach it.
            Some(SupervisorReport::Started(_)) => signals.pass_to(supervised.control()),
            Some(SupervisorReport::Ended(end)) => {
                if end.cause != EndCause::Itself {
                    terminal.restore();
                }
                return Ok(end);
            }
            Some(SupervisorReport::NotStarted(_)) | None => {}
        }
        // It gives up a lock that was not renewed in time, and so ends the command.
        locks.losses().next();
        if signals.is_overdue(TERMINATION_TIMEOUT) {
            supervised.control().kill();
        }
    }
}

/// The result of the program after the command has ended and the lock is released.
fn verdict(name: &str, end: &CommandEnd, lost: Option<LostLock>) -> Result<(), CliError> {
    let lost = lost.map(|lost| lost.to_string()).or_else(|| {
        let name = escape(name.as_bytes());
        (end.cause == EndCause::Lease).then(|| format!("lock {name} could not be renewed in time"))
    });
    if end.left_processes {
        output::print_notice("the command left processes running, which were ended with it");
    }
    if let Some(lost) = lost {
        let what = match end.cause {
            EndCause::Itself => "the command ran on without it",
            _ => "the command was ended",
        };
        return Err(CliError::Failed(format!("{lost}; {what}")));
    }
    let code = match end.status {
        Some(ExitStatus::Exited(0)) => return Ok(()),
        Some(ExitStatus::Exited(code)) => code,
        Some(ExitStatus::Signalled(signal)) => 128 + signal,
        None => 128 + nix::sys::signal::Signal::SIGKILL as i32,
    };
    Err(CliError::Exit { code: u8::try_from(code).unwrap_or(1), message: String::new() })
}

fn not_started(command: &OsStr, error: &std::io::Error) -> CliError {
    let name = escape(command.as_bytes());
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            CliError::Exit { code: 127, message: format!("{name}: command not found") }
        }
        _ => CliError::Exit { code: 126, message: format!("{name} cannot be executed: {error}") },
    }
}

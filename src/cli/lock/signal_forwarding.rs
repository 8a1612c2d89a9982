//! Forwards signals from `lock` to its command.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::cli::CliError;
use crate::supervisor::{Control, not_ignored};

/// Records and forwards the signals that this process receives.
pub struct SignalForwarder {
    received: Arc<Received>,
}

#[derive(Default)]
struct Received {
    /// The first signal that requests termination, as the handler has it; 0 if none did. The thread that takes
    /// signals may learn of it later than the command is started.
    first: Arc<AtomicUsize>,
    passing: Mutex<ForwardingState>,
}

#[derive(Default)]
struct ForwardingState {
    /// The supervisor of the command, once it runs.
    command: Option<Control>,
    /// Other signals that arrived before that, once each.
    waiting: Vec<i32>,
    /// The signal that was forwarded at the start of the command and that the thread has not taken yet.
    forwarded: Option<i32>,
    /// Whether the thread has taken a signal that requests termination.
    is_taken: bool,
    /// When the command was asked to terminate.
    told_at: Option<Instant>,
}

impl SignalForwarder {
    /// Handles the signals that were not ignored when the program was started.
    pub fn listen() -> Result<SignalForwarder, CliError> {
        let system = |source| CliError::System { what: "listening to signals".into(), source };
        let wanted: Vec<i32> = not_ignored([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]).collect();
        let received = Arc::new(Received::default());
        for signal in wanted.iter().copied().filter(|signal| requests_end(*signal)) {
            let first = Arc::clone(&received.first);
            let number = usize::try_from(signal).unwrap_or_default();
            let note = move || {
                let _ = first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            };
            // SAFETY: the handler changes an atomic number, and does nothing else.
            unsafe { signal_hook::low_level::register(signal, note) }.map_err(system)?;
        }
        let mut signals = SignalsInfo::<WithOrigin>::new(&wanted).map_err(system)?;
        let theirs = Arc::clone(&received);
        let pass = move || signals.forever().for_each(|origin| theirs.take(&origin));
        std::thread::Builder::new().name("signals".into()).spawn(pass).map_err(system)?;
        Ok(SignalForwarder { received })
    }

    /// The number of the first signal that requested termination.
    pub fn received(&self) -> Option<usize> {
        Some(self.received.first.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Forwards signals to a command from now on, pending ones included.
    pub fn pass_to(&self, command: Control) {
        let mut passing = self.received.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = self.received() {
            let signal = i32::try_from(signal).unwrap_or(SIGTERM);
            command.signal(signal);
            passing.told_at = Some(Instant::now());
            passing.forwarded = Some(signal).filter(|_| !passing.is_taken);
        }
        for signal in std::mem::take(&mut passing.waiting) {
            command.signal(signal);
        }
        passing.command = Some(command);
    }

    /// Whether the command was asked to terminate at least `time` ago.
    pub fn is_overdue(&self, time: Duration) -> bool {
        let passing = self.received.passing.lock().unwrap_or_else(PoisonError::into_inner);
        passing.told_at.is_some_and(|at| at.elapsed() >= time)
    }
}

/// Whether a signal requests termination.
fn requests_end(signal: i32) -> bool {
    ![SIGUSR1, SIGUSR2].contains(&signal)
}

impl Received {
    fn take(&self, origin: &Origin) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = origin.signal;
        let asks_to_end = requests_end(signal);
        passing.is_taken |= asks_to_end;
        if passing.forwarded.take_if(|forwarded| *forwarded == signal).is_some() {
            return;
        }
        let Some(command) = &passing.command else {
            if !asks_to_end && !passing.waiting.contains(&signal) {
                passing.waiting.push(signal);
            }
            return;
        };
        // What the terminal sends, the command gets as well, and is free to go on after Ctrl-C.
        let is_from_terminal = matches!(origin.cause, Cause::Kernel);
        if !is_from_terminal {
            command.signal(signal);
        }
        if asks_to_end && (!is_from_terminal || signal == SIGHUP) {
            passing.told_at.get_or_insert_with(Instant::now);
        }
    }
}

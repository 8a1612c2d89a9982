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
    /// The first signal that requests termination; 0 if none did.
    first: AtomicUsize,
    passing: Mutex<ForwardingState>,
}

#[derive(Default)]
struct ForwardingState {
    /// The supervisor of the command, once it runs.
    command: Option<Control>,
    /// Other signals that arrived before that, once each.
    waiting: Vec<i32>,
    /// When the command was asked to terminate.
    told_at: Option<Instant>,
}

impl SignalForwarder {
    /// Handles the signals that were not ignored when the program was started.
    pub fn listen() -> Result<SignalForwarder, CliError> {
        let system = |source| CliError::System { what: "listening to signals".into(), source };
        let wanted = not_ignored([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]);
        let mut signals = SignalsInfo::<WithOrigin>::new(wanted).map_err(system)?;
        let received = Arc::new(Received::default());
        let theirs = Arc::clone(&received);
        let pass = move || signals.forever().for_each(|origin| theirs.take(&origin));
        std::thread::Builder::new().name("signals".into()).spawn(pass).map_err(system)?;
        Ok(SignalForwarder { received })
    }

    /// The number of the first signal that requested termination.
    pub fn received(&self) -> Option<usize> {
        Some(self.received.first.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Forwards signals to a command from now on, pending ones included.
    pub fn pass_to(&self, command: Control) {
        let mut passing = self.received.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = self.received() {
            command.signal(i32::try_from(signal).unwrap_or(SIGTERM));
            passing.told_at = Some(Instant::now());
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

impl Received {
    fn take(&self, origin: &Origin) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = origin.signal;
        let asks_to_end = ![SIGUSR1, SIGUSR2].contains(&signal);
        if asks_to_end {
            let number = usize::try_from(signal).unwrap_or_default();
            let _ = self.first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
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

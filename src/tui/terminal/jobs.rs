//! Job control: the program is suspended like any other, and the shell has the terminal meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

use crate::tui::terminal::modes::has_foreground;

/// How long the program is at most on its way into a stop, or out of it.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// How long after each other signals come that were sent together.
const SIBLING_SIGNALS: Duration = Duration::from_millis(20);

/// What is known of how the program is stopped and continued.
#[derive(Clone)]
pub struct Jobs {
    /// The program was continued, and nobody has looked since.
    continued: Arc<AtomicBool>,
    /// Whether the caller of the program lets it be suspended.
    can_stop: bool,
}

impl Jobs {
    /// Looks for the signal that continues a stopped program.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn new() -> io::Result<Jobs> {
        let continued = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGCONT, Arc::clone(&continued))?;
        Ok(Jobs { continued, can_stop: !is_ignored(Signal::SIGTSTP)? })
    }

    /// Whether the caller of the program lets it be suspended.
    pub fn can_stop(&self) -> bool {
        self.can_stop
    }

    /// Whether the program was continued since this was last asked.
    pub fn was_continued(&self) -> bool {
        self.continued.swap(false, Ordering::SeqCst)
    }

    /// Stops the whole process group, as the terminal would: the shell waits for all of it. Returns
    /// when somebody continues it; false if nothing stopped it. Where no shell could continue it (its
    /// process group is orphaned), the system does not stop it.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn stop(&self) -> io::Result<bool> {
        let _default = self.stop_by_default()?;
        self.stop_by(Signal::SIGTSTP)
    }

    /// Waits until this program has the terminal: in the background it stops until the shell brings it
    /// to the foreground, as every program does that uses the terminal. False if it is to end instead.
    ///
    /// # Errors
    /// If the system does not let it stop.
    pub fn await_foreground(&self, is_to_end: impl Fn() -> bool) -> io::Result<bool> {
        loop {
            if is_to_end() {
                return Ok(false);
            }
            if has_foreground() {
                return Ok(true);
            }
            // The signal that ends it may have come with the one that continued it.
            std::thread::sleep(SIBLING_SIGNALS);
            if !is_to_end() && !has_foreground() && !self.stop_by(Signal::SIGTTOU)? {
                // Nobody could continue it. What is wrong with the terminal is seen when it is used.
                return Ok(true);
            }
        }
    }

    /// Stops the process group by a signal that stops it by default.
    fn stop_by(&self, signal: Signal) -> io::Result<bool> {
        self.was_continued();
        kill(Pid::from_raw(0), signal)?;
        let sent = Instant::now();
        while sent.elapsed() < ON_THE_WAY {
            if self.was_continued() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(false)
    }

    /// For as long as the answer is kept, SIGTSTP does to this program what it does to any other.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn stop_by_default(&self) -> io::Result<Option<StopByDefault>> {
        if !self.can_stop {
            return Ok(None);
        }
        Ok(Some(StopByDefault(swap(Signal::SIGTSTP, &action(SigHandler::SigDfl))?)))
    }
}

/// What SIGTSTP did before; it does so again when this is dropped.
pub struct StopByDefault(SigAction);

impl Drop for StopByDefault {
    fn drop(&mut self) {
        // It was in force before, so that it cannot be refused.
        let _ = swap(Signal::SIGTSTP, &self.0);
    }
}

fn action(handler: SigHandler) -> SigAction {
    SigAction::new(handler, SaFlags::empty(), SigSet::empty())
}

fn swap(signal: Signal, action: &SigAction) -> io::Result<SigAction> {
    // SAFETY: the handler is the default one, or was in force before.
    Ok(unsafe { sigaction(signal, action) }?)
}

/// Whether the caller of the program has it ignore a signal.
fn is_ignored(signal: Signal) -> io::Result<bool> {
    let old = swap(signal, &action(SigHandler::SigDfl))?;
    let is_ignored = matches!(old.handler(), SigHandler::SigIgn);
    swap(signal, &old)?;
    Ok(is_ignored)
}

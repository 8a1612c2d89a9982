//! What signals mean to every command.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::CliError;

/// The signals that ask a program to stop.
const STOP: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// How long a program may take to stop in good order.
const PATIENCE: Duration = Duration::from_secs(3);

/// Settles what two signals mean from the beginning on.
///
/// SIGXFSZ, which comes where a file would grow beyond a limit, does nothing: the write fails, and that
/// is an error like any other. It is handled rather than ignored, since the commands of a workflow
/// would inherit that. SIGBUS ends the program as it would anyway, after a word about why.
///
/// Where the system refuses, both do what they do to any program.
pub fn settle() {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing.
    if let Ok(old) = unsafe { sigaction(Signal::SIGXFSZ, &action) }
        && matches!(old.handler(), SigHandler::SigIgn)
    {
        // SAFETY: it is what was in force before.
        let _ = unsafe { sigaction(Signal::SIGXFSZ, &old) };
    }
    let _ = crate::tui::explain_bus_errors();
}

/// The number of the signal that asks the program to stop, once one does; 0 before. The program goes
/// on meanwhile, and is to look.
///
/// # Errors
/// [`CliError::System`] if the system does not let signals be handled.
pub fn stop_requested() -> Result<Arc<AtomicUsize>, CliError> {
    let asked = Arc::new(AtomicUsize::new(0));
    for signal in STOP {
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(&asked), number).map_err(failed)?;
    }
    Ok(asked)
}

/// Ends the program if it is asked to stop and does not for some seconds, such as where nobody takes
/// what it writes.
///
/// # Errors
/// [`CliError::System`] if the system does not let signals be handled.
pub fn end_when_stuck() -> Result<(), CliError> {
    let mut signals = signal_hook::iterator::Signals::new(STOP).map_err(failed)?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            std::thread::sleep(PATIENCE);
            crate::atomic_file::remove_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

fn failed(source: std::io::Error) -> CliError {
    CliError::System { what: "signals".into(), source }
}

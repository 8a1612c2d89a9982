//! Signal handling common to all commands.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::CliError;

/// The signals that request a program to stop.
const STOP_SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// How long a program may take to stop cleanly.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Installs the handlers of SIGXFSZ and SIGBUS.
///
/// SIGXFSZ (a file would grow beyond its limit) has an empty handler: the write fails with an error.
/// It is handled rather than ignored because the commands of a workflow would inherit an ignored signal.
/// SIGBUS ends the program as by default, after a message that says why.
///
/// Where the system refuses a handler, the default action stays.
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

/// The number of the signal that requested the program to stop; 0 until then. The program polls it.
///
/// # Errors
/// [`CliError::System`] if the system does not let signals be handled.
pub fn stop_requested() -> Result<Arc<AtomicUsize>, CliError> {
    let requested = Arc::new(AtomicUsize::new(0));
    for signal in STOP_SIGNALS {
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(&requested), number).map_err(failed)?;
    }
    Ok(requested)
}

/// Ends the program if it does not stop within some seconds of a request, for example because it is
/// blocked writing to a pipe that is not read.
///
/// # Errors
/// [`CliError::System`] if the system does not let signals be handled.
pub fn end_when_stuck() -> Result<(), CliError> {
    let mut signals = signal_hook::iterator::Signals::new(STOP_SIGNALS).map_err(failed)?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            std::thread::sleep(STOP_TIMEOUT);
            crate::atomic_file::remove_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

fn failed(source: std::io::Error) -> CliError {
    CliError::System { what: "signals".into(), source }
}

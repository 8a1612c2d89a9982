//! Ending by a signal, without leaving incomplete files.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether the signals end the program, as they do by default.
static ENDS: AtomicBool = AtomicBool::new(false);

/// For a program that does nothing about the signals that ask it to end: from the first named file
/// on they remove the incomplete files before they end it.
pub fn remove_on_signals() {
    ENDS.store(true, Ordering::SeqCst);
}

/// Begins to listen, if it is time for that.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    if !ENDS.load(Ordering::SeqCst) {
        return;
    }
    ONCE.call_once(|| {
        let (registered, begun) = std::sync::mpsc::channel();
        // Without a thread a signal leaves a stale file, which the next writer removes.
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            // Somebody had the program ignore a signal, as nohup does: it goes on doing so.
            let ends = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
            let Ok(mut signals) = Signals::new(ends) else { return };
            let _ = registered.send(());
            for signal in signals.forever() {
                super::remove_all();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
        if thread.is_ok() {
            // It fails once the thread ends without having registered anything.
            let _ = begun.recv();
        }
    });
}

/// Whether the process ignores a signal, as proc(5) tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

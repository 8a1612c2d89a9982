//! Signals that the interface reacts to in good order; `terminal::fatal` has those that end it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossterm::event::Event;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};

use crate::tui::message::Message;
use crate::tui::terminal::input::MessageSender;
use crate::tui::terminal::{Jobs, end_by};

/// How long the interface may take to end in good order. One that waits for a terminal that takes no
/// output ends all the same.
const FOREGROUND_TIMEOUT: Duration = Duration::from_secs(3);

/// What signals have to do with the interface.
#[derive(Clone)]
pub struct TuiSignals {
    /// Stopping and continuing.
    pub jobs: Jobs,
    /// Whether another program has the terminal.
    is_lent: Arc<AtomicBool>,
    /// The signal that asked the interface to end; 0 if none did.
    asked_to_end: Arc<AtomicUsize>,
}

impl TuiSignals {
    /// Listens to signals: one that asks to end ends the program as `q` does, so that the terminal is
    /// given back; a new size, a stop and its end are passed on. While the terminal is lent, Ctrl-C and
    /// the size are the other program's affair.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn listen(post: &MessageSender) -> io::Result<TuiSignals> {
        let jobs = Jobs::new()?;
        let asked_to_end = Arc::new(AtomicUsize::new(0));
        for signal in [SIGHUP, SIGTERM] {
            // Known from the very moment on: what is stopped and continued looks at it at once.
            signal_hook::flag::register_usize(signal, Arc::clone(&asked_to_end), number(signal))?;
        }
        let wanted = [SIGHUP, SIGINT, SIGTERM, SIGWINCH, SIGCONT];
        let mut heard = signal_hook::iterator::Signals::new(wanted)?;
        if jobs.can_stop() {
            heard.add_signal(SIGTSTP)?;
        }
        let signals = TuiSignals { jobs, is_lent: Arc::default(), asked_to_end };
        let (post, own) = (post.clone(), signals.clone());
        std::thread::spawn(move || {
            for signal in heard.forever() {
                if let Some(message) = own.message(signal) {
                    post.send(message);
                }
                // The editor that has the terminal is not cut off.
                if own.asked_to_end().is_some() && !own.is_lent.load(Ordering::SeqCst) {
                    std::thread::sleep(FOREGROUND_TIMEOUT);
                    crate::atomic_file::remove_all();
                    end_by(signal);
                }
            }
        });
        Ok(signals)
    }

    fn message(&self, signal: i32) -> Option<Message> {
        let is_lent = self.is_lent.load(Ordering::SeqCst);
        match signal {
            SIGWINCH | SIGINT if is_lent => None,
            SIGWINCH => {
                let (columns, rows) = crossterm::terminal::size().ok()?;
                Some(Message::Input(Event::Resize(columns, rows)))
            }
            SIGTSTP => Some(Message::Suspend),
            SIGCONT => Some(Message::Continued),
            signal => {
                self.asked_to_end.store(number(signal), Ordering::SeqCst);
                Some(Message::End)
            }
        }
    }

    /// The signal that asked the interface to end.
    pub fn asked_to_end(&self) -> Option<i32> {
        let signal = i32::try_from(self.asked_to_end.load(Ordering::SeqCst)).unwrap_or_default();
        Some(signal).filter(|signal| *signal != 0)
    }

    /// Waits until this program has the terminal; false if it is to end instead.
    ///
    /// # Errors
    /// If the system does not let it stop meanwhile.
    pub fn await_foreground(&self) -> io::Result<bool> {
        self.jobs.await_foreground(|| self.asked_to_end().is_some())
    }

    /// Says whether another program has the terminal.
    pub fn lend(&self, is_lent: bool) {
        self.is_lent.store(is_lent, Ordering::SeqCst);
    }
}

fn number(signal: i32) -> usize {
    usize::try_from(signal).unwrap_or_default()
}

//! Restores the terminal after a command that was killed.

use std::fs::File;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

/// The saved terminal modes, if this process was in the foreground.
pub struct Terminal {
    before: Option<(File, Termios)>,
}

impl Terminal {
    pub fn remember() -> Terminal {
        let before = File::options().read(true).write(true).open("/dev/tty").ok().and_then(|terminal| {
            let is_ours = tcgetpgrp(&terminal) == Ok(getpgrp());
            let modes = tcgetattr(&terminal).ok().filter(|_| is_ours)?;
            Some((terminal, modes))
        });
        Terminal { before }
    }

    /// Restores the terminal modes, unless another process has the foreground.
    pub fn restore(&self) {
        let Some((terminal, modes)) = &self.before else { return };
        // Who is not in the foreground is stopped for trying, and does not even need to know.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        if stop.thread_block().is_err() {
            return;
        }
        // A shell that was killed has left nobody in the foreground.
        let foreground = tcgetpgrp(terminal);
        if foreground.is_ok_and(|group| killpg(group, None) == Err(Errno::ESRCH)) {
            let _ = tcsetpgrp(terminal, getpgrp());
        }
        if tcgetpgrp(terminal) == Ok(getpgrp()) {
            let _ = tcsetattr(terminal, SetArg::TCSADRAIN, modes);
        }
        let _ = stop.thread_unblock();
    }
}

//! The process group of a command: how its leader does, and whether anything of it is left.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How the leader of a group does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is at work.
    Working,
    /// It was suspended because it used the terminal, which belongs to others.
    WantsTerminal,
    /// It ended with this code.
    Exited(i32),
    /// It was ended by the signal with this number; 0 for one that has no name.
    Signalled(i32),
}

/// A process group that was started here. If it is dropped before it was left it is killed.
pub(super) struct Group {
    leader: Pid,
    state: State,
    is_left: bool,
}

impl Group {
    /// Starts `command` as the leader of a group of its own. Nobody else may wait for it.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) fn start(command: &mut Command) -> std::io::Result<(Group, Child)> {
        adopt_orphans();
        let child = command.process_group(0).spawn()?;
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        Ok((Group { leader, state: State::Working, is_left: false }, child))
    }

    /// Looks at how the leader does.
    ///
    /// # Errors
    /// The system does not tell: this process was started to ignore how its children end.
    pub(super) fn look(&mut self) -> std::io::Result<State> {
        if !self.is_led_no_more() {
            self.state = match waitpid(self.leader, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Exited(_, code)) => State::Exited(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => State::Signalled(signal as i32),
                Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) => State::WantsTerminal,
                Ok(_) | Err(Errno::EINTR) => self.state,
                // A signal with a number that is not known here.
                Err(Errno::EINVAL) => State::Signalled(0),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(self.state)
    }

    /// Whether the leader has ended.
    pub(super) fn is_led_no_more(&self) -> bool {
        matches!(self.state, State::Exited(_) | State::Signalled(_))
    }

    /// Whether the leader has ended, and no process of the group is left that could be ended
    /// from here.
    pub(super) fn is_empty(&self) -> bool {
        if !self.is_led_no_more() {
            return false;
        }
        // Nobody else reaps the orphans of the group.
        let members = Pid::from_raw(-self.leader.as_raw());
        let reaped = || waitpid(members, Some(WaitPidFlag::WNOHANG));
        while matches!(reaped(), Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))) {}
        killpg(self.leader, None).is_err()
    }

    /// Asks every process of the group to end, also those that are suspended.
    pub(super) fn tell_to_end(&self) {
        self.send(Signal::SIGTERM);
        self.send(Signal::SIGCONT);
    }

    /// Ends every process of the group.
    pub(super) fn kill(&self) {
        self.send(Signal::SIGKILL);
    }

    /// Everything has ended as far as it will: the group is not touched any more.
    pub(super) fn leave(mut self) {
        self.is_left = true;
    }

    fn send(&self, signal: Signal) {
        // It fails only if nobody is left to get it.
        let _ = killpg(self.leader, signal);
    }
}

/// Has children of children come to this process when their parent ends, so that it hears of their
/// end at once: the first process of a container may reap them late or never, and what was not
/// reaped looks as if it were still to be ended. What leaves its group stays here until the program
/// ends, and is then taken over as ever.
fn adopt_orphans() {
    // Without it the end of a command may take longer; nothing else depends on it.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        self.kill();
        // A process that was killed is gone at once, unless it hangs in the kernel.
        for _ in 0..100 {
            if self.look().is_err() || self.is_led_no_more() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

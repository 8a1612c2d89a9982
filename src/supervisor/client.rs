//! The client side: starts a supervisor and talks to it.

use std::io::{ErrorKind, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::message::{CommandSpec, Inbox, SupervisorReport, SupervisorRequest, encode};
use super::{CommandDeadlines, GRACE, NAME};

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The supervisor could not be started.
    #[error("the supervisor of the command could not be started: {0}")]
    Supervisor(std::io::Error),
    /// A signal to our process group ended the supervisor before it started the command; its number.
    #[error("the command was not started: its supervisor was stopped by signal {0}")]
    Interrupted(i32),
    #[error("the supervisor of the command was killed, so the command was ended too")]
    Killed,
    /// The command could not be started.
    #[error("{0}")]
    Command(std::io::Error),
}

/// A supervised command. Dropping it before it has ended kills it.
pub struct Supervised {
    supervisor: Child,
    control: Control,
    socket: Arc<UnixStream>,
    inbox: Inbox,
    has_group: bool,
    command: Option<Pid>,
    has_ended: bool,
}

/// Sends requests to a supervisor, from any thread, without blocking.
#[derive(Clone)]
pub struct Control {
    socket: Arc<UnixStream>,
    /// Pending bytes that the socket had no room for.
    unsent: Arc<Mutex<Vec<u8>>>,
}

impl Supervised {
    /// Starts a command with these files as its standard streams. [`Supervised::report`] says whether it runs.
    ///
    /// # Errors
    /// [`StartError::Supervisor`] or [`StartError::Interrupted`].
    pub fn start(spec: CommandSpec, files: [OwnedFd; 3]) -> Result<Supervised, StartError> {
        let has_group = spec.group.is_none();
        let (ours, theirs) = UnixStream::pair().map_err(StartError::Supervisor)?;
        let mut command = program().map_err(StartError::Supervisor)?;
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        // It leaves our group itself: suspended before that it goes on with us.
        let mut supervisor = command.spawn().map_err(StartError::Supervisor)?;
        let sent = hand_over(&ours, &files).and_then(|()| {
            (&ours).write_all(&encode(&SupervisorRequest::Start(spec)))?;
            ours.set_nonblocking(true)
        });
        if let Err(error) = sent {
            drop(ours);
            let signal = supervisor.wait().ok().and_then(|status| status.signal());
            return Err(signal.map_or(StartError::Supervisor(error), StartError::Interrupted));
        }
        // With it goes our copy of the other end, which closes with the supervisor.
        drop(command);
        let socket = Arc::new(ours);
        let control = Control { socket: Arc::clone(&socket), unsent: Arc::default() };
        let inbox = Inbox::default();
        Ok(Supervised { supervisor, control, socket, inbox, has_group, command: None, has_ended: false })
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Becomes readable when a report may be available.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next report, if one has arrived.
    ///
    /// # Errors
    /// [`StartError::Command`] or [`StartError::Interrupted`] if the command was not started,
    /// [`StartError::Killed`] if the supervisor ended without a report; the command is ended then, as far
    /// as it can be reached.
    pub fn report(&mut self) -> Result<Option<SupervisorReport>, StartError> {
        self.control.flush();
        self.inbox.fill(&*self.socket);
        match self.inbox.take() {
            Some(SupervisorReport::NotStarted(error)) => {
                self.finish();
                Err(StartError::Command(std::io::Error::from_raw_os_error(error)))
            }
            Some(SupervisorReport::Started(process)) => {
                self.command = Some(Pid::from_raw(process));
                Ok(Some(SupervisorReport::Started(process)))
            }
            Some(ended @ SupervisorReport::Ended(_)) => {
                self.finish();
                Ok(Some(ended))
            }
            None if self.inbox.is_closed => {
                self.kill_orphan();
                let signal = self.finish().and_then(|status| status.signal());
                Err(match signal.filter(|_| self.command.is_none()) {
                    // Once it has a command it catches all others.
                    Some(signal) if signal != Signal::SIGKILL as i32 => StartError::Interrupted(signal),
                    _ => StartError::Killed,
                })
            }
            None => Ok(None),
        }
    }

    /// Waits for the next report, for `time` at most.
    ///
    /// # Errors
    /// As [`Supervised::report`].
    pub fn wait(&mut self, time: Duration) -> Result<Option<SupervisorReport>, StartError> {
        if let Some(report) = self.report()? {
            return Ok(Some(report));
        }
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        // An interruption is a reason to look like any other.
        let _ = poll(&mut [PollFd::new(self.descriptor(), PollFlags::POLLIN)], timeout);
        self.report()
    }

    /// Reaps the supervisor, which is about to exit.
    fn finish(&mut self) -> Option<ExitStatus> {
        self.has_ended = true;
        self.supervisor.wait().ok()
    }

    /// Kills the command after its supervisor was killed.
    fn kill_orphan(&self) {
        let Some(command) = self.command else { return };
        // What shares a group with us can only be killed by itself.
        let _ = match self.has_group {
            true => killpg(command, Signal::SIGKILL),
            false => nix::sys::signal::kill(command, Signal::SIGKILL),
        };
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        self.control.kill();
        // What was killed is gone at once, unless it hangs in the kernel.
        let start = Instant::now();
        while !self.has_ended && start.elapsed() < GRACE * 2 {
            if self.wait(Duration::from_millis(50)).is_err() {
                return;
            }
        }
        let _ = self.supervisor.try_wait();
    }
}

impl Control {
    pub fn bound(&self, bounds: CommandDeadlines) {
        // They come again, so it does not matter if they are lost.
        self.send(&SupervisorRequest::Deadlines(bounds), false);
    }

    /// Sends a signal to the command itself.
    pub fn signal(&self, signal: i32) {
        self.send(&SupervisorRequest::Signal(signal), true);
    }

    /// Requests the end of the command: SIGTERM, and SIGKILL after [`GRACE`].
    pub fn end(&self) {
        self.send(&SupervisorRequest::End, true);
    }

    /// Requests that the command is killed.
    pub fn kill(&self) {
        self.send(&SupervisorRequest::Kill, true);
    }

    /// Waits up to `time` for the supervisor to end; returns whether it has.
    pub fn has_ended(&self, time: Duration) -> bool {
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        // That the other end is closed is told without being asked for.
        let mut awaited = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        poll(&mut awaited, timeout).is_ok_and(|ready| ready > 0)
    }

    /// Sends pending bytes.
    fn flush(&self) {
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut unsent);
    }

    fn send(&self, order: &SupervisorRequest, must_arrive: bool) {
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut unsent);
        if unsent.is_empty() || must_arrive {
            unsent.extend(encode(order));
            self.write(&mut unsent);
        }
    }

    fn write(&self, unsent: &mut Vec<u8>) {
        while !unsent.is_empty() {
            match (&*self.socket).write(unsent) {
                Ok(count) => drop(unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It has ended.
                Err(_) => unsent.clear(),
            }
        }
    }
}

/// Sends the files with one byte.
fn hand_over(socket: &UnixStream, files: &[OwnedFd; 3]) -> std::io::Result<()> {
    let files = files.each_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    match sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::empty())? {
        1 => Ok(()),
        _ => Err(Errno::EIO.into()),
    }
}

/// The executable to start as a supervisor: this program.
#[cfg(not(test))]
fn program() -> std::io::Result<Command> {
    // The very file that runs here, also when another one has taken its place since.
    let itself = std::path::Path::new("/proc/self/exe");
    let mut command = match itself.exists() {
        true => Command::new(itself),
        false => Command::new(executable()?),
    };
    std::os::unix::process::CommandExt::arg0(&mut command, NAME);
    Ok(command)
}

/// The path of this program without `/proc`: from its first argument.
#[cfg_attr(test, allow(dead_code))]
fn executable() -> std::io::Result<PathBuf> {
    if let Ok(path) = std::env::current_exe() {
        return Ok(path);
    }
    let name = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    if name.components().count() > 1 || name.is_absolute() {
        return Ok(name);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| ErrorKind::NotFound.into())
}

/// The test program, to be a supervisor in place of running tests.
#[cfg(test)]
fn program() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["supervisor::client::tests::supervisor", "--exact", "--ignored", "--test-threads=1"]);
    command.env("SLOTHSTATE_TEST_SUPERVISOR", NAME);
    Ok(command)
}

#[cfg(test)]
mod tests {
    #[test]
    #[ignore = "the supervisor of the tests"]
    fn supervisor() {
        if std::env::var_os("SLOTHSTATE_TEST_SUPERVISOR").is_some() {
            super::super::supervise::supervise();
        }
    }
}

//! The supervisor: a small process with one command as its child.
//!
//! It receives the deadlines of the command, and ends it with everything that it started at the deadline,
//! on request, or when the other end of the socket closes, which happens however the starting process
//! ends. It has a process group of its own, so that a signal to the group of the run or the command does
//! not reach it, and it keeps no file of either open.

use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{WaitOptions, wait};
use signal_hook::consts::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};

use super::deadlines::{CommandDeadlines, GRACE, SupervisorAction};
use super::message::{
    Bytes, CommandEnd, CommandSpec, EndCause, ExitStatus, Inbox, SupervisorReport, SupervisorRequest, encode,
};
use super::process_tree::{ProcessScope, ProcessTree};
use super::{NAME, not_ignored};
use crate::time::{BootInstant, Countdown};

/// How long processes left by a command may take to end or to become daemons: a daemon leaves its group
/// only after its parent has ended.
const SETTLING: Duration = Duration::from_millis(500);
/// The poll interval while processes are being ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The longest wait under a lease: timers do not count while the machine is suspended.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Supervises the command received over standard input, which is a socket.
pub fn supervise() -> ExitCode {
    match prepare().and_then(start) {
        Ok(Some(mut supervisor)) => {
            supervisor.run();
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct StartRequest {
    control: UnixStream,
    /// The messages received after it.
    inbox: Inbox,
    spec: CommandSpec,
    files: Vec<OwnedFd>,
}

/// Receives the start request from standard input.
fn prepare() -> std::io::Result<StartRequest> {
    // Signals to the group of the one who waits for us are not for us.
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    let control = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    // From here on nobody who reads or writes a standard stream by mistake reads or writes an order.
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    #[cfg(target_os = "linux")]
    {
        // A name of its own, so that `pkill slothstate` leaves it alone and it can do its duty.
        let _ = std::ffi::CString::new(NAME).map(|name| nix::sys::prctl::set_name(&name));
        nix::sys::prctl::set_child_subreaper(true)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = NAME;
    let files = receive_files(&control)?;
    let mut inbox = Inbox::default();
    loop {
        inbox.fill_once(&control);
        match inbox.take() {
            Some(SupervisorRequest::Start(spec)) => {
                control.set_nonblocking(true)?;
                return Ok(StartRequest { control, inbox, spec, files });
            }
            None if !inbox.is_closed => {}
            _ => return Err(Errno::EPROTO.into()),
        }
    }
}

/// Receives the files of the standard streams, which come with the first byte.
fn receive_files(control: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // Nothing is inherited that was not meant to be.
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
    let mut files = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            files.extend(received);
        }
    }
    if files.len() == 3 { Ok(files) } else { Err(Errno::EPROTO.into()) }
}

/// Starts the command; `None` if it could not be started, which is reported.
fn start(order: StartRequest) -> std::io::Result<Option<Supervisor>> {
    let StartRequest { mut control, inbox, spec, files } = order;
    // A handler, and not to ignore them: what is ignored would be ignored by the command as well. What
    // the caller ignores, as `nohup` has it, stays ignored.
    for signal in not_ignored([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1, SIGUSR2, SIGALRM]) {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let (ended, wake) = UnixStream::pair()?;
    ended.set_nonblocking(true)?;
    let own = [control.as_raw_fd(), ended.as_raw_fd(), wake.as_raw_fd()];
    signal_hook::low_level::pipe::register(SIGCHLD, wake)?;
    let leader = match spawn(&spec, files) {
        Ok(leader) => leader,
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
            control.write_all(&encode(&SupervisorReport::NotStarted(number)))?;
            return Ok(None);
        }
    };
    let _ = control.write_all(&encode(&SupervisorReport::Started(leader.as_raw())));
    close_inherited(own);
    // A folder that is in use could not be unmounted.
    let _ = std::env::set_current_dir("/");
    Ok(Some(Supervisor {
        control,
        inbox,
        ended,
        family: ProcessTree::new(leader, spec.group.is_none()),
        leader,
        has_group: spec.group.is_none(),
        has_children: true,
        status: None,
        bounds: spec.bounds.unwrap_or(CommandDeadlines::NONE),
        heard_at: BootInstant::now(),
        is_paused: false,
        settling: None,
        ending: None,
    }))
}

fn spawn(spec: &CommandSpec, files: Vec<OwnedFd>) -> std::io::Result<Pid> {
    let text = |bytes: &Bytes| std::ffi::OsString::from_vec(bytes.to_vec());
    let mut files = files.into_iter().map(Stdio::from);
    let mut next = || files.next().unwrap_or(Stdio::null());
    let mut command = Command::new(text(&spec.program));
    command.args(spec.arguments.iter().map(text));
    command.envs(spec.env.iter().map(|(name, value)| (text(name), text(value))));
    if let Some(folder) = &spec.cwd {
        command.current_dir(text(folder));
    }
    command.stdin(next()).stdout(next()).stderr(next()).process_group(spec.group.unwrap_or(0));
    // It is waited for with all the others.
    let child = command.spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Closes the files of the command: a pipe that stays open here would never reach its end for others.
fn close_inherited(own: [RawFd; 3]) {
    const FIRST: RawFd = 3;
    let listed: Option<Vec<RawFd>> = std::fs::read_dir("/dev/fd").ok().map(|entries| {
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    });
    for fd in listed.unwrap_or_else(|| (FIRST..1024).collect()) {
        if fd >= FIRST && !own.contains(&fd) {
            // The folder that was listed is closed already.
            let _ = nix::unistd::close(fd);
        }
    }
}

/// A started command and its state.
struct Supervisor {
    control: UnixStream,
    inbox: Inbox,
    /// Becomes readable when a child has ended or was stopped.
    ended: UnixStream,
    family: ProcessTree,
    leader: Pid,
    has_group: bool,
    has_children: bool,
    /// The exit status of the leader, once it has ended.
    status: Option<ExitStatus>,
    bounds: CommandDeadlines,
    heard_at: BootInstant,
    /// Whether the command was stopped here.
    is_paused: bool,
    /// Since when the leader has ended by itself; its remaining processes may end or become daemons.
    settling: Option<Countdown>,
    ending: Option<Ending>,
}

struct Ending {
    cause: EndCause,
    scope: ProcessScope,
    /// The time until SIGKILL; after that, until giving up.
    grace: Countdown,
    is_killed: bool,
    left_processes: bool,
}

impl Supervisor {
    fn run(&mut self) {
        let end = loop {
            self.reap();
            self.listen();
            if let Some(end) = self.act() {
                break end;
            }
            self.rest();
        };
        // Where nobody is left to read it, nothing needs to be told.
        let _ = self.control.write_all(&encode(&SupervisorReport::Ended(end)));
    }

    /// Reaps children and records their status.
    fn reap(&mut self) {
        // Only wakes; what happened is asked for.
        let mut ended = Inbox::default();
        ended.fill(&self.ended);
        loop {
            let (process, status) = match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => {
                    self.has_children = false;
                    return;
                }
            };
            if process.as_raw_nonzero().get() != self.leader.as_raw() {
                continue;
            }
            let stopped = |signal: Signal| status.stopping_signal() == Some(signal as i32);
            if let Some(code) = status.exit_status() {
                self.status = Some(ExitStatus::Exited(code));
            } else if let Some(signal) = status.terminating_signal() {
                self.status = Some(ExitStatus::Signalled(signal));
            } else if self.has_group && (stopped(Signal::SIGTTIN) || stopped(Signal::SIGTTOU)) {
                self.end(EndCause::Terminal);
            }
        }
    }

    /// Handles received requests.
    fn listen(&mut self) {
        self.inbox.fill(&self.control);
        while let Some(order) = self.inbox.take() {
            match order {
                SupervisorRequest::Start(_) => {}
                SupervisorRequest::Deadlines(bounds) => {
                    self.bounds = bounds;
                    self.heard_at = BootInstant::now();
                }
                SupervisorRequest::Signal(number) => {
                    if self.status.is_none()
                        && let Ok(signal) = Signal::try_from(number)
                    {
                        // Only the command itself: whatever it started hears of it as in a shell.
                        let _ = nix::sys::signal::kill(self.leader, signal);
                    }
                }
                SupervisorRequest::End => self.end(EndCause::Requested),
                SupervisorRequest::Kill => {
                    self.end(EndCause::Requested);
                    self.kill();
                }
            }
        }
        if self.inbox.is_closed {
            self.end(EndCause::Orphaned);
        }
    }

    /// Does what is due; returns the end of the command once all its processes are gone.
    fn act(&mut self) -> Option<CommandEnd> {
        let now = BootInstant::now();
        match self.bounds.duty(self.heard_at, now) {
            SupervisorAction::Run => self.pause(false),
            SupervisorAction::Pause => self.pause(true),
            SupervisorAction::Terminate => self.end(EndCause::Lease),
            SupervisorAction::Kill => {
                self.end(EndCause::Lease);
                self.kill();
            }
        }
        if let Some(status) = self.status.filter(|_| self.ending.is_none()) {
            // What became a daemon stays only if the command exits: whoever kills it, or the group that
            // it shares with us, means all of it.
            let scope = match status {
                ExitStatus::Exited(_) => ProcessScope::Near,
                ExitStatus::Signalled(_) => ProcessScope::All,
            };
            if self.family.is_gone(scope, self.has_children) {
                return Some(CommandEnd {
                    status: self.status,
                    cause: EndCause::Itself,
                    left_processes: false,
                });
            }
            let settling = self.settling.get_or_insert_with(|| Countdown::new(SETTLING, now));
            if settling.is_over(now) {
                self.begin_to_end(EndCause::Itself, scope);
            }
        }
        let ending = self.ending.as_mut()?;
        let is_over = ending.grace.is_over(now);
        let is_gone = self.status.is_some() && self.family.is_gone(ending.scope, self.has_children);
        // What hangs in the kernel does not even die; it is not waited for without end.
        if is_gone || (ending.is_killed && is_over) {
            let Ending { cause, left_processes, .. } = *ending;
            return Some(CommandEnd { status: self.status, cause, left_processes });
        }
        if is_over || ending.is_killed {
            // Again and again: whoever loses its parent by it is found the next time.
            self.kill();
        }
        None
    }

    /// Pauses or continues the command.
    fn pause(&mut self, pause: bool) {
        if self.ending.is_some() || self.is_paused == pause {
            return;
        }
        self.is_paused = pause;
        self.signal(if pause { Signal::SIGSTOP } else { Signal::SIGCONT }, ProcessScope::All);
    }

    /// Starts to end the command and everything that it started.
    fn end(&mut self, cause: EndCause) {
        if self.ending.is_none() {
            self.begin_to_end(cause, ProcessScope::All);
        }
    }

    fn begin_to_end(&mut self, cause: EndCause, scope: ProcessScope) {
        let left_processes = cause == EndCause::Itself;
        let grace = Countdown::new(GRACE, BootInstant::now());
        self.ending = Some(Ending { cause, scope, grace, is_killed: false, left_processes });
        self.signal(Signal::SIGTERM, scope);
        // Also those that are stopped, by whomever.
        self.signal(Signal::SIGCONT, scope);
    }

    fn kill(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        if !ending.is_killed {
            ending.is_killed = true;
            ending.grace = Countdown::new(GRACE, BootInstant::now());
        }
        let scope = ending.scope;
        self.signal(Signal::SIGKILL, scope);
    }

    fn signal(&self, signal: Signal, scope: ProcessScope) {
        self.family.signal(signal, scope, self.status.is_none());
    }

    /// Waits for a message, a child or a timeout.
    fn rest(&self) {
        let busy = self.ending.is_some() || self.settling.is_some();
        let pause = match self.bounds.wait(self.heard_at, BootInstant::now()) {
            _ if busy => POLL_INTERVAL,
            pause if self.bounds.end.is_some() => pause.min(MAX_POLL_INTERVAL),
            pause => pause,
        };
        let mut awaited = vec![PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        if !self.inbox.is_closed {
            awaited.push(PollFd::new(self.control.as_fd(), PollFlags::POLLIN));
        }
        // Rounded up, so that what is waited for has come to pass.
        let milliseconds = pause.as_millis().saturating_add(1).min(60_000);
        let timeout = u16::try_from(milliseconds).map_or(PollTimeout::MAX, PollTimeout::from);
        // An interruption is a reason to look like any other.
        let _ = poll(&mut awaited, timeout);
    }
}

//! Runs a shell command, and terminates it with everything that it started.
//!
//! A command runs under a supervisor, in a process group of its own. When its shell exits, the remaining
//! processes of the group get SIGTERM and, after a second, SIGKILL. When it times out, is stopped, loses a
//! lock, is killed by a signal, or this process dies, everything that it started is terminated, also
//! processes that left the group. Only after a regular exit do processes live on that had left the group, as
//! daemons and `setsid` do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::output::{CapturedOutput, Output, Sink, Stream, never_wait};
use crate::lua::HeldLocks;
use crate::supervisor::{Bytes, CommandSpec, EndCause, ExitStatus, StartError, Supervised, SupervisorReport};

/// How often a command is polled that produces output or has just ended.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How often a silent command is polled.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How often the supervisor gets a heartbeat of this process.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);

/// A command for `/bin/sh` with its environment.
#[derive(Clone, Debug, Default)]
pub struct ShellCommand {
    pub text: String,
    pub timeout: Option<Duration>,
    /// Variables to set over those of this process.
    pub env: BTreeMap<String, Vec<u8>>,
    /// The working directory, if it is not the current one.
    pub cwd: Option<PathBuf>,
    /// The standard input, which is empty otherwise.
    pub stdin: Option<Vec<u8>>,
}

/// The conditions under which a running command is terminated.
pub struct Watch<'a> {
    /// Polled every few milliseconds: whether to terminate it.
    pub stop: &'a dyn Fn() -> bool,
    /// The locks that it runs under.
    pub locks: Option<&'a HeldLocks>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    Exited(i32),
    /// A signal killed it that was not sent from here.
    Signalled(i32),
    TimedOut(Duration),
    Stopped,
    /// It was terminated because a lock could not be renewed.
    LeaseEnded,
    /// It was terminated because it waited for the terminal, which it cannot have.
    WantedTerminal,
}

#[derive(Clone, Debug)]
pub struct Finished {
    pub ended: ExitReason,
    pub stdout: CapturedOutput,
    pub stderr: CapturedOutput,
    /// Whether it left processes running, which were terminated.
    pub left_processes: bool,
    /// Whether a stub answered in place of running it.
    pub is_stub: bool,
}

impl Finished {
    /// The result of a command that succeeded and printed nothing.
    pub fn success() -> Finished {
        Finished {
            ended: ExitReason::Exited(0),
            stdout: CapturedOutput::default(),
            stderr: CapturedOutput::default(),
            left_processes: false,
            is_stub: false,
        }
    }
}

/// Runs `command` and passes each line of its output to `sink` as it arrives.
///
/// # Errors
/// The shell could not be started, its pipes could not be read, or its supervisor was killed; nothing of the
/// command keeps running then.
pub fn run(command: &ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished> {
    let started = Instant::now();
    let (mut supervised, mut pipes) = start(command, watch)?;
    let control = supervised.control();
    let _feeding = watch.locks.map(|locks| locks.feed(control.clone()));
    let mut beat_at = started;
    // Why it was told to end.
    let mut end_reason: Option<ExitReason> = None;
    let end = loop {
        pipes.exchange(supervised.descriptor(), sink)?;
        match supervised.report().map_err(io_error)? {
            Some(SupervisorReport::Ended(end)) => break end,
            Some(SupervisorReport::Started(_) | SupervisorReport::NotStarted(_)) | None => {}
        }
        if end_reason.is_none() {
            let is_over = command.timeout.filter(|limit| started.elapsed() >= *limit);
            end_reason = match is_over {
                _ if (watch.stop)() => Some(ExitReason::Stopped),
                limit => limit.map(ExitReason::TimedOut),
            };
            if end_reason.is_some() {
                control.end();
            }
        }
        if let Some(locks) = watch.locks.filter(|_| beat_at.elapsed() >= HEARTBEAT_INTERVAL) {
            beat_at = Instant::now();
            locks.beat(&control);
        }
    };
    let ended = match end.cause {
        EndCause::Itself => match end.status {
            Some(ExitStatus::Exited(code)) => ExitReason::Exited(code),
            Some(ExitStatus::Signalled(signal)) => ExitReason::Signalled(signal),
            None => ExitReason::Stopped,
        },
        // The keeper of the leases may have requested it.
        EndCause::Requested | EndCause::Orphaned => end_reason.unwrap_or(ExitReason::Stopped),
        EndCause::Lease => ExitReason::LeaseEnded,
        EndCause::Terminal => ExitReason::WantedTerminal,
    };
    let (stdout, stderr) = (pipes.stdout.finish(sink)?, pipes.stderr.finish(sink)?);
    Ok(Finished { ended, stdout, stderr, left_processes: end.left_processes, is_stub: false })
}

fn io_error(error: StartError) -> std::io::Error {
    match error {
        StartError::Command(error) => error,
        other => std::io::Error::other(other.to_string()),
    }
}

fn start<'a>(command: &'a ShellCommand, watch: &Watch<'_>) -> std::io::Result<(Supervised, Pipes<'a>)> {
    let bytes = |bytes: &[u8]| Bytes::from(bytes);
    let spec = CommandSpec {
        program: bytes(b"/bin/sh"),
        arguments: vec![bytes(b"-c"), bytes(command.text.as_bytes())],
        env: command.env.iter().map(|(name, value)| (bytes(name.as_bytes()), bytes(value))).collect(),
        cwd: command.cwd.as_ref().map(|folder| bytes(folder.as_os_str().as_bytes())),
        group: None,
        bounds: watch.locks.map(HeldLocks::bounds),
    };
    let (stdin, input) = match &command.stdin {
        None => (OwnedFd::from(File::open("/dev/null")?), None),
        Some(text) => {
            let (reader, writer) = std::io::pipe()?;
            (reader.into(), Some(StdinPipe::new(writer.into(), text)?))
        }
    };
    let [(stdout, theirs), (stderr, theirs_too)] = [std::io::pipe()?, std::io::pipe()?];
    let pipes = Pipes {
        stdin: input,
        stdout: Output::new(Stream::Stdout, stdout.into())?,
        stderr: Output::new(Stream::Stderr, stderr.into())?,
        pause: MIN_POLL_INTERVAL,
    };
    let supervised = Supervised::start(spec, [stdin, theirs.into(), theirs_too.into()]).map_err(io_error)?;
    Ok((supervised, pipes))
}

/// Our ends of a command's pipes.
struct Pipes<'a> {
    /// `None` once everything is written.
    stdin: Option<StdinPipe<'a>>,
    stdout: Output,
    stderr: Output,
    /// How long to wait for more output.
    pause: Duration,
}

impl Pipes<'_> {
    /// Waits briefly until a pipe or `report` is ready, and reads and writes the pipes.
    fn exchange(&mut self, report: BorrowedFd<'_>, sink: Sink) -> std::io::Result<()> {
        let mut awaited = Vec::with_capacity(4);
        awaited.push(PollFd::new(report, PollFlags::POLLIN));
        for output in [&self.stdout, &self.stderr] {
            awaited.extend(output.pipe().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        }
        awaited.extend(self.stdin.as_ref().map(|input| PollFd::new(input.pipe.as_fd(), PollFlags::POLLOUT)));
        let pause = PollTimeout::try_from(self.pause).unwrap_or(PollTimeout::ZERO);
        match poll(&mut awaited, pause) {
            Ok(0) => {
                self.pause = (self.pause * 2).min(MAX_POLL_INTERVAL);
                return Ok(());
            }
            Err(Errno::EINTR) => return Ok(()),
            Ok(_) => self.pause = MIN_POLL_INTERVAL,
            Err(error) => return Err(error.into()),
        }
        // None of these blocks, so it does not matter which one is ready.
        self.stdout.read(sink)?;
        self.stderr.read(sink)?;
        if self.stdin.as_mut().is_some_and(StdinPipe::is_written) {
            self.stdin = None;
        }
        Ok(())
    }
}

/// The standard input of a command.
struct StdinPipe<'a> {
    pipe: File,
    left: &'a [u8],
}

impl<'a> StdinPipe<'a> {
    fn new(pipe: OwnedFd, bytes: &'a [u8]) -> std::io::Result<StdinPipe<'a>> {
        never_wait(&pipe)?;
        Ok(StdinPipe { pipe: pipe.into(), left: bytes })
    }

    /// Writes as much as the pipe takes; returns whether everything is written.
    fn is_written(&mut self) -> bool {
        while !self.left.is_empty() {
            match self.pipe.write(self.left) {
                Ok(count) => self.left = &self.left[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // The command stopped reading, which is its own decision.
                Err(_) => return true,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn shell(text: &str) -> ShellCommand {
        ShellCommand { text: text.into(), ..ShellCommand::default() }
    }

    /// Nothing that stops a command.
    const UNWATCHED: Watch<'static> = Watch { stop: &|| false, locks: None };

    fn finished(command: &ShellCommand) -> Finished {
        run(command, &UNWATCHED, &mut |_, _| {}).unwrap()
    }

    /// Whether that process is at work; one that only waits to be reaped is not.
    fn is_alive(pid: &[u8]) -> bool {
        let pid = String::from_utf8_lossy(pid).trim().to_string();
        let listed = Command::new("ps").args(["-o", "stat=", "-p", &pid]).output().unwrap();
        let state = String::from_utf8_lossy(&listed.stdout).trim().to_string();
        !state.is_empty() && !state.starts_with('Z')
    }

    #[track_caller]
    fn wait_until_gone(pid: &[u8]) {
        let start = Instant::now();
        while is_alive(pid) {
            assert!(start.elapsed() < Duration::from_secs(300), "it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn output_codes_and_signals_are_told_apart() {
        let done = finished(&shell("echo out; echo err >&2; exit 3"));
        assert_eq!((done.ended, done.left_processes), (ExitReason::Exited(3), false));
        assert_eq!((&done.stdout.bytes[..], &done.stderr.bytes[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(finished(&shell("kill -KILL $$")).ended, ExitReason::Signalled(9));
        assert_eq!(finished(&shell("nonesuch-command")).ended, ExitReason::Exited(127));
    }

    #[test]
    fn lines_come_as_they_are_written() {
        // The command goes on only after its first line was seen.
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        let command = ShellCommand {
            cwd: Some(folder.path().into()),
            ..shell("echo first; until [ -e seen ]; do sleep 0.01; done; echo second >&2; printf third")
        };
        let mut lines = Vec::new();
        let done = run(&command, &UNWATCHED, &mut |stream, line| {
            std::fs::write(&seen, "").unwrap();
            lines.push((stream, String::from_utf8(line.to_vec()).unwrap()));
        });
        assert_eq!(done.unwrap().ended, ExitReason::Exited(0));
        lines.sort_by_key(|(stream, _)| stream.name());
        let expected = [(Stream::Stderr, "second"), (Stream::Stdout, "first"), (Stream::Stdout, "third")];
        assert_eq!(lines, expected.map(|(stream, line)| (stream, line.to_string())));
    }

    #[test]
    fn a_command_of_which_nobody_keeps_the_leases_runs_on() {
        // Longer than a supervisor waits to hear of the run.
        let command = shell("sleep 3; echo done");
        assert_eq!(finished(&command).stdout.bytes, b"done\n");
        let store: Box<dyn crate::store::Store> = crate::store::nothing(crate::store::Options::default());
        let locks = HeldLocks::without_leases(std::rc::Rc::from(store));
        let watch = Watch { stop: &|| false, locks: Some(&locks) };
        assert_eq!(run(&command, &watch, &mut |_, _| {}).unwrap().stdout.bytes, b"done\n");
    }

    #[test]
    fn large_input_and_output_pass_at_once() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let command = ShellCommand { stdin: Some(bytes.clone()), ..shell("tee /dev/stderr") };
        let done = finished(&command);
        assert!(done.stdout.bytes == bytes && done.stderr.bytes == bytes);
        // Nor does it matter if nobody reads it.
        let command = ShellCommand { stdin: Some(bytes), ..shell("exec true") };
        assert_eq!(finished(&command).ended, ExitReason::Exited(0));
        assert_eq!(finished(&shell("cat")).ended, ExitReason::Exited(0));
    }

    #[test]
    fn the_time_limit_ends_children_and_their_children() {
        let run = |seconds| {
            let limit = Duration::from_secs(seconds);
            let text = "sh -c 'sleep 1000 & echo $!; wait'; echo after";
            let start = Instant::now();
            let done = finished(&ShellCommand { timeout: Some(limit), ..shell(text) });
            assert_eq!(done.ended, ExitReason::TimedOut(limit));
            assert!(start.elapsed() >= limit);
            done.stdout.bytes
        };
        // A machine that has other things to do may not have come to the number by then.
        let pid = [2, 20, 200].into_iter().map(run).find(|pid| !pid.is_empty()).expect("a number");
        wait_until_gone(&pid);
    }

    /// Runs a command that is told to stop when it has written a line; answers what it wrote.
    fn stopped_after_its_first_line(text: &str) -> Vec<u8> {
        let has_written = std::cell::Cell::new(false);
        let watch = Watch { stop: &|| has_written.get(), locks: None };
        let done = run(&shell(text), &watch, &mut |_, _| has_written.set(true)).unwrap();
        assert_eq!(done.ended, ExitReason::Stopped);
        done.stdout.bytes
    }

    #[test]
    fn what_ignores_the_order_to_end_is_killed() {
        let pid = stopped_after_its_first_line("trap '' TERM; echo $$; while :; do sleep 0.1; done");
        wait_until_gone(&pid);
    }

    #[test]
    fn what_is_told_to_end_has_time_to_say_so() {
        let text = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        assert_eq!(stopped_after_its_first_line(text), b"up\nbye\n");
    }

    #[test]
    fn what_is_suspended_is_ended_too() {
        wait_until_gone(&stopped_after_its_first_line("echo $$; kill -STOP $$"));
    }

    #[test]
    fn what_waits_for_the_terminal_is_ended() {
        assert_eq!(finished(&shell("kill -TTIN $$")).ended, ExitReason::WantedTerminal);
    }

    #[test]
    fn what_a_command_leaves_at_work_ends_with_it() {
        // It holds the pipes, so their end would never come.
        let done = finished(&shell("sleep 1000 & echo $!; yes >&2 & exit 4"));
        assert_eq!((done.ended, done.left_processes), (ExitReason::Exited(4), true));
        wait_until_gone(&done.stdout.bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_leaves_the_group_stays() {
        // As daemons do, it comes to leave only after the shell has ended.
        let done = finished(&shell("sh -c 'echo $$; sleep 0.02; exec setsid sleep 1000' & exit 0"));
        assert_eq!((done.ended, done.left_processes), (ExitReason::Exited(0), false));
        assert!(is_alive(&done.stdout.bytes));
        let pid = String::from_utf8_lossy(&done.stdout.bytes).trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    #[test]
    fn neither_a_file_nor_a_process_is_left_behind() {
        let open = || std::fs::read_dir("/dev/fd").unwrap().count();
        let before = open();
        for _ in 0..50 {
            let done = finished(&ShellCommand { stdin: Some(b"x".to_vec()), ..shell("echo $$; cat >&2") });
            let pid: i32 = String::from_utf8_lossy(&done.stdout.bytes).trim().parse().unwrap();
            assert_eq!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None), Err(Errno::ESRCH));
        }
        // Other tests have files of their own, but not for long.
        let start = Instant::now();
        while open() > before + 20 {
            assert!(start.elapsed() < Duration::from_secs(300), "{} files are open, {before} before", open());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_panic_while_a_line_is_taken_ends_the_command() {
        let pid = std::cell::RefCell::new(Vec::new());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(&shell("echo $$; sleep 1000"), &UNWATCHED, &mut |_, line| {
                pid.borrow_mut().extend_from_slice(line);
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
        wait_until_gone(&pid.borrow());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let command = ShellCommand { cwd: Some("/none/such".into()), ..shell("true") };
        let error = run(&command, &UNWATCHED, &mut |_, _| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

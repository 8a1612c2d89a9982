//! Runs a shell command to its end, or ends it, with everything that it started.
//!
//! A command runs in a process group of its own. When its shell ends, its time is up, or somebody
//! asks it to stop, what is left of the group gets SIGTERM and, after a second, SIGKILL: nothing
//! that a command starts outlives its call, unless it leaves the group, as daemons and `setsid` do.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::group::{Group, State};
use super::output::{Kept, Output, Sink, Stream, never_wait};
use crate::lua::Awake;

/// How long a command may take to end by itself once it was told to.
const GRACE: Duration = Duration::from_secs(1);
/// How long what a shell leaves at work may take to end or to leave the group: a daemon does that
/// only after its parent has ended.
const SETTLING: Duration = Duration::from_millis(500);
/// The pause between two looks at a command that works or has ended just now.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// The pause between two looks at a command of which nothing is heard.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// A command for `/bin/sh`, and what it finds around it.
#[derive(Clone, Debug, Default)]
pub struct ShellCommand {
    /// What the shell is to do.
    pub text: String,
    /// The time it has.
    pub timeout: Option<Duration>,
    /// Variables to set over those of this process.
    pub env: BTreeMap<String, Vec<u8>>,
    /// The folder to run in, instead of the present one.
    pub cwd: Option<PathBuf>,
    /// What it reads from standard input, which is empty otherwise.
    pub stdin: Option<Vec<u8>>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that did not come from here.
    Signalled(i32),
    /// It was ended since its time was up.
    TimedOut(Duration),
    /// It was ended since somebody asked for that.
    Stopped,
    /// It was ended since it waited for the terminal, which it cannot have.
    WantedTerminal,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote to standard output.
    pub stdout: Kept,
    /// What it wrote to standard error.
    pub stderr: Kept,
    /// Whether it left processes at work, which were ended.
    pub left_processes: bool,
}

/// Runs `command` and hands each line of its output to `sink` as it comes. `stop` is asked every
/// few milliseconds whether to end it.
///
/// # Errors
/// The shell could not be started, or its pipes not be read; nothing of the command runs on then.
pub fn run(command: &ShellCommand, stop: &dyn Fn() -> bool, sink: Sink) -> std::io::Result<Finished> {
    let started = Instant::now();
    let (mut group, mut pipes) = start(command)?;
    let ended = loop {
        pipes.exchange(sink)?;
        match group.look()? {
            State::Exited(code) => break Ended::Exited(code),
            State::Signalled(signal) => break Ended::Signalled(signal),
            State::WantsTerminal => break Ended::WantedTerminal,
            State::Working => {}
        }
        if stop() {
            break Ended::Stopped;
        }
        if let Some(limit) = command.timeout.filter(|limit| started.elapsed() >= *limit) {
            break Ended::TimedOut(limit);
        }
    };
    let left_processes = group.is_led_no_more() && !hear_out(&mut group, &mut pipes, SETTLING, sink)?;
    end(&mut group, &mut pipes, sink)?;
    group.leave();
    let (stdout, stderr) = (pipes.stdout.finish(sink)?, pipes.stderr.finish(sink)?);
    Ok(Finished { ended, stdout, stderr, left_processes })
}

/// Ends what is left of `group`, in good order if it can be.
fn end(group: &mut Group, pipes: &mut Pipes, sink: Sink) -> std::io::Result<()> {
    for step in [Group::tell_to_end, Group::kill] {
        if group.is_empty() {
            break;
        }
        step(group);
        // What hangs in the kernel does not even die; it is not waited for without end.
        hear_out(group, pipes, GRACE, sink)?;
    }
    Ok(())
}

/// Reads on until nothing of `group` is left, or `time` is up; whether nothing is left.
fn hear_out(group: &mut Group, pipes: &mut Pipes, time: Duration, sink: Sink) -> std::io::Result<bool> {
    let awake = Awake::new(LONGEST_PAUSE * 5);
    while !group.is_empty() {
        if awake.passed() >= time {
            return Ok(false);
        }
        pipes.exchange(sink)?;
        group.look()?;
    }
    Ok(true)
}

fn start(command: &ShellCommand) -> std::io::Result<(Group, Pipes<'_>)> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(&command.text);
    shell.envs(command.env.iter().map(|(name, value)| (name, OsStr::from_bytes(value))));
    if let Some(folder) = &command.cwd {
        shell.current_dir(folder);
    }
    shell.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let (group, mut child) = Group::start(shell.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let missing = || std::io::Error::from(ErrorKind::BrokenPipe);
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    let stdin = child.stdin.take().zip(command.stdin.as_deref());
    let pipes = Pipes {
        stdin: stdin.map(|(pipe, bytes)| Input::new(pipe.into(), bytes)).transpose()?,
        stdout: Output::new(Stream::Stdout, stdout.into())?,
        stderr: Output::new(Stream::Stderr, stderr.into())?,
        pause: SHORTEST_PAUSE,
    };
    Ok((group, pipes))
}

/// Our ends of a command's pipes.
struct Pipes<'a> {
    /// Until everything is written.
    stdin: Option<Input<'a>>,
    stdout: Output,
    stderr: Output,
    /// How long to wait for the next of it.
    pause: Duration,
}

impl Pipes<'_> {
    /// Waits a moment for something to read or write, and does it.
    fn exchange(&mut self, sink: Sink) -> std::io::Result<()> {
        let mut awaited = Vec::with_capacity(3);
        for output in [&self.stdout, &self.stderr] {
            awaited.extend(output.pipe().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        }
        awaited.extend(self.stdin.as_ref().map(|input| PollFd::new(input.pipe.as_fd(), PollFlags::POLLOUT)));
        let pause = PollTimeout::try_from(self.pause).unwrap_or(PollTimeout::ZERO);
        match poll(&mut awaited, pause) {
            Ok(0) => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                return Ok(());
            }
            Err(Errno::EINTR) => return Ok(()),
            Ok(_) => self.pause = SHORTEST_PAUSE,
            Err(error) => return Err(error.into()),
        }
        // None of them ever waits, so it does not matter which it was.
        self.stdout.read(sink)?;
        self.stderr.read(sink)?;
        if self.stdin.as_mut().is_some_and(Input::is_written) {
            self.stdin = None;
        }
        Ok(())
    }
}

/// What a command is to read.
struct Input<'a> {
    pipe: File,
    left: &'a [u8],
}

impl<'a> Input<'a> {
    fn new(pipe: OwnedFd, bytes: &'a [u8]) -> std::io::Result<Input<'a>> {
        never_wait(&pipe)?;
        Ok(Input { pipe: pipe.into(), left: bytes })
    }

    /// Writes what there is room for; whether that was the last of it.
    fn is_written(&mut self) -> bool {
        while !self.left.is_empty() {
            match self.pipe.write(self.left) {
                Ok(count) => self.left = &self.left[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // The command reads no further, which is up to it.
                Err(_) => return true,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> ShellCommand {
        ShellCommand { text: text.into(), ..ShellCommand::default() }
    }

    fn finished(command: &ShellCommand) -> Finished {
        run(command, &|| false, &mut |_, _| {}).unwrap()
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
        assert_eq!((done.ended, done.left_processes), (Ended::Exited(3), false));
        assert_eq!((&done.stdout.bytes[..], &done.stderr.bytes[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(finished(&shell("kill -KILL $$")).ended, Ended::Signalled(9));
        assert_eq!(finished(&shell("nonesuch-command")).ended, Ended::Exited(127));
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
        let done = run(&command, &|| false, &mut |stream, line| {
            std::fs::write(&seen, "").unwrap();
            lines.push((stream, String::from_utf8(line.to_vec()).unwrap()));
        });
        assert_eq!(done.unwrap().ended, Ended::Exited(0));
        lines.sort_by_key(|(stream, _)| stream.name());
        let expected = [(Stream::Stderr, "second"), (Stream::Stdout, "first"), (Stream::Stdout, "third")];
        assert_eq!(lines, expected.map(|(stream, line)| (stream, line.to_string())));
    }

    #[test]
    fn large_input_and_output_pass_at_once() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let command = ShellCommand { stdin: Some(bytes.clone()), ..shell("tee /dev/stderr") };
        let done = finished(&command);
        assert!(done.stdout.bytes == bytes && done.stderr.bytes == bytes);
        // Nor does it matter if nobody reads it.
        let command = ShellCommand { stdin: Some(bytes), ..shell("exec true") };
        assert_eq!(finished(&command).ended, Ended::Exited(0));
        assert_eq!(finished(&shell("cat")).ended, Ended::Exited(0));
    }

    #[test]
    fn the_time_limit_ends_children_and_their_children() {
        let run = |seconds| {
            let limit = Duration::from_secs(seconds);
            let text = "sh -c 'sleep 1000 & echo $!; wait'; echo after";
            let start = Instant::now();
            let done = finished(&ShellCommand { timeout: Some(limit), ..shell(text) });
            assert_eq!(done.ended, Ended::TimedOut(limit));
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
        let done = run(&shell(text), &|| has_written.get(), &mut |_, _| has_written.set(true)).unwrap();
        assert_eq!(done.ended, Ended::Stopped);
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
        assert_eq!(finished(&shell("kill -TTIN $$")).ended, Ended::WantedTerminal);
    }

    #[test]
    fn what_a_command_leaves_at_work_ends_with_it() {
        // It holds the pipes, so their end would never come.
        let done = finished(&shell("sleep 1000 & echo $!; yes >&2 & exit 4"));
        assert_eq!((done.ended, done.left_processes), (Ended::Exited(4), true));
        wait_until_gone(&done.stdout.bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_leaves_the_group_stays() {
        // As daemons do, it comes to leave only after the shell has ended.
        let done = finished(&shell("sh -c 'echo $$; sleep 0.02; exec setsid sleep 1000' & exit 0"));
        assert_eq!((done.ended, done.left_processes), (Ended::Exited(0), false));
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
            run(&shell("echo $$; sleep 1000"), &|| false, &mut |_, line| {
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
        assert!(run(&command, &|| false, &mut |_, _| {}).is_err());
    }
}

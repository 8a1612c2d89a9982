//! Ending: the terminal is given back, and nothing is left behind.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::files::{Place, answer, until};
use crate::support::terminal::Terminal;
use crate::tui::{command, place_with, quit};

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// The modes that are on after this output: the last word on each of them counts.
pub fn modes_on(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut on: Vec<String> = Vec::new();
    for part in text.split("\x1b[?").skip(1) {
        let end = part.find(|letter: char| !letter.is_ascii_digit() && letter != ';').unwrap_or(0);
        for mode in part[..end].split(';') {
            on.retain(|each| each != mode);
            if part[end..].starts_with('h') {
                on.push(mode.into());
            }
        }
    }
    on
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let place = place_with(&[]);
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGHUP), Some(Signal::SIGINT)] {
        // A shell keeps the terminal open, so that its modes can be looked at afterwards; the program
        // runs in the foreground, and its process id is written down.
        let pid_file = place.file("pid");
        let mut shell = CommandBuilder::new("sh");
        shell.args([
            "-c",
            "read start; sh -c 'echo $$ >\"$0\"; exec \"$@\"' \"$0\" \"$@\"; echo over; read end",
        ]);
        shell.arg(&pid_file);
        shell.args(command(&place, &[]).get_argv());
        shell.env("HOME", place.folder());
        let mut terminal = Terminal::start(shell, 80, 24);
        let before = terminal.modes();
        terminal.keys("\r");
        terminal.wait_for("last");
        assert_ne!(terminal.modes(), before);
        assert!(modes_on(&terminal.output()).contains(&"1049".to_string()));
        match end {
            None => terminal.keys("q"),
            Some(with) => {
                let pid = std::fs::read_to_string(&pid_file).unwrap();
                signal(pid.trim().parse().unwrap(), with);
            }
        }
        terminal.wait_for("over");
        assert_eq!(terminal.modes(), before, "{end:?}");
        assert_eq!(modes_on(&terminal.output()), ["25"], "only the cursor is on: {end:?}");
        assert!(!terminal.contents().contains("last"), "the first screen is back");
    }
}

#[test]
fn a_terminal_that_is_gone_ends_the_program() {
    let place = place_with(&[]);
    for ignores_hang_up in [false, true] {
        let size = PtySize { cols: 80, rows: 24, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut shell = CommandBuilder::new("sh");
        let trap = if ignores_hang_up { "trap '' HUP; " } else { "" };
        shell.args(["-c", &format!("{trap}exec \"$0\" \"$@\"")]);
        shell.args(command(&place, &[]).get_argv());
        shell.env("HOME", place.folder());
        shell.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(shell).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut output: Vec<u8> = Vec::new();
        let mut bytes = [0; 4096];
        while !output.windows(4).any(|window| window == b"last") {
            let read = reader.read(&mut bytes).unwrap();
            output.extend(&bytes[..read]);
        }
        drop(reader);
        drop(pair.master);
        let mut ended = None;
        until("the program ends", || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        // 101 is that of a panic, which nobody would have read.
        assert_ne!(ended.map(|status| status.exit_code()), Some(101));
    }
}

#[test]
fn without_a_terminal_it_says_so_and_what_to_use_instead() {
    let place = place_with(&[]);
    for arguments in [&[][..], &["--resume"], &["demo"]] {
        let mut command = place.command(arguments);
        command.env("TMPDIR", place.folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = answer(command);
        said.refused(2, "is not a terminal");
        assert!(said.err.contains("slothstate keys") && said.err.contains("slothstate watch"), "{said:?}");
        assert!(!place.names().iter().any(|name| name.contains("demo")), "nothing is left behind");
    }
}

#[test]
fn the_demo_is_at_work_at_once_and_leaves_nothing_behind() {
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
        let place = Place::new();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
        command.args(["demo", "--pace", "0.05"]);
        command.env("TMPDIR", place.folder());
        command.env("HOME", place.folder());
        let mut terminal = Terminal::start(command, 120, 40);
        terminal.wait_for("about:demo");
        // Rows that were not there appear, and something changes.
        terminal.wait_until("rows of several workflows", |screen| {
            let rows = screen.rows(0, 40).filter(|row| row.contains(':') || row.contains('_'));
            rows.count() > 6
        });
        let before = terminal.contents();
        terminal.wait_until("something moves", |screen| screen.contents() != before);
        let folder = place.folder().to_path_buf();
        assert!(!processes_in(&folder).is_empty());
        match end {
            None => quit(&mut terminal),
            Some(with) => signal(terminal.pid(), with),
        }
        terminal.wait_for_end();
        until("the demo's folder is gone", || {
            place.names().iter().all(|name| !name.starts_with("slothstate-demo-"))
        });
        until("the demo's processes are gone", || processes_in(&folder).is_empty());
    }
}

/// The processes that have something of this folder in their command line.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap().as_bytes();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .filter(|line| line.windows(folder.len()).any(|window| window == folder))
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

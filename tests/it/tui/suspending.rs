//! Being suspended and continued, by the keyboard and by signals, under shells with job control.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;

use crate::support::files::{OF_THE_CALLER, Place, is_stopped, skipped, until};
use crate::support::terminal::Terminal;
use crate::tui::ending::modes_on;
use crate::tui::{command, place_with, quit};

/// Shells with job control, and without an editor for their command line, which would change the modes
/// of the terminal too.
const SHELLS: [(&str, &[&str]); 3] = [
    ("bash", &["--norc", "--noprofile", "--noediting", "-i"]),
    ("dash", &["-i"]),
    ("zsh", &["-f", "+Z", "+o", "zle", "-i"]),
];

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// A shell, and the modes of its terminal.
struct Shell {
    terminal: Terminal,
    modes: String,
}

impl Shell {
    fn start(place: &Place, (name, arguments): (&str, &[&str])) -> Option<Shell> {
        if !is_there(name) {
            skipped(&format!("job control under {name}"), "it is not installed");
            return None;
        }
        let mut shell = CommandBuilder::new(name);
        shell.args(arguments);
        for name in OF_THE_CALLER.iter().chain(&["SLOTHSTATE_THEME", "NO_COLOR", "COLORFGBG", "ENV"]) {
            shell.env_remove(name);
        }
        shell.env("HOME", place.folder());
        shell.env("PS1", "ready$ ");
        shell.env("PROGRAM", env!("CARGO_BIN_EXE_slothstate"));
        shell.env("SLOTHSTATE_DB", place.db());
        shell.cwd(place.folder());
        let terminal = Terminal::start(shell, 80, 24);
        terminal.wait_for("ready$ ");
        let modes = terminal.modes();
        Some(Shell { terminal, modes })
    }

    fn keys(&mut self, keys: &str) {
        self.terminal.keys(keys);
    }

    /// The shell has the terminal, in the modes that it had.
    #[track_caller]
    fn has_terminal(&mut self, word: &str) {
        // What is typed before that is typed into the interface.
        until("the shell has the terminal", || self.terminal.modes() == self.modes);
        // It answers: in two parts, since what is typed is seen too.
        let (first, second) = word.split_at(1);
        self.keys(&format!("echo '{first}''{second}'\r"));
        self.terminal.wait_for(word);
        assert_eq!(self.terminal.modes(), self.modes);
        assert_eq!(modes_on(&self.terminal.output()), ["25"], "only the cursor is on");
    }

    /// The interface has the terminal, with all of its modes.
    #[track_caller]
    fn lacks_terminal(&self) {
        assert_ne!(self.terminal.modes(), self.modes);
        let on = modes_on(&self.terminal.output());
        for mode in ["1049", "1000", "1006", "2004"] {
            assert!(on.contains(&mode.to_string()), "{mode} is not on: {on:?}");
        }
    }
}

/// The process ids of the program on this database.
fn pids(place: &Place) -> Vec<i32> {
    let program = Path::new(env!("CARGO_BIN_EXE_slothstate"));
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let variable = [b"SLOTHSTATE_DB=", place.db().as_os_str().as_encoded_bytes()].concat();
    numbers
        .filter(|pid| {
            let is_program = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|file| file == program);
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            is_program && environment.split(|byte| *byte == 0).any(|one| one == variable)
        })
        .collect()
}

fn pid(place: &Place) -> i32 {
    let mut found = Vec::new();
    until("the program runs", || {
        found = pids(place);
        found.len() == 1
    });
    found[0]
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_everything_back() {
    for shell in SHELLS {
        let place = place_with(&[("feature:a", "true"), ("feature:b", "true"), ("other", "1")]);
        let Some(mut shell) = Shell::start(&place, shell) else { continue };
        shell.keys("\"$PROGRAM\"\r");
        shell.terminal.wait_for("last");
        shell.keys("/fea");
        shell.terminal.wait_without("last");
        for (round, (columns, rows)) in [(100, 30), (60, 20)].into_iter().enumerate() {
            let pid = pid(&place);
            shell.keys("\x1a");
            until("it is stopped", || is_stopped(pid.cast_unsigned()));
            shell.has_terminal(&format!("answer{round}"));
            assert!(!shell.terminal.contents().contains("feature:a"), "the first screen is back");
            shell.terminal.resize(columns, rows);
            shell.keys("fg\r");
            shell.terminal.wait_until("the interface in the new size", |screen| {
                let last = screen.rows(0, columns).nth(usize::from(rows) - 1).unwrap_or_default();
                let text = screen.contents();
                text.contains("feature:b") && text.contains("/ fea") && last.contains("help")
            });
            assert!(!shell.terminal.contents().contains("answer"), "nothing of the shell is left");
            shell.lacks_terminal();
        }
        // The filter line still has the keys, and the mouse works.
        shell.keys("ture:b");
        shell.terminal.wait_without("feature:a");
        shell.keys("\x7f\r");
        shell.terminal.wait_for("feature:a");
        let row = shell.terminal.look(|screen| screen.rows(0, 60).position(|row| row.contains("feature:b")));
        shell.keys(&format!("\x1b[<0;3;{}M", row.unwrap() + 1));
        shell.terminal.wait_for_row("feature:b");
        shell.keys("q");
        shell.has_terminal("over");
        assert!(pids(&place).is_empty());
    }
}

#[test]
fn sigtstp_from_outside_suspends_as_ctrl_z_does() {
    for shell in SHELLS {
        let place = place_with(&[]);
        let Some(mut shell) = Shell::start(&place, shell) else { continue };
        // In the group of a script, which the shell waits for.
        for line in ["\"$PROGRAM\"\r", "sh -c '\"$PROGRAM\"; true'\r"] {
            shell.keys(line);
            shell.terminal.wait_for("last");
            let pid = pid(&place);
            send(pid, Signal::SIGTSTP);
            until("it is stopped", || is_stopped(pid.cast_unsigned()));
            shell.has_terminal("answer");
            shell.keys("fg\r");
            shell.terminal.wait_for("last");
            shell.terminal.wait_without("answer");
            shell.lacks_terminal();
            shell.keys("q");
            shell.has_terminal("over");
            shell.keys("clear\r");
            shell.terminal.wait_without("over");
        }
    }
}

#[test]
fn what_a_stop_without_warning_has_left_is_repaired() {
    for shell in SHELLS {
        let place = place_with(&[]);
        let Some(mut shell) = Shell::start(&place, shell) else { continue };
        shell.keys("\"$PROGRAM\"\r");
        shell.terminal.wait_for("last");
        let pid = pid(&place);
        send(pid, Signal::SIGSTOP);
        until("it is stopped", || is_stopped(pid.cast_unsigned()));
        // The shell has the terminal, and does to it whatever it likes. Some leave the modes as they are,
        // in which Enter does not end a line.
        shell.keys("printf 'left\\033[?1049l\\033[?1000l\\033[?2004l\\n'\n");
        until("the other screen is left", || !modes_on(&shell.terminal.output()).contains(&"1049".into()));
        shell.terminal.resize(90, 28);
        shell.keys("fg\n");
        shell.terminal.wait_until("the interface in the new size", |screen| {
            let last = screen.rows(0, 90).nth(27).unwrap_or_default();
            screen.contents().contains("last") && last.contains("help")
        });
        assert!(!shell.terminal.contents().contains("left"));
        shell.lacks_terminal();
        shell.keys("q");
        shell.has_terminal("over");
    }
}

#[test]
fn where_no_shell_could_continue_it_ctrl_z_stops_nothing() {
    // The program leads the session of the terminal, as the command of a tmux pane does.
    let place = place_with(&[]);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("last");
    terminal.keys("\x1a");
    terminal.wait_for("not suspended: there is no shell");
    terminal.wait_for("last");
    assert!(!is_stopped(terminal.pid()));
    let on = modes_on(&terminal.output());
    assert!(["1049", "1000", "2004"].iter().all(|mode| on.contains(&(*mode).to_string())), "{on:?}");
    quit(&mut terminal);
}

#[test]
fn whoever_ignores_sigtstp_is_not_suspended() {
    let place = place_with(&[]);
    let Some(mut shell) = Shell::start(&place, SHELLS[0]) else { return };
    shell.keys("(trap '' TSTP; exec \"$PROGRAM\")\r");
    shell.terminal.wait_for("last");
    shell.keys("\x1a");
    shell.terminal.wait_for("not suspended");
    shell.keys("q");
    shell.has_terminal("over");
}

#[test]
fn an_editor_that_is_suspended_suspends_the_interface_with_it() {
    let place = place_with(&[("text", "before")]);
    let Some(mut shell) = Shell::start(&place, SHELLS[0]) else { return };
    // An editor does so for its whole process group.
    let editor = place.file("editor");
    std::fs::write(&editor, "kill -TSTP 0\necho again\nprintf after >\"$1\"\n").unwrap();
    shell.keys(&format!("VISUAL='sh {}' \"$PROGRAM\"\r", editor.display()));
    shell.terminal.wait_for("last");
    shell.keys("/text\r");
    shell.terminal.wait_for_row("text");
    let pid = pid(&place);
    shell.keys("E");
    until("it is stopped", || is_stopped(pid.cast_unsigned()));
    shell.has_terminal("answer");
    shell.keys("fg\r");
    shell.terminal.wait_for("after");
    shell.terminal.wait_without("answer");
    shell.lacks_terminal();
    assert_eq!(place.done(&["get", "text"]), "after\n");
    shell.keys("q");
    shell.has_terminal("over");
}

#[test]
fn a_job_that_was_stopped_is_ended_by_the_shell() {
    for signal in [Signal::SIGTSTP, Signal::SIGSTOP] {
        let place = place_with(&[]);
        let Some(mut shell) = Shell::start(&place, SHELLS[0]) else { return };
        shell.keys("\"$PROGRAM\"\r");
        shell.terminal.wait_for("last");
        let pid = pid(&place);
        send(pid, signal);
        until("it is stopped", || is_stopped(pid.cast_unsigned()));
        // What is typed before that is typed in the modes of the interface.
        until("the shell has the terminal", || shell.terminal.modes() == shell.modes);
        shell.keys("kill %1\r");
        until("it has ended", || pids(&place).is_empty());
        shell.has_terminal("over");
    }
}

//! Signals that end the program: the terminal is given back, and the signal is seen by whoever started it.

use nix::libc;
use portable_pty::CommandBuilder;

use crate::support::files::{Place, until};
use crate::support::terminal::Terminal;
use crate::tui::ending::modes_on;
use crate::tui::{command, place_with, quit};

/// The interface under a shell that keeps the terminal open, so that it can be looked at afterwards.
struct Kept {
    terminal: Terminal,
    modes: String,
    pid: i32,
}

impl Kept {
    fn start(place: &Place, before: &str) -> Kept {
        let pid_file = place.file("pid");
        let _ = std::fs::remove_file(&pid_file);
        let mut shell = CommandBuilder::new("sh");
        let script = format!(
            "read start; sh -c 'ulimit -c 0; {before} echo $$ >\"$0\"; exec \"$@\"' \"$0\" \"$@\"; \
             echo \"code=$?.\"; read end"
        );
        shell.args(["-c", &script]);
        shell.arg(&pid_file);
        shell.args(command(place, &[]).get_argv());
        shell.env("HOME", place.folder());
        shell.env("RUST_BACKTRACE", "0");
        let mut terminal = Terminal::start(shell, 80, 24);
        let modes = terminal.modes();
        terminal.keys("\r");
        terminal.wait_for("last");
        assert_ne!(terminal.modes(), modes);
        let pid = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
        Kept { terminal, modes, pid }
    }

    fn signal(&self, signal: i32) {
        // Signals of real-time programs have no name in the library.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0);
    }

    #[track_caller]
    fn ended(&self, code: i32) {
        self.terminal.wait_for("code=");
        let text = self.terminal.contents();
        assert!(text.contains(&format!("code={code}.")), "wanted {code}:\n{text}");
        assert_eq!(self.terminal.modes(), self.modes, "{code}");
        assert_eq!(modes_on(&self.terminal.output()), ["25"], "only the cursor is on: {code}");
        assert!(!text.contains("last"), "the first screen is back: {code}");
    }
}

#[test]
fn every_signal_that_ends_it_leaves_a_usable_terminal_and_is_seen() {
    let named = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGUSR1,
        libc::SIGSEGV,
        libc::SIGUSR2,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGTERM,
        libc::SIGSTKFLT,
        libc::SIGXCPU,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGIO,
        libc::SIGPWR,
        libc::SIGSYS,
    ];
    let place = place_with(&[]);
    for signal in named.into_iter().chain([libc::SIGRTMIN(), libc::SIGRTMAX()]) {
        let kept = Kept::start(&place, "");
        kept.signal(signal);
        kept.ended(128 + signal);
    }
}

#[test]
fn a_signal_that_ends_nothing_changes_nothing() {
    let place = place_with(&[]);
    let mut kept = Kept::start(&place, "");
    for signal in [libc::SIGXFSZ, libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT] {
        kept.signal(signal);
    }
    place.done(&["set", "after", "signals"]);
    kept.terminal.wait_for("signals");
    kept.terminal.keys("q");
    kept.ended(0);
}

#[test]
fn a_signal_that_the_caller_ignores_stays_ignored() {
    let place = place_with(&[]);
    let mut kept = Kept::start(&place, "trap \"\" QUIT USR1;");
    kept.signal(libc::SIGQUIT);
    kept.signal(libc::SIGUSR1);
    place.done(&["set", "after", "signals"]);
    kept.terminal.wait_for("signals");
    kept.terminal.keys("q");
    kept.ended(0);
}

#[test]
fn mapped_memory_that_is_gone_is_explained() {
    let place = place_with(&[]);
    let kept = Kept::start(&place, "");
    let memory = std::fs::File::options().write(true).open(place.file("state.db-shm")).unwrap();
    until("it looks at the database again", || {
        memory.set_len(0).unwrap();
        kept.terminal.contents().contains("code=")
    });
    kept.ended(128 + libc::SIGBUS);
    let text = kept.terminal.contents().replace('\n', "");
    assert!(text.contains("a file that is mapped into memory became shorter"), "{text}");
    assert!(text.contains("slothstate doctor"), "{text}");
}

#[test]
fn a_terminal_that_takes_no_output_does_not_keep_it_alive() {
    // Nobody reads what it draws.
    let place = place_with(&[]);
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGUSR1] {
        let size = portable_pty::PtySize { cols: 200, rows: 100, pixel_width: 0, pixel_height: 0 };
        let pair = portable_pty::native_pty_system().openpty(size).unwrap();
        let mut command = command(&place, &[]);
        command.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let pid = child.process_id().unwrap();
        // It waits in its write.
        let waits = || std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let mut before = String::new();
        let mut same = 0;
        until("it waits for the terminal", || {
            if waits().starts_with("1 ") {
                same = if before == waits() { same + 1 } else { 0 };
                before = waits();
                return same > 40;
            }
            // More to be drawn.
            place.done(&["set", "k", &format!("{}{same}", "x".repeat(300))]);
            pair.master.resize(portable_pty::PtySize { cols: 190 + fastrand::u16(0..20), ..size }).unwrap();
            false
        });
        assert_eq!(unsafe { libc::kill(pid.cast_signed(), signal) }, 0);
        let mut ended = None;
        until("it ends", || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
    }
}

#[test]
fn a_terminal_that_shows_only_lines_is_refused_with_what_to_use_instead() {
    let place = place_with(&[]);
    for arguments in [&[][..], &["demo"]] {
        let mut command = command(&place, arguments);
        command.env("TMPDIR", place.folder());
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", "TERM=dumb exec \"$0\" \"$@\""]);
        shell.args(command.get_argv());
        shell.env("HOME", place.folder());
        shell.env("TMPDIR", place.folder());
        let mut terminal = Terminal::start(shell, 80, 24);
        assert_eq!(terminal.wait_for_end(), 2);
        let output = String::from_utf8_lossy(&terminal.output()).into_owned();
        assert!(!output.contains('\x1b'), "{output:?}");
        for words in ["TERM is dumb", "slothstate keys", "slothstate get", "slothstate watch"] {
            assert!(output.contains(words), "{words}: {output}");
        }
        assert!(!place.names().iter().any(|name| name.contains("demo")), "nothing is left behind");
    }
    // Any other terminal will do.
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", "TERM=unheard-of exec \"$0\" \"$@\""]);
    shell.args(command(&place, &[]).get_argv());
    shell.env("HOME", place.folder());
    let mut terminal = Terminal::start(shell, 80, 24);
    terminal.wait_for("last");
    quit(&mut terminal);
}

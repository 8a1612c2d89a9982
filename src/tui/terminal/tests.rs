//! A panic, in a process of its own in a terminal of its own.

use portable_pty::CommandBuilder;

use crate::tui::terminal::*;

#[path = "../../../tests/support/terminal.rs"]
mod terminal;

const PART: &str = "SLOTHSTATE_TEST_PART";

#[test]
#[ignore = "a part of the other test, which starts it as a process of its own in a terminal of its own"]
fn panicking() {
    let Ok(part) = std::env::var(PART) else { return };
    let how = TerminalUse { mouse: true, asks: false };
    let mut screen = TerminalScreen::take(how, &TerminalQuery::default()).unwrap();
    screen.draw(|frame| frame.render_widget("the picture", frame.area())).unwrap();
    // Whoever watches says when.
    nix::unistd::read(std::io::stdin(), &mut [0]).unwrap();
    match part.as_str() {
        "here" => panic!("a mistake"),
        "stack" => {
            std::hint::black_box(deeper(1));
        }
        _ => assert!(std::thread::spawn(|| panic!("a mistake")).join().is_err()),
    }
    // The screen is lost with the process, as if nothing ran after the panic.
    std::process::exit(101);
}

/// Calls itself until the stack is full.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    deeper(room[7] + 1) + room[3]
}

#[test]
fn a_stack_that_overflows_is_told_on_the_terminal_as_it_was() {
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", "ulimit -c 0; read start; \"$@\"; echo \"code=$?.\"; read end", "sh"]);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["tui::terminal::tests::panicking", "--exact", "--ignored", "--nocapture"]);
    shell.env(PART, "stack");
    let mut terminal = terminal::Terminal::start(shell, 80, 24);
    let before = terminal.modes();
    terminal.keys("\r");
    terminal.wait_for("the picture");
    terminal.keys("x");
    terminal.wait_for("code=134.");
    assert_eq!(terminal.modes(), before);
    assert!(terminal.contents().contains("has overflowed its stack"), "{}", terminal.contents());
    assert!(!terminal.contents().contains("the picture"));
}

#[test]
fn a_panic_in_any_thread_gives_the_terminal_back_and_can_be_read() {
    for part in ["here", "in another thread"] {
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", "read start; \"$@\"; echo over; read end", "sh"]);
        shell.arg(std::env::current_exe().unwrap());
        shell.args(["tui::terminal::tests::panicking", "--exact", "--ignored", "--nocapture"]);
        shell.env(PART, part);
        shell.env("RUST_BACKTRACE", "0");
        let mut terminal = terminal::Terminal::start(shell, 80, 24);
        let before = terminal.modes();
        terminal.keys("\r");
        terminal.wait_for("the picture");
        assert_ne!(terminal.modes(), before);
        terminal.keys("x");
        terminal.wait_for("over");
        assert_eq!(terminal.modes(), before);
        assert!(terminal.contents().contains("a mistake"), "{}", terminal.contents());
        assert!(!terminal.contents().contains("the picture"));
        let output = String::from_utf8_lossy(&terminal.output()).into_owned();
        for off in ["?1049l", "?2004l", "?1000l", "?25h"] {
            assert!(output.rfind(off) > output.rfind("the picture"), "{off}");
        }
    }
}

//! Input that arrives in pieces, with pauses between them, as a slow connection delivers it.

use std::time::Duration;

use crate::support::files::skipped;
use crate::support::terminal::Terminal;
use crate::tui::{open, place_with, quit};

const ESC: &str = "\x1b";

/// Types bytes in two pieces with a pause between them.
fn split(terminal: &mut Terminal, bytes: &[u8], at: usize, pause: Duration) {
    terminal.keys(&bytes[..at]);
    // Part of what is tested, not a wait for something.
    std::thread::sleep(pause);
    terminal.keys(&bytes[at..]);
}

/// Shorter than a lone ESC is held back.
const SHORT: Duration = Duration::from_millis(8);
/// Long after that.
const LONG: Duration = Duration::from_millis(400);

#[test]
fn a_sequence_split_anywhere_is_one_key() {
    let place = place_with(&[("a:1", "1"), ("a:2", "2"), ("a:3", "3")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a:1");
    for (down, up) in [("\x1b[B", "\x1b[A"), ("\x1bOB", "\x1bOA"), ("\x1b[1;1B", "\x1b[1;1A")] {
        for at in 1..down.len() {
            // Behind its ESC it is still one key when the pause was too long, only that Esc came before.
            for pause in [SHORT, LONG] {
                split(&mut terminal, down.as_bytes(), at, pause);
                terminal.wait_for_row("a:2");
                split(&mut terminal, up.as_bytes(), at, pause);
                terminal.wait_for_row("a:1");
            }
        }
    }
    assert!(terminal.contents().contains("no filter"));
    quit(&mut terminal);
}

#[test]
fn an_arrow_key_that_is_split_leaves_no_form() {
    let place = place_with(&[("a:1", "1")]);
    // The pause may be longer than it is meant to be on a machine that does much else.
    let kept = (0..20).any(|_| {
        let mut terminal = open(&place, &[]);
        terminal.wait_for_row("a:1");
        terminal.keys("e");
        terminal.wait_for("Edit a:1");
        terminal.keys("77");
        terminal.wait_for("177");
        split(&mut terminal, b"\x1b[D", 1, SHORT);
        terminal.keys("5");
        terminal.becomes(Duration::from_secs(5), |screen| screen.contents().contains("1757"))
    });
    if !kept {
        skipped("an arrow key that is split", "pauses of 8 ms took longer than 30 ms, 20 times");
    }
}

#[test]
fn reports_of_the_mouse_split_anywhere_are_never_keys() {
    let place = place_with(&[("a:1", "1"), ("a:2", "2"), ("a:3", "3")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a:1");
    // Its digits would open views and set the number to 0.
    let (second, first) = (b"\x1b[<0;10;5M", b"\x1b[<0;10;4M");
    for at in 1..second.len() {
        split(&mut terminal, second, at, LONG);
        terminal.wait_for_row("a:2");
        split(&mut terminal, first, at, SHORT);
        terminal.wait_for_row("a:1");
    }
    let text = terminal.contents();
    assert!(text.contains("no filter") && !text.contains("Are you sure"), "{text}");
    quit(&mut terminal);
}

#[test]
fn a_paste_split_anywhere_is_one_paste() {
    let place = place_with(&[("a:1", "1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a:1");
    let paste = b"\x1b[200~zz\x1b[201~";
    for at in 1..paste.len() {
        terminal.keys("/");
        terminal.wait_for("/ ");
        split(&mut terminal, paste, at, SHORT);
        terminal.wait_for_row("zz");
        terminal.keys(ESC);
        terminal.wait_for("no filter");
        terminal.wait_for("a:1");
        // Where nothing is typed into, pasted text is no command.
        split(&mut terminal, b"\x1b[200~q\r\x1b[201~", at.min(12), SHORT);
    }
    quit(&mut terminal);
}

#[test]
fn escape_alone_is_a_key_soon() {
    let place = place_with(&[("a:1", "1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a:1");
    terminal.keys("/zz");
    terminal.wait_for_row("zz");
    terminal.keys(ESC);
    terminal.wait_for("no filter");
    quit(&mut terminal);
}

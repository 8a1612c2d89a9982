//! Colours that suit the terminal: what it replies when it is asked, at once, late, never, or nonsense.

use std::time::Duration;

use portable_pty::CommandBuilder;

use crate::support::files::Place;
use crate::support::terminal::{Replies, Terminal};
use crate::tui::{command, place_with, quit};

/// The grounds of the row under the cursor in the themes.
const DARK: vt100::Color = vt100::Color::Idx(237);
const LIGHT: vt100::Color = vt100::Color::Idx(253);

const WHITE: &str = "rgb:ffff/ffff/ffff";
const BLACK: &str = "rgb:0000/0000/0000";
const ASKED: &[u8] = b"\x1b]11;?";

fn ground(screen: &vt100::Screen) -> Option<vt100::Color> {
    let rows = 0..screen.size().0.get();
    let cells = rows.filter_map(|row| screen.cell(row, 0));
    cells.filter(|cell| cell.contents() == "›").map(vt100::Cell::bgcolor).next()
}

fn becomes(terminal: &Terminal, wanted: vt100::Color) {
    terminal.wait_until(&format!("a ground of {wanted:?}"), |screen| ground(screen) == Some(wanted));
}

fn was_asked(terminal: &Terminal) -> bool {
    terminal.output().windows(ASKED.len()).any(|window| window == ASKED)
}

fn start(command: CommandBuilder, background: Option<&'static str>, attributes: bool) -> Terminal {
    Terminal::start_replying(command, 80, 24, Replies { background, attributes })
}

fn configured(theme: &str) -> Place {
    let place = place_with(&[]);
    let folder = place.folder().join(".config/slothstate");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), format!("theme = \"{theme}\"\n")).unwrap();
    place
}

#[test]
fn the_reply_of_the_terminal_chooses_the_theme() {
    for (background, attributes, environment, wanted) in [
        (Some(WHITE), true, None, LIGHT),
        (Some(WHITE), false, None, LIGHT),
        (Some(BLACK), true, None, DARK),
        (Some("rgb:fdfd/f6f6/e3e3"), true, None, LIGHT),
        (Some("#002b36"), true, None, DARK),
        // It counts for more than what the environment says, which may be that of another terminal.
        (Some(BLACK), true, Some("0;15"), DARK),
        (Some(WHITE), true, Some("15;0"), LIGHT),
        // Old tmux and screen reply only to the second question, some terminals to none.
        (None, true, None, DARK),
        (None, true, Some("0;15"), LIGHT),
        (None, false, None, DARK),
        (None, false, Some("0;15"), LIGHT),
        // Nonsense is no reply.
        (Some("rgb:zzzz/0000/0000"), true, Some("0;15"), LIGHT),
        (Some("?"), true, None, DARK),
        (Some("12;q0d"), true, None, DARK),
    ] {
        let place = place_with(&[]);
        let mut command = command(&place, &[]);
        if let Some(colours) = environment {
            command.env("COLORFGBG", colours);
        }
        let mut terminal = start(command, background, attributes);
        terminal.wait_for_row("last");
        becomes(&terminal, wanted);
        assert!(was_asked(&terminal));
        assert!(terminal.contents().contains("no filter"), "{background:?}");
        quit(&mut terminal);
    }
}

#[test]
fn a_theme_that_was_chosen_is_not_asked_for() {
    for (theme, wanted) in [("dark", DARK), ("light", LIGHT)] {
        let place = configured(theme);
        let mut terminal = start(command(&place, &[]), Some(WHITE), true);
        terminal.wait_for_row("last");
        becomes(&terminal, wanted);
        assert!(!was_asked(&terminal));
        quit(&mut terminal);
    }
    let place = configured("auto");
    let mut terminal = start(command(&place, &[]), Some(WHITE), true);
    terminal.wait_for_row("last");
    becomes(&terminal, LIGHT);
    // Chosen by hand it stays, until what suits the terminal is wanted again.
    terminal.keys(":theme dark\r");
    becomes(&terminal, DARK);
    terminal.keys(":theme auto\r");
    becomes(&terminal, LIGHT);
    quit(&mut terminal);
}

#[test]
fn a_late_reply_changes_the_colours_and_is_never_taken_for_keys() {
    let place = place_with(&[("flag", "true"), ("number", "7")]);
    let replies = format!("\x1b]11;{WHITE}\x1b\\\x1b[?62;22c");
    for cut in 1..replies.len() {
        let mut terminal = start(command(&place, &[]), None, false);
        terminal.wait_for_row("flag");
        becomes(&terminal, DARK);
        terminal.keys(&replies[..cut]);
        // Part of what is tested: longer than an ESC is held back where it stands alone.
        if cut % 7 == 0 || replies[..cut].ends_with('\x1b') {
            std::thread::sleep(Duration::from_millis(200));
        }
        terminal.keys(&replies[cut..]);
        becomes(&terminal, LIGHT);
        let text = terminal.contents();
        assert!(text.contains("no filter") && text.contains("1 Keys"), "{cut}: {text}");
        assert!(!text.contains("no command") && !text.contains("Are you sure"), "{cut}: {text}");
        // Keys after it are keys.
        terminal.keys("j");
        terminal.wait_for_row("number");
        quit(&mut terminal);
    }
    assert_eq!(place.done(&["get", "number"]), "7\n");
}

#[test]
fn a_terminal_that_never_replies_is_not_waited_for() {
    let place = place_with(&[]);
    let mut terminal = start(command(&place, &[]), None, false);
    terminal.wait_for_row("last");
    // Typed right after the first picture, it is no part of a reply.
    terminal.keys("/zz");
    terminal.wait_for("/ zz");
    terminal.keys("\r");
    quit(&mut terminal);
}

#[test]
fn a_reply_that_comes_when_the_program_ends_is_not_typed_into_the_shell() {
    let place = place_with(&[]);
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", "\"$0\" \"$@\"; echo over; read line; echo \"<$line>\"; read end"]);
    shell.args(command(&place, &[]).get_argv());
    shell.env("HOME", place.folder());
    let mut terminal = start(shell, None, false);
    terminal.wait_for("last");
    terminal.keys(format!("q\x1b]11;{WHITE}\x1b\\\x1b[?62;22c"));
    terminal.wait_for("over");
    terminal.keys("typed\r");
    terminal.wait_for("<typed>");
}

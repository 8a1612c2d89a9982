//! Keys and colours of the user's own.

use portable_pty::CommandBuilder;

use crate::files::Place;
use crate::terminal::Terminal;
use crate::{command, place_with, quit};

fn write(place: &Place, name: &str, text: &str) {
    let file = place.folder().join(".config/slothstate").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn start(command: CommandBuilder) -> Terminal {
    Terminal::start(command, 80, 24)
}

#[test]
fn keys_and_colours_come_from_the_configuration_and_mistakes_are_told() {
    let place = place_with(&[("leader", "ann"), ("other", "2")]);
    write(&place, "config.toml", "theme = \"mine\"\n[kinds]\nleader = \"lock\"\n");
    write(&place, "keymap.toml", "[keys]\nfly = [\"f\"]\nlocks = [\"L\"]\n");
    write(&place, "themes/mine.toml", "cursor = \"on 17\"\n");
    let mut terminal = start(command(&place, &[]));
    terminal.wait_for("keymap.toml:2: fly is no command");
    terminal.wait_for_row("leader");
    let ground = terminal.look(|screen| {
        let row = (0..24).find(|row| screen.cell(*row, 0).is_some_and(|cell| cell.contents() == "›"));
        screen.cell(row.unwrap(), 0).unwrap().bgcolor()
    });
    assert_eq!(ground, vt100::Color::Idx(17));
    terminal.keys("L");
    terminal.wait_for("HOLDER");
    terminal.wait_for_row("leader");
    terminal.keys("1");
    terminal.wait_for_row("leader");
    quit(&mut terminal);
}

#[test]
fn what_is_copied_goes_to_the_terminal_and_is_said_so() {
    let place = place_with(&[("key", "value\x1b")]);
    for (inside, wrapped) in [("", false), ("/tmp/tmux-0/default,1,0", true)] {
        let mut command = command(&place, &[]);
        command.env_remove("STY");
        command.env("TMUX", inside);
        let mut terminal = start(command);
        terminal.wait_for_row("key");
        terminal.wait_for("value");
        terminal.keys("Y");
        terminal.wait_for("the value was sent to the terminal (6 B)");
        terminal.keys("M");
        terminal.wait_for("Messages");
        terminal.keys("\x1b");
        terminal.wait_without("Messages");
        quit(&mut terminal);
        let output = String::from_utf8_lossy(&terminal.output()).into_owned();
        assert!(output.contains("\x1b]52;c;dmFsdWUb\x07"), "the value in Base64");
        assert_eq!(output.contains("\x1bPtmux;\x1b\x1b]52;c;dmFsdWUb\x07\x1b\\"), wrapped);
    }
}

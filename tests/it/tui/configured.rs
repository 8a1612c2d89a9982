//! Keys and colours of the user's own.

use portable_pty::CommandBuilder;

use crate::support::files::Place;
use crate::support::terminal::Terminal;
use crate::tui::{ESC, command, place_with, quit};

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
        terminal.keys(ESC);
        terminal.wait_without("Messages");
        quit(&mut terminal);
        let output = String::from_utf8_lossy(&terminal.output()).into_owned();
        assert!(output.contains("\x1b]52;c;dmFsdWUb\x07"), "the value in Base64");
        assert_eq!(output.contains("\x1bPtmux;\x1b\x1b]52;c;dmFsdWUb\x07\x1b\\"), wrapped);
    }
}

fn fifo(place: &Place, path: &str) {
    let file = place.folder().join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
}

/// How the interface was left, by database.
const LAST: &str = ".local/state/slothstate/last.json";

#[test]
fn a_file_that_cannot_be_read_blocks_nothing_and_is_said() {
    for path in ["config.toml", "keymap.toml", "filters.toml", "themes/mine.toml"] {
        let place = place_with(&[("key", "value")]);
        fifo(&place, &format!(".config/slothstate/{path}"));
        let mut terminal = Terminal::start(command(&place, &[]), 160, 24);
        terminal.wait_for_row("key");
        terminal.wait_for("it is a named pipe, not a file");
        quit(&mut terminal);
        place.done(&["get", "key"]);
    }
    let place = place_with(&[("key", "value")]);
    fifo(&place, LAST);
    let mut terminal = Terminal::start(command(&place, &["--resume"]), 160, 24);
    terminal.wait_for_row("key");
    terminal.wait_for("it is a named pipe, not a file");
    quit(&mut terminal);
}

#[test]
fn a_damaged_note_of_how_databases_were_left_costs_no_other() {
    let place = place_with(&[("key", "value")]);
    let file = place.folder().join(LAST);
    let resume = |place: &Place| start(command(place, &["--resume"]));
    let mut terminal = resume(&place);
    terminal.wait_for_row("key");
    terminal.keys("6");
    terminal.wait_for("BEFORE");
    quit(&mut terminal);
    let sound = std::fs::read_to_string(&file).unwrap();
    let damaged = sound.replacen(
        '{',
        "{\"/other.db\": {\"view\": \"Flags\", \"filter\": \"\", \"key\": null, \"at\": 1},",
        1,
    );
    let damaged = &damaged[..damaged.len() - 2];
    std::fs::write(&file, damaged).unwrap();
    let mut terminal = resume(&place);
    terminal.wait_for("it is damaged");
    terminal.wait_for_row("key");
    quit(&mut terminal);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("/other.db") && text.contains("Flags") && text.contains("state.db"), "{text}");
    assert_eq!(std::fs::read_to_string(file.with_extension("json.corrupt")).unwrap(), damaged);
}

#[test]
fn a_filters_file_with_a_mistake_is_left_as_it_is_and_the_mistake_is_told_on_one_line() {
    let place = place_with(&[("key", "value")]);
    let text = "[filters]\nsoon = \"ttl:<1h\"\nbroken = = 1\n";
    write(&place, "filters.toml", text);
    let mut terminal = Terminal::start(command(&place, &[]), 200, 24);
    terminal.wait_for("filters.toml:3: ");
    terminal.wait_for_row("key");
    terminal.keys("/key\r");
    terminal.wait_for("1 of 1");
    terminal.keys("\x13");
    terminal.wait_for("name");
    terminal.keys("mine\r");
    terminal.wait_for("filters.toml:3: ");
    terminal.wait_for("not saved: correct the file, or move it away");
    terminal.look(|screen| assert!(!screen.contents().contains("\\n") && !screen.contents().contains('␊')));
    quit(&mut terminal);
    assert_eq!(
        std::fs::read_to_string(place.folder().join(".config/slothstate/filters.toml")).unwrap(),
        text
    );
}

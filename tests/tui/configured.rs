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

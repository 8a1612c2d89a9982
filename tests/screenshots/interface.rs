//! The interface in a terminal: the program's own, but for the clock and the name of who is at it.

use std::path::PathBuf;
use std::sync::Arc;

use portable_pty::CommandBuilder;
use slothstate::config::Config;
use slothstate::store::{Location, Options};
use slothstate::tui;

use crate::clock::SharedClock;
use crate::terminal::Terminal;
use crate::world::{World, reader};

/// Names the folder with the database and the clock to the process with the interface.
const FOLDER: &str = "SLOTHSTATE_TEST_PICTURES";

/// Opens the interface in a terminal of that size.
pub fn open(world: &World, theme: &str, columns: u16, rows: u16) -> Terminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["the_interface", "--exact", "--ignored", "--nocapture", "--quiet"]);
    command.env(FOLDER, world.file(""));
    command.env("HOME", world.file(""));
    command.env("SLOTHSTATE_THEME", theme);
    command.env("TZ", "UTC");
    command.env_remove("NO_COLOR");
    Terminal::start(command, columns, rows)
}

/// Goes on with a key until the cursor of the list is where it is wanted.
pub fn to(terminal: &mut Terminal, key: char, wanted: &str) {
    while !terminal.look(cursor).is_some_and(|(_, row)| row.contains(wanted)) {
        let before = terminal.look(cursor).map(|(place, _)| place);
        terminal.keys(key.to_string());
        terminal.wait_until(&format!("the cursor on its way to {wanted}"), |screen| {
            cursor(screen).is_some_and(|(place, _)| Some(place) != before)
        });
    }
}

/// The row of the list that has the cursor, without the details beside it, and which one it is.
fn cursor(screen: &vt100::Screen) -> Option<(usize, String)> {
    let (place, row) = screen.rows(0, u16::MAX).enumerate().find(|(_, row)| row.starts_with('›'))?;
    Some((place, row.split('│').next()?.to_string()))
}

/// The process with the interface; in any other one it does nothing.
pub fn run() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    // So that no picture shows where it is.
    std::env::set_current_dir(&folder).unwrap();
    let (actor, process) = reader();
    let clock = Arc::new(SharedClock::open(&folder.join("clock")));
    tui::run(tui::TuiOptions {
        location: Location::File("state.db".into()),
        settings: Options { clock, actor, process, ..Options::default() },
        known: None,
        read_only: false,
        resume: false,
        config: Config::default(),
    })
    .unwrap();
}

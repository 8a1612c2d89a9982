//! The interface as people have it: the real program in a pseudo-terminal.

mod background;
mod changing;
mod configured;
mod contexts;
mod debugging;
mod ending;
mod finding;
mod history;
mod looking;
mod marks;
mod older;
mod overview;
mod runs;
mod secrets;
mod signalled;
mod split;
mod stacks;
mod stories;
mod storm;
mod suspending;
mod travel;
mod tree;
mod undos;
mod values;

use std::path::Path;
use std::time::Duration;

use portable_pty::CommandBuilder;
use slothstate::store::{AcquireOutcome, Lock, LockRequest, Options, SqliteStore, Store};

use crate::support::files::{OF_THE_CALLER, Place, until};
use crate::support::terminal::Terminal;

/// The key Esc as terminals send it that tell it from the beginning of another key. A lone ESC byte, which
/// is read together with the next key where the machine is slow, has tests of its own (`split`).
pub const ESC: &str = "\x1b[27u";

/// The tables as Sloth Runner makes them.
const TABLES: &str = "
    CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL);
    CREATE TRIGGER update_state_timestamp AFTER UPDATE ON state
    BEGIN UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key; END;";

/// A database of our own with these entries.
fn place_with(entries: &[(&str, &str)]) -> Place {
    let place = Place::new();
    place.done(&["set", "zz", "last"]);
    entries.iter().for_each(|(key, value)| place.write_foreign(key, value));
    place
}

/// A file that slothstate has not adopted.
fn place_of_sloth_runner(entries: &[(&str, &str)]) -> Place {
    let place = Place::on_file();
    let shell = place.connection();
    shell.execute_batch(TABLES).unwrap();
    for (key, value) in entries {
        shell.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", [key, value]).unwrap();
    }
    place
}

fn command(place: &Place, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    let of_the_interface = ["SLOTHSTATE_THEME", "NO_COLOR", "COLORFGBG", "VISUAL", "EDITOR"];
    for name in OF_THE_CALLER.iter().chain(&of_the_interface) {
        command.env_remove(name);
    }
    command.env("HOME", place.folder());
    command.arg("--db");
    command.arg(place.db());
    command.args(arguments);
    command
}

fn open(place: &Place, arguments: &[&str]) -> Terminal {
    Terminal::start(command(place, arguments), 80, 24)
}

fn quit(terminal: &mut Terminal) {
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

fn update(place: &Place, key: &str, value: &str) {
    place.write_foreign(key, value);
}

/// The part of a worker that holds a lock until the test is over.
pub fn hold_a_lock(folder: &Path) {
    let store = SqliteStore::open(&folder.join("state.db"), Options::default()).unwrap();
    take(&store, "worker");
    until("the test is over", || folder.join("over").exists());
}

fn take(store: &dyn Store, holder: &str) -> Lock {
    let request =
        LockRequest { name: "deploy".into(), holder: holder.into(), lease: Duration::from_secs(600) };
    match store.acquire(&request, None).unwrap() {
        AcquireOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

//! Several databases: going from one to another, and those where mistakes are felt by others.

use std::process::Stdio;

use crate::files::{Place, slothstate};
use crate::terminal::Terminal;
use crate::{ESC, command, place_of_sloth_runner, place_with, quit};

/// Two databases, `dev` and `live`, of which the second is production.
fn place() -> Place {
    let place = place_with(&[("here", "dev"), ("count", "1")]);
    let live = place.file("live.db");
    for (key, value) in [("there", "live"), ("version", "v1")] {
        let mut set = slothstate(place.folder());
        assert!(
            set.arg("--db")
                .arg(&live)
                .args(["set", key, value])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    }
    let config = format!(
        "[contexts.dev]\npath = {:?}\n[contexts.live]\npath = {live:?}\nproduction = true\n\
         [contexts.gone]\npath = \"/nowhere/state.db\"\n",
        place.db()
    );
    std::fs::create_dir_all(place.folder().join(".config/slothstate")).unwrap();
    std::fs::write(place.folder().join(".config/slothstate/config.toml"), config).unwrap();
    place
}

fn value_in_live(place: &Place, key: &str) -> String {
    let mut get = slothstate(place.folder());
    get.args(["--context", "live", "get", key]);
    String::from_utf8(get.output().unwrap().stdout).unwrap()
}

#[test]
fn one_goes_from_one_database_to_another_and_back() {
    let place = place();
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("dev · 3 keys");
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("count +1");
    terminal.keys("C");
    terminal.wait_for("PRODUCTION /");
    terminal.keys("gone\r");
    terminal.wait_for("gone was not opened");
    terminal.wait_for_row("count");
    terminal.keys("Clive\r");
    terminal.wait_for("PRODUCTION: live");
    terminal.wait_for("live · 2 keys");
    terminal.wait_for("there");
    terminal.wait_without("count");

    // What others change there is seen, and what is changed in the first is not.
    let mut set = slothstate(place.folder());
    assert!(set.args(["--context", "live", "set", "there", "news"]).status().unwrap().success());
    terminal.wait_for("news");
    terminal.keys("jd");
    terminal.wait_for("Delete version?");
    terminal.wait_for("type live to do it");
    terminal.keys("y\r");
    terminal.keys(ESC);
    terminal.wait_without("Delete version?");
    assert_eq!(value_in_live(&place, "version"), "v1\n");
    terminal.keys("dlive\r");
    terminal.wait_for("deleted version");
    assert_eq!(value_in_live(&place, "version"), "");
    terminal.keys("u");
    terminal.wait_for("took back: deleted version");
    assert_eq!(value_in_live(&place, "version"), "v1\n");

    terminal.keys("Cdev\r");
    terminal.wait_for("dev · 3 keys");
    terminal.wait_without("PRODUCTION");
    terminal.keys("u");
    terminal.wait_for("took back: count +1");
    assert_eq!(place.done(&["get", "count"]), "1\n");
    quit(&mut terminal);
}

#[test]
fn a_locked_database_is_waited_for_with_a_picture() {
    // A file that nobody has adopted has no log beside which it could be read.
    let place = place_of_sloth_runner(&[("k", "v")]);
    let other = place.connection();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(command(&place, &["--busy-timeout", "200ms"]), 80, 24);
    terminal.wait_for("another program has locked it");
    terminal.keys("?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    other.execute_batch("ROLLBACK").unwrap();
    terminal.wait_for_row("k ");
    terminal.wait_without("locked");
    quit(&mut terminal);

    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("another program has locked it");
    quit(&mut terminal);
}

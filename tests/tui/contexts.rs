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
    terminal.wait_for("added 1 to count");
    terminal.keys("C");
    terminal.wait_for("PRODUCTION /");
    terminal.keys("gone\r");
    terminal.wait_for("gone was not opened");
    let screen = terminal.contents();
    assert!(screen.contains("config.toml") && !screen.contains("--db"), "{screen}");
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
    terminal.wait_for("that is not its name");
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
    terminal.wait_for("took back: added 1 to count");
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
    terminal.wait_for(" opening…");
    terminal.keys("8");
    terminal.wait_without("there are no keys yet");
    terminal.wait_for(" opening…");
    terminal.keys("1?");
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

#[test]
fn a_database_that_is_locked_while_it_is_looked_at_says_so_and_comes_back() {
    let place = place_of_sloth_runner(&[("flag", "true"), ("k", "v")]);
    let log = place.file("slothstate.log");
    let mut terminal = Terminal::start(
        command(&place, &["--busy-timeout", "300ms", "--log", log.to_str().unwrap()]),
        80,
        24,
    );
    terminal.wait_for_row("flag");
    terminal.wait_for("2 keys");
    let other = place.connection();
    other.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; UPDATE state SET value = 'locked away' WHERE key = 'k'").unwrap();
    terminal.keys("\x12");
    terminal.wait_for("the database does not answer");
    terminal.wait_for("old");
    // What was read before is still there to be looked at.
    terminal.keys("j");
    terminal.wait_for_row("k ");
    terminal.keys("?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    other.execute_batch("COMMIT").unwrap();
    terminal.wait_for("locked away");
    terminal.wait_without("does not answer");
    terminal.keys("M");
    terminal.wait_for("Messages");
    terminal.wait_for("answers again");
    terminal.keys(ESC);
    terminal.wait_without("Messages");
    quit(&mut terminal);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("INFO") && log.contains("reading failed"), "{log}");
    assert!(!log.contains("locked away"), "a value in the log: {log}");
}

#[test]
fn the_interface_opens_as_it_was_left_if_that_is_wanted() {
    let place = place_with(&[("feature:a", "true"), ("feature:b", "true"), ("other", "off")]);
    let mut terminal = Terminal::start(command(&place, &["--resume"]), 80, 24);
    terminal.wait_for_row("feature:a");
    terminal.keys("2/feature\r");
    terminal.wait_for("1 of 2");
    terminal.keys("j");
    terminal.wait_for_row("feature:b");
    quit(&mut terminal);
    let mut terminal = Terminal::start(command(&place, &["--resume"]), 80, 24);
    terminal.wait_for_row("feature:b");
    terminal.wait_for("/ feature");
    terminal.wait_for("STATE");
    quit(&mut terminal);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("no filter");
    terminal.wait_for("KIND");
    quit(&mut terminal);
}

#[test]
fn every_frame_is_shown_whole_or_not_at_all() {
    let place = place_with(&[("a", "1"), ("b", "2")]);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for_row("a");
    terminal.keys("jk?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    terminal.keys("2");
    terminal.wait_for("FLAG");
    quit(&mut terminal);
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    let drawn = output.rsplit_once("\x1b[?1049l").unwrap().0;
    // Between the frames nothing is drawn: no text outside of a synchronised update.
    let mut begun = drawn.split("\x1b[?2026h");
    assert!(!begun.next().unwrap().contains('a'));
    let frames: Vec<&str> = begun.collect();
    assert!(frames.len() > 3);
    for frame in frames {
        let (_, after) = frame.split_once("\x1b[?2026l").expect("an end");
        assert!(after.chars().all(|letter| letter != 'K' && letter != 'F'), "{after:?}");
    }
}

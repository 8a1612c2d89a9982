//! Changing: values, expiries, locks, and what happens when somebody else changes them too.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;

use crate::support::files::{Place, Worker, set_mode, until};
use crate::support::terminal::Terminal;
use crate::tui::{ESC, command, open, place_with, quit, take, update};

/// With the editor being a shell script of these lines; `$1` is the file to be edited.
fn open_with_editor(place: &Place, script: &str) -> Terminal {
    let editor = place.file("editor");
    std::fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&editor, 0o755);
    let mut command = command(place, &[]);
    command.env("EDITOR", &editor);
    Terminal::start(command, 80, 24)
}

#[test]
fn a_flag_keeps_its_type_when_it_is_toggled() {
    let place = place_with(&[]);
    place.done(&["set", "flag:text", "true", "--type", "string"]);
    place.done(&["set", "flag:truth", "true", "--type", "boolean"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("flag:text");
    terminal.keys("t");
    terminal.wait_for("set flag:text to false");
    terminal.wait_for_row(" false ");
    terminal.keys("j");
    terminal.wait_for_row("flag:truth");
    terminal.keys(" ");
    terminal.wait_for("set flag:truth to false");
    let stored = |key| place.json(&["get", key, "--json"]);
    assert_eq!(
        (&stored("flag:text")["type"], &stored("flag:text")["value"]),
        (&"string".into(), &"false".into())
    );
    assert_eq!(
        (&stored("flag:truth")["type"], &stored("flag:truth")["value"]),
        (&"boolean".into(), &false.into())
    );
    quit(&mut terminal);
}

#[test]
fn what_was_changed_here_is_taken_back_and_done_again() {
    let place = place_with(&[]);
    place.done(&["set", "flag", "true"]);
    place.done(&["set", "other", "1"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("flag");
    terminal.keys("u");
    terminal.wait_for("nothing was changed here");
    terminal.keys(" ");
    terminal.wait_for("set flag to false");
    // The list follows its own writes as it follows those of others.
    terminal.wait_for_row(" false ");
    terminal.keys("d");
    terminal.wait_for("Delete flag?");
    terminal.keys("y");
    terminal.wait_for("deleted flag");
    // The cursor is on another row by then, and on the entry again when that comes back.
    terminal.wait_for_row("other");
    terminal.keys("u");
    terminal.wait_for("took back: deleted flag");
    assert_eq!(place.done(&["get", "flag"]), "false\n");
    terminal.wait_for_row("flag");
    terminal.keys("u");
    terminal.wait_for("took back: set flag to false");
    assert_eq!(place.done(&["get", "flag"]), "true\n");
    terminal.keys("U");
    terminal.wait_for("did again: set flag to false");
    assert_eq!(place.done(&["get", "flag"]), "false\n");

    // Somebody else changed it since: what they did is named, and only a yes overwrites it.
    update(&place, "flag", "off");
    terminal.wait_for_row("off");
    terminal.keys("u");
    terminal.wait_for("all the same?");
    terminal.wait_for("flag is off now, by external");
    terminal.keys(ESC);
    terminal.wait_without("all the same?");
    assert_eq!(place.done(&["get", "flag"]), "off\n");
    terminal.keys("u");
    terminal.wait_for("all the same?");
    terminal.keys("y");
    terminal.wait_for("took back: set flag to false");
    assert_eq!(place.done(&["get", "flag"]), "true\n");
    quit(&mut terminal);
}

#[test]
fn an_added_flag_is_on_for_a_workflow_that_compares_it_with_a_text() {
    let place = place_with(&[]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("a");
    terminal.wait_for("Add an entry");
    terminal.keys("new_engine\ttrue");
    terminal.wait_for("‹ as it looks: untyped ›");
    terminal.keys("\r");
    terminal.wait_for("added new_engine as untyped text");
    terminal.wait_for_row("new_engine");
    terminal.keys("e");
    terminal.wait_for("‹ untyped ›");
    terminal.keys(ESC);
    terminal.wait_without("Edit new_engine");
    let code = "task('t'):command(function() return state.get('new_engine') == 'true' end)";
    std::fs::write(place.file("w.lua"), code).unwrap();
    let run = ["run", place.file("w.lua").to_str().unwrap()].map(String::from);
    place.done(&run.each_ref().map(String::as_str));
    terminal.keys(" ");
    terminal.wait_for_row("false");
    assert_eq!(place.run(&run.each_ref().map(String::as_str)).code, Some(1));
    assert_eq!(place.json(&["get", "new_engine", "--json"])["type"], "untyped");
    quit(&mut terminal);
}

#[test]
fn an_entry_is_added_edited_counted_and_deleted() {
    let place = place_with(&[]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("a");
    terminal.wait_for("Add an entry");
    terminal.keys("count\t41");
    terminal.keys("\r");
    terminal.wait_for("added count");
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for_row(" 42 ");
    terminal.keys("--");
    terminal.wait_for_row(" 40 ");
    terminal.keys("0");
    terminal.wait_for("Set count to 0?");
    terminal.keys("y");
    terminal.wait_for_row(" 0 ");
    terminal.keys("e");
    terminal.wait_for("Edit count");
    terminal.keys("\x15x");
    terminal.wait_for("is not a number");
    terminal.keys("\x1510\r");
    terminal.wait_for("changed count");
    terminal.wait_for_row(" 10 ");
    assert_eq!(place.json(&["get", "count", "--json"])["type"], "number");
    terminal.keys("d");
    terminal.wait_for("Delete count?");
    terminal.keys("d\r");
    terminal.keys("n");
    terminal.wait_without("Delete count?");
    terminal.wait_for_row("count");
    terminal.keys("dy");
    terminal.wait_for("deleted count");
    terminal.wait_for_row("zz");
    assert_eq!(place.run(&["get", "count"]).code, Some(1));
    quit(&mut terminal);
}

#[test]
fn value_type_and_expiry_are_changed_in_one_form_and_taken_back_as_one() {
    let place = place_with(&[]);
    place.done(&["set", "limit", "42", "--type", "number", "--ttl", "30d"]);
    let seen = || {
        let (got, ttl) = (place.json(&["get", "limit", "--json"]), place.json(&["ttl", "limit", "--json"]));
        (got["type"].clone(), got["value"].clone(), ttl["expires_at"].clone())
    };
    let before = seen();
    assert!(before.2.is_string(), "{before:?}");
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("limit");
    terminal.keys("e");
    terminal.wait_for("‹ number ›");
    terminal.wait_for("in 29d");
    // While the value is none of the chosen type, that is said, and it is not written.
    terminal.keys("x\t");
    terminal.wait_for("is not a number");
    terminal.keys("\x1b[C");
    terminal.wait_for("is neither true nor false");
    terminal.keys("\r");
    terminal.wait_for("› value");
    terminal.keys("\t\x1b[C\x1b[C");
    terminal.wait_for("‹ string ›  it was a number");
    terminal.keys("\tnever");
    terminal.wait_for("does not expire any more");
    terminal.keys("\r");
    terminal.wait_for("made limit a string, and set it not to expire");
    terminal.wait_for_row("42x");
    let (value_type, value, expires_at) = seen();
    assert_eq!((value_type, value), ("string".into(), "42x".into()));
    assert!(expires_at.is_null(), "{expires_at}");
    terminal.keys("u");
    terminal.wait_for("took back: made limit a string");
    assert_eq!(seen(), before);
    // What was left as it was is not written; the type alone can be changed.
    let version = || place.json(&["get", "limit", "--json"])["version"].clone();
    let unchanged = version();
    terminal.keys("e\r");
    terminal.wait_for("limit was left as it is");
    assert_eq!(version(), unchanged);
    terminal.keys("\x1bt");
    terminal.wait_for("› type");
    terminal.keys("\x1b[D\r");
    terminal.wait_for("made limit a string");
    assert_eq!(place.json(&["get", "limit", "--json"])["type"], "string");
    quit(&mut terminal);
}

#[test]
fn an_expiry_is_set_extended_and_removed() {
    let place = place_with(&[("cached", "x")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("cached");
    terminal.keys("T30d\r");
    terminal.wait_for_row("29d");
    terminal.keys("T+60d\r");
    terminal.wait_for_row("89d");
    terminal.keys("Tnever\r");
    terminal.wait_for("set cached not to expire");
    terminal.wait_without("89d");
    // What expires leaves the list by itself.
    terminal.keys("T0.3\r");
    terminal.wait_for_row("zz");
    terminal.wait_without("›cached");
    quit(&mut terminal);
}

#[test]
fn a_dead_holders_lock_is_cleared() {
    let place = place_with(&[]);
    let store = place.store();
    let mut holder = Worker::start(&place, "hold", 1);
    until("the lock is held", || !store.locks(None, 9).unwrap().is_empty());
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("4");
    terminal.wait_for_row("alive");
    // Nobody commits anything when a process is killed.
    holder.kill();
    drop(holder);
    terminal.wait_for_row("dead");
    terminal.wait_for("nobody renews it");
    terminal.keys("x");
    terminal.wait_for("The holder is dead");
    terminal.keys("y");
    terminal.wait_for("cleared lock deploy");
    terminal.wait_for("nobody holds a lock");
    assert!(store.locks(None, 9).unwrap().is_empty());
    quit(&mut terminal);
}

#[test]
fn a_living_holders_lock_is_cleared_only_after_a_loud_question_and_only_as_it_was_seen() {
    let place = place_with(&[("db_lock", "ann@web1:77")]);
    let store = place.store();
    let held = take(&*store, "ann");
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("4");
    terminal.wait_for_row("deploy");
    // A key that is used as a lock stands beside it.
    terminal.wait_for("ann@web1:77");
    terminal.keys("x");
    terminal.wait_for("THE HOLDER IS ALIVE");
    assert!(store.release("deploy", held.token).unwrap());
    let newer = take(&*store, "bob");
    terminal.keys("y");
    terminal.wait_for("was not cleared: bob has taken it");
    assert_eq!(store.locks(None, 9).unwrap()[0].token, newer.token);
    // The list may have been read while nobody held it.
    terminal.wait_until("bob in the list", |screen| {
        screen.rows(0, 80).any(|row| row.contains("bob") && row.contains("alive"))
    });
    terminal.keys("g");
    terminal.wait_for_row("bob");
    terminal.keys("x");
    terminal.wait_for("Clear lock deploy? bob");
    terminal.keys("y");
    terminal.wait_for("cleared lock deploy");
    assert!(store.locks(None, 9).unwrap().is_empty());
    quit(&mut terminal);
}

#[test]
fn a_value_that_changed_while_it_was_edited_is_not_overwritten() {
    let place = place_with(&[("version", "v1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("version");
    terminal.keys("e");
    terminal.wait_for("Edit version");
    terminal.keys("-mine");
    update(&place, "version", "v2-theirs");
    terminal.wait_for("changed meanwhile");
    terminal.keys("\r");
    terminal.wait_for("Changed by somebody else");
    terminal.wait_for("v1-mine");
    assert_eq!(place.done(&["get", "version"]).trim(), "v2-theirs");
    terminal.keys(ESC);
    terminal.wait_without("Changed by somebody else");
    assert_eq!(place.done(&["get", "version"]).trim(), "v2-theirs");
    terminal.keys("e");
    terminal.wait_for("Edit version");
    terminal.keys("\x15v3");
    update(&place, "version", "v2-again");
    terminal.wait_for("v2-again");
    terminal.keys("\r");
    terminal.wait_for("Changed by somebody else");
    terminal.keys("o");
    terminal.wait_for_row("v3");
    assert_eq!(place.done(&["get", "version"]).trim(), "v3");
    quit(&mut terminal);
}

#[test]
fn a_table_is_edited_in_the_users_editor() {
    let place = place_with(&[("config", "{\"replicas\":3}")]);
    let mut terminal = open_with_editor(&place, "sed -i 's/3/4/' \"$1\"; ls \"$1\" >\"$0.saw\"");
    terminal.wait_for_row("config");
    terminal.keys("E");
    terminal.wait_for("changed config");
    terminal.wait_for_row("4");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":4}");
    // Nothing of the value is left behind.
    let file = std::fs::read_to_string(place.file("editor.saw")).unwrap();
    assert!(!Path::new(file.trim()).exists());
    quit(&mut terminal);
}

#[test]
fn what_is_edited_of_a_table_changes_nothing_else_of_it() {
    let place = place_with(&[]);
    let line = "{\"z\": 1,\"id\":12345678901234567890123, \"f\":1.0,\"a\":2,\"a\":[ ], \"s\":\"\\u00e9\"}";
    let lines = "{\"z\": 1,\n\t\"id\":12345678901234567890123, \"f\":1.0}";
    for table in [line, lines] {
        place.done(&["set", "config", table, "--type", "table"]);
        let mut terminal = open_with_editor(&place, "sed -i 's/\"z\": 1/\"z\": 5/' \"$1\"");
        terminal.wait_for_row("config");
        terminal.keys("E");
        terminal.wait_for("changed config");
        assert_eq!(place.done(&["get", "config"]), format!("{}\n", table.replace("\"z\": 1", "\"z\": 5")));
        terminal.keys("u");
        terminal.wait_for("took back");
        assert_eq!(place.done(&["get", "config"]), format!("{table}\n"));
        quit(&mut terminal);
    }
    // In the form it is typed as it is.
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("config");
    terminal.keys("aconfig2\t");
    terminal.keys(line);
    terminal.keys("\r");
    terminal.wait_for_row("config2");
    assert_eq!(place.done(&["get", "config2"]), format!("{line}\n"));
    assert_eq!(place.json(&["get", "config2", "--json"])["type"], "table");
    quit(&mut terminal);
}

#[test]
fn a_counter_at_its_limit_is_not_added_to() {
    let place = place_with(&[]);
    place.done(&["set", "count", "9223372036854775807", "--type", "number"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("out of range");
    assert_eq!(place.done(&["get", "count"]), "9223372036854775807\n");
    quit(&mut terminal);
}

#[test]
fn an_editor_that_fails_or_leaves_nonsense_changes_nothing() {
    let place = place_with(&[("plan", "a plan")]);
    place.done(&["set", "config", "{\"replicas\":3}", "--type", "table"]);
    let mut terminal = open_with_editor(&place, "echo '{' >\"$1\"; exit 3");
    terminal.wait_for_row("config");
    terminal.keys("e");
    terminal.wait_for("nothing was written");
    terminal.keys("j");
    terminal.wait_for_row("plan");
    quit(&mut terminal);

    let mut terminal = open_with_editor(
        &place,
        "if grep -q '^{$' \"$1\" && ! grep -q replicas \"$1\"; then echo '{\"replicas\":9}' >\"$1\"; else echo '{' >\"$1\"; fi",
    );
    terminal.wait_for_row("config");
    terminal.keys("e");
    terminal.wait_for("config was not written");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":3}");
    // The text is not lost: it can be put right.
    terminal.keys("e");
    terminal.wait_for("changed config");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":9}");
    quit(&mut terminal);

    let mut terminal = open_with_editor(&place, "true");
    terminal.wait_for_row("config");
    terminal.keys("E");
    terminal.wait_for("config was left as it is");
    quit(&mut terminal);
}

#[test]
fn a_busy_database_keeps_the_interface_alive_and_is_waited_for() {
    let place = place_with(&[("count", "1"), ("other", "x")]);
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut terminal = open(&place, &["--busy-timeout", "1h"]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("the database is busy");
    terminal.keys("j");
    terminal.wait_for_row("other");
    other.execute_batch("ROLLBACK").unwrap();
    terminal.wait_for("added 1 to count");
    terminal.wait_without("busy");
    assert_eq!(place.done(&["get", "count"]).trim(), "2");
    quit(&mut terminal);

    // A change that was asked for is made before the program ends.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut terminal = open(&place, &["--busy-timeout", "1h"]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("the database is busy");
    terminal.keys("q");
    terminal.wait_for("Leaving once the change is made");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(terminal.wait_for_end(), 0);
    assert_eq!(place.done(&["get", "count"]).trim(), "3");

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut terminal = open(&place, &["--busy-timeout", "300ms"]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("✗");
    quit(&mut terminal);
}

#[test]
fn what_is_changed_without_being_recorded_is_shown_all_the_same() {
    let place = place_with(&[("k1", "one"), ("k2", "two"), ("k3", "three")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("4 keys");
    terminal.keys("j");
    terminal.wait_for_row("k2");
    let shell = place.connection();
    shell.busy_timeout(Duration::from_secs(60)).unwrap();
    // With triggers switched off.
    shell.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    shell
        .execute_batch(
            "BEGIN; UPDATE state SET value = 'sneaky' WHERE key = 'k2'; DELETE FROM state WHERE key = 'k3';
             INSERT INTO state (key, value) VALUES ('k4', 'four'); COMMIT",
        )
        .unwrap();
    terminal.wait_without("k3");
    terminal.wait_for_row("sneaky");
    terminal.wait_for("k4");
    terminal.wait_without("two");
    // Without triggers.
    terminal.wait_without("history does not have all changes");
    shell.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true).unwrap();
    let triggers: Vec<String> = shell
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    triggers.iter().for_each(|name| shell.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    terminal.wait_for("history does not have all changes");
    shell.execute_batch("UPDATE state SET value = 'slyly' WHERE key = 'k2'").unwrap();
    terminal.wait_for_row("slyly");
    shell.execute_batch("DELETE FROM state").unwrap();
    terminal.wait_without("k1");
    // Without a table.
    shell.execute_batch("DROP TABLE state").unwrap();
    terminal.wait_until("the missing table", |screen| {
        let words: Vec<String> = screen.contents().split_whitespace().map(String::from).collect();
        words.join(" ").contains("its table state is missing")
    });
    quit(&mut terminal);
}

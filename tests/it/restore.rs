//! `slothstate restore`: what it puts in place, what it keeps, and when it refuses.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;

use crate::support::files::{Answer, OF_THE_CALLER, Place, answer, slothstate, thorough, until};
use crate::support::terminal::Terminal;

/// A database whose `n` was 1 when its backup was made, and is 2 now.
fn place_with_backup() -> Place {
    let place = Place::new();
    place.done(&["set", "n", "1"]);
    place.done(&["set", "early", "word"]);
    place.done(&["backup", &path(&place, "copy.db")]);
    place.done(&["set", "n", "2"]);
    place.done(&["del", "early"]);
    place
}

fn path(place: &Place, name: &str) -> String {
    place.file(name).to_str().unwrap().into()
}

/// What the program answers about another database in the same folder.
fn with(place: &Place, name: &str, arguments: &[&str]) -> Answer {
    let mut command = slothstate(place.folder());
    command.arg("--db").arg(place.file(name)).args(arguments);
    answer(command)
}

fn of(place: &Place, name: &str, arguments: &[&str]) -> String {
    with(place, name, arguments).done()
}

fn revision(place: &Place) -> i64 {
    place.json(&["stats", "--json"])["revision"].as_i64().unwrap()
}

#[test]
fn a_backup_takes_the_place_of_the_state_which_is_kept() {
    let place = place_with_backup();
    let before = revision(&place);
    let said = place.done(&["restore", &path(&place, "copy.db"), "--yes"]);
    assert!(said.contains("restored ") && said.contains("2 entries"), "{said}");
    assert!(said.contains("state.db.before-restore"), "{said}");
    assert_eq!(place.done(&["get", "n"]), "1\n");
    assert_eq!(place.done(&["get", "early"]), "word\n");
    assert_eq!(of(&place, "state.db.before-restore", &["get", "n"]), "2\n");
    assert_eq!(of(&place, "copy.db", &["get", "n"]), "1\n");
    assert!(revision(&place) > before, "revisions go on");
    // That is a way back from it, and the first one is kept too.
    place.done(&["restore", &path(&place, "state.db.before-restore"), "--yes"]);
    assert_eq!(place.done(&["get", "n"]), "2\n");
    assert_eq!(of(&place, "state.db.before-restore.2", &["get", "n"]), "1\n");
    let report = String::from_utf8(place.run(&["doctor", "--json"]).out).unwrap();
    assert!(!report.contains("\"level\":\"problem\""), "{report}");
}

#[test]
fn a_database_of_another_page_size_keeps_its_own() {
    let place = Place::new();
    place.connection().execute_batch("PRAGMA page_size = 1024; VACUUM").unwrap();
    place.done(&["set", "n", "5"]);
    let other = place_with_backup();
    let backup = path(&other, "copy.db");
    place.run(&["restore", &backup, "--yes"]).refused(1, "the backup is of another database");
    place.done(&["restore", &backup, "--yes", "--force"]);
    assert_eq!(place.done(&["get", "n"]), "1\n");
    let size: i64 = place.connection().query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    assert_eq!(size, 1024);
    assert_eq!(of(&place, "state.db.before-restore", &["get", "n"]), "5\n");
}

#[test]
fn what_is_not_there_or_cannot_be_read_is_replaced_and_kept() {
    let place = place_with_backup();
    let backup = path(&place, "copy.db");
    let missing = "new/folder/state.db";
    of(&place, missing, &["restore", &backup, "--yes"]);
    assert_eq!(of(&place, missing, &["get", "n"]), "1\n");
    let garbage = "no database at all\n".repeat(500);
    std::fs::write(place.file("garbage.db"), &garbage).unwrap();
    with(&place, "garbage.db", &["restore", &backup, "--yes"]).refused(1, "cannot be read");
    of(&place, "garbage.db", &["restore", &backup, "--yes", "--force"]);
    assert_eq!(of(&place, "garbage.db", &["get", "n"]), "1\n");
    assert_eq!(std::fs::read_to_string(place.file("garbage.db.before-restore")).unwrap(), garbage);
}

#[test]
fn what_is_no_backup_changes_nothing() {
    let place = place_with_backup();
    std::fs::write(place.file("empty.db"), "").unwrap();
    std::fs::write(place.file("text.db"), "text ".repeat(1000)).unwrap();
    let truncated = std::fs::read(place.file("copy.db")).unwrap();
    std::fs::write(place.file("half.db"), &truncated[..truncated.len() / 2]).unwrap();
    let before = revision(&place);
    for (backup, code) in
        [("missing.db", 3), ("empty.db", 3), ("text.db", 3), ("half.db", 3), ("state.db", 1), (".", 3)]
    {
        let answer = place.run(&["restore", &path(&place, backup), "--yes", "--force"]);
        assert_eq!(answer.code, Some(code), "{backup}: {answer:?}");
    }
    let copy = path(&place, "copy.db");
    place.run(&["restore", &copy]).refused(2, "--yes");
    place.run(&["--read-only", "restore", &copy, "--yes"]).refused(3, "--read-only");
    assert_eq!((place.done(&["get", "n"]).as_str(), revision(&place)), ("2\n", before));
    assert!(!place.names().iter().any(|name| name.contains("before-restore")), "{:?}", place.names());
}

/// Starts a command that goes on until it is killed, and waits until it is there.
fn start(place: &Place, arguments: &[&str], is_there: impl Fn() -> bool) -> Child {
    let mut command = place.command(arguments);
    command.current_dir(place.folder()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    until("it is there", is_there);
    child
}

#[test]
fn it_refuses_while_a_lock_is_held_or_a_run_is_running() {
    let place = place_with_backup();
    let backup = path(&place, "copy.db");
    let is_held = || !place.run(&["locks"]).out.is_empty();
    let mut holder = start(&place, &["lock", "deploy", "--", "sleep", "1000"], is_held);
    place.run(&["restore", &backup, "--yes"]).refused(1, "lock deploy is held by");
    assert_eq!(place.done(&["get", "n"]), "2\n");
    kill(Pid::from_raw(holder.id().cast_signed()), Signal::SIGTERM).unwrap();
    holder.wait().unwrap();

    std::fs::write(place.file("w.lua"), "task('t'):command(function() sleep(1000) end):build()").unwrap();
    let is_running =
        || place.run(&["runs", "--json"]).code == Some(0) && !place.done(&["runs", "--json"]).is_empty();
    let mut run = start(&place, &["run", "w.lua"], is_running);
    place.run(&["restore", &backup, "--yes"]).refused(1, "is running");
    assert_eq!(place.done(&["get", "n"]), "2\n");
    place.done(&["restore", &backup, "--yes", "--force"]);
    assert_eq!(place.done(&["get", "n"]), "1\n");
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGKILL).unwrap();
    run.wait().unwrap();
    // Once nobody is there any more it needs no force.
    place.done(&["restore", &backup, "--yes"]);
}

fn on_terminal(place: &Place, arguments: &[&str]) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.arg("--db");
    command.arg(place.db());
    command.args(arguments);
    for name in OF_THE_CALLER {
        command.env_remove(name);
    }
    command.env("HOME", place.folder());
    command.env("TERM", "xterm-256color");
    Terminal::start(command, 160, 24)
}

#[test]
fn on_a_terminal_it_asks_and_says_what_is_replaced_by_what() {
    let place = place_with_backup();
    let backup = path(&place, "copy.db");
    for (keys, code, n) in [("n\r", 1, "2\n"), ("\r", 1, "2\n"), ("y\r", 0, "1\n")] {
        let mut terminal = on_terminal(&place, &["restore", &backup]);
        terminal.wait_for("1 entry, revision 4");
        terminal.wait_for("2 entries, revision 2");
        terminal.wait_for("[y/N]");
        terminal.keys(keys);
        assert_eq!(terminal.wait_for_end(), code, "{keys:?}");
        assert_eq!(place.done(&["get", "n"]), n, "{keys:?}");
    }
}

#[test]
fn in_production_the_answer_is_the_name_of_the_context() {
    let place = place_with_backup();
    let backup = path(&place, "copy.db");
    let folder = place.file(".config/slothstate");
    std::fs::create_dir_all(&folder).unwrap();
    let context = format!("[contexts.live]\npath = {:?}\nproduction = true\n", place.db());
    std::fs::write(folder.join("config.toml"), context).unwrap();
    for (keys, code, n) in [("y\r", 1, "2\n"), ("live\r", 0, "1\n")] {
        let mut terminal = on_terminal(&place, &["restore", &backup]);
        terminal.wait_for("PRODUCTION live: replace");
        terminal.wait_for("type live to do it:");
        terminal.keys(keys);
        assert_eq!(terminal.wait_for_end(), code, "{keys:?}");
        assert_eq!(place.done(&["get", "n"]), n, "{keys:?}");
    }
}

/// Every increment that was acknowledged is in the state that is kept, or in the one that is there
/// after: none is lost between the two.
#[test]
fn no_write_is_lost_between_the_state_that_is_kept_and_the_restored_one() {
    let place = Place::new();
    place.done(&["set", "n", "0"]);
    place.done(&["backup", &path(&place, "copy.db")]);
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let answer = place.run(&["incr", "n"]);
                    match answer.code {
                        Some(0) => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
                        // It was opened before, and was to be written after.
                        _ => answer.refused(3, "nothing more is written to it"),
                    }
                }
            });
        }
        let rounds = if thorough() { 20 } else { 4 };
        for round in 1..=rounds {
            let goal = acknowledged.load(Ordering::SeqCst) + 6;
            until("some are acknowledged", || acknowledged.load(Ordering::SeqCst) >= goal);
            let answer = place.run(&["restore", &path(&place, "copy.db"), "--yes"]);
            assert_eq!(answer.code, Some(0), "{round}: {answer:?}");
        }
        done.store(true, Ordering::SeqCst);
    });
    let mut counted = place.done(&["get", "n"]).trim().parse::<u64>().unwrap();
    for name in place.names().iter().filter(|name| name.contains("before-restore")) {
        counted += of(&place, name, &["get", "n"]).trim().parse::<u64>().unwrap();
    }
    assert_eq!(counted, acknowledged.load(Ordering::SeqCst));
}

#[test]
fn one_that_is_killed_leaves_the_state_before_or_the_restored_one() {
    let place = Place::new();
    for sql in [
        "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, \
             created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
             INSERT INTO state (key, value) SELECT 'key' || i, hex(randomblob(200)) FROM n",
    ] {
        place.connection().execute_batch(sql).unwrap();
    }
    place.done(&["set", "n", "1"]);
    place.done(&["backup", &path(&place, "copy.db")]);
    place.done(&["set", "late", "1"]);
    let all = |name: &str| of(&place, name, &["keys"]).lines().count();
    let (mut old, mut new) = (0, 0);
    let rounds = if thorough() { 120 } else { 12 };
    for round in 0..rounds {
        place.done(&["set", "n", "2"]);
        let mut command = place.command(&["restore", &path(&place, "copy.db"), "--yes"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // At another moment each time: the whole takes some tens of milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(round * 7 % 180));
        let _ = child.kill();
        child.wait().unwrap();
        match place.done(&["get", "n"]).as_str() {
            "1\n" => new += 1,
            "2\n" => old += 1,
            other => panic!("{other:?}"),
        }
        assert!(all("state.db") >= 4001, "nothing of it is lost");
        let checked: String =
            place.connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
        for name in place.names().iter().filter(|name| name.contains("before-restore")) {
            if !name.ends_with("-wal") && !name.ends_with("-shm") {
                assert!(all(name) >= 4001, "{name}");
            }
        }
    }
    println!("killed: {old} times the state before was there, {new} times the restored one");
    // A copy that was not completed is removed by the next one.
    place.done(&["restore", &path(&place, "copy.db"), "--yes"]);
    let left = place.names().into_iter().filter(|name| name.starts_with(".slothstate-unfinished-"));
    assert_eq!(left.count(), 0);
}

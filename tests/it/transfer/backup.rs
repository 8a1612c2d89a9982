//! A backup is the state of one moment, whole or not there.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use slothstate::store::{Expiry, Key, Operation, Options, SqliteStore, State, Transaction, Value};

use crate::support::files::{Place, Worker, mode, set_mode, until, without_rights};
use crate::transfer::older::place_of_the_older_generation;

/// A worker: writes two keys to the same number over and over, each time in one transaction.
pub fn write_pairs(folder: &Path, worker: usize) {
    let store = SqliteStore::open(&folder.join("state.db"), Options::default()).unwrap();
    let put = |side: &str, number: i64| Operation::Put {
        key: Key::new(format!("{side}-{worker}")).unwrap(),
        value: Value::integer(number),
        expiry: Expiry::Clear,
    };
    for number in 1.. {
        if folder.join("over").exists() {
            return;
        }
        store.commit(&Transaction::all(vec![put("left", number), put("right", number)])).unwrap();
    }
}

fn number(connection: &Connection, key: &str) -> i64 {
    let sql = "SELECT CAST(value AS INTEGER) FROM state WHERE key = ?1";
    connection.query_row(sql, [key], |row| row.get(0)).unwrap()
}

#[test]
fn a_backup_under_load_is_whole_and_tears_no_transaction() {
    let place = Place::new();
    // Some weight, so that writes fall into the copying.
    let heavy = "x".repeat(60_000);
    for number in 0..40 {
        place.done(&["set", &format!("heavy-{number}"), &heavy]);
    }
    let workers: Vec<Worker> = (0..3).map(|number| Worker::start(&place, "pairs", number)).collect();
    let live = place.connection();
    let written = |worker: usize| {
        let sql = "SELECT count(*) FROM state WHERE key = ?1";
        let key = format!("right-{worker}");
        live.query_row(sql, [key], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    until("all write", || (0..3).all(written));
    let mut last = [0; 3];
    for round in 0..5 {
        let name = format!("copy-{round}.db");
        place.done(&["backup", place.file(&name).to_str().unwrap()]);
        let copy = Connection::open(place.file(&name)).unwrap();
        let check: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        for (worker, last) in last.iter_mut().enumerate() {
            let left = number(&copy, &format!("left-{worker}"));
            assert_eq!(left, number(&copy, &format!("right-{worker}")));
            assert!(left >= *last);
            *last = left;
            // The next copy is of a later moment.
            until("it goes on", || number(&live, &format!("left-{worker}")) > left);
        }
    }
    std::fs::write(place.file("over"), "").unwrap();
    workers.into_iter().for_each(Worker::finish);
}

#[test]
fn a_backup_never_overwrites_and_leaves_nothing_half_done() {
    let place = Place::new();
    place.done(&["set", "key", "value"]);
    let target = place.file("copy.db");
    let target = target.to_str().unwrap();
    std::fs::write(target, "precious").unwrap();
    place.run(&["backup", target]).refused(1, "is there already; it was not overwritten");
    assert_eq!(std::fs::read(target).unwrap(), b"precious");
    std::fs::remove_file(target).unwrap();
    std::os::unix::fs::symlink(place.file("nowhere"), target).unwrap();
    place.run(&["backup", target]).refused(1, "is there already");
    place.run(&["backup", place.db().to_str().unwrap()]).refused(1, "is there already");
    place.run(&["backup", place.file("no/folder.db").to_str().unwrap()]).refused(3, "No such file");
    let names = place.names();
    assert!(names.iter().all(|name| name == "copy.db" || name.starts_with("state.db")), "{names:?}");
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_of_that_name_that_is_not_whole() {
    let place = Place::new();
    let shell = Connection::open(place.db()).unwrap();
    shell.execute_batch(crate::support::older_file::TABLES).unwrap();
    shell
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             INSERT INTO state_data (key, value, type) SELECT i, hex(randomblob(4000)), 'string' FROM n",
        )
        .unwrap();
    let target = place.file("copy.db");
    let mut backup = place.command(&["backup", target.to_str().unwrap()]);
    let mut child = backup.stdout(std::process::Stdio::null()).spawn().unwrap();
    let has_begun = |name: &String| name.starts_with(".slothstate") || name == "copy.db";
    until("it is under way", || place.names().iter().any(has_begun));
    child.kill().unwrap();
    child.wait().unwrap();
    if target.exists() {
        let copy = Connection::open(&target).unwrap();
        let rows = "SELECT count(*) FROM state_data";
        assert_eq!(copy.query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap(), 2000);
    } else {
        // What is left in its place does not stand in the way.
        place.done(&["backup", target.to_str().unwrap()]);
    }
}

#[test]
fn a_damaged_database_leaves_no_backup() {
    let place = Place::new();
    std::fs::write(place.db(), "this is no database at all".repeat(100)).unwrap();
    place.run(&["backup", place.file("copy.db").to_str().unwrap()]).refused(3, "is not a state database");
    assert_eq!(place.names(), ["state.db"]);
}

#[test]
fn a_backup_can_be_read_by_those_who_can_read_the_original() {
    let place = Place::new();
    place.done(&["set", "key", "value"]);
    for (name, bits) in [("private.db", 0o600), ("shared.db", 0o640)] {
        set_mode(&place.db(), bits);
        let copied = place.json(&["backup", place.file(name).to_str().unwrap(), "--json"]);
        assert_eq!(mode(&place.file(name)), bits);
        assert_eq!(copied["bytes"], json!(std::fs::metadata(place.file(name)).unwrap().len()));
        assert_eq!(copied["file"], json!(place.file(name).to_str().unwrap()));
    }
}

#[test]
fn files_that_are_not_ours_are_copied_and_stay_as_they_are() {
    let place = place_of_the_older_generation();
    let before = std::fs::read(place.db()).unwrap();
    let copy = place.file("copy.db");
    place.done(&["backup", copy.to_str().unwrap(), "--read-only"]);
    assert_eq!(std::fs::read(place.db()).unwrap(), before);
    let rows = |path: &std::path::Path| {
        let connection = Connection::open(path).unwrap();
        let sql = "SELECT key || value || type || updated_at || ifnull(expires_at, '') FROM state_data";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
    };
    assert_eq!(rows(&copy), rows(&place.db()));
}

#[test]
fn a_file_that_may_only_be_read_is_copied() {
    let place = Place::new();
    place.done(&["set", "key", "value"]);
    place.connection().pragma_update(None, "journal_mode", "DELETE").unwrap();
    set_mode(&place.db(), 0o444);
    let elsewhere = Place::new();
    set_mode(elsewhere.folder(), 0o777);
    set_mode(place.folder(), 0o555);
    let target = elsewhere.file("copy.db");
    let answer = crate::support::files::answer(without_rights(&place, &["backup", target.to_str().unwrap()]));
    set_mode(place.folder(), 0o755);
    answer.done();
    assert_eq!(mode(&target), 0o444);
}

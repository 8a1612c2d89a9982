//! A command that is refused, or finds nothing to do, leaves a file that is not adopted byte for byte
//! as it is, with nothing new beside it; and makes none where there is none.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::sloth_runner_file::{ROWS, TABLES};
use crate::support::files::{Place, answer};

/// Files that the commands are given, by name.
fn sources() -> Place {
    let sources = Place::new();
    let make = |name: &str, sql: &str| {
        let connection = Connection::open(sources.file(name)).unwrap();
        connection.execute_batch(&format!("{TABLES} {sql}")).unwrap();
    };
    make("nothing.db", "");
    make("equal.db", "INSERT INTO state (key, value) VALUES ('deploy_count', '41')");
    make("other.db", "INSERT INTO state (key, value) VALUES ('deploy_count', '7')");
    make("more.db", "INSERT INTO state (key, value) VALUES ('more', '7')");
    std::fs::write(sources.file("empty"), "").unwrap();
    std::fs::write(sources.file("text"), "no database\n").unwrap();
    std::fs::write(sources.file("wrong.lua"), "this is not Lua").unwrap();
    std::fs::write(
        sources.file("set.lua"),
        "task('t'):command(function() state.set('k', 1) return true end)",
    )
    .unwrap();
    sources
}

/// Commands that change nothing, with their exit codes on a file and where there is none. `{}` is the
/// folder of [`sources`].
const COMMANDS: &[(&[&str], i32, i32)] = &[
    (&["toggle", "nokey"], 1, 3),
    (&["toggle", "two_lines"], 1, 3),
    (&["incr", "two_lines"], 1, 1),
    (&["incr", "deploy_count", "many"], 2, 2),
    (&["incr", "count", "--lock", "nolock", "--token", "9"], 1, 1),
    (&["set", "k", "v", "--lock", "nolock", "--token", "9"], 1, 1),
    (&["set", "k", "v", "--lock", "deploy", "--token", "9"], 1, 1),
    (&["set", "deploy_count", "7", "--if-version", "9"], 1, 1),
    (&["set", "k", "v", "--if-version", "3"], 1, 1),
    (&["set", "k", "v", "--ttl", "0"], 2, 2),
    (&["set", "k", "v", "--type", "number"], 2, 2),
    (&["set", "", "v"], 2, 2),
    (&["set", "k", "v", "--read-only"], 3, 3),
    (&["del", "nokey"], 1, 3),
    (&["del", "nokey", "another"], 1, 3),
    (&["del", "deploy_count", "--lock", "nolock", "--token", "9"], 1, 3),
    (&["ttl", "nokey"], 1, 3),
    (&["ttl", "nokey", "5m"], 1, 3),
    (&["ttl", "deploy_count"], 0, 3),
    (&["ttl", "deploy_count", "never"], 0, 3),
    (&["ttl", "deploy_count", "+5m"], 1, 3),
    (&["ttl", "deploy_count", "0"], 2, 3),
    (&["get", "nokey"], 1, 3),
    (&["get", "deploy_count"], 0, 3),
    (&["keys"], 0, 3),
    (&["locks"], 0, 3),
    (&["unlock", "nolock"], 1, 3),
    (&["unlock", "deploy"], 1, 3),
    (&["unlock", "deploy", "--token", "5"], 1, 3),
    (&["unlock", "deploy_lock"], 1, 3),
    (&["undo", "1"], 1, 3),
    (&["undo", "--last"], 1, 3),
    (&["retention"], 0, 3),
    (&["retention", "--rows", "200000"], 0, 0),
    (&["retention", "--recordings", "1000", "--age", "30d", "--bytes", "256M"], 0, 0),
    (&["retention", "--age", "1h"], 2, 2),
    (&["stats"], 0, 3),
    (&["runs"], 0, 3),
    (&["runs", "show", "1"], 1, 3),
    (&["runs", "import", "{}/text"], 1, 1),
    (&["replay", "1"], 1, 3),
    (&["export", "--output", "{}/text"], 1, 3),
    (&["backup", "{}/text"], 1, 3),
    (&["import", "{}/absent"], 1, 1),
    (&["import", "{}/empty"], 1, 1),
    (&["import", "{}/text"], 1, 1),
    (&["import", "{}/nothing.db"], 0, 0),
    (&["import", "{}/nothing.db", "--replace"], 0, 0),
    (&["import", "{}/more.db", "--dry-run"], 0, 0),
    (&["import", "{}/other.db", "--replace", "--dry-run"], 0, 0),
    (&["run", "{}/absent.lua"], 2, 2),
    (&["run", "{}/wrong.lua"], 2, 2),
    (&["run", "{}/set.lua", "--task", "other"], 2, 2),
    (&["run", "{}/set.lua", "--dry-run"], 0, 0),
];

/// As [`COMMANDS`], where the entries of [`ROWS`] are there.
const ON_ROWS: &[(&[&str], i32)] = &[
    (&["import", "{}/equal.db"], 0),
    (&["import", "{}/equal.db", "--replace"], 0),
    (&["import", "{}/other.db"], 1),
    (&["import", "{}/other.db", "--keep"], 0),
];

/// Names and contents of all files, but for the index of the log, which is no content.
fn contents(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let bytes =
            if name.ends_with("-shm") { Vec::new() } else { std::fs::read(place.file(&name)).unwrap() };
        (name, bytes)
    };
    place.names().into_iter().map(read).collect()
}

fn check(what: &str, place: &Place, commands: impl Iterator<Item = (&'static [&'static str], i32)>) {
    let sources = sources();
    let before = contents(place);
    for (arguments, code) in commands {
        let folder = sources.folder().to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|word| word.replace("{}", folder)).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = answer(place.command(&words));
        assert_eq!(answer.code, Some(code), "{what}: {words:?}: {answer:?}");
        for told in ["adopted", "made a new", "brought"] {
            assert!(!answer.err.contains(told), "{what}: {words:?}: {answer:?}");
        }
        let after = contents(place);
        assert!(
            after == before,
            "{what}: {words:?} changed it: {:?} became {:?}",
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
    }
}

fn on_rows() -> impl Iterator<Item = (&'static [&'static str], i32)> {
    COMMANDS.iter().map(|(arguments, code, _)| (*arguments, *code)).chain(ON_ROWS.iter().copied())
}

/// With both journals that Sloth Runner's driver can be told to use.
fn place_with(mode: &str) -> (Place, Connection) {
    let place = Place::new();
    let connection = place.connection();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.execute_batch(ROWS).unwrap();
    (place, connection)
}

#[test]
fn a_file_of_sloth_runner_stays_as_it_is() {
    for mode in ["DELETE", "WAL"] {
        let (place, connection) = place_with(mode);
        drop(connection);
        assert_eq!(place.names(), ["state.db"]);
        check(mode, &place, on_rows());
    }
}

#[test]
fn a_file_that_sloth_runner_has_open_stays_as_it_is() {
    for mode in ["DELETE", "WAL"] {
        let (place, connection) = place_with(mode);
        check(&format!("{mode}, open"), &place, on_rows());
        drop(connection);
    }
}

#[test]
fn a_file_with_the_log_of_a_killed_program_stays_as_it_is() {
    let (original, connection) = place_with("WAL");
    let place = Place::new();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(original.file(name), place.file(name)).unwrap();
    }
    drop(connection);
    // The index of the log is made by whoever reads it.
    place.done(&["keys"]);
    check("a log", &place, on_rows());
}

#[test]
fn a_file_of_an_earlier_schema_stays_as_it_is() {
    let (place, connection) = place_with("WAL");
    connection.execute_batch(include_str!("../../schemas/3.sql")).unwrap();
    connection.execute("UPDATE state SET value = '1.20' WHERE key = 'price'", []).unwrap();
    drop(connection);
    // It has a history, of one change that nobody made by hand.
    let other = [
        (&["undo", "99"][..], 1),
        (&["undo", "--last"], 1),
        (&["history"], 0),
        (&["get", "nokey", "--at", "0"], 1),
        (&["diff", "0"], 0),
    ];
    let commands = on_rows().filter(|(arguments, _)| arguments[0] != "undo").chain(other);
    check("schema 3", &place, commands);
}

#[test]
fn an_empty_file_stays_empty() {
    let place = Place::new();
    std::fs::write(place.db(), "").unwrap();
    // There is nothing in it: what is a matter of the entries of others differs.
    let differs = |arguments: &&[&str]| {
        let on_entries = ["deploy_count", "two_lines", "deploy_lock", "deploy"];
        arguments.iter().any(|word| on_entries.contains(word))
    };
    let commands = COMMANDS.iter().map(|(arguments, code, _)| (*arguments, *code));
    check("empty", &place, commands.filter(|(arguments, _)| !differs(arguments)));
}

#[test]
fn where_there_is_no_file_none_is_made() {
    let place = Place::new();
    let commands = COMMANDS.iter().filter(|(arguments, ..)| *arguments != ["incr", "two_lines"]);
    check("no file", &place, commands.map(|(arguments, _, code)| (*arguments, *code)));
    let deep = place.file("a/b/state.db");
    let mut command = crate::support::files::slothstate(place.folder());
    command.arg("--db").arg(&deep).args(["set", "k", "v", "--if-version", "3"]);
    answer(command).refused(1, "k was not changed");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn what_changes_something_adopts_it() {
    for arguments in [
        &["toggle", "feature_dark_mode"][..],
        &["incr", "deploy_count"],
        &["set", "k", "v"],
        &["set", "k", "v", "--if-version", "0"],
        &["del", "price", "nokey"],
        &["ttl", "price", "5m"],
        &["unlock", "deploy", "--force"],
        &["unlock", "stale"],
        &["unlock", "deploy_lock", "--force"],
        &["retention", "--rows", "5"],
        &["import", "{}/more.db"],
        &["import", "{}/other.db", "--replace"],
        &["run", "{}/set.lua"],
    ] {
        let sources = sources();
        let (place, connection) = place_with("DELETE");
        drop(connection);
        let folder = sources.folder().to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|word| word.replace("{}", folder)).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = place.run(&words);
        assert!(answer.err.contains("adopted"), "{words:?}: {answer:?}");
        answer.done();
        assert_eq!(place.names(), ["state.db", "state.db.before-slothstate"], "{words:?}");
    }
}

//! Entries and locks move from one database to another, and nothing of them is lost on the way.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::types::Value as Sql;
use serde_json::json;
use slothstate::store::{AcquireOutcome, LockRequest, Locks, Options, SqliteStore};
use slothstate::time::{Clock, SystemClock};

use crate::support::files::{Answer, Place, answer, object, objects, slothstate, until};
use crate::support::older_file;
use crate::transfer::older::place_of_the_older_generation;

const PRESENT_TABLES: &str = include_str!("../../../assets/schema/sloth_runner.sql");

fn at(place: &Place, db: &str, arguments: &[&str]) -> Answer {
    let mut command = slothstate(place.folder());
    command.current_dir(place.folder()).args(["--db", db]).args(arguments);
    answer(command)
}

/// Everything that an import is to bring over: the raw key and value, the type, the expiry.
fn rows(path: &Path) -> Vec<(Sql, Sql, Option<String>, Option<i64>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT CASE typeof(key) WHEN 'blob' THEN key ELSE 'x' || hex(key) END, CAST(value AS BLOB), \
                 type, expires_at_ms FROM state ORDER BY key",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// An entry as any program can write it: key, whether that is a blob, value, type, and in how many
/// milliseconds after a day it expires.
type Hostile = (Vec<u8>, bool, Vec<u8>, Option<&'static str>, Option<u32>);

/// Entries with bytes of every sort.
fn hostile_entries() -> impl Strategy<Value = Vec<Hostile>> {
    let bytes = || {
        prop_oneof![
            2 => "\\PC{1,8}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 1..12),
            1 => Just(b"\x1b[2J\xff\xfe\0\n\"\\\xe2\x80\xae".to_vec()),
        ]
    };
    let values = prop_oneof![
        3 => bytes(),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => Just(Vec::new()),
        1 => Just(b"{ \"a\" : 9223372036854775807, \"b\": 1.10 }".to_vec()),
    ];
    let types = prop::option::of(prop::sample::select(vec!["string", "number", "boolean", "table"]));
    let entry = (bytes(), any::<bool>(), values, types, prop::option::of(1..u32::MAX));
    prop::collection::vec(entry, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_export_holds_everything_byte_for_byte(entries in hostile_entries()) {
        let place = Place::new();
        place.done(&["set", "first", "1"]);
        let shell = place.connection();
        let text = |bytes: &[u8]| Sql::Blob(bytes.to_vec());
        for (key, is_blob, value, stored_type, expires_in) in &entries {
            let expires_at = expires_in.map(|millis| SystemClock.now().0 + DAY + i64::from(millis));
            let key_sql = if *is_blob { "?1" } else { "CAST(?1 AS TEXT)" };
            let sql = format!(
                "INSERT OR IGNORE INTO state (key, value, type, expires_at_ms) \
                 VALUES ({key_sql}, CAST(?2 AS TEXT), ?3, ?4)"
            );
            shell.execute(&sql, (text(key), text(value), stored_type, expires_at)).unwrap();
        }
        let line = at(&place, "state.db", &["export", "--output", "all.jsonl"]).done();
        prop_assert!(line.starts_with("exported "));
        at(&place, "new.db", &["import", "all.jsonl"]).done();
        prop_assert_eq!(rows(&place.file("new.db")), rows(&place.db()));
        let exported = std::fs::read(place.file("all.jsonl")).unwrap();
        prop_assert!(!exported.iter().any(|byte| *byte < b' ' && *byte != b'\n'));
        let to_output = at(&place, "state.db", &["export"]).done();
        prop_assert_eq!(to_output.lines().count(), exported.split(|byte| *byte == b'\n').count() - 1);
    }
}

#[test]
fn both_generations_of_sloth_runner_are_imported() {
    let place = place_of_the_older_generation();
    let before = std::fs::read(place.db()).unwrap();
    let told = at(&place, "new.db", &["import", "state.db", "--json"]).done();
    let summary = object(&told);
    for (name, count) in [("imported", 8), ("expired", 2), ("locks_imported", 1), ("locks_expired", 1)] {
        assert_eq!(summary[name], count, "{name}: {summary}");
    }
    assert_eq!(std::fs::read(place.db()).unwrap(), before);
    at(&place, "state.db", &["export", "--output", "older.jsonl"]).done();
    let again = object(&at(&place, "new.db", &["import", "older.jsonl", "--json"]).done());
    assert_eq!(
        (&again["imported"], &again["equal"], &again["locks_equal"]),
        (&json!(0), &json!(8), &json!(1))
    );
    let get = |key: &str| object(&at(&place, "new.db", &["get", key, "--json"]).done());
    assert_eq!(
        (&get("servers")["type"], &get("servers")["value"]),
        (&json!("table"), &json!(["web1", "web2"]))
    );
    assert_eq!((&get("deploy_count")["type"], &get("deploy_count")["value"]), (&json!("number"), &json!(41)));
    assert_eq!(get("lease_b")["expires_at"], "2999-01-01T01:00:00.500Z");
    let locks = objects(&at(&place, "new.db", &["locks", "--json"]).done());
    assert_eq!((&locks[0]["holder"], &locks[0]["state"]), (&json!("runner-1"), &json!("unknown")));
    assert_eq!(locks[0]["expires_at"], "2998-12-31T23:00:00.000Z");

    let present = rusqlite::Connection::open(place.file("present.db")).unwrap();
    present.execute_batch(PRESENT_TABLES).unwrap();
    present.execute_batch("INSERT INTO state (key, value) VALUES ('flag', 'true')").unwrap();
    at(&place, "new.db", &["import", "present.db"]).done();
    assert_eq!((&get("flag")["type"], &get("flag")["value"]), (&json!("untyped"), &json!("true")));
    let columns = "SELECT count(*) FROM pragma_table_info('state')";
    assert_eq!(present.query_row(columns, [], |row| row.get::<_, i64>(0)).unwrap(), 4);
    let changes = at(&place, "new.db", &["export"]).done();
    assert!(changes.contains("\"operation\":\"import\""), "{changes}");
}

#[test]
fn another_value_stands_in_the_way_until_somebody_decides() {
    let place = Place::new();
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        at(&place, "from.db", &["set", key, value]).done();
    }
    at(&place, "to.db", &["set", "a", "1"]).done();
    at(&place, "to.db", &["set", "b", "20"]).done();
    let state = || {
        at(&place, "to.db", &["export"])
            .done()
            .lines()
            .filter(|line| line.contains("\"entry\":{"))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let before = state();
    for extra in [&[][..], &["--dry-run"]] {
        let refused = at(&place, "to.db", &[&["import", "from.db"], extra].concat());
        refused.refused(1, "nothing was imported: 1 entry with another value here: b; --keep");
        assert_eq!(state(), before);
    }
    let told = at(&place, "to.db", &["import", "from.db", "--json"]);
    assert_eq!(told.code, Some(1));
    assert_eq!(
        object(std::str::from_utf8(&told.out).unwrap())["conflicts"],
        json!({"count": 1, "first": ["b"]})
    );
    let would = object(&at(&place, "to.db", &["import", "from.db", "--dry-run", "--keep", "--json"]).done());
    assert_eq!((&would["imported"], &would["kept"], &would["equal"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(state(), before);
    let kept = object(&at(&place, "to.db", &["import", "from.db", "--keep", "--json"]).done());
    assert_eq!((&kept["imported"], &kept["kept"], &kept["equal"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(at(&place, "to.db", &["get", "b"]).done(), "20\n");
    let replaced = object(&at(&place, "to.db", &["import", "from.db", "--replace", "--json"]).done());
    assert_eq!(
        (&replaced["imported"], &replaced["replaced"], &replaced["equal"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(at(&place, "to.db", &["get", "b"]).done(), "2\n");
    at(&place, "to.db", &["import", "from.db", "--keep", "--replace"]).refused(2, "cannot be used with");
}

#[test]
fn a_database_of_an_earlier_slothstate_is_imported_as_it_is() {
    let place = Place::new();
    let earlier = rusqlite::Connection::open(place.file("earlier.db")).unwrap();
    earlier.execute_batch(PRESENT_TABLES).unwrap();
    earlier.execute_batch(include_str!("../../schemas/1.sql")).unwrap();
    earlier
        .execute_batch(
            "INSERT INTO state (key, value) VALUES ('flag', 'true');
             UPDATE state SET type = 'boolean', expires_at_ms = 32503680000000 WHERE key = 'flag';",
        )
        .unwrap();
    let rows_of_history = "SELECT count(*) FROM slothstate_history";
    let history: i64 = earlier.query_row(rows_of_history, [], |row| row.get(0)).unwrap();
    let summary = object(&at(&place, "new.db", &["import", "earlier.db", "--json"]).done());
    assert_eq!(summary["history_passed_over"], history, "{summary}");
    assert_eq!(rows(&place.file("new.db")), rows(&place.file("earlier.db")));
    let schema = "SELECT value FROM slothstate_meta WHERE name = 'schema'";
    assert_eq!(earlier.query_row(schema, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn large_values_come_over_whole_and_are_replaced_whole() {
    let place = Place::new();
    let large = "0123456789abcdef".repeat(10_000);
    at(&place, "from.db", &["set", "small-here", &large[..100_000]]).done();
    at(&place, "from.db", &["set", "large-here", "small"]).done();
    at(&place, "to.db", &["set", "small-here", "small"]).done();
    at(&place, "to.db", &["set", "large-here", &large[..120_000]]).done();
    at(&place, "from.db", &["export", "--output", "from.jsonl"]).done();
    at(&place, "to.db", &["import", "from.jsonl", "--replace"]).done();
    assert_eq!(rows(&place.file("to.db")), rows(&place.file("from.db")));
    at(&place, "history.db", &["import", "to.db"]).done();
    let changes = objects(&at(&place, "to.db", &["export"]).done());
    let replaced: Vec<_> = changes
        .iter()
        .filter(|line| line["change"]["operation"] == "import")
        .map(|line| {
            line["change"]["old"]["value"].as_str().unwrap().len()
                + line["change"]["new"]["value"].as_str().unwrap().len()
        })
        .collect();
    assert_eq!(replaced, [120_005, 100_005]);
}

#[test]
fn a_dry_run_makes_no_database() {
    let place = Place::new();
    at(&place, "from.db", &["set", "a", "1"]).done();
    let told = at(&place, "new.db", &["import", "from.db", "--dry-run"]).done();
    assert!(told.starts_with("would import 1 entry and 0 locks from from.db\n"), "{told}");
    assert!(!place.file("new.db").exists());
}

#[test]
fn a_file_is_not_imported_into_itself_by_whatever_name() {
    let place = Place::new();
    place.done(&["set", "a", "1"]);
    std::os::unix::fs::symlink(place.db(), place.file("link.db")).unwrap();
    std::fs::hard_link(place.db(), place.file("hard.db")).unwrap();
    for name in ["state.db", "./state.db", "link.db", "hard.db"] {
        at(&place, "state.db", &["import", name]).refused(2, "cannot be imported into itself");
    }
}

#[test]
fn what_is_nothing_to_import_is_refused_and_no_database_is_made() {
    let place = Place::new();
    std::fs::write(place.file("text"), "just some text\n").unwrap();
    std::fs::write(place.file("empty"), "").unwrap();
    std::fs::write(place.file("json"), "{\"format\":\"another\"}\n").unwrap();
    let other = rusqlite::Connection::open(place.file("other.db")).unwrap();
    other.execute_batch("CREATE TABLE people (name)").unwrap();
    for (name, code, words) in [
        ("text", 1, "nor is it an export of slothstate"),
        ("json", 1, "nor is it an export of slothstate"),
        ("empty", 1, "empty is empty: there is nothing to import"),
        ("missing", 1, "there is no file missing to import"),
        ("other.db", 1, "without a table state (it has people)"),
        (".", 3, "is a directory"),
    ] {
        at(&place, "new.db", &["import", name]).refused(code, words);
    }
    assert!(!place.file("new.db").exists());
    at(&place, "state.db", &["set", "a", "1"]).done();
    at(&place, "other.db", &["import", "state.db"]).refused(3, "is not a state database");
    at(&place, "state.db", &["import", "text", "--read-only"]).refused(3, "--read-only");
}

#[test]
fn a_damaged_export_is_refused_with_the_place_of_the_damage() {
    let place = Place::new();
    for key in ["a", "b", "c"] {
        place.done(&["set", key, "1"]);
    }
    let whole = place.done(&["export"]);
    let lines: Vec<&str> = whole.lines().collect();
    let without = |number: usize| {
        let kept = lines.iter().enumerate().filter(|(place, _)| place + 1 != number);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let last = lines.len();
    // An editor may leave out the last line break, which says nothing.
    std::fs::write(place.file("whole"), whole.trim_end()).unwrap();
    at(&place, "other.db", &["import", "whole"]).done();
    for (text, words) in [
        (whole[..whole.len() - 2].to_string(), format!("line {last}: the line is cut off")),
        (whole[..whole.len() / 2].to_string(), "the line is cut off; nothing was imported".into()),
        (without(last), format!("line {last}: the last line, which has the counts, is missing")),
        (without(3), format!("line {}: there should be 3 entries, and there are 2", last - 1)),
        (without(last - 1), "there should be 3 rows of history, and there are 2".into()),
        (format!("{whole}\n"), format!("line {}: there is something after the last line", last + 1)),
        (
            whole.replace("\"format_version\":1", "\"format_version\":2"),
            "line 1: a newer slothstate wrote this".into(),
        ),
        (
            whole.replacen("{\"entry\":{\"key\":\"b\"", "{\"entry\":{\"key\":\"a\"", 1),
            "line 3: key a comes after a".into(),
        ),
        (whole.replacen("\"value\"", "\"valeu\"", 1), "line 2: column ".into()),
        (whole.replacen("{\"entry\"", "{\"enrty\"", 1), "unknown variant `enrty`".into()),
        (
            whole.replacen("\"type\":\"number\"", "\"type\":\"nubmer\"", 1),
            "line 2: there is no type nubmer".into(),
        ),
        (
            whole.replacen("\"key\":\"c\"", "\"key\":\"c\",\"key_hex\":\"ff\"", 1),
            "line 4: key and key_hex are not the same".into(),
        ),
        (
            whole.replacen("\"key\":\"c\"", "\"key\":\"c\",\"key_hex\":\"f\"", 1),
            "line 4: key_hex is no row of pairs".into(),
        ),
    ] {
        std::fs::write(place.file("damaged"), text).unwrap();
        at(&place, "new.db", &["import", "damaged"]).refused(1, &words);
        assert!(!place.file("new.db").exists());
    }
}

#[test]
fn an_export_never_overwrites_and_history_can_be_left_out() {
    let place = Place::new();
    place.done(&["set", "a", "1"]);
    std::fs::write(place.file("there"), "precious").unwrap();
    at(&place, "state.db", &["export", "--output", "there"])
        .refused(1, "is there already; it was not overwritten");
    assert_eq!(std::fs::read(place.file("there")).unwrap(), b"precious");
    let lines = objects(&place.done(&["export", "--no-history"]));
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["history"], &lines[2]["end"]["changes"]), (&json!(false), &json!(0)));
    at(&place, "nowhere.db", &["export"]).refused(3, "there is no database");
}

#[test]
fn locks_come_along_unless_somebody_holds_them() {
    let place = Place::new();
    let lock = |db: &str, name: &str, holder: &str| {
        let store = SqliteStore::open_or_create(&place.file(db), Options::default()).unwrap();
        let lease = Duration::from_secs(3600);
        let request = LockRequest { name: name.into(), holder: holder.into(), lease };
        let AcquireOutcome::Acquired(lock) = store.acquire(&request, None).unwrap() else { panic!() };
        lock
    };
    let ours = lock("from.db", "free", "ann");
    lock("from.db", "taken", "ann");
    lock("to.db", "taken", "bob");
    at(&place, "from.db", &["export", "--output", "all.jsonl"]).done();
    for (source, imported) in [("all.jsonl", 1), ("from.db", 0)] {
        let summary = object(&at(&place, "to.db", &["import", source, "--json"]).done());
        assert_eq!(summary["locks_imported"], imported, "{summary}");
        assert_eq!(summary["locks_equal"], 1 - imported, "{summary}");
        assert_eq!(summary["locks_held"], json!({"count": 1, "first": ["taken"]}));
    }
    let store = SqliteStore::open(&place.file("to.db"), Options::default()).unwrap();
    let locks = store.locks(None, 10).unwrap();
    assert_eq!((locks[0].name.as_str(), locks[0].holder.as_str()), ("free", "ann"));
    assert_eq!(locks[0].process, ours.process);
    // The end of a lease comes to a slightly different wall time at each reading.
    let end = |lock: &slothstate::store::Lock| lock.expires_at.unwrap().0;
    assert!(end(&locks[0]).abs_diff(end(&ours)) < 1000, "{locks:?}");
    assert_eq!(locks[0].acquired_at, ours.acquired_at);
    assert_eq!(locks[1].holder, "bob");
    let told = at(&place, "to.db", &["import", "from.db", "--dry-run"]).done();
    assert!(told.contains("not free here, and left alone: 1 lock: taken"), "{told}");
}

/// A source of so many entries that an import takes several transactions.
fn large_source(place: &Place, entries: i64) {
    let runner = rusqlite::Connection::open(place.file("large.db")).unwrap();
    runner.execute_batch(older_file::TABLES).unwrap();
    runner
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
             INSERT INTO state_data (key, value, type) SELECT printf('key-%06d', i), i, 'number' FROM n",
            [entries],
        )
        .unwrap();
}

#[test]
fn an_import_that_was_killed_is_finished_by_running_it_again() {
    const ENTRIES: i64 = 45_000;
    // An import that is done before it can be killed shows nothing: then once more.
    for _ in 0..20 {
        let place = Place::new();
        large_source(&place, ENTRIES);
        let source = place.file("large.db");
        let source = source.to_str().unwrap();
        place.done(&["set", "zz-first", "1"]);
        let live = place.connection();
        let count =
            || live.query_row("SELECT count(*) - 1 FROM state", [], |row| row.get::<_, i64>(0)).unwrap();
        let mut import = place.command(&["import", source]);
        let mut child = import.stdout(Stdio::null()).spawn().unwrap();
        until("a part is written", || count() > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        let written = count();
        if written == ENTRIES {
            continue;
        }
        assert!(written > 0 && written % 10_000 == 0, "a transaction was torn: {written}");
        let summary = place.json(&["import", source, "--json"]);
        assert_eq!((&summary["imported"], &summary["equal"]), (&json!(ENTRIES - written), &json!(written)));
        assert_eq!(count(), ENTRIES);
        return;
    }
    panic!("no import could be killed half way");
}

#[test]
fn what_others_write_during_an_import_is_there_afterwards() {
    const ENTRIES: i64 = 30_000;
    let place = Place::new();
    large_source(&place, ENTRIES);
    place.done(&["set", "key-029999", "theirs"]);
    let live = place.connection();
    live.busy_timeout(Duration::from_secs(30)).unwrap();
    let count = || live.query_row("SELECT count(*) FROM state", [], |row| row.get::<_, i64>(0)).unwrap();
    let mut import = place.command(&["import", place.file("large.db").to_str().unwrap(), "--replace"]);
    let import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("a part is written", || count() > 1);
    let update = "UPDATE state SET value = 'mine' WHERE key = 'key-029999'";
    assert_eq!(live.execute(update, []).unwrap(), 1);
    let answer = Answer::of(import.wait_with_output().unwrap());
    // Whether it came to that entry before or after: what was written last is there.
    assert_eq!(place.done(&["get", "key-029999"]), "mine\n");
    assert_eq!(count(), ENTRIES);
    match answer.code {
        Some(0) => {}
        _ => answer.refused(1, "1 entry changed by others in the meantime, and left alone: key-029999"),
    }
}

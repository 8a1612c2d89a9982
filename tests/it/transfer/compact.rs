//! Compacting: free space is given back, and nothing else changes for anybody.

use std::process::Stdio;
use std::sync::OnceLock;

use rusqlite::Connection;

use crate::support::files::{Place, Worker, objects, until};

const MIB: u64 = 1 << 20;

/// A copy of [`make_roomy`]: it is made once per process.
fn roomy() -> Place {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let place = make_roomy();
        assert_eq!(place.names(), ["state.db"], "all is in the file");
        std::fs::read(place.db()).unwrap()
    });
    let place = Place::new();
    std::fs::write(place.db(), file).unwrap();
    // The first write notices that it is a copy, and begins an epoch.
    place.done(&["incr", "count"]);
    place
}

/// A database with history and recordings, most of which is free: large values that were written
/// over, and history that was cut.
fn make_roomy() -> Place {
    let place = Place::new();
    let large = "x".repeat(100_000);
    for number in 0..60 {
        place.done(&["set", &format!("key-{number:02}"), &large]);
    }
    for number in 0..60 {
        place.done(&["set", &format!("key-{number:02}"), &number.to_string(), "--type", "string"]);
    }
    for number in (0..60).step_by(3) {
        place.done(&["del", &format!("key-{number:02}")]);
    }
    place.done(&["retention", "--bytes", "1000"]);
    until("history is cut", || {
        place.done(&["incr", "count"]);
        place.json(&["stats", "--json"])["free_bytes"].as_u64().unwrap() > 8 * MIB
    });
    place
}

fn everything(place: &Place) -> Vec<String> {
    let mut all = vec![place.done(&["keys", "--json"]), place.done(&["history", "--json", "--since", "10m"])];
    all.push(place.done(&["export"]).lines().skip(1).collect::<Vec<_>>().join("\n"));
    all
}

fn size(place: &Place, name: &str) -> u64 {
    std::fs::metadata(place.file(name)).map_or(0, |metadata| metadata.len())
}

#[test]
fn free_space_is_given_back_and_nothing_else_changes() {
    let place = roomy();
    let before = everything(&place);
    let stats = place.json(&["stats", "--json"]);
    let shown = place.done(&["stats"]);
    assert!(shown.contains("free bytes   ") && shown.contains("log bytes    "), "{shown}");
    let planned = place.json(&["compact", "--dry-run", "--json"]);
    assert_eq!((&planned["bytes"], &planned["free_bytes"]), (&stats["bytes"], &stats["free_bytes"]));
    assert!(planned["at_least_ms"].as_u64() <= planned["at_most_ms"].as_u64());
    let words = place.done(&["compact", "--dry-run"]);
    assert!(words.contains(" free; writers are likely to wait for"), "{words}");
    assert_eq!(everything(&place), before);

    let answer = place.run(&["compact", "--json"]);
    assert!(answer.err.contains("compacting ") && answer.err.contains("likely to wait"), "{answer:?}");
    let done = crate::support::files::object(&answer.done());
    assert_eq!(done["bytes_before"], stats["bytes"]);
    let freed = done["freed_bytes"].as_u64().unwrap();
    assert!(freed >= stats["free_bytes"].as_u64().unwrap(), "{done}");
    assert_eq!(done["bytes"].as_u64().unwrap() + freed, done["bytes_before"].as_u64().unwrap());
    assert_eq!(size(&place, "state.db"), done["bytes"].as_u64().unwrap());
    assert_eq!((size(&place, "state.db-wal"), done["log_bytes"].as_u64().unwrap()), (0, 0));
    assert_eq!(everything(&place), before);
    assert_eq!(place.json(&["stats", "--json"])["free_bytes"], 0);
    // Revisions go on, and what was changed can be undone.
    let revision = stats["revision"].as_i64().unwrap();
    place.done(&["set", "after", "1"]);
    assert_eq!(place.json(&["stats", "--json"])["revision"].as_i64().unwrap(), revision + 1);
    place.done(&["undo", "--last"]);
    let check: String = place.connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let again = place.done(&["compact"]);
    assert!(again.contains(" became ") && again.contains(": 0 B freed"), "{again}");
}

#[test]
fn others_go_on_reading_and_writing_meanwhile() {
    let place = roomy();
    let workers: Vec<Worker> = (0..3).map(|number| Worker::start(&place, "pairs", number)).collect();
    let live = place.connection();
    let number = |connection: &Connection, key: &str| -> i64 {
        let sql = "SELECT ifnull((SELECT CAST(value AS INTEGER) FROM state WHERE key = ?1), 0)";
        connection.query_row(sql, [key], |row| row.get(0)).unwrap()
    };
    until("all write", || (0..3).all(|worker| number(&live, &format!("right-{worker}")) > 0));
    // Somebody reads an old state all the time.
    let reader = place.connection();
    reader.execute_batch("BEGIN").unwrap();
    let count = |connection: &Connection| -> (i64, i64) {
        let sql = "SELECT count(*), sum(octet_length(value)) FROM state";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let seen = count(&reader);
    let mut last = [0; 3];
    for round in 0..4 {
        place.done(&["compact", "--busy-timeout", "5m"]);
        for (worker, last) in last.iter_mut().enumerate() {
            let now = number(&live, &format!("left-{worker}"));
            assert!(now >= *last, "round {round}");
            *last = now;
            until("it goes on", || number(&live, &format!("right-{worker}")) > now);
        }
        assert_eq!(count(&reader), seen, "round {round}: it still sees what it saw");
    }
    reader.execute_batch("COMMIT").unwrap();
    std::fs::write(place.file("over"), "").unwrap();
    workers.into_iter().for_each(Worker::finish);
    for worker in 0..3 {
        assert_eq!(number(&live, &format!("left-{worker}")), number(&live, &format!("right-{worker}")));
    }
    let check: String = live.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    drop((live, reader));
    assert_eq!(place.json(&["compact", "--json"])["log_bytes"], 0);
}

#[test]
fn a_reader_keeps_the_log_and_that_is_told() {
    let place = roomy();
    let reader = place.connection();
    reader.execute_batch("BEGIN; SELECT count(*) FROM state;").unwrap();
    let answer = place.run(&["compact", "--busy-timeout", "50ms"]);
    assert!(answer.err.contains("the log (-wal) still has"), "{answer:?}");
    answer.done();
    drop(reader);
    assert_eq!(place.json(&["compact", "--json"])["log_bytes"], 0);
}

#[test]
fn it_is_refused_while_runs_are_running_unless_forced() {
    let place = roomy();
    let flow = place.file("wait.lua");
    let source = "task('wait'):command(function()
        exec.run('touch begun; while [ ! -e over ]; do sleep 0.05; done')
        return true
    end)";
    std::fs::write(&flow, source).unwrap();
    let mut command = place.command(&["run", flow.to_str().unwrap()]);
    let mut child =
        command.current_dir(place.folder()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has begun", || place.file("begun").exists() || child.try_wait().unwrap().is_some());
    place.run(&["compact"]).refused(1, "1 run may be running, and could not write meanwhile: 1 (wait)");
    assert!(place.done(&["compact", "--dry-run"]).contains("would be refused: 1 run may be running"));
    assert!(place.json(&["stats", "--json"])["free_bytes"].as_u64().unwrap() > 8 * MIB, "nothing was done");
    place.done(&["compact", "--force"]);
    std::fs::write(place.file("over"), "").unwrap();
    assert!(child.wait().unwrap().success());
    place.done(&["compact"]);
    // One that was killed is in nobody's way.
    std::fs::remove_file(place.file("over")).unwrap();
    std::fs::remove_file(place.file("begun")).unwrap();
    let mut command = place.command(&["run", flow.to_str().unwrap()]);
    let mut child =
        command.current_dir(place.folder()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has begun", || place.file("begun").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(place.file("over"), "").unwrap();
    place.done(&["compact"]);
}

#[test]
fn a_busy_database_and_one_that_cannot_be_written_are_left_alone() {
    let place = roomy();
    let writer = place.connection();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    place.run(&["compact", "--busy-timeout", "100ms"]);
    let before = std::fs::read(place.db()).unwrap();
    let answer = place.run(&["compact", "--busy-timeout", "100ms"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.err.contains("was busy for 0.1 s"), "{answer:?}");
    writer.execute_batch("ROLLBACK").unwrap();
    place.run(&["compact", "--read-only"]).refused(3, "--read-only");
    assert!(std::fs::read(place.db()).unwrap() == before);
    let nowhere = Place::new();
    nowhere.run(&["compact"]).refused(3, "there is no database at");
    let older = crate::transfer::older::place_of_the_older_generation();
    let before = std::fs::read(older.db()).unwrap();
    older.run(&["compact"]).refused(3, "older generation");
    assert!(std::fs::read(older.db()).unwrap() == before);
}

#[test]
fn a_file_of_sloth_runner_is_compacted_and_not_adopted() {
    for mode in ["DELETE", "WAL"] {
        let place = Place::new();
        let connection = place.connection();
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, \
                     created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) \
                 INSERT INTO state (key, value) SELECT 'key-' || i, hex(zeroblob(100000)) FROM n;
                 DELETE FROM state WHERE rowid > 2;",
            )
            .unwrap();
        drop(connection);
        let keys = place.done(&["keys"]);
        let done = place.json(&["compact", "--json"]);
        assert!(done["freed_bytes"].as_u64().unwrap() > 8 * MIB, "{done}");
        assert_eq!(place.names(), ["state.db"], "{mode}");
        assert_eq!(place.done(&["keys"]), keys);
        let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'slothstate%'";
        let connection = place.connection();
        assert_eq!(connection.query_row(ours, [], |row| row.get::<_, i64>(0)), Ok(0));
        let is: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(is, mode.to_lowercase());
    }
}

#[test]
fn doctor_says_how_much_is_free() {
    let place = Place::new();
    let large = "x".repeat(20_000_000);
    let set = |value: &str| {
        let mut command = place.command(&["set", "large", "-"]);
        command.env("TZ", "UTC");
        crate::support::files::answer_to(command, value.as_bytes()).done();
    };
    set(&large);
    set("small");
    place.done(&["retention", "--bytes", "1000"]);
    until("history is cut", || {
        place.done(&["incr", "count"]);
        place.json(&["stats", "--json"])["free_bytes"].as_u64().unwrap() > 16 * MIB
    });
    let space = || {
        let findings = objects(std::str::from_utf8(&place.run(&["doctor", "--json"]).out).unwrap());
        findings.into_iter().find(|finding| finding["check"] == "space").unwrap()
    };
    let finding = space();
    assert_eq!(finding["level"], "note", "{finding}");
    assert!(finding["remedy"].as_str().unwrap().ends_with(" compact"), "{finding}");
    place.done(&["compact"]);
    assert_eq!(space()["level"], "ok");
}

#[test]
fn a_watch_takes_a_compacted_file_for_the_same_one() {
    let place = roomy();
    let revision = place.json(&["stats", "--json"])["revision"].to_string();
    let mut command = place.command(&["watch", "--since", &revision, "--count", "2"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    place.done(&["set", "during", "1"]);
    place.done(&["compact"]);
    place.done(&["compact"]);
    place.done(&["set", "after", "1"]);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let keys: Vec<String> = objects(std::str::from_utf8(&output.stdout).unwrap())
        .iter()
        .map(|change| change["key"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(keys, ["during", "after"]);
}

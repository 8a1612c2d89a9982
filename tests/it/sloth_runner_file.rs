//! A file that Sloth Runner made: looked at without a byte of it changing, adopted by the first write,
//! and used by both programs from then on.

mod untouched;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::support::files::{
    self, Answer, Place, Worker, answer, mode, objects, set_mode, skipped, until, without_rights,
};

/// The tables and the trigger as Sloth Runner makes them.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS state (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
    );
    CREATE TABLE IF NOT EXISTS locks (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        expires_at DATETIME NOT NULL
    );
    CREATE TRIGGER IF NOT EXISTS update_state_timestamp
    AFTER UPDATE ON state
    BEGIN
        UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key;
    END;";

/// Values of every sort, with times in both formats.
const ROWS: &str = r#"
    INSERT INTO state (key, value) VALUES
        ('feature_dark_mode', 'true'), ('deploy_count', '41'), ('price', '1.10'), ('empty', ''),
        ('config', '{"replicas": 3, "zones": ["a", "b"]}'), ('grüße/世界', 'héllo 🦥'),
        ('two_lines', 'one' || char(10) || 'two'), ('deploy_lock', 'ann@web1');
    INSERT INTO state (key, value, created_at, updated_at) VALUES
        ('last_deploy', '2026-11-23T12:30:00+01:00',
            '2026-11-23T12:30:00.123456789+01:00', '2026-11-23T12:30:00.123456789+01:00'),
        ('go_time', 'v1', '2026-11-23 12:30:00.5 +0100 CET m=+0.01', '2026-11-23 11:30:00'),
        ('strange_time', 'v1', 'yesterday', '');
    INSERT INTO locks (name, holder, expires_at) VALUES
        ('deploy', 'runner-1', '2999-01-01T00:00:00+01:00'),
        ('migrate', 'runner-2', '2999-01-01 00:00:00'),
        ('stale', 'runner-3', '2020-01-01 00:00:00');"#;

/// How many entries [`ROWS`] makes.
const ENTRIES: usize = 11;

/// The part of a worker that sets a value at the same moment as all others.
pub fn set_at_the_start(folder: &Path, number: usize) {
    File::create(folder.join(format!("ready-{number}"))).unwrap();
    until("the start is given", || folder.join("start").exists());
    let mut command = files::slothstate(folder);
    command.arg("--db").arg(folder.join("state.db")).args(["set", &format!("new-{number}"), "1"]);
    let answer = answer(command);
    std::fs::write(folder.join(format!("said-{number}")), &answer.err).unwrap();
    assert_eq!(answer.code, Some(0), "{answer:?}");
}

fn place_of_sloth_runner(journal: &str) -> Place {
    let place = Place::new();
    let runner = place.connection();
    runner.pragma_update(None, "journal_mode", journal).unwrap();
    runner.execute_batch(TABLES).unwrap();
    runner.execute_batch(ROWS).unwrap();
    place
}

/// The bytes of the database and of its log, which is `None` where there is no log.
fn bytes(place: &Place) -> (Vec<u8>, Option<Vec<u8>>) {
    let log = std::fs::read(place.file("state.db-wal")).ok().filter(|bytes| !bytes.is_empty());
    (std::fs::read(place.db()).unwrap(), log)
}

/// Every command that only reads, and every one that is refused.
fn looks() -> Vec<(Vec<&'static str>, i32)> {
    vec![
        (vec!["get", "feature_dark_mode"], 0),
        (vec!["get", "grüße/世界", "--json"], 0),
        (vec!["get", "nothing"], 1),
        (vec!["keys"], 0),
        (vec!["keys", "--json"], 0),
        (vec!["keys", "deploy_*", "--kind", "counter"], 0),
        (vec!["keys", "--prefix", "dep", "--type", "string"], 0),
        (vec!["ttl", "price"], 0),
        (vec!["locks"], 0),
        (vec!["locks", "--json"], 0),
        (vec!["stats"], 0),
        (vec!["stats", "--json"], 0),
        (vec!["unlock", "deploy"], 1),
        (vec!["unlock", "deploy_lock"], 1),
        (vec!["unlock", "deploy", "--token", "7", "--force"], 1),
        (vec!["set", "price", "1.20", "--read-only"], 3),
        (vec!["set", "price", "x", "--type", "number"], 2),
        (vec!["del", "price", "--read-only"], 3),
        (vec!["incr", "deploy_count", "--read-only"], 3),
        (vec!["unlock", "stale", "--read-only"], 3),
    ]
}

fn look_at_everything(look: impl Fn(&[&str]) -> Answer) {
    for (arguments, code) in looks() {
        let answer = look(&arguments);
        assert_eq!(answer.code, Some(code), "{arguments:?}: {answer:?}");
    }
    assert_eq!(look(&["get", "two_lines"]).done(), "one\ntwo\n");
    assert_eq!(look(&["get", "grüße/世界"]).done(), "héllo 🦥\n");
    assert_eq!(look(&["keys"]).done().lines().count(), ENTRIES);
    for entry in objects(&look(&["keys", "--json"]).done()) {
        assert_eq!(entry["type"], "untyped", "{entry}");
        assert_eq!((&entry["version"], &entry["revision"]), (&json!(1), &json!(0)), "{entry}");
        let is_known = entry["key"] != "strange_time";
        assert_eq!(entry["created_at"].is_string(), is_known, "{entry}");
    }
    let deploy = files::object(&look(&["get", "last_deploy", "--json"]).done());
    assert_eq!(deploy["created_at"], "2026-11-23T11:30:00.123Z");
    let locks = objects(&look(&["locks", "--json"]).done());
    let of = |name: &str| locks.iter().find(|lock| lock["name"] == name).unwrap();
    assert_eq!(of("deploy")["expires_at"], "2998-12-31T23:00:00.000Z");
    assert_eq!(of("migrate")["expires_at"], "2999-01-01T00:00:00.000Z");
    for (name, expired) in [("deploy", false), ("stale", true)] {
        assert_eq!((&of(name)["state"], &of(name)["expired"]), (&json!("unknown"), &json!(expired)));
    }
    assert_eq!(
        (&of("deploy_lock")["state"], &of("deploy_lock")["holder"]),
        (&json!("key"), &json!("ann@web1"))
    );
}

#[test]
fn looking_changes_no_byte() {
    for journal in ["delete", "wal"] {
        let place = place_of_sloth_runner(journal);
        let before = bytes(&place);
        assert!(before.1.is_none(), "the log was taken into the file when Sloth Runner ended");
        look_at_everything(|arguments| place.run(arguments));
        assert!(bytes(&place) == before, "{journal}");
        let others: Vec<String> = place.names().into_iter().filter(|name| name != "state.db").collect();
        assert!(
            others.iter().all(|name| ["state.db-shm", "state.db-wal"].contains(&&name[..])),
            "{others:?}"
        );
    }
}

#[test]
fn looking_changes_no_byte_while_sloth_runner_runs() {
    let place = place_of_sloth_runner("wal");
    let runner = place.connection();
    runner.execute("INSERT INTO state (key, value) VALUES ('in_the_log', 'only')", []).unwrap();
    let before = bytes(&place);
    assert!(before.1.is_some());
    assert_eq!(place.done(&["get", "in_the_log"]), "only\n");
    runner.execute("DELETE FROM state WHERE key = 'in_the_log'", []).unwrap();
    let before = bytes(&place);
    look_at_everything(|arguments| place.run(arguments));
    assert!(bytes(&place) == before);
    // The log of a Sloth Runner that was killed: nobody else has the file open.
    let copy = Place::new();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(place.file(name), copy.file(name)).unwrap();
    }
    look_at_everything(|arguments| copy.run(arguments));
    assert!(bytes(&copy) == before);
}

/// A file as a program leaves it that was killed in the middle of a transaction, in the journal mode
/// without a log: half of the transaction is in the file, and its journal says how to take it out.
fn place_with_a_hot_journal() -> Place {
    let place = place_of_sloth_runner("delete");
    let runner = place.connection();
    runner
        .execute_batch(
            "PRAGMA cache_size = 5;
             BEGIN;
             UPDATE state SET value = 'half done';
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 2000)
             INSERT INTO state (key, value) SELECT 'half done ' || n, hex(zeroblob(100)) FROM numbers;",
        )
        .unwrap();
    let copy = Place::new();
    for name in ["state.db", "state.db-journal"] {
        std::fs::copy(place.file(name), copy.file(name)).unwrap();
    }
    copy
}

#[test]
fn half_a_transaction_of_a_killed_program_is_never_shown() {
    let place = place_with_a_hot_journal();
    let before = std::fs::read(place.db()).unwrap();
    place.run(&["keys", "--read-only"]).refused(3, "was killed while it wrote");
    place.run(&["set", "price", "2", "--read-only"]).refused(3, "was killed while it wrote");
    assert!(std::fs::read(place.db()).unwrap() == before);
    // Without --read-only it is what SQLite does in any program that opens the file.
    look_at_everything(|arguments| place.run(arguments));
    assert_eq!(place.done(&["get", "price"]), "1.10\n");
    assert_eq!(place.names(), ["state.db"]);

    let place = place_with_a_hot_journal();
    place.done(&["set", "price", "1.20"]);
    assert_eq!(place.done(&["keys"]).lines().count(), ENTRIES);
    assert_eq!(place.done(&["get", "deploy_count"]), "41\n");
}

#[test]
fn looking_needs_no_right_to_write() {
    if !nix::unistd::geteuid().is_root() {
        skipped("a file of somebody else's", "this needs root, to give up its rights");
        return;
    }
    for journal in ["delete", "wal"] {
        let place = place_of_sloth_runner(journal);
        set_mode(&place.db(), 0o444);
        let before = bytes(&place);
        look_at_everything(|arguments| answer(without_rights(&place, arguments)));
        answer(without_rights(&place, &["set", "price", "2"])).refused(3, "its permissions do not allow it");
        // The file may be written, and nothing may be made beside it.
        set_mode(&place.db(), 0o666);
        look_at_everything(|arguments| answer(without_rights(&place, arguments)));
        answer(without_rights(&place, &["set", "price", "2"])).refused(3, "SQLite keeps files beside it");
        assert_eq!(place.names(), ["state.db"]);
        assert!(bytes(&place) == before, "{journal}");
    }
}

/// What is in a table, row by row.
fn rows(path: &Path, sql: &str) -> Vec<Vec<String>> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        (0..columns)
            .map(|column| row.get::<_, Option<String>>(column).map(|text| text.unwrap_or("NULL".into())))
            .collect()
    };
    statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

const STATE: &str = "SELECT key, value, created_at, updated_at FROM state ORDER BY key";
const LOCKS: &str = "SELECT name, holder, acquired_at, expires_at FROM locks ORDER BY name";

#[test]
fn the_first_write_adopts_the_file_and_keeps_it_as_it_was_beside_it() {
    for journal in ["delete", "wal"] {
        let place = place_of_sloth_runner(journal);
        set_mode(&place.db(), 0o640);
        let (state, locks) = (rows(&place.db(), STATE), rows(&place.db(), LOCKS));
        let answer = place.run(&["set", "price", "1.20"]);
        assert!(
            answer.err.contains("adopted") && answer.err.contains("state.db.before-slothstate"),
            "{answer:?}"
        );
        assert_eq!(answer.done(), "");

        let backup = place.file("state.db.before-slothstate");
        assert_eq!(mode(&backup), 0o640);
        assert_eq!((rows(&backup, STATE), rows(&backup, LOCKS)), (state.clone(), locks.clone()));
        let tables = rows(&backup, "SELECT name FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
        assert_eq!(tables, [["locks"], ["state"], ["update_state_timestamp"]]);

        // All but the one entry is as it was, in Sloth Runner's columns.
        let others =
            |rows: Vec<Vec<String>>| rows.into_iter().filter(|row| row[0] != "price").collect::<Vec<_>>();
        assert_eq!(others(rows(&place.db(), STATE)), others(state));
        assert_eq!(rows(&place.db(), LOCKS), locks);
        assert_eq!(place.json(&["get", "price", "--json"])["type"], "untyped");

        // It is said once, and kept once.
        let again = place.run(&["set", "price", "1.30"]);
        assert_eq!(again.err, "");
        assert!(!place.file("state.db.before-slothstate.2").exists());
    }
}

#[test]
fn an_older_backup_is_never_overwritten() {
    let place = place_of_sloth_runner("wal");
    std::fs::write(place.file("state.db.before-slothstate"), "precious").unwrap();
    assert!(place.run(&["del", "price"]).err.contains("state.db.before-slothstate.2"));
    assert_eq!(std::fs::read(place.file("state.db.before-slothstate")).unwrap(), b"precious");
    assert!(place.file("state.db.before-slothstate.2").exists());
}

#[test]
fn an_adoption_that_fails_leaves_no_backup() {
    let place = place_of_sloth_runner("delete");
    place.connection().execute("ALTER TABLE state ADD COLUMN version TEXT", []).unwrap();
    let state = rows(&place.db(), STATE);
    for _ in 0..2 {
        place.run(&["set", "price", "2"]).refused(3, "duplicate column name: version");
        assert!(!place.names().iter().any(|name| name.contains("before")), "{:?}", place.names());
    }
    assert_eq!(rows(&place.db(), STATE), state);
    assert_eq!(place.done(&["get", "price"]), "1.10\n");
}

#[test]
fn two_or_more_processes_adopt_a_file_once() {
    const PROCESSES: usize = 6;
    // An empty name: there is no file yet.
    for journal in ["delete", "wal", ""] {
        for _ in 0..3 {
            let place = if journal.is_empty() { Place::new() } else { place_of_sloth_runner(journal) };
            let workers: Vec<Worker> =
                (0..PROCESSES).map(|number| Worker::start(&place, "set", number)).collect();
            until("all are ready", || {
                (0..PROCESSES).all(|number| place.file(&format!("ready-{number}")).exists())
            });
            File::create(place.file("start")).unwrap();
            workers.into_iter().for_each(Worker::finish);
            let told: Vec<String> = (0..PROCESSES)
                .map(|number| std::fs::read_to_string(place.file(&format!("said-{number}"))).unwrap())
                .filter(|said| said.contains("adopted") || said.contains("made a new"))
                .collect();
            assert_eq!(told.len(), 1, "{journal}: {told:?}");
            let before = if journal.is_empty() { 0 } else { ENTRIES };
            let stats = place.json(&["stats", "--json"]);
            assert_eq!(stats["entries"], before + PROCESSES);
            assert_eq!(stats["revision"], PROCESSES);
            let backups = place.names().into_iter().filter(|name| name.contains("before-slothstate"));
            assert_eq!(backups.count(), usize::from(!journal.is_empty()));
        }
    }
}

/// Does what Sloth Runner does: with the library it is built on, or one that is years older.
trait Runner {
    fn execute(&self, sql: &str);
}

impl Runner for Connection {
    fn execute(&self, sql: &str) {
        self.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
}

struct Shell<'a>(&'a Place);

impl Shell<'_> {
    fn version() -> Option<String> {
        let output = Command::new("sqlite3").arg("--version").stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    }
}

impl Runner for Shell<'_> {
    fn execute(&self, sql: &str) {
        let output = Command::new("sqlite3")
            .args(["-bail", "-cmd", ".timeout 60000"])
            .arg(self.0.db())
            .arg(sql)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {sql}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Sloth Runner's statements on an adopted file, each with what slothstate sees of it.
fn both_programs_use(place: &Place, runner: &dyn Runner) {
    let entry = |key: &str| place.json(&["get", key, "--json"]);
    let revision = || place.json(&["stats", "--json"])["revision"].as_i64().unwrap();
    let seen = |key: &str, value: &str, version: u64, revision: i64| {
        let entry = entry(key);
        let told = [&entry["type"], &entry["value"], &entry["version"], &entry["revision"], &entry["actor"]];
        assert_eq!(
            told,
            [&json!("untyped"), &json!(value), &json!(version), &json!(revision), &json!("external")]
        );
        assert_eq!(entry["ttl_ms"], Json::Null);
    };
    place.done(&["set", "ours", "7", "--ttl", "1h"]);
    let first = revision();
    assert_eq!(entry("ours")["type"], "number");

    let upsert = |key: &str, value: &str| {
        runner.execute(&format!(
            "INSERT INTO state (key, value) VALUES ('{key}', '{value}') \
             ON CONFLICT(key) DO UPDATE SET value = excluded.value, updated_at = CURRENT_TIMESTAMP"
        ));
    };
    upsert("new", "true");
    seen("new", "true", 1, first + 1);
    upsert("new", "false");
    seen("new", "false", 2, first + 2);
    // One that was there before the file was adopted was not counted until now.
    let counted = entry("deploy_count")["version"].as_u64().unwrap();
    upsert("deploy_count", "42");
    seen("deploy_count", "42", counted + 1, first + 3);
    assert_eq!(place.json(&["incr", "deploy_count", "--json"])["value"], "43", "a text stays a text");
    runner.execute("INSERT OR REPLACE INTO state (key, value) VALUES ('deploy_count', '[1]')");
    seen("deploy_count", "[1]", counted + 3, first + 5);
    runner.execute("UPDATE state SET value = 'green' WHERE key = 'new'");
    seen("new", "green", 3, first + 6);
    assert!(place.json(&["get", "new", "--json"])["modified_at"].is_string());

    // A stored type is advice; a value that another program put there is what it is.
    runner.execute("UPDATE state SET value = 'seven' WHERE key = 'ours'");
    seen("ours", "seven", 2, first + 7);
    runner.execute("DELETE FROM state WHERE key = 'ours'");
    place.run(&["get", "ours"]).refused(1, "there is no key ours");
    assert_eq!(revision(), first + 8);
    // An entry that slothstate deleted, and one that it wrote, are Sloth Runner's as any other.
    place.done(&["del", "new"]);
    upsert("new", "again");
    seen("new", "again", 1, first + 10);

    let locks = || -> BTreeMap<String, Json> {
        let shown = objects(&place.done(&["locks", "--json"]));
        shown.into_iter().map(|lock| (lock["name"].as_str().unwrap().to_string(), lock)).collect()
    };
    assert_eq!(locks()["stale"]["expired"], true);
    runner.execute("DELETE FROM locks WHERE expires_at < datetime('now')");
    assert!(!locks().contains_key("stale"));
    assert!(locks().contains_key("deploy") && locks().contains_key("migrate"));
    runner.execute(
        "INSERT INTO locks (name, holder, expires_at) VALUES ('build', 'runner-9', '2999-06-01T12:00:00+02:00')",
    );
    let build = &locks()["build"];
    assert_eq!([&build["holder"], &build["state"]], [&json!("runner-9"), &json!("unknown")]);
    assert_eq!(build["expires_at"], "2999-06-01T10:00:00.000Z");
    assert_eq!(build["token"].as_i64(), Some(revision()));
    place.run(&["unlock", "build"]).refused(1, "another program, which may be alive");
    runner.execute(
        "UPDATE locks SET expires_at = '2999-06-02 00:00:00' WHERE name = 'build' AND holder = 'runner-9'",
    );
    assert_eq!(locks()["build"]["expires_at"], "2999-06-02T00:00:00.000Z");
    runner.execute("UPDATE locks SET holder = 'runner-10' WHERE name = 'build'");
    place
        .run(&["unlock", "build", "--force", "--token", &build["token"].to_string()])
        .refused(1, "runner-10");
    runner.execute("DELETE FROM locks WHERE name = 'build' AND holder = 'runner-10'");
    assert!(!locks().contains_key("build"));
    place.done(&["unlock", "migrate", "--force"]);
    runner.execute("INSERT INTO locks (name, holder, expires_at) VALUES ('migrate', 'me', datetime('now', '+60 seconds'))");
    assert_eq!(locks()["migrate"]["holder"], "me");

    // Sloth Runner goes through its tables again each time it starts.
    runner.execute(TABLES);
    let verdict = rows(&place.db(), "PRAGMA integrity_check");
    assert_eq!(verdict, [["ok"]]);
}

#[test]
fn sloth_runner_goes_on_using_an_adopted_file() {
    let place = place_of_sloth_runner("wal");
    // It runs all the while, with statements and a page cache from before the adoption.
    let runner = place.connection();
    runner.busy_timeout(Duration::from_secs(60)).unwrap();
    runner.execute("UPDATE state SET value = '2' WHERE key = 'price'", []).unwrap();
    place.done(&["toggle", "feature_dark_mode"]);
    assert_eq!(place.done(&["get", "feature_dark_mode"]), "false\n");
    both_programs_use(&place, &runner);
}

#[test]
fn an_sqlite_of_years_ago_goes_on_using_an_adopted_file() {
    let Some(version) = Shell::version() else {
        skipped("statements of the sqlite3 shell", "it is not installed");
        return;
    };
    eprintln!("with the sqlite3 shell {version}");
    let place = Place::new();
    let shell = Shell(&place);
    shell.execute(&format!("PRAGMA journal_mode = wal; {TABLES} {ROWS}"));
    place.done(&["toggle", "feature_dark_mode"]);
    both_programs_use(&place, &shell);
}

#[test]
fn a_file_that_slothstate_made_is_sloth_runners_too() {
    let place = Place::new();
    place.done(&["set", "first", "1"]);
    let runner = place.connection();
    runner.execute_batch(TABLES).unwrap();
    runner.execute_batch(ROWS).unwrap();
    both_programs_use(&place, &runner);
}

#[test]
fn a_log_is_read_without_the_right_to_write_as_long_as_somebody_keeps_its_index() {
    if !nix::unistd::geteuid().is_root() {
        skipped("a log of somebody else's", "this needs root, to give up its rights");
        return;
    }
    let place = place_of_sloth_runner("wal");
    let runner = place.connection();
    runner.execute("INSERT INTO state (key, value) VALUES ('in_the_log', 'only')", []).unwrap();
    let ordinary = |arguments: &[&str]| answer(without_rights(&place, arguments));
    assert_eq!(ordinary(&["get", "in_the_log"]).done(), "only\n");
    ordinary(&["set", "price", "2"]).refused(3, "its permissions do not allow it");

    // Sloth Runner was killed: what is in the log would be missing if the file were read as it stands.
    let killed = Place::new();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(place.file(name), killed.file(name)).unwrap();
    }
    let before = bytes(&killed);
    answer(without_rights(&killed, &["get", "price"])).refused(3, "only with the right to write");
    assert!(bytes(&killed) == before);
    assert_eq!(killed.done(&["get", "in_the_log"]), "only\n");
}

#[test]
fn root_looks_at_a_file_without_shutting_its_owner_out() {
    if !nix::unistd::geteuid().is_root() {
        skipped("a file of somebody else's", "this needs root");
        return;
    }
    let place = place_of_sloth_runner("wal");
    for path in [place.folder().to_path_buf(), place.db()] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    place.done(&["keys"]);
    let ordinary = |arguments: &[&str]| answer(without_rights(&place, arguments));
    ordinary(&["set", "price", "2"]).done();
    place.done(&["set", "price", "3"]);
    ordinary(&["set", "price", "4"]).done();
    assert_eq!(ordinary(&["get", "price"]).done(), "4\n");
}

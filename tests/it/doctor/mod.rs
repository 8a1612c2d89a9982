//! What `doctor` says of a database: each finding provoked on a real file, with its words, its remedy
//! and the exit code.

mod contents;
mod locks;
mod log;
mod surroundings;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value as Json;
use slothstate::store::Process;
use slothstate::time::{Clock, Millis, SystemClock};

use crate::support::files::{Answer, Place, answer, objects, set_mode, without_rights};

const TABLES: &str = "
    CREATE TABLE state (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
    );
    CREATE TABLE locks (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        expires_at DATETIME NOT NULL
    );
    INSERT INTO state (key, value) VALUES ('deploys', '41');";

/// What was found, and how the program ended.
struct Report {
    answer: Answer,
    findings: Vec<Json>,
}

impl Report {
    fn of(command: Command) -> Report {
        let answer = answer(command);
        let findings = objects(std::str::from_utf8(&answer.out).unwrap());
        assert!(!findings.is_empty(), "{answer:?}");
        Report { answer, findings }
    }

    /// A finding of `check` at `level` with `words` in it.
    #[track_caller]
    fn has(&self, check: &str, level: &str, words: &str) -> &Json {
        let found = self.findings.iter().find(|finding| {
            finding["check"] == check
                && finding["level"] == level
                && finding["finding"].as_str().unwrap().contains(words)
        });
        found.unwrap_or_else(|| panic!("no {level} of {check} with {words:?} in {:#?}", self.findings))
    }

    /// As [`Report::has`], with its remedy.
    #[track_caller]
    fn remedy(&self, check: &str, level: &str, words: &str) -> &str {
        self.has(check, level, words)["remedy"].as_str().unwrap_or_else(|| panic!("no remedy for {words}"))
    }

    /// The exit code must be that of the findings: 1 if there is a warning or a problem, or else 0.
    #[track_caller]
    fn ended(&self, code: i32) {
        // The machine's own disk may be full, which is no fault of the file.
        let is_short =
            self.findings.iter().any(|finding| finding["check"] == "disk" && finding["level"] != "ok");
        let code = if is_short { code.max(1) } else { code };
        assert_eq!(self.answer.code, Some(code), "{:#?}", self.findings);
        assert_eq!(self.answer.err.is_empty(), code == 0, "{:?}", self.answer.err);
    }

    /// Nothing of `check` needs to be mended.
    #[track_caller]
    fn is_content_with(&self, check: &str) {
        let of_check: Vec<&Json> = self.findings.iter().filter(|finding| finding["check"] == check).collect();
        assert!(of_check.iter().all(|finding| finding["level"] == "ok"), "{of_check:#?}");
    }
}

/// The command with nothing on its path, so that the machine's sqlite3 is not looked at.
fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(&[&["doctor"], arguments].concat());
    command.env("PATH", place.folder());
    command
}

fn doctor(place: &Place) -> Report {
    Report::of(command(place, &["--json"]))
}

/// A database of our own that nothing is wrong with.
fn sound() -> Place {
    let place = Place::new();
    for (key, value) in [("deploys", "41"), ("dark_mode", "true"), ("app", "sloth")] {
        place.done(&["set", key, value]);
    }
    set_mode(&place.db(), 0o600);
    for side in ["state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(place.file(side));
    }
    place
}

/// A sound database after `sql` by another program.
fn after(sql: &str) -> Place {
    let place = sound();
    place.connection().execute_batch(sql).unwrap();
    place
}

fn plain() -> Place {
    let place = Place::new();
    place.connection().execute_batch(TABLES).unwrap();
    set_mode(&place.db(), 0o600);
    place
}

fn now() -> Millis {
    SystemClock.now()
}

/// Types a remedy into a shell.
#[track_caller]
fn carry_out(place: &Place, remedy: &str) {
    let program = env!("CARGO_BIN_EXE_slothstate");
    let typed = remedy.strip_prefix("slothstate ").unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("'{program}' {typed}")]).env("HOME", place.folder()).stdin(Stdio::null());
    answer(shell).done();
}

#[test]
fn a_sound_database_has_nothing_to_warn_of() {
    let place = sound();
    let report = doctor(&place);
    report.ended(0);
    for check in [
        "filesystem",
        "permissions",
        "wal",
        "sqlite",
        "integrity",
        "journal",
        "schema",
        "locks",
        "values",
        "clock",
        "history",
        "agreement",
    ] {
        report.has(check, "ok", "");
    }
    for finding in report.findings.iter().filter(|finding| finding["check"] != "disk") {
        assert_eq!(finding["level"], "ok", "{finding}");
        let mut names: Vec<&String> = finding.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["check", "finding", "level", "remedy"]);
    }
    report.has("open", "ok", "state.db is a state database");
    report.has("values", "ok", "3 entries");
    report.has("history", "ok", "3 changes since");
    let shown = answer(command(&place, &["--read-only"])).out;
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(shown.lines().count(), report.findings.len(), "{shown}");
    assert!(shown.contains("ok       integrity    a check of the whole file found no damage\n"), "{shown}");
}

#[test]
fn looking_changes_nothing_whatever_the_file_is() {
    for place in [sound(), plain()] {
        let before = std::fs::read(place.db()).unwrap();
        doctor(&place);
        assert_eq!(std::fs::read(place.db()).unwrap(), before);
        let beside = place.names();
        assert!(beside.iter().all(|name| name.starts_with("state.db")), "{beside:?}");
        assert!(!beside.iter().any(|name| name.contains("before-slothstate")), "{beside:?}");
    }
}

#[test]
fn where_there_is_no_file_that_is_said_and_none_is_made() {
    let place = Place::new();
    let report = doctor(&place);
    report.ended(3);
    assert!(report.remedy("open", "problem", "there is no database at").contains("set KEY VALUE"));
    report.has("filesystem", "ok", "");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn what_cannot_be_used_is_a_finding_too() {
    let place = Place::new();
    std::fs::write(place.db(), "not a database, and long enough not to be taken for an empty one").unwrap();
    let report = doctor(&place);
    report.ended(3);
    report.has("open", "problem", "it is not an SQLite file");
    assert!(report.answer.err.contains("it is not an SQLite file"), "{:?}", report.answer);

    let place = Place::new();
    place.connection().execute_batch("CREATE TABLE songs (name)").unwrap();
    let report = doctor(&place);
    report.ended(3);
    report.has("integrity", "ok", "");
    report.has("open", "problem", "it has songs");

    let place = Place::new();
    std::fs::create_dir(place.db()).unwrap();
    let report = doctor(&place);
    report.ended(3);
    assert!(report.remedy("open", "problem", "is a directory").contains("state.db/state.db"));

    let place = after("UPDATE slothstate_meta SET value = 1000 WHERE name = 'schema'");
    let report = doctor(&place);
    report.ended(3);
    assert!(report.remedy("open", "problem", "made by a newer slothstate").contains("update"));
}

#[test]
fn what_a_killed_program_left_is_not_undone_but_told_how_to() {
    let writer = plain();
    let connection = writer.connection();
    // So few pages are kept in memory that the file is written to before the end.
    connection
        .execute_batch(
            "PRAGMA cache_size = 2; BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                 INSERT INTO state (key, value) SELECT 'key/' || i, 'value' FROM n",
        )
        .unwrap();
    // What a killed writer leaves is what is there now, and nobody who holds locks on it.
    let place = Place::new();
    let copied = Command::new("cp")
        .args([writer.db(), writer.file("state.db-journal")])
        .arg(place.folder())
        .status()
        .unwrap();
    assert!(copied.success());
    let report = doctor(&place);
    report.ended(3);
    let remedy = report.remedy("open", "problem", "a program was killed while it wrote").to_string();
    assert!(place.names().contains(&"state.db-journal".to_string()));
    carry_out(&place, remedy.split_once(": ").unwrap().1);
    doctor(&place).has("values", "ok", "1 entry");
}

#[test]
fn an_empty_file_is_no_trouble() {
    let place = Place::new();
    File::create(place.db()).unwrap();
    set_mode(&place.db(), 0o600);
    let report = doctor(&place);
    report.ended(0);
    report.has("schema", "note", "there is nothing in the file yet");
}

#[test]
fn another_program_that_writes_does_not_keep_it_from_looking() {
    let place = sound();
    let writer = place.connection();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE state SET value = '42' WHERE key = 'deploys'").unwrap();
    let report = doctor(&place);
    report.ended(0);
    report.has("values", "ok", "3 entries");
    writer.execute_batch("COMMIT").unwrap();
}

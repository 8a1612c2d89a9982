//! What `doctor` says of a database: each finding provoked on a real file, with its words, its remedy
//! and the exit code.

#[path = "support/files.rs"]
mod files;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value as Json;
use slothstate::store::{Clock, Millis, Process, SystemClock};

use self::files::{Answer, Place, answer, objects, set_mode, without_rights};

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
fn damage_is_found_and_the_other_checks_are_done() {
    let place = after(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO state (key, value) SELECT 'key/' || i, 'value' FROM n;
         PRAGMA wal_checkpoint(TRUNCATE)",
    );
    let connection = place.connection();
    let page: u32 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'slothstate_history'", [], |row| {
            row.get(0)
        })
        .unwrap();
    drop(connection);
    let file = File::options().write(true).open(place.db()).unwrap();
    file.write_all_at(&[0xab; 4096], u64::from(page - 1) * 4096).unwrap();
    drop(file);
    for how in [&["--json"][..], &["--json", "--quick"]] {
        let report = Report::of(command(&place, how));
        report.ended(1);
        assert!(report.remedy("integrity", "problem", "").contains(".recover"));
        report.has("history", "problem", "this could not be looked at");
        report.has("values", "ok", "2003 entries");
    }
}

#[test]
fn a_quick_look_leaves_out_what_takes_long() {
    let place = sound();
    let connection = place.connection();
    let index: (i64, String) = connection
        .query_row("SELECT rootpage, sql FROM sqlite_schema WHERE name = 'slothstate_expiring'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    // A row is written while the index is hidden, and so is missing from it.
    let change = |sql: &str| {
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection.execute(sql, ()).unwrap();
        connection.pragma_update(None, "writable_schema", "RESET").unwrap();
    };
    change("DELETE FROM sqlite_schema WHERE name = 'slothstate_expiring'");
    connection
        .execute(
            "INSERT INTO state (key, value, expires_at_ms) VALUES ('late', '1', ?1)",
            [now().0 + 1_000_000],
        )
        .unwrap();
    change(&format!(
        "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) \
         VALUES ('index', 'slothstate_expiring', 'state', {}, '{}')",
        index.0, index.1
    ));
    drop(connection);
    doctor(&place).has("integrity", "problem", "missing from index slothstate_expiring");
    Report::of(command(&place, &["--json", "--quick"])).has("integrity", "ok", "a quick check");
}

#[test]
fn an_old_sqlite3_shell_is_warned_of() {
    for (version, level) in [("3.40.1", "warning"), ("3.51.3", "ok")] {
        let place = sound();
        // Made by another process: a program that somebody has open for writing cannot be run.
        let script =
            format!("printf '#!/bin/sh\\necho {version} 2022-12-28 abc\\n' > sqlite3; chmod 755 sqlite3");
        let made = Command::new("sh").args(["-c", &script]).current_dir(place.folder()).status().unwrap();
        assert!(made.success());
        let report = doctor(&place);
        report.ended(i32::from(level == "warning"));
        let finding = report.has("sqlite", level, &format!("the sqlite3 shell here is {version}"));
        assert_eq!(finding["remedy"].is_string(), level == "warning", "{finding}");
    }
}

#[test]
fn a_journal_that_is_no_wal_is_a_note_on_a_plain_file_and_a_warning_on_ours() {
    let report = doctor(&plain());
    report.ended(0);
    report.has("journal", "note", "in delete mode");
    let place = sound();
    place.connection().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let report = doctor(&place);
    report.ended(1);
    assert!(report.remedy("journal", "warning", "no longer WAL").contains("PRAGMA journal_mode=WAL"));
}

#[test]
fn a_log_that_grows_without_an_end_is_a_warning() {
    let place = sound();
    let log = File::create(place.file("state.db-wal")).unwrap();
    log.set_len((64 << 20) + 1).unwrap();
    drop(log);
    set_mode(&place.file("state.db-wal"), 0o600);
    let report = doctor(&place);
    report.ended(1);
    report.remedy("wal", "warning", "the log (-wal) has 64.0 MiB");
    report.has("values", "ok", "3 entries");
}

#[test]
fn rights_of_everybody_are_told() {
    let place = sound();
    set_mode(&place.db(), 0o644);
    let report = doctor(&place);
    report.ended(0);
    assert!(report.remedy("permissions", "note", "may read the file").starts_with("chmod o-r "));
    set_mode(&place.db(), 0o666);
    set_mode(place.folder(), 0o777);
    let report = doctor(&place);
    report.ended(1);
    report.remedy("permissions", "warning", "may write the file (mode 0666)");
    report.remedy("permissions", "warning", "may remove or replace the file");
}

#[test]
fn a_log_with_other_rights_than_the_file_is_a_warning() {
    let place = sound();
    let writer = place.connection();
    writer.execute("UPDATE state SET value = '42' WHERE key = 'deploys'", ()).unwrap();
    doctor(&place).is_content_with("permissions");
    set_mode(&place.file("state.db-wal"), 0o640);
    let report = doctor(&place);
    report.ended(1);
    let remedy = report.remedy("permissions", "warning", "state.db-wal has mode 0640 and the file has 0600");
    assert!(remedy.starts_with("chmod 0600 "), "{remedy}");
}

#[test]
fn a_file_that_cannot_be_written_is_looked_at_all_the_same() {
    let place = sound();
    set_mode(&place.db(), 0o444);
    set_mode(place.folder(), 0o555);
    let mut command = without_rights(&place, &["doctor", "--json"]);
    command.env("PATH", place.folder());
    let report = Report::of(command);
    set_mode(place.folder(), 0o755);
    report.ended(1);
    report.remedy("permissions", "warning", "permissions do not allow it");
    report.has("open", "note", "is read as it stands");
    report.has("values", "ok", "3 entries");
}

#[test]
fn copies_from_before_are_named_with_their_size() {
    let place = plain();
    place.done(&["set", "deploys", "42"]);
    let report = doctor(&place);
    report.ended(0);
    let remedy =
        report.remedy("backups", "note", "1 copy of the file as it was before: state.db.before-slothstate (");
    assert!(remedy.contains("rm /"), "{remedy}");
    report.is_content_with("schema");
}

#[test]
fn a_plain_file_has_no_history_and_that_is_said() {
    let report = doctor(&plain());
    report.ended(0);
    report.has("schema", "note", "adopts it, after a backup");
    report.has("values", "ok", "1 entry");
}

#[test]
fn an_earlier_schema_is_noted_and_looked_at_as_it_is() {
    let place = after("UPDATE slothstate_meta SET value = value - 1 WHERE name = 'schema'");
    let report = doctor(&place);
    report.ended(0);
    report.has("schema", "note", "the next write of slothstate brings it to");
    report.has("agreement", "ok", "");
    report.has("values", "ok", "3 entries");
}

#[test]
fn tables_of_the_older_generation_are_not_forgotten() {
    let place =
        after("CREATE TABLE state_data (key TEXT, value TEXT); INSERT INTO state_data VALUES ('a', '1')");
    let report = doctor(&place);
    report.ended(0);
    assert!(report.remedy("schema", "note", "(state_data, 1 entry)").contains("import"));
}

#[test]
fn a_lock_that_is_held_in_both_programs_eyes_is_no_finding() {
    let place =
        after("INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '2999-01-01 00:00:00')");
    let report = doctor(&place);
    report.ended(0);
    report.has("locks", "ok", "1 lock, none of them stale");
}

#[test]
fn an_expired_lock_is_a_note_and_its_remedy_clears_it() {
    for name in ["deploy", "two words; 'quoted'", "-f", "line\nbreak \x1b[31m"] {
        let place = sound();
        let connection = place.connection();
        let sql = "INSERT INTO locks (name, holder, expires_at) VALUES (?1, 'ann', '2020-01-01 00:00:00')";
        connection.execute(sql, [name]).unwrap();
        let report = doctor(&place);
        report.ended(0);
        let remedy = report.remedy("locks", "note", "nobody has taken or removed it").to_string();
        let shown = answer(command(&place, &[])).out;
        assert!(!shown.iter().any(|byte| *byte != b'\n' && byte.is_ascii_control()), "{shown:?}");
        carry_out(&place, &remedy);
        assert_eq!(locks(&connection), 0, "{remedy}");
    }
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

fn locks(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM locks", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_expired_lock_that_sloth_runner_still_honours_is_a_warning() {
    // A minute ago, written where the day begins first: as text it is never before now.
    let expired = chrono::DateTime::from_timestamp_millis(now().0 - 60_000).unwrap();
    let east = expired.with_timezone(&chrono::FixedOffset::east_opt(14 * 3600).unwrap());
    let sql = format!(
        "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '{}')",
        east.to_rfc3339()
    );
    for place in [sound(), plain()] {
        let connection = place.connection();
        connection.execute_batch(&sql).unwrap();
        let is_held: bool = connection
            .query_row("SELECT expires_at > datetime('now') FROM locks", [], |row| row.get(0))
            .unwrap();
        assert!(is_held, "Sloth Runner's own question");
        let report = doctor(&place);
        report.ended(1);
        let remedy = report.remedy("locks", "warning", "takes it for held").to_string();
        carry_out(&place, &remedy);
        assert_eq!(locks(&connection), 0);
    }
}

#[test]
fn a_lock_of_a_dead_process_is_a_warning_and_that_of_a_living_one_is_not() {
    let place = sound();
    let connection = place.connection();
    let here = Process::current();
    // The same number, started at another time: a process that is gone.
    let gone = Process { started: here.started - 1000, ..here.clone() };
    let later = now().0 + 3_600_000;
    for (name, process) in [("living", &here), ("dead", &gone)] {
        connection
            .execute(
                "INSERT INTO locks (name, holder, expires_at) VALUES (?1, 'ann', '2999-01-01 00:00:00')",
                [name],
            )
            .unwrap();
        connection
            .execute(
                "UPDATE locks SET process = ?2, expires_at_ms = ?3 WHERE name = ?1",
                rusqlite::params![name, serde_json::to_string(process).unwrap(), later],
            )
            .unwrap();
    }
    let report = doctor(&place);
    report.ended(1);
    let remedy =
        report.remedy("locks", "warning", "lock dead of ann is held by a process that is gone").to_string();
    assert!(!report.findings.iter().any(|finding| finding["finding"].as_str().unwrap().contains("living")));
    carry_out(&place, &remedy);
    assert_eq!(locks(&connection), 1);
}

#[test]
fn a_lock_whose_expiry_cannot_be_read_is_a_warning() {
    let place = after("INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', 'soon')");
    let report = doctor(&place);
    report.ended(1);
    let remedy = report.remedy("locks", "warning", "an expiry that cannot be read (soon)").to_string();
    carry_out(&place, &remedy);
    assert_eq!(locks(&place.connection()), 0);
}

#[test]
fn waiters_that_fell_silent_are_noted() {
    let place = after(
        "INSERT INTO slothstate_waiters (lock, holder, since_ms, seen_ms, process)
             VALUES ('deploy', 'bob', 1, 1, '{}')",
    );
    let report = doctor(&place);
    report.ended(0);
    report.has("locks", "note", "1 waiter was not heard of for over 10s");
}

#[test]
fn values_that_are_not_of_their_type_are_counted_and_named() {
    let long = format!("{}9", "9,".repeat(10_000));
    let place = after(&format!(
        "INSERT INTO state (key, value, type) VALUES ('a\x1b', 'x', 'number'), ('b', 'yes', 'boolean'),
             ('c', '{{', 'table'), ('d', '1' || 'x', 'number'), ('e', '12', 'number'), ('f', '{{', 'string'),
             ('long', '[{long}]', 'table'), ('too_long', '[{long}', 'table')"
    ));
    let report = doctor(&place);
    report.ended(1);
    report.remedy(
        "values",
        "warning",
        "5 values do not parse as the stored type (read as a string): a␛, b, c, …",
    );
}

#[test]
fn strange_keys_are_noted() {
    let place = after(
        "INSERT INTO state (key, value) VALUES ('', '1'), (CAST(x'6bff' AS TEXT), '1'), (x'0102', '1')",
    );
    let report = doctor(&place);
    report.ended(0);
    report.has("keys", "note", "1 key is empty: (empty)");
    report.has("keys", "note", "1 key is no UTF-8: k\\xff");
    report.has("keys", "note", "1 key is a blob and no text: ␁␂");
    report.is_content_with("agreement");
}

#[test]
fn what_has_expired_and_waits_for_removal_is_counted() {
    let place =
        after("INSERT INTO state (key, value, expires_at_ms) VALUES ('old', '1', 1), ('older', '1', 1)");
    let report = doctor(&place);
    report.ended(0);
    report.has("expiry", "note", "2 entries have expired");
    report.is_content_with("agreement");
}

#[test]
fn times_that_are_still_to_come_are_a_warning() {
    let later = now().0 + 3_600_000;
    let place = after(&format!(
        "UPDATE slothstate_history SET at_ms = {later} WHERE revision = 3;
         UPDATE state SET modified_at_ms = {later} WHERE key = 'app'"
    ));
    let report = doctor(&place);
    report.ended(1);
    report.remedy("clock", "warning", "the times of 1 change are still to come");
    report.remedy("clock", "warning", "the times of 1 entry are still to come");
}

#[test]
fn times_that_go_back_are_a_warning() {
    let now = now().0;
    let place = after(&format!("UPDATE slothstate_history SET at_ms = {now} - (revision >= 2) * 7200000"));
    let report = doctor(&place);
    report.ended(1);
    report.remedy("clock", "warning", "the times of history go back 1 time, at most by 2h");
    report.has("clock", "warning", "(at revision 2)");
}

#[test]
fn a_trigger_that_is_missing_or_altered_is_a_problem() {
    let report = doctor(&after("DROP TRIGGER slothstate_state_delete"));
    report.ended(1);
    report.remedy(
        "schema",
        "problem",
        "trigger slothstate_state_delete is missing: changes are not recorded",
    );
    let report = doctor(&after(
        "DROP TRIGGER slothstate_state_delete;
         CREATE TRIGGER slothstate_state_delete AFTER DELETE ON state BEGIN SELECT 1; END;",
    ));
    report.ended(1);
    report.remedy("schema", "problem", "trigger slothstate_state_delete was altered");
    let report =
        doctor(&after("DROP INDEX slothstate_expiring; ALTER TABLE slothstate_waiters ADD COLUMN mood"));
    report.ended(1);
    report.remedy("schema", "problem", "index slothstate_expiring is missing");
    report.remedy("schema", "problem", "table slothstate_waiters was altered");
    let report = doctor(&after("CREATE TABLE \"slothstate_\x1b\" (a)"));
    report.ended(0);
    report.has("schema", "note", "table slothstate_␛ is not one that slothstate makes");
}

#[test]
fn a_state_that_history_does_not_agree_with_is_a_problem() {
    let place = sound();
    unrecorded(
        &place,
        "UPDATE state SET value = '99' WHERE key = 'deploys'; DELETE FROM state WHERE key = 'app'",
    );
    let report = doctor(&place);
    report.ended(1);
    report.is_content_with("schema");
    report.remedy("agreement", "problem", "2 entries are not what the newest change in history made of it");
    // What history knows nothing of any more is not compared.
    place
        .connection()
        .execute_batch("DELETE FROM slothstate_history WHERE key IN ('deploys', 'app')")
        .unwrap();
    doctor(&place).is_content_with("agreement");
}

#[test]
fn history_agrees_whatever_was_written_and_by_whom() {
    let place = sound();
    place.done(&["set", "session", "1", "--ttl", "1h"]);
    place.done(&["incr", "deploys"]);
    place.done(&["toggle", "dark_mode"]);
    place.done(&["ttl", "app", "2h"]);
    place.done(&["set", "gone", "1"]);
    place.done(&["del", "gone"]);
    let connection = place.connection();
    for sql in [
        "INSERT INTO state (key, value) VALUES ('new', 5), ('renamed', 'x'), (x'00ff', x'01')",
        "INSERT OR REPLACE INTO state (key, value) VALUES ('session', '2'), ('new', '6')",
        "INSERT INTO state (key, value) VALUES ('app', 'v2') ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        "UPDATE state SET key = 'other' WHERE key = 'renamed'",
        "UPDATE state SET value = value WHERE key = 'deploys'",
        "DELETE FROM state WHERE key = 'dark_mode'",
        "INSERT INTO state (key, value, expires_at_ms) VALUES ('late', '1', 1)",
        "UPDATE state SET value = '2' WHERE key = 'late'",
    ] {
        connection.execute(sql, ()).unwrap();
        doctor(&place).is_content_with("agreement");
    }
    place.done(&["set", "renamed", "again"]);
    let report = doctor(&place);
    report.ended(0);
    report.has("agreement", "ok", "");
}

/// Runs `sql` while the triggers are away.
fn unrecorded(place: &Place, sql: &str) {
    let connection = place.connection();
    let triggers: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER \"{name}\"")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
    for (_, sql) in &triggers {
        connection.execute_batch(sql).unwrap();
    }
}

#[test]
fn history_older_than_its_limit_is_noted() {
    let place = after("UPDATE slothstate_history SET at_ms = at_ms - 86400000 * 40");
    let report = doctor(&place);
    report.ended(0);
    report.has("history", "note", "at most 200000 changes, 256.0 MiB of values and 30 days are kept");
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

//! The file itself, what lies beside it, and the SQLite of this machine.

use super::*;

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
fn a_large_log_that_nobody_has_open_is_a_note() {
    let place = sound();
    let log = File::create(place.file("state.db-wal")).unwrap();
    log.set_len((64 << 20) + 1).unwrap();
    drop(log);
    set_mode(&place.file("state.db-wal"), 0o600);
    let report = doctor(&place);
    report.ended(0);
    report.remedy("wal", "note", "the log (-wal) has 64.0 MiB");
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

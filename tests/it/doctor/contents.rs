//! The schema, the entries and their history.

use super::*;

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
    unrecorded(&place, "DELETE FROM slothstate_history WHERE key IN ('deploys', 'app')");
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
    place.done(&["undo", "--last"]);
    place.done(&["undo", "1", "--force"]);
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

/// What another program does to tables of ours, what is said of it, and whether the entries can be read.
const REMOVED: [(&str, &str, bool); 11] = [
    ("DELETE FROM slothstate_meta", "its table slothstate_meta is empty", true),
    ("DELETE FROM slothstate_meta WHERE name = 'schema'", "does not tell the schema", true),
    ("UPDATE slothstate_meta SET value = 'four' WHERE name = 'schema'", "is not a number", true),
    ("UPDATE slothstate_meta SET value = NULL WHERE name = 'schema'", "is not a number", true),
    ("UPDATE slothstate_meta SET value = x'04' WHERE name = 'schema'", "is not a number", true),
    ("ALTER TABLE slothstate_meta RENAME COLUMN value TO v", "has other columns", true),
    ("DROP TABLE slothstate_meta", "its table slothstate_meta is missing", true),
    ("DROP TABLE slothstate_history", "its table slothstate_history is missing", true),
    ("DROP TABLE state", "its table state is missing", false),
    ("ALTER TABLE state RENAME TO elsewhere", "its table state is missing", false),
    ("DROP TABLE state; DELETE FROM slothstate_meta", "its table slothstate_meta is empty", false),
];

#[test]
fn what_is_missing_of_our_tables_is_said_with_what_to_do() {
    for (removal, reason, is_readable) in REMOVED {
        let place = after(removal);
        let report = doctor(&place);
        report.ended(if is_readable { 1 } else { 3 });
        let check = if is_readable { "schema" } else { "open" };
        let remedy = report.remedy(check, "problem", reason);
        assert!(remedy.contains("restore BACKUP"), "{removal}: {remedy}");
        let got = place.run(&["get", "deploys"]);
        assert_eq!(
            (got.code, &got.out[..]),
            if is_readable { (Some(0), &b"41\n"[..]) } else { (Some(3), &b""[..]) },
            "{removal}"
        );
        assert!(got.err.contains(reason), "{removal}: {}", got.err);
        for arguments in
            [&["set", "deploys", "2"][..], &["history"], &["runs"], &["locks"], &["keys"], &["stats"]]
        {
            let answer = place.run(arguments);
            assert!(answer.err.contains(reason), "{removal}: {arguments:?}: {}", answer.err);
            for raw in ["no such", "returned no rows", "Invalid column", "duplicate column"] {
                assert!(!answer.err.contains(raw), "{removal}: {arguments:?}: {}", answer.err);
            }
        }
        let refused = place.run(&["set", "deploys", "2"]);
        assert_eq!(refused.code, Some(3), "{removal}");
        assert!(refused.err.contains("restore BACKUP"), "{removal}: {}", refused.err);
        // The entries go on in a new database, with their types.
        if is_readable {
            let new = Place::new();
            new.done(&["import", place.db().to_str().unwrap()]);
            assert_eq!(new.run(&["get", "deploys"]).out, b"41\n", "{removal}");
        }
    }
}

#[test]
fn a_table_that_only_some_commands_need_is_missed_by_those() {
    for (table, command) in [("slothstate_runs", "runs"), ("slothstate_waiters", "locks"), ("locks", "locks")]
    {
        let place = after(&format!("DROP TABLE {table}"));
        let answer = place.run(&[command]);
        assert_eq!(answer.code, Some(3), "{table}");
        assert!(answer.err.contains(&format!("its table {table} is missing")), "{table}: {}", answer.err);
        assert_eq!(place.run(&["get", "deploys"]).out, b"41\n", "{table}");
        doctor(&place).ended(1);
    }
}

//! Files of every earlier schema are read as they are, and brought up to date by the first write.

use super::*;
use crate::store::sqlite::schema_sql::SCHEMA;

/// What made the tables of ours in files of each earlier schema, as it was then.
const EARLIER: [&str; SCHEMA - 1] = [
    include_str!("../../../../tests/schemas/1.sql"),
    include_str!("../../../../tests/schemas/2.sql"),
    include_str!("../../../../tests/schemas/3.sql"),
];

/// A file of that schema, with a history.
fn of_schema(schema: usize) -> Place {
    let place = Place::of_sloth_runner();
    let shell = place.shell();
    shell.execute_batch(EARLIER[schema - 1]).unwrap();
    shell
        .execute_batch(
            "UPDATE state SET value = 'v2' WHERE key = 'version';
             REPLACE INTO state (key, value) VALUES ('count', '42');
             INSERT INTO state (key, value) VALUES ('gone', 'x');
             DELETE FROM state WHERE key = 'gone';
             DELETE FROM locks;",
        )
        .unwrap();
    place
}

/// All that a file has, but for rows.
fn schema_of(path: &Path) -> Vec<(String, String)> {
    Connection::open(path)
        .unwrap()
        .prepare("SELECT name, sql FROM sqlite_schema WHERE name LIKE 'slothstate%' ORDER BY name")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

#[test]
fn an_earlier_schema_is_read_as_it_is() {
    for schema in 1..SCHEMA {
        let place = of_schema(schema);
        let before = std::fs::read(&place.path).unwrap();
        let store = SqliteStore::open(&place.path, place.settings()).unwrap();
        assert_eq!(value(&store, "version"), Some(Value::text("v2")));
        assert_eq!(store.count(&KeyRange::all()).unwrap(), 2);
        let last = history(&store).pop();
        assert_eq!(last, Some(row("deploy", "unlock", Some("ann"), None, "external")));
        assert_eq!(store.revision().unwrap(), Revision(5));
        assert_eq!(std::fs::read(&place.path).unwrap(), before, "schema {schema}");
    }
}

#[test]
fn an_earlier_schema_is_brought_up_to_date_by_the_first_write() {
    let fresh = Place::of_sloth_runner();
    put(&fresh.store(), "version", Value::text("v3"), Expiry::Clear);
    for schema in 1..SCHEMA {
        let place = of_schema(schema);
        let store = place.store();
        let before = history(&store);
        put(&store, "version", Value::text("v3"), Expiry::Clear);
        let notices = store.take_notices();
        assert!(notices[0].contains(&format!("from schema {schema} to {SCHEMA}")), "{notices:?}");
        assert_eq!(schema_of(&place.path), schema_of(&fresh.path), "schema {schema}");

        let after = history(&store);
        assert_eq!(after[..before.len()], before);
        assert_eq!(after[before.len()].2, Some("v2".into()));
        assert_eq!(store.get(&key("version")).unwrap().unwrap().version, 3);

        let backup = place.path.with_file_name(format!("state.db.schema-{schema}"));
        let kept = SqliteStore::open(&backup, place.settings()).unwrap();
        assert_eq!(value(&kept, "version"), Some(Value::text("v2")));
        assert_eq!(history(&kept), before);

        // Once is enough.
        put(&place.store(), "version", Value::text("v4"), Expiry::Clear);
        assert!(place.store().take_notices().is_empty());
        assert!(!place.path.with_file_name(format!("state.db.schema-{schema}.2")).exists());
    }
}

#[test]
fn others_go_on_writing_while_the_schema_changes() {
    let place = of_schema(1);
    let shell = place.shell();
    shell.execute("UPDATE state SET value = 'v2b' WHERE key = 'version'", []).unwrap();
    put(&place.store(), "mine", Value::integer(1), Expiry::Clear);
    shell.execute("UPDATE state SET value = 'v2c' WHERE key = 'version'", []).unwrap();
    let changes = history(&place.store());
    let last = changes.last().unwrap();
    assert_eq!(last, &row("version", "set", Some("v2b"), Some("v2c"), "external"));
}

#[test]
fn runs_and_recordings_of_an_earlier_schema_are_read() {
    let place = of_schema(3);
    place
        .shell()
        .execute_batch(
            "INSERT INTO slothstate_runs (run, workflow, file, params, began_ms, actor, process, revision)
                 VALUES (1, 'deploy', 'deploy.lua', '{}', 1000, 'ann@web1:7', 'null', 3);
             INSERT INTO slothstate_recordings (piece, last, revision, landmark, data)
                 VALUES (1 << 32, 0, 3, 0, x'01');",
        )
        .unwrap();
    let store = SqliteStore::open(&place.path, place.settings()).unwrap();
    let runs = store.runs(None, 10).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].revision, runs[0].recorded), (Some(Revision(3)), true));
    assert_eq!(store.recording_chunks(1, 0, false, 10).unwrap().len(), 1);
    assert_eq!(store.recording_retention().unwrap(), crate::store::RecordingRetention::default());
}

/// A process of the version before has the file open, with its statements prepared.
#[test]
fn a_process_of_the_earlier_version_goes_on_writing() {
    const TAKE: &str = "INSERT INTO locks (name, holder, acquired_at, expires_at, token, acquired_at_ms, \
             expires_at_ms, process, actor, run, task) \
         SELECT ?1, 'old', datetime('now'), datetime('now', '+1 hour'), max(revision) + 1, 1000, 2000, NULL, \
             'old@here:1', NULL, NULL FROM slothstate_history";
    const RENEW: &str = "UPDATE locks SET expires_at = ?2, expires_at_ms = ?3 WHERE name = ?1";
    let place = of_schema(3);
    let older = place.shell();
    let mut take = older.prepare(TAKE).unwrap();
    let mut renew = older.prepare(RENEW).unwrap();
    take.execute(["before"]).unwrap();
    put(&place.store(), "mine", Value::integer(1), Expiry::Clear);
    take.execute(["after"]).unwrap();
    assert_eq!(
        renew.execute(rusqlite::params!["before", "2999-01-01 00:00:00", 32_472_144_000_000i64]).unwrap(),
        1
    );
    let store = place.store();
    let locks = store.locks(None, 10).unwrap();
    assert_eq!(locks.iter().map(|lock| lock.name.as_str()).collect::<Vec<_>>(), ["after", "before"]);
    assert_eq!(locks[1].expires_at, Some(Millis(32_472_144_000_000)));
    let names: Vec<String> = history(&store).into_iter().map(|row| row.0).collect();
    assert_eq!(names[names.len() - 3..], ["before", "mine", "after"]);
}

#[test]
fn a_program_that_empties_history_does_not_make_revisions_go_back() {
    let place = Place::of_sloth_runner();
    let store = place.store();
    for number in 0..5 {
        put(&store, "count", Value::integer(number), Expiry::Clear);
    }
    let before = store.revision().unwrap();
    for statement in [
        "DELETE FROM slothstate_history",
        "DELETE FROM slothstate_history WHERE revision > 0",
        "DELETE FROM slothstate_history WHERE key = 'count'",
        "DELETE FROM slothstate_history WHERE revision = (SELECT max(revision) FROM slothstate_history)",
    ] {
        place.shell().execute(statement, []).unwrap();
        assert_eq!(store.revision().unwrap(), before, "{statement}");
    }
    put(&store, "count", Value::integer(6), Expiry::Clear);
    assert_eq!(store.revision().unwrap(), before.next());
}

#[test]
fn other_programs_read_the_state_through_views() {
    let place = Place::of_sloth_runner();
    let store = place.store();
    put(&store, "flag", Value::Boolean(true), Expiry::Clear);
    place.shell().execute("UPDATE state SET expires_at_ms = 1000 WHERE key = 'version'", []).unwrap();
    let shell = place.shell();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = shell.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let keys = texts("SELECT key FROM slothstate_entries ORDER BY key");
    assert!(keys.contains(&"flag".into()) && !keys.contains(&"version".into()), "{keys:?}");
    assert!(texts("SELECT key FROM slothstate_changes WHERE actor <> 'external'").contains(&"flag".into()));
    assert_eq!(texts("SELECT name FROM slothstate_locks"), texts("SELECT name FROM locks ORDER BY name"));
}

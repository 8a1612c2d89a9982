//! Files of every earlier schema are read as they are, and brought up to date by the first write.

use super::*;
use crate::store::sqlite::connect::SCHEMA;

/// What made the tables of ours in files of each earlier schema, as it was then.
const EARLIER: [&str; SCHEMA - 1] =
    [include_str!("../../../../tests/schemas/1.sql"), include_str!("../../../../tests/schemas/2.sql")];

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

//! A file of Sloth Runner's older generation is looked at as it is, and never changed.

use rusqlite::Connection;
use serde_json::json;

use crate::support::files::{Place, objects};
use crate::support::older_file;

/// A file in WAL mode, as Sloth Runner kept it, with nothing left in its log.
pub fn place_of_the_older_generation() -> Place {
    let place = Place::new();
    let runner = place.connection();
    runner.pragma_update(None, "journal_mode", "WAL").unwrap();
    older_file::fill(&runner);
    place
}

#[test]
fn an_older_file_is_browsed_with_its_types_and_expiries_and_stays_as_it_is() {
    let place = place_of_the_older_generation();
    let before = std::fs::read(place.db()).unwrap();
    for extra in [&[][..], &["--read-only"]] {
        let look = |arguments: &[&str]| place.run(&[arguments, extra].concat());
        let entries = objects(&look(&["keys", "--json"]).done());
        let told: Vec<_> = entries
            .iter()
            .map(|entry| {
                (entry["key"].as_str().unwrap(), entry["type"].as_str().unwrap(), &entry["expires_at"])
            })
            .collect();
        let (never, hour) = (json!(null), |text: &str| json!(text));
        assert_eq!(
            told,
            [
                ("config", "table", &never),
                ("deploy_count", "number", &never),
                ("feature_dark_mode", "boolean", &never),
                ("lease_a", "string", &hour("2999-01-01T00:00:00.000Z")),
                ("lease_b", "string", &hour("2999-01-01T01:00:00.500Z")),
                ("no_number", "string", &never),
                ("servers", "table", &never),
                ("version", "string", &never),
            ]
        );
        assert_eq!(look(&["get", "servers"]).done(), "[\"web1\",\"web2\"]\n");
        let leased = crate::support::files::object(&look(&["get", "lease_a", "--json"]).done());
        assert_eq!((&leased["version"], &leased["revision"]), (&json!(7), &json!(0)));
        look(&["get", "gone_a"]).refused(1, "there is no key gone_a");
        assert_eq!(look(&["keys"]).done().lines().count(), 8);
        assert_eq!(look(&["keys", "gone*"]).done(), "");
        assert_eq!(look(&["keys", "--kind", "flag"]).done(), "feature_dark_mode\n");
        let stats = crate::support::files::object(&look(&["stats", "--json"]).done());
        assert_eq!((&stats["entries"], &stats["expiring"]), (&json!(8), &json!(2)), "{stats}");
        assert_eq!((&stats["locks"], &stats["history"]), (&json!(2), &json!(0)), "{stats}");
        let locks = objects(&look(&["locks", "--json"]).done());
        assert_eq!(locks.len(), 2);
        assert_eq!((&locks[0]["name"], &locks[0]["holder"]), (&json!("deploy"), &json!("runner-1")));
        assert_eq!((&locks[0]["expired"], &locks[1]["expired"]), (&json!(false), &json!(true)));
        assert_eq!(locks[0]["expires_at"], "2998-12-31T23:00:00.000Z");
    }
    assert_eq!(std::fs::read(place.db()).unwrap(), before);
}

#[test]
fn a_write_to_an_older_file_is_refused_and_says_how_to_go_on() {
    let place = place_of_the_older_generation();
    let before = std::fs::read(place.db()).unwrap();
    for arguments in [
        &["set", "version", "2"][..],
        &["del", "version"],
        &["incr", "deploy_count"],
        &["toggle", "feature_dark_mode"],
        &["ttl", "version", "1h"],
        &["unlock", "stale"],
    ] {
        place.run(arguments).refused(3, "slothstate --db NEW import ");
    }
    assert_eq!(std::fs::read(place.db()).unwrap(), before);
    assert!(place.names().iter().all(|name| name.starts_with("state.db")), "{:?}", place.names());
    let runner = place.connection();
    let entries: i64 = runner.query_row("SELECT count(*) FROM state_data", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 10);
}

#[test]
fn doctor_says_what_an_older_file_is() {
    let place = place_of_the_older_generation();
    let told = place.run(&["doctor"]);
    let text = String::from_utf8(told.out).unwrap();
    assert!(text.contains("it is of Sloth Runner's older generation, which is only read"), "{text}");
    assert!(text.contains("slothstate --db NEW import "), "{text}");
}

#[test]
fn an_older_file_that_lacks_a_column_is_refused_by_name_and_one_without_locks_has_none() {
    let place = Place::new();
    let runner = place.connection();
    runner.execute_batch("CREATE TABLE state_data (key TEXT, value TEXT, type TEXT)").unwrap();
    place.run(&["keys"]).refused(3, "its table state_data has no column created_at");
    let place = place_of_the_older_generation();
    place.connection().execute_batch("DROP TABLE state_locks").unwrap();
    assert_eq!(place.done(&["locks", "--json"]), "");
}

#[test]
fn of_both_generations_in_one_file_the_present_one_is_used() {
    let place = place_of_the_older_generation();
    place
        .connection()
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
            created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
         INSERT INTO state (key, value) VALUES ('present', 'yes');",
        )
        .unwrap();
    assert_eq!(place.done(&["keys"]), "present\n");
    place.done(&["set", "present", "still"]);
    let shell = Connection::open(place.db()).unwrap();
    let older: i64 = shell.query_row("SELECT count(*) FROM state_data", [], |row| row.get(0)).unwrap();
    assert_eq!(older, 10);
}

#[test]
fn the_older_tables_of_a_file_that_has_both_are_taken_in() {
    let place = Place::new();
    older_file::fill(&place.connection());
    place
        .connection()
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO state (key, value) VALUES ('version', '2.0'), ('only_new', 'x');",
        )
        .unwrap();
    assert_eq!(place.done(&["keys"]), "only_new\nversion\n");
    let file = place.db();
    let file = file.to_str().unwrap();
    // What doctor says is what helps.
    let findings = objects(std::str::from_utf8(&place.run(&["doctor", "--json"]).out).unwrap());
    let told = findings.iter().any(|finding| {
        finding["remedy"].as_str().is_some_and(|remedy| remedy.ends_with(&format!("import --older {file}")))
    });
    assert!(told, "{findings:?}");
    place.run(&["import", file]).refused(2, "into itself");
    place.run(&["import", "--older", file]).refused(1, "another value here: version");
    place.done(&["import", "--older", file, "--keep"]);
    assert_eq!(place.done(&["get", "version"]), "2.0\n");
    assert_eq!(place.json(&["get", "servers", "--json"])["type"], "table");
    assert_eq!(place.done(&["keys"]).lines().count(), 9);
    assert_eq!(objects(&place.done(&["locks", "--json"]))[0]["holder"], "runner-1");
}

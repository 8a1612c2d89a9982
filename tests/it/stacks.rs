//! What Sloth Runner keeps of its own in a `stacks.db`: its runs and stack locks are shown beside ours.

use rusqlite::Connection;
use serde_json::json;

use crate::support::files::{self, Place, objects, slothstate};
use crate::support::stacks_file;

fn place() -> Place {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    stacks_file::make(&place.file("stacks.db"));
    place
}

fn locks_of(place: &Place) -> i64 {
    let connection = Connection::open(place.file("stacks.db")).unwrap();
    connection.query_row("SELECT count(*) FROM state_locks", [], |row| row.get(0)).unwrap()
}

#[test]
fn its_runs_and_locks_are_shown_and_nothing_is_changed() {
    let place = place();
    let before = std::fs::read(place.file("stacks.db")).unwrap();
    let runs = place.done(&["runs"]);
    let lines: Vec<&str> = runs.lines().collect();
    assert!(lines[1].starts_with("stack 3  running") && lines[1].contains("gone"), "{runs}");
    assert!(lines[2].starts_with("stack 2  failed"), "{runs}");
    assert!(lines[2].contains("1 ok, 1 failed") && lines[2].contains("no route to ␛[31mhost"), "{runs}");
    assert!(lines[3].starts_with("stack 1  completed") && lines[3].contains("sloth-runner"), "{runs}");
    let runs = objects(&place.done(&["runs", "--json"]));
    assert_eq!((&runs[1]["source"], &runs[1]["stack_run"]), (&json!("sloth-runner"), &json!(2)));
    assert_eq!((&runs[1]["took_ms"], &runs[1]["failed"]), (&json!(5000), &json!(1)));
    assert_eq!(objects(&place.done(&["runs", "--json", "--limit", "2"])).len(), 2);
    let locks = place.done(&["locks"]);
    let line = locks.lines().find(|line| line.starts_with("stacks.db: prod")).unwrap();
    assert!(line.contains("ann@web1  unknown") && line.contains("expired"), "{locks}");
    assert!(line.contains("sloth-runner (apply)"), "{locks}");
    let locks = objects(&place.done(&["locks", "--json"]));
    assert_eq!((&locks[1]["stack"], &locks[1]["expired"]), (&json!("test"), &json!(false)));
    assert_eq!(std::fs::read(place.file("stacks.db")).unwrap(), before);
}

#[test]
fn only_an_expired_stack_lock_is_cleared_without_force() {
    let place = place();
    let (prod, test) = ("stacks.db: prod", "stacks.db: test");
    place.run(&["unlock", test]).refused(1, "whether that process is alive is unknown; --force");
    place.run(&["--read-only", "unlock", prod]).refused(3, "--read-only");
    assert_eq!(locks_of(&place), 2);
    let told = place.done(&["unlock", prod]);
    assert!(
        told.contains("cleared Sloth Runner's lock stacks.db: prod: ann@web1 (unknown, expired)"),
        "{told}"
    );
    place.done(&["unlock", test, "--force"]);
    assert_eq!(locks_of(&place), 0);
    place.run(&["unlock", prod]).refused(1, "there is no lock stacks.db: prod");
}

#[test]
fn a_stacks_db_says_what_it_is_and_where_the_state_is() {
    let place = place();
    let stacks = place.file("stacks.db");
    let before = std::fs::read(&stacks).unwrap();
    let stacks = stacks.to_str().unwrap();
    for line in [&["keys"][..], &["set", "k", "v"], &["runs"], &["doctor"]] {
        let mut command = slothstate(place.folder());
        command.args(["--db", stacks]).args(line);
        let answer = files::answer(command);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        assert!(answer.err.contains("Sloth Runner's database of stacks"), "{answer:?}");
        assert!(answer.err.contains(&format!("the state is in {}", place.db().display())), "{answer:?}");
    }
    assert_eq!(std::fs::read(stacks).unwrap(), before);
}

#[test]
fn what_is_not_as_it_should_be_keeps_nothing_of_ours_from_being_shown() {
    for tables in [
        "CREATE VIEW stack_executions AS SELECT 1 AS id, 'x' AS stack_id, 'y' AS status; CREATE TABLE stacks (id)",
        "CREATE TABLE stacks (id); CREATE TABLE stack_executions (id, stack_id)",
        "CREATE TABLE stacks (id); CREATE TABLE stack_executions (id, stack_id, status);
            INSERT INTO stack_executions VALUES (x'ff', x'fe', x'fd'), (NULL, NULL, NULL)",
        "CREATE TABLE other (x)",
    ] {
        let place = Place::new();
        place.done(&["set", "my_lock", "ann"]);
        Connection::open(place.file("stacks.db")).unwrap().execute_batch(tables).unwrap();
        assert!(place.done(&["locks"]).contains("my_lock"), "{tables}");
        place.done(&["runs"]);
    }
    let place = Place::new();
    place.done(&["set", "my_lock", "ann"]);
    std::fs::write(
        place.file("stacks.db"),
        "not a database, and longer than a header of one hundred bytes ".repeat(9),
    )
    .unwrap();
    let answer = place.run(&["locks"]);
    assert!(answer.err.contains("Sloth Runner's runs and stack locks are not shown"), "{answer:?}");
    assert!(answer.done().contains("my_lock"));
}

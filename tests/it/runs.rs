//! Runs have numbers: the list of them, and changes and locks that name theirs.

use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use crate::support::files::{Place, objects, until};

fn workflow(place: &Place, name: &str, source: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, source).unwrap();
    file.to_str().unwrap().into()
}

fn runs(place: &Place) -> Vec<Json> {
    objects(&place.done(&["runs", "--json"]))
}

/// A run that holds a lock until the entry `go` is there.
fn start_waiting(place: &Place) -> Child {
    let source = "task('hold'):command(function()
        state.with_lock('deploy', function()
            state.set('holding', true)
            state.wait('go', function(value) return value ~= nil end, 60)
        end)
        return true
    end):build()";
    let file = workflow(place, "hold.lua", source);
    let child = place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it holds the lock", || place.run(&["get", "holding"]).code == Some(0));
    child
}

#[test]
fn runs_are_listed_with_how_they_ended() {
    let place = Place::new();
    let fine = workflow(
        &place,
        "fine.lua",
        "workflow.define('fine', { tasks = { task('a'):command(function() state.set('k', 1) return true end) } })",
    );
    let failing = workflow(
        &place,
        "failing.lua",
        "task('a'):command(function() return false, 'no' end):build()
         task('b'):depends_on('a'):command(function() return true end):build()",
    );
    place.run(&["run", &fine, "--param", "version=2", "--param", "who=\u{1b}[31m"]).done();
    assert_eq!(place.run(&["run", &failing]).code, Some(1));
    let told = runs(&place);
    assert_eq!(told.iter().map(|run| &run["run"]).collect::<Vec<_>>(), [&json!(2), &json!(1)]);
    assert_eq!((&told[1]["status"], &told[1]["workflow"]), (&json!("done"), &json!("fine")));
    assert_eq!(told[1]["params"], json!({ "version": "2", "who": "\u{1b}[31m" }));
    assert_eq!(
        (&told[0]["status"], &told[0]["failed"], &told[0]["skipped"]),
        (&json!("failed"), &json!(1), &json!(1))
    );
    let table = place.done(&["runs"]);
    assert!(table.lines().nth(1).unwrap().contains("1 failed, 1 not run"), "{table}");
    assert_eq!(place.done(&["runs", "--limit", "1", "--json"]).lines().count(), 1);

    let change = &objects(&place.done(&["history", "k", "--json"]))[0];
    assert_eq!((&change["run"], &change["task"]), (&json!(1), &json!("a")));
    // Not the hand of a person.
    place.run(&["undo", "--last"]).refused(1, "has changed nothing by hand");
}

#[test]
fn a_run_is_seen_while_it_lives_and_after_it_was_killed() {
    let place = Place::new();
    let mut first = start_waiting(&place);
    assert_eq!(runs(&place)[0]["status"], "running");
    let lock = &objects(&place.done(&["locks", "--json"]))[0];
    assert!(lock["actor"].as_str().unwrap().ends_with(" run 1 task hold"), "{lock}");
    assert!(place.done(&["locks"]).contains("run 1 task hold"));
    first.kill().unwrap();
    first.wait().unwrap();
    let told = &runs(&place)[0];
    assert_eq!(
        (&told["status"], &told["ended_at"], &told["took_ms"]),
        (&json!("killed"), &Json::Null, &Json::Null)
    );

    place.done(&["unlock", "deploy"]);
    place.done(&["del", "holding"]);
    let mut second = start_waiting(&place);
    place.done(&["set", "go", "1"]);
    assert!(second.wait().unwrap().success());
    assert_eq!(runs(&place)[0]["status"], "done");
}

#[test]
fn a_run_that_may_only_look_has_no_number() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let file = workflow(
        &place,
        "look.lua",
        "task('a'):command(function() return state.get('k') == 'v' end):build()",
    );
    place.run(&["run", &file, "--read-only"]).done();
    assert_eq!(place.done(&["runs", "--json"]), "");
}

/// What is told of a run that was imported: where it ran, and none of its revisions as one of those here.
#[test]
fn an_imported_run_names_its_origin() {
    let place = Place::new();
    let file =
        workflow(&place, "w.lua", "task('a'):command(function() state.set('k', 1) return true end):build()");
    place.done(&["set", "before", "1"]);
    place.done(&["run", &file]);
    let of_here = &runs(&place)[0];
    assert_eq!((&of_here["origin"], &of_here["recorded"]), (&Json::Null, &json!(true)));
    let identity: String = place
        .connection()
        .query_row("SELECT value FROM slothstate_meta WHERE name = 'database'", [], |row| row.get(0))
        .unwrap();
    let exported = place.file("exported");
    let exported = exported.to_str().unwrap();
    place.done(&["runs", "export", "1", exported]);

    // On another database, on that which it ran on, and from a copy of a copy.
    let other = Place::new();
    other.done(&["runs", "import", exported]);
    place.done(&["runs", "import", exported]);
    let again = other.file("again");
    let again = again.to_str().unwrap();
    other.done(&["runs", "export", "1", again]);
    place.done(&["runs", "import", again]);
    for (place, run) in [(&other, 1), (&place, 2), (&place, 3)] {
        let told = runs(place).into_iter().find(|told| told["run"] == run).unwrap();
        assert_eq!(told["origin"], identity.as_str(), "{told}");
        assert!(place.done(&["runs"]).contains(" (imported)"));
        let records = objects(&place.done(&["runs", "show", &run.to_string(), "--json"]));
        assert!(records.iter().all(|record| record["revision"].is_null()), "{records:?}");
        let revisions: Vec<&Json> = records
            .iter()
            .filter(|record| record["begin"] == "state.set")
            .map(|record| &record["origin_revision"])
            .collect();
        assert_eq!(revisions, [&json!(2)]);
    }
    let records = objects(&place.done(&["runs", "show", "1", "--json"]));
    assert!(records.iter().any(|record| record["begin"] == "state.set" && record["revision"] == 2));
    let shown = objects(&place.done(&["replay", exported, "--steps", "--json"]));
    assert!(shown.iter().all(|record| record["revision"].is_null()), "{shown:?}");

    // A run of an earlier version that was imported there has no origin, and no revision.
    place.connection().execute("UPDATE slothstate_runs SET origin = NULL WHERE run = 2", []).unwrap();
    let told = runs(&place).into_iter().find(|told| told["run"] == 2).unwrap();
    assert_eq!(told["origin"], "unknown");
}

/// Of a copy of a run that had not ended nobody here knows how it went on.
#[test]
fn an_imported_run_without_an_end_is_not_said_to_be_dead() {
    let place = Place::new();
    let mut child = start_waiting(&place);
    let exported = place.file("exported");
    place.done(&["runs", "export", "1", exported.to_str().unwrap()]);
    place.done(&["runs", "import", exported.to_str().unwrap()]);
    assert_eq!(runs(&place)[0]["status"], "unknown");
    place.done(&["set", "go", "1"]);
    assert!(child.wait().unwrap().success());
    let told: Vec<Json> = runs(&place).into_iter().map(|run| run["status"].clone()).collect();
    assert_eq!(told, ["unknown", "done"]);
}

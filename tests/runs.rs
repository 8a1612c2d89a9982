//! Runs have numbers: the list of them, and changes and locks that name theirs.

#[path = "support/files.rs"]
mod files;

use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use self::files::{Place, objects, until};

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

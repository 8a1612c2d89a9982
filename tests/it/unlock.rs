//! `unlock` of several locks, and `locks` with filters.

use std::process::{Child, Stdio};

use crate::support::files::{Place, until};

/// A workflow that holds the lock that `$LOCK` names.
const HOLD: &str = r#"
    local hold = task("hold"):timeout("1h"):command(function()
        state.try_lock(os.getenv("LOCK"), 3600)
        while true do sleep(0.05) end
    end):build()
    workflow.define("hold", { tasks = { hold } })
"#;

/// A process that ends with the test.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.file("hold.lua"), HOLD).unwrap();
    place.done(&["set", "version", "v1"]);
    place
}

fn hold(place: &Place, name: &str) -> Holder {
    let mut command = place.command(&["run", "hold.lua"]);
    command.current_dir(place.folder()).env("LOCK", name).stdout(Stdio::null()).stderr(Stdio::null());
    let holder = Holder(command.spawn().unwrap());
    until("the lock is held", || names(place, &[]).contains(&name.to_string()));
    holder
}

/// A lock whose holder was killed.
fn hold_and_die(place: &Place, name: &str) {
    drop(hold(place, name));
}

fn names(place: &Place, options: &[&str]) -> Vec<String> {
    let lines = place.done(&[&["locks", "--json"][..], options].concat());
    let name = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().to_string()
    };
    let mut names: Vec<String> = lines.lines().map(name).collect();
    names.sort();
    names
}

/// What a command prints on both outputs, where it exits with that code.
fn outcome(place: &Place, arguments: &[&str], code: i32) -> (String, String) {
    let answer = place.run(arguments);
    assert_eq!(answer.code, Some(code), "{arguments:?}: {}", answer.err);
    (String::from_utf8(answer.out).unwrap(), answer.err)
}

#[test]
fn all_locks_of_dead_holders_are_cleared_together_and_no_other() {
    let place = place();
    let _alive = hold(&place, "job:alive");
    for name in ["job:1", "job:2", "backup", "job:*"] {
        hold_and_die(&place, name);
    }
    assert_eq!(names(&place, &["--state", "dead"]), ["backup", "job:*", "job:1", "job:2"]);
    assert_eq!(names(&place, &["--state", "alive"]), ["job:alive"]);
    assert_eq!(names(&place, &["--state", "alive,dead", "--match", "job:?"]), ["job:*", "job:1", "job:2"]);
    let would = place.done(&["unlock", "--dead", "--match", "job:?", "--dry-run"]);
    assert_eq!(would.lines().count(), 3, "{would}");
    assert!(would.lines().all(|line| line.starts_with("would clear lock job:")), "{would}");
    assert_eq!(names(&place, &[]).len(), 5);
    // A name is a name, also where it has a star.
    place.done(&["unlock", "job:*"]);
    assert_eq!(names(&place, &[]), ["backup", "job:1", "job:2", "job:alive"]);
    let cleared = place.done(&["unlock", "--dead", "--match", "job:*"]);
    assert_eq!(cleared.lines().count(), 2, "{cleared}");
    assert_eq!(names(&place, &[]), ["backup", "job:alive"]);
    let cleared = place.done(&["unlock", "--dead", "--json"]);
    let cleared: serde_json::Value = serde_json::from_str(&cleared).unwrap();
    assert_eq!(cleared["name"], "backup");
    assert_eq!(names(&place, &[]), ["job:alive"]);
    assert_eq!(place.done(&["unlock", "--dead"]), "");
}

#[test]
fn what_cannot_be_cleared_does_not_keep_the_others() {
    let place = place();
    let _alive = hold(&place, "a:alive");
    for name in ["b:1", "b:2"] {
        hold_and_die(&place, name);
    }
    let errors = outcome(&place, &["unlock", "--match", "*"], 1).1;
    assert!(errors.contains("lock a:alive was not cleared: its holder"), "{errors}");
    assert_eq!(names(&place, &[]), ["a:alive"]);
    hold_and_die(&place, "b:1");
    let (out, errors) = outcome(&place, &["unlock", "nowhere", "b:1", "a:alive", "b:1"], 1);
    assert!(out.starts_with("cleared lock b:1") && out.lines().count() == 1, "{out}");
    assert!(
        errors.contains("there is no lock nowhere") && errors.contains("a:alive was not cleared"),
        "{errors}"
    );
    assert_eq!(names(&place, &[]), ["a:alive"]);
    place.done(&["unlock", "--match", "a:*", "--force"]);
    assert_eq!(names(&place, &[]), Vec::<String>::new());
}

#[test]
fn which_locks_is_never_guessed() {
    let place = place();
    hold_and_die(&place, "a");
    for wrong in [
        &["unlock"][..],
        &["unlock", "--force"],
        &["unlock", "a", "--dead"],
        &["unlock", "a", "--match", "a"],
        &["unlock", "--dead", "--force"],
        &["unlock", "--match", "a", "--token", "1"],
        &["unlock", "a", "b", "--token", "1"],
        &["unlock", "--match", "["],
        &["locks", "--state", "gone"],
    ] {
        assert_eq!(outcome(&place, wrong, 2).0, "", "{wrong:?}");
    }
    assert_eq!(names(&place, &[]), ["a"]);
    // Without glob characters it is one name, not the beginning of several.
    hold_and_die(&place, "ab");
    place.done(&["unlock", "--match", "a"]);
    assert_eq!(names(&place, &[]), ["ab"]);
}

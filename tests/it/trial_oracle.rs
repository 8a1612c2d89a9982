//! Dry runs and what-ifs compared with really running: each of many workflows is tried, and then really run on
//! a database of the same content.

mod workflows;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use self::workflows::{TrialWorkflow, WORKFLOWS};
use crate::support::files::{Answer, Place, answer, object, objects, thorough};

/// In the normal run only every so many workflows are tried.
const SHARE: usize = 6;

/// What the tests of a workflow compare: how its tasks ended, what it logged, and the state.
#[derive(Debug, PartialEq)]
struct Course {
    tasks: Vec<(String, String, Json)>,
    state: State,
}

/// Value, type, and how long after its last change it expires, in tens of seconds.
type Stored = (Json, Json, Option<i64>);
type State = BTreeMap<String, Stored>;

impl TrialWorkflow {
    /// A database with the content that the workflow begins with.
    fn place(&self) -> (Place, String) {
        let place = Place::new();
        let file = place.file("w.lua");
        std::fs::write(&file, self.lua()).unwrap();
        for command in self.setup {
            let words: Vec<&str> = command.split(' ').collect();
            place.done(&words);
        }
        (place, "w.lua".into())
    }

    /// The program in the folder of the database: the paths in messages are the same everywhere.
    fn within(&self, place: &Place, arguments: &[&str]) -> Answer {
        let mut command = place.command(arguments);
        command.current_dir(place.folder());
        answer(command)
    }

    fn stubs(&self) -> Vec<&str> {
        self.stubs.iter().flat_map(|stub| ["--stub", stub]).collect()
    }

    fn run(&self, place: &Place, file: &str) -> (Course, Vec<String>) {
        let arguments = [&["run", file, "--json"], &self.stubs()[..]].concat();
        let answer = self.within(place, &arguments);
        assert!(matches!(answer.code, Some(0 | 1)), "{}: {answer:?}", self.name);
        let events = objects(&String::from_utf8(answer.out).unwrap());
        let of_kind = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
        let tasks = of_kind("task_finished").map(task_end).collect();
        let lines = of_kind("log").map(|event| words(event["line"].as_str().unwrap())).collect();
        (Course { tasks, state: state(place) }, lines)
    }
}

/// The words of a line, whatever space is between them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn task_end(end: &Json) -> (String, String, Json) {
    let text = |name: &str| end[name].as_str().unwrap_or_else(|| panic!("{end}")).to_string();
    (text("task"), text("outcome"), end["message"].clone())
}

fn state(place: &Place) -> State {
    let exported = objects(&place.done(&["export", "--no-history"]));
    let entries = exported.iter().filter_map(|line| line.get("entry"));
    let stored = |entry: &Json| {
        let left =
            entry["expires_at_ms"].as_i64().map(|at| tens(at - entry["modified_at_ms"].as_i64().unwrap()));
        (entry["value"].clone(), entry["type"].clone(), left)
    };
    entries.map(|entry| (entry["key"].as_str().unwrap().into(), stored(entry))).collect()
}

fn tens(milliseconds: i64) -> i64 {
    (milliseconds + 5_000).div_euclid(10_000)
}

/// A time in milliseconds since the epoch.
fn milliseconds(time: &str) -> i64 {
    let time = humantime::parse_rfc3339(time).unwrap_or_else(|error| panic!("{time}: {error}"));
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The report of a trial, and the lines that its workflow logged.
fn report(name: &str, answer: Answer) -> (Json, Vec<String>) {
    assert!(matches!(answer.code, Some(0 | 1)), "{name}: {answer:?}");
    let report = object(&String::from_utf8(answer.out).unwrap());
    assert_eq!(report["ended_by"], Json::Null, "{name}: {report}");
    // `  info      t  the line`
    let lines = answer.err.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?;
        let (level, rest) = line.split_once(' ')?;
        let is_log = ["info", "warn", "error", "debug"].contains(&level);
        let rest = rest.trim_start();
        // A line of the workflow has no task in front of it.
        let text = rest.split_once("  ").map_or(rest, |(_, text)| text);
        is_log.then(|| words(text))
    });
    (report, lines.collect())
}

/// The state that a trial leaves that began at that time, by the differences that it reports.
fn state_after(report: &Json, before: &State, began_at: i64) -> State {
    let mut state = before.clone();
    for row in report["state"].as_array().unwrap() {
        let key = row["key"].as_str().unwrap().to_string();
        if row["now"].is_null() {
            state.remove(&key);
            continue;
        }
        let old = state.get(&key).cloned().unwrap_or((Json::Null, Json::Null, None));
        let stored_type = row.get("now_type").cloned().unwrap_or(old.1);
        let left = row.get("now_expires_at").map(|at| tens(milliseconds(at.as_str().unwrap()) - began_at));
        state.insert(key, (row["now"].clone(), stored_type, left));
    }
    state
}

fn course(report: &Json, before: &State, began_at: i64) -> Course {
    let tasks = report["tasks"].as_array().unwrap().iter().map(task_end).collect();
    Course { tasks, state: state_after(report, before, began_at) }
}

/// The workflows that are tried here.
fn tried() -> impl Iterator<Item = &'static TrialWorkflow> {
    let only = std::env::var("SLOTHSTATE_TEST_WORKFLOW").ok();
    let share = if thorough() || only.is_some() { 1 } else { SHARE };
    WORKFLOWS
        .iter()
        .step_by(share)
        .filter(move |workflow| only.as_deref().is_none_or(|name| name == workflow.name))
}

/// The state and the history.
fn everything(place: &Place) -> (State, String) {
    (state(place), place.done(&["history", "--json", "--limit", "1000000"]))
}

#[test]
fn there_are_many_workflows_with_names_of_their_own() {
    let mut names: Vec<&str> = WORKFLOWS.iter().map(|workflow| workflow.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), WORKFLOWS.len());
    assert!(names.len() >= 80, "{}", names.len());
}

#[test]
fn a_dry_run_says_what_really_running_does() {
    let mut wrong = Vec::new();
    for workflow in tried() {
        let (place, file) = workflow.place();
        let before = if place.has_db() { state(&place) } else { State::new() };
        let untouched = place.has_db().then(|| everything(&place));
        let arguments = [&["run", &file, "--dry-run", "--json"], &workflow.stubs()[..]].concat();
        let (told, lines) = report(workflow.name, workflow.within(&place, &arguments));
        assert_eq!(place.has_db().then(|| everything(&place)), untouched, "{}", workflow.name);
        let tried = course(&told, &before, now());
        let (real, real_lines) = workflow.run(&place, &file);
        if tried != real || lines != real_lines {
            wrong.push(format!(
                "{}:\n  dry  {tried:?}\n       {lines:?}\n  real {real:?}\n       {real_lines:?}",
                workflow.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_what_if_says_what_really_running_with_that_value_does() {
    let mut wrong = Vec::new();
    for workflow in tried() {
        let (place, file) = workflow.place();
        let (recorded, _) = workflow.run(&place, &file);
        let began_at = now();
        let stubs = workflow.stubs();
        let same = place.run(&["replay", "1", "--json"]);
        let same = object(&String::from_utf8_lossy(&same.out));
        if same["replay"] != json!("same") {
            wrong.push(format!("{}: replay: {same}", workflow.name));
        }
        for change in workflow.changes {
            let (other, other_file) = workflow.place();
            let option = match change.strip_prefix('!') {
                Some(key) => {
                    other.done(&["del", key]);
                    ["--without", key]
                }
                None => {
                    // A trial keeps the expiry, which is an option of `set`.
                    let mut words = change.split(' ');
                    let change = words.next().unwrap();
                    let (key, value) = change.split_once('=').unwrap();
                    other.done(&["set", key, value].into_iter().chain(words).collect::<Vec<_>>());
                    ["--what-if", change]
                }
            };
            let arguments = [&["replay", "1", "--json"], &option[..], &stubs[..]].concat();
            let (told, _) = report(workflow.name, place.run(&arguments));
            let tried = course(&told, &recorded.state, began_at);
            let (real, _) = workflow.run(&other, &other_file);
            if tried != real {
                wrong.push(format!(
                    "{} with {change}:\n  what-if {tried:?}\n  real    {real:?}\n  recorded {recorded:?}\n  {told}",
                    workflow.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

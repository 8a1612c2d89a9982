//! Runs that are killed at any moment: each change that a run made stands in its recording with the step
//! that made it, and no step that changes something at once is there without its change.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::support::files::{Place, objects, thorough, until};

/// What runs do until they are killed, with what there may be between the beginning of a call and its
/// change: nothing, a value as large as what is written at once, a long time.
const BODIES: [(&str, &str); 10] = [
    ("small values", "for i = 1, 1e6 do state.set('a' .. i % 7, i) log.info(i) end"),
    ("64 KiB", "for i = 1, 1e6 do state.set('a' .. i % 3, ('x'):rep(65536)) end"),
    ("256 KiB", "for i = 1, 1e6 do state.set('a' .. i % 3, i .. ('x'):rep(262144)) end"),
    (
        "appended",
        "for i = 1, 1e6 do state.append('a', ('x'):rep(70000)) if i % 20 == 0 then state.delete('a') end end",
    ),
    (
        "updated",
        "for i = 1, 1e6 do state.update('u' .. i % 3, function() return i .. ('x'):rep(70000) end) end",
    ),
    (
        "updated after a look",
        "for i = 1, 1e6 do state.update('u', function(old) state.exists('a') return i .. ('x'):rep(70000) end) end",
    ),
    (
        "several at once",
        "for i = 1, 1e6 do state.transaction(function() state.set('t1', ('x'):rep(65536)) state.set('t2', i) end) end",
    ),
    (
        "locks",
        "for i = 1, 1e6 do state.lock('l') state.unlock('l') state.with_lock('w', function() state.set('a', i) end) end",
    ),
    (
        "after a second",
        "while true do local t = os.clock() while os.clock() - t < 1.1 do end state.set('a', t) end",
    ),
    ("after a pause", "state.set('tried', true) error('once more')"),
];

fn start(place: &Place, body: &str) -> Child {
    let source = format!(
        "task('t'):retries(1000, 'fixed', 1.05):command(function() state.set('begun', true) {body} end):build()"
    );
    let file = place.file("w.lua");
    std::fs::write(&file, source).unwrap();
    let file = file.to_str().unwrap();
    place.command(&["run", file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A change of a run: its revision and its key, or the name of the lock.
fn changes(place: &Place, run: i64) -> Vec<(i64, String)> {
    let connection = place.connection();
    let mut statement = connection
        .prepare("SELECT revision, key FROM slothstate_history WHERE run = ?1 ORDER BY revision")
        .unwrap();
    let changes = statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    changes.collect::<Result<_, _>>().unwrap()
}

/// Of each record: the innermost call that is under way after it.
fn calls(records: &[Json]) -> Vec<Option<usize>> {
    let mut under_way: Vec<usize> = Vec::new();
    let mut calls = Vec::new();
    for (place, record) in records.iter().enumerate() {
        if record["begin"].is_string() {
            under_way.push(place);
        }
        if record["end"] == true {
            under_way.pop();
        }
        calls.push(under_way.last().copied());
    }
    calls
}

/// How many changes the run made, each of which has to stand with its step.
fn check(place: &Place, run: i64, what: &str) -> usize {
    let records = objects(&place.done(&["runs", "show", &run.to_string(), "--json"]));
    let calls = calls(&records);
    let changes = changes(place, run);
    for (revision, key) in &changes {
        let after = records.iter().position(|record| record["revision"].as_i64() >= Some(*revision));
        let after = after.unwrap_or_else(|| panic!("{what}: no step made revision {revision}"));
        let call = calls[after]
            .map_or_else(|| panic!("{what}: revision {revision} is of no call"), |call| &records[call]);
        let is_of_key = call["arguments"][0] == key.as_str() || call["begin"] == "state.transaction";
        assert!(is_of_key, "{what}: revision {revision} of {key} is said to be of {}", call["begin"]);
    }
    let last = records.last().expect("something was recorded");
    let (function, revision) = (last["begin"].as_str().unwrap_or_default(), last["revision"].as_i64());
    if function.starts_with("state.") && !["state.transaction", "state.update"].contains(&function) {
        let made = changes.last().map(|(revision, key)| (Some(*revision), key.as_str()));
        let key = last["arguments"][0].as_str().unwrap();
        assert_eq!(made, Some((revision, key)), "{what}: {function} began, and changed nothing");
    }
    changes.len()
}

#[test]
fn each_change_stands_with_its_step_whenever_the_run_is_killed() {
    let times = if thorough() { 10 } else { 1 };
    let mut all = 0;
    for (what, body) in BODIES {
        let place = Place::new();
        for run in 1..=times {
            let mut child = start(&place, body);
            let wanted = if what == "after a second" { 1 } else { 3 };
            until("it is at work", || place.has_db() && is_at_work(&place, run, wanted));
            std::thread::sleep(Duration::from_micros(fastrand::u64(..20_000)));
            child.kill().unwrap();
            child.wait().unwrap();
            all += check(&place, run, what);
        }
    }
    eprintln!("{all} changes of runs that were killed");
}

/// Whether a run has made so many changes after its first.
fn is_at_work(place: &Place, run: i64, wanted: i64) -> bool {
    let counted = place.connection().query_row(
        "SELECT count(*) FROM slothstate_history WHERE run = ?1",
        [run],
        |row| row.get::<_, i64>(0),
    );
    counted.is_ok_and(|count| count > wanted)
}

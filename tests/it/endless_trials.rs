//! Dry runs and what-ifs of workflows that never end, through the real program.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use crate::support::files::{Place, until};
use crate::what_if;

/// Bodies of a task that never ends by itself, and what may end a trial of it.
const ENDLESS: [(&str, &str, &[&str]); 14] = [
    ("sleep", "while true do if state.get('stop') then return true end sleep(0.05) end", &["time"]),
    ("long sleep", "while not state.get('stop') do sleep(3600) end", &["time"]),
    ("busy", "local n = 0 while true do n = n + 1 end", &["instructions", "time"]),
    ("state", "while true do state.increment('n') end", &["calls", "time", "memory"]),
    (
        "growth",
        "local n = 0 while true do n = n + 1 state.set('k' .. n, ('x'):rep(100000)) end",
        &["memory", "time"],
    ),
    ("clock", "while os.clock() >= 0 do end", &["calls", "instructions", "time"]),
    ("time", "local t = os.time() while os.time() >= t do sleep(1) end", &["time"]),
    ("wait", "while true do state.wait('never', true, 60) end", &["time"]),
    ("predicate", "while true do state.wait('never', function() return false end, 5) end", &["time"]),
    ("pcall", "while true do pcall(function() while true do sleep(1) end end) end", &["time"]),
    ("update", "state.update('k', function() while true do end end)", &["instructions", "time"]),
    ("transaction", "state.transaction(function() while true do sleep(1) end end)", &["time"]),
    (
        "coroutine",
        "local c = coroutine.wrap(function() while true do coroutine.yield() sleep(1) end end) while true do c() end",
        &["time"],
    ),
    ("command", "while true do exec.run('true') sleep(1) end", &["time"]),
];

fn workflow(place: &Place, body: &str) -> String {
    what_if::workflow(place, "w.lua", &what_if::task(body))
}

/// The report of a trial, which must end with this code.
fn report(place: &Place, arguments: &[&str], code: i32) -> Json {
    what_if::told(place.run(&[arguments, &["--json"]].concat()), code)
}

#[test]
fn a_dry_run_of_a_workflow_that_never_ends_says_what_ended_it() {
    for (name, body, limits) in ENDLESS {
        let place = Place::new();
        let file = workflow(&place, body);
        let told = report(&place, &["run", &file, "--dry-run", "--for", "3s"], 1);
        let ended = told["ended_by"].as_str().unwrap_or_else(|| panic!("{name}: {told}"));
        assert!(limits.contains(&ended), "{name}: {ended}");
        assert_eq!(told["outcome"], json!(null), "{name}");
        assert!(!place.db().exists(), "{name}");
    }
}

#[test]
fn hooks_conditions_and_retries_that_never_end_are_ended() {
    let sleep = "function() while true do sleep(1) end end";
    let places = [
        format!("task('t'):command(function() return true end):on_success({sleep}):build()"),
        format!("task('t'):command(function() error('no') end):on_failure({sleep}):build()"),
        format!("task('t'):command(function() return true end):run_if({sleep}):build()"),
        "task('t'):command(function() sleep(1) error('no') end):retries(1000):build()".into(),
    ];
    for source in places {
        let place = Place::new();
        let file = what_if::workflow(&place, "w.lua", &source);
        let told = report(&place, &["run", &file, "--dry-run", "--for", "1m"], 1);
        assert_eq!(told["ended_by"], "time", "{source}: {told}");
    }
}

#[test]
fn a_limit_of_the_workflow_itself_ends_it_first() {
    let place = Place::new();
    let file = what_if::workflow(
        &place,
        "w.lua",
        "task('t'):timeout('5s'):command(function() while true do sleep(1) end end):build()",
    );
    let told = report(&place, &["run", &file, "--dry-run"], 1);
    assert_eq!((&told["ended_by"], &told["outcome"]), (&json!(null), &json!("failed")), "{told}");
    assert!(told["tasks"][0]["message"].as_str().unwrap().contains("timed out"), "{told}");
}

/// Starts a worker that counts until it is stopped, and ends it with the signal.
fn recorded_worker(place: &Place, signal: Signal) -> String {
    let body = "while true do
  if state.get('stop') then return true end
  state.increment('n')
  state.set('mode', state.get('mode', 'slow'))
  sleep(0.02)
end";
    let file = workflow(place, body);
    let mut child =
        place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has counted", || {
        let answer = place.run(&["get", "n"]);
        String::from_utf8_lossy(&answer.out).trim().parse::<u64>().is_ok_and(|n| n >= 3)
    });
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    child.wait().unwrap();
    file
}

#[test]
fn a_trial_of_a_run_that_was_stopped_or_killed_ends_where_its_recording_does() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let place = Place::new();
        recorded_worker(&place, signal);
        // Nothing that the run read is changed: the recording ends it.
        let told = report(&place, &["replay", "1", "--what-if", "unused=1"], 0);
        assert_eq!(told["ended_by"], json!(null), "{signal}: {told}");
        assert_eq!(told["cut_off"], json!(signal == Signal::SIGKILL), "{signal}: {told}");
        // Another value at the same calls: still the recording.
        let told = report(&place, &["replay", "1", "--what-if", "n=1000"], 1);
        assert_eq!(told["ended_by"], json!(null), "{signal}: {told}");
        // It ends by itself.
        let told = report(&place, &["replay", "1", "--what-if", "stop=true"], 1);
        assert_eq!((&told["ended_by"], &told["outcome"]), (&json!(null), &json!("done")), "{signal}: {told}");
    }
}

#[test]
fn a_trial_that_has_left_its_recording_ends_at_its_limit() {
    let place = Place::new();
    let file = recorded_worker(&place, Signal::SIGTERM);
    let source = std::fs::read_to_string(&file).unwrap().replace("'slow'", "'fast'").replace("0.02", "0.5");
    let other = place.file("other.lua");
    std::fs::write(&other, source).unwrap();
    let other = other.to_str().unwrap();
    let arguments = ["replay", "1", "--what-if", "unused=1", "--source", other];
    let told = report(&place, &arguments, 1);
    assert_eq!(told["ended_by"], "time", "{told}");
    // A minute at least, in steps of half a second.
    let count = |told: &Json| -> f64 {
        let rows = told["state"].as_array().unwrap();
        let row = rows.iter().find(|row| row["key"] == "n").unwrap_or_else(|| panic!("{told}"));
        row["now"].as_str().unwrap().parse().unwrap()
    };
    assert!(count(&told) >= 115.0, "{told}");
    let short = report(&place, &[&arguments[..], &["--for", "10s"]].concat(), 1);
    assert!((15.0..40.0).contains(&count(&short)), "{short}");
    let text = place.run(&arguments);
    let text = String::from_utf8(text.out).unwrap();
    assert!(text.contains(" of its time (--for sets another limit)"), "{text}");
    assert!(text.contains("as far as that is known"), "{text}");
}

#[test]
fn commands_of_a_dry_run_are_assumed_to_succeed_and_it_says_so() {
    let place = Place::new();
    let file = workflow(
        &place,
        "local ok, out, err, code = exec.run('deploy it')
         state.set('deployed', ok and code == 0 and out == '' and err == '')
         for i = 1, 3 do exec.run('again') end",
    );
    let told = report(&place, &["run", &file, "--dry-run"], 0);
    assert_eq!(told["assumed"], 4, "{told}");
    assert_eq!(told["state"][0]["now"], "true", "{told}");
    let text = place.done(&["run", &file, "--dry-run"]);
    for line in [
        "assuming that 4 commands succeed and print nothing, the state would change:",
        "not run: deploy it",
        "not run: again (3 times)",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}: {text}");
    }
    // A stub is an answer, and not assumed.
    let stubbed = report(&place, &["run", &file, "--dry-run", "--stub", "*=done"], 0);
    assert_eq!((&stubbed["assumed"], &stubbed["state"][0]["now"]), (&json!(0), &json!("false")), "{stubbed}");
    // Strict: a command without a stub is an error.
    let strict = report(&place, &["run", &file, "--dry-run", "--strict"], 1);
    assert_eq!(strict["assumed"], 0, "{strict}");
    assert!(strict["tasks"][0]["message"].as_str().unwrap().contains("--stub"), "{strict}");
    // The options of trials are refused without one.
    place.run(&["run", &file]);
    for arguments in
        [&["run", &file, "--strict"][..], &["run", &file, "--for", "1m"], &["replay", "1", "--for", "1m"]]
    {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
}

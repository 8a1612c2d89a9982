//! "What if", and dry runs, through the real program.

use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::files::{Answer, Place, object, objects, until};

pub fn workflow(place: &Place, name: &str, source: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, source).unwrap();
    file.to_str().unwrap().into()
}

pub fn task(body: &str) -> String {
    format!("task('t'):command(function(params)\n{body}\nreturn true\nend):build()")
}

fn example(name: &str) -> String {
    format!("{}/assets/workflows/{name}.lua", env!("CARGO_MANIFEST_DIR"))
}

pub fn told(answer: Answer, code: i32) -> Json {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    object(&String::from_utf8(answer.out).unwrap())
}

fn what_if(place: &Place, arguments: &[&str], code: i32) -> Json {
    told(place.run(&[&["replay", "1", "--json"], arguments].concat()), code)
}

fn everything(place: &Place) -> String {
    place.done(&["keys", "--json"]) + &place.done(&["history", "--json", "--limit", "1000000"])
}

#[test]
fn every_flag_of_the_examples_is_tried_the_other_way_round() {
    let place = Place::new();
    let run = ["run", &example("feature_flags"), "--param", "requests=4", "--param", "pace=0"];
    place.run(&run).done();
    // The second run finds the flags there.
    place.run(&run).done();
    let flags = objects(&place.done(&["keys", "feature:*", "--json"]));
    assert!(flags.len() >= 3, "{flags:?}");
    let before = everything(&place);
    let recorded = place.done(&["runs", "show", "2"]);
    let mut counted = 0;
    for flag in &flags {
        let key = flag["key"].as_str().unwrap();
        if !recorded.contains(&format!("state.get(\"{key}\"")) {
            // The run never asked for it.
            continue;
        }
        counted += 1;
        let other = if place.done(&["get", key]).trim() == "true" { "false" } else { "true" };
        let answer = place.run(&["replay", "2", "--json", "--what-if", &format!("{key}={other}")]);
        let told = told(answer, 1);
        assert_eq!(told["beginning"], "history");
        assert!(!told["parted"].is_null() || !told["other_answer"].is_null(), "{key}: {told}");
        // With the value that it had, nothing is different.
        let same = if other == "true" { "false" } else { "true" };
        let answer = place.run(&["replay", "2", "--json", "--what-if", &format!("{key}={same}")]);
        let told = self::told(answer, 0);
        assert_eq!((&told["parted"], &told["state"]), (&Json::Null, &json!([])), "{key}");
    }
    assert!(counted >= 3, "{counted}");
    assert_eq!(everything(&place), before);
}

#[test]
fn the_path_parts_where_the_changed_value_counts() {
    let place = Place::new();
    place.done(&["set", "deploy:last_version", "1.0.0"]);
    place.done(&["set", "unrelated", "1"]);
    place.run(&["run", &example("deploy"), "--param", "version=2.0.0"]).done();
    place.done(&["set", "deploy:last_version", "9.9.9"]);
    let told = what_if(&place, &["--what-if", "deploy:last_version=2.0.0"], 1);
    let parted = &told["parted"];
    assert!(parted["now"].as_str().unwrap().contains("outputs {needed=false"), "{told}");
    let other = &told["other_answer"];
    assert_eq!((&other["recorded"], &other["now"]), (&json!("\"1.0.0\""), &json!("\"2.0.0\"")));
    let changed: Vec<&str> =
        told["state"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap()).collect();
    assert!(changed.contains(&"deploy:count"), "{told}");
    assert!(!changed.contains(&"unrelated"));

    let people = place.run(&["replay", "1", "--what-if", "deploy:last_version=2.0.0"]);
    let text = String::from_utf8(people.out).unwrap();
    for part in ["on the state of revision 2", "the path parts at record", "the state ends up differently"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(place.done(&["get", "deploy:last_version"]).trim(), "9.9.9");
}

#[test]
fn a_value_keeps_its_type_and_an_entry_can_be_away() {
    let place = Place::new();
    place.done(&["set", "n", "5"]);
    place.done(&["set", "s", "5", "--type", "string"]);
    let code = "state.set('types', type(state.get('n')) .. type(state.get('s'))) state.increment('n')";
    let file = workflow(&place, "w.lua", &task(code));
    place.run(&["run", &file]).done();
    let told = what_if(&place, &["--what-if", "n=41", "--what-if", "s=6"], 1);
    assert_eq!(told["parted"], Json::Null, "{told}");
    let given = json!({ "key": "s", "recorded": "5", "now": "6", "as_given": true });
    assert_eq!(told["state"], json!([{ "key": "n", "recorded": "6", "now": "42" }, given]));
    let told = what_if(&place, &["--without", "n"], 1);
    assert_eq!(told["state"][0], json!({ "key": "n", "recorded": "6", "now": "1" }));
    assert_eq!(told["parted"]["kind"], "different_arguments");
    place.run(&["replay", "1", "--what-if", "n=many"]).refused(2, "n was a number");
}

#[test]
fn what_others_did_meanwhile_happens_in_the_trial_too() {
    let place = Place::new();
    let code = "state.set('ready', true)
        state.wait('go', function(go) return go == 'now' end, 3600)
        state.set('seen', state.get('go') .. state.increment('count'))
        if state.get('loud') then log.info('LOUD') end";
    let file = workflow(&place, "w.lua", &task(code));
    place.done(&["set", "loud", "false"]);
    let mut child =
        place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it waits", || place.run(&["get", "ready"]).code == Some(0));
    place.done(&["incr", "count", "7"]);
    place.done(&["set", "go", "now"]);
    assert!(child.wait().unwrap().success());
    assert_eq!(place.done(&["get", "seen"]).trim(), "now8");
    let told = what_if(&place, &["--what-if", "other=1"], 0);
    assert_eq!(told["parted"], Json::Null, "{told}");
    let told = what_if(&place, &["--what-if", "loud=true"], 1);
    assert_eq!(told["parted"]["now"], "log.info(\"LOUD\")", "{told}");
    assert_eq!(told["state"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["state"][0]["as_given"], true);
}

#[test]
fn a_lock_is_held_as_long_as_its_holder_lives_and_has_its_recorded_token() {
    let place = Place::new();
    place.done(&["set", "k", "before"]);
    let code = "local _, token = state.try_lock('l', 1)
        log.info(token)
        sleep(1.5)
        log.info(pcall(state.set, 'k', 'under', { lock = 'l', token = token }))
        log.info(state.unlock('l'))";
    let file = workflow(&place, "w.lua", &task(code));
    place.run(&["run", &file]).done();
    let tried = what_if(&place, &["--what-if", "other=1"], 0);
    assert_eq!(tried["parted"], Json::Null, "{tried}");
    let code = "state.lock('l') sleep(3600) state.set('k', 'dry', { lock = 'l' }) return state.unlock('l')";
    let file = workflow(&place, "w.lua", &format!("task('t'):command(function() {code} end):build()"));
    let told = told(place.run(&["run", &file, "--dry-run", "--json"]), 0);
    assert_eq!(told["state"][0]["now"], "dry", "{told}");
}

#[test]
fn commands_are_answered_from_the_recording_then_from_stubs_or_not_at_all() {
    let place = Place::new();
    let marks = place.file("marks");
    let code = format!(
        "local run = function(what) local _, out = exec.run(what) return out end
         state.set('first', run('echo x >> {marks} && echo one'))
         if state.get('more') then
           state.set('second', run('echo y >> {marks} && echo two'))
           local ok, problem = pcall(run, 'echo z >> {marks} && echo three')
           state.set('third', ok and problem or 'refused')
         end",
        marks = marks.display()
    );
    let file = workflow(&place, "w.lua", &task(&code));
    place.done(&["set", "more", "false"]);
    place.run(&["run", &file]).done();
    let lines = || std::fs::read_to_string(&marks).unwrap().lines().count();
    assert_eq!(lines(), 1);

    let told = what_if(&place, &["--what-if", "more=true", "--stub", "*y >>*=stubbed"], 1);
    let value = |told: &Json, key: &str| {
        let entries = told["state"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["key"] == key).map(|entry| entry["now"].clone())
    };
    assert_eq!(value(&told, "second"), Some(json!("stubbed")), "{told}");
    assert_eq!(value(&told, "third"), Some(json!("refused")));
    assert_eq!(told["commands_not_run"].as_array().unwrap().len(), 2);
    assert_eq!(lines(), 1, "nothing was run");

    let told = what_if(&place, &["--what-if", "more=true", "--live"], 1);
    assert_eq!(value(&told, "third"), Some(json!("three\n")));
    assert_eq!(lines(), 3);
}

#[test]
fn a_trial_has_its_own_time_chance_and_locks() {
    let place = Place::new();
    let code = "
        log.info(os.getenv('STAGE'))
        if state.get('long') then
          local start = os.time()
          sleep(3600)
          local waited = state.wait('never', 1, 7200)
          state.set('took', os.time() - start)
          state.set('dice', math.random(1000000))
          state.with_lock('l', function() state.set('home', os.getenv('HOME') or 'none') end)
          state.set('stage', os.getenv('STAGE'))
        end";
    let file = workflow(&place, "w.lua", &task(code));
    place.done(&["set", "long", "false"]);
    place.run(&["run", &file, "--env", "STAGE=test"]).done();
    let first = what_if(&place, &["--what-if", "long=true"], 1);
    let now = |key: &str| {
        let entries = first["state"].as_array().unwrap();
        entries.iter().find(|entry| entry["key"] == key).unwrap()["now"].as_str().unwrap().to_string()
    };
    // Three hours go by at once.
    assert!((10_800..14_400).contains(&now("took").parse::<i64>().unwrap()), "{first}");
    assert_eq!((now("home"), now("stage")), ("none".into(), "test".into()));
    let second = what_if(&place, &["--what-if", "long=true"], 1);
    let dice =
        |told: &Json| told["state"].as_array().unwrap().iter().find(|entry| entry["key"] == "dice").cloned();
    assert_eq!(dice(&first), dice(&second), "chance is the same each time");
    assert_eq!(place.done(&["locks", "--json"]), "");
}

#[test]
fn without_history_a_trial_begins_with_what_the_run_read() {
    let place = Place::new();
    place.done(&["set", "rate", "10"]);
    place.done(&["set", "unread", "1"]);
    let code = "local rate = state.get('rate', 1)
        state.set('total', rate * state.get('factor', 3))
        state.increment('runs')";
    let file = workflow(&place, "w.lua", &task(code));
    place.run(&["run", &file]).done();
    place.done(&["retention", "--rows", "1"]);
    until("history is short", || {
        place.done(&["incr", "noise"]);
        objects(&place.done(&["history", "--json"])).len() < 3
    });
    let told = what_if(&place, &["--what-if", "factor=5"], 1);
    assert_eq!(told["beginning"], "reads");
    let given =
        json!({ "key": "factor", "recorded": null, "now": "5", "now_type": "number", "as_given": true });
    assert_eq!(told["state"], json!([given, { "key": "total", "recorded": "30", "now": "50" }]), "{told}");

    // In another place there is no database at all.
    let other = Place::new();
    let exported = other.file("run");
    place.done(&["runs", "export", "1", exported.to_str().unwrap()]);
    let answer = other.run(&["replay", exported.to_str().unwrap(), "--what-if", "rate=2", "--json"]);
    assert_eq!(self::told(answer, 1)["state"][1]["now"], "6");
    assert!(!other.db().exists());
}

#[test]
fn another_source_is_tried_on_the_state_as_it_was() {
    let place = Place::new();
    place.done(&["set", "n", "1"]);
    let file = workflow(&place, "w.lua", &task("state.set('n', state.get('n') + 1)"));
    place.run(&["run", &file]).done();
    let other = workflow(&place, "other.lua", &task("state.set('n', state.get('n') + 10)"));
    let told = what_if(&place, &["--source", &other, "--what-if", "unused=1"], 1);
    let given =
        json!({ "key": "unused", "recorded": null, "now": "1", "now_type": "number", "as_given": true });
    assert_eq!(told["state"], json!([{ "key": "n", "recorded": "2", "now": "11" }, given]), "{told}");
}

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let place = Place::new();
    place.done(&["set", "n", "1"]);
    place.done(&["set", "gone", "1"]);
    let code = format!(
        "state.increment('n')
         state.delete('gone')
         state.set('new', os.getenv('STAGE'))
         state.transaction(function() state.set('t', state.get('n')) end)
         state.with_lock('l', function() sleep(3600) end)
         local ok, problem = pcall(exec.run, 'touch {}')
         log.info(tostring(ok))",
        place.file("touched").display()
    );
    let file = workflow(&place, "w.lua", &task(&code));
    let before = everything(&place);
    let answer = place.run(&["run", &file, "--dry-run", "--json", "--env", "STAGE=test"]);
    let told = told(answer, 0);
    let expected = json!([
        { "key": "gone", "recorded": "1", "now": null },
        { "key": "n", "recorded": "1", "now": "2" },
        { "key": "new", "recorded": null, "now": "test", "now_type": "string" },
        { "key": "t", "recorded": null, "now": "2", "now_type": "number" },
    ]);
    assert_eq!((&told["state"], &told["beginning"]), (&expected, &json!("now")));
    assert!(told["commands_not_run"][0].as_str().unwrap().starts_with("touch"));
    assert_eq!(everything(&place), before);
    assert_eq!(place.done(&["runs", "--json"]), "");
    assert!(!place.file("touched").exists());
    place.run(&["--read-only", "run", &file, "--dry-run", "--env", "STAGE=test"]).done();

    place.run(&["run", &file, "--dry-run", "--live", "--env", "STAGE=test"]).done();
    assert!(place.file("touched").exists());
    assert_eq!(everything(&place), before);
}

#[test]
fn a_dry_run_meets_the_locks_that_others_hold_and_ends_as_the_run_would() {
    let place = Place::new();
    let holder = workflow(&place, "h.lua", &task("state.lock('l') state.set('held', true) sleep(3600)"));
    let mut child =
        place.command(&["run", &holder]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the lock is held", || place.run(&["get", "held"]).code == Some(0));
    let file = workflow(&place, "w.lua", &task("state.with_lock('l', function() end, 5)"));
    let answer = place.run(&["run", &file, "--dry-run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.code, Some(1));
    let out = String::from_utf8(answer.out).unwrap();
    assert!(out.contains("the lock was not free within 5s"), "{out}");
    assert_eq!(objects(&place.done(&["locks", "--json"])).len(), 1);

    // A workflow that is none is told as ever, and no database is made.
    let empty = Place::new();
    let broken = workflow(&empty, "w.lua", "task(");
    assert_eq!(empty.run(&["run", &broken, "--dry-run"]).code, Some(2));
    let fine = workflow(&empty, "f.lua", &task("state.set('k', 1)"));
    assert!(empty.done(&["run", &fine, "--dry-run"]).contains("+ k  nothing → 1"));
    assert!(!empty.db().exists());
}

fn text_of(answer: Answer) -> String {
    String::from_utf8(answer.out).unwrap()
}

/// Nothing is said of what comes after the end of a recording.
#[test]
fn a_trial_of_a_run_that_was_killed_ends_where_its_recording_does() {
    for (last, tail) in [
        ("sleep(600)", "sleep(600) state.set('after', 1)"),
        ("state.wait(\"go\"", "state.wait('go', true, 600) state.set('after', 1)"),
        ("exec.run(\"sleep 600\")", "exec.run('sleep 600') state.set('after', 1)"),
        (
            "sleep(600)",
            "state.transaction(function() state.set('in', 1) sleep(600) end) state.set('after', 1)",
        ),
    ] {
        let place = Place::new();
        place.done(&["set", "flag", "off"]);
        let code = format!(
            "state.set('seen', state.get('flag')) if state.get('loud') then log.info('LOUD') end\n{tail}"
        );
        let file = workflow(&place, "w.lua", &task(&code));
        let mut child =
            place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("it waits", || {
            place.run(&["runs", "show", "1"]).out.windows(last.len()).any(|part| part == last.as_bytes())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let told = what_if(&place, &["--what-if", "other=1"], 0);
        assert_eq!((&told["parted"], &told["cut_off"]), (&Json::Null, &json!(true)), "{told}");
        assert_eq!(told["outcome"], Json::Null);
        assert_eq!(told["tasks"], json!([]), "{told}");
        let keys: Vec<&Json> = told["state"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
        assert_eq!(keys, ["other"], "{told}");
        let text = text_of(place.run(&["replay", "1", "--what-if", "other=1"]));
        assert!(text.contains("where the recording ends before the run did"), "{text}");
        assert!(text.contains("as far as that is known") && !text.contains("all "), "{text}");
        // A path that parts before that goes on; what the run left is still not known.
        let text = text_of(place.run(&["replay", "1", "--what-if", "loud=true"]));
        assert!(text.contains("the recording ends before the run did: what it left is not known"), "{text}");
        // Nobody knows what the command would have answered.
        assert_eq!(text.contains("+ after  nothing → 1"), !last.starts_with("exec"), "{text}");
    }
}

#[test]
fn an_imported_run_is_not_tried_on_the_state_that_is_here() {
    let place = Place::new();
    place.done(&["set", "flag", "off"]);
    place.done(&["set", "unread", "theirs"]);
    let code = "state.set('seen', state.get('flag')) state.set('all', #state.keys())";
    let file = workflow(&place, "w.lua", &task(code));
    place.run(&["run", &file]).done();
    let exported = place.file("run");
    place.done(&["runs", "export", "1", exported.to_str().unwrap()]);
    let other = Place::new();
    for number in 1..20 {
        other.done(&["set", "flag", &format!("ours {number}")]);
    }
    other.done(&["runs", "import", exported.to_str().unwrap()]);
    // Here it is another run, too, although the identity of the database is that of its origin.
    place.done(&["runs", "import", exported.to_str().unwrap()]);
    for (at, run) in [(&other, "1"), (&place, "2")] {
        let told = told(at.run(&["replay", run, "--json", "--what-if", "flag=on"]), 1);
        assert_eq!((&told["beginning"], &told["revision"]), (&json!("reads"), &Json::Null), "{told}");
        assert_eq!(told["other_answer"]["recorded"], "\"off\"");
        let text = text_of(at.run(&["replay", run, "--what-if", "flag=on"]));
        assert!(text.contains("in the history of the database it ran on"), "{text}");
    }
}

#[test]
fn an_entry_that_expires_at_another_time_ends_up_differently() {
    let place = Place::new();
    place.done(&["set", "long", "true"]);
    let code = "state.set('k', 1, state.get('long') and 60 or 3600)";
    let file = workflow(&place, "w.lua", &task(code));
    place.run(&["run", &file]).done();
    let text = text_of(place.run(&["replay", "1", "--what-if", "long=false"]));
    assert!(text.contains("~ k  1 (expires 20"), "{text}");
    let text = text_of(place.run(&[
        "run",
        "--dry-run",
        &workflow(&place, "dry.lua", &task("state.set_ttl('k', 600)")),
    ]));
    assert!(text.contains("~ k  1 (expires 20"), "{text}");
}

//! Which type a value has for whoever reads it: values written by hand, by Lua and by other programs, in
//! every order, read by workflows of the usual forms, through the real program.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::files::{self, Answer, Place, object};

/// Somebody who writes, or has the program write.
#[derive(Clone, Copy, Debug)]
enum Hand {
    /// `slothstate set`.
    Cli(&'static str, &'static str),
    /// `slothstate toggle`.
    Toggle(&'static str),
    /// A workflow that sets a key to this expression.
    Lua(&'static str, &'static str),
    /// Sloth Runner sets a key to this text.
    SlothRunner(&'static str, &'static str),
    /// Sloth Runner adds 1, as it does: what is not a whole number in plain digits counts as 0.
    SlothRunnerAdds(&'static str),
}

impl Hand {
    fn write(self, place: &Place) {
        match self {
            Hand::Cli(key, value) => drop(place.done(&["set", key, "--", value])),
            Hand::Toggle(key) => drop(place.done(&["toggle", key])),
            Hand::Lua(key, expression) => set_by_lua(place, key, expression),
            Hand::SlothRunner(key, text) => upsert(place, key, text),
            Hand::SlothRunnerAdds(key) => {
                let text = String::from_utf8(place.run(&["get", key]).out).unwrap();
                let text = text.trim_end();
                upsert(place, key, &(text.parse::<i64>().unwrap_or(0) + 1).to_string());
            }
        }
    }
}

fn set_by_lua(place: &Place, key: &str, expression: &str) {
    done(&run(place, &format!("state.set('{key}', {expression})"), &[]));
}

/// Sloth Runner's own statement.
fn upsert(place: &Place, key: &str, text: &str) {
    if place.is_on_etcd() {
        return place.write_foreign(key, text);
    }
    // It makes its tables itself where there are none.
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'state'";
    if place.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
        place.connection().execute_batch(SLOTH_RUNNER).unwrap();
    }
    let sql = "INSERT INTO state (key, value) VALUES (?1, ?2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = CURRENT_TIMESTAMP";
    assert_eq!(place.connection().execute(sql, [key, text]).unwrap(), 1);
}

const SLOTH_RUNNER: &str = include_str!("../../assets/schema/sloth_runner.sql");

/// Runs a workflow with one task of this body.
fn run(place: &Place, body: &str, arguments: &[&str]) -> Answer {
    let code = format!("local t = task('t')\n  :command(function()\n{body}\n  end)\n");
    run_file(place, &code, arguments)
}

fn run_file(place: &Place, code: &str, arguments: &[&str]) -> Answer {
    let file = place.file("w.lua");
    std::fs::write(&file, code).unwrap();
    place.run(&[&["run", file.to_str().unwrap()], arguments].concat())
}

#[track_caller]
fn done(answer: &Answer) -> &Answer {
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer
}

/// What a Lua expression is, with its type.
#[track_caller]
fn eval(place: &Place, expression: &str) -> String {
    let body = format!("local v = {expression}\nlog.info('=' .. type(v) .. ' ' .. tostring(v))\nreturn true");
    let answer = run(place, &body, &[]);
    done(&answer);
    let line = answer.err.lines().find_map(|line| line.split_once('=').map(|(_, rest)| rest.to_string()));
    line.unwrap_or_else(|| panic!("{answer:?}"))
}

/// A flag that is compared with a text, as Sloth Runner's users write it.
const FLAG: &str = r#"
task("roll_out"):command(function()
    local state = require("state")
    local is_new = state.get("new_engine") == "true"
    log.info("new engine: " .. tostring(is_new))
    if is_new then
        log.info("NEW")
    else
        log.info("OLD")
    end
    return true, "finished"
end)
"#;

/// Workers that count, and a master that compares the count with a number.
const COUNT: &str = r#"
local worker = task("worker"):command(function()
    local state = require("state")
    local finished = state.increment("finished_workers") or 1
    state.set("worker_" .. os.getenv("WORKER") .. "_state", "finished")
    return true, "worker " .. finished
end)
local master = task("master"):depends_on("worker"):command(function()
    local state = require("state")
    local finished = state.get("finished_workers") or 0
    if finished >= 5 then
        return true, "ALL OF " .. finished
    end
    return false, "only " .. finished .. "/5"
end)
"#;

/// A breaker that compares a count and a time with numbers.
const BREAKER: &str = r#"
task("call"):command(function()
    local state = require("state")
    local failures = state.get("failures") or 0
    local last = state.get("last_failure")
    if failures >= 5 and last then
        if os.time() - tonumber(last) < 300 then
            return true, "OPEN"
        end
    end
    local calls = state.get("calls_" .. os.date("%Y%m%d%H%M")) or 0
    if calls >= 10 then
        return true, "LIMITED"
    end
    state.increment("calls_" .. os.date("%Y%m%d%H%M"))
    return true, "CALLED"
end)
"#;

/// A deployment that compares versions as texts.
const DEPLOY: &str = r#"
task("deploy"):command(function()
    local state = require("state")
    local last = state.get("deployed_version") or "v0"
    log.info("last: " .. last)
    if last == os.getenv("VERSION") then
        return true, "ALREADY"
    end
    state.set("deployed_version", os.getenv("VERSION"))
    return true, "DEPLOYED"
end)
"#;

#[track_caller]
fn expect(place: &Place, code: &str, arguments: &[&str], expected: &str) {
    let answer = run_file(place, code, arguments);
    assert!(answer.err.contains(expected), "{expected:?} in {answer:?}");
    done(&answer);
}

#[test]
fn a_flag_is_on_by_whichever_hand_it_was_set() {
    use Hand::*;
    const KEY: &str = "new_engine";
    // Each hand alone, and the state it leaves whatever was there before.
    let on = [Cli(KEY, "true"), SlothRunner(KEY, "true"), Lua(KEY, "'true'"), Lua(KEY, "true")];
    let off = [Cli(KEY, "false"), SlothRunner(KEY, "false"), Lua(KEY, "'false'"), Lua(KEY, "false")];
    let place = Place::new();
    expect(&place, FLAG, &[], "OLD");
    let both = on.iter().map(|hand| (*hand, "NEW")).chain(off.iter().map(|hand| (*hand, "OLD")));
    let both: Vec<(Hand, &str)> = both.collect();
    for (before, (first, _)) in both.iter().enumerate() {
        for (after, (second, expected)) in both.iter().enumerate() {
            // Each hand is first and second also where not all pairs are tried.
            if !files::thorough() && (before + after) % 4 != 0 {
                continue;
            }
            let place = Place::new();
            first.write(&place);
            second.write(&place);
            expect(&place, FLAG, &[], expected);
            Toggle(KEY).write(&place);
            expect(&place, FLAG, &[], if *expected == "NEW" { "OLD" } else { "NEW" });
            place.done(&["del", KEY]);
            second.write(&place);
            expect(&place, FLAG, &[], expected);
        }
    }
}

#[test]
fn a_count_is_a_number_by_whichever_hand_it_was_set() {
    use Hand::*;
    let hands: [&[Hand]; 6] = [
        &[SlothRunnerAdds("finished_workers"); 4],
        &[Cli("finished_workers", "4")],
        &[Lua("finished_workers", "'4'")],
        &[Lua("finished_workers", "4")],
        &[Cli("finished_workers", "3"), SlothRunnerAdds("finished_workers")],
        &[Lua("finished_workers", "3"), SlothRunner("finished_workers", "4")],
    ];
    for hands in hands {
        let place = Place::new();
        hands.iter().for_each(|hand| hand.write(&place));
        expect(&place, COUNT, &["--env", "WORKER=1"], "ALL OF 5");
        assert_eq!(place.done(&["get", "finished_workers"]), "5\n", "{hands:?}");
    }
    let place = Place::new();
    let answer = run_file(&place, COUNT, &["--env", "WORKER=1"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.err.contains("only 1/5"), "{answer:?}");
}

#[test]
fn a_breaker_opens_by_whichever_hand_counted_the_failures() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let set = |place: &Place, key: &str, text: &str, hand: usize| match hand {
        0 => drop(place.done(&["set", key, text])),
        1 => upsert(place, key, text),
        2 => set_by_lua(place, key, &format!("'{text}'")),
        _ => set_by_lua(place, key, text),
    };
    for first in 0..4 {
        for second in 0..4 {
            let place = Place::new();
            set(&place, "failures", "5", first);
            // Sloth Runner keeps nine digits of a time, and more where there are more.
            let time =
                if second == 1 { format!("{:e}", now as f64).replace('e', "e+0") } else { now.to_string() };
            set(&place, "last_failure", &time, second);
            expect(&place, BREAKER, &[], "OPEN");
        }
    }
    let place = Place::new();
    expect(&place, BREAKER, &[], "CALLED");
}

#[test]
fn a_version_is_the_text_that_was_written() {
    for version in ["1.0", "42", "v1.2.3", "1.10", "007", "1e3", "true"] {
        for hand in 0..3 {
            let place = Place::new();
            match hand {
                0 => drop(place.done(&["set", "deployed_version", version])),
                1 => upsert(&place, "deployed_version", version),
                _ => set_by_lua(&place, "deployed_version", &format!("'{version}'")),
            }
            expect(&place, DEPLOY, &["--env", &format!("VERSION={version}")], "ALREADY");
            expect(&place, DEPLOY, &["--env", "VERSION=other"], "DEPLOYED");
            expect(&place, DEPLOY, &["--env", "VERSION=other"], "ALREADY");
        }
    }
}

#[test]
fn every_form_of_a_reader_says_its_type() {
    let place = Place::new();
    upsert(&place, "build", "42");
    upsert(&place, "sha", "1234567890123456789");
    upsert(&place, "empty", "");
    upsert(&place, "big", "1e+06");
    place.done(&["set", "t", "{\"a\":1}"]);
    place.done(&["set", "maintenance", "false"]);
    place.done(&["set", "ready", "true"]);
    place.done(&["set", "ratio", "--", "-1.5"]);
    place.done(&["set", "count", "5"]);
    place.done(&["set", "on", "true", "--type", "boolean"]);
    for (expression, expected) in [
        ("state.get('build')", "string 42"),
        ("state.get('build') == '42'", "boolean true"),
        ("state.get('build') == 42", "boolean true"),
        ("42 ~= state.get('build')", "boolean false"),
        ("(function() local b = state.get('build') return b == '42' end)()", "boolean true"),
        ("(function() local b = state.get('build') return b == 42 end)()", "boolean false"),
        ("state.get('sha')", "string 1234567890123456789"),
        ("state.get('sha') or ''", "string 1234567890123456789"),
        ("state.get('sha') or 0", "string 1234567890123456789"),
        ("state.get('empty', 0)", "string "),
        ("state.get('empty') or 0", "string "),
        ("state.get('big')", "string 1e+06"),
        ("state.get('big', 0)", "number 1000000"),
        ("state.get('t').a", "number 1"),
        ("state.get('t', '')", "string {\"a\":1}"),
        ("state.get('t') == '{\"a\":1}'", "boolean true"),
        ("(function() if state.get('maintenance') then return 'on' end return 'off' end)()", "string off"),
        ("not state.get('maintenance')", "boolean true"),
        ("state.get('maintenance') == false", "boolean true"),
        ("state.get('maintenance')", "string false"),
        ("state.get('maintenance', true)", "boolean false"),
        ("state.get('maintenance') and 'on' or 'off'", "string off"),
        ("state.get('ready') and 'on' or 'off'", "string on"),
        ("(function() while not state.get('ready') do end return 'passed' end)()", "string passed"),
        ("(function() repeat local x = 1 until state.get('ready') return 'passed' end)()", "string passed"),
        ("state.changed('build', 42)", "boolean false"),
        ("state.changed('big', 1000000)", "boolean false"),
        ("state.changed('ready', true)", "boolean false"),
        ("state.changed('ready', 1)", "boolean true"),
        ("state.wait('ready', true, 5)", "boolean true"),
        ("state.wait('build', 42, 5)", "number 42"),
        ("state.wait('count', '5', 5)", "string 5"),
        ("state.wait('build', function(v) return v and v >= 42 end, 5)", "string 42"),
        ("state.get('ratio', 0) < 0", "boolean true"),
        ("state.get('ratio')", "string -1.5"),
        ("(state.get('ratio') or 0) * 2", "number -3"),
        ("state.get('count')", "number 5"),
        ("state.get('count') == '5'", "boolean true"),
        ("state.get('count') or ''", "string 5"),
        ("state.get('count', '')", "string 5"),
        ("state.get('on') == 'true'", "boolean true"),
        ("state.get('on')", "boolean true"),
        ("state.get('absent') == 'true'", "boolean false"),
        ("state.get('absent') or 'x'", "string x"),
        ("state.get('absent', 7)", "number 7"),
        ("require('state').get 'count' == '5'", "boolean true"),
        // What only looks like the module is not touched.
        (
            "(function() local state = {get = function() return 5 end} return state.get('count') == '5' end)()",
            "boolean false",
        ),
        (
            "(function(state) return state.get('count') end)({get = function(...) return select('#', ...) end})",
            "number 1",
        ),
        ("loadstring(\"return state.get('count') == '5'\")()", "boolean false"),
    ] {
        // A predicate gets the number; what is answered is the number as well.
        let expected = if expression.contains("function(v)") { "number 42" } else { expected };
        assert_eq!(eval(&place, expression).trim_end(), expected.trim_end(), "{expression}");
    }
}

#[test]
fn a_value_that_another_program_rewrites_has_no_type() {
    for (value, value_type) in [("5", "number"), ("true", "boolean"), ("[1]", "table"), ("x", "string")] {
        let place = Place::new();
        place.done(&["set", "k", value, "--type", value_type]);
        assert_eq!(place.json(&["get", "k", "--json"])["type"], value_type);
        upsert(&place, "k", "7");
        let entry = place.json(&["get", "k", "--json"]);
        assert_eq!((&entry["type"], &entry["value"]), (&json!("untyped"), &json!("7")));
        let change = object(place.done(&["history", "k", "--json"]).lines().next().unwrap());
        assert_eq!((&change["old_type"], &change["new_type"]), (&json!(value_type), &json!("untyped")));
        place.done(&["undo", "--force", &change["revision"].to_string()]);
        assert_eq!(place.json(&["get", "k", "--json"])["type"], value_type);
        // A program that changes the type as well knows what it does.
        place
            .connection()
            .execute("UPDATE state SET value = '1.5', type = NULL WHERE key = 'k'", [])
            .unwrap();
        place
            .connection()
            .execute("UPDATE state SET value = '2.5', type = 'number' WHERE key = 'k'", [])
            .unwrap();
        assert_eq!(place.json(&["get", "k", "--json"])["type"], "number");
        // Nothing is rewritten where only the expiry is.
        place.connection().execute("UPDATE state SET expires_at_ms = NULL WHERE key = 'k'", []).unwrap();
        assert_eq!(place.json(&["get", "k", "--json"])["type"], "number");
    }
}

#[test]
fn triggers_of_an_earlier_version_are_made_again() {
    let place = Place::new();
    place.done(&["set", "k", "5"]);
    // As a file was made before the type was reset.
    let connection = place.connection();
    let sql: String = connection
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'slothstate_state_foreign_update'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let old = sql
        .replace("CASE WHEN NEW.value IS OLD.value OR NEW.type IS NOT OLD.type THEN NEW.type END", "NEW.type")
        .replace("type = (SELECT new_type FROM slothstate_history ORDER BY revision DESC LIMIT 1),", "");
    assert_ne!(sql, old);
    let before =
        "DROP TRIGGER slothstate_state_foreign_update; DELETE FROM slothstate_meta WHERE name = 'triggers';";
    connection.execute_batch(before).unwrap();
    connection.execute_batch(&old).unwrap();
    upsert(&place, "k", "6");
    assert_eq!(place.json(&["get", "k", "--json"])["type"], "number");
    let doctor = place.run(&["doctor"]);
    assert!(
        String::from_utf8_lossy(&doctor.out).contains("the next write brings them up to date"),
        "{doctor:?}"
    );
    // Reading leaves the file as it is; the first write does not.
    let answer = place.run(&["set", "other", "x"]);
    assert!(answer.err.contains("brought the triggers of"), "{answer:?}");
    assert!(!place.run(&["set", "other", "y"]).err.contains("triggers"));
    upsert(&place, "k", "7");
    assert_eq!(place.json(&["get", "k", "--json"])["type"], "untyped");
    let doctor = place.run(&["doctor"]);
    assert!(
        String::from_utf8_lossy(&doctor.out).contains("triggers are as slothstate makes them"),
        "{doctor:?}"
    );
}

#[test]
fn set_says_what_it_stored_where_it_guessed() {
    let place = Place::new();
    for (key, value, expected) in [
        ("a", "42", "a is stored as a number"),
        ("b", "[1]", "b is stored as a table"),
        ("c", "true", "c is stored as untyped text"),
        ("d", "1.0", "d is stored as untyped text"),
    ] {
        let answer = place.run(&["set", key, value]);
        assert!(answer.err.contains(expected), "{answer:?}");
        assert!(done(&answer).out.is_empty());
        assert!(!place.run(&["set", key, value]).err.contains("stored as"), "{key} has its type");
        assert_eq!(place.done(&["get", key]), format!("{value}\n"));
    }
    assert!(!place.run(&["set", "e", "true", "--type", "boolean"]).err.contains("stored as"));
    place.done(&["set", "f", "soon", "--ttl", "1h"]);
    let entry = place.json(&["get", "f", "--json"]);
    assert_eq!(entry["type"], "untyped");
    assert!(entry["ttl_ms"].as_u64().unwrap() > 3_500_000, "{entry}");
}

#[test]
fn whole_numbers_are_written_in_plain_digits() {
    let place = Place::new();
    upsert(&place, "big", "1e+06");
    assert_eq!(place.done(&["incr", "big"]), "1000001\n");
    Hand::SlothRunnerAdds("big").write(&place);
    assert_eq!(place.done(&["get", "big"]), "1000002\n");
    assert_eq!(eval(&place, "state.increment('big')"), "number 1000003");
    for text in ["01234", " 5", "1.10", "1e3", "+5"] {
        upsert(&place, "zip", text);
        place.run(&["incr", "zip"]).refused(1, "is not written as one");
        assert_eq!(place.done(&["get", "zip"]), format!("{text}\n"));
    }
    upsert(&place, "gauge", "1.5");
    assert_eq!(place.done(&["incr", "gauge"]), "2.5\n");
}

#[test]
fn a_failed_comparison_names_the_entry_and_the_fix() {
    let place = Place::new();
    upsert(&place, "jobs:open", "5");
    place.done(&["set", "jobs:name", "many"]);
    for (body, expected) in [
        (
            "local n = state.get('jobs:open')\nif n > 3 then return true end",
            "entry jobs:open is the text \"5\": read it as a number with state.get(\"jobs:open\", 0)",
        ),
        (
            "if state.get('jobs:' .. 'open') > 3 then return true end",
            "entry jobs:open is the text \"5\": read it as a number",
        ),
        (
            "local n = state.get('jobs:name')\nif n > 3 then return true end",
            "entry jobs:name is the text \"many\": store a number there, as with: slothstate set jobs:name 0 --type number",
        ),
        ("if (state.get('jobs:name') or 0) > 3 then return true end", "entry jobs:name is the text \"many\""),
        ("return state.get('jobs:name') + 1", "entry jobs:name is the text \"many\""),
        (
            "local ok, problem = pcall(function() return state.get('jobs:open') > 3 end)\nerror(problem, 0)",
            "entry jobs:open is the text \"5\"",
        ),
    ] {
        let answer = run(&place, body, &[]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.err.contains(expected), "{body}: {answer:?}");
        // The same again from the recording.
        let newest = place.done(&["runs", "--json"]);
        let number = object(newest.lines().next().unwrap())["run"].to_string();
        let replayed = place.run(&["replay", &number]);
        assert!(matches!(replayed.code, Some(0)), "{replayed:?}");
    }
}

#[test]
fn errors_and_lines_stay_as_they_are_written() {
    let place = Place::new();
    let answer = run(&place, "local x = state.get('a') or 0\nlocal y = nil\nreturn y.z", &[]);
    assert!(answer.err.contains("w.lua:5: attempt to index local 'y' (a nil value)"), "{answer:?}");
    let answer = run(&place, "local state = {}\nreturn state.get('a') == 'x'", &[]);
    assert!(answer.err.contains("w.lua:4: attempt to call field 'get' (a nil value)"), "{answer:?}");
    let answer = run(&place, "return state.get('a') == 'x' == = 1", &[]);
    assert!(answer.err.contains("w.lua:3: unexpected symbol near '='"), "{answer:?}");
    let answer = run(&place, "return state.get(5) == 'x'", &[]);
    assert!(answer.err.contains("w.lua:3: state.get"), "{answer:?}");
    // At the limits of Lua a source runs as it is written.
    let names: Vec<String> = (0..60).map(|number| format!("a{number}")).collect();
    let body = format!(
        "local {} = 1\nlocal function f() local t = {{{}}} return state.get('k') == '5' end\nreturn f() ~= nil",
        names.join(", "),
        names.join(", ")
    );
    done(&run(&place, &body, &[]));
}

#[test]
fn a_trial_gives_values_by_the_same_rules() {
    let place = Place::new();
    expect(&place, FLAG, &[], "OLD");
    for (given, diverges) in [
        ("new_engine=true", true),
        ("new_engine:=true", true),
        ("new_engine:=\"true\"", true),
        ("new_engine=false", false),
        ("new_engine:=1", false),
    ] {
        let answer = place.run(&["replay", "1", "--json", "--what-if", given]);
        // Where the path is the same the read was answered in another way.
        assert_eq!(answer.code, Some(1), "{given}: {answer:?}");
        let parted = &object(&String::from_utf8_lossy(&answer.out))["parted"];
        assert_eq!(!parted.is_null(), diverges, "{given}: {parted}");
        if diverges {
            assert!(parted["recorded"].to_string().contains("new engine: false"), "{parted}");
        }
    }
    place.run(&["replay", "1", "--what-if", "new_engine:=tru"]).refused(2, "this is not JSON");
    // A dry run reads as a run does.
    place.done(&["set", "new_engine", "true"]);
    let answer = run_file(&place, FLAG, &["--dry-run"]);
    assert!(answer.err.contains("NEW"), "{answer:?}");
}

#[test]
fn compare_and_swap_takes_the_value_that_a_text_spells() {
    for (text, old) in
        [("5", "5"), ("1e+06", "1000000"), ("true", "true"), ("[1, 2]", "{1, 2}"), ("x", "'x'"), ("5", "'5'")]
    {
        let place = Place::new();
        upsert(&place, "k", text);
        assert_eq!(eval(&place, &format!("state.compare_swap('k', {old}, 'new')")), "boolean true", "{text}");
        upsert(&place, "k", text);
        assert_eq!(eval(&place, "state.compare_swap('k', 'other', 'new')"), "boolean false");
        assert_eq!(eval(&place, "state.compare_swap('k', 6, 'new')"), "boolean false");
    }
    let place = Place::new();
    upsert(&place, "n", "5");
    upsert(&place, "t", "{\"b\": 1, \"a\": 2}");
    assert_eq!(eval(&place, "state.update('n', function(n) return n >= 5 and n + 1 end)"), "number 6");
    assert_eq!(eval(&place, "state.update('t', function(t) t.b = t.b + 1 return t end).b"), "number 2");
    upsert(&place, "v", "1.10");
    assert_eq!(eval(&place, "state.update('v', function(v) return v end)"), "string 1.10");
    upsert(&place, "n", "1e+06");
    assert_eq!(eval(&place, "state.update('n', function(n) return n end)"), "number 1000000");
    assert_eq!(place.done(&["get", "n"]), "1e+06\n");
    assert_eq!(place.json(&["get", "n", "--json"])["type"], "untyped");
}

/// The texts that hands write in the property test.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        (-1000i64..1000).prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-1000i32..1000, 1..4usize).prop_map(|(number, digits)| format!(
            "{:.1$}",
            f64::from(number) / 7.0,
            digits
        )),
        Just("1e+06".to_string()),
        Just("true".to_string()),
        Just("false".to_string()),
        Just("".to_string()),
        "[a-z0-9.]{0,6}",
        Just("{\"a\": [1, 2]}".to_string()),
    ]
}

#[test]
fn every_reader_gets_its_type_or_the_value_as_it_is() {
    // Each case is two processes; one run of the program reads in every form.
    let config = Config { cases: if files::thorough() { 200 } else { 12 }, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let texts = prop::collection::vec((any_text(), 0..4usize), 1..12);
    let run_all = |texts: Vec<(String, usize)>| {
        let place = Place::new();
        place.done(&["set", "begin", "1"]);
        for (number, (text, hand)) in texts.iter().enumerate() {
            let key = format!("k{number}");
            match hand {
                0 => drop(place.done(&["set", &key, "--", text])),
                1 => upsert(&place, &key, text),
                2 => drop(place.done(&["set", "--type", "string", &key, "--", text])),
                _ => {
                    upsert(&place, &key, "5");
                    place.done(&["set", &key, "--", text]);
                }
            }
        }
        let body = format!(
            "for i = 0, {} do\n\
             local k = 'k' .. i\n\
             local function is(v) return type(v) == 'number' and string.format('number %.17g', v) or type(v) .. ' ' .. tostring(v) end\n\
             local function try(read) local ok, v = pcall(read) if ok then return is(v) end return 'refused' end\n\
             local plain = try(function() return (state.get(k)) end)\n\
             local number = try(function() return state.get(k) or 0 end)\n\
             local text = try(function() return state.get(k) or '' end)\n\
             local truth = try(function() return state.get(k) or true end)\n\
             local default = try(function() return (state.get(k, 0)) end)\n\
             local condition = try(function() if state.get(k) then return true end return false end)\n\
             log.info('=' .. data_of(plain, number, text, truth, default, condition))\n\
             end\nreturn true",
            texts.len() - 1
        );
        let code = format!("local function data_of(...) return table.concat({{...}}, '\\1') end\n{}", "");
        let file = format!("{code}task('t'):command(function()\n{body}\nend)");
        let answer = run_file(&place, &file, &["--json"]);
        prop_assert_eq!(answer.code, Some(0), "{:?}", answer);
        let out = String::from_utf8_lossy(&answer.out).into_owned();
        let lines: Vec<String> = out
            .lines()
            .map(object)
            .filter(|event| event["event"] == "log")
            .filter_map(|event| {
                Some(event["line"].as_str().or(event["message"].as_str())?.strip_prefix('=')?.to_string())
            })
            .collect();
        prop_assert_eq!(lines.len(), texts.len(), "{}", out);
        for ((text, hand), line) in texts.iter().zip(lines) {
            let forms: Vec<&str> = line.split('\u{1}').collect();
            let [plain, number, as_text, truth, default, condition] = forms[..] else {
                return Err(TestCaseError::fail(format!("{line:?}")));
            };
            let as_it_is = format!("string {text}");
            // By hand a new key in plain digits is a number, and a table is one; anything else is text.
            let is_text = *hand != 0
                || (text.parse::<i64>().is_err() && !text.starts_with('{'))
                || text.starts_with('0') && text.len() > 1
                || text == "-0";
            if is_text {
                prop_assert_eq!(plain, &as_it_is);
                prop_assert_eq!(as_text, &as_it_is);
                let is_truth = text == "true" || text == "false";
                let expected = if text == "true" { "boolean true" } else { &as_it_is };
                prop_assert!(!is_truth || text == "false" || truth == expected, "{}", truth);
                prop_assert_eq!(condition, if text == "false" { "boolean false" } else { "boolean true" });
            } else if !text.starts_with('{') {
                prop_assert_eq!(as_text, &as_it_is);
                // Beyond 2^53 a number is read only as a text.
                let is_large = text.parse::<i64>().is_ok_and(|integer| integer.unsigned_abs() > 1 << 53);
                let refused = [plain, number, truth, default, condition].map(|form| form == "refused");
                prop_assert_eq!(refused, [is_large; 5], "{}", text);
            }
            for form in [number, default].into_iter().filter(|form| *form != "refused") {
                let is_number = form.strip_prefix("number ").and_then(|form| form.parse::<f64>().ok());
                match is_number {
                    Some(value) => prop_assert_eq!(Ok(value), text.parse::<f64>(), "{}", text),
                    None => {
                        prop_assert!(form == as_it_is || form.starts_with("table"), "{} of {}", form, text)
                    }
                }
            }
        }
        Ok(())
    };
    runner.run(&texts, run_all).unwrap();
}

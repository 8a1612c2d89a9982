//! Each command of the real binary: what it prints, plain and as JSON, what it keeps, and what it
//! tells about itself.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::files::{self, Answer, Place, answer, objects, slothstate};
use crate::support::snapshot::assert_snapshot;

/// A place with one entry of each type, beside what saying so on standard error is about.
fn place_with_entries() -> Place {
    let place = Place::new();
    place.done(&["set", "app/flag", "true", "--type", "boolean"]);
    for (key, value) in [
        ("app/count", "41"),
        ("app/name", "sloth"),
        ("app/table", r#"{"zones":["a","b"]}"#),
        ("app/version", "1.10"),
    ] {
        place.done(&["set", key, value]);
    }
    place
}

fn of_entry(place: &Place, key: &str, field: &str) -> Json {
    place.json(&["get", key, "--json"])[field].clone()
}

/// Every command that people are told of, but the interface's own.
const COMMANDS: &[&str] = &[
    "get",
    "set",
    "del",
    "keys",
    "incr",
    "ttl",
    "toggle",
    "lock",
    "locks",
    "unlock",
    "history",
    "diff",
    "watch",
    "undo",
    "retention",
    "stats",
    "runs",
    "doctor",
    "compact",
    "config",
    "completions",
    "man",
];

#[test]
fn get_prints_the_value_and_nothing_else() {
    let place = place_with_entries();
    let answer = place.run(&["get", "app/table"]);
    assert_eq!(answer.err, "");
    assert_eq!(answer.done(), "{\"zones\":[\"a\",\"b\"]}\n");
    for (key, value_type, kind, value) in [
        ("app/count", "number", "counter", json!(41)),
        ("app/flag", "boolean", "flag", json!(true)),
        ("app/name", "untyped", "plain", json!("sloth")),
        ("app/table", "table", "table", json!({"zones": ["a", "b"]})),
        ("app/version", "untyped", "plain", json!("1.10")),
    ] {
        let entry = place.json(&["get", key, "--json"]);
        assert_eq!(entry["key"], key);
        assert_eq!(entry["type"], value_type, "{key}");
        assert_eq!(entry["value"], value, "{key}");
        assert_eq!(entry["version"], 1);
        assert_eq!(entry["ttl_ms"], Json::Null);
        assert!(entry["actor"].as_str().unwrap().contains('@'), "{entry}");
        if key != "app/version" {
            assert_eq!(entry["kind"], kind, "{key}");
        }
    }
    place.run(&["get", "app/none"]).refused(1, "there is no key app/none");
    place.run(&["get", "app/none", "--json"]).refused(1, "there is no key app/none");
}

#[test]
fn set_keeps_the_type_unless_it_is_told_another() {
    let place = place_with_entries();
    assert_eq!(place.done(&["set", "app/count", "42"]), "");
    assert_eq!(of_entry(&place, "app/count", "value"), 42);
    place.done(&["set", "app/name", "42"]);
    assert_eq!(of_entry(&place, "app/name", "value"), "42");
    place.run(&["set", "app/flag", "maybe"]).refused(2, "app/flag is a boolean");
    place.done(&["set", "app/flag", "maybe", "--type", "string"]);
    assert_eq!(of_entry(&place, "app/flag", "value"), "maybe");
    place.done(&["set", "app/new", "007", "--type", "number"]);
    assert_eq!(place.done(&["get", "app/new"]), "007\n");
    place.done(&["set", "app/negative", "-5"]);
    assert_eq!(of_entry(&place, "app/negative", "value"), -5);
    place.done(&["set", "app/empty", ""]);
    assert_eq!(place.done(&["get", "app/empty"]), "\n");
    let set = place.json(&["set", "app/count", "43", "--json"]);
    assert_eq!(set["key"], "app/count");
    assert_eq!(set["revision"], of_entry(&place, "app/count", "revision"));
    let largest = i64::MAX.to_string();
    place.done(&["set", "app/count", &largest]);
    assert_eq!(of_entry(&place, "app/count", "value"), i64::MAX);
}

#[test]
fn set_can_be_conditional_on_the_version() {
    let place = place_with_entries();
    place.done(&["set", "app/name", "two", "--if-version", "1"]);
    let refused = place.run(&["set", "app/name", "three", "--if-version", "1"]);
    refused.refused(1, "app/name was not changed: it has version 2, not 1");
    place.run(&["set", "app/name", "three", "--if-version", "0"]).refused(1, "it has version 2, not 0");
    place
        .run(&["set", "app/new", "x", "--if-version", "3"])
        .refused(1, "there is no such key, so none of version 3");
    place.done(&["set", "app/new", "x", "--if-version", "0"]);
    assert_eq!(place.done(&["get", "app/name"]), "two\n");
}

#[test]
fn an_expiry_is_set_kept_extended_and_removed() {
    let place = place_with_entries();
    let hours = |key: &str| {
        place.json(&["ttl", key, "--json"])["ttl_ms"].as_f64().map(|left| (left / 3_600_000.0).round())
    };
    assert_eq!(place.done(&["ttl", "app/name"]), "never\n");
    place.done(&["set", "app/name", "x", "--ttl", "2h"]);
    assert_eq!(hours("app/name"), Some(2.0));
    place.done(&["set", "app/name", "y", "--keep-ttl"]);
    assert_eq!(hours("app/name"), Some(2.0));
    place.done(&["ttl", "app/name", "+3h"]);
    assert_eq!(hours("app/name"), Some(5.0));
    place.done(&["ttl", "app/name", "30h"]);
    let shown = place.done(&["ttl", "app/name"]);
    assert!(shown.starts_with("1d05h") || shown.starts_with("1d06h"), "{shown}");
    assert!(place.json(&["ttl", "app/name", "--json"])["expires_at"].is_string());
    place.done(&["set", "app/name", "z"]);
    assert_eq!(hours("app/name"), None, "a set without a time clears the expiry");
    place.done(&["ttl", "app/name", "1h"]);
    assert_eq!(place.done(&["ttl", "app/name", "never"]), "never\n");
    place.done(&["set", "app/count", "5", "--ttl", "1h"]);
    place.done(&["incr", "app/count"]);
    assert_eq!(hours("app/count"), Some(1.0), "an increment keeps the expiry");

    // Gone at its time, and whatever comes then starts afresh.
    place.run(&["ttl", "app/count", "50ms"]);
    files::until("it has expired", || place.run(&["get", "app/count"]).code == Some(1));
    assert!(!place.done(&["keys"]).contains("app/count"));
    place.run(&["toggle", "app/count"]).refused(1, "there is no key app/count");
    place.run(&["del", "app/count"]).refused(1, "there is no key app/count");
    assert_eq!(place.done(&["incr", "app/count"]), "1\n");
    assert_eq!(hours("app/count"), None);
    assert_eq!(of_entry(&place, "app/count", "version"), 1);
}

#[test]
fn del_says_whether_anything_was_there() {
    let place = place_with_entries();
    assert_eq!(place.done(&["del", "app/name"]), "");
    place.run(&["del", "app/name"]).refused(1, "there is no key app/name");
    let several = place.json(&["del", "app/count", "app/none", "app/flag", "app/flag", "--json"]);
    assert_eq!(several, json!({ "deleted": 2 }));
    let none = place.run(&["del", "app/none", "--json"]);
    assert_eq!(none.code, Some(1));
    assert_eq!(none.out, b"{\"deleted\":0}\n");
    assert_eq!(place.done(&["keys"]), "app/table\napp/version\n");
}

#[test]
fn keys_are_listed_in_order_and_chosen() {
    let place = place_with_entries();
    place.done(&["set", "App_count", "1"]);
    place.done(&["set", "appXcount", "1", "--ttl", "1h"]);
    let all = "App_count\nappXcount\napp/count\napp/flag\napp/name\napp/table\napp/version\n";
    let mut sorted: Vec<&str> = all.lines().collect();
    sorted.sort_unstable();
    let keys = |arguments: &[&str]| -> Vec<String> {
        place.done(&[&["keys"], arguments].concat()).lines().map(String::from).collect()
    };
    assert_eq!(keys(&[]), sorted);
    assert_eq!(keys(&["--prefix", "app/"]).len(), 5);
    assert_eq!(keys(&["--prefix", "app_"]), [""; 0], "a prefix has no wildcards");
    assert_eq!(keys(&["app?count"]), ["app/count", "appXcount"]);
    assert_eq!(keys(&["*count", "--type", "number"]), ["App_count", "app/count", "appXcount"]);
    assert_eq!(keys(&["--kind", "flag"]), ["app/flag"]);
    assert_eq!(keys(&["--limit", "2"]), ["App_count", "app/count"]);
    assert_eq!(keys(&["*count", "--limit", "2", "--kind", "counter"]).len(), 2);
    assert_eq!(keys(&["--limit", "0"]), [""; 0]);
    let shown = objects(&place.done(&["keys", "--prefix", "app", "--json"]));
    assert_eq!(shown.len(), 6);
    assert!(shown.iter().all(|entry| entry.get("value").is_none() && entry["size"].is_u64()));
    assert!(shown[5]["ttl_ms"].is_u64(), "{}", shown[5]);
}

#[test]
fn numbers_are_added_to() {
    let place = place_with_entries();
    assert_eq!(place.done(&["incr", "app/count"]), "42\n");
    assert_eq!(place.done(&["incr", "app/count", "-50"]), "-8\n");
    assert_eq!(
        place.json(&["incr", "app/count", "0.5", "--json"]),
        json!({ "key": "app/count", "value": -7.5 })
    );
    assert_eq!(place.done(&["incr", "app/new", "7"]), "7\n");
    place.run(&["incr", "app/name"]).refused(1, "increment needs a number, and this is a string");
    place.run(&["incr", "app/version"]).refused(1, "is not written as one");
    assert_eq!(place.done(&["get", "app/version"]), "1.10\n");
    place.done(&["set", "text", "41", "--type", "string"]);
    assert_eq!(place.done(&["incr", "text"]), "42\n", "a text that is a number stays a text");
    assert_eq!(of_entry(&place, "text", "type"), "string");
}

#[test]
fn flags_are_turned_round_in_their_own_spelling() {
    let place = place_with_entries();
    assert_eq!(place.done(&["toggle", "app/flag"]), "false\n");
    assert_eq!(of_entry(&place, "app/flag", "value"), false);
    for (spelled, turned) in [("True", "False"), ("off", "on"), ("YES", "NO"), ("disabled", "enabled")] {
        place.done(&["set", "is_text", spelled, "--type", "string"]);
        assert_eq!(
            place.json(&["toggle", "is_text", "--json"]),
            json!({ "key": "is_text", "value": turned })
        );
        assert_eq!(of_entry(&place, "is_text", "type"), "string");
    }
    // Under any other key only true and false are flags.
    for (spelled, is_flag) in [("NO", false), ("yes", false), ("on", false), ("1", false), ("TRUE", true)] {
        place.done(&["set", "country", spelled, "--type", "string"]);
        let answer = place.run(&["toggle", "country"]);
        assert_eq!(answer.code, Some(i32::from(!is_flag)), "{spelled}: {answer:?}");
        assert_eq!(answer.err.contains("country is not a flag"), !is_flag, "{answer:?}");
    }
    place.done(&["set", "one", "1"]);
    place.run(&["toggle", "one"]).refused(1, "one is not a flag");
    place.run(&["toggle", "app/name"]).refused(1, "toggle needs a flag");
    place.run(&["toggle", "app/none"]).refused(1, "there is no key app/none");
}

#[test]
fn locks_are_shown_beside_keys_used_as_locks() {
    let place = place_with_entries();
    assert_eq!(place.done(&["locks", "--json"]), "");
    place
        .connection()
        .execute(
            "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', datetime('now', '+1 hour'))",
            [],
        )
        .unwrap();
    place.done(&["set", "migrate_lock", "bob@web1"]);
    let table = place.done(&["locks"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "HOLDER", "STATE", "HELD", "LEASE", "TOKEN", "TAKEN", "BY", "WAITING"]);
    assert_eq!(rows[1][..3], ["deploy", "ann", "unknown"]);
    assert_eq!(rows[2][..3], ["migrate_lock", "bob@web1", "key"]);
    let shown = objects(&place.done(&["locks", "--json"]));
    assert_eq!(shown[0]["token"], 6);
    assert!(shown[0]["lease_ms"].as_u64().unwrap() > 3_000_000);
    place.run(&["unlock", "none"]).refused(1, "there is no lock none");
    place.run(&["unlock", "app/name", "--force"]).refused(1, "there is no lock app/name");
    place.run(&["unlock", "migrate_lock"]).refused(1, "is a key used as a lock");
    assert!(place.done(&["unlock", "migrate_lock", "--force"]).contains("deleted key migrate_lock"));
    let cleared = place.json(&["unlock", "deploy", "--force", "--json"]);
    assert_eq!((&cleared["name"], &cleared["holder"]), (&json!("deploy"), &json!("ann")));
    assert_eq!(place.done(&["locks", "--json"]), "");
}

#[test]
fn stats_count() {
    let place = place_with_entries();
    place.done(&["set", "expiring", "x", "--ttl", "1h"]);
    let stats = place.json(&["stats", "--json"]);
    for (name, figure) in [("entries", 6), ("expiring", 1), ("locks", 0), ("history", 6), ("revision", 6)] {
        assert_eq!(stats[name], figure, "{name}");
    }
    assert!(stats["bytes"].as_u64().unwrap() > 4096);
    assert_eq!(stats["free_bytes"], 0);
    assert!(stats["log_bytes"].is_u64(), "{stats}");
    let shown = place.done(&["stats"]);
    assert!(shown.lines().any(|line| line == "entries      6"), "{shown}");
}

#[test]
fn nothing_is_written_with_read_only() {
    let place = place_with_entries();
    let writes: [&[&str]; 6] = [
        &["set", "app/name", "x"],
        &["del", "app/name"],
        &["incr", "app/count"],
        &["toggle", "app/flag"],
        &["ttl", "app/name", "1h"],
        &["set", "app/name", "x", "--if-version", "1"],
    ];
    for arguments in writes {
        place.run(&[arguments, &["--read-only"]].concat()).refused(3, "it was opened with --read-only");
        // The same before the command.
        let mut command = slothstate(place.folder());
        command.arg("--read-only").arg("--db").arg(place.db()).args(arguments);
        answer(command).refused(3, "it was opened with --read-only");
    }
    assert_eq!(place.done(&["get", "app/name", "--read-only"]), "sloth\n");
    assert_eq!(place.json(&["stats", "--json", "--read-only"])["revision"], 5);
}

#[test]
fn the_database_is_the_one_named_or_that_of_sloth_runner() {
    let place = Place::new();
    let run = |arguments: &[&str], variable: Option<&str>| -> Answer {
        let mut command = slothstate(place.folder());
        command.args(arguments).current_dir(place.folder());
        if let Some(path) = variable {
            command.env("SLOTHSTATE_DB", path);
        }
        answer(command)
    };
    run(&["set", "where", "home"], None).done();
    assert!(place.file(".sloth-runner/state.db").exists());
    run(&["set", "where", "variable"], Some("by-variable.db")).done();
    assert!(place.file("by-variable.db").exists());
    run(&["set", "where", "option", "--db", "by-option.db"], Some("by-variable.db")).done();
    assert_eq!(run(&["get", "where"], None).done(), "home\n");
    assert_eq!(run(&["get", "where"], Some("by-variable.db")).done(), "variable\n");
    assert_eq!(run(&["--db", "by-option.db", "get", "where"], Some("by-variable.db")).done(), "option\n");
    assert_eq!(run(&["get", "where"], Some(place.file("by-option.db").to_str().unwrap())).done(), "option\n");
}

#[test]
fn a_reader_that_closes_the_pipe_early_is_no_failure_to_talk_about() {
    let place = place_with_entries();
    place
        .connection()
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 20000)
             INSERT INTO state (key, value) SELECT printf('many/%06d', n), n FROM numbers;",
        )
        .unwrap();
    for arguments in [&["keys"][..], &["keys", "--json"]] {
        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.contains("app/count"));
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        assert_eq!(said, "");
    }
    assert_eq!(place.done(&["keys"]).lines().count(), 20_005);
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.done(&["completions", shell]);
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
        assert!(!script.contains("demo-workflows"), "{shell} tells of what is hidden");
    }
    let manual = place.done(&["man"]);
    assert!(manual.contains(".TH slothstate 1"));
    for command in COMMANDS {
        assert!(manual.contains(&format!("SLOTHSTATE {}", command.to_uppercase())), "{command}");
    }
    assert!(
        !manual.contains("demo-workflows") && !manual.to_lowercase().contains("slothstate demo-workflows")
    );
    assert!(place.names().is_empty(), "no database is needed for that");
}

/// The help as it is on a terminal of 100 columns.
fn help_of(arguments: &[&str]) -> String {
    let place = Place::new();
    let mut command = slothstate(place.folder());
    command.args(arguments).arg("--help").env("COLUMNS", "100");
    let answer = answer(command);
    assert_eq!(answer.err, "");
    answer.done()
}

#[test]
fn help_of_the_program() {
    assert_snapshot("command_line", "help_of_the_program", help_of(&[]));
}

#[test]
fn help_of_each_command() {
    for command in COMMANDS {
        assert_snapshot("command_line", &format!("help_of_{command}"), help_of(&[command]));
    }
}

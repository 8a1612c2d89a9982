//! The size limit of recordings: where one ends, what it says there, and what is stored cut.

use serde_json::Value as Json;

use crate::support::files::{Place, objects};

const MEGABYTE: usize = 1 << 20;

/// Runs the body of a task, and answers the records and the report of a replay.
fn recorded(place: &Place, body: &str, more: &[&str]) -> (Vec<Json>, Json) {
    let file = place.file("w.lua");
    std::fs::write(&file, format!("task('t'):command(function()\n{body}\nend)\n")).unwrap();
    place.run(&[&["run", file.to_str().unwrap()], more].concat()).done();
    let steps = objects(&place.done(&["runs", "show", "1", "--json"]));
    (steps, place.json(&["replay", "1", "--json"]))
}

#[test]
fn a_recording_ends_where_something_does_not_fit_and_says_so() {
    let large = "state.set('big', ('x'):rep(1500000))\n";
    let cases = [
        ("an answer", format!("{large}for i = 1, 3 do state.get('big') end")),
        ("an answer to a write", format!("{large}state.update('big', function(v) return 1 end)")),
        ("small records", "for i = 1, 60000 do state.get('k' .. i) end".into()),
        ("lines", "for i = 1, 200 do print(i .. ('x'):rep(15000)) end".into()),
        ("output", "exec.run('head -c 1100000 /dev/zero')".into()),
        (
            "a transaction",
            format!("{large}state.transaction(function() state.get('big') state.set('a', 1) end)"),
        ),
    ];
    for (name, body) in cases {
        let place = Place::new();
        let body = format!("{body}\nstate.set('after', 1) return true");
        let (steps, replayed) = recorded(&place, &body, &["--record-limit", "1"]);
        assert_eq!(place.done(&["get", "after"]).trim(), "1", "{name}");
        let last = steps.last().unwrap();
        assert!(last["ends"].as_str().is_some_and(|text| text.contains("1 MiB")), "{name}: {last}");
        let size: usize = steps.iter().map(|step| step.to_string().len()).sum();
        assert!(size < 8 * MEGABYTE, "{name}: {size}");
        assert_eq!(replayed["replay"], "end_of_recording", "{name}: {replayed}");
        assert_eq!(replayed["records"].as_u64(), Some(steps.len() as u64 - 1), "{name}: {replayed}");
        let told = place.run(&["replay", "1"]).done();
        assert!(told.contains("did not fit into 1 MiB") && !told.contains("all came"), "{name}: {told}");
        // A run with room for it is recorded whole.
        let roomy = Place::new();
        let (steps, replayed) = recorded(&roomy, &body, &[]);
        assert!(steps.iter().all(|step| step.get("ends").is_none()), "{name}");
        assert_eq!(replayed["replay"], "same", "{name}: {replayed}");
    }
}

#[test]
fn what_a_replay_only_compares_is_stored_cut_and_still_compared() {
    let place = Place::new();
    let file = place.file("w.lua");
    let source = |letter: char, list: &str| {
        format!(
            "task('t'):command(function()\nprint(('{letter}'):rep(300000))\nlocal t = {{}}\n\
             for i = 1, 9000 do t[i] = i end\n{list}\nstate.set('list', t)\n\
             return true, 'done', {{list = t}}\nend)\n"
        )
    };
    std::fs::write(&file, source('x', "")).unwrap();
    place.run(&["run", file.to_str().unwrap()]).done();
    let log = place.done(&["runs", "show", "1", "--json"]);
    assert!(log.len() < 20_000 && log.contains("digest"), "{} {log:.2000}", log.len());
    assert_eq!(place.json(&["replay", "1", "--json"])["replay"], "same");
    for (other, differs) in [
        (source('x', "-- another line"), false),
        (source('y', ""), true),
        (source('x', "t[9000] = 0"), true),
        (source('x', "t[9001] = 0"), true),
    ] {
        std::fs::write(&file, &other).unwrap();
        let told = place.run(&["replay", "1", "--source", file.to_str().unwrap(), "--json"]);
        let word = if differs { "parted" } else { "same" };
        let told: Json = serde_json::from_slice(&told.out).unwrap();
        assert_eq!(told["replay"], word, "{other:.40}: {told}");
    }
}

//! An entry expires at its time, whoever removes it and whenever.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value as Json;

use crate::history::{Watch, operations, text};
use crate::support::files::{Place, objects, until};

/// An entry that has expired, and that nobody has removed.
fn with_expired() -> Place {
    let place = Place::new();
    place.done(&["set", "first", "1"]);
    place.done(&["set", "cache", "x", "--ttl", "3s"]);
    place.done(&["incr", "count"]);
    until("it has expired", || place.run(&["get", "cache"]).code == Some(1));
    place
}

fn rows(place: &Place) -> i64 {
    let sql = "SELECT count(*) FROM state WHERE key = 'cache'";
    place.connection().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The time of the n-th change, as it is written, and so much later.
fn time(place: &Place, revision: usize, plus: i64) -> String {
    let changes = objects(&place.done(&["history", "--json", "--since", "0"]));
    let change = changes.iter().find(|change| change["revision"] == revision).unwrap();
    let time = chrono::DateTime::parse_from_rfc3339(text(change, "time")).unwrap();
    (time + Duration::from_millis(plus.unsigned_abs())).to_rfc3339()
}

#[test]
fn the_past_is_the_same_before_and_after_somebody_removes_what_expired() {
    let place = with_expired();
    assert_eq!(rows(&place), 1, "nobody wrote since");
    let at = [time(&place, 2, 0), time(&place, 2, 49), time(&place, 2, 50), time(&place, 3, 0)];
    let moments: Vec<&str> = ["1", "2", "3"].into_iter().chain(at.iter().map(String::as_str)).collect();
    let ask = || -> Vec<String> {
        let mut answers = Vec::new();
        for moment in &moments {
            let got = place.run(&["get", "cache", "--at", moment, "--json"]);
            answers.push(format!("get {moment}: {:?} {}", got.code, String::from_utf8_lossy(&got.out)));
            answers.push(format!("keys {moment}: {}", place.done(&["keys", "--at", moment, "--json"])));
            for other in &moments {
                answers.push(format!("diff {moment} {other}: {}", place.done(&["diff", moment, other])));
            }
        }
        answers.push(place.done(&["keys"]));
        answers
    };
    let before = ask();
    assert_eq!(rows(&place), 1, "nobody but readers came by");
    place.done(&["set", "first", "2"]);
    assert_eq!(rows(&place), 0);
    assert_eq!(ask(), before);
    assert_eq!(
        operations(&place),
        ["set first", "set cache", "increment count", "set first", "expire cache"]
    );
}

#[test]
fn its_removal_carries_the_moment_of_the_expiry() {
    let place = with_expired();
    place.done(&["set", "first", "2"]);
    let changes = objects(&place.done(&["history", "cache", "--json"]));
    let (expired, made) = (&changes[0], &changes[1]);
    assert_eq!(text(expired, "operation"), "expire");
    assert_eq!(text(expired, "time"), text(expired, "old_expires_at"));
    assert!(text(expired, "recorded_at") > text(expired, "time"), "{expired}");
    assert_eq!(text(made, "recorded_at"), text(made, "time"));
    // By the time of its commit it is found.
    let found = place.done(&["history", "--since", text(made, "time"), "--json"]);
    assert!(objects(&found).iter().any(|change| change["operation"] == "expire"));
}

#[test]
fn a_watch_tells_it_while_nobody_writes() {
    let place = Place::new();
    place.done(&["set", "cache", "x", "--ttl", "1s"]);
    let watch = Watch::start(&place, &["--since", "1"]);
    let told: Json = watch.next();
    assert_eq!((text(&told, "key"), text(&told, "operation")), ("cache", "expire"));
    assert_eq!(text(&told, "time"), text(&told, "old_expires_at"));
    assert_eq!(rows(&place), 0);
}

#[test]
fn a_watch_that_may_only_look_removes_nothing() {
    let place = with_expired();
    let watch = Watch::start(&place, &["--since", "1", "--read-only"]);
    assert_eq!(text(&watch.next(), "key"), "cache");
    assert_eq!(text(&watch.next(), "key"), "count");
    assert!(watch.lines.recv_timeout(Duration::from_secs(2)).is_err(), "nothing more happens");
    assert_eq!(rows(&place), 1);
}

#[test]
fn a_run_that_waits_removes_it() {
    let place = Place::new();
    let flow = place.file("wait.lua");
    let source = "task('wait'):command(function()
        exec.run('touch begun; while [ ! -e over ]; do sleep 0.05; done')
        return true
    end)";
    std::fs::write(&flow, source).unwrap();
    let mut command = place.command(&["run", flow.to_str().unwrap()]);
    let mut child =
        command.current_dir(place.folder()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has begun", || place.file("begun").exists() || child.try_wait().unwrap().is_some());
    place.done(&["set", "cache", "x", "--ttl", "50ms"]);
    until("it is removed", || rows(&place) == 0 || child.try_wait().unwrap().is_some());
    assert!(child.try_wait().unwrap().is_none(), "the run is still waiting");
    std::fs::write(place.file("over"), "").unwrap();
    assert!(child.wait().unwrap().success());
}

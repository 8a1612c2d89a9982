//! What was: history, states of the past, their differences, and taking changes back, with the
//! real binary; and the feed of changes while several processes write.

mod expiry;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::files::{self, Place, objects, until};

/// Keys and operations of all changes, oldest first.
fn operations(place: &Place) -> Vec<String> {
    let mut changes = objects(&place.done(&["history", "--json", "--since", "0"]));
    changes.reverse();
    changes.iter().map(|change| format!("{} {}", text(change, "operation"), text(change, "key"))).collect()
}

fn text<'a>(object: &'a Json, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("no text {name} in {object}"))
}

/// A flag that was made, turned twice, once by another program, and deleted; and a counter.
fn with_history() -> Place {
    let place = Place::new();
    place.done(&["set", "flag", "true", "--type", "boolean"]);
    place.done(&["toggle", "flag"]);
    place.done(&["incr", "count", "5"]);
    place.connection().execute("UPDATE state SET value = 'true' WHERE key = 'flag'", []).unwrap();
    place.done(&["del", "flag"]);
    place
}

#[test]
fn history_tells_who_changed_what() {
    let place = with_history();
    assert_eq!(operations(&place), ["set flag", "toggle flag", "increment count", "set flag", "delete flag"]);
    let changes = objects(&place.done(&["history", "flag", "--json"]));
    let step = |change: &Json| json!([change["revision"], change["old"], change["new"], change["version"]]);
    assert_eq!(
        changes.iter().map(step).collect::<Vec<_>>(),
        [
            // Another program's value is text.
            json!([5, "true", null, 3]),
            json!([4, false, "true", 3]),
            json!([2, true, false, 2]),
            json!([1, null, true, 1])
        ]
    );
    assert_eq!(changes[1]["actor"], "external");
    assert!(text(&changes[0], "actor").contains('@'), "{changes:?}");

    let lines = place.done(&["history", "flag"]);
    let first = lines.lines().next().unwrap();
    assert!(first.starts_with("5  20") && first.contains("delete     flag  true →"), "{first}");
    assert_eq!(place.done(&["history", "--limit", "2"]).lines().count(), 2);
    assert_eq!(place.done(&["history", "--since", "3"]).lines().count(), 2);
    assert_eq!(place.done(&["history", "--since", "1h"]).lines().count(), 5);
    assert_eq!(place.done(&["history", "--since", "1", "--until", "3"]).lines().count(), 2);
    assert_eq!(place.done(&["history", "nothing"]), "");
}

#[test]
fn history_of_a_lock_tells_its_holders() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let shell = place.connection();
    let take = "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', ?1, '2999-01-01 00:00:00')";
    shell.execute(take, ["ann"]).unwrap();
    shell.execute("UPDATE locks SET holder = 'bob'", []).unwrap();
    place.done(&["unlock", "deploy", "--force"]);
    let changes = objects(&place.done(&["history", "deploy", "--json"]));
    let step = |change: &Json| json!([change["subject"], change["operation"], change["old"], change["new"]]);
    assert_eq!(
        changes.iter().map(step).collect::<Vec<_>>(),
        [
            json!(["lock", "steal", "bob", null]),
            json!(["lock", "steal", "ann", "bob"]),
            json!(["lock", "lock", null, "ann"])
        ]
    );
    place.run(&["undo", "4"]).refused(1, "is about a lock");
}

#[test]
fn the_state_is_read_as_it_was() {
    let place = with_history();
    assert_eq!(place.done(&["get", "flag", "--at", "1"]), "true\n");
    assert_eq!(place.done(&["get", "flag", "--at", "3"]), "false\n");
    place.run(&["get", "flag", "--at", "5"]).refused(1, "there was no key flag then");
    place.run(&["get", "count", "--at", "2"]).refused(1, "there was no key count then");
    assert_eq!(place.done(&["get", "count", "--at", "5"]), "5\n");
    let then = place.json(&["get", "flag", "--at", "3", "--json"]);
    assert_eq!((&then["version"], &then["revision"], &then["value"]), (&json!(2), &json!(2), &json!(false)));

    assert_eq!(place.done(&["keys", "--at", "2"]), "flag\n");
    assert_eq!(place.done(&["keys", "--at", "4"]), "count\nflag\n");
    assert_eq!(place.done(&["keys", "--at", "5"]), "count\n");
    assert_eq!(place.done(&["keys", "--at", "4", "--kind", "flag"]), "flag\n");
    assert_eq!(place.done(&["keys", "--at", "0"]), "");

    place.run(&["get", "flag", "--at", "6"]).refused(1, "the newest revision is 5");
    place.run(&["get", "flag", "--at", "2999-01-01"]).refused(1, "has not come yet");
    place.run(&["get", "flag", "--at", "1d"]).refused(1, "history goes back to revision 1");
    place.run(&["get", "flag", "--at", "soon"]).refused(2, "how long ago");
}

#[test]
fn a_time_means_the_state_at_that_time() {
    let place = with_history();
    let made = objects(&place.done(&["history", "--json"]));
    let toggled = text(&made[3], "time");
    let counted = text(&made[2], "time");
    // All but the first happen later than the one before, if only by a millisecond.
    if toggled < counted {
        assert_eq!(place.done(&["get", "flag", "--at", toggled]), "false\n");
    }
    assert_eq!(place.done(&["keys", "--at", text(&made[0], "time")]), "count\n");
}

#[test]
fn two_states_are_compared() {
    let place = with_history();
    assert_eq!(place.done(&["diff", "1", "4"]), "+ count  → 5\n~ flag  true (type changed)\n");
    assert_eq!(place.done(&["diff", "1", "3"]), "+ count  → 5\n~ flag  true → false\n");
    assert_eq!(place.done(&["diff", "3", "1"]), "- count  5 →\n~ flag  false → true\n");
    assert_eq!(place.done(&["diff", "4"]), "- flag  true →\n");
    assert_eq!(place.done(&["diff", "5"]), "");
    let differences = objects(&place.done(&["diff", "2", "5", "--json"]));
    assert_eq!(differences[1]["old"], false);
    assert_eq!(differences[1]["new"], Json::Null);
}

#[test]
fn what_expired_is_a_difference_before_anybody_removes_it() {
    let place = Place::new();
    place.done(&["set", "cache", "x", "--ttl", "50ms"]);
    until("it has expired", || place.run(&["get", "cache"]).code == Some(1));
    assert_eq!(place.done(&["diff", "1"]), "- cache  x →\n");
    place.done(&["set", "other", "y"]);
    assert_eq!(place.done(&["diff", "1"]), "- cache  x →\n+ other  → y\n");
    assert_eq!(operations(&place), ["set cache", "set other", "expire cache"]);
    place.run(&["undo", "3"]).refused(1, "would be gone at once");
}

#[test]
fn a_change_is_taken_back_unless_somebody_changed_it_since() {
    let place = with_history();
    place.run(&["undo", "2"]).refused(1, "change 2 was not taken back: since then flag is gone");
    assert_eq!(place.done(&["undo", "5"]), "restored flag\n");
    assert_eq!(place.done(&["get", "flag"]), "true\n");
    place.run(&["undo", "5"]).refused(1, "was taken back already, by 6");
    // Doing it again is undoing the undoing.
    assert_eq!(place.done(&["undo", "6"]), "removed flag\n");
    assert_eq!(place.done(&["undo", "7"]), "restored flag\n");
    // The other program's change, and then the one before it.
    assert_eq!(place.done(&["undo", "4"]), "restored flag\n");
    assert_eq!(place.done(&["undo", "2"]), "restored flag\n");
    assert_eq!(place.done(&["get", "flag"]), "true\n");

    place.connection().execute("UPDATE state SET value = '9' WHERE key = 'count'", []).unwrap();
    place.run(&["undo", "3"]).refused(1, "count was changed at revision 11 by external");
    assert_eq!(place.done(&["undo", "3", "--force"]), "removed count\n");
    place.run(&["undo", "99"]).refused(1, "the newest revision is 12");
    place.run(&["undo"]).refused(2, "--last");
}

#[test]
fn taking_back_what_is_gone_already_is_no_change() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    place.done(&["del", "k"]);
    place.run(&["undo", "1", "--force"]).refused(1, "all is as it was before change 1");
    assert_eq!(operations(&place), ["set k", "delete k"]);
    // No other change counts as the one that took it back.
    assert_eq!(place.done(&["undo", "2"]), "restored k\n");
    assert_eq!(place.done(&["undo", "1"]), "removed k\n");
}

#[test]
fn undoing_restores_type_and_expiry() {
    let place = Place::new();
    place.done(&["set", "k", "41", "--type", "string", "--ttl", "1h"]);
    let before = place.json(&["get", "k", "--json"]);
    place.done(&["set", "k", "[1]", "--type", "table"]);
    place.done(&["undo", "--last"]);
    let after = place.json(&["get", "k", "--json"]);
    for name in ["value", "type", "expires_at"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    // What another program wrote had no type, and has none again.
    place.connection().execute("INSERT INTO state (key, value) VALUES ('raw', '7')", []).unwrap();
    place.done(&["set", "raw", "8", "--type", "number"]);
    place.done(&["undo", "--last"]);
    let stored = "SELECT type IS NULL FROM state WHERE key = 'raw'";
    assert_eq!(place.connection().query_row(stored, [], |row| row.get(0)), Ok(true));
}

#[test]
fn what_was_done_together_is_taken_back_together() {
    let place = Place::new();
    for name in ["a", "b", "c", "d"] {
        place.done(&["set", name, "1"]);
    }
    place.done(&["del", "a", "b", "c"]);
    assert_eq!(place.done(&["undo", "6"]), "restored a\nrestored b\nrestored c\n");
    place.done(&["undo", "8"]);
    assert_eq!(place.done(&["keys"]), "d\n");
    // One of them in the way is enough to do nothing.
    place.done(&["set", "b", "2"]);
    place.run(&["undo", "5"]).refused(1, "change 5 was not taken back: since then b was changed");
    place.run(&["undo", "11"]).refused(1, "b was changed");
    assert_eq!(place.done(&["keys"]), "b\nd\n");
    assert_eq!(place.done(&["undo", "--last"]), "removed b\n");
    assert_eq!(place.done(&["undo", "11"]), "restored a\nrestored b\nrestored c\n");
}

/// Runs a workflow of one task.
fn run(place: &Place, body: &str) {
    let workflow = place.file("w.lua");
    let source = format!("task('t'):command(function() {body} return true end):build()");
    std::fs::write(&workflow, source).unwrap();
    place.run(&["run", workflow.to_str().unwrap()]).done();
}

#[test]
fn what_a_script_did_at_once_is_taken_back_at_once() {
    let place = Place::new();
    run(&place, "for n = 1, 2500 do state.set('job:' .. n, n) end state.set('jobless', 1)");
    run(&place, "assert(state.clear('job:*') == 2500)");
    assert_eq!(place.done(&["keys"]), "jobless\n");
    let last = objects(&place.done(&["history", "--json", "--limit", "1"]));
    assert_eq!(place.done(&["undo", &last[0]["revision"].to_string()]).lines().count(), 2500);
    assert_eq!(place.done(&["keys"]).lines().count(), 2501);
    assert_eq!(place.done(&["get", "job:77"]), "77\n");

    run(&place, "state.transaction(function() state.set('job:1', 'a') state.delete('job:2') end)");
    let last = objects(&place.done(&["history", "--json", "--limit", "1"]));
    assert_eq!(place.done(&["undo", &last[0]["revision"].to_string()]), "restored job:1\nrestored job:2\n");
}

#[test]
fn a_script_reads_history() {
    let place = Place::new();
    place.done(&["set", "k", "old"]);
    run(
        &place,
        "state.set('k', {1}) state.delete('k')
         local changes = state.history('k')
         assert(#changes == 3)
         assert(changes[1].operation == 'delete' and changes[1].old[1] == 1 and changes[1].new == nil)
         assert(changes[1].task == 't' and changes[1].time > 1.7e9)
         assert(changes[2].new[1] == 1 and changes[2].old == 'old' and changes[2].version == 2)
         assert(changes[3].revision == 1 and changes[3].task == nil)
         assert(#state.history('k', 1) == 1 and #state.history('none') == 0)
         local ok, why = pcall(state.history, 'k', 0)
         assert(not ok and why:find('at least 1'), why)",
    );
}

#[test]
fn the_last_change_by_hand_is_not_one_of_a_workflow() {
    let place = Place::new();
    place.done(&["set", "mine", "1"]);
    run(&place, "state.set('theirs', 1)");
    place.connection().execute("INSERT INTO state (key, value) VALUES ('foreign', '1')", []).unwrap();
    assert_eq!(place.done(&["undo", "--last"]), "removed mine\n");
    place.run(&["undo", "--last"]).refused(1, "has changed nothing by hand");
    assert_eq!(place.done(&["keys"]), "foreign\ntheirs\n");
}

#[test]
fn history_is_kept_as_long_as_it_is_told() {
    let place = Place::new();
    for number in 0..20 {
        place.done(&["set", "k", &number.to_string()]);
    }
    assert_eq!(place.json(&["retention", "--json"])["rows"], 200_000);
    assert!(place.done(&["retention", "--rows", "5"]).starts_with("5 changes, 30 days, "));
    until("the rest is gone", || {
        place.done(&["incr", "k"]);
        objects(&place.done(&["history", "--json"])).len() <= 6
    });
    let oldest = objects(&place.done(&["history", "--json"])).last().unwrap()["revision"].as_i64().unwrap();
    let asked = (oldest - 2).to_string();
    let gone = format!("history goes back to revision {oldest}");
    place.run(&["get", "k", "--at", &asked]).refused(1, &gone);
    place.run(&["diff", &asked]).refused(1, &gone);
    place.run(&["undo", &asked]).refused(1, &gone);
    place.run(&["watch", "--since", &asked]).refused(1, &format!("--since {}", oldest - 1));
    place.run(&["retention", "--age", "1h"]).refused(2, "whole days");
}

#[test]
fn a_file_without_history_says_so() {
    let place = Place::new();
    place
        .connection()
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO state (key, value) VALUES ('k', 'v');",
        )
        .unwrap();
    for arguments in
        [&["history"][..], &["get", "k", "--at", "0"], &["diff", "0"], &["watch"], &["watch", "--since", "0"]]
    {
        place.run(arguments).refused(1, "keeps no history yet");
    }
}

/// `slothstate watch` and the lines that it prints.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(place: &Place, arguments: &[&str]) -> Watch {
        let mut command = place.command(&["watch"]);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Watch { child, lines }
    }

    #[track_caller]
    fn next(&self) -> Json {
        let line = self.lines.recv_timeout(Duration::from_secs(300)).expect("a change is told");
        files::object(&line)
    }

    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        let mut ended = None;
        until("watch has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn changes_are_told_as_they_are_committed() {
    let place = Place::new();
    place.done(&["set", "before", "1"]);
    let mut watch = Watch::start(&place, &["feature:*", "--since", "1"]);
    place.done(&["set", "feature:a", "true"]);
    let told = watch.next();
    assert_eq!((text(&told, "key"), text(&told, "operation")), ("feature:a", "set"));
    place.done(&["set", "other", "1"]);
    place.connection().execute("DELETE FROM state WHERE key = 'feature:a'", []).unwrap();
    assert_eq!(text(&watch.next(), "operation"), "delete");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(watch.child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(watch.code(), Some(128 + 15));
    let mut words = String::new();
    watch.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("stopped by signal 15"), "{words}");
}

#[test]
fn a_watch_ends_with_whoever_reads_it() {
    let place = Place::new();
    place.done(&["set", "k", "1"]);
    let mut child = place.command(&["watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // Nothing is written any more, and still it notices.
    let mut ended = None;
    until("watch has ended", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
    assert_eq!(place.done(&["watch", "--since", "0", "--count", "1"]).lines().count(), 1);
}

#[test]
fn what_the_sqlite3_shell_writes_is_told_as_it_happens() {
    let place = Place::new();
    place.done(&["set", "k", "1"]);
    let watch = Watch::start(&place, &["--since", "1"]);
    let steps = [
        ("INSERT INTO state (key, value) VALUES ('new', 'a')", json!(["new", "set", null, "a"])),
        (
            "INSERT INTO state (key, value) VALUES ('new', 'b') ON CONFLICT (key) DO UPDATE SET \
             value = excluded.value, updated_at = CURRENT_TIMESTAMP",
            json!(["new", "set", "a", "b"]),
        ),
        ("REPLACE INTO state (key, value) VALUES ('k', '2')", json!(["k", "set", 1, "2"])),
        ("DELETE FROM state WHERE key = 'new'", json!(["new", "delete", "b", null])),
        (
            "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', datetime('now', '+1 hour'))",
            json!(["deploy", "lock", null, "ann"]),
        ),
        ("DELETE FROM locks WHERE name = 'deploy'", json!(["deploy", "unlock", "ann", null])),
    ];
    for (sql, expected) in steps {
        if !place.sqlite3(sql) {
            files::skipped("statements of the sqlite3 shell", "it is not installed");
            return;
        }
        // Before the next statement: it is told when it happens, not by and by.
        let told = watch.next();
        assert_eq!(json!([told["key"], told["operation"], told["old"], told["new"]]), expected, "{sql}");
        assert_eq!(told["actor"], "external");
    }
}

/// Several processes write, some of them are killed; one watch is killed and another goes on where
/// it was: together they tell every change of history, once, in its order.
#[test]
fn no_change_is_lost_and_none_is_told_twice() {
    const TURNS: usize = 400;
    let place = Place::new();
    place.done(&["set", "start", "1"]);
    let workflow = place.file("w.lua");
    std::fs::write(
        &workflow,
        "task('t'):command(function(params)
             for turn = 1, tonumber(params.turns) do
                 state.increment('n:' .. params.me)
                 state.increment('all')
             end
             return true
         end):build()",
    )
    .unwrap();
    let start = |me: usize, turns: usize| {
        let (me, turns) = (format!("me={me}"), format!("turns={turns}"));
        let arguments = ["run", workflow.to_str().unwrap(), "--param", &me, "--param", &turns];
        let mut command = place.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut first = Watch::start(&place, &["--since", "0"]);
    let writers: Vec<Child> = (0..3).map(|me| start(me, TURNS)).collect();
    let mut killed = start(9, usize::MAX >> 12);

    let mut told: Vec<Json> = (0..500).map(|_| first.next()).collect();
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }

    let last = told.last().unwrap()["revision"].to_string();
    let newest = place.json(&["stats", "--json"])["revision"].as_u64().unwrap();
    let second = Watch::start(&place, &["--since", &last]);
    while told.last().unwrap()["revision"].as_u64() != Some(newest) {
        told.push(second.next());
    }
    let mut history = objects(&place.done(&["history", "--json", "--since", "0"]));
    history.reverse();
    assert_eq!(told.len(), history.len());
    assert!(told == history, "they are not the same");
    assert!(told.len() > 3 * TURNS * 2);
}

//! Transactions and fenced writes between real processes: nothing is lost, nothing is half done, and
//! whoever lost a lock does not write.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::files::{Place, is_stopped, until};

/// A script at work in a process of its own.
struct Script {
    child: Child,
    log: PathBuf,
}

impl Script {
    fn start(place: &Place, name: &str, code: &str) -> Script {
        let (file, log) = (place.file(name), place.file(&format!("{name}.log")));
        std::fs::write(&file, code).unwrap();
        let both = File::create(&log).unwrap();
        let mut command = place.command(&["run", file.to_str().unwrap()]);
        let child = command.stdout(both.try_clone().unwrap()).stderr(both).spawn().unwrap();
        Script { child, log }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Stops it, but not in the middle of a write, where nobody else could write until it goes on.
    fn stop(&self, place: &Place) {
        let shell = place.connection();
        shell.busy_timeout(Duration::from_millis(500)).unwrap();
        until("the script is stopped outside of a write", || {
            self.signal(Signal::SIGSTOP);
            until("the script is stopped", || is_stopped(self.child.id()));
            let stopped = shell.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();
            if !stopped {
                self.signal(Signal::SIGCONT);
            }
            stopped
        });
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for its end; the exit code, and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut ended = None;
        until("a script ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        (ended.unwrap().code(), self.said())
    }

    #[track_caller]
    fn done(self) {
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{said}");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Already gone, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn task(code: &str) -> String {
    format!("task(\"t\"):command(function()\n{code}\nreturn true\nend):build()")
}

fn until_set(place: &Place, key: &str) {
    until(key, || place.run(&["get", key]).code == Some(0));
}

#[test]
fn amounts_moved_by_four_processes_are_neither_lost_nor_made() {
    const TRANSFERS: usize = 40;
    let place = Place::new();
    for account in 0..5 {
        place.done(&["set", &format!("account/{account}"), "100"]);
    }
    let code = |number: usize| {
        task(&format!(
            r#"
            for turn = 1, {TRANSFERS} do
              local from, to = (turn + {number}) % 5, (turn * 3 + {number} + 1) % 5
              if from == to then to = (to + 1) % 5 end
              state.transaction(function()
                local sum = 0
                for _, key in ipairs(state.keys("account/")) do sum = sum + state.get(key) end
                assert(sum == 500, "half a transfer was seen")
                local left = state.get("account/" .. from)
                state.set("account/" .. from, left - 1)
                state.increment("account/" .. to)
                state.set("done/{number}/" .. turn, true)
              end)
            end
            "#
        ))
    };
    let scripts: Vec<Script> =
        (0..4).map(|number| Script::start(&place, &format!("{number}.lua"), &code(number))).collect();
    for script in scripts {
        script.done();
    }
    let sum: i64 = (0..5)
        .map(|account| place.done(&["get", &format!("account/{account}")]).trim().parse::<i64>().unwrap())
        .sum();
    assert_eq!(sum, 500);
    assert_eq!(place.done(&["keys", "--prefix", "done/"]).lines().count(), 4 * TRANSFERS);
}

/// Lets another process write in the middle of a transaction; how often it ran, and what it wrote.
///
/// The script says in its log that it has read, and sees by the newest revision, which is no part
/// of what it reads, that the write was made.
fn with_a_write_in_the_middle(reading: &str, write: &[&str]) -> (String, String) {
    let place = Place::new();
    place.done(&["set", "k", "1"]);
    let code = format!(
        r#"
        local runs = 0
        state.transaction(function()
          runs = runs + 1
          local read = {reading}
          if runs == 1 then
            local seen = state.stats().revision
            log.info("it has read")
            while state.stats().revision == seen do sleep(0.002) end
          end
          state.set("result", read)
        end)
        state.set("runs", runs)
        "#
    );
    let script = Script::start(&place, "provoked.lua", &task(&code));
    until("it has read", || script.said().contains("it has read"));
    place.done(write);
    script.done();
    (place.done(&["get", "runs"]).trim().into(), place.done(&["get", "result"]).trim().into())
}

#[test]
fn a_write_in_the_middle_of_a_transaction_lets_it_run_again() {
    let pair = |runs: &str, result: &str| (runs.to_string(), result.to_string());
    assert_eq!(with_a_write_in_the_middle("state.get('k')", &["set", "k", "2"]), pair("2", "2"));
    assert_eq!(with_a_write_in_the_middle("state.get('k')", &["set", "other", "2"]), pair("1", "1"));
    assert_eq!(with_a_write_in_the_middle("state.get('new', 0)", &["set", "new", "7"]), pair("2", "7"));
    // A key that comes to be in a range that was read.
    assert_eq!(with_a_write_in_the_middle("#state.keys('job/')", &["set", "job/1", "x"]), pair("2", "1"));
    assert_eq!(with_a_write_in_the_middle("#state.keys('job/')", &["set", "jobs", "x"]), pair("1", "0"));
}

#[test]
fn a_command_under_a_lock_is_refused_once_the_lock_is_not_held() {
    let place = Place::new();
    let holder = Script::start(
        &place,
        "hold.lua",
        &task(
            r#"
            local _, token = state.lock("deploy")
            state.set("token", token)
            state.wait("go on", true, 3600)
            state.unlock("deploy")
            "#,
        ),
    );
    until_set(&place, "token");
    let token = place.done(&["get", "token"]).trim().to_string();
    let under = ["--lock", "deploy", "--token", token.as_str()];
    place.done(&[&["set", "k", "1"], &under[..]].concat());
    place.done(&[&["incr", "k"], &under[..]].concat());
    let wrong = ["--lock", "deploy", "--token", "999999"];
    for write in [&["set", "k", "9"][..], &["incr", "k"], &["del", "k"]] {
        let answer = place.run(&[write, &wrong[..]].concat());
        answer.refused(1, "lock deploy is not held under token 999999");
        answer.refused(1, &format!("holds it now, under token {token}; nothing was written"));
    }
    place.run(&["set", "k", "9", "--lock", "deploy"]).refused(2, "--token");
    place.done(&["set", "go on", "true"]);
    holder.done();
    place
        .run(&[&["set", "k", "9"], &under[..]].concat())
        .refused(1, "nobody holds it now; nothing was written");
    assert_eq!(place.done(&["get", "k"]).trim(), "2");
}

#[test]
fn a_holder_that_was_stopped_beyond_its_lease_does_not_write() {
    let place = Place::new();
    let holder = Script::start(
        &place,
        "hold.lua",
        &task(
            r#"
            assert(state.try_lock("l", 0.5))
            state.set("held", true)
            state.wait("go on", true, 3600)
            state.set("k", "stale", { lock = "l" })
            "#,
        ),
    );
    until_set(&place, "held");
    holder.stop(&place);
    // Waits until the lease has run out, and takes the lock.
    let theft = "state.with_lock('l', 'thief', 60, function() state.set('k', 'new') end)";
    Script::start(&place, "thief.lua", &task(theft)).done();
    place.done(&["set", "go on", "true"]);
    holder.signal(Signal::SIGCONT);
    let (code, said) = holder.end();
    assert_eq!(code, Some(1), "{said}");
    // It notices before it comes to write; if not, the write is refused.
    assert!(said.contains("lock l was lost: its lease ran out"), "{said}");
    assert_eq!(place.done(&["get", "k"]).trim(), "new");
}

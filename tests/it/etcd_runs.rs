//! Workflows and locks on a real node of etcd: runs, recordings, and commands under leases.

use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::support::files::{Place, objects, until};

/// A process that ends with the test, and all that it started.
struct Started(Child);

impl Started {
    fn new(place: &Place, arguments: &[&str]) -> Started {
        use std::os::unix::process::CommandExt;
        let mut command = place.command(arguments);
        command
            .process_group(0)
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Started(command.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let mut status = None;
        until("it ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(-self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn locks(place: &Place) -> Vec<Json> {
    objects(&place.done(&["locks", "--json"]))
}

fn runs(place: &Place) -> Vec<Json> {
    objects(&place.done(&["runs", "--json"]))
}

/// A workflow whose command runs under a lock until the test lets it go on.
const HOLD: &str = r#"
    local hold = task("hold"):timeout("1h"):command(function()
        state.with_lock("deploy", function()
            state.set("phase", "begun")
            exec.run("while [ ! -e go ]; do sleep 0.05; done; echo over >over")
            state.set("phase", "over")
        end, 30)
    end):build()
    workflow.define("hold", { tasks = { hold } })
"#;

fn holding(place: &Place) -> Started {
    std::fs::write(place.file("hold.lua"), HOLD).unwrap();
    let mut command = Started::new(place, &["run", "hold.lua"]);
    until("it has begun", || {
        assert_eq!(command.0.try_wait().unwrap(), None);
        place.run(&["get", "phase"]).out == b"begun\n"
    });
    command
}

#[test]
fn the_example_workflows_run_and_replay() {
    let Some(place) = Place::on_etcd() else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/workflows");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for (number, file) in (1..).zip(&files) {
        let file = file.to_str().unwrap();
        place.done(&["run", file]);
        let replayed = place.done(&["replay", &number.to_string()]);
        assert!(replayed.contains("all came to pass again"), "{file}: {replayed}");
        place.done(&["run", "--dry-run", file]);
    }
    let runs = runs(&place);
    assert_eq!(runs.len(), files.len());
    assert!(runs.iter().all(|run| run["status"] == "done"), "{runs:?}");
    assert_eq!(locks(&place), Vec::<Json>::new());
    let tried = place.done(&["replay", "1", "--what-if", "nothing:reads:this=1"]);
    assert!(tried.contains("the path is the recorded one"), "{tried}");
}

#[test]
fn a_command_under_a_lock_ends_when_the_lock_is_cleared() {
    let Some(place) = Place::on_etcd() else { return };
    let mut run = holding(&place);
    let held = locks(&place);
    assert_eq!(
        (held.len(), held[0]["name"].as_str(), held[0]["state"].as_str()),
        (1, Some("deploy"), Some("alive"))
    );
    assert_eq!(runs(&place)[0]["status"], "running");
    place.run(&["unlock", "deploy"]).refused(1, "is alive");
    place.done(&["unlock", "deploy", "--force"]);
    assert_eq!(run.end(), Some(1));
    assert_eq!(place.done(&["get", "phase"]), "begun\n");
    assert!(!place.file("over").exists());
    assert_eq!(runs(&place)[0]["status"], "failed");
    let changes = objects(&place.done(&["history", "--json"]));
    let operations: Vec<&str> = changes.iter().rev().map(|it| it["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["lock", "set", "steal"]);
}

#[test]
fn a_lock_outlasts_its_lease_as_long_as_its_holder_works() {
    let Some(place) = Place::on_etcd() else { return };
    let script = "while [ ! -e go ]; do sleep 0.05; done";
    let mut first = Started::new(&place, &["lock", "job", "--ttl", "1s", "--", "sh", "-c", script]);
    until("it is held", || !locks(&place).is_empty());
    let token = locks(&place)[0]["token"].clone();
    let refused = place.run(&["lock", "job", "--wait", "4s", "--", "true"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(locks(&place)[0]["token"], token);
    std::fs::write(place.file("go"), "").unwrap();
    assert_eq!(first.end(), Some(0));
    place.done(&["lock", "job", "--wait", "0s", "--", "true"]);
    assert_eq!(locks(&place), Vec::<Json>::new());
}

#[test]
fn a_killed_run_is_seen_as_killed_and_its_lock_is_free_in_time() {
    let Some(place) = Place::on_etcd() else { return };
    let run = holding(&place);
    run.signal(Signal::SIGKILL);
    until("the holder is dead", || locks(&place)[0]["state"] == "dead");
    assert_eq!(runs(&place)[0]["status"], "killed");
    place.done(&["unlock", "deploy"]);
    place.done(&["lock", "deploy", "--wait", "0s", "--", "true"]);
    let replayed = place.run(&["replay", "1"]);
    assert!(!String::from_utf8_lossy(&replayed.out).is_empty(), "{replayed:?}");
}

//! Locks of several machines: leases by the time of the server, holders that are killed, stopped, cut off or on
//! another machine.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, objects, skipped, until};

const PREFIX: &str = "/locks";

/// A database on a cluster, and a folder for what programs leave there.
struct Scene {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

/// A process group that ends with the test.
struct Group(Child);

impl Group {
    fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(-self.0.id().cast_signed()), signal);
    }

    /// The exit code, once it ended; a signal counts as none.
    #[track_caller]
    fn end(&mut self) -> Option<i32> {
        let mut ended = None;
        until("a program ends", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Scene {
    fn new(test: &str, nodes: usize, network: Network) -> Option<Scene> {
        let cluster = Cluster::start(test, nodes, network, &[])?;
        Some(Scene { cluster, folder: tempfile::tempdir().unwrap() })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, node: usize, arguments: &[&str]) -> Command {
        let mut command = self.cluster.command(node, PREFIX, arguments);
        command.current_dir(self.folder.path()).env("SLOTHSTATE", env!("CARGO_BIN_EXE_slothstate"));
        command
    }

    fn start(&self, node: usize, arguments: &[&str]) -> Group {
        let mut command = self.command(node, arguments);
        Group(command.process_group(0).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Holds the lock `job` for as long as there is no file `go`, then sets `written` to `value` under it.
    fn hold(&self, node: usize, ttl: &str, value: &str) -> Group {
        let script = format!(
            "touch held-{value}; while [ ! -e go ]; do sleep 0.05; done; \"$SLOTHSTATE\" set written {value}"
        );
        let group = self.start(node, &["lock", "job", "--ttl", ttl, "--", "sh", "-c", &script]);
        until("the lock is held", || self.file(&format!("held-{value}")).exists());
        group
    }

    fn locks(&self, node: usize) -> Vec<Json> {
        let answer = answer(self.command(node, &["locks", "--json"]));
        objects(&answer.done())
    }

    fn written(&self) -> String {
        answer(self.command(0, &["get", "written"])).done()
    }
}

#[test]
fn the_lock_of_a_killed_holder_is_free_when_its_lease_ends() {
    let Some(scene) = Scene::new("a killed holder", 1, Network::Loopback) else { return };
    let holder = scene.hold(0, "2s", "first");
    holder.signal(Signal::SIGKILL);
    let next = scene.command(0, &["lock", "job", "--wait", "4m", "--", "true"]);
    assert_eq!(answer(next).code, Some(0));
}

#[test]
fn a_stopped_holder_writes_nothing_once_another_has_the_lock() {
    let Some(scene) = Scene::new("a stopped holder", 1, Network::Loopback) else { return };
    let mut first = scene.hold(0, "2s", "first");
    first.signal(Signal::SIGSTOP);
    let set =
        ["lock", "job", "--wait", "4m", "--", env!("CARGO_BIN_EXE_slothstate"), "set", "written", "second"];
    assert_eq!(answer(scene.command(0, &set)).code, Some(0));
    std::fs::write(scene.file("go"), "").unwrap();
    first.signal(Signal::SIGCONT);
    assert_ne!(first.end(), Some(0), "its lock was lost");
    assert_eq!(scene.written(), "second\n");
}

#[test]
fn a_holder_that_is_cut_off_writes_nothing_once_another_has_the_lock() {
    let Some(scene) = Scene::new("a holder cut off", 3, Network::Namespaces) else { return };
    let mut first = scene.hold(0, "3s", "first");
    scene.cluster.cut_off(0);
    let set =
        ["lock", "job", "--wait", "4m", "--", env!("CARGO_BIN_EXE_slothstate"), "set", "written", "second"];
    assert_eq!(answer(scene.command(1, &set)).code, Some(0));
    std::fs::write(scene.file("go"), "").unwrap();
    // Beside the node that is cut off nobody can say who holds the lock.
    let answer = answer(scene.command(0, &["locks", "--busy-timeout", "2s"]));
    assert_eq!(answer.code, Some(3), "{answer:?}");
    scene.cluster.reconnect(0);
    assert_ne!(first.end(), Some(0), "its lock was lost");
    until("the node follows again", || scene.locks(0).is_empty());
    assert_eq!(scene.written(), "second\n");
}

/// What etcd did with keys, in its order, as `etcdctl watch` prints it: PUT or DELETE, and the key.
fn events(scene: &Scene, is_last: impl Fn(&(String, String)) -> bool) -> Vec<(String, String)> {
    let output = scene.file("events");
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(["--endpoints", scene.cluster.client(0)]);
    command.args(["watch", "--rev=1", "--prefix", "/"]).stdin(Stdio::null());
    let _watch =
        Group(command.process_group(0).stdout(std::fs::File::create(&output).unwrap()).spawn().unwrap());
    let mut all = Vec::new();
    until("etcd has told everything", || {
        // Values are bytes; what comes after an event and its key is not asked for.
        let text = String::from_utf8_lossy(&std::fs::read(&output).unwrap()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let pairs =
            lines.windows(2).filter(|pair| ["PUT", "DELETE"].contains(&pair[0]) && pair[1].starts_with('/'));
        all = pairs.map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
        all.iter().any(&is_last)
    });
    all
}

/// How long a waiter that died may keep its place in a queue, in seconds by the time of the server.
const PASSED_OVER: &str = "6";

#[test]
fn waiters_are_served_in_the_order_of_their_tickets_and_a_dead_one_is_passed_over_in_time() {
    let Some(scene) = Scene::new("a fair queue", 1, Network::Loopback) else { return };
    let etcdctl = |arguments: &[&str]| {
        let output = scene.cluster.etcdctl(0, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut holder = scene.hold(0, "30s", "first");
    let waiting = || scene.locks(0)[0]["waiting"].as_array().unwrap().len();
    let queue = || -> Vec<String> {
        let keys = etcdctl(&["get", "--prefix", "/locks.s/q/", "--keys-only"]);
        keys.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let (mut waiters, mut places): (Vec<Group>, Vec<String>) = Default::default();
    for number in 0..5 {
        let script = format!("echo {number} >>order");
        waiters.push(scene.start(0, &["lock", "job", "--wait", "4m", "--", "sh", "-c", &script]));
        until("one more waits", || waiting() == number + 1);
        let new: Vec<String> = queue().into_iter().filter(|place| !places.contains(place)).collect();
        assert_eq!(new.len(), 1, "{new:?}");
        places.extend(new);
    }
    // The next one and one in the middle die, and the lock is free at once.
    for dead in [0, 2] {
        waiters[dead].signal(Signal::SIGKILL);
    }
    let granted = etcdctl(&["lease", "grant", PASSED_OVER]);
    let lease = granted.split_whitespace().nth(1).unwrap();
    etcdctl(&["put", "/time", "up", "--lease", lease]);
    std::fs::write(scene.file("go"), "").unwrap();
    assert_eq!(holder.end(), Some(0));
    for number in [1, 3, 4] {
        assert_eq!(waiters[number].end(), Some(0));
    }
    assert_eq!(std::fs::read_to_string(scene.file("order")).unwrap(), "1\n3\n4\n");
    // By the order of the server, whatever this machine has to do besides.
    let events = events(&scene, |event| *event == ("DELETE".to_owned(), "/time".to_owned()));
    let at = |word: &str, key: &str| events.iter().rposition(|event| event.0 == word && event.1 == key);
    let time_is_up = at("DELETE", "/time");
    for dead in [0, 2] {
        let passed_over = at("DELETE", &places[dead]);
        assert!(passed_over.is_some() && passed_over < time_is_up, "waiter {dead}: {events:#?}");
    }
    assert_eq!(events.iter().filter(|event| event.0 == "PUT" && event.1 == "/locks.s/a/job").count(), 4);
}

#[test]
fn a_script_whose_lock_passed_to_another_writes_nothing_and_fails() {
    let Some(scene) = Scene::new("a stopped script", 1, Network::Loopback) else { return };
    let workflow = r#"
        task("hold"):timeout("1h"):command(function()
            state.with_lock("job", { lease = 2 }, function()
                state.set("held", true)
                state.wait("go on", true, 3600)
                state.set("written", "first")
            end)
        end)
    "#;
    std::fs::write(scene.file("hold.lua"), workflow).unwrap();
    let said = scene.file("said");
    let mut command = scene.command(0, &["run", "hold.lua"]);
    command.process_group(0).stdout(Stdio::null()).stderr(std::fs::File::create(&said).unwrap());
    let mut first = Group(command.spawn().unwrap());
    until("the lock is held", || answer(scene.command(0, &["get", "held"])).code == Some(0));
    let token = scene.locks(0)[0]["token"].to_string();
    first.signal(Signal::SIGSTOP);
    let set =
        ["lock", "job", "--wait", "4m", "--", env!("CARGO_BIN_EXE_slothstate"), "set", "written", "second"];
    assert_eq!(answer(scene.command(0, &set)).code, Some(0));
    // Its token is worth nothing, whoever shows it.
    for arguments in [&["set", "written", "stale"][..], &["incr", "counter"], &["del", "written"]] {
        let fenced = [arguments, &["--lock", "job", "--token", &token]].concat();
        answer(scene.command(0, &fenced)).refused(1, "lock job is not held under token");
    }
    answer(scene.command(0, &["set", "go on", "true", "--type", "boolean"])).done();
    first.signal(Signal::SIGCONT);
    assert_eq!(first.end(), Some(1));
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("lock job was lost"), "{said}");
    assert_eq!(scene.written(), "second\n");
    let writes = objects(&answer(scene.command(0, &["history", "written", "--json"])).done());
    assert_eq!(writes.len(), 1, "{writes:?}");
}

/// `slothstate` on another machine, as far as it can tell: another machine id, boot id, host name and processes.
fn on_another_machine(scene: &Scene, script: &str) -> Option<Command> {
    let ids = [
        ("machine", "0123456789abcdef0123456789abcdef\n", "/etc/machine-id"),
        ("boot", "01234567-89ab-cdef-0123-456789abcdef\n", "/proc/sys/kernel/random/boot_id"),
    ];
    let mut mounts = String::new();
    for (name, id, path) in ids {
        std::fs::write(scene.file(name), id).unwrap();
        if !Path::new(path).exists() {
            skipped("a holder on another machine", &format!("there is no {path}"));
            return None;
        }
        mounts += &format!("mount --bind {} {path} && ", scene.file(name).display());
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "sh", "-c"]);
    command.arg(format!("{mounts} hostname machine-b && {script}"));
    let tried = Command::new("unshare").args(["--mount", "--uts", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        skipped("a holder on another machine", "unshare is not possible here");
        return None;
    }
    command.current_dir(scene.folder.path()).env("SLOTHSTATE", env!("CARGO_BIN_EXE_slothstate"));
    command.env("SLOTHSTATE_DB", scene.cluster.address(0, PREFIX)).env("HOME", scene.folder.path());
    command.stdin(Stdio::null());
    Some(command)
}

#[test]
fn a_holder_on_another_machine_is_alive_while_it_says_so_and_never_dead_without_proof() {
    let Some(scene) = Scene::new("a holder on another machine", 1, Network::Loopback) else { return };
    let script = "exec \"$SLOTHSTATE\" lock job --ttl 60s -- sh -c 'touch held; sleep 1000'";
    let Some(mut command) = on_another_machine(&scene, script) else { return };
    let holder = Group(command.process_group(0).spawn().unwrap());
    until("the lock is held", || scene.file("held").exists());
    let state = || scene.locks(0)[0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(), "alive");
    assert_eq!(scene.locks(0)[0]["process"]["host"], "machine-b");
    let refused = answer(scene.command(0, &["unlock", "job"]));
    refused.refused(1, "was not cleared");
    holder.signal(Signal::SIGKILL);
    // Its presence ends by the time of the server, long before the lease of the lock.
    until("nobody says that it is alive", || state() != "alive");
    assert!(["dead", "unknown", "elsewhere"].contains(&state().as_str()), "{}", state());
}

#[test]
fn a_run_on_another_machine_is_known_to_be_running() {
    let Some(scene) = Scene::new("a run on another machine", 1, Network::Loopback) else { return };
    let workflow = r#"
        local wait = task("wait"):timeout("1h"):command(function()
            state.set("started", "yes")
            while true do sleep(0.05) end
        end):build()
        workflow.define("wait", { tasks = { wait } })
    "#;
    std::fs::write(scene.file("wait.lua"), workflow).unwrap();
    let Some(mut command) = on_another_machine(&scene, "exec \"$SLOTHSTATE\" run wait.lua") else { return };
    let _run = Group(command.process_group(0).stdout(Stdio::null()).spawn().unwrap());
    until("the run has begun", || answer(scene.command(0, &["get", "started"])).code == Some(0));
    let runs = objects(&answer(scene.command(0, &["runs", "--json"])).done());
    assert_eq!(runs[0]["status"], "running", "{runs:?}");
}

//! The compaction of etcd's own past, while programs write, read and watch: nothing depends on that past.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value as Json;

use super::{Watching, history, revisions};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, is_stopped, thorough, until};

const PREFIX: &str = "/prod";
const WRITERS: usize = 4;
/// Between two compactions, which are not all that the machine has to do.
const PACE: Duration = Duration::from_millis(50);

/// A writer: increments of one counter that all share, and changes of keys of its own.
const WRITER: &str = r#"
    task("write"):timeout("10m"):command(function(params)
        for turn = 1, tonumber(params.turns) do
            state.increment("counter")
            if turn % 5 == 0 then
                state.set("own/" .. params.number, turn)
            elseif turn % 5 == 1 and turn > 1 then
                state.delete("own/" .. params.number)
            end
        end
    end)
"#;

fn done(cluster: &Cluster, arguments: &[&str]) -> String {
    answer(cluster.command(0, PREFIX, arguments)).done()
}

/// Has etcd forget everything before the present.
pub fn compact(cluster: &Cluster) {
    let status = cluster.etcdctl(0, &["endpoint", "status", "-w", "json"]);
    let status: Json = serde_json::from_slice(&status.stdout).unwrap();
    let revision = status[0]["Status"]["header"]["revision"].as_u64().unwrap().to_string();
    let output = cluster.etcdctl(0, &["compact", &revision]);
    let err = String::from_utf8_lossy(&output.stderr);
    // Nothing was written since the last time.
    assert!(output.status.success() || err.contains("compacted"), "{err}");
}

/// Programs that end with the test.
struct Programs(Vec<Child>);

impl Programs {
    fn start(commands: impl Iterator<Item = Command>) -> Programs {
        let start =
            |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Programs(commands.map(start).collect())
    }

    #[track_caller]
    fn end(&mut self) {
        for program in &mut self.0 {
            let mut ended = None;
            until("a writer ends", || {
                ended = program.try_wait().unwrap();
                ended.is_some()
            });
            let said = std::io::read_to_string(program.stderr.take().unwrap()).unwrap();
            assert!(ended.unwrap().success(), "{said}");
        }
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for program in &mut self.0 {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

#[test]
fn a_watcher_that_slept_through_a_compaction_misses_nothing() {
    let Some(cluster) = Cluster::start("compaction", 1, Network::Loopback, &[]) else { return };
    let writes = if thorough() { 5000 } else { 400 };
    // Of five turns, one has a write besides its increment, and the next one a deletion.
    let turns = writes / WRITERS * 5 / 7;
    done(&cluster, &["incr", "counter"]);
    let mut asleep = Watching::start(&cluster, 0, PREFIX);
    let awake = Watching::start(&cluster, 0, PREFIX);
    asleep.revisions(1);
    asleep.signal(Signal::SIGSTOP);
    until("it is stopped", || is_stopped(asleep.process.id()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("write.lua");
    std::fs::write(&file, WRITER).unwrap();
    let commands = (0..WRITERS).map(|number| {
        let (turns, number) = (format!("turns={turns}"), format!("number={number}"));
        let file = file.to_str().unwrap();
        cluster.command(0, PREFIX, &["run", file, "--param", &turns, "--param", &number])
    });
    let mut writers = Programs::start(commands);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // What is read in the middle of a compaction is read again.
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                compact(&cluster);
                std::thread::sleep(PACE);
            }
        });
        writers.end();
        is_over.store(true, Ordering::SeqCst);
    });
    compact(&cluster);
    asleep.signal(Signal::SIGCONT);

    let history = history(&cluster, PREFIX);
    let expected = revisions(&history);
    let changes_of = |key: &str| history.iter().filter(|change| change["key"] == key).count();
    assert_eq!(changes_of("counter"), 1 + WRITERS * turns);
    for number in 0..WRITERS {
        assert_eq!(changes_of(&format!("own/{number}")), turns / 5 + (turns - 1) / 5);
    }
    assert!(expected.is_sorted_by(|left, right| left < right));
    for mut watching in [asleep, awake] {
        assert_eq!(watching.revisions(expected.len()), expected);
    }
    // The past does not go with etcd's own.
    let counter: Vec<&Json> = history.iter().filter(|change| change["key"] == "counter").collect();
    for (place, change) in [(0, counter[0]), (writes / 3, counter[writes / 3])] {
        let at = change["revision"].to_string();
        assert_eq!(done(&cluster, &["get", "counter", "--at", &at]), format!("{}\n", place + 1));
    }
}

//! Several real nodes of etcd, broken on purpose while real processes read, write and watch: every acknowledged
//! change is there once, nothing else is, and each program says what it knows.

mod answers_lost;
mod compaction;
mod faults;
mod linearizability;
mod linearizable;
mod locks;
mod other_programs;
mod server_errors;
mod tls;

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use crate::support::etcd_cluster::Cluster;
use crate::support::files::{Answer, answer, objects, until};

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Written<T> {
    /// It took effect, with this answer.
    Done(T),
    /// It was refused, or it is certain that it did not take effect.
    NotDone,
    /// The program does not know.
    Unknown,
}

/// What the program says of a write whose answer it never got.
const UNKNOWN: &str = "not known whether this took effect";

/// How a write ended by the answer of the program; what `read` makes of its output if it took effect.
#[track_caller]
fn written<T>(answer: Answer, read: impl FnOnce(&str) -> T) -> Written<T> {
    assert!(!answer.err.contains("panicked"), "{answer:?}");
    match answer.code {
        Some(0) => Written::Done(read(&String::from_utf8_lossy(&answer.out))),
        Some(1) => Written::NotDone,
        Some(3) if answer.err.contains(UNKNOWN) => Written::Unknown,
        Some(3) => Written::NotDone,
        _ => panic!("{answer:?}"),
    }
}

/// Processes that increment one counter, each beside a node.
struct Counting<'scope> {
    stop: &'scope AtomicBool,
    acknowledged: &'scope AtomicUsize,
    workers: Vec<ScopedJoinHandle<'scope, Counted>>,
}

/// What a worker knows of its increments.
#[derive(Default)]
struct Counted {
    acknowledged: Vec<i64>,
    unknown: usize,
}

impl Counting<'_> {
    /// Waits until this many more increments were acknowledged.
    fn go_on(&self, more: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        until("writes go on", || self.acknowledged.load(Ordering::SeqCst) >= before + more);
    }

    /// Ends the workers.
    fn end(self) -> Counted {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Counted::default();
        for worker in self.workers {
            let counted = worker.join().unwrap();
            all.acknowledged.extend(counted.acknowledged);
            all.unknown += counted.unknown;
        }
        all
    }
}

/// The increments of one worker, until `stop`.
fn count(
    command: impl Fn() -> std::process::Command,
    stop: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> Counted {
    let mut counted = Counted::default();
    while !stop.load(Ordering::SeqCst) {
        match written(answer(command()), |value| value.trim().parse().unwrap()) {
            Written::Done(value) => {
                counted.acknowledged.push(value);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Written::NotDone => {}
            Written::Unknown => counted.unknown += 1,
        }
    }
    counted
}

/// What history has of the counter, oldest first: revisions and values.
fn history(cluster: &Cluster, prefix: &str) -> Vec<(i64, i64)> {
    let mut lines = String::new();
    until("the cluster answers", || {
        let answer =
            answer(cluster.command(0, prefix, &["history", "counter", "--json", "--limit", "1000000"]));
        let is_read = answer.code == Some(0);
        lines = String::from_utf8(answer.out).unwrap();
        is_read
    });
    let mut changes: Vec<(i64, i64)> = objects(&lines)
        .iter()
        .map(|change| (change["revision"].as_i64().unwrap(), change["new"].as_i64().unwrap()))
        .collect();
    changes.reverse();
    changes
}

/// Each acknowledged increment is in history exactly once, and there is no other but those whose end is not known.
fn check_counter(counted: &Counted, changes: &[(i64, i64)]) {
    let values: Vec<i64> = changes.iter().map(|(_, value)| *value).collect();
    let all: Vec<i64> = (1..).take(values.len()).collect();
    assert_eq!(values, all, "history is the steps of one counter");
    let mut acknowledged = counted.acknowledged.clone();
    acknowledged.sort_unstable();
    let given = acknowledged.len();
    acknowledged.dedup();
    assert_eq!(acknowledged.len(), given, "an increment was acknowledged twice");
    assert!(acknowledged.iter().all(|value| all.contains(value)), "an acknowledged increment is lost");
    assert!(
        values.len() <= given + counted.unknown,
        "{} changes, but {given} acknowledged and {} unknown",
        values.len(),
        counted.unknown
    );
}

/// `slothstate watch` from the beginning, which goes on whatever happens to the nodes.
struct Watching {
    process: Child,
    output: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Watching {
    fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Of the counter.
    fn start(cluster: &Cluster, first: usize, prefix: &str) -> Watching {
        Watching::start_of(cluster, first, prefix, "counter")
    }

    /// Of all keys that begin with `keys`.
    fn start_of(cluster: &Cluster, first: usize, prefix: &str, keys: &str) -> Watching {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("changes");
        let mut command =
            cluster.command(first, prefix, &["watch", "--since", "0", "--busy-timeout", "5m", keys]);
        let process = command.stdout(std::fs::File::create(&output).unwrap()).stderr(Stdio::inherit());
        Watching { process: process.spawn().unwrap(), output, _folder: folder }
    }

    /// The revisions that it printed, once there are `count`.
    fn revisions(&mut self, count: usize) -> Vec<i64> {
        let mut text = String::new();
        until("the watcher has seen all changes", || {
            assert!(self.process.try_wait().unwrap().is_none(), "the watcher ended");
            text = std::fs::read_to_string(&self.output).unwrap();
            text.matches('\n').count() >= count
        });
        objects(&text).iter().map(|change| change["revision"].as_i64().unwrap()).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

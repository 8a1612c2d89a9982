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
mod time_travel;
mod tls;
mod writers;

use std::process::{Child, Stdio};

use serde_json::Value as Json;

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

/// The whole of history, oldest first, once the cluster answers.
fn history(cluster: &Cluster, prefix: &str) -> Vec<Json> {
    let mut lines = String::new();
    until("the cluster answers", || {
        let answer = answer(cluster.command(0, prefix, &["history", "--json", "--limit", "1000000"]));
        let is_read = answer.code == Some(0);
        lines = String::from_utf8(answer.out).unwrap();
        is_read
    });
    let mut changes = objects(&lines);
    changes.reverse();
    changes
}

fn revisions(changes: &[Json]) -> Vec<i64> {
    changes.iter().map(|change| change["revision"].as_i64().unwrap()).collect()
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

    /// Of all keys.
    fn start(cluster: &Cluster, first: usize, prefix: &str) -> Watching {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("changes");
        let mut command = cluster.command(first, prefix, &["watch", "--since", "0", "--busy-timeout", "5m"]);
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
        revisions(&objects(&text))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

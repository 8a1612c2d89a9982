//! Processes that increment one counter and set keys of their own, each beside a node, and what must hold of
//! their writes whatever happens to the nodes.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value as Json;

use super::{Written, written};
use crate::support::etcd_cluster::Cluster;
use crate::support::files::{Answer, OF_THE_CALLER, answer, slothstate, until};

/// How long a write is tried.
const LIMIT: &str = "5s";

/// Writers, one beside each node of a cluster.
#[derive(Default)]
pub struct Writers {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    /// How often each writer got no acknowledgement.
    failed: Vec<AtomicUsize>,
}

/// What is known of the increments of a counter.
#[derive(Default)]
pub struct Increments {
    pub acknowledged: Vec<i64>,
    pub unknown: usize,
}

impl Increments {
    /// Notes how one ended.
    pub fn add(&mut self, written: &Written<i64>) {
        match written {
            Written::Done(value) => self.acknowledged.push(*value),
            Written::NotDone => {}
            Written::Unknown => self.unknown += 1,
        }
    }

    /// Each acknowledged increment is in history exactly once, and there is no other but those whose outcome is
    /// not known.
    pub fn check(&self, history: &[Json]) {
        let changes = history.iter().filter(|change| change["key"] == "counter");
        let values: Vec<i64> = changes.map(|change| change["new"].as_i64().unwrap()).collect();
        let all: Vec<i64> = (1..).take(values.len()).collect();
        assert_eq!(values, all, "history is the steps of one counter");
        let mut acknowledged = self.acknowledged.clone();
        acknowledged.sort_unstable();
        let given = acknowledged.len();
        acknowledged.dedup();
        assert_eq!(acknowledged.len(), given, "an increment was acknowledged twice");
        assert!(acknowledged.iter().all(|value| all.contains(value)), "an acknowledged increment is lost");
        let unknown = self.unknown;
        let most = given + unknown;
        assert!(all.len() <= most, "{} changes, but {given} acknowledged and {unknown} unknown", all.len());
    }
}

/// What the writers know of their writes.
#[derive(Default)]
pub struct Outcomes {
    increments: Increments,
    /// The keys of their own; the values that may be there, in order, and whether each was acknowledged.
    own: Vec<(String, Vec<(String, bool)>)>,
}

impl Outcomes {
    /// History has each acknowledged write once, in the order of its writer, and no other but those whose outcome
    /// is not known.
    pub fn check(&self, history: &[Json]) {
        self.increments.check(history);
        for (key, values) in &self.own {
            let changes = history.iter().filter(|change| change["key"] == *key);
            let found: Vec<&str> = changes.map(|change| change["new"].as_str().unwrap()).collect();
            let may_be_there = values.iter().filter(|(value, is_done)| *is_done || found.contains(&&**value));
            let expected: Vec<&str> = may_be_there.map(|(value, _)| value.as_str()).collect();
            assert_eq!(found, expected, "the values of {key}");
        }
        let is_ours = |key: &Json| key == "counter" || self.own.iter().any(|(own, _)| key == own);
        assert!(history.iter().all(|change| is_ours(&change["key"])), "nobody else writes");
    }

    /// How many of the values whose writers do not know it took effect, and how many did not.
    pub fn unknown_values(&self, history: &[Json]) -> (usize, usize) {
        let took_effect = |(key, value): &(&String, &String)| {
            history.iter().any(|change| change["key"] == **key && change["new"] == **value)
        };
        let values = self.own.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let unknown = values.filter(|(_, (_, is_done))| !is_done).map(|(key, (value, _))| (key, value));
        let (done, not_done): (Vec<_>, Vec<_>) = unknown.partition(took_effect);
        (done.len(), not_done.len())
    }
}

/// `slothstate` on a database, with the arguments that are added to it.
struct Program {
    words: Vec<String>,
}

impl Program {
    fn of(command: &Command) -> Program {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Program { words: words.map(|word| word.to_str().unwrap().to_owned()).collect() }
    }

    fn answer(&self, home: &Path, arguments: &[&str]) -> Answer {
        let mut command = Command::new(&self.words[0]);
        for name in OF_THE_CALLER {
            command.env_remove(name);
        }
        command.args(&self.words[1..]).args(arguments).env("HOME", home).stdin(std::process::Stdio::null());
        answer(command)
    }
}

impl Writers {
    /// Has a writer beside each of `nodes` nodes write until `work` is done, which may break and mend the cluster.
    pub fn run(
        cluster: &mut Cluster,
        nodes: usize,
        prefix: &str,
        work: impl FnOnce(&mut Cluster, &Writers),
    ) -> Outcomes {
        // What a writer needs of the cluster, which is broken meanwhile.
        let beside = |node| Program::of(&cluster.command(node, prefix, &["--busy-timeout", LIMIT]));
        let programs: Vec<Program> = (0..nodes).map(beside).collect();
        Writers::write_all(&programs, |writers| work(cluster, writers))
    }

    /// Has a writer for each of these addresses write until `work` is done; each write is tried so long.
    pub fn through(addresses: &[(String, &str)], work: impl FnOnce(&Writers)) -> Outcomes {
        let through = |(address, limit): &(String, &str)| {
            let mut command = slothstate(Path::new("/"));
            command.args(["--db", address, "--busy-timeout", limit]);
            Program::of(&command)
        };
        let programs: Vec<Program> = addresses.iter().map(through).collect();
        Writers::write_all(&programs, work)
    }

    fn write_all(programs: &[Program], work: impl FnOnce(&Writers)) -> Outcomes {
        let failed = programs.iter().map(|_| AtomicUsize::new(0)).collect();
        let writers = Writers { failed, ..Writers::default() };
        let home = tempfile::tempdir().unwrap();
        let mut all = Outcomes::default();
        std::thread::scope(|scope| {
            let write = |(number, program)| {
                let (writers, home) = (&writers, home.path());
                scope.spawn(move || writers.write(number, program, home))
            };
            let threads: Vec<_> = programs.iter().enumerate().map(write).collect();
            // They end with the test, also if it fails.
            let ending = Ending(&writers.stop);
            work(&writers);
            drop(ending);
            for thread in threads {
                let outcomes = thread.join().unwrap();
                all.increments.acknowledged.extend(outcomes.increments.acknowledged);
                all.increments.unknown += outcomes.increments.unknown;
                all.own.extend(outcomes.own);
            }
        });
        all
    }

    /// The writes of one writer.
    fn write(&self, number: usize, program: &Program, home: &Path) -> Outcomes {
        let mut increments = Increments::default();
        let (key, mut values) = (format!("own/{number}"), Vec::new());
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let is_done = if turn % 2 == 0 {
                let answer = program.answer(home, &["incr", "counter"]);
                let outcome = written(answer, |value| value.trim().parse().unwrap());
                increments.add(&outcome);
                matches!(outcome, Written::Done(_))
            } else {
                let value = format!("value {turn}");
                let outcome = written(program.answer(home, &["set", &key, &value]), |_| ());
                let is_done = outcome == Written::Done(());
                if outcome != Written::NotDone {
                    values.push((value, is_done));
                }
                is_done
            };
            (if is_done { &self.acknowledged } else { &self.failed[number] }).fetch_add(1, Ordering::SeqCst);
        }
        Outcomes { increments, own: vec![(key, values)] }
    }

    /// Waits until this many more writes were acknowledged.
    pub fn go_on(&self, more: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        until("writes go on", || self.acknowledged.load(Ordering::SeqCst) >= before + more);
    }

    /// Waits until one more write of each writer is not acknowledged.
    pub fn all_fail(&self) {
        let before: Vec<usize> = self.failed.iter().map(|failed| failed.load(Ordering::SeqCst)).collect();
        let has_failed = |(failed, before): (&AtomicUsize, &usize)| failed.load(Ordering::SeqCst) > *before;
        until("a write of each fails", || self.failed.iter().zip(&before).all(has_failed));
    }
}

/// Ends those who look at it when it is dropped.
pub struct Ending<'a>(pub &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

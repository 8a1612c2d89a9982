//! Five clients read and write a few entries while nodes fail, or requests and answers are lost; what they saw has
//! an order that explains it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value as Json;

use super::answers_lost::losing_proxies;
use super::linearizable::{Call, Operation, Reply, is_linearizable};
use super::writers::Ending;
use super::{UNKNOWN, Written, written};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, slothstate, thorough, until};
use crate::support::losing_proxy::LosingProxy;

const CLIENTS: usize = 5;

/// `slothstate` on a database, and how long each call is tried.
struct Program<'a> {
    address: &'a str,
    limit: &'a str,
    home: &'a Path,
}

impl Program<'_> {
    /// Does one call, and says what came of it; `None` for a read that failed, which tells nothing.
    fn ask(&self, key: &str, call: &Call) -> Option<Reply> {
        let mut command = slothstate(self.home);
        command.args(["--db", self.address, "--busy-timeout", self.limit]);
        match call {
            Call::Get => {
                let answer = answer({
                    command.args(["get", key, "--json"]);
                    command
                });
                return match answer.code {
                    Some(0) => {
                        let entry: Json = serde_json::from_slice(&answer.out).unwrap();
                        let value = entry["value"].as_str().unwrap().to_owned();
                        Some(Reply::Found(Some((value, entry["version"].as_u64().unwrap()))))
                    }
                    Some(1) => Some(Reply::Found(None)),
                    Some(3) => {
                        assert!(!answer.err.contains(UNKNOWN), "a read has no effect: {answer:?}");
                        None
                    }
                    _ => panic!("{answer:?}"),
                };
            }
            Call::Set(value) => command.args(["set", key, value]),
            Call::SetIfVersion(version, value) => {
                command.args(["set", key, value, "--if-version", &version.to_string()])
            }
            Call::Delete => command.args(["del", key]),
        };
        let answer = answer(command);
        let is_refused = answer.code == Some(1);
        Some(match written(answer, |_| ()) {
            Written::Done(()) => Reply::Done,
            Written::NotDone if is_refused => Reply::Refused,
            // It is certain that it did not take effect.
            Written::NotDone => return None,
            Written::Unknown => Reply::Unknown,
        })
    }
}

/// What was seen of each key.
type Seen = BTreeMap<String, Vec<Operation>>;

/// Clients that read and write, and how much they have seen.
struct Clients {
    stop: AtomicBool,
    seen: Mutex<Seen>,
}

impl Clients {
    /// Has a client for each of these addresses read and write these keys until `work` is done; each call is
    /// tried so long.
    fn observe(addresses: &[(String, &str)], keys: &[String], work: impl FnOnce(&Clients)) -> Seen {
        let clients = Clients { stop: AtomicBool::new(false), seen: Mutex::default() };
        let home = tempfile::tempdir().unwrap();
        let clock = Instant::now();
        std::thread::scope(|scope| {
            for (number, (address, limit)) in addresses.iter().enumerate() {
                let program = Program { address, limit, home: home.path() };
                let clients = &clients;
                scope.spawn(move || clients.call(number, &program, keys, clock));
            }
            // They end with the test, also if it fails.
            let ending = Ending(&clients.stop);
            work(&clients);
            drop(ending);
        });
        clients.seen.into_inner().unwrap()
    }

    fn call(&self, number: usize, program: &Program<'_>, keys: &[String], clock: Instant) {
        let mut random = fastrand::Rng::with_seed(number as u64 + 1);
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let key = random.choice(keys).unwrap();
            let value = format!("v{number}-{turn}");
            let call = match random.u8(..8) {
                0..=2 => Call::Get,
                3 | 4 => Call::Set(value),
                5 | 6 => Call::SetIfVersion(versions.get(key.as_str()).copied().unwrap_or(0), value),
                _ => Call::Delete,
            };
            let start = clock.elapsed().as_nanos();
            let Some(reply) = program.ask(key, &call) else { continue };
            let end = clock.elapsed().as_nanos();
            if let Reply::Found(found) = &reply {
                versions.insert(key, found.as_ref().map_or(0, |(_, version)| *version));
            }
            let mut seen = self.seen.lock().unwrap();
            seen.entry(key.clone()).or_default().push(Operation { call, reply, start, end });
        }
    }

    fn count(&self, is_meant: impl Fn(&Operation) -> bool) -> usize {
        self.seen.lock().unwrap().values().flatten().filter(|operation| is_meant(operation)).count()
    }

    /// Waits until this many more calls were answered.
    fn go_on(&self, more: usize) {
        let before = self.count(|_| true);
        until("calls are answered", || self.count(|_| true) >= before + more);
    }
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|key| format!("k{key}")).collect()
}

#[track_caller]
fn check(seen: &Seen) {
    for (key, operations) in seen {
        assert!(is_linearizable(operations), "no order explains what was seen of {key}: {operations:#?}");
    }
}

#[test]
fn what_clients_see_while_nodes_fail_has_an_order() {
    let Some(mut cluster) = Cluster::start("linearizability", 3, Network::Loopback, &[]) else { return };
    let faults = if thorough() { 6 } else { 2 };
    let addresses: Vec<(String, &str)> =
        (0..CLIENTS).map(|client| (cluster.address(client % 3, "/linear"), "4s")).collect();
    let seen = Clients::observe(&addresses, &keys(3), |clients| {
        clients.go_on(60);
        for fault in 0..faults {
            let leader = cluster.wait_for_leader();
            if fault % 2 == 0 {
                cluster.kill(leader);
                clients.go_on(60);
                cluster.restart(leader);
            } else {
                cluster.stop(leader);
                clients.go_on(60);
                cluster.go_on(leader);
            }
            clients.go_on(60);
        }
    });
    check(&seen);
}

#[test]
fn what_clients_see_while_requests_and_answers_are_lost_has_an_order() {
    let Some(cluster) = Cluster::start("linearizability, lost", 3, Network::Loopback, &[]) else { return };
    // How many outcomes are not known, which the search for an order tries both ways.
    let (keys, unknown) = if thorough() { (keys(40), 250) } else { (keys(8), 40) };
    let proxies = losing_proxies(&cluster);
    let all: Vec<&str> = proxies.iter().map(|proxy| proxy.address.as_str()).collect();
    // Those that ask one node, once, often do not know what came of it.
    let nodes = [all.join(","), all.join(","), all[0].into(), all[1].into(), all[2].into()];
    let limits = ["4s", "4s", "0s", "0s", "0s"];
    let addresses: Vec<(String, &str)> =
        nodes.iter().zip(limits).map(|(nodes, limit)| (format!("etcd://{nodes}/linear"), limit)).collect();
    assert_eq!(addresses.len(), CLIENTS);
    let is_unknown = |operation: &Operation| operation.reply == Reply::Unknown;
    let seen = Clients::observe(&addresses, &keys, |clients| {
        until("outcomes are unknown", || clients.count(is_unknown) >= unknown);
    });
    check(&seen);
    // What somebody read whose writer did not know it: such writes took effect, and others did not.
    let operations = || seen.values().flatten();
    let is_read = |value: &String| {
        operations().any(|other| matches!(&other.reply, Reply::Found(Some((found, _))) if found == value))
    };
    let value = |operation: &Operation| match &operation.call {
        Call::Set(value) | Call::SetIfVersion(_, value) if is_unknown(operation) => Some(value.clone()),
        _ => None,
    };
    let read = operations().filter_map(value).filter(is_read).count();
    let lost: usize = proxies.iter().map(LosingProxy::lost).sum();
    assert!(read > 0 && lost > unknown, "{read} of {unknown} unknown writes were read, {lost} lost");
    eprintln!("{} calls, {lost} lost, {unknown} unknown of which {read} were read", operations().count());
}

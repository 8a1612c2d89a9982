//! Five clients read and write a few entries while nodes fail; what they saw has an order that explains it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value as Json;

use super::linearizable::{Call, Operation, Reply, is_linearizable};
use super::{UNKNOWN, Written, written};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, slothstate, thorough, until};

const CLIENTS: usize = 5;
const KEYS: [&str; 3] = ["a", "b", "c"];

/// What one client does next, by a generator of its own: the same in every run of the test.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random >> 11
}

/// Does one call, and says what came of it; `None` for a read that failed, which tells nothing.
fn ask(address: &str, home: &std::path::Path, key: &str, call: &Call) -> Option<Reply> {
    let mut command = slothstate(home);
    command.args(["--db", address, "--busy-timeout", "4s"]);
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

#[test]
fn what_clients_see_while_nodes_fail_has_an_order() {
    let Some(mut cluster) = Cluster::start("linearizability", 3, Network::Loopback, &[]) else { return };
    let faults = if thorough() { 6 } else { 2 };
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen: Mutex<BTreeMap<&str, Vec<Operation>>> = Mutex::default();
    let addresses: Vec<String> = (0..CLIENTS).map(|client| cluster.address(client % 3, "/linear")).collect();
    let home = tempfile::tempdir().unwrap();
    let clock = Instant::now();
    std::thread::scope(|scope| {
        for (client, address) in addresses.iter().enumerate() {
            let (stop, count, seen, home) = (&stop, &count, &seen, home.path());
            scope.spawn(move || {
                let mut random = 0x9E37_79B9_7F4A_7C15 ^ (client as u64 + 1);
                let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
                let mut turn = 0;
                while !stop.load(Ordering::SeqCst) {
                    turn += 1;
                    let key = KEYS[next(&mut random) as usize % KEYS.len()];
                    let value = format!("v{client}-{turn}");
                    let call = match next(&mut random) % 8 {
                        0..=2 => Call::Get,
                        3 | 4 => Call::Set(value),
                        5 | 6 => Call::SetIfVersion(versions.get(key).copied().unwrap_or(0), value),
                        _ => Call::Delete,
                    };
                    let start = clock.elapsed().as_nanos();
                    let Some(reply) = ask(address, home, key, &call) else { continue };
                    let end = clock.elapsed().as_nanos();
                    if let Reply::Found(found) = &reply {
                        versions.insert(key, found.as_ref().map_or(0, |(_, version)| *version));
                    }
                    seen.lock().unwrap().entry(key).or_default().push(Operation { call, reply, start, end });
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let go_on = || {
            let before = count.load(Ordering::SeqCst);
            until("calls are answered", || count.load(Ordering::SeqCst) >= before + 60);
        };
        go_on();
        for fault in 0..faults {
            let leader = cluster.wait_for_leader();
            if fault % 2 == 0 {
                cluster.kill(leader);
                go_on();
                cluster.restart(leader);
            } else {
                cluster.stop(leader);
                go_on();
                cluster.go_on(leader);
            }
            go_on();
        }
        stop.store(true, Ordering::SeqCst);
    });
    for (key, operations) in seen.into_inner().unwrap() {
        assert!(is_linearizable(&operations), "no order explains what was seen of {key}: {operations:#?}");
    }
}

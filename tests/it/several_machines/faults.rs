//! Nodes that are killed, stopped or cut off while processes increment one counter and another one watches.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::{Counting, Watching, check_counter, count, history};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::thorough;

/// What is done to a cluster of three nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// `kill -9` of the leader.
    KillLeader,
    /// `kill -9` of a node that follows.
    KillFollower,
    /// The leader takes connections and answers nothing.
    StopLeader,
    /// `kill -9` of all nodes.
    KillAll,
    /// The leader, with the worker beside it, is cut off from the others.
    CutLeaderOff,
    /// A node that follows, with the worker beside it, is cut off from the others.
    CutFollowerOff,
}

/// How many increments must be acknowledged before a fault counts as over.
const GO_ON: usize = 20;

fn with_faults(test: &str, network: Network, faults: &[Fault]) {
    let Some(mut cluster) = Cluster::start(test, 3, network, &[]) else { return };
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let prefix = "/faults";
    let mut watching = Watching::start(&cluster, 1, prefix);
    // What a worker needs of the cluster, which the faults change meanwhile.
    let commands: Vec<Vec<String>> = (0..3)
        .map(|node| {
            let command = cluster.command(node, prefix, &["incr", "counter", "--busy-timeout", "5s"]);
            let program = command.get_program().to_owned();
            let arguments = command.get_args().map(|word| word.to_str().unwrap().to_owned());
            std::iter::once(program.into_string().unwrap()).chain(arguments).collect()
        })
        .collect();
    let home = tempfile::tempdir().unwrap();
    let counted = std::thread::scope(|scope| {
        let workers = commands
            .iter()
            .map(|words| {
                let (stop, acknowledged, home) = (&stop, &acknowledged, home.path());
                scope.spawn(move || {
                    let command = || {
                        let mut command = std::process::Command::new(&words[0]);
                        command.args(&words[1..]).env("HOME", home).stdin(std::process::Stdio::null());
                        command
                    };
                    count(command, stop, acknowledged)
                })
            })
            .collect();
        let counting = Counting { stop: &stop, acknowledged: &acknowledged, workers };
        counting.go_on(GO_ON);
        for fault in faults {
            break_and_mend(&mut cluster, *fault, &counting);
        }
        counting.end()
    });
    let changes = history(&cluster, prefix);
    check_counter(&counted, &changes);
    let revisions: Vec<i64> = changes.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(watching.revisions(revisions.len()), revisions, "watch has a gap, or a change twice");
}

fn break_and_mend(cluster: &mut Cluster, fault: Fault, counting: &Counting<'_>) {
    let leader = cluster.wait_for_leader();
    let follower = (leader + 1) % 3;
    match fault {
        Fault::KillLeader | Fault::KillFollower => {
            let node = if fault == Fault::KillLeader { leader } else { follower };
            cluster.kill(node);
            counting.go_on(GO_ON);
            cluster.restart(node);
        }
        Fault::StopLeader => {
            cluster.stop(leader);
            counting.go_on(GO_ON);
            cluster.go_on(leader);
        }
        Fault::KillAll => {
            (0..3).for_each(|node| cluster.kill(node));
            (0..3).for_each(|node| cluster.restart(node));
        }
        Fault::CutLeaderOff | Fault::CutFollowerOff => {
            let node = if fault == Fault::CutLeaderOff { leader } else { follower };
            cluster.cut_off(node);
            counting.go_on(GO_ON);
            cluster.reconnect(node);
        }
    }
    counting.go_on(GO_ON);
}

#[test]
fn nothing_is_lost_or_done_twice_when_nodes_are_killed_or_stopped() {
    let faults = [Fault::KillLeader, Fault::StopLeader, Fault::KillAll, Fault::KillFollower];
    let rounds = if thorough() { 2 } else { 1 };
    with_faults("nodes killed or stopped", Network::Loopback, &faults.repeat(rounds));
}

#[test]
fn nothing_is_lost_or_done_twice_when_a_node_is_cut_off() {
    let faults = [Fault::CutLeaderOff, Fault::CutFollowerOff];
    let rounds = if thorough() { 2 } else { 1 };
    with_faults("a node cut off", Network::Namespaces, &faults.repeat(rounds));
}

//! Nodes that are killed, stopped or cut off while processes write and another one watches.

use super::writers::Writers;
use super::{Watching, history, revisions};
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
    /// `kill -9` of all nodes, which start again at once.
    KillAll,
    /// The same, but they start again only when a write of each writer has failed.
    KillAllForLong,
    /// The leader, with the writer beside it, is cut off from the others.
    CutLeaderOff,
    /// A node that follows, with the writer beside it, is cut off from the others.
    CutFollowerOff,
}

/// How many writes must be acknowledged before a fault counts as over.
const GO_ON: usize = 20;

fn with_faults(test: &str, network: Network, faults: &[Fault]) {
    let Some(mut cluster) = Cluster::start(test, 3, network, &[]) else { return };
    let prefix = "/faults";
    let mut watching = Watching::start(&cluster, 1, prefix);
    let outcomes = Writers::run(&mut cluster, 3, prefix, |cluster, writers| {
        writers.go_on(GO_ON);
        for fault in faults {
            break_and_mend(cluster, *fault, writers);
        }
    });
    let history = history(&cluster, prefix);
    outcomes.check(&history);
    assert_eq!(watching.revisions(history.len()), revisions(&history), "watch has a gap, or a change twice");
}

fn break_and_mend(cluster: &mut Cluster, fault: Fault, writers: &Writers) {
    let leader = cluster.wait_for_leader();
    let follower = (leader + 1) % 3;
    match fault {
        Fault::KillLeader | Fault::KillFollower => {
            let node = if fault == Fault::KillLeader { leader } else { follower };
            cluster.kill(node);
            writers.go_on(GO_ON);
            cluster.restart(node);
        }
        Fault::StopLeader => {
            cluster.stop(leader);
            writers.go_on(GO_ON);
            cluster.go_on(leader);
        }
        Fault::KillAll => {
            (0..3).for_each(|node| cluster.kill(node));
            (0..3).for_each(|node| cluster.restart(node));
        }
        Fault::KillAllForLong => {
            (0..3).for_each(|node| cluster.kill(node));
            writers.all_fail();
            (0..3).for_each(|node| cluster.restart(node));
        }
        Fault::CutLeaderOff | Fault::CutFollowerOff => {
            let node = if fault == Fault::CutLeaderOff { leader } else { follower };
            cluster.cut_off(node);
            writers.go_on(GO_ON);
            cluster.reconnect(node);
        }
    }
    writers.go_on(GO_ON);
}

#[test]
fn nothing_is_lost_or_done_twice_when_nodes_are_killed_or_stopped() {
    let faults = [Fault::KillLeader, Fault::StopLeader, Fault::KillFollower];
    let rounds = if thorough() { 2 } else { 1 };
    with_faults("nodes killed or stopped", Network::Loopback, &faults.repeat(rounds));
}

#[test]
fn nothing_is_lost_or_done_twice_when_all_nodes_are_killed() {
    let faults = [Fault::KillAll, Fault::KillAllForLong];
    let rounds = if thorough() { 5 } else { 1 };
    with_faults("all nodes killed", Network::Loopback, &faults.repeat(rounds));
}

#[test]
fn nothing_is_lost_or_done_twice_when_a_node_is_cut_off() {
    let faults = [Fault::CutLeaderOff, Fault::CutFollowerOff];
    let rounds = if thorough() { 2 } else { 1 };
    with_faults("a node cut off", Network::Namespaces, &faults.repeat(rounds));
}

//! Writes through a proxy that loses their answers: each is done once all the same.

use super::writers::Increments;
use super::{Written, history, written};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, slothstate};
use crate::support::losing_proxy;

const WRITES: usize = 20;

#[test]
fn a_write_whose_answer_is_lost_is_done_once() {
    let Some(cluster) = Cluster::start("answers lost", 1, Network::Loopback, &[]) else { return };
    let losing = losing_proxy::start(cluster.client(0));
    let home = tempfile::tempdir().unwrap();
    let mut counted = Increments::default();
    // Alone it never answers a write; with another node after it, that one answers each.
    for (nodes, limit) in [(losing.clone(), "200ms"), (format!("{losing},{}", cluster.client(0)), "60s")] {
        let before = (counted.acknowledged.len(), counted.unknown);
        for _ in 0..WRITES {
            let mut command = slothstate(home.path());
            let address = format!("etcd://{nodes}/lost");
            command.args(["--db", &address, "--busy-timeout", limit, "incr", "counter"]);
            match written(answer(command), |value| value.trim().parse().unwrap()) {
                Written::Done(value) => counted.acknowledged.push(value),
                Written::NotDone => panic!("it took effect"),
                Written::Unknown => counted.unknown += 1,
            }
        }
        let expected = if nodes == losing { (0, WRITES) } else { (WRITES, before.1) };
        assert_eq!((counted.acknowledged.len(), counted.unknown), expected, "{nodes}");
    }
    let changes = history(&cluster, "/lost");
    counted.check(&changes);
    assert_eq!(changes.len(), 2 * WRITES, "each took effect once");
}

//! Writes through proxies that lose them or their answers: each is done once at most, and what is not known is
//! called so.

use std::time::Duration;

use super::writers::{Increments, Writers};
use super::{Watching, Written, history, revisions, written};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, slothstate, thorough, until};
use crate::support::losing_proxy::{Fate, LosingProxy};

const WRITES: usize = 20;

/// Three of four writes get no answer.
pub fn losing_proxies(cluster: &Cluster) -> Vec<LosingProxy> {
    let start = |node| {
        let mut random = fastrand::Rng::with_seed(node as u64 + 1);
        let fates: Vec<u8> = std::iter::repeat_with(|| random.u8(..4)).take(1000).collect();
        LosingProxy::start(cluster.client(node), move |write| match fates[write % fates.len()] {
            0 => Fate::Answered,
            1 => Fate::AnswerLost,
            2 => Fate::RequestLost,
            _ => Fate::Late(Duration::from_millis(300)),
        })
    };
    (0..3).map(start).collect()
}

#[test]
fn a_write_whose_answer_is_lost_is_done_once() {
    let Some(cluster) = Cluster::start("answers lost", 1, Network::Loopback, &[]) else { return };
    let losing = LosingProxy::of_answers(cluster.client(0), 0);
    let home = tempfile::tempdir().unwrap();
    let mut counted = Increments::default();
    let alone = losing.address.clone();
    // Alone it never answers a write; with another node after it, that one answers each.
    for (nodes, limit) in [(alone.clone(), "200ms"), (format!("{alone},{}", cluster.client(0)), "60s")] {
        let (unknown, lost) = (counted.unknown, losing.lost());
        for _ in 0..WRITES {
            let mut command = slothstate(home.path());
            let address = format!("etcd://{nodes}/lost");
            command.args(["--db", &address, "--busy-timeout", limit, "incr", "counter"]);
            let outcome = written(answer(command), |value| value.trim().parse().unwrap());
            assert_ne!(outcome, Written::NotDone, "it took effect");
            counted.add(&outcome);
        }
        let expected = if nodes == alone { (0, WRITES) } else { (WRITES, unknown) };
        assert_eq!((counted.acknowledged.len(), counted.unknown), expected, "{nodes}");
        assert!(losing.lost() >= lost + WRITES, "an answer to each is lost");
    }
    let changes = history(&cluster, "/lost");
    counted.check(&changes);
    assert_eq!(changes.len(), 2 * WRITES, "each took effect once");
}

#[test]
fn nothing_is_done_twice_where_most_requests_or_answers_are_lost() {
    let Some(mut cluster) = Cluster::start("most answers lost", 3, Network::Loopback, &[]) else { return };
    let least = if thorough() { 1500 } else { 150 };
    let proxies = losing_proxies(&cluster);
    let lost = || proxies.iter().map(LosingProxy::lost).sum::<usize>();
    let mut watching = Watching::start(&cluster, 0, "/lost");
    // The first ones ask all nodes for long; the last ones give up soon, and then do not know.
    let all: Vec<&str> = proxies.iter().map(|proxy| proxy.address.as_str()).collect();
    let writers =
        [(all.join(","), "5s"), (all.join(","), "5s"), (all[0].into(), "0s"), (all[1].into(), "0s")];
    let writers = writers.map(|(nodes, limit)| (format!("etcd://{nodes}/lost"), limit));
    let outcomes = Writers::through(&writers, |writers| {
        until("many are lost", || lost() >= least / 2);
        let leader = cluster.wait_for_leader();
        cluster.kill(leader);
        writers.go_on(10);
        cluster.restart(leader);
        until("many are lost", || lost() >= least);
    });
    proxies.iter().for_each(LosingProxy::settle);
    let history = history(&cluster, "/lost");
    outcomes.check(&history);
    assert_eq!(watching.revisions(history.len()), revisions(&history), "watch has a gap, or a change twice");
    let (done, not_done) = outcomes.unknown_values(&history);
    assert!(done > 0 && not_done > 0, "{done} unknown writes took effect, and {not_done} did not");
    assert!(history.len() < lost(), "{} changes, {} lost", history.len(), lost());
    eprintln!(
        "{} changes, {} lost, {done} of {} unknown took effect",
        history.len(),
        lost(),
        done + not_done
    );
}

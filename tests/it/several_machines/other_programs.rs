//! Keys that other programs write, and prefixes of others beside ours.

use serde_json::Value as Json;

use super::Watching;
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, objects};

const PREFIX: &str = "/prod";

fn done(cluster: &Cluster, prefix: &str, arguments: &[&str]) -> String {
    answer(cluster.command(0, prefix, arguments)).done()
}

fn etcdctl(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = cluster.etcdctl(0, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_another_program_writes_is_read_and_enters_history_with_the_next_write() {
    let Some(cluster) = Cluster::start("another program", 1, Network::Loopback, &[]) else { return };
    etcdctl(&cluster, &["put", "/prod/feature:x", "true"]);
    assert_eq!(done(&cluster, PREFIX, &["get", "feature:x"]), "true\n");
    // To look at it is to write nothing.
    assert_eq!(etcdctl(&cluster, &["get", "--prefix", "", "--keys-only"]).trim(), "/prod/feature:x");
    done(&cluster, PREFIX, &["set", "feature:x", "false"]);
    assert_eq!(etcdctl(&cluster, &["get", "/prod/feature:x", "--print-value-only"]), "false\n");
    etcdctl(&cluster, &["put", "/prod/feature:x", "maybe"]);
    done(&cluster, PREFIX, &["set", "feature:x", "true"]);
    let history = objects(&done(&cluster, PREFIX, &["history", "feature:x", "--json"]));
    let values: Vec<(&Json, &Json, &Json)> =
        history.iter().rev().map(|change| (&change["actor"], &change["old"], &change["new"])).collect();
    let words: Vec<(bool, Option<&str>, Option<&str>)> = values
        .iter()
        .map(|(actor, old, new)| (actor.as_str() == Some("external"), old.as_str(), new.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            (true, None, Some("true")),
            (false, Some("true"), Some("false")),
            (true, Some("false"), Some("maybe")),
            (false, Some("maybe"), Some("true")),
        ]
    );
}

#[test]
fn a_watcher_tells_what_another_program_wrote_before_what_came_next() {
    let Some(cluster) = Cluster::start("a watcher", 1, Network::Loopback, &[]) else { return };
    done(&cluster, PREFIX, &["incr", "counter"]);
    let mut watching = Watching::start(&cluster, 0, PREFIX);
    watching.revisions(1);
    etcdctl(&cluster, &["put", "/prod/counter", "40"]);
    done(&cluster, PREFIX, &["incr", "counter"]);
    etcdctl(&cluster, &["del", "/prod/counter"]);
    done(&cluster, PREFIX, &["incr", "counter"]);
    let history = objects(&done(&cluster, PREFIX, &["history", "counter", "--json"]));
    let mut revisions = super::revisions(&history);
    revisions.reverse();
    assert_eq!(watching.revisions(revisions.len()), revisions);
    // The chain of old and new values has no hole.
    for pair in history.windows(2) {
        assert_eq!(pair[0]["old"], pair[1]["new"], "{history:?}");
    }
}

#[test]
fn prefixes_do_not_see_each_other() {
    let Some(cluster) = Cluster::start("prefixes", 1, Network::Loopback, &[]) else { return };
    let prefixes = ["/prod", "/prod.test", "/prod2", "/pro", "/prod.s.x"];
    for prefix in prefixes {
        done(&cluster, prefix, &["set", "k", prefix]);
        done(&cluster, prefix, &["incr", "n"]);
    }
    for prefix in prefixes {
        assert_eq!(done(&cluster, prefix, &["keys"]), "k\nn\n", "{prefix}");
        assert_eq!(done(&cluster, prefix, &["get", "k"]), format!("{prefix}\n"));
        assert_eq!(done(&cluster, prefix, &["history", "--json"]).lines().count(), 2, "{prefix}");
        assert_eq!(done(&cluster, prefix, &["locks", "--json"]), "", "{prefix}");
    }
    done(&cluster, "/prod", &["del", "k", "n"]);
    assert_eq!(done(&cluster, "/prod", &["keys"]), "");
    for prefix in &prefixes[1..] {
        assert_eq!(done(&cluster, prefix, &["keys"]), "k\nn\n", "{prefix}");
    }
}

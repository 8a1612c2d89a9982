//! What the server refuses, and nodes that are not what they should be: the words and the exit code.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{Answer, answer, slothstate, until};

fn run(address: &str, arguments: &[&str]) -> Answer {
    let home = tempfile::tempdir().unwrap();
    let mut command = slothstate(home.path());
    command.args(["--busy-timeout", "2s", "--db", address]).args(arguments);
    answer(command)
}

#[test]
fn a_node_that_never_answers_is_said_within_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("etcd://{}/p", silent.local_addr().unwrap());
    // Nothing was sent of the write: what it depends on could not be read.
    for arguments in [&["get", "k"][..], &["set", "k", "v"]] {
        let answer = run(&address, arguments);
        assert!(!answer.err.contains(super::UNKNOWN), "{answer:?}");
        answer.refused(3, "no node of etcd://");
    }
}

#[test]
fn a_node_without_its_gateway_is_named() {
    let options = ["--enable-grpc-gateway=false"];
    let Some(cluster) = Cluster::start("no gateway", 1, Network::Loopback, &options) else { return };
    run(&cluster.address(0, "/p"), &["get", "k"]).refused(3, "--enable-grpc-gateway");
}

const QUOTA: [&str; 2] = ["--quota-backend-bytes", "1000000"];

/// Reads go on, and writes say what to do.
fn check_out_of_space(address: &str) {
    assert_eq!(run(address, &["get", "k"]).done(), "v\n");
    assert_eq!(run(address, &["keys"]).done(), "k\nlarge\n");
    let history = run(address, &["history", "k", "--json"]).done();
    assert_eq!(history.lines().count(), 1);
    assert_eq!(run(address, &["watch", "k", "--since", "0", "--count", "1"]).done(), history);
    assert_eq!(run(address, &["locks"]).code, Some(0));
    run(address, &["incr", "n"]).refused(3, "out of space");
    run(address, &["lock", "job", "--", "true"]).refused(3, "out of space");
    let examined = run(address, &["doctor"]);
    let said = String::from_utf8_lossy(&examined.out);
    assert!(examined.code == Some(1) && said.contains("NOSPACE"), "{examined:?}");
    assert_eq!(run(address, &["get", "k"]).done(), "v\n");
}

#[test]
fn a_node_out_of_space_refuses_writes_and_answers_reads() {
    let Some(cluster) = Cluster::start("no space", 1, Network::Loopback, &QUOTA) else { return };
    let address = cluster.address(0, "/p");
    assert_eq!(run(&address, &["set", "k", "v"]).code, Some(0));
    let value = "x".repeat(100_000);
    let mut refused = None;
    until("the node is full", || {
        let answer = run(&address, &["set", "large", &value]);
        let is_refused = answer.code != Some(0);
        refused = Some(answer);
        is_refused
    });
    refused.unwrap().refused(3, "out of space");
    check_out_of_space(&address);
}

/// Beyond its quota etcd refuses every transaction, also one that only reads.
#[test]
fn a_node_beyond_its_quota_answers_reads() {
    let Some(mut cluster) = Cluster::start("beyond the quota", 1, Network::Loopback, &[]) else { return };
    let address = cluster.address(0, "/p");
    assert_eq!(run(&address, &["set", "k", "v"]).code, Some(0));
    let value = "x".repeat(100_000);
    for _ in 0..8 {
        assert_eq!(run(&address, &["set", "large", &value]).code, Some(0));
    }
    cluster.restart_with(0, &QUOTA);
    check_out_of_space(&address);
}

#[test]
fn a_wrong_user_password_or_range_is_said_without_the_password() {
    let Some(cluster) = Cluster::start("users", 1, Network::Loopback, &[]) else { return };
    let must = |arguments: &[&str]| {
        let output = cluster.etcdctl(0, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    must(&["user", "add", "root:root-secret"]);
    must(&["user", "grant-role", "root", "root"]);
    must(&["role", "add", "sloth"]);
    must(&["role", "grant-permission", "sloth", "readwrite", "/mine/", "/mine0"]);
    must(&["role", "grant-permission", "sloth", "readwrite", "/mine.s/", "/mine.s0"]);
    must(&["user", "add", "ann:ann-secret"]);
    must(&["user", "grant-role", "ann", "sloth"]);
    must(&["role", "add", "reader"]);
    must(&["role", "grant-permission", "reader", "read", "/mine/", "/mine0"]);
    must(&["role", "grant-permission", "reader", "read", "/mine.s/", "/mine.s0"]);
    must(&["user", "add", "bob:bob-secret"]);
    must(&["user", "grant-role", "bob", "reader"]);
    must(&["auth", "enable"]);
    let node = cluster.client(0);
    let with = |user: &str, prefix: &str| format!("etcd://{user}@{node}{prefix}");

    let visible = run(&with("ann:ann-secret", "/mine"), &["set", "k", "v"]);
    assert!(visible.code == Some(0) && visible.err.contains("$SLOTHSTATE_ETCD_PASSWORD"), "{visible:?}");
    assert_eq!(run(&with("ann:ann-secret", "/mine"), &["get", "k"]).done(), "v\n");
    for (address, words) in [
        (with("ann:wrong-secret", "/mine"), "password"),
        (with("ann:ann-secret", "/other"), "/other/"),
        (format!("etcd://{node}/mine"), "user"),
    ] {
        for arguments in [&["get", "k"][..], &["set", "k", "v"], &["doctor"]] {
            let answer = run(&address, arguments);
            assert_eq!(answer.code, Some(3), "{address} {arguments:?} {answer:?}");
            let all = format!("{}{}", answer.err, String::from_utf8_lossy(&answer.out));
            assert!(all.contains(words), "{words:?} in {answer:?}");
            assert!(!all.contains("-secret"), "{answer:?}");
        }
    }
    // Who may only read sees everything.
    let reader = with("bob:bob-secret", "/mine");
    for arguments in [&["get", "k"][..], &["keys"], &["history", "k"], &["locks"]] {
        assert_eq!(run(&reader, &[&["--read-only"], arguments].concat()).code, Some(0), "{arguments:?}");
    }
    run(&reader, &["--read-only", "doctor"]).is_healthy();
    let refused = run(&reader, &["set", "k", "w"]);
    assert!(refused.code == Some(3) && refused.err.contains("[/mine/, /mine0)"), "{refused:?}");
    // The password can come from the environment, where nobody sees it.
    let home = tempfile::tempdir().unwrap();
    let mut command = slothstate(home.path());
    command.env("SLOTHSTATE_ETCD_PASSWORD", "ann-secret");
    command.args(["--db", &with("ann", "/mine"), "get", "k"]);
    let hidden = answer(command);
    assert!(hidden.err.is_empty(), "{hidden:?}");
    assert_eq!(hidden.done(), "v\n");
}

#[test]
fn the_proxy_of_the_environment_is_not_asked() {
    let Some(cluster) = Cluster::start("proxy", 1, Network::Loopback, &[]) else { return };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command: Command = slothstate(home.path());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{closed}"));
    }
    command.args(["--db", &cluster.address(0, "/p"), "set", "k", "v"]).stdin(Stdio::null());
    assert_eq!(answer(command).code, Some(0));
}

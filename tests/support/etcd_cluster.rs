//! A cluster of real etcd nodes for one test: started on free ports with data of its own, and broken on
//! purpose. Each node, or with [`Network::Namespaces`] its network too, ends with the test, however that ends.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::etcd_node::{etcd_program, has_etcd};
use super::files::{skipped, slothstate, until};

/// How the nodes of a cluster reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Ports of the loopback interface.
    Loopback,
    /// A network namespace per node, so that one of them can be cut off. Needs root.
    Namespaces,
}

/// Some nodes of etcd that are one cluster.
pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
    namespaces: Option<Namespaces>,
    /// What `etcdctl` needs to be let in.
    credentials: Vec<String>,
}

struct Node {
    name: String,
    /// `host:port` for clients.
    client: String,
    arguments: Vec<String>,
    process: Option<Process>,
}

/// A process that the end of this one ends.
struct Process {
    /// A shell that waits until its standard input is closed, which the end of this process does.
    watchdog: Child,
    pid: Pid,
}

/// Tells the pid of the node that it starts, and ends that when its standard input is closed.
const WATCHDOG: &str = "log=$1 pid=$2; shift 2; \"$@\" >>\"$log\" 2>&1 </dev/null & echo $! >\"$pid\"; read -r _; kill -9 $!; wait $!";

impl Cluster {
    /// Starts `nodes` nodes with further `options` for each, and waits until they have a leader. `None` where
    /// etcd is not installed, or namespaces cannot be made.
    pub fn start(test: &str, nodes: usize, network: Network, options: &[&str]) -> Option<Cluster> {
        Cluster::start_with(test, nodes, network, "http", options, Vec::new())
    }

    /// One node that serves clients by TLS, by these `options`, and the files that a client shows.
    pub fn start_with_tls(
        test: &str,
        options: &[&str],
        ca: &str,
        certificate: &str,
        key: &str,
    ) -> Option<Cluster> {
        let credentials = ["--cacert", ca, "--cert", certificate, "--key", key].map(str::to_owned).to_vec();
        Cluster::start_with(test, 1, Network::Loopback, "https", options, credentials)
    }

    fn start_with(
        test: &str,
        nodes: usize,
        network: Network,
        scheme: &str,
        options: &[&str],
        credentials: Vec<String>,
    ) -> Option<Cluster> {
        if !has_etcd() {
            return None;
        }
        let namespaces = match network {
            Network::Loopback => None,
            Network::Namespaces => Some(Namespaces::new(test, nodes)?),
        };
        let folder = tempfile::tempdir().unwrap();
        let hosts: Vec<String> = (0..nodes)
            .map(|node| namespaces.as_ref().map_or("127.0.0.1".to_owned(), |_| Namespaces::address(node)))
            .collect();
        let ports = match network {
            Network::Loopback => free_ports(2 * nodes),
            // Each has all ports for itself.
            Network::Namespaces => [2379, 2380].repeat(nodes),
        };
        let peer = |node: usize| format!("http://{}:{}", hosts[node], ports[2 * node + 1]);
        let members: Vec<String> = (0..nodes).map(|node| format!("node{node}={}", peer(node))).collect();
        let nodes = (0..nodes)
            .map(|node| {
                let client = format!("{}:{}", hosts[node], ports[2 * node]);
                let (client_url, peer_url) = (format!("{scheme}://{client}"), peer(node));
                let name = format!("node{node}");
                let mut arguments: Vec<String> = [
                    ["--name", &name],
                    ["--data-dir", folder.path().join(&name).to_str().unwrap()],
                    ["--listen-client-urls", &client_url],
                    ["--advertise-client-urls", &client_url],
                    ["--listen-peer-urls", &peer_url],
                    ["--initial-advertise-peer-urls", &peer_url],
                    ["--initial-cluster", &members.join(",")],
                    ["--initial-cluster-token", test],
                    ["--heartbeat-interval", "100"],
                    ["--election-timeout", "1000"],
                    ["--log-level", "error"],
                ]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect();
                arguments.extend(options.iter().map(|option| (*option).to_owned()));
                Node { name, client, arguments, process: None }
            })
            .collect();
        let mut cluster = Cluster { folder, nodes, namespaces, credentials };
        for node in 0..cluster.nodes.len() {
            cluster.start_node(node);
        }
        cluster.wait_for_leader();
        Some(cluster)
    }

    /// The address of the database `prefix`, with the nodes in the order of `first`, `first + 1`, …
    pub fn address(&self, first: usize, prefix: &str) -> String {
        let count = self.nodes.len();
        let hosts: Vec<&str> =
            (0..count).map(|node| self.nodes[(first + node) % count].client.as_str()).collect();
        format!("etcd://{}{prefix}", hosts.join(","))
    }

    /// `host:port` of a node.
    pub fn client(&self, node: usize) -> &str {
        &self.nodes[node].client
    }

    /// The program on the database `prefix`, beside the node `first`, to which it connects first.
    pub fn command(&self, first: usize, prefix: &str, arguments: &[&str]) -> Command {
        let program = slothstate(self.folder.path());
        let mut command = self.beside(first, program);
        command.args(["--db", &self.address(first, prefix)]).args(arguments);
        command
    }

    /// `etcdctl` on the node alone.
    pub fn etcdctl(&self, node: usize, arguments: &[&str]) -> Output {
        let mut command = self.beside(node, Command::new("etcdctl"));
        command.env("ETCDCTL_API", "3").args(["--dial-timeout=1s", "--command-timeout=2s", "--endpoints"]);
        command
            .arg(&self.nodes[node].client)
            .args(&self.credentials)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `command`, run in the network of `node`.
    fn beside(&self, node: usize, command: Command) -> Command {
        let Some(namespaces) = &self.namespaces else { return command };
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &namespaces.name(node)]).arg(command.get_program());
        wrapped.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped.stdin(Stdio::null());
        wrapped
    }

    /// The node that leads as the others see it, if one of them knows.
    fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|node| {
            let output = self.etcdctl(*node, &["endpoint", "status", "-w", "json"]);
            let read: Option<Json> = serde_json::from_slice(&output.stdout).ok();
            read.is_some_and(|status| {
                let id = &status[0]["Status"]["header"]["member_id"];
                id.is_u64() && *id == status[0]["Status"]["leader"]
            })
        })
    }

    /// The node that leads, once one does.
    pub fn wait_for_leader(&self) -> usize {
        let mut leader = None;
        until("the cluster has a leader", || {
            leader = self.leader();
            leader.is_some()
        });
        leader.unwrap()
    }

    fn start_node(&mut self, node: usize) {
        let (log, pid) = (self.file(node, "log"), self.file(node, "pid"));
        let _ = std::fs::remove_file(&pid);
        let mut etcd = Command::new(etcd_program());
        etcd.args(&self.nodes[node].arguments);
        let etcd = self.beside(node, etcd);
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHDOG, "sh"]).arg(log).arg(&pid);
        shell.arg(etcd.get_program()).args(etcd.get_args());
        // What it says of the killed child is of no interest.
        let watchdog =
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut started = None;
        until("a node is started", || {
            started = std::fs::read_to_string(&pid).ok().and_then(|text| text.trim().parse().ok());
            started.is_some()
        });
        self.nodes[node].process = Some(Process { watchdog, pid: Pid::from_raw(started.unwrap()) });
    }

    fn file(&self, node: usize, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{}.{ending}", self.nodes[node].name))
    }

    /// `kill -9`.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Starts a node that was killed.
    pub fn restart(&mut self, node: usize) {
        if self.nodes[node].process.is_none() {
            self.start_node(node);
        }
    }

    /// Kills a node and starts it again with these options besides.
    pub fn restart_with(&mut self, node: usize, options: &[&str]) {
        self.kill(node);
        self.nodes[node].arguments.extend(options.iter().map(|option| (*option).to_owned()));
        self.start_node(node);
        self.wait_for_leader();
    }

    /// Stops a node: it takes connections and answers nothing.
    pub fn stop(&self, node: usize) {
        self.signal(node, Signal::SIGSTOP);
    }

    /// Lets a stopped node go on.
    pub fn go_on(&self, node: usize) {
        self.signal(node, Signal::SIGCONT);
    }

    fn signal(&self, node: usize, signal: Signal) {
        if let Some(process) = &self.nodes[node].process {
            kill(process.pid, signal).unwrap();
        }
    }

    /// Cuts a node, and the programs beside it, off from all others. Only with [`Network::Namespaces`].
    pub fn cut_off(&self, node: usize) {
        self.namespaces.as_ref().unwrap().set_link(node, "down");
    }

    /// Ends [`Cluster::cut_off`].
    pub fn reconnect(&self, node: usize) {
        self.namespaces.as_ref().unwrap().set_link(node, "up");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The shell waits for the node, so that its ports and its data are free afterwards.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Ports of the loopback interface that nobody has, all of them different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A network namespace per node, each connected to one more that has a bridge. Nothing is added to the network
/// of the machine.
struct Namespaces {
    prefix: String,
    count: usize,
}

/// What the names of all namespaces of tests begin with; the pid of the test follows.
const NAMESPACES: &str = "slothstate-";

impl Namespaces {
    fn new(test: &str, count: usize) -> Option<Namespaces> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if !nix::unistd::geteuid().is_root() || Command::new("ip").arg("-V").output().is_err() {
            skipped(test, "cannot cut a node off: that needs root and iproute2");
            return None;
        }
        remove_leftovers();
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let prefix = format!("{NAMESPACES}{}-{number}-", std::process::id());
        let namespaces = Namespaces { prefix, count };
        if !ip(&["netns", "add", &namespaces.hub()]) {
            skipped(test, "cannot cut a node off: no network namespaces here");
            return None;
        }
        let hub = namespaces.hub();
        namespaces.must(&["-n", &hub, "link", "add", "bridge", "type", "bridge"]);
        namespaces.must(&["-n", &hub, "link", "set", "bridge", "up"]);
        for node in 0..count {
            let (name, port) = (namespaces.name(node), format!("port{node}"));
            namespaces.must(&["netns", "add", &name]);
            namespaces.must(&[
                "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name,
            ]);
            namespaces.must(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"]);
            let address = format!("{}/24", Namespaces::address(node));
            namespaces.must(&["-n", &name, "address", "add", &address, "dev", "eth0"]);
            namespaces.must(&["-n", &name, "link", "set", "eth0", "up"]);
            namespaces.must(&["-n", &name, "link", "set", "lo", "up"]);
        }
        Some(namespaces)
    }

    fn address(node: usize) -> String {
        format!("10.77.0.{}", node + 1)
    }

    fn hub(&self) -> String {
        format!("{}hub", self.prefix)
    }

    fn name(&self, node: usize) -> String {
        format!("{}{node}", self.prefix)
    }

    fn set_link(&self, node: usize, state: &str) {
        self.must(&["-n", &self.hub(), "link", "set", &format!("port{node}"), state]);
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) {
        assert!(ip(arguments), "ip {}", arguments.join(" "));
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for node in 0..self.count {
            ip(&["netns", "delete", &self.name(node)]);
        }
        ip(&["netns", "delete", &self.hub()]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output().unwrap();
    output.status.success()
}

/// Removes the namespaces of tests that were killed.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    let names: BTreeSet<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for name in names {
        let Some(rest) = name.strip_prefix(NAMESPACES) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            ip(&["netns", "delete", &name]);
        }
    }
}

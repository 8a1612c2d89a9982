//! One node of etcd for all tests of a process, started by the first one that asks for it.

use std::ffi::OsString;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A node, and who ends it: the shell waits for the end of this process, however that comes.
struct EtcdNode {
    client: String,
    _watchdog: Child,
}

/// Ends the node and removes its data when standard input is closed.
const WATCHDOG: &str = "exec 2>/dev/null; folder=$1; shift; \"$@\" >\"$folder/log\" 2>&1 </dev/null & node=$!; read -r _; kill -9 $node; wait $node; rm -rf \"$folder\"";

static NODE: LazyLock<Option<EtcdNode>> = LazyLock::new(start);

/// `host:port` of the node; `None` where etcd is not installed.
///
/// # Panics
/// The node does not start, or `CI` is `true` and etcd is not installed.
pub fn etcd_node() -> Option<&'static str> {
    NODE.as_ref().map(|node| node.client.as_str())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The etcd that is tested: the path in `$SLOTHSTATE_TEST_ETCD`, or the installed one.
pub fn etcd_program() -> OsString {
    std::env::var_os("SLOTHSTATE_TEST_ETCD").unwrap_or_else(|| "etcd".into())
}

/// Whether etcd is installed; where it is not, that is printed.
///
/// # Panics
/// It is not, and `CI` is `true`.
pub fn has_etcd() -> bool {
    let has_etcd = Command::new(etcd_program()).arg("--version").output().is_ok();
    if !has_etcd {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "etcd is not installed");
        // Past the harness, which keeps the words of tests that pass to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no etcd");
    }
    has_etcd
}

fn start() -> Option<EtcdNode> {
    // Another process may take a port between the choice and the start.
    has_etcd().then(|| (0..20).find_map(|_| start_on_free_ports()).expect("two ports that stay free"))
}

/// Starts a node; `None` if another process has taken one of its ports.
fn start_on_free_ports() -> Option<EtcdNode> {
    // In memory where that is possible: what is tested is not the disk.
    let memory = std::path::Path::new("/dev/shm");
    let mut folder = tempfile::Builder::new();
    folder.prefix("slothstate-etcd-");
    let folder = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() }.unwrap();
    let (client, peer) = (free_port(), free_port());
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let folder = folder.keep();
    let mut watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(&folder)
        .arg(etcd_program())
        .args(["--name", "tests", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
        .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
        .args(["--initial-cluster", &format!("tests={peer_url}"), "--log-level", "error"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let client = format!("127.0.0.1:{client}");
    let start = Instant::now();
    while TcpStream::connect(&client).is_err() {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("address already in use") {
            drop(watchdog.stdin.take());
            watchdog.wait().unwrap();
            return None;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "etcd does not start: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(EtcdNode { client, _watchdog: watchdog })
}

//! The etcd engine against bare calls of etcd's JSON gateway, in the same run, on a node that this starts.
//!
//! `cargo bench --bench etcd`, with `SLOTHSTATE_BENCH_NODES=3` on three nodes and `SLOTHSTATE_BENCH_KEYS=1000000`
//! for another number of keys than 100,000. Where etcd is not installed it says so.

#[path = "../support/etcd_cluster.rs"]
#[allow(dead_code)]
mod etcd_cluster;
#[path = "../../src/store/testing/etcd_node.rs"]
#[allow(dead_code)]
mod etcd_node;
#[path = "../support/files.rs"]
#[allow(dead_code)]
mod files;
#[path = "many_keys.rs"]
#[allow(dead_code)]
mod many_keys;
#[path = "report.rs"]
mod report;
#[path = "../support/terminal.rs"]
#[allow(dead_code)]
mod terminal;

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use etcd_cluster::{Cluster, Network};
use portable_pty::CommandBuilder;
use slothstate::store::{
    Changes, Edit, Expiry, Key, KeyRange, Location, LockRequest, Number, Options, Scan, Store, Token,
    Transaction, Value, WaitOutcome, open, open_or_create, wait_for_lock,
};
use terminal::Terminal;

const PROCESSES: usize = 4;
/// How long several processes write.
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, address, ..] = &arguments[..] {
        match role.as_str() {
            "increment" => return increment_for_a_while(address),
            "put" => return put_for_a_while(address),
            _ => {}
        }
    }
    let nodes =
        std::env::var("SLOTHSTATE_BENCH_NODES").ok().and_then(|nodes| nodes.parse().ok()).unwrap_or(1);
    let Some(mut cluster) = Cluster::start("the benchmarks of etcd", nodes, Network::Loopback, &[]) else {
        return;
    };
    println!("{nodes} nodes");
    let address = cluster.address(0, "/bench");
    reads_and_writes(&cluster, &address);
    counters(&cluster);
    watching(&address);
    handed_over(&cluster);
    many_keys_on(&cluster);
    if nodes > 1 {
        lost_leader(&mut cluster);
    }
}

fn store(address: &str) -> Box<dyn Store + Send> {
    let location = Location::parse(OsStr::new(address)).expect("an address");
    open_or_create(&location, &Options::default()).expect("a store")
}

fn key(name: &str) -> Key {
    Key::new(name).expect("key")
}

fn put(store: &dyn Store, name: &str, value: &str) {
    let transaction = Transaction::put(key(name), Value::text(value), Expiry::Clear);
    assert!(store.commit(&transaction).expect("set").is_committed());
}

/// Bare calls, as any program makes them.
struct Bare {
    agent: ureq::Agent,
    node: String,
}

impl Bare {
    fn new(node: &str) -> Bare {
        let config = ureq::Agent::config_builder().proxy(None).build();
        Bare { agent: ureq::Agent::new_with_config(config), node: node.to_owned() }
    }

    fn call(&self, path: &str, body: &serde_json::Value) -> String {
        let url = format!("http://{}/v3/kv/{path}", self.node);
        let request = self.agent.post(&url).header("Content-Type", "application/json");
        let mut answer = request.send(body.to_string()).expect("an answer");
        answer.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body")
    }

    fn put(&self, key: &str, value: &str) {
        let body = serde_json::json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) });
        self.call("put", &body);
    }

    fn get(&self, key: &str) {
        self.call("range", &serde_json::json!({ "key": STANDARD.encode(key) }));
    }

    /// All keys that begin so, with their values.
    fn range(&self, from: &str, to: &str, limit: usize) -> usize {
        let body = serde_json::json!({
            "key": STANDARD.encode(from), "range_end": STANDARD.encode(to), "limit": limit.to_string(),
        });
        self.call("range", &body).len()
    }
}

fn reads_and_writes(cluster: &Cluster, address: &str) {
    let (store, bare) = (store(address), Bare::new(cluster.client(0)));
    put(&*store, "known", "0");
    bare.put("/bare/known", "0");
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        turn.to_string()
    };
    let gets = report::in_turn(5, 300, &mut || drop(store.get(&key("known")).expect("get")), &mut || {
        bare.get("/bare/known")
    });
    report::rates_by_the_clock("get", "bare range", gets, 0.5);
    let mut value = next();
    let sets = report::in_turn(
        5,
        300,
        &mut || {
            value = next();
            put(&*store, "known", &value);
        },
        &mut || bare.put("/bare/known", "value"),
    );
    report::rates_by_the_clock("set, with history", "bare put", sets, 0.5);
    let step = Edit::Increment(Number::Integer(1));
    let increments = report::in_turn(
        5,
        300,
        &mut || drop(store.edit(&key("count"), &step).expect("increment")),
        &mut || bare.put("/bare/known", "value"),
    );
    report::rates_by_the_clock("increment, with history", "bare put", increments, 0.4);
}

fn increment_for_a_while(address: &str) {
    let store = store(address);
    let step = Edit::Increment(Number::Integer(1));
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        store.edit(&key("shared"), &step).expect("increment");
        count += 1;
    }
    println!("{count}");
}

fn put_for_a_while(node: &str) {
    let bare = Bare::new(node);
    let name = format!("/bare/{}", std::process::id());
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        bare.put(&name, "value");
        count += 1;
    }
    println!("{count}");
}

/// How much several processes do in a second, all of them together.
fn together(role: &str, target: &str, processes: usize) -> f64 {
    let program = std::env::current_exe().expect("this program");
    let start =
        |_| Command::new(&program).args([role, target]).stdout(Stdio::piped()).spawn().expect("a process");
    let children: Vec<_> = (0..processes).map(start).collect();
    let counts = children.into_iter().map(|child| {
        let output = child.wait_with_output().expect("wait");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text").trim().parse::<f64>().expect("a number")
    });
    counts.sum::<f64>() / TIME.as_secs_f64()
}

fn counters(cluster: &Cluster) {
    let address = cluster.address(0, "/counters");
    let one = together("increment", &address, 1);
    let bare_one = together("put", cluster.client(0), 1);
    report::ratio("one counter, 1 process", one, "bare puts", bare_one, 0.4);
    let four = together("increment", &address, PROCESSES);
    report::ratio("one counter, 4 processes", four, "1 process", one, 0.4);
}

/// From the beginning of a put to the event that another store has of it, in milliseconds.
fn watching(address: &str) {
    let (writer, watcher) = (store(address), store(address));
    let mut seen = watcher.revision().expect("revision");
    let mut times = Vec::new();
    for turn in 0..200 {
        watcher.poll_changes().expect("changes");
        let start = Instant::now();
        put(&*writer, "watched", &turn.to_string());
        loop {
            if watcher.poll_changes().expect("changes")
                && let Changes::Since(changes) = watcher.changes(seen, 10, 1 << 20).expect("changes")
                && let Some(last) = changes.last()
            {
                seen = last.revision;
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (middle, late) = percentiles(times);
    report::at_most(
        "watch, from a put to its event, p99",
        late,
        "ms",
        50.0,
        &format!("(median {middle:.1} ms)"),
    );
}

/// The median and the 99th percentile.
fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[(times.len() - 1) * 99 / 100])
}

fn wait(store: &dyn Store, holder: &str) -> Token {
    let lease = Duration::from_secs(60);
    let request = LockRequest { name: "turn".into(), holder: holder.into(), lease };
    let waited = wait_for_lock(store, &request, lease, &mut |time| {
        std::thread::sleep(time);
        true
    });
    match waited.expect("a lock") {
        WaitOutcome::Acquired(lock) => lock.token,
        _ => panic!("no lock"),
    }
}

/// From the release of a lock to the first write of the next holder, in milliseconds.
fn handed_over(cluster: &Cluster) {
    let address = cluster.address(0, "/locks");
    let first = store(&address);
    let mut times = Vec::new();
    for _ in 0..30 {
        let token = wait(&*first, "first");
        let waiter = std::thread::spawn({
            let address = address.clone();
            move || {
                let second = store(&address);
                let token = wait(&*second, "second");
                put(&*second, "turn", "second");
                let end = Instant::now();
                second.release("turn", token).expect("release");
                end
            }
        });
        files::until("the other one waits", || !first.waiters().expect("waiters").is_empty());
        let start = Instant::now();
        first.release("turn", token).expect("release");
        times.push(waiter.join().expect("the waiter").duration_since(start).as_secs_f64() * 1e3);
    }
    let (middle, late) = percentiles(times);
    report::at_most(
        "a lock from hand to hand, to the first write",
        middle,
        "ms",
        20.0,
        &format!("(p99 {late:.1} ms)"),
    );
}

fn many_keys_on(cluster: &Cluster) {
    let keys: usize =
        std::env::var("SLOTHSTATE_BENCH_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(100_000);
    let address = cluster.address(0, "/many");
    let bare = Bare::new(cluster.client(0));
    let writer = store(&address);
    let most = writer.capabilities().operations;
    for first in (0..keys).step_by(most) {
        let puts = (first..keys.min(first + most)).map(|number| {
            let name = key(&format!("host:{number:08}:status"));
            Transaction::put(name, Value::text(format!("value {number}")), Expiry::Clear).operations
        });
        let transaction = Transaction { operations: puts.flatten().collect(), ..Transaction::default() };
        assert!(writer.commit(&transaction).expect("set").is_committed());
    }
    println!("{keys} keys");
    let reader = open(writer.location(), &Options::default()).expect("a store");
    let start = Instant::now();
    assert_eq!(reader.scan(&Scan::new(KeyRange::all(), 100)).expect("a page").len(), 100);
    let page = milliseconds(start);
    let start = Instant::now();
    bare.range("/many/", "/many0", 100);
    let bare_page = milliseconds(start);
    let note = format!("(a bare range of 100: {bare_page:.1} ms)");
    report::at_most("first page of 100", page, "ms", 100.0, &note);
    let start = Instant::now();
    let mut scan = Scan::new(KeyRange::all(), 1000);
    let mut count = 0;
    loop {
        let entries = reader.scan(&scan).expect("a page");
        let Some(last) = entries.last() else { break };
        count += entries.len();
        scan.after = Some(last.key.clone());
    }
    let all = milliseconds(start);
    assert_eq!(count, keys);
    let start = Instant::now();
    bare.range("/many/", "/many0", 0);
    let bare_all = milliseconds(start);
    let note = format!("(one bare range: {bare_all:.0} ms)");
    report::at_most("all keys, in pages of 1,000", all, "ms", 600.0 * keys as f64 / 1e5, &note);
    let mut best = f64::MAX;
    for _ in 0..3 {
        let terminal = interface(&address);
        terminal.wait_for("host:00000010:status");
        best = best.min(milliseconds(terminal.started));
    }
    report::at_most("first screen with rows, from exec", best, "ms", 100.0, "");
    let terminal = interface(&address);
    terminal.wait_for(" keys");
    std::thread::sleep(Duration::from_secs(2));
    let before = many_keys::cpu_seconds(terminal.pid());
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(10));
    let share = (many_keys::cpu_seconds(terminal.pid()) - before) / start.elapsed().as_secs_f64() * 100.0;
    report::at_most("the interface, of a core while nothing happens", share, "%", 0.5, "");
}

fn interface(address: &str) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.args(["--config", "/nonexistent", "--db", address]);
    Terminal::start(command, 120, 40)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// How long no write is acknowledged after `kill -9` of the leader, in seconds.
fn lost_leader(cluster: &mut Cluster) {
    let leader = cluster.wait_for_leader();
    let store = store(&cluster.address(leader, "/leader"));
    put(&*store, "k", "before");
    cluster.kill(leader);
    let start = Instant::now();
    put(&*store, "k", "after");
    report::at_most("no writes after the leader was killed", start.elapsed().as_secs_f64(), "s", 4.0, "");
}

//! A proxy before a node that takes requests and loses answers: a write is done once all the same.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Counted, Written, check_counter, history, written};
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{answer, slothstate};

/// Forwards connections to a node, and loses the answer of every second write.
struct Proxy {
    address: String,
    lost: Arc<AtomicUsize>,
    is_ended: Arc<AtomicBool>,
}

impl Proxy {
    fn start(node: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (lost, is_ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let node = node.to_owned();
        std::thread::spawn({
            let (lost, is_ended, writes) = (lost.clone(), is_ended.clone(), Arc::new(AtomicUsize::new(0)));
            move || {
                for client in listener.incoming().flatten() {
                    if is_ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(server) = TcpStream::connect(&node) else { continue };
                    let (lost, writes) = (lost.clone(), writes.clone());
                    std::thread::spawn(move || forward(client, server, &writes, &lost));
                }
            }
        });
        Proxy { address, lost, is_ended }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

/// Forwards one connection. The node answers a request that writes before its answer is thrown away, together
/// with the connection.
fn forward(mut client: TcpStream, mut server: TcpStream, writes: &AtomicUsize, lost: &AtomicUsize) {
    let is_doomed = Arc::new(AtomicBool::new(false));
    let requests = std::thread::spawn({
        let (mut client, mut server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (is_doomed, is_second) = (is_doomed.clone(), {
            let turn = writes.fetch_add(1, Ordering::SeqCst);
            turn % 2 == 1
        });
        move || {
            let mut buffer = [0; 65536];
            while let Ok(count @ 1..) = client.read(&mut buffer) {
                // Every commit is a transaction with a put of its record; a read has none.
                let text = String::from_utf8_lossy(&buffer[..count]);
                if is_second && (text.contains("requestPut") || text.contains("request_put")) {
                    is_doomed.store(true, Ordering::SeqCst);
                }
                if server.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = server.shutdown(Shutdown::Write);
        }
    });
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if is_doomed.load(Ordering::SeqCst) {
            lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    let _ = requests.join();
}

#[test]
fn a_write_whose_answer_is_lost_is_done_once() {
    let Some(cluster) = Cluster::start("answers lost", 1, Network::Loopback, &[]) else { return };
    let proxy = Proxy::start(cluster.client(0));
    let address = format!("etcd://{}/lost", proxy.address);
    let home = tempfile::tempdir().unwrap();
    let mut counted = Counted::default();
    for _ in 0..40 {
        let mut command = slothstate(home.path());
        command.args(["--db", &address, "--busy-timeout", "5s", "incr", "counter"]);
        match written(answer(command), |value| value.trim().parse().unwrap()) {
            Written::Done(value) => counted.acknowledged.push(value),
            Written::NotDone => {}
            Written::Unknown => counted.unknown += 1,
        }
    }
    assert!(proxy.lost.load(Ordering::SeqCst) > 0, "no answer was lost");
    check_counter(&counted, &history(&cluster, "/lost"));
    assert!(!counted.acknowledged.is_empty());
}

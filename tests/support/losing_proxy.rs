//! A proxy before a node of etcd that forwards everything, but closes the connection in place of the answer to a
//! write.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Starts it before the node at `host:port`; its own `host:port`.
pub fn start(node: &str) -> String {
    start_after(node, 0)
}

/// The same, but the answers to the first `writes` arrive.
pub fn start_after(node: &str, writes: usize) -> String {
    let node = node.to_owned();
    let count = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&node).unwrap();
            let has_written = Arc::new(AtomicBool::new(false));
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (seen, count) = (has_written.clone(), count.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(read @ 1..) = from.read(&mut buffer) {
                    if buffer[..read].windows(11).any(|part| part == b"request_put")
                        && count.fetch_add(1, Ordering::SeqCst) >= writes
                    {
                        seen.store(true, Ordering::SeqCst);
                    }
                    to.write_all(&buffer[..read]).unwrap();
                }
            });
            std::thread::spawn(move || {
                let (mut from, mut to) = (server, client);
                let mut buffer = [0; 65536];
                while let Ok(read @ 1..) = from.read(&mut buffer) {
                    if has_written.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

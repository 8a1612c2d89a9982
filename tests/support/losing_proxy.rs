//! A proxy before a node of etcd that forwards everything, but closes the connection in place of the answer to a
//! write.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Starts it before the node at `host:port`; its own `host:port`.
pub fn start(node: &str) -> String {
    let node = node.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&node).unwrap();
            let has_written = Arc::new(AtomicBool::new(false));
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let seen = has_written.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(read @ 1..) = from.read(&mut buffer) {
                    if buffer[..read].windows(11).any(|part| part == b"request_put") {
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

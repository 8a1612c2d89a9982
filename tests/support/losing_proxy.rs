//! A proxy before a node of etcd that loses writes or the answers to them, and counts what it lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::files::until;

/// What becomes of a write. All but the first close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// The node carries it out, and its answer is lost.
    AnswerLost,
    /// The node never hears of it.
    RequestLost,
    /// The node hears of it so much later, when the client has asked another one or given up.
    Late(Duration),
}

/// A proxy that runs until the test ends.
pub struct LosingProxy {
    /// Its own `host:port`.
    pub address: String,
    writes: Arc<Writes>,
}

/// The writes that came to a proxy.
#[derive(Default)]
struct Writes {
    fates: Mutex<Vec<Fate>>,
    /// How many are on their way to the node or not answered by it yet, whose clients are told nothing more.
    pending: AtomicUsize,
}

impl LosingProxy {
    /// Starts it before the node at `host:port`; `fate` decides what becomes of each write, counted from 0.
    pub fn start(node: &str, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> LosingProxy {
        let node = node.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let writes: Arc<Writes> = Arc::default();
        let (seen, fate) = (writes.clone(), Arc::new(fate));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A node that does not run takes no connections, and neither does its proxy.
                let Ok(server) = TcpStream::connect(&node) else { continue };
                carry(client, server, seen.clone(), fate.clone());
            }
        });
        LosingProxy { address, writes }
    }

    /// One that loses the answers to all writes but the first ones.
    pub fn of_answers(node: &str, answered: usize) -> LosingProxy {
        LosingProxy::start(
            node,
            move |write| if write < answered { Fate::Answered } else { Fate::AnswerLost },
        )
    }

    /// How many writes got no answer.
    pub fn lost(&self) -> usize {
        self.writes.fates.lock().unwrap().iter().filter(|fate| **fate != Fate::Answered).count()
    }

    /// Waits until the node has carried out everything that it is ever to hear of.
    pub fn settle(&self) {
        until("late writes arrive", || self.writes.pending.load(Ordering::SeqCst) == 0);
    }
}

impl Writes {
    /// What becomes of the next one.
    fn next(&self, fate: impl Fn(usize) -> Fate) -> Fate {
        let mut fates = self.fates.lock().unwrap();
        let next = fate(fates.len());
        fates.push(next);
        if matches!(next, Fate::AnswerLost | Fate::Late(_)) {
            self.pending.fetch_add(1, Ordering::SeqCst);
        }
        next
    }
}

/// Carries what a client and a node say.
fn carry(
    client: TcpStream,
    server: TcpStream,
    writes: Arc<Writes>,
    fate: Arc<impl Fn(usize) -> Fate + Send + Sync + 'static>,
) {
    let is_silent = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (silent, seen) = (is_silent.clone(), writes.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let is_write = buffer[..read].windows(11).any(|part| part == b"request_put");
            match if is_write { seen.next(&*fate) } else { Fate::Answered } {
                Fate::Answered => {}
                Fate::AnswerLost => silent.store(true, Ordering::SeqCst),
                Fate::RequestLost => break,
                Fate::Late(time) => {
                    silent.store(true, Ordering::SeqCst);
                    let _ = from.shutdown(Shutdown::Both);
                    std::thread::sleep(time);
                }
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The node answers what it has got before the other thread leaves it.
        if !silent.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Both);
        }
        let _ = from.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let (mut from, mut to) = (server, client);
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if is_silent.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        if is_silent.load(Ordering::SeqCst) {
            writes.pending.fetch_sub(1, Ordering::SeqCst);
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}

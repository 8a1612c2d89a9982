//! A worker: a thread, the queue of its requests, and what becomes of a panic.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use crate::tui::message::Message;
use crate::tui::request::RequestQueue;

/// A thread that answers requests, and the way to it. It ends once this is dropped and its requests are answered.
pub struct Worker<R> {
    requests: Sender<R>,
}

impl<R: Send + 'static> Worker<R> {
    /// Starts the thread, and keeps its handle with the others.
    pub fn start(
        handles: &mut Vec<JoinHandle<()>>,
        answers: &Sender<Message>,
        work: impl FnOnce(&RequestQueue<R>, &Sender<Message>) + Send + 'static,
    ) -> Worker<R> {
        let (requests, receiver) = channel();
        handles.push(spawn(answers, move |answers| work(&RequestQueue::new(receiver), answers)));
        Worker { requests }
    }

    /// Sends a request. A thread that is gone has said so itself.
    pub fn send(&self, request: R) {
        let _ = self.requests.send(request);
    }
}

/// Starts a thread; one that panics ends the program, which has said why by then.
pub fn spawn(
    answers: &Sender<Message>,
    work: impl FnOnce(&Sender<Message>) + Send + 'static,
) -> JoinHandle<()> {
    let answers = answers.clone();
    std::thread::spawn(move || {
        // The panic's message was printed, and the terminal given back, where it happened.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&answers)));
        if worked.is_err() {
            let _ = answers.send(Message::Fault);
        }
    })
}

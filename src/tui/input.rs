//! What reaches the interface from outside of the database: keys, the mouse, signals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::message::Message;

/// How long a look for keys lasts: as long as an editor has to wait for the terminal.
pub const LOOK: Duration = Duration::from_millis(100);

/// The way to the interface for whoever outlives a database. Every database has a channel of its
/// own, so that what is still on the way from one that was left is never taken for news of another.
#[derive(Clone)]
pub struct Post(Arc<Mutex<Sender<Message>>>);

impl Post {
    /// A way, and its end.
    pub fn new() -> (Post, Receiver<Message>) {
        let (messages, inbox) = channel();
        (Post(Arc::new(Mutex::new(messages))), inbox)
    }

    /// Sends a message. Where nobody is left to hear it, the program is ending.
    pub fn send(&self, message: Message) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(message);
    }

    /// Has the messages from here on go another way.
    pub fn redirect(&self, messages: Sender<Message>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = messages;
    }
}

/// Passes on what the user does. The end of input, or a terminal that is gone, ends the program.
pub fn listen(post: &Post, paused: &Arc<AtomicBool>) {
    let (post, paused) = (post.clone(), paused.clone());
    std::thread::spawn(move || {
        loop {
            if paused.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let message = match crossterm::event::poll(LOOK) {
                Ok(false) => {
                    if is_terminal_gone() {
                        Message::End
                    } else {
                        continue;
                    }
                }
                Ok(true) if paused.load(Ordering::SeqCst) => continue,
                Ok(true) => match crossterm::event::read() {
                    Ok(event) => Message::Input(event),
                    Err(_) => Message::End,
                },
                Err(_) => Message::End,
            };
            let is_end = matches!(message, Message::End);
            post.send(message);
            if is_end {
                return;
            }
        }
    });
}

/// Whether nobody is at the other end any more.
fn is_terminal_gone() -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let input = std::io::stdin();
    let mut looked = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    match poll(&mut looked, PollTimeout::ZERO) {
        Ok(_) => looked[0].revents().is_some_and(|events| {
            events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
        }),
        Err(_) => false,
    }
}

/// A signal that asks to end ends the program as `q` does, so that the terminal is given back.
/// Ctrl-C in the user's editor is the editor's own affair.
///
/// # Errors
/// If the system does not let signals be handled.
pub fn end_on_signals(post: &Post, paused: &Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (post, paused) = (post.clone(), paused.clone());
    std::thread::spawn(move || {
        let ends = |signal: &i32| *signal != SIGINT || !paused.load(Ordering::SeqCst);
        if signals.forever().any(|signal| ends(&signal)) {
            post.send(Message::End);
        }
    });
    Ok(())
}

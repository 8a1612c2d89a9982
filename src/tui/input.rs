//! What reaches the interface from outside of the database: keys, the mouse, signals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::Event;

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
            let input = wait_for_input();
            if paused.load(Ordering::SeqCst) {
                continue;
            }
            let passed_on = !input.is_there || pass_on(&post).is_ok();
            if input.is_over || !passed_on {
                post.send(Message::End);
                return;
            }
        }
    });
}

/// Passes on all that has been typed by now.
fn pass_on(post: &Post) -> std::io::Result<()> {
    // As short as a look of crossterm can be: one of no time at all sees nothing.
    const AT_ONCE: Duration = Duration::from_millis(1);
    while crossterm::event::poll(AT_ONCE)? {
        post.send(Message::Input(crossterm::event::read()?));
    }
    Ok(())
}

/// What there is to be read.
struct Readable {
    is_there: bool,
    /// Nobody is at the other end any more.
    is_over: bool,
}

/// Waits for something to be typed, for as long as a look lasts. Crossterm would spend the last
/// millisecond of each wait asking over and over.
fn wait_for_input() -> Readable {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let input = std::io::stdin();
    let mut looked = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
    let events = match poll(&mut looked, limit) {
        Ok(_) => looked[0].revents().unwrap_or(PollFlags::empty()),
        // A signal: it is told by whoever waits for it.
        Err(_) => PollFlags::empty(),
    };
    let over = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    Readable { is_there: events.contains(PollFlags::POLLIN), is_over: events.intersects(over) }
}

/// A signal that asks to end ends the program as `q` does, so that the terminal is given back; one
/// that tells of a new size is passed on. While the terminal is lent, Ctrl-C is the editor's own
/// affair, and so is the size.
///
/// # Errors
/// If the system does not let signals be handled.
pub fn heed_signals(post: &Post, paused: &Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])?;
    let (post, paused) = (post.clone(), paused.clone());
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let is_lent = paused.load(Ordering::SeqCst);
            match signal {
                SIGWINCH if is_lent => {}
                SIGWINCH => {
                    if let Ok((columns, rows)) = crossterm::terminal::size() {
                        post.send(Message::Input(Event::Resize(columns, rows)));
                    }
                }
                SIGINT if is_lent => {}
                _ => return post.send(Message::End),
            }
        }
    });
    Ok(())
}

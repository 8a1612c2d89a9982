//! What the terminal sends: keys, the mouse, pastes, and replies to what it was asked.

pub mod decoder;

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::tui::message::Message;
use crate::tui::terminal::input::decoder::{Decoded, Decoder};

/// How long a reply of the terminal may be on its way.
const REPLY: Duration = Duration::from_secs(10);

/// How long the thread that reads is waited for: another program may have taken what it was to read.
const STUCK: Duration = Duration::from_secs(1);

/// The way to the interface for whoever outlives a database. Every database has a channel of its
/// own, so that what is still on the way from one that was left is never taken for news of another.
#[derive(Clone)]
pub struct MessageSender(Arc<Mutex<Sender<Message>>>);

impl MessageSender {
    /// A way, and its end.
    pub fn new() -> (MessageSender, Receiver<Message>) {
        let (messages, inbox) = channel();
        (MessageSender(Arc::new(Mutex::new(messages))), inbox)
    }

    /// Sends a message. Where nobody is left to hear it, the program is ending.
    pub fn send(&self, message: Message) {
        let _ = lock(&self.0).send(message);
    }

    /// Has the messages from here on go another way.
    pub fn redirect(&self, messages: Sender<Message>) {
        *lock(&self.0) = messages;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the terminal was asked something, and has not replied.
#[derive(Clone, Default)]
pub struct TerminalQuery(Arc<(Mutex<Option<Instant>>, Condvar)>);

impl TerminalQuery {
    pub fn asked(&self) {
        *lock(&self.0.0) = Some(Instant::now());
    }

    fn answered(&self) {
        *lock(&self.0.0) = None;
        self.0.1.notify_all();
    }

    /// Whether a reply may still come.
    pub fn is_open(&self) -> bool {
        lock(&self.0.0).is_some_and(|asked| asked.elapsed() < REPLY)
    }

    /// Waits until the terminal has replied, but not beyond `limit` after it was asked.
    pub fn wait(&self, limit: Duration) {
        let mut asked = lock(&self.0.0);
        while let Some(since) = *asked {
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return;
            }
            asked = self.0.1.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread that reads from the terminal.
pub struct Keyboard {
    state: Arc<(Mutex<KeyboardState>, Condvar)>,
    wake: PipeWriter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyboardState {
    Reading,
    /// It is asked to let go of the terminal.
    Pausing,
    Paused,
    Ended,
}

impl Keyboard {
    /// Passes on what the user does, and what the terminal replies. The end of input, or a terminal
    /// that is gone, ends the program.
    ///
    /// # Errors
    /// If the system has no pipe for it.
    pub fn listen(post: &MessageSender, question: &TerminalQuery) -> io::Result<Keyboard> {
        let (woken, wake) = io::pipe()?;
        let state = Arc::new((Mutex::new(KeyboardState::Reading), Condvar::new()));
        let reader = InputReader {
            woken,
            state: Arc::clone(&state),
            post: post.clone(),
            question: question.clone(),
            decoder: Decoder::default(),
        };
        std::thread::spawn(move || reader.run());
        Ok(Keyboard { state, wake })
    }

    /// Lets go of the terminal; nothing is read from it when this returns, unless the thread is stuck.
    pub fn pause(&mut self) {
        let mut state = lock(&self.state.0);
        if *state == KeyboardState::Reading {
            *state = KeyboardState::Pausing;
        }
        // A pipe that takes no byte has one that wakes the thread.
        let _ = self.wake.write(&[0]);
        let is_pausing = |state: &mut KeyboardState| *state == KeyboardState::Pausing;
        let _ = self.state.1.wait_timeout_while(state, STUCK, is_pausing);
    }

    /// Reads from the terminal again.
    pub fn resume(&mut self) {
        let mut state = lock(&self.state.0);
        if matches!(*state, KeyboardState::Pausing | KeyboardState::Paused) {
            *state = KeyboardState::Reading;
            self.state.1.notify_all();
        }
    }
}

struct InputReader {
    woken: PipeReader,
    state: Arc<(Mutex<KeyboardState>, Condvar)>,
    post: MessageSender,
    question: TerminalQuery,
    decoder: Decoder,
}

enum InputReady {
    /// Somebody wants the thread to let go of the terminal.
    Woken,
    /// These bytes came.
    Bytes(Vec<u8>),
    /// Nothing came in time.
    Expired,
    /// Nobody is at the other end any more.
    Over,
}

impl InputReader {
    fn run(mut self) {
        loop {
            self.pause();
            let decoded = match self.wait() {
                InputReady::Woken => continue,
                InputReady::Bytes(bytes) => self.decoder.feed(&bytes),
                InputReady::Expired => self.decoder.expire().into_iter().collect(),
                InputReady::Over => break,
            };
            decoded.into_iter().for_each(|decoded| self.pass_on(decoded));
        }
        *lock(&self.state.0) = KeyboardState::Ended;
        self.state.1.notify_all();
        self.post.send(Message::End);
    }

    /// Lets go of the terminal for as long as that is wanted.
    fn pause(&mut self) {
        let mut state = lock(&self.state.0);
        if *state != KeyboardState::Pausing {
            return;
        }
        self.decoder.reset();
        *state = KeyboardState::Paused;
        self.state.1.notify_all();
        while *state != KeyboardState::Reading {
            state = self.state.1.wait(state).unwrap_or_else(PoisonError::into_inner);
            if *state == KeyboardState::Pausing {
                *state = KeyboardState::Paused;
                self.state.1.notify_all();
            }
        }
    }

    /// Waits for bytes, or until what came so far is complete without more.
    fn wait(&mut self) -> InputReady {
        let patience = self.decoder.patience(self.question.is_open());
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            let input = io::stdin();
            let mut looked = [
                PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
                PollFd::new(input.as_fd(), PollFlags::POLLIN),
            ];
            // Rounded up: a wait of no time at all is over at once, over and over.
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(|left| left + Duration::from_micros(999));
            let limit = left
                .map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
            match poll(&mut looked, limit) {
                Ok(0) => return InputReady::Expired,
                Ok(_) => {}
                // A signal: it is told by whoever waits for it.
                Err(Errno::EINTR) => continue,
                Err(_) => return InputReady::Over,
            }
            let [woken, input] = looked.map(|looked| looked.revents().unwrap_or(PollFlags::empty()));
            if woken.contains(PollFlags::POLLIN) {
                let _ = self.woken.read(&mut [0; 64]);
                return InputReady::Woken;
            }
            if input.contains(PollFlags::POLLIN) {
                let mut bytes = vec![0; 16 * 1024];
                match nix::unistd::read(io::stdin(), &mut bytes) {
                    Ok(0) => return InputReady::Over,
                    Ok(count) => {
                        bytes.truncate(count);
                        return InputReady::Bytes(bytes);
                    }
                    Err(Errno::EINTR | Errno::EAGAIN) => continue,
                    Err(_) => return InputReady::Over,
                }
            }
            if input.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
                return InputReady::Over;
            }
        }
    }

    fn pass_on(&self, decoded: Decoded) {
        match decoded {
            Decoded::Event(event) => self.post.send(Message::Input(event)),
            Decoded::Background(colour) => self.post.send(Message::Background(Some(colour))),
            Decoded::Attributes => {
                // It replies in order: it has not said what its background is, or has said it by now.
                self.question.answered();
                self.post.send(Message::Background(None));
            }
        }
    }
}

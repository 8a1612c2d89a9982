//! Everything that can happen to the interface.

use std::sync::mpsc::Sender;

use crossterm::event::Event;

use crate::tui::effect::Reply;
use crate::tui::theme::Rgb;

#[derive(Debug)]
pub enum Message {
    /// The user did something.
    Input(Event),
    /// A worker has something to say.
    Reply(Reply),
    /// The terminal says what its background is, or that it does not say.
    Background(Option<Rgb>),
    /// Somebody wants the program to be suspended (SIGTSTP).
    Suspend,
    /// The program goes on after it was stopped (SIGCONT).
    Continued,
    /// A part of the program panicked, and said so on the terminal.
    Fault,
    /// The terminal is gone, or a signal asks to end.
    End,
}

/// Sends a reply. Where nobody is left to hear it, the program is ending.
pub fn send(answers: &Sender<Message>, answer: Reply) {
    let _ = answers.send(Message::Reply(answer));
}

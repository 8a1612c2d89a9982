//! Everything that can happen to the interface.

use crossterm::event::Event;

use super::effect::Answer;

/// What happens.
#[derive(Debug)]
pub enum Message {
    /// The user did something.
    Input(Event),
    /// A worker has something to say.
    Answer(Answer),
    /// A part of the program panicked, and said so on the terminal.
    Fault,
    /// The terminal is gone, or a signal asks to end.
    End,
}

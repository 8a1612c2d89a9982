//! What was said to the user, kept to be read again.

use std::collections::VecDeque;

use crate::time::Millis;

/// How many messages are kept.
const CAPACITY: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLevel {
    Done,
    /// Something to be known.
    Notice,
    /// Something went wrong.
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// When; `None` until it is known.
    pub at: Option<Millis>,
    pub tone: MessageLevel,
    pub text: String,
    /// How often it was said in a row.
    pub times: u32,
}

/// The last messages, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Messages(VecDeque<LogEntry>);

impl Messages {
    /// Keeps a message. What is said over and over is one.
    pub fn keep(&mut self, tone: MessageLevel, text: &str) {
        if let Some(last) = self.0.back_mut().filter(|last| last.text == text && last.tone == tone) {
            last.times += 1;
            last.at = None;
            return;
        }
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(LogEntry { at: None, tone, text: text.into(), times: 1 });
    }

    /// Notes when what was said last was said.
    pub fn stamp(&mut self, now: Millis) {
        for said in self.0.iter_mut().rev().take_while(|said| said.at.is_none()) {
            said.at = Some(now);
        }
    }

    /// Whether something was said since the messages were stamped.
    pub fn has_new(&self) -> bool {
        self.0.back().is_some_and(|said| said.at.is_none())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &LogEntry> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_messages_are_kept_with_their_times() {
        let mut messages = Messages::default();
        messages.keep(MessageLevel::Error, "busy");
        messages.stamp(Millis(5));
        messages.keep(MessageLevel::Error, "busy");
        messages.keep(MessageLevel::Done, "done");
        messages.stamp(Millis(7));
        let kept: Vec<_> =
            messages.newest_first().map(|said| (said.at, said.times, said.text.as_str())).collect();
        assert_eq!(kept, [(Some(Millis(7)), 1, "done"), (Some(Millis(7)), 2, "busy")]);
        for number in 0..2 * CAPACITY {
            messages.keep(MessageLevel::Done, &number.to_string());
        }
        assert_eq!(messages.len(), CAPACITY);
    }
}

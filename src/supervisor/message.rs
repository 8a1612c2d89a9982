//! The messages between a supervisor and the process that started it, over a socket pair.

use std::io::{ErrorKind, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CommandDeadlines;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: Bytes,
    /// Its arguments, without its own name.
    pub arguments: Vec<Bytes>,
    /// Variables to set over those of the supervisor.
    pub env: Vec<(Bytes, Bytes)>,
    /// The folder to run in, instead of the present one.
    pub cwd: Option<Bytes>,
    /// The process group to join, such as that of the terminal's foreground; without one, the command
    /// leads a group of its own.
    pub group: Option<i32>,
    pub bounds: Option<CommandDeadlines>,
}

/// Bytes that need not be UTF-8.
pub type Bytes = serde_bytes::ByteBuf;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SupervisorRequest {
    /// Start the command. It comes with the three files of its standard streams.
    Start(CommandSpec),
    /// The deadlines of the command. Sent repeatedly; also the heartbeat of the sender.
    Deadlines(CommandDeadlines),
    /// Send this signal to the command itself.
    Signal(i32),
    /// End the command and everything that it started: SIGTERM, and SIGKILL after a while.
    End,
    /// Kill the command and everything that it started.
    Kill,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupervisorReport {
    /// The command runs with this PID.
    Started(i32),
    /// It could not be started; the errno.
    NotStarted(i32),
    /// It has ended, and so have the processes that it started.
    Ended(CommandEnd),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnd {
    /// Its exit code or signal; `None` if it could not be killed.
    pub status: Option<ExitStatus>,
    pub cause: EndCause,
    /// Whether it left processes running when it ended by itself; they were ended.
    pub left_processes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    Exited(i32),
    Signalled(i32),
}

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// By itself, or by a signal from elsewhere.
    Itself,
    Requested,
    /// Its lease was about to end.
    Lease,
    /// It needed the terminal, which it cannot have.
    Terminal,
    /// The process that started it has ended or closed the socket.
    Orphaned,
}

/// An encoded message: length and bytes.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Plain data of our own always has a place in the format.
    let body = rmp_serde::to_vec(message).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(0);
    [&length.to_le_bytes()[..], &body].concat()
}

/// Received bytes, split into messages.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    pub is_closed: bool,
}

impl Inbox {
    /// Reads all available bytes from a non-blocking file.
    pub fn fill(&mut self, mut from: impl Read) {
        while !self.is_closed && self.fill_once(&mut from) {}
    }

    /// Reads once; whether there may be more.
    pub fn fill_once(&mut self, mut from: impl Read) -> bool {
        let mut buffer = [0; 4096];
        match from.read(&mut buffer) {
            Ok(0) => self.is_closed = true,
            Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.is_closed = true,
        }
        !self.is_closed
    }

    /// The next message; an invalid one closes the inbox.
    pub fn take<M: DeserializeOwned>(&mut self) -> Option<M> {
        let length = self.bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length))?;
        let end = usize::try_from(length).ok()?.checked_add(4)?;
        let body = self.bytes.get(4..end)?;
        let message = rmp_serde::from_slice(body).ok();
        self.bytes.drain(..end);
        self.is_closed |= message.is_none();
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let report = SupervisorReport::Ended(CommandEnd {
            status: Some(ExitStatus::Signalled(64)),
            cause: EndCause::Lease,
            left_processes: true,
        });
        let sent: Vec<u8> = (0..3).flat_map(|_| encode(&report)).collect();
        for cut in 0..sent.len() {
            let mut inbox = Inbox::default();
            let mut received = Vec::new();
            for part in [&sent[..cut], &sent[cut..]] {
                inbox.bytes.extend_from_slice(part);
                received.extend(std::iter::from_fn(|| inbox.take::<SupervisorReport>()));
            }
            assert_eq!(received, [report.clone(), report.clone(), report.clone()]);
            assert!(!inbox.is_closed && inbox.bytes.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_closes_the_inbox() {
        let mut inbox = Inbox { bytes: encode(&"nonsense"), is_closed: false };
        assert!(inbox.take::<SupervisorRequest>().is_none());
        assert!(inbox.is_closed);
    }
}

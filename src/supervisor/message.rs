//! What passes between a supervisor and the process that started it, over a pair of sockets.

use std::io::{ErrorKind, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CommandDeadlines;

/// A command to be started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program: a path, or a name to be found in `PATH`.
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
    /// Until when it may run at first.
    pub bounds: Option<CommandDeadlines>,
}

/// Bytes that need not be UTF-8.
pub type Bytes = serde_bytes::ByteBuf;

/// What a supervisor is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SupervisorRequest {
    /// Start the command. It comes with the three files of its standard streams.
    Start(CommandSpec),
    /// Until when the command may run. Sent again and again; also the sign that the sender is alive.
    Deadlines(CommandDeadlines),
    /// Send this signal to the command itself.
    Signal(i32),
    /// End the command and everything that it started: SIGTERM, and SIGKILL after a while.
    End,
    /// Kill the command and everything that it started.
    Kill,
}

/// What a supervisor tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupervisorReport {
    /// The command runs as the process of this number.
    Started(i32),
    /// It could not be started; the system's error number.
    NotStarted(i32),
    /// It has ended, with all that was to end with it.
    Ended(CommandEnd),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnd {
    /// Its exit code or signal; `None` of one that could not even be killed.
    pub status: Option<ExitStatus>,
    /// What ended it.
    pub cause: EndCause,
    /// Whether it left processes running when it ended by itself; they were ended.
    pub left_processes: bool,
}

/// What a process leaves when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
}

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// By itself, or by a signal from elsewhere.
    Itself,
    /// It was ordered.
    Requested,
    /// A lease that it ran under was about to end.
    Lease,
    /// It waited for the terminal, which it cannot have.
    Terminal,
    /// The process that started it has ended, or cannot be heard any more.
    Orphaned,
}

/// A message as it is sent: its length and its bytes.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Plain data of our own always has a place in the format.
    let body = rmp_serde::to_vec(message).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(0);
    [&length.to_le_bytes()[..], &body].concat()
}

/// Bytes that were received, of which whole messages are taken.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Nothing more will come.
    pub is_closed: bool,
}

impl Inbox {
    /// Reads all that is there, from a file that does not block.
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

    /// The next message; what cannot be read closes the inbox.
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

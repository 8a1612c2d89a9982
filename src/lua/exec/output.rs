//! The output of a command: read as it arrives, passed on line by line, and kept up to a limit.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// How much of a stream is kept, in bytes. Later output is still passed on line by line.
pub const MAX_OUTPUT: usize = 16 << 20;
/// A longer line, in bytes, is passed on in pieces.
const MAX_LINE: usize = 64 << 10;
/// How many bytes are read at once; also the capacity of a pipe on most systems.
const CHUNK: usize = 64 << 10;
/// The most bytes that are read after a command has ended; the largest capacity of a pipe on Linux.
const MAX_PIPE_CONTENT: usize = 1 << 20;

/// One of the two streams that a command writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Takes each line that a command writes, without its line break.
pub type Sink<'a> = &'a mut dyn FnMut(Stream, &[u8]);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapturedOutput {
    /// The first [`MAX_OUTPUT`] bytes.
    pub bytes: Vec<u8>,
    pub is_cut: bool,
}

/// A stream that is being read.
pub(super) struct Output {
    stream: Stream,
    /// Our end of the pipe, until the other end is closed.
    pipe: Option<File>,
    kept: CapturedOutput,
    /// The last line, which is incomplete.
    line: Vec<u8>,
}

impl Output {
    /// Reads `stream` from `pipe` without blocking.
    pub(super) fn new(stream: Stream, pipe: OwnedFd) -> std::io::Result<Output> {
        never_wait(&pipe)?;
        Ok(Output { stream, pipe: Some(pipe.into()), kept: CapturedOutput::default(), line: Vec::new() })
    }

    /// The pipe, to wait for more; `None` at its end.
    pub(super) fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    /// Reads some of the available bytes; returns how many.
    pub(super) fn read(&mut self, sink: Sink) -> std::io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let mut buffer = [0; CHUNK];
        let count = match pipe.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        if count == 0 {
            self.pipe = None;
        }
        self.take(&buffer[..count], sink);
        Ok(count)
    }

    /// Reads the rest of the pipe, closes it, and returns the captured output.
    pub(super) fn finish(mut self, sink: Sink) -> std::io::Result<CapturedOutput> {
        // A process that keeps writing does not delay the end.
        let mut left = MAX_PIPE_CONTENT;
        while left > 0 {
            match self.read(sink)? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        if !self.line.is_empty() {
            sink(self.stream, &self.line);
        }
        Ok(self.kept)
    }

    fn take(&mut self, bytes: &[u8], sink: Sink) {
        let room = MAX_OUTPUT - self.kept.bytes.len();
        self.kept.is_cut |= bytes.len() > room;
        self.kept.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            sink(self.stream, self.line.strip_suffix(b"\r").unwrap_or(&self.line));
            self.line.clear();
        }
        self.line.extend_from_slice(rest);
        if self.line.len() >= MAX_LINE {
            sink(self.stream, &self.line);
            self.line.clear();
        }
    }
}

/// Makes reads and writes return at once if they would block.
pub(super) fn never_wait(pipe: &OwnedFd) -> std::io::Result<()> {
    // A pipe has no other flags that could be lost, and the other end keeps its own.
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&[u8]]) -> (CapturedOutput, Vec<Vec<u8>>) {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut output = Output::new(Stream::Stdout, reader.into()).unwrap();
        let mut lines = Vec::new();
        let mut sink = |_: Stream, line: &[u8]| lines.push(line.to_vec());
        for piece in pieces {
            output.take(piece, &mut sink);
        }
        let kept = output.finish(&mut sink).unwrap();
        (kept, lines)
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let (kept, lines) = fed(&[b"on", b"e\ntwo\r\n\nth", b"", b"ree"]);
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"three"]);
        assert_eq!(kept, CapturedOutput { bytes: b"one\ntwo\r\n\nthree".to_vec(), is_cut: false });
        assert_eq!(fed(&[b"end\n"]).1, [b"end"]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_still_handed_on() {
        let piece = vec![b'x'; CHUNK];
        let pieces = vec![&piece[..]; MAX_OUTPUT / CHUNK];
        let (kept, lines) = fed(&pieces);
        assert_eq!((kept.bytes.len(), kept.is_cut), (MAX_OUTPUT, false));
        assert_eq!(lines.len(), MAX_OUTPUT / MAX_LINE);
        let more = [&pieces[..], &[b"\nthe end\n"]].concat();
        let (kept, lines) = fed(&more);
        assert_eq!((kept.bytes.len(), kept.is_cut), (MAX_OUTPUT, true));
        assert_eq!(lines.last().unwrap(), b"the end");
    }
}

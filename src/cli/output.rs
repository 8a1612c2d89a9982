//! Answers: on standard output there is nothing else.

use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use serde_json::{Map, Value as Json};

use super::Failure;
use crate::escape::{escape, is_drawable};
use crate::store::{Entry, Key, Millis, kind};

/// Escaped for people, with line breaks kept as they are.
pub fn visible(bytes: &[u8]) -> String {
    bytes.split(|byte| *byte == b'\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Says something on standard error, escaped: it may name files, keys and arguments. Where nobody is
/// left to read it, nothing is said: that is no reason to end otherwise than without it.
pub fn say(text: impl std::fmt::Display) {
    let text = visible(text.to_string().as_bytes());
    let _ = writeln!(std::io::stderr(), "slothstate: {text}");
}

/// A reader that has gone away wants no more of an answer; what the command says by its exit code
/// stays the same.
pub fn unless_unread(written: Result<(), Failure>) -> Result<(), Failure> {
    match written {
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a line of bytes: as they are for a pipe, escaped for a terminal.
///
/// # Errors
/// [`Failure::Output`], but not if nobody reads it.
pub fn line(bytes: &[u8]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    unless_unread(lines.line(bytes).and_then(|()| lines.finish()))
}

/// Prints bytes as they are; escaped for a terminal.
///
/// # Errors
/// [`Failure::Output`], but not if nobody reads it.
pub fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let written = match output.is_terminal() {
        true => output.write_all(visible(bytes).as_bytes()),
        false => output.write_all(bytes),
    };
    unless_unread(written.and_then(|()| output.flush()).map_err(Failure::Output))
}

/// Prints one JSON object as a line.
///
/// # Errors
/// [`Failure::Output`], but not if nobody reads it.
pub fn json(object: &Json) -> Result<(), Failure> {
    let mut lines = Lines::new();
    unless_unread(lines.json(object).and_then(|()| lines.finish()))
}

/// Prints rows in columns; the first row is their heading.
///
/// # Errors
/// [`Failure::Output`].
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Result<(), Failure> {
    let width = |text: &String| unicode_width::UnicodeWidthStr::width(text.as_str());
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let mut lines = Lines::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide.saturating_sub(width(cell)))));
        lines.line(cells.collect::<Vec<_>>().join("  ").trim_end().as_bytes())?;
    }
    lines.finish()
}

/// Many lines: they are written in large pieces, and all of them once it is finished.
pub struct Lines {
    output: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

impl Lines {
    /// Lines for standard output.
    pub fn new() -> Lines {
        let output = std::io::stdout().lock();
        Lines { is_terminal: output.is_terminal(), output: BufWriter::with_capacity(64 * 1024, output) }
    }

    /// As [`line`].
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = if self.is_terminal {
            self.output.write_all(visible(bytes).as_bytes())
        } else {
            self.output.write_all(bytes)
        };
        written.and_then(|()| self.output.write_all(b"\n")).map_err(Failure::Output)
    }

    /// As [`json`].
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn json(&mut self, object: &Json) -> Result<(), Failure> {
        writeln!(self.output, "{}", drawable_json(&object.to_string())).map_err(Failure::Output)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn finish(mut self) -> Result<(), Failure> {
        self.output.flush().map_err(Failure::Output)
    }
}

/// Writes lines to standard output for as long as nobody asks the program to stop: a reader that
/// takes nothing does not keep it from that. Lines of up to 4 KiB are written whole or not at all.
///
/// # Errors
/// [`Failure::Output`]; [`Failure::Stopped`] if `signal` is no longer 0.
pub fn lines_until_stopped(lines: &[u8], signal: &AtomicUsize) -> Result<(), Failure> {
    /// So much is written to a pipe in one piece, and without waiting where it has room (PIPE_BUF).
    const PIECE: usize = 4096;
    /// A signal that comes right before the wait is seen after it.
    const LOOK: u16 = 200;
    let output = std::io::stdout().lock();
    let mut rest = lines;
    while !rest.is_empty() {
        match signal.load(Ordering::SeqCst) {
            0 => {}
            signal => return Err(Failure::Stopped { signal }),
        }
        let mut looked = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
        // A signal interrupts the wait; what has no such wait, such as a file, is always ready.
        if !matches!(poll(&mut looked, PollTimeout::from(LOOK)), Ok(1..)) {
            continue;
        }
        let piece = &rest[..rest.len().min(PIECE)];
        let end = if piece.len() < rest.len() { memchr::memrchr(b'\n', piece) } else { None };
        let piece = end.map_or(piece, |end| &piece[..=end]);
        match nix::unistd::write(output.as_fd(), piece) {
            Ok(written) => rest = &rest[written..],
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(Failure::Output(error.into())),
        }
    }
    Ok(())
}

/// JSON leaves some characters as they are that a terminal obeys, or that cannot be seen: they can
/// only stand in its strings, where they may be written as `\u…` as well.
pub fn drawable_json(object: &str) -> String {
    let mut shown = String::with_capacity(object.len());
    for character in object.chars() {
        if is_drawable(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

/// Adds `name`, and for bytes that are no UTF-8 `name_hex` with the very bytes.
pub fn put_text(object: &mut Map<String, Json>, name: &str, bytes: &[u8]) {
    object.insert(name.into(), String::from_utf8_lossy(bytes).into_owned().into());
    if let Some(hex) = hex_unless_utf8(bytes) {
        object.insert(format!("{name}_hex"), hex.into());
    }
}

/// Bytes that are no UTF-8 in hexadecimal digits.
pub fn hex_unless_utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key as the beginning of an object.
pub fn object_of_key(key: &Key) -> Map<String, Json> {
    let mut object = Map::new();
    put_text(&mut object, "key", key.as_bytes());
    object
}

/// All about an entry but its value.
pub fn object_of_entry(entry: &Entry, now: Millis) -> Map<String, Json> {
    let mut object = object_of_key(&entry.key);
    object.insert("type".into(), entry.value_type().name().into());
    object.insert("kind".into(), kind::infer(entry).0.name().into());
    object.insert("size".into(), entry.size.into());
    object.insert("version".into(), entry.version.into());
    object.insert("revision".into(), entry.revision.0.into());
    object.insert("ttl_ms".into(), entry.time_to_live(now).map(|left| left.as_millis() as u64).into());
    object.insert("expires_at".into(), entry.expires_at.map(|at| at.to_string()).into());
    object.insert("created_at".into(), entry.created_at.map(|at| at.to_string()).into());
    object.insert("modified_at".into(), entry.modified_at.map(|at| at.to_string()).into());
    object.insert("actor".into(), entry.actor.as_ref().map(|actor| actor.to_string()).into());
    object
}

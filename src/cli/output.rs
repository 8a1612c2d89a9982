//! Output of commands: standard output carries the answer and nothing else.

use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use serde::Serialize;
use serde_json::Value as Json;
use serde_json::value::{RawValue, to_raw_value};

use super::CliError;
use crate::store::{Entry, Key, Value, kind_inference};
use crate::text::escape::{drawable_json, escape, hex_unless_utf8};
use crate::text::masked::masked_text;
use crate::time::Millis;

/// Escaped for people, with line breaks kept as they are.
pub fn visible(bytes: &[u8]) -> String {
    bytes.split(|byte| *byte == b'\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Prints a message to standard error, escaped: it may name files, keys and arguments. A write error is
/// ignored, so that a closed standard error does not change the exit code.
pub fn print_notice(text: impl std::fmt::Display) {
    let text = visible(masked_text(text.to_string()).as_bytes());
    let _ = writeln!(std::io::stderr(), "slothstate: {text}");
}

/// Ignores a closed pipe: the reader needs no more output, and the exit code stays the same.
pub fn unless_unread(written: Result<(), CliError>) -> Result<(), CliError> {
    match written {
        Err(CliError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a line of bytes: as they are for a pipe, escaped for a terminal.
///
/// # Errors
/// [`CliError::Output`], except for a closed pipe.
pub fn line(bytes: &[u8]) -> Result<(), CliError> {
    let mut lines = Lines::new();
    unless_unread(lines.line(bytes).and_then(|()| lines.finish()))
}

/// Prints bytes as they are; escaped for a terminal.
///
/// # Errors
/// [`CliError::Output`], except for a closed pipe.
pub fn raw(bytes: &[u8]) -> Result<(), CliError> {
    let mut output = std::io::stdout().lock();
    let written = match output.is_terminal() {
        true => output.write_all(visible(bytes).as_bytes()),
        false => output.write_all(bytes),
    };
    unless_unread(written.and_then(|()| output.flush()).map_err(CliError::Output))
}

/// Prints one JSON object as a line.
///
/// # Errors
/// [`CliError::Output`], except for a closed pipe.
pub fn json(object: &impl Serialize) -> Result<(), CliError> {
    let mut lines = Lines::new();
    unless_unread(lines.json(object).and_then(|()| lines.finish()))
}

/// Prints rows in columns; the first row is their heading.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Result<(), CliError> {
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

/// Buffered lines; [`Lines::finish`] writes the rest.
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

    /// As [`line()`].
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = if self.is_terminal {
            self.output.write_all(visible(bytes).as_bytes())
        } else {
            self.output.write_all(bytes)
        };
        written.and_then(|()| self.output.write_all(b"\n")).map_err(CliError::Output)
    }

    /// Writes a key as one line: raw for a pipe; for a terminal escaped, with trailing blanks made visible.
    pub fn key(&mut self, key: &Key) -> Result<(), CliError> {
        if self.is_terminal { self.line(key.to_string().as_bytes()) } else { self.line(key.as_bytes()) }
    }

    /// As [`json`].
    pub fn json(&mut self, object: &impl Serialize) -> Result<(), CliError> {
        writeln!(self.output, "{}", json_line(object)?).map_err(CliError::Output)
    }

    /// Writes the buffered rest.
    pub fn finish(mut self) -> Result<(), CliError> {
        self.output.flush().map_err(CliError::Output)
    }
}

/// Writes lines to standard output until a signal arrives, even while the reader of a pipe is not reading.
/// Lines of up to 4 KiB are written whole or not at all.
///
/// # Errors
/// [`CliError::Output`] on a write error; [`CliError::Stopped`] once `signal` holds the number of a signal.
pub fn lines_until_stopped(lines: &[u8], signal: &AtomicUsize) -> Result<(), CliError> {
    /// The most bytes that a write to a pipe transfers atomically (PIPE_BUF, pipe(7)).
    const ATOMIC_WRITE: usize = 4096;
    /// A signal that comes right before the wait is seen after it.
    const POLL_INTERVAL_MS: u16 = 200;
    let output = std::io::stdout().lock();
    let mut rest = lines;
    while !rest.is_empty() {
        match signal.load(Ordering::SeqCst) {
            0 => {}
            signal => return Err(CliError::Stopped { signal }),
        }
        let mut descriptors = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
        // A signal interrupts the wait; what has no such wait, such as a file, is always ready.
        if !matches!(poll(&mut descriptors, PollTimeout::from(POLL_INTERVAL_MS)), Ok(1..)) {
            continue;
        }
        let piece = &rest[..rest.len().min(ATOMIC_WRITE)];
        let end = if piece.len() < rest.len() { memchr::memrchr(b'\n', piece) } else { None };
        let piece = end.map_or(piece, |end| &piece[..=end]);
        match nix::unistd::write(output.as_fd(), piece) {
            Ok(written) => rest = &rest[written..],
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(CliError::Output(error.into())),
        }
    }
    Ok(())
}

/// A JSON object for output: members sorted by name; numbers and tables spelled as in the store.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        // Plain data has a text always.
        if let Ok(value) = to_raw_value(&value.into()) {
            self.0.insert(name.into(), value);
        }
    }

    /// Adds a stored value, and for a string that is not UTF-8 also `name_hex` with its bytes.
    pub fn insert_value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(bytes) => put_text(self, name, bytes),
            other => match RawValue::from_string(other.to_json()) {
                Ok(json) => drop(self.0.insert(name.into(), json)),
                Err(_) => put_text(self, name, &other.to_stored()),
            },
        }
    }
}

impl Extend<(String, Box<RawValue>)> for Object {
    fn extend<I: IntoIterator<Item = (String, Box<RawValue>)>>(&mut self, members: I) {
        self.0.extend(members);
    }
}

impl IntoIterator for Object {
    type Item = (String, Box<RawValue>);
    type IntoIter = std::collections::btree_map::IntoIter<String, Box<RawValue>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// An object as one line that is safe to print on a terminal, without the line break.
///
/// # Errors
/// [`CliError::Output`], if it cannot be JSON.
pub fn json_line(object: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string(object).map_err(|error| CliError::Output(error.into()))?;
    Ok(drawable_json(&text))
}

/// Adds `name`, and for bytes that are not UTF-8 also `name_hex`.
pub fn put_text(object: &mut Object, name: &str, bytes: &[u8]) {
    object.insert(name, String::from_utf8_lossy(bytes).into_owned());
    if let Some(hex) = hex_unless_utf8(bytes) {
        object.insert(format!("{name}_hex"), hex);
    }
}

pub fn key_to_json(key: &Key) -> Object {
    let mut object = Object::default();
    put_text(&mut object, "key", key.as_bytes());
    object
}

/// An entry without its value.
pub fn entry_to_json(entry: &Entry, now: Millis) -> Object {
    let mut object = key_to_json(&entry.key);
    object.insert("type", entry.type_name());
    object.insert("kind", kind_inference::infer(entry).0.name());
    object.insert("size", entry.size);
    object.insert("version", entry.version);
    object.insert("revision", entry.revision.0);
    object.insert("ttl_ms", entry.time_to_live(now).map(|left| left.as_millis() as u64));
    object.insert("expires_at", entry.expires_at.map(|at| at.to_string()));
    object.insert("created_at", entry.created_at.map(|at| at.to_string()));
    object.insert("modified_at", entry.modified_at.map(|at| at.to_string()));
    object.insert("actor", entry.actor.as_ref().map(|actor| actor.to_string()));
    object
}

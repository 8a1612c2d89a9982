//! The files that SQLite has open, read through its own descriptors.
//!
//! A descriptor of our own would not do: closing it drops the locks that this process has on the
//! database and on the index of its log (POSIX advisory locks; sqlite.org/howtocorrupt.html, 2.2).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, ffi};

/// How far the log goes, and how much of it was taken into the database file: what the index of the
/// log (`-shm`) says (sqlite.org/walformat.html, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogState {
    /// Another one for each beginning of the log.
    pub salt: [u32; 2],
    /// Frames in the log that count.
    pub frames: u32,
    /// Bytes of a page.
    pub page_size: u32,
    /// Frames that are in the database file too.
    pub taken_in: u32,
    /// Frames that a checkpoint has begun to take in.
    pub begun: u32,
}

impl LogState {
    /// Whether a checkpoint is running, or was interrupted.
    pub(super) fn is_being_taken_in(&self) -> bool {
        self.taken_in != self.begun
    }

    /// The least bytes that the log has.
    pub(super) fn least_log(&self) -> u64 {
        const HEADER: u64 = 32;
        const FRAME: u64 = 24;
        match self.frames {
            0 => 0,
            frames => HEADER + u64::from(frames) * (FRAME + u64::from(self.page_size)),
        }
    }
}

/// The file of the main database; `None` where there is none.
fn file(connection: &Connection) -> Option<*mut ffi::sqlite3_file> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the connection is open, and SQLite writes a pointer to where `file` is.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            ptr::null(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast::<c_void>(),
        )
    };
    // SAFETY: SQLite's file, which lives as long as the connection; one that is not open has no methods.
    let is_open = code == ffi::SQLITE_OK && !file.is_null() && unsafe { !(*file).pMethods.is_null() };
    is_open.then_some(file)
}

/// Fills `buffer` from byte `offset` of the database file on, without the log; false if the file is
/// shorter or cannot be read.
pub(super) fn read_file(connection: &Connection, offset: u64, buffer: &mut [u8]) -> bool {
    let (Some(file), Ok(length), Ok(offset)) =
        (file(connection), i32::try_from(buffer.len()), i64::try_from(offset))
    else {
        return false;
    };
    // SAFETY: the file is open, see `file`, and the buffer has `length` bytes. The connection is not
    // used by another thread, since it is not shared between threads.
    unsafe {
        (*(*file).pMethods)
            .xRead
            .is_some_and(|read| read(file, buffer.as_mut_ptr().cast(), length, offset) == ffi::SQLITE_OK)
    }
}

/// The state of the log. Only for a connection that has read a database in WAL mode, whose index
/// has at least [`INDEX`] bytes: a shorter one must not be touched (SIGBUS). `None` while it
/// changes, and for a connection that does not share an index.
pub(super) fn log_state(connection: &Connection) -> Option<LogState> {
    const ATTEMPTS: u32 = 10;
    let file = file(connection)?;
    let mut region: *mut c_void = ptr::null_mut();
    // SAFETY: the file is open, see `file`. Without the wish to extend it, a region that is not there
    // is answered by a null pointer.
    unsafe {
        let methods = &*(*file).pMethods;
        let map = methods.xShmMap.filter(|_| methods.iVersion >= 2)?;
        map(file, 0, i32::try_from(INDEX).ok()?, 0, (&raw mut region).cast());
    }
    let words = region.cast::<u32>();
    if words.is_null() {
        return None;
    }
    // SAFETY: the region has INDEX bytes, is aligned to a page of memory, and stays mapped as long as
    // the connection is open; other processes write to it, hence the atomic reads.
    let word = |place: usize| unsafe { AtomicU32::from_ptr(words.add(place)).load(Ordering::Acquire) };
    let header = |copy: usize| -> [u32; 12] { std::array::from_fn(|place| word(copy * 12 + place)) };
    (0..ATTEMPTS).find_map(|_| {
        let (taken_in, begun) = (word(24), word(32));
        let (one, other) = (header(0), header(1));
        let is_whole = one == other && taken_in == word(24) && begun == word(32);
        // The fourth word is two flags of a byte each, and the size of a page in 16 bits.
        let [.., first, second] = one[3].to_ne_bytes();
        let size = u16::from_ne_bytes([first, second]);
        is_whole.then_some(LogState {
            salt: [one[8], one[9]],
            frames: one[4],
            page_size: if size == 1 { 65536 } else { u32::from(size) },
            taken_in,
            begun,
        })
    })
}

/// Bytes of a region of the index.
pub(super) const INDEX: u64 = 32768;

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(folder: &std::path::Path) -> Connection {
        let connection = Connection::open(folder.join("state.db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE t (key INTEGER PRIMARY KEY, value TEXT);",
            )
            .unwrap();
        connection
    }

    #[test]
    fn the_state_of_the_log_is_what_checkpoints_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection(folder.path());
        let before = log_state(&connection).unwrap();
        assert_eq!((before.taken_in, before.begun, before.page_size), (0, 0, 4096));
        connection.execute("INSERT INTO t (value) VALUES ('one')", []).unwrap();
        let written = log_state(&connection).unwrap();
        assert!(written.frames > before.frames && written.salt == before.salt, "{before:?} {written:?}");
        let log = std::fs::metadata(folder.path().join("state.db-wal")).unwrap().len();
        assert_eq!(written.least_log(), log);
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        let taken = log_state(&connection).unwrap();
        assert_eq!((taken.taken_in, taken.begun), (written.frames, written.frames));
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let truncated = log_state(&connection).unwrap();
        assert!(truncated.least_log() == 0 && truncated.salt != taken.salt, "{truncated:?}");
    }

    #[test]
    fn the_file_is_read_without_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection(folder.path());
        let (mut before, mut after) = ([0; 100], [0; 100]);
        assert!(read_file(&connection, 0, &mut before));
        assert!(before.starts_with(b"SQLite format 3\0"));
        connection.execute("INSERT INTO t (value) VALUES ('one')", []).unwrap();
        assert!(read_file(&connection, 0, &mut after) && before == after);
        assert!(!read_file(&connection, 1 << 40, &mut after));
    }

    #[test]
    fn a_database_without_a_file_has_neither() {
        let connection = Connection::open_in_memory().unwrap();
        assert_eq!(log_state(&connection), None);
    }
}

//! Waiting for a busy database.
//!
//! SQLite's own busy handler sleeps for fixed times and lets one process starve behind others
//! that come round more often. This one sleeps for random, short times, and gives up at a deadline.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::hardening;

thread_local! {
    /// When the present wait of this thread began, and how long it may last.
    static WAIT: Cell<Option<Instant>> = const { Cell::new(None) };
    static LIMIT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Has `connection` wait for others. The limit is that of [`begin_wait`] on the thread that waits.
pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait))
}

/// Begins an operation of this thread: sets how long its statements may wait, and counts from zero what
/// they use.
pub(super) fn begin_wait(limit: Duration) {
    hardening::begin();
    WAIT.set(None);
    LIMIT.set(limit);
}

/// Retries what SQLite refuses at once while others hold the database, without asking
/// its handler, for as long as [`begin_wait`] was told.
pub(super) fn insist<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let start = Instant::now();
    loop {
        match work() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < LIMIT.get() =>
            {
                std::thread::sleep(Duration::from_micros(fastrand::u64(500..5_000)));
            }
            done => return done,
        }
    }
}

/// Called by SQLite when the database is busy, with how often it was called for this lock;
/// false gives up.
fn wait(calls: i32) -> bool {
    let now = Instant::now();
    let start = match WAIT.get() {
        Some(start) if calls > 0 => start,
        _ => {
            WAIT.set(Some(now));
            now
        }
    };
    let left = LIMIT.get().saturating_sub(now - start);
    if left.is_zero() {
        return false;
    }
    // A commit takes well under a millisecond; who waits longer has lost a race or a disk.
    let longest = (50 << calls.clamp(0, 7)).min(5_000);
    std::thread::sleep(Duration::from_micros(fastrand::u64(20..longest)).min(left));
    true
}

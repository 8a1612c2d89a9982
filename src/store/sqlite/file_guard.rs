//! Whether the files of a database are still those that a connection has open, and were written by
//! nobody but SQLite.
//!
//! Nothing is opened for that, see [`super::open_files`]: the files are looked at by their names. A
//! process that writes a lot has the system report what happens to them, so that a look before each
//! write costs a quarter of a microsecond; see [`super::inotify`].

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rusqlite::FileControl;

use super::inotify::Watches;
use super::open_files::{self, INDEX, LogState};
use super::page_sample::PageSample;
use super::path::FileId;
use super::side_files;
use super::timeline::{self, Stamp};
use super::wal_pairing::{self, LeftoverLog};
use crate::store::identity::{PartChange, Reset};

/// How often the files are looked at where nothing reports what happens to them, and at least where
/// something does.
const EVERY: Duration = Duration::from_millis(100);
/// So many writes look at the files themselves: a process that does no more needs no reports.
const FEW_WRITES: u32 = 8;

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileFacts {
    id: FileId,
    size: u64,
    /// When it was last written, in seconds and nanoseconds.
    modified: (i64, i64),
}

impl FileFacts {
    fn of(metadata: &std::fs::Metadata) -> FileFacts {
        FileFacts {
            id: FileId::of(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The database file at a moment, with how much of the log had been taken into it.
#[derive(Clone, Debug)]
struct Rest {
    file: FileFacts,
    log: LogState,
    sample: PageSample,
}

/// What a check does where there is nothing yet to compare the content of the file with.
#[derive(Clone, Copy, PartialEq)]
enum Baseline {
    /// It reads what later checks compare.
    Take,
    /// It reads nothing.
    Skip,
}

/// Watches over the files that one connection has open.
pub(super) struct Guard {
    /// The path by which the user knows the database.
    named: PathBuf,
    log: PathBuf,
    index: PathBuf,
    opened: FileId,
    /// When that file was made, where the file system knows that.
    made: Option<SystemTime>,
    /// The log and its index, once the connection uses them.
    sides: Cell<[Option<FileId>; 2]>,
    /// When the log was made, where the file system knows that.
    log_made: Cell<Option<SystemTime>>,
    rest: RefCell<Option<Rest>>,
    /// When it was last looked whether what changed in the file comes from the log.
    traced: Cell<Option<Instant>>,
    /// Whether the connection reads the file as it stands, without the files beside it.
    is_frozen: bool,
    looked: Cell<Instant>,
    /// Whether something was reported that was not looked at yet.
    is_alarmed: Cell<bool>,
    writes: Cell<u32>,
    is_followed: Cell<bool>,
    begins_log: Cell<bool>,
    watches: OnceCell<Option<Watches>>,
    /// What the file said of itself without its log, when that was last looked at.
    alone: RefCell<Option<Stamp>>,
    /// What was found when it was last looked.
    found: RefCell<Option<Reset>>,
}

impl Guard {
    /// For a connection that has just been opened, and has read. `named` is the path that the user
    /// gave, `file` the one that it leads to.
    ///
    /// # Errors
    /// What happened to the file in that short time.
    pub(super) fn new(
        connection: &Connection,
        named: &Path,
        file: &Path,
        is_frozen: bool,
    ) -> Result<Guard, Reset> {
        let opened = look(named)?.id;
        let mut has_moved = 0;
        // SQLite compares the file that it has open with the one at its path.
        let asked = connection.file_control(None::<&str>, FileControl::HasMoved(&mut has_moved));
        if asked.is_ok() && has_moved != 0 || look(named)?.id != opened {
            return Err(Reset::Replaced);
        }
        let guard = Guard {
            named: named.to_path_buf(),
            log: side_files::log_of(file),
            index: side_files::index_of(file),
            opened,
            made: std::fs::metadata(named).ok().and_then(|metadata| metadata.created().ok()),
            sides: Cell::default(),
            log_made: Cell::default(),
            rest: RefCell::default(),
            traced: Cell::default(),
            is_frozen,
            looked: Cell::new(Instant::now()),
            is_alarmed: Cell::new(false),
            writes: Cell::default(),
            is_followed: Cell::default(),
            begins_log: Cell::default(),
            watches: OnceCell::new(),
            alone: RefCell::default(),
            found: RefCell::default(),
        };
        guard.find_sides(connection);
        Ok(guard)
    }

    pub(super) fn opened(&self) -> FileId {
        self.opened
    }

    /// Looks at the files if that was long enough ago.
    pub(super) fn check_if_due(&self, connection: &Connection) -> Result<(), Reset> {
        if self.looked.get().elapsed() < EVERY {
            return self.found.borrow().clone().map_or(Ok(()), Err);
        }
        self.check(connection)
    }

    /// As [`Guard::check_if_due`], for a process that follows the database for long: from the first time on.
    pub(super) fn follow(&self, connection: &Connection) -> Result<(), Reset> {
        let is_first = !self.is_followed.replace(true);
        if is_first { self.check(connection) } else { self.check_if_due(connection) }
    }

    /// Looks at the files unless it is known that nothing happened to them: for a write. Whether the
    /// write is known to begin the log again.
    pub(super) fn check_before_write(&self, connection: &Connection) -> Result<bool, Reset> {
        let writes = self.writes.get().saturating_add(1);
        self.writes.set(writes);
        if writes > FEW_WRITES && self.sides.get().iter().all(Option::is_some) {
            let watched = || Watches::of(&self.named, [&self.log, &self.index]);
            let is_new = self.watches.get().is_none();
            if let Some(watches) = self.watches.get_or_init(watched) {
                let is_alarmed = is_new || watches.take_reports() || self.is_alarmed.get();
                self.is_alarmed.set(is_alarmed);
                self.begins_log.set(false);
                if !is_alarmed && self.looked.get().elapsed() < EVERY {
                    return Ok(false);
                }
            }
        }
        self.check(connection)?;
        self.is_alarmed.set(false);
        // A write begins the log again if all of it was taken into the file, which is reported.
        let log = opened_log(connection, self.sides.get());
        let begins = log.is_some_and(|log| log.frames > 0 && log.frames == log.taken_in);
        self.begins_log.set(begins);
        Ok(begins)
    }

    /// After a write that [`Guard::check_before_write`] let pass, and that kept others from writing since:
    /// if it began the log again, nothing was taken into the file meanwhile.
    pub(super) fn wrote(&self, connection: &Connection) {
        if self.begins_log.get()
            && let Some(rest) = &mut *self.rest.borrow_mut()
            && let Some(log) = opened_log(connection, self.sides.get())
            && log.salt != rest.log.salt
            && (log.taken_in, log.begun) == (0, 0)
        {
            rest.log = log;
        }
    }

    pub(super) fn check(&self, connection: &Connection) -> Result<(), Reset> {
        self.check_against(Baseline::Take, connection)
    }

    /// As [`Guard::check`], for a connection that is about to be closed: nothing is read that only a later
    /// check would be compared with.
    pub(super) fn check_before_close(&self, connection: &Connection) -> Result<(), Reset> {
        self.check_against(Baseline::Skip, connection)
    }

    fn check_against(&self, baseline: Baseline, connection: &Connection) -> Result<(), Reset> {
        self.looked.set(Instant::now());
        let mut found = self.found.borrow_mut();
        // The writes of others can remove the traces of a lasting change.
        if !found.as_ref().is_some_and(Reset::is_lasting) {
            // What happens later, such as that its log is moved aside, is no other reason.
            *found = self.compare(baseline, connection).err().map(|now| found.take().unwrap_or(now));
        }
        found.clone().map_or(Ok(()), Err)
    }

    fn compare(&self, baseline: Baseline, connection: &Connection) -> Result<(), Reset> {
        let file = look(&self.named)?;
        if file.id != self.opened {
            return Err(Reset::Replaced);
        }
        // While it changes nothing can be said; it is looked at again.
        let Some(state) = self.compare_log(connection)? else { return Ok(()) };
        let has_baseline = self.rest.borrow().is_some() || self.alone.borrow().is_some();
        if baseline == Baseline::Skip && !has_baseline {
            return Ok(());
        }
        self.compare_file(connection, &file, state)
    }

    /// The state of the log, if the connection uses one that is whole.
    pub(super) fn compare_log(&self, connection: &Connection) -> Result<Option<LogState>, Reset> {
        if self.is_frozen {
            return Ok(None);
        }
        if self.sides.get().contains(&None) {
            self.find_sides(connection);
        }
        let [Some(log), Some(index)] = self.sides.get() else { return Ok(None) };
        let log = look_beside(&self.log, log_reset, log)?;
        let index = look_beside(&self.index, index_reset, index)?;
        if index.size < INDEX {
            return Err(index_reset(PartChange::Truncated));
        }
        let state = open_files::log_state(connection);
        // What is in the file as well is not read from the log.
        if let Some(state) =
            state.filter(|state| log.size < state.least_log() && state.frames > state.taken_in)
        {
            self.examine_log(connection, state)?;
        }
        Ok(state)
    }

    /// The log seems to be shorter than what is in it, if it did not begin again meanwhile.
    fn examine_log(&self, connection: &Connection, before: LogState) -> Result<(), Reset> {
        let log = std::fs::metadata(&self.log).map_or(0, |metadata| metadata.size());
        let is_same = open_files::log_state(connection) == Some(before);
        if is_same && log < before.least_log() {
            return Err(log_reset(PartChange::Truncated));
        }
        Ok(())
    }

    /// Whether anybody but SQLite wrote to the file: SQLite does so only to take the log into it,
    /// and notes before that how far.
    fn compare_file(&self, connection: &Connection, file: &FileFacts, state: LogState) -> Result<(), Reset> {
        let rest = self.rest.borrow().clone();
        match &rest {
            Some(rest) if rest.file == *file && is_as_much_taken_in(&rest.log, &state) => Ok(()),
            Some(rest) if is_as_much_taken_in(&rest.log, &state) => {
                let rest = rest.clone();
                let now = look(&self.named)?;
                let sample = PageSample::read(connection, now.size, state.page_size);
                let is_still =
                    open_files::log_state(connection).is_some_and(|now| is_as_much_taken_in(&now, &state));
                if !is_still {
                    self.rest.replace(None);
                    return Ok(());
                }
                let is_same = now.size == rest.file.size && sample.as_ref() == Some(&rest.sample);
                // Nothing is known of a checkpoint that is running, was interrupted, or may have been when
                // the index of the log was rebuilt: but it writes what is in the log.
                if !is_same && state.is_being_taken_in() {
                    if self.traced.get().is_some_and(|traced| traced.elapsed() < EVERY) {
                        return Ok(());
                    }
                    self.traced.set(Some(Instant::now()));
                    if rest.sample.is_changed_by_log(connection, &self.log, &state) {
                        self.rest.replace(self.take_rest(connection));
                        return Ok(());
                    }
                }
                let is_same_beginning =
                    sample.as_ref().is_none_or(|sample| sample.first() == rest.sample.first());
                if now.size < rest.file.size && is_same_beginning {
                    return Err(Reset::Truncated { before: rest.file.size, now: now.size });
                }
                if !is_same {
                    return Err(Reset::Overwritten);
                }
                // It was only touched.
                self.rest.replace(Some(Rest { file: now, ..rest }));
                Ok(())
            }
            _ => {
                // Something was taken in since. If somebody also wrote over the file, the state in it does not
                // go on from the one before.
                if !state.is_being_taken_in() {
                    self.compare_state(connection, rest.as_ref(), file)?;
                }
                self.rest.replace(self.take_rest(connection));
                Ok(())
            }
        }
    }

    /// Whether the state that the file has without its log goes on from the one that it had before, as the
    /// state that is read through the log does. If neither does, an earlier state or another database was
    /// restored through SQLite, which does not concern the files.
    fn compare_state(
        &self,
        connection: &Connection,
        rest: Option<&Rest>,
        file: &FileFacts,
    ) -> Result<(), Reset> {
        let before = self.alone.borrow().clone();
        let Some(alone) = wal_pairing::alone(&self.named, false) else {
            // SQLite makes a file shorter only once all of the log is in it, which leaves it whole.
            return match rest {
                Some(rest) if file.size < rest.file.size && before.is_some() => {
                    Err(Reset::Truncated { before: rest.file.size, now: file.size })
                }
                _ => Ok(()),
            };
        };
        // What is read while the log is being taken in is of no state.
        let is_at_rest = open_files::log_state(connection).is_some_and(|log| !log.is_being_taken_in());
        if let (Some(before), Ok(together), true) = (&before, timeline::stamp(connection), is_at_rest)
            && together.goes_on_from(before)
            && !alone.goes_on_from(before)
        {
            return Err(Reset::Overwritten);
        }
        self.alone.replace(Some(alone));
        Ok(())
    }

    fn take_rest(&self, connection: &Connection) -> Option<Rest> {
        let log = open_files::log_state(connection)?;
        let file = look(&self.named).ok()?;
        let sample = PageSample::read(connection, file.size, log.page_size)?;
        let is_at_rest = look(&self.named) == Ok(file)
            && open_files::log_state(connection).is_some_and(|now| is_as_much_taken_in(&now, &log));
        is_at_rest.then_some(Rest { file, log, sample })
    }

    /// Notes which files SQLite keeps beside the database, if it uses a log.
    fn find_sides(&self, connection: &Connection) {
        let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
        if self.is_frozen || mode.as_deref() != Ok("wal") {
            return;
        }
        let [log, index] = [&self.log, &self.index].map(|path| std::fs::metadata(path).ok());
        self.log_made.set(log.as_ref().and_then(|log| log.created().ok()));
        self.sides.set([log, index].map(|side| side.as_ref().map(FileId::of)));
    }

    /// The log, if what it is of was found to be gone from its path, which something else may have then.
    pub(super) fn leftover(&self) -> Option<LeftoverLog> {
        let is_overwritten = match *self.found.borrow() {
            Some(Reset::Missing | Reset::Replaced | Reset::NotAFile(_)) => false,
            Some(Reset::Overwritten | Reset::Truncated { .. }) => true,
            _ => return None,
        };
        let [Some(log), Some(index)] = self.sides.get() else { return None };
        let alone = self.alone.borrow().clone();
        let (database, made, log_made) = (self.opened, self.made, self.log_made.get());
        let salt = self.rest.borrow().as_ref().map(|rest| rest.log.salt);
        Some(LeftoverLog { log, log_made, index, database, made, is_overwritten, alone, salt })
    }

    /// Whether a write begins the log: there is nothing in it, or all of it was taken into the file.
    pub(super) fn begins_log(&self, connection: &Connection) -> bool {
        opened_log(connection, self.sides.get()).is_some_and(|log| log.frames == log.taken_in)
    }

    /// Whether what is in the log may be taken into the file although [`Guard::check`] found `reset`:
    /// the log was removed while it was open here, nobody began another one, and the file is as it was.
    pub(super) fn may_rescue(&self, connection: &Connection, reset: &Reset) -> bool {
        let is_log_gone = *reset == log_reset(PartChange::Removed);
        let is_gone = |path: &Path| !path.exists();
        let has_index = |index: FileId| match std::fs::metadata(&self.index) {
            Ok(metadata) => FileId::of(&metadata) == index && metadata.size() >= INDEX,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let [Some(_), Some(index)] = self.sides.get() else { return false };
        if !is_log_gone || !is_gone(&self.log) || !has_index(index) {
            return false;
        }
        let Some((file, state)) = look(&self.named).ok().zip(open_files::log_state(connection)) else {
            return false;
        };
        let is_as_it_was = |rest: &Rest| rest.file == file && rest.log.salt == state.salt;
        file.id == self.opened && self.rest.borrow().as_ref().is_some_and(is_as_it_was)
    }
}

/// The state of the log, if the connection uses one.
fn opened_log(connection: &Connection, sides: [Option<FileId>; 2]) -> Option<LogState> {
    sides.iter().all(Option::is_some).then(|| open_files::log_state(connection)).flatten()
}

/// Whether nothing was noted to have been taken from the log into the file between two states of the log.
fn is_as_much_taken_in(before: &LogState, after: &LogState) -> bool {
    let progress = |state: &LogState| (state.salt, state.taken_in, state.begun);
    progress(before) == progress(after)
}

/// The file at a path, if there is one.
fn look(path: &Path) -> Result<FileFacts, Reset> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reset::Missing,
        _ => Reset::Unseen(error.to_string()),
    })?;
    let kind = metadata.file_type();
    let other = match () {
        () if kind.is_file() => return Ok(FileFacts::of(&metadata)),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Reset::NotAFile(other))
}

fn look_beside(path: &Path, reset: fn(PartChange) -> Reset, opened: FileId) -> Result<FileFacts, Reset> {
    match std::fs::metadata(path) {
        Ok(metadata) if FileId::of(&metadata) == opened => Ok(FileFacts::of(&metadata)),
        Ok(_) => Err(reset(PartChange::Replaced)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(reset(PartChange::Removed)),
        Err(error) => Err(Reset::Unseen(error.to_string())),
    }
}

fn log_reset(what: PartChange) -> Reset {
    Reset::Part { cause: "log", name: "log (-wal)", what }
}

fn index_reset(what: PartChange) -> Reset {
    Reset::Part { cause: "index", name: "index of the log (-shm)", what }
}

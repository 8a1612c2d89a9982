//! Protection against a file of unknown origin: what its schema may contain, which functions it
//! may call, and how long a statement on it may run.
//!
//! A statement on an ordinary table visits every row a bounded number of times, so its steps are bounded
//! by the size of the file. What exceeds that bound is not our statement: it is a trigger, or a tree of
//! pages that refer to each other.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use rusqlite::config::DbConfig;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{columns, path, schema_sql, statement_trace};
use crate::text::escape::escape;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The steps of SQLite's virtual machine that every statement has, whatever the size of the file.
const STEPS: u64 = 10_000_000;
/// The steps that a statement has for each byte of the file: a row has at least about ten bytes, and the
/// longest statement takes a few hundred steps per row.
const STEPS_PER_BYTE: u64 = 100;
/// The processor time that every statement has.
const TIME: Duration = Duration::from_secs(20);
/// The processor time that a statement has for each byte of the file.
const TIME_PER_BYTE: Duration = Duration::from_nanos(500);
/// The most objects (tables, indexes, triggers, views) of a schema: all of it is parsed by every
/// connection.
const OBJECTS: i32 = 20_000;
/// The longest text of a statement, and so of an object of the schema, in bytes.
const STATEMENT: i32 = 200_000;

/// How old a reading of the processor's clock may be that a statement is counted from: by so much its
/// processor time may be overestimated. The clock costs a system call, and most writes ask for it.
const CLOCK_AGE: Duration = Duration::from_millis(100);

/// Functions that are not run: a single call makes as long a text as it likes, or takes time that grows
/// with the product of its arguments' sizes, and no call can be interrupted. Our own statements call none
/// of them, so that a call comes from a trigger, a constraint or an index of the file. With the number of
/// arguments as in SQLite; -1 is any.
const REFUSED_FUNCTIONS: [(&str, i32); 7] =
    [("printf", -1), ("format", -1), ("replace", 3), ("instr", 2), ("trim", 2), ("ltrim", 2), ("rtrim", 2)];
/// The longest blob that zeroblob and randomblob make, in bytes.
const BLOB: usize = 64 * 1024;
const USED_UP: &str = "a statement was stopped that took longer than any can take on a file of this size";
/// What the names of our tables, indexes and triggers begin with.
const OUR_NAMES: &[u8] = b"slothstate_";
/// What the error of such a call begins with.
const REFUSED: &str = "refused function ";

/// Has `connection`, of the file at `path`, distrust the file.
pub(super) fn harden(connection: &mut Connection, path: &Path, purpose: Access) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    if purpose == Access::Read {
        // A trigger of another program may rely on double-quoted strings; what reads runs no trigger.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_SCHEMA, OBJECTS)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT)?;
    refuse_functions(connection)?;
    watch(connection, path, purpose)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Puts functions that fail in the place of those that are not run, and functions with a limit in the
/// place of those that make long blobs. A schema that names one is still read.
fn refuse_functions(connection: &Connection) -> rusqlite::Result<()> {
    let usable_by_schema = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let fixed = usable_by_schema | FunctionFlags::SQLITE_DETERMINISTIC;
    let refused = |name: &str| rusqlite::Error::UserFunctionError(format!("{REFUSED}{name}").into());
    for (name, arguments) in REFUSED_FUNCTIONS {
        connection.create_scalar_function(name, arguments, fixed, move |_| -> rusqlite::Result<bool> {
            Err(refused(name))
        })?;
    }
    let length = move |context: &Context<'_>, name: &str| {
        let wanted = columns::integer(context.get_raw(0)).unwrap_or(0).max(0);
        usize::try_from(wanted).ok().filter(|wanted| *wanted <= BLOB).ok_or_else(|| refused(name))
    };
    connection.create_scalar_function("zeroblob", 1, fixed, move |context| {
        Ok(vec![0; length(context, "zeroblob")?])
    })?;
    connection.create_scalar_function("randomblob", 1, usable_by_schema, move |context| {
        let mut bytes = vec![0; length(context, "randomblob")?.max(1)];
        // Each state has keys of its own that derive from random bytes of the system.
        for chunk in bytes.chunks_mut(8) {
            let random = RandomState::new().build_hasher().finish().to_ne_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        Ok(bytes)
    })
}

/// What the running statement has used.
#[derive(Clone, Copy, Default)]
struct Used {
    steps: u64,
    /// When it was looked at first, which few statements last for, and the processor time of the thread
    /// at that moment, in nanoseconds.
    began: Option<(Instant, u64)>,
    /// The size of the file in bytes; `None` until it is needed.
    bytes: Option<u64>,
    is_in_trigger: bool,
}

thread_local! {
    static USED: Cell<Used> = const { Cell::new(NOTHING) };
    /// The last triggers that a statement of this thread started: one with a name of another program's,
    /// and one with a name of ours.
    static TRIGGERS: RefCell<[Vec<u8>; 2]> = const { RefCell::new([const { Vec::new() }; 2]) };
    /// The last reading of the processor's clock, and when it was.
    static CLOCK: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
    /// Why the last statement of this thread that had to be stopped was stopped, in words.
    static REASON: Cell<Option<String>> = const { Cell::new(None) };
}

const NOTHING: Used = Used { steps: 0, began: None, bytes: None, is_in_trigger: false };

/// What this thread runs from here on is counted from zero. A connection that writes does so by itself
/// for each statement; what reads does it for each of its operations, which read no table more than a
/// few times.
pub(super) fn begin() {
    USED.set(NOTHING);
}

/// Has SQLite ask, every few steps, whether the statement may go on.
fn watch(connection: &mut Connection, path: &Path, purpose: Access) -> rusqlite::Result<()> {
    if purpose == Access::Write {
        statement_trace::install(connection, begin_statement)?;
    }
    let every = if purpose == Access::Write { 200 } else { 1000 };
    let path = path.to_path_buf();
    connection.progress_handler(every, Some(move || is_used_up(&path, every.unsigned_abs())))
}

/// A statement begins, or a trigger of the one that is running, which SQLite reports as a comment.
fn begin_statement(comment: Option<&CStr>) {
    let Some(comment) = comment else { return begin() };
    let mut comment = comment.to_bytes();
    while let Some(inner) = comment.strip_prefix(b"-- ") {
        comment = inner;
    }
    let Some(name) = comment.strip_prefix(b"TRIGGER ") else { return };
    let used = USED.get();
    if !used.is_in_trigger {
        USED.set(Used { is_in_trigger: true, ..used });
        TRIGGERS.with_borrow_mut(|names| names.iter_mut().for_each(Vec::clear));
    }
    // Ours are run for each row that another trigger writes.
    let place = usize::from(name.starts_with(OUR_NAMES));
    TRIGGERS.with_borrow_mut(|names| name.clone_into(&mut names[place]));
}

/// Whether the running statement, on the file at `path`, has used what it may use, `steps` after the
/// last look. SQLite asks this in the midst of the statement and interrupts it on true.
fn is_used_up(path: &Path, steps: u32) -> bool {
    let mut used = USED.get();
    used.steps += u64::from(steps);
    let (began, time_then) = *used.began.get_or_insert_with(|| {
        let now = Instant::now();
        (now, recent_processor_time(now))
    });
    // The processor's clock costs a system call: it is read when there is a reason to.
    let time = match began.elapsed() {
        short if short <= TIME => 0,
        _ => processor_time().saturating_sub(time_then),
    };
    let mut is_used_up = !is_within(used.steps, time, used.bytes.unwrap_or(0));
    if is_used_up && used.bytes.is_none() {
        let bytes = size(path);
        used.bytes = Some(bytes);
        is_used_up = !is_within(used.steps, time, bytes);
    }
    USED.set(used);
    if is_used_up {
        REASON.set(Some(match trigger_of(used) {
            Some(trigger) => format!("{USED_UP}; its trigger {trigger} was the last to start"),
            None => USED_UP.into(),
        }));
    }
    is_used_up
}

/// The trigger of another program that the statement started last, escaped; `None` if it started none.
fn trigger_of(used: Used) -> Option<String> {
    let [theirs, ours] = TRIGGERS.with_borrow(|names| names.clone());
    // A name like ours does not make a trigger ours.
    let is_made_here = schema_sql::makes("TRIGGER", &String::from_utf8_lossy(&ours));
    let name = if ours.is_empty() || is_made_here { theirs } else { ours };
    (used.is_in_trigger && !name.is_empty()).then(|| escape(&name))
}

/// The error for a statement that wrote less than it should have: a trigger can do that without an error.
pub(super) fn write_was_discarded(written: usize) -> rusqlite::Error {
    REASON.set(Some(match trigger_of(USED.get()) {
        Some(trigger) => format!("its trigger {trigger} discards what is written"),
        None => "its schema discards what is written".into(),
    }));
    rusqlite::Error::StatementChangedRows(written)
}

/// Whether a statement may use so many steps, and so many nanoseconds of processor time, on a file of
/// so many bytes.
fn is_within(steps: u64, nanoseconds: u64, bytes: u64) -> bool {
    let time = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    steps <= STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(bytes))
        && nanoseconds <= time(TIME).saturating_add(time(TIME_PER_BYTE).saturating_mul(bytes))
}

/// The processor time of this thread, in nanoseconds: waiting for a disk or a lock is not counted.
fn processor_time() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
}

/// As [`processor_time`], at most [`CLOCK_AGE`] ago.
fn recent_processor_time(now: Instant) -> u64 {
    match CLOCK.get() {
        Some((at, time)) if now.saturating_duration_since(at) < CLOCK_AGE => time,
        _ => {
            let time = processor_time();
            CLOCK.set(Some((now, time)));
            time
        }
    }
}

/// The size of what is committed in the file and its log, in bytes. The running statement's connection
/// cannot tell it, and the log on the disk contains what the statement itself has written.
fn size(path: &Path) -> u64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let pages = Connection::open_with_flags(path::name(path), flags).and_then(|connection| {
        connection.query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get::<_, i64>(0),
        )
    });
    match pages {
        Ok(bytes) => bytes.unsigned_abs(),
        Err(_) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
    }
}

/// What keeps a file from being read: one of `tables`, or anything that has a name of ours, is not an
/// ordinary table with stored columns. To read a view, a virtual table or a generated column is to run
/// what the file says.
pub(super) fn problem_of_tables(
    connection: &Connection,
    tables: [&str; 2],
) -> rusqlite::Result<Option<String>> {
    let mut objects = connection.prepare_cached(
        "SELECT type, name, rootpage FROM sqlite_schema WHERE type IN ('table', 'view') \
         AND (lower(name) IN (?1, ?2) OR lower(substr(name, 1, 11)) = 'slothstate_') ORDER BY name",
    )?;
    let mut rows = objects.query(tables)?;
    while let Some(row) = rows.next()? {
        let is_view = row.get_ref(0)? == ValueRef::Text(b"view");
        let has_pages = columns::integer_at(row, 2)?.is_some_and(|page| page > 0);
        let name = columns::text_at(row, 1)?;
        let shown = escape(name.as_bytes());
        if is_view && schema_sql::makes("VIEW", &name) {
            // It is for other programs, and not read here.
            continue;
        }
        if is_view {
            return Ok(Some(format!("its {shown} is a view and not a table")));
        }
        if !has_pages {
            return Ok(Some(format!("its {shown} is a virtual table and not an ordinary one")));
        }
        let is_found_by_rowid = tables.iter().any(|table| table.eq_ignore_ascii_case(&name));
        if let Some(problem) = problem_of_columns(connection, &name, is_found_by_rowid)? {
            return Ok(Some(format!("its table {shown} {problem}")));
        }
    }
    Ok(None)
}

/// What is wrong with the columns of an ordinary table.
fn problem_of_columns(
    connection: &Connection,
    table: &str,
    is_found_by_rowid: bool,
) -> rusqlite::Result<Option<String>> {
    /// As `table_xinfo` marks those that are computed: virtual and stored ones.
    const GENERATED: [i64; 2] = [2, 3];
    let mut columns = connection.prepare_cached("SELECT name, hidden FROM pragma_table_xinfo(?1)")?;
    let mut rows = columns.query([table])?;
    while let Some(row) = rows.next()? {
        let name = columns::text_at(row, 0)?;
        if columns::integer_at(row, 1)?.is_some_and(|hidden| GENERATED.contains(&hidden)) {
            return Ok(Some(format!("has the generated column {}", escape(name.as_bytes()))));
        }
        if is_found_by_rowid && name.eq_ignore_ascii_case("rowid") {
            return Ok(Some("has a column rowid, which hides the number of its rows".into()));
        }
    }
    // The name comes from the file: a quote in it would end it.
    let numbered = format!("SELECT rowid FROM main.\"{}\" LIMIT 0", table.replace('"', "\"\""));
    Ok(match is_found_by_rowid && connection.prepare(&numbered).is_err() {
        true => Some("is WITHOUT ROWID".into()),
        false => None,
    })
}

/// What the schema did that is not let happen, if that is why a statement failed.
pub(super) fn reason(connection: &Connection, error: &rusqlite::Error) -> Option<String> {
    if let Some(function) = refused_function(error) {
        let caller = caller_of(connection, &function).ok().flatten();
        return Some(describe_call(caller.as_deref().unwrap_or("schema"), &function));
    }
    reason_of_stop(error)
}

/// As [`reason`], without a look at the schema.
pub(super) fn reason_without_schema(error: &rusqlite::Error) -> Option<String> {
    refused_function(error)
        .map(|function| describe_call("schema", &function))
        .or_else(|| reason_of_stop(error))
}

/// Why the meter, or [`write_was_discarded`], made a statement of this thread fail.
fn reason_of_stop(error: &rusqlite::Error) -> Option<String> {
    let was_stopped = error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted);
    (was_stopped || matches!(error, rusqlite::Error::StatementChangedRows(_)))
        .then(|| REASON.take())
        .flatten()
}

fn describe_call(caller: &str, function: &str) -> String {
    format!("its {caller} calls {function}(), which slothstate does not run for a file")
}

/// The function that was refused, if that is what the error says.
fn refused_function(error: &rusqlite::Error) -> Option<String> {
    let message = error.to_string();
    let (_, rest) = message.split_once(REFUSED)?;
    Some(rest.chars().take_while(char::is_ascii_alphanumeric).collect())
}

fn caller_of(connection: &Connection, function: &str) -> rusqlite::Result<Option<String>> {
    let mut objects =
        connection.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut rows = objects.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| columns::text_at(row, column);
        let (kind, name, sql) = (text(0)?, text(1)?, text(2)?);
        if !name.as_bytes().starts_with(OUR_NAMES) && sql.to_ascii_lowercase().contains(function) {
            return Ok(Some(format!("{kind} {}", escape(name.as_bytes()))));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many steps of recursion, and a few for each of them.
    fn count_to(connection: &Connection, number: i64) -> rusqlite::Result<i64> {
        begin();
        connection.query_row(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) SELECT count(*) FROM n",
            [number],
            |row| row.get(0),
        )
    }

    fn open(path: &Path, purpose: Access) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        harden(&mut connection, path, purpose).unwrap();
        connection
    }

    #[test]
    fn what_a_statement_may_take_depends_on_what_is_in_the_file_or_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let writer = open(&path, Access::Write);
        let sql = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)";
        writer.execute_batch(sql).unwrap();
        for purpose in [Access::Read, Access::Write] {
            let connection = open(&path, purpose);
            assert_eq!(count_to(&connection, 100_000), Ok(100_000));
            let error = count_to(&connection, 4_000_000).unwrap_err();
            assert_eq!(reason(&connection, &error).as_deref(), Some(USED_UP), "{error}");
            // The next statement begins at zero.
            assert_eq!(count_to(&connection, 100_000), Ok(100_000));
        }
        writer.execute("INSERT INTO t VALUES (?1)", [vec![1_u8; 4 << 20]]).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 100_000, "it is in the log alone");
        for purpose in [Access::Read, Access::Write] {
            assert_eq!(count_to(&open(&path, purpose), 4_000_000), Ok(4_000_000));
        }
    }

    #[test]
    fn what_a_statement_writes_does_not_give_it_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let writer = open(&path, Access::Write);
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        for _ in 0..3 {
            let endless = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
            let error = writer.execute(endless, []).unwrap_err();
            assert!(reason(&writer, &error).is_some(), "{error}");
        }
        let log = std::fs::metadata(folder.path().join("state.db-wal")).unwrap().len();
        assert!(log < 200 << 20, "{log} bytes");
    }

    #[test]
    fn many_statements_may_take_more_than_one() {
        let folder = tempfile::tempdir().unwrap();
        let writer = open(&folder.path().join("state.db"), Access::Write);
        writer.execute_batch("CREATE TABLE t (x); BEGIN").unwrap();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT count(*) FROM n";
        for _ in 0..20 {
            writer.query_row(sql, [], |_| Ok(())).unwrap();
        }
    }

    #[test]
    fn short_blobs_are_made_and_long_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("state.db"), Access::Write);
        let bytes = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0));
        assert_eq!(bytes("SELECT zeroblob(3)").unwrap(), [0; 3]);
        assert_eq!(bytes("SELECT randomblob(65536)").unwrap().len(), BLOB);
        assert_ne!(bytes("SELECT randomblob(16)").unwrap(), bytes("SELECT randomblob(16)").unwrap());
        for call in ["zeroblob(65537)", "randomblob(1000000000)", "printf('%d', 1)", "replace('a', 'b', 'c')"]
        {
            let error = bytes(&format!("SELECT {call}")).unwrap_err();
            let function = call.split('(').next().unwrap();
            assert_eq!(refused_function(&error).as_deref(), Some(function), "{error}");
        }
    }
}

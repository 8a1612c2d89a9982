//! What a database file is: whose tables it has, and of which version.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::error_mapping::explain;
use super::query::{exists, row, rows};
use super::remedies::error_at;
use super::schema_sql::SCHEMA;
use super::{busy_handler, columns, hardening};
use crate::store::{ErrorKind, StoreError};

/// What a database file is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaFlavor {
    /// It has no tables, or there is no file yet.
    Empty,
    /// Sloth Runner's earlier tables, `state_data` and `state_locks`: they are read, never written.
    Legacy,
    /// Sloth Runner's present tables, nothing of ours.
    Foreign,
    /// Ours, with the schema of that number, earlier than this program's: it is read as it is,
    /// and brought up to date by the first write.
    Outdated(usize),
    /// Ours: Sloth Runner's tables and what we added.
    Current,
    /// Ours, but without what tells its schema or its newest revision: the entries are read, and nothing
    /// is written.
    Incomplete(Defect),
}

/// What another program removed or altered of a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// A table that nothing works without is missing.
    NoTable(&'static str),
    /// The table of facts about the file has other columns.
    MetaColumns,
    EmptyMeta,
    /// There is no schema among them.
    NoSchema,
    SchemaType,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::NoTable(table) => write!(f, "its table {table} is missing"),
            Defect::MetaColumns => f.write_str("its table slothstate_meta has other columns"),
            Defect::EmptyMeta => f.write_str("its table slothstate_meta is empty"),
            Defect::NoSchema => f.write_str("its table slothstate_meta does not tell the schema"),
            Defect::SchemaType => f.write_str("the schema in its table slothstate_meta is not a number"),
        }
    }
}

impl Defect {
    /// The error of what needs more than the entries.
    pub(super) fn error(self, path: &Path) -> StoreError {
        let has_entries = self != Defect::NoTable("state");
        error_at(path, ErrorKind::Incomplete { what: self.to_string(), has_entries })
    }
}

impl SchemaFlavor {
    /// Whether the tables have what we added to them.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, SchemaFlavor::Outdated(_) | SchemaFlavor::Current)
    }

    /// The number of its schema; 0 where nothing is ours.
    pub(super) fn schema(self) -> usize {
        match self {
            SchemaFlavor::Current => SCHEMA,
            SchemaFlavor::Outdated(schema) => schema,
            SchemaFlavor::Empty
            | SchemaFlavor::Legacy
            | SchemaFlavor::Foreign
            | SchemaFlavor::Incomplete(_) => 0,
        }
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            SchemaFlavor::Legacy => "state_data",
            _ => "state",
        }
    }

    /// When an entry expires in milliseconds, as an expression; `None` where no entry does.
    pub(super) fn expiry(self) -> Option<&'static str> {
        match self {
            SchemaFlavor::Legacy => Some("stored_millis(expires_at)"),
            SchemaFlavor::Outdated(_) | SchemaFlavor::Current | SchemaFlavor::Incomplete(_) => {
                Some("expires_at_ms")
            }
            SchemaFlavor::Foreign | SchemaFlavor::Empty => None,
        }
    }

    /// Whether a file of this generation can be made ours.
    pub(super) fn check_adoptable(self, path: &Path) -> Result<(), StoreError> {
        match self {
            SchemaFlavor::Legacy => {}
            SchemaFlavor::Incomplete(defect) => return Err(defect.error(path)),
            _ => return Ok(()),
        }
        Err(error_at(
            path,
            ErrorKind::ReadOnly {
                reason: format!(
                    "it is of Sloth Runner's older generation (table state_data), which is only read; \
                 import it into a new database and go on with that one: slothstate --db NEW import {}",
                    crate::text::escape::shell_word(path.as_os_str().as_encoded_bytes())
                ),
            },
        ))
    }
}

/// Tells what a file is: [`detect`] or [`detect_older`].
pub(super) type Detect = fn(&Connection, &Path, Duration) -> Result<SchemaFlavor, StoreError>;

/// As [`detect`]; where a file has the tables of both generations, those of the older one count.
pub(super) fn detect_older(
    connection: &Connection,
    path: &Path,
    limit: Duration,
) -> Result<SchemaFlavor, StoreError> {
    busy_handler::begin_wait(limit);
    let is_there = has_table(connection, "state_data");
    match is_there.map_err(|error| explain(path, limit, &error))? {
        true => check_tables(connection, path, limit, OLDER_TABLES).map(|()| SchemaFlavor::Legacy),
        false => detect(connection, path, limit),
    }
}

pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    exists(connection, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [name])
}

/// Tells what a file is.
pub(super) fn detect(
    connection: &Connection,
    path: &Path,
    limit: Duration,
) -> Result<SchemaFlavor, StoreError> {
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy_handler::begin_wait(limit);
    // All statements see the same state: another process may be making the tables.
    let state = connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose();
    let _state = state.map_err(failed)?;
    check_tables(connection, path, limit, TABLES)?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN \
               ('slothstate_meta', 'slothstate_history', 'state', 'state_data')";
    let tables: Vec<String> = rows(connection, sql, [], |row| row.get(0)).map_err(failed)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    let other = |reason: String| error_at(path, ErrorKind::NotAStateDatabase { reason });
    let require = |table: &str, needed: &[&str]| {
        let columns = columns::names(connection, table).map_err(failed)?;
        match needed.iter().find(|needed| !columns.iter().any(|column| column == *needed)) {
            Some(missing) => Err(other(format!("its table {table} has no column {missing}"))),
            None => Ok(()),
        }
    };
    if has("slothstate_meta") || has("slothstate_history") {
        let defect = match schema(connection, has("slothstate_meta")).map_err(failed)? {
            Ok(found) => match usize::try_from(found) {
                Ok(1..=SCHEMA) if !has("state") => Defect::NoTable("state"),
                Ok(1..=SCHEMA) if !has("slothstate_history") => Defect::NoTable("slothstate_history"),
                Ok(SCHEMA) => return Ok(SchemaFlavor::Current),
                Ok(earlier @ 1..SCHEMA) => return Ok(SchemaFlavor::Outdated(earlier)),
                _ => {
                    return Err(error_at(path, ErrorKind::NewerSchema { found, known: SCHEMA as i64 }));
                }
            },
            Err(defect) => defect,
        };
        // Without the columns that were added to it there is nothing to read.
        let columns = columns::names(connection, "state").map_err(failed)?;
        let is_readable = ENTRY.iter().all(|needed| columns.iter().any(|column| column == needed));
        return if is_readable { Ok(SchemaFlavor::Incomplete(defect)) } else { Err(defect.error(path)) };
    }
    if has("state") {
        require("state", &["key", "value", "created_at", "updated_at"])?;
        return Ok(SchemaFlavor::Foreign);
    }
    if has("state_data") {
        check_tables(connection, path, limit, OLDER_TABLES)?;
        require(
            "state_data",
            &["key", "value", "type", "created_at", "updated_at", "expires_at", "version"],
        )?;
        return Ok(SchemaFlavor::Legacy);
    }
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               ORDER BY name LIMIT ?1";
    let others = rows(connection, sql, [NAMED as i64 + 1], |row| row.get(0)).map_err(failed)?;
    if is_stacks(connection).map_err(failed)? {
        return Err(other(why_not_stacks(path)));
    }
    match names_of(others) {
        None => Ok(SchemaFlavor::Empty),
        Some(names) => Err(other(format!("it is an SQLite file without a table state (it has {names})"))),
    }
}

/// The columns of an entry in a file of ours.
const ENTRY: [&str; 12] = [
    "key",
    "value",
    "created_at",
    "updated_at",
    "type",
    "expires_at_ms",
    "version",
    "revision",
    "modified_at_ms",
    "actor",
    "run",
    "task",
];

/// The schema that a file of ours says it has, or why it does not.
fn schema(connection: &Connection, has_meta: bool) -> rusqlite::Result<Result<i64, Defect>> {
    if !has_meta {
        return Ok(Err(Defect::NoTable("slothstate_meta")));
    }
    let columns = columns::names(connection, "slothstate_meta")?;
    if ["name", "value"].iter().any(|needed| !columns.iter().any(|column| column == needed)) {
        return Ok(Err(Defect::MetaColumns));
    }
    let sql = "SELECT value FROM slothstate_meta WHERE name = 'schema'";
    Ok(match row(connection, sql, [], |row| row.get(0)).optional()? {
        Some(Value::Integer(found)) => Ok(found),
        Some(_) => Err(Defect::SchemaType),
        None if exists(connection, "SELECT 1 FROM slothstate_meta", [])? => Err(Defect::NoSchema),
        None => Err(Defect::EmptyMeta),
    })
}

/// The tables of entries and of locks, and those of Sloth Runner's older generation.
const TABLES: [&str; 2] = ["state", "locks"];

const OLDER_TABLES: [&str; 2] = ["state_data", "state_locks"];

/// How many of the tables of a file are named that has none of these.
const NAMED: usize = 8;

/// The names of tables, escaped: the first of them, if there are many; `None` if there are none.
fn names_of(tables: Vec<String>) -> Option<String> {
    let more = if tables.len() > NAMED { ", …" } else { "" };
    let names = tables.get(..NAMED.min(tables.len()))?.join(", ");
    (!names.is_empty()).then(|| format!("{}{more}", crate::text::escape::escape(names.as_bytes())))
}

/// Refuses a file in which a table that is read is something else.
fn check_tables(
    connection: &Connection,
    path: &Path,
    limit: Duration,
    tables: [&str; 2],
) -> Result<(), StoreError> {
    match hardening::problem_of_tables(connection, tables).map_err(|error| explain(path, limit, &error))? {
        Some(reason) => Err(error_at(path, ErrorKind::NotAStateDatabase { reason })),
        None => Ok(()),
    }
}

fn is_stacks(connection: &Connection) -> rusqlite::Result<bool> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND lower(name) IN ('stacks', 'stack_executions')",
        [],
        |row| row.get(0),
    )?;
    Ok(count == 2)
}

/// Why a `stacks.db` is not a state database, and where the state is.
fn why_not_stacks(path: &Path) -> String {
    let state = path.with_file_name("state.db");
    let place = match state.is_file() {
        true => format!("the state is in {}", crate::text::escape::path(&state)),
        false => "the state is in ~/.sloth-runner/state.db".into(),
    };
    format!(
        "it is Sloth Runner's database of stacks, with its runs and stack locks, which slothstate shows beside the \
         state (runs, locks); {place}"
    )
}

//! Reads Sloth Runner's `stacks.db`, and clears a lock in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::columns::{self, integer_at, millis_at, text_at};
use super::error_mapping::explain;
use super::remedies::error_at;
use super::{busy_handler, connect, hardening};
use crate::store::sloth_runner_stacks::{STACKS_DB, StackLock, StackRun, Stacks};
use crate::store::{ErrorKind, StoreError};

/// The most runs that are read.
const RUNS: i64 = 500;
/// How much of a text is read, in characters.
const TEXT: i64 = 4000;

/// The `stacks.db` that belongs to the database at `path`: the one beside it. For Sloth Runner's usual
/// `~/.sloth-runner/state.db` without one beside it, the one that all users share.
pub(super) fn beside(path: &Path) -> Option<PathBuf> {
    const SHARED: &str = "/etc/sloth-runner";
    let real = std::fs::canonicalize(path).ok()?;
    if real.file_name().is_some_and(|name| name == STACKS_DB) {
        return None;
    }
    let folder = real.parent()?;
    let shared = folder.file_name().is_some_and(|name| name == ".sloth-runner").then_some(SHARED);
    let folders = std::iter::once(folder).chain(shared.map(Path::new));
    folders.map(|folder| folder.join(STACKS_DB)).find(|file| file.is_file())
}

pub(super) fn read(path: &Path, limit: Duration) -> Result<Stacks, StoreError> {
    let (connection, _) = connect::open_to_read(path, limit, true)?;
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy_handler::begin_wait(limit);
    for tables in [["stacks", "stack_executions"], ["state_locks", "stack_executions"]] {
        if let Some(reason) = hardening::problem_of_tables(&connection, tables).map_err(failed)? {
            return Err(error_at(path, ErrorKind::NotAStateDatabase { reason }));
        }
    }
    // Of the columns only these are sure to be there: earlier versions of Sloth Runner have fewer.
    let runs =
        match has_columns(&connection, "stack_executions", &["id", "stack_id", "status"]).map_err(failed)? {
            true => runs(&connection).map_err(failed)?,
            false => Vec::new(),
        };
    let columns = ["stack_id", "lock_id", "who", "operation", "created_at", "expires_at"];
    let locks = match has_columns(&connection, "state_locks", &columns).map_err(failed)? {
        true => locks(&connection).map_err(failed)?,
        false => Vec::new(),
    };
    Ok(Stacks { path: Some(path.to_path_buf()), runs, locks })
}

/// Clears a lock, if it still is the one that was seen. Whether it was.
pub(super) fn clear(path: &Path, limit: Duration, lock: &StackLock) -> Result<bool, StoreError> {
    let connection = connect::open_to_write(path, limit, true, false)?;
    busy_handler::begin_wait(limit);
    let cleared = connection.execute(
        "DELETE FROM state_locks WHERE stack_id = ?1 AND lock_id = ?2 AND CAST(expires_at AS TEXT) = ?3",
        [&lock.stack_id, &lock.lock_id, &lock.stored_expiry],
    );
    Ok(cleared.map_err(|error| explain(path, limit, &error))? > 0)
}

fn has_columns(connection: &Connection, table: &str, needed: &[&str]) -> rusqlite::Result<bool> {
    let columns = columns::names(connection, table)?;
    Ok(needed.iter().all(|needed| columns.iter().any(|column| column.eq_ignore_ascii_case(needed))))
}

/// A column of `table`, which may not be there, as an expression.
fn optional(columns: &[String], alias: &str, column: &str) -> String {
    match columns.iter().any(|there| there.eq_ignore_ascii_case(column)) {
        true => format!("{alias}.{column}"),
        false => "NULL".into(),
    }
}

fn runs(connection: &Connection) -> rusqlite::Result<Vec<StackRun>> {
    let columns = columns::names(connection, "stack_executions")?;
    let of_stacks = columns::names(connection, "stacks")?;
    let column = |name: &str| optional(&columns, "e", name);
    let name = optional(&of_stacks, "s", "name");
    let file = optional(&of_stacks, "s", "workflow_file");
    let sql = format!(
        "SELECT e.id, substr(CAST(coalesce({name}, e.stack_id) AS TEXT), 1, {TEXT}), \
         substr(CAST({file} AS TEXT), 1, {TEXT}), substr(CAST(e.status AS TEXT), 1, {TEXT}), \
         stored_millis({}), stored_millis({}), {}, {}, {}, substr(CAST({} AS TEXT), 1, {TEXT}) \
         FROM stack_executions e LEFT JOIN stacks s ON s.id = e.stack_id ORDER BY e.id DESC LIMIT {RUNS}",
        column("started_at"),
        column("completed_at"),
        column("task_count"),
        column("success_count"),
        column("failure_count"),
        column("error_message"),
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map([], |row| {
        Ok(StackRun {
            number: integer_at(row, 0)?.unwrap_or_default(),
            stack: text_at(row, 1)?,
            file: filled(row, 2)?,
            status: text_at(row, 3)?,
            began_at: millis_at(row, 4)?,
            ended_at: millis_at(row, 5)?,
            tasks: count(row, 6)?,
            ok: count(row, 7)?,
            failed: count(row, 8)?,
            error: filled(row, 9)?,
        })
    })?;
    found.collect()
}

fn locks(connection: &Connection) -> rusqlite::Result<Vec<StackLock>> {
    let of_stacks = columns::names(connection, "stacks")?;
    let name = optional(&of_stacks, "s", "name");
    let sql = format!(
        "SELECT CAST(l.stack_id AS TEXT), substr(CAST(coalesce({name}, l.stack_id) AS TEXT), 1, {TEXT}), \
         CAST(l.lock_id AS TEXT), substr(CAST(l.who AS TEXT), 1, {TEXT}), \
         substr(CAST(l.operation AS TEXT), 1, {TEXT}), stored_millis(l.created_at), stored_millis(l.expires_at), \
         CAST(l.expires_at AS TEXT) FROM state_locks l LEFT JOIN stacks s ON s.id = l.stack_id ORDER BY 2, 1"
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map([], |row| {
        Ok(StackLock {
            stack_id: text_at(row, 0)?,
            stack: text_at(row, 1)?,
            lock_id: text_at(row, 2)?,
            who: text_at(row, 3)?,
            operation: text_at(row, 4)?,
            acquired_at: millis_at(row, 5)?,
            expires_at: millis_at(row, 6)?,
            stored_expiry: text_at(row, 7)?,
        })
    })?;
    found.collect()
}

/// Text of a column, if there is any.
fn filled(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(Some(text_at(row, column)?).filter(|text| !text.is_empty()))
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(integer_at(row, column)?.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}

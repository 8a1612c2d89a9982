//! The rows of the table `slothstate_meta`: what a database says of itself, each under a name.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::columns;
use super::query::{execute, row};

/// The text of that name; `None` if there is none.
pub(super) fn text(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    value(connection, name, columns::text)
}

/// The integer of that name; `None` if there is none.
pub(super) fn integer(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    value(connection, name, columns::integer)
}

fn value<T>(
    connection: &Connection,
    name: &str,
    read: fn(ValueRef<'_>) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let sql = "SELECT value FROM slothstate_meta WHERE name = ?1";
    row(connection, sql, [name], |row| Ok(read(row.get_ref(0)?))).optional().map(Option::flatten)
}

pub(super) fn set(connection: &Connection, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slothstate_meta (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    execute(connection, sql, params![name, value]).map(drop)
}

//! The columns of a table: their names, and what is stored in them, which may be anything.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql};

use super::query;
use crate::store::{Actor, Key, Type};
use crate::time::Millis;

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(if self.is_blob() {
            ValueRef::Blob(self.as_bytes())
        } else {
            ValueRef::Text(self.as_bytes())
        }))
    }
}

/// A value as it is stored: text, which need not be UTF-8.
pub(super) struct TextBytes<'a>(pub &'a [u8]);

impl ToSql for TextBytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// Bytes of a column that should be text and may be anything.
pub(super) fn bytes(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Null => Vec::new(),
        ValueRef::Integer(integer) => integer.to_string().into_bytes(),
        ValueRef::Real(real) => real.to_string().into_bytes(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
    }
}

/// Text of a column, wrong bytes replaced; `None` for NULL.
pub(super) fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        other => Some(String::from_utf8_lossy(&bytes(other)).into_owned()),
    }
}

/// A number of a column; `None` for anything that another program may have put there instead.
pub(super) fn integer(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(integer) => Some(integer),
        ValueRef::Real(real) => Some(real as i64),
        _ => None,
    }
}

pub(super) fn key(value: ValueRef<'_>) -> Key {
    Key::from_stored(&bytes(value), matches!(value, ValueRef::Blob(_)))
}

/// Text of a column of a row, as [`text`]; empty for NULL.
pub(super) fn text_at(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(text(row.get_ref(column)?).unwrap_or_default())
}

/// A number of a column of a row, as [`integer`].
pub(super) fn integer_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<i64>> {
    Ok(integer(row.get_ref(column)?))
}

/// A time of a column of a row, as [`integer`].
pub(super) fn millis_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Millis>> {
    Ok(integer_at(row, column)?.map(Millis))
}

pub(super) fn key_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Key> {
    Ok(key(row.get_ref(column)?))
}

/// Who made a change, from the columns actor, run and task, of which the first is `column`.
pub(super) fn actor_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Actor>> {
    let Some(name) = text(row.get_ref(column)?) else { return Ok(None) };
    Ok(Some(Actor { name, run: integer_at(row, column + 1)?, task: text(row.get_ref(column + 2)?) }))
}

pub(super) fn stored_type(value: ValueRef<'_>) -> Option<Type> {
    match value {
        ValueRef::Text(name) => std::str::from_utf8(name).ok().and_then(Type::from_name),
        _ => None,
    }
}

pub(super) fn names(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    query::rows(connection, "SELECT name FROM pragma_table_info(?1)", [table], |row| row.get(0))
}

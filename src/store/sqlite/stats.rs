//! How large a database is, and how much is in it.

use rusqlite::{Connection, ToSql};

use super::locks;
use super::query::row;
use super::schema_version::SchemaFlavor;
use crate::time::{ClockReading, Millis};

/// The size of a database file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    /// All of it, in bytes.
    pub bytes: u64,
    /// The free pages in it, in bytes.
    pub free: u64,
}

/// How large the file is, and how much of it is free.
pub(super) fn space(connection: &Connection) -> rusqlite::Result<Space> {
    let sql = "SELECT page_count * page_size, freelist_count * page_size \
               FROM pragma_page_count, pragma_page_size, pragma_freelist_count";
    row(connection, sql, [], |row| {
        Ok(Space { bytes: row.get::<_, i64>(0)?.unsigned_abs(), free: row.get::<_, i64>(1)?.unsigned_abs() })
    })
}

/// Entries that expire, locks, rows of history.
pub(super) fn figures(
    connection: &Connection,
    flavor: SchemaFlavor,
    now: Millis,
) -> rusqlite::Result<[u64; 3]> {
    let number = |sql: &str, parameters: &[&dyn ToSql]| -> rusqlite::Result<u64> {
        row(connection, sql, parameters, |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let expiring = match flavor.expiry() {
        Some(expiry) => {
            number(&format!("SELECT count(*) FROM {} WHERE {expiry} > ?1", flavor.table()), &[&now.0])?
        }
        None => 0,
    };
    if !flavor.is_ours() {
        let locks = locks::page(connection, flavor, None, usize::MAX, ClockReading { wall: now, boot: None })?
            .len() as u64;
        return Ok([expiring, locks, 0]);
    }
    Ok([
        expiring,
        number("SELECT count(*) FROM locks", &[])?,
        number("SELECT count(*) FROM slothstate_history", &[])?,
    ])
}

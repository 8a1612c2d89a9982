//! Running statements, and the parts of a statement that a scan makes.

use rusqlite::{Connection, Params, Row};

use crate::store::{Key, KeyRange, Order};

/// Runs a statement, which stays compiled; how many rows it changed.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(parameters)
}

/// Whether a statement, which stays compiled, finds a row.
pub(super) fn exists(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql)?.exists(parameters)
}

/// The first row of a statement, which stays compiled; an error if there is none.
pub(super) fn row<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached(sql)?.query_row(parameters, read)
}

/// All rows of a statement, which stays compiled.
pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

/// SQLite counts in signed numbers.
pub(super) fn signed(limit: impl TryInto<i64>) -> i64 {
    limit.try_into().unwrap_or(i64::MAX)
}

/// The part of a statement that a scan's range and cursor make, with their values.
pub(super) struct Bounds<'a> {
    pub sql: String,
    pub keys: Vec<(&'static str, &'a Key)>,
}

pub(super) fn bounds<'a>(range: &'a KeyRange, after: Option<&'a Key>, order: Order) -> Bounds<'a> {
    let mut bounds = Bounds { sql: String::new(), keys: Vec::new() };
    let mut add = |condition: &str, name: &'static str, key: Option<&'a Key>| {
        if let Some(key) = key {
            if !bounds.sql.is_empty() {
                bounds.sql.push_str(" AND ");
            }
            bounds.sql.push_str(condition);
            bounds.keys.push((name, key));
        }
    };
    match order {
        Order::Ascending => {
            // A cursor lies in the range, so one lower bound is enough, and the index seeks it.
            match after {
                Some(cursor) => add("key > :after", ":after", Some(cursor)),
                None => add("key >= :start", ":start", range.start.as_ref()),
            }
            add("key < :end", ":end", range.end.as_ref());
        }
        Order::Descending => {
            match after {
                Some(cursor) => add("key < :after", ":after", Some(cursor)),
                None => add("key < :end", ":end", range.end.as_ref()),
            }
            add("key >= :start", ":start", range.start.as_ref());
        }
    }
    // A comparison leaves out what has no key by itself; saying so as well would have SQLite read
    // each key twice.
    if bounds.sql.is_empty() {
        bounds.sql.push_str("key IS NOT NULL");
    }
    bounds
}

pub(super) fn direction(order: Order) -> &'static str {
    match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    }
}

//! Running statements, and the parts of a statement that a scan makes.
//!
//! A limit is written `LIMIT +?`: SQLite looks at the value of a bare parameter, and compiles the statement again
//! for each.

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
    let mut lower = range.start.as_ref().map(|key| ("key >= :start", ":start", key));
    let mut upper = range.end.as_ref().map(|key| ("key < :end", ":end", key));
    // A cursor lies in the range, so one bound on its side is enough, and the index seeks it.
    match (order, after) {
        (_, None) => {}
        (Order::Ascending, Some(cursor)) => lower = Some(("key > :after", ":after", cursor)),
        (Order::Descending, Some(cursor)) => upper = Some(("key < :after", ":after", cursor)),
    }
    // Keys of another program can be numbers or NULL, which are no keys here and come before all text. A page
    // that ended with a number would go on behind the text of its digits.
    let mut sql = lower.map_or("key >= ''", |(condition, ..)| condition).to_string();
    if let Some((condition, ..)) = upper {
        sql = format!("{sql} AND {condition}");
    }
    let keys = lower.into_iter().chain(upper).map(|(_, name, key)| (name, key)).collect();
    Bounds { sql, keys }
}

pub(super) fn direction(order: Order) -> &'static str {
    match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_with_a_limit_is_not_compiled_again() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)").unwrap();
        let compiled_again = |sql: &str| {
            for limit in 1..3_i64 {
                assert_eq!(rows(&connection, sql, [limit], |_| Ok(())).unwrap().len() as i64, limit);
            }
            connection.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare)
        };
        assert_eq!(compiled_again("SELECT a FROM t ORDER BY a LIMIT +?1"), 0);
        assert!(compiled_again("SELECT a FROM t ORDER BY a LIMIT ?1") > 0, "then the sign is of no use");
    }
}

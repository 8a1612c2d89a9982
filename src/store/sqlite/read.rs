//! Reading entries.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::columns::{actor_at, bytes, integer_at, key_at, millis_at, stored_type};
use super::query::{bounds, direction, row, rows, signed};
use super::schema_version::SchemaFlavor;
use super::stored_time;
use crate::store::{Entry, Image, Key, KeyRange, Order, RangeSize, Revision, Scan};
use crate::time::Millis;

/// An entry and where it is stored.
pub(super) struct EntryRow {
    pub rowid: i64,
    pub entry: Entry,
}

/// What a write has to know of what it changes, and where that is stored.
pub(super) struct CurrentRow {
    pub rowid: i64,
    pub image: Image,
}

/// Columns in the order in which [`found`] reads them. `:limit` is the most bytes of a value.
macro_rules! columns {
    () => {
        "rowid, key, CASE WHEN octet_length(value) <= :limit THEN value END, octet_length(value), \
         created_at, updated_at, type, expires_at_ms, version, revision, modified_at_ms, actor, run, task"
    };
    (foreign) => {
        "rowid, key, CASE WHEN octet_length(value) <= :limit THEN value END, octet_length(value), \
         created_at, updated_at, NULL, NULL, 1, 0, NULL, NULL, NULL, NULL"
    };
    (older) => {
        "rowid, key, CASE WHEN octet_length(value) <= :limit THEN value END, octet_length(value), \
         created_at, updated_at, type, stored_millis(expires_at), version, 0, NULL, NULL, NULL, NULL"
    };
}

/// The hottest statement of all.
const ROW_OF_KEY: &str = concat!("SELECT ", columns!(), " FROM state WHERE key = :key");
const ROW_OF_FOREIGN_KEY: &str = concat!("SELECT ", columns!(foreign), " FROM state WHERE key = :key");
const ROW_OF_OLDER_KEY: &str = concat!("SELECT ", columns!(older), " FROM state_data WHERE key = :key");

fn columns(flavor: SchemaFlavor) -> &'static str {
    match flavor {
        SchemaFlavor::Outdated(_) | SchemaFlavor::Current | SchemaFlavor::Incomplete(_) => columns!(),
        SchemaFlavor::Foreign | SchemaFlavor::Empty => columns!(foreign),
        SchemaFlavor::Legacy => columns!(older),
    }
}

/// The condition that hides what has expired at `:now`.
fn not_expired(flavor: SchemaFlavor) -> String {
    match flavor.expiry() {
        Some(expiry) => format!("({expiry} IS NULL OR {expiry} > :now)"),
        None => HIDES_NOTHING.into(),
    }
}

/// Names the parameter, so that all conditions take the same ones.
const HIDES_NOTHING: &str = ":now IS NOT NULL";

fn found(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    let stored_value = row.get_ref(2)?;
    let stored = bytes(stored_value);
    let size = integer_at(row, 3)?.and_then(|size| u64::try_from(size).ok());
    let time = |column| -> rusqlite::Result<Option<Millis>> {
        Ok(match row.get_ref(column)? {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().and_then(stored_time::parse),
            _ => None,
        })
    };
    let stored_type = stored_type(row.get_ref(6)?);
    let modified_at = match millis_at(row, 10)? {
        None => time(5)?,
        modified_at => modified_at,
    };
    Ok(EntryRow {
        rowid: row.get(0)?,
        entry: Entry {
            key: key_at(row, 1)?,
            size: size.unwrap_or(stored.len() as u64),
            stored,
            stored_type,
            expires_at: millis_at(row, 7)?,
            version: integer_at(row, 8)?.and_then(|version| u64::try_from(version).ok()).unwrap_or(0),
            revision: Revision(integer_at(row, 9)?.unwrap_or(0)),
            created_at: time(4)?,
            modified_at,
            actor: actor_at(row, 11)?,
            kind: None,
        },
    })
}

/// Fetches the beginning of a value that was too long to be read with its row. A row that went
/// away meanwhile stays without it.
fn fetch_beginning(connection: &Connection, flavor: SchemaFlavor, found: &mut EntryRow, limit: u64) {
    if !found.entry.is_whole() && limit > 0 {
        fetch_piece(connection, flavor, found, 0, limit);
    }
}

/// Fetches a piece of a value, as far as there is one.
fn fetch_piece(connection: &Connection, flavor: SchemaFlavor, found: &mut EntryRow, offset: u64, limit: u64) {
    found.entry.stored.clear();
    let Ok(blob) = connection.blob_open("main", flavor.table(), "value", found.rowid, true) else {
        return;
    };
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(blob.len());
    let mut piece = vec![0; usize::try_from(limit).unwrap_or(usize::MAX).min(blob.len() - offset)];
    if let Ok(read) = blob.read_at(&mut piece, offset) {
        piece.truncate(read);
        found.entry.stored = piece;
    }
}

/// The row of `key`, also if it has expired.
pub(super) fn row_of(
    connection: &Connection,
    flavor: SchemaFlavor,
    key: &Key,
    value_limit: u64,
) -> rusqlite::Result<Option<EntryRow>> {
    let sql = match flavor {
        SchemaFlavor::Outdated(_) | SchemaFlavor::Current | SchemaFlavor::Incomplete(_) => ROW_OF_KEY,
        SchemaFlavor::Foreign | SchemaFlavor::Empty => ROW_OF_FOREIGN_KEY,
        SchemaFlavor::Legacy => ROW_OF_OLDER_KEY,
    };
    let mut statement = connection.prepare_cached(sql)?;
    // The parameters are numbered in the order in which the statement names them.
    let mut rows = statement.query(params![signed(value_limit), key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut row = found(row)?;
    drop(rows);
    fetch_beginning(connection, flavor, &mut row, value_limit);
    Ok(Some(row))
}

/// What is stored of `key` in an adopted database, also if it has expired: a third of its columns.
pub(super) fn present(connection: &Connection, key: &Key) -> rusqlite::Result<Option<CurrentRow>> {
    let read = |row: &Row<'_>| {
        let (stored, stored_type) = (bytes(row.get_ref(1)?), stored_type(row.get_ref(2)?));
        let image = Image { stored, stored_type, expires_at: millis_at(row, 3)? };
        Ok(CurrentRow { rowid: row.get(0)?, image })
    };
    let sql = "SELECT rowid, value, type, expires_at_ms FROM state WHERE key = ?1";
    row(connection, sql, [key], read).optional()
}

/// One entry that has not expired.
pub(super) fn get(
    connection: &Connection,
    flavor: SchemaFlavor,
    key: &Key,
    value_limit: u64,
    now: Millis,
) -> rusqlite::Result<Option<Entry>> {
    let row = row_of(connection, flavor, key, value_limit)?;
    Ok(row.map(|found| found.entry).filter(|entry| !entry.is_expired(now)))
}

/// As [`get`], with so many bytes of the value from an offset on.
pub(super) fn get_from(
    connection: &Connection,
    flavor: SchemaFlavor,
    key: &Key,
    (offset, limit): (u64, u64),
    now: Millis,
) -> rusqlite::Result<Option<Entry>> {
    let found = row_of(connection, flavor, key, 0)?.filter(|found| !found.entry.is_expired(now));
    Ok(found.map(|mut found| {
        fetch_piece(connection, flavor, &mut found, offset, limit);
        found.entry
    }))
}

/// How much is in a page, in the order of the keys.
pub(super) fn measure(
    connection: &Connection,
    flavor: SchemaFlavor,
    scan: &Scan,
    now: Millis,
) -> rusqlite::Result<RangeSize> {
    let bounds = bounds(&scan.range, scan.after.as_ref(), Order::Ascending);
    let sql = format!(
        "SELECT count(*), ifnull(sum(size), 0), max(key) FROM \
         (SELECT key, octet_length(value) AS size FROM {} WHERE {} AND {} ORDER BY key LIMIT +:rows)",
        flavor.table(),
        bounds.sql,
        not_expired(flavor),
    );
    let rows = signed(scan.limit);
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":now", &now.0), (":rows", &rows)];
    parameters.extend(bounds.keys.iter().map(|(name, key)| (*name, *key as &dyn ToSql)));
    row(connection, &sql, &parameters[..], |row| {
        let (entries, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        let last = (entries == rows).then(|| key_at(row, 2)).transpose()?;
        Ok(RangeSize { entries: entries.unsigned_abs(), bytes: bytes.unsigned_abs(), last })
    })
}

/// A page of entries: those that have not expired at `now`, or all.
pub(super) fn scan(
    connection: &Connection,
    flavor: SchemaFlavor,
    scan: &Scan,
    now: Option<Millis>,
) -> rusqlite::Result<Vec<Entry>> {
    let condition = now.map_or_else(|| HIDES_NOTHING.into(), |_| not_expired(flavor));
    let now = now.unwrap_or_default();
    let bounds = bounds(&scan.range, scan.after.as_ref(), scan.order);
    let sql = format!(
        "SELECT {} FROM {} WHERE {} AND {condition} ORDER BY key {} LIMIT +:rows",
        columns(flavor),
        flavor.table(),
        bounds.sql,
        direction(scan.order)
    );
    let (bytes, limit) = (signed(scan.value_limit), signed(scan.limit));
    let mut parameters: Vec<(&str, &dyn ToSql)> =
        vec![(":limit", &bytes), (":now", &now.0), (":rows", &limit)];
    parameters.extend(bounds.keys.iter().map(|(name, key)| (*name, *key as &dyn ToSql)));
    let page = rows(connection, &sql, &parameters[..], found)?;
    Ok(finish_page(connection, flavor, page, scan.value_limit))
}

/// The next keys of entries that expire after `from` and not after `to`, in their order.
pub(super) fn expiring_between(
    connection: &Connection,
    from: Millis,
    to: Millis,
    scan: &Scan,
) -> rusqlite::Result<Vec<Key>> {
    let (is_after, direction) = match scan.order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    };
    let sql = format!(
        "SELECT key FROM state WHERE expires_at_ms > ?1 AND expires_at_ms <= ?2 \
         AND (?3 IS NULL OR key >= ?3) AND (?4 IS NULL OR key < ?4) AND (?5 IS NULL OR key {is_after} ?5) \
         ORDER BY key {direction} LIMIT ?6"
    );
    let KeyRange { start, end } = &scan.range;
    let parameters = params![from.0, to.0, start, end, scan.after, signed(scan.limit)];
    rows(connection, &sql, parameters, |row| key_at(row, 0))
}

fn finish_page(
    connection: &Connection,
    flavor: SchemaFlavor,
    page: Vec<EntryRow>,
    value_limit: u64,
) -> Vec<Entry> {
    page.into_iter()
        .map(|mut found| {
            fetch_beginning(connection, flavor, &mut found, value_limit);
            found.entry
        })
        .collect()
}

/// A page of the entries that expire, soonest first.
pub(super) fn scan_expiring(
    connection: &Connection,
    flavor: SchemaFlavor,
    after: Option<(Millis, &Key)>,
    limit: usize,
    value_limit: u64,
    now: Millis,
) -> rusqlite::Result<Vec<Entry>> {
    let Some(expiry) = flavor.expiry() else { return Ok(Vec::new()) };
    let cursor = if after.is_some() { format!("({expiry}, key) > (:at, :key)") } else { "1".into() };
    let sql = format!(
        "SELECT {} FROM {} WHERE {expiry} > :now AND {cursor} ORDER BY {expiry}, key LIMIT +:rows",
        columns(flavor),
        flavor.table()
    );
    let (bytes, limit) = (signed(value_limit), signed(limit));
    let mut parameters: Vec<(&str, &dyn ToSql)> =
        vec![(":limit", &bytes), (":now", &now.0), (":rows", &limit)];
    if let Some((at, key)) = &after {
        parameters.push((":at", &at.0));
        parameters.push((":key", *key));
    }
    let page = rows(connection, &sql, &parameters[..], found)?;
    Ok(finish_page(connection, flavor, page, value_limit))
}

/// How many entries of a range have not expired.
pub(super) fn count(
    connection: &Connection,
    flavor: SchemaFlavor,
    range: &KeyRange,
    now: Millis,
) -> rusqlite::Result<u64> {
    let bounds = bounds(range, None, Order::Ascending);
    let count = |condition: &str, parameters: &[(&str, &dyn ToSql)]| -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM {} WHERE {}{condition}", flavor.table(), bounds.sql);
        row(connection, &sql, parameters, |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let mut parameters: Vec<(&str, &dyn ToSql)> =
        bounds.keys.iter().map(|(name, key)| (*name, *key as &dyn ToSql)).collect();
    let all = count("", &parameters)?;
    let Some(expiry) = flavor.expiry() else { return Ok(all) };
    parameters.push((":now", &now.0));
    let expired = count(&format!(" AND {expiry} <= :now"), &parameters)?;
    Ok(all.saturating_sub(expired))
}

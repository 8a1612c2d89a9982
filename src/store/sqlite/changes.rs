//! What has changed: the rows of history, forwards as a feed and backwards to be looked through.

use std::ops::Bound;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, params};

use super::columns::{self, integer_at};
use super::query::{row, rows, signed};
use super::schema_version::SchemaFlavor;
use crate::store::{
    Actor, Change, Changes, HistoryScan, HistorySpan, Image, Key, KeyRange, Revision, Subject, Type,
};
use crate::time::Millis;

/// Columns in the order in which [`change_row`] reads them, with the tables that they come from.
/// `:bytes` is the most bytes of a value; of a longer one they are fetched by [`ChangeRow::fetch`],
/// because SQLite would read all of it to take a part.
macro_rules! select {
    ($version:literal, $first:literal, $last:literal, $undone_by:literal, $joined:literal) => {
        concat!(
            "SELECT h.revision, at_ms, subject, key, operation, \
                 CASE WHEN octet_length(old_value) <= :bytes THEN old_value END, \
                 old_type, old_expires_at_ms, \
                 CASE WHEN octet_length(new_value) <= :bytes THEN new_value END, \
                 new_type, new_expires_at_ms, actor, run, task, ",
            $version,
            ", ",
            $first,
            ", ",
            $last,
            ", ",
            $undone_by,
            ", octet_length(old_value), octet_length(new_value) FROM slothstate_history AS h ",
            $joined
        )
    };
}

/// A change without what tells of its transaction: looked up row by row, that costs ten times as
/// much as the change itself.
pub(super) fn select_alone(flavor: SchemaFlavor) -> &'static str {
    match flavor {
        SchemaFlavor::Outdated(1) => select!("NULL", "NULL", "NULL", "NULL", ""),
        _ => select!("h.version", "NULL", "NULL", "NULL", ""),
    }
}

fn select(flavor: SchemaFlavor) -> &'static str {
    match flavor {
        SchemaFlavor::Outdated(1) => select!("NULL", "NULL", "NULL", "NULL", ""),
        _ => select!(
            "h.version",
            "t.first",
            "t.last",
            "u.undone_by",
            "LEFT JOIN slothstate_transactions AS t \
                 ON t.first = (SELECT max(first) FROM slothstate_transactions WHERE first <= h.revision) \
                 AND t.last >= h.revision \
             LEFT JOIN slothstate_undone AS u ON u.revision = ifnull(t.first, h.revision) "
        ),
    }
}

pub(super) fn changes(
    connection: &Connection,
    flavor: SchemaFlavor,
    since: Revision,
    limit: usize,
    value_limit: u64,
) -> rusqlite::Result<Changes> {
    if !flavor.is_ours() {
        return Ok(Changes::NotRecorded);
    }
    let Some(span) = span(connection)? else { return Ok(Changes::Since(Vec::new())) };
    if !span.reaches(since) {
        return Ok(Changes::Pruned { oldest: span.oldest.0 });
    }
    let sql = format!("{} WHERE h.revision > :since ORDER BY h.revision LIMIT +:limit", select(flavor));
    let bytes = signed(value_limit);
    let parameters = named_params! { ":since": since.0, ":limit": signed(limit), ":bytes": bytes };
    let found = rows(connection, &sql, parameters, change_row)?;
    Ok(Changes::Since(found.into_iter().map(|row| row.fetch(connection, bytes)).collect()))
}

/// Whether no entry of `range` was changed after `since`, and one that was. Where history no longer
/// reaches back that far, it may have been.
pub(super) fn range_since(
    connection: &Connection,
    range: &KeyRange,
    since: Revision,
) -> rusqlite::Result<(bool, Option<Key>)> {
    if span(connection)?.is_some_and(|span| !span.reaches(since)) {
        return Ok((false, None));
    }
    let sql = "SELECT key FROM slothstate_history WHERE revision > ?1 AND subject = 'entry' \
               AND (?2 IS NULL OR key >= ?2) AND (?3 IS NULL OR key < ?3) LIMIT 1";
    let parameters = params![since.0, range.start, range.end];
    let changed = row(connection, sql, parameters, |row| columns::key_at(row, 0)).optional()?;
    Ok((changed.is_none(), changed))
}

pub(super) fn span(connection: &Connection) -> rusqlite::Result<Option<HistorySpan>> {
    let end = |sql: &str| {
        row(connection, sql, [], |row| Ok((Revision(row.get(0)?), Millis(row.get(1)?)))).optional()
    };
    let oldest = end("SELECT revision, at_ms FROM slothstate_history ORDER BY revision LIMIT 1")?;
    let newest = end("SELECT revision, at_ms FROM slothstate_history ORDER BY revision DESC LIMIT 1")?;
    Ok(oldest.zip(newest).map(|(oldest, newest)| HistorySpan { oldest, newest, since: oldest.0.before() }))
}

/// A page of changes, newest first.
pub(super) fn scan(
    connection: &Connection,
    flavor: SchemaFlavor,
    scan: &HistoryScan,
) -> rusqlite::Result<Vec<Change>> {
    if !flavor.is_ours() {
        return Ok(Vec::new());
    }
    let from = match scan.from {
        Bound::Included(from) => from,
        Bound::Excluded(from) => from.next(),
        Bound::Unbounded => Revision::default(),
    };
    let to = match scan.to {
        Bound::Included(to) => to,
        Bound::Excluded(to) => to.before(),
        Bound::Unbounded => Revision(i64::MAX),
    };
    let (limit, bytes) = (signed(scan.limit), signed(scan.value_limit));
    let mut parameters: Vec<(&str, &dyn ToSql)> =
        vec![(":from", &from.0), (":to", &to.0), (":limit", &limit), (":bytes", &bytes)];
    let mut sql = format!("{} WHERE h.revision >= :from AND h.revision <= :to", select(flavor));
    if let Some(key) = &scan.key {
        sql.push_str(" AND key = :key");
        parameters.push((":key", key));
    }
    match scan.subject {
        None => {}
        Some(Subject::Entry) => sql.push_str(" AND subject = 'entry'"),
        Some(Subject::Lock) => sql.push_str(" AND subject = 'lock'"),
        Some(Subject::Database) => sql.push_str(" AND subject = 'database'"),
    }
    sql.push_str(" ORDER BY h.revision DESC LIMIT +:limit");
    let found = rows(connection, &sql, &parameters[..], change_row)?;
    Ok(found.into_iter().map(|row| row.fetch(connection, bytes)).collect())
}

/// A change, and whether its old and its new value were too long to be read with it.
pub(super) struct ChangeRow {
    change: Change,
    is_long: [bool; 2],
}

impl ChangeRow {
    /// The change with the first `bytes` of each value. What went away meanwhile stays empty.
    pub(super) fn fetch(self, connection: &Connection, bytes: i64) -> Change {
        let ChangeRow { mut change, is_long } = self;
        let revision = change.revision.0;
        let images = [("old_value", &mut change.old), ("new_value", &mut change.new)];
        for ((column, image), is_long) in images.into_iter().zip(is_long) {
            let Some(image) = image.as_mut().filter(|_| is_long && bytes > 0) else { continue };
            let Ok(blob) = connection.blob_open("main", "slothstate_history", column, revision, true) else {
                continue;
            };
            let mut beginning = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(blob.len())];
            if let Ok(read) = blob.read_at(&mut beginning, 0) {
                beginning.truncate(read);
                image.stored = beginning;
            }
        }
        change
    }
}

pub(super) fn change_row(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    let subject = match row.get_ref(2)?.as_bytes() {
        Ok(b"lock") => Subject::Lock,
        Ok(b"database") => Subject::Database,
        _ => Subject::Entry,
    };
    let revision = Revision(row.get(0)?);
    let transaction = match (integer_at(row, 15)?, integer_at(row, 16)?) {
        (Some(first), Some(last)) => (Revision(first), Revision(last)),
        _ => (revision, revision),
    };
    let (old, new) = (image(row, 5, 18)?, image(row, 8, 19)?);
    let is_long = [(5, &old), (8, &new)]
        .map(|(column, image)| image.is_some() && row.get_ref(column) == Ok(rusqlite::types::ValueRef::Null));
    let operation = columns::text_at(row, 4)?;
    let recorded_at = Millis(row.get(1)?);
    let expired_at = old.as_ref().and_then(|old| old.expires_at);
    let at = match expired_at {
        Some(at) if operation == "expire" && subject == Subject::Entry => at.min(recorded_at),
        _ => recorded_at,
    };
    let change = Change {
        revision,
        at,
        recorded_at,
        subject,
        key: columns::key_at(row, 3)?,
        operation,
        old,
        new,
        actor: columns::actor_at(row, 11)?.unwrap_or_else(Actor::external),
        version: integer_at(row, 14)?.and_then(|version| u64::try_from(version).ok()),
        transaction,
        undone_by: integer_at(row, 17)?.map(Revision),
    };
    Ok(ChangeRow { change, is_long })
}

/// The value before or after a change, from three columns and one with its length, which is NULL if
/// there was nothing. A value that is too long is left empty.
fn image(row: &Row<'_>, column: usize, length: usize) -> rusqlite::Result<Option<Image>> {
    if row.get_ref(length)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    Ok(Some(Image {
        stored: columns::bytes(row.get_ref(column)?),
        stored_type: columns::text(row.get_ref(column + 1)?).and_then(|name| Type::from_name(&name)),
        expires_at: columns::millis_at(row, column + 2)?,
    }))
}

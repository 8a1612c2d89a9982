//! What has changed.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::connect::Generation;
use super::read;
use super::write::latest_revision;
use crate::store::{Actor, Change, Changes, Image, Key, KeyRange, Millis, Revision, Subject, Type};

pub(super) fn changes(
    connection: &Connection,
    generation: Generation,
    since: Revision,
    limit: usize,
    value_limit: u64,
) -> rusqlite::Result<Changes> {
    if generation != Generation::Adopted {
        return Ok(Changes::NotRecorded);
    }
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(revision) FROM slothstate_history")?
        .query_row([], |row| row.get(0))?;
    let Some(oldest) = oldest else { return Ok(Changes::Since(Vec::new())) };
    if since.0 + 1 < oldest && since < latest_revision(connection)? {
        return Ok(Changes::Pruned { oldest: Revision(oldest) });
    }
    let rows = connection
        .prepare_cached(
            "SELECT revision, at_ms, subject, key, operation, \
                 CASE WHEN octet_length(old_value) <= :bytes THEN old_value \
                      ELSE substr(CAST(old_value AS BLOB), 1, :bytes) END, \
                 old_type, old_expires_at_ms, \
                 CASE WHEN octet_length(new_value) <= :bytes THEN new_value \
                      ELSE substr(CAST(new_value AS BLOB), 1, :bytes) END, \
                 new_type, new_expires_at_ms, actor, run, task \
             FROM slothstate_history WHERE revision > :since ORDER BY revision LIMIT :limit",
        )?
        .query_map(
            named_params! {
                ":since": since.0,
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
                ":bytes": i64::try_from(value_limit).unwrap_or(i64::MAX),
            },
            change,
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Changes::Since(rows))
}

/// Whether no entry of `range` was changed after `since`, and one that was. Where history no longer
/// reaches back that far, it may have been.
pub(super) fn range_since(
    connection: &Connection,
    range: &KeyRange,
    since: Revision,
) -> rusqlite::Result<(bool, Option<Key>)> {
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(revision) FROM slothstate_history")?
        .query_row([], |row| row.get(0))?;
    if oldest.is_some_and(|oldest| since.0 + 1 < oldest) && since < latest_revision(connection)? {
        return Ok((false, None));
    }
    let changed = connection
        .prepare_cached(
            "SELECT key FROM slothstate_history WHERE revision > ?1 AND subject = 'entry' \
             AND (?2 IS NULL OR key >= ?2) AND (?3 IS NULL OR key < ?3) LIMIT 1",
        )?
        .query_row(params![since.0, range.start, range.end], |row| Ok(read::key(row.get_ref(0)?)))
        .optional()?;
    Ok((changed.is_none(), changed))
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let subject = match row.get_ref(2)?.as_bytes() {
        Ok(b"lock") => Subject::Lock,
        _ => Subject::Entry,
    };
    Ok(Change {
        revision: Revision(row.get(0)?),
        at: Millis(row.get(1)?),
        subject,
        key: read::key(row.get_ref(3)?),
        operation: read::text(row.get_ref(4)?).unwrap_or_default(),
        old: image(row, 5)?,
        new: image(row, 8)?,
        actor: read::actor(row.get_ref(11)?, row.get_ref(12)?, row.get_ref(13)?)
            .unwrap_or_else(Actor::external),
    })
}

/// The value before or after a change, from three columns; NULL if there was nothing.
fn image(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Image>> {
    let value = row.get_ref(column)?;
    if value == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    Ok(Some(Image {
        stored: read::bytes(value),
        stored_type: read::text(row.get_ref(column + 1)?).and_then(|name| Type::from_name(&name)),
        expires_at: read::integer(row.get_ref(column + 2)?).map(Millis),
    }))
}

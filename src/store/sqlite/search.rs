//! Looking through keys.
//!
//! Handing a row from SQLite to us costs more than the look at its key, so the look happens inside
//! SQLite, in a function of ours: only the keys that pass, and the last one of a page, come across.

use std::cell::RefCell;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, StatementStatus, ToSql};

use super::columns::key;
use super::query::{bounds, direction, exists, signed};
use super::schema_version::SchemaFlavor;
use crate::store::{Key, KeyPage, Needle, Scan};
use crate::time::Millis;

/// A look through a page of keys that is under way.
#[derive(Default)]
struct KeySearch {
    needles: Vec<Needle>,
    /// How many keys make the page full.
    limit: usize,
    looked_at: usize,
    /// The last key of a full page, and whether it is a blob.
    last: Option<(Vec<u8>, bool)>,
}

impl KeySearch {
    /// Looks at a stored key; whether the row is to come across.
    fn takes(&mut self, stored: ValueRef<'_>) -> bool {
        let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = stored else { return false };
        self.looked_at += 1;
        if self.is_full() {
            self.last = Some((bytes.to_vec(), matches!(stored, ValueRef::Blob(_))));
            return true;
        }
        self.has_needles(bytes)
    }

    fn has_needles(&self, bytes: &[u8]) -> bool {
        self.needles.iter().all(|needle| needle.is_in(bytes))
    }

    fn is_full(&self) -> bool {
        self.looked_at >= self.limit
    }
}

thread_local! {
    /// What the function looks for. A statement runs on one thread from its first row to its last.
    static KEY_SEARCH: RefCell<KeySearch> = RefCell::default();
}

/// Gives `connection` the function `looked_at`, which takes a key. No schema names it, so other
/// programs do without.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("looked_at", 1, flags, |context| {
        Ok(KEY_SEARCH.with_borrow_mut(|look| look.takes(context.get_raw(0))))
    })
}

/// Looks through a page of keys, in the index of keys alone.
pub(super) fn search_keys(
    connection: &Connection,
    flavor: SchemaFlavor,
    scan: &Scan,
    needles: &[Needle],
    now: Millis,
) -> rusqlite::Result<KeyPage> {
    let bounds = bounds(&scan.range, scan.after.as_ref(), scan.order);
    // Whether a key has expired is not in the index of keys; mostly none has.
    let table = flavor.table();
    let mut expired = String::new();
    if let Some(expiry) = flavor.expiry()
        && exists(connection, &format!("SELECT 1 FROM {table} WHERE {expiry} <= ?1"), [now.0])?
    {
        expired =
            format!(" AND key NOT IN (SELECT key FROM {table} WHERE {expiry} <= :now AND key IS NOT NULL)");
    }
    let select = format!("SELECT key FROM {table} WHERE {}{expired}", bounds.sql);
    let order = direction(scan.order);
    let mut parameters: Vec<(&str, &dyn ToSql)> = Vec::new();
    if !expired.is_empty() {
        parameters.push((":now", &now.0));
    }
    parameters.extend(bounds.keys.iter().map(|(name, key)| (*name, *key as &dyn ToSql)));
    KEY_SEARCH.set(KeySearch { needles: needles.to_vec(), limit: scan.limit.max(1), ..KeySearch::default() });
    if !needles.is_empty() {
        let mut statement =
            connection.prepare_cached(&format!("{select} AND looked_at(key) ORDER BY key {order}"))?;
        if let Some(found) = search_inside(&mut statement, &parameters)? {
            return Ok(page_of(found));
        }
    }
    let limit = signed(scan.limit);
    parameters.push((":rows", &limit));
    let mut statement = connection.prepare_cached(&format!("{select} ORDER BY key {order} LIMIT +:rows"))?;
    Ok(page_of(search_outside(&mut statement, &parameters)?))
}

/// Has SQLite do the looking. `None` if it would look through all keys before it gives any, since
/// another program's table has no index that has them in their order.
fn search_inside(
    statement: &mut Statement<'_>,
    parameters: &[(&str, &dyn ToSql)],
) -> rusqlite::Result<Option<Vec<Key>>> {
    let mut found = Vec::new();
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let value = row.get_ref(0)?;
        let full = KEY_SEARCH.with_borrow(|look| {
            if passes(look, value) {
                found.push(key(value));
            }
            look.is_full()
        });
        if full {
            break;
        }
    }
    drop(rows);
    if statement.get_status(StatementStatus::Sort) == 0 {
        return Ok(Some(found));
    }
    KEY_SEARCH.with_borrow_mut(|look| (look.looked_at, look.last) = (0, None));
    Ok(None)
}

/// Has SQLite hand over every key.
fn search_outside(
    statement: &mut Statement<'_>,
    parameters: &[(&str, &dyn ToSql)],
) -> rusqlite::Result<Vec<Key>> {
    let mut found = Vec::new();
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let value = row.get_ref(0)?;
        KEY_SEARCH.with_borrow_mut(|look| {
            if look.takes(value) && passes(look, value) {
                found.push(key(value));
            }
        });
    }
    Ok(found)
}

/// Whether a key that came across is there for itself, and not only as the last one of its page.
fn passes(look: &KeySearch, stored: ValueRef<'_>) -> bool {
    matches!(stored, ValueRef::Text(bytes) | ValueRef::Blob(bytes) if look.has_needles(bytes))
}

fn page_of(found: Vec<Key>) -> KeyPage {
    KEY_SEARCH.with_borrow(|look| KeyPage {
        found,
        looked_at: look.looked_at,
        last: look.last.as_ref().map(|(bytes, is_blob)| Key::from_stored(bytes, *is_blob)),
    })
}

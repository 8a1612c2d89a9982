//! Which states of a database follow from which: its identity, its epochs, and what was seen of it.

use rusqlite::{Connection, OptionalExtension, Row};

use super::home::Home;
use super::schema_version::SchemaFlavor;
use super::{columns, meta, query};
use crate::store::identity::{EpochStart, Identity, Reset};
use crate::store::{Key, Revision};
use crate::time::Millis;

/// What was seen of a database: a state that follows has the same id, epoch and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    database: Option<String>,
    epoch: i64,
    last: Option<Last>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub revision: i64,
    pub at: Millis,
    pub key: Key,
}

impl Anchor {
    /// What there is to be seen now.
    pub(super) fn read(connection: &Connection, flavor: SchemaFlavor) -> rusqlite::Result<Anchor> {
        let (mut database, mut epoch, mut last) = (None, 0, None);
        if flavor.schema() >= 4 {
            database = meta::text(connection, "database")?;
            epoch = meta::integer(connection, "epoch")?.unwrap_or(0);
        }
        if flavor.is_ours() {
            last = newest(connection)?;
        }
        Ok(Anchor { database, epoch, last })
    }

    /// A write of our own made this the newest change.
    pub(super) fn wrote(&mut self, last: Last) {
        self.last = Some(last);
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.last.as_ref().map_or(0, |last| last.revision))
    }

    /// What was seen, for those who open the database again.
    pub(super) fn identity(&self) -> Identity {
        Identity { database: self.database.clone(), epoch: self.epoch, revision: self.revision() }
    }

    /// Whether the present state follows from what was seen: for a write, which asks for it under the
    /// write lock whenever somebody else committed.
    pub(super) fn is_followed(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let Some(last) = &self.last else { return Ok(false) };
        let sql = "SELECT at_ms, key, (SELECT value FROM slothstate_meta WHERE name = 'epoch') \
                   FROM slothstate_history WHERE revision = ?1";
        let is_same = |row: &Row<'_>| {
            let is_same = last.at.0 == row.get::<_, i64>(0)? && last.key == columns::key_at(row, 1)?;
            Ok(is_same && columns::integer_at(row, 2)? == Some(self.epoch))
        };
        Ok(query::row(connection, sql, [last.revision], is_same).optional()?.unwrap_or(false))
    }

    /// As [`Anchor::is_followed`], with the reason where it is not so. An epoch may begin without
    /// anything being lost: whether that is no matter is what `may_begin` says. What is there now takes the
    /// place of what was seen, unless it does not follow from it.
    pub(super) fn follow(
        &mut self,
        connection: &Connection,
        flavor: SchemaFlavor,
        may_begin: bool,
    ) -> rusqlite::Result<Result<(), Reset>> {
        let now = Anchor::read(connection, flavor)?;
        if self.database.is_some() && now.database != self.database {
            return Ok(Err(Reset::OtherDatabase));
        }
        let begins = self.database.is_some() && now.epoch > self.epoch;
        let mut is_lost = None;
        if let Some(seen) = &self.last {
            let (newest, revision) = (now.revision(), Revision(seen.revision));
            if newest < revision || now.epoch < self.epoch {
                return Ok(Err(Reset::WentBack { seen: revision, newest }));
            }
            is_lost = match change_of(connection, seen.revision)? {
                Some(found) => (found != *seen).then_some(revision),
                // Other programs may remove rows, and old ones go; in a gap there never were any.
                None if begins => {
                    let is_skipped = epochs(connection, flavor)?.iter().any(|epoch| epoch.skips(revision));
                    is_skipped.then_some(revision)
                }
                None => None,
            };
        }
        if begins && (is_lost.is_some() || !may_begin) {
            let reason = reason_of(connection, now.epoch)?;
            return Ok(Err(Reset::Epoch { epoch: now.epoch, reason }));
        }
        if let Some(revision) = is_lost {
            return Ok(Err(Reset::Diverged(revision)));
        }
        *self = now;
        Ok(Ok(()))
    }
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub database: Option<String>,
    pub epoch: i64,
    pub home: Option<Home>,
    pub revision: Revision,
    pub has_history: bool,
}

impl Stamp {
    /// Whether it may be a later state of the database that said `before` of itself.
    pub(super) fn goes_on_from(&self, before: &Stamp) -> bool {
        self.database == before.database
            && self.epoch >= before.epoch
            && self.revision >= before.revision
            && (before.home.is_none() || self.home.is_some())
    }
}

/// What a database of the present schema says of itself.
pub(super) fn stamp(connection: &Connection) -> rusqlite::Result<Stamp> {
    let newest = newest(connection)?;
    Ok(Stamp {
        database: meta::text(connection, "database")?,
        epoch: meta::integer(connection, "epoch")?.unwrap_or(0),
        home: meta::text(connection, "home")?.as_deref().and_then(Home::parse),
        revision: Revision(newest.as_ref().map_or(0, |last| last.revision)),
        has_history: newest.is_some(),
    })
}

/// The identity of the database and its newest revision.
pub(super) fn identity(connection: &Connection, flavor: SchemaFlavor) -> rusqlite::Result<Identity> {
    Ok(Anchor::read(connection, flavor)?.identity())
}

fn last(found: &Row<'_>) -> rusqlite::Result<Last> {
    Ok(Last { revision: found.get(0)?, at: Millis(found.get(1)?), key: columns::key_at(found, 2)? })
}

pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Option<Last>> {
    let sql = "SELECT revision, at_ms, key FROM slothstate_history ORDER BY revision DESC LIMIT 1";
    query::row(connection, sql, [], last).optional()
}

fn change_of(connection: &Connection, revision: i64) -> rusqlite::Result<Option<Last>> {
    let sql = "SELECT revision, at_ms, key FROM slothstate_history WHERE revision = ?1";
    query::row(connection, sql, [revision], last).optional()
}

fn reason_of(connection: &Connection, epoch: i64) -> rusqlite::Result<String> {
    let sql = "SELECT reason FROM slothstate_epochs WHERE epoch = ?1";
    let reason = query::row(connection, sql, [epoch], |row| Ok(columns::text(row.get_ref(0)?))).optional()?;
    Ok(reason.flatten().unwrap_or_else(|| "the reason was not recorded".into()))
}

/// The epochs after the first, the oldest first.
pub(super) fn epochs(connection: &Connection, flavor: SchemaFlavor) -> rusqlite::Result<Vec<EpochStart>> {
    if flavor.schema() < 4 {
        return Ok(Vec::new());
    }
    let sql = "SELECT epoch, revision, after, at_ms, reason, actor FROM slothstate_epochs ORDER BY epoch";
    query::rows(connection, sql, [], |row| {
        Ok(EpochStart {
            epoch: row.get(0)?,
            revision: Revision(row.get(1)?),
            after: Revision(row.get(2)?),
            at: Millis(row.get(3)?),
            reason: columns::text_at(row, 4)?,
            actor: columns::text_at(row, 5)?,
        })
    })
}

/// The oldest of the newest `count` revisions, of which the epochs leave many out.
pub(super) fn oldest_of(connection: &Connection, newest: i64, count: i64) -> rusqlite::Result<i64> {
    let (mut newest, mut left) = (newest, count.max(1));
    for epoch in epochs(connection, SchemaFlavor::Current)?.iter().rev() {
        let first = epoch.revision.0;
        let here = newest.saturating_sub(first).saturating_add(1);
        if first > newest {
            continue;
        }
        if left <= here {
            break;
        }
        left -= here;
        newest = epoch.after.0;
    }
    Ok(newest.saturating_sub(left - 1))
}

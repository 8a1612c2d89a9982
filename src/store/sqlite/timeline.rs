//! Which states of a database follow from which: its identity, its epochs, and what was seen of it.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::schema_version::SchemaFlavor;
use super::write::{TxError, WriteTx};
use super::{columns, meta};
use crate::store::identity::{EpochStart, Identity, Reset};
use crate::store::{Actor, Key, Revision};
use crate::time::Millis;

/// What is left between the revisions of two epochs where the clock cannot tell them apart.
const GAP: i64 = 1_000_000_000;
/// Revisions a millisecond that no database reaches: all that were given until a moment are less than
/// so many for each millisecond before it.
const FASTEST: i64 = 100;
/// The first moment of 2026, from which they are counted.
const FROM: i64 = 1_767_225_600_000;

/// What was seen of a database: a state that follows has the same id, epoch and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    database: Option<String>,
    epoch: i64,
    last: Option<Last>,
}

/// A row of history.
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

    /// The newest revision that was seen.
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
        connection
            .prepare_cached(
                "SELECT at_ms, key, (SELECT value FROM slothstate_meta WHERE name = 'epoch') \
                 FROM slothstate_history WHERE revision = ?1",
            )?
            .query_row([last.revision], |row| {
                let is_same = last.at.0 == row.get::<_, i64>(0)? && last.key == columns::key(row.get_ref(1)?);
                Ok(is_same && columns::integer(row.get_ref(2)?) == Some(self.epoch))
            })
            .optional()
            .map(|found| found.unwrap_or(false))
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
            is_lost = match row(connection, seen.revision)? {
                Some(found) => (found != *seen).then_some(revision),
                // Other programs may remove rows, and old ones go; in a gap there never were any.
                None if begins => skipping(connection, flavor, revision)?.map(|_| revision),
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

fn last(found: &rusqlite::Row<'_>) -> rusqlite::Result<Last> {
    Ok(Last { revision: found.get(0)?, at: Millis(found.get(1)?), key: columns::key(found.get_ref(2)?) })
}

/// The newest change.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Option<Last>> {
    connection
        .prepare_cached("SELECT revision, at_ms, key FROM slothstate_history ORDER BY revision DESC LIMIT 1")?
        .query_row([], last)
        .optional()
}

fn row(connection: &Connection, revision: i64) -> rusqlite::Result<Option<Last>> {
    connection
        .prepare_cached("SELECT revision, at_ms, key FROM slothstate_history WHERE revision = ?1")?
        .query_row([revision], last)
        .optional()
}

/// Why an epoch began.
fn reason_of(connection: &Connection, epoch: i64) -> rusqlite::Result<String> {
    let reason = connection
        .prepare_cached("SELECT reason FROM slothstate_epochs WHERE epoch = ?1")?
        .query_row([epoch], |row| Ok(columns::text(row.get_ref(0)?)))
        .optional()?
        .flatten();
    Ok(reason.unwrap_or_else(|| "the reason was not recorded".into()))
}

/// The epochs after the first, the oldest first.
pub(super) fn epochs(connection: &Connection, flavor: SchemaFlavor) -> rusqlite::Result<Vec<EpochStart>> {
    if flavor.schema() < 4 {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(
            "SELECT epoch, revision, after, at_ms, reason, actor FROM slothstate_epochs ORDER BY epoch",
        )?
        .query_map([], |row| {
            Ok(EpochStart {
                epoch: row.get(0)?,
                revision: Revision(row.get(1)?),
                after: Revision(row.get(2)?),
                at: Millis(row.get(3)?),
                reason: columns::text(row.get_ref(4)?).unwrap_or_default(),
                actor: columns::text(row.get_ref(5)?).unwrap_or_default(),
            })
        })?
        .collect()
}

/// The epoch that a revision is in the gap before.
pub(super) fn skipping(
    connection: &Connection,
    flavor: SchemaFlavor,
    revision: Revision,
) -> rusqlite::Result<Option<EpochStart>> {
    Ok(epochs(connection, flavor)?.into_iter().find(|epoch| epoch.skips(revision)))
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

/// The first revision of an epoch that begins at `now` after revision `after`: none that was given
/// before, in this database or in a copy of it that went another way, is given again. Two copies of
/// the same state that begin an epoch at different times go on with different revisions.
fn first_revision(after: i64, now: Millis) -> i64 {
    let by_time = now.0.saturating_sub(FROM).saturating_mul(FASTEST);
    if by_time > after {
        return by_time;
    }
    // The clock was set back, or runs behind that of whoever wrote: chance has to do.
    let next = after.saturating_add(GAP);
    let rounded = next.saturating_add((GAP - next.rem_euclid(GAP)) % GAP);
    rounded.saturating_add(fastrand::i64(0..1000) * (GAP / 1000))
}

/// What an epoch begins with.
pub(super) struct Beginning<'a> {
    /// Its number.
    pub epoch: i64,
    /// A revision that its first one is greater than, whatever the database itself says.
    pub above: Revision,
    /// The moment that its revisions are counted from.
    pub now: Millis,
    /// When it begins.
    pub at: Millis,
    /// A sentence without its full stop.
    pub reason: &'a str,
    pub actor: &'a Actor,
}

/// Begins an epoch: the revision jumps, and that is a change too. The change that it is.
pub(super) fn begin_epoch(connection: &Connection, beginning: &Beginning<'_>) -> rusqlite::Result<Last> {
    let Beginning { epoch, above, now, at, reason, actor } = beginning;
    let after = newest(connection)?.map_or(0, |last| last.revision);
    let revision = first_revision(after.max(above.0), *now);
    meta::set(connection, "epoch", epoch)?;
    connection.execute(
        "INSERT OR REPLACE INTO slothstate_epochs (epoch, revision, after, at_ms, reason, actor) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![epoch, revision, after, at.0, reason, actor.name],
    )?;
    connection.execute(
        "INSERT INTO slothstate_history (revision, at_ms, subject, key, operation, new_value, actor, run, task) \
         VALUES (?1, ?2, 'database', '', 'epoch', ?3, ?4, ?5, ?6)",
        params![revision, at.0, reason, actor.name, actor.run, actor.task],
    )?;
    Ok(Last { revision, at: *at, key: Key::from_stored(b"", false) })
}

/// The file that a database is at home in: its device, its inode, the kernel's boot id, and when the
/// file was made, where the file system knows that. An inode number is given again once a file is
/// deleted, and device numbers may change when the machine is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    device: u64,
    inode: u64,
    boot: String,
    made: Option<u128>,
}

impl Home {
    /// The home of the file at a path.
    pub(super) fn of(path: &Path, boot: &str) -> std::io::Result<Home> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(Home {
            device: metadata.dev(),
            inode: metadata.ino(),
            boot: boot.into(),
            made: made.map(|made| made.as_nanos()),
        })
    }

    pub(super) fn parse(text: &str) -> Option<Home> {
        let mut parts = text.split(':');
        let (device, inode) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let boot = parts.next()?.to_string();
        Some(Home { device, inode, boot, made: parts.next().and_then(|made| made.parse().ok()) })
    }

    /// Whether both are the same file, as far as can be told.
    pub(super) fn is_same_file(&self, other: &Home) -> bool {
        let is_made_at_once = self.made.zip(other.made).is_none_or(|(one, other)| one == other);
        self.inode == other.inode
            && is_made_at_once
            && (self.device == other.device || self.boot != other.boot)
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.device, self.inode, self.boot)?;
        self.made.map_or(Ok(()), |made| write!(f, ":{made}"))
    }
}

/// Gives a database the id of another one, of which it is a copy.
pub(super) fn set_database(connection: &Connection, database: &str) -> rusqlite::Result<()> {
    meta::set(connection, "database", &database)
}

/// Notes which file a database is at home in.
pub(super) fn set_home(connection: &Connection, home: Option<&Home>) -> rusqlite::Result<()> {
    meta::set(connection, "home", &home.map(Home::to_string))
}

/// Whether the next write begins a new epoch, and why.
pub(super) fn is_displaced(connection: &Connection, home: &Home) -> rusqlite::Result<Option<&'static str>> {
    Ok(match meta::text(connection, "home")?.as_deref().map(Home::parse) {
        None => Some("this file is a copy of a database"),
        Some(Some(noted)) if noted.is_same_file(home) => None,
        Some(_) => Some("this file was copied here or restored"),
    })
}

/// Before the first write: a file that is not the one that the database is at home in is a copy, and
/// what was written elsewhere since is not known. The same is so where what was `seen` before the file
/// was opened again is not in it. A new epoch begins, unless nothing was written yet. The change that
/// that makes.
pub(super) fn settle(
    writing: &WriteTx<'_>,
    home: &Home,
    seen: Option<&Anchor>,
    begins_log: bool,
) -> Result<Option<Last>, TxError> {
    let connection = writing.connection;
    let epoch = meta::integer(connection, "epoch")?.unwrap_or(0);
    let mut begins =
        is_displaced(connection, home)?.filter(|_| newest(connection).is_ok_and(|last| last.is_some()));
    let mut above = Identity { epoch, ..Identity::default() };
    if let Some(seen) = seen
        && let Err(Reset::WentBack { .. } | Reset::Diverged(_)) =
            seen.clone().follow(connection, SchemaFlavor::Current, true)?
    {
        begins = Some("an earlier state was restored while the database was in use");
        above = seen.identity();
    }
    let begun = match begins {
        Some(reason) => Some(begin_epoch(
            connection,
            &Beginning {
                epoch: epoch.max(above.epoch) + 1,
                above: above.revision,
                now: writing.now,
                at: writing.now,
                reason,
                actor: writing.actor,
            },
        )?),
        None => None,
    };
    if meta::text(connection, "home")?.as_deref() != Some(home.to_string().as_str()) {
        set_home(connection, Some(home))?;
    }
    // A log begins with the file that it is of: the row is on the same page, and has to change, since
    // SQLite does not write what is the same.
    if begins_log {
        meta::set(connection, "log", &fastrand::i64(..))?;
    }
    Ok(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_begins_above_all_revisions_that_may_have_been_given() {
        let at = |millis: i64| Millis(FROM + millis);
        let is_in = |revision: i64, block: i64| revision >= block * GAP && revision < (block + 1) * GAP;
        assert!(is_in(first_revision(0, Millis(0)), 1));
        assert!(is_in(first_revision(1, Millis(0)), 2));
        assert!(is_in(first_revision(GAP, Millis(0)), 2));
        assert!(is_in(first_revision(GAP + 1, Millis(0)), 3));
        assert_eq!(first_revision(7, at(30_000_000_000)), 3_000_000_000_000);
        assert_eq!(first_revision(2_999_999_999_999, at(30_000_000_000)), 3_000_000_000_000);
        // The same backup is copied in twice: each time it goes on with other revisions.
        assert!(first_revision(7, at(30_000_000_001)) >= first_revision(7, at(30_000_000_000)) + FASTEST);
    }

    #[test]
    fn a_home_is_a_file_and_not_a_name() {
        let home = |text: &str| Home::parse(text).unwrap();
        let noted = home("8:77:boot:1234");
        assert_eq!(noted.to_string(), "8:77:boot:1234");
        for (other, is_same) in [
            ("8:77:boot:1234", true),
            // Device numbers may change when the machine is started again, and only then.
            ("9:77:another:1234", true),
            ("9:77:boot:1234", false),
            ("8:77:another:1234", true),
            ("8:78:boot:1234", false),
            // The number of a deleted file was given again.
            ("8:77:boot:9999", false),
            ("8:77:boot", true),
        ] {
            assert_eq!(noted.is_same_file(&home(other)), is_same, "{other}");
        }
        assert_eq!(Home::parse("nonsense"), None);
    }
}

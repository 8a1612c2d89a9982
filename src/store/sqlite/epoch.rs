//! Beginning an epoch: where a database goes on with revisions that were not given before.

use rusqlite::{Connection, params};

use super::home::{Home, is_displaced, set_home};
use super::meta;
use super::schema_version::SchemaFlavor;
use super::timeline::{Anchor, Last, newest};
use super::transaction::{TxError, WriteTx};
use crate::store::identity::{Identity, Reset};
use crate::store::{Actor, Key, Revision};
use crate::time::Millis;

/// What is left between the revisions of two epochs where the clock cannot tell them apart.
const GAP: i64 = 1_000_000_000;

/// Revisions a millisecond that no database reaches: all that were given until a moment are less than
/// so many for each millisecond before it.
const FASTEST: i64 = 100;

/// The first moment of 2026, from which they are counted.
const FROM: i64 = 1_767_225_600_000;

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

pub(super) struct Beginning<'a> {
    pub epoch: i64,
    /// A revision that its first one is greater than, whatever the database itself says.
    pub above: Revision,
    /// The moment that its revisions are counted from.
    pub now: Millis,
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
}

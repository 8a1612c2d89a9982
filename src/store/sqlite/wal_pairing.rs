//! Whether a database and the log beside it (`-wal`) belong together.
//!
//! SQLite takes the log by its name: one that was left beside a file that was moved or copied in is
//! applied to that file, page by page, which damages it. The log itself does not say which file it
//! is of. Therefore slothstate first writes the home of the database into a log that it begins, see
//! [`super::timeline`]: what is read through the log then is the file that the log is of.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::home::Home;
use super::open_files;
use super::path::{self, FileId};
use super::remedies::error_at;
use super::schema_version::{self, SchemaFlavor};
use super::side_files::{index_of, log_of};
use super::timeline::{self, Stamp};
use super::{Options, backup, connect};
use crate::store::{ErrorKind, StoreError};

/// Why a log is not of the file that it lies beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It is of another database.
    Database,
    /// It was written to another file.
    File,
    /// It was there before the file had its content, which is that of a copy.
    Content,
    /// With it the database is damaged, and without it it is not.
    Damage,
}

impl Misfit {
    pub(super) fn words(self) -> &'static str {
        match self {
            Misfit::Database => "the log is of another database",
            Misfit::File => "the log was written to another file",
            Misfit::Content => "the file was copied over while its log was in use",
            Misfit::Damage => "the file is damaged together with the log, and not without it",
        }
    }
}

/// What the file says of itself without its log; `None` where that cannot be read, as while a log is
/// being taken in.
pub(super) fn alone(path: &Path, is_thorough: bool) -> Option<Stamp> {
    let connection = connect::open_alone(path).ok()?;
    if schema_version::detect(&connection, path, Duration::ZERO).ok()?.schema() < 4 {
        return None;
    }
    if is_thorough && !is_sound(&connection) {
        return None;
    }
    timeline::stamp(&connection).ok()
}

fn is_sound(connection: &Connection) -> bool {
    let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    checked.as_deref() == Ok("ok")
}

/// Why the log that `connection` reads together with the file at `path` is not of that file, if that is
/// so. Nothing is said of logs that only other programs have written to.
pub(super) fn misfit(
    connection: &Connection,
    flavor: SchemaFlavor,
    path: &Path,
    boot: &str,
) -> Option<Misfit> {
    if flavor != SchemaFlavor::Current {
        return None;
    }
    let (file, log) = (std::fs::metadata(path).ok()?, std::fs::metadata(log_of(path)).ok()?);
    // A file that is moved or copied in is changed by that (ctime). As a rule that is all there is to it:
    // through SQLite, too, another database may be restored, and then the log has it.
    let is_newer = (file.ctime(), file.ctime_nsec()) > (log.mtime(), log.mtime_nsec());
    if !is_newer || !counts(connection) {
        return None;
    }
    let together = timeline::stamp(connection).ok()?;
    let here = Home::of(path, boot).ok()?;
    let alone = alone(path, false)?;
    judge(&alone, &together, &here)
}

/// Whether there is anything in the log that is not in the file.
fn counts(connection: &Connection) -> bool {
    open_files::log_state(connection).is_some_and(|log| log.frames > log.taken_in)
}

fn judge(alone: &Stamp, together: &Stamp, here: &Home) -> Option<Misfit> {
    if alone.database != together.database {
        return Some(Misfit::Database);
    }
    match (&alone.home, &together.home) {
        // Both were copied, or moved to another file system, by other means than ours.
        (Some(file), Some(log)) if !log.is_same_file(here) && !log.is_same_file(file) => Some(Misfit::File),
        (None, Some(log)) if !log.is_same_file(here) => Some(Misfit::File),
        // A copy gets its home with a new epoch, unless nothing was written to it yet.
        (None, Some(_)) if alone.has_history && together.epoch <= alone.epoch => Some(Misfit::Content),
        _ => None,
    }
}

/// Why a file cannot be read together with its log, where it can be read without.
pub(super) fn misfit_of_damaged(path: &Path) -> Option<Misfit> {
    let has_log = std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 32);
    let is_file = path::check_file(path).is_ok();
    (is_file && has_log && alone(path, true).is_some()).then_some(Misfit::Damage)
}

/// The log of a file that may no longer be at its path, or no longer have the content that the log is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftoverLog {
    /// Which files they are.
    pub log: FileId,
    /// When the log was made, where the file system knows that: once it is removed, the log that is begun next may
    /// have its number.
    pub log_made: Option<SystemTime>,
    pub index: FileId,
    /// The database that the log is of, and when that file was made, where the file system knows that: the
    /// number of a deleted file is given again.
    pub database: FileId,
    pub made: Option<SystemTime>,
    /// Whether something was written to the database that does not come from the log.
    pub is_overwritten: bool,
    /// What the database said of itself without its log before, if that is known.
    pub alone: Option<Stamp>,
    /// What its beginning was marked with when it was looked at last.
    pub salt: Option<[u32; 2]>,
}

impl LeftoverLog {
    /// Whether the file at the path of the log still is that log.
    fn is_at(&self, log: &Path) -> bool {
        std::fs::metadata(log).is_ok_and(|metadata| {
            (FileId::of(&metadata), metadata.created().ok()) == (self.log, self.log_made)
        })
    }

    /// Whether the log still belongs to the file beside it: the file was only lost from sight, as by a link
    /// that leads elsewhere now, or what was written to it left its content.
    fn belongs_to(&self, file: FileId, made: Option<SystemTime>, alone: Option<&Stamp>) -> bool {
        let is_untouched = self.made.is_some() && !self.is_overwritten;
        let goes_on = || self.alone.as_ref().zip(alone).is_some_and(|(before, now)| now.goes_on_from(before));
        (self.database, self.made) == (file, made) && (is_untouched || goes_on())
    }

    /// Whether another process has begun the log again for the file that is there now, in the place of the one
    /// that the log was of.
    fn is_begun_for(&self, path: &Path, boot: &str, limit: Duration) -> bool {
        let is_begun = self.salt.zip(salt_of(&log_of(path))).is_some_and(|(then, now)| then != now);
        let home = || {
            let (connection, _) = connect::open_to_read(path, limit, false).ok()?;
            timeline::stamp(&connection).ok()?.home
        };
        is_begun && home().zip(Home::of(path, boot).ok()).is_some_and(|(home, here)| home.is_same_file(&here))
    }
}

/// What the beginning of a log is marked with, as SQLite has it in memory: https://sqlite.org/fileformat2.html#walformat
fn salt_of(log: &Path) -> Option<[u32; 2]> {
    let mut salt = [0; 8];
    File::open(log).ok()?.read_exact_at(&mut salt, 16).ok()?;
    let [a, b, c, d, e, f, g, h] = salt;
    Some([u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])])
}

/// Moves a log aside that was left beside another file, so that the two are not mixed; where it is
/// kept. Only if it still is that log, and the file is sound without it.
pub(super) fn separate(path: &Path, leftover: &LeftoverLog, settings: &Options) -> Option<PathBuf> {
    let log = log_of(path);
    let id = |path: &Path| std::fs::metadata(path).ok().as_ref().map(FileId::of);
    if settings.read_only || !leftover.is_at(&log) || path::check_file(path).is_err() {
        return None;
    }
    let connection = connect::open_alone(path).ok()?;
    let flavor = schema_version::detect(&connection, path, settings.busy_limit).ok()?;
    if flavor == SchemaFlavor::Empty || !is_sound(&connection) {
        return None;
    }
    let stamp = if flavor.schema() < 4 { None } else { timeline::stamp(&connection).ok() };
    let (file, made) = (id(path)?, std::fs::metadata(path).ok()?.created().ok());
    if leftover.belongs_to(file, made, stamp.as_ref()) {
        return None;
    }
    drop(connection);
    let is_other_file = (leftover.database, leftover.made) != (file, made);
    if is_other_file && leftover.is_begun_for(path, &settings.process.boot_id, settings.busy_limit) {
        return None;
    }
    let index = index_of(path);
    // The index is rebuilt from the log.
    if id(&index) == Some(leftover.index) {
        std::fs::remove_file(&index).ok()?;
    }
    // There is nothing in it to keep.
    if std::fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
        let _ = std::fs::remove_file(&log);
        return None;
    }
    let kept = backup::free_name(&log, "leftover");
    std::fs::rename(&log, &kept).ok()?;
    Some(kept)
}

/// The error of a file whose log is not its own.
pub(super) fn error(path: &Path, misfit: Misfit) -> StoreError {
    error_at(path, ErrorKind::Mismatched { part: "its log (-wal)", reason: misfit.words() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    #[test]
    fn a_log_is_left_beside_the_file_that_it_is_of() {
        let id = |inode: u64| FileId { device: 8, inode };
        let stamp = |revision: i64, home: Option<&str>| Stamp {
            database: Some("a".into()),
            epoch: 1,
            home: home.and_then(Home::parse),
            revision: Revision(revision),
            has_history: true,
        };
        let of = |is_overwritten: bool, alone: Option<Stamp>| LeftoverLog {
            log: id(2),
            log_made: None,
            index: id(3),
            database: id(1),
            made: Some(SystemTime::UNIX_EPOCH),
            is_overwritten,
            alone,
            salt: None,
        };
        let (before, later) = (stamp(5, Some("8:1:boot")), stamp(6, Some("8:1:boot")));
        for (leftover, file, now, belongs) in [
            // The name leads elsewhere, and the file is what it was.
            (of(false, None), 1, &before, true),
            (of(false, Some(before.clone())), 1, &later, true),
            // Another file took its place.
            (of(false, Some(before.clone())), 9, &later, false),
            // Something was appended to it.
            (of(true, Some(before.clone())), 1, &before, true),
            // An earlier copy, or a backup, was written over it.
            (of(true, Some(before.clone())), 1, &stamp(4, Some("8:1:boot")), false),
            (of(true, Some(before.clone())), 1, &stamp(5, None), false),
            (of(true, None), 1, &before, false),
        ] {
            let found = leftover.belongs_to(id(file), leftover.made, Some(now));
            assert_eq!(found, belongs, "{leftover:?} {now:?}");
            // The number of the file was given again.
            assert!(!leftover.belongs_to(id(file), Some(SystemTime::now()), Some(now)));
            let unknown = LeftoverLog { made: None, alone: None, ..leftover };
            assert!(!unknown.belongs_to(id(file), None, Some(now)));
        }
        assert!(!of(true, Some(before)).belongs_to(id(1), of(true, None).made, None));
    }

    /// A removed log gives its number to the one that is begun next, which has the commits of others.
    #[test]
    fn a_log_that_was_begun_since_is_not_the_one_that_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("state.db-wal");
        std::fs::write(&log, "frames").unwrap();
        let metadata = std::fs::metadata(&log).unwrap();
        let id = FileId { device: metadata.dev(), inode: metadata.ino() };
        let left = |log_made| LeftoverLog {
            log: id,
            log_made,
            index: id,
            database: id,
            made: None,
            is_overwritten: false,
            alone: None,
            salt: None,
        };
        let made = metadata.created().ok();
        assert!(left(made).is_at(&log));
        let earlier = Some(made.unwrap_or(SystemTime::now()) - std::time::Duration::from_millis(1));
        assert!(!left(earlier).is_at(&log));
        std::fs::remove_file(&log).unwrap();
        assert!(!left(made).is_at(&log));
    }

    #[test]
    fn what_a_log_says_follows_from_what_its_file_says() {
        let home = |inode: u64| Home::parse(&format!("8:{inode}:boot")).unwrap();
        let stamp = |database: &str, epoch: i64, home: Option<Home>, revision: i64| Stamp {
            database: Some(database.into()),
            epoch,
            home,
            revision: Revision(revision),
            has_history: true,
        };
        let here = home(1);
        for (alone, together, judged) in [
            // As it is.
            (stamp("a", 1, Some(home(1)), 5), stamp("a", 1, Some(home(1)), 9), None),
            // Both were copied to another place.
            (stamp("a", 1, Some(home(2)), 5), stamp("a", 1, Some(home(2)), 9), None),
            // They were, and were written to since.
            (stamp("a", 1, Some(home(2)), 5), stamp("a", 2, Some(home(1)), 900), None),
            // A copy was written to.
            (stamp("a", 1, None, 5), stamp("a", 2, Some(home(1)), 900), None),
            // Another database was moved here.
            (stamp("b", 1, Some(home(1)), 5), stamp("a", 1, Some(home(2)), 9), Some(Misfit::Database)),
            // A copy was moved here.
            (stamp("a", 1, Some(home(1)), 5), stamp("a", 1, Some(home(2)), 9), Some(Misfit::File)),
            (stamp("a", 1, None, 5), stamp("a", 1, Some(home(2)), 9), Some(Misfit::File)),
            // A copy was written over the file.
            (stamp("a", 1, None, 5), stamp("a", 1, Some(home(1)), 9), Some(Misfit::Content)),
            // An earlier state was restored through SQLite.
            (stamp("a", 2, Some(home(1)), 12), stamp("a", 1, Some(home(1)), 9), None),
        ] {
            assert_eq!(judge(&alone, &together, &here), judged, "{alone:?} {together:?}");
        }
    }
}

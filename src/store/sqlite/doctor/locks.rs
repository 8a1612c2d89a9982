//! Locks that nobody will release, and those on which Sloth Runner and we do not agree.

use rusqlite::params;

use super::{Examined, counted};
use crate::store::sqlite::stored_time;
use crate::store::sqlite::waiters::{HEARD, heard_between};
use crate::store::{Finding, Level, Liveness, Lock, StoreError, WAITER_PATIENCE, all_locks};
use crate::text::duration::show_duration;
use crate::text::escape::{escape, shell_word};
use crate::time::Millis;

const CHECK: &str = "locks";

/// Looks at every lock, and at who waits.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    let locks = all_locks(examined.store)?;
    let here = &examined.store.settings.process;
    let mut findings: Vec<Finding> = Vec::new();
    for lock in &locks {
        findings.extend(
            judge(lock, lock.liveness(here), examined.now)
                .map(|(stale, finding)| finding.remedy(examined.command(&unlock(&lock.name, stale)))),
        );
    }
    findings.extend(silent_waiters(examined)?);
    if findings.is_empty() {
        let count = counted(locks.len() as u64, "lock", "locks");
        findings.push(Finding::ok(CHECK, format!("{count}, none of them stale")));
    }
    Ok(findings)
}

/// Whether a lock can be cleared without force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    /// It is expired, or its holder is dead.
    Yes,
    /// Its holder may live.
    Perhaps,
}

fn judge(lock: &Lock, liveness: Liveness, now: Millis) -> Option<(Stale, Finding)> {
    let name = escape(lock.name.as_bytes());
    let holder = escape(lock.holder.as_bytes());
    let stored = escape(lock.version.0.as_bytes());
    let finding =
        |level, words: String| Finding::new(CHECK, level, format!("lock {name} of {holder} {words}"));
    let Some(expiry) = lock.expires_at else {
        let words = format!("has an expiry that cannot be read ({stored}): here it never expires");
        return Some((Stale::Perhaps, finding(Level::Warning, words)));
    };
    let held_for_sloth_runner = is_held_for_sloth_runner(&lock.version.0, now);
    if expiry <= now && liveness == Liveness::Alive {
        let ago = show_duration(now.since(expiry));
        let words =
            format!("expired {ago} ago, and its holder is alive without it: it does not renew its lease");
        return Some((Stale::Perhaps, finding(Level::Warning, words)));
    }
    if expiry <= now {
        let ago = show_duration(now.since(expiry));
        return Some((
            Stale::Yes,
            match held_for_sloth_runner {
                true => finding(
                    Level::Warning,
                    format!(
                        "expired {ago} ago, but Sloth Runner compares its expiry ({stored}) as text \
                     and takes it for held, as a rule until the next day"
                    ),
                ),
                false => finding(
                    Level::Note,
                    format!("expired {ago} ago, and nobody has taken or removed it since"),
                ),
            },
        ));
    }
    if liveness == Liveness::Dead {
        let left = show_duration(expiry.since(now));
        let words = format!("is held by a process that has ended, for {left} more");
        return Some((Stale::Yes, finding(Level::Warning, words)));
    }
    if !held_for_sloth_runner {
        let words = format!(
            "is held, but Sloth Runner compares its expiry ({stored}) as text, takes it for expired \
             and may give it to another"
        );
        return Some((Stale::Perhaps, finding(Level::Warning, words)));
    }
    None
}

/// Sloth Runner asks SQLite for `expires_at > datetime('now')`, which compares texts byte for byte:
/// in RFC 3339 the `T` sorts after the blank, whatever the hour is.
fn is_held_for_sloth_runner(stored_expiry: &str, now: Millis) -> bool {
    // SQLite leaves out what is less than a second.
    let now = stored_time::format(Millis(now.0.div_euclid(1000) * 1000));
    stored_expiry.as_bytes() > now.as_bytes()
}

fn unlock(name: &str, stale: Stale) -> String {
    let force = if stale == Stale::Perhaps { "--force " } else { "" };
    let end_of_options = if name.starts_with('-') { "-- " } else { "" };
    format!("unlock {force}{end_of_options}{}", shell_word(name.as_bytes()))
}

fn silent_waiters(examined: &Examined<'_>) -> Result<Option<Finding>, StoreError> {
    if examined.flavor.schema() < 4 {
        return Ok(None);
    }
    // A waiter gives a sign several times in that span; a slow machine may miss a few.
    let long = WAITER_PATIENCE * 5;
    let now = examined.store.settings.clock.read();
    let [early, late, boot_early] = heard_between(now, long);
    let silent: i64 = examined.query(|connection| {
        let sql = format!("SELECT count(*) FROM slothstate_waiters WHERE NOT ({HEARD})");
        let parameters = params![early, late, now.boot.map(|boot| boot.boot_id), boot_early];
        connection.query_row(&sql, parameters, |row| row.get(0))
    })?;
    Ok((silent > 0).then(|| {
        let who = counted(silent.unsigned_abs(), "waiter was", "waiters were");
        let finding = format!(
            "{who} not heard of for over {}: passed over, and removed by the next writes of slothstate",
            show_duration(long)
        );
        Finding::note(CHECK, finding)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Token;

    /// 2026-11-23 12:00:00 UTC.
    const NOON: Millis = Millis(1_795_435_200_000);

    fn lock(expiry: &str) -> Lock {
        Lock {
            name: "deploy".into(),
            holder: "ann".into(),
            token: Token::default(),
            acquired_at: None,
            expires_at: stored_time::parse(expiry),
            renewal: None,
            process: None,
            actor: None,
            version: String::from(expiry).into(),
            reading: crate::store::LockReading::Whole,
        }
    }

    fn judged(expiry: &str, liveness: Liveness) -> Option<(Stale, Level, String)> {
        judge(&lock(expiry), liveness, NOON).map(|(stale, finding)| (stale, finding.level, finding.finding))
    }

    #[track_caller]
    fn found(expiry: &str, liveness: Liveness, stale: Stale, level: Level, words: &str) {
        let judged = judged(expiry, liveness).unwrap();
        assert_eq!((judged.0, judged.1), (stale, level), "{judged:?}");
        assert!(judged.2.contains(words), "{judged:?}");
    }

    #[test]
    fn a_lock_that_is_held_is_left_in_peace() {
        assert_eq!(judged("2026-11-23 12:00:01", Liveness::Alive), None);
        assert_eq!(judged("2026-11-23T13:00:00Z", Liveness::Unknown), None);
        assert_eq!(judged("2026-11-23 12:00:01", Liveness::Elsewhere), None);
    }

    #[test]
    fn an_expired_lock_is_worth_a_note_and_one_that_sloth_runner_still_honours_a_warning() {
        found("2026-11-23 11:00:00", Liveness::Unknown, Stale::Yes, Level::Note, "expired 1h ago");
        found("2026-11-23T11:00:00Z", Liveness::Unknown, Stale::Yes, Level::Warning, "takes it for held");
        found(
            "2026-11-23T12:30:00+01:00",
            Liveness::Unknown,
            Stale::Yes,
            Level::Warning,
            "compares its expiry",
        );
        // On the next day the date alone tells.
        found("2026-11-22T23:00:00Z", Liveness::Unknown, Stale::Yes, Level::Note, "expired");
    }

    #[test]
    fn a_lock_that_sloth_runner_takes_for_expired_too_early_is_a_warning() {
        // 13:00 UTC, written where it was still the day before.
        found(
            "2026-11-22T23:00:00-14:00",
            Liveness::Unknown,
            Stale::Perhaps,
            Level::Warning,
            "may give it to another",
        );
        // 12:30 UTC, with a blank instead of the T.
        found(
            "2026-11-23 07:30:00-05:00",
            Liveness::Unknown,
            Stale::Perhaps,
            Level::Warning,
            "takes it for expired",
        );
    }

    #[test]
    fn a_dead_holder_and_an_unreadable_expiry_are_warnings() {
        found(
            "2026-11-23 13:00:00",
            Liveness::Dead,
            Stale::Yes,
            Level::Warning,
            "process that has ended, for 1h more",
        );
        found("so\x1bon", Liveness::Unknown, Stale::Perhaps, Level::Warning, "cannot be read (so␛on)");
    }

    #[test]
    fn the_command_can_be_typed_whatever_the_name_is() {
        assert_eq!(unlock("deploy", Stale::Yes), "unlock deploy");
        assert_eq!(unlock("-rf /", Stale::Perhaps), "unlock --force -- '-rf /'");
        assert_eq!(unlock("a\nb", Stale::Yes), "unlock $'a\\012b'");
    }
}

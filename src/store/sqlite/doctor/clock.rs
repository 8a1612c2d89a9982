//! Clocks that are not set alike.

use rusqlite::Connection;

use super::{Examined, counted};
use crate::store::sqlite::columns;
use crate::store::{Finding, Revision, StoreError};
use crate::text::duration::show_duration;
use crate::time::Millis;

const CHECK: &str = "clock";
/// How far ahead a time may be before a clock is to blame, in milliseconds.
pub(super) const AHEAD: i64 = 5_000;
/// How far back a change may lie behind the one before it, in milliseconds: one that waited long
/// for its turn was begun before the one that went first.
const BACK: i64 = 60_000;

/// Compares the times of history with each other and with the clock of this machine.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    if !examined.is_ours() {
        return Ok(Vec::new());
    }
    let times = examined.query(|connection| look_through(connection, examined.now))?;
    Ok(judge(&times, examined.now))
}

#[derive(Default)]
struct ChangeTimes {
    ahead: u64,
    latest: Millis,
    jumps: u64,
    /// The widest jump back in milliseconds, and the change that made it.
    widest: (i64, Revision),
}

fn look_through(connection: &Connection, now: Millis) -> rusqlite::Result<ChangeTimes> {
    let mut statement =
        connection.prepare("SELECT revision, at_ms FROM slothstate_history ORDER BY revision")?;
    let mut rows = statement.query([])?;
    let mut times = ChangeTimes::default();
    let mut previous: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let revision = Revision(row.get(0)?);
        let Some(at) = columns::integer(row.get_ref(1)?) else { continue };
        if at > now.0.saturating_add(AHEAD) {
            times.ahead += 1;
            times.latest = times.latest.max(Millis(at));
        }
        let back = previous.map_or(0, |previous| previous.saturating_sub(at));
        if back > BACK {
            times.jumps += 1;
            times.widest = times.widest.max((back, revision));
        }
        previous = Some(at);
    }
    Ok(times)
}

fn judge(times: &ChangeTimes, now: Millis) -> Vec<Finding> {
    let mut findings = Vec::new();
    if times.ahead > 0 {
        findings.push(ahead(&counted(times.ahead, "change", "changes"), times.latest, now));
    }
    if times.jumps > 0 {
        let (back, revision) = times.widest;
        let finding = format!(
            "the times of history go back {}, at most by {} (at revision {revision}): a clock was set \
             back, or several machines do not agree",
            counted(times.jumps, "time", "times"),
            show_duration(Millis(back).since(Millis(0)))
        );
        findings.push(Finding::warning(CHECK, finding).remedy(SET_CLOCKS));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "the times of history agree with this machine's clock"));
    }
    findings
}

const SET_CLOCKS: &str = "have every machine that writes set its clock by NTP: timedatectl set-ntp true";

/// Something has a time that has not come yet.
pub(super) fn ahead(what: &str, latest: Millis, now: Millis) -> Finding {
    let finding = format!(
        "the times of {what} are still to come, by up to {}: the clock of this machine is behind, or \
         another's was ahead; expiries and leases go by it",
        show_duration(latest.since(now))
    );
    Finding::warning(CHECK, finding).remedy(SET_CLOCKS)
}

//! Damage, and how the file is written to.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::{Examined, word};
use crate::store::sqlite::corruption::{self, Search};
use crate::store::sqlite::{error_mapping, hardening};
use crate::store::{ErrorKind, Finding, StoreError};
use crate::text::escape::escape;

const CHECK: &str = "integrity";

/// Has SQLite search the file for damage.
pub(super) fn examine(connection: &Connection, path: &Path, limit: Duration, quick: bool) -> Vec<Finding> {
    let damage = |what: String| Finding::problem(CHECK, what).remedy(recovery(path));
    let incomplete = |why: String| {
        let finding = format!("whether it is damaged is unknown, since the check did not get through: {why}");
        Finding::problem(CHECK, finding)
    };
    match corruption::search(connection, quick) {
        Ok(Search { damage: found, unreadable }) => {
            let mut findings: Vec<Finding> =
                found.into_iter().map(|words| damage(escape(words.as_bytes()))).collect();
            if unreadable {
                let remedy = "look for errors of the disk in the system's log, and try again";
                findings.push(incomplete("the system could not read a part of it".into()).remedy(remedy));
            }
            if findings.is_empty() {
                let how = if quick { "a quick check" } else { "a check of the whole file" };
                findings.push(Finding::ok(CHECK, format!("{how} found no damage")));
            }
            findings
        }
        Err(error) => match hardening::reason(connection, &error) {
            // That is not damage, and there is nothing to recover.
            Some(reason) => vec![Finding::warning(
                CHECK,
                format!("the file cannot be searched for damage safely: {reason}"),
            )],
            None => match error_mapping::explain(path, limit, &error) {
                StoreError { kind: ErrorKind::Corrupt { reason, .. }, .. } => {
                    vec![damage(format!("the check for damage did not get through: {reason}"))]
                }
                other => vec![incomplete(other.to_string())],
            },
        },
    }
}

/// What saves most of a damaged file.
pub(super) fn recovery(path: &Path) -> String {
    let file = word(path);
    format!(
        "stop what writes to it, keep a copy of it and of its -wal file, then: \
         sqlite3 {file} .recover | sqlite3 {file}.recovered"
    )
}

/// How the file is written to.
pub(super) fn journal(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    const CHECK: &str = "journal";
    if examined.is_frozen {
        return Ok(Vec::new());
    }
    let mode: String =
        examined.query(|connection| connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)))?;
    Ok(vec![match (mode.as_str(), examined.is_ours()) {
        ("wal", _) => {
            Finding::ok(CHECK, "it is in WAL mode: who reads and who writes do not wait for each other")
        }
        (other, false) => Finding::note(
            CHECK,
            format!(
                "its journal is in {} mode, in which who reads holds up who writes; the first write of slothstate makes it WAL",
                escape(other.as_bytes())
            ),
        ),
        (other, true) => Finding::warning(
            CHECK,
            format!(
                "its journal is in {} mode, no longer WAL: who reads holds up who writes",
                escape(other.as_bytes())
            ),
        )
        .remedy(format!(
            "while no other program has it open: sqlite3 {} 'PRAGMA journal_mode=WAL'",
            word(examined.store.path())
        )),
    }])
}

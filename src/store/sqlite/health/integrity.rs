//! Damage, and how the file is written to.

use std::path::Path;

use rusqlite::Connection;

use super::{Examined, word};
use crate::escape::escape;
use crate::store::{Finding, Level, StoreError};

const CHECK: &str = "integrity";

/// Has SQLite search the file for damage.
pub(super) fn examine(connection: &Connection, path: &Path, quick: bool) -> Vec<Finding> {
    let damage = |what: String| Finding::new(CHECK, Level::Problem, what).remedy(recovery(path));
    match search(connection, quick) {
        Ok(found) if found.is_empty() => {
            let how = if quick { "a quick check" } else { "a check of the whole file" };
            vec![Finding::new(CHECK, Level::Ok, format!("{how} found no damage"))]
        }
        Ok(found) => found.into_iter().map(|words| damage(escape(words.as_bytes()))).collect(),
        Err(error) => vec![damage(format!("the check for damage did not get through: {error}"))],
    }
}

/// What is wrong, in SQLite's words; nothing if all is well.
fn search(connection: &Connection, quick: bool) -> rusqlite::Result<Vec<String>> {
    let sql = if quick { "PRAGMA quick_check(5)" } else { "PRAGMA integrity_check(5)" };
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(found.into_iter().filter(|words| words != "ok").collect())
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
        ("wal", _) => Finding::new(
            CHECK,
            Level::Ok,
            "it is in WAL mode: who reads and who writes do not wait for each other",
        ),
        (other, false) => Finding::new(
            CHECK,
            Level::Note,
            format!(
                "its journal is in {} mode, in which who reads holds up who writes; the first write of slothstate makes it WAL",
                escape(other.as_bytes())
            ),
        ),
        (other, true) => Finding::new(
            CHECK,
            Level::Warning,
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

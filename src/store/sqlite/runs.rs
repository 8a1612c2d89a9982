//! The table of runs.

use rusqlite::{Connection, Row, params};

use super::connect::Generation;
use super::read;
use super::write::{Ending, Writing};
use super::{SqliteStore, write::Fault};
use crate::store::{Actor, Millis, NewRun, Run, RunEnd, StoreError};

/// The most runs that are kept; older ones go.
const KEPT: i64 = 10_000;

impl SqliteStore {
    pub(super) fn insert_run(&self, run: &NewRun) -> Result<i64, StoreError> {
        let process = self.process_json();
        let given = serde_json::to_string(&run.params).unwrap_or_default();
        self.write(false, &|writing| {
            let connection = writing.connection;
            connection
                .prepare_cached(
                    "INSERT INTO slothstate_runs (workflow, file, params, began_ms, actor, process) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    run.workflow,
                    run.file,
                    given,
                    writing.now.0,
                    writing.actor.name,
                    process
                ])?;
            let number = connection.last_insert_rowid();
            connection
                .prepare_cached("DELETE FROM slothstate_runs WHERE run <= ?1")?
                .execute([number - KEPT])?;
            Ok(Ending::Commit(number))
        })
    }

    pub(super) fn close_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.write(false, &|writing: &Writing<'_>| -> Result<Ending<()>, Fault> {
            writing
                .connection
                .prepare_cached(
                    "UPDATE slothstate_runs SET ended_ms = ?2, outcome = ?3, ok = ?4, failed = ?5, skipped = ?6 \
                     WHERE run = ?1",
                )?
                .execute(params![number, writing.now.0, end.outcome, end.ok, end.failed, end.skipped])?;
            Ok(Ending::Commit(()))
        })
    }
}

/// A page of runs, the newest first.
pub(super) fn page(
    connection: &Connection,
    generation: Generation,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<Run>> {
    if generation != Generation::Adopted {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT run, workflow, file, params, began_ms, ended_ms, outcome, ok, failed, skipped, actor, process \
             FROM slothstate_runs WHERE run < ?1 ORDER BY run DESC LIMIT ?2",
        )?
        .query_map([before.unwrap_or(i64::MAX), limit], run)?
        .collect()
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column| Ok::<_, rusqlite::Error>(read::text(row.get_ref(column)?).unwrap_or_default());
    let number = |column| Ok::<_, rusqlite::Error>(read::integer(row.get_ref(column)?));
    let count =
        |column| number(column).map(|count| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0));
    let run = row.get(0)?;
    let ended = match number(5)? {
        None => None,
        Some(at) => {
            let end = RunEnd { outcome: text(6)?, ok: count(7)?, failed: count(8)?, skipped: count(9)? };
            Some((Millis(at), end))
        }
    };
    Ok(Run {
        number: run,
        new: NewRun {
            workflow: text(1)?,
            file: text(2)?,
            params: serde_json::from_str(&text(3)?).unwrap_or_default(),
        },
        actor: Actor { name: text(10)?, run: Some(run), task: None },
        process: serde_json::from_str(&text(11)?).ok(),
        began_at: Millis(number(4)?.unwrap_or_default()),
        ended,
    })
}

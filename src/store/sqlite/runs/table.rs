//! The table of runs.

use rusqlite::{Connection, Row, params};

use crate::store::sqlite::columns;
use crate::store::sqlite::query::{rows, signed};
use crate::store::sqlite::schema_version::SchemaFlavor;
use crate::store::{Actor, NewRun, Revision, Run, RunEnd, UNKNOWN_ORIGIN};
use crate::time::Millis;

/// Adds a run to the table, under the next number.
pub(super) fn insert(connection: &Connection, run: &Run) -> rusqlite::Result<i64> {
    let (ended, end) = match &run.ended {
        Some((at, end)) => (Some(at.0), Some(end)),
        None => (None, None),
    };
    connection
        .prepare_cached(
            "INSERT INTO slothstate_runs (workflow, file, params, began_ms, ended_ms, outcome, ok, failed, \
                 skipped, actor, process, revision, origin) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            run.new.workflow,
            run.new.file,
            serde_json::to_string(&run.new.params).unwrap_or_default(),
            run.began_at.0,
            ended,
            end.map(|end| &end.outcome),
            end.map(|end| end.ok),
            end.map(|end| end.failed),
            end.map(|end| end.skipped),
            run.actor.name,
            serde_json::to_string(&run.process).unwrap_or_default(),
            run.revision.map(|revision| revision.0),
            run.origin,
        ])?;
    Ok(connection.last_insert_rowid())
}

/// A page of runs, the newest first.
pub(super) fn page(
    connection: &Connection,
    flavor: SchemaFlavor,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<Run>> {
    let (recorded, origin) = match flavor.schema() {
        0 | 1 => return Ok(Vec::new()),
        2 => ("NULL, 0", "NULL"),
        schema => (
            "revision, EXISTS (SELECT 1 FROM slothstate_recordings WHERE piece = slothstate_runs.run << 32)",
            if schema == 3 { "NULL" } else { "origin" },
        ),
    };
    let sql = format!(
        "SELECT run, workflow, file, params, began_ms, ended_ms, outcome, ok, failed, skipped, actor, process, \
         {recorded}, {origin} FROM slothstate_runs WHERE run < ?1 ORDER BY run DESC LIMIT +?2"
    );
    rows(connection, &sql, [before.unwrap_or(i64::MAX), signed(limit)], run)
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column| columns::text_at(row, column);
    let number = |column| columns::integer_at(row, column);
    let count =
        |column| number(column).map(|count| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0));
    let run = row.get(0)?;
    let revision = number(12)?.map(Revision);
    let recorded: bool = row.get(13)?;
    // An earlier version imported runs without an origin; what it recorded itself has a revision.
    let unknown = || (recorded && revision.is_none()).then(|| UNKNOWN_ORIGIN.to_string());
    let origin = columns::text(row.get_ref(14)?).or_else(unknown);
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
            header: None,
        },
        actor: Actor { name: text(10)?, run: Some(run), task: None },
        process: serde_json::from_str(&text(11)?).unwrap_or_default(),
        began_at: Millis(number(4)?.unwrap_or_default()),
        revision,
        recorded,
        origin,
        ended,
    })
}

//! The table of runs.

use rusqlite::{Connection, Row, params};

use super::schema_version::SchemaFlavor;
use super::transaction::{TxEnd, TxError, WriteTx};
use super::{SqliteStore, columns, meta, recordings, retention};
use crate::store::{
    Actor, NewRun, RecordingChunk, RecordingRetention, Revision, Run, RunEnd, Runs, StoreError,
    UNKNOWN_ORIGIN,
};
use crate::time::Millis;

/// The most runs that are kept; older ones go.
const KEPT: i64 = 10_000;

impl Runs for SqliteStore {
    fn begin_run(&self, new: &NewRun) -> Result<i64, StoreError> {
        self.write(false, &|writing| {
            let connection = writing.connection;
            let run = Run {
                number: 0,
                new: new.clone(),
                actor: writing.actor.clone(),
                process: Some(self.settings.process.clone()),
                began_at: writing.now,
                revision: Some(writing.latest_revision()?),
                recorded: false,
                origin: None,
                ended: None,
            };
            let number = insert(connection, &run)?;
            if let Some(header) = &new.header {
                recordings::insert_header(writing, number, header)?;
            }
            connection
                .prepare_cached("DELETE FROM slothstate_runs WHERE run <= ?1")?
                .execute([number - KEPT])?;
            Ok(TxEnd::Commit(number))
        })
    }

    fn name_run(&self, number: i64, workflow: &str) -> Result<(), StoreError> {
        self.write(false, &|writing| {
            writing
                .connection
                .prepare_cached("UPDATE slothstate_runs SET workflow = ?2 WHERE run = ?1")?
                .execute(params![number, workflow])?;
            Ok(TxEnd::Commit(()))
        })
    }

    fn end_run(&self, number: i64, end: &RunEnd) -> Result<(), StoreError> {
        self.write(false, &|writing: &WriteTx<'_>| -> Result<TxEnd<()>, TxError> {
            writing
                .connection
                .prepare_cached(
                    "UPDATE slothstate_runs SET ended_ms = ?2, outcome = ?3, ok = ?4, failed = ?5, skipped = ?6 \
                     WHERE run = ?1",
                )?
                .execute(params![number, writing.now.0, end.outcome, end.ok, end.failed, end.skipped])?;
            Ok(TxEnd::Commit(()))
        })
    }

    fn runs(&self, before: Option<i64>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.read(Vec::new(), |connection, flavor| page(connection, flavor, before, limit))
    }

    fn import_run(&self, run: &Run, pieces: &[RecordingChunk]) -> Result<i64, StoreError> {
        self.write(false, &|writing| {
            let number = insert(writing.connection, run)?;
            for piece in pieces {
                recordings::insert(writing.connection, number, piece, piece.revision)?;
            }
            Ok(TxEnd::Commit(number))
        })
    }

    fn buffer_record(&self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        self.records.borrow_mut().keep(run, number, landmark, data);
    }

    fn pending_record_bytes(&self) -> usize {
        self.records.borrow().kept_bytes()
    }

    fn flush_records(&self) -> Result<(), StoreError> {
        if self.records.borrow().kept_bytes() == 0 {
            return Ok(());
        }
        self.write(false, &|_| Ok(TxEnd::Commit(())))
    }

    fn recording_chunks(
        &self,
        run: i64,
        from: u64,
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        self.read(Vec::new(), |connection, flavor| {
            recordings::pieces(connection, flavor, (run, from), landmarks, limit)
        })
    }

    fn recording_retention(&self) -> Result<RecordingRetention, StoreError> {
        self.read(RecordingRetention::default(), |connection, flavor| match flavor.schema() {
            0..3 => Ok(RecordingRetention::default()),
            _ => retention::read_recordings(connection),
        })
    }

    fn set_recording_retention(&self, recordings: &RecordingRetention) -> Result<(), StoreError> {
        self.write(false, &|writing| retention::set_recordings(writing, recordings))
    }
}

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

/// The identity of the database, which its copies share; `None` where it has none yet.
pub(super) fn database_id(connection: &Connection, flavor: SchemaFlavor) -> rusqlite::Result<Option<String>> {
    if flavor.schema() < 4 {
        return Ok(None);
    }
    meta::text(connection, "database")
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
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "SELECT run, workflow, file, params, began_ms, ended_ms, outcome, ok, failed, skipped, actor, process, \
             {recorded}, {origin} FROM slothstate_runs WHERE run < ?1 ORDER BY run DESC LIMIT ?2"
        ))?
        .query_map([before.unwrap_or(i64::MAX), limit], run)?
        .collect()
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column| Ok::<_, rusqlite::Error>(columns::text(row.get_ref(column)?).unwrap_or_default());
    let number = |column| Ok::<_, rusqlite::Error>(columns::integer(row.get_ref(column)?));
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

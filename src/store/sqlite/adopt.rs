//! Making a file ours: additive, in one transaction, after a backup beside it.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::busy;
use super::connect::{self, Generation, SCHEMA};
use super::failure::explain;
use crate::store::StoreError;

const SLOTH_RUNNER: &str = include_str!("../../../assets/schema/sloth_runner.sql");
/// What makes each schema out of the one before it; the first one out of Sloth Runner's tables.
const MIGRATIONS: [&str; SCHEMA] =
    [include_str!("../../../assets/schema/1.sql"), include_str!("../../../assets/schema/2.sql")];
const TRIGGERS: &str = include_str!("../../../assets/schema/triggers.sql");
const TIMESTAMP_TRIGGER: &str = include_str!("../../../assets/schema/timestamp_trigger.sql");

/// Adopts the file that `connection` has open, or brings it to the present schema, unless another
/// process has done so meanwhile. The answer is what the user is told.
pub(super) fn adopt(
    connection: &mut Connection,
    path: &Path,
    limit: Duration,
) -> Result<Option<String>, StoreError> {
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy::begin_wait(limit);
    connect::use_log(connection).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let generation = connect::detect(&transaction, path, limit)?;
    generation.check_adoptable(path)?;
    let backup = match generation {
        Generation::Adopted | Generation::Older => return Ok(None),
        Generation::Empty => None,
        Generation::SlothRunner => Some(backup(path, limit, "before-slothstate")?),
        Generation::Earlier(schema) => Some(backup(path, limit, &format!("schema-{schema}"))?),
    };
    let done = scripts(generation).iter().try_for_each(|script| transaction.execute_batch(script));
    if let Err(error) = done.and_then(|()| transaction.commit()) {
        if let Some(backup) = backup {
            // The file is as it was; each further try would leave another copy of it.
            let _ = std::fs::remove_file(backup);
        }
        return Err(failed(error));
    }
    let kept = backup.map(|backup| format!("the file as it was is kept as {}", backup.display()));
    Ok(Some(match (generation, kept) {
        (Generation::Earlier(schema), Some(kept)) => {
            format!("brought {} from schema {schema} to {SCHEMA}; {kept}", path.display())
        }
        (_, Some(kept)) => format!(
            "adopted {} for slothstate: columns and tables were added, Sloth Runner goes on using it; {kept}",
            path.display()
        ),
        (_, None) => format!("made a new state database: {}", path.display()),
    }))
}

/// What turns a file of `generation` into one of ours.
pub(super) fn scripts(generation: Generation) -> Vec<&'static str> {
    let migrations = |from: usize| MIGRATIONS[from..].iter().copied().chain([TRIGGERS]);
    match generation {
        Generation::Adopted | Generation::Older => Vec::new(),
        Generation::Earlier(schema) => migrations(schema).collect(),
        Generation::SlothRunner => [SLOTH_RUNNER].into_iter().chain(migrations(0)).collect(),
        Generation::Empty => {
            [SLOTH_RUNNER].into_iter().chain(migrations(0)).chain([TIMESTAMP_TRIGGER]).collect()
        }
    }
}

/// Copies the database as it is. The caller holds the write lock, so nobody changes it meanwhile.
fn backup(path: &Path, limit: Duration, suffix: &str) -> Result<PathBuf, StoreError> {
    let target = free_name(path, suffix);
    let failed = |source| StoreError::Io { path: target.clone(), source };
    let permissions = std::fs::metadata(path).map_err(failed)?.permissions();
    // From the first byte on nobody can read the copy who cannot read the file itself.
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&target)
        .and_then(|_| std::fs::set_permissions(&target, permissions))
        .map_err(failed)?;
    let copied = copy(path, &target);
    if let Err(error) = copied {
        // Half a backup is worse than none; whether it can be removed changes nothing.
        let _ = std::fs::remove_file(&target);
        return Err(explain(&target, limit, &error));
    }
    std::fs::File::open(&target).and_then(|copy| copy.sync_all()).map_err(failed)?;
    Ok(target)
}

fn copy(path: &Path, target: &Path) -> rusqlite::Result<()> {
    let mut source = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    busy::install(&mut source)?;
    let mut copy = Connection::open(target)?;
    let backup = rusqlite::backup::Backup::new(&source, &mut copy)?;
    backup.run_to_completion(1000, Duration::ZERO, None)
}

fn free_name(path: &Path, suffix: &str) -> PathBuf {
    let mut first = path.as_os_str().to_owned();
    first.push(format!(".{suffix}"));
    let numbered = (2..).map(|number| {
        let mut name = first.clone();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    let free = std::iter::once(PathBuf::from(&first)).chain(numbered).find(|name| !name.exists());
    free.unwrap_or_else(|| PathBuf::from(first))
}

//! Making a file ours: additive, in one transaction, after a backup beside it.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::busy;
use super::connect::{self, Generation};
use super::failure::explain;
use crate::store::StoreError;

const SLOTH_RUNNER: &str = include_str!("../../../assets/schema/sloth_runner.sql");
const ADOPTION: &str = include_str!("../../../assets/schema/1.sql");
const TIMESTAMP_TRIGGER: &str = include_str!("../../../assets/schema/timestamp_trigger.sql");

/// Adopts the file that `connection` has open, unless another process has done so meanwhile.
/// The answer is what the user is told.
pub(super) fn adopt(
    connection: &mut Connection,
    path: &Path,
    limit: Duration,
) -> Result<Option<String>, StoreError> {
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy::begin_wait(limit);
    busy::insist(|| connection.pragma_update(None, "journal_mode", "WAL")).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let generation = connect::detect(&transaction, path, limit)?;
    let backup = match generation {
        Generation::Adopted => return Ok(None),
        Generation::Empty => None,
        Generation::SlothRunner => Some(backup(path, limit)?),
    };
    let done = scripts(generation).iter().try_for_each(|script| transaction.execute_batch(script));
    if let Err(error) = done.and_then(|()| transaction.commit()) {
        if let Some(backup) = backup {
            // The file is as it was; each further try would leave another copy of it.
            let _ = std::fs::remove_file(backup);
        }
        return Err(failed(error));
    }
    Ok(Some(match backup {
        None => format!("made a new state database: {}", path.display()),
        Some(backup) => format!(
            "adopted {} for slothstate: columns and tables were added, Sloth Runner goes on using it; \
             the file as it was is kept as {}",
            path.display(),
            backup.display()
        ),
    }))
}

/// What turns a file of `generation` into one of ours.
pub(super) fn scripts(generation: Generation) -> Vec<&'static str> {
    match generation {
        Generation::Adopted => Vec::new(),
        Generation::SlothRunner => vec![SLOTH_RUNNER, ADOPTION],
        Generation::Empty => vec![SLOTH_RUNNER, ADOPTION, TIMESTAMP_TRIGGER],
    }
}

/// Copies the database as it is. The caller holds the write lock, so nobody changes it meanwhile.
fn backup(path: &Path, limit: Duration) -> Result<PathBuf, StoreError> {
    let target = free_name(path);
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

fn free_name(path: &Path) -> PathBuf {
    let mut first = path.as_os_str().to_owned();
    first.push(".before-slothstate");
    let numbered = (2..).map(|number| {
        let mut name = first.clone();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    let free = std::iter::once(PathBuf::from(&first)).chain(numbered).find(|name| !name.exists());
    free.unwrap_or_else(|| PathBuf::from(first))
}

//! Making a file ours: additive, in one transaction, after a backup beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::error_mapping::explain;
use super::home::{self, Home};
use super::remedies::error_at;
use super::schema_sql::{MIGRATIONS, SCHEMA, SLOTH_RUNNER, TIMESTAMP_TRIGGER, TRIGGERS, TRIGGERS_VERSION};
use super::schema_version::{self, SchemaFlavor};
use super::{backup, busy_handler, connect, hardening, meta};
use crate::store::{ErrorKind, StoreError};

/// Adopts the file that `connection` has open, or brings it to the present schema, unless another
/// process has done so meanwhile. The answer is a notice for the user.
pub(super) fn adopt(
    connection: &mut Connection,
    path: &Path,
    limit: Duration,
    boot: &str,
) -> Result<Option<String>, StoreError> {
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy_handler::begin_wait(limit);
    connect::use_log(connection).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let flavor = schema_version::detect(&transaction, path, limit)?;
    flavor.check_adoptable(path)?;
    let backup = match flavor {
        SchemaFlavor::Current | SchemaFlavor::Legacy | SchemaFlavor::Incomplete(_) => return Ok(None),
        SchemaFlavor::Empty => None,
        SchemaFlavor::Foreign => Some(keep(path, limit, "before-slothstate")?),
        SchemaFlavor::Outdated(schema) => Some(keep(path, limit, &format!("schema-{schema}"))?),
    };
    let done = scripts(flavor).iter().try_for_each(|script| transaction.execute_batch(script));
    let done = done.and_then(|()| match Home::of(path, boot) {
        Ok(home) => home::set_home(&transaction, Some(&home)),
        // The first write finds out.
        Err(_) => Ok(()),
    });
    if let Err(error) = done.and_then(|()| transaction.commit()) {
        if let Some(backup) = backup {
            // The file is as it was; each further try would leave another copy of it.
            let _ = std::fs::remove_file(backup);
        }
        return Err(match hardening::reason(connection, &error) {
            Some(reason) => error_at(path, ErrorKind::Unsafe { reason }),
            None => failed(error),
        });
    }
    let kept =
        backup.map(|backup| format!("the file as it was is kept as {}", crate::text::escape::path(&backup)));
    Ok(Some(match (flavor, kept) {
        (SchemaFlavor::Outdated(schema), Some(kept)) => {
            format!("brought {} from schema {schema} to {SCHEMA}; {kept}", crate::text::escape::path(path))
        }
        (_, Some(kept)) => format!(
            "adopted {} for slothstate: columns and tables were added, Sloth Runner goes on using it; {kept}",
            crate::text::escape::path(path)
        ),
        (_, None) => format!("made a new state database: {}", crate::text::escape::path(path)),
    }))
}

pub(super) fn triggers_version(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(meta::integer(connection, "triggers")?.unwrap_or(1))
}

/// Makes the triggers of an adopted file again if they are of an earlier version. The answer is what the
/// user is told.
pub(super) fn renew_triggers(
    connection: &mut Connection,
    path: &Path,
    limit: Duration,
) -> Result<Option<String>, StoreError> {
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    busy_handler::begin_wait(limit);
    if triggers_version(connection).map_err(failed)? >= TRIGGERS_VERSION {
        return Ok(None);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have done so meanwhile.
    if triggers_version(&transaction).map_err(failed)? >= TRIGGERS_VERSION {
        return Ok(None);
    }
    let renewed = transaction.execute_batch(TRIGGERS).and_then(|()| transaction.commit());
    match renewed {
        Ok(()) => Ok(Some(format!("brought the triggers of {} up to date", crate::text::escape::path(path)))),
        Err(error) => Err(match hardening::reason(connection, &error) {
            Some(reason) => error_at(path, ErrorKind::Unsafe { reason }),
            None => failed(error),
        }),
    }
}

/// What turns a file of `flavor` into one of ours.
pub(super) fn scripts(flavor: SchemaFlavor) -> Vec<&'static str> {
    let migrations = |from: usize| MIGRATIONS[from..].iter().copied().chain([TRIGGERS]);
    match flavor {
        SchemaFlavor::Current | SchemaFlavor::Legacy | SchemaFlavor::Incomplete(_) => Vec::new(),
        SchemaFlavor::Outdated(schema) => migrations(schema).collect(),
        SchemaFlavor::Foreign => [SLOTH_RUNNER].into_iter().chain(migrations(0)).collect(),
        SchemaFlavor::Empty => {
            [SLOTH_RUNNER].into_iter().chain(migrations(0)).chain([TIMESTAMP_TRIGGER]).collect()
        }
    }
}

/// Copies the database as it is. The caller holds the write lock, so nobody changes it meanwhile.
fn keep(path: &Path, limit: Duration, suffix: &str) -> Result<PathBuf, StoreError> {
    let target = backup::free_name(path, suffix);
    backup::copy(path, &target, limit, false)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_the_present_triggers() {
        let connection = Connection::open_in_memory().unwrap();
        for script in scripts(SchemaFlavor::Empty) {
            connection.execute_batch(script).unwrap();
        }
        assert_eq!(triggers_version(&connection), Ok(TRIGGERS_VERSION));
    }
}

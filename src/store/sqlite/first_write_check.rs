//! The first write to a file that is not adopted yet, tried out before the file is touched: a write
//! that is refused, or finds nothing to do, leaves a file of Sloth Runner as it is, and makes none
//! where there is none.

use rusqlite::Connection;

use super::schema_version::{self, SchemaFlavor};
use super::transaction::{TxEnd, TxError, WriteTx};
use super::{SqliteStore, busy_handler, connect, migrate};
use crate::store::StoreError;

/// What a write comes to.
pub(super) enum Rehearsed<T> {
    /// It changes nothing, and this is its answer.
    Nothing(T),
    /// It changes something, or can be done without adopting the file.
    Write,
}

impl SqliteStore {
    /// Tries out `work` where doing it would adopt the file, and takes everything back.
    ///
    /// # Errors
    /// Those of `work`, which changes nothing then.
    pub(super) fn rehearse<T>(
        &self,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<Rehearsed<T>, StoreError> {
        self.check_writable_now()?;
        let flavor = self.link.borrow().flavor;
        let connection = match flavor {
            // Records that are kept are written with whatever is written.
            _ if self.records.borrow().kept_bytes() > 0 => return Ok(Rehearsed::Write),
            SchemaFlavor::Current | SchemaFlavor::Legacy | SchemaFlavor::Incomplete(_) => {
                return Ok(Rehearsed::Write);
            }
            SchemaFlavor::Empty => connect::open_in_memory().map_err(|error| self.explain(&error))?,
            SchemaFlavor::Foreign | SchemaFlavor::Outdated(_) => {
                connect::open_to_write(self.path(), self.settings.busy_limit, false, false)?
            }
        };
        let rehearsed = self.try_out(&connection, work);
        if !connection.is_autocommit() {
            // Closing the connection takes it back as well.
            let _ = connection.execute_batch("ROLLBACK");
        }
        rehearsed.map_err(|fault| self.explain_fault(fault))
    }

    fn try_out<T>(
        &self,
        connection: &Connection,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<Rehearsed<T>, TxError> {
        let limit = self.settings.busy_limit;
        busy_handler::begin_wait(limit);
        // Nothing is to reach the file, however much is written.
        connection.pragma_update(None, "cache_spill", false)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for script in migrate::scripts(schema_version::detect(connection, self.path(), limit)?) {
            connection.execute_batch(script)?;
        }
        let actor = self.actor.borrow();
        let writing = WriteTx::new(connection, &actor, self.settings.clock.read());
        let before = connection.total_changes();
        Ok(match work(&writing)? {
            TxEnd::Rollback(answer) => Rehearsed::Nothing(answer),
            TxEnd::Commit(answer) if connection.total_changes() == before => Rehearsed::Nothing(answer),
            TxEnd::Commit(_) | TxEnd::Adopt(_) => Rehearsed::Write,
        })
    }
}

//! Figures about a database.

use super::EtcdStore;
use super::wire::{KeySpan, RangeRequest};
use crate::store::{KeyRange, State, Stats, StoreError};
use crate::time::Millis;

impl EtcdStore {
    /// The figures; bytes are those of the whole cluster, of one of its nodes.
    pub(super) fn read_stats(&self) -> Result<Stats, StoreError> {
        let count = |span: KeySpan| {
            let found = self.range(&RangeRequest { count_only: true, ..RangeRequest::of(span) })?;
            Ok::<u64, StoreError>(u64::try_from(found.count).unwrap_or(0))
        };
        let from = Millis(self.now().0.saturating_add(1));
        let history = self.with_history(|view| view.count())?;
        let node = self.wire.nodes().into_iter().find_map(|(_, status)| status.ok()).unwrap_or_default();
        let bytes = u64::try_from(node.db_bytes).unwrap_or(0);
        let in_use = u64::try_from(node.db_bytes_in_use).unwrap_or(0);
        Ok(Stats {
            entries: self.count_entries(&KeyRange::all())?,
            expiring: count(self.keys.expiries(from, Millis(i64::MAX)))?,
            locks: count(self.keys.locks())?,
            history,
            revision: self.revision()?,
            bytes,
            free_bytes: bytes.saturating_sub(in_use),
            log_bytes: 0,
            engine: "etcd",
            location: self.location.to_string(),
        })
    }
}

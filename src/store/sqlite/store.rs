//! The database as a whole: its identity, what was committed to it, figures, upkeep and copies.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_guard::Guard;
use super::remedies::opened_read_only;
use super::schema_version::SchemaFlavor;
use super::{
    LastState, SqliteStore, backup, busy_handler, compact, file_watcher, operations, query, side_files,
    sloth_runner_stacks, stats, timeline, wal_pairing,
};
use crate::store::identity::{EpochStart, Identity};
use crate::store::kind_inference::Kinds;
use crate::store::sloth_runner_stacks::{StackLock, Stacks};
use crate::store::{
    Actor, Capabilities, Compacted, CompactionPlan, KeyRange, Location, Maintained, Seen, State, Stats,
    Store, StoreError, Token,
};
use crate::time::Clock;

impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        #[cfg(test)]
        if let Some(limits) = self.limits.get() {
            return limits;
        }
        operations::CAPABILITIES
    }

    fn clock(&self) -> &dyn Clock {
        &*self.settings.clock
    }

    fn kinds(&self) -> &Kinds {
        &self.settings.kinds
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        self.check_writable_now()
    }

    fn set_actor(&self, actor: Actor) {
        self.actor.replace(actor);
    }

    fn set_fence(&self, held: Vec<(String, Token)>) {
        self.fence.replace(held);
    }

    fn stacks(&self) -> Result<Stacks, StoreError> {
        match sloth_runner_stacks::beside(self.path()) {
            Some(path) => sloth_runner_stacks::read(&path, self.settings.busy_limit),
            None => Ok(Stacks::default()),
        }
    }

    fn clear_stack_lock(&self, lock: &StackLock) -> Result<bool, StoreError> {
        if self.settings.read_only {
            return Err(opened_read_only(self.path()));
        }
        match sloth_runner_stacks::beside(self.path()) {
            Some(path) => sloth_runner_stacks::clear(&path, self.settings.busy_limit, lock),
            None => Ok(false),
        }
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        self.read(Identity::default(), timeline::identity)
    }

    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError> {
        self.read(Vec::new(), timeline::epochs)
    }

    fn poll_changes(&self) -> Result<bool, StoreError> {
        if self.link.borrow().connection.is_none() {
            self.look_again()?;
        }
        let link = self.link.borrow();
        if let Some((guard, connection)) = link.guarded() {
            guard.follow(connection).map_err(|why| self.reset(why))?;
        }
        if let Some(Some(file_watcher)) = self.file_watcher.get() {
            file_watcher.rest();
        }
        let Some(connection) = &link.connection else { return Ok(false) };
        busy_handler::begin_wait(self.settings.busy_limit);
        let version = query::row(connection, "PRAGMA data_version", [], |row| row.get(0));
        let version: i64 = version.map_err(|error| self.explain(&error))?;
        Ok(self.data_version.replace(Some(version)) != Some(version))
    }

    fn change_fd(&self) -> Option<BorrowedFd<'_>> {
        // What is read as it stands does not change; what is not there cannot be listened to.
        self.link.borrow().connection.as_ref()?;
        let file_watcher = self.file_watcher.get_or_init(|| file_watcher::WalWatcher::new(self.path()));
        file_watcher.as_ref().map(file_watcher::WalWatcher::descriptor)
    }

    fn will_adopt(&self) -> Result<bool, StoreError> {
        self.look_again()?;
        Ok(self.link.borrow().flavor == SchemaFlavor::Foreign)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let now = self.now();
        let mut stats = Stats {
            entries: self.count(&KeyRange::all())?,
            expiring: 0,
            locks: 0,
            history: 0,
            revision: self.revision()?,
            bytes: 0,
            free_bytes: 0,
            log_bytes: side_files::log_bytes(self.path()),
            engine: "sqlite",
            location: self.path().display().to_string(),
        };
        let figures = self.read([0; 3], |connection, flavor| stats::figures(connection, flavor, now))?;
        [stats.expiring, stats.locks, stats.history] = figures;
        let space = self.read(stats::Space::default(), |connection, _| stats::space(connection))?;
        (stats.bytes, stats.free_bytes) = (space.bytes, space.free);
        Ok(stats)
    }

    fn take_notices(&self) -> Vec<String> {
        self.notices.take()
    }

    fn location(&self) -> &Location {
        &self.location
    }

    fn seen(&self) -> Option<Seen> {
        let before = LastState::of(&self.settings).cloned().unwrap_or_default();
        let link = self.link.borrow();
        let leftover = link.guard.as_ref().and_then(Guard::leftover).map(Box::new).or(before.leftover);
        let anchor = self.anchor.borrow().clone().or(before.anchor);
        (anchor.is_some() || leftover.is_some()).then(|| Seen(Arc::new(LastState { anchor, leftover })))
    }

    fn keep_leftover(&self) -> Option<PathBuf> {
        let seen = self.seen()?;
        let leftover = seen.0.downcast_ref::<LastState>()?.leftover.as_ref()?;
        wal_pairing::separate(self.path(), leftover, &self.settings)
    }

    fn adopt(&self) -> Result<(), StoreError> {
        self.make_writable()
    }

    fn maintain(&self) -> Result<Maintained, StoreError> {
        self.maintain_now()
    }

    fn back_up(&self, target: &Path) -> Result<u64, StoreError> {
        backup::copy(self.path(), target, self.settings.busy_limit, !self.settings.read_only)
    }

    fn plan_compaction(&self) -> Result<CompactionPlan, StoreError> {
        compact::plan(self)
    }

    fn compact(&self) -> Result<Compacted, StoreError> {
        compact::compact(self)
    }
}

//! The locks that a run lost.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::NOT_RENEWED;
use super::table::{HeldLock, LostLock, Shared};
use crate::store::{Store, why_lost};
use crate::time::BootInstant;

/// The lost locks, each reported once.
pub struct Losses {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Rc<dyn Store>,
}

impl Losses {
    /// The next lock that was lost; the same until [`Losses::acknowledge`].
    pub fn next(&self) -> Option<LostLock> {
        let give_up_at = self.shared.give_up_at.load(Ordering::Acquire);
        if give_up_at != 0 && BootInstant::now() >= BootInstant::from_nanoseconds(give_up_at) {
            self.give_up();
        }
        if !self.shared.has_lost.load(Ordering::Acquire) {
            return None;
        }
        self.shared.table().lost.front().cloned()
    }

    /// Does not report that lock again.
    pub fn acknowledge(&self, lost: &LostLock) {
        let mut table = self.shared.table();
        if table.lost.front() == Some(lost) {
            table.lost.pop_front();
            self.shared.publish(&table);
        }
    }

    /// Gives up the locks whose leases were not renewed in time, even if the thread that should do so is
    /// blocked.
    fn give_up(&self) {
        let now = BootInstant::now();
        let table = self.shared.table();
        let overdue: Vec<HeldLock> =
            table.held.iter().filter(|held| held.must_be_given_up(now)).cloned().collect();
        drop(table);
        for held in overdue {
            let reason = why_lost(&*self.store, &held.name, held.token);
            let reason = reason.unwrap_or_else(|| NOT_RENEWED.into());
            self.shared.lose(held.number, reason, true);
        }
    }
}

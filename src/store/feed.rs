//! The feed: every change as it is committed, none lost and none twice.

use std::time::Duration;

use crate::store::{Change, Changes, Revision, Store, StoreError};

/// How often is looked while nothing happens. A look costs microseconds, waking up for it many
/// more; the budget from commit to screen is 50 ms.
const IDLE: Duration = Duration::from_millis(30);
/// How often is looked while things happen, and for how many looks after the last news.
const BUSY: (Duration, u32) = (Duration::from_millis(10), 200);

/// Follows the changes of a store from a revision on. It asks whether anything was committed, which
/// costs about a microsecond, and reads only then; nothing is held open in between.
pub struct Feed {
    seen: Revision,
    quiet: u32,
    /// Whether there may be changes that were not read yet.
    behind: bool,
}

/// What a look at the feed brought.
#[derive(Debug)]
pub enum News {
    /// Nothing was committed.
    None,
    /// The next changes, oldest first; none of them if something was committed that is no change of
    /// the state, such as a renewed lease.
    Changes(Vec<Change>),
    /// Changes after the last one seen are gone: history is shorter than the reader is late.
    Pruned {
        /// The last revision that was read.
        seen: Revision,
        /// The oldest revision that is left; the feed goes on with it.
        oldest: Revision,
    },
    /// Something was committed in a file that keeps no history.
    Unrecorded,
}

impl Feed {
    /// A feed of the changes after `seen`.
    pub fn after(seen: Revision) -> Feed {
        Feed { seen, quiet: 0, behind: true }
    }

    /// The last revision that was read.
    pub fn seen(&self) -> Revision {
        self.seen
    }

    /// The changes up to `revision` are of no interest any more.
    pub fn skip_to(&mut self, revision: Revision) {
        self.seen = revision;
    }

    /// How long to wait until the next look.
    pub fn pause(&self) -> Duration {
        match self.quiet {
            _ if self.behind => Duration::ZERO,
            quiet if quiet < BUSY.1 => BUSY.0,
            _ => IDLE,
        }
    }

    /// The next changes, at most `limit` of them, with no more than `value_limit` bytes of each
    /// value.
    ///
    /// # Errors
    /// Those of the store; the next look begins where this one did.
    pub fn look(&mut self, store: &dyn Store, limit: usize, value_limit: u64) -> Result<News, StoreError> {
        // Asked before the changes are read: what is committed meanwhile is news the next time.
        if !store.has_news()? && !self.behind {
            self.quiet = self.quiet.saturating_add(1);
            return Ok(News::None);
        }
        self.behind = true;
        self.quiet = 0;
        Ok(match store.changes(self.seen, limit, value_limit)? {
            Changes::Since(changes) => {
                self.behind = changes.len() == limit;
                self.seen = changes.last().map_or(self.seen, |change| change.revision);
                News::Changes(changes)
            }
            Changes::Pruned { oldest } => {
                let seen = std::mem::replace(&mut self.seen, Revision(oldest.0 - 1));
                News::Pruned { seen, oldest }
            }
            Changes::NotRecorded => {
                self.behind = false;
                News::Unrecorded
            }
        })
    }
}

//! The feed: every change as it is committed, none lost and none twice.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::store::{Change, Changes, Revision, Store, StoreError};

/// How often is looked while nothing happens, if the engine does not tell when to look. A look costs
/// microseconds, waking up for it many more; the budget from commit to screen is 50 ms.
const IDLE: Duration = Duration::from_millis(30);
/// The same if the engine tells: in case that it does not.
const ALARMED: Duration = Duration::from_millis(250);
/// How often is looked while things happen, and for how many looks after the last news.
const BUSY: (Duration, u32) = (Duration::from_millis(10), 100);
/// For how many looks if the engine tells: a commit is heard of when it is written, and seen only
/// after the disk has it.
const BUSY_ALARMED: u32 = 20;
/// The pauses after an alarm: a commit is written before it can be seen.
const SOON: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(4), Duration::from_millis(8)];

/// Follows the changes of a store from a revision on. It asks whether anything was committed, which
/// costs about a microsecond, and reads only then; nothing is held open in between.
pub struct Feed {
    seen: Revision,
    /// Looks without news since the last news, or the last alarm.
    quiet: u32,
    /// Whether there may be changes that were not read yet.
    behind: bool,
}

/// What a look at the feed brought.
#[derive(Debug)]
pub enum News {
    None,
    /// The next changes, oldest first; none of them if something was committed that is no change of
    /// the state, such as a renewed lease.
    Changes(Vec<Change>),
    /// Changes after the last one seen are gone: history is shorter than the reader is late.
    Pruned {
        seen: Revision,
        /// The oldest revision that is left; the feed goes on with it.
        oldest: Revision,
    },
    /// Something was committed in a file that keeps no history.
    Unrecorded,
}

impl Feed {
    pub fn after(seen: Revision) -> Feed {
        Feed { seen, quiet: 0, behind: true }
    }

    /// A feed of what is committed from here on.
    pub fn from_now(store: &dyn Store) -> Result<Feed, StoreError> {
        // The first look of a connection knows nothing of what was there before it.
        store.poll_changes()?;
        Ok(Feed { seen: store.revision()?, quiet: 0, behind: false })
    }

    pub fn seen(&self) -> Revision {
        self.seen
    }

    /// The changes up to `revision` are of no interest any more.
    pub fn skip_to(&mut self, revision: Revision) {
        self.seen = revision;
    }

    /// Waits until it is time for the next look; true if instead something happened to `other`,
    /// such as that its output is no longer read.
    pub fn wait(&mut self, store: &dyn Store, other: Option<BorrowedFd<'_>>) -> bool {
        let alarm = store.change_fd();
        let is_idle = self.quiet >= if alarm.is_some() { BUSY_ALARMED } else { BUSY.1 };
        let time = match self.quiet {
            _ if self.behind => Duration::ZERO,
            quiet if !is_idle => SOON.get(quiet as usize).copied().unwrap_or(BUSY.0),
            _ if alarm.is_some() => ALARMED,
            _ => IDLE,
        };
        // While things happen an alarm would be for every one of them.
        let alarm = alarm.filter(|_| is_idle && !self.behind);
        let mut polled: Vec<PollFd<'_>> = Vec::new();
        polled.extend(other.map(|other| PollFd::new(other, PollFlags::empty())));
        polled.extend(alarm.map(|alarm| PollFd::new(alarm, PollFlags::POLLIN)));
        // An interrupted wait is a short one.
        let _ = poll(&mut polled, PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
        let happened = |place: usize| polled[place].any() == Some(true);
        if alarm.is_some() && happened(polled.len() - 1) {
            self.quiet = 0;
        }
        other.is_some() && happened(0)
    }

    /// The next changes, at most `limit` of them, with no more than `value_limit` bytes of each
    /// value.
    ///
    /// # Errors
    /// Those of the store; the next look begins where this one did.
    pub fn look(&mut self, store: &dyn Store, limit: usize, value_limit: u64) -> Result<News, StoreError> {
        // Asked before the changes are read: what is committed meanwhile is news the next time.
        if !store.poll_changes()? && !self.behind {
            self.quiet = self.quiet.saturating_add(1);
            return Ok(News::None);
        }
        self.behind = true;
        self.quiet = SOON.len() as u32;
        Ok(match store.changes(self.seen, limit, value_limit)? {
            Changes::Since(changes) => {
                self.behind = changes.len() == limit;
                self.seen = changes.last().map_or(self.seen, |change| change.revision);
                News::Changes(changes)
            }
            Changes::Pruned { oldest } => {
                let seen = std::mem::replace(&mut self.seen, oldest.before());
                News::Pruned { seen, oldest }
            }
            Changes::NotRecorded => {
                self.behind = false;
                News::Unrecorded
            }
        })
    }
}

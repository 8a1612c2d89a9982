//! What an engine has to read so that the past can be computed.

use crate::store::{Change, Entry, EpochStart, HistorySpan, Key, Revision, Scan, StoreError, When};
use crate::time::Millis;

/// What a change replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Replaced {
    pub expires_at: Option<Millis>,
    pub is_there: bool,
}

/// Which entries were changed when, as one transaction sees it.
pub(in crate::store) trait ChangeSource {
    /// How far history goes; `None` if nothing was recorded.
    fn span(&self) -> Result<Option<HistorySpan>, StoreError>;

    /// Calls `each` with the changes of entries after `since`, oldest first: the revision, the key, and what
    /// was replaced.
    fn changes_after(
        &self,
        since: Revision,
        each: &mut dyn FnMut(Revision, Key, Replaced),
    ) -> Result<(), StoreError>;

    /// The keys of the entries that were changed after the first revision, up to the last one, each once and in
    /// any order.
    fn keys_changed(&self, after: Revision, until: Revision) -> Result<Vec<Key>, StoreError>;

    /// What the changes of these revisions replaced, in the same order.
    fn replaced(&self, revisions: &[Revision]) -> Result<Vec<Replaced>, StoreError>;
}

/// The present state and its history, both as one transaction sees them.
pub(in crate::store) trait PastSource: ChangeSource {
    /// The epochs after the first, oldest first.
    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError>;

    /// The newest change up to a revision or a time: its revision, and when it was made.
    fn newest_until(&self, when: When) -> Result<Option<(Revision, Millis)>, StoreError>;

    /// The change of that revision, with no more than `value_limit` bytes of each value. Which transaction it
    /// was part of, and whether it was undone, may be missing.
    fn change(&self, revision: Revision, value_limit: u64) -> Result<Option<Change>, StoreError>;

    /// As [`PastSource::change`], the first one of an entry after a revision, with whole values.
    fn first_change_after(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError>;

    /// As [`PastSource::change`], the last one of an entry up to a revision, with whole values.
    fn last_change_until(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError>;

    /// What is stored of an entry now, also if it has expired.
    fn present(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// A page of what is stored now, with what has expired.
    fn scan_present(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError>;

    /// The next keys of stored entries that expire after `from` and not after `to`, in the order of the scan.
    fn keys_expiring(&self, from: Millis, to: Millis, scan: &Scan) -> Result<Vec<Key>, StoreError>;
}

//! Which entries were changed without a record of history: by another program.
//!
//! Each write of slothstate puts its record at the revision of the entries that it changes. Entries and records
//! are heard of one after the other, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the record of a change may be heard of later than the change.
pub(super) const LATE: Duration = Duration::from_millis(20);
/// How many revisions are remembered without their counterpart, since locks and runs have records and no entries.
const REMEMBERED: usize = 1000;

/// The revisions of entries and of records that were heard of.
#[derive(Default)]
pub(super) struct UnrecordedWrites {
    /// With the time at which they were heard of.
    entries: BTreeMap<i64, Instant>,
    records: BTreeSet<i64>,
}

impl UnrecordedWrites {
    /// An entry was changed at this revision.
    pub(super) fn entry(&mut self, revision: i64, now: Instant) {
        if !self.records.contains(&revision) {
            self.entries.entry(revision).or_insert(now);
        }
    }

    /// Something of slothstate's own was written at this revision.
    pub(super) fn record(&mut self, revision: i64) {
        self.entries.remove(&revision);
        self.records.insert(revision);
        while self.records.len() > REMEMBERED {
            self.records.pop_first();
        }
    }

    /// Whether there are entries whose record was not heard of yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether there are entries that nobody recorded; they are forgotten by that.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let waiting = self.entries.len();
        match waiting > REMEMBERED {
            true => self.entries.clear(),
            false => self.entries.retain(|_, heard| now.duration_since(*heard) < LATE),
        }
        self.entries.len() < waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_unrecorded_if_no_record_of_its_revision_comes() {
        let start = Instant::now();
        let late = start + LATE;
        // The events by their revisions, and whether something is unrecorded after them.
        for (entries_first, entries, records, expected) in [
            (true, &[5][..], &[5][..], false),
            (false, &[5], &[5], false),
            (true, &[5], &[], true),
            (true, &[5, 6], &[6], true),
            (false, &[5, 5, 6], &[5, 6], false),
            (true, &[], &[7], false),
            (false, &[8], &[7, 9], true),
        ] {
            let mut unrecorded = UnrecordedWrites::default();
            for turn in [entries_first, !entries_first] {
                match turn {
                    true => entries.iter().for_each(|revision| unrecorded.entry(*revision, start)),
                    false => records.iter().for_each(|revision| unrecorded.record(*revision)),
                }
            }
            assert!(!unrecorded.take(start), "its record may still come: {entries:?} {records:?}");
            assert_eq!(unrecorded.is_waiting(), expected, "{entries:?} {records:?}");
            assert_eq!(unrecorded.take(late), expected, "{entries:?} {records:?}");
            assert!(!unrecorded.take(late), "each write is reported once");
        }
    }

    #[test]
    fn what_is_heard_of_later_does_not_put_it_off() {
        let start = Instant::now();
        let mut unrecorded = UnrecordedWrites::default();
        unrecorded.entry(1, start);
        unrecorded.entry(2, start + LATE / 2);
        assert!(unrecorded.take(start + LATE));
        assert!(unrecorded.is_waiting(), "the record of the other one may still come");
    }

    #[test]
    fn many_are_told_at_once_and_records_without_entries_are_forgotten() {
        let start = Instant::now();
        let mut unrecorded = UnrecordedWrites::default();
        (0..2 * REMEMBERED as i64).for_each(|revision| unrecorded.record(revision));
        assert_eq!(unrecorded.records.len(), REMEMBERED);
        (5000..5001 + REMEMBERED as i64).for_each(|revision| unrecorded.entry(revision, start));
        assert!(unrecorded.take(start));
        assert!(!unrecorded.is_waiting());
    }
}

//! What is folded: calls and tasks of which only the beginning and the end are shown.

use std::collections::BTreeMap;

/// The steps at which what is folded begins, each with the one at which it ends. All between the two
/// is hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folds {
    folds: BTreeMap<u64, u64>,
}

impl Folds {
    /// Whether nothing is folded.
    pub fn is_empty(&self) -> bool {
        self.folds.is_empty()
    }

    /// Where what begins at a step ends, if that is folded.
    pub fn end(&self, first: u64) -> Option<u64> {
        self.folds.get(&first).copied()
    }

    /// Folds what begins and ends at these steps; whether there is anything between them.
    pub fn close(&mut self, first: u64, last: u64) -> bool {
        let has_inside = last > first + 1;
        if has_inside {
            self.folds.insert(first, last);
        }
        has_inside
    }

    /// Unfolds what begins at a step; whether it was folded.
    pub fn open(&mut self, first: u64) -> bool {
        self.folds.remove(&first).is_some()
    }

    /// Unfolds all that a step is hidden in; whether there was any.
    pub fn reveal(&mut self, number: u64) -> bool {
        let before = self.folds.len();
        self.folds.retain(|first, last| number <= *first || *last <= number);
        self.folds.len() < before
    }

    pub fn clear(&mut self) {
        self.folds.clear();
    }

    /// The step itself if it is shown, otherwise the beginning of what it is hidden in.
    pub fn shown(&self, number: u64) -> u64 {
        let hides = |(first, last): &(u64, u64)| *first <= number && number <= *last;
        self.hidden().find(hides).map_or(number, |(first, _)| first - 1)
    }

    /// The first and the last step of each stretch that is hidden, in their order.
    fn hidden(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut end = 0;
        self.folds.iter().filter_map(move |(first, last)| {
            // What is folded inside of something folded hides no more than that.
            let is_outermost = *first >= end;
            if is_outermost {
                end = *last;
            }
            is_outermost.then_some((first + 1, last - 1))
        })
    }

    /// The first and the last step of each stretch to be shown around a step that is shown: about as
    /// many steps as wanted before it and after it, up to the last of the run.
    pub fn stretches(&self, number: u64, wanted: u64, last: u64) -> Vec<(u64, u64)> {
        let hidden: Vec<(u64, u64)> = self.hidden().collect();
        let after = hidden.partition_point(|(_, end)| *end < number);
        let (mut start, mut left) = (number, wanted);
        for (first, end) in hidden[..after].iter().rev() {
            let shown = start - end - 1;
            if shown >= left {
                break;
            }
            left -= shown;
            start = *first;
        }
        start = start.saturating_sub(left).max(1);
        let (mut end, mut left) = (number, wanted);
        for (first, to) in &hidden[after..] {
            let shown = first - 1 - end;
            if shown >= left {
                break;
            }
            left -= shown;
            end = *to;
        }
        end = end.saturating_add(left).min(last);
        let mut stretches = Vec::new();
        for (first, to) in hidden {
            if to < start || first > end {
                continue;
            }
            if start < first {
                stretches.push((start, first - 1));
            }
            start = to + 1;
        }
        if start <= end {
            stretches.push((start, end));
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_a_step_is_unfolded_and_nothing_else() {
        let mut folds = Folds::default();
        assert!(!folds.close(1, 2), "nothing is inside");
        assert!(folds.close(2, 20) && folds.close(5, 9) && folds.close(30, 40));
        assert_eq!([1, 2, 3, 7, 19, 20, 35, 40].map(|step| folds.shown(step)), [1, 2, 2, 2, 2, 20, 30, 40]);
        assert!(!folds.reveal(20));
        assert!(folds.reveal(7));
        assert_eq!([folds.end(2), folds.end(5), folds.end(30)], [None, None, Some(40)]);
        assert!(folds.open(30) && !folds.open(30) && folds.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn as_many_steps_are_shown_as_are_wanted(
            folds in prop::collection::vec((1..80u64, 2..20u64), 0..8),
            number in 1..100u64,
            wanted in 0..30u64,
        ) {
            const LAST: u64 = 99;
            let mut all = Folds::default();
            for (first, length) in folds {
                // Calls lie inside of each other, or beside each other.
                let last = first + length;
                let crosses = |(from, to): (&u64, &u64)| {
                    (*from < first && first <= *to && *to <= last) || (first < *from && *from <= last && last <= *to)
                        || (*from == first)
                };
                if !all.folds.iter().any(crosses) {
                    all.close(first, last);
                }
            }
            let is_shown = |step: &u64| all.folds.iter().all(|(from, to)| *step <= *from || *to <= *step);
            let number = all.shown(number.min(LAST));
            prop_assert!(is_shown(&number));
            let before: Vec<u64> = (1..number).filter(is_shown).collect();
            let after: Vec<u64> = (number + 1..=LAST).filter(is_shown).collect();
            let few = usize::try_from(wanted).unwrap();
            let mut expected = before[before.len().saturating_sub(few)..].to_vec();
            expected.push(number);
            expected.extend(&after[..few.min(after.len())]);
            let stretches = all.stretches(number, wanted, LAST);
            let steps: Vec<u64> = stretches.iter().flat_map(|(from, to)| *from..=*to).collect();
            prop_assert_eq!(steps, expected);
            prop_assert!(stretches.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}

//! Expiry is a fact of time: what is answered about a moment does not depend on whether expired
//! entries were removed since.

use std::time::Duration;

use proptest::prelude::*;

use super::{Ability, Contract, ForeignWrite, World, for_all, key, put};
use crate::store::{
    Edit, Entry, EntryDiff, Expiry, HistoryScan, Image, Key, KeyRange, Moment, Number, Operation, Revision,
    Scan, Store, Transaction, Value, When,
};
use crate::time::{Clock, Millis, SystemClock};

pub(super) const CONTRACTS: &[Contract] = &[(
    "answers_about_the_past_do_not_depend_on_who_removed_what",
    answers_about_the_past_do_not_depend_on_who_removed_what,
)];

#[derive(Clone, Debug)]
enum Step {
    Put(u8, i64, Option<u64>),
    SetExpiry(u8, Option<u64>),
    Increment(u8),
    Delete(u8),
    /// Another program writes the value.
    Foreign(u8, i64),
    /// Time passes, in milliseconds.
    Pass(i64),
    /// Somebody removes what has expired.
    Sweep,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || 0..5u8;
    let expiry = || prop::option::of(1..60u64);
    prop_oneof![
        4 => (key(), 0..3i64, expiry()).prop_map(|(key, value, expiry)| Step::Put(key, value, expiry)),
        2 => (key(), expiry()).prop_map(|(key, expiry)| Step::SetExpiry(key, expiry)),
        1 => key().prop_map(Step::Increment),
        1 => key().prop_map(Step::Delete),
        1 => (key(), 0..3i64).prop_map(|(key, value)| Step::Foreign(key, value)),
        5 => (0..40i64).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

fn name(number: u8) -> Key {
    key(&format!("k{number}"))
}

/// A moment, all entries of it, and each one by its key.
type At = (When, Moment, Vec<Entry>, Vec<Option<Entry>>);

/// All that can be asked about moments up to now, with the answers.
#[derive(Debug, PartialEq)]
struct Answers {
    now: Vec<Entry>,
    at: Vec<At>,
    between: Vec<(When, When, Vec<EntryDiff>)>,
}

fn all_at(store: &dyn Store, moment: Moment) -> Vec<Entry> {
    let mut scan = Scan::new(KeyRange::all(), 2);
    let mut all = Vec::new();
    loop {
        let page = store.scan_at(&scan, moment).unwrap();
        let Some(last) = page.last() else { return all };
        scan.after = Some(last.key.clone());
        all.extend(page);
    }
}

fn all_differences(store: &dyn Store, from: Moment, to: Moment) -> Vec<EntryDiff> {
    let mut scan = Scan::new(KeyRange::all(), 2);
    let mut all = Vec::new();
    loop {
        let page = store.differences(from, to, &scan).unwrap();
        let Some(last) = page.last() else { return all };
        scan.after = Some(last.key.clone());
        all.extend(page);
    }
}

/// Every revision that a change made, and the ones beside it, and every time at which anything happened, and
/// just before and after.
fn moments(store: &dyn Store, newest: Revision, now: Millis) -> Vec<When> {
    let mut times: Vec<i64> = vec![now.0];
    let mut revisions = vec![Revision(0), newest];
    for change in store.history(&HistoryScan::newest(usize::MAX)).unwrap() {
        times.push(change.recorded_at.0);
        revisions.extend([change.revision.before(), change.revision]);
        times.extend(
            [&change.old, &change.new]
                .into_iter()
                .flatten()
                .filter_map(|image: &Image| image.expires_at.map(|at| at.0)),
        );
    }
    let mut near: Vec<i64> = times.iter().flat_map(|time| [time - 1, *time, time + 1]).collect();
    near.sort_unstable();
    near.dedup();
    let start = store.history_span().unwrap().unwrap().oldest.1;
    let times = near.into_iter().filter(|time| *time >= start.0 && *time <= now.0);
    revisions.sort_unstable();
    revisions.dedup();
    revisions.into_iter().map(When::Revision).chain(times.map(|time| When::Time(Millis(time)))).collect()
}

fn answers(store: &dyn Store, asked: &[When]) -> Answers {
    let mut answers = Answers { now: Vec::new(), at: Vec::new(), between: Vec::new() };
    answers.now = store.scan(&Scan::new(KeyRange::all(), usize::MAX)).unwrap();
    for when in asked {
        let moment = store.moment(*when).unwrap();
        let single = (0..6).map(|number| store.get_at(&name(number), moment).unwrap()).collect();
        answers.at.push((*when, moment, all_at(store, moment), single));
    }
    for (place, from) in asked.iter().enumerate().step_by(3) {
        for to in asked.iter().skip(place % 7).step_by(7) {
            let mut pair = [store.moment(*from).unwrap(), store.moment(*to).unwrap()];
            pair.sort_by_key(|moment| (moment.revision, moment.at));
            answers.between.push((*from, *to, all_differences(store, pair[0], pair[1])));
        }
    }
    answers
}

/// The answer to each moment is what the times say, whoever removed what.
fn check_against_each_other(answers: &Answers) {
    for (when, moment, all, single) in &answers.at {
        let found: Vec<Entry> = single.iter().flatten().cloned().collect();
        assert_eq!(&found, all, "{when:?}");
        assert!(
            all.iter().all(|entry| entry.expires_at.is_none_or(|at| at > moment.at)),
            "{when:?}: {all:?}"
        );
    }
}

fn trial(world: &dyn World, steps: &[Step]) {
    let store = &*world.store();
    put(store, "k5", Value::integer(0), Expiry::Clear);
    for step in steps {
        let expiry = |time: &Option<u64>| {
            time.map_or(Expiry::Clear, |time| Expiry::After(Duration::from_millis(time)))
        };
        match step {
            Step::Put(number, value, time) => {
                let put = Transaction::put(name(*number), Value::integer(*value), expiry(time));
                store.commit(&put).unwrap();
            }
            Step::SetExpiry(number, time) => {
                let set = Operation::SetExpiry { key: name(*number), expiry: expiry(time) };
                store.commit(&Transaction::of(set)).unwrap();
            }
            Step::Increment(number) => {
                store.edit(&name(*number), &Edit::Increment(Number::Integer(1))).unwrap();
            }
            Step::Delete(number) => {
                store.commit(&Transaction::delete(name(*number))).unwrap();
            }
            Step::Foreign(..) if !world.can(Ability::RecordsForeignWrites) => {}
            Step::Foreign(number, value) => {
                world.foreign(&ForeignWrite::Put(name(*number), value.to_string()));
            }
            Step::Pass(time) => world.clock().set(Millis(world.now().0 + time)),
            Step::Sweep => world.remove_expired(),
        }
    }
    // Other programs go by the machine's clock: nothing that they wrote lies ahead.
    world.clock().set(Millis(world.now().0.max(SystemClock.now().0) + 1));
    let (newest, now) = (store.revision().unwrap(), world.now());
    let asked = moments(store, newest, now);
    // A store that has never looked back, and one that has.
    let before = answers(&*world.store(), &asked);
    assert_eq!(before, answers(store, &asked));
    check_against_each_other(&before);
    world.remove_expired();
    let after = answers(&*world.store(), &asked);
    compare(&before, &after);
    compare(&before, &answers(store, &asked));
    // Neither does it matter that time goes on and somebody writes.
    world.pass(Duration::from_secs(5));
    put(store, "k5", Value::integer(1), Expiry::Clear);
    let later = answers(store, &asked);
    assert_eq!(before.between, later.between);
    for (before, later) in before.at.iter().zip(&later.at) {
        assert_eq!((before.0, &before.2, &before.3), (later.0, &later.2, &later.3));
    }
    // Each removal carries the time of the expiry.
    for change in store.history(&HistoryScan::newest(usize::MAX)).unwrap() {
        if change.operation == "expire" {
            assert_eq!(Some(change.at), change.old.as_ref().and_then(|old| old.expires_at));
            assert!(change.at <= change.recorded_at);
        } else {
            assert_eq!(change.at, change.recorded_at);
        }
    }
}

fn compare(before: &Answers, after: &Answers) {
    assert_eq!(before.now, after.now);
    for (before, after) in before.at.iter().zip(&after.at) {
        // A time just now leads to the revision of the removal, with the same state.
        assert_eq!((before.0, &before.2, &before.3), (after.0, &after.2, &after.3));
    }
    assert_eq!(before.between, after.between);
}

fn answers_about_the_past_do_not_depend_on_who_removed_what(world: &dyn World) {
    for_all(world.rounds(10, 300), &prop::collection::vec(any_step(), 1..25), |steps| {
        trial(&*world.another(), &steps)
    });
}

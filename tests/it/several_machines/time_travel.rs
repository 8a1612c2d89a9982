//! The state at every revision against a model, with writes of another program between, before and after etcd has
//! forgotten its own past.
//!
//! The past is what history says: what another program wrote is dated by the write of slothstate that recorded it.
//! What no record mentions was there from the time on at which etcd says it was written.

use std::collections::BTreeMap;

use slothstate::store::{
    Change, Changes, EntryDiff, Expiry, Image, Key, KeyRange, Location, Moment, Operation, Options, Order,
    Revision, Scan, Store, Transaction, Value, When, open_or_create,
};

use super::compaction::compact;
use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::thorough;

const PREFIX: &str = "/past";
const KEYS: usize = 7;

type Images = BTreeMap<Key, Image>;

fn key(number: usize) -> Key {
    Key::new(format!("k{number}")).unwrap()
}

/// What history should know, and what it does not.
#[derive(Default)]
struct Model {
    recorded: Images,
    /// What another program made of entries since they were recorded, and after how many commits.
    unrecorded: BTreeMap<Key, (Option<Image>, usize)>,
    /// The revision and the recorded state after each commit.
    commits: Vec<(Revision, Images)>,
}

struct Trial {
    cluster: Cluster,
    store: Box<dyn Store>,
    model: Model,
}

impl Trial {
    fn new() -> Option<Trial> {
        let cluster = Cluster::start("time travel", 1, Network::Loopback, &[])?;
        let store = open(&cluster);
        Some(Trial { cluster, store, model: Model::default() })
    }

    fn commit(&mut self, operations: Vec<Operation>) {
        let before = self.store.revision().unwrap();
        let keys: Vec<Key> = operations.iter().filter_map(|operation| operation.key().cloned()).collect();
        assert!(self.store.commit(&Transaction::all(operations.clone())).unwrap().is_committed());
        let revision = self.store.revision().unwrap();
        if revision == before {
            // There was nothing to delete, and nothing was recorded.
            return;
        }
        let model = &mut self.model;
        for (key, operation) in keys.into_iter().zip(operations) {
            let foreign = model.unrecorded.get(&key).map(|(image, _)| image.is_some());
            let is_there = foreign.unwrap_or(model.recorded.contains_key(&key));
            match operation {
                Operation::Put { value, .. } => {
                    let stored_type = Some(value.value_type());
                    let image = Image { stored: value.to_stored(), stored_type, expires_at: None };
                    model.recorded.insert(key.clone(), image);
                }
                // What is not there is not written, nor recorded.
                Operation::Delete(_) if !is_there => continue,
                Operation::Delete(_) => drop(model.recorded.remove(&key)),
                other => panic!("{other:?}"),
            }
            model.unrecorded.remove(&key);
        }
        model.commits.push((revision, model.recorded.clone()));
    }

    fn foreign(&mut self, number: usize, text: Option<&str>) {
        let name = format!("{PREFIX}/k{number}");
        let arguments = text.map_or(vec!["del", &name], |text| vec!["put", &name, text]);
        assert!(self.cluster.etcdctl(0, &arguments).status.success());
        let (key, after) = (key(number), self.model.commits.len());
        let image = text.map(|text| Image { stored: text.into(), stored_type: None, expires_at: None });
        let is_known = self.model.recorded.contains_key(&key);
        match image {
            // It was never there as far as history knows.
            None if !is_known => drop(self.model.unrecorded.remove(&key)),
            image => drop(self.model.unrecorded.insert(key, (image, after))),
        }
    }

    /// The state after that many commits, `recorded` as far as history knows it.
    fn expected(&self, recorded: &Images, commits: usize) -> Images {
        let mut images = recorded.clone();
        for (key, (image, after)) in &self.model.unrecorded {
            if let Some(image) = image
                && !self.model.recorded.contains_key(key)
                && *after < commits
            {
                images.insert(key.clone(), image.clone());
            }
        }
        images
    }

    fn check(&self, store: &dyn Store) {
        let Changes::Since(changes) = store.changes(Revision(0), usize::MAX, u64::MAX).unwrap() else {
            panic!("all of history is there")
        };
        // Each revision, also those in the middle of a commit.
        let mut recorded = Images::new();
        let mut commits = 0;
        for change in &changes {
            apply(&mut recorded, change);
            let is_end = self.model.commits.get(commits).is_some_and(|(end, _)| *end == change.revision);
            let at = commits + 1;
            let expected = self.expected(&recorded, at);
            let moment = store.moment(When::Revision(change.revision)).unwrap();
            check_state(store, moment, &expected);
            if is_end {
                assert_eq!(recorded, self.model.commits[commits].1, "history at {}", change.revision);
                commits += 1;
            }
        }
        assert_eq!(commits, self.model.commits.len());
        for pair in self.model.commits.windows(3) {
            let ((from, old), (to, new)) = (&pair[0], &pair[2]);
            let moment = |revision: &Revision| store.moment(When::Revision(*revision)).unwrap();
            let found = store.differences(moment(from), moment(to), &Scan::new(KeyRange::all(), 99)).unwrap();
            let keys = (0..KEYS).map(key);
            let expected: Vec<EntryDiff> = keys
                .map(|key| EntryDiff { old: old.get(&key).cloned(), new: new.get(&key).cloned(), key })
                .filter(|difference| difference.old != difference.new)
                .collect();
            assert_eq!(found, expected, "from {from} to {to}");
        }
        // Now is what everybody sees now.
        let mut present = self.model.recorded.clone();
        for (key, (image, _)) in self.model.unrecorded.clone() {
            match image {
                Some(image) => drop(present.insert(key, image)),
                None => drop(present.remove(&key)),
            }
        }
        check_state(store, store.moment(When::Now).unwrap(), &present);
    }
}

fn open(cluster: &Cluster) -> Box<dyn Store> {
    let address = cluster.address(0, PREFIX);
    open_or_create(&Location::parse(address.as_ref()).unwrap(), &Options::default()).unwrap()
}

fn apply(images: &mut Images, change: &Change) {
    let before = match &change.new {
        Some(image) => images.insert(change.key.clone(), image.clone()),
        None => images.remove(&change.key),
    };
    assert_eq!(before, change.old, "{change:?}");
}

fn check_state(store: &dyn Store, moment: Moment, expected: &Images) {
    let mut entries = BTreeMap::new();
    for (order, limit) in [(Order::Ascending, 2), (Order::Descending, 5)] {
        let mut scan = Scan { order, ..Scan::new(KeyRange::all(), limit) };
        let mut found = Vec::new();
        loop {
            let page = store.scan_at(&scan, moment).unwrap();
            let Some(last) = page.last() else { break };
            scan.after = Some(last.key.clone());
            found.extend(page.iter().map(|entry| (entry.key.clone(), entry.image())));
            entries.extend(page.into_iter().map(|entry| (entry.key.clone(), entry)));
        }
        if order == Order::Descending {
            found.reverse();
        }
        assert_eq!(found, Vec::from_iter(expected.clone()), "{moment:?}, {order:?} by {limit}");
    }
    for number in 0..KEYS {
        let found = store.get_at(&key(number), moment).unwrap();
        assert_eq!(found.as_ref(), entries.get(&key(number)), "k{number} at {moment:?}");
    }
}

#[test]
fn the_past_is_what_a_model_says_whatever_others_write_and_etcd_forgets() {
    let (trials, steps) = if thorough() { (3, 50) } else { (1, 30) };
    for seed in 0..trials {
        let Some(mut trial) = Trial::new() else { return };
        let mut random = fastrand::Rng::with_seed(seed);
        for step in 0..steps {
            let number = random.usize(..KEYS);
            let put = |number: usize| Operation::Put {
                key: key(number),
                value: Value::integer(step),
                expiry: Expiry::Clear,
            };
            match random.u8(..10) {
                0..=2 => trial.commit(vec![put(number)]),
                3 => trial.commit(vec![put(number), put((number + 1) % KEYS)]),
                4 => trial.commit(vec![Operation::Delete(key(number)), put((number + 3) % KEYS)]),
                5 => trial.commit(vec![Operation::Delete(key(number))]),
                6..=8 => trial.foreign(number, Some(&format!("text {step}"))),
                _ => trial.foreign(number, None),
            }
            if random.u8(..15) == 0 {
                compact(&trial.cluster);
            }
        }
        trial.check(&*trial.store);
        compact(&trial.cluster);
        trial.check(&*open(&trial.cluster));
        // What was not recorded is recorded now.
        for number in 0..KEYS {
            trial.commit(vec![Operation::Delete(key(number))]);
        }
        compact(&trial.cluster);
        trial.check(&*trial.store);
    }
}

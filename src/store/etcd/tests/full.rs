//! A node beyond its quota, which refuses every transaction.

use std::sync::atomic::Ordering;

use super::world::Place;
use crate::store::testing::conformance::World;
use crate::store::{
    AcquireOutcome, Edit, ErrorKind, Expiry, History, HistoryScan, Key, KeyRange, LockRequest, Locks, Moment,
    NewRun, Number, Revision, Runs, Scan, State, Store, Transaction, Value, When,
};

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Everything that can be read.
fn all_that_is_read(store: &dyn Store, then: Moment) -> Vec<String> {
    let scan = Scan::new(KeyRange::all(), 100);
    vec![
        format!("{:?}", store.get(&key("k"))),
        format!("{:?}", store.get(&key("none"))),
        format!("{:?}", store.scan(&scan)),
        format!("{:?}", store.scan_keys(&scan)),
        format!("{:?}", store.scan_expiring(None, 10, 10)),
        format!("{:?}", store.count(&KeyRange::all())),
        format!("{:?}", store.revision()),
        format!("{:?}", store.changes(Revision(0), 100, u64::MAX)),
        format!("{:?}", store.history(&HistoryScan::newest(100))),
        format!("{:?}", store.history(&HistoryScan { key: Some(key("k")), ..HistoryScan::newest(100) })),
        format!("{:?}", store.get_at(&key("k"), then)),
        format!("{:?}", store.scan_at(&scan, then)),
        format!("{:?}", store.locks(None, 10)),
        format!("{:?}", store.lock("job")),
        format!("{:?}", store.runs(None, 10)),
        format!("{:?}", store.retention()),
    ]
}

#[test]
fn a_node_beyond_its_quota_answers_reads_and_refuses_writes() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let put = |name: &str| Transaction::put(key(name), Value::integer(1), Expiry::Clear);
    store.commit(&put("k")).unwrap();
    let then = store.moment(When::Now).unwrap();
    store.edit(&key("k"), &Edit::Increment(Number::Integer(1))).unwrap();
    let day = Expiry::After(std::time::Duration::from_secs(86_400));
    store.commit(&Transaction::put(key("expires"), Value::text("x".repeat(1000)), day)).unwrap();
    let lease = std::time::Duration::from_secs(3600);
    let request = LockRequest { name: "job".into(), holder: "a".into(), lease };
    assert!(matches!(store.acquire(&request, None), Ok(AcquireOutcome::Acquired(_))));
    let run = NewRun { workflow: "w".into(), file: "w.lua".into(), params: Default::default(), header: None };
    store.begin_run(&run).unwrap();

    let expected = all_that_is_read(&place.open(place.settings()), then);
    assert!(expected.iter().all(|read| read.starts_with("Ok(")), "{expected:#?}");
    place.is_full.store(true, Ordering::SeqCst);
    let store = place.open(place.settings());
    assert_eq!(all_that_is_read(&store, then), expected);
    let refused = store.commit(&put("k")).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::DiskFull), "{refused}");
    assert!(refused.to_string().contains("defragment"), "{refused}");
    place.is_full.store(false, Ordering::SeqCst);
    store.commit(&put("k")).unwrap();
}

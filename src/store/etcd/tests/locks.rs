//! Locks on etcd: what is written for them, who is alive, and what others may do to their keys.

use std::time::{Duration, Instant};

use super::super::presence::name_of;
use super::super::wire::{KeySpan, Op, RangeRequest, Txn, Wire};
use super::world::Place;
use crate::store::testing::conformance::World;
use crate::store::{
    AcquireOutcome, ClearOutcome, ErrorKind, Expiry, History, HistoryScan, Key, KeyRange, Liveness, Lock,
    LockReading, LockRequest, Locks, NewRun, Options, Process, Retention, Runs, Scan, State, Store,
    Transaction, Value, WaitOutcome, wait_for_lock,
};

const LEASE: Duration = Duration::from_secs(30);

fn request(name: &str, holder: &str) -> LockRequest {
    LockRequest { name: name.into(), holder: holder.into(), lease: LEASE }
}

fn acquired(outcome: AcquireOutcome) -> Lock {
    match outcome {
        AcquireOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

fn new_run() -> NewRun {
    NewRun { workflow: "w".into(), file: "w.sloth".into(), params: Default::default(), header: None }
}

/// A process of another machine.
fn elsewhere(place: &Place, pid: u32) -> Options {
    let here = place.settings().process;
    let process = Process { host: "web2".into(), boot_id: "b".into(), pid, machine: None, ..here };
    Options { process, ..place.settings() }
}

/// Waits until something is so.
fn comes_true(what: &str, check: &dyn Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// etcd's revision, and how many keys the database has.
fn keys(place: &Place) -> (i64, usize) {
    let wire = place.wire();
    let [entries, own] = place.keys().all();
    let read = |span: KeySpan| wire.range(&RangeRequest::of(span)).unwrap();
    let (entries, own) = (read(entries), read(own));
    let newest = own.kvs.iter().map(|kv| kv.mod_revision).max();
    (newest.unwrap_or(0), entries.kvs.len() + own.kvs.len())
}

#[test]
fn looking_writes_nothing() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    assert_eq!((store.locks(None, 10).unwrap(), store.waiters().unwrap()), (Vec::new(), Vec::new()));
    assert_eq!((store.lock("l").unwrap(), store.runs(None, 10).unwrap()), (None, Vec::new()));
    assert!(store.scan(&Scan::new(KeyRange::all(), 10)).unwrap().is_empty());
    store.poll_changes().unwrap();
    store.maintain().unwrap();
    assert_eq!(keys(&place), (0, 0));
}

#[test]
fn a_process_elsewhere_is_alive_as_long_as_it_is_present() {
    let Some(place) = Place::new() else { return };
    let (here, there) = (place.settings().process, elsewhere(&place, 7));
    let store = place.open(place.settings());
    let other = place.open(there.clone());
    let lock = acquired(other.acquire(&request("l", "ann"), None).unwrap());
    let run = other.begin_run(&new_run()).unwrap();
    place.pass(Duration::from_secs(20));
    let (lock_seen, run_seen) = (store.lock("l").unwrap().unwrap(), store.run(run).unwrap().unwrap());
    assert_eq!(lock_seen.token, lock.token);
    // Its renewal is long ago, and it is present: it renews that by itself.
    comes_true("alive", &|| store.holder_liveness(&lock_seen, &here) == Liveness::Alive);
    assert_eq!(store.run_liveness(&run_seen, &here), Liveness::Alive);
    drop(other);
    comes_true("gone", &|| store.run_liveness(&run_seen, &here) == Liveness::Unknown);
    // It may be cut off: its end is not proven, also when its lease is over.
    assert_eq!(store.holder_liveness(&lock_seen, &here), Liveness::Elsewhere);
    place.pass(LEASE);
    let lock_seen = store.lock("l").unwrap().unwrap();
    assert!(lock_seen.is_expired(place.now()));
    assert_eq!(store.holder_liveness(&lock_seen, &here), Liveness::Elsewhere);
    assert!(lock_seen.is_stale(Liveness::Elsewhere, place.now()), "it may be cleared");
    assert!(!store.request_stop(&there.process, &here).unwrap(), "nobody is there to be asked");
}

#[test]
fn an_imported_lock_says_nothing_of_its_process() {
    let Some(place) = Place::new() else { return };
    let here = place.settings().process;
    let store = place.open(place.settings());
    let other = place.open(elsewhere(&place, 8));
    let lock = acquired(other.acquire(&request("l", "ann"), None).unwrap());
    assert!(other.release("l", lock.token).unwrap());
    for expires_at in [lock.expires_at, None] {
        let imported = acquired(store.import_lock(&Lock { expires_at, ..lock.clone() }).unwrap());
        comes_true("unknown", &|| store.holder_liveness(&imported, &here) == Liveness::Elsewhere);
        place.pass(LEASE);
        let seen = store.lock("l").unwrap().unwrap();
        assert!(seen.is_expired(place.now()));
        assert_eq!(store.holder_liveness(&seen, &here), Liveness::Elsewhere, "it was not proven to be dead");
        assert!(!store.release("l", imported.token).unwrap());
    }
}

#[test]
fn a_request_to_stop_reaches_a_process_elsewhere() {
    let Some(place) = Place::new() else { return };
    let (here, there) = (place.settings().process, elsewhere(&place, 9));
    let store = place.open(place.settings());
    assert!(!store.request_stop(&there.process, &here).unwrap());
    let other = place.open(there.clone());
    let run = other.begin_run(&new_run()).unwrap();
    assert!(store.request_stop(&there.process, &here).unwrap());
    let stop = RangeRequest::key(place.keys().stop(&name_of(&there.process)));
    let found = place.wire().range(&stop).unwrap();
    let alive = RangeRequest::key(place.keys().presence(&name_of(&there.process)));
    let lease = place.wire().range(&alive).unwrap().kvs[0].lease;
    assert_eq!(
        found.kvs.iter().map(|kv| kv.lease).collect::<Vec<i64>>(),
        [lease],
        "it goes with the process"
    );
    let read_only = place.open(Options { read_only: true, ..place.settings() });
    assert!(read_only.request_stop(&there.process, &here).is_err());
    let end = crate::store::RunEnd { outcome: "stopped".into(), ok: 0, failed: 0, skipped: 0 };
    other.end_run(run, &end).unwrap();
    comes_true("gone", &|| place.wire().range(&alive).unwrap().kvs.is_empty());
    assert!(place.wire().range(&stop).unwrap().kvs.is_empty());
}

#[test]
fn a_renewal_writes_nothing_unless_its_length_differs() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    // Shorter than etcd grants.
    let short = LockRequest { lease: Duration::from_millis(100), ..request("l", "ann") };
    let lock = acquired(store.acquire(&short, None).unwrap());
    assert_eq!(lock.expires_at, Some(place.now().plus(Duration::from_secs(2))));
    let (before, _) = keys(&place);
    assert!(store.renew("l", lock.token, short.lease).unwrap());
    assert_eq!(keys(&place).0, before);
    assert!(store.renew("l", lock.token, LEASE).unwrap());
    let revision = store.revision().unwrap();
    place.pass(Duration::from_secs(29));
    store.set_fence(vec![("l".into(), lock.token)]);
    let put = Transaction::put(Key::new("k").unwrap(), Value::integer(1), Expiry::Clear);
    assert!(store.commit(&put).unwrap().is_committed(), "it is the same lock under another lease");
    assert!(store.revision().unwrap() > revision);
    assert!(store.renew("l", lock.token, LEASE).unwrap());
    place.pass(LEASE);
    assert!(store.commit(&put).is_err());
    assert!(!store.renew("l", lock.token, LEASE).unwrap());
}

#[test]
fn what_another_program_removes_of_a_lock_harms_nobody() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let keys = place.keys();
    let delete = |key: Vec<u8>| {
        place.wire().txn(&Txn { success: vec![Op::delete(key)], ..Txn::default() }).unwrap();
    };
    let first = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    delete(keys.lock("l"));
    assert!(!store.renew("l", first.token, LEASE).unwrap());
    let second = acquired(store.acquire(&request("l", "bob"), None).unwrap());
    let write = |lock: &Lock| {
        store.set_fence(vec![("l".into(), lock.token)]);
        let put = Transaction::put(Key::new("k").unwrap(), Value::integer(1), Expiry::Clear);
        store.commit(&put).is_ok()
    };
    assert!(write(&second) && !write(&first));
    delete(keys.life("l"));
    assert!(!write(&second), "its lease is gone");
    assert!(store.lock("l").unwrap().unwrap().is_expired(place.now()));
    let third = acquired(store.acquire(&request("l", "cid"), None).unwrap());
    assert!(write(&third) && !write(&second));
    // What it leaves in a queue keeps nobody waiting, with a ticket or without one.
    let junk = |name: &str| {
        let key = [&keys.waiters(name).start[..], b"x"].concat();
        place.wire().txn(&Txn { success: vec![Op::put(key, b"junk".to_vec())], ..Txn::default() }).unwrap();
    };
    junk("m");
    acquired(store.acquire(&request("m", "dan"), None).unwrap());
    junk("n");
    let ticket = store.join_queue(&request("n", "eve")).unwrap();
    acquired(store.acquire(&request("n", "eve"), Some(ticket)).unwrap());
}

#[test]
fn what_cannot_be_read_is_named_and_hides_nothing_else() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let keys = place.keys();
    let put = |key: Vec<u8>, value: &[u8]| {
        let put = Op::put(key, value.to_vec());
        place.wire().txn(&Txn { success: vec![put], ..Txn::default() }).unwrap();
    };
    let good = acquired(store.acquire(&request("good", "ann"), None).unwrap());
    let ticket = store.join_queue(&request("good", "bob")).unwrap();
    let run = store.begin_run(&new_run()).unwrap();
    for (name, value, why) in [
        ("damaged", &b"true"[..], "damaged"),
        ("empty", b"", "damaged"),
        ("newer", b"\x09later", "later version of slothstate wrote it (format 9)"),
        ("z", b"\x01\xdd\xff\xff\xff\xff", "damaged"),
    ] {
        put(keys.lock(name), value);
        put(keys.waiter("good", 77), value);
        put(keys.run(run + 1), value);
        let locks = store.locks(None, 10).unwrap();
        let names: Vec<&str> = locks.iter().map(|lock| &lock.name[..]).collect();
        assert!(names.contains(&name) && names.contains(&"good"), "{names:?}");
        let found = store.lock(name).unwrap().unwrap();
        assert_eq!(locks.iter().find(|lock| lock.name == name), Some(&found));
        assert_eq!((found.reading, found.has_expired(place.now())), (LockReading::Unreadable, None));
        assert!(found.holder.contains(why), "{}", found.holder);
        let liveness = store.holder_liveness(&found, &place.settings().process);
        assert!(!found.is_stale(liveness, place.now()), "it may be held");
        // It is not a free lock.
        assert!(store.acquire(&request(name, "ann"), None).is_err());
        assert!(!store.renew(name, good.token, LEASE).unwrap_or(false));
        assert!(store.release(name, found.token).is_err());
        assert_eq!(store.lock(name).unwrap(), Some(found.clone()));
        // Only a later version knows what to do with what is its.
        let is_newer = value.first() == Some(&9);
        match store.clear_lock(&found) {
            Ok(cleared) => assert!(cleared == ClearOutcome::Cleared && !is_newer),
            Err(error) => assert!(is_newer && matches!(error.kind, ErrorKind::NewerSchema { .. }), "{error}"),
        }
        assert_eq!(store.lock(name).unwrap().is_some(), is_newer);
        let waiters = store.waiters().unwrap();
        assert_eq!(waiters.len(), 2);
        assert!(waiters.iter().any(|waiter| waiter.holder.contains(why) && waiter.since.is_none()));
        let runs = store.runs(None, 10).unwrap();
        assert_eq!(runs.iter().map(|run| run.number).collect::<Vec<_>>(), [run + 1, run]);
        assert!(runs[0].new.workflow.contains(why) && runs[1].new.workflow == new_run().workflow);
    }
    // What another program put into the queue keeps nobody waiting for ever.
    assert!(store.release("good", good.token).unwrap());
    acquired(store.acquire(&request("good", "bob"), Some(ticket)).unwrap());
}

#[test]
fn a_lease_that_etcd_forgets_is_granted_again() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let forgets = |leases: u64| place.forgets.store(leases, std::sync::atomic::Ordering::SeqCst);
    forgets(1);
    let lock = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    assert!(store.release("l", lock.token).unwrap());
    forgets(2);
    let lock = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    forgets(2);
    assert!(store.renew("l", lock.token, LEASE * 2).unwrap());
    forgets(2);
    let ticket = store.join_queue(&request("l", "bob")).unwrap();
    store.keep_waiting(&request("l", "bob"), ticket).unwrap();
    assert_eq!(store.waiters().unwrap().len(), 1);
    // It is not tried for ever.
    forgets(1000);
    let refused = store.acquire(&request("m", "ann"), None).unwrap_err();
    assert!(refused.to_string().contains("requested lease not found"), "{refused}");
    assert!(store.renew("l", lock.token, LEASE * 3).is_err());
    assert!(store.join_queue(&request("l", "bob")).is_err());
    forgets(0);
    assert_eq!(store.lock("m").unwrap(), None);
    assert!(store.renew("l", lock.token, LEASE * 2).unwrap(), "it is held as before");
}

#[test]
fn when_a_lease_ended_is_not_known() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    acquired(store.acquire(&request("l", "ann"), None).unwrap());
    place.pass(LEASE * 10);
    let found = store.lock("l").unwrap().unwrap();
    assert_eq!((found.expires_at, found.has_expired(place.now())), (None, Some(true)));
}

#[test]
fn history_is_bounded_where_only_locks_change() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    store.set_retention(&Retention { rows: 10, ..Retention::default() }).unwrap();
    for _ in 0..60 {
        let lock = acquired(store.acquire(&request("l", "ann"), None).unwrap());
        assert!(store.release("l", lock.token).unwrap());
    }
    let kept = store.history(&HistoryScan::newest(usize::MAX)).unwrap().len();
    assert!((10..60).contains(&kept), "{kept}");
}

/// Processes that read, wait and write under one lock, without any other protection.
#[test]
fn a_lock_that_goes_from_hand_to_hand_guards_what_is_under_it() {
    let Some(place) = Place::new() else { return };
    let key = Key::new("counter").unwrap();
    let (hands, turns) = (4, 8);
    std::thread::scope(|scope| {
        for hand in 0..hands {
            let (place, key) = (&place, &key);
            scope.spawn(move || {
                let store = place.open(elsewhere(place, 100 + hand));
                for _ in 0..turns {
                    let wish = request("l", &format!("hand {hand}"));
                    let waited = wait_for_lock(&store, &wish, Duration::from_secs(100_000), &mut |time| {
                        std::thread::sleep(time);
                        true
                    });
                    let Ok(WaitOutcome::Acquired(lock)) = waited else { panic!("{waited:?}") };
                    let seen = store.get(key).unwrap().map_or(0, |entry| entry.stored_number());
                    let put = Transaction::put(key.clone(), Value::integer(seen + 1), Expiry::Clear);
                    store.set_fence(vec![("l".into(), lock.token)]);
                    assert!(store.commit(&put).unwrap().is_committed());
                    store.set_fence(Vec::new());
                    assert!(store.release("l", lock.token).unwrap());
                }
            });
        }
    });
    let store = place.open(place.settings());
    let found = store.get(&key).unwrap().unwrap();
    assert_eq!(found.stored_number(), i64::from(hands * turns));
    assert_eq!((store.locks(None, 1).unwrap(), store.waiters().unwrap()), (Vec::new(), Vec::new()));
}

trait StoredNumber {
    fn stored_number(&self) -> i64;
}

impl StoredNumber for crate::store::Entry {
    fn stored_number(&self) -> i64 {
        String::from_utf8_lossy(&self.stored).parse().unwrap()
    }
}

//! The clock is set forward and back while things are under way.

use super::*;
use crate::store::{AcquireOutcome, LockRequest};

const HOUR: Duration = Duration::from_secs(3600);

fn request(holder: &str, lease: Duration) -> LockRequest {
    LockRequest { name: "deploy".into(), holder: holder.into(), lease }
}

fn acquired(acquisition: AcquireOutcome) -> crate::store::Lock {
    match acquisition {
        AcquireOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

/// A process of its own for each name: the same process under one name would be refused as re-entrant.
fn store_of(place: &Place, pid: u32) -> SqliteStore {
    let mut settings = place.settings();
    settings.process.pid = pid;
    SqliteStore::open_or_create(&place.path, settings).unwrap()
}

fn set_back(place: &Place, by: Duration) {
    place.clock.set(Millis(place.clock.now().0 - by.as_millis() as i64));
}

#[test]
fn a_waiter_that_died_before_the_clock_went_back_is_passed_over() {
    let place = Place::new();
    let (ann, bob, cid) = (store_of(&place, 1), store_of(&place, 2), store_of(&place, 3));
    let held = acquired(ann.acquire(&request("ann", HOUR), None).unwrap());
    bob.join_queue(&request("bob", HOUR)).unwrap();
    // Bob is killed here: he is not heard of again.
    set_back(&place, HOUR);
    let waits = request("cid", HOUR);
    let ticket = cid.join_queue(&waits).unwrap();
    assert!(ann.release("deploy", held.token).unwrap());
    place.clock.advance(Duration::from_secs(3));
    cid.keep_waiting(&waits, ticket).unwrap();
    acquired(cid.acquire(&waits, Some(ticket)).unwrap());
    place.clock.advance(Duration::from_secs(90));
    cid.keep_waiting(&waits, ticket).unwrap();
    put(&ann, "k", Value::integer(1), Expiry::Clear);
    let left: i64 =
        place.shell().query_row("SELECT count(*) FROM slothstate_waiters", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the dead one is forgotten");
}

#[test]
fn a_waiter_keeps_its_place_over_a_jump_of_the_clock() {
    let place = Place::new();
    let (ann, bob, cid) = (store_of(&place, 1), store_of(&place, 2), store_of(&place, 3));
    let held = acquired(ann.acquire(&request("ann", HOUR * 3), None).unwrap());
    let waits = request("bob", HOUR);
    let ticket = bob.join_queue(&waits).unwrap();
    for jump in [1, -1] {
        place.clock.set(Millis(place.clock.now().0 + jump * HOUR.as_millis() as i64));
        // Somebody else's upkeep takes bob for silent.
        put(&ann, "k", Value::integer(1), Expiry::Clear);
        bob.keep_waiting(&waits, ticket).unwrap();
        let later = cid.join_queue(&request("cid", HOUR)).unwrap();
        assert_eq!(ann.waiters().unwrap()[0].holder, "bob", "jump {jump}");
        assert!(later > ticket);
        cid.leave_queue(later).unwrap();
    }
    let later = cid.join_queue(&request("cid", HOUR)).unwrap();
    assert!(ann.release("deploy", held.token).unwrap());
    assert_eq!(cid.acquire(&request("cid", HOUR), Some(later)).unwrap(), AcquireOutcome::Queued);
    acquired(bob.acquire(&waits, Some(ticket)).unwrap());
}

#[test]
fn a_wait_lasts_as_long_as_it_should_whatever_the_clock_says() {
    for jump in [-1, 1] {
        let place = Place::new();
        let (ann, bob) = (store_of(&place, 1), store_of(&place, 2));
        acquired(ann.acquire(&request("ann", HOUR * 3), None).unwrap());
        let mut waited = Duration::ZERO;
        let limit = Duration::from_secs(5);
        let done = wait_for_lock(&bob, &request("bob", HOUR), limit, &mut |time| {
            if waited.is_zero() {
                place.clock.set(Millis(place.clock.now().0 + jump * HOUR.as_millis() as i64));
            }
            place.clock.advance(time);
            waited += time;
            true
        });
        assert!(matches!(done.unwrap(), WaitOutcome::TimedOut(Some(_))), "jump {jump}");
        assert!(waited.abs_diff(limit) < Duration::from_millis(100), "jump {jump}: {waited:?}");
        assert_eq!(ann.waiters().unwrap(), []);
    }
}

#[test]
fn a_lease_that_ended_by_a_jump_stays_lost_after_the_clock_went_back() {
    let place = Place::new();
    let (ann, bob) = (store_of(&place, 1), store_of(&place, 2));
    let lost = acquired(ann.acquire(&request("ann", Duration::from_secs(30)), None).unwrap());
    place.clock.advance(HOUR);
    let taken = acquired(bob.acquire(&request("bob", Duration::from_secs(30)), None).unwrap());
    assert!(taken.token > lost.token);
    set_back(&place, HOUR);
    assert!(!ann.renew("deploy", lost.token, HOUR).unwrap());
    assert!(!ann.release("deploy", lost.token).unwrap());
    let write = |token| {
        let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
        put.when(Condition::HoldsLock("deploy".into(), token))
    };
    assert!(!ann.commit(&write(lost.token)).unwrap().is_committed());
    assert!(bob.commit(&write(taken.token)).unwrap().is_committed());
    // A renewal counts from the present moment, also when the lease was longer by the former clock.
    assert!(bob.renew("deploy", taken.token, Duration::from_secs(30)).unwrap());
    place.clock.advance(Duration::from_secs(31));
    acquired(ann.acquire(&request("ann", HOUR), None).unwrap());
}

#[test]
fn a_lease_does_not_run_by_the_wall_clock() {
    for jump in [HOUR.as_millis() as i64, -(HOUR.as_millis() as i64)] {
        let place = Place::new();
        let (ann, bob) = (store_of(&place, 1), store_of(&place, 2));
        let lease = Duration::from_secs(30);
        let held = acquired(ann.acquire(&request("ann", lease), None).unwrap());
        place.clock.set(Millis(place.clock.now().0 + jump));
        let seen = bob.locks(None, 1).unwrap().remove(0);
        assert_eq!(seen.expires_at, Some(place.clock.now().plus(lease)), "jump {jump}");
        assert!(matches!(bob.acquire(&request("bob", lease), None).unwrap(), AcquireOutcome::Held(_)));
        let write = || {
            let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
            put.when(Condition::HoldsLock("deploy".into(), held.token))
        };
        assert!(ann.commit(&write()).unwrap().is_committed(), "jump {jump}");
        assert!(ann.renew("deploy", held.token, lease).unwrap(), "jump {jump}");
        // By the boot clock it does run out, wherever the wall clock is.
        place.clock.advance(lease);
        place.clock.set(Millis(place.clock.now().0 - jump));
        assert!(!ann.renew("deploy", held.token, lease).unwrap(), "jump {jump}");
        assert!(!ann.commit(&write()).unwrap().is_committed(), "jump {jump}");
        acquired(bob.acquire(&request("bob", lease), None).unwrap());
    }
}

#[test]
fn the_wall_clock_counts_for_leases_of_other_boots_and_programs() {
    let place = Place::new();
    let store = store_of(&place, 1);
    let lease = Duration::from_secs(30);
    let until = |place: &Place, seconds: u64| {
        stored_time::format(place.clock.now().plus(Duration::from_secs(seconds)))
    };
    for sql in [
        "UPDATE locks SET boot_id = 'another'",
        "UPDATE locks SET boot_id = NULL",
        "UPDATE locks SET expires_boot_ms = NULL",
        // By another program: its text counts from then on.
        "UPDATE locks SET expires_at = :until",
    ] {
        let held = acquired(store.acquire(&request("ann", lease), None).unwrap());
        place.shell().execute(&sql.replace(":until", &format!("'{}'", until(&place, 20))), []).unwrap();
        assert!(!store.locks(None, 1).unwrap()[0].is_expired(place.clock.now()), "{sql}");
        place.clock.set(place.clock.now().plus(lease + Duration::from_secs(1)));
        assert!(store.locks(None, 1).unwrap()[0].is_expired(place.clock.now()), "{sql}");
        assert!(!store.renew("deploy", held.token, lease).unwrap(), "{sql}");
        acquired(store_of(&place, 2).acquire(&request("bob", lease), None).unwrap());
        place.shell().execute("DELETE FROM locks", []).unwrap();
    }
}

#[test]
fn a_renewal_is_as_old_as_the_boot_clock_says() {
    let place = Place::new();
    let store = store_of(&place, 1);
    let lease = Duration::from_secs(30);
    let held = acquired(store.acquire(&request("ann", lease), None).unwrap());
    let age = || store.locks(None, 1).unwrap()[0].renewal.map(|renewal| (renewal.age, renewal.lease));
    assert_eq!(age(), Some((Duration::ZERO, lease)));
    place.clock.advance(Duration::from_secs(7));
    place.clock.set(Millis(0));
    assert_eq!(age(), Some((Duration::from_secs(7), lease)));
    assert!(store.renew("deploy", held.token, lease * 2).unwrap());
    assert_eq!(age(), Some((Duration::ZERO, lease * 2)));
    place.shell().execute("UPDATE locks SET boot_id = 'another'", []).unwrap();
    assert_eq!(age(), None);
}

#[test]
fn waiters_of_an_earlier_version_and_of_another_boot() {
    let place = Place::new();
    let store = store_of(&place, 1);
    store.join_queue(&request("bob", HOUR)).unwrap();
    let waiting = || store.waiters().unwrap().len();
    assert_eq!(waiting(), 1);
    // An earlier version gives its signs by the wall clock alone.
    place.shell().execute("UPDATE slothstate_waiters SET boot_id = NULL, seen_boot_ms = NULL", []).unwrap();
    assert_eq!(waiting(), 1);
    place.clock.advance(Duration::from_secs(3));
    assert_eq!(waiting(), 0);
    place
        .shell()
        .execute(
            "UPDATE slothstate_waiters SET boot_id = 'another', seen_boot_ms = 99999999, seen_ms = 9e15",
            [],
        )
        .unwrap();
    assert_eq!(waiting(), 0);
}

#[test]
fn nothing_expires_but_by_the_clock_of_the_moment() {
    let place = Place::new();
    let store = place.store();
    put(&store, "short", Value::integer(1), Expiry::After(HOUR));
    put(&store, "long", Value::integer(1), Expiry::After(HOUR * 5));
    set_back(&place, HOUR * 2);
    put(&store, "other", Value::integer(1), Expiry::Clear);
    assert_eq!(store.count(&KeyRange::all()).unwrap(), 3);
    place.clock.advance(HOUR * 4);
    // Seen as gone, and not yet removed: set back in time, it is there again.
    assert_eq!(value(&store, "short"), None);
    set_back(&place, HOUR * 2);
    assert_eq!(value(&store, "short"), Some(Value::integer(1)));
    place.clock.advance(HOUR * 2);
    put(&store, "other", Value::integer(2), Expiry::Clear);
    set_back(&place, HOUR * 3);
    assert_eq!(value(&store, "short"), None, "removed is removed");
    assert_eq!(value(&store, "long"), Some(Value::integer(1)));
    let last = store.revision().unwrap();
    put(&store, "other", Value::integer(3), Expiry::Clear);
    assert!(store.revision().unwrap() > last, "a revision never goes back");
    let operations: Vec<String> = history(&store).into_iter().map(|row| row.1).collect();
    assert_eq!(operations.iter().filter(|operation| *operation == "expire").count(), 1);
}

#[test]
fn history_is_read_by_times_that_went_back() {
    let place = Place::new();
    let store = place.store();
    let start = place.clock.now();
    put(&store, "k", Value::integer(1), Expiry::Clear);
    place.clock.advance(HOUR);
    put(&store, "k", Value::integer(2), Expiry::Clear);
    set_back(&place, HOUR / 2);
    put(&store, "k", Value::integer(3), Expiry::Clear);
    place.clock.advance(HOUR * 2);
    let at = |time: Millis| {
        let moment = store.moment(When::Time(time)).unwrap();
        (moment.revision.0, store.get_at(&key("k"), moment).unwrap().unwrap().value())
    };
    assert_eq!(at(start.plus(HOUR / 4)), (1, Value::integer(1)));
    // The last change up to then, by its own time.
    assert_eq!(at(start.plus(HOUR)), (3, Value::integer(3)));
    assert_eq!(at(start.plus(HOUR / 2)), (3, Value::integer(3)));
}

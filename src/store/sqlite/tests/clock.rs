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
fn a_waiter_that_is_silent_for_long_is_removed_from_the_table() {
    let place = Place::new();
    let (bob, cid) = (store_of(&place, 2), store_of(&place, 3));
    bob.join_queue(&request("bob", HOUR)).unwrap();
    set_back(&place, HOUR);
    let waits = request("cid", HOUR);
    let ticket = cid.join_queue(&waits).unwrap();
    place.clock.advance(Duration::from_secs(93));
    cid.keep_waiting(&waits, ticket).unwrap();
    put(&cid, "k", Value::integer(1), Expiry::Clear);
    let left: i64 =
        place.shell().query_row("SELECT count(*) FROM slothstate_waiters", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the dead one is forgotten");
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

//! Requests that arrive after their answer was given up.

use super::super::wire::{Txn, Wire};
use super::world::Place;
use crate::store::testing::conformance::World;
use crate::store::{Condition, Expiry, Key, State, Transaction, Value};

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Whether what a write depended on holds once more, as etcd judges it; its own record is left out, since a
/// request that never arrived has none.
fn holds_again(place: &Place, sent: &Txn) -> bool {
    let history = place.keys().records(0).start;
    let history = history.strip_suffix(b"0000000000000000/").unwrap();
    let compares =
        sent.compares.iter().filter(|compare| !compare.span.start.starts_with(history)).cloned().collect();
    place.wire().txn(&Txn { compares, ..Txn::default() }).unwrap().succeeded
}

#[test]
fn a_late_request_does_not_take_effect_once_what_it_depended_on_was_different() {
    let Some(place) = Place::new() else { return };
    let store = place.open(place.settings());
    let put = |name: &str| Transaction::put(key(name), Value::integer(1), Expiry::Clear);
    let commit = |transaction: &Transaction| assert!(store.commit(transaction).unwrap().is_committed());
    commit(&put("deleted before"));
    commit(&Transaction::delete(key("deleted before")));
    commit(&put("first"));
    let writes = [
        put("never there"),
        put("deleted before"),
        Transaction { conditions: vec![Condition::Absent(key("never there"))], ..put("other") },
        Transaction { conditions: vec![Condition::Absent(key("deleted before"))], ..put("more") },
    ];
    for write in writes {
        commit(&write);
        let sent = place.sent.lock().unwrap().iter().rfind(|txn| !txn.success.is_empty()).unwrap().clone();
        // Back to where it was, as far as the entries show it.
        for name in ["never there", "deleted before", "other", "more"] {
            store.commit(&put(name)).unwrap();
            commit(&Transaction::delete(key(name)));
        }
        assert!(!holds_again(&place, &sent), "{write:?}");
    }
}

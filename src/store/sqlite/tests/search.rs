//! Looking through keys in a table of another program.

use super::*;
use crate::store::Order;
use crate::store::testing::conformance::find_all;

#[test]
fn keys_without_an_index_are_found_too() {
    let place = Place::new();
    let shell = Connection::open(&place.path).unwrap();
    shell
        .execute_batch("CREATE TABLE state (key TEXT, value TEXT, created_at DATETIME, updated_at DATETIME)")
        .unwrap();
    let mut keys: Vec<String> = (0..40).map(|number| format!("k{:02}", number * 7 % 40)).collect();
    for key in &keys {
        shell.execute("INSERT INTO state (key, value) VALUES (?1, 'v')", [key]).unwrap();
    }
    shell.execute("INSERT INTO state (key, value) VALUES (NULL, 'v'), (x'ff', 'v')", []).unwrap();
    keys.sort();
    let store = SqliteStore::open(&place.path, place.settings()).unwrap();
    let (all, looked_at) = find_all(&store, &["k"], 7, Order::Ascending);
    assert_eq!((all, looked_at), (keys, 41));
    assert_eq!(find_all(&store, &[], 7, Order::Descending).0.len(), 41);
}

#[test]
fn keys_that_are_numbers_do_not_end_a_list() {
    let place = Place::new();
    let shell = Connection::open(&place.path).unwrap();
    shell
        .execute_batch(
            "CREATE TABLE state (key PRIMARY KEY, value TEXT, created_at DATETIME, updated_at DATETIME)",
        )
        .unwrap();
    // Two of the texts come before the digits of a number, as text.
    let keys: Vec<String> =
        ["!".into(), "3".into()].into_iter().chain((0..10).map(|number| format!("k{number}"))).collect();
    for (number, key) in (0..12).zip(&keys) {
        shell.execute("INSERT INTO state (key, value) VALUES (?1, 'v'), (?2, 'v')", (number, key)).unwrap();
    }
    let store = SqliteStore::open(&place.path, place.settings()).unwrap();
    for (order, limit) in [(Order::Ascending, 3), (Order::Ascending, 15), (Order::Descending, 7)] {
        let scan = Scan { order, ..Scan::new(KeyRange::all(), limit) };
        let pages = crate::store::key_pages(&store, scan).map(Result::unwrap);
        let mut listed: Vec<String> = pages.flatten().map(|key| key.to_text()).collect();
        listed.sort();
        assert_eq!(listed, keys, "{order:?}, {limit}");
        let scan = Scan { order, ..Scan::new(KeyRange::all(), limit) };
        let pages = entry_pages(&store, scan).map(Result::unwrap);
        let mut listed: Vec<String> = pages.flatten().map(|entry| entry.key.to_text()).collect();
        listed.sort();
        assert_eq!(listed, keys, "{order:?}, {limit}");
        assert_eq!(find_all(&store, &["k"], limit, order).0.len(), 10, "{order:?}, {limit}");
    }
    let before_k5 = Scan::new(KeyRange { start: None, end: Some(key("k5")) }, 3);
    assert_eq!(crate::store::key_pages(&store, before_k5).map(|page| page.unwrap().len()).sum::<usize>(), 7);
    let first = store.measure(&Scan::new(KeyRange::all(), 5)).unwrap();
    assert_eq!((first.entries, first.last.as_ref()), (5, Some(&key("k2"))));
    let rest = store.measure(&Scan { after: first.last, ..Scan::new(KeyRange::all(), 50) }).unwrap();
    assert_eq!((rest.entries, rest.last, store.count(&KeyRange::all()).unwrap()), (7, None, 12));
}

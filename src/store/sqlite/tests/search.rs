//! Looking through keys: every page, in both orders, is what going through all keys gives.

use super::*;
use crate::store::{KeyPage, Needle, Order};

/// All that is found page by page, and how many keys were looked at.
fn found(store: &SqliteStore, needles: &[&str], limit: usize, order: Order) -> (Vec<String>, usize) {
    let needles: Vec<Needle> = needles.iter().map(|text| Needle::new(text)).collect();
    let mut scan = Scan { order, ..Scan::new(KeyRange::all(), limit) };
    let mut all = (Vec::new(), 0);
    loop {
        let KeyPage { found, last, looked_at } = store.search_keys(&scan, &needles).unwrap();
        all.0.extend(found.iter().map(Key::to_text));
        all.1 += looked_at;
        if looked_at < limit {
            return all;
        }
        assert!(last.is_some() && last != scan.after, "a page leads on");
        scan.after = last;
    }
}

fn check(store: &SqliteStore, keys: &[String], looked_at: usize) {
    for needles in [&[][..], &["1"], &["k1", "3"], &["K"], &["nowhere"]] {
        let mut expected: Vec<String> = keys
            .iter()
            .filter(|key| needles.iter().all(|needle| Needle::new(needle).is_in(key.as_bytes())))
            .cloned()
            .collect();
        for order in [Order::Ascending, Order::Descending] {
            for limit in [1, 2, 7, keys.len(), 1000] {
                let (keys, looked) = found(store, needles, limit, order);
                assert_eq!(keys, expected, "{needles:?} in pages of {limit}, {order:?}");
                assert!(looked >= keys.len() && looked <= looked_at, "{looked} of {looked_at}");
            }
            expected.reverse();
        }
    }
}

#[test]
fn every_page_is_found_in_both_orders() {
    let place = Place::new();
    let store = place.store();
    let keys: Vec<String> = (0..40).map(|number| format!("k{number:02}")).collect();
    for key in &keys {
        put(&store, key, Value::integer(1), Expiry::Clear);
    }
    check(&store, &keys, 40);
    // What has expired is not found, wherever in a page it lies; nobody has removed it yet.
    for number in (0..40).filter(|number| number % 3 == 0 || *number > 35) {
        let expiry = Expiry::After(Duration::from_millis(1));
        put(&store, &keys[number], Value::integer(1), expiry);
    }
    place.clock.advance(Duration::from_millis(1));
    let left: Vec<String> = keys
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 3 != 0 && *at <= 35)
        .map(|(_, key)| key.clone())
        .collect();
    check(&store, &left, 40);
    assert_eq!(place.shell().query_row("SELECT count(*) FROM state", [], |row| row.get(0)), Ok(40));
}

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
    let (all, looked_at) = found(&store, &["k"], 7, Order::Ascending);
    assert_eq!((all, looked_at), (keys, 41));
    assert_eq!(found(&store, &[], 7, Order::Descending).0.len(), 41);
}

//! Reading entries: their order, pages, parts of values, searches.

use std::time::Duration;

use super::{Contract, World, key, operations_after, put, value};
use crate::store::{
    Condition, Expiry, Key, KeyPage, KeyRange, Needle, Number, Order, Revision, Scan, Store, Transaction,
    Value,
};

pub(super) const CONTRACTS: &[Contract] = &[
    ("values_come_back_with_their_types", values_come_back_with_their_types),
    ("scans_page_through_a_range_both_ways", scans_page_through_a_range_both_ways),
    ("keys_are_in_the_order_of_their_bytes", keys_are_in_the_order_of_their_bytes),
    ("long_values_are_read_in_part", long_values_are_read_in_part),
    ("a_range_is_measured_without_its_values", a_range_is_measured_without_its_values),
    ("entries_that_expire_come_soonest_first", entries_that_expire_come_soonest_first),
    ("every_page_of_a_search_is_found_in_both_orders", every_page_of_a_search_is_found_in_both_orders),
];

fn values_come_back_with_their_types(world: &dyn World) {
    let store = world.store();
    let values = [
        ("text", Value::text("héllo\n\u{1b}[31m")),
        ("bytes", Value::String(vec![0, 255, 10, 0])),
        ("large", Value::integer(i64::MAX)),
        ("float", Value::number(Number::Float(0.1))),
        ("flag", Value::Boolean(true)),
        ("table", Value::table(serde_json::json!({"a": [1, {"b": null}]}))),
    ];
    for (name, value) in &values {
        put(&*store, name, value.clone(), Expiry::Clear);
    }
    for (name, expected) in &values {
        assert_eq!(value(&*store, name).as_ref(), Some(expected), "{name}");
    }
}

fn scans_page_through_a_range_both_ways(world: &dyn World) {
    let store = world.store();
    for number in 0..10 {
        put(&*store, &format!("k{number}"), Value::integer(number), Expiry::Clear);
    }
    put(&*store, "other", Value::integer(1), Expiry::Clear);
    for order in [Order::Ascending, Order::Descending] {
        let mut scan = Scan { order, ..Scan::new(KeyRange::prefix("k"), 3) };
        let mut seen = Vec::new();
        loop {
            let page = store.scan(&scan).unwrap();
            let keys = store.scan_keys(&scan).unwrap();
            assert_eq!(page.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>(), keys);
            let Some(last) = keys.last() else { break };
            scan.after = Some(last.clone());
            seen.extend(keys);
        }
        let mut expected: Vec<Key> = (0..10).map(|number| key(&format!("k{number}"))).collect();
        if order == Order::Descending {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
    assert_eq!(store.count(&KeyRange::prefix("k")).unwrap(), 10);
}

fn keys_are_in_the_order_of_their_bytes(world: &dyn World) {
    let store = world.store();
    let mut names = ["b", "a/2", "a", "a/10", "é", "A", "z", "a b", "~", "\u{1}"];
    for name in names {
        put(&*store, name, Value::integer(1), Expiry::Clear);
    }
    names.sort_unstable();
    let keys = |range: KeyRange| -> Vec<String> {
        store.scan_keys(&Scan::new(range, 100)).unwrap().iter().map(Key::to_text).collect()
    };
    let expected: Vec<String> = names.iter().map(|name| key(name).to_text()).collect();
    assert_eq!(keys(KeyRange::all()), expected);
    assert_eq!(keys(KeyRange::prefix("a/")), ["a/10", "a/2"]);
    let range = KeyRange { start: Some(key("a")), end: Some(key("b")) };
    assert_eq!(keys(range), ["a", "a b", "a/10", "a/2"], "the start belongs to a range, the end does not");
}

fn long_values_are_read_in_part(world: &dyn World) {
    let store = world.store();
    let long = "ä".repeat(100_000);
    put(&*store, "long", Value::text(long.clone()), Expiry::Clear);
    let scan = Scan { value_limit: 100, ..Scan::new(KeyRange::all(), 10) };
    let entry = store.scan(&scan).unwrap().remove(0);
    assert_eq!((entry.stored.len(), entry.size), (100, 200_000));
    assert!(!entry.is_whole());
    assert_eq!(store.get_prefix(&key("long"), 100).unwrap().as_ref(), Some(&entry));
    let slice = |offset, limit| store.get_slice(&key("long"), offset, limit).unwrap().unwrap().stored;
    assert_eq!(slice(10, 20), &long.as_bytes()[10..30]);
    assert_eq!(slice(199_990, 20), &long.as_bytes()[199_990..]);
    assert_eq!(slice(300_000, 20), b"");
    let put = Transaction::put(key("long"), Value::text("x"), Expiry::Keep)
        .when(Condition::Unchanged(Box::new(entry)));
    assert!(store.commit(&put).unwrap().is_committed(), "what was seen in part is compared in part");
}

fn a_range_is_measured_without_its_values(world: &dyn World) {
    let store = world.store();
    for number in 0..5usize {
        put(&*store, &format!("k{number}"), Value::text("x".repeat(number)), Expiry::Clear);
    }
    put(&*store, "gone", Value::text("x"), Expiry::After(Duration::from_secs(1)));
    world.pass(Duration::from_secs(1));
    let first = store.measure(&Scan::new(KeyRange::all(), 3)).unwrap();
    assert_eq!((first.entries, first.bytes, first.last.clone()), (3, 3, Some(key("k2"))));
    let rest = store.measure(&Scan { after: first.last, ..Scan::new(KeyRange::all(), 3) }).unwrap();
    assert_eq!((rest.entries, rest.bytes, rest.last), (2, 7, None));
}

fn entries_that_expire_come_soonest_first(world: &dyn World) {
    let store = world.store();
    for (name, seconds) in [("c", 5), ("a", 9), ("b", 5), ("gone", 1)] {
        put(&*store, name, Value::text(name), Expiry::After(Duration::from_secs(seconds)));
    }
    put(&*store, "stays", Value::integer(1), Expiry::Clear);
    world.pass(Duration::from_secs(1));
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let after_last = after.as_ref().map(|(at, key): &(_, Key)| (*at, key));
        let page = store.scan_expiring(after_last, 2, u64::MAX).unwrap();
        let Some(last) = page.last() else { break };
        after = last.expires_at.map(|at| (at, last.key.clone()));
        names.extend(page.iter().map(|entry| entry.key.to_text()));
    }
    assert_eq!(names, ["b", "c", "a"]);
}

/// All that is found page by page, and how many keys were looked at.
pub(in crate::store) fn find_all(
    store: &dyn Store,
    needles: &[&str],
    limit: usize,
    order: Order,
) -> (Vec<String>, usize) {
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

fn check_searches(store: &dyn Store, keys: &[String], looked_at: usize) {
    for needles in [&[][..], &["1"], &["k1", "3"], &["K"], &["nowhere"]] {
        let mut expected: Vec<String> = keys
            .iter()
            .filter(|key| needles.iter().all(|needle| Needle::new(needle).is_in(key.as_bytes())))
            .cloned()
            .collect();
        for order in [Order::Ascending, Order::Descending] {
            for limit in [1, 2, 7, keys.len(), 1000] {
                let (keys, looked) = find_all(store, needles, limit, order);
                assert_eq!(keys, expected, "{needles:?} in pages of {limit}, {order:?}");
                assert!(looked >= keys.len() && looked <= looked_at, "{looked} of {looked_at}");
            }
            expected.reverse();
        }
    }
}

fn every_page_of_a_search_is_found_in_both_orders(world: &dyn World) {
    let store = world.store();
    let keys: Vec<String> = (0..40).map(|number| format!("k{number:02}")).collect();
    for key in &keys {
        put(&*store, key, Value::integer(1), Expiry::Clear);
    }
    check_searches(&*store, &keys, 40);
    // Expired entries are not found, wherever in a page they lie, also before anybody removes them.
    for number in (0..40).filter(|number| number % 3 == 0 || *number > 35) {
        put(&*store, &keys[number], Value::integer(1), Expiry::After(Duration::from_millis(1)));
    }
    world.pass(Duration::from_millis(1));
    assert!(!operations_after(&*store, Revision(0)).contains(&"expire".to_string()), "they are still there");
    let left: Vec<String> = keys
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 3 != 0 && *at <= 35)
        .map(|(_, key)| key.clone())
        .collect();
    check_searches(&*store, &left, 40);
}

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

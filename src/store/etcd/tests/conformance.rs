//! etcd keeps the contract of a store.

use super::world::Place;
use crate::store::testing::conformance;

fn check(table: &str) {
    if let Some(place) = Place::new() {
        conformance::check(&place, table);
    }
}

#[test]
fn entries() {
    check("entries");
}

#[test]
fn writes() {
    check("writes");
}

#[test]
fn conditions() {
    check("conditions");
}

#[test]
fn expiry() {
    check("expiry");
}

#[test]
fn feed() {
    check("feed");
}

#[test]
fn undo() {
    check("undo");
}

#[test]
fn past() {
    check("past");
}

#[test]
fn past_and_expiry() {
    check("past and expiry");
}

#[test]
fn locks() {
    check("locks");
}

#[test]
fn runs() {
    check("runs");
}

#[test]
fn retention() {
    check("retention");
}

#[test]
fn errors() {
    check("errors");
}

#[test]
fn model() {
    check("model");
}

#[test]
fn model_and_undo() {
    check("model and undo");
}

/// A node may carry out a request whose answer is lost, and it is sent again: nothing is done twice.
#[test]
fn what_arrives_twice_is_done_once() {
    let Some(place) = Place::lossy() else { return };
    for table in ["entries", "writes", "conditions", "expiry", "undo", "locks", "runs"] {
        conformance::check(&place, table);
    }
}

#[test]
fn every_table_has_a_test() {
    let tables: Vec<&str> = conformance::TABLES.iter().map(|(table, _)| *table).collect();
    let source = include_str!("conformance.rs");
    for table in tables {
        assert!(source.contains(&format!("    check(\"{table}\");")), "{table}");
    }
}

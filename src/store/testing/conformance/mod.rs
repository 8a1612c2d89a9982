//! The contract of a store: what holds for every engine.
//!
//! A contract is a function of a [`World`], and each file has a table of them. An engine implements
//! [`World`] and runs every table of [`TABLES`] by [`check`]; what only that engine has is tested beside it.

mod conditions;
mod entries;
mod errors;
mod expiry;
mod feed;
mod locks;
mod model;
mod past;
mod past_and_expiry;
mod retention;
mod runs;
mod undo;
mod world;
mod writes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

pub(in crate::store) use self::entries::find_all;
pub(in crate::store) use self::world::{Ability, ForeignWrite, World};
use crate::store::{
    AcquireOutcome, Change, Changes, Expiry, Key, Lock, LockRequest, Revision, Store, Transaction, Value,
};

/// A contract with its name.
pub(in crate::store) type Contract = (&'static str, fn(&dyn World));

/// All contracts, by what they are about.
pub(in crate::store) const TABLES: &[(&str, &[Contract])] = &[
    ("entries", entries::CONTRACTS),
    ("writes", writes::CONTRACTS),
    ("conditions", conditions::CONTRACTS),
    ("expiry", expiry::CONTRACTS),
    ("feed", feed::CONTRACTS),
    ("undo", undo::CONTRACTS),
    ("past", past::CONTRACTS),
    ("past and expiry", past_and_expiry::CONTRACTS),
    ("locks", locks::CONTRACTS),
    ("runs", runs::CONTRACTS),
    ("retention", retention::CONTRACTS),
    ("errors", errors::CONTRACTS),
    ("model", model::CONTRACTS),
    ("model and undo", model::UNDO_CONTRACTS),
];

/// Runs the contracts of one table, each in a world of its own.
///
/// # Panics
/// With the names of the contracts that do not hold.
pub(in crate::store) fn check(world: &dyn World, table: &str) {
    let contracts = TABLES.iter().find(|(name, _)| *name == table).map(|(_, contracts)| *contracts);
    let contracts = contracts.unwrap_or_else(|| panic!("no table {table}"));
    let fails = |contract: fn(&dyn World)| {
        let world = world.another();
        catch_unwind(AssertUnwindSafe(|| contract(&*world))).is_err()
    };
    let failed: Vec<&str> =
        contracts.iter().filter(|(_, contract)| fails(*contract)).map(|(name, _)| *name).collect();
    assert!(failed.is_empty(), "contracts that do not hold: {failed:?}");
}

/// Runs `test` on so many random values, and on smaller ones once it has failed.
fn for_all<S: Strategy>(cases: u32, values: &S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let all = TestRunner::new(config).run(values, |value| {
        test(value);
        Ok(())
    });
    all.unwrap_or_else(|failed| panic!("{failed}"));
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(store: &dyn Store, name: &str, value: Value, expiry: Expiry) {
    assert!(store.commit(&Transaction::put(key(name), value, expiry)).unwrap().is_committed());
}

fn value(store: &dyn Store, name: &str) -> Option<Value> {
    store.get(&key(name)).unwrap().map(|entry| entry.value())
}

/// All changes after a revision, oldest first.
fn changes_after(store: &dyn Store, revision: Revision) -> Vec<Change> {
    match store.changes(revision, usize::MAX, u64::MAX).unwrap() {
        Changes::Since(changes) => changes,
        other => panic!("{other:?}"),
    }
}

/// Keys, operations, old and new values of all changes after a revision.
fn rows_after(
    store: &dyn Store,
    revision: Revision,
) -> Vec<(String, String, Option<String>, Option<String>)> {
    let text = |image: Option<crate::store::Image>| {
        image.map(|image| String::from_utf8_lossy(&image.stored).into_owned())
    };
    let row = |change: Change| (change.key.to_text(), change.operation, text(change.old), text(change.new));
    changes_after(store, revision).into_iter().map(row).collect()
}

fn operations_after(store: &dyn Store, revision: Revision) -> Vec<String> {
    changes_after(store, revision).into_iter().map(|change| change.operation).collect()
}

fn request(name: &str, holder: &str) -> LockRequest {
    LockRequest { name: name.into(), holder: holder.into(), lease: Duration::from_secs(30) }
}

fn acquired(outcome: AcquireOutcome) -> Lock {
    match outcome {
        AcquireOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

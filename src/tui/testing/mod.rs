//! What the tests of the interface share. No product code.

#[path = "../../../tests/support/snapshot.rs"]
pub mod snapshot;

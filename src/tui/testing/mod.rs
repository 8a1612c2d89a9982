//! What the tests of the interface share. No product code.

pub mod contrast;
pub mod fixtures;
pub mod letters;

#[path = "../../../tests/support/snapshot.rs"]
pub mod snapshot;

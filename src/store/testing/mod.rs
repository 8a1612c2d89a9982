//! Tests of every engine, and what they need.

pub(in crate::store) mod conformance;
mod fixtures;

pub use self::fixtures::entry;

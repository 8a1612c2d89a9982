//! Tests of every engine, and what they need.

pub(in crate::store) mod conformance;
mod etcd_node;
mod fixtures;

pub use self::etcd_node::etcd_node;
pub use self::fixtures::entry;

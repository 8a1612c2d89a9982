//! The engine on a real node of etcd, with clocks that are set by hand.

mod buckets;
mod conformance;
mod foreign;
mod full;
mod large;
mod last_seen;
mod late;
mod locks;
mod runs;
pub(super) mod world;

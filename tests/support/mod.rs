//! What the tests of the real program share.

pub mod etcd_cluster;
#[path = "../../src/store/testing/etcd_node.rs"]
pub mod etcd_node;
pub mod files;
pub mod losing_proxy;
pub mod older_file;
pub mod snapshot;
pub mod stacks_file;
pub mod terminal;

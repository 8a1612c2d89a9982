//! What the tests of the real program share.

pub mod files;
pub mod older_file;
pub mod snapshot;
pub mod stacks_file;
pub mod terminal;

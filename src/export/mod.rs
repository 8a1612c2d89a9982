//! The export format: one JSON object per line. It imports the store; `tui` and `cli` write with it.

mod entries_file;
pub mod record;

pub use self::entries_file::EntriesFile;

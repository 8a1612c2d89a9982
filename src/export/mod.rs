//! The export format: one JSON object per line.
//!
//! It imports `store` and the layers below it; `tui` and `cli` write and read exports with it. A new kind of
//! line is a variant of [`record::ExportRecord`].

mod entries_file;
pub mod record;
mod writer;

pub use self::entries_file::EntriesFile;
pub use self::writer::ExportWriter;

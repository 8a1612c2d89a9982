//! State that comes from elsewhere and goes elsewhere: Sloth Runner's older files, import, export, backup.

mod backup;
mod compact;
mod leftovers;
mod moving;
mod older;

pub use self::backup::write_pairs;

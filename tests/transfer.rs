//! State that comes from elsewhere and goes elsewhere: Sloth Runner's older files, import, export, backup.

#[path = "support/files.rs"]
mod files;
#[path = "transfer/older.rs"]
mod older;
#[path = "support/older.rs"]
mod older_file;

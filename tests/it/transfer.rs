//! State that comes from elsewhere and goes elsewhere: Sloth Runner's older files, import, export, backup.

#[path = "transfer/backup.rs"]
mod backup;
#[path = "transfer/compact.rs"]
mod compact;
#[path = "support/files.rs"]
mod files;
#[path = "transfer/leftovers.rs"]
mod leftovers;
#[path = "transfer/moving.rs"]
mod moving;
#[path = "transfer/older.rs"]
mod older;
#[path = "support/older.rs"]
mod older_file;

use self::files::PART;

#[test]
#[ignore = "a part of the other tests, which they start as a process of its own"]
fn worker() {
    let Ok(part) = std::env::var(PART) else { return };
    assert_eq!(part, "pairs");
    backup::write_pairs();
}

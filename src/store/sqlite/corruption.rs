//! Evidence of damage. SQLite calls a file malformed also where the system failed to read it, such
//! as for a moment from a disk that is far away; nothing is called damaged without a look.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::hardening::{self, Access};
use super::side_files::log_of;
use super::{busy_handler, path, result_code};

/// What a look for damage found.
#[derive(Debug)]
pub(super) enum Evidence {
    Found,
    /// The system cannot read the file.
    Unreadable(io::Error),
    /// All of it can be read, and nothing is wrong with it.
    None,
    /// Looking would take too long.
    NotSought,
}

/// A larger file is not looked through, in bytes: about a second of work.
const LARGEST: u64 = 256 << 20;

/// Looks through the database at `path` and its log.
pub(super) fn look_for(path: &Path, limit: Duration) -> Evidence {
    let log = log_of(path);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size(path) + size(&log) > LARGEST {
        return Evidence::NotSought;
    }
    for path in [path, &log] {
        match read_through(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Evidence::Unreadable(error),
        }
    }
    busy_handler::begin_wait(limit);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let checked = Connection::open_with_flags(path::name(path), flags).and_then(|mut connection| {
        hardening::harden(&mut connection, path, Access::Read)?;
        busy_handler::install(&mut connection)?;
        search(&connection, true)
    });
    match checked {
        Ok(Search { damage, .. }) if !damage.is_empty() => Evidence::Found,
        Ok(Search { unreadable: true, .. }) => Evidence::NotSought,
        Ok(_) => Evidence::None,
        Err(error) if result_code::is_malformed(&error) => Evidence::Found,
        Err(_) => Evidence::NotSought,
    }
}

/// What SQLite's check of a file says.
pub(super) struct Search {
    /// What is malformed, in SQLite's words.
    pub damage: Vec<String>,
    /// Whether the system could not read a part of it.
    pub unreadable: bool,
}

/// Has SQLite search the file for damage.
pub(super) fn search(connection: &Connection, quick: bool) -> rusqlite::Result<Search> {
    let sql = if quick { "PRAGMA quick_check(5)" } else { "PRAGMA integrity_check(5)" };
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let (unreadable, damage): (Vec<String>, Vec<String>) =
        found.into_iter().filter(|words| words != "ok").partition(|words| is_unreadable(words));
    Ok(Search { damage, unreadable: !unreadable.is_empty() })
}

/// Whether the words of a check end with the code of a failed read.
fn is_unreadable(words: &str) -> bool {
    let code = words.rsplit_once("code").map(|(_, code)| code.trim_matches([' ', '=', ':']));
    code.and_then(|code| code.parse().ok()).is_some_and(result_code::is_io_code)
}

/// Reads the file from its beginning to its end. It stays open for good, once for each file: closing
/// it would drop the locks that SQLite has on it in this process.
fn read_through(path: &Path) -> io::Result<()> {
    static OPEN: Mutex<Option<HashMap<(u64, u64), File>>> = Mutex::new(None);
    let metadata = std::fs::metadata(path)?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let file = match open.entry((metadata.dev(), metadata.ino())) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(File::open(path)?),
    };
    file.rewind()?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_could_not_be_read_is_not_damaged() {
        // SQLITE_IOERR_READ, SQLITE_IOERR_CORRUPTFS.
        assert!(is_unreadable("Tree 5 page 7 cell 2: unable to get the page. error code=266"));
        assert!(is_unreadable("Tree 5 page 7: unable to get the page. error code=8458"));
        assert!(!is_unreadable("Tree 5 page 7: btreeInitPage() returns error code 11"));
        assert!(!is_unreadable("row 4 missing from index i"));
        assert!(!is_unreadable("wrong # of entries in index code 266 b"));
    }
}

//! Some pages of a database file, to find out whether anybody but SQLite wrote to it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::open_files::{self, LogState};

/// How many pages of the file are compared.
const PAGES: u64 = 32;

/// Some pages of a file: their numbers from 0, and a hash of what is in them. The first is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageSample(Vec<(u64, u64)>);

impl PageSample {
    /// Some pages of a file of that size; `None` if it has no page that can be read.
    pub(super) fn read(connection: &Connection, size: u64, page_size: u32) -> Option<PageSample> {
        let pages = size / u64::from(page_size.max(512));
        let count = pages.min(PAGES);
        let chosen = (0..count).map(|number| number * pages / count);
        let read = chosen.map(|page| Some((page, hash_of(connection, page, page_size)?)));
        read.collect::<Option<Vec<_>>>().filter(|pages| !pages.is_empty()).map(PageSample)
    }

    /// The first of the pages, with the hash of what is in it.
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.0.first().copied()
    }

    /// Whether all pages that are not what they were have what the log at that path has for them.
    pub(super) fn is_changed_by_log(&self, connection: &Connection, log: &Path, state: &LogState) -> bool {
        // A page that is being written is read again: half of it is of no log.
        const ATTEMPTS: u32 = 4;
        const PAUSE: Duration = Duration::from_millis(3);
        for _ in 0..ATTEMPTS {
            let mut changed = HashMap::new();
            for (page, hash) in &self.0 {
                match hash_of(connection, *page, state.page_size) {
                    Some(now) if now == *hash => {}
                    Some(now) => {
                        changed.insert(*page, now);
                    }
                    // The file no longer has the page.
                    None => return false,
                }
            }
            if find_in_log(log, &mut changed, state).is_ok() && changed.is_empty() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }
}

/// A hash of a page of the file; `None` if it cannot be read.
fn hash_of(connection: &Connection, page: u64, page_size: u32) -> Option<u64> {
    let page_size = page_size.max(512);
    let mut buffer = vec![0; page_size as usize];
    open_files::read_file(connection, page * u64::from(page_size), &mut buffer).then(|| hash_bytes(&buffer))
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Removes the pages that the log has with what is in them. SQLite has no locks on the log, so it can
/// be opened and closed.
fn find_in_log(log: &Path, pages: &mut HashMap<u64, u64>, state: &LogState) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    const HEADER: u64 = 32;
    const OF_FRAME: usize = 24;
    let log = std::fs::File::open(log)?;
    let mut frame = vec![0; OF_FRAME + state.page_size as usize];
    for number in 0..u64::from(state.frames) {
        if pages.is_empty() {
            break;
        }
        let at = HEADER + number * frame.len() as u64;
        log.read_exact_at(&mut frame[..4], at)?;
        let page = u64::from(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]));
        let Some(hash) = page.checked_sub(1).and_then(|page| pages.get(&page)).copied() else { continue };
        log.read_exact_at(&mut frame, at)?;
        if hash_bytes(&frame[OF_FRAME..]) == hash {
            pages.remove(&(page - 1));
        }
    }
    Ok(())
}

//! The log (-wal): how large it is, and what keeps it from getting shorter, as far as that can be
//! proved.
//!
//! The readers are known from the locks on the index of the log (-shm), and how much of the log is in the
//! file by what stands in it: https://sqlite.org/walformat.html. This is looked at before SQLite opens
//! anything here: closing a descriptor drops the locks that the process has on the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{command, word};
use crate::store::sqlite::side_files::{LARGE_LOG, index_of};
use crate::store::{Finding, Level};
use crate::text::escape::escape;
use crate::text::size::show_size;

const CHECK: &str = "wal";
/// What lies between two looks: who reads the same old state in both has read all the time.
const BETWEEN: Duration = Duration::from_millis(300);

/// What the index of the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    /// How many pages are in the log.
    pages: u32,
    /// How many of them are in the file as well.
    taken: u32,
    /// Who has it open, one of them if they are several.
    open: Holder,
    /// Who reads, and up to which page of the log.
    readers: Vec<(Holder, u32)>,
}

/// Who has a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    Process(i32),
    /// A process that has no number here, as one outside of a container.
    Unseen,
}

/// Judges the log of the database at `path`: the sizes of the log, 0 if there is none, and of the
/// database in bytes.
pub(super) fn examine(path: &Path, bytes: u64, file: u64) -> Finding {
    let sizes = format!("the log (-wal) has {}, the file {}", show_size(bytes), show_size(file));
    if bytes <= LARGE_LOG || bytes <= file {
        return Finding::ok(CHECK, sizes);
    }
    let index = index_of(path);
    let first = look(&index);
    let second = first.as_ref().and_then(|first| {
        if first.readers.is_empty() {
            return Some(first.clone());
        }
        std::thread::sleep(BETWEEN);
        look(&index)
    });
    judge(&sizes, path, index.exists(), first.zip(second).as_ref().map(|(first, second)| (first, second)))
}

fn judge(sizes: &str, path: &Path, has_index: bool, looks: Option<(&Index, &Index)>) -> Finding {
    let finding = |level, words: String| Finding::new(CHECK, level, format!("{sizes}: {words}"));
    let shorten = || command(path, "compact");
    let Some((first, second)) = looks else {
        return match has_index {
            false => finding(
                Level::Note,
                "no program has it open; the next one that writes takes it into the file and removes it".into(),
            )
            .remedy(shorten()),
            true => finding(
                Level::Warning,
                "what keeps it from getting shorter is unknown, since its index (-shm) cannot be read from here"
                    .into(),
            ),
        };
    };
    let stays = |reader: &&(Holder, u32)| reader.1 < second.pages && first.readers.contains(reader);
    if let Some((holder, _)) = second.readers.iter().find(stays) {
        let seen = match holder {
            Holder::Process(pid) => format!("process {pid}{} has been reading", name_of(*pid)),
            _ => "a process that cannot be seen from here has been reading".into(),
        };
        let remedy = match holder {
            Holder::Process(pid) => format!("see what it is: ps -fp {pid}; and end it, or its read"),
            _ => format!("see who has it open: fuser -v {}", word(path)),
        };
        return finding(
            Level::Warning,
            format!(
                "{seen} an old state for longer than {} ms; as long as it does, the log cannot be taken into \
                     the file as a whole",
                BETWEEN.as_millis()
            ),
        )
        .remedy(remedy);
    }
    if let Some((holder, _)) = second.readers.first() {
        let who = match holder {
            Holder::Process(pid) => format!("process {pid}{}", name_of(*pid)),
            _ => "a process that cannot be seen from here".into(),
        };
        let words =
            format!("{who} reads in this moment; whether that keeps the log from getting shorter is unknown");
        return finding(Level::Note, words).remedy(shorten());
    }
    let state = match (second.open, second.pages == second.taken) {
        (Holder::Nobody, _) => {
            "no program has it open; the next one that writes takes it into the file and removes it"
        }
        (_, true) => "nobody reads it, and all of it is in the file; the next write truncates it",
        (_, false) => "nobody reads it; the next write takes it into the file and truncates it",
    };
    finding(Level::Note, state.into()).remedy(shorten())
}

/// ` (sqlite3)`: what a process is called, if that can be told.
fn name_of(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim().is_empty() { String::new() } else { format!(" ({})", escape(name.trim().as_bytes())) }
}

/// Reads the index; `None` where it is not there, or is not one that is known here.
fn look(path: &Path) -> Option<Index> {
    const VERSION: u32 = 3_007_000;
    const HEADER: usize = 48;
    const READERS: usize = 5;
    let mut file = File::open(path).ok()?;
    let mut bytes = [0; 2 * HEADER + 4 * (1 + READERS)];
    file.read_exact(&mut bytes).ok()?;
    // It is in the order of the machine that shares it.
    let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    // It is written twice, so that half of a change is noticed.
    let is_whole = bytes[..HEADER] == bytes[HEADER..2 * HEADER] && number(0) == VERSION && bytes[12] == 1;
    if !is_whole {
        return None;
    }
    let mut index = Index {
        pages: number(16),
        taken: number(2 * HEADER),
        open: holder(&file, OPEN)?,
        readers: Vec::new(),
    };
    for reader in 0..READERS {
        match holder(&file, READ + reader as libc::off_t)? {
            Holder::Nobody => {}
            holder => index.readers.push((holder, number(2 * HEADER + 4 * (1 + reader)))),
        }
    }
    Some(index)
}

/// The bytes of the index that are locked by those who read, and by all who have it open.
const READ: libc::off_t = 123;
const OPEN: libc::off_t = 128;

/// Who has a byte of the file locked; `None` where that cannot be asked.
fn holder(file: &File, byte: libc::off_t) -> Option<Holder> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    Some(match (i32::from(lock.l_type), lock.l_pid) {
        (libc::F_UNLCK, _) => Holder::Nobody,
        (_, pid @ 1..) => Holder::Process(pid),
        _ => Holder::Unseen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(index: Option<(&Index, &Index)>, has_index: bool) -> Finding {
        judge("it is large", Path::new("/data/state.db"), has_index, index)
    }

    #[test]
    fn nobody_is_said_to_read_without_proof() {
        let idle = Index { pages: 9, taken: 9, open: Holder::Process(7), readers: Vec::new() };
        let left = Index { open: Holder::Nobody, taken: 3, ..idle.clone() };
        let behind = Index { taken: 3, ..idle.clone() };
        for (looks, has_index) in [
            (None, false),
            (None, true),
            (Some((&idle, &idle)), true),
            (Some((&left, &left)), true),
            (Some((&behind, &behind)), true),
        ] {
            let finding = judged(looks, has_index);
            assert!(!finding.finding.contains("has been reading"), "{finding:?}");
        }
        assert!(judged(None, true).finding.contains("unknown"));
        // A reader of the newest state, one that is gone at the second look, and another process.
        let reads = |holder, mark| Index { readers: vec![(holder, mark)], ..idle.clone() };
        for (first, second) in [
            (reads(Holder::Process(7), 9), reads(Holder::Process(7), 9)),
            (reads(Holder::Process(7), 5), idle.clone()),
            (reads(Holder::Process(7), 5), reads(Holder::Process(8), 5)),
            (reads(Holder::Process(7), 5), reads(Holder::Process(7), 6)),
        ] {
            let finding = judged(Some((&first, &second)), true);
            assert!(!finding.finding.contains("has been reading"), "{finding:?}");
        }
    }

    #[test]
    fn who_reads_an_old_state_all_the_time_is_named() {
        let reads = |holder| Index { pages: 9, taken: 5, open: holder, readers: vec![(holder, 5)] };
        // No process has that number.
        let seen = reads(Holder::Process(i32::MAX));
        let finding = judged(Some((&seen, &seen)), true);
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.finding.contains("process 2147483647 has been reading an old state"), "{finding:?}");
        let unseen = reads(Holder::Unseen);
        let finding = judged(Some((&unseen, &unseen)), true);
        assert!(finding.finding.contains("cannot be seen from here has been reading"), "{finding:?}");
        assert_eq!(finding.remedy.as_deref(), Some("see who has it open: fuser -v /data/state.db"));
    }
}

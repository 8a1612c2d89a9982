//! Examines a database and what is around it, and changes nothing.
//!
//! Each check stands on its own: one that fails says so, and the others are done all the same.

mod clock;
mod disk;
mod entries;
mod files;
mod free_pages;
mod history;
mod integrity;
mod locks;
mod schema;
mod versions;
mod wal;

use std::path::Path;

use rusqlite::Connection;

use super::schema_version::SchemaFlavor;
use super::{Options, SqliteStore, busy_handler, connect, path};
use crate::store::{ErrorKind, Finding, Health, StoreError};
use crate::text::escape::{escape, shell_word};
use crate::time::Millis;

pub(super) use self::schema::has_all_triggers;

/// Looks at everything that may be wrong with the database at `path`, whether it can be opened or
/// not. With `quick` the file is not searched for damage as thoroughly as it can be.
pub fn examine(path: &Path, settings: &Options, quick: bool) -> Health {
    let path = &path::followed(path);
    // What lies beside the file is looked at before SQLite makes anything there.
    let mut findings = files::examine(path);
    findings.extend(versions::examine());
    let unusable = examine_database(path, settings, quick, &mut findings).err();
    if let Some(error) = &unusable {
        let finding = Finding::problem("open", error.to_string());
        findings.push(Finding { remedy: remedy_for(error, path), ..finding });
    }
    Health { findings, unusable }
}

fn examine_database(
    path: &Path,
    settings: &Options,
    quick: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let settings = Options { read_only: true, ..settings.clone() };
    let (connection, _) = connect::open_to_read(path, settings.busy_limit, false)?;
    // Damage may be just what keeps the file from being a state database.
    busy_handler::begin_wait(settings.busy_limit);
    findings.extend(integrity::examine(&connection, path, settings.busy_limit, quick));
    drop(connection);
    let store = SqliteStore::open(path, settings)?;
    let opened = format!("{} is a state database", path.display());
    findings.push(Finding::ok("open", opened));
    let flavor = store.link.borrow().flavor;
    let mut notices = store.notices.take();
    if matches!(flavor, SchemaFlavor::Incomplete(_)) {
        // The check of the schema says it, and what to do.
        notices.retain(|notice| *notice != store.notice_of_defect());
    }
    let is_frozen = !notices.is_empty();
    findings.extend(notices.into_iter().map(|notice| Finding::note("open", notice)));
    let examined = Examined { now: store.now(), store: &store, flavor, is_frozen };
    let checks: [(&'static str, Check); 7] = [
        ("journal", integrity::journal),
        ("space", free_pages::examine),
        ("schema", schema::examine),
        ("locks", locks::examine),
        ("entries", entries::examine),
        ("clock", clock::examine),
        ("history", history::examine),
    ];
    for (name, check) in checks {
        findings.extend(check(&examined).unwrap_or_else(|error| vec![failed(name, path, &error)]));
    }
    Ok(())
}

type Check = fn(&Examined<'_>) -> Result<Vec<Finding>, StoreError>;

/// A state database that could be opened.
struct Examined<'a> {
    store: &'a SqliteStore,
    flavor: SchemaFlavor,
    now: Millis,
    /// Whether it is read as it stands, without the files beside it.
    is_frozen: bool,
}

impl Examined<'_> {
    /// Whether it has our tables and columns.
    fn is_ours(&self) -> bool {
        self.flavor.is_ours()
    }

    fn query<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        busy_handler::begin_wait(self.store.settings.busy_limit);
        self.store.with_connection(work).map_err(|error| self.store.explain(&error))
    }

    /// A command on this database, as it is typed.
    fn command(&self, rest: &str) -> String {
        command(self.store.path(), rest)
    }
}

fn command(path: &Path, rest: &str) -> String {
    format!("slothstate --db {} {rest}", word(path)).trim_end().into()
}

/// The path as a word of a command, which does not take it for an option.
fn word(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.starts_with(b"-") { shell_word(&[b"./", bytes].concat()) } else { shell_word(bytes) }
}

fn failed(check: &'static str, path: &Path, error: &StoreError) -> Finding {
    match &error.kind {
        ErrorKind::Incomplete { what, .. } => {
            Finding::problem(check, what.clone()).remedy(schema::remedy_for_incomplete(path, true))
        }
        _ => Finding::problem(check, format!("this could not be looked at: {error}")),
    }
}

fn remedy_for(error: &StoreError, path: &Path) -> Option<String> {
    match &error.kind {
        ErrorKind::NotFound => {
            Some(format!("name another with --db, or make it: {}", command(path, "set KEY VALUE")))
        }
        ErrorKind::IsDirectory => Some(command(&path.join("state.db"), "doctor")),
        ErrorKind::NewerSchema { .. } => Some("update slothstate on this machine".into()),
        ErrorKind::Corrupt { .. } => Some(integrity::recovery(path)),
        ErrorKind::Incomplete { has_entries, .. } => Some(schema::remedy_for_incomplete(path, *has_entries)),
        ErrorKind::Engine { .. } if files::has_journal(path) => {
            Some(format!("any command that may write undoes it: {}", command(path, "stats")))
        }
        ErrorKind::Busy { .. } => Some(format!("see who has it open: fuser -v {}", word(path))),
        _ => None,
    }
}

/// `1 entry`, `2 entries`.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How many there are, and the names of the first of them.
#[derive(Default)]
struct Tally {
    count: u64,
    first: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: &[u8]) {
        const NAMED: usize = 3;
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(if name.is_empty() { "(empty)".into() } else { escape(name) });
        }
    }

    fn names(&self) -> String {
        let more = if self.count > self.first.len() as u64 { ", …" } else { "" };
        format!("{}{more}", self.first.join(", "))
    }
}

/// That something could not be looked at.
fn unseen(check: &'static str, path: &Path, reason: &str) -> Finding {
    Finding::warning(check, format!("{} could not be looked at: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_word_and_no_option() {
        assert_eq!(command(Path::new("-a b.db"), "stats"), "slothstate --db './-a b.db' stats");
        assert_eq!(command(Path::new("/data/state.db"), ""), "slothstate --db /data/state.db");
    }

    #[test]
    fn the_first_few_are_named_with_their_control_characters_shown() {
        let mut tally = Tally::default();
        for name in [&b"a\x1b"[..], b"", b"c", b"d"] {
            tally.add(name);
        }
        assert_eq!((tally.count, tally.names().as_str()), (4, "a␛, (empty), c, …"));
    }
}

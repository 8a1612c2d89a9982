//! Errors about a database file, each with what its user can do about it.

use std::path::Path;

use crate::atomic_file::beside;
use crate::store::{ErrorKind, StoreError};
use crate::text::escape;

pub(super) fn error_at(path: &Path, kind: ErrorKind) -> StoreError {
    let remedy = remedy(path, &kind);
    let error = kind.at(path);
    match remedy {
        Some(remedy) => error.with_remedy(remedy),
        None => error,
    }
}

/// The error of a write to a database that was opened read-only.
pub(super) fn opened_read_only(path: &Path) -> StoreError {
    error_at(path, ErrorKind::ReadOnly { reason: "it was opened with --read-only".into() })
}

/// What can be done about `kind`, where only this engine knows it.
fn remedy(path: &Path, kind: &ErrorKind) -> Option<String> {
    const GO_ON: &str = "to go on with a backup: slothstate restore BACKUP";
    let move_log_away = || format!("move the log away: mv {} ELSEWHERE", escape::path(&beside(path, "-wal")));
    Some(match kind {
        ErrorKind::NotFound => {
            "name one with --db FILE or $SLOTHSTATE_DB, or make one by writing: slothstate \
                                set KEY VALUE"
                .into()
        }
        ErrorKind::IsDirectory => {
            format!("a state database is a file in it, such as {}", escape::path(&path.join("state.db")))
        }
        ErrorKind::Incomplete { has_entries: false, .. } => GO_ON.into(),
        ErrorKind::Incomplete { has_entries: true, .. } => format!(
            "{GO_ON}; to take the entries into a new database: slothstate --db NEW import {}",
            escape::shell_word(path.as_os_str().as_encoded_bytes())
        ),
        ErrorKind::Unsafe { .. } => "sqlite3 FILE .schema shows it".into(),
        ErrorKind::Corrupt { .. } => {
            "keep a copy of it and of its -wal file, then try: sqlite3 FILE .recover".into()
        }
        ErrorKind::Emptied { .. } => {
            format!("to begin with an empty database {}; {GO_ON}", move_log_away())
        }
        ErrorKind::Mismatched { .. } => format!(
            "SQLite would mix the two: to use the file without the log, end what has it open and {}; {GO_ON}",
            move_log_away()
        ),
        ErrorKind::NotRecorded => {
            "it begins with slothstate's first write (to a file of Sloth Runner's older \
                                   generation: after its import)"
                .into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_ends_with_what_to_do() {
        let go_on = "to go on with a backup: slothstate restore BACKUP";
        let path = Path::new("/data/my state.db");
        let incomplete =
            |has_entries| ErrorKind::Incomplete { what: "a table is missing".into(), has_entries };
        let remains = || "its log (-wal) has 9 bytes, which SQLite would discard".into();
        let mismatched =
            ErrorKind::Mismatched { part: "its log (-wal)", reason: "it is of another database" };
        for (kind, sentence) in [
            (
                ErrorKind::NotFound,
                "there is no database at PATH; name one with --db FILE or $SLOTHSTATE_DB, or make one by \
                 writing: slothstate set KEY VALUE"
                    .into(),
            ),
            (
                ErrorKind::IsDirectory,
                "PATH is a directory; a state database is a file in it, such as PATH/state.db".to_string(),
            ),
            (incomplete(false), format!("PATH is not as slothstate left it: a table is missing; {go_on}")),
            (
                incomplete(true),
                format!(
                    "PATH is not as slothstate left it: a table is missing; {go_on}; to take the entries into a \
                     new database: slothstate --db NEW import 'PATH'"
                ),
            ),
            (
                ErrorKind::Corrupt { reason: "why".into() },
                "PATH is damaged (why); keep a copy of it and of its -wal file, then try: sqlite3 FILE .recover"
                    .into(),
            ),
            (
                ErrorKind::Emptied { remains: remains() },
                format!(
                    "PATH is empty or gone, and {}; to begin with an empty database move the log away: mv \
                     PATH-wal ELSEWHERE; {go_on}",
                    remains()
                ),
            ),
            (
                mismatched,
                format!(
                    "PATH and its log (-wal) do not belong together: it is of another database; SQLite would mix \
                     the two: to use the file without the log, end what has it open and move the log away: mv \
                     PATH-wal ELSEWHERE; {go_on}"
                ),
            ),
            (ErrorKind::Engine { reason: "any other".into() }, "PATH: any other".into()),
        ] {
            let error = error_at(path, kind);
            assert_eq!(error.to_string(), sentence.replace("PATH", "/data/my state.db"));
            assert_eq!(error.location().map(ToString::to_string).as_deref(), Some("/data/my state.db"));
        }
        assert!(opened_read_only(path).remedy().is_none());
    }
}

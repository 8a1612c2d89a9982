//! Which SQLite reads and writes the file.

use std::process::{Command, Stdio};

use crate::store::Finding;
use crate::text::escape::escape;

const CHECK: &str = "sqlite";

/// The SQLite in this program, and the shell that people reach for.
pub(super) fn examine() -> Vec<Finding> {
    judge(rusqlite::version(), shell().as_deref())
}

/// What the `sqlite3` on the path calls itself; `None` if there is none.
fn shell() -> Option<String> {
    let answer = Command::new("sqlite3")
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|answer| answer.status.success())?;
    String::from_utf8_lossy(&answer.stdout).split_whitespace().next().map(String::from)
}

fn judge(ours: &str, shell: Option<&str>) -> Vec<Finding> {
    let mut findings =
        vec![match parse(ours) {
        Some(version) if can_corrupt(version) => Finding::problem(CHECK, format!(
                "this program was built with SQLite {ours}, which can corrupt a WAL that is reset under load"
            ),
        )
        .remedy("build slothstate with SQLite 3.51.3 or later"),
        _ => Finding::ok(CHECK, format!("this program has SQLite {ours} built in")),
    }];
    match shell.map(|shell| (escape(shell.as_bytes()), parse(shell))) {
        None => {}
        Some((shown, Some(version))) if can_corrupt(version) => findings.push(
            Finding::warning(CHECK, format!("the sqlite3 shell here is {shown}: before 3.51.3 SQLite can corrupt a WAL that is reset under load"),
            )
            .remedy("look with slothstate, and do not write with that shell while others write; or update it"),
        ),
        Some((shown, Some(_))) => {
            findings.push(Finding::ok(CHECK, format!("the sqlite3 shell here is {shown}")));
        }
        Some((shown, None)) => findings.push(Finding::note(CHECK, format!("the sqlite3 shell here does not tell its version: {shown}"),
        )),
    }
    findings
}

type Version = (u32, u32, u32);

fn parse(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?))
}

/// Whether two programs that write and checkpoint at the same moment can lose what was committed
/// (sqlite.org/wal.html, "the WAL-reset bug"); two older lines of versions were mended too.
fn can_corrupt(version: Version) -> bool {
    let was_mended = match version {
        (3, 44, patch) => patch >= 6,
        (3, 50, patch) => patch >= 7,
        _ => version >= (3, 51, 3),
    };
    version >= (3, 7, 0) && !was_mended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Level;

    #[test]
    fn versions_that_can_corrupt_are_told_from_those_that_cannot() {
        for text in ["3.7.0", "3.40.1", "3.44.5", "3.50.6", "3.51.0", "3.51.2", "3.51"] {
            assert!(can_corrupt(parse(text).unwrap()), "{text}");
        }
        for text in ["3.6.23", "3.44.6", "3.50.7", "3.51.3", "3.53.0", "4.0.0"] {
            assert!(!can_corrupt(parse(text).unwrap()), "{text}");
        }
        assert_eq!(parse("three"), None);
    }

    #[test]
    fn an_old_library_of_our_own_is_a_problem_and_an_old_shell_a_warning() {
        let levels = |ours, shell| judge(ours, shell).iter().map(|finding| finding.level).collect::<Vec<_>>();
        assert_eq!(levels("3.51.2", None), [Level::Problem]);
        assert_eq!(levels("3.54.1", Some("3.40.1")), [Level::Ok, Level::Warning]);
        assert_eq!(levels("3.54.1", Some("3.53.0")), [Level::Ok, Level::Ok]);
        assert_eq!(levels("3.54.1", Some("\x1b[31m")), [Level::Ok, Level::Note]);
        assert!(!judge("3.54.1", Some("\x1b[31m"))[1].finding.contains('\x1b'));
    }

    #[test]
    fn this_program_is_built_with_one_that_cannot() {
        assert!(!can_corrupt(parse(rusqlite::version()).unwrap()));
    }
}

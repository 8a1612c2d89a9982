//! The lock that guards the writes of a command: from its options, or from the environment of `lock`.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{CliError, Database, output};
use crate::store::{Location, Revision, Store, Token};
use crate::text::escape::escape;

/// The lock that `slothstate lock` holds around a command.
pub const LOCK: &str = "SLOTHSTATE_LOCK";
/// The token under which it is held.
pub const TOKEN: &str = "SLOTHSTATE_TOKEN";
/// The database that it is held in.
pub const LOCK_DATABASE: &str = "SLOTHSTATE_LOCK_DB";

/// Under which lock a command writes.
#[derive(clap::Args, Debug)]
pub struct Fence {
    /// Only while the lock of this name is held under --token [default inside `slothstate lock`: its
    /// lock and token, for writes to the database of that lock]
    #[arg(long, value_name = "NAME", requires = "token")]
    lock: Option<String>,
    /// The token that the holder of --lock was given
    #[arg(long, value_name = "NUMBER", requires = "lock")]
    token: Option<i64>,
}

impl Fence {
    /// Makes the store refuse writes unless the lock is held.
    ///
    /// # Errors
    /// [`CliError::Usage`] if the environment names a lock and no token for it.
    pub fn set_surrounding_lock(&self, store: &dyn Store, database: &Database) -> Result<(), CliError> {
        if let (Some(name), Some(token)) = (&self.lock, self.token) {
            store.set_fence(vec![(name.clone(), Token(Revision(token)))]);
            return Ok(());
        }
        let Some(surrounding_lock) = SurroundingLock::of_environment(|name| std::env::var_os(name))? else {
            return Ok(());
        };
        let location = database.location()?;
        match surrounding_lock.is_held_in(&location) {
            true => store.set_fence(vec![(surrounding_lock.lock, surrounding_lock.token)]),
            false => output::print_notice(format_args!(
                "lock {} is held in {}, so it does not guard what is written to {}",
                escape(surrounding_lock.lock.as_bytes()),
                surrounding_lock.database.map_or_else(String::new, |database| database.to_string()),
                location
            )),
        }
        Ok(())
    }
}

/// The lock of the `slothstate lock` that runs this process.
#[derive(Debug, PartialEq, Eq)]
pub struct SurroundingLock {
    pub lock: String,
    pub token: Token,
    /// The database of the lock; `None` (not in the environment) matches any.
    pub database: Option<Location>,
}

impl SurroundingLock {
    /// The lock in the environment, if any.
    ///
    /// # Errors
    /// [`CliError::Usage`] if it is incomplete or invalid: a guarded write never runs unguarded.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<SurroundingLock>, CliError> {
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        match (text(LOCK), text(TOKEN)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(CliError::Usage(format!("${LOCK} is set, and ${TOKEN} is not"))),
            (None, Some(_)) => Err(CliError::Usage(format!("${TOKEN} is set, and ${LOCK} is not"))),
            (Some(lock), Some(token)) => {
                let wrong =
                    || CliError::Usage(format!("${TOKEN} is not a number: {}", escape(token.as_bytes())));
                let token = Token(Revision(token.parse().map_err(|_| wrong())?));
                let database = variable(LOCK_DATABASE).filter(|database| !database.is_empty());
                let unknown = |error| CliError::Usage(format!("${LOCK_DATABASE}: {error}"));
                let database = database.map(|text| Location::parse(&text)).transpose().map_err(unknown)?;
                Ok(Some(SurroundingLock { lock, token, database }))
            }
        }
    }

    /// Whether it is a lock of the database at `location`, under any name of it.
    pub fn is_held_in(&self, location: &Location) -> bool {
        match &self.database {
            None => true,
            Some(database) => match (database, location) {
                (Location::File(database), Location::File(path)) => is_same_file(database, path),
                _ => database.identity() == location.identity(),
            },
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    full_name(one) == full_name(other) || file(one).is_some_and(|this| file(other) == Some(this))
}

/// The name of a database that is the same in every folder, without a password.
pub fn absolute_name(location: &Location) -> OsString {
    match location {
        Location::File(path) => full_name(path).into(),
        Location::Etcd(_) => location.as_arg().into(),
    }
}

fn full_name(path: &Path) -> PathBuf {
    let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.canonicalize().unwrap_or_else(|_| absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surrounding_lock(variables: &[(&str, &str)]) -> Result<Option<SurroundingLock>, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        SurroundingLock::of_environment(|name| find(name).map(|(_, value)| value.into()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_names_a_lock_whole_or_is_refused() {
        assert_eq!(surrounding_lock(&[]), Ok(None));
        assert_eq!(surrounding_lock(&[(LOCK_DATABASE, "/x")]), Ok(None));
        let found = surrounding_lock(&[(LOCK, "a b"), (TOKEN, "7"), (LOCK_DATABASE, "/x")]).unwrap().unwrap();
        assert_eq!((found.lock.as_str(), found.token), ("a b", Token(Revision(7))));
        assert_eq!(found.database, Some(Location::File("/x".into())));
        for (variables, expected) in [
            (&[(LOCK, "a")][..], "$SLOTHSTATE_TOKEN is not"),
            (&[(TOKEN, "7")], "$SLOTHSTATE_LOCK is not"),
            (&[(LOCK, "a"), (TOKEN, "")], "is not a number"),
            (&[(LOCK, "a"), (TOKEN, "x\u{1b}")], "is not a number: x␛"),
        ] {
            let error = surrounding_lock(variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_lock_holds_for_its_database_under_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let [database, link, hard, other, none] =
            ["state.db", "link.db", "hard.db", "other.db", "none.db"].map(|name| folder.path().join(name));
        std::fs::write(&database, "").unwrap();
        std::fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        std::fs::hard_link(&database, &hard).unwrap();
        let at = |path: &Path| Location::File(path.into());
        let held_in = |path: &Path| SurroundingLock {
            lock: "l".into(),
            token: Token(Revision(1)),
            database: Some(Location::File(full_name(path))),
        };
        let dotted = folder.path().join(".").join("state.db");
        for name in [&database, &link, &hard, &dotted] {
            assert!(held_in(&database).is_held_in(&at(name)), "{}", name.display());
            assert!(held_in(name).is_held_in(&at(&database)), "{}", name.display());
        }
        for name in [&other, &none] {
            assert!(!held_in(&database).is_held_in(&at(name)), "{}", name.display());
        }
        assert!(held_in(&none).is_held_in(&at(&none)));
        assert!(SurroundingLock { database: None, ..held_in(&database) }.is_held_in(&at(&other)));
    }
}

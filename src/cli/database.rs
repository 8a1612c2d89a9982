//! Which database a command works on.

use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, output};
use crate::span::parse_span;
use crate::store::{Settings, SqliteStore, Store};

/// Which database, and how it is opened.
#[derive(clap::Args, Clone, Debug)]
pub struct Database {
    /// The state database [default: ~/.sloth-runner/state.db]
    #[arg(long, value_name = "FILE", global = true, env = "SLOTHSTATE_DB", hide_env_values = true)]
    db: Option<PathBuf>,
    /// Look only: nothing is written, whoever asks
    #[arg(long, global = true)]
    read_only: bool,
    /// How long to wait while other processes write
    #[arg(long, value_name = "TIME", global = true, default_value = "10s", value_parser = parse_span)]
    busy_timeout: Duration,
}

impl Database {
    /// The file.
    ///
    /// # Errors
    /// [`Failure::Usage`] if none is named and there is no home directory.
    pub fn path(&self) -> Result<PathBuf, Failure> {
        match &self.db {
            Some(path) if path.as_os_str().is_empty() => {
                Err(Failure::Usage("--db and $SLOTHSTATE_DB need the name of a file".into()))
            }
            Some(path) => Ok(path.clone()),
            None => directories::BaseDirs::new()
                .map(|folders| folders.home_dir().join(".sloth-runner").join("state.db"))
                .ok_or_else(|| {
                    Failure::Usage("there is no home directory: name a database with --db FILE".into())
                }),
        }
    }

    /// How it is opened.
    pub fn settings(&self) -> Settings {
        Settings { read_only: self.read_only, busy_limit: self.busy_timeout, ..Settings::default() }
    }

    /// Opens an existing database, to look at it or to change what is there.
    ///
    /// # Errors
    /// What [`SqliteStore::open`] fails with.
    pub fn open(&self) -> Result<SqliteStore, Failure> {
        let store = SqliteStore::open(&self.path()?, self.settings())?;
        tell(&store);
        Ok(store)
    }

    /// Opens a database that the first write may have to make.
    ///
    /// # Errors
    /// What [`SqliteStore::open_or_create`] fails with.
    pub fn open_or_create(&self) -> Result<SqliteStore, Failure> {
        let store = SqliteStore::open_or_create(&self.path()?, self.settings())?;
        tell(&store);
        Ok(store)
    }
}

/// Passes on what the store has to say, such as that it adopted a file.
pub fn tell(store: &SqliteStore) {
    for notice in store.take_notices() {
        eprintln!("slothstate: {}", output::visible(notice.as_bytes()));
    }
}

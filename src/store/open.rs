//! The one door to the engines: a location decides which of them opens a database.
//!
//! What is done to a database that may not be possible to open is a function here and not a method of the
//! store: to examine it, and to restore it. An engine that cannot do it answers
//! [`ErrorKind::Unsupported`](crate::store::ErrorKind::Unsupported).

use std::path::Path;
use std::rc::Rc;
use std::{fmt, io};

use crate::store::etcd::{self, EtcdStore};
use crate::store::sqlite::{self, SqliteStore};
pub use crate::store::sqlite::{Contents, Present, RestorePlan, Restored};
use crate::store::{ErrorKind, Health, Location, Options, Store, StoreError};

/// Opens an existing database. Nothing of it is changed by that.
///
/// # Errors
/// Says what is there instead, or why it cannot be read.
pub fn open(location: &Location, options: &Options) -> Result<Box<dyn Store + Send>, StoreError> {
    match location {
        Location::File(path) => Ok(Box::new(SqliteStore::open(path, options.clone())?)),
        Location::Etcd(address) => Ok(Box::new(EtcdStore::open(address, options.clone())?)),
    }
}

/// As [`open`], for reading; where a file has the tables of both of Sloth Runner's generations, those of the
/// older one are read. Other engines have no such tables.
///
/// # Errors
/// As [`open`].
pub fn open_older(location: &Location, options: &Options) -> Result<Box<dyn Store + Send>, StoreError> {
    match location {
        Location::File(path) => Ok(Box::new(SqliteStore::open_older(path, options.clone())?)),
        Location::Etcd(address) => Ok(Box::new(EtcdStore::open(address, options.clone())?)),
    }
}

/// As [`open`]; where there is no database, it is empty, and made by the first write.
///
/// # Errors
/// As [`open`], but for a database that is not there.
pub fn open_or_create(location: &Location, options: &Options) -> Result<Box<dyn Store + Send>, StoreError> {
    match location {
        Location::File(path) => Ok(Box::new(SqliteStore::open_or_create(path, options.clone())?)),
        Location::Etcd(address) => Ok(Box::new(EtcdStore::open(address, options.clone())?)),
    }
}

/// A store without a database: there is nothing in it, and nothing can be written.
pub fn nothing(options: Options) -> Box<dyn Store + Send> {
    Box::new(SqliteStore::nothing(options))
}

/// A database of its own that is removed when this is dropped.
pub struct ScratchStore {
    /// The store.
    pub store: Rc<dyn Store>,
    _folder: tempfile::TempDir,
}

impl fmt::Debug for ScratchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScratchStore")
    }
}

/// Makes an empty database in a folder for temporary files.
///
/// # Errors
/// The folder or the database cannot be made.
pub fn scratch(options: &Options) -> Result<ScratchStore, ScratchError> {
    let folder =
        tempfile::Builder::new().prefix("slothstate-trial-").tempdir().map_err(ScratchError::Folder)?;
    let options = Options { read_only: false, ..options.clone() };
    let store: Box<dyn Store> = open_or_create(&Location::File(folder.path().join("trial.db")), &options)?;
    Ok(ScratchStore { store: Rc::from(store), _folder: folder })
}

/// Why [`scratch`] fails.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// The folder cannot be made.
    #[error(transparent)]
    Folder(io::Error),
    /// The database cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at everything that may be wrong with a database, whether it can be opened or not. With `quick` it is
/// not searched for damage as thoroughly as it can be.
pub fn examine(location: &Location, options: &Options, quick: bool) -> Health {
    match location {
        Location::File(path) => sqlite::examine(path, options, quick),
        Location::Etcd(address) => etcd::examine(address, options, quick),
    }
}

/// What restoring a database from the file `backup` would replace.
///
/// # Errors
/// The backup cannot be used.
pub fn plan_restore(
    location: &Location,
    backup: &Path,
    options: &Options,
) -> Result<RestorePlan, StoreError> {
    match location {
        Location::File(path) => sqlite::plan_restore(path, backup, options),
        Location::Etcd(_) => Err(no_restore(location)),
    }
}

/// Restores a database from the file `backup`, if `accept` agrees to its state at that moment; `None` if it
/// does not.
///
/// # Errors
/// Nothing was replaced then.
pub fn restore(
    location: &Location,
    backup: &Path,
    options: &Options,
    plan: &RestorePlan,
    accept: &dyn Fn(&Present) -> bool,
) -> Result<Option<Restored>, StoreError> {
    match location {
        Location::File(path) => sqlite::restore(path, backup, options, plan, accept),
        Location::Etcd(_) => Err(no_restore(location)),
    }
}

fn no_restore(location: &Location) -> StoreError {
    let error = ErrorKind::Unsupported { operation: "restoring a backup" }.at(location);
    error.with_remedy("use slothstate import, or etcdctl snapshot restore for the whole cluster")
}

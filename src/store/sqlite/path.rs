//! What is at a path, and whether it can be read and written, as far as that shows without opening it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::file_system::{self, Sharing};
use super::remedies::error_at;
use crate::atomic_file::folder_of;
use crate::store::{ErrorKind, StoreError};

/// The name that SQLite opens a file by. It takes some relative names for something else: a file
/// `:memory:` for no file at all, one that begins with `file:` for a URI.
pub(super) fn name(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_path_buf() } else { Path::new(".").join(path) }
}

/// The file that `path` leads to: SQLite keeps its other files beside that one, not beside a link.
pub(super) fn followed(path: &Path) -> PathBuf {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    let file = if is_link { std::fs::canonicalize(path).ok() } else { None };
    file.unwrap_or_else(|| path.to_path_buf())
}

/// Looks at a path without opening it: closing any descriptor of a database file drops the locks
/// that the process holds on it (POSIX advisory locks; sqlite.org/howtocorrupt.html, 2.2).
pub(super) fn check_file(path: &Path) -> Result<(), StoreError> {
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => error_at(path, ErrorKind::NotFound),
        std::io::ErrorKind::PermissionDenied => {
            error_at(path, ErrorKind::Permission { action: "open", reason: source.to_string() })
        }
        _ => error_at(path, ErrorKind::Io { source }),
    })?;
    if metadata.is_dir() {
        return Err(error_at(path, ErrorKind::IsDirectory));
    }
    if !metadata.is_file() {
        return Err(error_at(
            path,
            ErrorKind::NotAStateDatabase { reason: "it is not a regular file".into() },
        ));
    }
    access(path, AccessFlags::R_OK).map_err(|errno| {
        error_at(path, ErrorKind::Permission { action: "read", reason: errno.desc().into() })
    })
}

/// Whether the file can be written at all, as far as that can be told without opening it.
pub(super) fn check_writable(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    check_permissions(path)?;
    refuse_network_file_system(path)
}

/// The part of [`check_writable`] that the permissions of the file and its folder decide.
pub(super) fn check_permissions(path: &Path) -> Result<(), StoreError> {
    check_file(path)?;
    let read_only = |reason: String| Err(error_at(path, ErrorKind::ReadOnly { reason }));
    let folder = folder_of(path);
    match (access(path, AccessFlags::W_OK), access(folder, AccessFlags::W_OK)) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(Errno::EROFS), _) | (_, Err(Errno::EROFS)) => read_only(file_system::READ_ONLY.into()),
        (Err(Errno::EACCES | Errno::EPERM), _) => read_only("its permissions do not allow it".into()),
        (Ok(()), Err(Errno::EACCES | Errno::EPERM)) => read_only(format!(
            "SQLite keeps files beside it, and the permissions of {} do not allow that",
            crate::text::escape::path(folder)
        )),
        (Err(errno), _) | (_, Err(errno)) => read_only(errno.desc().into()),
    }
}

/// WAL needs memory that all processes share, which file systems of other machines do not give.
fn refuse_network_file_system(path: &Path) -> Result<(), StoreError> {
    match file_system::of(path) {
        Some(network) if network.sharing == Sharing::Impossible => Err(error_at(
            path,
            ErrorKind::ReadOnly {
                reason: "it is on a network file system, over which SQLite's WAL does not work; \
                     keep the database on a local disk"
                    .into(),
            },
        )),
        _ => Ok(()),
    }
}

/// A file, told apart from every other one that exists at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

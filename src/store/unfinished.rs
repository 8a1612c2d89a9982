//! Files that appear under their names when all of them is on the disk.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::store::StoreError;

/// A file in the making, beside the one that it is to become. It is gone when it is dropped.
pub struct Unfinished {
    file: TempPath,
    target: PathBuf,
}

impl Unfinished {
    /// An empty file that only its owner can read. No descriptor of it is kept, so that SQLite
    /// can work on it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is anything at `target`.
    pub fn beside(target: &Path) -> Result<Unfinished, StoreError> {
        if target.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: target.to_path_buf() });
        }
        let file = tempfile::Builder::new()
            .prefix(".slothstate-unfinished-")
            .tempfile_in(folder_of(target))
            .map_err(|source| StoreError::Io { path: target.to_path_buf(), source })?;
        Ok(Unfinished { file: file.into_temp_path(), target: target.to_path_buf() })
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Puts the file under its name, on the disk, for those to read and write whom `model` lets.
    /// Its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if somebody made a file of that name meanwhile; it is left as it is.
    pub fn finish(self, model: &Path) -> Result<u64, StoreError> {
        let target = self.target;
        let failed = |source| StoreError::Io { path: target.clone(), source };
        let mode = std::fs::metadata(model).map_err(failed)?.permissions().mode() & 0o666;
        let file = File::open(&self.file).map_err(failed)?;
        file.set_permissions(PermissionsExt::from_mode(mode))
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        self.file.persist_noclobber(&target).map_err(|refused| match refused.error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: target.clone() },
            _ => failed(refused.error),
        })?;
        // Its name has to be on the disk as well.
        File::open(folder_of(&target)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    }
}

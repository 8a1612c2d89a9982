//! A new file that has no name until it is complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file without a name, in the folder of its target. The system removes it with its last
/// descriptor.
pub(super) struct Unnamed {
    pub file: File,
    target: PathBuf,
}

#[cfg(target_os = "linux")]
impl Unnamed {
    /// `None` where the file system, or a system without `/proc`, cannot do this.
    pub(super) fn create(target: &Path) -> io::Result<Option<Unnamed>> {
        use std::os::unix::fs::OpenOptionsExt;

        use nix::libc::O_TMPFILE;
        let mut options = std::fs::OpenOptions::new();
        let opened =
            options.read(true).write(true).mode(0o600).custom_flags(O_TMPFILE).open(super::folder_of(target));
        match opened {
            Ok(file) if by_descriptor(&file).exists() => {
                Ok(Some(Unnamed { file, target: super::absolute(target) }))
            }
            // A named file fails in the same folder with the error to report.
            _ => Ok(None),
        }
    }

    /// As [`super::NewFile::finish`].
    pub(super) fn finish(self, model: Option<&Path>) -> io::Result<u64> {
        use nix::errno::Errno;
        use nix::fcntl::{AT_FDCWD, AtFlags};
        let bytes = super::complete(&self.file, model)?;
        let name = by_descriptor(&self.file);
        match nix::unistd::linkat(AT_FDCWD, &name, AT_FDCWD, &self.target, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Err(io::ErrorKind::AlreadyExists.into()),
            // Some file systems make unnamed files and cannot name them.
            Err(_) => return self.copy(model),
        }
        super::sync_folder_of(&self.target)?;
        Ok(bytes)
    }

    fn copy(mut self, model: Option<&Path>) -> io::Result<u64> {
        use std::io::Seek;
        let named = super::NamedFile::create(&self.target)?;
        self.file.rewind()?;
        io::copy(&mut self.file, &mut named.file())?;
        named.finish(model)
    }
}

/// A path that leads to an open file, whatever its name is.
#[cfg(target_os = "linux")]
fn by_descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
impl Unnamed {
    pub(super) fn create(_: &Path) -> io::Result<Option<Unnamed>> {
        Ok(None)
    }

    pub(super) fn finish(self, model: Option<&Path>) -> io::Result<u64> {
        let _ = (&self.target, model);
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_named_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let Some(mut unnamed) = Unnamed::create(&target).unwrap() else { return };
        unnamed.file.write_all(b"all of it").unwrap();
        assert_eq!(unnamed.copy(Some(folder.path())).unwrap(), 9);
        assert_eq!(std::fs::read(&target).unwrap(), b"all of it");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

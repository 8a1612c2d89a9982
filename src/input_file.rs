//! Files that somebody else wrote: a workflow, a recorded run, an export, the configuration.
//!
//! They are read to their end, which a device does not have, and only up to a limit. A named pipe is
//! waited for like any other file that is not complete yet; `-` is standard input.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, StdinLock};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::text::size::show_size;

/// The name of standard input.
pub const STANDARD_INPUT: &str = "-";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Regular files, and nothing that has to be waited for.
    Regular,
    /// Also named pipes and standard input.
    Pipes,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system refuses.
    #[error(transparent)]
    Io(io::Error),
    /// It is something that has no end, or no content.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It has more bytes than are read.
    #[error("it is too large: at most {} are read", show_size(*limit))]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> io::Error {
        match error {
            InputError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, other),
        }
    }
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> InputError {
        // Reading reports the limit as an error of the system.
        error.downcast().unwrap_or_else(InputError::Io)
    }
}

/// An open file. Reading more of it than its limit is an error.
pub struct Input {
    source: InputSource,
    limit: u64,
    left: u64,
}

enum InputSource {
    /// A regular file, and its size when it was opened.
    Regular(File, u64),
    Pipe(File),
    StandardInput(StdinLock<'static>),
}

impl Input {
    /// Opens the file at `path`. A named pipe that nobody writes to is waited for; a signal ends that.
    ///
    /// # Errors
    /// [`InputError::NotAFile`] for a folder, a device or a socket, [`InputError::TooLarge`] if its size
    /// exceeds `limit` already.
    pub fn open(path: &Path, accept: Accept, limit: u64) -> Result<Input, InputError> {
        if path == Path::new(STANDARD_INPUT) && accept == Accept::Pipes {
            let source = InputSource::StandardInput(io::stdin().lock());
            return Ok(Input { source, limit, left: limit });
        }
        // Merely opening a device may have an effect.
        let file_type = path.metadata()?.file_type();
        check(file_type, accept)?;
        let is_pipe = file_type.is_fifo();
        let mut options = OpenOptions::new();
        options.read(true);
        if !is_pipe {
            options.custom_flags(nix::libc::O_NONBLOCK);
        }
        let file = options.open(path)?;
        // It may have been replaced in the meantime.
        let metadata = file.metadata()?;
        check(metadata.file_type(), if is_pipe { Accept::Pipes } else { Accept::Regular })?;
        let source = match metadata.is_file() {
            true => InputSource::Regular(file, size_of(&metadata, limit)?),
            false => InputSource::Pipe(file),
        };
        Ok(Input { source, limit, left: limit })
    }

    /// Whether it is a regular file, which can be read more than once.
    pub fn is_regular(&self) -> bool {
        matches!(self.source, InputSource::Regular(..))
    }

    /// Reads all of it that has not been read yet.
    ///
    /// # Errors
    /// [`InputError`]; nothing is known of the content then.
    pub fn read_all(mut self) -> Result<Vec<u8>, InputError> {
        let mut bytes = Vec::new();
        if let InputSource::Regular(_, size) = self.source {
            bytes.reserve_exact(usize::try_from(size).unwrap_or(0));
        }
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            // At the limit it matters whether this is the end.
            return match self.source.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(InputError::TooLarge { limit: self.limit }.into()),
            };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Read for InputSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            InputSource::Regular(file, _) | InputSource::Pipe(file) => file.read(buffer),
            InputSource::StandardInput(input) => input.read(buffer),
        }
    }
}

/// Reads all of a file: see [`Input::open`].
pub fn read(path: &Path, accept: Accept, limit: u64) -> Result<Vec<u8>, InputError> {
    Input::open(path, accept, limit)?.read_all()
}

fn check(file: FileType, accept: Accept) -> Result<(), InputError> {
    let what = match file {
        _ if file.is_file() => return Ok(()),
        _ if file.is_fifo() && accept == Accept::Pipes => return Ok(()),
        _ if file.is_fifo() => "a named pipe",
        _ if file.is_dir() => "a folder",
        _ if file.is_char_device() || file.is_block_device() => "a device",
        _ if file.is_socket() => "a socket",
        _ => "something else",
    };
    Err(InputError::NotAFile(what))
}

/// The size of a regular file, if that is within the limit. Some files of the system have a size of 0 and
/// content all the same.
fn size_of(metadata: &Metadata, limit: u64) -> Result<u64, InputError> {
    match metadata.len() {
        size if size > limit => Err(InputError::TooLarge { limit }),
        size => Ok(size),
    }
}

/// The content of a regular file; `None` if there is no file. A link is followed, and nothing is waited
/// for.
///
/// # Errors
/// As [`Input::open`] with [`Accept::Regular`], and [`InputError::TooLarge`] while it is read.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match read(path, Accept::Regular, limit) {
        Ok(content) => Ok(Some(content)),
        Err(InputError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn refusal(path: &str) -> String {
        read(Path::new(path), Accept::Pipes, 10).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let file = file(b"0123456789");
        assert_eq!(read(file.path(), Accept::Regular, 10).unwrap(), b"0123456789");
        let error = read(file.path(), Accept::Regular, 9).unwrap_err();
        assert!(matches!(error, InputError::TooLarge { limit: 9 }), "{error:?}");
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_read_no_further_than_the_limit() {
        let file = file(b"01234");
        let mut input = Input::open(file.path(), Accept::Regular, 10).unwrap();
        input.read_exact(&mut [0; 5]).unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        input.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(input.read(&mut [0; 5]).unwrap(), 0, "it ends at the limit");
        std::fs::write(file.path(), "0123456789+").unwrap();
        let error = InputError::from(input.read(&mut [0; 5]).unwrap_err());
        assert!(matches!(error, InputError::TooLarge { limit: 10 }), "{error:?}");
    }

    #[test]
    fn a_sparse_file_is_refused_by_its_size() {
        let file = file(b"");
        file.as_file().set_len(1 << 40).unwrap();
        let error = read(file.path(), Accept::Regular, 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is too large: at most 1.0 MiB are read");
    }

    #[test]
    fn what_has_no_end_is_refused_before_it_is_opened() {
        assert_eq!(refusal("/dev/zero"), "it is a device, not a file");
        assert_eq!(refusal("/"), "it is a folder, not a file");
        assert!(refusal("/nowhere").contains("No such file"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(refusal(path.to_str().unwrap()), "it is a socket, not a file");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = read(&pipe, Accept::Regular, 10).unwrap_err();
        assert_eq!(error.to_string(), "it is a named pipe, not a file");
    }

    #[test]
    fn a_file_of_the_system_has_content_whatever_its_size() {
        let stat = Path::new("/proc/self/stat");
        if stat.exists() {
            assert!(!read(stat, Accept::Regular, 1 << 20).unwrap().is_empty());
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let write = |content: &'static [u8]| {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::write(pipe, content))
        };
        let writer = write(b"0123456789");
        assert_eq!(read(&pipe, Accept::Pipes, 10).unwrap(), b"0123456789");
        writer.join().unwrap().unwrap();
        let writer = write(b"0123456789+");
        let error = read(&pipe, Accept::Pipes, 10).unwrap_err();
        assert!(matches!(error, InputError::TooLarge { limit: 10 }), "{error:?}");
        let _ = writer.join().unwrap();
    }
}

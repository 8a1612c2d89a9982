//! Files that are replaced as a whole.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Puts a text in the place of what is in a file, which may not be there, in a folder that may not be
/// there. It is written aside first, because another process may read it: no half of it is ever read. A
/// new file has `mode`, less what the process keeps from all of its files.
///
/// # Errors
/// If it cannot be written; the file is as it was then.
pub fn replace(file: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A link leads to where the file really is.
    let file: PathBuf = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let aside = file.with_extension(std::process::id().to_string());
    let mut output = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&aside)?;
    output.write_all(text)?;
    output.sync_all()?;
    std::fs::rename(&aside, file)
}

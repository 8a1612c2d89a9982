//! What a trial is given, and how that is written: `KEY=VALUE`, `PATTERN=OUTPUT`.

use std::str::FromStr;

use crate::store::Key;

/// An entry that is another one when a run begins: its value as a text, which gets the type that the
/// entry had; with none it is not there at all.
pub type Given = (Key, Option<Vec<u8>>);

/// Reads `KEY=VALUE`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn value(text: &str) -> Result<(Key, Vec<u8>), String> {
    let (key, value) = text.split_once('=').ok_or("this is not KEY=VALUE")?;
    Ok((Key::new(key).map_err(|error| error.to_string())?, value.into()))
}

/// What a command answers that is not run.
#[derive(Clone, Debug)]
pub struct Stub {
    /// The commands that are meant.
    pub command: globset::GlobMatcher,
    /// What they write to standard output.
    pub output: Vec<u8>,
}

impl PartialEq for Stub {
    fn eq(&self, other: &Stub) -> bool {
        self.command.glob() == other.command.glob() && self.output == other.output
    }
}

impl FromStr for Stub {
    type Err = String;

    /// Reads `PATTERN=OUTPUT`.
    fn from_str(text: &str) -> Result<Stub, String> {
        let (pattern, output) = text.split_once('=').ok_or("this is not PATTERN=OUTPUT")?;
        let glob = globset::Glob::new(pattern).map_err(|error| error.kind().to_string())?;
        Ok(Stub { command: glob.compile_matcher(), output: output.into() })
    }
}

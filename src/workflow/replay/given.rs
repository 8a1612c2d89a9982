//! What a trial is given, and how that is written: `KEY=VALUE`, `PATTERN=OUTPUT`.

pub use crate::lua::exec::Stub;
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

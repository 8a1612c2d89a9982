//! Keys, prefixes and ranges of keys.

use std::fmt;

use crate::text::escape::escape_data;

/// The name of an entry: any non-empty text. A key that another program wrote may also be
/// text that is not UTF-8, or a blob; both can be read, changed and deleted here.
///
/// Keys are ordered by their bytes, text before blobs, which is SQLite's own order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    blob: bool,
    bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key cannot be empty")]
pub struct EmptyKey;

impl Key {
    /// A key of our own making.
    ///
    /// # Errors
    /// [`EmptyKey`] if `text` is empty.
    pub fn new(text: impl AsRef<str>) -> Result<Key, EmptyKey> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(EmptyKey);
        }
        Ok(Key::from_stored(text.as_bytes(), false))
    }

    /// A key as a database holds it; `blob` if it is stored as a blob and not as text.
    pub fn from_stored(bytes: &[u8], blob: bool) -> Key {
        Key { blob, bytes: bytes.into() }
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key that comes right after this one: none lies between them.
    pub fn successor(&self) -> Key {
        Key { blob: self.blob, bytes: [&self.bytes[..], b"\0"].concat().into() }
    }

    /// The key as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    pub fn is_blob(&self) -> bool {
        self.blob
    }

    /// The key as text; bytes that are not UTF-8 are replaced.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl fmt::Display for Key {
    /// The key, escaped so that no byte of it reaches a terminal as a control sequence, with blanks at the end
    /// made visible.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_data(&self.bytes))
    }
}

/// A range of keys: from `start` (included) to `end` (excluded); an end that is `None` is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key of the range.
    pub start: Option<Key>,
    /// The first key after the range.
    pub end: Option<Key>,
}

impl KeyRange {
    pub fn all() -> KeyRange {
        KeyRange::default()
    }

    pub fn only(key: &Key) -> KeyRange {
        KeyRange { start: Some(key.clone()), end: Some(key.successor()) }
    }

    /// Every text key that begins with `prefix`, byte by byte: no wildcards, no case folding.
    pub fn prefix(prefix: &str) -> KeyRange {
        if prefix.is_empty() {
            return KeyRange::all();
        }
        KeyRange::beginning(&Key::from_stored(prefix.as_bytes(), false))
    }

    /// Every text key that begins with the bytes of `prefix`, which are not empty.
    pub fn beginning(prefix: &Key) -> KeyRange {
        let mut end = prefix.as_bytes().to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        KeyRange { start: Some(prefix.clone()), end: Some(Key::from_stored(&end, false)) }
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.start.as_ref().is_none_or(|start| key >= start) && self.end.as_ref().is_none_or(|end| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn a_prefix_is_a_range_without_wildcards_or_case_folding() {
        let range = KeyRange::prefix("a_");
        assert!(range.contains(&key("a_")));
        assert!(range.contains(&key("a_z")));
        assert!(!range.contains(&key("ab")));
        assert!(!range.contains(&key("A_z")));
        assert!(KeyRange::prefix("é").contains(&key("été")));
    }

    #[test]
    fn text_sorts_before_blobs() {
        assert!(key("zz") < Key::from_stored(b"a", true));
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert!(matches!(Key::new(""), Err(EmptyKey)));
    }
}

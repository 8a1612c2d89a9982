//! Masks secrets of the environment in recordings.

use std::cell::{Cell, RefCell};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::lua::recorded_value::RecordedValue;
use crate::text::masked::{self, MASK_START, MIN_LENGTH, replaced};

/// The names of variables that are masked by default.
pub const DEFAULT_PATTERNS: [&str; 6] =
    ["*TOKEN*", "*SECRET*", "*PASSW*", "*CREDENTIAL*", "*PRIVATE_KEY*", "*API_KEY*"];

/// Whether a secret was masked in a text.
pub(in crate::workflow) fn is_masked(text: &str) -> bool {
    text.contains(MASK_START)
}

/// Which variables are secret, and the values that were read.
#[derive(Debug)]
pub struct Mask {
    names: GlobSet,
    patterns: Vec<String>,
    known: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    is_empty: Cell<bool>,
}

impl Mask {
    /// Masks variables whose names match one of `patterns`, with `*` and `?` as wildcards, ignoring case.
    ///
    /// # Errors
    /// The invalid pattern.
    pub fn new(patterns: &[String]) -> Result<Mask, String> {
        let mut names = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
            names.add(glob.map_err(|error| format!("{pattern} is no pattern: {}", error.kind()))?);
        }
        let names = names.build().map_err(|error| error.to_string())?;
        let (known, is_empty) = (RefCell::default(), Cell::new(true));
        Ok(Mask { names, patterns: patterns.to_vec(), known, is_empty })
    }

    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// A variable was read: the text to store in place of its value, if that is a secret.
    pub fn read(&self, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let name = String::from_utf8_lossy(name);
        if value.is_empty() || !self.names.is_match(&*name) {
            return None;
        }
        let shown = format!("{MASK_START}{name}>").into_bytes();
        if value.len() >= MIN_LENGTH {
            let mut known = self.known.borrow_mut();
            known.retain(|(secret, _)| secret != value);
            known.push((value.to_vec(), shown.clone()));
            // One secret may be a part of another.
            known.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
            self.is_empty.set(false);
        }
        Some(shown)
    }

    /// A text with every secret in it masked.
    pub fn text(&self, text: Vec<u8>) -> Vec<u8> {
        let text = masked::masked(text);
        self.known.borrow().iter().fold(text, |text, (secret, shown)| replaced(text, secret, shown))
    }

    /// A value with every secret in it masked.
    pub fn value(&self, value: RecordedValue) -> RecordedValue {
        if self.is_empty.get() && !masked::has_secrets() {
            value
        } else {
            value.with_texts(&|text| self.text(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_read_is_masked_wherever_it_turns_up() {
        let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
        assert_eq!(mask.text(b"hunter2 hunter2".to_vec()), b"hunter2 hunter2");
        assert_eq!(mask.read(b"HOME", b"/root"), None);
        assert_eq!(mask.read(b"db_password", b"hunter2"), Some(b"<masked db_password>".to_vec()));
        assert_eq!(mask.text(b"a hunter2!hunter2".to_vec()), b"a <masked db_password>!<masked db_password>");
        let nested = RecordedValue::Table(vec![RecordedValue::text("x=hunter2")], Vec::new());
        assert_eq!(mask.value(nested).to_string(), "{\"x=<masked db_password>\"}");
    }

    #[test]
    fn a_short_secret_does_not_eat_other_texts() {
        let mask = Mask::new(&["PIN".to_string()]).unwrap();
        assert_eq!(mask.read(b"PIN", b"12"), Some(b"<masked PIN>".to_vec()));
        assert_eq!(mask.text(b"4122".to_vec()), b"4122");
        assert!(Mask::new(&["[".to_string()]).unwrap_err().contains("[ is no pattern"));
    }
}

//! Keys whose values are masked until somebody asks for them.

use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::store::pattern::InvalidPattern;
use crate::store::{Change, Entry, Image, Key, Subject, kind_inference};

/// What is shown in the place of a masked value, however long that is.
pub const MASK: &str = "••••••";

/// The keys that look like secrets where the configuration does not name others.
pub const DEFAULT: [&str; 3] = ["*password*", "*secret*", "*token*"];

/// Which keys have values that are masked: those that a pattern fits, in capital or small letters.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    names: Option<Arc<GlobSet>>,
}

impl Secrets {
    /// No key.
    pub const NONE: Secrets = Secrets { names: None };

    /// The keys that fit one of [`DEFAULT`].
    pub fn usual() -> Secrets {
        // The patterns are constants, and a test builds them.
        Secrets::new(&DEFAULT).unwrap_or_default()
    }

    /// The keys that fit one of `patterns`, in which `*` and `?` stand for any text and any character.
    ///
    /// # Errors
    /// Names the pattern that is not one.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Secrets, InvalidPattern> {
        if patterns.is_empty() {
            return Ok(Secrets::NONE);
        }
        let mut names = GlobSetBuilder::new();
        for pattern in patterns.iter().map(AsRef::as_ref) {
            let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
            names.add(glob.map_err(|error| InvalidPattern::new(pattern, error.kind().to_string()))?);
        }
        let names = names.build().map_err(|error| InvalidPattern::new("", error.to_string()))?;
        Ok(Secrets { names: Some(Arc::new(names)) })
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_none()
    }

    /// Whether the value of this key is masked.
    pub fn hides(&self, key: &Key) -> bool {
        self.hides_name(key.as_bytes())
    }

    /// The same of the name of a key.
    pub fn hides_name(&self, name: &[u8]) -> bool {
        self.names.as_ref().is_some_and(|names| names.is_match(&*String::from_utf8_lossy(name)))
    }

    /// The value of a parameter of a run, as it is shown: masked like that of a key of this name.
    pub fn parameter<'a>(&self, name: &str, value: &'a str) -> &'a str {
        if self.hides_name(name.as_bytes()) { MASK } else { value }
    }

    /// Whether the values of a change are masked. Those of a lock are its holders.
    pub fn hides_change(&self, change: &Change) -> bool {
        change.subject == Subject::Entry && self.hides(&change.key)
    }
}

/// An entry with its value masked; its kind is kept.
#[must_use]
pub fn masked_entry(entry: &Entry) -> Entry {
    Entry {
        stored: MASK.into(),
        size: MASK.len() as u64,
        kind: Some(kind_inference::infer(entry).0),
        key: entry.key.clone(),
        actor: entry.actor.clone(),
        ..*entry
    }
}

#[must_use]
pub fn masked_change(change: &Change) -> Change {
    Change {
        old: change.old.as_ref().map(masked_image),
        new: change.new.as_ref().map(masked_image),
        ..change.clone()
    }
}

/// What was stored, masked.
#[must_use]
pub fn masked_image(image: &Image) -> Image {
    Image { stored: MASK.into(), ..*image }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hides(secrets: &Secrets, key: &str) -> bool {
        secrets.hides(&Key::new(key).unwrap())
    }

    #[test]
    fn keys_that_look_like_secrets_are_hidden() {
        for key in ["password", "db/password", "DB_PASSWORD", "api_token:ann", "Secret", "a:b/c.token_d"] {
            assert!(hides(&Secrets::usual(), key), "{key}");
        }
        for key in ["pass", "version", "tok", "sec"] {
            assert!(!hides(&Secrets::usual(), key), "{key}");
        }
        assert!(Secrets::usual().hides(&Key::from_stored(b"\xff_token", true)));
        assert!(!hides(&Secrets::NONE, "password"));
    }

    #[test]
    fn the_patterns_can_be_others() {
        let secrets = Secrets::new(&["*_key", "pin"]).unwrap();
        assert!(hides(&secrets, "API_KEY") && hides(&secrets, "pin") && !hides(&secrets, "password"));
        assert!(Secrets::new(&["["]).is_err());
        assert!(!hides(&Secrets::new(&[""; 0]).unwrap(), "password"));
    }
}

//! Patterns of keys: a glob (`*`, `?`, `[..]`), or without those characters a plain prefix.

use globset::{GlobBuilder, GlobMatcher};

use crate::store::{Key, KeyRange};
use crate::text::escape::escape;

#[derive(Clone, Debug)]
pub struct Pattern {
    range: KeyRange,
    glob: Option<GlobMatcher>,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern} is no glob: {reason}")]
pub struct InvalidPattern {
    /// The text, escaped.
    pattern: String,
    reason: String,
}

impl InvalidPattern {
    /// Why `pattern` is not one.
    pub fn new(pattern: &str, reason: String) -> InvalidPattern {
        InvalidPattern { pattern: escape(pattern.as_bytes()), reason }
    }
}

impl Pattern {
    /// The keys that `text` means; all, if it is empty.
    ///
    /// # Errors
    /// Says what is wrong with the glob.
    pub fn new(text: &str) -> Result<Pattern, InvalidPattern> {
        let Some(first) = text.find(['*', '?', '[']) else {
            return Ok(Pattern { range: KeyRange::prefix(text), glob: None });
        };
        // Braces are plain characters in a key, alternatives in a glob.
        let escaped = text.replace('\\', "\\\\").replace('{', "\\{").replace('}', "\\}");
        let glob = GlobBuilder::new(&escaped).backslash_escape(true).build().map_err(|error| {
            InvalidPattern { pattern: escape(text.as_bytes()), reason: error.kind().to_string() }
        })?;
        let only_prefix = &text[first..] == "*";
        let glob = (!only_prefix).then(|| glob.compile_matcher());
        Ok(Pattern { range: KeyRange::prefix(&text[..first]), glob })
    }

    /// Where keys that fit can be.
    pub fn range(&self) -> KeyRange {
        self.range.clone()
    }

    /// The range, if every key of it fits.
    pub fn whole_range(&self) -> Option<KeyRange> {
        self.glob.is_none().then(|| self.range())
    }

    /// Whether a key fits. A key that is not UTF-8 only matches a prefix.
    pub fn matches(&self, key: &Key) -> bool {
        let fits = |glob: &GlobMatcher| key.as_str().is_some_and(|text| glob.is_match(text));
        self.range.contains(key) && self.glob.as_ref().is_none_or(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, key: &str) -> bool {
        let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{error}"));
        pattern.matches(&Key::new(key).unwrap())
    }

    #[test]
    fn without_glob_characters_it_is_a_prefix() {
        assert!(fits("", "anything"));
        assert!(fits("a_", "a_b"));
        assert!(!fits("a_", "ab"));
        assert!(fits("{a}", "{a}b"));
    }

    #[test]
    fn a_glob_fits_the_whole_key() {
        assert!(fits("a:*", "a:b:c/d\ne"));
        assert!(fits("*:state", "circuit:payments:state"));
        assert!(!fits("*:state", "circuit:payments:states"));
        assert!(fits("job:?", "job:1"));
        assert!(!fits("job:?", "job:12"));
        assert!(fits("job:[0-3]*", "job:2x"));
        assert!(!fits("job:[0-3]*", "job:4x"));
        assert!(fits("{a}*z", "{a}bz"));
        assert!(fits("a\\*", "a\\b"));
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        assert!(Pattern::new("a[").is_err());
    }
}

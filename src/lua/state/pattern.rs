//! Patterns of keys: a glob (`*`, `?`, `[..]`), or without those characters a plain prefix.

use globset::{GlobBuilder, GlobMatcher};

use crate::lua::call::Call;
use crate::lua::fault::Fault;
use crate::store::{Key, KeyRange};

/// Which keys are meant.
pub(super) struct Pattern {
    prefix: String,
    glob: Option<GlobMatcher>,
}

impl Pattern {
    /// The pattern at `index` of a call; every key if there is none.
    pub(super) fn read(call: &Call, index: usize) -> Result<Pattern, Fault> {
        Pattern::new(&call.optional_text(index, "pattern")?.unwrap_or_default())
    }

    fn new(text: &str) -> Result<Pattern, Fault> {
        let Some(first) = text.find(['*', '?', '[']) else {
            return Ok(Pattern { prefix: text.into(), glob: None });
        };
        // Braces are plain characters in a key, alternatives in a glob.
        let escaped = text.replace('\\', "\\\\").replace('{', "\\{").replace('}', "\\}");
        let glob = GlobBuilder::new(&escaped)
            .backslash_escape(true)
            .build()
            .map_err(|error| Fault::usage(format!("the pattern {text} is no glob: {}", error.kind())))?;
        let only_prefix = &text[first..] == "*";
        let glob = (!only_prefix).then(|| glob.compile_matcher());
        Ok(Pattern { prefix: text[..first].into(), glob })
    }

    /// Where keys that fit can be.
    pub(super) fn range(&self) -> KeyRange {
        KeyRange::prefix(&self.prefix)
    }

    /// The range, if every key of it fits.
    pub(super) fn whole_range(&self) -> Option<KeyRange> {
        self.glob.is_none().then(|| self.range())
    }

    /// Whether a key of the range fits.
    pub(super) fn matches(&self, key: &Key) -> bool {
        let Some(glob) = &self.glob else { return true };
        key.as_str().is_some_and(|text| glob.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, key: &str) -> bool {
        let pattern = Pattern::new(pattern).unwrap_or_else(|fault| panic!("{fault}"));
        let key = Key::new(key).unwrap();
        pattern.range().contains(&key) && pattern.matches(&key)
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

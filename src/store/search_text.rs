//! A text that is looked for in keys and values.

use memchr::{memchr2_iter, memmem};

/// A text that is looked for in smart case: without regard to case, unless it has a capital.
#[derive(Clone, Debug)]
pub struct Needle {
    text: String,
    /// Set where bytes can be compared as they are: with a capital, or without any letter that
    /// has one.
    exact: Option<memmem::Finder<'static>>,
}

impl PartialEq for Needle {
    fn eq(&self, other: &Needle) -> bool {
        self.text == other.text
    }
}

impl Needle {
    pub fn new(text: &str) -> Needle {
        let exact = text.chars().any(char::is_uppercase) || !text.chars().any(char::is_lowercase);
        let finder = exact.then(|| memmem::Finder::new(text).into_owned());
        Needle { text: text.to_string(), exact: finder }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in `hay` the needle begins, in bytes. For letters beyond ASCII it is the place in
    /// the hay in small letters.
    pub fn find(&self, hay: &[u8]) -> Option<usize> {
        if let Some(finder) = &self.exact {
            return finder.find(hay);
        }
        let needle = self.text.as_bytes();
        if !self.text.is_ascii() {
            return String::from_utf8_lossy(hay).to_lowercase().find(&self.text);
        }
        let last = (hay.len() + 1).checked_sub(needle.len())?;
        memchr2_iter(needle[0], needle[0].to_ascii_uppercase(), &hay[..last])
            .find(|at| hay[*at..*at + needle.len()].eq_ignore_ascii_case(needle))
    }

    pub fn is_in(&self, hay: &[u8]) -> bool {
        self.find(hay).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_only_with_a_capital() {
        let is_in = |needle: &str, hay: &str| Needle::new(needle).is_in(hay.as_bytes());
        assert!(is_in("check", "new_Checkout"));
        assert!(!is_in("Checkout", "new_checkout"));
        assert!(is_in("été", "ÉTÉ"));
        assert!(is_in("00:17", "a00:17b"));
        assert!(is_in("", "anything"));
        assert!(!is_in("longer than the hay", "hay"));
        assert_eq!(Needle::new("b").find(b"aBc"), Some(1));
    }
}

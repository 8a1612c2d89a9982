//! Passwords that this process was given, and texts in which they are masked.

use std::sync::RwLock;

use memchr::memmem;

/// The beginning of the text that replaces a secret.
pub const MASK_START: &str = "<masked ";

/// Whether a secret was masked in a text.
pub fn is_masked(text: &str) -> bool {
    text.contains(MASK_START)
}

/// Whether `actual` may be what was recorded as `recorded`, which has masks in it: any text may stand behind a
/// mask.
pub fn fits_masked(recorded: &[u8], actual: &[u8]) -> bool {
    let Some(parts) = around_masks(recorded) else { return false };
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let Some(rest) = actual.strip_prefix(*first) else { return false };
    // The first place of each part leaves the most for those after it.
    let mut rest = rest;
    for part in middle {
        match memmem::find(rest, part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a text consists of one mask.
pub fn is_mask(text: &[u8]) -> bool {
    around_masks(text).is_some_and(|parts| parts.len() == 2 && parts.iter().all(|part| part.is_empty()))
}

/// The parts of a text before, between and after its masks; `None` without a mask.
fn around_masks(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = memmem::find(rest, MASK_START.as_bytes()) {
        let Some(end) = memchr::memchr(b'>', &rest[at..]) else { break };
        parts.push(&rest[..at]);
        rest = &rest[at + end + 1..];
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(rest);
    Some(parts)
}

/// The shortest secret that is masked; the letters of a shorter one are found in too many other texts.
pub const MIN_LENGTH: usize = 4;

/// Each secret with the text that replaces it, the longest first: one may be a part of another.
static SECRETS: RwLock<Vec<(Vec<u8>, Vec<u8>)>> = RwLock::new(Vec::new());

/// From now on masks a password in all texts, also where it is percent-encoded as in a URL.
pub fn mask_password(name: &str, password: &str) {
    let upper = percent_encoded(password, |byte| format!("%{byte:02X}"));
    let lower = percent_encoded(password, |byte| format!("%{byte:02x}"));
    let Ok(mut secrets) = SECRETS.write() else { return };
    for secret in [password.to_owned(), upper, lower] {
        if secret.len() >= MIN_LENGTH && secrets.iter().all(|(known, _)| known != secret.as_bytes()) {
            secrets.push((secret.into_bytes(), format!("{MASK_START}{name}>").into_bytes()));
        }
    }
    secrets.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
}

/// A text in which every such password is masked.
pub fn masked(text: Vec<u8>) -> Vec<u8> {
    let Ok(secrets) = SECRETS.read() else { return text };
    secrets.iter().fold(text, |text, (secret, shown)| replaced(text, secret, shown))
}

/// As [`masked`], for a text.
pub fn masked_text(text: String) -> String {
    String::from_utf8_lossy(&masked(text.into_bytes())).into_owned()
}

/// Whether any password is masked.
pub fn has_secrets() -> bool {
    SECRETS.read().is_ok_and(|secrets| !secrets.is_empty())
}

/// `text` with `shown` in each place of `secret`.
pub fn replaced(text: Vec<u8>, secret: &[u8], shown: &[u8]) -> Vec<u8> {
    let mut places = memmem::find_iter(&text, secret).peekable();
    if places.peek().is_none() {
        return text;
    }
    let mut masked = Vec::with_capacity(text.len());
    let mut end = 0;
    for place in places {
        masked.extend_from_slice(&text[end..place]);
        masked.extend_from_slice(shown);
        end = place + secret.len();
    }
    masked.extend_from_slice(&text[end..]);
    masked
}

/// All but the characters that are never encoded (RFC 3986, 2.3).
fn percent_encoded(text: &str, encode: impl Fn(u8) -> String) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => encode(other),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_a_mask_and_the_rest_must_be_equal() {
        for (recorded, actual, fits) in [
            ("<masked A>", "hunter2", true),
            ("<masked A>", "", true),
            ("a <masked A> b", "a hunter2 b", true),
            ("a <masked A> b", "a hunter2 c", false),
            ("a <masked A> b", "ab", false),
            ("<masked A>/<masked B>", "x/y", true),
            ("<masked A>/<masked B>", "xy", false),
            ("<masked A>x<masked B>x", "xx", true),
            ("<masked A>x<masked B>x", "x", false),
            ("hunter2", "hunter3", false),
            ("<masked A", "<masked B", false),
        ] {
            assert_eq!(fits_masked(recorded.as_bytes(), actual.as_bytes()), fits, "{recorded} {actual}");
        }
        assert!(is_mask(b"<masked A>") && !is_mask(b"<masked A> ") && !is_mask(b"a"));
    }

    #[test]
    fn a_password_is_masked_in_every_form() {
        // Long, since the other tests of this process see it too.
        let password = "k9/q?v@z unlikely-one";
        mask_password("X", password);
        for form in [password, "k9%2Fq%3Fv%40z%20unlikely-one", "k9%2fq%3fv%40z%20unlikely-one"] {
            assert_eq!(masked_text(format!("a {form}:{form}")), "a <masked X>:<masked X>", "{form}");
        }
        mask_password("short", "pin");
        assert_eq!(masked_text("a pinned one".into()), "a pinned one");
    }
}

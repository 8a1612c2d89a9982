//! Makes hostile bytes visible: nothing that comes from a database reaches a terminal as a
//! control sequence, and two different texts never look the same because something was dropped.

use std::path::Path;

/// A piece of escaped text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscapedPiece {
    /// The text; free of control characters.
    pub text: String,
    /// Whether it is an escape sequence rather than literal text.
    pub escaped: bool,
}

/// `bytes` as one line of visible text. Line breaks become `\n`, other control characters a
/// picture (`␛`) or `\u{…}`, bytes that are not UTF-8 `\x…`.
pub fn escape(bytes: &[u8]) -> String {
    pieces(bytes).into_iter().map(|piece| piece.text).collect()
}

/// Keys and values as one line of visible text: as [`escape`], with blanks at the end shown as `␠`.
pub fn escape_data(bytes: &[u8]) -> String {
    data_pieces(bytes).into_iter().map(|piece| piece.text).collect()
}

/// As [`pieces`], with blanks at the end shown as `␠`.
pub fn data_pieces(bytes: &[u8]) -> Vec<EscapedPiece> {
    let (text, blanks) = bytes.split_at(trailing_blanks(bytes));
    let mut pieces = pieces(text);
    if !blanks.is_empty() {
        pieces.push(EscapedPiece { text: show_blanks(blanks), escaped: true });
    }
    pieces
}

/// The byte offset of the trailing blanks of a text; its length if it has none. Line breaks and tabs are
/// always visible and do not count.
pub fn trailing_blanks(bytes: &[u8]) -> usize {
    let is_blank = |c: char| c.is_whitespace() && is_drawable(c);
    let mut end = bytes.len();
    // A blank has up to three bytes.
    while let Some(start) = (1..=3.min(end)).map(|length| end - length).find(|start| {
        std::str::from_utf8(&bytes[*start..end])
            .is_ok_and(|text| text.chars().count() == 1 && text.chars().all(is_blank))
    }) {
        end = start;
    }
    end
}

/// Blanks made visible: a space as `␠`, others by code point.
pub fn show_blanks(blanks: &[u8]) -> String {
    String::from_utf8_lossy(blanks)
        .chars()
        .map(|blank| if blank == ' ' { "␠".into() } else { code_point(blank) })
        .collect()
}

/// A path as one line of visible text.
pub fn path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// As [`escape`], with the escaped pieces marked so that a view can draw them differently.
pub fn pieces(bytes: &[u8]) -> Vec<EscapedPiece> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match visible(character) {
                None => push(&mut pieces, false, |text| text.push(character)),
                Some(shown) => push(&mut pieces, true, |text| text.push_str(&shown)),
            }
        }
        for byte in chunk.invalid() {
            push(&mut pieces, true, |text| text.push_str(&format!("\\x{byte:02x}")));
        }
    }
    pieces
}

/// Whether a character can be drawn as it is.
pub fn is_drawable(character: char) -> bool {
    visible(character).is_none()
}

fn push(pieces: &mut Vec<EscapedPiece>, escaped: bool, add: impl FnOnce(&mut String)) {
    if pieces.last().is_none_or(|last| last.escaped != escaped) {
        pieces.push(EscapedPiece { text: String::new(), escaped });
    }
    if let Some(last) = pieces.last_mut() {
        add(&mut last.text);
    }
}

/// The escape sequence of a character; `None` if it can be drawn.
fn visible(character: char) -> Option<String> {
    match character {
        '\n' => Some("\\n".into()),
        '\r' => Some("\\r".into()),
        '\t' => Some("\\t".into()),
        '\0'..='\u{1f}' => char::from_u32(0x2400 + character as u32).map(String::from),
        '\u{7f}' => Some("␡".into()),
        '\u{80}'..='\u{9f}' => Some(code_point(character)),
        _ if is_invisible_format(character) => Some(code_point(character)),
        _ => None,
    }
}

fn code_point(character: char) -> String {
    format!("\\u{{{:x}}}", character as u32)
}

/// Characters that change how their neighbours are drawn, or show nothing: soft hyphen, bidi
/// marks, embeddings and isolates (Unicode UAX #9), line and paragraph separators, zero-width
/// space, byte order mark, tags. The zero-width joiners stay: emoji and Indic scripts need them.
fn is_invisible_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `bytes` quoted as one word of a POSIX shell. Characters that cannot be drawn are written as `$'…'`, which
/// bash, zsh and ksh support.
pub fn shell_word(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_drawable) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                b'\'' | b'\\' => format!("\\{}", *byte as char),
                b' '..=b'~' => (*byte as char).to_string(),
                other => format!("\\{other:03o}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

/// Escapes the characters of a JSON text that a terminal interprets or that are invisible. They occur in
/// strings only, where `\u…` is equivalent.
pub fn drawable_json(object: &str) -> String {
    let mut shown = String::with_capacity(object.len());
    for character in object.chars() {
        if is_drawable(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

/// Bytes that are not UTF-8 as hexadecimal digits; `None` for UTF-8.
pub fn hex_unless_utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(escape(b"a\x1b[31mb\n"), "a␛[31mb\\n");
        assert_eq!(escape("x\u{202e}y\u{9b}z".as_bytes()), "x\\u{202e}y\\u{9b}z");
        assert_eq!(escape(b"\x7f\0"), "␡␀");
    }

    #[test]
    fn blanks_at_the_end_of_data_are_visible() {
        for (bytes, shown) in [
            (&b"prod "[..], "prod␠"),
            (b"two  ", "two␠␠"),
            (b" a b", " a b"),
            (b" ", "␠"),
            (b"", ""),
            (b"x \n", "x \\n"),
            (b"x\t ", "x\\t␠"),
            ("x\u{a0}".as_bytes(), "x\\u{a0}"),
            ("x\u{3000} ".as_bytes(), "x\\u{3000}␠"),
            (b"\xff ", "\\xff␠"),
            (b" \xa0", " \\xa0"),
        ] {
            assert_eq!(escape_data(bytes), shown, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_kept_visible() {
        assert_eq!(escape(b"ok\xff\xfe!"), "ok\\xff\\xfe!");
    }

    #[test]
    fn a_shell_reads_back_the_very_bytes() {
        for bytes in [
            &b"deploy/1"[..],
            b"two words; rm -rf $HOME `x` \"y\"",
            b"it's",
            "gr\u{fc}\u{df}e".as_bytes(),
            b"\x1b[31m\n'\\7\xff",
            b"",
        ] {
            let word = shell_word(bytes);
            assert!(!word.chars().any(char::is_control), "{word}");
            let command = format!("printf %s {word}");
            let printed = std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
            assert_eq!(printed.stdout, bytes, "{word}");
        }
    }

    #[test]
    fn pieces_tell_what_was_escaped() {
        let shown = pieces(b"a\nb");
        let flags: Vec<bool> = shown.iter().map(|piece| piece.escaped).collect();
        assert_eq!(flags, [false, true, false]);
    }

    #[test]
    fn nothing_that_comes_out_is_a_control_character() {
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!escape(every.as_bytes()).chars().any(char::is_control));
    }
}

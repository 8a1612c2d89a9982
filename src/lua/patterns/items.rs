//! The items of a pattern that match one byte: a byte, a class such as `%a`, a set such as `[a-z]`, or any byte.

use super::error::PatternError;

/// What an item matches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'p> {
    Any,
    Byte(u8),
    Class(Class),
    /// With its brackets.
    Set(&'p [u8]),
}

impl<'p> Item<'p> {
    /// The item at `at`, and the place after it. `pattern` does not end there.
    pub(super) fn at(pattern: &'p [u8], at: usize) -> Result<(Item<'p>, usize), PatternError> {
        match pattern[at] {
            b'.' => Ok((Item::Any, at + 1)),
            b'%' => match pattern.get(at + 1) {
                Some(&letter) => Ok((Item::escaped(letter), at + 2)),
                None => Err(PatternError::EndsWithPercent),
            },
            b'[' => {
                let end = end_of_set(pattern, at).ok_or(PatternError::MissingBracket)?;
                Ok((Item::Set(&pattern[at..end]), end))
            }
            byte => Ok((Item::Byte(byte), at + 1)),
        }
    }

    fn escaped(letter: u8) -> Item<'p> {
        Class::of(letter).map_or(Item::Byte(letter), Item::Class)
    }

    #[inline]
    pub(super) fn matches(self, byte: u8) -> bool {
        match self {
            Item::Any => true,
            Item::Byte(own) => byte == own,
            Item::Class(class) => class.contains(byte),
            Item::Set(set) => set_contains(set, byte),
        }
    }

    /// How many steps it takes to compare it with a byte.
    #[inline]
    pub(super) fn steps(self) -> usize {
        match self {
            Item::Any | Item::Byte(_) | Item::Class(_) => 1,
            Item::Set(set) => set.len(),
        }
    }

    /// How many bytes match from the start.
    pub(super) fn run_length(self, bytes: &[u8]) -> usize {
        let first_other = match self {
            Item::Any => None,
            Item::Byte(own) => bytes.iter().position(|byte| *byte != own),
            Item::Class(class) => bytes.iter().position(|byte| !class.contains(*byte)),
            Item::Set(set) => bytes.iter().position(|byte| !set_contains(set, *byte)),
        };
        first_other.unwrap_or(bytes.len())
    }
}

/// Where the set that begins at `at` ends; `None` if its last bracket is missing.
fn end_of_set(pattern: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    if pattern.get(end) == Some(&b'^') {
        end += 1;
    }
    loop {
        // A bracket that comes first belongs to the set.
        if *pattern.get(end)? == b'%' && end + 1 < pattern.len() {
            end += 1;
        }
        end += 1;
        if pattern.get(end) == Some(&b']') {
            return Some(end + 1);
        }
    }
}

/// Whether a set with its brackets contains a byte.
pub(super) fn set_contains(set: &[u8], byte: u8) -> bool {
    let is_negated = set.get(1) == Some(&b'^');
    let content = &set[1 + usize::from(is_negated)..set.len() - 1];
    let mut at = 0;
    while let Some(&first) = content.get(at) {
        let found = if first == b'%' {
            at += 2;
            // Without a letter it is the last bracket, which was escaped.
            Item::escaped(content.get(at - 1).copied().unwrap_or(b']')).matches(byte)
        } else if content.get(at + 1) == Some(&b'-') && at + 2 < content.len() {
            at += 3;
            (first..=content[at - 1]).contains(&byte)
        } else {
            at += 1;
            first == byte
        };
        if found {
            return !is_negated;
        }
    }
    is_negated
}

/// A class of bytes such as `%a`, or all others, as `%A`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    mask: u16,
    is_negated: bool,
}

impl Class {
    /// `None` for a letter that names no class.
    fn of(letter: u8) -> Option<Class> {
        let place = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
        Some(Class { mask: 1 << place, is_negated: letter.is_ascii_uppercase() })
    }

    #[inline]
    fn contains(self, byte: u8) -> bool {
        (CLASSES_OF_BYTES[usize::from(byte)] & self.mask != 0) != self.is_negated
    }
}

const LETTERS: [u8; 10] = *b"acdlpsuwxz";

/// The classes that contain each byte, in the C locale: a bit for each of the letters.
static CLASSES_OF_BYTES: [u16; 256] = {
    let mut classes = [0; 256];
    let mut number = 0;
    while number < 256 {
        let byte = number as u8;
        let contains = [
            byte.is_ascii_alphabetic(),
            byte.is_ascii_control(),
            byte.is_ascii_digit(),
            byte.is_ascii_lowercase(),
            byte.is_ascii_punctuation(),
            // Unlike Rust's, with the vertical tab.
            byte.is_ascii_whitespace() || byte == 0x0b,
            byte.is_ascii_uppercase(),
            byte.is_ascii_alphanumeric(),
            byte.is_ascii_hexdigit(),
            byte == 0,
        ];
        let mut place = 0;
        while place < contains.len() {
            classes[number] |= (contains[place] as u16) << place;
            place += 1;
        }
        number += 1;
    }
    classes
};

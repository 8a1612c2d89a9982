//! Where two values differ, line by line: a table on many lines, any other text as it is.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use unicode_segmentation::UnicodeSegmentation;

use crate::store::Value;
use crate::text::escape::escape_data;

/// The longest table, in bytes, that is spread over lines to be compared.
const TABLE: usize = 256 * 1024;
/// How many lines that may differ are matched with each other; of more, all of them differ.
const LINES: usize = 2000;
/// How many of the lines that differ are kept: no screen has more.
const SHOWN: usize = 400;
/// How much of a line is kept, in bytes.
const LINE: usize = 2048;
/// How much of what is the same is kept before what differs, in bytes, where a line is longer.
const CONTEXT: usize = 256;

/// Where two values differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextDiff {
    /// The places, from the top down; none where the values are the same.
    pub places: Vec<DiffHunk>,
}

/// A place where two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffHunk {
    /// The line before it, which is the same in both, escaped.
    pub before: Option<String>,
    pub mine: Vec<DiffSegment>,
    pub theirs: Vec<DiffSegment>,
}

/// A line that differs, or has no like in the other value; escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffSegment {
    /// Its text.
    pub text: String,
    /// What of it differs, in bytes of the text.
    pub differs: Range<usize>,
}

impl TextDiff {
    pub fn of(mine: &Value, theirs: &Value) -> TextDiff {
        let (mine, theirs) = (readable(mine), readable(theirs));
        let (mine, theirs) = (lines(&mine), lines(&theirs));
        let same = mine.iter().zip(&theirs).take_while(|(mine, theirs)| mine == theirs).count();
        let rest = |lines: &[&[u8]]| lines.len() - same;
        let ending = mine[same..].iter().rev().zip(theirs[same..].iter().rev());
        let after = ending.take_while(|(mine, theirs)| mine == theirs).count();
        let (old, new) = (rest(&mine) - after, rest(&theirs) - after);
        let (old, new) = (&mine[same..same + old], &theirs[same..same + new]);
        let ops = if old.len().max(new.len()) <= LINES {
            capture_diff_slices(Algorithm::Myers, old, new)
        } else {
            vec![DiffOp::Replace { old_index: 0, old_len: old.len(), new_index: 0, new_len: new.len() }]
        };
        let mut places = Vec::new();
        let mut shown = 0;
        for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
            if shown >= SHOWN {
                break;
            }
            let (old, new) = (op.old_range(), op.new_range());
            let before = (same + old.start).checked_sub(1).map(|line| escape_data(cut(mine[line])));
            let old = &mine[same + old.start..same + old.end];
            let new = &theirs[same + new.start..same + new.end];
            let place = DiffHunk::of(before, &old[..old.len().min(SHOWN)], &new[..new.len().min(SHOWN)]);
            shown += place.mine.len().max(place.theirs.len());
            places.push(place);
        }
        TextDiff { places }
    }
}

impl DiffHunk {
    fn of(before: Option<String>, mine: &[&[u8]], theirs: &[&[u8]]) -> DiffHunk {
        // As many lines here as there: each was changed. Otherwise some came or went, and which
        // belongs to which is not known.
        if mine.len() == theirs.len() {
            let (mine, theirs) = mine.iter().zip(theirs).map(|(mine, theirs)| parts(mine, theirs)).unzip();
            return DiffHunk { before, mine, theirs };
        }
        let whole =
            |lines: &[&[u8]]| lines.iter().map(|line| DiffSegment::whole(escape_data(cut(line)))).collect();
        DiffHunk { before, mine: whole(mine), theirs: whole(theirs) }
    }
}

impl DiffSegment {
    fn whole(text: String) -> DiffSegment {
        DiffSegment { differs: 0..text.len(), text }
    }
}

/// Two lines, and what is not the same at their beginning and at their end. What is between may be
/// the same in places: marking those would be confetti.
fn parts(mine: &[u8], theirs: &[u8]) -> (DiffSegment, DiffSegment) {
    let same = mine.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let start = match same.checked_sub(CONTEXT) {
        // Not in the middle of a character.
        Some(start) if mine.len().max(theirs.len()) > LINE => {
            (0..=start).rev().find(|at| mine[*at] & 0xc0 != 0x80).unwrap_or(0)
        }
        _ => 0,
    };
    let text = |line: &[u8]| {
        let mark = if start > 0 { "…" } else { "" };
        format!("{mark}{}", escape_data(cut(&line[start..])))
    };
    let (mine, theirs) = (text(mine), text(theirs));
    let (one, other): (Vec<&str>, Vec<&str>) =
        (mine.graphemes(true).collect(), theirs.graphemes(true).collect());
    let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let ending = one[same..].iter().rev().zip(other[same..].iter().rev());
    let after = ending.take_while(|(one, other)| one == other).count();
    let bytes = |graphemes: &[&str]| graphemes.iter().map(|grapheme| grapheme.len()).sum::<usize>();
    let differs =
        |graphemes: &[&str]| bytes(&graphemes[..same])..bytes(&graphemes[..graphemes.len() - after]);
    let (first, second) = (differs(&one), differs(&other));
    (DiffSegment { text: mine, differs: first }, DiffSegment { text: theirs, differs: second })
}

/// A table on many lines, without the commas at their ends: what comes behind a member is no
/// difference of that member. Anything else as it is stored.
fn readable(value: &Value) -> Vec<u8> {
    let stored = value.to_stored();
    match value {
        Value::Table(json) if stored.len() <= TABLE => json.pretty().replace(",\n", "\n").into_bytes(),
        _ => stored,
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n').collect()
}

/// The beginning of a line, as far as it is looked at.
fn cut(line: &[u8]) -> &[u8] {
    &line[..line.len().min(LINE)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Type;

    fn differing(part: &DiffSegment) -> &str {
        &part.text[part.differs.clone()]
    }

    #[test]
    fn of_two_lines_the_middle_differs() {
        let found = TextDiff::of(&Value::text("v1.14.2-mine"), &Value::text("v1.15.0"));
        let [place] = &found.places[..] else { panic!("{found:?}") };
        assert_eq!((differing(&place.mine[0]), differing(&place.theirs[0])), ("4.2-mine", "5.0"));
        assert_eq!(place.before, None);
        let longer = TextDiff::of(&Value::text("aab"), &Value::text("aaab"));
        let [place] = &longer.places[..] else { panic!("{longer:?}") };
        assert_eq!((differing(&place.mine[0]), differing(&place.theirs[0])), ("", "a"));
        assert_eq!(TextDiff::of(&Value::text("same"), &Value::text("same")), TextDiff::default());
        let blank = TextDiff::of(&Value::text("on "), &Value::text("on"));
        assert_eq!(differing(&blank.places[0].mine[0]), "␠");
        // A letter and what stands on it are not torn.
        let accent = TextDiff::of(&Value::text("e\u{301}x"), &Value::text("ex"));
        assert_eq!(differing(&accent.places[0].mine[0]), "e\u{301}");
    }

    #[test]
    fn of_two_tables_only_the_lines_differ_that_do() {
        let table = |text: &str| Value::parse(text.as_bytes(), Type::Table).unwrap();
        let mine = table(r#"{"a":1,"hosts":["web1","web2"],"mode":"slow","zone":9}"#);
        let theirs = table(r#"{"a":1,"hosts":["web1","web2","web3"],"mode":"fast","zone":9}"#);
        let found = TextDiff::of(&mine, &theirs);
        let [hosts, mode] = &found.places[..] else { panic!("{found:?}") };
        assert!(hosts.mine.is_empty() && hosts.theirs.len() == 1, "{hosts:?}");
        assert_eq!((mode.mine[0].text.trim(), differing(&mode.mine[0])), ("\"mode\": \"slow\"", "slow"));
        assert_eq!(mode.before.as_deref(), Some("  ]"));
        assert_eq!(differing(&mode.theirs[0]), "fast");
    }

    #[test]
    fn lines_that_came_are_in_one_value_only() {
        let found = TextDiff::of(&Value::text("a\nb\nc"), &Value::text("a\nx\x1b\ny\nb\nc"));
        let [place] = &found.places[..] else { panic!("{found:?}") };
        assert!(place.mine.is_empty() && place.theirs.len() == 2);
        assert_eq!((place.before.as_deref(), place.theirs[0].text.as_str()), (Some("a"), "x␛"));
    }

    #[test]
    fn very_many_lines_and_very_long_ones_have_an_end() {
        let numbered =
            |letter: char| Value::text((0..5_000).map(|n| format!("{letter}{n}\n")).collect::<String>());
        let found = TextDiff::of(&numbered('a'), &numbered('b'));
        assert_eq!((found.places.len(), found.places[0].mine.len()), (1, SHOWN));
        let long = |letter: &str| Value::text(letter.repeat(1_000_000));
        let found = TextDiff::of(&long("a"), &long("b"));
        assert_eq!(found.places[0].mine[0].text.len(), LINE);
        let late = |word: &str| Value::text(format!("{}ü{word}", "same ".repeat(10_000)));
        let found = TextDiff::of(&late("mine"), &late("other"));
        assert_eq!(differing(&found.places[0].mine[0]), "mine");
        assert!(found.places[0].theirs[0].text.starts_with('…'));
        // The same number of lines, all of which differ and none of which are long.
        let every =
            |letter: char| Value::text((0..LINES).map(|n| format!("{letter}{n}\n")).collect::<String>());
        assert_eq!(TextDiff::of(&every('a'), &every('b')).places[0].mine.len(), SHOWN);
    }
}

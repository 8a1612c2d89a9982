//! What another source has at other lines: texts that differ only in a line of a script are alike, and a divergence
//! is shown where the source was changed.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::lua::error::ScriptLine;
use crate::lua::recorded_value::RecordedValue;
use crate::workflow::recording::Header;

/// The scripts of a run that is replayed with another source.
pub(super) struct MovedLines {
    /// The names of the files, as errors have them.
    names: Vec<String>,
    /// The lines of the other source that the recorded one does not have, or before which it has others; counted
    /// from 1.
    changed: Vec<usize>,
    /// For each line of the recorded source: where the other has it, or would have it.
    moved_to: Vec<usize>,
}

impl MovedLines {
    pub(super) fn new(header: &Header, other: &[u8]) -> MovedLines {
        let files = std::iter::once(&header.file).chain(header.modules.iter().map(|(file, _)| file));
        let mut names: Vec<String> = Vec::new();
        for file in files {
            let last = file.rsplit('/').next().unwrap_or(file);
            names.extend([file.clone(), last.to_string()]);
        }
        // A name may be the end of another.
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.retain(|name| !name.is_empty());
        let (changed, moved_to) = compare(&header.source, other);
        MovedLines { names, changed, moved_to }
    }

    /// Where the other source has a line of the recorded one.
    pub(super) fn moved_to(&self, recorded: usize) -> usize {
        let moved = recorded.checked_sub(1).and_then(|line| self.moved_to.get(line));
        moved.copied().unwrap_or(recorded)
    }

    /// The line of the other source that was changed, at `line` or nearest in front of it; the first one if there
    /// is none, or without a line.
    pub(super) fn changed_near(&self, line: Option<usize>) -> Option<usize> {
        let near = line.and_then(|line| self.changed.iter().rev().find(|changed| **changed <= line));
        near.or(self.changed.first()).copied()
    }

    /// A text without the numbers of lines.
    pub(super) fn without_lines(&self, text: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let named = self.names.iter().find_map(|name| {
                let after = rest.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
                let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (digits > 0).then_some((name.len() + 1, digits))
            });
            match named {
                Some((name, digits)) => {
                    kept.extend_from_slice(&rest[..name]);
                    rest = &rest[name + digits..];
                }
                None => {
                    kept.push(rest[0]);
                    rest = &rest[1..];
                }
            }
        }
        kept
    }

    /// Whether two lists of values differ in nothing but lines.
    pub(super) fn are_alike(&self, left: &[RecordedValue], right: &[RecordedValue]) -> bool {
        let plain = |value: &RecordedValue| value.clone().with_texts(&|text| self.without_lines(&text));
        left.len() == right.len()
            && left.iter().zip(right).all(|(left, right)| plain(left).is_like(&plain(right)))
    }

    /// The line with which a message begins, as errors of Lua do.
    pub(super) fn line_of(&self, message: &str) -> Option<ScriptLine> {
        line_of(self.names.iter().map(String::as_str), message)
    }
}

/// The line of one of these files with which a message begins.
fn line_of<'a>(names: impl Iterator<Item = &'a str>, message: &str) -> Option<ScriptLine> {
    let mut found = names.filter_map(|name| {
        let digits: String =
            message.strip_prefix(name)?.strip_prefix(':')?.chars().take_while(char::is_ascii_digit).collect();
        Some(ScriptLine { file: name.to_string(), line: digits.parse().ok()? })
    });
    found.next()
}

/// The changed lines of the other source, and where it has the lines of the recorded one.
fn compare(recorded: &[u8], other: &[u8]) -> (Vec<usize>, Vec<usize>) {
    let lines = |source: &[u8]| -> Vec<Vec<u8>> {
        source.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end().to_vec()).collect()
    };
    let (recorded, other) = (lines(recorded), lines(other));
    let (mut changed, mut moved_to) = (Vec::new(), Vec::new());
    for operation in capture_diff_slices(Algorithm::Myers, &recorded, &other) {
        match operation {
            DiffOp::Equal { new_index, len, .. } => moved_to.extend(new_index + 1..=new_index + len),
            DiffOp::Delete { new_index, old_len, .. } => {
                let line = (new_index + 1).min(other.len());
                changed.push(line);
                moved_to.extend(std::iter::repeat_n(line, old_len));
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                changed.extend(new_index + 1..=new_index + new_len);
            }
            DiffOp::Replace { new_index, new_len, old_len, .. } => {
                changed.extend(new_index + 1..=new_index + new_len);
                moved_to.extend((0..old_len).map(|line| new_index + 1 + line.min(new_len.saturating_sub(1))));
            }
        }
    }
    (changed, moved_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved() -> MovedLines {
        MovedLines {
            names: vec!["b/w.lua".into(), "w.lua".into()],
            changed: vec![2, 7],
            moved_to: Vec::new(),
        }
    }

    #[test]
    fn lines_of_scripts_are_left_out_and_other_numbers_are_not() {
        let moved = moved();
        for (text, expected) in [
            ("w.lua:7: no", "w.lua:: no"),
            ("b/w.lua:7: w.lua:12: x", "b/w.lua:: w.lua:: x"),
            ("w.lua: 7", "w.lua: 7"),
            ("v.lua:7: no", "v.lua:7: no"),
            ("port:7", "port:7"),
        ] {
            assert_eq!(moved.without_lines(text.as_bytes()), expected.as_bytes());
        }
        assert_eq!(moved.line_of("w.lua:7: no"), Some(ScriptLine { file: "w.lua".into(), line: 7 }));
        assert_eq!(moved.line_of("no"), None);
    }

    #[test]
    fn changed_lines_are_those_of_the_other_source() {
        assert_eq!(compare(b"a\nb\nc", b"a\nx\nc"), (vec![2], vec![1, 2, 3]));
        assert_eq!(compare(b"a\nb\nc", b"-- new\na\nb\nc\n"), (vec![1, 5], vec![2, 3, 4]));
        assert_eq!(compare(b"a\nb\nc", b"a\nc"), (vec![2], vec![1, 2, 2]));
        assert_eq!(compare(b"a\nb", b"a  \nb"), (Vec::new(), vec![1, 2]));
        let near = |line| moved().changed_near(Some(line));
        assert_eq!([near(1), near(2), near(6), near(9)], [Some(2), Some(2), Some(2), Some(7)]);
    }
}

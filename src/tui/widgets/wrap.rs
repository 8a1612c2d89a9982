//! Text in lines of a width, escaped: laid out once, where it is long, and not for each picture.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::escape::{EscapedPiece, data_pieces};

/// A text in lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrapped {
    width: usize,
    lines: Vec<Vec<EscapedPiece>>,
}

impl Wrapped {
    /// A text in lines of so many columns, broken where it has line breaks too.
    pub fn of(text: &[u8], width: usize) -> Wrapped {
        let columns = width.max(1);
        let mut lines = Vec::new();
        for part in text.split(|byte| *byte == b'\n') {
            if part.last() != Some(&b' ') && part.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                // As most text is: each byte takes a column.
                let runs = part.chunks(columns).chain(part.is_empty().then_some(part));
                lines.extend(runs.map(|run| {
                    vec![EscapedPiece { text: String::from_utf8_lossy(run).into_owned(), escaped: false }]
                }));
            } else {
                wrap(part, columns, &mut lines);
            }
        }
        Wrapped { width, lines }
    }

    /// How many columns the lines have.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn lines(&self) -> &[Vec<EscapedPiece>] {
        &self.lines
    }
}

/// Adds the lines of a text without line breaks.
fn wrap(text: &[u8], width: usize, lines: &mut Vec<Vec<EscapedPiece>>) {
    let mut line = Vec::new();
    let mut used = 0;
    for EscapedPiece { text, escaped } in data_pieces(text) {
        let mut run = String::new();
        for grapheme in text.graphemes(true) {
            let wide = grapheme.width();
            if used + wide > width && used > 0 {
                line.push(EscapedPiece { text: std::mem::take(&mut run), escaped });
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            used += wide;
            run.push_str(grapheme);
        }
        line.push(EscapedPiece { text: run, escaped });
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, width: usize) -> Vec<String> {
        let wrapped = Wrapped::of(text.as_bytes(), width);
        wrapped.lines().iter().map(|line| line.iter().map(|piece| piece.text.as_str()).collect()).collect()
    }

    #[test]
    fn lines_are_as_long_as_there_is_room() {
        assert_eq!(lines("abcdefg\n\nhi", 3), ["abc", "def", "g", "", "hi"]);
        assert_eq!(lines("日本語", 5), ["日本", "語"]);
        assert_eq!(lines("a\u{1b}[31m", 4), ["a␛[3", "1m"]);
        assert_eq!(lines("", 3), [""]);
        assert_eq!(lines("ab \ncd  ", 9), ["ab␠", "cd␠␠"]);
        assert_eq!(lines("日x", 0), ["日", "x"], "there is always room for one");
    }

    #[test]
    fn plain_text_is_broken_as_any_other() {
        for width in 1..9 {
            let mut one_by_one = Vec::new();
            wrap(b"plain text", width, &mut one_by_one);
            assert_eq!(Wrapped::of(b"plain text", width).lines(), one_by_one);
        }
    }
}

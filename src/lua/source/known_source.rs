//! A source whose lines and calls are looked up for each error of its script: found once, however many there are.

use std::cell::OnceCell;

use super::parser::scan;
use super::scan::SourceScan;

/// A source that Lua has compiled.
pub struct KnownSource {
    text: Vec<u8>,
    line_starts: OnceCell<Vec<usize>>,
    scan: OnceCell<Option<SourceScan>>,
}

impl KnownSource {
    pub fn new(text: &[u8]) -> KnownSource {
        KnownSource { text: text.to_vec(), line_starts: OnceCell::new(), scan: OnceCell::new() }
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text from the line `line` on, counted from 1; empty if there is no such line.
    pub fn from_line(&self, line: usize) -> &[u8] {
        let starts = self.line_starts.get_or_init(|| {
            let breaks = memchr::memchr_iter(b'\n', &self.text);
            [0].into_iter().chain(breaks.map(|at| at + 1)).collect()
        });
        let start = line.checked_sub(1).and_then(|index| starts.get(index));
        start.map_or(&[], |start| &self.text[*start..])
    }

    /// Its calls of `get` and the comparisons; `None` if it is not Lua 5.1.
    pub fn scan(&self) -> Option<&SourceScan> {
        self.scan.get_or_init(|| scan(&self.text, &["get"], &[])).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_1() {
        let source = KnownSource::new(b"a\n\nb\n");
        let lines = [0, 1, 2, 3, 4, 5].map(|line| source.from_line(line));
        assert_eq!(lines, [b"".as_slice(), b"a\n\nb\n", b"\nb\n", b"b\n", b"", b""]);
    }
}

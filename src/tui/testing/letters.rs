//! The colours of a picture as letters, for tests: each cell is a letter that stands for how it looks.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::Buffer;

/// The letters of looks, in the order in which the looks turn up.
const LETTERS: &str = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The looks of all cells, row by row, and what each letter stands for.
pub fn looks(drawn: &Buffer) -> String {
    let mut letters: BTreeMap<String, char> = BTreeMap::new();
    let mut legend = Vec::new();
    let mut picture = String::new();
    for y in 0..drawn.area.height {
        for x in 0..drawn.area.width {
            let cell = &drawn[(x, y)];
            let look = format!("{} on {} {:?}", cell.fg, cell.bg, cell.modifier);
            let next = LETTERS.chars().nth(letters.len()).expect("few looks");
            let letter = *letters.entry(look.clone()).or_insert_with(|| {
                legend.push(format!("{next} {look}"));
                next
            });
            picture.push(letter);
        }
        let length = picture.trim_end_matches('.').len();
        picture.truncate(length);
        picture.push('\n');
    }
    for line in legend {
        let _ = writeln!(picture, "{line}");
    }
    picture
}

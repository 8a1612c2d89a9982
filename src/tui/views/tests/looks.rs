//! The colours of every view, in a dark and a light theme: each cell is a letter that stands for how
//! it looks. What the cells say is in the pictures of the views.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;

/// The letters of looks, in the order in which the looks turn up.
const LETTERS: &str = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The looks of all cells, row by row, and what each letter stands for.
fn looks(app: &App) -> String {
    let drawn = buffer(app);
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

#[test]
fn every_view_in_two_themes() {
    for (theme, colours) in [("dark", Theme::dark()), ("light", Theme::light())] {
        for size in [SMALL, LARGE] {
            for (view, name) in UNDER {
                let mut app = at(view, name, size);
                app.theme = colours;
                let view = view.title().to_lowercase();
                insta::assert_snapshot!(format!("{view}_{theme}_{}x{}", size.0, size.1), looks(&app));
            }
        }
        let mut past = travelled(SMALL);
        past.theme = colours;
        insta::assert_snapshot!(format!("past_{theme}"), looks(&past));
    }
}

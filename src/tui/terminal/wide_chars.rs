//! Characters about whose width terminals disagree.
//!
//! A flag, a family or a letter with an accent of its own is several code points that one terminal
//! draws in two columns and another in four, over what stands there or pushing it away. Only what
//! changes is drawn, so that what such a character leaves behind would stay on the screen: its line is
//! therefore drawn whole, cell by cell, as long as it is there, and once more when it is gone.

use ratatui::buffer::{Buffer, CellDiffOption};

/// Has every line that such a character is in drawn whole. That another follows is seen by `ratatui`
/// itself: the cells of the next picture that do not ask for it are others than these.
pub fn redraw_doubtful(picture: &mut Buffer) {
    let width = usize::from(picture.area.width).max(1);
    for line in picture.content.chunks_mut(width) {
        if line.iter().any(|cell| is_doubtful(cell.symbol())) {
            line.iter_mut().for_each(|cell| {
                cell.set_diff_option(CellDiffOption::AlwaysUpdate);
            });
        }
    }
}

fn is_doubtful(symbol: &str) -> bool {
    symbol.len() > 1 && symbol.chars().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn picture(text: &str) -> Buffer {
        let mut picture = Buffer::empty(Rect::new(0, 0, 8, 2));
        picture.set_string(0, 0, text, Style::default());
        picture.set_string(0, 1, "below", Style::default());
        redraw_doubtful(&mut picture);
        picture
    }

    /// The columns that are drawn, line by line.
    fn drawn(before: &Buffer, after: &Buffer) -> Vec<(u16, u16)> {
        before.diff(after).into_iter().map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn a_line_with_a_flag_is_drawn_whole_as_long_as_it_is_there_and_once_more() {
        let (without, with) = (picture("a  b"), picture("a\u{1f1e9}\u{1f1ea} b"));
        // The second column of the flag is not drawn over.
        let whole = [0, 1, 3, 4, 5, 6, 7].map(|x| (x, 0));
        assert_eq!(drawn(&without, &with), whole);
        assert_eq!(drawn(&with, &with), whole);
        assert_eq!(drawn(&with, &without), [0, 1, 2, 3, 4, 5, 6, 7].map(|x| (x, 0)));
        assert_eq!(drawn(&without, &without), []);
    }

    #[test]
    fn what_all_terminals_agree_on_is_drawn_where_it_changes() {
        assert_eq!(drawn(&picture("漢字 x"), &picture("漢字 y")), [(5, 0)]);
    }
}

//! Lines that are typed, and lines that are too long for where they are to be read.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::escape::{escape, show_blanks, trailing_blanks};
use crate::tui::widgets::format;

/// The part of a typed line that fits into `width` columns, with the cursor in it, and the column
/// of the cursor.
pub fn typed(input: &Input, width: usize) -> (String, usize) {
    drawn(input, width, input.value().len())
}

/// The same of a key or a value, with blanks at the end made visible.
pub fn typed_data(input: &Input, width: usize) -> (String, usize) {
    drawn(input, width, trailing_blanks(input.value().as_bytes()))
}

/// The same with the blanks from the byte at `blanks` on made visible.
fn drawn(input: &Input, width: usize, blanks: usize) -> (String, usize) {
    let all = input.value();
    let shown = |start: usize, end: usize| {
        let middle = blanks.clamp(start, end);
        escape(&all.as_bytes()[start..middle]) + &show_blanks(&all.as_bytes()[middle..end])
    };
    let at = input.value().char_indices().nth(input.cursor()).map_or(input.value().len(), |(at, _)| at);
    let (before, after) = input.value().split_at(at);
    // A line may be long: what is far from the cursor is not looked at.
    let near = width * 8 + 8;
    let start = before.char_indices().rev().nth(near).map_or(0, |(at, _)| at);
    let end = after.char_indices().nth(near).map_or(after.len(), |(at, _)| at);
    let (mut before, after) = (shown(start, at), shown(at, at + end));
    if before.width() >= width.max(1) {
        let room = width.saturating_sub(2);
        let mut kept: Vec<&str> = Vec::new();
        let mut used = 0;
        for grapheme in before.graphemes(true).rev() {
            used += grapheme.width();
            if used > room {
                break;
            }
            kept.push(grapheme);
        }
        let tail: String = kept.into_iter().rev().collect();
        before = if width > 1 { format!("…{tail}") } else { String::new() };
    }
    let column = before.width();
    (format::cut(&format!("{before}{after}"), width), column)
}

/// A line as lines of no more than `width` columns, broken between words where that is possible.
pub fn wrapped(line: &Line<'static>, width: usize) -> Vec<Line<'static>> {
    let width = width.max(1);
    if line.width() <= width {
        return vec![line.clone()];
    }
    let mut lines = vec![Line::default().style(line.style)];
    let mut used = 0;
    for span in &line.spans {
        for word in span.content.split_inclusive(' ') {
            if used > 0 && used + word.trim_end().width() > width {
                lines.push(Line::default().style(line.style));
                used = 0;
            }
            for grapheme in word.graphemes(true) {
                if used > 0 && used + grapheme.width() > width {
                    if grapheme == " " {
                        continue;
                    }
                    lines.push(Line::default().style(line.style));
                    used = 0;
                }
                used += grapheme.width();
                if let Some(last) = lines.last_mut() {
                    push(last, grapheme, span.style);
                }
            }
        }
    }
    lines
}

fn push(line: &mut Line<'static>, text: &str, style: Style) {
    match line.spans.last_mut() {
        Some(last) if last.style == style => last.content.to_mut().push_str(text),
        _ => line.spans.push(Span::styled(text.to_string(), style)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_scrolls_with_its_cursor() {
        let input = |cursor| Input::new("0123456789".into()).with_cursor(cursor);
        assert_eq!(typed(&input(10), 20), ("0123456789".into(), 10));
        assert_eq!(typed(&input(10), 6), ("…6789".into(), 5));
        assert_eq!(typed(&input(0), 6), ("01234…".into(), 0));
        assert_eq!(typed(&input(7), 6), ("…3456…".into(), 5));
        let long = Input::new("0123456789".repeat(1000)).with_cursor(5001);
        assert_eq!(typed(&long, 6), ("…7890…".into(), 5));
        let wide = Input::new("日本語テキスト".into());
        assert_eq!(typed(&wide, 6), ("…スト".into(), 5));
        for width in 0..3 {
            assert!(typed(&wide, width).0.width() <= width);
        }
    }

    #[test]
    fn the_cursor_stands_where_escaped_text_ends() {
        assert_eq!(typed(&Input::new("a\u{202e}".into()), 20), ("a\\u{202e}".into(), 9));
    }

    #[test]
    fn blanks_at_the_end_of_data_are_visible_around_the_cursor() {
        let input = |cursor| Input::new("a b  ".into()).with_cursor(cursor);
        assert_eq!(typed_data(&input(5), 20), ("a b␠␠".into(), 5));
        assert_eq!(typed_data(&input(4), 20), ("a b␠␠".into(), 4));
        assert_eq!(typed_data(&input(1), 20), ("a b␠␠".into(), 1));
        assert_eq!(typed(&input(5), 20), ("a b  ".into(), 5));
        assert_eq!(typed_data(&Input::new("a\n\tb\n".into()), 20), ("a\\n\\tb\\n".into(), 8));
    }

    #[test]
    fn lines_break_between_words_and_inside_a_long_one() {
        let texts = |text: &'static str, width| -> Vec<String> {
            wrapped(&Line::from(text), width).iter().map(|line| line.to_string().trim_end().into()).collect()
        };
        assert_eq!(texts("one two three", 8), ["one two", "three"]);
        assert_eq!(texts("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(texts("short", 9), ["short"]);
    }
}

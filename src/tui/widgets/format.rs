//! How things are put into words and columns.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::store::Entry;
use crate::text::escape::{self, EscapedPiece, data_pieces, escape_data, pieces};
use crate::text::thousands;
use crate::time::Millis;

pub use crate::text::duration::{show_duration as span, show_duration_in_column as short_span};
pub use crate::text::size::show_size as bytes;

/// How long ago something was, for columns.
pub fn age(then: Option<Millis>, now: Millis) -> String {
    then.map_or_else(|| "-".into(), |then| short_span(now.since(then)))
}

/// How long something lasts, for columns; what is left is rounded up, so that 0 means over.
pub fn left(until: Option<Millis>, now: Millis) -> String {
    until.map_or_else(
        || "-".into(),
        |until| short_span(Duration::from_secs(until.since(now).as_millis().div_ceil(1000) as u64)),
    )
}

/// How long something took, for columns: `350µs`, `12ms`, `1.5s`, `2m10s`.
pub fn took(span: Duration) -> String {
    match span.as_micros() {
        micros @ 0..1000 => format!("{micros}µs"),
        micros @ 1000..1_000_000 => format!("{}ms", micros / 1000),
        1_000_000..10_000_000 => format!("{:.1}s", span.as_secs_f64()),
        _ => short_span(span),
    }
}

/// A share of 1 as a bar of `width` columns; something is never nothing.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = ((share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(1).min(width * 8);
    fit(&format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]), width)
}

/// The beginning of a value, escaped, in no more than `width` columns.
pub fn value(entry: &Entry, width: usize) -> String {
    // No more of it is looked at than could be shown.
    let beginning = &entry.stored[..entry.stored.len().min(width * 4)];
    let is_all = beginning.len() as u64 == entry.size;
    let shown = cut(&if is_all { escape_data(beginning) } else { escape::escape(beginning) }, width);
    if is_all || shown.ends_with('…') { shown } else { cut(&format!("{shown}…"), width) }
}

/// So many of something: `1 key`, `1,200 keys`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// In which zone moments are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Local,
    /// UTC: the same picture everywhere.
    #[cfg(test)]
    Utc,
}

/// A moment, to the second.
pub fn moment(at: Millis, zone: Zone) -> String {
    const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
    match (chrono::DateTime::from_timestamp_millis(at.0), zone) {
        (Some(time), Zone::Local) => time.with_timezone(&chrono::Local).format(FORMAT).to_string(),
        #[cfg(test)]
        (Some(time), Zone::Utc) => time.format(FORMAT).to_string(),
        (None, _) => at.to_string(),
    }
}

/// Text in no more than `width` columns; what is cut off shows as `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut shown = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() + 1 > width {
            break;
        }
        used += grapheme.width();
        shown.push_str(grapheme);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// How many bytes at the beginning of two values are left out where both have no room in `width`
/// columns: what is the same in both, but for a little before the place where they part. 0 where
/// nothing is.
pub fn same_beginning(old: &[u8], new: &[u8], width: usize) -> usize {
    let wide = |value: &[u8]| escape_data(value).width();
    if old == new || wide(old) + wide(new) <= width {
        return 0;
    }
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let kept = (width / 5).max(2);
    // Not in the middle of a character. An ellipsis takes a column too.
    let start =
        (0..=same.saturating_sub(kept)).rev().find(|at| old.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80));
    start.filter(|start| *start > 1).unwrap_or(0)
}

/// Text in exactly `width` columns.
pub fn fit(text: &str, width: usize) -> String {
    let shown = cut(text, width);
    let used = shown.width();
    shown + &" ".repeat(width.saturating_sub(used))
}

/// Bytes as pieces of text in exactly `width` columns: what was escaped and what is in one of the
/// ranges (of the bytes) `matched` is drawn differently.
pub fn spans(
    bytes: &[u8],
    width: usize,
    plain: Style,
    escaped: Style,
    matched: Style,
    ranges: &[std::ops::Range<usize>],
) -> Vec<Span<'static>> {
    let mut runs: Vec<(String, Style)> = Vec::new();
    let mut at = 0;
    let all = match (ranges.is_empty(), std::str::from_utf8(bytes)) {
        (false, Ok(text)) => {
            let mut all = Vec::new();
            let blanks = escape::trailing_blanks(bytes);
            for grapheme in text.graphemes(true) {
                let is_matched =
                    ranges.iter().any(|range| range.start < at + grapheme.len() && at < range.end);
                let shown = match at < blanks {
                    true => pieces(grapheme.as_bytes()),
                    false => data_pieces(grapheme.as_bytes()),
                };
                all.extend(shown.into_iter().map(|piece| (piece, is_matched)));
                at += grapheme.len();
            }
            all
        }
        _ => data_pieces(bytes).into_iter().map(|piece| (piece, false)).collect(),
    };
    let total: usize = all.iter().map(|(piece, _)| piece.text.width()).sum();
    let room = if total > width { width.saturating_sub(1) } else { width };
    let mut used = 0;
    'pieces: for (EscapedPiece { text, escaped: is_escaped }, is_matched) in all {
        let mut style = if is_escaped { plain.patch(escaped) } else { plain };
        if is_matched {
            style = style.patch(matched);
        }
        for grapheme in text.graphemes(true) {
            if used + grapheme.width() > room {
                break 'pieces;
            }
            used += grapheme.width();
            match runs.last_mut() {
                Some((run, last)) if *last == style => run.push_str(grapheme),
                _ => runs.push((grapheme.to_string(), style)),
            }
        }
    }
    if total > width && width > 0 {
        runs.push(("…".into(), plain));
        used += 1;
    }
    runs.push((" ".repeat(width.saturating_sub(used)), plain));
    runs.into_iter().map(|(text, style)| Span::styled(text, style)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_long_values_have_in_common_is_left_out() {
        let same = |old: &str, new: &str, width| same_beginning(old.as_bytes(), new.as_bytes(), width);
        assert_eq!(same("1795566235", "1795566236", 25), 0, "there is room for both");
        assert_eq!(same("1795566235", "1795566236", 16), 6, "…6235 → …6236");
        assert_eq!(same("x", "another", 4), 0);
        assert_eq!(same("the same", "the same", 4), 0);
        assert_eq!(same("the same, and more", "the same", 10), 6, "also where one goes on");
        // A character is not torn, and one column would be no gain.
        assert_eq!(same("ααααα1ω", "ααααα2ω", 5), 8);
        assert_eq!(same("abcd12345", "abcX12345", 5), 0);
    }

    #[test]
    fn text_is_cut_and_filled_by_columns_and_not_by_characters() {
        assert_eq!(cut("日本語テキスト", 6), "日本…");
        assert_eq!(fit("日本", 6), "日本  ");
        assert_eq!(cut("short", 9), "short");
        assert_eq!(cut("anything", 0), "");
        assert_eq!(fit("👩‍👩‍👧 x", 5).width(), 5);
    }

    #[test]
    fn spans_fill_their_width_and_mark_what_matched() {
        let drawn = |bytes: &[u8], width, ranges: &[std::ops::Range<usize>]| {
            let mark = Style::new().bold();
            spans(bytes, width, Style::new(), Style::new().dim(), mark, ranges)
        };
        let text = |spans: &[Span<'_>]| spans.iter().map(|span| span.content.to_string()).collect::<String>();
        assert_eq!(text(&drawn(b"a\x1bb", 6, &[])), "a␛b   ");
        assert_eq!(text(&drawn(b"abcdefgh", 4, &[])), "abc…");
        assert_eq!(text(&drawn(b"a  ", 5, &[])), "a␠␠  ");
        assert_eq!(text(&drawn(b"a b  ", 7, std::slice::from_ref(&(0..1)))), "a b␠␠  ");
        let marked = drawn(b"abc", 3, std::slice::from_ref(&(1..2)));
        assert_eq!(marked[1].content, "b");
        assert!(marked[1].style.add_modifier.contains(ratatui::style::Modifier::BOLD));
        assert_eq!(text(&drawn(b"abc", 0, &[])), "");
    }

    #[test]
    fn numbers_and_spans_are_short() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(12), "12");
        assert_eq!((counted(1, "key"), counted(1200, "key")), ("1 key".into(), "1,200 keys".into()));
        assert_eq!(short_span(Duration::from_secs(3_725)), "1h02m");
        assert_eq!(left(Some(Millis(1_001)), Millis(0)), "2s");
    }
}

//! Names and what there is to say under them, in lines.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::escape::{escape, pieces};
use crate::store::Millis;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::views::line::wrapped;

/// The column at which what there is to say begins.
pub fn indent(width: usize) -> usize {
    if width < 30 { 8 } else { 10 }
}

/// A name and data of any sort; what is long goes on in the next lines.
pub fn field(app: &App, name: &str, text: &[u8], style: Style, width: usize) -> Vec<Line<'static>> {
    let lines = wrap(text, width.saturating_sub(indent(width)), style, app.theme.escaped);
    named(app, name, lines.into_iter().map(Line::from).collect(), width)
}

/// A name and words, which are broken between words.
pub fn prose(app: &App, name: &str, text: String, width: usize) -> Vec<Line<'static>> {
    let line = Line::from(Span::styled(escape(text.as_bytes()), app.theme.text));
    named(app, name, wrapped(&line, width.saturating_sub(indent(width))), width)
}

fn named(app: &App, name: &str, lines: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let named = lines.into_iter().enumerate().map(|(place, mut line)| {
        let name = if place == 0 { name } else { "" };
        line.spans.insert(0, Span::styled(format::fit(name, indent(width)), app.theme.label));
        line
    });
    named.collect()
}

/// Text in lines of `width` columns, escaped, broken where the text has line breaks.
fn wrap(text: &[u8], width: usize, plain: Style, escaped: Style) -> Vec<Vec<Span<'static>>> {
    let width = width.max(1);
    let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
    for part in text.split(|byte| *byte == b'\n') {
        let mut line: Vec<Span<'static>> = Vec::new();
        let mut used = 0;
        for piece in pieces(part) {
            let style = if piece.escaped { escaped } else { plain };
            let mut run = String::new();
            for grapheme in piece.text.graphemes(true) {
                if used + grapheme.width() > width && used > 0 {
                    line.push(Span::styled(std::mem::take(&mut run), style));
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                used += grapheme.width();
                run.push_str(grapheme);
            }
            line.push(Span::styled(run, style));
        }
        lines.push(line);
    }
    lines
}

/// A moment, and how long ago it was.
pub fn moment(app: &App, at: Option<Millis>, now: Millis) -> String {
    match at {
        Some(at) => format!("{}, {} ago", format::moment(at, app.zone), format::span(now.since(at))),
        None => "unknown".into(),
    }
}

//! Names and what there is to say under them, in lines.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::text::escape::{EscapedPiece, escape};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;
use crate::tui::widgets::wrap::Wrapped;

/// The column at which what there is to say begins.
pub fn indent(width: usize) -> usize {
    if width < 30 { 8 } else { 10 }
}

/// A name and data of any sort; what is long goes on in the next lines.
pub fn field(app: &App, name: &str, text: &[u8], style: Style, width: usize) -> Vec<Line<'static>> {
    let wrapped = Wrapped::of(text, width.saturating_sub(indent(width)));
    let lines = wrapped.lines().iter().map(|line| spans(line, style, app.settings.theme.escaped).into());
    named(app, name, lines.collect(), width)
}

/// A name and words, which are broken between words.
pub fn prose(app: &App, name: &str, text: String, width: usize) -> Vec<Line<'static>> {
    let line = Line::from(Span::styled(escape(text.as_bytes()), app.settings.theme.text));
    named(app, name, wrapped(&line, width.saturating_sub(indent(width))), width)
}

fn named(app: &App, name: &str, lines: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let named = lines.into_iter().enumerate().map(|(place, mut line)| {
        line.spans.insert(0, label(app, if place == 0 { name } else { "" }, width));
        line
    });
    named.collect()
}

/// What stands before a line.
pub fn label(app: &App, name: &str, width: usize) -> Span<'static> {
    Span::styled(format::fit(name, indent(width)), app.settings.theme.label)
}

pub fn spans(line: &[EscapedPiece], plain: Style, escaped: Style) -> Vec<Span<'static>> {
    let style = |piece: &EscapedPiece| if piece.escaped { escaped } else { plain };
    line.iter().map(|piece| Span::styled(piece.text.clone(), style(piece))).collect()
}

/// A moment, and how long ago it was.
pub fn moment(app: &App, at: Option<Millis>, now: Millis) -> String {
    match at {
        Some(at) => format!("{}, {} ago", format::moment(at, app.settings.zone), format::span(now.since(at))),
        None => "unknown".into(),
    }
}

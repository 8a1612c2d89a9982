//! A value: as a tree, as text, or as bytes.

use std::borrow::Cow;

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::store::{Entry, Needle, kind_inference};
use crate::text::escape::{EscapedPiece, escape};
use crate::tui::app::App;
use crate::tui::screens::value::detail::{Detail, Format, piece};
use crate::tui::theme::Theme;
use crate::tui::widgets::fields::{indent, label, spans};
use crate::tui::widgets::format;
use crate::tui::widgets::json_tree::{JsonToken, JsonTree, line_of};
use crate::tui::widgets::wrap::Wrapped;

/// The lines of a value: made when they are drawn where there may be many.
pub enum Body<'a> {
    None,
    /// Text, and what is said of the rest of it.
    Text(Cow<'a, Wrapped>, Option<Line<'static>>),
    /// The nodes of a tree that are not hidden.
    Tree(&'a JsonTree, Vec<usize>),
    /// So many bytes a line, the first of them from the offset on.
    Bytes {
        bytes: &'a [u8],
        offset: u64,
        each: usize,
    },
}

impl Body<'_> {
    pub fn len(&self) -> usize {
        match self {
            Body::None => 0,
            Body::Text(wrapped, rest) => wrapped.lines().len() + usize::from(rest.is_some()),
            Body::Tree(_, visible) => visible.len(),
            Body::Bytes { bytes, each, .. } => bytes.len().div_ceil(*each),
        }
    }

    pub fn line(&self, app: &App, place: usize, width: usize, has_cursor: bool) -> Line<'static> {
        match self {
            Body::None => Line::default(),
            Body::Text(wrapped, rest) => match wrapped.lines().get(place) {
                Some(line) => text_line(app, line, place, width),
                None => rest.clone().unwrap_or_default(),
            },
            Body::Tree(tree, visible) => {
                let is_cursor = has_cursor && visible[place] == tree.cursor();
                tree_line(app, tree, visible[place], width, is_cursor)
            }
            Body::Bytes { bytes, offset, each } => {
                let start = place * each;
                let part = &bytes[start..bytes.len().min(start + each)];
                bytes_line(app, offset + start as u64, part, *each)
            }
        }
    }

    /// The place of the node on a line of a tree.
    pub fn node(&self, line: usize) -> Option<usize> {
        match self {
            Body::Tree(_, visible) => visible.get(line).copied(),
            _ => None,
        }
    }

    /// The line that has the cursor of the tree.
    pub fn cursor(&self) -> Option<usize> {
        match self {
            Body::Tree(tree, visible) => visible.iter().position(|place| *place == tree.cursor()),
            _ => None,
        }
    }
}

pub fn body<'a>(app: &App, entry: &'a Entry, detail: Option<&'a Detail>, width: usize) -> Body<'a> {
    let offset = detail.map_or(0, |detail| detail.offset);
    match (app.format_of(entry, detail), detail.and_then(|detail| detail.tree.as_ref())) {
        (Format::Tree, Some(tree)) => Body::Tree(tree, tree.visible()),
        (Format::Bytes, _) => {
            let each = match width {
                75.. => 16,
                43..75 => 8,
                _ => 4,
            };
            Body::Bytes { bytes: &entry.stored, offset, each }
        }
        _ => {
            let columns = width.saturating_sub(indent(width));
            let wrapped = match detail.map(|detail| (detail.wrapped(columns), detail.text())) {
                Some((Some(wrapped), _)) => Cow::Borrowed(wrapped),
                Some((None, text)) => Cow::Owned(Wrapped::of(text, columns)),
                None => Cow::Owned(Wrapped::of(piece(&entry.stored), columns)),
            };
            // Only a long table has more: as a tree it is drawn line by line.
            let rest = entry.stored.len() - piece(&entry.stored).len();
            let rest = (rest > 0).then(|| {
                let text = format!("… {} more: as a tree, or in the editor", format::bytes(rest as u64));
                Line::styled(format::cut(&text, width), app.settings.theme.faint)
            });
            Body::Text(wrapped, rest)
        }
    }
}

fn text_line(app: &App, line: &[EscapedPiece], place: usize, width: usize) -> Line<'static> {
    let mut line = Line::from(spans(line, app.settings.theme.text, app.settings.theme.escaped));
    line.spans.insert(0, label(app, if place == 0 { "value" } else { "" }, width));
    if let Some(needle) = app.find_in_value() {
        mark(&mut line, &needle, app.settings.theme.matched);
    }
    line
}

fn tree_line(app: &App, tree: &JsonTree, place: usize, width: usize, is_cursor: bool) -> Line<'static> {
    let theme = &app.settings.theme;
    let node = tree.node(place);
    let (mut before, value) = line_of(node, width);
    if place == 0 {
        before.insert_str(0, &format::fit("value", indent(width)));
    }
    let tone = match node.token {
        JsonToken::Object | JsonToken::Array => theme.faint,
        JsonToken::String => theme.good,
        JsonToken::Number => theme.number,
        JsonToken::Word => theme.warning,
    };
    let date = match (&node.label, node.token) {
        (Some(label), JsonToken::Number) if kind_inference::names_a_time(label) => {
            kind_inference::moment(&node.text)
        }
        _ => None,
    };
    let before = format::cut(&before, width);
    let value = format::cut(&value, width.saturating_sub(before.width()));
    let mut spans = vec![Span::styled(before, theme.label), Span::styled(value, tone)];
    if let Some(at) = date {
        spans.push(Span::styled(format!("  = {}", format::moment(at, app.settings.zone)), theme.faint));
    }
    let mut line = Line::from(spans);
    if let Some(needle) = app.find_in_value() {
        mark(&mut line, &needle, theme.matched);
    }
    if is_cursor {
        let style = theme.text.patch(theme.cursor);
        line.spans.iter_mut().for_each(|span| span.style = Theme::over(style, span.style));
        line.style = style;
    }
    line
}

/// Bytes in hexadecimal, and those that are letters beside them.
fn bytes_line(app: &App, offset: u64, part: &[u8], each: usize) -> Line<'static> {
    let theme = &app.settings.theme;
    let mut digits = String::new();
    for (place, byte) in part.iter().enumerate() {
        let gap = if place > 0 && place % 8 == 0 { "  " } else { " " };
        digits.push_str(&format!("{gap}{byte:02x}"));
    }
    let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { *byte as char } else { '·' };
    let letters: String = part.iter().map(shown).collect();
    let wide = each * 3 + (each - 1) / 8;
    Line::from(vec![
        Span::styled(format!("{offset:08x} "), theme.label),
        Span::styled(format!("{digits:<wide$}  "), theme.text),
        Span::styled(escape(letters.as_bytes()), theme.number),
    ])
}

/// Draws what was looked for differently.
fn mark(line: &mut Line<'static>, needle: &Needle, style: Style) {
    let mut marked = Vec::new();
    for span in line.spans.drain(..) {
        let mut rest: &str = &span.content;
        // Beyond ASCII a place is one in small letters, which need not be as long.
        while let Some(at) = needle.find(rest.as_bytes()).filter(|_| !needle.text().is_empty()) {
            let end = at + needle.text().len();
            if !rest.is_char_boundary(at) || !rest.is_char_boundary(end) {
                break;
            }
            marked.push(Span::styled(rest[..at].to_string(), span.style));
            marked.push(Span::styled(rest[at..end].to_string(), span.style.patch(style)));
            rest = &rest[end..];
        }
        marked.push(Span::styled(rest.to_string(), span.style));
    }
    line.spans = marked;
}

/// What there is to say about a row: the value in the middle may have very many lines.
pub struct Text<'a> {
    pub head: Vec<Line<'static>>,
    pub body: Body<'a>,
    pub tail: Vec<Line<'static>>,
}

impl Text<'_> {
    pub fn of(lines: Vec<Line<'static>>) -> Text<'static> {
        Text { head: lines, body: Body::None, tail: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    pub fn line(&self, app: &App, place: usize, width: usize, has_cursor: bool) -> Line<'static> {
        let (head, body) = (self.head.len(), self.body.len());
        match place {
            _ if place < head => self.head[place].clone(),
            _ if place < head + body => self.body.line(app, place - head, width, has_cursor),
            _ => self.tail[place - head - body].clone(),
        }
    }
}

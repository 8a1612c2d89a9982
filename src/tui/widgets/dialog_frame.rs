//! The frame of a dialog: its text, the keys that do something in it, and how much room it has.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::widgets::format;
use crate::tui::widgets::line::{typed, wrapped};

/// A key and what it does.
pub type KeyHint = (&'static str, &'static str);

/// The widest that a line to be typed becomes.
pub const LINE: usize = 64;

/// Whether a screen is too small for frames.
pub fn is_bare((columns, rows): (u16, u16)) -> bool {
    columns < 32 || rows < 9
}

/// Keys in lines of no more than `width` columns.
fn keys_in(app: &App, keys: &[KeyHint], width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (key, does) in keys {
        let pair = [
            Span::styled(*key, app.settings.theme.key),
            Span::styled(format!(" {does}"), app.settings.theme.faint),
        ];
        let wide = key.width() + 1 + does.width();
        match lines.last_mut().filter(|line| line.width() + 3 + wide <= width) {
            Some(line) => {
                line.push_span(Span::raw("   "));
                line.extend(pair);
            }
            None => lines.push(Line::from(pair.to_vec())),
        }
    }
    lines
}

/// The columns, and the rows above the keys, that a dialog as wide as possible up to `wanted`
/// columns has for its text.
pub fn room((columns, rows): (u16, u16), wanted: usize, keys: &[KeyHint]) -> (usize, usize) {
    let (frame, margin) = if is_bare((columns, rows)) { (1, 0) } else { (2, 4) };
    let width = usize::from(columns).saturating_sub(margin).min(wanted);
    let mut used = 0;
    let mut lines = usize::from(!keys.is_empty());
    for (key, does) in keys {
        let wide = key.width() + 1 + does.width();
        if used > 0 && used + 3 + wide > width {
            lines += 1;
            used = wide;
        } else {
            used += wide + if used > 0 { 3 } else { 0 };
        }
    }
    (width, usize::from(rows).saturating_sub(frame + lines))
}

/// A frame in the middle of the screen, at least `least` columns wide inside; where the inside of
/// it is. What has no room is cut off above the keys: those are always seen. A screen too small for
/// a frame is filled.
pub fn boxed(
    app: &App,
    title: &str,
    text: Vec<Line<'static>>,
    keys: &[KeyHint],
    least: usize,
    frame: &mut Frame<'_>,
) -> Rect {
    let screen = frame.area();
    let is_bare = is_bare((screen.width, screen.height));
    let (most, height) = room((screen.width, screen.height), usize::MAX, &[]);
    let title = format::cut(title, most.saturating_sub(2));
    let widest = text.iter().map(Line::width).max().unwrap_or(0).max(title.width() + 2).max(least);
    let in_one: usize = keys.iter().map(|(key, does)| key.width() + does.width() + 4).sum();
    let width = if is_bare { most } else { widest.max(in_one.saturating_sub(3)).min(most) };
    // A long line is broken rather than cut: what is asked must be read in full.
    let mut lines: Vec<Line<'static>> = text.iter().flat_map(|line| wrapped(line, width)).collect();
    let keys = keys_in(app, keys, width);
    let fits = height.saturating_sub(keys.len());
    if lines.len() > fits {
        lines.truncate(fits);
        if let Some(last) = lines.last_mut().filter(|_| fits > 1) {
            *last = Line::styled(format::cut(&format!("{last} …"), width), app.settings.theme.faint);
        }
    } else if !is_bare && lines.len() < fits {
        lines.push(Line::default());
    }
    lines.extend(keys);
    let inner = if is_bare {
        frame.render_widget(Clear, screen);
        frame.render_widget(
            Line::styled(title, app.settings.theme.title),
            Rect { height: 1.min(screen.height), ..screen },
        );
        Rect { y: 1.min(screen.height), height: screen.height.saturating_sub(1), ..screen }
    } else {
        let (width, height) =
            (columns(width + 4).min(screen.width), columns(lines.len() + 2).min(screen.height));
        let (x, y) = ((screen.width - width) / 2, (screen.height - height) / 3);
        let area = Rect { x, y, width, height };
        let block = Block::bordered()
            .border_style(app.settings.theme.frame)
            .title(Span::styled(format!(" {title} "), app.settings.theme.title))
            .padding(ratatui::widgets::Padding::horizontal(1));
        let inner = block.inner(area);
        frame.render_widget(Clear, area);
        frame.render_widget(block, area);
        inner
    };
    for (line, y) in lines.into_iter().zip(inner.y..inner.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
    inner
}

fn columns(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// A line that is typed after a label, and the column of the cursor in it.
pub fn input_line(app: &App, label: String, input: &Input, width: usize) -> (Line<'static>, usize) {
    let (text, column) = typed(input, width.saturating_sub(label.width()));
    let column = column + label.width();
    (
        Line::from(vec![
            Span::styled(label, app.settings.theme.label),
            Span::styled(text, app.settings.theme.text),
        ]),
        column,
    )
}

/// Puts the cursor into a line that is typed, inside of a dialog or of any area.
pub fn place_cursor(inner: Rect, line: usize, column: usize, frame: &mut Frame<'_>) {
    let (line, column) = (columns(line), columns(column));
    if line < inner.height && inner.width > 0 {
        frame.set_cursor_position((inner.x + column.min(inner.width - 1), inner.y + line));
    }
}

/// Which database it is, if it has a name.
pub fn database(app: &App) -> Option<Line<'static>> {
    let known = app.database.known.as_ref()?;
    let style = if known.production { app.settings.theme.production } else { app.settings.theme.label };
    let mark = if known.production { "PRODUCTION " } else { "" };
    Some(Line::from(vec![
        Span::styled(format!("{mark}{}", escape(known.name.as_bytes())), style),
        Span::styled(format!("  {}", app.database.location), app.settings.theme.faint),
    ]))
}

//! The details of the row under the cursor.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::line::wrapped;
use super::list::{Tone, lock_state};
use crate::escape::{escape, pieces};
use crate::store::{Entry, Liveness, Millis, Number, Revision, Type, Value, kind};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::format;
use crate::tui::row::{LockRow, Row};

/// Draws the details beside or below the list.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    frame.render_widget(block(app, area), area);
    draw_lines(app, now, text_area(app, area), frame);
}

/// Draws the details on the whole screen.
pub fn draw_whole(app: &App, now: Millis, frame: &mut Frame<'_>) {
    let screen = frame.area();
    frame.render_widget(Clear, screen);
    let text = whole(app.size).intersection(screen);
    draw_lines(app, now, text, frame);
    let keys = Line::from(vec![
        Span::styled(" esc", app.theme.key),
        Span::styled(" close  ", app.theme.faint),
        Span::styled("j k", app.theme.key),
        Span::styled(" scroll", app.theme.faint),
    ]);
    frame.render_widget(keys, Rect { y: text.bottom(), height: screen.height - text.height, ..screen });
}

/// How far the details can be scrolled, where they are shown.
pub fn scroll_end(app: &App, now: Millis) -> usize {
    let area = match app.dialog {
        Some(Dialog::Details) => whole(app.size),
        _ => text_area(app, app.areas().detail),
    };
    lines(app, now, usize::from(area.width)).len().saturating_sub(usize::from(area.height))
}

fn block(app: &App, area: Rect) -> Block<'static> {
    let border = if area.x > 0 { Borders::LEFT } else { Borders::TOP };
    Block::new().borders(border).border_style(app.theme.faint)
}

/// Where the text of the details is: a column from the edge.
fn text_area(app: &App, area: Rect) -> Rect {
    let inner = block(app, area).inner(area);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner }
}

/// Where the text is on a whole screen: all but the last line.
fn whole((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows.saturating_sub(1))
}

fn lines(app: &App, now: Millis, width: usize) -> Vec<Line<'static>> {
    match app.window.selected() {
        None => Vec::new(),
        Some(Row::Lock(row)) => of_lock(app, row, now, width),
        Some(Row::Entry(row)) => {
            // Until the whole is there, what the list has is better than nothing.
            let entry = app.detail.as_ref().filter(|detail| detail.key == row.key).unwrap_or(row);
            of_entry(app, entry, now, width)
        }
    }
}

fn draw_lines(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let lines = lines(app, now, usize::from(area.width));
    let last = lines.len().saturating_sub(usize::from(area.height));
    let top = app.detail_scroll.min(last);
    for (line, y) in lines.into_iter().skip(top).zip(area.y..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
    if top < last && area.height > 0 {
        let key = app.keymap.keys_for(Action::ScrollDetail(1)).first().cloned().unwrap_or_default();
        let more = format!(" … {}: {key} ", format::counted((last - top) as u64, "more line"));
        let width = area.width.min(more.width() as u16);
        let place = Rect { x: area.right() - width, y: area.bottom() - 1, width, height: 1 };
        frame.render_widget(Clear, place);
        frame.render_widget(Span::styled(more, app.theme.key), place);
    }
}

/// The column at which what there is to say begins.
fn indent(width: usize) -> usize {
    if width < 30 { 8 } else { 10 }
}

/// A name and data of any sort; what is long goes on in the next lines.
fn field(app: &App, name: &str, text: &[u8], style: Style, width: usize) -> Vec<Line<'static>> {
    let lines = wrap(text, width.saturating_sub(indent(width)), style, app.theme.escaped);
    named(app, name, lines.into_iter().map(Line::from).collect(), width)
}

/// A name and words, which are broken between words.
fn prose(app: &App, name: &str, text: String, width: usize) -> Vec<Line<'static>> {
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

fn of_entry(app: &App, entry: &Entry, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let (kind, why) = kind::infer(entry);
    let value_type = entry.value_type();
    let typed = match entry.stored_type {
        Some(stored) if stored != value_type => format!("{value_type} (stored as {stored}, which it is not)"),
        Some(_) => value_type.to_string(),
        None => format!("{value_type} (another program wrote it without a type)"),
    };
    let moment = |at: Option<Millis>| match at {
        Some(at) => format!("{}, {} ago", format::moment(at, app.zone), format::span(now.since(at))),
        None => "unknown".into(),
    };
    let expiry = match entry.expires_at {
        Some(at) => format!("{}, in {}", format::moment(at, app.zone), format::left(Some(at), now)),
        None => "never".into(),
    };
    let actor = entry.actor.as_ref().map_or_else(|| "unknown".into(), |actor| actor.to_string());
    let counted = if entry.revision == Revision::default() {
        "before slothstate counted".to_string()
    } else {
        format!("version {}, revision {}", entry.version, entry.revision)
    };
    // What is looked for first stands first: a pane may have room for a few lines only.
    let mut lines = field(app, "key", entry.key.as_bytes(), theme.title, width);
    lines.extend(prose(app, "type", format!("{typed}, {}", format::bytes(entry.size)), width));
    lines.extend(prose(app, "changed", format!("{} by {actor}", moment(entry.modified_at)), width));
    lines.extend(prose(app, "expires", expiry, width));
    lines.extend(value(app, entry, width));
    lines.extend(prose(app, "kind", format!("{kind}: {why}"), width));
    lines.extend(prose(app, "written", counted, width));
    lines.extend(prose(app, "created", moment(entry.created_at), width));
    lines
}

fn value(app: &App, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let text = match shown_as_table(entry) {
        Some(json) => serde_json::to_string_pretty(&json).unwrap_or_default().into_bytes(),
        None => entry.stored.clone(),
    };
    let mut lines = field(app, "value", &text, theme.text, width);
    if let Some(date) = as_date(entry) {
        lines.extend(prose(app, "", format!("= {}", format::moment(date, app.zone)), width));
    }
    if !entry.is_whole() {
        let (shown, size) = (format::bytes(entry.stored.len() as u64), format::bytes(entry.size));
        lines.extend(prose(app, "", format!("… {shown} of {size} shown; E opens all of it"), width));
    }
    lines
}

fn shown_as_table(entry: &Entry) -> Option<serde_json::Value> {
    if !matches!(entry.stored.first(), Some(b'{' | b'[')) || !entry.is_whole() {
        return None;
    }
    match Value::parse(&entry.stored, Type::Table) {
        Ok(Value::Table(json)) => Some(json),
        _ => None,
    }
}

/// The moment that an epoch number stands for, in seconds or milliseconds.
fn as_date(entry: &Entry) -> Option<Millis> {
    if kind::infer(entry).0 != kind::Kind::Timestamp {
        return None;
    }
    let number: Number = std::str::from_utf8(&entry.stored).ok()?.parse().ok()?;
    let value = number.as_f64();
    Some(Millis(if value < 1e11 { value * 1000.0 } else { value } as i64))
}

fn of_lock(app: &App, row: &LockRow, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let lock = &row.lock;
    let (state, tone) = lock_state(row, now);
    let tone = match tone {
        Tone::Good => theme.good,
        Tone::Warning => theme.warning,
        Tone::Bad => theme.bad,
    };
    let held = match lock.acquired_at {
        Some(at) => format!("{}, since {}", format::span(now.since(at)), format::moment(at, app.zone)),
        None => "unknown".into(),
    };
    let lease = match lock.expires_at {
        Some(at) if at > now => {
            let renewal = match row.liveness {
                Liveness::Alive => "renewed while the holder lives",
                Liveness::Dead => "nobody renews it: the holder is dead",
                Liveness::Elsewhere | Liveness::Unknown => "unless its holder renews it",
            };
            format!("{} left, {renewal}", format::left(Some(at), now))
        }
        Some(at) => format!("ran out {} ago", format::span(now.since(at))),
        None => "cannot be read".into(),
    };
    let process = match &lock.process {
        Some(process) => format!("pid {} on {}", process.pid, escape(process.host.as_bytes())),
        None => "another program's".into(),
    };
    let mut lines = field(app, "lock", lock.name.as_bytes(), theme.title, width);
    lines.extend(field(app, "holder", lock.holder.as_bytes(), theme.text, width));
    lines.extend(field(app, "state", state.as_bytes(), tone, width));
    lines.extend(field(app, "process", process.as_bytes(), theme.text, width));
    if let Some(actor) = &lock.actor {
        lines.extend(field(app, "by", actor.to_string().as_bytes(), theme.text, width));
    }
    lines.extend(prose(app, "held for", held, width));
    lines.extend(prose(app, "lease", lease, width));
    lines.extend(field(app, "token", lock.token.to_string().as_bytes(), theme.text, width));
    for (place, (holder, since)) in row.waiting.iter().enumerate() {
        let name = if place == 0 { "waiting" } else { "" };
        let text = format!("{} for {}", escape(holder.as_bytes()), format::span(now.since(*since)));
        lines.extend(field(app, name, text.as_bytes(), theme.warning, width));
    }
    lines
}

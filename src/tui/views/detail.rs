//! The details of the row under the cursor.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::list::{Tone, lock_state};
use crate::escape::{escape, pieces};
use crate::store::{Entry, Millis, Number, Type, Value, kind};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::row::{LockRow, Row};

/// Draws the details.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    let is_beside = area.x > 0;
    let border = if is_beside { Borders::LEFT } else { Borders::TOP };
    let block = Block::new().borders(border).border_style(app.theme.faint);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width.saturating_sub(1));
    let lines = match app.window.selected() {
        None => Vec::new(),
        Some(Row::Lock(row)) => of_lock(app, row, now, width),
        Some(Row::Entry(row)) => {
            // Until the whole is there, what the list has is better than nothing.
            let entry = app.detail.as_ref().filter(|detail| detail.key == row.key).unwrap_or(row);
            of_entry(app, entry, now, width)
        }
    };
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let top = app.detail_scroll.min(last);
    for (line, y) in lines.into_iter().skip(top).zip(inner.y..inner.bottom()) {
        frame
            .render_widget(line, Rect { x: inner.x + 1, y, width: inner.width.saturating_sub(1), height: 1 });
    }
    if top < last {
        let more = format!("{} more lines ", last - top);
        let x = inner.right().saturating_sub(more.len() as u16);
        frame.render_widget(
            Span::styled(more.clone(), app.theme.faint),
            Rect {
                x,
                y: inner.bottom() - 1,
                width: more.len().min(usize::from(inner.width)) as u16,
                height: 1,
            },
        );
    }
}

/// A name and what there is to say; what is long goes on in the next lines.
fn field(app: &App, name: &str, text: &[u8], style: Style, width: usize) -> Vec<Line<'static>> {
    const NAME: usize = 10;
    let lines = wrap(text, width.saturating_sub(NAME), style, app.theme.escaped);
    lines
        .into_iter()
        .enumerate()
        .map(|(place, mut spans)| {
            let name = if place == 0 { name } else { "" };
            spans.insert(0, Span::styled(format::fit(name, NAME), app.theme.label));
            Line::from(spans)
        })
        .collect()
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
        Some(at) => format!("{}, {} ago", format::moment(at), format::span(now.since(at))),
        None => "unknown".into(),
    };
    let expiry = match entry.expires_at {
        Some(at) => format!("{}, in {}", format::moment(at), format::left(Some(at), now)),
        None => "never".into(),
    };
    let actor = entry.actor.as_ref().map_or_else(|| "unknown".into(), |actor| actor.to_string());
    let counted = if entry.version == 0 {
        "written before slothstate counted".to_string()
    } else {
        format!("version {}, revision {}", entry.version, entry.revision)
    };
    let mut lines = field(app, "key", entry.key.as_bytes(), theme.title, width);
    lines.extend(field(app, "type", typed.as_bytes(), theme.text, width));
    lines.extend(field(app, "kind", format!("{kind}: {why}").as_bytes(), theme.text, width));
    lines.extend(field(app, "written", counted.as_bytes(), theme.text, width));
    lines.extend(field(app, "changed", moment(entry.modified_at).as_bytes(), theme.text, width));
    lines.extend(field(app, "by", actor.as_bytes(), theme.text, width));
    lines.extend(field(app, "created", moment(entry.created_at).as_bytes(), theme.text, width));
    lines.extend(field(app, "expires", expiry.as_bytes(), theme.text, width));
    lines.extend(field(app, "size", format::bytes(entry.size).as_bytes(), theme.text, width));
    lines.push(Line::default());
    lines.extend(value(app, entry, width));
    lines
}

fn value(app: &App, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let text = match shown_as_table(entry) {
        Some(json) => serde_json::to_string_pretty(&json).unwrap_or_default().into_bytes(),
        None => entry.stored.clone(),
    };
    let mut lines: Vec<Line<'static>> =
        wrap(&text, width, theme.text, theme.escaped).into_iter().map(Line::from).collect();
    if let Some(date) = as_date(entry) {
        lines.push(Line::styled(format!("= {}", format::moment(date)), theme.faint));
    }
    if !entry.is_whole() {
        let note =
            format!("… {} of {} shown", format::bytes(entry.stored.len() as u64), format::bytes(entry.size));
        lines.push(Line::styled(note, theme.warning));
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
        Some(at) => format!("{}, since {}", format::span(now.since(at)), format::moment(at)),
        None => "unknown".into(),
    };
    let lease = match lock.expires_at {
        Some(at) if at > now => {
            format!("{} left, renewed while the holder lives", format::left(Some(at), now))
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
    lines.extend(field(app, "held for", held.as_bytes(), theme.text, width));
    lines.extend(field(app, "lease", lease.as_bytes(), theme.text, width));
    lines.extend(field(app, "token", lock.token.to_string().as_bytes(), theme.text, width));
    for (place, (holder, since)) in row.waiting.iter().enumerate() {
        let name = if place == 0 { "waiting" } else { "" };
        let text = format!("{} for {}", escape(holder.as_bytes()), format::span(now.since(*since)));
        lines.extend(field(app, name, text.as_bytes(), theme.warning, width));
    }
    lines
}

//! What is open over the list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

use super::line::{typed, wrapped};
use super::{bulk, help, messages, palette, undos};
use crate::escape::escape;
use crate::store::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Conflict, Dialog, Form, Invalid, Prompt, Purpose};
use crate::tui::format;
use crate::tui::row::{Row, RowId};

/// A key and what it does.
pub type Answer = (&'static str, &'static str);

/// The widest that a line to be typed becomes.
pub const LINE: usize = 64;
/// How much of a value is shown, in columns.
const VALUE: usize = 240;

/// Draws the dialog that is open, if one is.
pub fn draw(app: &App, now: Millis, frame: &mut Frame<'_>) {
    match &app.dialog {
        None => {}
        Some(Dialog::Help(top)) => help::draw(app, *top, frame),
        Some(Dialog::Undos(chosen)) => undos::draw(app, *chosen, now, frame),
        Some(Dialog::Messages(chosen)) => messages::draw(app, *chosen, frame),
        Some(Dialog::Palette(palette)) => palette::draw(app, palette, frame),
        Some(Dialog::Prompt(prompt)) => draw_prompt(app, prompt, now, frame),
        Some(Dialog::Ask(ask)) => bulk::draw_ask(app, ask, frame),
        Some(Dialog::Counting(counting)) => bulk::draw_counting(app, counting, frame),
        Some(Dialog::Start(start)) => super::start::draw(app, start, frame),
        Some(Dialog::Form(form)) => draw_form(app, form, frame),
        Some(Dialog::Confirm(confirm)) => draw_confirm(app, confirm, frame),
        Some(Dialog::Conflict(conflict)) => draw_conflict(app, conflict, frame),
        Some(Dialog::Invalid(invalid)) => draw_invalid(app, invalid, frame),
    }
}

/// Whether a screen is too small for frames.
fn is_bare((columns, rows): (u16, u16)) -> bool {
    columns < 32 || rows < 9
}

/// Keys in lines of no more than `width` columns.
fn keys_in(app: &App, keys: &[Answer], width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (key, does) in keys {
        let pair = [Span::styled(*key, app.theme.key), Span::styled(format!(" {does}"), app.theme.faint)];
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
pub fn room((columns, rows): (u16, u16), wanted: usize, keys: &[Answer]) -> (usize, usize) {
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
    keys: &[Answer],
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
            *last = Line::styled(format::cut(&format!("{last} …"), width), app.theme.faint);
        }
    } else if !is_bare && lines.len() < fits {
        lines.push(Line::default());
    }
    lines.extend(keys);
    let inner = if is_bare {
        frame.render_widget(Clear, screen);
        frame.render_widget(
            Line::styled(title, app.theme.title),
            Rect { height: 1.min(screen.height), ..screen },
        );
        Rect { y: 1.min(screen.height), height: screen.height.saturating_sub(1), ..screen }
    } else {
        let (width, height) =
            (columns(width + 4).min(screen.width), columns(lines.len() + 2).min(screen.height));
        let (x, y) = ((screen.width - width) / 2, (screen.height - height) / 3);
        let area = Rect { x, y, width, height };
        let block = Block::bordered()
            .border_style(app.theme.frame)
            .title(Span::styled(format!(" {title} "), app.theme.title))
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
    (Line::from(vec![Span::styled(label, app.theme.label), Span::styled(text, app.theme.text)]), column)
}

/// Puts the cursor into a line inside of a dialog.
pub fn place_cursor(inner: Rect, line: usize, column: usize, frame: &mut Frame<'_>) {
    let (line, column) = (columns(line), columns(column));
    if line < inner.height && inner.width > 0 {
        frame.set_cursor_position((inner.x + column.min(inner.width - 1), inner.y + line));
    }
}

fn draw_confirm(app: &App, confirm: &Confirm, frame: &mut Frame<'_>) {
    question(app, &confirm.lines, frame);
}

/// A question. Where the database has a name it is named; where mistakes are felt by others, a letter
/// is not enough.
pub fn question(app: &App, lines: &[String], frame: &mut Frame<'_>) {
    let mut lines: Vec<_> = lines.iter().map(|line| Line::styled(line.clone(), app.theme.text)).collect();
    if let Some(known) = &app.known {
        let path = escape(app.path.as_os_str().as_encoded_bytes());
        let style = if known.production { app.theme.production } else { app.theme.label };
        let mark = if known.production { "PRODUCTION " } else { "" };
        lines.push(Line::from(vec![
            Span::styled(format!("{mark}{}", escape(known.name.as_bytes())), style),
            Span::styled(format!("  {path}"), app.theme.faint),
        ]));
    }
    let Some(name) = app.production() else {
        boxed(app, "Are you sure?", lines, &[("y", "yes, do it"), ("n", "no")], 0, frame);
        return;
    };
    const KEYS: &[Answer] = &[("enter", "do it"), ("esc", "leave it")];
    let (width, _) = room(app.size, LINE, KEYS);
    let label = format!("type {} to do it: ", format::cut(&escape(name.as_bytes()), width / 2));
    let (line, column) = input_line(app, label, &app.answer, width);
    // What is typed stands first, so that it is seen however small the screen is.
    let before = lines.drain(..).flat_map(|line| wrapped(&line, width)).collect::<Vec<_>>();
    let (_, height) = room(app.size, LINE, KEYS);
    let shown = before.into_iter().take(height.saturating_sub(2)).chain([line]).collect::<Vec<_>>();
    let at = shown.len() - 1;
    let inner = boxed(app, "Are you sure?", shown, KEYS, width, frame);
    place_cursor(inner, at, column, frame);
}

fn draw_prompt(app: &App, prompt: &Prompt, now: Millis, frame: &mut Frame<'_>) {
    const KEYS: &[Answer] = &[("enter", "write"), ("esc", "leave it")];
    let (title, hint) = match prompt.purpose {
        Purpose::Value => (format!("Edit {}", prompt.entry.key), format!("a {}", prompt.entry.value_type())),
        Purpose::TimeToLive => {
            let left = match prompt.entry.expires_at {
                Some(_) => format!("expires in {}", format::left(prompt.entry.expires_at, now)),
                None => "does not expire".into(),
            };
            (format!("Expiry of {}", prompt.entry.key), format!("{left}; write 1h30m, +10m or never"))
        }
    };
    let (width, _) = room(app.size, LINE, KEYS);
    let (line, column) = input_line(app, String::new(), &prompt.input, width);
    let mut lines = vec![line];
    let present = app.window.get(&RowId::Entry(prompt.entry.key.clone()));
    match present {
        Some(Row::Entry(entry))
            if entry.revision != prompt.entry.revision || entry.stored != prompt.entry.stored =>
        {
            let text = format!("changed meanwhile: it is {} now", format::value(entry, VALUE));
            lines.push(Line::styled(text, app.theme.warning));
        }
        _ => {}
    }
    lines.push(match &prompt.problem {
        Some(problem) => Line::styled(escape(problem.as_bytes()), app.theme.bad),
        None => Line::styled(hint, app.theme.faint),
    });
    let inner = boxed(app, &title, lines, KEYS, width, frame);
    place_cursor(inner, 0, column, frame);
}

fn draw_form(app: &App, form: &Form, frame: &mut Frame<'_>) {
    const KEYS: &[Answer] = &[("enter", "add"), ("tab", "next"), ("space", "type"), ("esc", "leave it")];
    const LABEL: usize = 9;
    let (width, height) = room(app.size, LINE, KEYS);
    let mut lines = Vec::new();
    let mut cursor = None;
    for (place, name) in Form::LABELS.iter().enumerate() {
        let is_focus = place == form.focus;
        // Where not all rows have room, the one with the cursor has.
        if height < Form::LABELS.len() + 1 && !is_focus {
            continue;
        }
        let label = format::fit(&format!("{} {name}", if is_focus { "›" } else { " " }), LABEL.min(width));
        let input = match place {
            Form::TYPE => {
                let value_type = form.value_type.map_or("as it looks", |value_type| value_type.name());
                lines.push(Line::from(vec![
                    Span::styled(label, app.theme.label),
                    Span::styled(format!("‹ {value_type} ›"), app.theme.text),
                ]));
                continue;
            }
            0 | 1 => &form.fields[place],
            _ => &form.fields[2],
        };
        let (line, column) = input_line(app, label, input, width);
        if is_focus {
            cursor = Some((lines.len(), column));
        }
        lines.push(line);
    }
    lines.push(match &form.problem {
        Some(problem) => Line::styled(escape(problem.as_bytes()), app.theme.bad),
        None => Line::styled("ttl: empty, or how long it lasts, such as 1h30m", app.theme.faint),
    });
    let inner = boxed(app, "Add an entry", lines, KEYS, width, frame);
    if let Some((line, column)) = cursor {
        place_cursor(inner, line, column, frame);
    }
}

fn draw_conflict(app: &App, conflict: &Conflict, frame: &mut Frame<'_>) {
    let theme = &app.theme;
    let theirs = conflict.theirs.as_ref().map(|entry| &entry.stored[..]);
    let same = match (&conflict.mine, theirs) {
        (Some(mine), Some(theirs)) => common_beginning(mine, theirs),
        _ => 0,
    };
    let shown = |bytes: &[u8]| {
        let mark = if same > 0 { "…" } else { "" };
        format::cut(&format!("{mark}{}", escape(&bytes[same..])), VALUE)
    };
    let field = |name: &'static str, text: String| {
        Line::from(vec![Span::styled(name, theme.label), Span::styled(text, theme.text)])
    };
    let mut lines = Vec::new();
    if let Some(mine) = &conflict.mine {
        lines.push(field("yours  ", shown(mine)));
    }
    lines.push(field("now    ", theirs.map_or_else(|| "(it is gone)".into(), shown)));
    if let Some(actor) = conflict.theirs.as_ref().and_then(|entry| entry.actor.as_ref()) {
        lines.push(field("by     ", format::cut(&escape(actor.to_string().as_bytes()), VALUE)));
    }
    lines.push(Line::styled(
        format!("{} was changed while you were at it. Nothing was written.", conflict.key()),
        theme.text,
    ));
    let answers: &[Answer] = match (&conflict.mine, &conflict.theirs) {
        (Some(_), Some(_)) => &[("o", "write yours over it"), ("e", "edit again"), ("esc", "keep theirs")],
        (Some(_), None) => &[("o", "write yours all the same"), ("esc", "leave it gone")],
        (None, Some(_)) => &[("o", "do it all the same"), ("esc", "leave it")],
        (None, None) => &[("esc", "close")],
    };
    boxed(app, "Changed by somebody else", lines, answers, 0, frame);
}

/// How many bytes at the beginning of two values need not be shown because they are the same.
fn common_beginning(mine: &[u8], theirs: &[u8]) -> usize {
    /// So much of what is the same is shown all the same.
    const CONTEXT: usize = 20;
    let same = mine.iter().zip(theirs).take_while(|(mine, theirs)| mine == theirs).count();
    if same < 3 * CONTEXT {
        return 0;
    }
    // Not in the middle of a character.
    (0..same - CONTEXT).rev().find(|at| mine[*at] & 0xc0 != 0x80).unwrap_or(0)
}

fn draw_invalid(app: &App, invalid: &Invalid, frame: &mut Frame<'_>) {
    let lines = vec![
        Line::styled(format!("{} was not written.", invalid.entry.key), app.theme.text),
        Line::styled(escape(invalid.problem.as_bytes()), app.theme.bad),
    ];
    boxed(app, "Not written", lines, &[("e", "edit your text again"), ("esc", "drop it")], 0, frame);
}

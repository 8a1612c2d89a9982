//! What is open over the list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use unicode_width::UnicodeWidthStr;

use crate::escape::escape;
use crate::store::Millis;
use crate::tui::app::App;
use crate::tui::command;
use crate::tui::dialog::{Conflict, Dialog, Form, Invalid, Palette, Prompt, Purpose};
use crate::tui::format;
use crate::tui::row::{Row, RowId};

/// Draws the dialog that is open, if one is.
pub fn draw(app: &App, now: Millis, frame: &mut Frame<'_>) {
    match &app.dialog {
        None => {}
        Some(Dialog::Help(top)) => help(app, *top, frame),
        Some(Dialog::Palette(palette)) => draw_palette(app, palette, frame),
        Some(Dialog::Prompt(prompt)) => draw_prompt(app, prompt, now, frame),
        Some(Dialog::Form(form)) => draw_form(app, form, frame),
        Some(Dialog::Confirm(confirm)) => {
            let mut lines: Vec<Line<'static>> =
                confirm.lines.iter().map(|line| Line::styled(line.clone(), app.theme.text)).collect();
            lines.push(Line::default());
            lines.push(keys(app, &[("y", "yes, do it"), ("n", "no")]));
            boxed(app, "Are you sure?", &lines, frame);
        }
        Some(Dialog::Conflict(conflict)) => draw_conflict(app, conflict, frame),
        Some(Dialog::Invalid(invalid)) => draw_invalid(app, invalid, frame),
    }
}

fn keys(app: &App, keys: &[(&'static str, &'static str)]) -> Line<'static> {
    let spans = keys.iter().flat_map(|(key, does)| {
        [Span::styled(*key, app.theme.key), Span::styled(format!(" {does}   "), app.theme.faint)]
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// A frame in the middle of the screen; where the inside of it is.
fn boxed(app: &App, title: &str, lines: &[Line<'static>], frame: &mut Frame<'_>) -> Rect {
    let screen = frame.area();
    let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(title.width() + 2);
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).min(screen.width);
    // A long line is broken rather than cut: what is asked must be read in full.
    let inside = usize::from(width.saturating_sub(4)).max(1);
    let lines: Vec<Line<'static>> = lines.iter().flat_map(|line| broken(line, inside)).collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(screen.height);
    let area = Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 3, width, height };
    let block = Block::bordered()
        .border_style(app.theme.frame)
        .title(Span::styled(format!(" {title} "), app.theme.title))
        .padding(ratatui::widgets::Padding::horizontal(1));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    for (line, y) in lines.into_iter().zip(inner.y..inner.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
    inner
}

/// A line in lines of no more than `width` columns.
fn broken(line: &Line<'static>, width: usize) -> Vec<Line<'static>> {
    if line.width() <= width || line.spans.len() != 1 {
        return vec![line.clone()];
    }
    let span = &line.spans[0];
    let mut lines = vec![String::new()];
    for word in span.content.split_inclusive(' ') {
        let last = lines.last_mut().filter(|last| last.width() + word.trim_end().width() <= width);
        match last {
            Some(last) => last.push_str(word),
            None => lines.push(word.to_string()),
        }
    }
    let style = span.style.patch(line.style);
    lines.into_iter().filter(|text| !text.is_empty()).map(|text| Line::styled(text, style)).collect()
}

fn help(app: &App, top: usize, frame: &mut Frame<'_>) {
    let context = app.context();
    let mut lines: Vec<Line<'static>> = command::applicable(&context)
        .map(|command| {
            let keys = app.keymap.keys_for(command.action).join("  ");
            Line::from(vec![
                Span::styled(format::fit(&keys, 18), app.theme.key),
                Span::styled(format::fit(command.name, 16), app.theme.label),
                Span::styled(command.help, app.theme.text),
            ])
        })
        .collect();
    lines.push(Line::default());
    for (term, meaning) in [
        ("word", "a part of the key; small letters fit capitals too; several words must all fit"),
        ("!word  ~word", "not; letters in this order"),
        ("type:number", "string, number, boolean, table"),
        ("kind:flag", "flag, counter, lock, timestamp, cache, table, plain"),
        ("ttl:<1h", "expires within the hour; ttl:>1h later"),
        ("changed:<5m", "changed in the last five minutes; changed:>1d not for a day"),
        ("value:text", "the value has this text in it"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(format::fit("/ filter", 18), app.theme.faint),
            Span::styled(format::fit(term, 16), app.theme.label),
            Span::styled(meaning, app.theme.text),
        ]));
    }
    let room = usize::from(frame.area().height.saturating_sub(2));
    let top = top.min(lines.len().saturating_sub(room));
    boxed(app, &format!("Keys of this view: {}", app.view.title()), &lines[top..], frame);
}

/// A line that is typed, and the cursor on it.
fn typed(label: &str, input: &tui_input::Input, app: &App) -> Line<'static> {
    Line::from(vec![
        Span::styled(label.to_string(), app.theme.label),
        Span::styled(escape(input.value().as_bytes()), app.theme.text),
    ])
}

fn place_cursor(inner: Rect, line: u16, label: &str, input: &tui_input::Input, frame: &mut Frame<'_>) {
    let column = u16::try_from(label.width() + input.visual_cursor()).unwrap_or(u16::MAX);
    let x = inner.x.saturating_add(column).min(inner.right().saturating_sub(1));
    if line < inner.height {
        frame.set_cursor_position((x, inner.y + line));
    }
}

fn wide(line: Line<'static>, width: usize) -> Line<'static> {
    let missing = width.saturating_sub(line.width());
    let mut line = line;
    line.push_span(Span::raw(" ".repeat(missing)));
    line
}

fn draw_palette(app: &App, palette: &Palette, frame: &mut Frame<'_>) {
    const ROWS: usize = 12;
    let matches = palette.matches(&app.context());
    let mut lines = vec![wide(typed(": ", &palette.input, app), 60)];
    let top = palette.chosen.saturating_sub(ROWS - 1);
    for (place, command) in matches.iter().enumerate().skip(top).take(ROWS) {
        let style = if place == palette.chosen { app.theme.cursor } else { app.theme.text };
        let mark = if place == palette.chosen { "› " } else { "  " };
        let keys = app.keymap.keys_for(command.action).first().cloned().unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(mark, style),
            Span::styled(format::fit(command.name, 16), style.patch(app.theme.label)),
            Span::styled(format::fit(&keys, 10), style.patch(app.theme.key)),
            Span::styled(command.help, style),
        ]));
    }
    if matches.is_empty() {
        lines.push(Line::styled("no such command here", app.theme.faint));
    }
    let inner = boxed(app, "Commands", &lines, frame);
    place_cursor(inner, 0, ": ", &palette.input, frame);
}

fn draw_prompt(app: &App, prompt: &Prompt, now: Millis, frame: &mut Frame<'_>) {
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
    let room = usize::from(frame.area().width).saturating_sub(8);
    let mut lines = vec![
        wide(typed("", &prompt.input, app), 50.min(room)),
        match &prompt.problem {
            Some(problem) => Line::styled(problem.clone(), app.theme.bad),
            None => Line::styled(hint, app.theme.faint),
        },
    ];
    let present = app.window.get(&RowId::Entry(prompt.entry.key.clone()));
    match present {
        Some(Row::Entry(entry))
            if entry.revision != prompt.entry.revision || entry.stored != prompt.entry.stored =>
        {
            let text = format!("changed meanwhile: it is {} now", format::value(entry, 40));
            lines.push(Line::styled(text, app.theme.warning));
        }
        _ => {}
    }
    lines.push(keys(app, &[("enter", "write"), ("esc", "leave it")]));
    let inner = boxed(app, &format::cut(&title, room), &lines, frame);
    place_cursor(inner, 0, "", &prompt.input, frame);
}

fn draw_form(app: &App, form: &Form, frame: &mut Frame<'_>) {
    const LABEL: usize = 7;
    let mut lines = Vec::new();
    for (place, name) in Form::LABELS.iter().enumerate() {
        let mark = if place == form.focus { "› " } else { "  " };
        let label = format::fit(&format!("{mark}{name}"), LABEL + 2);
        let line = match place {
            Form::TYPE => {
                let value_type = form.value_type.map_or("as it looks", |value_type| value_type.name());
                Line::from(vec![
                    Span::styled(label, app.theme.label),
                    Span::styled(format!("‹ {value_type} ›"), app.theme.text),
                ])
            }
            0 | 1 => typed(&label, &form.fields[place], app),
            _ => typed(&label, &form.fields[2], app),
        };
        lines.push(wide(line, 56.min(usize::from(frame.area().width).saturating_sub(6))));
    }
    lines.push(match &form.problem {
        Some(problem) => Line::styled(problem.clone(), app.theme.bad),
        None => Line::styled("ttl: empty, or how long it lasts, such as 1h30m", app.theme.faint),
    });
    lines.push(keys(app, &[("tab", "next"), ("space", "type"), ("enter", "add"), ("esc", "leave it")]));
    let inner = boxed(app, "Add an entry", &lines, frame);
    let input = match form.focus {
        0 | 1 => &form.fields[form.focus],
        3 => &form.fields[2],
        _ => return,
    };
    place_cursor(inner, form.focus as u16, &" ".repeat(LABEL + 2), input, frame);
}

fn draw_conflict(app: &App, conflict: &Conflict, frame: &mut Frame<'_>) {
    let theme = &app.theme;
    let shown = |bytes: &[u8]| format::cut(&escape(bytes), 60);
    let mut lines = vec![
        Line::styled("It was changed while you were at it. Nothing was written.", theme.text),
        Line::default(),
    ];
    if let Some(mine) = &conflict.mine {
        lines.push(Line::from(vec![Span::styled("yours    ", theme.label), Span::raw(shown(mine))]));
    }
    let theirs = match &conflict.theirs {
        Some(entry) => shown(&entry.stored),
        None => "(it is gone)".into(),
    };
    lines.push(Line::from(vec![Span::styled("now      ", theme.label), Span::raw(theirs)]));
    if let Some(actor) = conflict.theirs.as_ref().and_then(|entry| entry.actor.as_ref()) {
        let actor = format::cut(&escape(actor.to_string().as_bytes()), 60);
        lines.push(Line::from(vec![Span::styled("by       ", theme.label), Span::raw(actor)]));
    }
    lines.push(Line::default());
    let can_edit = conflict.mine.is_some() && conflict.theirs.is_some();
    lines.push(match (&conflict.mine, can_edit) {
        (Some(_), true) => {
            keys(app, &[("o", "write yours over it"), ("e", "edit again"), ("esc", "keep theirs")])
        }
        (Some(_), false) => keys(app, &[("o", "write yours all the same"), ("esc", "leave it gone")]),
        (None, _) => keys(app, &[("o", "do it all the same"), ("esc", "leave it")]),
    });
    boxed(app, "Changed by somebody else", &lines, frame);
}

fn draw_invalid(app: &App, invalid: &Invalid, frame: &mut Frame<'_>) {
    let lines = [
        Line::styled(format!("{} was not written.", invalid.entry.key), app.theme.text),
        Line::styled(escape(invalid.problem.as_bytes()), app.theme.bad),
        Line::default(),
        keys(app, &[("e", "edit your text again"), ("esc", "drop it")]),
    ];
    boxed(app, "Not written", &lines, frame);
}

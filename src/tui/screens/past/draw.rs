//! The state as it was: the moment, the changes around it, and each entry then and now.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::store::secret_keys::MASK;
use crate::store::{Change, Entry};
use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::cell;
use crate::tui::list::diff_row::{DiffKind, DiffRow};
use crate::tui::screens::details::{block, text_area};
use crate::tui::screens::history;
use crate::tui::screens::past::details::{self, tone};
use crate::tui::screens::past::scrubber::{around, start};
use crate::tui::screens::past::state::{PastPosition, PastView};
use crate::tui::status;
use crate::tui::theme::Theme;
use crate::tui::widgets::format;
use crate::tui::widgets::line::typed;

/// Draws the past over everything but a frame.
pub fn draw(app: &App, past_view: &PastView, now: Millis, frame: &mut Frame<'_>) {
    let areas = app.areas();
    title(app, past_view, now, areas.tabs, frame);
    match app.focus.is_filter_line() {
        true => filter_line(app, past_view, areas.filter, frame),
        false => scrubber(app, past_view, areas.filter, frame),
    }
    heading(app, past_view, areas.heading, frame);
    list(app, past_view, areas.list, frame);
    detail(app, past_view, now, areas.detail, frame);
    status::draw(app, now, areas.hints, frame);
}

/// What is typed to filter the past, in the place of the scrubber.
fn filter_line(app: &App, past_view: &PastView, area: Rect, frame: &mut Frame<'_>) {
    if area.is_empty() {
        return;
    }
    let (text, column) = typed(past_view.filter_line.input(), usize::from(area.width).saturating_sub(2));
    let mut line = Line::styled("/ ", app.settings.theme.key);
    line.extend(status::line_with_mistake(app, &past_view.filter_line, text));
    frame.render_widget(line, area);
    let column = u16::try_from(column + 2).unwrap_or(u16::MAX).min(area.width - 1);
    frame.set_cursor_position((area.x + column, area.y));
}

/// Where in the past this is: reversed, so that it is not taken for the present.
fn title(app: &App, past_view: &PastView, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let text = match &past_view.place {
        None => " PAST  reading…".to_string(),
        Some(PastPosition { moment, span, .. }) => {
            let (oldest, newest) = (span.oldest.0, span.newest.0);
            let ago = format::span(now.since(moment.at));
            let when = match past_view.age(now) {
                // What is shown of the present was true when it was read.
                Some(age) => format!("NOW as read {} ago", format::span(age)),
                None if moment.revision >= newest => format!("the newest, {ago} ago"),
                None => format!("{}, {ago} ago", format::moment(moment.at, app.settings.zone)),
            };
            let marked = match past_view.marks.len() {
                0 => String::new(),
                count => format!("  {} marked", thousands(count as u64)),
            };
            let filter = match past_view.filter_line.text() {
                "" => String::new(),
                _ if app.focus.is_filter_line() => String::new(),
                filter => format!("  /{}", format::cut(&escape(filter.as_bytes()), 24)),
            };
            // What is marked and what passes is to be seen on a narrow screen too.
            format!(" PAST{marked}{filter}  revision {} of {oldest} to {newest}  {when}", moment.revision)
        }
    };
    let style = app.settings.theme.warning.add_modifier(Modifier::REVERSED);
    frame.render_widget(Line::styled(format::fit(&text, usize::from(area.width)), style), area);
}

/// What a change did, as one letter of the scrubber.
fn letter(change: &Change) -> &'static str {
    match (change.operation.as_str(), &change.old, &change.new) {
        ("undo", ..) => "u",
        ("expire", ..) => "x",
        (_, None, Some(_)) => "+",
        (_, _, None) => "-",
        _ => "~",
    }
}

/// A letter for each change, the last one that had been made in brackets; those that were made later
/// are faint.
fn scrubber(app: &App, past_view: &PastView, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.settings.theme;
    let Some(place) = &past_view.place else { return };
    let width = usize::from(area.width);
    let (before, after) = around(place, width);
    let mut spans = vec![Span::raw(" ".repeat(start(&before, width)))];
    let letter_of = |change: &Change| Span::styled(letter(change), history::columns::tone(change, theme));
    match before.split_last() {
        None => spans.push(Span::styled("[ ]", theme.key)),
        Some((last, earlier)) => {
            spans.extend(earlier.iter().map(|change| letter_of(change)));
            spans.push(Span::styled("[", theme.key));
            spans.push(letter_of(last));
            spans.push(Span::styled("]", theme.key));
        }
    }
    spans.extend(after.iter().map(|change| Span::styled(letter(change), theme.faint)));
    frame.render_widget(Line::from(spans), area);
}

/// The widths of the columns key, then and now.
fn widths(width: u16) -> [usize; 3] {
    let room = usize::from(width).saturating_sub(5);
    let key = room * 2 / 5;
    let then = (room - key) / 2;
    [key, then, room - key - then]
}

fn heading(app: &App, past_view: &PastView, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let [key, then, now] = widths(area.width);
    let name = match past_view.order() {
        Some(sort) => format!("KEY, {sort}"),
        None => "KEY".into(),
    };
    let text =
        format!("   {} {} {}", format::fit(&name, key), format::fit("THEN", then), format::fit("NOW", now));
    frame.render_widget(Line::styled(text, app.settings.theme.label), area);
}

fn list(app: &App, past_view: &PastView, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    if past_view.window.rows().is_empty() {
        let text = match (
            past_view.is_awaiting,
            past_view.filter_line.filter().is_empty(),
            past_view.only_different,
        ) {
            (true, ..) => " reading…",
            (false, false, _) => " no matches, then or now",
            (false, true, true) => " everything is the same now",
            (false, true, false) => " no keys, then or now",
        };
        frame.render_widget(Line::styled(text, app.settings.theme.faint), Rect { height: 1, ..area });
        return;
    }
    let rows = past_view
        .window
        .rows()
        .iter()
        .enumerate()
        .skip(past_view.window.top())
        .take(usize::from(area.height));
    for ((place, row), y) in rows.zip(area.y..) {
        let line = line(app, past_view, row, place == past_view.window.cursor(), area.width);
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

fn line(app: &App, past_view: &PastView, row: &DiffRow, is_cursor: bool, width: u16) -> Line<'static> {
    let theme = &app.settings.theme;
    let style = if is_cursor { theme.text.patch(theme.cursor) } else { theme.text };
    let difference = row.difference();
    let tone = Theme::over(style, tone(app, difference));
    let [key, then, now] = widths(width);
    let cell = |bytes: &[u8], width, style: Style| {
        let bytes = cell::beginning(bytes, width);
        format::spans(bytes, width, style, Theme::over(style, theme.escaped), style, &[])
    };
    let value = |entry: &Option<Entry>| match entry {
        None => "∅".into(),
        Some(_) if app.hides(&row.key) => MASK.into(),
        Some(entry) => entry.stored.clone(),
    };
    let is_marked = past_view.marks.contains_key(&row.key);
    let mut spans = vec![
        Span::styled(if is_cursor { "›" } else { " " }, style),
        Span::styled(if is_marked { "✓" } else { " " }, Theme::over(style, theme.key)),
        Span::styled(difference.mark(), tone),
    ];
    spans.extend(cell(row.key.as_bytes(), key, style));
    spans.push(Span::styled(" ", style));
    spans.extend(cell(&value(&row.then), then, style));
    spans.push(Span::styled(" ", style));
    // What is the same is not read twice.
    match difference {
        DiffKind::None => spans.push(Span::styled(format::fit("=", now), Theme::over(style, theme.faint))),
        _ => spans.extend(cell(&value(&row.now), now, tone)),
    }
    Line::from(spans).style(style)
}

/// What the entry under the cursor was and what it is, and the change that led here.
fn detail(app: &App, past_view: &PastView, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    frame.render_widget(block(app, area), area);
    let inner = text_area(app, area);
    let lines = details::lines(app, past_view, now, usize::from(inner.width));
    let top = past_view.scroll.min(lines.len().saturating_sub(usize::from(inner.height)));
    for (line, y) in lines.into_iter().skip(top).zip(inner.y..inner.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

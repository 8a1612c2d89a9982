//! The state as it was: the moment, the changes around it, and each entry then and now.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use crate::store::Change;
use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::screens::past::columns::COLUMNS;
use crate::tui::screens::past::scrubber::{around, letter, start};
use crate::tui::screens::past::state::{PastPosition, PastView};
use crate::tui::screens::{history, value};
use crate::tui::widgets::dialog_frame::place_cursor;
use crate::tui::widgets::format;
use crate::tui::widgets::line::typed;
use crate::tui::{list, status};

/// Draws the past over everything but a frame.
pub fn draw(app: &App, past_view: &PastView, now: Millis, frame: &mut Frame<'_>) {
    let areas = app.areas();
    title(app, past_view, now, areas.tabs, frame);
    match app.focus.is_filter_line() {
        true => filter_line(app, past_view, areas.filter, frame),
        false => scrubber(app, past_view, areas.filter, frame),
    }
    list::draw::heading(app, COLUMNS, areas.heading, frame);
    list::draw::rows(app, COLUMNS, nothing(past_view), now, areas.list, frame);
    value::draw::draw(app, now, areas.detail, frame);
    status::draw(app, now, areas.hints, frame);
}

/// What is typed to filter the past, in the place of the scrubber.
fn filter_line(app: &App, past_view: &PastView, area: Rect, frame: &mut Frame<'_>) {
    let (text, column) = typed(past_view.list.filter_line.input(), usize::from(area.width).saturating_sub(2));
    let mut line = Line::styled("/ ", app.settings.theme.key);
    line.extend(status::line_with_mistake(app, &past_view.list.filter_line, text));
    frame.render_widget(line, area);
    place_cursor(area, 0, column + 2, frame);
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
            let marked = match past_view.list.marks.count() {
                0 => String::new(),
                count => format!("  {} marked", thousands(count)),
            };
            let filter = match past_view.list.filter_line.text() {
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

/// Why there are no rows.
fn nothing(past_view: &PastView) -> &'static str {
    let is_filtered = !past_view.list.filter_line.filter().is_empty();
    match (past_view.is_awaiting(), is_filtered, past_view.only_different) {
        (true, ..) => " reading…",
        (false, true, _) => " no matches, then or now",
        (false, false, true) => " everything is the same now",
        (false, false, false) => " no keys, then or now",
    }
}

//! The details of a group of keys.

use ratatui::text::{Line, Span};

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::Group;
use crate::tui::screens::entries::keys;
use crate::tui::widgets::chart;
use crate::tui::widgets::fields::{field, prose};

/// Everything about a group: of a series its values over time.
pub fn lines(app: &App, group: &Group, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let mut lines = field(app, "group", group.prefix.as_bytes(), theme.title, width);
    lines.extend(prose(app, "has", keys::size(app, group), width));
    match &group.series {
        Some(series) => lines.extend(chart::lines(app, &series.points, now, width)),
        None => lines.push(Line::from(Span::styled("enter opens and closes it", theme.faint))),
    }
    lines
}

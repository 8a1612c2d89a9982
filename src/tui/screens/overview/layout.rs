//! Which row of the overview is in which line of the list.

use crate::tui::app::App;
use crate::tui::screens::overview::state::Section;

/// A line of this view: the heading of a part, or a row by its place.
pub enum Shown {
    Heading(Section),
    Row(usize),
}

/// The lines, from the first heading on.
pub fn lines(app: &App) -> Vec<Shown> {
    let rows = app.overview.as_ref().map_or([0; 4], |overview| overview.rows);
    let mut place = 0;
    let mut lines = Vec::new();
    for (section, count) in Section::ALL.into_iter().zip(rows) {
        lines.push(Shown::Heading(section));
        // A row may have gone since it was counted.
        let end = (place + count).min(app.list.window.rows().len());
        lines.extend((place..end).map(Shown::Row));
        place = end;
    }
    lines
}

/// The first line that is drawn so that the cursor is seen.
pub fn top(app: &App, lines: &[Shown], height: usize) -> usize {
    let cursor =
        lines.iter().position(|line| matches!(line, Shown::Row(place) if *place == app.list.window.cursor()));
    (cursor.unwrap_or(0) + 1).saturating_sub(height)
}

/// The row that is drawn in a line of the list.
pub fn row_at(app: &App, line: usize, height: usize) -> Option<usize> {
    let lines = lines(app);
    match lines.get(top(app, &lines, height) + line)? {
        Shown::Row(place) => Some(*place),
        Shown::Heading(_) => None,
    }
}

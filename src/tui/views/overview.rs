//! What needs a look, on one screen: locks, runs that failed, what changes most, what expires next.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::cell::{self, Cell, Drawn};
use super::list::{self, Listing, column, share};
use super::locks::lock_state;
use super::{history, runs};
use crate::escape::escape;
use crate::store::Millis;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::overview::Section;
use crate::tui::row::Row;

/// The columns of this view, whatever a row is of.
pub const LISTING: Listing = Listing {
    columns: &[
        column("", 9, state).stays(),
        share("", 3, cell::name).stays(),
        share("", 3, what).least(16).stays(),
        column("", 7, cell::age),
        share("", 2, cell::actor),
    ],
    nothing: " nothing is there yet",
};

/// A line of this view: the heading of a part, or a row by its place.
enum Shown {
    Heading(Section),
    Row(usize),
}

/// The lines, from the first heading on.
fn lines(app: &App) -> Vec<Shown> {
    let rows = app.overview.as_ref().map_or([0; 4], |overview| overview.rows);
    let mut place = 0;
    let mut lines = Vec::new();
    for (section, count) in Section::ALL.into_iter().zip(rows) {
        lines.push(Shown::Heading(section));
        // A row may have gone since it was counted.
        let end = (place + count).min(app.window.rows().len());
        lines.extend((place..end).map(Shown::Row));
        place = end;
    }
    lines
}

/// The first line that is drawn so that the cursor is seen.
fn top(app: &App, lines: &[Shown], height: usize) -> usize {
    let cursor =
        lines.iter().position(|line| matches!(line, Shown::Row(place) if *place == app.window.cursor()));
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

/// Draws all of it.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let lines = lines(app);
    let top = top(app, &lines, usize::from(area.height).max(1));
    let widths = list::widths(LISTING.columns, area.width.saturating_sub(list::gutter(app)));
    for (line, y) in lines.iter().skip(top).zip(area.y..area.bottom()) {
        let area = Rect { y, height: 1, ..area };
        match line {
            Shown::Heading(section) => frame.render_widget(heading(app, *section, area), area),
            Shown::Row(place) => list::draw_row(app, now, *place, &widths, area, frame),
        }
    }
}

/// The name of a part, and what there is to say of all of it.
fn heading(app: &App, section: Section, area: Rect) -> Line<'static> {
    let theme = &app.theme;
    let Some(overview) = &app.overview else { return Line::styled(" reading…", theme.faint) };
    let count = overview.counts[section as usize];
    let (name, about, tone) = match section {
        Section::Locks if count == 0 => ("LOCKS", "nobody holds one".into(), theme.faint),
        Section::Locks if overview.dead > 0 => {
            ("LOCKS", format!("{}, {} of the dead", format::counted(count, "lock"), overview.dead), theme.bad)
        }
        Section::Locks => ("LOCKS", format::counted(count, "lock"), theme.text),
        Section::Runs if count == 0 => {
            ("FAILED", format!("no run within a day; {} at work", overview.running), theme.faint)
        }
        Section::Runs => {
            let runs = format::counted(count, "run");
            ("FAILED", format!("{runs} within a day; {} at work", overview.running), theme.bad)
        }
        Section::Changes if count == 0 => ("CHANGING", "nothing in the last 10 minutes".into(), theme.faint),
        Section::Changes => {
            let more = if overview.is_cut { " or more" } else { "" };
            let changes = format::counted(overview.changes, "change");
            let about =
                format!("{changes}{more} of {} in the last 10 minutes", format::counted(count, "key"));
            ("CHANGING", about, theme.text)
        }
        Section::Expiring if count == 0 => ("EXPIRING", "nothing".into(), theme.faint),
        Section::Expiring => ("EXPIRING", "the soonest first".into(), theme.text),
    };
    let rule = "─".repeat(usize::from(area.width).saturating_sub(name.len() + about.len() + 5));
    Line::from(vec![
        Span::styled(format!(" {name}  "), theme.label),
        Span::styled(about, tone),
        Span::styled(format!("  {rule}"), theme.faint),
    ])
}

/// What is most pressing of a row.
fn state(cell: &Cell<'_>, row: &Row) -> Drawn {
    let theme = &cell.app.theme;
    match row {
        Row::Lock(row) => {
            let (word, tone) = lock_state(row, theme);
            cell.text(word, tone)
        }
        Row::Run(row) => cell.text(escape(row.status.as_bytes()), runs::tone(&row.status, theme)),
        Row::Change(change) => {
            let times = cell.app.overview.as_ref().and_then(|overview| overview.times.get(&change.revision));
            cell.text(
                times.map_or_else(|| "-".into(), |times| format!("{}×", format::thousands(*times))),
                theme.number,
            )
        }
        Row::Entry(_) | Row::Group(_) => cell::left(cell, row),
    }
}

/// What there is to say of a row.
fn what(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Lock(row) => {
            let mut text = row.lock.holder.clone();
            if row.lock.is_expired(cell.now) {
                text.push_str(" · lease expired");
            }
            if !row.waiting.is_empty() {
                text.push_str(&format!(" · {} waiting", row.waiting.len()));
            }
            cell.bytes(text.as_bytes(), &[])
        }
        Row::Run(row) => match &row.run.ended {
            Some((_, end)) => {
                let tasks = format!("{} failed, {} done, {} not run", end.failed, end.ok, end.skipped);
                cell.text(tasks, cell.style)
            }
            None => cell.faint("no end was recorded"),
        },
        Row::Change(_) => history::change(cell, row),
        Row::Entry(_) | Row::Group(_) => cell::value(cell, row),
    }
}

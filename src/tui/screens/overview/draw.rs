//! What needs a look, on one screen: locks, runs that failed, what changes most, what expires next.

use std::collections::HashSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list;
use crate::tui::list::columns::{column, share, widths};
use crate::tui::list::{Cell, Drawn, Listing, Row, cell};
use crate::tui::screens::locks::columns::lock_state;
use crate::tui::screens::overview::layout::{Shown, lines, top};
use crate::tui::screens::overview::state::{Counted, Expiring, Extent, Failures, Overview, Section};
use crate::tui::screens::{history, runs};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

/// The columns of this view, whatever a row is of.
pub const LISTING: Listing = Listing {
    draw: Some(draw),
    ..Listing::new(
        &[
            column("", 9, state).stays(),
            share("", 3, cell::name).stays(),
            share("", 3, what).least(16).stays(),
            column("", 7, cell::age),
            share("", 2, cell::actor),
        ],
        " nothing is there yet",
        |reader| reader.read_overview(),
    )
};

pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let lines = lines(app);
    let top = top(app, &lines, usize::from(area.height).max(1));
    let widths = widths(LISTING.columns, area.width.saturating_sub(list::draw::gutter(app)));
    for (line, y) in lines.iter().skip(top).zip(area.y..area.bottom()) {
        let area = Rect { y, height: 1, ..area };
        match line {
            Shown::Heading(section) => frame.render_widget(heading(app, *section, now, area), area),
            Shown::Row(place) => {
                list::draw::draw_row(app, now, *place, &widths, &HashSet::new(), area, frame)
            }
        }
    }
}

/// The name of a part, and what there is to say of all of it.
fn heading(app: &App, section: Section, now: Millis, area: Rect) -> Line<'static> {
    let theme = &app.settings.theme;
    let Some(overview) = &app.overview else { return Line::styled(" reading…", theme.faint) };
    let is_filtered = !app.list.filter_line.filter().is_empty();
    let (name, about, tone) = match section {
        Section::Locks => {
            let (about, tone) = locks(overview, is_filtered, theme);
            ("LOCKS", about, tone)
        }
        Section::Runs => {
            let (about, tone) = failures(&overview.failures, is_filtered, now, theme);
            ("FAILED", about, tone)
        }
        Section::Changes => {
            let (about, tone) = changes(overview.lately, is_filtered, now, theme);
            ("CHANGING", about, tone)
        }
        Section::Expiring => match overview.expiring {
            Expiring::Some { among_locks: 0 } => ("EXPIRING", "the soonest first".into(), theme.text),
            Expiring::Some { among_locks } => {
                let about = format!("the soonest first; also {}", used_as_lock(among_locks));
                ("EXPIRING", about, theme.text)
            }
            Expiring::None => ("EXPIRING", nothing(is_filtered).into(), theme.faint),
            Expiring::NoneOf(count) => {
                let count = thousands(count);
                ("EXPIRING", format!("no matches among the {count} that expire first"), theme.faint)
            }
        },
    };
    let rule = "─".repeat(usize::from(area.width).saturating_sub(name.len() + about.width() + 5));
    Line::from(vec![
        Span::styled(format!(" {name}  "), theme.label),
        Span::styled(about, tone),
        Span::styled(format!("  {rule}"), theme.faint),
    ])
}

/// What is said where nothing is there, or nothing passes the filter.
fn nothing(is_filtered: bool) -> &'static str {
    if is_filtered { "no matches" } else { "none" }
}

fn locks(overview: &Overview, is_filtered: bool, theme: &Theme) -> (String, Style) {
    let locks = match (overview.locks, overview.dead) {
        (count, 0) => format::counted(count, "lock"),
        (count, dead) => format!("{}, {dead} with a dead holder", format::counted(count, "lock")),
    };
    let tone = if overview.dead > 0 { theme.bad } else { theme.text };
    match (overview.locks, overview.lock_keys) {
        (0, None) => ("no locks; looking for keys used as locks…".into(), theme.faint),
        (0, Some(0)) => (nothing(is_filtered).into(), theme.faint),
        (0, Some(keys)) => (used_as_lock(keys), theme.text),
        (_, None) => (format!("{locks}; looking for keys used as locks…"), tone),
        (_, Some(0)) => (locks, tone),
        (_, Some(keys)) => (format!("{locks}; {}", used_as_lock(keys)), tone),
    }
}

fn used_as_lock(keys: u64) -> String {
    format!("{} used as {}", format::counted(keys, "key"), if keys == 1 { "a lock" } else { "locks" })
}

fn failures(failures: &Failures, is_filtered: bool, now: Millis, theme: &Theme) -> (String, Style) {
    let span = span("24 hours", failures.since, failures.extent, "runs are kept", now);
    let mut about = match failures.failed {
        0 => format!("{} {span}", nothing(is_filtered)),
        count => format!("{} {span}", format::counted(count, "run")),
    };
    if failures.unknown > 0 {
        about.push_str(&format!("; {} of unknown status", failures.unknown));
    }
    about.push_str(&format!("; {} running", failures.running));
    let tone = match (failures.failed, failures.unknown) {
        (0, 0) => theme.faint,
        (0, _) => theme.warning,
        _ => theme.bad,
    };
    (about, tone)
}

fn changes(counted: Counted, is_filtered: bool, now: Millis, theme: &Theme) -> (String, Style) {
    let lately = match counted {
        Counted::NotYet => return ("counting…".into(), theme.faint),
        Counted::NotRecorded => {
            return ("not known: no history is recorded before slothstate writes".into(), theme.faint);
        }
        Counted::All(lately) => lately,
    };
    let span = span("10 minutes", lately.since, lately.extent, "history goes", now);
    if lately.changes == 0 {
        return (format!("{} {span}", nothing(is_filtered)), theme.faint);
    }
    let keys = format::counted(lately.keys, "key");
    let of = match (lately.keys, lately.locks) {
        (_, 0) => keys,
        (0, locks) => format::counted(locks, "lock"),
        (_, locks) => format!("{keys} and {}", format::counted(locks, "lock")),
    };
    (format!("{} of {of} {span}", format::counted(lately.changes, "change")), theme.text)
}

/// The span in which something was counted: the `whole` one, or why it is shorter.
fn span(whole: &str, since: Millis, extent: Extent, kept: &str, now: Millis) -> String {
    let shorter = format::span(now.since(since));
    match extent {
        Extent::Window => format!("in the last {whole}"),
        Extent::History => format!("in the last {shorter}, as far back as {kept}"),
        Extent::Most => format!("in the last {shorter} (more are not counted)"),
    }
}

/// What is most pressing of a row.
fn state(cell: &Cell<'_>, row: &Row) -> Drawn {
    let theme = &cell.app.settings.theme;
    match row {
        Row::Lock(row) => {
            let (word, tone) = lock_state(row, theme);
            cell.text(word, tone)
        }
        Row::Run(row) => cell.text(escape(row.status.as_bytes()), runs::columns::tone(&row.status, theme)),
        Row::Change(change) => {
            let times = cell.app.overview.as_ref().and_then(|overview| overview.times.get(&change.revision));
            cell.text(
                times.map_or_else(|| "-".into(), |times| format!("{}×", thousands(*times))),
                theme.number,
            )
        }
        Row::Entry(entry) if entry.expires_at.is_none() => cell.text("key", theme.warning),
        Row::Entry(_) | Row::Group(_) | Row::Diff(_) => cell::left(cell, row),
    }
}

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
        Row::Change(_) => history::columns::change(cell, row),
        Row::Entry(_) | Row::Group(_) | Row::Diff(_) => cell::value(cell, row),
    }
}

//! Every run of a workflow, the newest first.

use ratatui::style::Style;

use crate::text::escape::escape;
use crate::tui::keys::Action;
use crate::tui::list::columns::{column, share};
use crate::tui::list::{Cell, Drawn, Listing, Row, RunRow, cell};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

pub const LISTING: Listing = Listing {
    adds: Some((Action::StartRun, "starts one")),
    ..Listing::new(
        &[
            column("RUN", 6, number).stays(),
            column("STATUS", 9, status).stays(),
            share("WORKFLOW", 3, cell::name).stays(),
            column("TOOK", 8, took).stays(),
            column("AGO", 6, cell::age).stays(),
            column("TASKS", 12, tasks),
            share("BY", 2, cell::actor),
        ],
        " no runs are recorded here",
        |reader| reader.read_runs(),
    )
};

/// The colour of how a run stands.
pub fn tone(status: &str, theme: &Theme) -> Style {
    match status {
        "done" | "ok" | "completed" | "success" => theme.good,
        "running" => theme.number,
        "stopped" | "unknown" | "skipped" => theme.warning,
        _ => theme.bad,
    }
}

fn of(row: &Row) -> Option<&RunRow> {
    match row {
        Row::Run(row) => Some(row),
        _ => None,
    }
}

fn number(cell: &Cell<'_>, row: &Row) -> Drawn {
    of(row).map_or_else(
        || cell.none(),
        |row| {
            let number = match &row.stack {
                Some(stack) => format!("SR {}", stack.number),
                None => row.run.number.to_string(),
            };
            cell.text(format!("{number:>width$}", width = cell.width), cell.style)
        },
    )
}

fn status(cell: &Cell<'_>, row: &Row) -> Drawn {
    of(row).map_or_else(
        || cell.none(),
        |row| cell.text(escape(row.status.as_bytes()), tone(&row.status, &cell.app.settings.theme)),
    )
}

fn took(cell: &Cell<'_>, row: &Row) -> Drawn {
    match of(row).and_then(|row| row.took(cell.now)) {
        Some(took) => cell.text(format::took(took), cell.style),
        None => cell.none(),
    }
}

/// How many tasks are done, and how many failed or were not run.
fn tasks(cell: &Cell<'_>, row: &Row) -> Drawn {
    let Some(row) = of(row) else { return cell.none() };
    let theme = &cell.app.settings.theme;
    if let Some(stack) = &row.stack {
        let style = if stack.failed > 0 { theme.bad } else { theme.faint };
        return stack.tasks_in_words().map_or_else(|| cell.none(), |words| cell.text(words, style));
    }
    let Some((_, end)) = &row.run.ended else { return cell.none() };
    let mut words = vec![format!("{} ok", end.ok)];
    words.extend((end.failed > 0).then(|| format!("{} ✗", end.failed)));
    words.extend((end.skipped > 0).then(|| format!("{} -", end.skipped)));
    cell.text(words.join(" "), if end.failed > 0 { theme.bad } else { theme.faint })
}

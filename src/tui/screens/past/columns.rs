//! The list of the past: each entry as it was and as it is.

use ratatui::style::Style;

use crate::store::Entry;
use crate::store::secret_keys::MASK;
use crate::tui::list::columns::share;
use crate::tui::list::{Cell, Column, DiffKind, Drawn, Row, cell};
use crate::tui::theme::Theme;

/// Its columns.
pub const COLUMNS: &[Column] =
    &[share("KEY", 4, cell::name).stays(), share("THEN", 3, then).stays(), share("NOW", 3, now).stays()];

fn then(cell: &Cell<'_>, row: &Row) -> Drawn {
    row.diff().map_or_else(Vec::new, |row| value(cell, row.then.as_ref(), cell.style))
}

fn now(cell: &Cell<'_>, row: &Row) -> Drawn {
    let Some(row) = row.diff() else { return Vec::new() };
    match row.difference() {
        // What is the same is not read twice.
        DiffKind::None => cell.faint("="),
        kind => value(cell, row.now.as_ref(), Theme::over(cell.style, kind.tone(&cell.app.settings.theme))),
    }
}

fn value(cell: &Cell<'_>, entry: Option<&Entry>, style: Style) -> Drawn {
    let bytes = match entry {
        None => "∅".as_bytes(),
        Some(entry) if cell.app.hides(&entry.key) => MASK.as_bytes(),
        Some(entry) => cell::beginning(&entry.stored, cell.width),
    };
    cell.bytes_in(bytes, cell.width, style, &[])
}

//! Locks, and entries used as locks.

use ratatui::style::Style;

use crate::store::{Liveness, kind_inference};
use crate::tui::list::columns::{column, share};
use crate::tui::list::{Cell, Drawn, Listing, LockRow, Row, cell};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

pub const LISTING: Listing = Listing::new(
    &[
        share("LOCK", 3, cell::name).stays(),
        share("HOLDER", 2, holder).stays(),
        column("STATE", 9, state).stays(),
        column("HELD", 7, held),
        column("LEASE", 7, lease),
        column("WAIT", 4, waiting),
    ],
    " nobody holds a lock",
    |reader| reader.read_locks(),
);

/// The state of the holder, and its colour.
pub fn lock_state(row: &LockRow, theme: &Theme) -> (&'static str, Style) {
    let tone = match row.liveness {
        Liveness::Alive => theme.good,
        Liveness::Dead => theme.bad,
        Liveness::Stopped | Liveness::Elsewhere | Liveness::Unknown => theme.warning,
    };
    (row.liveness.name(), tone)
}

fn lease(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Lock(row) if row.lock.is_expired(cell.now) => {
            cell.text("expired", cell.app.settings.theme.warning)
        }
        _ => cell::left(cell, row),
    }
}

fn holder(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Lock(row) => cell.bytes(row.lock.holder.as_bytes(), &[]),
        _ => cell::entry(cell, row, |entry| cell.bytes(kind_inference::holder_in(entry).as_bytes(), &[])),
    }
}

fn state(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Lock(row) => {
            let (word, tone) = lock_state(row, &cell.app.settings.theme);
            cell.text(word, tone)
        }
        _ => cell.text("key", cell.app.settings.theme.warning),
    }
}

fn held(cell: &Cell<'_>, row: &Row) -> Drawn {
    let tone = if matches!(row, Row::Lock(_)) {
        cell.app.settings.theme.text
    } else {
        cell.app.settings.theme.faint
    };
    cell.text(format::age(row.changed_at(), cell.now), tone)
}

fn waiting(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Lock(row) if !row.waiting.is_empty() => {
            cell.text(row.waiting.len().to_string(), cell.app.settings.theme.warning)
        }
        _ => cell.none(),
    }
}

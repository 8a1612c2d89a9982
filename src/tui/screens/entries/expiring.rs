//! Entries that expire, soonest first.

use crate::tui::list::columns::{column, share};
use crate::tui::list::row::share_left;
use crate::tui::list::{Cell, Drawn, Listing, Row, cell};

pub const LISTING: Listing = Listing::new(
    &[
        share("KEY", 3, cell::name).stays(),
        column("LEFT", 6, cell::left).stays(),
        column("", 14, bar),
        share("VALUE", 2, cell::value),
    ],
    " nothing expires",
    |reader| reader.read_expiring(),
);

fn bar(cell: &Cell<'_>, row: &Row) -> Drawn {
    let until = row.expires_at();
    let share = until.map_or(0.0, |until| share_left(until.since(cell.now))).clamp(0.0, 1.0);
    let full = (share * cell.width as f64).round() as usize;
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(cell.width - full.min(cell.width)));
    cell.text(bar, cell.urgency(until))
}

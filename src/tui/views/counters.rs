//! Entries that count something, by key.

use super::cell::{self, Cell, Drawn};
use super::list::{Listing, column, share};
use crate::tui::format;
use crate::tui::row::Row;

/// The list of this view.
pub const LISTING: Listing = Listing {
    columns: &[
        share("COUNTER", 3, cell::name).stays(),
        column("VALUE", 20, number).stays(),
        column("TTL", 6, cell::left),
        column("CHANGED", 7, cell::age),
        share("BY", 2, cell::actor),
    ],
    nothing: " there are no counters: no value is a whole number",
};

fn number(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell::entry(cell, row, |entry| {
        let number = format::value(entry, cell.width);
        cell.text(format!("{number:>width$}", width = cell.width), cell.app.theme.number)
    })
}

//! Every entry, by key.

use super::cell::{self, Cell, Drawn};
use super::list::{Listing, column, share};
use crate::store::kind;
use crate::tui::row::Row;

/// The list of this view.
pub const LISTING: Listing = Listing {
    columns: &[
        share("KEY", 3, cell::name).stays(),
        column("KIND", 9, kind_of),
        share("VALUE", 2, cell::value).stays(),
        column("TTL", 6, cell::left),
        column("CHANGED", 7, cell::age),
    ],
    nothing: " there are no keys yet; a adds one",
};

fn kind_of(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell::entry(cell, row, |entry| cell.faint(kind::infer(entry).0.name()))
}

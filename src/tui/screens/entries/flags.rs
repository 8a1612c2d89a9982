//! Entries that switch something, by key.

use crate::store::kind_inference;
use crate::tui::list::columns::{column, share};
use crate::tui::list::{Cell, Drawn, Listing, Row, cell};

pub const LISTING: Listing = Listing::new(
    &[
        share("FLAG", 3, cell::name).stays(),
        column("STATE", 5, state).stays(),
        column("VALUE", 10, cell::value),
        column("CHANGED", 7, cell::age),
        share("BY", 2, cell::actor),
    ],
    " no flags: no value is true or false, and no key with a word such as feature or enabled has one",
    |reader| reader.read_by_entry(),
);

fn state(cell: &Cell<'_>, row: &Row) -> Drawn {
    let theme = &cell.app.settings.theme;
    cell::entry(cell, row, |entry| match kind_inference::is_on(&entry.value()) {
        Some(true) => cell.text("● on", theme.good),
        Some(false) => cell.text("○ off", theme.faint),
        None => cell.text("?", theme.warning),
    })
}

//! Entries that count something, by key, with how they go up and down.

use crate::tui::list::columns::{column, share};
use crate::tui::list::time_series::sparkline;
use crate::tui::list::trends::show_rate;
use crate::tui::list::{Cell, Drawn, Listing, Row, cell};
use crate::tui::widgets::format;

pub const LISTING: Listing = Listing::new(
    &[
        share("COUNTER", 3, cell::name).stays(),
        column("VALUE", 14, number).stays(),
        column("RATE", 9, rate),
        column("LATELY", 16, lately),
        column("CHANGED", 7, cell::age),
        share("BY", 2, cell::actor),
        column("TTL", 6, cell::left),
    ],
    " no counters: no value is a number",
    |reader| reader.read_by_entry(),
);

fn number(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell::entry(cell, row, |entry| {
        let number = format::value(entry, cell.width);
        cell.text(format!("{number:>width$}", width = cell.width), cell.app.settings.theme.number)
    })
}

fn rate(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell::entry(cell, row, |entry| {
        match cell.app.list.trends.rate(&entry.key, cell.now).filter(|_| !cell.app.hides(&entry.key)) {
            Some(rate) => {
                let tone =
                    if rate == 0.0 { cell.app.settings.theme.faint } else { cell.app.settings.theme.text };
                cell.text(format!("{:>width$}", show_rate(rate), width = cell.width), tone)
            }
            None => cell.text(format!("{:>width$}", "-", width = cell.width), cell.app.settings.theme.faint),
        }
    })
}

fn lately(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell::entry(cell, row, |entry| match cell.app.list.trends.values(&entry.key) {
        values if values.len() > 1 && !cell.app.hides(&entry.key) => {
            cell.text(sparkline(&values, cell.width), cell.app.settings.theme.number)
        }
        _ => cell.none(),
    })
}

//! Every entry, by key: as a list, or as a tree.

use crate::store::kind_inference;
use crate::text::thousands;
use crate::tui::app::App;
use crate::tui::keys::Action;
use crate::tui::list::columns::{column, share};
use crate::tui::list::time_series::sparkline;
use crate::tui::list::{Cell, Drawn, Group, Listing, Row, cell};
use crate::tui::widgets::format;

pub const LISTING: Listing = Listing {
    adds: Some((Action::Add, "adds one")),
    ..Listing::new(
        &[
            share("KEY", 3, cell::name).stays(),
            column("KIND", 9, kind_of),
            share("VALUE", 2, value).stays(),
            column("TTL", 6, cell::left),
            column("CHANGED", 7, cell::age),
        ],
        " there are no keys yet",
        |reader| reader.read_keys(),
    )
};

fn kind_of(cell: &Cell<'_>, row: &Row) -> Drawn {
    match row {
        Row::Group(Group { series: Some(_), .. }) => cell.faint("series"),
        Row::Group(_) => cell.faint("group"),
        _ => cell::entry(cell, row, |entry| cell.faint(kind_inference::infer(entry).0.name())),
    }
}

fn value(cell: &Cell<'_>, row: &Row) -> Drawn {
    let Row::Group(group) = row else { return cell::value(cell, row) };
    match &group.series {
        None => cell.faint(size(cell.app, group)),
        Some(series) => {
            let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
            cell.text(sparkline(&values, cell.width), cell.app.settings.theme.number)
        }
    }
}

/// How much is in a group, in words; a + says that it may be more.
pub fn size(app: &App, group: &Group) -> String {
    match app.list.tree.sizes.get(&group.prefix) {
        None => "…".into(),
        Some(size) if size.is_all => {
            // Without a comma there is room for both in a narrow column.
            format!("{} {}", format::counted(size.keys, "key"), format::bytes(size.bytes))
        }
        Some(size) => format!("{}+ keys", thousands(size.keys)),
    }
}

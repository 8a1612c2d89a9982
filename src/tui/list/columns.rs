//! What the list of a view is made of: its columns, and how much room each of them has.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::store::StoreError;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::Action;
use crate::tui::list::{Cell, Drawn, ListReader, Row};

pub struct Listing {
    pub columns: &'static [Column],
    /// What it says when it is empty.
    pub nothing: &'static str,
    /// The action that puts something into it, with what it does.
    pub adds: Option<(Action, &'static str)>,
    /// What draws all of it where that is more than rows in columns.
    pub draw: Option<fn(&App, Millis, Rect, &mut Frame<'_>)>,
    /// What reads its rows in the order of the view.
    pub read: fn(&mut ListReader<'_>) -> Result<(), StoreError>,
}

impl Listing {
    /// A list of rows in columns.
    pub const fn new(
        columns: &'static [Column],
        nothing: &'static str,
        read: fn(&mut ListReader<'_>) -> Result<(), StoreError>,
    ) -> Listing {
        Listing { columns, nothing, adds: None, draw: None, read }
    }
}

pub struct Column {
    pub name: &'static str,
    /// How many columns of the terminal it takes; of one that shares what is left, the least.
    width: u16,
    /// How many parts it has of what is left; 0: it takes its width.
    parts: u16,
    /// Whether it goes where there is not enough room, the last one first.
    can_go: bool,
    /// Whether it says what all rows are of where the list is of one thing.
    pub is_subject: bool,
    pub draw: fn(&Cell<'_>, &Row) -> Drawn,
}

/// A column of this width, which goes where there is no room for it.
pub const fn column(name: &'static str, width: u16, draw: fn(&Cell<'_>, &Row) -> Drawn) -> Column {
    Column { name, width, parts: 0, can_go: true, is_subject: false, draw }
}

/// A column that has so many parts of what the others leave.
pub const fn share(name: &'static str, parts: u16, draw: fn(&Cell<'_>, &Row) -> Drawn) -> Column {
    let width = if parts > 2 { 20 } else { 12 };
    Column { name, width, parts, can_go: true, is_subject: false, draw }
}

impl Column {
    /// It is there however little room there is.
    pub const fn stays(mut self) -> Column {
        self.can_go = false;
        self
    }

    /// It need not stand in each row where the list is of one thing.
    pub const fn subject(mut self) -> Column {
        self.is_subject = true;
        self
    }

    /// The least width with which it is of use.
    pub const fn least(mut self, width: u16) -> Column {
        self.width = width;
        self
    }
}

/// The columns that fit, with their widths in `width` columns of the terminal, a space between.
pub fn widths(all: impl IntoIterator<Item = &'static Column>, width: u16) -> Vec<(&'static Column, usize)> {
    let mut shown: Vec<&Column> = all.into_iter().collect();
    while shown.iter().map(|column| column.width + 1).sum::<u16>() > width + 1 {
        match shown.iter().rposition(|column| column.can_go) {
            Some(last) => {
                shown.remove(last);
            }
            None => break,
        }
    }
    let fixed = |column: &Column| if column.parts == 0 { column.width } else { 0 };
    let taken: u16 = shown.iter().map(|column| fixed(column) + 1).sum();
    let mut rest = (width + 1).saturating_sub(taken);
    let mut parts: u16 = shown.iter().map(|column| column.parts).sum();
    let sized = shown.into_iter().map(|column| match column.parts {
        0 => (column, usize::from(column.width)),
        own => {
            let share = rest * own / parts;
            rest -= share;
            parts -= own;
            (column, usize::from(share))
        }
    });
    sized.collect()
}

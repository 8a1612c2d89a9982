//! What fills the screen, one folder per screen or view.
//!
//! A view of the list has `columns` (its `LISTING`: heading, cells and what reads its rows), `details` (the pane beside the list) and `read` (how a
//! worker reads its rows). A screen of its own (`past`, `debugger`, `value`) has `state`, `update`, `draw` and its
//! worker.

pub mod debugger;
pub mod details;
pub mod entries;
pub mod history;
pub mod locks;
pub mod overview;
pub mod past;
pub mod runs;
pub mod screen;
pub mod value;

use crate::tui::list::Listing;
use crate::tui::view::View;

pub fn listing(view: View) -> &'static Listing {
    match view {
        View::Keys => &entries::keys::LISTING,
        View::Flags => &entries::flags::LISTING,
        View::Counters => &entries::counters::LISTING,
        View::Locks => &locks::columns::LISTING,
        View::Expiring => &entries::expiring::LISTING,
        View::History => &history::columns::LISTING,
        View::Runs => &runs::columns::LISTING,
        View::Overview => &overview::draw::LISTING,
    }
}

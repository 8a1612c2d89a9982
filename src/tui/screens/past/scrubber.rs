//! The line that stands for time: which changes have room in it, where they are, and their letters.

use crate::store::{Change, Revision};
use crate::tui::app::App;
use crate::tui::screens::past::state::PastPosition;

/// The changes that have room beside the present one: those before it, the oldest first, and those
/// after it.
pub fn around(place: &PastPosition, width: usize) -> (Vec<&Change>, Vec<&Change>) {
    let half = width.saturating_sub(3) / 2;
    // The last one that was made is the one in brackets.
    let mut before: Vec<&Change> = place.before.iter().take(half + 1).collect();
    before.reverse();
    (before, place.after.iter().take(half).collect())
}

/// The change of the scrubber at a column of the screen.
pub fn change_at(app: &App, column: u16) -> Option<Revision> {
    let place = app.screen.past()?.place.as_ref()?;
    let area = app.areas().filter;
    let width = usize::from(area.width);
    let (before, after) = around(place, width);
    let start = start(&before, width);
    let at = usize::from(column.checked_sub(area.x)?);
    let current = start + before.len();
    match at {
        _ if at < start => None,
        _ if at + 1 < current => before.get(at - start),
        _ if at <= current + 1 => before.last(),
        _ => after.get(at - current - 2),
    }
    .map(|change| change.revision)
}

/// The column at which the scrubber begins, so that the present change stands in the middle.
pub fn start(before: &[&Change], width: usize) -> usize {
    (width.saturating_sub(3) / 2).saturating_sub(before.len().saturating_sub(1))
}

/// What a change did, as one letter of the scrubber.
pub fn letter(change: &Change) -> &'static str {
    match (change.operation.as_str(), &change.old, &change.new) {
        ("undo", ..) => "u",
        ("expire", ..) => "x",
        (_, None, Some(_)) => "+",
        (_, _, None) => "-",
        _ => "~",
    }
}

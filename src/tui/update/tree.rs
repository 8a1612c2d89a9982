//! Keys as a tree: opening and closing groups, counting what is in them, and following changes.

use std::time::Duration;

use crate::store::{Change, Key, Millis};
use crate::tui::action::View;
use crate::tui::app::{App, FLASH};
use crate::tui::effect::{Effect, From};
use crate::tui::row::{Position, Row, RowId, RowOrder};
use crate::tui::tree::Size;

/// How long after a change groups are counted again.
const COUNT_AGAIN: Duration = Duration::from_secs(2);

/// Shows keys as a tree, or as a list; the cursor stays on what it is on.
pub(super) fn switch(app: &mut App, now: Millis) -> Vec<Effect> {
    let selected = app.window.selected().map(Row::id);
    app.tree.is_shown = !app.tree.is_shown;
    let from = match &selected {
        // Nothing above is left out of a tree, which is short.
        _ if app.tree.is_shown => From::Start,
        Some(RowId::Group(prefix)) => From::At(Position::Name(RowId::Entry(prefix.clone()))),
        Some(id) if app.view == View::Keys => From::At(Position::Name(id.clone())),
        _ => From::Start,
    };
    super::clear(app);
    let effects = super::open(app, View::Keys, None, from, now);
    app.awaited = selected.filter(|id| matches!(id, RowId::Entry(_)));
    effects
}

/// Opens or closes the group under the cursor, or closes the one that the entry under it is in.
pub(super) fn fold(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(id) = app.window.selected().map(Row::id) else { return Vec::new() };
    match &id {
        RowId::Group(prefix) => {
            if !app.tree.open.remove(prefix) {
                app.tree.open.insert(prefix.clone());
            }
        }
        _ => {
            let Some(around) = app.tree.around(&id).0.cloned() else { return Vec::new() };
            app.tree.open.remove(&around);
            app.awaited = Some(RowId::Group(around));
        }
    }
    let effect = app.reload(now);
    // What appears because a group was opened was there before: it does not catch the eye.
    app.reading.gathered = None;
    vec![effect]
}

/// Asks for the sizes of the groups that are in memory and not known.
pub(super) fn count(app: &mut App) -> Option<Effect> {
    if app.order() != RowOrder::Tree {
        return None;
    }
    let unknown = |key: &Key| app.tree.sizes.get(key).is_none_or(|size| !size.is_all || size.is_old);
    let groups = app.window.rows().iter().filter_map(|row| match row {
        Row::Group(group) if unknown(&group.prefix) => Some(group.prefix.clone()),
        _ => None,
    });
    let groups: Vec<Key> = groups.collect();
    app.tree.count_at = None;
    (!groups.is_empty()).then_some(Effect::Weigh(groups))
}

/// How much is in a group, as far as it was counted. While one is counted anew the number that it had
/// stays.
pub(super) fn counted(app: &mut App, prefix: Key, size: Size) {
    let is_better = |known: &Size| size.is_all || size.keys > known.keys;
    if app.tree.sizes.get(&prefix).is_none_or(is_better) {
        app.tree.sizes.insert(prefix, size);
    }
}

/// Something was committed: what is in closed groups is not read for it.
pub(super) fn changed(app: &mut App, changes: &[Change], now: Millis) {
    for change in changes {
        let mut is_hidden = false;
        for row in app.window.rows() {
            if let Row::Group(group) = row
                && group.has(&change.key)
            {
                if let Some(size) = app.tree.sizes.get_mut(&group.prefix) {
                    size.is_old = true;
                }
                app.tree.count_at.get_or_insert(now.plus(COUNT_AGAIN));
                if !app.tree.open.contains(&group.prefix) {
                    is_hidden = true;
                    app.flashes.insert(row.id(), now.plus(FLASH));
                    app.reading.is_stale |= group.series.is_some();
                }
            }
        }
        // An entry that comes or goes may make or end a group.
        let is_known = app.window.get(&RowId::Entry(change.key.clone())).is_some();
        app.reading.is_stale |= !is_hidden && is_known != change.new.is_some();
    }
}

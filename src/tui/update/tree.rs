//! Keys as a tree: opening and closing groups, counting what is in them, and following changes.

use crate::store::{Change, Key, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::{Effect, Figure};
use crate::tui::list::{COUNT_AGAIN, GroupSize, LoadFrom, Position, Row, RowId, RowOrder};
use crate::tui::throttle::rest_after;
use crate::tui::timing::FLASH;
use crate::tui::update::navigation;
use crate::tui::view::View;

/// A count that takes long is followed by a rest of so many times as long.
const SHARE: u32 = 50;

/// Shows keys as a tree, or as a list; the cursor stays on what it is on.
pub fn switch(app: &mut App, now: Millis) -> Vec<Effect> {
    let selected = app.list.window.selected().map(Row::id);
    app.list.tree.is_shown = !app.list.tree.is_shown;
    let from = match &selected {
        // Nothing above is left out of a tree, which is short.
        _ if app.list.tree.is_shown => LoadFrom::Start,
        Some(RowId::Group(prefix)) => LoadFrom::At(Position::Name(RowId::Entry(prefix.clone()))),
        Some(id) if app.list.view == View::Keys => LoadFrom::At(Position::Name(id.clone())),
        _ => LoadFrom::Start,
    };
    navigation::clear(app);
    let effects = navigation::open(app, View::Keys, None, from, now);
    app.list.pending_cursor = selected.filter(|id| matches!(id, RowId::Entry(_)));
    effects
}

/// Opens or closes the group under the cursor, or closes the one that the entry under it is in.
pub fn fold(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(id) = app.list.window.selected().map(Row::id) else { return Vec::new() };
    match &id {
        RowId::Group(prefix) => {
            if !app.list.tree.open.remove(prefix) {
                app.list.tree.open.insert(prefix.clone());
            }
        }
        _ => {
            let Some(around) = app.list.tree.around(&id).0.cloned() else { return Vec::new() };
            app.list.tree.open.remove(&around);
            app.list.pending_cursor = Some(RowId::Group(around));
        }
    }
    let effect = app.reload(now);
    // What appears because a group was opened was there before: it does not catch the eye. The rows are shown
    // together: of the first ones alone the row under the cursor may not be one.
    app.list.reading.is_unfolding = true;
    vec![effect]
}

/// Asks for the sizes of the groups that are in memory, were never counted and are not being counted.
pub fn count_new(app: &mut App, now: Millis) -> Option<Effect> {
    let counting = app.list.tree.counting.as_ref().map(|(_, groups)| groups);
    let is_new = |key: &Key| {
        app.list.tree.sizes.get(key).is_none_or(|size| !size.is_all)
            && !counting.is_some_and(|groups| groups.contains(key))
    };
    let has_new = groups(app).any(is_new);
    if has_new { count(app, now) } else { None }
}

/// Asks for the sizes of the groups that are in memory and not known, or not as they are now.
pub fn count(app: &mut App, now: Millis) -> Option<Effect> {
    app.list.tree.count_at = None;
    if app.list.order() != RowOrder::Tree {
        return None;
    }
    let unknown = |key: &&Key| app.list.tree.sizes.get(key).is_none_or(|size| !size.is_all || size.is_old);
    let groups: Vec<Key> = groups(app).filter(unknown).cloned().collect();
    if groups.is_empty() {
        return None;
    }
    app.list.tree.counting = Some((now, groups.iter().cloned().collect()));
    app.list.tree.changed.clear();
    Some(Effect::Figure(Figure::Weigh(groups)))
}

fn groups(app: &App) -> impl Iterator<Item = &Key> {
    app.list.window.rows().iter().filter_map(|row| match row {
        Row::Group(group) => Some(&group.prefix),
        _ => None,
    })
}

/// How much is in a group, as far as it was counted. While one is counted again the number that it had
/// stays.
pub fn counted(app: &mut App, prefix: Key, mut size: GroupSize, now: Millis) {
    let tree = &mut app.list.tree;
    if size.is_all {
        // What changed meanwhile may not be in it.
        size.is_old = tree.changed.contains(&prefix);
        if let Some((since, left)) = &mut tree.counting {
            left.remove(&prefix);
            if left.is_empty() {
                tree.rests = rest_after(now.since(*since), COUNT_AGAIN, SHARE);
                tree.counting = None;
            }
        }
        if size.is_old {
            tree.count_at.get_or_insert(now.plus(tree.rests));
        }
    }
    let is_better = |known: &GroupSize| size.is_all || size.keys > known.keys;
    if tree.sizes.get(&prefix).is_none_or(is_better) {
        tree.sizes.insert(prefix, size);
    }
}

/// Something was committed: what is in closed groups is not read for it.
pub fn changed(app: &mut App, changes: &[Change], now: Millis) {
    for change in changes.iter().filter(|change| change.subject == Subject::Entry) {
        let mut is_hidden = false;
        for row in app.list.window.rows() {
            if let Row::Group(group) = row
                && group.has(&change.key)
            {
                if let Some(size) = app.list.tree.sizes.get_mut(&group.prefix) {
                    size.is_old = true;
                }
                if app.list.tree.counting.is_some() {
                    app.list.tree.changed.insert(group.prefix.clone());
                }
                app.list.tree.count_at.get_or_insert(now.plus(app.list.tree.rests));
                if !app.list.tree.open.contains(&group.prefix) {
                    is_hidden = true;
                    app.list.flashes.insert(row.id(), now.plus(FLASH));
                    app.list.reading.is_stale |= group.series.is_some();
                }
            }
        }
        // An entry that comes or goes may make or end a group.
        let is_known = app.list.window.get(&RowId::Entry(change.key.clone())).is_some();
        app.list.reading.is_stale |= !is_hidden && is_known != change.new.is_some();
    }
}

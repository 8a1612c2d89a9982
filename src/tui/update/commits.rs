//! What is committed. The list follows it while it is on the screen; one that is covered is read again
//! when it is shown.

use crate::tui::list::tree_update;
use crate::tui::screens::debugger;
use crate::tui::screens::past;
use crate::tui::update;
use std::collections::HashSet;
use std::time::Duration;

use crate::store::{Change, Key, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::action::View;
use crate::tui::keys::command::ScreenKind;

use crate::tui::effect::{CommitNotice, Effect};
use crate::tui::list::row::{Row, RowId, RowOrder};
use crate::tui::throttle::rest_after;
use crate::tui::timers::Timer;
use crate::tui::timing::FLASH;
use crate::tui::view::ViewRows;

/// How many of the last changes are kept.
const RECENT: usize = 500;

/// Something was committed.
pub(super) fn take(app: &mut App, news: CommitNotice, now: Millis) -> Vec<Effect> {
    let comes_or_goes = |change: &Change| change.old.is_some() != change.new.is_some();
    match &news {
        CommitNotice::Changes(changes) if !changes.iter().any(comes_or_goes) => {}
        CommitNotice::Changes(_) | CommitNotice::Anything => app.database.counting.outdate(),
    }
    past::update::news(app, now);
    let mut effects: Vec<Effect> = debugger::news(app, now).into_iter().collect();
    effects.extend(details(app, &news));
    match news {
        CommitNotice::Changes(changes) => {
            if app.list.view.has_entries() {
                let rest = if changes.is_empty() { Duration::ZERO } else { COMPARED };
                let at = now.plus(rest);
                app.list.reading.compare = Some(app.list.reading.compare.map_or(at, |before| before.min(at)));
            }
            if app.shows_list() {
                effects.extend(follow(app, &changes, now));
            } else {
                app.list.reading.is_stale = true;
                effects.extend(refetch(app, &changes, is_looked_at));
            }
            if (!app.shows_list() || app.order() != RowOrder::Tree) && changes.iter().any(is_of_entry) {
                app.list.tree.outdate(now);
            }
            changes.iter().for_each(|change| app.list.trends.add(change));
            if let Some(past) = &mut app.details.changes {
                past.add(changes.iter());
            }
            app.list.told += changes.len();
            app.list.recent.extend(changes);
            let surplus = app.list.recent.len().saturating_sub(RECENT);
            app.list.recent.drain(..surplus);
        }
        CommitNotice::Anything => {
            app.list.reading.is_stale = true;
            app.list.tree.outdate(now);
        }
    }
    if app.is_due(Timer::Rows, now) {
        effects.push(app.refresh(now));
    }
    effects
}

/// How long after a change it is looked whether others were made that were not recorded.
const COMPARED: Duration = Duration::from_secs(5);
/// The least time between two comparisons, and how many times as long as a reading takes.
const COMPARED_AGAIN: (Duration, u32) = (Duration::from_secs(1), 200);
/// A list that takes no longer is compared as a whole, of any other the rows that are seen.
const CHEAP: Duration = Duration::from_millis(40);

/// Reads again what is on the screen, because something was committed that may have changed it without
/// being recorded.
pub(super) fn compare(app: &mut App, now: Millis) -> Vec<Effect> {
    let (rest, share) = COMPARED_AGAIN;
    app.list.reading.compare = None;
    app.list.reading.compare_not_before = now.plus(rest_after(app.list.reading.took, rest, share));
    if !app.shows_list() {
        app.details.refresh.outdate();
        return Vec::new();
    }
    if app.list.reading.took <= CHEAP {
        let effect = app.reload(now);
        app.list.reading.is_comparing = true;
        return vec![effect];
    }
    let seen =
        app.list.window.rows().iter().skip(app.list.window.top()).take(usize::from(app.areas().list.height));
    let keys: Vec<Key> = seen.filter_map(|row| Some(row.entry()?.key.clone())).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    app.list.reading.is_comparing = true;
    vec![Effect::Refetch(app.list.reading.generation, keys)]
}

/// The details of the row under the cursor, if the news are about them. Those that are covered are read
/// again when they are shown.
fn details(app: &mut App, news: &CommitNotice) -> Vec<Effect> {
    let Some(id) = app.list.window.selected().map(Row::id) else { return Vec::new() };
    if !app.shows_detail() {
        app.details.refresh.outdate();
        return Vec::new();
    }
    if matches!(id, RowId::Run(_)) {
        // Whatever is committed may be of a run that goes on; looking through its recording costs more.
        let goes_on = matches!(app.list.window.selected(), Some(Row::Run(row)) if row.run.ended.is_none());
        if goes_on || *news == CommitNotice::Anything {
            app.details.refresh.outdate();
        }
        return Vec::new();
    }
    let is_about_it = match news {
        CommitNotice::Anything => true,
        CommitNotice::Changes(changes) => changes.iter().any(|change| RowId::subject_of(change) == id),
    };
    if !is_about_it {
        return Vec::new();
    }
    let offset = app.details.row.as_ref().map_or(0, |detail| detail.offset);
    let mut effects: Vec<Effect> = update::detail_of(Some(&id), offset).into_iter().collect();
    if *news == CommitNotice::Anything && matches!(id, RowId::Entry(_) | RowId::Lock(_)) {
        effects.push(Effect::Past(id));
    }
    effects
}

/// The list, which is on the screen, follows changes.
fn follow(app: &mut App, changes: &[Change], now: Millis) -> Option<Effect> {
    match app.list.view.rows() {
        ViewRows::Runs => {
            app.list.reading.refreshing.outdate();
            None
        }
        ViewRows::Locks | ViewRows::Sections => {
            app.list.reading.is_stale = true;
            None
        }
        ViewRows::Changes => {
            changes.iter().for_each(|change| put_change(app, change, now));
            // The change that was undone says so too.
            app.list.reading.is_stale |= changes.iter().any(|change| change.operation == "undo");
            None
        }
        ViewRows::Entries => {
            if app.order() == RowOrder::Tree {
                tree_update::changed(app, changes, now);
                // What is in a closed group is told by its group.
                return refetch(app, changes, |app, key| {
                    app.list.window.get(&RowId::Entry(key.clone())).is_some()
                });
            }
            refetch(app, changes, |_, _| true)
        }
    }
}

fn is_of_entry(change: &Change) -> bool {
    change.subject == Subject::Entry
}

/// Whether the entry fills the screen.
fn is_looked_at(app: &App, key: &Key) -> bool {
    let is_shown = matches!(app.screen_kind(), ScreenKind::Value { .. }) && app.then().is_none();
    is_shown && app.list.window.selected().is_some_and(|row| row.matches(&RowId::Entry(key.clone())))
}

/// The entries that were changed are read again, if they are wanted.
fn refetch(app: &App, changes: &[Change], is_wanted: impl Fn(&App, &Key) -> bool) -> Option<Effect> {
    let changed = changes.iter().filter(|change| is_of_entry(change)).map(|change| &change.key);
    let keys: HashSet<&Key> = changed.filter(|key| is_wanted(app, key)).collect();
    (!keys.is_empty())
        .then(|| Effect::Refetch(app.list.reading.generation, keys.into_iter().cloned().collect()))
}

/// A change that belongs into the history that is shown.
fn put_change(app: &mut App, change: &Change, now: Millis) {
    let matches = app.list.scope.as_ref().is_none_or(|scope| scope.of == RowId::subject_of(change));
    if matches && app.list.filter_line.filter().passes_change(change, now) {
        let row = Row::Change(change.clone());
        let id = row.id();
        if app.list.window.put(row, app.order()) {
            app.list.flashes.insert(id, now.plus(FLASH));
        }
    }
}

/// What was committed while the history was being read may not be in what was read.
pub(super) fn add_recent(app: &mut App, now: Millis) {
    if app.list.view != View::History || !app.list.window.at_start {
        return;
    }
    let newest = match app.list.window.rows().first() {
        Some(Row::Change(change)) => change.revision,
        _ => Default::default(),
    };
    // Where there were more than are kept the list would have a hole.
    app.list.reading.is_stale |= app.list.told.saturating_sub(app.list.reading.told) > app.list.recent.len();
    let missing: Vec<Change> =
        app.list.recent.iter().filter(|change| change.revision > newest).cloned().collect();
    missing.iter().for_each(|change| put_change(app, change, now));
}

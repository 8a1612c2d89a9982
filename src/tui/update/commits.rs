//! What is committed. The list follows it while it is on the screen; one that is covered is read again
//! when it is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::{Actor, Change, Entry, Key, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::{CommitNotice, Effect, Figure};
use crate::tui::keys::ScreenKind;
use crate::tui::list::{LIST_VALUE, Row, RowId, RowOrder};
use crate::tui::screens::debugger;
use crate::tui::throttle::rest_after;
use crate::tui::update;
use crate::tui::update::{rows, tree};
use crate::tui::view::ViewRows;
use crate::tui::wakeups::Timer;

/// How many of the last changes are kept.
const RECENT: usize = 500;

pub(super) fn take(app: &mut App, news: CommitNotice, now: Millis) -> Vec<Effect> {
    let comes_or_goes = |change: &Change| change.old.is_some() != change.new.is_some();
    match &news {
        CommitNotice::Changes(changes) if !changes.iter().any(comes_or_goes) => {}
        CommitNotice::Changes(_) | CommitNotice::Anything => app.database.counting.outdate(),
    }
    if let Some(past_view) = app.screen.past_mut() {
        past_view.outdate(now);
    }
    let mut effects: Vec<Effect> = debugger::replies::news(app, now).into_iter().collect();
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
                effects.extend(follow_entries(app, &changes, is_looked_at, now));
            }
            if (!app.shows_list() || app.list.order() != RowOrder::Tree) && changes.iter().any(is_of_entry) {
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
    if app.shows_list() && app.is_due(Timer::Rows, now) {
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
    vec![refetch(app, keys)]
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
        effects.push(Effect::Figure(Figure::Past(id)));
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
            changes.iter().for_each(|change| rows::put_change(app, change, now));
            // The change that was undone says so too.
            app.list.reading.is_stale |= changes.iter().any(|change| change.operation == "undo");
            None
        }
        ViewRows::Entries => {
            if app.list.order() == RowOrder::Tree {
                tree::changed(app, changes, now);
                // What is in a closed group is told by its group.
                let is_shown =
                    |app: &App, key: &Key| app.list.window.get(&RowId::Entry(key.clone())).is_some();
                return follow_entries(app, changes, is_shown, now);
            }
            follow_entries(app, changes, |_, _| true, now)
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

/// The rows of the entries that were changed, if they are wanted, become what the changes say. Entries of which
/// the changes do not say all are read again.
fn follow_entries(
    app: &mut App,
    changes: &[Change],
    is_wanted: impl Fn(&App, &Key) -> bool,
    now: Millis,
) -> Option<Effect> {
    let mut last: BTreeMap<&Key, (&Change, bool)> = BTreeMap::new();
    for change in changes.iter().filter(|change| is_of_entry(change)) {
        let was_created = last.get(&change.key).is_some_and(|(_, was_created)| *was_created);
        last.insert(&change.key, (change, was_created || change.old.is_none()));
    }
    last.retain(|key, _| is_wanted(app, key));
    // What is being read may have been read before the change, and comes after it.
    let is_reading =
        app.list.reading.from.is_some() || app.list.reading.refetching > app.list.reading.generation;
    let mut unknown = Vec::new();
    for (key, (change, was_created)) in last {
        match entry_after(app, change, was_created, now).filter(|_| !is_reading) {
            Some(entry) => {
                rows::patch(app, key, entry, now);
                app.needs_drawing = true;
            }
            None => unknown.push(key.clone()),
        }
    }
    rows::outdate_detail(app);
    (!unknown.is_empty()).then(|| refetch(app, unknown))
}

/// The entry after a change, `None` in it if it is gone; `None` where the change and the row that is shown do not
/// say all of it: a value that was cut, an entry that is new, or that another program may have made again.
fn entry_after(app: &App, change: &Change, was_created: bool, now: Millis) -> Option<Option<Entry>> {
    let shown = app.list.window.get(&RowId::Entry(change.key.clone())).and_then(Row::entry);
    if let Some(newer) = shown.filter(|shown| shown.revision >= change.revision) {
        return Some(Some(newer.clone()));
    }
    let Some(image) = &change.new else { return Some(None) };
    let shown = shown?;
    // A long value that was removed before it was read is empty here.
    let size = image.stored.len() as u64;
    let is_whole = 0 < size && size < LIST_VALUE;
    let is_known = is_whole && !was_created && change.actor != Actor::external();
    let is_there = image.expires_at.is_none_or(|at| at > now);
    Some(Some(Entry {
        key: change.key.clone(),
        stored: image.stored.clone(),
        size,
        stored_type: image.stored_type,
        expires_at: image.expires_at,
        version: change.version.filter(|_| is_known && is_there)?,
        revision: change.revision,
        created_at: shown.created_at,
        modified_at: Some(change.at),
        actor: Some(change.actor.clone()),
        kind: shown.kind,
    }))
}

/// Reads entries again.
fn refetch(app: &mut App, keys: Vec<Key>) -> Effect {
    app.list.reading.refetching = app.next_request();
    Effect::Refetch(app.list.reading.refetching, keys)
}

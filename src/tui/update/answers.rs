//! What comes back from the workers.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::Duration;

use super::written;
use crate::store::{Change, Entry, Key, Millis, Revision, Subject};
use crate::tui::action::View;
use crate::tui::app::{App, FLASH, LOOK_AT_HOLDERS, Tone};
use crate::tui::detail::Detail;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Answer, Effect, From, News};
use crate::tui::row::{Position, Row, RowId, RowOrder};
use crate::tui::views::detail;
use crate::tui::window::End;
use crate::tui::worker::MOST;

/// How long after a failure the rows are read again.
const RETRY: Duration = Duration::from_secs(1);

/// After a silence of such a length it is said that it is over.
const LONG: Duration = Duration::from_secs(2);

/// The longest that a reading counts to have taken.
const SLOWEST: Duration = Duration::from_secs(2);
/// How long the overview rests after it was read: it looks at much.
const OVERVIEW_RESTS: Duration = Duration::from_millis(500);
/// How many of the last changes are kept.
const RECENT: usize = 500;

/// Takes in an answer.
pub(super) fn take(app: &mut App, answer: Answer, now: Millis) -> Vec<Effect> {
    match answer {
        Answer::Rows { epoch, from, rows, exhausted, complete, first, looked_at } => {
            if epoch == app.reading.epoch {
                answered(app, now);
                app.reading.looked_at = looked_at;
                app.reading.failed = false;
                match app.reading.gathered.take() {
                    Some(mut gathered) => {
                        gathered.extend(rows);
                        if complete {
                            flash_differences(app, &gathered, now);
                            begin_rows(app, &from, gathered, exhausted);
                        } else {
                            app.reading.gathered = Some(gathered);
                        }
                    }
                    None if first => begin_rows(app, &from, rows, exhausted),
                    None => add_rows(app, &from, rows, exhausted),
                }
                if complete {
                    finish_rows(app, now);
                    return super::tree::count_new(app, now).into_iter().collect();
                }
            }
            Vec::new()
        }
        Answer::Overview(epoch, overview) => {
            if epoch == app.reading.epoch {
                app.overview = Some(overview);
            }
            Vec::new()
        }
        Answer::TooLong(epoch) => {
            if epoch != app.reading.epoch {
                return Vec::new();
            }
            app.reading.unanswered = None;
            let most = crate::tui::format::thousands(MOST as u64);
            app.explain(format!("more than {most} rows are not sorted: a filter makes them fewer"), now);
            super::unsort(app, now)
        }
        Answer::Entries(epoch, entries) => {
            if epoch == app.reading.epoch {
                entries.into_iter().for_each(|(key, entry)| patch(app, &key, entry, now));
            }
            Vec::new()
        }
        Answer::Detail(id, detail) => {
            if app.window.selected().map(Row::id) == Some(id) {
                take_detail(app, detail.map(|detail| *detail), now);
            }
            Vec::new()
        }
        Answer::Bulk(number, told) => {
            super::marks::told(app, number, *told, now);
            Vec::new()
        }
        Answer::Visited(number, visited) => super::travel::visited(app, number, *visited, now),
        Answer::LookedBack(number, found) => {
            super::travel::looked_back(app, number, found);
            Vec::new()
        }
        Answer::Past(mut past) => {
            if app.window.selected().map(Row::id).as_ref() == Some(&past.of) {
                past.add(app.recent.iter());
                app.past = Some(past);
            }
            Vec::new()
        }
        Answer::Count(count) => {
            app.count = Some(count);
            app.counting.end(now);
            Vec::new()
        }
        Answer::Recent(changes) => {
            changes.iter().rev().for_each(|change| app.trends.add(change));
            // What was told while these were read.
            app.recent.iter().for_each(|change| app.trends.add(change));
            Vec::new()
        }
        Answer::Weighed(prefix, size) => {
            super::tree::counted(app, prefix, size, now);
            Vec::new()
        }
        Answer::Changed(news) => changed(app, news, now),
        Answer::Written(write, written) => {
            app.progress = None;
            if !app.writing.is_empty() {
                app.writing.remove(0);
            }
            match written {
                Ok(written) => written::done(app, write, written, now),
                Err(error) => written::failed(app, write, &error),
            }
            // Whoever wants to leave stays for a question, or for an error.
            let is_settled = app.status.as_ref().is_none_or(|status| status.tone != Tone::Error)
                && app.dialog.is_none()
                && app.questions.is_empty();
            app.is_leaving &= is_settled;
            let effects = super::undo::next_step(app, is_settled, now);
            if app.is_leaving && app.writing.is_empty() { vec![Effect::Quit] } else { effects }
        }
        Answer::EditedOutside(entry, edited) => written::edited_outside(app, entry, edited, now),
        Answer::Opened(number, opened) => super::switch::opened(app, number, opened, now),
        Answer::Debugger(told) => crate::tui::debugger::take(app, *told, now),
        Answer::FilterNamed(naming, named) => {
            super::filters::answer(app, &naming, named, now);
            Vec::new()
        }
        Answer::Notice(notice) => {
            // It does not take the place of what was just said, such as that a lock was cleared.
            let said = app.status.take().filter(|status| status.tone == Tone::Done);
            app.notify(notice);
            if let (Some(said), Some(status)) = (said, &mut app.status) {
                status.text = format!("{}; {}", said.text, status.text);
            }
            Vec::new()
        }
        Answer::Failed(error) => {
            app.reading.from = None;
            app.reading.gathered = None;
            app.reading.failed = true;
            app.reading.is_stale = true;
            app.reading.not_before = now.plus(RETRY);
            app.counting.fail(now.plus(RETRY));
            if app.tree.counting.take().is_some() {
                app.tree.count_at = Some(now.plus(RETRY));
            }
            app.complain(error);
            Vec::new()
        }
    }
}

/// More of the row under the cursor. Another piece of its value is shown from the end that one
/// came from.
fn take_detail(app: &mut App, detail: Option<Detail>, now: Millis) {
    app.awaited_piece = None;
    let before = app.detail.as_ref().map(|detail| detail.offset);
    let earlier = std::mem::replace(&mut app.detail, detail);
    if let (Some(detail), Some(earlier)) = (&mut app.detail, &earlier) {
        detail.follow(earlier);
    }
    if let (Some(Dialog::Form(form)), Some(detail)) = (&mut app.dialog, &app.detail) {
        form.learn(detail);
    }
    // An entry as it was is not scrolled by what comes of the list behind it.
    let Some((before, detail)) = before.zip(app.detail.as_ref()).filter(|_| app.then().is_none()) else {
        return;
    };
    match detail.offset.cmp(&before) {
        Ordering::Equal => {}
        Ordering::Greater => app.detail_scroll = detail::start_of_value(app, now),
        Ordering::Less => app.detail_scroll = detail::scroll_end(app, now),
    }
}

/// The database has answered. After a silence, or a failure, that is said.
fn answered(app: &mut App, now: Millis) {
    let silence = app.silence(now);
    app.reading.unanswered = None;
    if app.reading.failed || silence.is_some_and(|silence| silence > LONG) {
        app.say("the database answers again", now);
    }
}

/// The same rows were read again: those that changed or came catch the eye.
fn flash_differences(app: &mut App, rows: &[Row], now: Millis) {
    let order = app.order();
    let last = app.window.rows().last().map(|row| row.position(order));
    let changed = rows.iter().filter(|row| match app.window.get(&row.id()) {
        Some(old) => old.differs(row),
        // What follows the last row may just not have been read before.
        None => Some(row.position(order)) < last,
    });
    app.flashes.extend(changed.map(|row| (row.id(), now.plus(FLASH))));
}

/// The first rows of an answer: they take the place of what is there, or join it.
fn begin_rows(app: &mut App, from: &From, rows: Vec<Row>, exhausted: bool) {
    match from {
        From::After(_) | From::Before(_) => add_rows(app, from, rows, exhausted),
        From::Start | From::At(_) | From::End => {
            let (at_start, at_end) = match from {
                From::End => (exhausted, true),
                From::Start => (true, exhausted),
                _ => (false, exhausted),
            };
            let order = app.order();
            app.window.replace(rows, at_start, at_end, order);
            match app.reading.cursor_to.take() {
                Some(End::First) => app.window.select_first(),
                Some(End::Last) => app.window.select(usize::MAX),
                None => {}
            }
        }
    }
}

fn add_rows(app: &mut App, from: &From, rows: Vec<Row>, exhausted: bool) {
    match from {
        From::Before(_) => app.window.prepend(rows, exhausted),
        _ => app.window.append(rows, exhausted),
    }
}

fn finish_rows(app: &mut App, now: Millis) {
    add_recent(app, now);
    follow_awaited(app);
    let from = app.reading.from.take();
    if let (Some(From::At(Position::Name(from))), Some(awaited)) = (from, &app.awaited)
        && from == *awaited
    {
        app.explain("it is gone; the cursor is where it would be", now);
        app.awaited = None;
    }
    // A list that took long to read is not read again at once; one that seems to have taken for ever
    // was read while the clock was set, or the machine asleep.
    let took = now.since(app.reading.since).min(SLOWEST);
    let rest = if app.view == View::Overview { OVERVIEW_RESTS } else { Duration::ZERO };
    app.reading.not_before = now.plus(rest.max(took * 4));
    let ends_unsaid = |row: &Row| match row {
        Row::Lock(_) => true,
        Row::Run(row) => row.is_alive,
        _ => false,
    };
    let is_looked_at = app.window.rows().iter().any(ends_unsaid);
    app.reading.again = is_looked_at.then(|| now.plus(LOOK_AT_HOLDERS.max(took * 25)));
    // What was changed lately is less and less so, without anything being changed.
    if app.view == View::Overview {
        app.reading.again = Some(now.plus(LOOK_AT_HOLDERS.max(took * 250)));
    }
}

/// One entry as it is now.
fn patch(app: &mut App, key: &Key, entry: Option<Entry>, now: Millis) {
    let id = RowId::Entry(key.clone());
    let (view, order) = (app.view, app.order());
    // What is in a closed group, or comes into the tree, is told by its group.
    if order == RowOrder::Tree && app.window.get(&id).is_none() {
        return;
    }
    match entry.filter(|entry| view.takes(entry, app.filter_line.filter(), now)) {
        Some(entry) => {
            let row = Row::Entry(entry);
            let differs = app.window.get(&id).is_none_or(|old| old.differs(&row));
            if app.window.put(row, order) && differs {
                app.flashes.insert(id, now.plus(FLASH));
            }
            follow_awaited(app);
        }
        None => {
            app.window.remove(&id);
        }
    }
}

/// Something was committed.
fn changed(app: &mut App, news: News, now: Millis) -> Vec<Effect> {
    let comes_or_goes = |change: &Change| change.old.is_some() != change.new.is_some();
    match &news {
        News::Changes(changes) if !changes.iter().any(comes_or_goes) => {}
        News::Changes(_) | News::Anything => app.counting.outdate(),
    }
    super::travel::news(app, now);
    let mut effects = Vec::new();
    effects.extend(crate::tui::debugger::news(app, now));
    let selected = app.window.selected().map(Row::id);
    let concerns = |id: &RowId| match &news {
        News::Anything => true,
        News::Changes(_) if matches!(id, RowId::Run(_)) => {
            app.window.get(id).is_some_and(|row| matches!(row, Row::Run(row) if row.run.ended.is_none()))
        }
        News::Changes(changes) => changes.iter().any(|change| RowId::subject_of(change) == *id),
    };
    if let Some(id) = selected.filter(concerns) {
        let offset = app.detail.as_ref().map_or(0, |detail| detail.offset);
        effects.extend(super::detail_of(Some(&id), offset));
        if news == News::Anything && matches!(id, RowId::Entry(_) | RowId::Lock(_)) {
            effects.push(Effect::Past(id));
        }
    }
    match news {
        News::Changes(changes) => {
            if app.order() != RowOrder::Tree && changes.iter().any(|change| change.subject == Subject::Entry)
            {
                app.tree.outdate(now);
            }
            match app.view {
                View::Locks | View::Runs | View::Overview => app.reading.is_stale = true,
                _ if app.order() == RowOrder::Tree => {
                    super::tree::changed(app, &changes, now);
                    effects.extend(refetch(app, &changes));
                }
                View::History => {
                    changes.iter().for_each(|change| put_change(app, change, now));
                    // The change that was taken back says so too.
                    app.reading.is_stale |= changes.iter().any(|change| change.operation == "undo");
                }
                _ => effects.extend(refetch(app, &changes)),
            }
            changes.iter().for_each(|change| app.trends.add(change));
            if let Some(past) = &mut app.past {
                past.add(changes.iter());
            }
            app.recent.extend(changes);
            let surplus = app.recent.len().saturating_sub(RECENT);
            app.recent.drain(..surplus);
        }
        News::Anything => {
            app.reading.is_stale = true;
            app.tree.outdate(now);
        }
    }
    if app.reading.is_stale && app.reading.from.is_none() && app.reading.not_before <= now {
        effects.push(app.reload(now));
    }
    effects
}

/// The entries that were changed are read again.
fn refetch(app: &App, changes: &[Change]) -> Option<Effect> {
    let changed = changes.iter().filter(|change| change.subject == Subject::Entry);
    let keys: HashSet<&Key> = changed.map(|change| &change.key).collect();
    (!keys.is_empty()).then(|| Effect::Refetch(app.reading.epoch, keys.into_iter().cloned().collect()))
}

/// A change that belongs into the history that is shown.
fn put_change(app: &mut App, change: &Change, now: Millis) {
    let is_of = app.scope.as_ref().is_none_or(|scope| scope.of == RowId::subject_of(change));
    if is_of && app.filter_line.filter().passes_change(change, now) {
        let row = Row::Change(change.clone());
        let id = row.id();
        if app.window.put(row, app.order()) {
            app.flashes.insert(id, now.plus(FLASH));
        }
    }
}

/// What was told while the history was being read may not be in what was read.
fn add_recent(app: &mut App, now: Millis) {
    if app.view != View::History || !app.window.at_start {
        return;
    }
    let newest = match app.window.rows().first() {
        Some(Row::Change(change)) => change.revision,
        _ => Revision::default(),
    };
    let missing: Vec<Change> = app.recent.iter().filter(|change| change.revision > newest).cloned().collect();
    missing.iter().for_each(|change| put_change(app, change, now));
}

/// Puts the cursor on the row that is awaited, if it is in the list by now.
pub(super) fn follow_awaited(app: &mut App) {
    let Some(awaited) = &app.awaited else { return };
    let is_it = |row: &Row| row.is_of(awaited);
    let hides_it = |row: &Row| match (row, awaited) {
        (Row::Group(group), RowId::Entry(key)) => group.has(key),
        _ => false,
    };
    let rows = app.window.rows();
    // In a tree the group that it is in is as near as can be.
    let place = rows.iter().position(is_it).or_else(|| rows.iter().rposition(hides_it));
    if let Some(place) = place {
        app.window.select(place);
        app.awaited = None;
    }
}

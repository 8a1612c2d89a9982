//! What comes back from the workers.

use std::cmp::Ordering;
use std::time::Duration;

use super::write_results;
use crate::store::{Entry, Key};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::action::View;
use crate::tui::app::{App, FLASH, LOOK_AT_HOLDERS, Tone};
use crate::tui::detail::Detail;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Answer, Effect, From};
use crate::tui::row::{Position, Row, RowId, RowOrder};
use crate::tui::throttle::rest_after;
use crate::tui::views::detail;
use crate::tui::window::End;
use crate::tui::worker::MOST;

/// How long after a failure the rows are read again.
const RETRY: Duration = Duration::from_secs(1);

/// After a silence of such a length it is said that it is over.
const LONG: Duration = Duration::from_secs(2);

/// How long a list rests that was read: so many times as long as it took, and at least so long if any
/// commit may change it.
const RESTS: Duration = Duration::from_millis(30);
const SHARE: u32 = 40;
/// How often the overview is read where nothing is committed.
const OVERVIEW_AGAIN: Duration = Duration::from_secs(1);

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
                        if first {
                            gathered.clear();
                        }
                        gathered.extend(rows);
                        if complete {
                            if app.reading.is_comparing && differ(app, &gathered) {
                                app.counting.outdate();
                                app.tree.outdate(now);
                            }
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
        Answer::Refreshed { epoch, rows, gone, newest, has_more } => {
            if epoch == app.reading.epoch {
                answered(app, now);
                app.reading.refreshing.end(now);
                refreshed(app, rows, &gone, now);
                app.reading.is_stale |= has_more;
                app.reading.newest_run = app.reading.newest_run.max(newest);
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
            let most = thousands(MOST as u64);
            app.explain(format!("more than {most} rows are not sorted: a filter makes them fewer"), now);
            super::unsort(app, now)
        }
        Answer::Entries(epoch, entries) => {
            if epoch == app.reading.epoch {
                if std::mem::take(&mut app.reading.is_comparing) {
                    let is_as_shown = |(key, entry): &(Key, Option<Entry>)| {
                        let shown = app.window.get(&RowId::Entry(key.clone()));
                        let entry = entry.clone().map(Row::Entry);
                        shown.zip(entry.as_ref()).is_some_and(|(shown, entry)| !shown.differs(entry))
                    };
                    app.reading.is_stale |= !entries.iter().all(is_as_shown);
                }
                entries.into_iter().for_each(|(key, entry)| patch(app, &key, entry, now));
                outdate_detail(app);
            }
            Vec::new()
        }
        Answer::Detail(id, detail) => {
            if app.window.selected().map(Row::id) == Some(id) {
                app.detail_pace.end(now);
                take_detail(app, detail.map(|detail| *detail), now);
            }
            Vec::new()
        }
        Answer::Bulk(number, told) => {
            super::marks::told(app, number, *told, now);
            Vec::new()
        }
        Answer::Visited(number, visited) => super::past::visited(app, number, *visited, now),
        Answer::LookedBack(number, found) => {
            super::past::looked_back(app, number, found);
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
        Answer::Changed(news) => super::commits::take(app, news, now),
        Answer::Written(write, written) => {
            app.progress = None;
            if !app.writing.is_empty() {
                app.writing.remove(0);
            }
            match written {
                Ok(written) => write_results::done(app, write, written, now),
                Err(error) => write_results::failed(app, write, &error),
            }
            // Whoever wants to leave stays for a question, or for an error.
            let is_settled = app.status.as_ref().is_none_or(|status| status.tone != Tone::Error)
                && app.dialog.is_none()
                && app.questions.is_empty();
            app.is_leaving &= is_settled;
            let effects = super::undo::next_step(app, is_settled, now);
            if app.is_leaving && app.writing.is_empty() { vec![Effect::Quit] } else { effects }
        }
        Answer::EditedOutside(entry, edited) => write_results::edited_outside(app, entry, edited, now),
        Answer::Opened(number, opened) => super::switch::opened(app, number, opened, now),
        Answer::Debugger(told) => crate::tui::debugger::take(app, *told, now),
        Answer::FilterNamed(naming, named) => {
            super::filters::answer(app, &naming, named, now);
            Vec::new()
        }
        Answer::Adopts(adopts) => {
            app.adopts = adopts;
            Vec::new()
        }
        Answer::Reset(why, seen) => super::reset::lost(app, why, seen),
        Answer::Forgotten(oldest) => {
            super::reset::forgotten(app, oldest);
            Vec::new()
        }
        Answer::Known(asked, known) => {
            super::reset::known(app, &asked, &known);
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
        Answer::Locked(Some(since)) => {
            // What is shown is as old as the last look at the database, not as the last question.
            let read = Millis(now.0.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(0)));
            app.reading.unanswered = Some(app.reading.unanswered.map_or(read, |asked| asked.min(read)));
            Vec::new()
        }
        Answer::Locked(None) => {
            app.reading.unanswered.get_or_insert(now);
            retry(app, now);
            Vec::new()
        }
        Answer::Unlocked => {
            answered(app, now);
            Vec::new()
        }
        Answer::Incomplete(error) => {
            retry(app, now);
            app.reading.unanswered = None;
            app.complain(error);
            Vec::new()
        }
        Answer::Failed(error) => {
            retry(app, now);
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

/// Something could not be read: it is read again after a while.
fn retry(app: &mut App, now: Millis) {
    let at = now.plus(RETRY);
    app.reading.from = None;
    app.reading.gathered = None;
    app.reading.failed = true;
    app.reading.is_stale = true;
    app.reading.not_before = at;
    for pace in [&mut app.counting, &mut app.detail_pace, &mut app.reading.refreshing] {
        pace.fail(at);
    }
    if app.tree.counting.take().is_some() {
        app.tree.count_at = Some(at);
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

/// Whether rows that were read again are not those that are shown.
fn differ(app: &App, rows: &[Row]) -> bool {
    let shown = app.window.rows();
    let is_same = |(row, shown): (&Row, &Row)| row.id() == shown.id() && !shown.differs(row);
    rows.len() != shown.len() || !rows.iter().zip(shown).all(is_same)
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
    super::commits::add_recent(app, now);
    follow_awaited(app);
    outdate_detail(app);
    let from = app.reading.from.take();
    if let (Some(From::At(Position::Name(from))), Some(awaited)) = (from, &app.awaited)
        && from == *awaited
    {
        app.explain("it is gone; the cursor is where it would be", now);
        app.awaited = None;
    }
    // A list that took long to read is not read again at once.
    let took = now.since(app.reading.since);
    app.reading.took = took;
    let rest = if matches!(app.view, View::Locks | View::Overview) { RESTS } else { Duration::ZERO };
    app.reading.not_before = now.plus(rest_after(took, rest, SHARE));
    let ends_unsaid = |row: &Row| match row {
        Row::Lock(_) => true,
        // Changes of Sloth Runner's file are not heard of.
        Row::Run(row) => row.is_alive || row.stack.is_some(),
        _ => false,
    };
    let again = match app.view {
        // What counts the last minutes changes without anything being changed.
        View::Overview => Some(rest_after(took, OVERVIEW_AGAIN, SHARE)),
        _ if app.window.rows().iter().any(ends_unsaid) => Some(rest_after(took, LOOK_AT_HOLDERS, SHARE)),
        _ => None,
    };
    app.reading.again = again.map(|rest| now.plus(rest));
}

/// What may have changed of the list of runs was read again.
fn refreshed(app: &mut App, rows: Vec<Row>, gone: &[RowId], now: Millis) {
    let order = app.order();
    gone.iter().for_each(|id| {
        app.window.remove(id);
    });
    for row in rows {
        let id = row.id();
        let differs = app.window.get(&id).is_none_or(|old| old.differs(&row));
        if app.window.put(row, order) && differs {
            app.flashes.insert(id, now.plus(FLASH));
        }
    }
    follow_awaited(app);
    outdate_detail(app);
    let is_running = |row: &Row| matches!(row, Row::Run(row) if row.is_alive || row.stack.is_some());
    let again = app.window.rows().iter().any(is_running);
    app.reading.again = again.then(|| now.plus(LOOK_AT_HOLDERS));
}

/// The row under the cursor was read again: where it is not as its details say, those are read again too.
fn outdate_detail(app: &mut App) {
    let is_other = match (app.window.selected(), app.detail.as_ref().map(|detail| &detail.row)) {
        (Some(Row::Run(row)), Some(Row::Run(detail))) => {
            (row.is_alive, &row.status, &row.run.ended)
                != (detail.is_alive, &detail.status, &detail.run.ended)
        }
        (Some(Row::Entry(row)), Some(Row::Entry(detail))) if row.key == detail.key => {
            let common = row.stored.len().min(detail.stored.len());
            let is_first = app.detail.as_ref().is_some_and(|detail| detail.offset == 0);
            row.size != detail.size || is_first && row.stored[..common] != detail.stored[..common]
        }
        _ => false,
    };
    if is_other {
        app.detail_pace.outdate();
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

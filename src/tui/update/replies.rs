//! What comes back from the workers.

use std::cmp::Ordering;
use std::time::Duration;

use crate::store::{Entry, Key};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::{reset, switch};
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::messages::log::MessageLevel;
use crate::tui::effect::{Effect, Reply};
use crate::tui::list::read_sorted::MOST;
use crate::tui::list::{Row, RowId};
use crate::tui::request::RequestId;
use crate::tui::screens::value::detail::Detail;
use crate::tui::screens::{debugger, details, past};
use crate::tui::update::{commits, navigation, rows, saved_filters, tree, write_results};
use crate::tui::{bulk, undo};

/// How long after a failure the rows are read again.
const RETRY: Duration = Duration::from_secs(1);

/// After a silence of such a length it is said that it is over.
const LONG: Duration = Duration::from_secs(2);

pub(super) fn take(app: &mut App, answer: Reply, now: Millis) -> Vec<Effect> {
    match answer {
        // Of a list that is not shown any more.
        Reply::Rows { generation, .. }
        | Reply::Refreshed { generation, .. }
        | Reply::Overview(generation, _)
        | Reply::TooLong(generation)
            if generation != app.list.reading.generation => {}
        Reply::Rows { from, rows, exhausted, complete, first, scanned, .. } => {
            answered(app, now);
            app.list.reading.scanned = scanned;
            app.list.reading.failed = false;
            match app.list.reading.replacement_rows.take() {
                Some(mut replacement_rows) => {
                    if first {
                        replacement_rows.clear();
                    }
                    replacement_rows.extend(rows);
                    if complete {
                        if app.list.reading.is_comparing && rows::differ(app, &replacement_rows) {
                            app.database.counting.outdate();
                            app.list.tree.outdate(now);
                        }
                        if !app.list.reading.is_unfolding {
                            rows::flash_differences(app, &replacement_rows, now);
                        }
                        rows::begin_rows(app, &from, replacement_rows, exhausted);
                    } else {
                        app.list.reading.replacement_rows = Some(replacement_rows);
                    }
                }
                None if first => rows::begin_rows(app, &from, rows, exhausted),
                None => app.list.add_rows(&from, rows, exhausted),
            }
            if complete {
                rows::finish_rows(app, now);
                return tree::count_new(app, now).into_iter().collect();
            }
        }
        Reply::Refreshed { rows, gone, newest, has_more, .. } => {
            answered(app, now);
            app.list.reading.refreshing.end(now);
            rows::refreshed(app, rows, &gone, now);
            app.list.reading.is_stale |= has_more;
            app.list.reading.newest_run = app.list.reading.newest_run.max(newest);
        }
        Reply::Overview(_, overview) => app.overview = Some(overview),
        Reply::TooLong(_) => {
            app.list.reading.waiting_since = None;
            let most = thousands(MOST as u64);
            app.show_hint(format!("more than {most} rows are not sorted: a filter makes them fewer"), now);
            return navigation::unsort(app, now);
        }
        Reply::Entries(id, entries) => {
            if id >= app.list.reading.generation {
                if id == app.list.reading.refetching {
                    app.list.reading.refetching = RequestId::default();
                }
                if std::mem::take(&mut app.list.reading.is_comparing) {
                    let is_as_shown = |(key, entry): &(Key, Option<Entry>)| {
                        let shown = app.list.window.get(&RowId::Entry(key.clone()));
                        let entry = entry.clone().map(Row::Entry);
                        shown.zip(entry.as_ref()).is_some_and(|(shown, entry)| !shown.differs(entry))
                    };
                    app.list.reading.is_stale |= !entries.iter().all(is_as_shown);
                }
                entries.into_iter().for_each(|(key, entry)| rows::patch(app, &key, entry, now));
                rows::outdate_detail(app);
            }
        }
        Reply::Detail(id, detail) => {
            if app.list.window.selected().map(Row::id) == Some(id) {
                app.details.refresh.end(now);
                take_detail(app, detail.map(|detail| *detail), now);
            }
        }
        Reply::Bulk(number, told) => bulk::update::told(app, number, *told, now),
        Reply::PastPage(number, visited) => return past::update::visited(app, number, *visited, now),
        Reply::LookedBack(number, found) => past::update::looked_back(app, number, found),
        Reply::Past(mut past) => {
            if app.list.window.selected().map(Row::id).as_ref() == Some(&past.of) {
                past.add(app.list.recent.iter());
                app.details.changes = Some(past);
            }
        }
        Reply::Count(count) => {
            app.database.count = Some(count);
            app.database.counting.end(now);
        }
        Reply::Recent(changes) => {
            changes.iter().rev().for_each(|change| app.list.trends.add(change));
            // What was told while these were read.
            app.list.recent.iter().for_each(|change| app.list.trends.add(change));
        }
        Reply::Weighed(prefix, size) => tree::counted(app, prefix, size, now),
        Reply::Changed(news) => return commits::take(app, news, now),
        Reply::Written(write, written) => {
            app.requests.progress = None;
            if !app.requests.writing.is_empty() {
                app.requests.writing.remove(0);
            }
            match written {
                Ok(written) => write_results::done(app, write, written, now),
                Err(error) => write_results::failed(app, write, &error),
            }
            // Whoever wants to leave stays for a question, or for an error.
            let is_settled = app.status.as_ref().is_none_or(|status| status.tone != MessageLevel::Error)
                && app.focus.dialog().is_none()
                && app.pending_dialogs.is_empty();
            app.is_leaving &= is_settled;
            let effects = undo::update::next_step(app, is_settled, now);
            let is_over = app.is_leaving && app.requests.writing.is_empty();
            return if is_over { vec![Effect::Quit] } else { effects };
        }
        Reply::EditedOutside(entry, edited) => return write_results::edited_outside(app, entry, edited, now),
        Reply::Opened(number, opened) => return switch::opened(app, number, opened, now),
        Reply::Debugger(told) => return debugger::replies::take(app, *told, now),
        Reply::FilterNamed(naming, named) => saved_filters::answer(app, &naming, named, now),
        Reply::Adopts(adopts) => app.database.adopts = adopts,
        Reply::Reset(why, seen) => return reset::lost(app, why, seen),
        Reply::Forgotten(oldest) => reset::forgotten(app, oldest),
        Reply::Known(asked, known) => reset::known(app, &asked, &known),
        Reply::Notice(notice) => {
            // It does not take the place of what was just said, such as that a lock was cleared.
            let said = app.status.take().filter(|status| status.tone == MessageLevel::Done);
            app.show_notice(notice);
            if let (Some(said), Some(status)) = (said, &mut app.status) {
                status.text = format!("{}; {}", said.text, status.text);
            }
        }
        Reply::Locked(Some(since)) => {
            // What is shown is as old as the last look at the database, not as the last question.
            let read = Millis(now.0.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(0)));
            app.list.reading.waiting_since =
                Some(app.list.reading.waiting_since.map_or(read, |asked| asked.min(read)));
        }
        Reply::Locked(None) => {
            app.list.reading.waiting_since.get_or_insert(now);
            retry(app, now);
        }
        Reply::Unlocked => answered(app, now),
        Reply::Incomplete(error) => {
            retry(app, now);
            app.list.reading.waiting_since = None;
            app.show_error(error);
        }
        Reply::Failed(error) => {
            retry(app, now);
            app.show_error(error);
        }
    }
    Vec::new()
}

/// More of the row under the cursor. Another piece of its value is shown from the end that one
/// came from.
fn take_detail(app: &mut App, detail: Option<Detail>, now: Millis) {
    app.details.pending_chunk = None;
    let before = app.details.row.as_ref().map(|detail| detail.offset);
    let earlier = std::mem::replace(&mut app.details.row, detail);
    if let (Some(detail), Some(earlier)) = (&mut app.details.row, &earlier) {
        detail.follow(earlier);
    }
    if let (Some(Dialog::Form(form)), Some(detail)) = (app.focus.dialog_mut(), &app.details.row) {
        form.learn(detail);
    }
    // An entry as it was is not scrolled by what comes of the list behind it.
    let Some((before, detail)) = before.zip(app.details.row.as_ref()).filter(|_| app.then().is_none()) else {
        return;
    };
    match detail.offset.cmp(&before) {
        Ordering::Equal => {}
        Ordering::Greater => app.details.scroll = details::start_of_value(app, now),
        Ordering::Less => app.details.scroll = details::scroll_end(app, now),
    }
}

/// Something could not be read: it is read again after a while.
fn retry(app: &mut App, now: Millis) {
    let at = now.plus(RETRY);
    app.list.reading.from = None;
    app.list.reading.replacement_rows = None;
    app.list.reading.failed = true;
    app.list.reading.is_stale = true;
    app.list.reading.not_before = at;
    for pace in [&mut app.database.counting, &mut app.details.refresh, &mut app.list.reading.refreshing] {
        pace.fail(at);
    }
    if app.list.tree.counting.take().is_some() {
        app.list.tree.count_at = Some(at);
    }
}

/// The database has answered. After a silence, or a failure, that is said.
fn answered(app: &mut App, now: Millis) {
    let unresponsive_for = app.unresponsive_for(now);
    app.list.reading.waiting_since = None;
    if app.list.reading.failed || unresponsive_for.is_some_and(|unresponsive_for| unresponsive_for > LONG) {
        app.show_done("the database answers again", now);
    }
}

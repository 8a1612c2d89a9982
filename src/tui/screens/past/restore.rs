//! What of the past is marked there, and restoring it.

use crate::store::{Entry, Key, Revision, StoreError};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::bulk::{BulkRequest, BulkResult, BulkStop, entries};
use crate::tui::dialog::{Confirm, Dialog};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::list::diff_row::{DiffKind, DiffRow};
use crate::tui::request::RequestId;
use crate::tui::screens::past::state::{DiffKeys, DiffRequest, PastTarget, RestoreRequest};
use crate::tui::screens::past::update::news;
use crate::tui::undo;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::write::{Write, WriteKind};

/// How many of the entries that would be restored are named.
const EXAMPLES_MAX: usize = 5;

/// Has all that is not the same now looked for, to mark it.
pub fn mark_all(app: &mut App, now: Millis) -> Vec<Effect> {
    if let Some(mistake) = app.shown_filter().mistake() {
        app.show_hint(format!("nothing was marked, because of the filter: {}", mistake.text), now);
        return Vec::new();
    }
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    // Whoever has pressed a key to go elsewhere means what differs from there.
    if past_view.is_awaiting && !matches!(past_view.goal, PastTarget::Stay(_)) {
        past_view.marks_on_arrival = true;
        return Vec::new();
    }
    let Some(place) = &past_view.place else { return Vec::new() };
    let number = app.requests.last.next();
    let before = past_view.marking.replace(number);
    let filter = past_view.filter_line.filter().clone();
    let differing = DiffRequest { moment: place.moment, view: past_view.view, filter };
    let asked = Effect::Bulk(number, BulkRequest::Differing(differing));
    before.map(Effect::Stop).into_iter().chain([asked]).collect()
}

/// What is not the same now is marked, if that is still wanted.
pub fn marked(app: &mut App, number: RequestId, differ: Result<Option<DiffKeys>, StoreError>, now: Millis) {
    app.requests.progress.take_if(|(under_way, _)| *under_way == number);
    let past_view = app.screen.past_mut().filter(|past_view| past_view.marking == Some(number));
    let Some(past_view) = past_view else { return };
    past_view.marking = None;
    match differ {
        Ok(None) => {}
        Ok(Some(DiffKeys { entries, .. })) if entries.is_empty() => {
            app.show_hint("nothing is marked: everything is the same now", now);
        }
        Ok(Some(DiffKeys { entries, has_more })) => {
            let count = entries.len() as u64;
            past_view.marks.extend(entries);
            if has_more {
                app.show_notice(format!(
                    "the first {} that are not the same now are marked; there are more: restore these, then mark again",
                    thousands(count)
                ));
            }
        }
        Err(error) => app.show_error(error.to_string()),
    }
}

/// Gives up looking for what is to be marked.
pub fn stop_marking(app: &mut App) -> Vec<Effect> {
    let stopped = app.screen.past_mut().and_then(|past_view| past_view.marking.take());
    app.requests.progress.take_if(|(number, _)| Some(*number) == stopped);
    stopped.map(Effect::Stop).into_iter().collect()
}

/// Asks whether what is marked, or under the cursor, is to be again what it was.
pub fn ask(app: &mut App, now: Millis) {
    if app.database.read_only {
        app.show_hint(app.why_read_only().to_string(), now);
        return;
    }
    let Some(past_view) = app.screen.past() else { return };
    let Some(place) = &past_view.place else { return };
    let chosen: Vec<&DiffRow> = match past_view.marks.is_empty() {
        true => past_view.selected().into_iter().collect(),
        false => {
            past_view.window.rows().iter().filter(|row| past_view.marks.contains_key(&row.key)).collect()
        }
    };
    let lines_of = |row: &&DiffRow| {
        let shown = |entry: &Option<Entry>, nothing: &str| {
            entry.as_ref().map_or_else(|| nothing.into(), |entry| app.value_in(entry, 40))
        };
        format!("  {}: {} → {}", row.key, shown(&row.now, "(not there)"), shown(&row.then, "(gone)"))
    };
    let is_same = |row: &&DiffRow| row.difference() == DiffKind::None;
    let list: Vec<(Key, Option<Entry>)> = if past_view.marks.is_empty() {
        chosen.iter().filter(|row| !is_same(row)).map(|row| (row.key.clone(), row.now.clone())).collect()
    } else {
        let same: Vec<_> = chosen.iter().filter(|row| is_same(row)).map(|row| &row.key).collect();
        past_view
            .marks
            .iter()
            .filter(|(key, _)| !same.contains(key))
            .map(|(key, now)| (key.clone(), now.clone()))
            .collect()
    };
    if list.is_empty() {
        app.show_hint("there is nothing to restore: it is what it was", now);
        return;
    }
    let count = list.len() as u64;
    let revision = place.moment.revision;
    let was = if count == 1 { "it was" } else { "they were" };
    let mut lines = vec![format!("Make {} again what {was} at revision {revision}?", entries(count))];
    lines.extend(chosen.iter().filter(|row| !is_same(row)).take(EXAMPLES_MAX).map(lines_of));
    // Of what is marked the list need not have any row in memory.
    let more = count.saturating_sub(lines.len() as u64 - 1);
    if more > 0 {
        lines.push(format!("  and {} more", thousands(more)));
    }
    let done = format!("restored {} from revision {revision}", entries(count));
    let restore = RestoreRequest { moment: place.moment, entries: list };
    let what = WriteKind::Restore(Box::new(restore));
    app.focus = Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(Write { what, done }))));
}

/// What was is again, as far as that was possible.
pub fn restored(app: &mut App, restore: &RestoreRequest, done: BulkResult, now: Millis) {
    let BulkResult { tally, revisions, ended } = done;
    let Revision(revision) = restore.moment.revision;
    let words = match tally.done {
        0 => "nothing was restored".to_string(),
        count => format!("restored {} from revision {revision}", entries(count)),
    };
    let mut hint = String::new();
    if !revisions.is_empty() {
        app.undo.stack.changed(UndoableChange::of(revisions, &words, now));
        hint = undo::update::hint(app);
    }
    if let Some(past_view) = app.screen.past_mut().filter(|_| ended.is_none()) {
        past_view.marks.clear();
    }
    news(app, now);
    if let Some(BulkStop::Failed(error)) = ended {
        app.show_error(format!("{words}{hint}; then: {error}"));
        return;
    }
    match tally.skipped() {
        Some(skipped) => app.show_notice(format!("{words}{hint}. {skipped}")),
        None => app.show_done(format!("{words}{hint}"), now),
    }
}

//! Marking, and what is done with all that is marked.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler;

use crate::store::StoreError;
use crate::store::time_point::TimePoint;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::bulk::{
    Bulk, BulkCounts, BulkOperation, BulkReply, BulkRequest, BulkResult, BulkStop, ExpiryChange,
    SelectRequest, Selection,
};
use crate::tui::dialog::{BulkCounting, Confirm, Dialog, InputDialog, InputPurpose};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{Action, EntryAction, MarkAction, PastAction};
use crate::tui::list::{MARKS_MAX, MarkState, Marks};
use crate::tui::request::RequestId;
use crate::tui::undo;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::write::{Write, WriteKind};

/// Does what an action asks for, if it is about marks, or about all that is marked.
pub fn act(app: &mut App, action: Action, now: Millis) -> Option<Vec<Effect>> {
    let is_marked = !app.list.marks.is_empty();
    Some(match action {
        Action::Mark(MarkAction::Toggle) | Action::Past(PastAction::Mark) => {
            let list = app.shown_list_mut();
            if let Some(row) = list.window.selected() {
                list.marks.turn(row);
                list.window.step(1);
            }
            Vec::new()
        }
        Action::Mark(MarkAction::Range) => {
            mark_range(app, now);
            Vec::new()
        }
        Action::Mark(MarkAction::All) | Action::Past(PastAction::MarkAll) => mark_all(app, now),
        Action::Mark(MarkAction::Clear) => unmark(app),
        Action::Mark(MarkAction::Export) => {
            let marks =
                if is_marked { app.list.marks.clone() } else { Marks::of(app.list.window.selected()?) };
            app.focus = Focus::Dialog(Dialog::Ask(InputDialog::new(InputPurpose::File, marks)));
            Vec::new()
        }
        Action::Entry(EntryAction::TimeToLive) if is_marked => {
            app.focus =
                Focus::Dialog(Dialog::Ask(InputDialog::new(InputPurpose::Expiry, app.list.marks.clone())));
            Vec::new()
        }
        Action::Entry(EntryAction::Toggle) if is_marked => {
            preview(app, app.list.marks.clone(), BulkOperation::Toggle)
        }
        Action::ClearLock if !app.list.marks.locks().is_empty() => {
            preview(app, app.list.marks.clone(), BulkOperation::ClearLocks)
        }
        Action::Entry(EntryAction::Delete) if is_marked => {
            preview(app, app.list.marks.clone(), BulkOperation::Delete)
        }
        _ => return None,
    })
}

fn mark_range(app: &mut App, now: Millis) {
    let list = app.shown_list_mut();
    let (cursor, rows) = (list.window.cursor(), list.window.rows());
    let begin = list.marks.anchor().and_then(|anchor| rows.iter().position(|row| row.matches(anchor)));
    let Some(begin) = begin else {
        let text = match list.marks.anchor() {
            None => "mark the first of the range, then the last with this key",
            Some(_) => "the first of the range is too far away, or not in this list; a filter marks more",
        };
        app.show_hint(text, now);
        return;
    };
    for row in &rows[begin.min(cursor)..=begin.max(cursor)] {
        if list.marks.mark_of(row) != MarkState::Same {
            list.marks.add(row);
        }
    }
}

/// Asks for all that passes the filter, to mark it; in the past for what of it is not the same now.
pub fn mark_all(app: &mut App, now: Millis) -> Vec<Effect> {
    let number = app.next_request();
    let moment = app.screen.past().and_then(|past_view| Some(past_view.place.as_ref()?.moment));
    let list = app.shown_list_mut();
    if let Some(mistake) = list.filter_line.mistake() {
        let text = format!("nothing was marked, because of the filter: {}", mistake.text);
        app.show_hint(text, now);
        return Vec::new();
    }
    let asked = SelectRequest { view: list.view, filter: list.filter_line.filter().clone(), at: now, moment };
    let before = list.marking.replace(number);
    let select = Effect::Bulk(number, BulkRequest::Select(asked));
    before.map(Effect::Stop).into_iter().chain([select]).collect()
}

/// What was asked for is marked, if that is still wanted.
fn selected_all(
    app: &mut App,
    number: RequestId,
    selected: Result<Option<Selection>, StoreError>,
    now: Millis,
) {
    app.requests.progress.take_if(|(under_way, _)| *under_way == number);
    let past = app.screen.past_mut().map(|past_view| &mut past_view.list);
    let past = past.filter(|list| list.marking == Some(number));
    let (is_past, list) = (past.is_some(), past.unwrap_or(&mut app.list));
    if list.marking.take_if(|marking| *marking == number).is_none() {
        return;
    }
    match selected {
        Ok(None) => {}
        Ok(Some(Selection { entries, locks, .. })) if entries.is_empty() && locks.is_empty() => {
            let why = if is_past { "everything is the same now" } else { "nothing passes the filter" };
            app.show_hint(format!("nothing is marked: {why}"), now);
        }
        Ok(Some(Selection { entries, locks, has_more })) => {
            locks.into_iter().for_each(|row| list.marks.add_lock(row));
            let is_all = list.marks.add_all(entries) && !has_more;
            let (count, most) = (thousands(list.marks.count()), thousands(MARKS_MAX as u64));
            match is_past {
                _ if is_all => {}
                true => app.show_notice(format!(
                    "{count} are marked; there are more that are not the same now: restore these, then mark again"
                )),
                false => app
                    .show_notice(format!("{most} entries are marked, which is the most; narrow the filter")),
            }
        }
        Err(error) => app.show_error(error.to_string()),
    }
}

/// Unmarks all, and marks nothing that is still being read.
pub fn unmark(app: &mut App) -> Vec<Effect> {
    let list = app.shown_list_mut();
    list.marks = Marks::default();
    let stopped = list.marking.take();
    app.requests.progress.take_if(|(number, _)| Some(*number) == stopped);
    stopped.map(Effect::Stop).into_iter().collect()
}

/// Asks what would be done; the question comes with the answer.
fn preview(app: &mut App, marks: Marks, deed: BulkOperation) -> Vec<Effect> {
    let number = app.next_request();
    let bulk = Bulk { marks, deed };
    let asked = BulkRequest::Preview(bulk.clone());
    app.focus = Focus::Dialog(Dialog::Counting(Box::new(BulkCounting {
        number,
        bulk,
        tally: BulkCounts::default(),
        asked_by: app.last_key,
    })));
    vec![Effect::Bulk(number, asked)]
}

/// A key while it is counted what would be done. No key answers before all is counted.
pub fn while_counting(app: &mut App, counting: Box<BulkCounting>, key: KeyEvent) -> Vec<Effect> {
    if matches!(key.code, KeyCode::Esc | KeyCode::Char('n' | 'q')) {
        return vec![Effect::Stop(counting.number)];
    }
    app.focus = Focus::Dialog(Dialog::Counting(counting));
    Vec::new()
}

/// A key while something is typed that is needed for all that is marked.
pub fn in_ask(app: &mut App, mut ask: InputDialog, key: KeyEvent) -> Vec<Effect> {
    if ask.wanted == InputPurpose::Moment && key.code == KeyCode::Enter && deed(&ask).is_ok() {
        return vec![Effect::Call(Action::OpenPast, Some(ask.input.value().into()))];
    }
    if key.code != KeyCode::Enter {
        ask.input.handle_event(&Event::Key(key));
        ask.problem = deed(&ask).err().filter(|_| !ask.input.value().is_empty());
        app.focus = Focus::Dialog(Dialog::Ask(ask));
        return Vec::new();
    }
    match deed(&ask) {
        Err(problem) => {
            ask.problem = Some(problem);
            app.focus = Focus::Dialog(Dialog::Ask(ask));
            Vec::new()
        }
        Ok(deed @ BulkOperation::Export(_)) => {
            let number = app.next_request();
            vec![Effect::Bulk(number, BulkRequest::Export(Bulk { marks: ask.marks, deed }))]
        }
        Ok(deed) => preview(app, ask.marks, deed),
    }
}

/// What is asked for, as far as it was typed.
fn deed(ask: &InputDialog) -> Result<BulkOperation, String> {
    let text = ask.input.value().trim();
    match ask.wanted {
        InputPurpose::Expiry => ExpiryChange::parse(text).map(BulkOperation::Expire),
        // It is no deed, and read where it is gone to.
        InputPurpose::Moment => TimePoint::parse(text).map(|_| BulkOperation::Export(text.into())),
        InputPurpose::File if text.is_empty() => Err("a file, please".into()),
        InputPurpose::File => Ok(BulkOperation::Export(text.into())),
    }
}

/// Takes in what was asked about marks, or how far something is.
pub fn told(app: &mut App, number: RequestId, told: BulkReply, now: Millis) {
    match told {
        BulkReply::Selected(selected) => selected_all(app, number, selected, now),
        BulkReply::Progress(progress) => app.requests.progress = Some((number, progress)),
        BulkReply::Previewed { tally, complete, history_keeps } => {
            let Some(Dialog::Counting(counting)) = app.focus.dialog_mut() else { return };
            if counting.number != number {
                return;
            }
            counting.tally = tally;
            if complete {
                let counting = BulkCounting::clone(counting);
                app.focus = Focus::Screen;
                ask_to_do(app, counting, history_keeps, now);
            }
        }
        BulkReply::Exported(bulk, written) => exported(app, bulk, written, now),
    }
}

/// The question, with all that is known about its answer.
fn ask_to_do(app: &mut App, counting: BulkCounting, history_keeps: Option<u64>, now: Millis) {
    let BulkCounting { number, bulk, tally, asked_by } = counting;
    let skipped = tally.skipped();
    if tally.done == 0 {
        app.show_hint(skipped.unwrap_or_else(|| "nothing is marked any more".into()), now);
        return;
    }
    let mut lines = vec![bulk.deed.question(tally.done)];
    lines.extend(tally.lines(&|key| app.hides(key)));
    lines.extend(skipped);
    if let Some(rows) = history_keeps {
        let rows = thousands(rows);
        lines.push(format!(
            "That is more than history keeps ({rows} changes): NOT ALL OF IT CAN BE TAKEN BACK."
        ));
    }
    let done = bulk.deed.done(tally.done);
    let write = Effect::Write(Write { what: WriteKind::Bulk(number, Box::new(bulk)), done });
    let is_reversible = history_keeps.is_none() && write.change().is_some_and(|change| change.is_reversible);
    app.focus =
        Focus::Dialog(Dialog::Confirm(Confirm { is_reversible, asked_by, ..Confirm::new(lines, write) }));
}

/// All that was marked was changed, as far as that was possible.
pub fn done(app: &mut App, bulk: &Bulk, done: BulkResult, now: Millis) {
    let BulkResult { tally, revisions, ended } = done;
    let words = bulk.deed.done(tally.done);
    let hint = match revisions.is_empty() {
        true => String::new(),
        false => {
            let deleted = if bulk.deed == BulkOperation::Delete { tally.first().cloned() } else { None };
            app.undo.stack.changed(UndoableChange { deleted, ..UndoableChange::of(revisions, &words, now) });
            undo::update::hint(app)
        }
    };
    let is_restore = matches!(bulk.deed, BulkOperation::Restore(_));
    match app.screen.past_mut() {
        Some(past_view) if is_restore => {
            past_view.outdate(now);
            if ended.is_none() {
                past_view.list.marks = Marks::default();
            }
        }
        _ if !is_restore && ended.is_none() && app.list.marks == bulk.marks => {
            app.list.marks = Marks::default()
        }
        _ => {}
    }
    let skipped = tally.skipped();
    match (ended, skipped) {
        (Some(BulkStop::Failed(error)), _) => app.show_error(format!("{words}{hint}; then: {error}")),
        (Some(BulkStop::Stopped), _) => app.show_notice(format!("stopped: {words}{hint}")),
        (None, Some(skipped)) => app.show_notice(format!("{words}{hint}. {skipped}")),
        (None, None) => app.show_done(format!("{words}{hint}"), now),
    }
}

fn exported(app: &mut App, bulk: Bulk, written: Result<BulkCounts, StoreError>, now: Millis) {
    app.requests.progress = None;
    match written {
        // It was stopped, and nothing is left of it.
        Ok(tally) if tally.done == 0 => {
            app.show_hint(tally.skipped().unwrap_or_else(|| "nothing was written".into()), now);
        }
        Ok(tally) => {
            let words = bulk.deed.done(tally.done);
            match tally.skipped() {
                Some(skipped) => app.show_notice(format!("{words}. {skipped}")),
                None => app.show_done(words, now),
            }
        }
        Err(error) => {
            let mut ask = InputDialog::new(InputPurpose::File, bulk.marks);
            if let BulkOperation::Export(path) = &bulk.deed {
                ask.input = path.to_string_lossy().into_owned().into();
            }
            ask.problem = Some(error.to_string());
            app.open(Dialog::Ask(ask));
        }
    }
}

/// Stops what takes its time, if something does that can be stopped. What was to be marked is not awaited any more;
/// a change or an export says itself how far it came.
pub fn stop(app: &mut App) -> Option<Effect> {
    // What the list was to mark is still being read where the past was opened meanwhile.
    let markings = [app.shown_list().marking, app.list.marking];
    let under_way = app.requests.progress.as_ref().map(|(number, _)| *number);
    let other = under_way.filter(|number| number.is_cancellable() && !markings.contains(&Some(*number)));
    if other.is_none() {
        app.requests.progress.take_if(|(number, _)| markings.contains(&Some(*number)));
    }
    let marking = |app: &mut App| app.shown_list_mut().marking.take().or_else(|| app.list.marking.take());
    other.or_else(|| marking(app)).map(Effect::Stop)
}

//! Marking, and what is done with all that is marked.

use crate::store::{Liveness, Lock, Token};
use crate::tui::bulk;
use crate::tui::bulk::{
    BulkCounts, BulkOperation, BulkReply, BulkRequest, BulkResult, BulkStop, Selection, SkipReason,
};
use crate::tui::list::{LockRow, MARKS_MAX, MarkState, Marks};
use crate::tui::request::RequestId;
use crate::tui::update::tests::*;

/// The sample with three entries marked.
pub(super) fn marked() -> App {
    let mut app = at("feature:dark_mode");
    type_text(&mut app, "mmm");
    app
}

fn mark_of(app: &App, name: &str) -> MarkState {
    let row = app.list.window.get(&RowId::Entry(key(name)));
    app.list.marks.mark_of(row.unwrap_or_else(|| panic!("no row {name}")))
}

/// The preview that was asked for, with its number.
fn asked(effects: &[Effect]) -> (RequestId, BulkOperation) {
    match effects {
        [Effect::Bulk(number, BulkRequest::Preview(bulk))] => (*number, bulk.deed.clone()),
        other => panic!("no preview: {other:?}"),
    }
}

pub(super) fn previewed(app: &mut App, number: RequestId, names: &[&str], complete: bool) {
    let mut tally = BulkCounts::default();
    names.iter().for_each(|name| tally.take(&BulkOperation::Delete, &entry(name, "v", None), NOW));
    let told = BulkReply::Previewed { tally, complete, history_keeps: None };
    answer(app, Reply::Bulk(number, Box::new(told)));
}

#[test]
fn marks_stay_on_their_entries_whatever_the_list_does() {
    let mut app = marked();
    assert_eq!(selected(&app), "session:ann", "marking goes on to the next row");
    assert_eq!(app.list.marks.count(), 3);
    // Another entry comes, one that is marked goes, and one changes.
    let generation = app.list.reading.generation;
    let changed = Entry { revision: Revision(90), ..entry("feature:new_checkout", "true", None) };
    let news = vec![
        (key("a"), Some(entry("a", "first", None))),
        (key("feature:dark_mode"), None),
        (changed.key.clone(), Some(changed)),
    ];
    answer(&mut app, Reply::Entries(generation, news));
    assert_eq!(mark_of(&app, "grüße/世界"), MarkState::Same);
    assert_eq!(mark_of(&app, "feature:new_checkout"), MarkState::Changed);
    assert_eq!(mark_of(&app, "a"), MarkState::None);
    press(&mut app, KeyCode::Esc);
    assert!(app.list.marks.is_empty());
}

#[test]
fn a_range_is_from_the_last_mark_to_the_cursor() {
    let mut app = at("config");
    press(&mut app, KeyCode::Char('V'));
    assert!(app.list.marks.is_empty() && status(&app).contains("first of the range"), "{}", status(&app));
    press(&mut app, KeyCode::Char('m'));
    type_text(&mut app, "jjV");
    for name in ["config", "deploy_lock", "deploy_start_time", "deploys:total"] {
        assert_eq!(mark_of(&app, name), MarkState::Same, "{name}");
    }
    assert_eq!(app.list.marks.count(), 4);
}

fn selected_all(app: &mut App, number: RequestId, count: usize, has_more: bool) {
    let flag =
        app.list.window.get(&RowId::Entry(key("feature:dark_mode"))).and_then(Row::entry).unwrap().clone();
    let others = (1..count).map(|number| entry(&format!("k{number:05}"), "v", None));
    let entries = others.chain([flag]).map(|entry| (entry.key.clone(), Some(entry))).collect();
    let selection = Selection { entries, locks: Vec::new(), has_more };
    answer(app, Reply::Bulk(number, Box::new(BulkReply::Selected(Ok(Some(selection))))));
}

#[test]
fn all_that_pass_the_filter_are_marked_up_to_a_most() {
    let mut app = sample(View::Flags, SIZE);
    let effects = press(&mut app, KeyCode::Char('*'));
    let [Effect::Bulk(number, BulkRequest::Select(_))] = effects[..] else { panic!("{effects:?}") };
    selected_all(&mut app, number, 900, false);
    assert_eq!(mark_of(&app, "feature:dark_mode"), MarkState::Same);
    assert_eq!((app.list.marks.count(), app.status.take()), (900, None));
    // What comes late, or is not wanted any more, marks nothing.
    selected_all(&mut app, number, 1000, false);
    assert_eq!(app.list.marks.count(), 900);
    let effects = press(&mut app, KeyCode::Char('*'));
    let [Effect::Bulk(next, BulkRequest::Select(_))] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(press(&mut app, KeyCode::Esc), [Effect::Stop(next)]);
    answer(&mut app, Reply::Bulk(next, Box::new(BulkReply::Selected(Ok(None)))));
    assert_eq!(app.list.marks.count(), 900);
    let effects = press(&mut app, KeyCode::Char('*'));
    let [Effect::Bulk(last, BulkRequest::Select(_))] = effects[..] else { panic!("{effects:?}") };
    selected_all(&mut app, last, MARKS_MAX, true);
    assert_eq!(app.list.marks.count(), MARKS_MAX as u64);
    assert!(status(&app).contains("narrow the filter"), "{}", status(&app));
    press(&mut app, KeyCode::Esc);
    assert!(app.list.marks.is_empty());
    // A filter that is not what it says marks nothing.
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "kind:flog");
    press(&mut app, KeyCode::Enter);
    assert_eq!(press(&mut app, KeyCode::Char('*')), []);
    assert!(app.list.marks.is_empty() && status(&app).contains("filter"), "{}", status(&app));
}

#[test]
fn what_would_be_done_is_shown_before_it_is_done_and_another_key_answers() {
    let mut app = marked();
    let (number, deed) = asked(&press(&mut app, KeyCode::Char('d')));
    assert_eq!(deed, BulkOperation::Delete);
    // Before all is counted nothing is an answer.
    assert_eq!(type_text(&mut app, "ydd"), []);
    previewed(&mut app, number, &["a"], false);
    assert_eq!(press(&mut app, KeyCode::Char('y')), []);
    previewed(&mut app, number, &["a", "b"], true);
    let Some(Dialog::Confirm(confirm)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert_eq!(confirm.lines, ["Delete 2 entries?", "  a: v", "  b: v"]);
    assert_eq!(press(&mut app, KeyCode::Char('d')), [], "the key that asked is no answer");
    let effects = press(&mut app, KeyCode::Char('y'));
    let WriteKind::Bulk(_, bulk) = &written(&effects).what else { panic!("{effects:?}") };
    assert_eq!(bulk.marks, app.list.marks);
}

#[test]
fn a_preview_that_was_left_asks_nothing_later() {
    let mut app = marked();
    let (number, _) = asked(&press(&mut app, KeyCode::Char('d')));
    assert_eq!(press(&mut app, KeyCode::Esc), [Effect::Stop(number)]);
    previewed(&mut app, number, &["a"], true);
    assert!(app.focus.dialog().is_none());
    assert_eq!(app.list.marks.count(), 3, "they stay marked");
}

/// The write that deletes all that is marked.
fn deletion(app: &mut App) -> Write {
    let (number, _) = asked(&press(app, KeyCode::Char('d')));
    previewed(app, number, &["a"], true);
    let effects = press(app, KeyCode::Char('y'));
    written(&effects).clone()
}

#[test]
fn one_key_takes_back_all_transactions_of_a_change() {
    let mut app = marked();
    let write = deletion(&mut app);
    let mut tally = BulkCounts::default();
    tally.take(&BulkOperation::Delete, &entry("a", "v", None), NOW);
    tally.leave(&key("b"), bulk::SkipReason::Changed);
    let revisions = vec![Revision(50), Revision(60)];
    let done = BulkResult { tally, revisions: revisions.clone(), ended: None };
    answer(&mut app, Reply::Written(write, Ok(WriteOutcome::Bulk(Box::new(done)))));
    assert!(app.list.marks.is_empty());
    assert!(status(&app).contains("b (changed since it was marked)"), "{}", status(&app));
    let effects = press(&mut app, KeyCode::Char('u'));
    let WriteKind::Undo { change, .. } = &written(&effects).what else { panic!("{effects:?}") };
    assert_eq!(change.revisions, revisions);
    assert_eq!(change.deleted, Some(key("a")), "the cursor goes there when all of it is back");
    // The second half was taken back, of the first somebody changed an entry.
    let ended = Some(Box::new(Ok(UndoOutcome::Conflict(vec![(key("a"), None)]))));
    let half = WriteOutcome::UndoOutcome { made: vec![Revision(70)], ended };
    answer(&mut app, Reply::Written(written(&effects).clone(), Ok(half)));
    assert_eq!(app.undo.stack.done.last().unwrap().revisions, [Revision(50)]);
    assert_eq!(app.undo.stack.undone.last().unwrap().revisions, [Revision(70)]);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), "{:?}", app.focus.dialog());
}

#[test]
fn what_was_done_before_it_was_stopped_can_be_taken_back_and_the_marks_stay() {
    let mut app = marked();
    let write = deletion(&mut app);
    let WriteKind::Bulk(number, _) = write.what else { panic!() };
    let words = "deleted 20,000 entries so far".to_string();
    answer(&mut app, Reply::Bulk(number, Box::new(BulkReply::Progress(words))));
    assert_eq!(press(&mut app, KeyCode::Esc), [Effect::Stop(number)]);
    let done = BulkResult {
        tally: BulkCounts::default(),
        revisions: vec![Revision(50)],
        ended: Some(BulkStop::Stopped),
    };
    answer(&mut app, Reply::Written(write, Ok(WriteOutcome::Bulk(Box::new(done)))));
    assert!(status(&app).starts_with("stopped:"), "{}", status(&app));
    assert_eq!(app.undo.stack.done.last().unwrap().revisions, [Revision(50)]);
    assert!(!app.list.marks.is_empty() && app.requests.progress.is_none());
}

#[test]
fn an_expiry_for_all_is_typed_and_a_file_to_write_to_never_overwritten() {
    let mut app = marked();
    assert_eq!(press(&mut app, KeyCode::Char('T')), []);
    type_text(&mut app, "soon");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    for _ in 0..4 {
        press(&mut app, KeyCode::Backspace);
    }
    type_text(&mut app, "+1h");
    let (_, deed) = asked(&press(&mut app, KeyCode::Enter));
    assert!(matches!(deed, BulkOperation::Expire(_)), "{deed:?}");
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('W'));
    type_text(&mut app, "out.jsonl");
    let effects = press(&mut app, KeyCode::Enter);
    let [Effect::Bulk(number, BulkRequest::Export(bulk))] = &effects[..] else { panic!("{effects:?}") };
    let exists = ErrorKind::Exists.at(std::path::Path::new("out.jsonl"));
    answer(&mut app, Reply::Bulk(*number, Box::new(BulkReply::Exported(bulk.clone(), Err(exists)))));
    let Some(Dialog::Ask(ask)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert!(ask.input.value() == "out.jsonl" && ask.problem.as_ref().unwrap().contains("not overwritten"));
}

#[test]
fn without_the_right_to_write_marks_are_only_written_to_files() {
    let mut app = at("version");
    app.database.read_only = true;
    press(&mut app, KeyCode::Char('m'));
    assert!(!app.list.marks.is_empty());
    assert_eq!(type_text(&mut app, "dT "), []);
    assert!(app.focus.dialog().is_none());
    press(&mut app, KeyCode::Char('W'));
    assert!(matches!(app.focus.dialog(), Some(Dialog::Ask(_))));
}

/// The reply to what was stopped may be late: the way back does not wait for it.
#[test]
fn marking_that_is_stopped_is_not_awaited_also_in_the_past() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('*'));
    press(&mut app, KeyCode::Char('@'));
    assert!(app.screen.past().is_some());
    assert!(matches!(press(&mut app, KeyCode::Esc)[..], [Effect::Stop(_)]));
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.past().is_none());
    assert_eq!(press(&mut app, KeyCode::Char('q')), [Effect::Quit]);
}

fn lock_row(name: &str, liveness: Liveness) -> LockRow {
    let Row::Lock(row) = sample(View::Locks, SIZE).list.window.rows()[0].clone() else { panic!("no lock") };
    LockRow { lock: Lock { name: name.into(), ..row.lock }, liveness, ..row }
}

#[test]
fn locks_are_marked_and_cleared_together_and_that_cannot_be_undone() {
    let mut app = sample(View::Locks, SIZE);
    press(&mut app, KeyCode::Home);
    type_text(&mut app, "m");
    assert_eq!(app.list.marks.locks().len(), 1);
    let effects = type_text(&mut app, "x");
    let (number, deed) = asked(&effects);
    assert_eq!(deed, BulkOperation::ClearLocks);
    let mut tally = BulkCounts::default();
    tally.take_lock(&lock_row("a", Liveness::Dead), NOW);
    tally.leave_lock("b", SkipReason::HolderMayBeAlive);
    let told = BulkReply::Previewed { tally, complete: true, history_keeps: None };
    answer(&mut app, Reply::Bulk(number, Box::new(told)));
    let Some(Dialog::Confirm(confirm)) = app.focus.dialog() else { panic!("no question") };
    assert!(!confirm.is_reversible);
    assert_eq!(confirm.lines[0], "Clear 1 lock?");
    assert!(confirm.lines[1].starts_with("  a: ") && confirm.lines[1].contains("(dead)"), "{confirm:?}");
    assert_eq!(confirm.lines[2], "1 left alone: b (its holder may be alive; it can be cleared alone)");
}

#[test]
fn a_lock_that_was_acquired_again_is_not_the_one_that_was_marked() {
    let mut marks = Marks::default();
    let seen = lock_row("a", Liveness::Dead);
    marks.add(&Row::Lock(seen.clone()));
    let renewed = Lock { expires_at: Some(Millis(i64::MAX)), ..seen.lock.clone() };
    assert_eq!(marks.mark_of(&Row::Lock(LockRow { lock: renewed, ..seen.clone() })), MarkState::Same);
    let again = Lock { token: Token(Revision(seen.lock.token.0.0 + 1)), ..seen.lock.clone() };
    assert_eq!(marks.mark_of(&Row::Lock(LockRow { lock: again, ..seen.clone() })), MarkState::Changed);
    assert_eq!(marks.mark_of(&Row::Lock(lock_row("b", Liveness::Dead))), MarkState::None);
    marks.turn(&Row::Lock(seen));
    assert!(marks.is_empty());
}

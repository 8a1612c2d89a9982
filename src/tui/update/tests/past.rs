//! Going through the past.

use crate::store::{ErrorKind, HistorySpan, Key, Moment, When};
use crate::tui::bulk;
use crate::tui::bulk::{BulkCounts, BulkReply, BulkRequest, BulkResult, SelectRequest, Selection};
use crate::tui::list::window::CAPACITY;
use crate::tui::list::window::PAGE;
use crate::tui::list::{DiffKind, DiffRow, Filter, Sort, SortBy};
use crate::tui::request::RequestId;
use crate::tui::screens::past::state::{PastPage, PastRequest, PastTarget};
use crate::tui::screens::value::detail::Detail;
use crate::tui::testing::fixtures::{past, rows_then};
use crate::tui::update::tests::*;
use crate::tui::wakeups::Timer;

fn by_key(key: Key) -> Position {
    Position::Name(RowId::Entry(key))
}

/// The question that was asked, with its number.
fn visit(effects: &[Effect]) -> (RequestId, PastRequest) {
    let mut visits = effects.iter().filter_map(|effect| match effect {
        Effect::ReadPast(visit) => Some((visit.load.generation, visit.clone())),
        _ => None,
    });
    visits.next().unwrap_or_else(|| panic!("no question about the past: {effects:?}"))
}

fn arrive(app: &mut App, number: RequestId, revision: i64) -> Vec<Effect> {
    let visited = PastPage {
        place: Some(past(revision)),
        from: LoadFrom::Start,
        rows: Some(rows_then()),
        is_end: true,
        pruned: None,
    };
    answer(app, Reply::PastPage(number, Box::new(Ok(visited))))
}

/// The question for all that differs, with its number.
fn differing(effects: &[Effect]) -> (RequestId, SelectRequest) {
    match effects {
        [.., Effect::Bulk(number, BulkRequest::Select(asked))] => (*number, asked.clone()),
        other => panic!("no such question: {other:?}"),
    }
}

#[test]
fn a_moment_that_cannot_be_read_stays_to_be_mended() {
    for keys in ["p@25:99", ":at 25:99"] {
        let mut app = at("version");
        for (place, letter) in keys.chars().enumerate() {
            let effects = press(&mut app, KeyCode::Char(letter));
            if place == 0 && letter == 'p' {
                arrive(&mut app, visit(&effects).0, 41);
            }
        }
        press(&mut app, KeyCode::Enter);
        assert!(app.focus.dialog().is_some(), "{keys}");
        for _ in 0.."25:99".len() {
            press(&mut app, KeyCode::Backspace);
        }
        type_text(&mut app, "10m");
        let effects = press(&mut app, KeyCode::Enter);
        assert!(app.focus.dialog().is_none(), "{keys}");
        visit(&effects);
    }
}

/// What of the sample differs.
fn differ(has_more: bool) -> BulkReply {
    let rows = rows_then().into_iter().filter(|row| row.difference() != DiffKind::None);
    let entries = rows.map(|row| (row.key, row.now)).collect();
    BulkReply::Selected(Ok(Some(Selection { entries, locks: Vec::new(), has_more })))
}

/// Marks what differs, as far as it was found.
fn mark_different(app: &mut App, has_more: bool) {
    let (number, _) = differing(&press(app, KeyCode::Char('*')));
    answer(app, Reply::Bulk(number, Box::new(differ(has_more))));
}

/// The sample as it was at a revision.
pub(super) fn travelled(revision: i64) -> App {
    let mut app = at("config");
    let (number, _) = visit(&press(&mut app, KeyCode::Char('p')));
    arrive(&mut app, number, revision);
    app
}

#[test]
fn the_past_begins_with_the_cursor_on_what_it_was_on() {
    let mut app = at("feature:dark_mode");
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('p')));
    assert_eq!(asked.load.from, LoadFrom::Start);
    arrive(&mut app, number, 41);
    let under = |app: &App| app.screen.past().unwrap().selected().unwrap().key.to_text();
    assert_eq!(under(&app), "feature:dark_mode");
    // What is far from the beginning of the list is read from there on.
    let mut app = at("feature:dark_mode");
    app.list.window.at_start = false;
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('p')));
    assert_eq!(asked.load.from, LoadFrom::At(by_key(key("feature:dark_mode"))));
    let rows: Vec<_> = rows_then().into_iter().filter(|row| row.key >= key("feature:dark_mode")).collect();
    let page = asked.load.from;
    let visited =
        PastPage { place: Some(past(41)), from: page, rows: Some(rows), is_end: true, pruned: None };
    let effects = answer(&mut app, Reply::PastPage(number, Box::new(Ok(visited))));
    assert_eq!(under(&app), "feature:dark_mode");
    assert!(matches!(visit(&effects).1.load.from, LoadFrom::Before(_)), "and what is before it");
}

#[test]
fn steps_that_are_asked_for_while_one_is_read_are_added_up() {
    let mut app = travelled(41);
    let (number, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(asked.goal, PastTarget::Steps(Revision(41), -1));
    assert_eq!(type_text(&mut app, "[{"), []);
    let (number, asked) = visit(&arrive(&mut app, number, 40));
    assert_eq!(asked.goal, PastTarget::Steps(Revision(40), -11));
    assert_eq!(arrive(&mut app, number, 29), []);
    // Other rows do not call back a step that is on its way.
    let (_, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(visit(&press(&mut app, KeyCode::Char('d'))).1.goal, asked.goal);
    // What is no answer to the last question is dropped.
    let (number, _) = visit(&press(&mut app, KeyCode::Home));
    arrive(&mut app, RequestId(number.0 - 1), 35);
    assert_eq!(app.screen.past().unwrap().place.as_ref().unwrap().moment.revision, Revision(29));
}

#[test]
fn a_moment_is_written_as_on_the_command_line() {
    let mut app = travelled(41);
    press(&mut app, KeyCode::Char('@'));
    type_text(&mut app, "soon");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    let Some(Dialog::Ask(ask)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert!(ask.problem.as_ref().is_some_and(|problem| problem.contains("how long ago")), "{ask:?}");
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('@'));
    type_text(&mut app, "10m");
    let (_, asked) = visit(&press(&mut app, KeyCode::Enter));
    assert_eq!(asked.goal, PastTarget::When(When::Time(ago(600))));
}

#[test]
fn no_key_changes_anything_in_the_past_but_restoring_which_asks() {
    let mut app = travelled(38);
    assert_eq!(type_text(&mut app, "aeET+-0x"), []);
    assert!(app.focus.dialog().is_none());
    // The first row is the same now.
    press(&mut app, KeyCode::Char('R'));
    assert!(app.focus.dialog().is_none() && status(&app).contains("nothing to restore"), "{}", status(&app));
    mark_different(&mut app, false);
    press(&mut app, KeyCode::Char('R'));
    let Some(Dialog::Confirm(_)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert_eq!(press(&mut app, KeyCode::Char('R')), []);
    let effects = press(&mut app, KeyCode::Char('y'));
    let WriteKind::Bulk(number, bulk) = &written(&effects).what else { panic!("{effects:?}") };
    assert!(number.is_cancellable(), "it is stopped as any change of many");
    let seen: Vec<_> = bulk.marks.keys().iter().map(|(key, now)| (key.to_text(), now.is_some())).collect();
    let expected = [("feature:dark_mode", true), ("new:key", true), ("session:old", false)];
    assert_eq!(seen, expected.map(|(key, there)| (key.to_string(), there)));
}

#[test]
fn read_only_restores_nothing() {
    let mut app = travelled(38);
    app.database.read_only = true;
    type_text(&mut app, "*R");
    assert!(app.focus.dialog().is_none() && status(&app).contains("looking only"), "{}", status(&app));
}

#[test]
fn what_others_change_is_read_again_but_not_at_once() {
    let mut app = travelled(38);
    let effects = answer(&mut app, Reply::Changed(CommitNotice::Anything));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::ReadPast(_))), "{effects:?}");
    let later = NOW.plus(Duration::from_secs(1));
    assert!(app.next_wakeup(NOW).unwrap() < later);
    let (_, asked) = visit(&pass(&mut app, later));
    assert_eq!(asked.goal, PastTarget::When(When::Revision(Revision(38))));
}

#[test]
fn what_is_pruned_is_said_and_the_oldest_is_shown() {
    let mut app = travelled(41);
    let (number, _) = visit(&press(&mut app, KeyCode::Home));
    let pruned = Some(StoreError::from(ErrorKind::Pruned { oldest: Revision(12), oldest_at: ago(9000) }));
    let span = HistorySpan {
        oldest: (Revision(12), ago(9000)),
        newest: (Revision(41), ago(3)),
        since: Revision(11),
    };
    let place = crate::tui::screens::past::state::PastPosition {
        moment: Moment { revision: Revision(11), at: ago(9000) },
        span,
        ..past(41)
    };
    let visited =
        PastPage { place: Some(place), from: LoadFrom::Start, rows: Some(rows_then()), is_end: true, pruned };
    answer(&mut app, Reply::PastPage(number, Box::new(Ok(visited))));
    assert!(status(&app).contains("revision 12"), "{}", status(&app));
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.past().is_none());
}

/// Presses a key together with the control key.
fn control(app: &mut App, letter: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    update(app, Message::Input(Event::Key(key)), NOW)
}

fn cursor(app: &App) -> String {
    app.screen.past().unwrap().selected().unwrap().key.to_text()
}

fn patched(app: &mut App, text: &str) {
    let mut document = crate::config::Document::parse(std::path::Path::new("keymap.toml"), text);
    app.settings.keymap.put(&mut document);
    assert_eq!(document.problems, []);
}

#[test]
fn a_users_own_keys_work_in_the_past() {
    let mut app = travelled(41);
    patched(&mut app, "[keys]\ndown = [\"x\"]\nearlier = [\"f5\"]\n");
    type_text(&mut app, "x");
    assert_eq!(cursor(&app), "feature:dark_mode");
    type_text(&mut app, "j");
    assert_eq!(cursor(&app), "feature:dark_mode", "its keys before are free");
    assert_eq!(press(&mut app, KeyCode::Char('[')), []);
    assert_eq!(visit(&press(&mut app, KeyCode::F(5))).1.goal, PastTarget::Steps(Revision(41), -1));
    // In the list those of the past mean something else.
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.past().is_none());
    assert_eq!(press(&mut app, KeyCode::F(5)), []);
}

#[test]
fn help_and_palette_lie_over_the_past_and_lead_back_to_it() {
    let mut app = travelled(38);
    for key in ['?', ':', 'M'] {
        press(&mut app, KeyCode::Char(key));
        assert!(app.focus.dialog().is_some(), "{key}");
        press(&mut app, KeyCode::Esc);
        assert!(app.focus.dialog().is_none() && app.screen.past().is_some(), "{key}");
    }
    type_text(&mut app, ":at 10m");
    let (_, asked) = visit(&press(&mut app, KeyCode::Enter));
    assert_eq!(asked.goal, PastTarget::When(When::Time(ago(600))));
    // What there is only now is not among the commands.
    type_text(&mut app, ":delete");
    press(&mut app, KeyCode::Enter);
    assert!(app.focus.dialog().is_none() && app.screen.past().is_some());
    type_text(&mut app, ":present");
    press(&mut app, KeyCode::Enter);
    assert!(app.screen.past().is_none());
}

#[test]
fn half_pages_the_first_row_and_the_last() {
    let mut app = travelled(38);
    control(&mut app, 'd');
    assert_eq!(cursor(&app), "session:old");
    control(&mut app, 'u');
    assert_eq!(cursor(&app), "config");
    type_text(&mut app, "G");
    assert_eq!(cursor(&app), "session:old");
    type_text(&mut app, "g");
    assert_eq!(cursor(&app), "config");
    // What is not in memory is read.
    app.screen.past_mut().unwrap().list.window.at_start = false;
    assert_eq!(visit(&press(&mut app, KeyCode::Char('g'))).1.load.from, LoadFrom::Start);
}

#[test]
fn the_past_is_filtered_as_one_types_and_the_list_is_not() {
    let mut app = travelled(38);
    press(&mut app, KeyCode::Char('/'));
    let (_, asked) = visit(&type_text(&mut app, "s"));
    assert!(matches!(asked.goal, PastTarget::Stay(moment) if moment.revision == Revision(38)), "{asked:?}");
    assert_eq!((asked.load.from, asked.load.filter), (LoadFrom::Start, Filter::parse("s").unwrap()));
    let effects = type_text(&mut app, " ttl:x");
    assert!(app.screen.past().unwrap().list.filter_line.mistake().is_some());
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
    press(&mut app, KeyCode::Enter);
    assert!(!app.focus.is_filter_line() && app.list.filter_line.text().is_empty());
    // Back leads out step by step.
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.screen.past().unwrap().list.filter_line.text(), "");
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.past().is_none());
}

#[test]
fn a_filter_that_is_typed_before_the_past_has_come_is_not_lost() {
    let mut app = at("version");
    visit(&press(&mut app, KeyCode::Char('p')));
    press(&mut app, KeyCode::Char('/'));
    let (_, asked) = visit(&type_text(&mut app, "x"));
    assert_eq!((asked.goal, asked.load.filter), (PastTarget::Newest, Filter::parse("x").unwrap()));
}

#[test]
fn what_was_is_copied_and_shown_on_the_whole_screen() {
    let mut app = travelled(38);
    type_text(&mut app, "j");
    assert_eq!(type_text(&mut app, "y"), [Effect::Copy(b"feature:dark_mode".to_vec())]);
    assert_eq!(type_text(&mut app, "Y"), [Effect::Copy(b"false".to_vec())]);
    let [Effect::LookBack(number, of, moment)] = &type_text(&mut app, "v")[..] else { panic!() };
    assert_eq!((of.to_text().as_str(), moment.revision), ("feature:dark_mode", Revision(38)));
    let whole = entry("feature:dark_mode", "{\"a\":{\"b\":1}}", Some(Type::Table));
    answer(&mut app, Reply::LookedBack(RequestId(number.0 - 1), Ok(None)));
    answer(&mut app, Reply::LookedBack(*number, Ok(Some(Box::new(Detail::of_entry(whole))))));
    // It is the viewer, with its tree, on what was.
    type_text(&mut app, "jj");
    assert_eq!(type_text(&mut app, "y"), [Effect::Copy(b".a.b".to_vec())]);
    assert_eq!(type_text(&mut app, "Y"), [Effect::Copy(b"{\"a\":{\"b\":1}}".to_vec())]);
    assert_eq!(type_text(&mut app, "R"), [], "nothing is restored from there");
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.value().is_none() && app.screen.past().is_some());
    // What was not there has no value.
    type_text(&mut app, "jv");
    assert!(app.screen.value().is_none() && status(&app).contains("not there"), "{}", status(&app));
    assert_eq!(type_text(&mut app, "Y"), []);
    assert_eq!(type_text(&mut app, "y"), [Effect::Copy(b"new:key".to_vec())]);
}

#[test]
fn the_mouse_leads_to_the_same_in_the_past() {
    let mut app = travelled(38);
    let areas = app.areas();
    let mouse = |app: &mut App, kind, (column, row)| {
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        update(app, Message::Input(Event::Mouse(event)), NOW)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    mouse(&mut app, MouseEventKind::ScrollDown, (3, areas.list.y));
    assert_eq!(cursor(&app), "session:old");
    mouse(&mut app, click, (3, areas.list.y + 1));
    assert_eq!(cursor(&app), "feature:dark_mode");
    let effects = mouse(&mut app, click, (3, areas.list.y + 1));
    assert!(matches!(effects[..], [Effect::LookBack(..)]), "{effects:?}");
    mouse(&mut app, MouseEventKind::ScrollDown, (3, 3));
    assert!(app.screen.value().is_some(), "the wheel scrolls in it");
    press(&mut app, KeyCode::Char('q'));
    let mut columns = areas.filter.x..areas.filter.right();
    let of_a_change = |column: &u16| crate::tui::screens::past::scrubber::change_at(&app, *column).is_some();
    let column = columns.find(of_a_change).unwrap();
    let (_, asked) = visit(&mouse(&mut app, click, (column, areas.filter.y)));
    assert!(matches!(asked.goal, PastTarget::When(When::Revision(_))), "{asked:?}");
}

#[test]
fn a_key_that_does_nothing_in_the_past_says_why() {
    let mut app = travelled(38);
    type_text(&mut app, "e");
    assert_eq!(status(&app), "edit: not in the past");
    app.database.read_only = true;
    type_text(&mut app, "R");
    assert_eq!(status(&app), "restore: this database is opened for looking only");
    assert!(app.focus.dialog().is_none());
}

fn marked(app: &App) -> usize {
    app.screen.past().unwrap().list.marks.keys().len()
}

#[test]
fn all_that_differs_is_marked_whatever_was_read_of_it() {
    let mut app = travelled(38);
    press(&mut app, KeyCode::Char('/'));
    let (number, _) = visit(&type_text(&mut app, "e"));
    press(&mut app, KeyCode::Enter);
    arrive(&mut app, number, 38);
    let (number, asked) = differing(&press(&mut app, KeyCode::Char('*')));
    let moment = app.screen.past().unwrap().place.as_ref().map(|place| place.moment);
    let filter = Filter::parse("e").unwrap();
    let expected = SelectRequest { view: View::Keys, filter, at: NOW, moment };
    assert_eq!(asked, expected);
    answer(&mut app, Reply::Bulk(number, Box::new(differ(true))));
    assert_eq!(marked(&app), 3);
    assert!(status(&app).contains("there are more"), "{}", status(&app));
    // Of those that are marked no row need be in memory for the question to count them.
    app.screen.past_mut().unwrap().list.window.clear();
    press(&mut app, KeyCode::Char('R'));
    let Some(Dialog::Confirm(confirm)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert_eq!(confirm.lines, ["Make 3 entries again what they were at revision 38?", "  and 3 more"]);
}

#[test]
fn looking_for_what_differs_is_given_up_with_escape_or_by_going_elsewhere() {
    let mut app = travelled(38);
    let (number, _) = differing(&press(&mut app, KeyCode::Char('*')));
    let words = "marking".to_string();
    let progress = || BulkReply::Progress(words.clone());
    answer(&mut app, Reply::Bulk(number, Box::new(progress())));
    assert_eq!(press(&mut app, KeyCode::Esc), [Effect::Stop(number)]);
    assert!(app.requests.progress.is_none() && app.screen.past().is_some());
    // What was on its way by then marks nothing, and leaves nothing that seems to be under way.
    answer(&mut app, Reply::Bulk(number, Box::new(progress())));
    answer(&mut app, Reply::Bulk(number, Box::new(differ(false))));
    assert!(app.requests.progress.is_none() && marked(&app) == 0);
    // What differs from another moment is of no use.
    let (marking, _) = differing(&press(&mut app, KeyCode::Char('*')));
    let (number, _) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(arrive(&mut app, number, 37), [Effect::Stop(marking)]);
    answer(&mut app, Reply::Bulk(marking, Box::new(differ(false))));
    assert_eq!(marked(&app), 0);
    let (marking, _) = differing(&press(&mut app, KeyCode::Char('*')));
    assert_eq!(press(&mut app, KeyCode::Char('p')), [Effect::Stop(marking)]);
    answer(&mut app, Reply::Bulk(marking, Box::new(differ(false))));
    assert!(app.screen.past().is_none() && app.list.marks.is_empty());
}

#[test]
fn what_differs_is_looked_for_where_a_step_that_is_on_its_way_leads_to() {
    let mut app = travelled(38);
    let (number, _) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(press(&mut app, KeyCode::Char('*')), []);
    let (_, asked) = differing(&arrive(&mut app, number, 37));
    assert_eq!(asked.moment.unwrap().revision, Revision(37));
    // Whoever goes on does not mean it any more.
    let (number, _) = visit(&press(&mut app, KeyCode::Left));
    type_text(&mut app, "*[");
    let (number, _) = visit(&arrive(&mut app, number, 36));
    let effects = arrive(&mut app, number, 35);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Bulk(..))), "{effects:?}");
}

#[test]
fn a_value_of_the_past_is_scrolled_with_the_keys_of_the_details_too() {
    let mut app = travelled(38);
    type_text(&mut app, "jv");
    let Some(then) = app.screen.value_mut().and_then(|viewer| viewer.then.as_mut()) else { panic!() };
    let long = "word\n".repeat(60);
    let entry = Entry { stored: long.clone().into(), size: long.len() as u64, ..entry("long", "", None) };
    then.detail = Detail::new(Row::Entry(entry), 0);
    type_text(&mut app, "JJK");
    assert_eq!(app.details.scroll, 1);
    // What comes for the list behind it does not move it.
    let (id, row) = (app.list.window.selected().unwrap().id(), app.list.window.selected().unwrap().clone());
    answer(&mut app, Reply::Detail(id.clone(), Some(Box::new(Detail::new(row.clone(), 0)))));
    answer(&mut app, Reply::Detail(id, Some(Box::new(Detail::new(row, 4096)))));
    assert_eq!(app.details.scroll, 1);
}

#[test]
fn a_past_that_takes_long_to_read_is_not_read_over_and_over() {
    let mut app = travelled(38);
    let news = || Message::Reply(Reply::Changed(CommitNotice::Anything));
    update(&mut app, news(), NOW);
    let seconds = |seconds| NOW.plus(Duration::from_secs(seconds));
    let (number, _) = visit(&pass(&mut app, seconds(1)));
    update(&mut app, news(), seconds(1));
    let visited = PastPage {
        place: Some(past(38)),
        from: LoadFrom::Start,
        rows: Some(rows_then()),
        is_end: true,
        pruned: None,
    };
    let read = Message::Reply(Reply::PastPage(number, Box::new(Ok(visited))));
    update(&mut app, read, seconds(2));
    let asks = |effects: Vec<Effect>| effects.iter().any(|effect| matches!(effect, Effect::ReadPast(_)));
    assert!(!asks(pass(&mut app, seconds(5))));
    assert_eq!(app.due(Timer::Rows), Some(seconds(6)));
    assert!(asks(pass(&mut app, seconds(6))));
}

#[test]
fn what_was_not_restored_because_of_a_failure_stays_marked() {
    let mut app = travelled(38);
    mark_different(&mut app, false);
    let count = marked(&app);
    type_text(&mut app, "R");
    let write = written(&press(&mut app, KeyCode::Char('y'))).clone();
    let error = StoreError::from(ErrorKind::Contended { key: key("version"), attempts: 3 });
    let ended = Some(bulk::BulkStop::Failed(error));
    let done = BulkResult { tally: BulkCounts::default(), revisions: vec![Revision(50)], ended };
    answer(&mut app, Reply::Written(write.clone(), Ok(WriteOutcome::Bulk(Box::new(done)))));
    assert!(count > 0 && marked(&app) == count);
    let done = BulkResult { tally: BulkCounts::default(), revisions: Vec::new(), ended: None };
    answer(&mut app, Reply::Written(write, Ok(WriteOutcome::Bulk(Box::new(done)))));
    assert_eq!(marked(&app), 0);
}

/// The rows of so many keys, each not the same now.
fn many(range: std::ops::Range<usize>) -> Vec<DiffRow> {
    range.map(|number| DiffRow { key: key(&format!("k{number:05}")), ..rows_then()[1].clone() }).collect()
}

fn answer_page(
    app: &mut App,
    number: RequestId,
    page: LoadFrom,
    rows: Vec<DiffRow>,
    is_end: bool,
) -> Vec<Effect> {
    let visited = PastPage { place: None, from: page, rows: Some(rows), is_end, pruned: None };
    answer(app, Reply::PastPage(number, Box::new(Ok(visited))))
}

#[test]
fn rows_that_differ_do_not_pile_up_while_one_goes_through_them() {
    let mut app = travelled(38);
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('d')));
    answer_page(&mut app, number, asked.load.from, many(0..PAGE), false);
    let mut read = PAGE;
    for _ in 0..20 {
        let (number, asked) = visit(&press(&mut app, KeyCode::Char('G')));
        assert_eq!(asked.load.from, LoadFrom::After(by_key(key(&format!("k{:05}", read - 1)))));
        answer_page(&mut app, number, asked.load.from, many(read..read + PAGE), false);
        read += PAGE;
        assert!(app.screen.past().unwrap().list.window.rows().len() <= CAPACITY + PAGE);
    }
    // A step reads no more than is there, from the first row that is.
    let first = app.screen.past().unwrap().rows().next().unwrap().key.clone();
    let (_, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!((asked.load.from, asked.only_different), (LoadFrom::At(by_key(first)), true));
    assert!(asked.load.limit <= CAPACITY + PAGE);
}

#[test]
fn rows_that_differ_are_read_again_on_the_way_back() {
    let mut app = travelled(38);
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('d')));
    answer_page(&mut app, number, asked.load.from, many(0..PAGE), false);
    app.screen.past_mut().unwrap().list.window.at_start = false;
    let (number, asked) = visit(&press(&mut app, KeyCode::Up));
    assert_eq!(asked.load.from, LoadFrom::Before(by_key(key("k00000"))));
    answer_page(&mut app, number, asked.load.from, Vec::new(), true);
    assert!(app.screen.past().unwrap().list.window.at_start);
}

#[test]
fn the_past_is_sorted_by_the_same_keys_and_says_so() {
    let mut app = travelled(38);
    type_text(&mut app, "j");
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('s')));
    let changed = SortBy::Changed.usual();
    assert_eq!((asked.load.sort, asked.load.from), (Some(changed), LoadFrom::Start));
    let mut rows = rows_then();
    rows.reverse();
    answer_page(&mut app, number, LoadFrom::Start, rows, true);
    assert_eq!(cursor(&app), "feature:dark_mode", "the cursor stays on its entry");
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('S')));
    assert_eq!(asked.load.sort, Some(Sort { descending: false, ..changed }));
    answer_page(&mut app, number, LoadFrom::Start, rows_then(), true);
    let (_, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(asked.load.sort, Some(Sort { descending: false, ..changed }), "a step leaves it sorted");
    type_text(&mut app, ":sort size");
    assert_eq!(visit(&press(&mut app, KeyCode::Enter)).1.load.sort, Some(SortBy::Size.usual()));
    // The list of the present is not touched by it.
    assert!(app.list.sorts.is_empty());
}

#[test]
fn the_past_begins_sorted_as_the_list_is() {
    let mut app = at("config");
    type_text(&mut app, ":sort size");
    press(&mut app, KeyCode::Enter);
    assert_eq!(visit(&press(&mut app, KeyCode::Char('p'))).1.load.sort, Some(SortBy::Size.usual()));
    let mut app = sample(View::Expiring, SIZE);
    assert_eq!(visit(&press(&mut app, KeyCode::Char('p'))).1.load.sort, Some(SortBy::Left.usual()));
}

#[test]
fn a_past_with_too_many_rows_to_be_sorted_is_in_the_order_of_its_keys() {
    let mut app = travelled(38);
    type_text(&mut app, "jj");
    let under = cursor(&app);
    let (number, _) = visit(&press(&mut app, KeyCode::Char('s')));
    let visited = PastPage { place: None, from: LoadFrom::Start, rows: None, is_end: false, pruned: None };
    let (number, asked) = visit(&answer(&mut app, Reply::PastPage(number, Box::new(Ok(visited)))));
    assert_eq!((asked.load.sort, &asked.load.from), (None, &LoadFrom::At(by_key(key(&under)))));
    assert!(status(&app).contains("more than 20,000 rows are not sorted"), "{}", status(&app));
    let rows: Vec<_> = rows_then().into_iter().filter(|row| row.key.to_text() >= under).collect();
    answer_page(&mut app, number, asked.load.from, rows, true);
    assert_eq!(cursor(&app), under);
    // A filter may make them few enough.
    press(&mut app, KeyCode::Esc);
    let mut app = sample(View::Expiring, SIZE);
    let (number, _) = visit(&press(&mut app, KeyCode::Char('p')));
    let visited =
        PastPage { place: Some(past(38)), from: LoadFrom::Start, rows: None, is_end: false, pruned: None };
    let (_, asked) = visit(&answer(&mut app, Reply::PastPage(number, Box::new(Ok(visited)))));
    assert_eq!(asked.load.sort, None);
    press(&mut app, KeyCode::Char('/'));
    assert_eq!(visit(&type_text(&mut app, "a")).1.load.sort, Some(SortBy::Left.usual()));
}

#[test]
fn more_rows_do_not_make_what_is_shown_of_the_present_new() {
    let mut app = travelled(41);
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    let past_view = app.screen.past_mut().unwrap();
    past_view.list.window.at_end = false;
    let (number, asked) = visit(&press(&mut app, KeyCode::Char('j')));
    assert!(matches!((asked.goal, &asked.load.from), (PastTarget::Stay(_), LoadFrom::After(_))), "{asked:?}");
    let more =
        PastPage { place: None, from: asked.load.from, rows: Some(Vec::new()), is_end: true, pruned: None };
    answer(&mut app, Reply::PastPage(number, Box::new(Ok(more))));
    // Until it is read again, the screen tells how old it is.
    let later = |millis| NOW.plus(Duration::from_millis(millis));
    assert_eq!(app.screen.past().unwrap().age(later(1_200)), Some(Duration::from_millis(1_200)));
    let (number, asked) = visit(&pass(&mut app, later(1_200)));
    assert_eq!(asked.goal, PastTarget::Newest);
    update(&mut app, Message::Reply(Reply::Changed(CommitNotice::Anything)), later(1_300));
    assert_eq!(app.screen.past().unwrap().age(later(2_000)), Some(Duration::from_millis(2_000)));
    arrive(&mut app, number, 41);
    // What came while it was read may not be in it.
    assert_eq!(app.screen.past().unwrap().age(later(2_300)), Some(Duration::from_millis(1_000)));
    assert_eq!(app.screen.past().unwrap().age(later(2_299)), None);
}

#[test]
fn what_expires_in_the_present_is_read_again_without_a_commit() {
    let mut app = at("config");
    let (number, _) = visit(&press(&mut app, KeyCode::Char('p')));
    let soon = NOW.plus(Duration::from_secs(5));
    let mut rows = rows_then();
    rows[0].now.as_mut().unwrap().expires_at = Some(soon);
    let visited = PastPage {
        place: Some(past(41)),
        from: LoadFrom::Start,
        rows: Some(rows),
        is_end: true,
        pruned: None,
    };
    answer(&mut app, Reply::PastPage(number, Box::new(Ok(visited))));
    let asks = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::ReadPast(_)));
    assert!(!asks(&pass(&mut app, Millis(soon.0 - 1))));
    assert!(asks(&pass(&mut app, soon)));
}

#[test]
fn a_past_that_cannot_be_read_again_because_it_is_locked_stays_and_is_as_old_as_it_is() {
    let mut app = travelled(38);
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    let later = NOW.plus(Duration::from_secs(1));
    let (number, _) = visit(&pass(&mut app, later));
    let busy =
        ErrorKind::Busy { waited: Duration::from_secs(10), is_write: false }.at(std::path::Path::new("s.db"));
    update(&mut app, Message::Reply(Reply::PastPage(number, Box::new(Err(busy)))), later);
    assert_eq!(status(&app), "");
    assert_eq!(app.screen.past().unwrap().age(later), Some(Duration::from_secs(1)));
    visit(&pass(&mut app, later.plus(Duration::from_secs(1))));
}

//! Update as a plain function: state and message in, state and effects out.

pub mod anything;
pub mod confirm;
pub mod copy;
pub mod covered;
pub mod form;
pub mod live;
pub mod marks;
pub mod outside;
pub mod palette;
pub mod past;
pub mod row_changes;
pub mod switch;
pub mod timers;
pub mod viewer;

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::store::{
    Change, ClearOutcome, Condition, Edit, Entry, ErrorKind, Expiry, Liveness, Number, Operation, Revision,
    StoreError, Transaction, Type, TypedInput, UndoOutcome, Value,
};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::form::state::{Field, FieldError, Form};
use crate::tui::effect::{CommitNotice, DatabaseInfo, Effect, Figure, Reply};
use crate::tui::list::{Group, LoadFrom, Position, Row, RowId};
use crate::tui::message::Message;
use crate::tui::testing::fixtures;
use crate::tui::testing::fixtures::{
    NOW, ago, answer_rows, answer_rows_at, arrival, changes, edited, empty, entries, entry, key, lock, on,
    press, refusal, rows, sample, type_text, with,
};
use crate::tui::timing::FLASH;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::update::{pass, update};
use crate::tui::view::View;
use crate::tui::write::{UndoSource, Write, WriteKind, WriteOutcome};

const SIZE: (u16, u16) = (80, 24);

fn answer(app: &mut App, answer: Reply) -> Vec<Effect> {
    update(app, Message::Reply(answer), NOW)
}

/// The sample, with the cursor on an entry.
fn at(name: &str) -> App {
    let mut app = with(rows(entries()), SIZE);
    on(&mut app, name);
    app
}

fn selected(app: &App) -> String {
    match app.list.window.selected() {
        Some(Row::Entry(entry)) => entry.key.to_text(),
        Some(Row::Lock(row)) => row.lock.name.clone(),
        Some(Row::Change(change)) => change.revision.to_string(),
        Some(Row::Group(group)) => group.prefix.to_text(),
        Some(Row::Run(row)) => row.run.number.to_string(),
        Some(Row::Diff(row)) => row.key.to_text(),
        None => "nothing".into(),
    }
}

fn written(effects: &[Effect]) -> &Write {
    match effects {
        [Effect::Write(write)] => write,
        other => panic!("not one write: {other:?}"),
    }
}

/// The transaction of a write, which must be guarded by the entry that was seen.
fn guarded(effects: &[Effect]) -> &Transaction {
    match &written(effects).what {
        WriteKind::Guarded { transaction, seen: Some(seen), .. } => {
            assert_eq!(transaction.conditions, [Condition::Unchanged(seen.clone())]);
            transaction
        }
        other => panic!("not guarded: {other:?}"),
    }
}

fn put(name: &str, value: Value) -> Vec<Operation> {
    vec![Operation::Put { key: key(name), value, expiry: Expiry::Keep }]
}

/// The form that is open.
fn form(app: &App) -> &Form {
    match app.focus.dialog() {
        Some(Dialog::Form(form)) => form,
        other => panic!("no form: {other:?}"),
    }
}

/// What is typed into a row of the form.
fn typed(app: &App, field: Field) -> &str {
    form(app).input(field).expect("something to be typed").value()
}

/// What is wrong in a row of the form; empty if nothing is.
fn wrong(app: &App, field: Field) -> &str {
    match form(app).remark(field) {
        Some(FieldError::Wrong(problem)) => problem,
        _ => "",
    }
}

fn status(app: &App) -> String {
    app.status.as_ref().map_or_else(String::new, |status| status.text.clone())
}

#[test]
fn a_toggle_keeps_type_and_spelling_and_expects_what_was_seen() {
    let mut app = at("feature:dark_mode");
    let effects = press(&mut app, KeyCode::Char(' '));
    assert_eq!(guarded(&effects).operations, put("feature:dark_mode", Value::text("false")));
    let mut app = at("feature:new_checkout");
    let effects = press(&mut app, KeyCode::Char('t'));
    assert_eq!(guarded(&effects).operations, put("feature:new_checkout", Value::Boolean(true)));
    let mut app = at("version");
    assert_eq!(press(&mut app, KeyCode::Char(' ')), []);
    assert_eq!(status(&app), "toggle: not on this row");
}

#[test]
fn an_edit_keeps_the_type_and_refuses_what_is_none() {
    let mut app = at("deploys:total");
    press(&mut app, KeyCode::Enter);
    type_text(&mut app, "x");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert!(wrong(&app, Field::Value).contains("number"), "{:?}", app.focus.dialog());
    press(&mut app, KeyCode::Backspace);
    type_text(&mut app, "5");
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!(guarded(&effects).operations, put("deploys:total", Value::integer(12_075)));
    assert!(app.focus.dialog().is_none());
}

#[test]
fn a_table_is_edited_outside() {
    let mut app = at("config");
    let effects = press(&mut app, KeyCode::Char('e'));
    let [Effect::EditOutside(seen, None)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(seen.key, key("config"));
    let seen = seen.clone();
    let back = edited(seen.clone(), "{\"replicas\":4}");
    let effects = answer(&mut app, back);
    let table = Value::table(serde_json::json!({"replicas": 4}));
    assert_eq!(guarded(&effects).operations, put("config", table));

    assert_eq!(answer(&mut app, Reply::EditedOutside(seen.clone(), Ok(None))), []);
    assert_eq!(status(&app), "config was left as it is");
    assert_eq!(answer(&mut app, Reply::EditedOutside(seen.clone(), Err("vi failed".into()))), []);
    assert_eq!(status(&app), "vi failed");
    // What is no table is not lost.
    assert_eq!(answer(&mut app, edited(seen, "{")), []);
    let effects = press(&mut app, KeyCode::Char('e'));
    assert!(matches!(&effects[..], [Effect::EditOutside(_, Some(text))] if text == b"{"), "{effects:?}");
}

#[test]
fn an_expiry_is_set_extended_and_removed() {
    let ttl = |name: &str, text: &str| {
        let mut app = at(name);
        press(&mut app, KeyCode::Char('T'));
        type_text(&mut app, text);
        (press(&mut app, KeyCode::Enter), app)
    };
    let expiry = |name: &str, expiry| vec![Operation::SetExpiry { key: key(name), expiry }];
    let (set, _) = ttl("version", "1h30m");
    assert_eq!(guarded(&set).operations, expiry("version", Expiry::After(Duration::from_secs(5400))));
    let (extended, _) = ttl("cache:report", "+10m");
    assert_eq!(guarded(&extended).operations, expiry("cache:report", Expiry::At(ago(-4_600))));
    let (removed, _) = ttl("session:ann", "never");
    assert_eq!(guarded(&removed).operations, expiry("session:ann", Expiry::Clear));
    for (name, text) in [("version", "+5m"), ("version", "soon"), ("version", "0")] {
        let (none, app) = ttl(name, text);
        assert_eq!(none, [], "{text}");
        assert!(!wrong(&app, Field::Expiry).is_empty(), "{text}");
    }
}

#[test]
fn a_confirmation_is_not_given_by_the_key_that_asked() {
    for (name, asks) in [("version", 'd'), ("deploys:total", '0'), ("deploy_lock", 'x')] {
        let mut app = at(name);
        assert_eq!(press(&mut app, KeyCode::Char(asks)), []);
        for code in [KeyCode::Char(asks), KeyCode::Enter, KeyCode::Char(' ')] {
            assert_eq!(press(&mut app, code), [], "{asks}");
            assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), "{asks}");
        }
        for modifiers in [KeyModifiers::ALT, KeyModifiers::CONTROL] {
            let chord = KeyEvent::new(KeyCode::Char('y'), modifiers);
            assert_eq!(update(&mut app, Message::Input(Event::Key(chord)), NOW), []);
            assert!(app.focus.dialog().is_some());
        }
        guarded(&press(&mut app, KeyCode::Char('y')));
        assert!(app.focus.dialog().is_none());
        press(&mut app, KeyCode::Char(asks));
        assert_eq!(press(&mut app, KeyCode::Char('n')), []);
        assert!(app.focus.dialog().is_none());
    }
}

#[test]
fn counters_go_up_and_down_by_one() {
    for (code, step) in [('+', 1), ('=', 1), ('-', -1)] {
        let mut app = at("deploys:total");
        let effects = press(&mut app, KeyCode::Char(code));
        let edit = WriteKind::Edit(key("deploys:total"), Edit::Increment(Number::Integer(step)));
        assert_eq!(written(&effects).what, edit);
    }
}

#[test]
fn a_new_entry_must_not_be_there_yet() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('a'));
    type_text(&mut app, "new");
    press(&mut app, KeyCode::Tab);
    type_text(&mut app, "7");
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Tab);
    type_text(&mut app, "90s");
    let effects = press(&mut app, KeyCode::Enter);
    let WriteKind::Guarded { transaction, seen: None, .. } = &written(&effects).what else {
        panic!("{effects:?}")
    };
    assert_eq!(transaction.conditions, [Condition::Absent(key("new"))]);
    let expiry = Expiry::After(Duration::from_secs(90));
    assert_eq!(
        transaction.operations,
        [Operation::Put { key: key("new"), value: Value::integer(7), expiry }]
    );

    press(&mut app, KeyCode::Char('a'));
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert!(!wrong(&app, Field::Key).is_empty());
}

#[test]
fn a_lock_is_cleared_only_as_it_was_seen_and_the_question_says_whose_it_is() {
    let words = |liveness| {
        let row = lock("deploy", "ann@web1:4242", liveness);
        let mut app = empty(SIZE);
        app.list.view = View::Locks;
        answer_rows(&mut app, vec![Row::Lock(row.clone())]);
        press(&mut app, KeyCode::Char('x'));
        let Some(Dialog::Confirm(confirm)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
        let words = confirm.lines.join(" ");
        let effects = press(&mut app, KeyCode::Char('y'));
        assert_eq!(written(&effects).what, WriteKind::ClearLock(Box::new(row.lock)));
        words
    };
    assert!(words(Liveness::Alive).contains("THE HOLDER IS ALIVE"));
    assert!(words(Liveness::Dead).contains("dead"));
    assert!(words(Liveness::Elsewhere).contains("another host"));
    assert!(words(Liveness::Unknown).contains("another program"));

    let mut app = empty(SIZE);
    let seen = lock("deploy", "ann", Liveness::Dead).lock;
    let write = Write { what: WriteKind::ClearLock(Box::new(seen.clone())), done: "cleared".into() };
    let newer = Box::new(lock("deploy", "bob", Liveness::Alive).lock);
    answer(
        &mut app,
        Reply::Written(write.clone(), Ok(WriteOutcome::ClearOutcome(ClearOutcome::Changed(newer)))),
    );
    assert!(status(&app).contains("not cleared: bob"), "{}", status(&app));
    answer(&mut app, Reply::Written(write, Ok(WriteOutcome::ClearOutcome(ClearOutcome::AlreadyGone))));
    assert!(status(&app).contains("released"));
}

/// An edit that was refused because the entry was changed in between.
fn refused(app: &mut App) -> Entry {
    press(app, KeyCode::Enter);
    type_text(app, "-mine");
    let effects = press(app, KeyCode::Enter);
    let write = written(&effects).clone();
    let theirs = Entry { revision: Revision(99), ..entry("version", "theirs", Some(Type::String)) };
    assert_eq!(answer(app, refusal(write, Some(theirs.clone()))), []);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Conflict(_))), "{:?}", app.focus.dialog());
    theirs
}

#[test]
fn a_conflict_has_three_ways_out() {
    let mut app = at("version");
    let theirs = refused(&mut app);
    let effects = press(&mut app, KeyCode::Char('o'));
    let transaction = guarded(&effects);
    assert_eq!(transaction.conditions, [Condition::Unchanged(Box::new(theirs.clone()))]);
    assert_eq!(transaction.operations, put("version", Value::text("v1.14.2-mine")));

    let mut app = at("version");
    refused(&mut app);
    assert_eq!(press(&mut app, KeyCode::Char('e')), []);
    assert_eq!((typed(&app, Field::Value), form(&app).entry.as_ref()), ("v1.14.2-mine", Some(&theirs)));

    let mut app = at("version");
    refused(&mut app);
    for harmless in [KeyCode::Enter, KeyCode::Char('y'), KeyCode::Char(' ')] {
        assert_eq!(press(&mut app, harmless), []);
        assert!(app.focus.dialog().is_some());
    }
    assert_eq!(press(&mut app, KeyCode::Esc), []);
    assert!(app.focus.dialog().is_none());
}

#[test]
fn a_conflict_never_comes_between_the_user_and_what_is_being_typed() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char(' '));
    let write = written(&press(&mut at("feature:dark_mode"), KeyCode::Char(' '))).clone();
    let refusal = || refusal(write.clone(), None);
    // The next letter that is typed would be taken for an answer.
    press(&mut app, KeyCode::Char('/'));
    answer(&mut app, refusal());
    assert!(app.focus.dialog().is_none());
    type_text(&mut app, "o");
    assert_eq!(app.list.filter_line.text(), "o");
    press(&mut app, KeyCode::Enter);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Conflict(_))), "{:?}", app.focus.dialog());
    press(&mut app, KeyCode::Esc);

    press(&mut app, KeyCode::Char('a'));
    type_text(&mut app, "half a ke");
    answer(&mut app, refusal());
    type_text(&mut app, "y");
    assert_eq!(typed(&app, Field::Key), "half a key");
    press(&mut app, KeyCode::Esc);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Conflict(_))), "it was lost");
}

#[test]
fn what_was_typed_is_offered_again_when_a_write_fails() {
    let mut app = at("version");
    press(&mut app, KeyCode::Enter);
    type_text(&mut app, "-mine\t\t1h");
    let write = written(&press(&mut app, KeyCode::Enter)).clone();
    let error = || StoreError::from(ErrorKind::Contended { key: key("version"), attempts: 3 });
    answer(&mut app, Reply::Written(write, Err(error())));
    assert!(app.requests.writing.is_empty());
    assert!(matches!(app.focus.dialog(), Some(Dialog::Invalid(_))), "{:?}", app.focus.dialog());
    press(&mut app, KeyCode::Char('e'));
    assert_eq!((typed(&app, Field::Value), typed(&app, Field::Expiry)), ("v1.14.2-mine", "1h"));
    press(&mut app, KeyCode::Esc);
    // What was to be added as well.
    press(&mut app, KeyCode::Char('a'));
    type_text(&mut app, "new\t7");
    let write = written(&press(&mut app, KeyCode::Enter)).clone();
    answer(&mut app, Reply::Written(write, Err(error())));
    press(&mut app, KeyCode::Char('e'));
    assert_eq!((typed(&app, Field::Key), typed(&app, Field::Value)), ("new", "7"));
}

#[test]
fn leaving_waits_for_what_is_being_written() {
    let saved = |app: &mut App, write: &Write, ok| {
        let written = if ok {
            Ok(WriteOutcome::Edited(None))
        } else {
            Err(ErrorKind::Contended { key: key("deploys:total"), attempts: 3 }.into())
        };
        answer(app, Reply::Written(write.clone(), written))
    };
    let asked = || {
        let mut app = at("deploys:total");
        let write = written(&press(&mut app, KeyCode::Char('+'))).clone();
        assert_eq!(press(&mut app, KeyCode::Char('q')), []);
        (app, write)
    };
    let (mut app, write) = asked();
    assert_eq!(saved(&mut app, &write, true), [Effect::Quit]);
    let (mut app, _) = asked();
    assert_eq!(press(&mut app, KeyCode::Char('q')), [Effect::Quit], "whoever insists leaves");
    let (mut app, write) = asked();
    press(&mut app, KeyCode::Char('j'));
    assert_eq!(saved(&mut app, &write, true), [], "whoever goes on stays");
    let (mut app, write) = asked();
    assert_eq!(saved(&mut app, &write, false), [], "what went wrong is to be seen");
    assert_eq!(press(&mut app, KeyCode::Char('q')), [Effect::Quit]);
}

#[test]
fn the_cursor_goes_to_an_entry_that_was_added() {
    for early in [true, false] {
        let mut app = at("config");
        press(&mut app, KeyCode::Char('a'));
        type_text(&mut app, "new");
        let write = written(&press(&mut app, KeyCode::Enter)).clone();
        let done = Reply::Written(write, Ok(WriteOutcome::Committed { revision: Revision(50), changed: 1 }));
        let generation = app.list.reading.generation;
        let news = Reply::Entries(generation, vec![(key("new"), Some(entry("new", "", None)))]);
        let answers = if early { [news, done] } else { [done, news] };
        answers.into_iter().for_each(|each| {
            answer(&mut app, each);
        });
        assert_eq!(selected(&app), "new", "{early}");
    }
}

#[test]
fn read_only_refuses_every_key_that_writes_and_says_so() {
    for name in ["feature:dark_mode", "deploys:total", "deploy_lock", "version"] {
        let mut app = at(name);
        app.database.read_only = true;
        for code in [' ', 't', 'e', 'E', 'a', '+', '=', '-', '0', 'T', 'd', 'x'] {
            app.status = None;
            assert_eq!(press(&mut app, KeyCode::Char(code)), [], "{code}");
            assert!(app.focus.dialog().is_none(), "{code}");
            assert!(status(&app).contains("looking only"), "{code}: {}", status(&app));
        }
        for code in [KeyCode::Enter, KeyCode::Delete] {
            assert_eq!(press(&mut app, code), []);
            assert!(app.focus.dialog().is_none());
        }
        // Where the user did not ask for it, it is said why.
        app.database.unwritable = Some("its permissions do not allow it".into());
        press(&mut app, KeyCode::Char('d'));
        assert_eq!(status(&app), "delete: its permissions do not allow it");
    }
}

#[test]
fn the_filter_works_as_it_is_typed_and_mistakes_are_explained() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('/'));
    let effects = type_text(&mut app, "f");
    assert!(matches!(&effects[..], [Effect::Load(load)] if load.from == LoadFrom::Start), "{effects:?}");
    type_text(&mut app, " kind:fla");
    assert!(
        app.list.filter_line.mistake().unwrap().text.contains("none of flag"),
        "{:?}",
        app.list.filter_line
    );
    type_text(&mut app, "g");
    assert_eq!(app.list.filter_line.mistake(), None);
    press(&mut app, KeyCode::Enter);
    assert!(!app.focus.is_filter_line());
    let effects = press(&mut app, KeyCode::Esc);
    assert!(matches!(&effects[..], [Effect::Load(load)] if load.filter.is_empty()), "{effects:?}");
}

#[test]
fn answers_about_an_earlier_list_are_dropped() {
    let mut app = at("version");
    let earlier = app.list.reading.generation;
    press(&mut app, KeyCode::Char('2'));
    assert!(app.list.window.rows().is_empty());
    let late = Reply::Rows {
        generation: earlier,
        from: LoadFrom::Start,
        rows: rows(entries()),
        exhausted: true,
        complete: true,
        first: true,
        scanned: 0,
    };
    answer(&mut app, late);
    answer(&mut app, Reply::Entries(earlier, vec![(key("late"), Some(entry("late", "1", None)))]));
    assert!(app.list.window.rows().is_empty());
    assert!(app.list.reading.from.is_some(), "the newer list is still awaited");
}

#[test]
fn the_cursor_stays_on_its_row_when_rows_come_and_go() {
    let mut app = at("feature:dark_mode");
    let generation = app.list.reading.generation;
    let news = vec![
        (key("a"), Some(entry("a", "1", None))),
        (key("b"), Some(entry("b", "1", None))),
        (key("config"), None),
    ];
    answer(&mut app, Reply::Entries(generation, news));
    assert_eq!(selected(&app), "feature:dark_mode");
    // A reading of everything anew.
    let effects = answer(&mut app, Reply::Changed(CommitNotice::Anything));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
    answer_rows(&mut app, rows(entries()));
    assert_eq!(selected(&app), "feature:dark_mode");
}

#[test]
fn a_reading_anew_that_comes_in_pieces_does_not_move_the_cursor() {
    let mut app = at("version");
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    let mut all = rows(entries());
    let rest = all.split_off(3);
    let piece = |app: &App, rows, first, complete| Reply::Rows {
        generation: app.list.reading.generation,
        from: app.list.reading.from.clone().unwrap(),
        rows,
        exhausted: complete,
        complete,
        first,
        scanned: 3,
    };
    let first = piece(&app, all, true, false);
    answer(&mut app, first);
    assert_eq!(selected(&app), "version");
    let last = piece(&app, rest, false, true);
    answer(&mut app, last);
    assert_eq!(selected(&app), "version");
    assert_eq!(app.list.window.rows().len(), entries().len());
}

#[test]
fn top_and_bottom_are_the_ends_of_the_whole_list() {
    let page = |from: usize| {
        rows((from..from + 200).map(|number| entry(&format!("k{number:05}"), "1", None)).collect())
    };
    let mut app = empty(SIZE);
    crate::tui::update::begin(&mut app, arrival("/var/lib/state.db"), NOW);
    let answered = |app: &mut App, rows, from: LoadFrom, exhausted| {
        let generation = app.list.reading.generation;
        let complete = true;
        answer(app, Reply::Rows { generation, from, rows, exhausted, complete, first: true, scanned: 0 })
    };
    answered(&mut app, page(0), LoadFrom::Start, false);
    let effects = press(&mut app, KeyCode::Char('G'));
    assert!(matches!(&effects[..], [Effect::Load(load)] if load.from == LoadFrom::End));
    answered(&mut app, page(5000), LoadFrom::End, false);
    assert_eq!(selected(&app), "k05199");
    let effects = press(&mut app, KeyCode::Char('g'));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Load(load) if load.from == LoadFrom::Start))
    );
    answered(&mut app, page(0), LoadFrom::Start, false);
    assert_eq!(selected(&app), "k00000");
}

#[test]
fn a_changed_row_flashes_for_a_while() {
    let mut app = at("version");
    let changed = Entry { revision: Revision(42), ..entry("version", "v2", Some(Type::String)) };
    let generation = app.list.reading.generation;
    answer(&mut app, Reply::Entries(generation, vec![(key("version"), Some(changed.clone()))]));
    assert!(app.list.flashes.contains_key(&RowId::Entry(key("version"))));
    assert!(app.next_wakeup(NOW).unwrap() <= NOW.plus(FLASH));
    pass(&mut app, NOW.plus(FLASH));
    assert!(app.list.flashes.is_empty());
    answer(&mut app, Reply::Entries(generation, vec![(key("version"), Some(changed))]));
    assert!(app.list.flashes.is_empty(), "nothing changed");
}

#[test]
fn rows_flash_that_came_with_a_reading_anew_and_not_those_that_a_filter_hid() {
    let mut app = with(rows(entries().split_off(1)), SIZE);
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    answer_rows(&mut app, rows(entries()));
    assert_eq!(app.list.flashes.keys().collect::<Vec<_>>(), [&RowId::Entry(key("cache:report"))]);
    pass(&mut app, NOW.plus(FLASH));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "version");
    answer_rows(&mut app, rows(entries().split_off(9)));
    press(&mut app, KeyCode::Esc);
    answer_rows(&mut app, rows(entries()));
    assert!(app.list.flashes.is_empty(), "{:?}", app.list.flashes);
}

#[test]
fn an_entry_that_expires_leaves_the_list_at_its_moment() {
    let mut app = at("session:ann");
    let over = ago(-7);
    assert!(app.next_wakeup(Millis(over.0 - 300)).unwrap() <= over);
    pass(&mut app, Millis(over.0 - 1));
    assert_eq!(selected(&app), "session:ann");
    let effects = pass(&mut app, over);
    assert_eq!(selected(&app), "version");
    assert!(effects.contains(&Effect::Detail(RowId::Entry(key("version")), 0)), "{effects:?}");
    assert!(effects.contains(&Effect::Figure(Figure::Count)), "{effects:?}");
}

#[test]
fn a_holder_that_dies_is_noticed_without_a_commit() {
    let mut app = sample(View::Locks, SIZE);
    assert_eq!(pass(&mut app, NOW), []);
    let soon = NOW.plus(Duration::from_secs(3));
    assert!(app.next_wakeup(NOW).unwrap() <= soon);
    let effects = pass(&mut app, soon);
    assert!(matches!(&effects[..], [Effect::Load(_)]), "{effects:?}");
}

#[test]
fn nothing_is_drawn_when_nothing_moves() {
    let still = Entry { modified_at: None, ..entry("k", "v", None) };
    let mut app = with(rows(vec![still]), SIZE);
    assert_eq!(app.next_wakeup(NOW), None);
    app.show_done("done", NOW);
    let until = app.next_wakeup(NOW).unwrap();
    pass(&mut app, until);
    assert_eq!((app.next_wakeup(until), status(&app)), (None, String::new()));
    // While the rows are read again, there is nothing to be done but to wait for them, and to say
    // so if that takes long.
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    answer(&mut app, Reply::Changed(CommitNotice::Anything));
    assert_eq!(app.next_wakeup(NOW), Some(NOW.plus(Duration::from_millis(700))));
}

#[test]
fn a_database_that_cannot_be_read_is_not_asked_over_and_over() {
    let mut app = with(rows(entries()), SIZE);
    app.list.window.at_end = false;
    for _ in 0..3 {
        let effects = answer(&mut app, Reply::Failed("disk I/O error".into()));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
    }
    assert_eq!(status(&app), "disk I/O error");
    let later = app.next_wakeup(NOW).unwrap();
    assert!(later > NOW);
    let effects = pass(&mut app, NOW.plus(Duration::from_secs(2)));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
}

#[test]
fn the_palette_finds_commands_and_calls_them() {
    let mut app = at("feature:dark_mode");
    press(&mut app, KeyCode::Char(':'));
    type_text(&mut app, "togg");
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!(guarded(&effects).operations, put("feature:dark_mode", Value::text("false")));
    press(&mut app, KeyCode::Char(':'));
    type_text(&mut app, "zzzz");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    press(&mut app, KeyCode::Char(':'));
    type_text(&mut app, "counters");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.list.view, View::Counters);
}

#[test]
fn pasted_text_is_never_taken_for_commands() {
    let paste = |app: &mut App| update(app, Message::Input(Event::Paste("dy\r\nq \x1b[A".into())), NOW);
    let mut app = at("version");
    assert_eq!(paste(&mut app), []);
    press(&mut app, KeyCode::Char('d'));
    assert_eq!(paste(&mut app), []);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))));
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('/'));
    paste(&mut app);
    assert_eq!(app.list.filter_line.text(), "dyq [A");
}

#[test]
fn the_mouse_chooses_tabs_rows_and_the_filter() {
    let mouse = |app: &mut App, kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        update(app, Message::Input(Event::Mouse(MouseEvent { kind, column, row, modifiers })), NOW)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    let mut app = with(rows(entries()), SIZE);
    let first = app.areas().list.y;
    mouse(&mut app, click, 5, first + 2);
    assert_eq!(selected(&app), "deploy_lock");
    mouse(&mut app, click, 5, 200);
    assert_eq!(selected(&app), "deploy_lock");
    mouse(&mut app, MouseEventKind::ScrollDown, 5, first);
    mouse(&mut app, click, 10, 1);
    assert!(app.focus.is_filter_line());
    mouse(&mut app, click, 10, 0);
    assert_eq!(app.list.view, View::Flags);
}

#[test]
fn a_key_that_is_let_go_is_not_pressed_twice() {
    let mut app = at("feature:dark_mode");
    let mut key = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
    key.kind = crossterm::event::KeyEventKind::Release;
    assert_eq!(update(&mut app, Message::Input(Event::Key(key)), NOW), []);
}

#[test]
fn what_scrolls_does_not_run_on_beyond_its_end() {
    let mut app = at("config");
    for _ in 0..100 {
        press(&mut app, KeyCode::Char('J'));
    }
    let end = app.details.scroll;
    assert!(end < 50, "{end}");
    press(&mut app, KeyCode::Char('K'));
    assert_eq!(app.details.scroll, end.saturating_sub(1));
    press(&mut app, KeyCode::Char('?'));
    for _ in 0..200 {
        press(&mut app, KeyCode::Char('j'));
    }
    assert!(matches!(app.focus.dialog(), Some(Dialog::Help(top)) if *top < 100), "{:?}", app.focus.dialog());
}

/// The history, with the cursor on the newest change.
fn history() -> App {
    sample(View::History, SIZE)
}

/// A change that is newer than all of the sample.
fn newer(name: &str) -> Change {
    let newest = changes().swap_remove(0);
    Change { revision: Revision(50), key: key(name), transaction: (Revision(50), Revision(50)), ..newest }
}

#[test]
fn the_cursor_follows_the_newest_change_only_from_the_newest() {
    let mut app = history();
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![newer("a")])));
    assert_eq!(selected(&app), "50");
    let mut app = history();
    press(&mut app, KeyCode::Char('j'));
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![newer("a")])));
    assert_eq!(selected(&app), "40");
    assert_eq!(app.list.window.rows().len(), changes().len() + 1);
}

#[test]
fn a_change_that_is_told_while_the_history_is_read_is_not_lost() {
    let mut app = with(rows(entries()), SIZE);
    press(&mut app, KeyCode::Char('6'));
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![newer("a")])));
    // What was read before it happened.
    let read = fixtures::rows_of(&app);
    answer_rows(&mut app, read);
    assert_eq!(app.list.window.rows().len(), changes().len() + 1);
    assert_eq!(app.list.window.rows()[0].id(), RowId::Change(Revision(50)));
}

#[test]
fn the_history_of_one_thing_takes_in_only_what_happens_to_it() {
    let mut app = at("version");
    let effects = press(&mut app, KeyCode::Char('H'));
    let of = Some(RowId::Entry(key("version")));
    assert!(matches!(&effects[..], [Effect::Load(load)] if load.scope == of), "{effects:?}");
    answer_rows(&mut app, Vec::new());
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![newer("other"), newer("version")])));
    assert_eq!(app.list.window.rows().len(), 1);
    let effects = press(&mut app, KeyCode::Esc);
    assert_eq!((app.list.view, app.list.scope.is_none()), (View::Keys, true));
    assert!(matches!(&effects[..], [Effect::Load(load)] if load.from != LoadFrom::Start), "{effects:?}");
}

#[test]
fn a_change_of_the_history_is_taken_back_only_after_a_yes_and_a_lock_never() {
    let mut app = history();
    assert_eq!(press(&mut app, KeyCode::Char('u')), []);
    let effects = press(&mut app, KeyCode::Char('y'));
    let WriteKind::Undo { change, chosen: UndoSource::FromHistory, force: false } = &written(&effects).what
    else {
        panic!("{effects:?}")
    };
    assert_eq!(change.revisions, [Revision(41)]);
    // What was taken back here can be done again, as a change of our own.
    let write = written(&effects).clone();
    let done = WriteOutcome::UndoOutcome { made: vec![Revision(60)], ended: None };
    answer(&mut app, Reply::Written(write, Ok(done)));
    assert_eq!(app.undo.stack.done.last().unwrap().revisions, [Revision(60)]);

    on(&mut app, "deploy");
    assert_eq!(press(&mut app, KeyCode::Char('u')), []);
    assert!(app.focus.dialog().is_none() && status(&app).contains("cleared"), "{}", status(&app));
}

#[test]
fn what_the_list_shows_as_taken_back_is_not_asked_about() {
    let mut app = history();
    let taking_back =
        Change { revision: Revision(77), transaction: (Revision(77), Revision(77)), ..newer("x") };
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![taking_back.clone()])));
    on(&mut app, "feature:dark_mode");
    assert_eq!(press(&mut app, KeyCode::Char('u')), []);
    assert!(app.focus.dialog().is_none() && status(&app).contains("already"), "{}", status(&app));
    // The taking back was taken back: the change counts again.
    let again = Change { undone_by: Some(Revision(78)), ..taking_back };
    answer(&mut app, Reply::Changed(CommitNotice::Changes(vec![again])));
    on(&mut app, "feature:dark_mode");
    press(&mut app, KeyCode::Char('u'));
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), "{:?}", app.focus.dialog());
}

#[test]
fn a_step_back_waits_for_the_change_that_is_being_made() {
    let mut app = at("feature:dark_mode");
    let effects = press(&mut app, KeyCode::Char(' '));
    let first = written(&effects).clone();
    assert_eq!(press(&mut app, KeyCode::Char('u')), [], "which change is the last is not known yet");
    let committed = |revision| Ok(WriteOutcome::Committed { revision, changed: 1 });
    let effects = answer(&mut app, Reply::Written(first.clone(), committed(Revision(50))));
    let WriteKind::Undo { change, .. } = &written(&effects).what else { panic!("{effects:?}") };
    assert_eq!(change.revisions, [Revision(50)]);
    // An error is seen first: what was asked for before it does not happen after it.
    let undo = written(&effects).clone();
    press(&mut app, KeyCode::Char('u'));
    let error = StoreError::from(ErrorKind::NoSuchChange { revision: Revision(50) });
    assert_eq!(answer(&mut app, Reply::Written(undo, Err(error))), []);
    assert!(app.undo.stack.asked.is_empty());
}

#[test]
fn where_a_deletion_is_taken_back_the_cursor_is_on_the_entry_again() {
    let told = |app: &mut App, entry: Option<Entry>| {
        let generation = app.list.reading.generation;
        answer(app, Reply::Entries(generation, vec![(key("feature:dark_mode"), entry)]));
    };
    // Its row may come back before the answer to the taking back, or after it.
    for row_first in [true, false] {
        let mut app = at("feature:dark_mode");
        let deleted = app.list.window.selected().and_then(Row::entry).cloned();
        press(&mut app, KeyCode::Char('d'));
        let effects = press(&mut app, KeyCode::Char('y'));
        let done = Ok(WriteOutcome::Committed { revision: Revision(50), changed: 1 });
        answer(&mut app, Reply::Written(written(&effects).clone(), done));
        told(&mut app, None);
        assert_ne!(selected(&app), "feature:dark_mode");
        let effects = press(&mut app, KeyCode::Char('u'));
        let undo = written(&effects).clone();
        if row_first {
            told(&mut app, deleted.clone());
        }
        let done = WriteOutcome::UndoOutcome { made: vec![Revision(51)], ended: None };
        answer(&mut app, Reply::Written(undo, Ok(done)));
        if !row_first {
            told(&mut app, deleted);
        }
        assert_eq!(selected(&app), "feature:dark_mode");
    }
}

#[test]
fn a_change_from_the_midst_is_taken_back_by_a_change_of_its_own() {
    let mut app = at("version");
    for revision in [50, 51] {
        app.undo.stack.changed(UndoableChange::of(vec![Revision(revision)], "a change", NOW));
    }
    type_text(&mut app, ":undos");
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Down);
    let effects = press(&mut app, KeyCode::Enter);
    let done = WriteOutcome::UndoOutcome { made: vec![Revision(52)], ended: None };
    answer(&mut app, Reply::Written(written(&effects).clone(), Ok(done)));
    assert_eq!(app.undo.stack.done.len(), 3);
    assert!(app.undo.stack.is_taken_back(0) && !app.undo.stack.is_taken_back(1));
    // The key takes back what was done last: that taking back.
    let effects = press(&mut app, KeyCode::Char('u'));
    let WriteKind::Undo { change, .. } = &written(&effects).what else { panic!("{effects:?}") };
    assert_eq!(change.revisions, [Revision(52)]);
}

#[test]
fn what_a_group_opens_to_does_not_flash_and_the_cursor_stays_on_the_group() {
    let group = |prefix: &str| Row::Group(Group { prefix: key(prefix), series: None });
    let mut app = sample(View::Keys, SIZE);
    press(&mut app, KeyCode::Char('w'));
    answer_rows(&mut app, vec![group("a:"), group("feature:")]);
    on(&mut app, "feature:");
    let effects = press(&mut app, KeyCode::Enter);
    let [Effect::Load(load)] = &effects[..] else { panic!("{effects:?}") };
    assert!(load.tree.as_ref().unwrap().contains(&key("feature:")));
    let members = entries().into_iter().filter(|entry| entry.key.to_text().starts_with("feature:"));
    let mut opened = vec![group("a:"), group("feature:")];
    opened.extend(members.map(Row::Entry));
    answer_rows(&mut app, opened);
    assert_eq!((selected(&app), app.list.window.rows().len()), ("feature:".into(), 4));
    assert!(app.list.flashes.is_empty(), "{:?}", app.list.flashes);
}

#[test]
fn a_list_that_is_too_long_to_be_sorted_has_its_cursor_where_it_was() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('s'));
    press(&mut app, KeyCode::Char('s'));
    let generation = app.list.reading.generation;
    let effects = answer(&mut app, Reply::TooLong(generation));
    let version = Position::Name(RowId::Entry(key("version")));
    let from_there =
        |effect: &Effect| matches!(effect, Effect::Load(load) if load.from == LoadFrom::At(version.clone()));
    assert!(effects.iter().any(from_there), "{effects:?}");
    answer_rows(&mut app, rows(entries()));
    assert_eq!(selected(&app), "version");
}

#[test]
fn all_that_is_wrong_with_the_configuration_is_among_the_messages() {
    let mut app = at("version");
    crate::tui::tell_wrong(&mut app, &["keymap.toml:3: one".into(), "there is no theme two".into()]);
    let said: Vec<_> = app.messages.newest_first().map(|said| said.text.as_str()).collect();
    assert_eq!(
        said,
        ["keymap.toml:3: one (and 1 more: :messages)", "there is no theme two", "keymap.toml:3: one"]
    );
    let mut app = at("version");
    crate::tui::tell_wrong(&mut app, &["one".into()]);
    assert_eq!(app.messages.len(), 1);
}

#[test]
fn what_was_done_is_still_said_when_the_first_write_adopted_the_file() {
    let mut app = at("version");
    app.show_done("deleted version  (u takes it back)", NOW);
    answer(&mut app, Reply::Notice("adopted state.db".into()));
    let status = app.status.as_ref().unwrap();
    assert_eq!(status.text, "deleted version  (u takes it back); adopted state.db");
    assert_eq!(status.until, None);
}

#[test]
fn a_key_that_no_command_has_says_so() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('x'));
    assert_eq!(press(&mut app, KeyCode::Char('<')), []);
    let status = app.status.as_ref().unwrap();
    assert_eq!(status.text, "no command has this key; ? lists those that do something");
}

#[test]
fn a_clock_that_was_set_while_a_list_was_read_does_not_stop_it() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('2'));
    let later = NOW.plus(Duration::from_secs(8 * 3600));
    answer_rows_at(&mut app, Vec::new(), later);
    update(&mut app, Message::Reply(Reply::Changed(CommitNotice::Anything)), later);
    let soon = later.plus(Duration::from_secs(10));
    let effects = pass(&mut app, soon);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
}

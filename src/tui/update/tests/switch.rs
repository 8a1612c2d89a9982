//! Several databases, and those where mistakes are felt by others.

use crate::config::{ConfirmPolicy, Context};
use crate::store::Key;
use crate::store::secret_keys::Secrets;
use crate::tui::connection::switch;
use crate::tui::list::saved_filters;
use crate::tui::request::RequestId;
use crate::tui::testing::fixtures;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::update;
use crate::tui::update::tests::*;

fn context(name: &str, production: bool) -> Context {
    Context {
        name: name.into(),
        location: crate::store::Location::File(format!("/srv/{name}.db").into()),
        read_only: false,
        production,
        confirm: ConfirmPolicy::of_production(production),
        no_exec: false,
        allow_exec: None,
    }
}

/// The sample, with two databases to go to.
fn with_contexts() -> App {
    let mut app = at("version");
    app.settings.contexts = vec![context("dev", false), context("live", true)];
    app
}

fn arrived(context: &Context) -> DatabaseInfo {
    DatabaseInfo { known: Some(context.clone()), ..arrival(&context.location.name()) }
}

fn go_to(app: &mut App, name: &str) -> RequestId {
    type_text(app, &format!("C{name}"));
    let effects = press(app, KeyCode::Enter);
    match effects.as_slice() {
        [Effect::Open(number, context)] if context.name == name => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_database_takes_the_place_of_the_one_before() {
    let mut app = with_contexts();
    app.settings.secrets = Secrets::new(&["*_pin"]).unwrap();
    app.settings.shows_secrets = true;
    press(&mut app, KeyCode::Char('2'));
    answer_rows(&mut app, rows(entries()));
    app.undo.stack.changed(UndoableChange::of(vec![Revision(50)], "a change here", NOW));
    let number = go_to(&mut app, "live");
    assert_eq!(app.list.window.rows().len(), entries().len(), "until it is open the one before is shown");
    let generation = app.list.reading.generation;
    let effects = answer(&mut app, Reply::Opened(number, Ok(arrived(&context("live", true)).into())));
    assert!(
        matches!(effects[..], [Effect::Enter(entered), Effect::Load(_), ..] if entered == number),
        "{effects:?}"
    );
    assert_eq!(
        (app.production(), app.list.view, app.list.window.rows().len()),
        (Some("live"), View::Flags, 0)
    );
    assert!(app.list.reading.generation > generation, "an answer for the one before is dropped");
    assert_eq!(app.settings.contexts.len(), 2);
    assert!(
        app.hides(&Key::new("door_pin").unwrap()),
        "what the user hides stays hidden in the next database"
    );
    assert!(app.undo.stack.done.is_empty(), "what was changed there is not taken back here");
    // What was changed is known again on the way back.
    app.database.location = crate::store::Location::File("/srv/live.db".into());
    app.settings.contexts.push(Context {
        location: crate::store::Location::File("/var/lib/state.db".into()),
        ..context("here", false)
    });
    let number = go_to(&mut app, "here");
    answer(&mut app, Reply::Opened(number, Ok(arrival("/var/lib/state.db").into())));
    assert_eq!(app.undo.stack.done.len(), 1);
}

#[test]
fn a_database_that_cannot_be_opened_or_is_given_up_leaves_everything_as_it_is() {
    let mut app = with_contexts();
    let number = go_to(&mut app, "live");
    answer(&mut app, Reply::Opened(number, Err("it is gone\x1b".into())));
    assert!(status(&app).contains("live was not opened: it is gone"), "{}", status(&app));
    assert_eq!((selected(&app), app.production()), ("version".into(), None));
    let number = go_to(&mut app, "live");
    press(&mut app, KeyCode::Esc);
    assert_eq!(answer(&mut app, Reply::Opened(number, Ok(arrived(&context("live", true)).into()))), []);
    assert_eq!(app.production(), None);
    let (first, second) = (go_to(&mut app, "live"), go_to(&mut app, "dev"));
    assert_eq!(answer(&mut app, Reply::Opened(first, Ok(arrived(&context("live", true)).into()))), []);
    let effects = answer(&mut app, Reply::Opened(second, Ok(arrived(&context("dev", false)).into())));
    assert_eq!(effects[0], Effect::Enter(second), "the last that was asked for counts");
}

#[test]
fn nobody_leaves_a_database_in_the_middle_of_a_change() {
    let mut app = with_contexts();
    app.requests.writing.push(NOW);
    type_text(&mut app, "Clive");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert!(status(&app).contains("a change is being made"));
    app.requests.writing.clear();
    let number = go_to(&mut app, "live");
    app.requests.writing.push(NOW);
    assert_eq!(answer(&mut app, Reply::Opened(number, Ok(arrived(&context("live", true)).into()))), []);
    assert_eq!(app.production(), None);
}

#[test]
fn what_undo_cannot_take_back_in_production_is_answered_with_its_name() {
    let mut app = sample(View::Locks, SIZE);
    app.database.known = Some(context("live", true));
    press(&mut app, KeyCode::Char('x'));
    for wrong in ["y", "yes", "liv"] {
        type_text(&mut app, wrong);
        assert_eq!(press(&mut app, KeyCode::Enter), [], "{wrong}");
        assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))));
        press(&mut app, KeyCode::Esc);
        press(&mut app, KeyCode::Char('x'));
        let Some(Dialog::Confirm(confirm)) = app.focus.dialog() else { panic!() };
        assert_eq!(confirm.typed.value(), "", "nothing is left of the answer before");
    }
    type_text(&mut app, "live");
    let effects = press(&mut app, KeyCode::Enter);
    assert!(matches!(written(&effects).what, WriteKind::ClearLock(_)));
    assert!(app.focus.dialog().is_none());
}

#[test]
fn without_names_the_key_says_how_to_give_them() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('C'));
    assert!(status(&app).contains("[contexts.NAME]"));
}

#[test]
fn a_database_is_opened_as_it_was_left() {
    let mut app = sample(View::Flags, SIZE);
    on(&mut app, "feature:new_checkout");
    app.list.filter_line = "feature".into();
    let last = switch::session(&app, 7);
    let mut app = empty(SIZE);
    let effects =
        update::begin(&mut app, DatabaseInfo { last: Some(last), ..arrival("/var/lib/state.db") }, NOW);
    let [Effect::Load(load)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(
        (load.view, app.list.filter_line.text(), &load.filter),
        (View::Flags, "feature", app.list.filter_line.filter())
    );
    assert!(matches!(load.from, LoadFrom::At(_)));
    let found = fixtures::rows_of(&app);
    answer_rows(&mut app, found);
    assert_eq!(selected(&app), "feature:new_checkout");
}

#[test]
fn a_database_that_does_not_answer_is_said_to_and_so_is_its_answer() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('2'));
    let later = NOW.plus(Duration::from_secs(3));
    pass(&mut app, later);
    assert_eq!(app.unresponsive_for(later), Some(Duration::from_secs(3)));
    assert!(app.next_wakeup(later).is_some(), "the time is counted on the screen");
    update(&mut app, Message::Reply(Reply::Failed("it is locked".into())), later);
    let later = later.plus(Duration::from_secs(2));
    pass(&mut app, later);
    assert_eq!(app.unresponsive_for(later), Some(Duration::from_secs(5)), "a failure is no answer");
    answer_rows_at(&mut app, Vec::new(), later);
    assert_eq!((app.unresponsive_for(later), status(&app).as_str()), (None, "the database answers again"));
}

#[test]
fn filters_that_have_a_name_belong_to_the_user_and_not_to_a_database() {
    let mut app = with_contexts();
    let soon = saved_filters::SavedFilter { name: "soon".into(), view: None, filter: "ttl:<1h".into() };
    app.settings.saved_filters = vec![soon.clone()];
    let number = go_to(&mut app, "live");
    answer(&mut app, Reply::Opened(number, Ok(arrived(&context("live", true)).into())));
    assert_eq!(app.settings.saved_filters, [soon]);
}

#[test]
fn what_is_being_typed_into_the_form_is_not_lost_to_a_database_that_opens() {
    let mut app = with_contexts();
    let number = go_to(&mut app, "live");
    type_text(&mut app, "ahalf a key");
    answer(&mut app, Reply::Opened(number, Ok(arrived(&context("live", true)).into())));
    assert_eq!((app.production(), typed(&app, Field::Key)), (None, "half a key"));
    assert!(status(&app).contains("live was not opened"), "{}", status(&app));
}

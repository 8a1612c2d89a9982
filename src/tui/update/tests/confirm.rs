//! Questions before changes: in a production context every change asks, whichever command leads to it.

use std::collections::BTreeSet;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::config::{ConfirmPolicy, Context};
use crate::tui::bulk::{BulkOperation, BulkRequest};
use crate::tui::dialog::Confirm;
use crate::tui::dialogs::confirm_changes::{self, about_adoption};
use crate::tui::draw;
use crate::tui::effect::EffectImpact;
use crate::tui::keys::{Action, COMMANDS, Command, Keymap};
use crate::tui::screens::debugger;
use crate::tui::testing::fixtures::pressed;
use crate::tui::update::tests::{marks, past, *};
use crate::tui::widgets::question::ConfirmReply;

fn context(production: bool, confirm: ConfirmPolicy) -> Context {
    Context {
        name: "live".into(),
        location: crate::store::Location::File("/var/lib/state.db".into()),
        read_only: false,
        production,
        confirm,
        no_exec: false,
        allow_exec: None,
    }
}

fn production(mut app: App) -> App {
    app.database.known = Some(context(true, ConfirmPolicy::Always));
    app
}

/// The changes among effects.
fn changes_of(effects: &[Effect]) -> Vec<EffectImpact> {
    effects.iter().filter_map(Effect::change).collect()
}

fn question(app: &App) -> &Confirm {
    match app.focus.dialog() {
        Some(Dialog::Confirm(confirm)) => confirm,
        other => panic!("no question: {other:?}"),
    }
}

fn lines(app: &App) -> String {
    question(app).lines.join("\n")
}

/// Takes out what was typed in answer to the question that is open.
fn clear_answer(app: &mut App) {
    if let Some(Dialog::Confirm(confirm)) = app.focus.dialog_mut() {
        confirm.typed.reset();
    }
}

/// Says yes to the question that is open: by a key, or by the name.
fn say_yes(app: &mut App) -> Vec<Effect> {
    match confirm_changes::reply(app, question(app)) {
        ConfirmReply::Key(key) => press(app, key),
        ConfirmReply::Name => {
            let mut effects = type_text(app, "live");
            effects.extend(press(app, KeyCode::Enter));
            effects
        }
    }
}

/// Ways to come to an interface: with the cursor on every row of the samples, with marks, in the past, in a
/// run, in a tree.
fn situations() -> Vec<Box<dyn Fn() -> App>> {
    let mut makers: Vec<Box<dyn Fn() -> App>> = Vec::new();
    for view in View::ALL {
        for place in 0..sample(view, SIZE).list.window.rows().len() {
            makers.push(Box::new(move || {
                let mut app = sample(view, SIZE);
                app.list.window.select(place);
                app
            }));
        }
    }
    makers.push(Box::new(marks::marked));
    for steps in 0..10 {
        makers.push(Box::new(move || {
            let mut app = past::travelled(41);
            press(&mut app, KeyCode::Home);
            (0..steps).for_each(|_| drop(press(&mut app, KeyCode::Down)));
            app
        }));
    }
    makers.push(Box::new(|| debugger::tests::opened(SIZE)));
    makers.push(Box::new(|| {
        let mut tree = sample(View::Keys, SIZE);
        press(&mut tree, KeyCode::Char('w'));
        answer_rows(&mut tree, rows(entries()));
        tree
    }));
    makers
}

/// An interface with something to undo and to redo.
fn with_session(make: &dyn Fn() -> App) -> App {
    let mut app = make();
    app.undo.stack.done = vec![UndoableChange::of(vec![Revision(30)], "set a to b", NOW)];
    app.undo.stack.done.push(UndoableChange::of(vec![Revision(31)], "set c to d", NOW));
    app.undo.stack.undone = vec![UndoableChange::of(vec![Revision(32)], "set e to f", NOW)];
    app
}

/// Calls a command by its name, and goes on with whatever it opens until it changes something, asks, or has
/// nothing more to do. What it changed on the way without a question.
fn drive(app: &mut App, command: &Command) -> Vec<EffectImpact> {
    let mut effects = press(app, KeyCode::Char(':'));
    effects.extend(type_text(app, command.name));
    effects.extend(press(app, KeyCode::Enter));
    for _ in 0..12 {
        for effect in effects.clone() {
            match effect {
                Effect::EditOutside(entry, _) => {
                    let text = if entry.value_type() == Type::Number { "7" } else { "false" };
                    let text = if entry.value_type() == Type::Table { "[1]" } else { text };
                    effects.extend(answer(app, edited(entry, text)));
                }
                Effect::Bulk(number, BulkRequest::Preview(bulk))
                    if !matches!(bulk.deed, BulkOperation::Export(_)) =>
                {
                    marks::previewed(app, number, &["a", "b"], true);
                }
                _ => {}
            }
        }
        if !changes_of(&effects).is_empty() {
            break;
        }
        effects = match app.focus.dialog() {
            Some(Dialog::Form(form)) if form.entry.is_none() => type_text(app, "new\tv"),
            Some(Dialog::Form(form)) => match form.focus() {
                Field::Type => press(app, KeyCode::Right),
                Field::Expiry => type_text(app, "5m"),
                Field::Key | Field::Value => type_text(app, "1"),
            },
            Some(Dialog::Ask(_)) => type_text(app, "1h"),
            Some(Dialog::Start(_)) => type_text(app, "w.lua"),
            Some(Dialog::Undos(_)) => Vec::new(),
            _ => break,
        };
        effects.extend(press(app, KeyCode::Enter));
    }
    changes_of(&effects)
}

#[test]
fn every_command_that_writes_asks_in_production_and_no_other_does() {
    let mut asked = BTreeSet::new();
    for situation in situations() {
        let context = with_session(&situation).context();
        for command in COMMANDS.iter().filter(|command| command.applies(&context)) {
            let mut app = production(with_session(&situation));
            let changed = drive(&mut app, command);
            assert_eq!(changed, [], "{} changed something without a question", command.name);
            let Some(Dialog::Confirm(_)) = app.focus.dialog() else { continue };
            assert!(command.writes, "{} asks: {}", command.name, lines(&app));
            asked.insert(command.name);
            // The key that led here, and most others, are no answer.
            for key in [KeyCode::Enter, KeyCode::Char(' '), KeyCode::Char('d')] {
                assert_eq!(changes_of(&press(&mut app, key)), [], "{}: {key:?}", command.name);
            }
            clear_answer(&mut app);
            let is_reversible = question(&app).is_reversible;
            let effects = say_yes(&mut app);
            let [change] = changes_of(&effects)[..] else { panic!("{}: {effects:?}", command.name) };
            assert_eq!(change.is_reversible, is_reversible, "{}", command.name);
        }
    }
    let writes: BTreeSet<&str> =
        COMMANDS.iter().filter(|command| command.writes).map(|command| command.name).collect();
    assert_eq!(asked, writes, "every command that writes was tried");
}

#[test]
fn a_command_that_writes_applies_nowhere_in_a_read_only_database() {
    for situation in situations() {
        let mut app = with_session(&situation);
        app.database.read_only = true;
        let context = app.context();
        for command in COMMANDS.iter().filter(|command| command.writes) {
            assert!(!command.applies(&context), "{} on {:?}", command.name, context.row);
        }
    }
}

#[test]
fn no_leaves_everything_as_it_was() {
    // A form is open again with what was typed.
    let mut app = production(at("version"));
    press(&mut app, KeyCode::Char('e'));
    type_text(&mut app, "9");
    press(&mut app, KeyCode::Enter);
    assert!(lines(&app).contains("Change version: "), "{}", lines(&app));
    assert_eq!(press(&mut app, KeyCode::Char('n')), []);
    let Some(Dialog::Form(form)) = app.focus.dialog() else { panic!("{:?}", app.focus.dialog()) };
    assert!(form.value().is_ok_and(|value| value.is_some()), "it is still changed");
    // What came from the editor can be edited on.
    let mut app = production(at("config"));
    answer(&mut app, edited(entry("config", "{}", Some(Type::Table)), "{\"x\":1}"));
    press(&mut app, KeyCode::Esc);
    let effects = press(&mut app, KeyCode::Char('e'));
    assert!(
        matches!(&effects[..], [Effect::EditOutside(_, Some(text))] if text == b"{\"x\":1}"),
        "{effects:?}"
    );
    // What is not undone can be undone, and what is not redone can be redone.
    let mut app = production(at("version"));
    let done = |number: i64| UndoableChange::of(vec![Revision(number)], "a change", NOW);
    app.undo.stack.done = vec![done(1), done(2)];
    app.undo.stack.undone = vec![done(3)];
    let before = app.undo.stack.clone();
    for key in ['u', 'U'] {
        press(&mut app, KeyCode::Char(key));
        assert!(lines(&app).contains(if key == 'u' { "Undo: a change?" } else { "Redo: a change?" }));
        press(&mut app, KeyCode::Esc);
        assert_eq!((&app.undo.stack.done, &app.undo.stack.undone), (&before.done, &before.undone));
    }
    // A workflow is not awaited, and its file need not be typed again.
    let mut app = production(at("version"));
    press(&mut app, KeyCode::Char('R'));
    type_text(&mut app, "w.lua");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert!(lines(&app).contains("Start w.lua?"));
    press(&mut app, KeyCode::Esc);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Start(start)) if start.file.value() == "w.lua"));
    assert_eq!(app.runs.starting, None);
    assert!(app.requests.writing.is_empty());
}

#[test]
fn a_key_that_asks_is_no_answer_whatever_it_is_bound_to() {
    for key in ["y", "Y", "n", "enter", "space", "q"] {
        let mut app = production(at("feature:dark_mode"));
        app.settings.keymap = keymap_with("toggle", key);
        let code = match key {
            "enter" => KeyCode::Enter,
            "space" => KeyCode::Char(' '),
            letter => KeyCode::Char(letter.chars().next().unwrap()),
        };
        let effects = press(&mut app, code);
        assert_eq!(effects, [], "{key}");
        assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), "{key}: {:?}", app.focus.dialog());
        assert_eq!(changes_of(&press(&mut app, code)), [], "{key}");
        if let Some(Dialog::Confirm(_)) = app.focus.dialog() {
            assert_eq!(changes_of(&say_yes(&mut app)).len(), 1, "{key}");
        }
    }
}

fn keymap_with(command: &str, key: &str) -> Keymap {
    let text = format!("[keys]\n{command} = [\"{key}\"]\n");
    let mut document = crate::config::Document::parse(std::path::Path::new("keymap.toml"), &text);
    let mut keymap = Keymap::shipped();
    keymap.put(&mut document);
    assert_eq!(document.problems, []);
    keymap
}

#[test]
fn without_the_wish_for_it_harmless_changes_ask_nothing() {
    for (known, asks) in [
        (None, false),
        (Some(context(false, ConfirmPolicy::Dangerous)), false),
        (Some(context(true, ConfirmPolicy::Dangerous)), false),
        (Some(context(false, ConfirmPolicy::Always)), true),
        (Some(context(true, ConfirmPolicy::Always)), true),
    ] {
        let mut app = at("feature:dark_mode");
        app.database.known = known.clone();
        let effects = press(&mut app, KeyCode::Char(' '));
        assert_eq!(effects.is_empty(), asks, "{known:?}");
        assert_eq!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), asks, "{known:?}");
        // Deleting asks everywhere, and once.
        let mut app = at("version");
        app.database.known = known.clone();
        press(&mut app, KeyCode::Char('d'));
        assert_eq!(press(&mut app, KeyCode::Char('y')).len(), 1, "{known:?}");
        assert!(app.focus.dialog().is_none());
    }
}

#[test]
fn the_first_write_to_a_file_of_sloth_runner_asks_and_says_what_it_does() {
    for situation in situations() {
        let context = with_session(&situation).context();
        // A signal to a process writes nothing.
        let writes = COMMANDS.iter().filter(|command| command.writes && command.action != Action::StopRun);
        for command in writes.filter(|command| command.applies(&context)) {
            let mut app = with_session(&situation);
            app.database.adopts = true;
            assert_eq!(drive(&mut app, command), [], "{}", command.name);
        }
    }
    let mut app = at("feature:dark_mode");
    app.database.adopts = true;
    assert_eq!(press(&mut app, KeyCode::Char(' ')), []);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw::draw(&app, NOW, frame)).unwrap();
    let shown = terminal.backend().to_string();
    for words in
        ["adds columns and tables", "state.db.before-slothstate", "Sloth Runner goes on using it", "y yes"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(press(&mut app, KeyCode::Char('n')), []);
    // Somebody else adopts it in the meantime: there is nothing to ask any more.
    answer(&mut app, Reply::Adopts(false));
    assert_eq!(changes_of(&press(&mut app, KeyCode::Char(' '))).len(), 1);
    // In production the name is asked for, since undo does not take that back.
    let mut app = production(at("feature:dark_mode"));
    app.database.adopts = true;
    press(&mut app, KeyCode::Char(' '));
    assert_eq!(press(&mut app, KeyCode::Char('y')), []);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))));
    clear_answer(&mut app);
    assert_eq!(changes_of(&say_yes(&mut app)).len(), 1);
    // A question that is asked anyhow says it as well, and is the only one.
    let mut app = at("version");
    app.database.adopts = true;
    press(&mut app, KeyCode::Char('d'));
    let told = about_adoption(&app, question(&app)).join("\n");
    assert!(told.contains("Sloth Runner"), "{told}");
    assert_eq!(changes_of(&press(&mut app, KeyCode::Char('y'))).len(), 1);
}

#[test]
fn another_database_does_not_open_behind_a_question() {
    let mut app = production(at("version"));
    app.settings.contexts = vec![context(false, ConfirmPolicy::Dangerous)];
    type_text(&mut app, "Clive");
    let effects = press(&mut app, KeyCode::Enter);
    let [Effect::Open(number, _)] = effects[..] else { panic!("{effects:?}") };
    press(&mut app, KeyCode::Char('+'));
    type_text(&mut app, " ");
    press(&mut app, KeyCode::Char('d'));
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))));
    assert_eq!(answer(&mut app, Reply::Opened(number, Ok(arrival("/other.db").into()))), []);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Confirm(_))), "the question is about this database");
}

#[test]
fn two_contexts_of_one_file_are_two_contexts() {
    let live = Context { name: "live".into(), ..context(false, ConfirmPolicy::Dangerous) };
    let read_only = Context { name: "live-ro".into(), read_only: true, ..live.clone() };
    let mut app = at("version");
    app.settings.contexts = vec![live.clone(), read_only.clone()];
    app.database.known = Some(live.clone());
    let go = |app: &mut App, name: &str| {
        type_text(app, &format!("C{name}"));
        press(app, KeyCode::Enter)
    };
    assert_eq!(go(&mut app, "live"), []);
    assert!(status(&app).contains("this is live"));
    let effects = go(&mut app, "live-ro");
    let [Effect::Open(number, context)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*context, read_only);
    let arrived =
        DatabaseInfo { known: Some(read_only.clone()), read_only: true, ..arrival("/var/lib/state.db") };
    answer(&mut app, Reply::Opened(*number, Ok(arrived.into())));
    assert!(app.database.read_only && app.database.known == Some(read_only));
    answer_rows(&mut app, rows(entries()));
    on(&mut app, "feature:dark_mode");
    assert_eq!(changes_of(&press(&mut app, KeyCode::Char(' '))), []);
    let effects = go(&mut app, "live");
    assert!(matches!(&effects[..], [Effect::Open(_, context)] if *context == live), "{effects:?}");
}

/// Any key, in production, never changes anything unless a question was open before it.
#[test]
fn no_key_changes_anything_without_a_question_before_it() {
    let keys: Vec<KeyCode> = (' '..='~')
        .map(KeyCode::Char)
        .chain([
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::Down,
            KeyCode::Delete,
            KeyCode::Backspace,
        ])
        .collect();
    let mut random = fastrand::Rng::with_seed(11);
    let situations = situations();
    for round in 0..40 {
        let mut app = production(with_session(&situations[round * 3 % situations.len()]));
        for _ in 0..150 {
            let asked = matches!(app.focus.dialog(), Some(Dialog::Confirm(_)));
            let effects = update(&mut app, pressed(keys[random.usize(0..keys.len())]), NOW);
            assert!(asked || changes_of(&effects).is_empty(), "{effects:?}");
        }
    }
}

//! A value that fills the screen.

use crate::tui::screens::value::detail::Detail;
use crate::tui::update::tests::*;

const TABLE: &str = "{\"name\":\"prod\",\"zones\":{\"east\":{},\"west\":[\"a\",\"b\"]}}";

/// A table on the whole screen, with its value read.
fn viewing(value: &str) -> App {
    let mut app = at("config");
    let whole = Entry { stored: value.into(), size: value.len() as u64, ..entry("config", "", None) };
    let id = RowId::Entry(key("config"));
    answer(&mut app, Reply::Detail(id, Some(Box::new(Detail::of_entry(whole)))));
    press(&mut app, KeyCode::Char('v'));
    app
}

fn path(app: &App) -> String {
    app.shown_tree().expect("a tree").path()
}

#[test]
fn a_tree_is_walked_through_with_the_keys_of_the_list() {
    let mut app = viewing(TABLE);
    type_text(&mut app, "jj");
    assert_eq!(path(&app), ".zones");
    press(&mut app, KeyCode::Right);
    press(&mut app, KeyCode::Down);
    assert_eq!(path(&app), ".zones.east");
    type_text(&mut app, "h");
    assert_eq!(path(&app), ".zones");
    type_text(&mut app, " ");
    type_text(&mut app, "G");
    assert_eq!(path(&app), ".zones", "what is folded is skipped");
    press(&mut app, KeyCode::Enter);
    type_text(&mut app, "G");
    assert_eq!(path(&app), ".zones.west[1]");
    type_text(&mut app, "-");
    assert_eq!(path(&app), ".zones");
    assert_eq!(type_text(&mut app, "y"), [Effect::Copy(b".zones".to_vec())]);
    assert_eq!(type_text(&mut app, "Y"), [Effect::Copy(TABLE.into())]);
    for key in ['q', 'v'] {
        let mut app = viewing(TABLE);
        assert_eq!(press(&mut app, KeyCode::Char(key)), []);
        assert!(app.screen.value().is_none(), "{key}");
    }
}

#[test]
fn what_is_not_in_the_piece_that_was_read_is_not_said_to_be_nowhere() {
    for (size, words) in [(4, "nope is not in it"), (900, "nope is not in the part of it that was read")] {
        let mut app = at("config");
        let piece = Entry { stored: "text".into(), size, ..entry("config", "", None) };
        answer(&mut app, Reply::Detail(RowId::Entry(key("config")), Some(Box::new(Detail::of_entry(piece)))));
        type_text(&mut app, "v/nope");
        press(&mut app, KeyCode::Enter);
        assert!(status(&app).starts_with(words), "{}", status(&app));
    }
}

#[test]
fn a_users_own_keys_work_in_a_value_too() {
    let mut app = viewing(TABLE);
    let text = "[keys]\ndown = [\"x\"]\nleave-part = [\"backspace\"]\nclose-value = [\"Z\"]\n";
    let mut document = crate::config::Document::parse(std::path::Path::new("keymap.toml"), text);
    app.settings.keymap.put(&mut document);
    assert_eq!(document.problems, []);
    type_text(&mut app, "xxx");
    assert_eq!(path(&app), ".zones.east");
    press(&mut app, KeyCode::Backspace);
    assert_eq!(path(&app), ".zones");
    assert_eq!(type_text(&mut app, "Z"), []);
    assert!(app.screen.value().is_none());
}

#[test]
fn a_text_is_scrolled_and_enter_closes_it() {
    let mut app = viewing(&"word\n".repeat(60));
    type_text(&mut app, "jj");
    assert_eq!(app.details.scroll, 2);
    type_text(&mut app, " ");
    assert_eq!(app.details.scroll, 23);
    type_text(&mut app, "y");
    assert!(status(&app).starts_with("the key was sent"), "{}", status(&app));
    press(&mut app, KeyCode::Enter);
    assert!(app.screen.value().is_none() && app.details.scroll == 0);
}

#[test]
fn a_text_is_laid_out_once_for_each_width_and_each_value() {
    let mut app = viewing(&"x".repeat(700));
    let lines = |app: &App, columns| {
        app.details
            .row
            .as_ref()
            .and_then(|detail| detail.wrapped(columns))
            .map(|wrapped| wrapped.lines().len())
    };
    assert_eq!(lines(&app, 70), Some(10));
    update(&mut app, Message::Input(Event::Resize(60, 24)), NOW);
    assert_eq!((lines(&app, 70), lines(&app, 50)), (None, Some(14)));
    let newer = Entry { revision: Revision(99), ..entry("config", "short", None) };
    answer(&mut app, Reply::Detail(RowId::Entry(key("config")), Some(Box::new(Detail::of_entry(newer)))));
    assert_eq!(lines(&app, 50), Some(1));
}

#[test]
fn what_is_looked_for_is_typed_and_escape_leads_out_step_by_step() {
    let mut app = viewing(TABLE);
    type_text(&mut app, "n");
    assert!(status(&app).contains("nothing was looked for"), "{}", status(&app));
    // What is typed is no command.
    type_text(&mut app, "/q?b");
    assert!(app.screen.value().is_some_and(|viewer| viewer.is_finding) && app.focus.dialog().is_none());
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "/");
    update(&mut app, Message::Input(Event::Paste("west".into())), NOW);
    press(&mut app, KeyCode::Enter);
    assert_eq!(path(&app), ".zones.west");
    // Help and palette lie over the value.
    for key in ['?', ':'] {
        press(&mut app, KeyCode::Char(key));
        assert!(app.focus.dialog().is_some());
        press(&mut app, KeyCode::Esc);
        assert!(app.focus.dialog().is_none() && app.screen.value().is_some());
    }
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.find_in_value().map(|needle| needle.text().to_string()), None);
    assert!(app.screen.value().is_some());
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.value().is_none());
}

#[test]
fn no_question_comes_between_a_user_and_what_is_being_typed() {
    let mut app = viewing(TABLE);
    type_text(&mut app, "/ye");
    app.open(Dialog::Help(0));
    assert!(app.focus.dialog().is_none());
    press(&mut app, KeyCode::Enter);
    assert!(app.focus.dialog().is_some());
}

#[test]
fn a_key_of_the_list_does_nothing_behind_a_value_and_says_so() {
    let mut app = viewing(TABLE);
    assert_eq!(type_text(&mut app, "dea0"), []);
    assert!(app.focus.dialog().is_none() && app.screen.value().is_some());
    assert_eq!(status(&app), "reset: not while a value fills the screen");
}

#[test]
fn a_click_puts_the_cursor_on_a_part_and_another_folds_it() {
    let mut app = viewing(TABLE);
    let mouse = |app: &mut App, kind, row| {
        let event = MouseEvent { kind, column: 6, row, modifiers: KeyModifiers::NONE };
        update(app, Message::Input(Event::Mouse(event)), NOW)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    // Below key, type, change, expiry and the table itself.
    mouse(&mut app, click, 6);
    assert_eq!(path(&app), ".zones");
    let lines = app.shown_tree().unwrap().visible().len();
    mouse(&mut app, click, 6);
    assert!(app.shown_tree().unwrap().visible().len() < lines);
    mouse(&mut app, click, 1);
    mouse(&mut app, click, 23);
    assert_eq!(path(&app), ".zones", "there is no part");
    mouse(&mut app, MouseEventKind::ScrollUp, 6);
    assert_ne!(path(&app), ".zones");
}

//! What has to do with the terminal around the interface: leaving, being suspended, the mouse, colours.

use crate::tui::theme::{Rgb, Theme, Themes};
use crate::tui::update::tests::*;

fn control(app: &mut App, letter: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    update(app, Message::Input(Event::Key(key)), NOW)
}

/// The sample, with something open that these keys open.
fn opened(keys: &str) -> App {
    let mut app = at("feature:dark_mode");
    type_text(&mut app, keys);
    app
}

/// What takes the keys, and how it is opened; a form has something typed into it.
const OPEN: [&str; 15] =
    ["e", "ex", "a", "ab", "d", "T", ":", ":them", "/", "/ver", "?", "M", "v/", "R", "p/"];

#[test]
fn ctrl_c_leaves_what_is_open_as_esc_does_and_not_the_program() {
    for keys in OPEN {
        let mut app = opened(keys);
        let mut other = opened(keys);
        assert!(app.takes_all_keys(), "{keys}");
        let effects = control(&mut app, 'c');
        assert_eq!(effects, press(&mut other, KeyCode::Esc), "{keys}");
        assert!(!effects.contains(&Effect::Quit), "{keys}");
        assert!(!app.takes_all_keys(), "{keys}: {:?}", app.focus.dialog());
        assert_eq!(app.list.filter_line.text(), other.list.filter_line.text());
        assert_eq!(control(&mut app, 'c'), [Effect::Quit], "{keys}: then it leaves the program");
    }
}

#[test]
fn ctrl_c_leaves_the_program_where_nothing_is_open() {
    for keys in ["", "3", "v", "p"] {
        assert_eq!(control(&mut opened(keys), 'c'), [Effect::Quit], "{keys}");
    }
}

#[test]
fn ctrl_z_suspends_whatever_is_open_and_changes_nothing_of_it() {
    for keys in ["", "v", "p"].into_iter().chain(OPEN) {
        let mut app = opened(keys);
        let before = format!("{:?} {:?}", app.focus.dialog(), app.list.filter_line.text());
        assert_eq!(control(&mut app, 'z'), [Effect::Suspend], "{keys}");
        assert_eq!(format!("{:?} {:?}", app.focus.dialog(), app.list.filter_line.text()), before, "{keys}");
        let effects = update(&mut app, Message::Suspend, NOW);
        assert_eq!(effects, [Effect::Suspend], "{keys}");
    }
    let mut app = opened("/");
    type_text(&mut app, "z");
    assert_eq!(app.list.filter_line.text(), "z", "the letter alone is a letter");
}

#[test]
fn the_mouse_is_left_to_the_terminal_and_used_again() {
    let mut app = opened(":mouse");
    assert_eq!(press(&mut app, KeyCode::Enter), [Effect::Mouse(false)]);
    assert!(status(&app).contains("selects text"), "{}", status(&app));
    assert_eq!(press(&mut app, KeyCode::F(4)), [Effect::Mouse(true)]);
    type_text(&mut app, "v");
    assert_eq!(press(&mut app, KeyCode::F(4)), [Effect::Mouse(false)], "whatever fills the screen");
}

#[test]
fn the_theme_follows_the_background_only_where_that_is_wanted() {
    let (dark, light) = (Some(Rgb(0, 0, 0)), Some(Rgb(255, 255, 255)));
    let mut app = at("version");
    update(&mut app, Message::Background(light), NOW);
    assert_eq!(app.settings.theme, Theme::dark(), "a theme that was chosen stays");
    app.settings.suiting.is_wanted = true;
    update(&mut app, Message::Background(light), NOW);
    assert_eq!(app.settings.theme, Theme::light());
    update(&mut app, Message::Background(None), NOW);
    assert_eq!(app.settings.theme, Theme::light(), "no answer is no other answer");
    update(&mut app, Message::Background(dark), NOW);
    assert_eq!(app.settings.theme, Theme::dark());
    type_text(&mut app, ":theme high");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    let chosen = Themes::shipped().named("high-contrast").unwrap();
    update(&mut app, Message::Background(light), NOW);
    assert_eq!(app.settings.theme, chosen);
    type_text(&mut app, ":theme auto");
    assert_eq!(press(&mut app, KeyCode::Enter), [Effect::AskBackground]);
    assert_eq!(app.settings.theme, Theme::light(), "what is known counts until the answer comes");
}

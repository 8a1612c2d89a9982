//! The palette: completion, and commands that are called with something.

use crate::tui::theme::Theme;
use crate::tui::update::tests::*;

fn palette(app: &App) -> &str {
    match app.focus.dialog() {
        Some(Dialog::Palette(palette)) => palette.input.value(),
        other => panic!("no palette: {other:?}"),
    }
}

#[test]
fn a_view_is_opened_with_a_filter() {
    let mut app = at("version");
    type_text(&mut app, ":flags check");
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!((app.list.view, app.list.filter_line.text()), (View::Flags, "check"));
    let Some(Effect::Load(load)) = effects.iter().rfind(|effect| matches!(effect, Effect::Load(_))) else {
        panic!("{effects:?}")
    };
    assert_eq!((load.view, &load.filter), (View::Flags, app.list.filter_line.filter()));
    // The same view, another filter.
    type_text(&mut app, ":flags type:flag");
    press(&mut app, KeyCode::Enter);
    assert!(app.list.filter_line.mistake().is_some_and(|problem| problem.text.contains("boolean")));
}

#[test]
fn a_theme_is_chosen_by_its_name() {
    let mut app = at("version");
    type_text(&mut app, ":theme");
    press(&mut app, KeyCode::Enter);
    assert_eq!(palette(&app), "theme ", "without a name the names are shown");
    type_text(&mut app, "lig");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.settings.theme, Theme::light());
    assert!(app.focus.dialog().is_none());
}

#[test]
fn tab_writes_out_and_then_moves_on() {
    let mut app = at("version");
    type_text(&mut app, ":them");
    press(&mut app, KeyCode::Tab);
    assert_eq!(palette(&app), "theme ");
    press(&mut app, KeyCode::Tab);
    assert_eq!(palette(&app), "theme auto");
    press(&mut app, KeyCode::Esc);
    assert!(app.focus.dialog().is_none());
}

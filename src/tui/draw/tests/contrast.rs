//! Everything can be read in every theme: also what the pictures of the views do not happen to show,
//! such as each colour under the cursor.

pub use crate::tui::draw::tests::*;
use crate::tui::testing::contrast::check as readable;

#[test]
fn every_row_under_the_cursor_marked_and_matched_by_the_filter() {
    for (view, _) in UNDER {
        let mut app = sample(view, LARGE);
        for place in 0..app.list.window.rows().len() {
            app.list.window.select(place);
            readable(&app, NOW);
        }
        if view.has_entries() {
            press(&mut app, KeyCode::Char('*'));
            type_text(&mut app, "/e");
            for place in 0..app.list.window.rows().len() {
                app.list.window.select(place);
                readable(&app, NOW);
            }
        }
    }
}

#[test]
fn every_choice_of_a_list_in_a_dialog() {
    let mut app = sample(View::Keys, LARGE);
    for text in ["keymap.toml:3: what is wrong", "another \x1b[31m"] {
        app.log_message(text);
    }
    app.show_error("the database is locked");
    for open in [":", ":theme ", ":e", "M"] {
        let mut app = app.clone();
        type_text(&mut app, open);
        for _ in 0..12 {
            readable(&app, NOW);
            press(&mut app, KeyCode::Down);
        }
    }
}

#[test]
fn every_row_of_the_past() {
    let mut app = travelled(LARGE);
    for _ in 0..12 {
        readable(&app, NOW);
        press(&mut app, KeyCode::Char('m'));
    }
    press(&mut app, KeyCode::Home);
    for _ in 0..12 {
        readable(&app, NOW);
        press(&mut app, KeyCode::Down);
    }
}

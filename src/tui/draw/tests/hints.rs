//! The row of keys, and what an empty list says.

use crate::tui::draw::tests::*;
use crate::tui::list::HistoryScope;
use crate::tui::status::hints;
use crate::tui::update;

fn hinted(app: &App) -> String {
    hints(app, 200).spans.iter().map(|span| span.content.to_string()).collect()
}

#[test]
fn with_entries_marked_toggle_is_offered_where_one_of_them_is_a_flag() {
    let mut app = sample(View::Keys, SMALL);
    on(&mut app, "deploys:total");
    type_text(&mut app, "m");
    assert!(!hinted(&app).contains("toggle"), "a counter: {}", hinted(&app));
    on(&mut app, "feature:dark_mode");
    type_text(&mut app, "m");
    assert!(hinted(&app).starts_with(" space toggle"), "and a flag: {}", hinted(&app));
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "/total");
    press(&mut app, KeyCode::Enter);
    answer_rows(&mut app, rows(vec![entry("deploys:total", "1207", None)]));
    type_text(&mut app, "*");
    assert!(!hinted(&app).contains("toggle"), "all that pass the filter: {}", hinted(&app));
}

#[test]
fn keys_are_offered_where_they_make_sense() {
    for view in View::ALL {
        let hinted = hinted(&sample(view, SMALL));
        assert_eq!(hinted.contains("a add"), view.has_entries(), "{view:?}: {hinted}");
        assert_eq!(hinted.contains("R start"), view == View::Runs, "{view:?}: {hinted}");
    }
}

#[test]
fn an_empty_list_names_the_key_that_puts_something_into_it_where_it_does() {
    let mut app = with(Vec::new(), SMALL);
    assert!(drawn(&app).backend().to_string().contains("there are no keys yet; a adds one"));
    app.database.read_only = true;
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("there are no keys yet  "), "{shown}");
}

#[test]
fn the_history_of_one_key_does_not_repeat_it_in_each_row() {
    let mut app = at(View::History, "version", LARGE);
    let heading = |app: &App| drawn(app).backend().to_string().lines().nth(2).unwrap_or_default().to_string();
    assert!(heading(&app).contains(" KEY "), "{}", heading(&app));
    app.list.scope = Some(HistoryScope { of: RowId::Entry(key("version")), back: View::Keys });
    assert!(!heading(&app).contains(" KEY ") && heading(&app).contains(" BY "), "{}", heading(&app));
}

#[test]
fn nothing_is_said_of_a_database_that_is_not_open_yet() {
    for view in View::ALL {
        let mut app = empty(SMALL);
        update::await_opening(&mut app, NOW);
        app.list.view = view;
        let shown = drawn(&app).backend().to_string();
        assert!(
            shown.contains(" opening…") && !shown.contains("there are no") && !shown.contains("nothing"),
            "{shown}"
        );
    }
}

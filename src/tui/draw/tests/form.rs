//! The form in which an entry is edited or added.

use crate::tui::draw::tests::*;

#[test]
fn what_is_edited_and_what_is_added() {
    for size in [SMALL, LARGE] {
        let named = |name: &str| format!("{name}_{}x{}", size.0, size.1);
        check(&named("edit"), &opened("version", size, "e-rc1"));
        // Everything is changed at once.
        check(&named("edit_all"), &opened("cache:report", size, "T+10m"));
        check(&named("add"), &opened("version", size, "anew:key"));
    }
    check("edit_with_a_mistake", &opened("deploys:total", SMALL, "ex"));
    check("edit_of_the_type", &opened("deploys:total", SMALL, "e\t  \t1h"));
    check("edit_of_a_long_line", &opened("version", (40, 12), "e and a text that is far too long for it"));
    check("edit_40x10", &opened("session:ann", (40, 10), "e\t \tsoon"));
    check("edit_20x5", &opened("version", TINY, "e"));
}

#[test]
fn the_row_with_the_cursor_and_what_is_wrong_with_it_are_seen_on_the_smallest_screen() {
    let shown = |keys: &str| drawn(&opened("deploys:total", TINY, keys)).backend().to_string();
    let expiry = shown("e\t\tsoon");
    assert!(expiry.contains("expiry") && expiry.contains("write 90s"), "{expiry}");
    let of_type = shown("e\t  ");
    assert!(of_type.contains("‹ table ›") && of_type.contains("write"), "{of_type}");
}

#[test]
fn what_somebody_else_writes_meanwhile_is_said_in_the_form() {
    let mut app = opened("version", SMALL, "e-mine");
    let theirs = Entry { revision: Revision(99), ..entry("version", "17", Some(Type::Number)) };
    let generation = app.list.reading.generation;
    update(&mut app, Message::Reply(Reply::Entries(generation, vec![(key("version"), Some(theirs))])), NOW);
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("changed meanwhile: it is 17 now (a number)"), "{shown}");
    for size in [(40, 10), TINY] {
        app.size = size;
        let shown = drawn(&app).backend().to_string();
        assert!(shown.contains("-mine") && shown.contains("changed"), "{shown}");
    }
}

#[test]
fn the_form_names_a_production_database() {
    let mut app = production(SMALL);
    type_text(&mut app, "e");
    check("edit_production", &app);
}

#[test]
fn the_cursor_stands_behind_what_was_typed() {
    for keys in ["eZ", "eab\t\t1Z", "TZ", "akZ", "ak\tvZ"] {
        for size in [SMALL, LARGE, (40, 10), TINY] {
            let mut terminal = drawn(&opened("version", size, keys));
            let at = terminal.get_cursor_position().unwrap();
            let shown = terminal.backend();
            assert_eq!(shown.buffer()[(at.x - 1, at.y)].symbol(), "Z", "{keys} at {size:?}:\n{shown}");
        }
    }
    // What stands for what is kept is typed over.
    let mut terminal = drawn(&opened("version", SMALL, "T"));
    let at = terminal.get_cursor_position().unwrap();
    assert_eq!(terminal.backend().buffer()[at].symbol(), "n");
}

#[test]
fn hostile_values_are_shown_escaped_in_the_form() {
    let hostile = Entry { size: 9, ..entry("\x1b]0;x\x07", "\x1b[2Jred\r\n", None) };
    let mut app = with(rows(vec![hostile]), SMALL);
    press(&mut app, KeyCode::Char('T'));
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("␛[2Jred\\r\\n") && shown.contains("Edit ␛]0;x␇"), "{shown}");
}

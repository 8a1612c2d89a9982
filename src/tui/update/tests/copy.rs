//! What is offered to the clipboard, the messages, and the mouse.

use crate::tui::dialogs::messages::log::LogEntry;
use crate::tui::terminal::clipboard::COPY_MAX;
use crate::tui::update::tests::*;

fn copied(effects: &[Effect]) -> String {
    match effects {
        [Effect::Copy(text)] => String::from_utf8(text.clone()).unwrap(),
        other => panic!("not one copy: {other:?}"),
    }
}

#[test]
fn key_value_and_row_are_sent_and_nothing_more_is_claimed() {
    let mut app = at("config");
    assert_eq!(copied(&press(&mut app, KeyCode::Char('y'))), "config");
    assert_eq!(status(&app), "the key was sent to the terminal (6 B)");
    assert_eq!(copied(&press(&mut app, KeyCode::Char('Y'))), "{\"replicas\":3,\"zones\":[\"a\",\"b\"]}");
    type_text(&mut app, ":copy-row");
    let row: serde_json::Value = serde_json::from_str(&copied(&press(&mut app, KeyCode::Enter))).unwrap();
    assert_eq!((&row["key"], &row["type"]), (&"config".into(), &"table".into()));
    let mut app = sample(View::Locks, SIZE);
    on(&mut app, "deploy");
    assert_eq!(copied(&press(&mut app, KeyCode::Char('Y'))), "ann@web1:4242");
}

#[test]
fn what_is_not_all_there_or_too_long_is_not_sent() {
    let mut part = entry("long", "the beginning", None);
    part.size = 50_000_000;
    let whole = entry("longer", &"x".repeat(COPY_MAX + 1), None);
    let mut app = with(rows(vec![part, whole]), SIZE);
    assert_eq!(press(&mut app, KeyCode::Char('Y')), []);
    assert!(status(&app).contains("is not sent: it is long (47.7 MiB)"), "{}", status(&app));
    assert_eq!(copied(&press(&mut app, KeyCode::Char('y'))), "long");
    on(&mut app, "longer");
    assert_eq!(press(&mut app, KeyCode::Char('Y')), []);
    assert!(status(&app).contains("is not sent: it has 73.2 KiB"), "{}", status(&app));
}

#[test]
fn messages_are_kept_with_their_times_and_can_be_copied() {
    let mut app = at("version");
    answer(&mut app, Reply::Failed("the disk is gone".into()));
    press(&mut app, KeyCode::Char('j'));
    assert_eq!(status(&app), "", "a key takes the message away");
    press(&mut app, KeyCode::Char('M'));
    assert!(matches!(app.focus.dialog(), Some(Dialog::Messages(0))));
    assert_eq!(copied(&press(&mut app, KeyCode::Char('y'))), "the disk is gone");
    assert!(matches!(app.focus.dialog(), Some(Dialog::Messages(1))), "the cursor stays on its message");
    let said: Vec<&LogEntry> = app.messages.newest_first().collect();
    assert_eq!((said.len(), said[1].at), (2, Some(NOW)));
    assert!(copied(&press(&mut app, KeyCode::Char('Y'))).contains("the disk is gone"));
    press(&mut app, KeyCode::Esc);
    assert!(app.focus.dialog().is_none());
}

#[test]
fn two_clicks_open_the_details_and_the_wheel_moves_in_a_dialog() {
    let mouse = |app: &mut App, kind, row, now| {
        let event = MouseEvent { kind, column: 5, row, modifiers: KeyModifiers::NONE };
        update(app, Message::Input(Event::Mouse(event)), now)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    let mut app = at("version");
    let first = app.areas().list.y;
    mouse(&mut app, click, first, NOW);
    mouse(&mut app, click, first + 1, NOW);
    assert!(app.focus.dialog().is_none(), "two rows");
    mouse(&mut app, click, first + 1, NOW.plus(Duration::from_secs(1)));
    assert!(app.focus.dialog().is_none(), "too late");
    mouse(&mut app, click, first + 1, NOW.plus(Duration::from_millis(1200)));
    assert!(app.screen.value().is_some());
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('?'));
    mouse(&mut app, MouseEventKind::ScrollDown, 5, NOW);
    assert!(matches!(app.focus.dialog(), Some(Dialog::Help(top)) if *top > 0));
}

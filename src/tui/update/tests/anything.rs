//! Anything that can happen, in any order.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::testing::rounds;
use crate::tui::draw;
use crate::tui::list::GroupSize;
use crate::tui::testing::fixtures::{pressed, rows_of};
use crate::tui::update::tests::{timers, *};
use crate::tui::write::Write;

#[derive(Clone, Debug)]
enum Happening {
    Key(KeyCode, bool),
    Paste(String),
    Mouse(u8, u16, u16),
    Resize(u16, u16),
    Rows(bool),
    Refused(bool),
    Failed,
    News,
    Changed(usize),
    Weighed(bool),
    Gone(usize),
    Time(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let letters = "p[]{}()@RmV*WjkgGJKvl/:?qaeEtTdx0+= yYMCno!~<wwwzsSfFHcXr";
    let code = prop_oneof![
        8 => prop::sample::select(letters.chars().map(KeyCode::Char).collect::<Vec<_>>()),
        2 => any::<char>().prop_map(KeyCode::Char),
        2 => prop::sample::select((1..=8).map(|digit| KeyCode::Char((b'0' + digit) as char)).collect::<Vec<_>>()),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown,
            KeyCode::Home, KeyCode::End, KeyCode::Delete,
        ]),
    ];
    let size = prop_oneof![Just((0, 0)), Just((1, 1)), Just((20, 5)), (0u16..140, 0u16..50)];
    prop_oneof![
        20 => (code, prop::bool::weighted(0.1)).prop_map(|(code, control)| Happening::Key(code, control)),
        1 => ".{0,12}".prop_map(Happening::Paste),
        2 => (0u8..4, 0u16..140, 0u16..50).prop_map(|(kind, column, row)| Happening::Mouse(kind, column, row)),
        2 => size.prop_map(|(columns, rows)| Happening::Resize(columns, rows)),
        4 => any::<bool>().prop_map(Happening::Rows),
        2 => any::<bool>().prop_map(Happening::Refused),
        1 => Just(Happening::Failed),
        1 => Just(Happening::News),
        3 => (0usize..12).prop_map(Happening::Changed),
        2 => any::<bool>().prop_map(Happening::Weighed),
        2 => (0usize..12).prop_map(Happening::Gone),
        2 => (0u64..20_000).prop_map(Happening::Time),
    ]
}

fn apply(app: &mut App, happening: Happening, now: Millis) -> Vec<Effect> {
    let input = |app: &mut App, event| update(app, Message::Input(event), now);
    match happening {
        Happening::Key(code, control) => {
            let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            input(app, Event::Key(KeyEvent::new(code, modifiers)))
        }
        Happening::Paste(text) => input(app, Event::Paste(text)),
        Happening::Mouse(kind, column, row) => {
            let kind = [
                MouseEventKind::ScrollDown,
                MouseEventKind::ScrollUp,
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Moved,
            ][usize::from(kind)];
            let modifiers = KeyModifiers::NONE;
            input(app, Event::Mouse(MouseEvent { kind, column, row, modifiers }))
        }
        Happening::Resize(columns, rows) => input(app, Event::Resize(columns, rows)),
        Happening::Rows(complete) => {
            let (generation, rows) = (app.list.reading.generation, rows_of(app));
            let Some(from) = app.list.reading.from.clone() else { return Vec::new() };
            // Only a list from its beginning has these rows in it.
            let rows =
                if matches!(from, LoadFrom::After(_) | LoadFrom::Before(_)) { Vec::new() } else { rows };
            let rows = Reply::Rows {
                generation,
                from,
                rows,
                exhausted: complete,
                complete,
                first: true,
                scanned: 9,
            };
            update(app, Message::Reply(rows), now)
        }
        Happening::Refused(gone) => {
            let seen = entry("version", "v1", None);
            let write = Write::put(seen, Value::text("mine"), "done".into());
            let found = (!gone).then(|| entry("version", "\x1b]0;x\x07", None));
            update(app, Message::Reply(refusal(write, found)), now)
        }
        Happening::Failed => update(app, Message::Reply(Reply::Failed("disk\x1b[2J".into())), now),
        Happening::News => update(app, Message::Reply(Reply::Changed(CommitNotice::Anything)), now),
        Happening::Changed(place) => {
            let Some(entry) = entries().into_iter().nth(place) else { return Vec::new() };
            let mut change = changes().swap_remove(place % 6);
            change.key = entry.key;
            update(app, Message::Reply(Reply::Changed(CommitNotice::Changes(vec![change]))), now)
        }
        Happening::Weighed(is_all) => {
            let size = GroupSize { keys: 3, bytes: 9, is_all, is_old: false };
            update(app, Message::Reply(Reply::Weighed(key("feature:"), size)), now)
        }
        Happening::Gone(place) => {
            let Some(entry) = entries().into_iter().nth(place) else { return Vec::new() };
            let generation = app.list.reading.generation;
            update(app, Message::Reply(Reply::Entries(generation, vec![(entry.key, None)])), now)
        }
        Happening::Time(_) => pass(app, now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(16, 48), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_happens_panics_and_everything_can_be_drawn(
        read_only in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut app = with(rows(entries()), SIZE);
        app.database.read_only = read_only;
        let mut now = NOW;
        for happening in happenings {
            // Nothing is refused where nothing can be written.
            if read_only && matches!(happening, Happening::Refused(_)) {
                continue;
            }
            if let Happening::Time(millis) = happening {
                now = now.plus(Duration::from_millis(millis));
            }
            let mut effects = apply(&mut app, happening, now);
            effects.extend(pass(&mut app, now));
            let next = app.next_wakeup(now);
            prop_assert!(next.is_none_or(|next| next > now), "{next:?} is not after {now}");
            if read_only {
                let writes = |effect: &Effect| matches!(effect, Effect::Write(_) | Effect::EditOutside(..));
                prop_assert!(!effects.iter().any(writes), "{effects:?}");
            }
            let cursor = app.list.window.cursor();
            prop_assert!(cursor == 0 || cursor < app.list.window.rows().len());
            let (columns, rows) = app.size;
            let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
            terminal.draw(|frame| draw::draw(&app, now, frame)).unwrap();
            let drawn = terminal.backend().buffer();
            prop_assert!(drawn.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
        }
        timers::waits(&mut app, now);
        // From anywhere a few keys lead back to the list, and out.
        for _ in 0..80 {
            update(&mut app, pressed(KeyCode::Esc), now);
        }
        prop_assert!(app.focus.dialog().is_none() && !app.focus.is_filter_line());
        app.requests.writing.clear();
        prop_assert_eq!(update(&mut app, pressed(KeyCode::Char('q')), now), [Effect::Quit]);
    }
}

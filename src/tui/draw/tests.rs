//! Pictures of every view and dialog from fixed data at a fixed moment.

pub mod conflict;
pub mod contrast;
pub mod form;
pub mod hints;
pub mod looks;

use crossterm::event::KeyCode;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};

use crate::config::{ConfirmPolicy, Context};
use crate::store::{Change, Entry, Image, Revision, Type};
use crate::tui::app::App;
use crate::tui::bulk::{BulkCounts, BulkReply, BulkRequest, Selection, SkipReason};
use crate::tui::effect::{Effect, Reply};
use crate::tui::list::{DiffKind, Group, GroupSize, LoadFrom, Row, RowId, RunRow, Series, sort};
use crate::tui::message::Message;
use crate::tui::screens::overview::state::Overview;
use crate::tui::screens::past::state::PastPage;
use crate::tui::screens::value::detail::{Detail, RecentChanges};
use crate::tui::testing::fixtures;
use crate::tui::testing::fixtures::{
    NOW, account, answer_rows, changes, empty, entries, entry, key, on, past, press, rows, rows_then, sample,
    type_text, with,
};
use crate::tui::testing::snapshot::assert_snapshot;
use crate::tui::theme::{Theme, Themes};
use crate::tui::undo::stack::UndoableChange;
use crate::tui::update::update;
use crate::tui::view::View;
use crate::tui::{draw, timing};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);
const TINY: (u16, u16) = (20, 5);

/// Each view, and what is under the cursor there.
const UNDER: [(View, &str); 8] = [
    (View::Keys, "config"),
    (View::Flags, "feature:dark_mode"),
    (View::Counters, "deploys:total"),
    (View::Locks, "deploy"),
    (View::Expiring, "cache:report"),
    (View::History, "session:bob"),
    (View::Runs, "deploy"),
    (View::Overview, "backup:nightly"),
];

#[track_caller]
fn drawn(app: &App) -> Terminal<TestBackend> {
    crate::tui::testing::contrast::check(app, NOW);
    let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
    terminal.draw(|frame| draw::draw(app, NOW, frame)).unwrap();
    terminal
}

fn buffer(app: &App) -> Buffer {
    drawn(app).backend().buffer().clone()
}

#[track_caller]
pub fn check(name: &str, app: &App) {
    assert_snapshot("tui/views", name, drawn(app).backend());
}

/// The sample with all that is known of the row under the cursor.
fn at(view: View, name: &str, size: (u16, u16)) -> App {
    let mut app = sample(view, size);
    on(&mut app, name);
    let Some(id) = app.list.window.selected().map(Row::id) else { return app };
    let entry = entries().into_iter().find(|entry| RowId::Entry(entry.key.clone()) == id);
    let mut detail = entry.map(|entry| Box::new(Detail::of_entry(entry)));
    if let Some(Row::Run(row)) = app.list.window.selected() {
        let row = RunRow { account: Some(account()), ..*row.clone() };
        detail = Some(Box::new(Detail::new(Row::Run(Box::new(row)), 0)));
    }
    update(&mut app, Message::Reply(Reply::Detail(id.clone(), detail)), NOW);
    let changes = changes().into_iter().filter(|change| RowId::subject_of(change) == id).collect();
    update(&mut app, Message::Reply(Reply::Past(RecentChanges { of: id, changes })), NOW);
    app
}

/// How a number of the sample grew, the newest first.
fn growth() -> Vec<Change> {
    let model = changes().swap_remove(0);
    let change = |step: i64| Change {
        revision: Revision(41 - step),
        at: fixtures::ago(3 + step * 40),
        new: Some(Image {
            stored: (1207 - step * step).to_string().into(),
            stored_type: None,
            expires_at: None,
        }),
        ..model.clone()
    };
    (0..12).map(change).collect()
}

#[test]
fn a_counter_with_its_past() {
    for size in [SMALL, LARGE] {
        let mut app = at(View::Counters, "deploys:total", size);
        update(&mut app, Message::Reply(Reply::Recent(growth())), NOW);
        let past = RecentChanges { of: RowId::Entry(key("deploys:total")), changes: growth() };
        update(&mut app, Message::Reply(Reply::Past(past)), NOW);
        check(&format!("counter_with_its_past_{}x{}", size.0, size.1), &app);
        press(&mut app, KeyCode::Char('v'));
        check(&format!("chart_of_a_counter_{}x{}", size.0, size.1), &app);
    }
}

#[test]
fn a_theme_with_a_ground_has_it_everywhere_and_one_cursor_from_end_to_end() {
    // What is behind the second half of a wide letter is never sent to a terminal.
    let whole = |app: &App| {
        let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
        terminal.draw(|frame| draw::draw(app, NOW, frame)).unwrap().buffer.clone()
    };
    for size in [SMALL, LARGE] {
        for mut app in [sample(View::Keys, size), sample(View::Overview, size), empty(size)] {
            app.settings.theme = Themes::shipped().named("high-contrast").unwrap();
            press(&mut app, KeyCode::Char('?'));
            let (ground, letters) = (app.settings.theme.text.bg.unwrap(), app.settings.theme.cursor);
            let with_help = whole(&app);
            press(&mut app, KeyCode::Esc);
            let without = whole(&app);
            let cells = || with_help.content().iter().chain(without.content());
            assert!(cells().all(|cell| cell.bg != Color::Reset), "{ground:?} is not everywhere");
            let width = usize::from(size.0);
            let Some(row) = without.content().chunks(width).find(|row| row[0].symbol() == "›") else {
                continue;
            };
            let listed = row.iter().take_while(|cell| cell.symbol() != "│");
            for cell in listed.filter(|cell| cell.bg != ground) {
                assert_eq!((Some(cell.fg), Some(cell.bg)), (letters.fg, letters.bg), "{row:?}");
            }
            let on_ground = row[..20].iter().filter(|cell| cell.bg == ground).count();
            assert_eq!(on_ground, 0, "the cursor has holes: {row:?}");
        }
    }
}

#[test]
fn keys_as_a_tree() {
    let group = |prefix: &str, series| Row::Group(Group { prefix: key(prefix), series });
    let points = (0..30).map(|minute| (fixtures::ago(60 * (30 - minute)), (minute * minute) as f64));
    let series = Some(Series { points: points.collect() });
    let mut rows = vec![group("api_calls_", series), group("deploy", None), group("feature:", None)];
    rows.extend(
        entries().into_iter().filter(|entry| entry.key.to_text().starts_with("feature:")).map(Row::Entry),
    );
    for size in [SMALL, LARGE, (40, 10)] {
        let mut app = sample(View::Keys, size);
        press(&mut app, KeyCode::Char('w'));
        app.list.tree.open.insert(key("feature:"));
        answer_rows(&mut app, rows.clone());
        let all = GroupSize { keys: 1_200, bytes: 5_300_000, is_all: true, is_old: false };
        update(&mut app, Message::Reply(Reply::Weighed(key("feature:"), all)), NOW);
        let some = GroupSize { keys: 20_000, is_all: false, ..all };
        update(&mut app, Message::Reply(Reply::Weighed(key("deploy"), some)), NOW);
        app.list.window.select(0);
        check(&format!("tree_{}x{}", size.0, size.1), &app);
    }
}

#[test]
fn every_view_in_two_sizes() {
    for (view, name) in UNDER {
        for size in [SMALL, LARGE] {
            check(&format!("{}_{}x{}", view.title().to_lowercase(), size.0, size.1), &at(view, name, size));
        }
    }
}

#[test]
fn the_locks_of_the_dead_and_keys_used_as_locks() {
    check("lock_of_a_dead_holder", &at(View::Locks, "backup:nightly", SMALL));
    check("key_used_as_a_lock", &at(View::Locks, "deploy_lock", SMALL));
}

#[test]
fn a_very_small_screen() {
    check("keys_20x5", &at(View::Keys, "config", TINY));
    check("locks_20x5", &at(View::Locks, "deploy", TINY));
    check("overview_40x10", &at(View::Overview, "deploy", (40, 10)));
    check("locks_40x10", &at(View::Locks, "deploy", (40, 10)));
    let mut app = at(View::Keys, "config", TINY);
    press(&mut app, KeyCode::Char('v'));
    check("details_20x5", &app);
}

/// The sample with three entries marked, one of which was changed since.
fn marked(size: (u16, u16)) -> App {
    let mut app = at(View::Keys, "feature:dark_mode", size);
    type_text(&mut app, "mmm");
    let changed = Entry { revision: Revision(90), ..entry("feature:new_checkout", "true", None) };
    let news = vec![(changed.key.clone(), Some(changed))];
    let generation = app.list.reading.generation;
    update(&mut app, Message::Reply(Reply::Entries(generation, news)), NOW);
    app
}

#[test]
fn what_is_marked_and_what_would_be_done_with_it() {
    check("marked_80x24", &marked(SMALL));
    check("marked_120x40", &marked(LARGE));
    let mut app = marked(SMALL);
    let effects = press(&mut app, KeyCode::Char('d'));
    let [Effect::Bulk(number, BulkRequest::Preview(bulk))] = &effects[..] else { panic!("{effects:?}") };
    check("marked_counting", &app);
    let mut tally = BulkCounts::default();
    for number in 0..250_000 {
        tally.take(&bulk.deed, &entry(&format!("session:{number}"), "9f8e7d", None), NOW);
    }
    tally.leave(&key("feature:new_checkout"), SkipReason::Changed);
    let told = BulkReply::Previewed { tally, complete: true, history_keeps: Some(200_000) };
    update(&mut app, Message::Reply(Reply::Bulk(*number, Box::new(told))), NOW);
    check("marked_delete", &app);
    // Marks are told from what is not marked without any colour.
    let mut app = marked(SMALL);
    app.settings.theme = Theme::plain();
    let drawn = drawn(&app).backend().to_string();
    assert!(drawn.contains("✓feature:dark_mode") && drawn.contains("!feature:new_checkout"), "{drawn}");
    let mut tiny = marked(TINY);
    press(&mut tiny, KeyCode::Char('W'));
    check("marked_export_20x5", &tiny);
}

/// The sample as it was three changes ago.
fn travelled(size: (u16, u16)) -> App {
    let mut app = at(View::Keys, "config", size);
    let effects = press(&mut app, KeyCode::Char('p'));
    let [Effect::ReadPast(request)] = &effects[..] else { panic!("{effects:?}") };
    let (from, rows) = (LoadFrom::Start, rows_then());
    let visited = PastPage { place: Some(past(39)), from, rows: Some(rows), is_end: true, pruned: None };
    update(&mut app, Message::Reply(Reply::PastPage(request.load.generation, Box::new(Ok(visited)))), NOW);
    app
}

#[test]
fn the_past_is_marked_as_such_and_the_difference_to_now_without_colour() {
    let mut app = travelled(SMALL);
    type_text(&mut app, "jm");
    check("past_80x24", &app);
    let mut app = travelled(LARGE);
    press(&mut app, KeyCode::Char('j'));
    check("past_120x40", &app);
    check("past_40x10", &travelled((40, 10)));
    // What it is sorted by is said where there is room for nothing else.
    let mut sorted = travelled((40, 10));
    sorted.shown_list_mut().sorts.insert(View::Keys, sort::SortBy::Left.usual());
    assert!(drawn(&sorted).backend().to_string().contains("KEY, by ttl ▲"));
    let tiny = drawn(&travelled(TINY)).backend().to_string();
    assert!(tiny.contains("PAST") && tiny.contains("esc now"), "{tiny}");
    let mut app = travelled(SMALL);
    let effects = press(&mut app, KeyCode::Char('*'));
    let [Effect::Bulk(number, BulkRequest::Select(_))] = effects[..] else { panic!("{effects:?}") };
    let different = rows_then().into_iter().filter(|row| row.difference() != DiffKind::None);
    let entries = different.map(|row| (row.key, row.now)).collect();
    let told = BulkReply::Selected(Ok(Some(Selection { entries, locks: Vec::new(), has_more: false })));
    update(&mut app, Message::Reply(Reply::Bulk(number, Box::new(told))), NOW);
    press(&mut app, KeyCode::Char('R'));
    check("past_restore", &app);
    let mut app = travelled(SMALL);
    app.settings.theme = Theme::plain();
    let buffer = buffer(&app);
    assert!(buffer[(1, 0)].modifier.contains(ratatui::style::Modifier::REVERSED));
    assert!(buffer.content().iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
}

#[test]
fn the_past_shows_matches_and_marks_as_any_list_does() {
    let mut app = travelled(SMALL);
    type_text(&mut app, "jm");
    let effects = type_text(&mut app, "/dark");
    let Some(Effect::ReadPast(request)) = effects.last() else { panic!("{effects:?}") };
    let mut row = rows_then().swap_remove(1);
    row.now = row.now.map(|now| Entry { revision: Revision(99), ..now });
    let (from, rows) = (LoadFrom::Start, Some(vec![row]));
    let visited = PastPage { place: None, from, rows, is_end: true, pruned: None };
    update(&mut app, Message::Reply(Reply::PastPage(request.load.generation, Box::new(Ok(visited)))), NOW);
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("›!~feature:dark_mode"), "it was changed since it was marked: {shown}");
    let buffer = buffer(&app);
    let matched: String = (0..80)
        .map(|column| &buffer[(column, 3)])
        .filter(|cell| Some(cell.fg) == app.settings.theme.matched.fg)
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(matched, "dark");
}

#[test]
fn help_of_the_past_and_of_a_value() {
    let mut app = travelled(SMALL);
    press(&mut app, KeyCode::Char('?'));
    check("help_of_the_past", &app);
    let mut app = opened("config", SMALL, "v?");
    check("help_of_a_value", &app);
    type_text(&mut app, "q:fold");
    check("palette_of_a_value", &app);
}

#[test]
fn the_past_is_filtered_where_the_scrubber_stands() {
    let mut app = travelled(SMALL);
    type_text(&mut app, "/feature kind:flog");
    check("past_filter", &app);
    let effects = press(&mut app, KeyCode::Esc);
    let Some(Effect::ReadPast(request)) = effects.last() else { panic!("{effects:?}") };
    let rows = rows_then().into_iter().filter(|row| row.key.to_text().contains("feature")).collect();
    let from = LoadFrom::Start;
    let visited = PastPage { place: None, from, rows: Some(rows), is_end: true, pruned: None };
    update(&mut app, Message::Reply(Reply::PastPage(request.load.generation, Box::new(Ok(visited)))), NOW);
    let shown = drawn(&app).backend().to_string();
    assert!(
        shown.contains('[') && shown.contains("~feature:dark_mode"),
        "the scrubber is there again: {shown}"
    );
    type_text(&mut app, "v");
    check("value_of_the_past", &app);
}

#[test]
fn what_was_changed_here() {
    let mut app = at(View::Keys, "version", SMALL);
    for (seconds, words) in
        [(4000, "deleted 3 entries"), (75, "set feature:dark_mode to false"), (9, "x\x1b")]
    {
        app.undo.stack.changed(UndoableChange::of(vec![Revision(1)], words, fixtures::ago(seconds)));
    }
    type_text(&mut app, ":undos");
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Down);
    check("undos", &app);
    app.size = TINY;
    let tiny = drawn(&app).backend().to_string();
    assert!(tiny.contains("› 1m15s") && tiny.contains("take it back"), "{tiny}");
}

#[test]
fn an_empty_database() {
    for view in View::ALL {
        let mut app = empty(SMALL);
        app.list.view = view;
        app.database.count = Some(0);
        app.overview = Some(Overview::default());
        answer_rows(&mut app, Vec::new());
        check(&format!("empty_{}", view.title().to_lowercase()), &app);
    }
    let mut app = empty(SMALL);
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "nothing-like-it");
    answer_rows(&mut app, Vec::new());
    check("empty_because_of_the_filter", &app);
}

/// The sample as a database where mistakes are felt by others.
fn production(size: (u16, u16)) -> App {
    let mut app = opened("version", size, "");
    let location = crate::store::Location::File("/srv/live/state.db".into());
    app.database.location = crate::store::Location::File("/srv/live/state.db".into());
    app.database.known = Some(Context {
        name: "live".into(),
        location,
        read_only: false,
        production: true,
        confirm: ConfirmPolicy::Always,
        no_exec: false,
        allow_exec: None,
    });
    app
}

#[test]
fn a_production_database_is_marked_in_words_on_every_screen() {
    check("production", &production(SMALL));
    let mut app = production(SMALL);
    type_text(&mut app, "d");
    check("production_delete", &app);
    let mut app = production(SMALL);
    app.list.window = sample(View::Locks, SMALL).list.window;
    type_text(&mut app, "xliv");
    check("production_clear_lock", &app);
    for size in [TINY, (40, 10), (300, 80)] {
        let mut app = production(size);
        let text = drawn(&app).backend().to_string();
        assert!(text.contains("PRODUCTION"), "{text}");
        press(&mut app, KeyCode::Char('v'));
        let text = drawn(&app).backend().to_string();
        assert!(text.contains("PRODUCTION"), "{text}");
    }
    let mut app = production(SMALL);
    press(&mut app, KeyCode::Char('R'));
    let text = drawn(&app).backend().to_string();
    assert!(text.contains("Start a workflow") && text.contains("PRODUCTION live  /srv"), "{text}");
    let mut app = production((40, 10));
    type_text(&mut app, "d");
    let text = drawn(&app).backend().to_string();
    assert!(text.contains("Delete version?") && text.contains("y yes, do it"), "{text}");
}

#[test]
fn hostile_bytes_wide_characters_and_writing_from_right_to_left() {
    let bytes = |name: &[u8], stored: &[u8]| Entry {
        key: crate::store::Key::from_stored(name, false),
        stored: stored.into(),
        size: stored.len() as u64,
        ..entry("k", "", None)
    };
    let hostile = vec![
        bytes(b"\x1b]0;owned\x07", b"\x1b[2J\x1b[31mred\r\nsecond line\ttab"),
        bytes(b"bad\xff\xfeutf8", b"\x80\x81\x9b31m"),
        bytes("emoji👩‍👩‍👧🦥".as_bytes(), "👍🏽 🇩🇪 e\u{301}".as_bytes()),
        bytes("rtl\u{202e}gnp.exe".as_bytes(), "שלום עולם \u{2066}x\u{2069}".as_bytes()),
        bytes("zero\u{200b}width".as_bytes(), "\u{feff}bom".as_bytes()),
        bytes("日本語".repeat(20).as_bytes(), "値".repeat(80).as_bytes()),
    ];
    for place in 0..hostile.len() {
        let mut app = with(rows(hostile.clone()), SMALL);
        app.list.window.select(place);
        let drawn = buffer(&app);
        assert!(drawn.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
    }
    check("hostile", &with(rows(hostile), SMALL));
    // Whoever wrote a row also wrote what it says of its writer.
    let actor = crate::store::Actor { name: "eve\x1b[2J".into(), run: None, task: Some("\x07".into()) };
    let shown = drawn(&with(rows(vec![Entry { actor: Some(actor), ..entry("k", "v", None) }]), SMALL));
    let shown = shown.backend().to_string();
    assert!(shown.contains("eve␛[2J task ␇"), "{shown}");
}

#[test]
fn the_filter_line() {
    let mut app = sample(View::Keys, SMALL);
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "feature");
    let found = fixtures::rows_of(&app);
    answer_rows(&mut app, found);
    check("filter", &app);
    type_text(&mut app, " kind:flog");
    check("filter_with_a_mistake", &app);
}

fn opened(name: &str, size: (u16, u16), keys: &str) -> App {
    let mut app = at(View::Keys, name, size);
    type_text(&mut app, keys);
    app
}

#[test]
fn every_dialog() {
    check("help", &opened("feature:dark_mode", SMALL, "?"));
    check("help_120x40", &opened("feature:dark_mode", LARGE, "?"));
    check("palette", &opened("feature:dark_mode", SMALL, ":lock"));
    let mut app = opened("version", SMALL, "");
    app.show_error("the database is busy\x1b[2J: somebody else has been writing to it for 10 seconds, which is longer than is waited");
    app.show_done("added 1 to count", NOW);
    app.messages.stamp(NOW);
    type_text(&mut app, "Mj");
    check("messages", &app);
    check("palette_with_a_name", &opened("feature:dark_mode", SMALL, ":theme l"));
    check("delete", &opened("deploy_lock", SMALL, "d"));
    check("clear_key", &opened("deploy_lock", SMALL, "x"));
    let mut locks = at(View::Locks, "deploy", SMALL);
    press(&mut locks, KeyCode::Char('x'));
    check("clear_lock", &locks);
    check("details", &opened("config", SMALL, "v"));
}

#[test]
fn dialogs_on_a_very_small_screen_keep_their_answers_in_sight() {
    for (name, keys, answer) in [
        ("version", "d", "yes, do it"),
        ("version", "e", "write"),
        ("version", "T", "write"),
        ("version", "a", "add"),
        ("version", "?", "close"),
        ("version", ":", "close"),
        ("deploy_lock", "x", "yes, do it"),
    ] {
        let shown = drawn(&opened(name, TINY, keys)).backend().to_string();
        assert!(shown.contains(answer), "{keys}:\n{shown}");
    }
    check("delete_20x5", &opened("feature:new_checkout", TINY, "d"));
    let shown = drawn(&opened("version", TINY, ":lock")).backend().to_string();
    assert!(shown.contains("› lock"), "what would be done is seen before it is done:\n{shown}");
}

#[test]
fn a_long_message_is_read_in_full() {
    let mut app = sample(View::Keys, (40, 12));
    app.show_error("the database disk image is malformed: run slothstate doctor, and restore a backup of it");
    check("long_message_40x12", &app);
}

#[test]
fn read_only_shows_no_key_that_writes() {
    let mut app = at(View::Keys, "feature:dark_mode", LARGE);
    app.database.read_only = true;
    check("read_only", &app);
    let shown = drawn(&app).backend().to_string();
    for hint in ["toggle", "edit", "ttl", "delete", "add"] {
        assert!(!shown.lines().last().unwrap().contains(hint), "{hint}");
    }
}

/// The style of the first cell of the key in each row of the list.
fn styles(app: &App) -> Vec<Style> {
    let drawn = buffer(app);
    let list = app.areas().list;
    (list.y..list.bottom().min(list.y + 10)).map(|y| drawn[(list.x + 1, y)].style()).collect()
}

#[test]
fn cursor_and_flash_differ_without_colour() {
    let mut app = sample(View::Keys, SMALL);
    app.settings.theme = Theme::plain();
    app.list.flashes.insert(RowId::Entry(key("config")), NOW.plus(timing::FLASH));
    let plain = styles(&app);
    assert_ne!(plain[0], plain[2], "the cursor");
    assert_ne!(plain[1], plain[2], "a flash");
    assert_ne!(plain[0], plain[1]);
    let none = |style: &Style| {
        matches!(style.fg, None | Some(ratatui::style::Color::Reset))
            && matches!(style.bg, None | Some(ratatui::style::Color::Reset))
    };
    assert!(buffer(&app).content().iter().all(|cell| none(&cell.style())));
    // Both at once are still told from either.
    app.list.flashes.insert(RowId::Entry(key("cache:report")), NOW.plus(timing::FLASH));
    let both = styles(&app)[0];
    assert!(both != plain[0] && both != plain[1]);
}

#[test]
fn a_flash_under_the_cursor_can_be_read() {
    for theme in [Theme::dark(), Theme::light()] {
        let mut app = sample(View::Keys, SMALL);
        app.settings.theme = theme;
        app.list.flashes.insert(RowId::Entry(key("cache:report")), NOW.plus(timing::FLASH));
        let style = styles(&app)[0];
        assert_eq!((style.fg, style.bg), (theme.flash.fg, theme.flash.bg));
    }
}

#[test]
fn dark_and_light_style_the_same_cells() {
    for (view, size) in View::ALL.into_iter().flat_map(|view| [(view, SMALL), (view, LARGE)]) {
        let mut app = sample(view, size);
        app.list.flashes.extend(app.list.window.rows().get(1).map(|row| (row.id(), NOW.plus(timing::FLASH))));
        let dark = buffer(&app);
        app.settings.theme = Theme::light();
        let light = buffer(&app);
        for (dark, light) in dark.content().iter().zip(light.content()) {
            assert_eq!(dark.symbol(), light.symbol());
            assert_eq!(dark.modifier, light.modifier);
            let is_plain = |style: Style| {
                (
                    style.fg == Some(ratatui::style::Color::Reset),
                    style.bg == Some(ratatui::style::Color::Reset),
                )
            };
            assert_eq!(is_plain(dark.style()), is_plain(light.style()));
        }
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_not_said_to_let_nothing_pass() {
    let mut app = sample(View::Keys, SMALL);
    type_text(&mut app, "/kind");
    answer_rows(&mut app, Vec::new());
    assert!(drawn(&app).backend().to_string().contains("nothing passes the filter"));
    type_text(&mut app, ":");
    let text = drawn(&app).backend().to_string();
    assert!(text.contains("the filter cannot be read as it stands"), "{text}");
}

#[test]
fn of_a_long_table_as_text_a_picture_has_no_more_than_a_piece() {
    let value = format!("[{}\"end\"]", "\"ä\",".repeat(15_000));
    let long = entry("long", &value, None);
    let mut app = with(rows(vec![long.clone()]), SMALL);
    let detail = Some(Box::new(Detail::of_entry(long)));
    update(&mut app, Message::Reply(Reply::Detail(RowId::Entry(key("long")), detail)), NOW);
    type_text(&mut app, "vf");
    press(&mut app, KeyCode::Char('G'));
    let text = drawn(&app).backend().to_string();
    assert!(text.contains("9.2 KiB more: as a tree, or in the editor"), "{text}");
    assert!(!text.contains("\\xc3"), "no character is torn: {text}");
}

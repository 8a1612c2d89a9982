//! A change that was refused, beside what somebody else has made of the entry.

use ratatui::style::Modifier;

use crate::store::Actor;
use crate::testing::rounds;
use crate::tui::draw::tests::*;
use crate::tui::testing::fixtures;
use crate::tui::testing::fixtures::{edited, refusal};
use crate::tui::write::Write;

/// The screen after `keys` on an entry, which is `theirs` by the time that they are carried out.
fn refused(name: &str, keys: &str, theirs: Option<Entry>, size: (u16, u16)) -> App {
    let mut app = at(View::Keys, name, size);
    type_text(&mut app, keys);
    let effects = press(&mut app, KeyCode::Enter);
    let [Effect::Write(write)] = &effects[..] else { panic!("{effects:?}") };
    refuse(&mut app, write.clone(), theirs);
    app
}

fn refuse(app: &mut App, write: Write, theirs: Option<Entry>) {
    update(app, Message::Reply(refusal(write, theirs)), NOW);
}

fn theirs(name: &str, stored: &str, value_type: Type) -> Entry {
    let actor = Actor { name: "bob@web2:4300".into(), run: None, task: None };
    let modified_at = Some(fixtures::ago(12));
    Entry { revision: Revision(99), actor: Some(actor), modified_at, ..entry(name, stored, Some(value_type)) }
}

fn of_a_line(size: (u16, u16)) -> App {
    refused("version", "e-mine", Some(theirs("version", "v1.15.0", Type::String)), size)
}

/// An edit of a table of many members in the user's editor.
fn of_a_table(size: (u16, u16)) -> App {
    let table = |mode: &str, hosts: &str| {
        let zones: Vec<String> = (1..20).map(|number| format!("\"zone-{number}\"")).collect();
        format!("{{\"hosts\":[{hosts}],\"mode\":\"{mode}\",\"replicas\":3,\"zones\":[{}]}}", zones.join(","))
    };
    let mut app = at(View::Keys, "config", size);
    let seen = entry("config", "{}", Some(Type::Table));
    let text = table("slow", "\"web1\",\"web2\"").into_bytes();
    let effects = update(&mut app, Message::Reply(edited(seen, text)), NOW);
    let [Effect::Write(write)] = &effects[..] else { panic!("{effects:?}") };
    let found = theirs("config", &table("fast", "\"web1\",\"web2\",\"web3\""), Type::Table);
    refuse(&mut app, write.clone(), Some(found));
    app
}

#[test]
fn both_values_and_the_answers_are_seen_at_every_size() {
    for size in [TINY, (40, 10), SMALL, LARGE] {
        let named = |name: &str| format!("{name}_{}x{}", size.0, size.1);
        check(&named("conflict"), &of_a_line(size));
        check(&named("conflict_of_a_table"), &of_a_table(size));
        let other_type =
            refused("session:ann", "e\t\t1h", Some(theirs("session:ann", "17", Type::Number)), size);
        check(&named("conflict_of_the_expiry"), &other_type);
    }
    for columns in (20..90).step_by(rounds(9, 3) as usize) {
        for rows in (5..30).step_by(rounds(5, 2) as usize) {
            for app in [of_a_line((columns, rows)), of_a_table((columns, rows))] {
                let shown = drawn(&app).backend().to_string();
                for part in ["yours", "now", "esc"] {
                    assert!(shown.contains(part), "{part} at {columns}x{rows}:\n{shown}");
                }
            }
        }
    }
}

#[test]
fn types_and_expiries_are_told_where_they_differ() {
    let found = || theirs("version", "17", Type::Number);
    let app = refused("version", "e1\t\t2h", Some(found()), SMALL);
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("yours a string, now a number"), "{shown}");
    assert!(shown.contains("yours in 2h, now never"), "{shown}");
    assert!(shown.contains("bob@web2:4300, 12s ago"), "{shown}");
    let gone = drawn(&refused("version", "e1", None, SMALL)).backend().to_string();
    assert!(gone.contains("v1.14.21") && gone.contains("(it is gone)"), "{gone}");
    let mut app = production(SMALL);
    type_text(&mut app, "e1");
    press(&mut app, KeyCode::Enter);
    let effects = press(&mut app, KeyCode::Char('y'));
    let [Effect::Write(write)] = &effects[..] else { panic!("{effects:?}") };
    refuse(&mut app, write.clone(), Some(found()));
    let shown = drawn(&app).backend().to_string();
    assert!(shown.contains("PRODUCTION live  /srv"), "{shown}");
}

#[test]
fn what_differs_is_marked_without_colour_and_in_sight_however_long_the_rest_is() {
    let same = "some words that are the same ".repeat(30);
    let seen = entry("version", &same, Some(Type::String));
    let mut writer = at(View::Keys, "version", SMALL);
    let text = format!("{same}slow, and on");
    let effects = update(&mut writer, Message::Reply(edited(seen, text)), NOW);
    let [Effect::Write(write)] = &effects[..] else { panic!("{effects:?}") };
    for size in [TINY, (40, 10), SMALL, LARGE] {
        let mut app = at(View::Keys, "version", size);
        app.settings.theme = Theme::plain();
        let found = theirs("version", &format!("{same}fast, and on"), Type::String);
        refuse(&mut app, write.clone(), Some(found));
        let drawn = buffer(&app);
        let marked: String = drawn
            .content()
            .iter()
            .filter(|cell| cell.modifier == Modifier::UNDERLINED)
            .map(|cell| cell.symbol())
            .collect();
        assert_eq!(marked, "slowfast", "{size:?}");
    }
}

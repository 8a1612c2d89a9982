//! Going through the past.

use super::*;
use crate::store::{HistorySpan, Moment, When};
use crate::tui::samples::{past, rows_then};
use crate::tui::travel::{Goal, Page, Visit, Visited};

/// The question that was asked, with its number.
fn visit(effects: &[Effect]) -> (u64, Visit) {
    let mut visits = effects.iter().filter_map(|effect| match effect {
        Effect::Visit(number, visit) => Some((*number, visit.clone())),
        _ => None,
    });
    visits.next().unwrap_or_else(|| panic!("no question about the past: {effects:?}"))
}

fn arrive(app: &mut App, number: u64, revision: i64) -> Vec<Effect> {
    let visited = Visited {
        place: Some(past(revision)),
        page: Page::From(None),
        rows: rows_then(),
        is_end: true,
        pruned: None,
    };
    answer(app, Answer::Visited(number, Box::new(Ok(visited))))
}

/// The sample as it was at a revision.
fn travelled(revision: i64) -> App {
    let mut app = at("version");
    let (number, _) = visit(&press(&mut app, KeyCode::Char('p')));
    arrive(&mut app, number, revision);
    app
}

#[test]
fn steps_that_are_asked_for_while_one_is_read_are_added_up() {
    let mut app = travelled(41);
    let (number, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(asked.goal, Goal::Steps(Revision(41), -1));
    assert_eq!(type_text(&mut app, "[{"), []);
    let (number, asked) = visit(&arrive(&mut app, number, 40));
    assert_eq!(asked.goal, Goal::Steps(Revision(40), -11));
    assert_eq!(arrive(&mut app, number, 29), []);
    // Other rows do not call back a step that is on its way.
    let (_, asked) = visit(&press(&mut app, KeyCode::Left));
    assert_eq!(visit(&press(&mut app, KeyCode::Char('d'))).1.goal, asked.goal);
    // What is no answer to the last question is dropped.
    let (number, _) = visit(&press(&mut app, KeyCode::Home));
    arrive(&mut app, number - 1, 35);
    assert_eq!(app.travel.as_ref().unwrap().place.as_ref().unwrap().moment.revision, Revision(29));
}

#[test]
fn a_moment_is_written_as_on_the_command_line() {
    let mut app = travelled(41);
    press(&mut app, KeyCode::Char('@'));
    type_text(&mut app, "soon");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert!(status(&app).contains("how long ago"), "{}", status(&app));
    press(&mut app, KeyCode::Char('@'));
    type_text(&mut app, "10m");
    let (_, asked) = visit(&press(&mut app, KeyCode::Enter));
    assert_eq!(asked.goal, Goal::When(When::Time(ago(600))));
}

#[test]
fn no_key_changes_anything_in_the_past_but_restoring_which_asks() {
    let mut app = travelled(38);
    assert_eq!(type_text(&mut app, "aeET+-0x"), []);
    assert!(app.dialog.is_none());
    // The first row is the same now.
    press(&mut app, KeyCode::Char('R'));
    assert!(app.dialog.is_none() && status(&app).contains("nothing to restore"), "{}", status(&app));
    press(&mut app, KeyCode::Char('*'));
    press(&mut app, KeyCode::Char('R'));
    let Some(Dialog::Confirm(_)) = &app.dialog else { panic!("{:?}", app.dialog) };
    assert_eq!(press(&mut app, KeyCode::Char('R')), []);
    let effects = press(&mut app, KeyCode::Char('y'));
    let What::Restore(restore) = &written(&effects).what else { panic!("{effects:?}") };
    let seen: Vec<_> = restore.entries.iter().map(|(key, now)| (key.to_text(), now.is_some())).collect();
    let expected = [("feature:dark_mode", true), ("new:key", true), ("session:old", false)];
    assert_eq!(seen, expected.map(|(key, there)| (key.to_string(), there)));
}

#[test]
fn read_only_restores_nothing() {
    let mut app = travelled(38);
    app.read_only = true;
    type_text(&mut app, "*R");
    assert!(app.dialog.is_none() && status(&app).contains("looking only"), "{}", status(&app));
}

#[test]
fn what_others_change_is_read_again_but_not_at_once() {
    let mut app = travelled(38);
    let effects = answer(&mut app, Answer::Changed(News::Anything));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Visit(..))), "{effects:?}");
    let later = NOW.plus(Duration::from_secs(1));
    assert!(app.next_change(NOW).unwrap() < later);
    let (_, asked) = visit(&pass(&mut app, later));
    assert_eq!(asked.goal, Goal::When(When::Revision(Revision(38))));
}

#[test]
fn what_is_pruned_is_said_and_the_oldest_is_shown() {
    let mut app = travelled(41);
    let (number, _) = visit(&press(&mut app, KeyCode::Home));
    let pruned = Some(StoreError::Pruned { oldest: Revision(12), oldest_at: ago(9000) });
    let span = HistorySpan { oldest: (Revision(12), ago(9000)), newest: (Revision(41), ago(3)) };
    let place = crate::tui::travel::Place {
        moment: Moment { revision: Revision(11), at: ago(9000) },
        span,
        ..past(41)
    };
    let visited =
        Visited { place: Some(place), page: Page::From(None), rows: rows_then(), is_end: true, pruned };
    answer(&mut app, Answer::Visited(number, Box::new(Ok(visited))));
    assert!(status(&app).contains("revision 12"), "{}", status(&app));
    press(&mut app, KeyCode::Esc);
    assert!(app.travel.is_none());
}

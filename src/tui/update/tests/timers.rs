//! The event loop never spins: without a message it wakes only in the future, and rarely.

use crate::tui::keys::{Action, RunAction};
use crate::tui::list::GroupSize;
use crate::tui::request::RequestId;
use crate::tui::screens::debugger;
use crate::tui::screens::debugger::state::PendingSearch;
use crate::tui::update::tests::*;
use crate::tui::wakeups::Timer;

/// Lets the event loop run for ten seconds without any message.
pub(super) fn waits(app: &mut App, mut now: Millis) {
    // Whatever waits for something tells four times a second for how long; everything else is rarer.
    const WAKEUPS: usize = 10 * 4 + 20;
    pass(app, now);
    let end = now.plus(Duration::from_secs(10));
    let mut wakeups = 0;
    while let Some(next) = app.next_wakeup(now).filter(|next| *next < end) {
        assert!(next > now, "a wake-up at {next}, which is not after {now}");
        now = next;
        let is_late = |duty: &Timer| app.due(*duty).is_some_and(|at| at.plus(Duration::from_millis(1)) < now);
        assert_eq!(Timer::ALL.into_iter().find(is_late), None, "late at {now}");
        pass(app, now);
        let due = Timer::ALL.into_iter().find(|duty| app.is_due(*duty, now));
        assert_eq!(due, None, "still due at {now}");
        wakeups += 1;
        assert!(wakeups <= WAKEUPS, "{wakeups} wake-ups by {now}");
    }
}

/// The sample as a tree, with one group.
fn tree() -> App {
    let mut app = sample(View::Keys, SIZE);
    press(&mut app, KeyCode::Char('w'));
    let group = Row::Group(Group { prefix: key("feature:"), series: None });
    answer_rows(&mut app, vec![group]);
    app
}

fn change_in(app: &mut App, name: &str) {
    let mut change = changes().swap_remove(0);
    change.key = key(name);
    answer(app, Reply::Changed(CommitNotice::Changes(vec![change])));
}

#[test]
fn a_group_that_changed_is_counted_again_or_not_but_never_for_ever() {
    for leave in ["w", "2", "4", "6", "7", "8", "p", ""] {
        let mut app = tree();
        change_in(&mut app, "feature:dark_mode");
        type_text(&mut app, leave);
        answer_rows(&mut app, Vec::new());
        waits(&mut app, NOW);
    }
}

fn size(keys: u64, is_all: bool) -> GroupSize {
    GroupSize { keys, bytes: keys, is_all, is_old: false }
}

fn is_weighed(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Figure(Figure::Weigh(_))))
}

#[test]
fn a_group_that_changes_while_it_is_counted_is_counted_again() {
    let mut app = tree();
    answer(&mut app, Reply::Weighed(key("feature:"), size(2, true)));
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert!(!is_weighed(&pass(&mut app, later(9))), "nothing changed");
    change_in(&mut app, "feature:dark_mode");
    assert!(is_weighed(&pass(&mut app, later(19))));
    let rows = app.list.window.rows().to_vec();
    answer_rows(&mut app, rows);
    change_in(&mut app, "feature:new_checkout");
    answer(&mut app, Reply::Weighed(key("feature:"), size(2, true)));
    assert!(is_weighed(&pass(&mut app, later(29))), "the second change may not be in it");
    answer(&mut app, Reply::Weighed(key("feature:"), size(2, true)));
    assert!(!is_weighed(&pass(&mut app, later(99))));
}

#[test]
fn a_group_that_changed_while_it_was_not_shown_is_counted_again() {
    let mut app = tree();
    answer(&mut app, Reply::Weighed(key("feature:"), size(2, true)));
    press(&mut app, KeyCode::Char('2'));
    answer_rows(&mut app, Vec::new());
    change_in(&mut app, "feature:dark_mode");
    assert!(!is_weighed(&pass(&mut app, NOW.plus(Duration::from_secs(5)))));
    press(&mut app, KeyCode::Char('1'));
    assert!(!is_weighed(&pass(&mut app, NOW.plus(Duration::from_secs(6)))), "no group is in memory yet");
    answer_rows(&mut app, vec![Row::Group(Group { prefix: key("feature:"), series: None })]);
    assert!(is_weighed(&pass(&mut app, NOW.plus(Duration::from_secs(6)))));
}

#[test]
fn a_long_search_in_a_run_does_not_spin() {
    let mut app = debugger::tests::opened(SIZE);
    let debugger = app.screen.run_mut().unwrap();
    debugger.search = Some(PendingSearch {
        number: RequestId(1),
        by: Action::Run(RunAction::WhatIf),
        what: "it".into(),
        from: 1,
        since: NOW,
        at: None,
    });
    waits(&mut app, NOW);
    waits(&mut app, NOW.plus(Duration::from_millis(199)));
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut app = sample(View::Runs, SIZE);
    app.list.flashes.insert(RowId::Run(15), NOW.plus(FLASH));
    app.show_done("done", NOW);
    answer(&mut app, Reply::Failed("disk I/O error".into()));
    app.status = None;
    app.show_done("done", NOW);
    let before = Millis(NOW.0 - 3_600_000);
    let effects = [pass(&mut app, NOW), pass(&mut app, before), pass(&mut app, before.plus(MINUTE))].concat();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
    assert_eq!(status(&app), "");
    assert!(app.list.flashes.is_empty());
}

const MINUTE: Duration = Duration::from_secs(60);

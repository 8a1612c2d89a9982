//! What is not on the screen is neither read nor drawn, and is as it should be once it is shown.

use crate::store::{Actor, Key};
use crate::tui::effect::Figure;
use crate::tui::list::Refresh;
use crate::tui::screens::debugger;
use crate::tui::screens::value::detail::Detail;
use crate::tui::testing::fixtures::{pressed, runs};
use crate::tui::update::tests::*;

/// A change of an entry that every sample has, by another program: it does not say all of the row.
fn news(name: &str) -> Reply {
    let mut change = changes().swap_remove(0);
    change.key = key(name);
    (change.revision, change.actor) = (Revision(100), Actor::external());
    Reply::Changed(CommitNotice::Changes(vec![change]))
}

/// A run that has ended, on the whole screen, over a view.
fn over(view: View) -> App {
    let opened = debugger::tests::opened(SIZE);
    let mut app = sample(view, SIZE);
    app.screen = opened.screen;
    app
}

fn reads(effects: &[Effect]) -> bool {
    let is_read = |effect: &Effect| {
        matches!(
            effect,
            Effect::Load(_)
                | Effect::Refresh(_)
                | Effect::Refetch(..)
                | Effect::Detail(..)
                | Effect::Figure(Figure::Count)
        )
    };
    effects.iter().any(is_read)
}

#[test]
fn a_list_behind_a_run_is_not_read_and_nothing_is_drawn_for_it() {
    for view in View::ALL {
        let mut app = over(view);
        app.needs_drawing = false;
        let mut effects = Vec::new();
        for second in 0..20 {
            let now = NOW.plus(Duration::from_secs(second));
            for news in [news("version"), news("deploy_lock"), Reply::Changed(CommitNotice::Anything)] {
                effects.extend(update(&mut app, Message::Reply(news), now));
            }
            effects.extend(pass(&mut app, now));
        }
        assert!(!reads(&effects), "{view:?}: {effects:?}");
        assert!(!app.needs_drawing, "{view:?}");
        assert!(!app.follows_commits(), "{view:?}");
        let later = NOW.plus(Duration::from_secs(30));
        assert_eq!(app.next_wakeup(later), None, "{view:?}");
        // It is read as soon as it is shown.
        update(&mut app, pressed(KeyCode::Esc), later);
        assert!(app.needs_drawing && app.follows_commits());
        assert!(reads(&pass(&mut app, later)), "{view:?}");
    }
}

#[test]
fn a_run_that_goes_on_is_followed_and_the_list_behind_it_is_not() {
    let mut app = over(View::Keys);
    let debugger = app.screen.run_mut().unwrap();
    debugger.run.run.ended = None;
    debugger.run.is_alive = true;
    assert!(app.follows_commits());
    let effects = answer(&mut app, news("version"));
    assert!(!reads(&effects), "{effects:?}");
    assert!(app.next_wakeup(NOW).is_some(), "its time goes on");
}

#[test]
fn behind_a_value_only_its_entry_is_read() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('v'));
    assert!(!reads(&answer(&mut app, news("config"))));
    let effects = answer(&mut app, news("version"));
    let refetched: Vec<&Vec<Key>> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Refetch(_, keys) => Some(keys),
            _ => None,
        })
        .collect();
    assert_eq!(refetched, [&vec![key("version")]], "{effects:?}");
    assert!(effects.contains(&Effect::Detail(RowId::Entry(key("version")), 0)));
    press(&mut app, KeyCode::Esc);
    assert!(reads(&pass(&mut app, NOW)), "the other one may have changed");
}

#[test]
fn commits_that_change_nothing_on_the_screen_draw_nothing() {
    let mut app = at("version");
    app.needs_drawing = false;
    answer(&mut app, news("config"));
    assert!(!app.needs_drawing, "the entry is read first");
    let generation = app.list.reading.generation;
    answer(&mut app, Reply::Entries(generation, vec![(key("config"), None)]));
    assert!(app.needs_drawing);
}

fn refresh(effects: &[Effect]) -> &Refresh {
    let [Effect::Refresh(refresh)] = effects else { panic!("{effects:?}") };
    refresh
}

#[test]
fn of_runs_what_is_new_or_goes_on_is_read_again() {
    let mut app = sample(View::Runs, SIZE);
    on(&mut app, "deploy");
    let effects = answer(&mut app, news("version"));
    let asked = refresh(&effects);
    // The one that was killed does not end any more.
    assert_eq!((asked.newest, &asked.open[..]), (Some(15), &[15][..]));
    assert_eq!(answer(&mut app, news("version")), [], "one reading at a time");
    let mut new = runs();
    new.truncate(2);
    (new[0].run.number, new[0].status) = (16, "running".into());
    (new[1].run.number, new[1].status) = (15, "failed".into());
    let new: Vec<Row> = new.into_iter().map(|row| Row::Run(Box::new(row))).collect();
    let generation = app.list.reading.generation;
    let told =
        |rows, newest| Reply::Refreshed { generation, rows, gone: Vec::new(), newest, has_more: false };
    answer(&mut app, told(new, Some(16)));
    let numbers: Vec<String> = app.list.window.rows().iter().map(|row| format!("{:?}", row.id())).collect();
    assert_eq!(numbers, ["Run(16)", "Run(15)", "Run(14)", "Run(12)", "Run(9)"]);
    assert_eq!(selected(&app), "14", "the cursor stays on its row");
    assert_eq!(app.list.flashes.len(), 2);
    // What came meanwhile is read after a rest.
    let soon = NOW.plus(Duration::from_millis(30));
    assert_eq!(refresh(&pass(&mut app, soon)).newest, Some(16));
    update(&mut app, Message::Reply(told(Vec::new(), Some(20))), soon);
    // Runs that the filter leaves out are not looked at over and over.
    app.list.reading.refreshing.outdate();
    assert_eq!(refresh(&pass(&mut app, soon.plus(Duration::from_secs(1)))).newest, Some(20));
}

#[test]
fn the_details_of_a_run_that_goes_on_are_read_now_and_then() {
    let mut app = sample(View::Runs, SIZE);
    on(&mut app, "workers");
    update(&mut app, Message::Reply(Reply::Detail(RowId::Run(15), None)), NOW);
    let asks = |effects: &[Effect]| effects.contains(&Effect::Detail(RowId::Run(15), 0));
    answer(&mut app, news("version"));
    let at = |millis| NOW.plus(Duration::from_millis(millis));
    assert!(!asks(&pass(&mut app, at(199))));
    assert!(asks(&pass(&mut app, at(200))));
    update(&mut app, Message::Reply(news("version")), at(205));
    update(&mut app, Message::Reply(Reply::Detail(RowId::Run(15), None)), at(210));
    assert!(!asks(&pass(&mut app, at(700))), "it took 10 ms");
    assert!(asks(&pass(&mut app, at(710))));
}

#[test]
fn details_that_were_covered_are_read_again_when_they_are_shown() {
    for (view, name, id) in
        [(View::Runs, "workers", RowId::Run(15)), (View::Keys, "version", RowId::Entry(key("version")))]
    {
        let mut app = over(view);
        on(&mut app, name);
        assert!(!reads(&answer(&mut app, news("version"))), "{view:?}");
        update(&mut app, pressed(KeyCode::Esc), NOW);
        let effects = pass(&mut app, NOW);
        assert!(effects.contains(&Effect::Detail(id.clone(), 0)), "{view:?}: {effects:?}");
        let later = NOW.plus(Duration::from_secs(1));
        update(&mut app, Message::Reply(Reply::Detail(id.clone(), None)), later);
        let effects = pass(&mut app, later.plus(Duration::from_secs(60)));
        assert!(!effects.contains(&Effect::Detail(id, 0)), "{view:?}: it was read");
    }
}

#[test]
fn a_run_that_is_found_dead_is_so_in_its_details_as_well() {
    let mut app = sample(View::Runs, SIZE);
    on(&mut app, "workers");
    let row = app.list.window.selected().unwrap().clone();
    let id = RowId::Run(15);
    update(&mut app, Message::Reply(Reply::Detail(id.clone(), Some(Box::new(Detail::new(row, 0))))), NOW);
    // One that is killed commits nothing.
    let mut dead = runs();
    dead.retain(|row| row.run.number == 15);
    (dead[0].status, dead[0].is_alive) = ("killed".into(), false);
    let rows = dead.into_iter().map(|row| Row::Run(Box::new(row))).collect();
    let generation = app.list.reading.generation;
    answer(
        &mut app,
        Reply::Refreshed { generation, rows, gone: Vec::new(), newest: Some(15), has_more: false },
    );
    let effects = pass(&mut app, NOW.plus(Duration::from_secs(1)));
    assert!(effects.contains(&Effect::Detail(id, 0)), "{effects:?}");
}

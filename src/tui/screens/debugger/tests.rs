//! A run that is open: pictures of it, and what keys do.

use std::path::Path;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::config::{ConfirmPolicy, Context};
use crate::lua::error::ScriptLine;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Key, Revision};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::Connecting;
use crate::tui::dialog::Dialog;
use crate::tui::draw;
use crate::tui::effect::{Effect, Reply};
use crate::tui::keys::action;
use crate::tui::list::Tasks;
use crate::tui::message::Message;
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::{Breakpoint, Keys};
use crate::tui::screens::debugger::folded_steps::Folds;
use crate::tui::screens::debugger::requests::{
    DebugSessionId, DebuggerReply, DebuggerReport, DebuggerRequest, OpenAt, OpenedRun, StateBefore,
    StepChanges, StepDetails, StepPage, WhatIfInput,
};
use crate::tui::screens::debugger::state::Debugger;
use crate::tui::screens::debugger::{keys, navigate};
use crate::tui::testing::contrast;
use crate::tui::testing::fixtures::{NOW, arrival, changes, press, runs, sample, type_text};
use crate::tui::testing::letters::looks;
use crate::tui::testing::snapshot::assert_snapshot;
use crate::tui::theme::Theme;
use crate::tui::update::update;
use crate::tui::view::View;
use crate::workflow::recording::{Answer as Answered, FORMAT, Header, Record, RecordKind};
use crate::workflow::replay::StateOverride;
use crate::workflow::{RunEvent, TaskOutcome};

const SOURCE: &str = "task('deploy'):command(function(params)\n    log.info('deploying')\n    \
                      state.set('version', params.version)\n\treturn true\nend):build()\n";

fn record(number: u64, line: Option<usize>, what: RecordKind) -> Record {
    let place = line.map(|line| ScriptLine { file: "deploy.lua".into(), line });
    let task = (number > 1).then(|| "deploy".to_string());
    let revision = (number == 4).then_some(Revision(39));
    Record { number, at: number * 1500, task, place, what, revision }
}

fn finished(task: &str, outcome: TaskOutcome, message: Option<&str>, micros: u64) -> RecordKind {
    let (outcome, message) = (Some(outcome), message.map(String::from));
    let duration = Duration::from_micros(micros);
    RecordKind::Event(RunEvent::TaskFinished { task: task.into(), outcome, message, attempts: 1, duration })
}

fn records() -> Vec<Record> {
    let text = |text: &str| RecordedValue::text(text);
    vec![
        record(
            1,
            None,
            RecordKind::Event(RunEvent::RunStarted {
                workflow: "deploy".into(),
                tasks: vec!["deploy".into()],
            }),
        ),
        record(2, None, RecordKind::Event(RunEvent::TaskStarted { task: "deploy".into() })),
        record(
            3,
            Some(2),
            RecordKind::Call {
                function: "log.info".into(),
                arguments: vec![text("deploying \u{1b}[31m")],
                answer: Answered::Returned(Vec::new()),
                took: 40,
            },
        ),
        record(
            4,
            Some(3),
            RecordKind::Begin {
                function: "state.set".into(),
                arguments: vec![text("version"), text("v1.14.2")],
            },
        ),
        record(
            5,
            None,
            RecordKind::End {
                answer: Answered::Returned(vec![RecordedValue::Boolean(true)]),
                stop: None,
                returned: None,
            },
        ),
        record(6, None, finished("deploy", TaskOutcome::Ok, None, 9000)),
    ]
}

/// All steps of a run.
fn window(records: Vec<Record>) -> StepPage {
    let mut known = Revision(30);
    let (mut revisions, mut changes) = (Vec::new(), Vec::new());
    for record in &records {
        revisions.push(known);
        changes.push(Vec::from_iter(record.revision.map(|revision| (known, revision))));
        known = record.revision.unwrap_or(known);
    }
    let last = records.last().map_or(0, |record| record.number);
    StepPage { records, revisions, changes, at_start: true, at_end: true, last }
}

/// The run that is done, as it is told once it has been read.
fn run() -> Box<OpenedRun> {
    let run = runs().remove(2);
    let header = Header {
        format: FORMAT,
        version: "0".into(),
        file: "/srv/deploy.lua".into(),
        source: SOURCE.into(),
        modules: Vec::new(),
        params: Vec::new(),
        wanted: Vec::new(),
        memory: 0,
        timeout: None,
        began_at: run.run.began_at.0,
        utc_offset: 0,
        zone: None,
        locale: None,
        holder: String::new(),
        masked: Vec::new(),
        values: None,
        run_delegated_here: false,
    };
    let window = window(records());
    Box::new(OpenedRun { run, header, window, at: 1, follows: false })
}

/// Asks for the run; under what that is.
fn asked(app: &mut App) -> DebugSessionId {
    let effects = navigate::open(app, 12, OpenAt::Begin, None);
    let [Effect::Debugger(DebuggerRequest::Open(sitting, _))] = effects[..] else { panic!("{effects:?}") };
    sitting
}

/// The run that is done, open at its first step.
pub fn opened(size: (u16, u16)) -> App {
    let mut app = sample(View::Runs, size);
    let sitting = asked(&mut app);
    let mut tasks = Tasks::default();
    records().iter().for_each(|record| tasks.add(record));
    told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    told(&mut app, DebuggerReply::Tasks(sitting, tasks));
    app
}

/// The run that is done, open at the step that changed the state.
fn at_the_change(size: (u16, u16)) -> App {
    let mut app = opened(size);
    let effects: Vec<Effect> = (0..3).flat_map(|_| press(&mut app, KeyCode::Char('j'))).collect();
    let Some(Effect::Debugger(DebuggerRequest::Details(step))) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!((step.number, step.changes.clone()), (4, vec![(Revision(30), Revision(39))]));
    assert_eq!(
        (step.revision, step.key.as_ref().map(|key| key.to_text())),
        (Revision(30), Some("version".into()))
    );
    let changes = changes().into_iter().filter(|change| change.revision == Revision(39)).collect();
    let changed = StepChanges::These { changes, has_more: false };
    let about = StepDetails { number: 4, changed, before: Some(StateBefore::Image(None)) };
    let sitting = debugger(&app).sitting;
    told(&mut app, DebuggerReply::Details(sitting, about));
    app
}

fn debugger(app: &App) -> &Debugger {
    app.screen.run().unwrap()
}

/// Presses a key that looks for a step; the number of the search.
fn searched(app: &mut App, key: char) -> RequestId {
    let effects = press(app, KeyCode::Char(key));
    let Some(Effect::Debugger(DebuggerRequest::Search(number, _))) = effects.last() else {
        panic!("{effects:?}")
    };
    *number
}

fn told(app: &mut App, told: DebuggerReply) -> Vec<Effect> {
    update(app, Message::Reply(Reply::Debugger(Box::new(told))), NOW)
}

fn control(letter: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}

#[track_caller]
fn check(name: &str, app: &App) {
    check_at(name, app, NOW);
}

#[track_caller]
fn check_at(name: &str, app: &App, now: Millis) {
    contrast::check(app, now);
    let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
    terminal.draw(|frame| draw::draw(app, now, frame)).unwrap();
    assert_snapshot("tui/debugger", name, terminal.backend());
}

#[test]
fn a_run_of_a_production_database_says_so() {
    let mut app = opened((80, 24));
    let location = crate::store::Location::File("/srv/live/state.db".into());
    app.database.known = Some(Context {
        name: "live".into(),
        location,
        read_only: false,
        production: true,
        confirm: ConfirmPolicy::Always,
        no_exec: false,
        allow_exec: None,
    });
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw::draw(&app, NOW, frame)).unwrap();
    let shown = terminal.backend().to_string();
    assert!(shown.contains("PRODUCTION  Run 12 "), "{shown}");
}

#[test]
fn a_run_in_two_sizes() {
    for size in [(80, 24), (120, 40), (20, 5)] {
        check(&format!("debugger_{}x{}", size.0, size.1), &at_the_change(size));
    }
}

/// The run that is done, with one task after it that failed at a line.
fn failed(size: (u16, u16)) -> App {
    let mut app = at_the_change(size);
    let mut all = records();
    all.push(record(7, None, finished("tidy", TaskOutcome::Failed, Some("deploy.lua:4: no such thing"), 70)));
    let sitting = debugger(&app).sitting;
    told(&mut app, DebuggerReply::Page(sitting, Box::new(runs().remove(2)), window(all)));
    navigate::go_to(&mut app, 7, NOW);
    app
}

#[test]
fn where_a_task_failed_the_line_is_shown_that_its_error_names() {
    check("debugger_failed", &failed((80, 24)));
}

#[test]
fn every_step_can_be_read_under_the_cursor() {
    for mut app in [at_the_change((120, 40)), failed((120, 40))] {
        press(&mut app, KeyCode::Home);
        type_text(&mut app, "b");
        for _ in 0..10 {
            contrast::check(&app, NOW);
            press(&mut app, KeyCode::Down);
        }
    }
}

#[test]
fn the_views_of_a_run_in_two_themes() {
    let look = |name: &str, app: &App| {
        contrast::check(app, NOW);
        let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
        terminal.draw(|frame| draw::draw(app, NOW, frame)).unwrap();
        assert_snapshot("tui/debugger", name, looks(terminal.backend().buffer()));
    };
    for (name, theme) in [("dark", Theme::dark()), ("light", Theme::light())] {
        let themed = |mut app: App| {
            app.settings.theme = theme;
            app
        };
        for size in [(80, 24), (120, 40)] {
            look(&format!("run_{name}_{}x{}", size.0, size.1), &themed(at_the_change(size)));
        }
        let mut app = themed(failed((80, 24)));
        look(&format!("run_failed_{name}"), &app);
        type_text(&mut app, "w");
        look(&format!("run_wish_{name}"), &app);
        type_text(&mut app, "x=1");
        let number = tried(&press(&mut app, KeyCode::Enter)).1;
        let title = "What if x had been 1".to_string();
        let lines = vec!["the path parts at record 4".to_string(), "the state ends up the same".to_string()];
        told(
            &mut app,
            DebuggerReply::Report(number, Ok(DebuggerReport { title, lines, step: Some(4), top: 0 })),
        );
        look(&format!("run_report_{name}"), &app);
        press(&mut app, KeyCode::Esc);
        type_text(&mut app, "bL");
        look(&format!("run_stops_{name}"), &app);
    }
}

#[test]
fn a_line_that_is_typed_says_what_is_wrong_with_it() {
    let mut app = opened((80, 24));
    type_text(&mut app, "sx");
    press(&mut app, KeyCode::Enter);
    check("debugger_prompt_with_a_mistake", &app);
    press(&mut app, KeyCode::Esc);
    let debugger = app.screen.run().unwrap();
    assert!(debugger.prompt.is_none());
}

#[test]
fn whoever_moves_on_does_not_wait_for_what_was_looked_for() {
    let mut app = opened((80, 24));
    let number = searched(&mut app, 'c');
    let effects = press(&mut app, KeyCode::Char('j'));
    assert_eq!(effects[0], Effect::Stop(number));
    told(&mut app, DebuggerReply::Found(number, Ok(Some(6))));
    assert_eq!(debugger(&app).steps.number(), 2);
    let number = searched(&mut app, 'c');
    told(&mut app, DebuggerReply::Found(number, Ok(Some(6))));
    assert_eq!(debugger(&app).steps.number(), 6);
}

#[test]
fn the_same_key_once_more_lets_a_search_go_on() {
    let mut app = opened((80, 24));
    type_text(&mut app, "Bversion");
    press(&mut app, KeyCode::Enter);
    app.status = None;
    let number = searched(&mut app, 'r');
    assert_eq!(press(&mut app, KeyCode::Char('r')), []);
    told(&mut app, DebuggerReply::Progress(number, 3));
    check_at("debugger_search", &app, NOW.plus(Duration::from_secs(3)));
    told(&mut app, DebuggerReply::Found(number, Ok(Some(4))));
    assert_eq!(debugger(&app).steps.number(), 4);
    // The other way it is another search, and escape stops it.
    let number = searched(&mut app, 'r');
    let back = searched(&mut app, 'R');
    assert!(back > number);
    let effects = press(&mut app, KeyCode::Esc);
    assert_eq!(effects, [Effect::Stop(back)]);
    told(&mut app, DebuggerReply::Found(back, Ok(Some(1))));
    assert_eq!(debugger(&app).steps.number(), 4);
}

#[test]
fn a_run_that_is_read_again_stops_where_it_did_and_stays_at_its_step() {
    let mut app = opened((80, 24));
    type_text(&mut app, "jjb/deploy");
    press(&mut app, KeyCode::Enter);
    let breakpoints = app.runs.breakpoints.clone();
    assert_eq!(breakpoints.len(), 1);
    let effects = update(&mut app, Message::Input(control('r')), NOW);
    let Some(Effect::Debugger(DebuggerRequest::Open(sitting, OpenAt::Step(3)))) = effects.last() else {
        panic!("{effects:?}")
    };
    told(&mut app, DebuggerReply::Opened(*sitting, Ok(Box::new(OpenedRun { at: 3, ..*run() }))));
    assert_eq!(debugger(&app).steps.number(), 3);
    assert_eq!(app.runs.breakpoints, breakpoints);
    assert_eq!(debugger(&app).text.as_deref(), Some("deploy"));
}

#[test]
fn where_it_stops_is_a_list_to_take_out_of() {
    let mut app = opened((80, 24));
    type_text(&mut app, "L");
    assert!(debugger(&app).stops.is_none(), "there is nothing to be shown");
    for stop in ["7", "lib.lua:12", "a key\u{202e}"] {
        type_text(&mut app, "B");
        type_text(&mut app, stop);
        press(&mut app, KeyCode::Enter);
    }
    type_text(&mut app, "Lj");
    check("debugger_stops", &app);
    type_text(&mut app, "d");
    assert_eq!(
        app.runs.breakpoints,
        [Breakpoint::Line(None, 7), Breakpoint::Key(Keys::new("a key\u{202e}"))]
    );
    type_text(&mut app, "D");
    assert!(app.runs.breakpoints.is_empty() && debugger(&app).stops.is_none());
}

#[test]
fn what_another_database_answers_is_not_heard() {
    let mut app = sample(View::Runs, (80, 24));
    let sitting = asked(&mut app);
    app.database.opening = Some(Connecting { number: RequestId(1), name: "other".into(), since: NOW });
    update(&mut app, Message::Reply(Reply::Opened(RequestId(1), Ok(arrival("/other.db").into()))), NOW);
    told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert!(app.screen.run().is_none());
    // A run of the same number there is another run.
    app.status = None;
    let there = asked(&mut app);
    told(&mut app, DebuggerReply::Opened(there, Ok(run())));
    let other = StepPage { records: records().split_off(3), ..StepPage::default() };
    told(&mut app, DebuggerReply::Page(sitting, Box::new(runs().remove(2)), other));
    told(&mut app, DebuggerReply::Tasks(sitting, Tasks::default()));
    told(&mut app, DebuggerReply::Failed(Some(sitting), "it is gone".into()));
    assert_eq!(debugger(&app).steps.records().len(), 6);
    assert!(debugger(&app).tasks.is_none() && app.status.is_none());
}

#[test]
fn a_search_in_a_run_that_was_left_is_none_of_the_next() {
    let mut app = opened((80, 24));
    let number = searched(&mut app, 'c');
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Esc);
    assert!(app.screen.run().is_none());
    let sitting = asked(&mut app);
    told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert!(searched(&mut app, 'c') > number);
    told(&mut app, DebuggerReply::Found(number, Ok(Some(6))));
    assert_eq!(debugger(&app).steps.number(), 1);
}

#[test]
fn only_the_keys_of_the_debugger_are_in_its_help() {
    let mut app = opened((120, 80));
    press(&mut app, KeyCode::Char('?'));
    check("debugger_help", &app);
}

/// What is to be tried, and the number under which.
fn tried(effects: &[Effect]) -> (&WhatIfInput, RequestId) {
    match effects {
        [Effect::Debugger(DebuggerRequest::WhatIf(number, 12, trying))] => (trying, *number),
        other => panic!("nothing is tried: {other:?}"),
    }
}

#[test]
fn a_wish_has_entries_a_source_and_stubs() {
    for size in [(80, 24), (40, 10)] {
        let mut app = opened(size);
        type_text(&mut app, "jjjw");
        // The key of the step stands there, the line below is free.
        type_text(&mut app, "v2");
        press(&mut app, KeyCode::Down);
        type_text(&mut app, "-old key");
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Down);
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Down);
        type_text(&mut app, "git *=a=\u{202e}b");
        check(&format!("debugger_wish_{}x{}", size.0, size.1), &app);
        let effects = press(&mut app, KeyCode::Enter);
        let (trying, _) = tried(&effects);
        let key = |text: &str| Key::new(text).unwrap();
        assert_eq!(
            trying.values,
            [(key("version"), Some(StateOverride::Text(b"v2".to_vec()))), (key("old key"), None)]
        );
        assert_eq!(trying.source.as_deref(), Some(Path::new("/srv/workflows/deploy.lua")));
        assert_eq!(trying.stubs, ["git *=a=\u{202e}b".parse().unwrap()]);
        assert!(!trying.live);
        assert_eq!(
            trying.describe(),
            "What if version had been v2, old key had not been there, it had been /srv/workflows/deploy.lua, \
             git * had written a=\\u{202e}b"
        );
    }
}

#[test]
fn commands_are_run_in_truth_only_for_whoever_says_yes() {
    let mut app = opened((80, 24));
    type_text(&mut app, "w");
    for _ in 0..9 {
        press(&mut app, KeyCode::Down);
    }
    type_text(&mut app, " ");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    check("debugger_wish_asks", &app);
    // The key that asked is no answer, and whoever says no can go on.
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    type_text(&mut app, "n");
    assert!(debugger(&app).wish.as_ref().is_some_and(|wish| wish.live && wish.asks.is_none()));
    press(&mut app, KeyCode::Enter);
    let effects = type_text(&mut app, "y");
    assert!(tried(&effects).0.live);
    // Where mistakes are felt by others a letter is not enough.
    app.database.known = Some(Context {
        name: "live".into(),
        location: crate::store::Location::File("/live.db".into()),
        read_only: false,
        production: true,
        confirm: ConfirmPolicy::Always,
        no_exec: false,
        allow_exec: None,
    });
    type_text(&mut app, "w");
    update(&mut app, Message::Input(control('p')), NOW);
    press(&mut app, KeyCode::Enter);
    assert_eq!(type_text(&mut app, "y"), []);
    press(&mut app, KeyCode::Backspace);
    assert_eq!(type_text(&mut app, "live"), []);
    assert!(tried(&press(&mut app, KeyCode::Enter)).0.live);
}

#[test]
fn what_was_tried_before_is_tried_again_and_mistakes_are_told() {
    let mut app = opened((80, 24));
    type_text(&mut app, "wa=1");
    let (_, first) = tried(&press(&mut app, KeyCode::Enter));
    // The trial goes on while one looks around; escape stops it.
    assert!(!press(&mut app, KeyCode::Char('j')).iter().any(is_cancel));
    assert!(debugger(&app).search.as_ref().is_some_and(|search| search.number == first));
    type_text(&mut app, "wb=2");
    press(&mut app, KeyCode::Enter);
    type_text(&mut app, "w");
    for key in ['p', 'p', 'p', 'n', 'p'] {
        update(&mut app, Message::Input(control(key)), NOW);
    }
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!(tried(&effects).0.describe(), "What if a had been 1");
    type_text(&mut app, "w");
    for (text, problem) in [("", "nothing would be other"), ("x", "KEY=VALUE"), ("=1", "empty")] {
        press(&mut app, KeyCode::Backspace);
        type_text(&mut app, text);
        assert_eq!(press(&mut app, KeyCode::Enter), []);
        let told = debugger(&app).wish.as_ref().and_then(|wish| wish.problem.clone()).unwrap_or_default();
        assert!(told.contains(problem), "{text}: {told}");
    }
}

/// The folds with which the steps are read again around one of them.
fn read_again(effects: &[Effect]) -> (u64, &Folds) {
    match effects {
        [Effect::Debugger(DebuggerRequest::Page(_, around, folds))] => (*around, folds),
        other => panic!("nothing is read: {other:?}"),
    }
}

/// Answers with the steps that are not hidden, as they are read.
fn show(app: &mut App, all: &[Record], effects: &[Effect]) {
    let (_, folds) = read_again(effects);
    let shown = |record: &&Record| folds.shown(record.number) == record.number;
    let window = window(all.iter().filter(shown).cloned().collect());
    let sitting = debugger(app).sitting;
    told(app, DebuggerReply::Page(sitting, Box::new(runs().remove(2)), window));
}

fn shown(app: &App) -> Vec<u64> {
    debugger(app).steps.records().iter().map(|record| record.number).collect()
}

#[test]
fn a_task_is_folded_and_what_is_looked_for_in_it_unfolds_it() {
    let mut app = opened((80, 24));
    let all = records();
    // From within, and from its end, it is the same.
    for at in [2, 3, 5, 6] {
        navigate::go_to(&mut app, at, NOW);
        let effects = press(&mut app, KeyCode::Enter);
        if at == 5 {
            // The end of a call with nothing inside of it.
            assert_eq!(effects, []);
            continue;
        }
        assert_eq!(read_again(&effects).0, 2, "from step {at}");
        show(&mut app, &all, &effects);
        assert_eq!((shown(&app), debugger(&app).steps.number()), (vec![1, 2, 6], 2));
        if at == 2 {
            check("debugger_folded", &app);
        }
        let effects = press(&mut app, KeyCode::Char('z'));
        show(&mut app, &all, &effects);
        assert_eq!(shown(&app), [1, 2, 3, 4, 5, 6]);
    }
    let effects = press(&mut app, KeyCode::Char('-'));
    show(&mut app, &all, &effects);
    assert_eq!(shown(&app), [1, 2, 6]);
    let number = searched(&mut app, 'c');
    let effects = told(&mut app, DebuggerReply::Found(number, Ok(Some(4))));
    assert_eq!(read_again(&effects).0, 4);
    show(&mut app, &all, &effects);
    assert_eq!((shown(&app).len(), debugger(&app).steps.number()), (6, 4));
    let effects = press(&mut app, KeyCode::Char('+'));
    assert!(read_again(&effects).1.is_empty());
}

#[test]
fn the_end_of_a_long_call_is_looked_for_before_it_is_folded() {
    let mut app = opened((80, 24));
    let begin = || RecordKind::Begin { function: "state.transaction".into(), arguments: Vec::new() };
    let mut all = records();
    all.truncate(2);
    all.extend((3..30).map(|number| record(number, Some(3), begin())));
    let sitting = debugger(&app).sitting;
    let here = StepPage { at_end: false, ..window(all) };
    told(&mut app, DebuggerReply::Page(sitting, Box::new(runs().remove(2)), here));
    navigate::go_to(&mut app, 3, NOW);
    let number = searched(&mut app, 'z');
    assert_eq!(press(&mut app, KeyCode::Char('z')), [], "it is looked for already");
    let effects = told(&mut app, DebuggerReply::Found(number, Ok(Some(90_000))));
    let (around, folds) = read_again(&effects);
    assert_eq!((around, folds.end(3)), (3, Some(90_000)));
    // Read again it stays folded.
    let effects = update(&mut app, Message::Input(control('r')), NOW);
    let Some(Effect::Debugger(DebuggerRequest::Open(sitting, _))) = effects.last() else {
        panic!("{effects:?}")
    };
    let effects = told(&mut app, DebuggerReply::Opened(*sitting, Ok(run())));
    let is_folded = |effect: &Effect| match effect {
        Effect::Debugger(DebuggerRequest::Page(_, _, folds)) => folds.end(3).is_some(),
        _ => false,
    };
    assert!(effects.iter().any(is_folded), "{effects:?}");
}

#[test]
fn steps_that_were_asked_for_before_a_jump_do_not_end_it() {
    let mut app = opened((80, 24));
    let here = |from: u64| {
        let step = |number| record(number, None, RecordKind::Note("on and on".into()));
        StepPage { at_start: from == 1, at_end: false, ..window((from..from + 300).map(step).collect()) }
    };
    let sitting = debugger(&app).sitting;
    let tell =
        |app: &mut App, window| told(app, DebuggerReply::Page(sitting, Box::new(runs().remove(2)), window));
    tell(&mut app, here(1));
    // Near the end more is asked for, and then something else.
    let effects = navigate::go_to(&mut app, 250, NOW);
    assert!(
        matches!(effects.last(), Some(Effect::Debugger(DebuggerRequest::Page(_, 250, _)))),
        "{effects:?}"
    );
    let effects = navigate::go_to(&mut app, 70_000, NOW);
    assert_eq!(read_again(&effects).0, 70_000);
    tell(&mut app, here(150));
    assert_eq!(debugger(&app).steps.number(), 250);
    tell(&mut app, here(69_900));
    assert_eq!(debugger(&app).steps.number(), 70_000);
    tell(&mut app, here(69_800));
    assert_eq!(debugger(&app).steps.number(), 70_000);
    // What fails does not move the cursor later on.
    navigate::go_to(&mut app, 90_000, NOW);
    told(&mut app, DebuggerReply::Failed(Some(sitting), "the disk is gone".into()));
    tell(&mut app, here(69_900));
    assert_eq!(debugger(&app).steps.number(), 70_000);
}

#[test]
fn no_question_comes_between_a_user_and_a_line_that_is_typed_in_a_run() {
    for keys in ["/y", "wy"] {
        let mut app = opened((80, 24));
        type_text(&mut app, keys);
        app.open(Dialog::Help(0));
        press(&mut app, KeyCode::Char('y'));
        assert!(app.focus.dialog().is_none(), "{keys}");
        press(&mut app, KeyCode::Esc);
        assert!(app.focus.dialog().is_some(), "{keys}");
    }
}

#[test]
fn what_is_typed_is_still_there_when_the_run_was_read_again() {
    let mut app = opened((80, 24));
    let effects = keys::act(&mut app, action::Action::Reload, NOW);
    let [Effect::Debugger(DebuggerRequest::Open(sitting, _))] = effects[..] else { panic!("{effects:?}") };
    type_text(&mut app, "/log");
    told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert_eq!(debugger(&app).prompt.as_ref().map(|prompt| prompt.input.value()), Some("log"));
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "wx=1");
    let effects = navigate::open(&mut app, 12, OpenAt::Begin, None);
    let [Effect::Debugger(DebuggerRequest::Open(sitting, _))] = effects[..] else { panic!("{effects:?}") };
    told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert!(debugger(&app).wish.is_some());
}

#[test]
fn a_trial_goes_on_while_its_run_is_read_again_and_ends_with_another_run() {
    let mut app = opened((80, 24));
    type_text(&mut app, "wx=1");
    let effects = press(&mut app, KeyCode::Enter);
    let number = tried(&effects).1;
    let sitting = asked(&mut app);
    let effects = told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert!(!effects.iter().any(is_cancel), "{effects:?}");
    assert_eq!(debugger(&app).search.as_ref().map(|search| search.number), Some(number));
    let effects = navigate::open(&mut app, 13, OpenAt::Begin, None);
    let [Effect::Debugger(DebuggerRequest::Open(sitting, _))] = effects[..] else { panic!("{effects:?}") };
    let effects = told(&mut app, DebuggerReply::Opened(sitting, Ok(run())));
    assert!(effects.iter().any(is_cancel), "{effects:?}");
    assert!(debugger(&app).search.is_none());
}

fn is_cancel(effect: &Effect) -> bool {
    matches!(effect, Effect::Stop(_))
}

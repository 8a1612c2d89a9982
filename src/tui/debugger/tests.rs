//! A run that is open: pictures of it, and what keys do.

use crossterm::event::KeyCode;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::question::{About, Opened, Question, Told, Window};
use crate::lua::datum::Datum;
use crate::lua::fault::Place;
use crate::store::Revision;
use crate::tui::action::View;
use crate::tui::app::App;
use crate::tui::effect::{Answer, Effect};
use crate::tui::message::Message;
use crate::tui::samples::{NOW, changes, press, runs, sample, type_text};
use crate::tui::tasks::Tasks;
use crate::tui::theme::Theme;
use crate::tui::update::update;
use crate::workflow::recording::{Answer as Answered, Header, Record, What};

const SOURCE: &str = "task('deploy'):command(function(params)\n    log.info('deploying')\n    \
                      state.set('version', params.version)\n\treturn true\nend):build()\n";

fn record(number: u64, line: Option<usize>, what: What) -> Record {
    let place = line.map(|line| Place { file: "deploy.lua".into(), line });
    let task = (number > 1).then(|| "deploy".to_string());
    let revision = (number == 4).then_some(Revision(39));
    Record { number, at: number * 1500, task, place, what, revision }
}

fn records() -> Vec<Record> {
    let text = |text: &str| Datum::text(text);
    let step = |name: &str, told: Vec<(&str, &str)>, took| What::Step {
        name: name.into(),
        told: told.into_iter().map(|(name, told)| (name.to_string(), text(told))).collect(),
        took,
    };
    vec![
        record(1, None, step("run started", vec![("workflow", "deploy")], 0)),
        record(2, None, step("task started", vec![("task", "deploy")], 0)),
        record(
            3,
            Some(2),
            What::Call {
                function: "log.info".into(),
                arguments: vec![text("deploying \u{1b}[31m")],
                answer: Answered::Returned(Vec::new()),
                took: 40,
            },
        ),
        record(
            4,
            Some(3),
            What::Begin { function: "state.set".into(), arguments: vec![text("version"), text("v1.14.2")] },
        ),
        record(5, None, What::End { answer: Answered::Returned(vec![Datum::Boolean(true)]), stop: None }),
        record(6, None, step("task finished", vec![("task", "deploy"), ("outcome", "ok")], 9000)),
    ]
}

/// The run that is done, open at its first step.
fn opened(size: (u16, u16)) -> App {
    let mut app = sample(View::Runs, size);
    let run = runs().remove(2);
    let header = Header {
        format: 1,
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
    };
    let window = Window { records: records(), at_start: true, at_end: true, before: Revision(30) };
    let mut tasks = Tasks::default();
    records().iter().for_each(|record| tasks.add(record));
    told(&mut app, Told::Opened(Ok(Box::new(Opened { run, header, window, at: 1, follows: false }))));
    told(&mut app, Told::Tasks(12, tasks));
    app
}

fn told(app: &mut App, told: Told) -> Vec<Effect> {
    update(app, Message::Answer(Answer::Debugger(Box::new(told))), NOW)
}

#[track_caller]
fn check(name: &str, app: &App) {
    let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
    terminal.draw(|frame| crate::tui::views::draw(app, NOW, frame)).unwrap();
    insta::assert_snapshot!(name, terminal.backend());
}

#[test]
fn a_run_in_two_sizes() {
    for size in [(80, 24), (120, 40), (20, 5)] {
        let mut app = opened(size);
        let effects: Vec<Effect> = (0..3).flat_map(|_| press(&mut app, KeyCode::Char('j'))).collect();
        let Some(Effect::Debugger(Question::About(step))) = effects.last() else { panic!("{effects:?}") };
        assert_eq!((step.number, step.changes), (4, Some((Revision(30), Revision(39)))));
        assert_eq!(
            (step.revision, step.key.as_ref().map(|key| key.to_text())),
            (Revision(30), Some("version".into()))
        );
        let changes = changes().into_iter().filter(|change| change.revision == Revision(39)).collect();
        let about = About { number: 4, changes, is_pruned: false, state: Some(Ok(None)) };
        told(&mut app, Told::About(12, about));
        check(&format!("debugger_{}x{}", size.0, size.1), &app);
    }
}

#[test]
fn a_run_looks_the_same_in_every_theme_but_for_its_colours() {
    let mut app = opened((80, 24));
    let drawn = |app: &App| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| crate::tui::views::draw(app, NOW, frame)).unwrap();
        terminal.backend().buffer().clone()
    };
    let dark = drawn(&app);
    app.theme = Theme::light();
    let light = drawn(&app);
    assert!(dark.content().iter().zip(light.content()).all(|(dark, light)| dark.symbol() == light.symbol()));
    assert_ne!(dark, light);
}

#[test]
fn a_line_that_is_typed_says_what_is_wrong_with_it() {
    let mut app = opened((80, 24));
    type_text(&mut app, "sx");
    press(&mut app, KeyCode::Enter);
    check("debugger_prompt_with_a_mistake", &app);
    press(&mut app, KeyCode::Esc);
    let debugger = app.debugger.as_ref().unwrap();
    assert!(debugger.prompt.is_none());
}

#[test]
fn whoever_moves_on_does_not_wait_for_what_was_looked_for() {
    let mut app = opened((80, 24));
    let effects = press(&mut app, KeyCode::Char('c'));
    let [Effect::Debugger(Question::Seek(number, _))] = effects[..] else { panic!("{effects:?}") };
    press(&mut app, KeyCode::Char('j'));
    told(&mut app, Told::Found(number, Ok(Some(6))));
    assert_eq!(app.debugger.as_ref().unwrap().steps.number(), 2);
    let effects = press(&mut app, KeyCode::Char('c'));
    let [Effect::Debugger(Question::Seek(number, _))] = effects[..] else { panic!("{effects:?}") };
    told(&mut app, Told::Found(number, Ok(Some(6))));
    assert_eq!(app.debugger.as_ref().unwrap().steps.number(), 6);
}

#[test]
fn only_the_keys_of_the_debugger_are_in_its_help() {
    let mut app = opened((120, 80));
    press(&mut app, KeyCode::Char('?'));
    check("debugger_help", &app);
}

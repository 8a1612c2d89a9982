//! What keys do in the debugger.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::store::{Key, Needle};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::keys::scroll::scrolled;
use crate::tui::keys::{Action, RunAction};
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::navigate::{
    follow_no_longer, give_up, go_to, key_for, leave, moved, open, search, seek, try_stops,
};
use crate::tui::screens::debugger::requests::{DebuggerRequest, ELSEWHERE, OpenAt, StepFilter};
use crate::tui::screens::debugger::state::{Debugger, DebuggerPrompt, PendingSearch, PromptPurpose};
use crate::tui::screens::debugger::what_if_form::WhatIfForm;
use crate::tui::screens::debugger::{folding, layout, what_if_keys};

/// Gives a key to what takes all of them: a line that is typed, or a report; `None` if nothing does.
pub fn key(app: &mut App, key: KeyEvent, now: Millis) -> Option<Vec<Effect>> {
    let debugger = app.screen.run_mut()?;
    if let Some(prompt) = debugger.prompt.take() {
        return Some(in_prompt(app, prompt, key, now));
    }
    if let Some(wish) = debugger.wish.take() {
        let run = debugger.sitting.run;
        let (mut effects, trying) = what_if_keys::key(app, wish, key);
        if let Some(mut trying) = trying {
            trying.bounds = app.command_bounds();
            let question = |number| DebuggerRequest::WhatIf(number, run, trying);
            effects.extend(search(app, Action::Run(RunAction::WhatIf), String::new(), now, question));
        }
        return Some(effects);
    }
    let height = usize::from(app.size.1);
    if let Some(place) = debugger.stops.take() {
        in_stops(app, place, key);
        return Some(Vec::new());
    }
    let report = debugger.report.as_mut()?;
    match key.code {
        KeyCode::Esc | KeyCode::Char('q') => debugger.report = None,
        KeyCode::Enter => {
            let step = report.step;
            debugger.report = None;
            return Some(step.map_or_else(Vec::new, |step| go_to(app, step, now)));
        }
        _ => {
            let by = scrolled(key, height);
            let end = report.lines.len().saturating_sub(1);
            report.top = report.top.saturating_add_signed(by).min(end);
        }
    }
    Some(Vec::new())
}

/// Types pasted text into the line that is open, if one is.
pub fn paste(app: &mut App, type_into: impl FnOnce(&mut Input)) {
    let Some(debugger) = app.screen.run_mut() else { return };
    let prompt = debugger.prompt.as_mut().map(|prompt| &mut prompt.input);
    if let Some(input) = prompt.or(debugger.wish.as_mut().and_then(WhatIfForm::field)) {
        type_into(input);
    }
}

/// A key in the list of where it stops, of which one has the cursor.
fn in_stops(app: &mut App, mut place: usize, key: KeyEvent) {
    match key.code {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => return,
        KeyCode::Char('d') | KeyCode::Delete => {
            if place < app.runs.breakpoints.len() {
                app.runs.breakpoints.remove(place);
            }
        }
        KeyCode::Char('D') => app.runs.breakpoints.clear(),
        _ => {
            place = place.saturating_add_signed(scrolled(key, usize::from(app.size.1)));
        }
    }
    let last = app.runs.breakpoints.len().checked_sub(1);
    if let Some(debugger) = app.screen.run_mut() {
        debugger.stops = last.map(|last| place.min(last));
    }
}

fn in_prompt(app: &mut App, mut prompt: DebuggerPrompt, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter if prompt.input.value().trim().is_empty() => return Vec::new(),
        KeyCode::Enter => match answered(app, &prompt, now) {
            Ok(effects) => return effects,
            Err(problem) => prompt.problem = Some(problem),
        },
        _ => {
            prompt.input.handle_event(&Event::Key(key));
            prompt.problem = None;
        }
    }
    if let Some(debugger) = app.screen.run_mut() {
        debugger.prompt = Some(prompt);
    }
    Vec::new()
}

/// Does what a line was typed for, or says what is wrong with it.
fn answered(app: &mut App, prompt: &DebuggerPrompt, now: Millis) -> Result<Vec<Effect>, String> {
    let Some(debugger) = app.screen.run_mut() else { return Ok(Vec::new()) };
    let text = prompt.input.value().trim();
    match prompt.purpose {
        PromptPurpose::Jump => {
            let number = text.replace(',', "").parse::<u64>().map_err(|_| "this is no number")?;
            Ok(go_to(app, number.max(1), now))
        }
        PromptPurpose::Find => {
            debugger.text = Some(text.to_string());
            Ok(find(app, true, now))
        }
        PromptPurpose::Break => {
            let breakpoint = Breakpoint::read(text)?;
            let reason = breakpoint.cannot_stop(&debugger.source);
            if !app.runs.breakpoints.contains(&breakpoint) {
                app.runs.breakpoints.push(breakpoint.clone());
            }
            match reason {
                Some(reason) => {
                    app.show_hint(
                        format!("this run never stops at {}: {reason}", breakpoint.describe()),
                        now,
                    );
                    Ok(Vec::new())
                }
                None => Ok(try_stops(app, Action::Run(RunAction::BreakOn), vec![breakpoint], now)),
            }
        }
    }
}

pub fn act(app: &mut App, action: Action, now: Millis) -> Vec<Effect> {
    let page = isize::try_from(layout::steps_height(app)).unwrap_or(isize::MAX).max(2);
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    if debugger.search.as_ref().is_some_and(|search| search.moves() && search.by == action) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    // Whoever goes elsewhere does not wait any more for what was looked for.
    if debugger.search.as_ref().is_some_and(PendingSearch::moves)
        && !matches!(action, Action::ScrollDetail(_))
    {
        effects = give_up(app);
        if action == Action::Back {
            return effects;
        }
    }
    effects.extend(move_on(app, action, page, now));
    effects
}

fn move_on(app: &mut App, action: Action, page: isize, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    match action {
        Action::Run(action) => return run_action(app, action, now),
        Action::Move(by) => return move_by(app, by, now),
        Action::Page(halves) => return move_by(app, halves * page / 2, now),
        Action::Top => return go_to(app, 1, now),
        Action::Bottom => {
            let follows = debugger.run.is_alive;
            debugger.follows = false;
            let effects = go_to(app, u64::MAX >> 1, now);
            if let Some(debugger) = app.screen.run_mut() {
                debugger.follows = follows;
            }
            return effects;
        }
        Action::ScrollDetail(by) => debugger.scroll = debugger.scroll.saturating_add_signed(by).min(500),
        Action::Back if debugger.search.is_some() => return give_up(app),
        Action::Back => return leave(app),
        Action::Reload => {
            let at = if debugger.follows { OpenAt::Begin } else { OpenAt::Step(debugger.steps.number()) };
            let run = debugger.sitting.run;
            return open(app, run, at, None);
        }
        _ => {}
    }
    Vec::new()
}

fn run_action(app: &mut App, action: RunAction, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    match action {
        RunAction::Over(_) => return seek(app, Action::Run(action), StepFilter::Over, "step there", now),
        RunAction::NextChange(_) if debugger.run.run.is_imported() => app.show_hint(ELSEWHERE, now),
        RunAction::NextChange(forwards) => {
            let what = if forwards { "later change of the state" } else { "earlier change of the state" };
            return seek(app, Action::Run(action), StepFilter::Change, what, now);
        }
        RunAction::NextFailure(forwards) => {
            let what = if forwards { "later step that failed" } else { "earlier step that failed" };
            return seek(app, Action::Run(action), StepFilter::Failure, what, now);
        }
        RunAction::NextTask(forwards) => return task(app, forwards, now),
        RunAction::FoldStep => return folding::fold(app, now),
        RunAction::FoldSteps(true) => return folding::fold_tasks(app, now),
        RunAction::FoldSteps(false) => return folding::unfold(app),
        RunAction::BreakHere => {
            let Some(place) = debugger.line() else {
                app.show_hint("no line of the source stands at this step", now);
                return Vec::new();
            };
            let here = Breakpoint::Line(Some(place.file), place.line);
            match app.runs.breakpoints.iter().position(|breakpoint| *breakpoint == here) {
                Some(there) => {
                    app.runs.breakpoints.remove(there);
                }
                None => app.runs.breakpoints.push(here),
            }
        }
        RunAction::BreakOn => prompt(debugger, PromptPurpose::Break, debugger.key()),
        RunAction::ClearBreaks => app.runs.breakpoints.clear(),
        RunAction::Breaks if app.runs.breakpoints.is_empty() => nothing_stops(app, now),
        RunAction::Breaks => debugger.stops = Some(0),
        RunAction::Continue(_) if app.runs.breakpoints.is_empty() => nothing_stops(app, now),
        RunAction::Continue(forwards) => {
            let test = StepFilter::Break(app.runs.breakpoints.clone());
            let what = if forwards { "later step that stops" } else { "earlier step that stops" };
            return seek(app, Action::Run(action), test, what, now);
        }
        RunAction::Jump => prompt(debugger, PromptPurpose::Jump, None),
        RunAction::FindStep => prompt(debugger, PromptPurpose::Find, None),
        RunAction::FindNext(forwards) => return find(app, forwards, now),
        RunAction::WhatIf => {
            debugger.wish = Some(WhatIfForm::new(debugger.key()));
        }
    }
    Vec::new()
}

fn nothing_stops(app: &mut App, now: Millis) {
    let (here, on) =
        (key_for(app, Action::Run(RunAction::BreakHere)), key_for(app, Action::Run(RunAction::BreakOn)));
    app.show_hint(format!("nothing stops it: {here} stops at this line, {on} at a line or a key"), now);
}

/// Opens a line to be typed, with the key that the step is about in it already.
fn prompt(debugger: &mut Debugger, purpose: PromptPurpose, key: Option<Key>) {
    let begun = key.map_or(String::new(), |key| key.to_text());
    debugger.prompt = Some(DebuggerPrompt { purpose, input: begun.into(), problem: None });
}

fn find(app: &mut App, forwards: bool, now: Millis) -> Vec<Effect> {
    let Some(text) = app.screen.run().and_then(|debugger| debugger.text.clone()) else {
        app.show_hint(
            format!("nothing was looked for yet: {}", key_for(app, Action::Run(RunAction::FindStep))),
            now,
        );
        return Vec::new();
    };
    let what = format!("{} step with \u{201c}{text}\u{201d}", if forwards { "later" } else { "earlier" });
    seek(
        app,
        Action::Run(RunAction::FindNext(forwards)),
        StepFilter::Text(Box::new(Needle::new(&text))),
        &what,
        now,
    )
}

/// To the task after this one, or to the beginning of this one, and then to the one before it.
fn task(app: &mut App, forwards: bool, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run() else { return Vec::new() };
    let Some(tasks) = &debugger.tasks else {
        app.show_hint("the tasks are still being read", now);
        return Vec::new();
    };
    let number = debugger.steps.number();
    let mut firsts = tasks.all().iter().map(|task| task.first);
    let first =
        if forwards { firsts.find(|first| *first > number) } else { firsts.rfind(|first| *first < number) };
    match first {
        Some(first) => go_to(app, first, now),
        None => {
            app.show_hint(
                format!("there is no task {} this step", if forwards { "after" } else { "before" }),
                now,
            );
            Vec::new()
        }
    }
}

fn move_by(app: &mut App, by: isize, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    debugger.steps.window.step(by);
    let is_last =
        debugger.steps.window.at_end && debugger.steps.window.cursor() + 1 >= debugger.steps.records().len();
    if !is_last {
        follow_no_longer(app, now);
    }
    moved(app)
}

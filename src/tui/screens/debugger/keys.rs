//! What keys do in the debugger.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::lua::functions;
use crate::lua::host_function::CallEffect;
use crate::store::{Key, Needle};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::keys::action::{Action, RunAction};
use crate::tui::keys::scroll::scrolled;
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::requests::{
    CallSpan, DebugSessionId, DebuggerRequest, ELSEWHERE, OpenAt, StepFilter, StepQuery, StepSearch,
};
use crate::tui::screens::debugger::state::{Debugger, DebuggerPrompt, PendingSearch, PromptPurpose};
use crate::tui::screens::debugger::what_if_form::WhatIfForm;
use crate::tui::screens::debugger::{folding, layout, what_if_keys};
use crate::workflow::recording::RecordKind;

/// Opens a run; once it is open it is compared with another one, where one is given.
pub fn open(app: &mut App, run: i64, at: OpenAt, compare_with: Option<i64>) -> Vec<Effect> {
    let sitting = DebugSessionId { number: app.next_request(), run };
    app.runs.pending = Some((sitting, compare_with));
    vec![Effect::Debugger(DebuggerRequest::Open(sitting, at))]
}

/// Leaves the run that is open, and what is being looked for in it.
pub fn leave(app: &mut App) -> Vec<Effect> {
    let effects = give_up(app);
    app.screen.close_run();
    effects
}

/// Looks no further.
fn give_up(app: &mut App) -> Vec<Effect> {
    let searching = app.screen.run_mut().and_then(|debugger| debugger.search.take());
    searching.map(|_| Effect::Debugger(DebuggerRequest::Cancel(app.next_request()))).into_iter().collect()
}

/// Gives a key to what takes all of them: a line that is typed, or a report; `None` if nothing does.
pub fn key(app: &mut App, key: KeyEvent, now: Millis) -> Option<Vec<Effect>> {
    let debugger = app.screen.run_mut()?;
    if let Some(prompt) = debugger.prompt.take() {
        return Some(in_prompt(app, prompt, key, now));
    }
    if let Some(wish) = debugger.wish.take() {
        let run = debugger.sitting.run;
        let (mut effects, trying) = what_if_keys::key(app, wish, key);
        if let Some(trying) = trying {
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

pub fn key_for(app: &App, action: Action) -> String {
    app.settings.keymap.keys_for(action).first().cloned().unwrap_or_default()
}

/// Does what an action asks for.
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

/// Looks whether any step of the run stops at one of these breakpoints, and says so.
pub fn try_stops(app: &mut App, by: Action, stops: Vec<Breakpoint>, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run() else { return Vec::new() };
    let words: Vec<String> = stops.iter().map(Breakpoint::describe).collect();
    let seek = StepSearch {
        run: debugger.sitting.run,
        from: 0,
        forwards: true,
        test: StepFilter::Break(stops),
        last: debugger.last,
    };
    search(app, by, words.join(", "), now, |number| DebuggerRequest::Search(number, seek))
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

/// Sends a search on its way, under a number of its own.
pub fn search(
    app: &mut App,
    by: Action,
    what: String,
    now: Millis,
    question: impl FnOnce(RequestId) -> DebuggerRequest,
) -> Vec<Effect> {
    let number = app.next_request();
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    let from = debugger.steps.number();
    debugger.search = Some(PendingSearch { number, by, what, from, since: now, at: None });
    vec![Effect::Debugger(question(number))]
}

/// Looks for a step, in the direction of the action that asks for it.
fn seek(app: &mut App, by: Action, test: StepFilter, what: &str, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    let forwards = match by {
        Action::Run(RunAction::Over(forwards))
        | Action::Run(RunAction::NextChange(forwards))
        | Action::Run(RunAction::NextFailure(forwards))
        | Action::Run(RunAction::Continue(forwards))
        | Action::Run(RunAction::FindNext(forwards)) => forwards,
        _ => true,
    };
    let seek = StepSearch {
        run: debugger.sitting.run,
        from: debugger.steps.number(),
        forwards,
        test,
        last: debugger.last,
    };
    search(app, by, what.to_string(), now, |number| DebuggerRequest::Search(number, seek))
}

/// Compares the run with another one.
pub fn compare(app: &mut App, other: i64, now: Millis) -> Vec<Effect> {
    let Some(run) = app.screen.run().map(|debugger| debugger.sitting.run) else { return Vec::new() };
    search(app, Action::CompareRun, String::new(), now, |number| DebuggerRequest::Compare(number, run, other))
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
    debugger.steps.step(by);
    let is_last = debugger.steps.at_end() && debugger.steps.cursor() + 1 >= debugger.steps.records().len();
    if !is_last {
        follow_no_longer(app, now);
    }
    moved(app)
}

/// The cursor leaves the newest step, and stays where it goes, whatever the run does next.
pub fn follow_no_longer(app: &mut App, now: Millis) {
    let has_followed = app.screen.run_mut().is_some_and(|debugger| std::mem::take(&mut debugger.follows));
    if has_followed {
        app.show_done(format!("{} follows the run again", key_for(app, Action::Bottom)), now);
    }
}

/// Puts the cursor on a step, wherever it is.
pub fn go_to(app: &mut App, number: u64, now: Millis) -> Vec<Effect> {
    follow_no_longer(app, now);
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    if debugger.folds.reveal(number) {
        return folding::read(app, number);
    }
    if debugger.steps.select(number) || debugger.steps.at_end() && number > debugger.steps.number() {
        debugger.steps.select(number);
        return moved(app);
    }
    folding::read(app, number)
}

/// What follows when the cursor is on another step.
fn moved(app: &mut App) -> Vec<Effect> {
    let mut effects = look_closer(app);
    if let Some(debugger) = app.screen.run_mut()
        && debugger.steps.wants()
    {
        debugger.steps.is_reading = true;
        let (around, folds) = (debugger.steps.number(), debugger.folds.clone());
        effects.push(Effect::Debugger(DebuggerRequest::Page(debugger.sitting, around, folds)));
    }
    effects
}

/// Whether it is a call that may write to the state, and not only wait for others.
fn may_write(what: &RecordKind) -> bool {
    let RecordKind::Begin { function, .. } = what else { return false };
    functions::find(function)
        .is_some_and(|function| function.is_about_state() && function.effect == CallEffect::Write)
}

/// Asks what the step under the cursor did, if that is not known.
pub fn look_closer(app: &mut App) -> Vec<Effect> {
    let height = layout::steps_height(app);
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    debugger.steps.fit(height);
    let steps = &debugger.steps;
    let Some(record) = steps.selected() else { return Vec::new() };
    let place = steps.call_at(steps.cursor()).unwrap_or(steps.cursor());
    let end = steps.end_place(place);
    let is_begin = place == steps.cursor();
    let call = steps.record(place).filter(|record| may_write(&record.what)).map(|record| CallSpan {
        begin: record.number,
        // After the last step of a run that was killed nothing more was changed.
        has_ended: end.is_some() || record.number == steps.last() && debugger.run.status == "killed",
        is_proven: debugger.format >= 2,
    });
    let step = StepQuery {
        sitting: debugger.sitting,
        number: record.number,
        at: record.at,
        revision: steps.revision_before(place),
        changes: steps.changes_of(steps.cursor()),
        changes_at_end: end.filter(|_| is_begin).map_or(Vec::new(), |end| steps.changes_of(end)),
        call,
        key: debugger.key(),
    };
    if debugger.about.as_ref().is_some_and(|about| about.number == step.number) {
        return Vec::new();
    }
    debugger.scroll = 0;
    debugger.about = None;
    vec![Effect::Debugger(DebuggerRequest::Details(step))]
}

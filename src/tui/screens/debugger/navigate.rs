//! Opening and leaving a run, going to one of its steps, looking for one, and what is read then.

use crate::lua::functions;
use crate::lua::host_function::CallEffect;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::keys::{Action, RunAction};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::layout;
use crate::tui::screens::debugger::requests::{
    CallSpan, DebugSessionId, DebuggerRequest, OpenAt, StepFilter, StepQuery,
};
use crate::tui::screens::debugger::state::PendingSearch;
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
pub fn give_up(app: &mut App) -> Vec<Effect> {
    let search = app.screen.run_mut().and_then(|debugger| debugger.search.take());
    search.map(|search| Effect::Stop(search.number)).into_iter().collect()
}

pub fn key_for(app: &App, action: Action) -> String {
    app.settings.keymap.keys_for(action).first().cloned().unwrap_or_default()
}

/// Looks whether any step of the run stops at one of these breakpoints, and says so.
pub fn try_stops(app: &mut App, by: Action, stops: Vec<Breakpoint>, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run() else { return Vec::new() };
    let words: Vec<String> = stops.iter().map(Breakpoint::describe).collect();
    let seek = debugger.search_for(0, true, StepFilter::Break(stops));
    search(app, by, words.join(", "), now, |number| DebuggerRequest::Search(number, seek))
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
pub fn seek(app: &mut App, by: Action, test: StepFilter, what: &str, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    let forwards = match by {
        Action::Run(RunAction::Over(forwards))
        | Action::Run(RunAction::NextChange(forwards))
        | Action::Run(RunAction::NextFailure(forwards))
        | Action::Run(RunAction::Continue(forwards))
        | Action::Run(RunAction::FindNext(forwards)) => forwards,
        _ => true,
    };
    let seek = debugger.search_for(debugger.steps.number(), forwards, test);
    search(app, by, what.to_string(), now, |number| DebuggerRequest::Search(number, seek))
}

pub fn compare(app: &mut App, other: i64, now: Millis) -> Vec<Effect> {
    let Some(run) = app.screen.run().map(|debugger| debugger.sitting.run) else { return Vec::new() };
    search(app, Action::CompareRun, String::new(), now, |number| DebuggerRequest::Compare(number, run, other))
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
        return read(app, number);
    }
    if debugger.steps.select(number) || debugger.steps.window.at_end && number > debugger.steps.number() {
        debugger.steps.select(number);
        return moved(app);
    }
    read(app, number)
}

/// What follows when the cursor is on another step.
pub fn moved(app: &mut App) -> Vec<Effect> {
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
    debugger.steps.window.fit(height);
    let steps = &debugger.steps;
    let Some(record) = steps.window.selected() else { return Vec::new() };
    let place = steps.call_at(steps.window.cursor()).unwrap_or(steps.window.cursor());
    let end = steps.end_place(place);
    let is_begin = place == steps.window.cursor();
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
        changes: steps.changes_of(steps.window.cursor()),
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

/// Reads the steps around one, and puts the cursor on it.
pub fn read(app: &mut App, number: u64) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    debugger.steps.goes_to(number);
    vec![Effect::Debugger(DebuggerRequest::Page(debugger.sitting, number, debugger.folds.clone()))]
}

//! Folding calls and tasks: of what is folded only the beginning and the end are read.

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::keys::{Action, RunAction};
use crate::tui::screens::debugger::navigate;
use crate::tui::screens::debugger::requests::{DebuggerRequest, StepFilter};
use crate::tui::screens::debugger::state::Debugger;
use crate::tui::screens::debugger::steps::Nesting;

/// What is said of something that cannot be folded yet.
pub const NO_END: &str = "this has not come to its end";

/// Folds or unfolds the call or the task that begins at the cursor, or the one that the cursor is in.
pub fn fold(app: &mut App, now: Millis) -> Vec<Effect> {
    navigate::follow_no_longer(app, now);
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    let number = debugger.steps.number();
    if debugger.folds.open(number) {
        return navigate::read(app, number);
    }
    let Some(first) = beginning(debugger) else {
        app.show_hint("this step is in no call and in no task", now);
        return Vec::new();
    };
    if debugger.folds.open(first) {
        return navigate::read(app, first);
    }
    let tasks = debugger.tasks.as_ref().map_or(&[][..], |tasks| tasks.all());
    let place = debugger.steps.records().iter().position(|record| record.number == first);
    let end = place.and_then(|place| debugger.steps.end_of(place)).map(|end| end.number);
    match (end, tasks.iter().find(|task| task.first == first)) {
        (Some(end), _) => close(app, first, end, now),
        (None, Some(task)) => match task.end.as_ref().map(|end| end.last) {
            Some(end) => close(app, first, end, now),
            None => {
                app.show_hint(NO_END, now);
                Vec::new()
            }
        },
        // It ends further away than is in memory.
        (None, None) => {
            let seek = debugger.search_for(first, true, StepFilter::Over);
            let what = "end of this".to_string();
            let question = |number| DebuggerRequest::Search(number, seek);
            let effects = navigate::search(app, Action::Run(RunAction::FoldStep), what, now, question);
            if let Some(search) = app.screen.run_mut().and_then(|debugger| debugger.search.as_mut()) {
                search.from = first;
            }
            effects
        }
    }
}

/// The step at which the call or the task begins that the cursor is at, or in.
fn beginning(debugger: &Debugger) -> Option<u64> {
    let steps = &debugger.steps;
    let record = steps.window.selected()?;
    if Nesting::of(record) == Nesting::Opens {
        return Some(record.number);
    }
    let in_memory = steps.around(steps.window.cursor()).and_then(|place| steps.record(place));
    // The beginning of a long task is not in memory, but known.
    let of_task = || {
        let tasks = debugger.tasks.as_ref()?;
        tasks.at(record.number).map(|place| tasks.all()[place].first)
    };
    in_memory.map(|record| record.number).or_else(of_task)
}

/// Folds what begins and ends at these steps.
pub fn close(app: &mut App, first: u64, last: u64, now: Millis) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    if debugger.folds.close(first, last) {
        return navigate::read(app, first);
    }
    app.show_hint("there is nothing inside of it", now);
    Vec::new()
}

/// Folds every task that has come to its end.
pub fn fold_tasks(app: &mut App, now: Millis) -> Vec<Effect> {
    if app.screen.run().is_some_and(|debugger| debugger.tasks.is_none()) {
        app.show_hint("the tasks are still being read", now);
        return Vec::new();
    }
    navigate::follow_no_longer(app, now);
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    let Some(tasks) = &debugger.tasks else { return Vec::new() };
    for task in tasks.all() {
        if let Some(end) = &task.end {
            debugger.folds.close(task.first, end.last);
        }
    }
    let number = debugger.folds.shown(debugger.steps.number());
    navigate::read(app, number)
}

pub fn unfold(app: &mut App) -> Vec<Effect> {
    let Some(debugger) = app.screen.run_mut() else { return Vec::new() };
    debugger.folds.clear();
    let number = debugger.steps.number();
    navigate::read(app, number)
}

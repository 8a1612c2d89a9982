//! What the debugger's threads answer, and what is committed while a run is open.

use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{Action, RunAction};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::requests::{
    DebugSessionId, DebuggerReply, DebuggerRequest, OpenAt, OpenedRun,
};
use crate::tui::screens::debugger::source::RunSource;
use crate::tui::screens::debugger::state::{Debugger, PendingSearch};
use crate::tui::screens::debugger::steps::Steps;
use crate::tui::screens::debugger::{folding, navigate, replies};
use crate::tui::timing::HOLDER_REFRESH;
use crate::workflow::recording::RecordingError;

pub fn take(app: &mut App, told: DebuggerReply, now: Millis) -> Vec<Effect> {
    match told {
        DebuggerReply::Opened(sitting, opened) => return replies::opened(app, sitting, opened, now),
        DebuggerReply::Failed(sitting, why) => {
            if let Some(sitting) = sitting {
                let Some(debugger) = of(app, sitting) else { return Vec::new() };
                debugger.steps.is_left_alone();
            }
            app.show_error(why);
        }
        DebuggerReply::Page(sitting, run, window) => {
            let Some(debugger) = of(app, sitting) else { return Vec::new() };
            // Tasks have begun or ended, as far as that shows.
            if let Some(tasks) = &mut debugger.tasks {
                window.records.iter().for_each(|record| tasks.add(record));
            }
            debugger.run = *run;
            let was_shortened = debugger.is_shortened();
            debugger.last = debugger.last.max(window.last);
            let number = match debugger.follows && window.at_end {
                true => u64::MAX,
                false => debugger.steps.number(),
            };
            debugger.steps.replace(window, number);
            let is_shortened = !was_shortened && debugger.is_shortened();
            if !debugger.run.is_alive && debugger.run.run.ended.is_some() {
                debugger.follows = false;
            }
            let last = debugger.steps.last();
            if is_shortened {
                app.show_notice(RecordingError::Removed(last + 1).to_string());
            }
            return navigate::look_closer(app);
        }
        DebuggerReply::Details(sitting, about) => {
            if let Some(debugger) = of(app, sitting)
                && debugger.steps.number() == about.number
            {
                debugger.about = Some(about);
            }
        }
        DebuggerReply::Tasks(sitting, tasks) => {
            if let Some(debugger) = of(app, sitting) {
                debugger.tasks = Some(tasks);
            }
        }
        DebuggerReply::Progress(number, step) => {
            let search = app.screen.run_mut().and_then(|debugger| debugger.search.as_mut());
            if let Some(search) = search.filter(|search| search.number == number) {
                search.at = Some(step);
            }
        }
        DebuggerReply::Found(number, found) => {
            let Some(search) = finished(app, number) else { return Vec::new() };
            match found {
                Ok(found) => return replies::found(app, search, found, now),
                Err(error) => app.show_error(error),
            }
        }
        DebuggerReply::Report(number, report) => {
            if finished(app, number).is_some() {
                match report {
                    Ok(report) => {
                        if let Some(debugger) = app.screen.run_mut() {
                            debugger.report = Some(report);
                        }
                    }
                    Err(error) => app.show_error(error),
                }
            }
        }
        DebuggerReply::Suggestions(offers) => {
            if let Some(Dialog::Start(start)) = app.focus.dialog_mut() {
                start.offers = offers;
            }
        }
        DebuggerReply::Completions(text, completions) => {
            if let Some(Dialog::Start(start)) = app.focus.dialog_mut() {
                if start.file.value() == text {
                    start.complete(completions);
                }
            } else if let Some(wish) = app.screen.run_mut().and_then(|debugger| debugger.wish.as_mut()) {
                wish.complete(&text, completions);
            }
        }
        DebuggerReply::Started(number, started) => {
            if app.runs.starting.take_if(|starting| *starting == number).is_none() {
                return Vec::new();
            }
            match started {
                Ok(run) => {
                    app.show_done(format!("started run {run}"), now);
                    return navigate::open(app, run, OpenAt::Begin, None);
                }
                Err(why) => app.show_error(why),
            }
        }
    }
    Vec::new()
}

fn found(app: &mut App, search: PendingSearch, found: Option<u64>, now: Millis) -> Vec<Effect> {
    let so_far = app.screen.run().filter(|debugger| debugger.may_go_on()).map_or("", |_| " so far");
    match (search.by, found) {
        (Action::Run(RunAction::FoldStep), Some(end)) => return folding::close(app, search.from, end, now),
        (Action::Run(RunAction::FoldStep), None) => app.show_hint(folding::NO_END, now),
        (Action::Run(RunAction::BreakOn), Some(step)) => {
            let key = navigate::key_for(app, Action::Run(RunAction::Continue(true)));
            app.show_done(format!("{key} stops there, first at step {}", thousands(step)), now);
        }
        (Action::Run(RunAction::BreakOn), None) => {
            app.show_hint(format!("no step of this run stops at {}{so_far}", search.what), now);
        }
        // Perhaps none does at all.
        (Action::Run(RunAction::Continue(_)), None) => {
            let effects =
                navigate::try_stops(app, Action::Run(RunAction::Breaks), app.runs.breakpoints.clone(), now);
            if let Some(next) = app.screen.run_mut().and_then(|debugger| debugger.search.as_mut()) {
                next.what = search.what;
            }
            return effects;
        }
        (Action::Run(RunAction::Breaks), None) => {
            let words: Vec<String> = app.runs.breakpoints.iter().map(Breakpoint::describe).collect();
            app.show_hint(format!("no step of this run stops at {}{so_far}", words.join(", ")), now);
        }
        (Action::Run(RunAction::Breaks), Some(_)) | (_, None) => {
            app.show_hint(format!("there is no {}{so_far}", search.what), now);
        }
        (_, Some(step)) => return navigate::go_to(app, step, now),
    }
    Vec::new()
}

/// A run was opened, or cannot be. One that is opened once more stays where it was.
fn opened(
    app: &mut App,
    sitting: DebugSessionId,
    opened: Result<Box<OpenedRun>, String>,
    now: Millis,
) -> Vec<Effect> {
    let Some((_, compare_with)) = app.runs.pending.take_if(|(pending_cursor, _)| *pending_cursor == sitting)
    else {
        return Vec::new();
    };
    let before = app.runs.previous.take_if(|(run, _)| *run == sitting.run);
    let opened = match opened {
        Ok(opened) if before.is_some_and(|(_, began_at)| began_at != opened.run.run.began_at) => {
            app.show_hint("the run that was shown is not in the database as it is now", now);
            return Vec::new();
        }
        Ok(opened) => opened,
        Err(why) => {
            app.show_error(why);
            return Vec::new();
        }
    };
    if matches!(app.focus.dialog(), Some(Dialog::Start(_))) {
        app.focus = Focus::Screen;
    }
    // The line filters what the run covers.
    app.focus.leave_filter_line();
    let is_same = app.screen.run().is_some_and(|before| before.sitting.run == sitting.run);
    let mut effects = if is_same { Vec::new() } else { navigate::leave(app) };
    let (text, folds, prompt, wish, search, known) = match app.screen.close_run() {
        Some(before) => (before.text, before.folds, before.prompt, before.wish, before.search, before.last),
        None => Default::default(),
    };
    app.screen.open_run(Box::new(Debugger {
        sitting,
        run: opened.run,
        source: RunSource::of(&opened.header),
        format: opened.header.format,
        last: opened.window.last.max(known),
        steps: Steps::new(opened.window, opened.at),
        folds,
        tasks: None,
        about: None,
        prompt,
        wish,
        text,
        search,
        follows: opened.follows,
        report: None,
        stops: None,
        scroll: 0,
        looked: now,
    }));
    effects.extend(navigate::look_closer(app));
    effects.push(Effect::Debugger(DebuggerRequest::Tasks(sitting)));
    if app.screen.run().is_some_and(|debugger| !debugger.folds.is_empty()) {
        effects.extend(navigate::read(app, opened.at));
    }
    if let Some(other) = compare_with {
        effects.extend(navigate::compare(app, other, now));
    }
    effects
}

/// The run that is open, if it is in this sitting.
fn of(app: &mut App, sitting: DebugSessionId) -> Option<&mut Debugger> {
    app.screen.run_mut().filter(|debugger| debugger.sitting == sitting)
}

/// The search that has come to its end, if it is the one that is waited for.
fn finished(app: &mut App, number: RequestId) -> Option<PendingSearch> {
    app.screen.run_mut()?.search.take_if(|search| search.number == number)
}

/// Something was committed: a run at work has perhaps done more.
pub fn news(app: &mut App, now: Millis) -> Option<Effect> {
    let debugger = app.screen.run_mut()?;
    // Away from the end no more may be new than how the run stands: that is read again when it is due.
    let shows_end = debugger.follows || debugger.steps.window.at_end;
    if shows_end || debugger.looked.plus(HOLDER_REFRESH) <= now { look_again(app, now) } else { None }
}

/// Reads again how a run stands that has not ended, and what it has done. One that is killed commits
/// nothing.
pub fn look_again(app: &mut App, now: Millis) -> Option<Effect> {
    let debugger = app.screen.run_mut()?;
    debugger.looked = now;
    if debugger.run.run.ended.is_some() || debugger.steps.is_reading {
        return None;
    }
    debugger.steps.is_reading = true;
    let around = if debugger.follows { u64::MAX >> 1 } else { debugger.steps.number() };
    Some(Effect::Debugger(DebuggerRequest::Page(debugger.sitting, around, debugger.folds.clone())))
}

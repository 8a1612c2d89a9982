//! What the debugger's threads answer, and what is committed while a run is open.

use super::question::{Question, Told};
use super::source::Source;
use super::{Debugger, Steps, keys};
use crate::store::Millis;
use crate::tui::app::{App, LOOK_AT_HOLDERS};
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;

/// Takes in an answer.
pub fn take(app: &mut App, told: Told, now: Millis) -> Vec<Effect> {
    match told {
        Told::Opened(Ok(opened)) => {
            app.dialog = app.dialog.take().filter(|dialog| !matches!(dialog, Dialog::Start(_)));
            let run = opened.run.run.number;
            let searches = app.debugger.as_ref().map_or(0, |debugger| debugger.searches);
            app.debugger = Some(Box::new(Debugger {
                run: opened.run,
                source: Source::of(&opened.header),
                steps: Steps::new(opened.window, opened.at),
                tasks: None,
                about: None,
                breakpoints: Vec::new(),
                prompt: None,
                text: None,
                search: None,
                searches,
                follows: opened.follows,
                report: None,
                scroll: 0,
                looked: now,
            }));
            let mut effects = keys::look_closer(app);
            effects.push(Effect::Debugger(Question::Tasks(run)));
            if let Some(other) = app.compare_with.take() {
                effects.extend(keys::compare(app, other, now));
            }
            effects
        }
        Told::Opened(Err(why)) | Told::Failed(why) => {
            app.complain(why);
            Vec::new()
        }
        Told::Window(run, window) => {
            let Some(debugger) = of(app, run.run.number) else { return Vec::new() };
            // Tasks have begun or ended, as far as that shows.
            if let Some(tasks) = &mut debugger.tasks {
                window.records.iter().for_each(|record| tasks.add(record));
            }
            debugger.run = *run;
            let number = match debugger.follows && window.at_end {
                true => u64::MAX,
                false => debugger.steps.number(),
            };
            debugger.steps.replace(window, number);
            if !debugger.run.is_alive && debugger.run.run.ended.is_some() {
                debugger.follows = false;
            }
            keys::look_closer(app)
        }
        Told::About(run, about) => {
            if let Some(debugger) = of(app, run)
                && debugger.steps.number() == about.number
            {
                debugger.about = Some(about);
            }
            Vec::new()
        }
        Told::Tasks(run, tasks) => {
            if let Some(debugger) = of(app, run) {
                debugger.tasks = Some(tasks);
            }
            Vec::new()
        }
        Told::Found(number, found) => {
            let Some(what) = finished(app, number) else { return Vec::new() };
            match found {
                Ok(Some(step)) => keys::go_to(app, step),
                Ok(None) => {
                    app.explain(format!("there is no {what}"), now);
                    Vec::new()
                }
                Err(error) => {
                    app.complain(error);
                    Vec::new()
                }
            }
        }
        Told::Report(number, report) => {
            if finished(app, number).is_some() {
                match report {
                    Ok(report) => {
                        if let Some(debugger) = &mut app.debugger {
                            debugger.report = Some(report);
                        }
                    }
                    Err(error) => app.complain(error),
                }
            }
            Vec::new()
        }
        Told::Offers(offers) => {
            if let Some(Dialog::Start(start)) = &mut app.dialog {
                start.offers = offers;
            }
            Vec::new()
        }
        Told::Completions(text, completions) => {
            if let Some(Dialog::Start(start)) = &mut app.dialog
                && start.file.value() == text
            {
                start.complete(completions);
            }
            Vec::new()
        }
        Told::Started(Ok(run)) => {
            app.say(format!("started run {run}"), now);
            keys::open(run, super::question::At::Begin)
        }
        Told::Started(Err(why)) => {
            app.complain(why);
            Vec::new()
        }
    }
}

/// The run that is open, if it is this one.
fn of(app: &mut App, run: i64) -> Option<&mut Debugger> {
    app.debugger.as_deref_mut().filter(|debugger| debugger.run.run.number == run)
}

/// What a search was for, if it is the one that is waited for.
fn finished(app: &mut App, number: u64) -> Option<String> {
    let debugger = app.debugger.as_mut()?;
    let (_, what, _) = debugger.search.take_if(|(search, ..)| *search == number)?;
    Some(what)
}

/// Something was committed: a run at work has perhaps done more.
pub fn news(app: &mut App, now: Millis) -> Option<Effect> {
    let debugger = app.debugger.as_mut()?;
    debugger.looked = now;
    let may_grow = debugger.run.run.ended.is_none() && (debugger.follows || debugger.steps.at_end());
    if !may_grow || debugger.steps.is_reading {
        return None;
    }
    debugger.steps.is_reading = true;
    let around = if debugger.follows { u64::MAX >> 1 } else { debugger.steps.number() };
    Some(Effect::Debugger(Question::Window(debugger.run.run.number, around)))
}

/// Lets time pass: a run that is killed commits nothing, so it is looked at now and then.
pub fn pass(app: &mut App, now: Millis) -> Option<Effect> {
    let debugger = app.debugger.as_ref()?;
    let is_due = debugger.run.is_alive && now.since(debugger.looked) >= LOOK_AT_HOLDERS;
    is_due.then(|| news(app, now)).flatten()
}

//! What the workers do for the debugger: read what is on the screen, look for what is further away, and, each on
//! a thread of its own, try a run once more and start a workflow.

pub mod compare;
pub mod pages;
pub mod search;
pub mod start;
pub mod step_details;
#[cfg(test)]
mod tests;
pub mod what_if;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::store::{Location, Options, Store, StoreError, open};
use crate::tui::effect::Reply;
use crate::tui::message::Message;
use crate::tui::request::{CancelToken, RequestId};
use crate::tui::screens::debugger::requests::{DebugSessionId, DebuggerReply, DebuggerRequest};
use crate::workflow::recording::RecordingError;

/// How often it is told how far a search is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// What a thread works with.
#[derive(Clone)]
pub struct WorkerContext {
    location: Location,
    settings: Options,
    answers: Sender<Message>,
    /// Each search replaces the one before.
    pub searches: CancelToken,
}

impl WorkerContext {
    /// A context for a database, with the way to reply.
    pub fn new(location: &Location, settings: &Options, answers: &Sender<Message>) -> WorkerContext {
        WorkerContext {
            location: location.clone(),
            settings: Options { read_only: true, ..settings.clone() },
            answers: answers.clone(),
            searches: CancelToken::default(),
        }
    }

    fn tell(&self, told: DebuggerReply) {
        // Nobody is left to hear it: the program is ending.
        let _ = self.answers.send(Message::Reply(Reply::Debugger(Box::new(told))));
    }

    fn tell_error(&self, sitting: Option<DebugSessionId>, answered: Result<(), RecordingError>) {
        if let Err(error) = answered {
            self.tell(DebuggerReply::Failed(sitting, error.to_string()));
        }
    }

    fn open(&self) -> Result<Rc<dyn Store>, StoreError> {
        Ok(Rc::from(open(&self.location, &self.settings)? as Box<dyn Store>))
    }

    /// Whether a search that has come to a step is to stop there, since nobody waits for it any more;
    /// whoever does is told how far it is now and then.
    fn stops<'a>(&'a self, search: RequestId, pause: &'a dyn Fn()) -> impl Fn(u64) -> bool + 'a {
        let told = Cell::new(Instant::now());
        move |step| {
            pause();
            if told.get().elapsed() >= PROGRESS_INTERVAL {
                told.set(Instant::now());
                self.tell(DebuggerReply::Progress(search, step));
            }
            self.searches.is_cancelled(search)
        }
    }
}

/// Answers what is asked for the screen.
pub fn read(desk: &WorkerContext, store: &Rc<dyn Store>, request: DebuggerRequest) {
    let sitting = request.sitting();
    desk.tell_error(sitting, read_for_screen(desk, store, request));
}

/// Answers what takes its time; between two pieces it does with `pause` what is more urgent.
pub fn search(desk: &WorkerContext, store: &Rc<dyn Store>, request: DebuggerRequest, pause: &dyn Fn()) {
    let sitting = request.sitting();
    desk.tell_error(sitting, search_in_recording(desk, store, request, pause));
}

fn read_for_screen(
    desk: &WorkerContext,
    store: &Rc<dyn Store>,
    question: DebuggerRequest,
) -> Result<(), RecordingError> {
    let here = &desk.settings.process;
    match question {
        DebuggerRequest::Open(sitting, at) => {
            let opened = pages::open(store, here, sitting.run, at).map(Box::new);
            desk.tell(DebuggerReply::Opened(sitting, opened.map_err(|error| error.to_string())));
        }
        DebuggerRequest::Page(sitting, around, folds) => {
            let row = pages::row(&**store, here, sitting.run)?.ok_or(RecordingError::NoRun(sitting.run))?;
            let window = pages::window(&**store, sitting.run, around, &folds)?;
            desk.tell(DebuggerReply::Page(sitting, Box::new(row), window));
        }
        DebuggerRequest::Details(step) => {
            desk.tell(DebuggerReply::Details(step.sitting, step_details::about(&**store, &step)?))
        }
        DebuggerRequest::Suggestions => desk.tell(DebuggerReply::Suggestions(start::offers(&**store)?)),
        DebuggerRequest::Complete(text) => {
            let completions = start::completions(&text);
            desk.tell(DebuggerReply::Completions(text, completions));
        }
        _ => {}
    }
    Ok(())
}

fn search_in_recording(
    desk: &WorkerContext,
    store: &Rc<dyn Store>,
    question: DebuggerRequest,
    pause: &dyn Fn(),
) -> Result<(), RecordingError> {
    match question {
        DebuggerRequest::Tasks(sitting) => {
            desk.tell(DebuggerReply::Tasks(sitting, search::tasks(&**store, sitting.run, pause)?));
        }
        DebuggerRequest::Search(number, wanted) if !desk.searches.is_cancelled(number) => {
            let found = search::seek(&**store, &wanted, &desk.stops(number, pause));
            desk.tell(DebuggerReply::Found(number, found.map_err(|error| error.to_string())));
        }
        DebuggerRequest::Compare(number, left, right) if !desk.searches.is_cancelled(number) => {
            let compared =
                compare::compare(store, &desk.settings.secrets, left, right, &desk.stops(number, pause));
            if let Some(report) = compared.transpose() {
                desk.tell(DebuggerReply::Report(number, report.map_err(|error| error.to_string())));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Does what has a thread of its own.
pub fn alone(desk: &WorkerContext, question: DebuggerRequest) {
    match question {
        DebuggerRequest::WhatIf(number, run, trying) => {
            let report = what_if::what_if(desk, number, run, trying);
            desk.tell(DebuggerReply::Report(number, report));
        }
        DebuggerRequest::Start(number, wanted) => start::start(desk, number, &wanted),
        _ => {}
    }
}

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
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestId, RequestQueue};
use crate::tui::screens::debugger::requests::{DebuggerReply, DebuggerRequest};
use crate::workflow::recording::RecordingError;

/// How often it is told how far a search is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct WorkerContext {
    location: Location,
    settings: Options,
    pub answers: Sender<Message>,
    /// The tasks of a run are read in place of those of the one before.
    pub tasks: CancelToken,
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
            tasks: CancelToken::default(),
            searches: CancelToken::default(),
        }
    }

    fn tell(&self, told: DebuggerReply) {
        send(&self.answers, Reply::Debugger(Box::new(told)));
    }

    fn open(&self) -> Result<Rc<dyn Store>, StoreError> {
        Ok(Rc::from(open(&self.location, &self.settings)? as Box<dyn Store>))
    }

    /// Whether a search that has come to a step is to stop there, since nobody waits for it any more;
    /// whoever does is told how far it is now and then.
    fn stops(&self, search: RequestId) -> impl Fn(u64) -> bool {
        let told = Cell::new(Instant::now());
        move |step| {
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
    if let Err(error) = read_for_screen(desk, store, request) {
        desk.tell(DebuggerReply::Failed(sitting, error.to_string()));
    }
}

/// Looks through recordings until no more requests come, with a connection of its own.
pub fn search(desk: &WorkerContext, requests: &RequestQueue<DebuggerRequest>) {
    let mut opened = None;
    while let Some(request) = requests.next() {
        let is_cancelled = match &request {
            DebuggerRequest::Tasks(sitting) => desk.tasks.is_cancelled(sitting.number),
            DebuggerRequest::Search(number, _) | DebuggerRequest::Compare(number, ..) => {
                desk.searches.is_cancelled(*number)
            }
            _ => false,
        };
        if is_cancelled {
            continue;
        }
        let store = match opened.take() {
            Some(store) => Ok(store),
            None => desk.open(),
        };
        opened = store.as_ref().ok().cloned();
        search_in_recording(desk, store, request);
    }
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
    store: Result<Rc<dyn Store>, StoreError>,
    question: DebuggerRequest,
) {
    let store = store.map_err(RecordingError::from);
    match question {
        DebuggerRequest::Tasks(sitting) => {
            let stops = || desk.tasks.is_cancelled(sitting.number);
            match store.and_then(|store| search::tasks(&*store, sitting.run, &stops)) {
                Ok(None) => {}
                Ok(Some(tasks)) => desk.tell(DebuggerReply::Tasks(sitting, tasks)),
                Err(error) => desk.tell(DebuggerReply::Failed(Some(sitting), error.to_string())),
            }
        }
        DebuggerRequest::Search(number, wanted) => {
            let found = store.and_then(|store| search::seek(&*store, &wanted, &desk.stops(number)));
            desk.tell(DebuggerReply::Found(number, found.map_err(|error| error.to_string())));
        }
        DebuggerRequest::Compare(number, left, right) => {
            let (secrets, stops) = (&desk.settings.secrets, desk.stops(number));
            let compared = store.and_then(|store| compare::compare(&store, secrets, left, right, &stops));
            if let Some(report) = compared.transpose() {
                desk.tell(DebuggerReply::Report(number, report.map_err(|error| error.to_string())));
            }
        }
        _ => {}
    }
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

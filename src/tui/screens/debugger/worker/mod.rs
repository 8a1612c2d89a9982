//! The threads of the debugger: one reads what is on the screen, one looks for what is further
//! away, and each trial and each workflow that is started has one of its own. They open the
//! database when they are first needed.

pub mod compare;
pub mod pages;
pub mod search;
pub mod start;
pub mod step_details;
#[cfg(test)]
mod tests;
pub mod what_if;

use crate::tui::request::{CancelToken, RequestId};
use crate::tui::worker;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{Location, Options, Store, StoreError, open};
use crate::tui::effect::Reply;
use crate::tui::message::Message;
use crate::tui::screens::debugger::requests::{DebuggerReply, DebuggerRequest};
use crate::workflow::recording::RecordingError;

/// How often it is told how far a search is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The ways to the threads of the debugger.
pub struct DebuggerWorkers {
    /// Those that have the database open.
    handles: Vec<JoinHandle<()>>,
    pages: Sender<DebuggerRequest>,
    searches: Sender<DebuggerRequest>,
    desk: WorkerContext,
}

/// What a thread works with.
#[derive(Clone)]
pub struct WorkerContext {
    location: Location,
    settings: Options,
    answers: Sender<Message>,
    /// Each search replaces the one before.
    searches: CancelToken,
}

impl WorkerContext {
    fn tell(&self, told: DebuggerReply) {
        // Nobody is left to hear it: the program is ending.
        let _ = self.answers.send(Message::Reply(Reply::Debugger(Box::new(told))));
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

impl DebuggerWorkers {
    /// Threads for a database; nothing is started before it is needed.
    pub fn new(location: &Location, settings: &Options, answers: &Sender<Message>) -> DebuggerWorkers {
        let desk = WorkerContext {
            location: location.clone(),
            settings: Options { read_only: true, ..settings.clone() },
            answers: answers.clone(),
            searches: CancelToken::default(),
        };
        let (pages, reading) = thread(&desk, read);
        let (searches, searching) = thread(&desk, search);
        DebuggerWorkers { handles: vec![reading, searching], pages, searches, desk }
    }

    /// The threads that have the database open, until they end.
    pub fn handles(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.handles)
    }

    /// Passes a question on to the thread that answers it.
    pub fn ask(&self, question: DebuggerRequest) {
        if let DebuggerRequest::Search(number, _)
        | DebuggerRequest::Compare(number, ..)
        | DebuggerRequest::WhatIf(number, ..)
        | DebuggerRequest::Cancel(number) = &question
        {
            self.desk.searches.cancel_before(*number);
        }
        let _ = match question {
            DebuggerRequest::Cancel(_) => return,
            DebuggerRequest::Search(..) | DebuggerRequest::Compare(..) | DebuggerRequest::Tasks(_) => {
                self.searches.send(question)
            }
            DebuggerRequest::WhatIf(..) | DebuggerRequest::Start(..) => {
                let desk = self.desk.clone();
                worker::spawn(&self.desk.answers, move |_| alone(&desk, question));
                return;
            }
            _ => self.pages.send(question),
        };
    }
}

impl Drop for DebuggerWorkers {
    fn drop(&mut self) {
        self.desk.searches.cancel_all();
    }
}

/// How a thread answers a question.
type Handler = fn(&WorkerContext, &Rc<dyn Store>, DebuggerRequest) -> Result<(), RecordingError>;

/// Starts a thread that answers one question after the other.
fn thread(desk: &WorkerContext, answer: Handler) -> (Sender<DebuggerRequest>, JoinHandle<()>) {
    let (questions, asked): (_, Receiver<DebuggerRequest>) = channel();
    let desk = desk.clone();
    let handle = worker::spawn(&desk.answers.clone(), move |_| {
        let mut store: Option<Rc<dyn Store>> = None;
        while let Ok(question) = asked.recv() {
            let opened = match &store {
                Some(store) => Ok(Rc::clone(store)),
                None => desk.open(),
            };
            let sitting = question.sitting();
            let answered = opened
                .map_err(RecordingError::from)
                .and_then(|opened| answer(&desk, store.insert(opened), question));
            if let Err(error) = answered {
                desk.tell(DebuggerReply::Failed(sitting, error.to_string()));
            }
        }
    });
    (questions, handle)
}

/// Answers what is asked for the screen.
fn read(
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

/// Answers what takes its time.
fn search(
    desk: &WorkerContext,
    store: &Rc<dyn Store>,
    question: DebuggerRequest,
) -> Result<(), RecordingError> {
    match question {
        DebuggerRequest::Tasks(sitting) => {
            desk.tell(DebuggerReply::Tasks(sitting, search::tasks(&**store, sitting.run)?));
        }
        DebuggerRequest::Search(number, wanted) if !desk.searches.is_cancelled(number) => {
            let found = search::seek(&**store, &wanted, &desk.stops(number));
            desk.tell(DebuggerReply::Found(number, found.map_err(|error| error.to_string())));
        }
        DebuggerRequest::Compare(number, left, right) if !desk.searches.is_cancelled(number) => {
            let compared = compare::compare(store, &desk.settings.secrets, left, right, &desk.stops(number));
            if let Some(report) = compared.transpose() {
                desk.tell(DebuggerReply::Report(number, report.map_err(|error| error.to_string())));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Does what has a thread of its own.
fn alone(desk: &WorkerContext, question: DebuggerRequest) {
    match question {
        DebuggerRequest::WhatIf(number, run, trying) => {
            let report = what_if::what_if(desk, number, run, trying);
            desk.tell(DebuggerReply::Report(number, report));
        }
        DebuggerRequest::Start(number, wanted) => start::start(desk, number, &wanted),
        _ => {}
    }
}

//! The threads of the debugger: one reads what is on the screen, one looks for what is further
//! away, and each trial and each workflow that is started has one of its own. They open the
//! database when they are first needed.

mod compare;
mod pages;
mod search;
mod start;
mod step_details;
#[cfg(test)]
mod tests;
mod what_if;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::requests::{Question, Told};
use crate::store::{Settings, SqliteStore, Store, StoreError};
use crate::tui::effect::Answer;
use crate::tui::message::Message;
use crate::workflow::recording::RecordingError;

/// How often it is told how far a search is.
const TELL: Duration = Duration::from_millis(100);

/// The ways to the threads of the debugger.
pub struct Threads {
    /// Those that have the database open.
    handles: Vec<JoinHandle<()>>,
    pages: Sender<Question>,
    searches: Sender<Question>,
    /// The newest search: whoever looks for an earlier one stops.
    newest: Arc<AtomicU64>,
    desk: Desk,
}

/// What a thread works with.
#[derive(Clone)]
struct Desk {
    path: PathBuf,
    settings: Settings,
    answers: Sender<Message>,
    newest: Arc<AtomicU64>,
}

impl Desk {
    fn tell(&self, told: Told) {
        // Nobody is left to hear it: the program is ending.
        let _ = self.answers.send(Message::Answer(Answer::Debugger(Box::new(told))));
    }

    fn open(&self) -> Result<Rc<dyn Store>, StoreError> {
        Ok(Rc::new(SqliteStore::open(&self.path, self.settings.clone())?))
    }

    fn is_outdated(&self, search: u64) -> bool {
        self.newest.load(Ordering::SeqCst) != search
    }

    /// Whether a search that has come to a step is to stop there, since nobody waits for it any more;
    /// whoever does is told how far it is now and then.
    fn stops(&self, search: u64) -> impl Fn(u64) -> bool {
        let told = Cell::new(Instant::now());
        move |step| {
            if told.get().elapsed() >= TELL {
                told.set(Instant::now());
                self.tell(Told::Reached(search, step));
            }
            self.is_outdated(search)
        }
    }
}

impl Threads {
    /// Threads for a database; nothing is started before it is needed.
    pub fn new(path: &Path, settings: &Settings, answers: &Sender<Message>) -> Threads {
        let newest = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            path: path.to_path_buf(),
            settings: Settings { read_only: true, ..settings.clone() },
            answers: answers.clone(),
            newest: newest.clone(),
        };
        let (pages, reading) = thread(&desk, read);
        let (searches, searching) = thread(&desk, search);
        Threads { handles: vec![reading, searching], pages, searches, newest, desk }
    }

    /// The threads that have the database open, until they end.
    pub fn handles(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.handles)
    }

    /// Passes a question on to the thread that answers it.
    pub fn ask(&self, question: Question) {
        if let Question::Seek(number, _)
        | Question::Compare(number, ..)
        | Question::WhatIf(number, ..)
        | Question::Cancel(number) = &question
        {
            self.newest.store(*number, Ordering::SeqCst);
        }
        let _ = match question {
            Question::Cancel(_) => return,
            Question::Seek(..) | Question::Compare(..) | Question::Tasks(_) => self.searches.send(question),
            Question::WhatIf(..) | Question::Start(..) => {
                let desk = self.desk.clone();
                super::super::worker::spawn(&self.desk.answers, move |_| alone(&desk, question));
                return;
            }
            _ => self.pages.send(question),
        };
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.newest.store(u64::MAX, Ordering::SeqCst);
    }
}

/// How a thread answers a question.
type Answers = fn(&Desk, &Rc<dyn Store>, Question) -> Result<(), RecordingError>;

/// Starts a thread that answers one question after the other.
fn thread(desk: &Desk, answer: Answers) -> (Sender<Question>, JoinHandle<()>) {
    let (questions, asked): (_, Receiver<Question>) = channel();
    let desk = desk.clone();
    let handle = super::super::worker::spawn(&desk.answers.clone(), move |_| {
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
                desk.tell(Told::Failed(sitting, error.to_string()));
            }
        }
    });
    (questions, handle)
}

/// Answers what is asked for the screen.
fn read(desk: &Desk, store: &Rc<dyn Store>, question: Question) -> Result<(), RecordingError> {
    let here = &desk.settings.process;
    match question {
        Question::Open(sitting, at) => {
            let opened = pages::open(store, here, sitting.run, at).map(Box::new);
            desk.tell(Told::Opened(sitting, opened.map_err(|error| error.to_string())));
        }
        Question::Window(sitting, around, folds) => {
            let row = pages::row(&**store, here, sitting.run)?.ok_or(RecordingError::NoRun(sitting.run))?;
            let window = pages::window(&**store, sitting.run, around, &folds)?;
            desk.tell(Told::Window(sitting, Box::new(row), window));
        }
        Question::About(step) => desk.tell(Told::About(step.sitting, step_details::about(&**store, &step)?)),
        Question::Offers => desk.tell(Told::Offers(start::offers(&**store)?)),
        Question::Complete(text) => {
            let completions = start::completions(&text);
            desk.tell(Told::Completions(text, completions));
        }
        _ => {}
    }
    Ok(())
}

/// Answers what takes its time.
fn search(desk: &Desk, store: &Rc<dyn Store>, question: Question) -> Result<(), RecordingError> {
    match question {
        Question::Tasks(sitting) => {
            desk.tell(Told::Tasks(sitting, search::tasks(&**store, sitting.run)?));
        }
        Question::Seek(number, wanted) if !desk.is_outdated(number) => {
            let found = search::seek(&**store, &wanted, &desk.stops(number));
            desk.tell(Told::Found(number, found.map_err(|error| error.to_string())));
        }
        Question::Compare(number, left, right) if !desk.is_outdated(number) => {
            let compared = compare::compare(store, &desk.settings.secrets, left, right, &desk.stops(number));
            if let Some(report) = compared.transpose() {
                desk.tell(Told::Report(number, report.map_err(|error| error.to_string())));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Does what has a thread of its own.
fn alone(desk: &Desk, question: Question) {
    match question {
        Question::WhatIf(number, run, trying) => {
            let report = what_if::what_if(desk, number, run, trying);
            desk.tell(Told::Report(number, report));
        }
        Question::Start(number, wanted) => start::start(desk, number, &wanted),
        _ => {}
    }
}

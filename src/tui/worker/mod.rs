//! The threads that touch the database, so that the one that draws never waits for it.
//!
//! `watcher` reads changes, `lists` the rows of the views and their details, `screens` what fills the screen in their
//! place, `background` what takes its time, the worker of the debugger looks through recordings, `writer` makes
//! changes; `connector` opens a database with its threads. [`Workers::carry_out`] says which of them does what. A list
//! and a state of the past may each take long to be read, so neither waits for the other.

pub mod attention;
mod background;
pub mod connector;
pub mod counters;
mod lists;
mod screens;
#[cfg(test)]
mod tests;
mod thread;
pub mod watcher;
mod writer;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{Location, Maintenance, Options, Store, open};
use crate::tui::effect::Effect;
use crate::tui::error::TuiError;
use crate::tui::message::Message;
use crate::tui::request::CancelToken;
use crate::tui::screens::debugger;
use crate::tui::screens::debugger::requests::DebuggerRequest;
use crate::tui::screens::debugger::worker::WorkerContext;
use crate::tui::worker::attention::Attention;
use crate::tui::worker::background::Background;
use crate::tui::worker::thread::{Worker, spawn};
use crate::tui::write::Write;

/// How long is waited for threads to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

pub struct Workers {
    handles: Vec<JoinHandle<()>>,
    lists: Worker<Effect>,
    screens: Worker<Effect>,
    background: Worker<Effect>,
    searches: Worker<DebuggerRequest>,
    writer: Worker<Write>,
    /// What the debugger works with; each workflow that it runs has a thread of its own.
    desk: WorkerContext,
    tokens: Tokens,
    maintenance: Option<Maintenance>,
}

/// What ends work early.
#[derive(Clone, Default)]
struct Tokens {
    /// Each list replaces the one before, and each state of the past does.
    lists: CancelToken,
    visits: CancelToken,
    /// What is done with marked entries.
    bulks: CancelToken,
    /// The watcher ends.
    stop: Arc<AtomicBool>,
    attention: Arc<Attention>,
}

impl Workers {
    /// Opens the database and starts the threads. Their answers go to `answers`.
    ///
    /// # Errors
    /// What opening the database fails with.
    pub fn start(
        location: &Location,
        settings: &Options,
        answers: &Sender<Message>,
    ) -> Result<Workers, TuiError> {
        let looking = || Options { read_only: true, ..settings.clone() };
        let patience = Options { busy_limit: watcher::BUSY_TIMEOUT, ..looking() };
        let (reading, watching) = (open(location, &looking())?, open(location, &patience)?);
        let (of_screen, aside) = (open(location, &looking())?, open(location, &looking())?);
        let writing = open(location, settings)?;
        let (process, own) = (settings.process.clone(), settings.actor.name.clone());
        let desk = WorkerContext::new(location, settings, answers);
        let tokens = Tokens::default();
        let mut handles = Vec::new();
        let lists = Worker::start(&mut handles, answers, {
            let (process, tokens) = (process.clone(), tokens.clone());
            move |requests, answers| lists::run(&*reading, &process, requests, answers, &tokens.lists)
        });
        handles.push(spawn(answers, {
            let (mark, own, tokens) = (watcher::mark(&*watching), own.clone(), tokens.clone());
            move |answers| {
                watcher::run(&*watching, mark, &own, answers, &tokens.stop, &tokens.attention);
            }
        }));
        let screens = Worker::start(&mut handles, answers, {
            let (desk, tokens) = (desk.clone(), tokens.clone());
            move |requests, answers| {
                screens::run(
                    &Rc::from(of_screen as Box<dyn Store>),
                    &desk,
                    requests,
                    answers,
                    &tokens.visits,
                );
            }
        });
        let background = Worker::start(&mut handles, answers, {
            let tokens = tokens.clone();
            move |requests, answers| {
                Background { store: &*aside, requests, answers, bulks: &tokens.bulks, own: &own }.run();
            }
        });
        let searches = Worker::start(&mut handles, answers, {
            let desk = desk.clone();
            move |requests, _| debugger::worker::search(&desk, requests)
        });
        let writer = Worker::start(&mut handles, answers, {
            let tokens = tokens.clone();
            move |writes, answers| writer::run(&*writing, &process, writes, answers, &tokens.bulks)
        });
        let maintenance = Maintenance::start(location, settings);
        Ok(Workers { handles, lists, screens, background, searches, writer, desk, tokens, maintenance })
    }

    /// Has commits watched closely, or only now and then.
    pub fn attend(&self, closely: bool) {
        self.tokens.attention.set(closely);
    }

    /// Passes an effect on to the thread that does it; what is none of theirs comes back.
    pub fn carry_out(&self, effect: Effect) -> Option<Effect> {
        self.cancel_earlier(&effect);
        let Workers { lists, screens, background, searches, writer, .. } = self;
        match effect {
            Effect::Load(_) | Effect::Refresh(_) | Effect::Refetch(..) | Effect::Detail(..) => {
                lists.send(effect);
            }
            Effect::ReadPast(..) | Effect::LookBack(..) => screens.send(effect),
            Effect::Figure(_) | Effect::Bulk(..) => background.send(effect),
            Effect::Debugger(request) => match request {
                DebuggerRequest::Open(..)
                | DebuggerRequest::Page(..)
                | DebuggerRequest::Details(_)
                | DebuggerRequest::Suggestions
                | DebuggerRequest::Complete(_) => screens.send(Effect::Debugger(request)),
                DebuggerRequest::Tasks(_) | DebuggerRequest::Search(..) | DebuggerRequest::Compare(..) => {
                    searches.send(request);
                }
                DebuggerRequest::WhatIf(..) | DebuggerRequest::Start(..) => {
                    let desk = self.desk.clone();
                    spawn(&self.desk.answers, move |_| debugger::worker::alone(&desk, request));
                }
            },
            Effect::Write(write) => writer.send(write),
            Effect::Stop(_) => {}
            other => return Some(other),
        }
        None
    }

    /// Cancels what an effect replaces, or asks to be stopped.
    fn cancel_earlier(&self, effect: &Effect) {
        match effect {
            Effect::Load(load) => self.tokens.lists.cancel_before(load.generation),
            Effect::ReadPast(request) => self.tokens.visits.cancel_before(request.load.generation),
            Effect::Debugger(DebuggerRequest::Tasks(sitting)) => {
                self.desk.tasks.cancel_before(sitting.number);
            }
            Effect::Debugger(
                DebuggerRequest::Search(number, _)
                | DebuggerRequest::Compare(number, ..)
                | DebuggerRequest::WhatIf(number, ..),
            ) => self.desk.searches.cancel_before(*number),
            Effect::Stop(number) => {
                self.tokens.bulks.cancel(*number);
                self.desk.searches.cancel(*number);
            }
            _ => {}
        }
    }

    /// Has the threads end, and waits until all have closed the database: SQLite has its files open
    /// once in a process, and only then opens other ones. One that is busy for long is left to itself.
    pub fn close(mut self) {
        let (handles, maintenance) = (std::mem::take(&mut self.handles), self.maintenance.take());
        drop(self);
        drop(maintenance);
        let start = Instant::now();
        while start.elapsed() < CLOSE_TIMEOUT && handles.iter().any(|handle| !handle.is_finished()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let Tokens { lists, visits, bulks, stop, attention } = &self.tokens;
        let WorkerContext { tasks, searches, .. } = &self.desk;
        [lists, visits, bulks, tasks, searches].into_iter().for_each(CancelToken::cancel_all);
        stop.store(true, Ordering::SeqCst);
        attention.set(true);
        // Whoever draws does not wait for it.
        if let Some(maintenance) = self.maintenance.take() {
            maintenance.detach();
        }
    }
}

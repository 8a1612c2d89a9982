//! The threads that touch the database, so that the one that draws never waits for it.
//!
//! `watcher` reads changes, `reader` the pages of the views, `writer` makes changes, `bulk` those of many entries,
//! `past` the states of time travel, `counters` the figures.

pub mod attention;
pub mod counters;
pub mod watcher;
pub mod writer;

use crate::tui::bulk;
use crate::tui::list;
use crate::tui::screens::past;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{Key, Location, Maintenance, Options, open};
use crate::tui::bulk::BulkRequest;
use crate::tui::effect::{Effect, Load, Refresh, Write};
use crate::tui::error::TuiError;
pub(super) use crate::tui::list::read::line_of_log;
pub use crate::tui::list::read_sorted::MOST;
use crate::tui::list::row::RowId;
use crate::tui::message::Message;
use crate::tui::request::{CancelToken, RequestId};
use crate::tui::screens::debugger::worker::DebuggerWorkers;
use crate::tui::worker::attention::Attention;
use crate::tui::worker::counters::CounterTask;

/// What the reader is asked for.
pub enum ReaderRequest {
    Load(Load),
    Refresh(Refresh),
    Refetch(RequestId, Vec<Key>),
    Detail(RowId, u64),
}

/// The threads, and the ways to them.
pub struct Workers {
    handles: Vec<JoinHandle<()>>,
    /// Under whose name changes are made here.
    actor: String,
    questions: Sender<ReaderRequest>,
    background: Sender<CounterTask>,
    writes: Sender<Write>,
    bulk: Sender<(RequestId, BulkRequest)>,
    debugger: DebuggerWorkers,
    visit_requests: Sender<past::read::PastQuestion>,
    /// Each list replaces the one before, and each state of the past does.
    lists: CancelToken,
    visits: CancelToken,
    /// What is done with marked entries.
    bulks: CancelToken,
    stop: Arc<AtomicBool>,
    maintenance: Option<Maintenance>,
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
        let (questions, asked) = channel();
        let (background, tasks) = channel();
        let (writes, written) = channel();
        let (bulk, marked) = channel();
        let (visit_requests, visiting) = channel();
        let (lists, visits, bulks) = (CancelToken::default(), CancelToken::default(), CancelToken::default());
        let stop = Arc::new(AtomicBool::new(false));
        let reading = open(location, &looking())?;
        let patience = Options { busy_limit: watcher::BUSY_TIMEOUT, ..looking() };
        let watching = open(location, &patience)?;
        let aside = open(location, &looking())?;
        let looking_back = open(location, &looking())?;
        let gathering = open(location, &looking())?;
        let writing = open(location, settings)?;
        let (process, actor) = (settings.process.clone(), settings.actor.name.clone());
        let attention = Arc::new(Attention::default());
        let handles = vec![
            spawn(answers, {
                let lists = lists.clone();
                let process = process.clone();
                move |answers| list::read::run(&*reading, &process, &asked, answers, &lists)
            }),
            spawn(answers, {
                let (stop, attention) = (stop.clone(), attention.clone());
                let (mark, own) = (watcher::mark(&*watching), actor.clone());
                move |answers| watcher::run(&*watching, mark, &own, answers, &stop, &attention)
            }),
            spawn(answers, move |answers| counters::run(&*aside, &tasks, answers)),
            spawn(answers, {
                let bulks = bulks.clone();
                move |answers| bulk::worker::run(&*gathering, &marked, answers, &bulks)
            }),
            spawn(answers, {
                let visits = visits.clone();
                move |answers| past::read::run(&*looking_back, &visiting, answers, &visits)
            }),
            spawn(answers, {
                let bulks = bulks.clone();
                move |answers| writer::run(&*writing, &process, &written, answers, &bulks)
            }),
        ];
        let mut debugger = DebuggerWorkers::new(location, settings, answers);
        let handles = handles.into_iter().chain(debugger.handles()).collect();
        let maintenance = Maintenance::start(location, settings);
        Ok(Workers {
            handles,
            actor,
            debugger,
            questions,
            background,
            writes,
            bulk,
            visit_requests,
            lists,
            visits,
            bulks,
            stop,
            maintenance,
            attention,
        })
    }

    /// Has commits watched closely, or only now and then.
    pub fn attend(&self, closely: bool) {
        self.attention.set(closely);
    }

    /// Passes an effect on to the thread that does it; what is none of theirs comes back. A
    /// thread that is gone has said so itself.
    pub fn carry_out(&self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Load(load) => {
                self.lists.cancel_before(load.generation);
                let _ = self.questions.send(ReaderRequest::Load(load));
            }
            Effect::Refresh(refresh) => {
                let _ = self.questions.send(ReaderRequest::Refresh(refresh));
            }
            Effect::Refetch(generation, keys) => {
                let _ = self.questions.send(ReaderRequest::Refetch(generation, keys));
            }
            Effect::Detail(id, offset) => {
                let _ = self.questions.send(ReaderRequest::Detail(id, offset));
            }
            Effect::Count => {
                let _ = self.background.send(CounterTask::Count);
            }
            Effect::Recent => {
                let _ = self.background.send(CounterTask::Recent);
            }
            Effect::Known(revisions) => {
                let _ = self.background.send(CounterTask::Known(revisions, self.actor.clone()));
            }
            Effect::Weigh(groups) => {
                let _ = self.background.send(CounterTask::Weigh(groups));
            }
            Effect::Past(of) => {
                let _ = self.background.send(CounterTask::Past(of));
            }
            Effect::Debugger(question) => self.debugger.ask(question),
            Effect::Write(write) => {
                let _ = self.writes.send(write);
            }
            Effect::Bulk(number, asked) => {
                let _ = self.bulk.send((number, asked));
            }
            Effect::ReadPast(number, visit) => {
                self.visits.cancel_before(number);
                let _ = self.visit_requests.send(past::read::PastQuestion::Visit(number, visit));
            }
            Effect::LookBack(number, key, moment) => {
                let _ = self.visit_requests.send(past::read::PastQuestion::Look(number, key, moment));
            }
            Effect::Stop(number) => self.bulks.cancel(number),
            other => return Some(other),
        }
        None
    }
}

/// How long is waited for threads to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

impl Workers {
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
        self.stop.store(true, Ordering::SeqCst);
        self.attention.set(true);
        [&self.lists, &self.visits, &self.bulks].into_iter().for_each(CancelToken::cancel_all);
        // Whoever draws does not wait for it.
        if let Some(maintenance) = self.maintenance.take() {
            maintenance.detach();
        }
    }
}

/// Starts a thread; one that panics ends the program, which has said why by then.
pub(super) fn spawn(
    answers: &Sender<Message>,
    work: impl FnOnce(&Sender<Message>) + Send + 'static,
) -> JoinHandle<()> {
    let answers = answers.clone();
    std::thread::spawn(move || {
        // The panic's message was printed, and the terminal given back, where it happened.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&answers)));
        if worked.is_err() {
            let _ = answers.send(Message::Fault);
        }
    })
}

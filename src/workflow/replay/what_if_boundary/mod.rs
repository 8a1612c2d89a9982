//! The boundary of a what-if run: the state is a private copy, and calls are answered from the recording
//! until the run diverges from it.

mod commands;
mod state;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlua::{Lua, MultiValue, Value};

pub(super) use self::commands::adapt_output;
use self::state::ActiveCalls;
pub(super) use self::state::recorded_key;
use super::divergence::{Divergence, DivergenceKind, ReplayedEvent};
use super::leftover_answers::LeftoverAnswers;
use super::observations::{Observations, TaskEnd};
use super::overrides::ExecStub;
use super::trial_budget::{TrialBudget, TrialLimit, TrialTime};
use super::virtual_host::VirtualHost;
use crate::lua::boundary::{Callback, CommitFate, HostCall, Work};
use crate::lua::host_function::CallTarget;
use crate::lua::recorded_value::RecordedValue;
use crate::lua::sandbox::collects;
use crate::lua::{Boundary, Host, Signal, Stop};
use crate::store::{Key, Overlay};
use crate::time::ActiveTimer;
use crate::time::{Clock, ManualClock, Millis};
use crate::workflow::recording::{Answer, Record, RecordKind, RecordedEvents, rebuilt};
use crate::workflow::{RunBoundary, RunEvent};

/// How long a script may run without a call before real time counts.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a running script is polled.
const SILENCE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// What becomes of a command whose result is not known.
#[derive(Clone, Copy, Debug)]
pub(super) enum UnknownCommand {
    /// It is taken to succeed and to print nothing.
    Assumed,
    /// It fails with this error.
    Refused(&'static str),
}

/// The rules of a what-if run.
pub(super) struct WhatIfRules {
    /// The format of the recording; 0 without one.
    pub format: u32,
    /// The recorded run, if there is one.
    pub events: Option<RecordedEvents>,
    pub began_at: Millis,
    /// The keys whose values were changed.
    pub changed: Vec<Key>,
    /// Whether commands are really run after the divergence.
    pub live: bool,
    pub stubs: Vec<ExecStub>,
    /// What becomes of a command without a known result.
    pub unknown_command: UnknownCommand,
    /// The time that it may take off the path of the recording.
    pub time: TrialTime,
    pub signal: Signal,
}

pub(super) struct WhatIfBoundary {
    rules: WhatIfRules,
    events: RefCell<Option<RecordedEvents>>,
    /// The private copy of the state.
    store: Rc<Overlay>,
    clock: Arc<ManualClock>,
    host: Rc<VirtualHost>,
    is_on_path: Cell<bool>,
    /// Whether the record of the end of the run was replayed.
    is_finished: Cell<bool>,
    /// Answers of the rest of the recording after the divergence: of variables and of commands.
    leftovers: RefCell<LeftoverAnswers>,
    polls: Cell<u64>,
    silence: ActiveTimer,
    budget: TrialBudget,
    inside: Cell<bool>,
    /// The stop that happened in the last call.
    stop: Cell<Option<Stop>>,
    calls: ActiveCalls,
    observations: RefCell<Observations>,
}

impl WhatIfBoundary {
    pub(super) fn new(
        mut rules: WhatIfRules,
        store: Rc<Overlay>,
        clock: Arc<ManualClock>,
        host: Rc<VirtualHost>,
    ) -> WhatIfBoundary {
        let events = rules.events.take();
        let is_on_path = Cell::new(events.is_some());
        if events.is_none() {
            host.let_time_pass();
        }
        let budget = TrialBudget::new(rules.time);
        WhatIfBoundary {
            rules,
            events: RefCell::new(events),
            store,
            clock,
            host,
            is_on_path,
            is_finished: Cell::default(),
            leftovers: RefCell::default(),
            polls: Cell::default(),
            silence: ActiveTimer::new(SILENCE_CHECK_INTERVAL),
            budget,
            inside: Cell::default(),
            stop: Cell::default(),
            calls: ActiveCalls::default(),
            observations: RefCell::default(),
        }
    }

    pub(super) fn finish(&self) -> Observations {
        if self.is_on_path.get()
            && !self.is_over()
            && let Some(record) = self.peek()
        {
            self.diverge(DivergenceKind::Missing, Some(record), None);
        }
        self.observations.take()
    }

    /// Whether the what-if run ends here: the recording ended before its run did and it has not diverged, or
    /// a limit is reached.
    pub(super) fn is_over(&self) -> bool {
        let observations = self.observations.borrow();
        observations.is_cut_off || observations.limit.is_some()
    }

    /// Ends the what-if run if it has reached a limit.
    fn end_at(&self, limit: Option<TrialLimit>) -> Option<Stop> {
        self.observations.borrow_mut().limit = Some(limit?);
        Some(Stop::Replayed)
    }

    /// There is no next record: unless the recorded run had ended, the what-if run ends here.
    fn run_out(&self) {
        if self.is_on_path.get() && !self.is_finished.get() {
            self.observations.borrow_mut().is_cut_off = true;
        }
    }

    /// The error that ends the script where the recording ends.
    fn over() -> mlua::Error {
        mlua::Error::external(Stop::Replayed)
    }

    /// The next record; `None` after a divergence.
    fn peek(&self) -> Option<Record> {
        self.look(|record| Some(record.clone()))
    }

    /// Takes the recorded stop, if it is the next record and due after that many polls.
    fn take_stop(&self, polls: u64) -> Option<Stop> {
        let record = self.look(|record| record.what.stop_due(polls).map(|_| record.clone()))?;
        self.take(&record);
        record.what.stop_due(polls).cloned()
    }

    /// Calls `look` with the next record. A recording that cannot be read further counts as ended.
    fn look<T>(&self, look: impl FnOnce(&Record) -> Option<T>) -> Option<T> {
        if !self.is_on_path.get() {
            return None;
        }
        let mut events = self.events.borrow_mut();
        let events = events.as_mut()?;
        while let Ok(Some(Record { what: RecordKind::Note(_), .. })) = events.peek() {
            let _ = events.take();
        }
        // What follows in a full recording is not known, as in one that is cut off.
        let next = events.peek().ok().flatten();
        next.filter(|record| !matches!(record.what, RecordKind::Full { .. })).and_then(look)
    }

    /// Takes the next record: the time becomes the recorded one.
    fn take(&self, record: &Record) {
        if let Some(events) = self.events.borrow_mut().as_mut() {
            let _ = events.take();
        }
        self.leftovers.borrow_mut().remember(&record.what);
        if matches!(&record.what, RecordKind::Event(event) if event.ends_run()) {
            self.is_finished.set(true);
        }
        self.polls.set(0);
        self.silence.begin();
        self.observations.borrow_mut().recorded_to = record.number;
        let at = Duration::from_micros(record.at);
        if let Some(ahead) = at.checked_sub(self.clock.elapsed()) {
            self.clock.advance(ahead);
        }
        self.clock.set(self.rules.began_at.plus(at));
        self.budget.restart(self.host.elapsed());
    }

    fn diverge(&self, kind: DivergenceKind, recorded: Option<Record>, actual: Option<ReplayedEvent>) {
        if !self.is_on_path.replace(false) {
            return;
        }
        self.host.let_time_pass();
        let mut observations = self.observations.borrow_mut();
        let number = recorded.as_ref().map_or(observations.recorded_to + 1, |record| record.number);
        let task = recorded.as_ref().and_then(|record| record.task.clone());
        observations.divergence = Some(Divergence { number, kind, task, recorded, actual });
    }

    /// Takes the record of `actual`, if that is the next one; otherwise diverges.
    fn follow(&self, actual: &ReplayedEvent) -> Option<Record> {
        if !self.is_on_path.get() {
            return None;
        }
        let Some(record) = self.peek() else {
            self.run_out();
            if !self.is_over() {
                self.diverge(DivergenceKind::OneTooMany, None, Some(actual.clone()));
            }
            return None;
        };
        let kind = match ReplayedEvent::of_record(&record) {
            Some(recorded) => recorded.differs(actual),
            None => Some(DivergenceKind::OneTooMany),
        };
        match kind {
            None => {
                self.take(&record);
                Some(record)
            }
            Some(kind) => {
                self.diverge(kind, Some(record), Some(actual.clone()));
                None
            }
        }
    }

    /// Skips to the end of the running call, and returns its answer; `None` if the run diverges within it or
    /// the recording ends.
    fn end_of_call(&self) -> Option<Answer> {
        let mut depth = 0;
        loop {
            let Some(record) = self.peek() else {
                self.run_out();
                return None;
            };
            self.take(&record);
            match record.what {
                RecordKind::Begin { .. } => depth += 1,
                RecordKind::End { answer, stop, .. } if depth == 0 => {
                    let before = self.stop.take();
                    self.stop.set(stop.or(before));
                    return Some(answer);
                }
                RecordKind::End { .. } => depth -= 1,
                _ => {}
            }
        }
    }

    /// The recorded answer of a call whose first record was taken.
    fn recorded_answer(&self, record: &Record) -> Option<Answer> {
        match &record.what {
            RecordKind::Call { answer, .. } => Some(answer.clone()),
            _ => self.end_of_call(),
        }
    }

    /// The recorded answer of a call as its result now.
    fn as_recorded(&self, call: &HostCall<'_>, record: Option<Record>) -> Option<mlua::Result<MultiValue>> {
        match self.recorded_answer(&record?) {
            Some(answer) => Some(self.play(call, &answer)),
            None => self.is_over().then(|| Err(WhatIfBoundary::over())),
        }
    }

    fn play(&self, call: &HostCall<'_>, answer: &Answer) -> mlua::Result<MultiValue> {
        let lua = call.lua;
        match answer {
            Answer::Default(_) => Ok(call.default().cloned().into_iter().collect()),
            Answer::Returned(data) => data.iter().map(|recorded| recorded.to_lua(lua)).collect(),
            Answer::CallbackReturned => Ok(MultiValue::new()),
            Answer::Raised(text) | Answer::CallbackRaised(text) => {
                Err(mlua::Error::RuntimeError(text.clone()))
            }
            Answer::Stopped(stop) => {
                self.stop.set(Some(stop.clone()));
                Err(mlua::Error::external(stop.clone()))
            }
        }
    }

    /// Executes a call on the copy; its tables are those that a recorded run would get.
    fn work(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        let outer = self.inside.replace(true);
        let result = work();
        self.inside.set(outer);
        let values = result?;
        if call.function.returns_callback
            || call.answers_default(&values)
            || !values.iter().any(Value::is_table)
        {
            return Ok(values);
        }
        let data = RecordedValue::all(&values);
        rebuilt(call, values, &data)
    }
}

impl Boundary for WhatIfBoundary {
    fn call(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        // As in a replay: the call may come one poll before the recorded stop.
        if !self.is_over()
            && !self.inside.get()
            && let Some(stop) = self.take_stop(self.polls.get() + 1)
        {
            self.stop.set(Some(stop.clone()));
            return Err(mlua::Error::external(stop));
        }
        let recorded = match self.is_on_path.get() && !self.is_over() {
            true => {
                let actual = ReplayedEvent::of_call(call, self.rules.format);
                // The recorded ones may be cut, and are the same.
                self.follow(&actual).map(|record| (record, RecordedValue::all(call.arguments)))
            }
            false => None,
        };
        if !self.is_over() && !self.is_on_path.get() {
            self.end_at(self.budget.count_call(self.host.elapsed()));
        }
        if self.is_over() {
            return Err(WhatIfBoundary::over());
        }
        self.silence.begin();
        if call.function.is_about_state() {
            return self.state(call, work, recorded);
        }
        let record = recorded.map(|(record, _)| record);
        match call.function.target {
            CallTarget::Log => work(),
            CallTarget::Directory => match self.as_recorded(call, record) {
                Some(answer) => {
                    if !self.rules.live {
                        // The directory must exist after a divergence.
                        self.work(call, work)?;
                    }
                    answer
                }
                None => self.work(call, work),
            },
            CallTarget::Command => match self.as_recorded(call, record) {
                // Another source may read the same answer in the other form.
                Some(answer) => adapt_output(call, answer?),
                None => self.command(call, work),
            },
            _ => match self.as_recorded(call, record) {
                Some(answer) => {
                    if collects(call) {
                        // The memory that it frees is needed now as well.
                        call.lua.gc_collect()?;
                    }
                    answer
                }
                None => self.reading(call, work),
            },
        }
    }

    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
        let mut recorded = None;
        if let Some(record) = self.peek() {
            match &record.what {
                RecordKind::Callback { arguments } => {
                    self.take(&record);
                    // The script gets the recorded arguments, unless they were changed.
                    if !self.calls.is_changed() {
                        let values = arguments.iter().map(|recorded| recorded.to_lua(lua));
                        recorded = Some(values.collect::<mlua::Result<MultiValue>>()?);
                    }
                }
                _ => self.diverge(DivergenceKind::OneTooMany, Some(record), None),
            }
        } else {
            self.run_out();
            if self.is_over() {
                return Err(WhatIfBoundary::over());
            }
        }
        let arguments = recorded.as_ref().unwrap_or(call_back.arguments);
        self.calls.call_back();
        let outer = self.inside.replace(false);
        let result = Callback { arguments, ..*call_back }.run(lua);
        self.inside.set(outer);
        result
    }

    fn commit_fate(&self) -> Option<CommitFate> {
        if self.calls.is_changed() {
            return None;
        }
        match self.peek()?.what {
            RecordKind::Callback { .. } => Some(CommitFate::Retry),
            RecordKind::End {
                answer: Answer::CallbackReturned | Answer::CallbackRaised(_) | Answer::Returned(_),
                ..
            } => Some(CommitFate::Done),
            RecordKind::End { answer: Answer::Raised(_) | Answer::Stopped(_), .. } => {
                Some(CommitFate::Refused)
            }
            _ => None,
        }
    }

    fn stop_before_return(&self) -> Option<Stop> {
        if self.is_over() || self.inside.get() {
            return None;
        }
        self.take_stop(self.polls.get() + 1)
    }

    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        let number = self.rules.signal.load(Ordering::Relaxed);
        if number != 0 {
            return Some(Stop::Signal(number));
        }
        if self.is_over() {
            return Some(Stop::Replayed);
        }
        let limit = || {
            let elapsed = self.host.elapsed();
            self.end_at(match self.inside.get() {
                true => self.budget.count_wait(elapsed),
                false => self.budget.count_poll(elapsed),
            })
        };
        if !self.is_on_path.get() {
            return due().or_else(limit);
        }
        // A call on the copy ends as it was recorded, whatever the time there.
        if self.inside.get() {
            return if self.calls.is_changed() { due().or_else(limit) } else { None };
        }
        if let Some(stop) = self.stop.take() {
            return Some(stop);
        }
        let polls = self.polls.get() + 1;
        self.polls.set(polls);
        if let Some(stop) = self.take_stop(polls) {
            return Some(stop);
        }
        // A changed script may run endlessly where the recorded one made a call.
        if self.silence.passed() > SILENCE_TIMEOUT {
            match self.peek() {
                None if !self.is_finished.get() => {
                    self.run_out();
                    return Some(Stop::Replayed);
                }
                next => self.diverge(DivergenceKind::Missing, next, None),
            }
        }
        None
    }
}

impl RunBoundary for WhatIfBoundary {
    fn event(&self, event: RunEvent) -> Duration {
        // A script that was stopped already is not stopped again by a later call.
        self.stop.take();
        let event = event.compared();
        let record = if self.is_over() { None } else { self.follow(&ReplayedEvent::of_event(&event)) };
        if !self.is_over()
            && let Some(end) = TaskEnd::of(&event)
        {
            self.observations.borrow_mut().tasks.push(end);
        }
        match record.map(|record| record.what) {
            Some(RecordKind::Event(recorded)) => recorded.duration(),
            _ => event.duration(),
        }
    }

    fn note(&self, _: &str) {}
}

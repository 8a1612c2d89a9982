//! Replays a recording: the boundary that executes nothing and answers every call from the recording.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlua::{Lua, MultiValue, Value};

use super::divergence::{Divergence, DivergenceKind, ReplayedEvent, compared_arguments};
use super::moved_lines::MovedLines;
use super::what_if_boundary::adapt_output;
use crate::lua::boundary::{Callback, HostCall, Work};
use crate::lua::error::{ScriptLine, caller, message};
use crate::lua::host_function::{CallTarget, CallbackKind};
use crate::lua::recorded_value::{COMPARED_LIMIT, RecordedValue};
use crate::lua::sandbox::collects;
use crate::lua::{Boundary, Signal, Stop};
use crate::text::masked::is_masked;
use crate::time::ActiveTimer;
use crate::workflow::recording::{
    Answer, Record, RecordKind, RecordedEvents, RecordingError, raised_in, returned_by,
};
use crate::workflow::{RunBoundary, RunEvent};

/// How long a script may run without a recorded call before it is considered endless.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a running script is polled.
const SILENCE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Why a replay ended before the workflow did.
#[derive(Debug)]
pub(super) enum ReplayEnd {
    Diverged(Box<Divergence>),
    /// The recording is incomplete: its run was killed or is still running.
    RecordingEnded,
    /// The recording reached its limit, in bytes.
    RecordingFull(u64),
    Reached,
    /// The script runs on without a recorded call.
    Silent,
    Stopped(Stop),
    Unreadable(RecordingError),
}

pub(super) struct ReplayBoundary {
    format: u32,
    events: RefCell<RecordedEvents>,
    until: Option<u64>,
    signal: Signal,
    /// Is called with each replayed record.
    show: Box<dyn Fn(&Record)>,
    end: RefCell<Option<ReplayEnd>>,
    last: Cell<u64>,
    is_finished: Cell<bool>,
    polls: Cell<u64>,
    /// Whether the script was polled since the last replayed record, and the time since the first such poll.
    is_silent: Cell<bool>,
    silence: ActiveTimer,
    /// The stop that happened in the last call.
    stop: Cell<Option<Stop>>,
    /// The lines of another source, if one is replayed.
    moved: Option<MovedLines>,
    did_lines_move: Cell<bool>,
    /// Whether something else than a mask stood in the place of one.
    is_behind_mask: Cell<bool>,
    /// Where the script ran when the replay ended, if it was not in a call.
    stopped_at: RefCell<Option<ScriptLine>>,
}

/// The replay has ended: the script must stop.
struct ReplayHasEnded;

/// An error as Lua's `pcall` returns it.
fn protected(lua: &Lua, error: &str) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([Value::Boolean(false), Value::String(lua.create_string(error)?)]))
}

fn is_record_of_call(record: &Record, call: &HostCall<'_>) -> bool {
    match &record.what {
        RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments } => {
            call.function.name == function
                && arguments.len() == call.arguments.len()
                && arguments.iter().zip(call.arguments).all(|(recorded, value)| recorded.is_like_value(value))
        }
        _ => false,
    }
}

/// Whether a call answers that it has waited in vain.
fn is_timeout(answer: &[RecordedValue]) -> bool {
    matches!(answer, [RecordedValue::Nil, RecordedValue::Text(why)] if why == b"timeout")
}

impl From<ReplayHasEnded> for mlua::Error {
    fn from(_: ReplayHasEnded) -> mlua::Error {
        mlua::Error::external(Stop::Replayed)
    }
}

impl ReplayBoundary {
    /// Replays `events` up to the record `until`, or to its end.
    pub(super) fn new(
        format: u32,
        events: RecordedEvents,
        until: Option<u64>,
        signal: Signal,
        moved: Option<MovedLines>,
        show: impl Fn(&Record) + 'static,
    ) -> ReplayBoundary {
        ReplayBoundary {
            format,
            events: RefCell::new(events),
            until,
            signal,
            show: Box::new(show),
            end: RefCell::default(),
            last: Cell::default(),
            is_finished: Cell::default(),
            polls: Cell::default(),
            is_silent: Cell::default(),
            silence: ActiveTimer::new(SILENCE_CHECK_INTERVAL),
            stop: Cell::default(),
            moved,
            did_lines_move: Cell::default(),
            is_behind_mask: Cell::default(),
            stopped_at: RefCell::default(),
        }
    }

    /// Whether something came from another line of the source than was recorded.
    pub(super) fn did_lines_move(&self) -> bool {
        self.did_lines_move.get()
    }

    /// Whether a value was not compared, since the recording has a mask in its place.
    pub(super) fn is_behind_mask(&self) -> bool {
        self.is_behind_mask.get()
    }

    /// Notes that something else than the mask stands in the place of a mask.
    fn note_masks<'v>(&self, recorded: &[RecordedValue], actual: impl Fn() -> Vec<RecordedValue> + 'v) {
        if !self.is_behind_mask.get()
            && recorded.iter().any(RecordedValue::has_mask)
            && recorded
                .iter()
                .zip(&actual())
                .any(|(recorded, actual)| recorded.has_mask() && recorded != actual)
        {
            self.is_behind_mask.set(true);
        }
    }

    /// Where the script ran when the replay ended, if it was not in a call.
    pub(super) fn stopped_at(&self) -> Option<ScriptLine> {
        self.stopped_at.take()
    }

    /// The line of the other source that was changed where a divergence was found.
    pub(super) fn changed_line(&self, divergence: &Divergence) -> Option<usize> {
        let moved = self.moved.as_ref()?;
        let actual = divergence.actual.as_ref().and_then(|actual| actual.place.as_ref());
        let recorded = divergence.recorded.as_ref().and_then(|recorded| recorded.place.as_ref());
        let line = actual.map(|place| place.line);
        moved.changed_near(line.or_else(|| recorded.map(|place| moved.moved_to(place.line))))
    }

    /// Whether two lists of values are alike, apart from the lines of another source.
    fn are_alike(&self, recorded: &[RecordedValue], actual: &[RecordedValue]) -> bool {
        let mut pairs = recorded.iter().zip(actual);
        if recorded.len() == actual.len() && pairs.all(|(recorded, actual)| recorded.is_like(actual)) {
            return true;
        }
        let differ_in_lines = self.moved.as_ref().is_some_and(|moved| moved.are_alike(recorded, actual));
        if differ_in_lines {
            self.did_lines_move.set(true);
        }
        differ_in_lines
    }

    /// Whether the record is that of the call, apart from the lines of another source.
    fn is_record_of(&self, record: &Record, call: &HostCall<'_>) -> bool {
        if is_record_of_call(record, call) {
            let line = |place: &Option<ScriptLine>| place.as_ref().map(|place| place.line);
            if self.moved.is_some()
                && !self.did_lines_move.get()
                && line(&caller(call.lua)) != line(&record.place)
            {
                self.did_lines_move.set(true);
            }
            return true;
        }
        match (&self.moved, &record.what) {
            (
                Some(_),
                RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments },
            ) => {
                call.function.name == function
                    && self.are_alike(arguments, &compared_arguments(call.arguments, self.format))
            }
            _ => false,
        }
    }

    /// The number of the last replayed record.
    pub(super) fn last(&self) -> u64 {
        self.last.get()
    }

    /// The workflow has ended: `None` if the recording has ended as well, with the end of the run.
    pub(super) fn finish(&self) -> Option<ReplayEnd> {
        if self.end.borrow().is_none() {
            match self.peek() {
                Ok(Some(record)) => drop(self.diverge(DivergenceKind::Missing, Some(record), None)),
                Ok(None) if !self.is_finished.get() => drop(self.end(ReplayEnd::RecordingEnded)),
                Ok(None) | Err(ReplayHasEnded) => {}
            }
        }
        self.end.take()
    }

    fn end(&self, end: ReplayEnd) -> ReplayHasEnded {
        self.end.borrow_mut().get_or_insert(end);
        ReplayHasEnded
    }

    fn diverge(
        &self,
        kind: DivergenceKind,
        recorded: Option<Record>,
        actual: Option<ReplayedEvent>,
    ) -> ReplayHasEnded {
        let number = recorded.as_ref().map_or(self.last.get() + 1, |record| record.number);
        let task = recorded.as_ref().and_then(|record| record.task.clone());
        self.end(ReplayEnd::Diverged(Box::new(Divergence { number, kind, task, recorded, actual })))
    }

    /// Diverges at the next record.
    fn diverge_at_next(&self, kind: DivergenceKind, actual: Option<ReplayedEvent>) -> mlua::Error {
        self.peek().map_or_else(|ended| ended, |recorded| self.diverge(kind, recorded, actual)).into()
    }

    /// Calls `look` with the next record to be replayed; `None` at the end.
    fn look<T>(&self, look: impl FnOnce(Option<&Record>) -> T) -> Result<T, ReplayHasEnded> {
        if self.end.borrow().is_some() {
            return Err(ReplayHasEnded);
        }
        let mut events = self.events.borrow_mut();
        while let Ok(Some(Record { what: RecordKind::Note(_), .. })) = events.peek() {
            if let Ok(Some(note)) = events.take() {
                (self.show)(&note);
            }
        }
        let until = self.until.unwrap_or(u64::MAX);
        match events.peek() {
            Ok(Some(record)) if record.number > until => Err(self.end(ReplayEnd::Reached)),
            Ok(Some(Record { what: RecordKind::Full { limit }, .. })) => {
                Err(self.end(ReplayEnd::RecordingFull(*limit)))
            }
            Ok(record) => Ok(look(record)),
            Err(error) => Err(self.end(ReplayEnd::Unreadable(error))),
        }
    }

    /// The next record, to report what differs.
    fn peek(&self) -> Result<Option<Record>, ReplayHasEnded> {
        self.look(|record| record.cloned())
    }

    /// Takes the next record: it is replayed.
    fn take(&self) -> Result<Record, ReplayHasEnded> {
        match self.events.borrow_mut().take() {
            Ok(Some(record)) => {
                (self.show)(&record);
                self.last.set(record.number);
                self.polls.set(0);
                self.is_silent.set(false);
                Ok(record)
            }
            Ok(None) => Err(self.end(ReplayEnd::RecordingEnded)),
            Err(error) => Err(self.end(ReplayEnd::Unreadable(error))),
        }
    }

    /// Takes the recorded stop, if it is the next record and due after that many polls.
    fn take_stop(&self, polls: u64) -> Result<Option<Stop>, ReplayHasEnded> {
        let stop = self.look(|record| record.and_then(|record| record.what.stop_due(polls)).cloned())?;
        if stop.is_some() {
            self.take()?;
        }
        Ok(stop)
    }

    /// The divergence of `actual` from the next record.
    fn diverge_from_next(&self, actual: ReplayedEvent) -> ReplayHasEnded {
        let record = match self.peek() {
            Ok(Some(record)) => record,
            Ok(None) if self.is_finished.get() => {
                return self.diverge(DivergenceKind::OneTooMany, None, Some(actual));
            }
            Ok(None) => return self.end(ReplayEnd::RecordingEnded),
            Err(ended) => return ended,
        };
        let kind = match ReplayedEvent::of_record(&record) {
            Some(recorded) => recorded.differs(&actual).unwrap_or(DivergenceKind::DifferentArguments),
            // A call in the place of the end of one, or of a stop.
            None => DivergenceKind::OneTooMany,
        };
        self.diverge(kind, Some(record), Some(actual))
    }

    fn answer(
        &self,
        call: &HostCall<'_>,
        answer: Answer,
        last: Option<MultiValue>,
    ) -> mlua::Result<MultiValue> {
        let lua = call.lua;
        match answer {
            Answer::Default(_) => Ok(call.default().cloned().into_iter().collect()),
            Answer::Returned(data) => data.iter().map(|recorded| recorded.to_lua(lua)).collect(),
            Answer::CallbackReturned => Ok(last.unwrap_or_default()),
            Answer::CallbackRaised(text) => last.map_or_else(|| protected(lua, &text), Ok),
            Answer::Raised(text) => Err(mlua::Error::RuntimeError(text)),
            Answer::Stopped(stop) => {
                self.stop.set(Some(stop.clone()));
                Err(mlua::Error::external(stop))
            }
        }
    }

    /// Replays a call that calls functions of the script, until its end.
    fn play_call(&self, call: &HostCall<'_>) -> mlua::Result<MultiValue> {
        let mut last = None;
        loop {
            let is_of_call =
                |record: &Record| matches!(record.what, RecordKind::Callback { .. } | RecordKind::End { .. });
            match self.look(|record| record.map(is_of_call))? {
                Some(true) => {}
                Some(false) => return Err(self.diverge_at_next(DivergenceKind::Missing, None)),
                None => return Err(self.end(ReplayEnd::RecordingEnded).into()),
            }
            match self.take()?.what {
                RecordKind::Callback { arguments } => {
                    last = Some(self.call_script(call, &arguments)?);
                    if self.end.borrow().is_some() {
                        return Err(ReplayHasEnded.into());
                    }
                    if let Some(stop) = self.take_stop(self.polls.get() + 1)? {
                        // It returned one poll before the recorded stop.
                        let stop = mlua::Error::external(stop);
                        last = Some(match call.function.callback {
                            CallbackKind::Protected => {
                                let raised = Value::Error(Box::new(stop));
                                Ok(MultiValue::from_iter([Value::Boolean(false), raised]))
                            }
                            _ => Err(stop),
                        });
                    }
                    if let Some(Err(error)) = last {
                        // The error of the function ended the call.
                        let text = message(&error);
                        let did_raise = |record: &Record| match &record.what {
                            RecordKind::End { answer: Answer::CallbackRaised(recorded), .. } => {
                                Some(self.is_like_error(recorded, &text))
                            }
                            RecordKind::End { answer, .. } => {
                                Some(answer.values().is_none() && *answer != Answer::CallbackReturned)
                            }
                            _ => None,
                        };
                        match self.look(|record| record.and_then(did_raise))? {
                            None => return Err(self.diverge_at_next(DivergenceKind::Missing, None)),
                            Some(false) => {
                                let raised = ReplayedEvent::of_end(call, Some(message(&error)));
                                return Err(self.diverge_at_next(DivergenceKind::DifferentEnd, Some(raised)));
                            }
                            Some(true) => {}
                        }
                        self.take()?;
                        return Err(error);
                    }
                    if let Some(Ok(values)) = &last {
                        let raised = raised_in(call.function, values);
                        let is_other_end = |record: &Record| match &record.what {
                            RecordKind::End { answer, .. } => {
                                let is_like = match (answer, &raised) {
                                    (Answer::CallbackRaised(recorded), Some(raised)) => {
                                        self.is_like_error(recorded, raised)
                                    }
                                    _ => true,
                                };
                                !answer.fits_callback(self.format, raised.is_some()) || !is_like
                            }
                            _ => false,
                        };
                        if self.look(|record| record.is_some_and(is_other_end))? {
                            let actual = ReplayedEvent::of_end(call, raised);
                            return Err(self.diverge_at_next(DivergenceKind::DifferentEnd, Some(actual)));
                        }
                        self.check_result(call, values)?;
                    }
                }
                RecordKind::End { answer, stop, .. } => {
                    let before = self.stop.take();
                    self.stop.set(stop.or(before));
                    return self.answer(call, answer, last.and_then(Result::ok));
                }
                _ => {}
            }
        }
    }

    /// Whether a function raised the recorded error, as far as that is known.
    fn is_like_error(&self, recorded: &str, actual: &str) -> bool {
        // Recordings up to format 4 may have an address in it.
        self.format < 5
            || is_masked(recorded)
            || self.are_alike(&[RecordedValue::text(recorded)], &[RecordedValue::text(actual)])
    }

    /// Diverges if the function returned something else than was recorded.
    fn check_result(&self, call: &HostCall<'_>, values: &MultiValue) -> mlua::Result<()> {
        let is_protected = call.function.callback == CallbackKind::Protected;
        let Some(actual) = returned_by(is_protected, values) else { return Ok(()) };
        let holds = !matches!(values.front(), None | Some(Value::Nil | Value::Boolean(false)));
        let is_test = !call.function.returns_callback && !is_protected;
        let as_compared = |value: &Value| match self.format >= 7 {
            true => RecordedValue::at_most(value, COMPARED_LIMIT, None),
            false => RecordedValue::of(value).compared(),
        };
        let actual: Vec<RecordedValue> = actual.iter().map(as_compared).collect();
        let is_other = |record: &Record| match &record.what {
            // The call tests by its function what it waits for, and answers the first value that it is true for.
            RecordKind::Callback { .. } => is_test && holds,
            RecordKind::End { answer: Answer::Returned(answer), .. } if is_test => {
                holds == is_timeout(answer)
            }
            RecordKind::End { returned: Some(recorded), .. } if !is_test => {
                !self.are_alike(recorded, &actual)
            }
            _ => false,
        };
        if self.look(|record| record.is_some_and(is_other))? {
            let actual = ReplayedEvent::of_result(call, actual);
            return Err(self.diverge_at_next(DivergenceKind::DifferentResult, Some(actual)));
        }
        Ok(())
    }

    /// Calls the function of the script that the call was given.
    fn call_script(
        &self,
        call: &HostCall<'_>,
        arguments: &[RecordedValue],
    ) -> mlua::Result<mlua::Result<MultiValue>> {
        let function = call.arguments.iter().find_map(Value::as_function);
        let Some(function) = function else {
            return Err(self
                .diverge(
                    DivergenceKind::DifferentArguments,
                    None,
                    Some(ReplayedEvent::of_call(call, self.format)),
                )
                .into());
        };
        let arguments: MultiValue =
            arguments.iter().map(|recorded| recorded.to_lua(call.lua)).collect::<mlua::Result<_>>()?;
        let protected = call.function.callback == CallbackKind::Protected;
        Ok(Callback { function, arguments: &arguments, protected }.run(call.lua))
    }
}

impl Boundary for ReplayBoundary {
    fn call(&self, call: &HostCall<'_>, _: Work<'_>) -> mlua::Result<MultiValue> {
        if !self.look(|record| record.is_some_and(|record| self.is_record_of(record, call)))? {
            // When a script is polled depends on the number of executed instructions, which depends on the
            // order of table keys in Lua: the call may come one poll before the recorded stop.
            return match self.take_stop(self.polls.get() + 1)? {
                Some(stop) => self.answer(call, Answer::Stopped(stop), None),
                None => Err(self.diverge_from_next(ReplayedEvent::of_call(call, self.format)).into()),
            };
        }
        let record = self.take()?;
        if let RecordKind::Call { arguments, .. } | RecordKind::Begin { arguments, .. } = &record.what {
            self.note_masks(arguments, || RecordedValue::all(call.arguments));
        }
        match record.what {
            RecordKind::Call { answer, .. } => {
                if collects(call) {
                    // The memory that it frees is needed in a replay as well.
                    call.lua.gc_collect()?;
                }
                self.answer(call, answer, None)
            }
            _ => {
                let values = self.play_call(call)?;
                // Another source may read the same answer in the other form.
                if call.function.target == CallTarget::Command {
                    adapt_output(call, values)
                } else {
                    Ok(values)
                }
            }
        }
    }

    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
        // Not reached: no call is executed.
        call_back.run(lua)
    }

    fn stopped_at(&self, place: Option<ScriptLine>) {
        let is_end = matches!(*self.end.borrow(), Some(ReplayEnd::Silent | ReplayEnd::Stopped(_)));
        if is_end && let Some(place) = place {
            self.stopped_at.borrow_mut().get_or_insert(place);
        }
    }

    fn stop_before_return(&self) -> Option<Stop> {
        self.take_stop(self.polls.get() + 1).ok().flatten()
    }

    fn poll(&self, _: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        if self.end.borrow().is_some() {
            return Some(Stop::Replayed);
        }
        if let Some(stop) = self.stop.take() {
            return Some(stop);
        }
        let number = self.signal.load(Ordering::Relaxed);
        if number != 0 {
            self.end(ReplayEnd::Stopped(Stop::Signal(number)));
            return Some(Stop::Replayed);
        }
        let polls = self.polls.get() + 1;
        self.polls.set(polls);
        match self.take_stop(polls) {
            Ok(None) => {}
            Ok(stop) => return stop,
            Err(ReplayHasEnded) => return Some(Stop::Replayed),
        }
        if !self.is_silent.replace(true) {
            self.silence.begin();
        } else if self.silence.passed() > SILENCE_TIMEOUT {
            self.end(ReplayEnd::Silent);
            return Some(Stop::Replayed);
        }
        None
    }
}

impl RunBoundary for ReplayBoundary {
    fn event(&self, event: RunEvent) -> Duration {
        // A script that was stopped already is not stopped again by a later call.
        self.stop.take();
        let event = event.compared();
        let mut happening = ReplayedEvent::of_event(&event);
        if let (Some(moved), Some(message)) = (&self.moved, event.message().filter(|_| event.is_failure())) {
            happening.place = moved.line_of(message);
        }
        let is_it = |record: &Record| {
            ReplayedEvent::of_record(record).is_some_and(|recorded| {
                recorded.differs(&happening).is_none()
                    || (recorded.name == happening.name
                        && self.are_alike(&recorded.arguments, &happening.arguments))
            })
        };
        let record = match self.look(|record| record.is_some_and(is_it)) {
            Ok(true) => self.take(),
            Ok(false) => Err(self.diverge_from_next(happening)),
            Err(ended) => Err(ended),
        };
        let Ok(record) = record else { return Duration::ZERO };
        if let Some(recorded) = ReplayedEvent::of_record(&record) {
            self.note_masks(&recorded.arguments, || ReplayedEvent::of_event(&event).arguments);
        }
        if event.ends_run() {
            self.is_finished.set(true);
        }
        match record.what {
            RecordKind::Event(recorded) => recorded.duration(),
            _ => Duration::ZERO,
        }
    }

    fn note(&self, _: &str) {}
}

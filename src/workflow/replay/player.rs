//! Replays a recording: the border that lets nothing pass and answers everything from the tape.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mlua::{Lua, MultiValue, Value};

use super::divergence::{Divergence, Happening, Kind};
use crate::lua::boundary::{CallBack, Crossing, Step, Work};
use crate::lua::datum::Datum;
use crate::lua::{Boundary, Signal, Stop};
use crate::workflow::recording::{Answer, Record, RecordingError, Tape, What};

/// How long a script may go on without anything that is recorded, before it is taken to never end.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// How a replay came to its end before the workflow did.
#[derive(Debug)]
pub(super) enum End {
    /// Something differs.
    Parted(Box<Divergence>),
    /// The recording has no more: its run was killed, or is still at work.
    OutOfTape,
    /// It was asked to stop here.
    Reached,
    /// The script goes on and on, and nothing of it was recorded.
    Silent,
    /// Somebody stopped it.
    Stopped(Stop),
    /// The recording cannot be read.
    Unreadable(RecordingError),
}

/// The border of a replay.
pub(super) struct Player {
    tape: RefCell<Tape>,
    until: Option<u64>,
    signal: Signal,
    /// Is shown each record as it comes to pass.
    show: Box<dyn Fn(&Record)>,
    end: RefCell<Option<End>>,
    last: Cell<u64>,
    is_finished: Cell<bool>,
    looks: Cell<u64>,
    since: Cell<Instant>,
    /// The script had to stop in the call that ended last.
    stop: Cell<Option<Stop>>,
}

/// The script is not to go on.
struct Ended;

impl From<Ended> for mlua::Error {
    fn from(_: Ended) -> mlua::Error {
        mlua::Error::external(Stop::Replayed)
    }
}

impl Player {
    /// Plays `tape` up to the record of that number, or to its end.
    pub(super) fn new(
        tape: Tape,
        until: Option<u64>,
        signal: Signal,
        show: impl Fn(&Record) + 'static,
    ) -> Player {
        Player {
            tape: RefCell::new(tape),
            until,
            signal,
            show: Box::new(show),
            end: RefCell::default(),
            last: Cell::default(),
            is_finished: Cell::default(),
            looks: Cell::default(),
            since: Cell::new(Instant::now()),
            stop: Cell::default(),
        }
    }

    /// The number of the last record that came to pass.
    pub(super) fn last(&self) -> u64 {
        self.last.get()
    }

    /// The workflow has come to its end: whether the recording has as well.
    pub(super) fn finish(&self) -> Option<End> {
        if self.end.borrow().is_none()
            && let Ok(Some(record)) = self.peek()
        {
            self.part(Kind::Missing, Some(record), None);
        }
        self.end.take()
    }

    fn end(&self, end: End) -> Ended {
        self.end.borrow_mut().get_or_insert(end);
        Ended
    }

    fn part(&self, kind: Kind, recorded: Option<Record>, actual: Option<Happening>) -> Ended {
        let number = recorded.as_ref().map_or(self.last.get() + 1, |record| record.number);
        let task = recorded.as_ref().and_then(|record| record.task.clone());
        self.end(End::Parted(Box::new(Divergence { number, kind, task, recorded, actual })))
    }

    /// The next record that has to come to pass again.
    fn peek(&self) -> Result<Option<Record>, Ended> {
        if self.end.borrow().is_some() {
            return Err(Ended);
        }
        let mut tape = self.tape.borrow_mut();
        loop {
            match tape.peek() {
                Ok(Some(record)) if matches!(record.what, What::Remark(_)) => {
                    let passed = tape.take();
                    if let Ok(Some(record)) = passed {
                        (self.show)(&record);
                    }
                }
                Ok(record) => {
                    let record = record.cloned();
                    if record.as_ref().zip(self.until).is_some_and(|(record, until)| record.number > until) {
                        return Err(self.end(End::Reached));
                    }
                    return Ok(record);
                }
                Err(error) => return Err(self.end(End::Unreadable(error))),
            }
        }
    }

    /// The record that was looked at has come to pass.
    fn take(&self, record: &Record) {
        (self.show)(record);
        self.last.set(record.number);
        self.looks.set(0);
        self.since.set(Instant::now());
        // It was there a moment ago.
        let _ = self.tape.borrow_mut().take();
    }

    /// The record that must be `actual`, which has come to pass now.
    fn expect(&self, actual: Happening) -> Result<Record, Ended> {
        let Some(record) = self.peek()? else {
            return Err(match self.is_finished.get() {
                true => self.part(Kind::OneTooMany, None, Some(actual)),
                false => self.end(End::OutOfTape),
            });
        };
        let kind = match Happening::of_record(&record) {
            Some(recorded) => recorded.differs(&actual),
            // A call in the place of the end of one, or of a stop.
            None => Some(Kind::OneTooMany),
        };
        match kind {
            None => {
                self.take(&record);
                Ok(record)
            }
            Some(kind) => Err(self.part(kind, Some(record), Some(actual))),
        }
    }

    fn answer(&self, lua: &Lua, answer: Answer, last: Option<MultiValue>) -> mlua::Result<MultiValue> {
        match answer {
            Answer::Returned(data) => data.iter().map(|datum| datum.to_lua(lua)).collect(),
            Answer::HandedOn => Ok(last.unwrap_or_default()),
            Answer::Raised(text) => Err(mlua::Error::RuntimeError(text)),
            Answer::Stopped(stop) => {
                self.stop.set(Some(stop));
                Err(mlua::Error::external(stop))
            }
        }
    }

    /// Goes through a call that calls functions of the script, until its end.
    fn play_call(&self, crossing: &Crossing<'_>) -> mlua::Result<MultiValue> {
        let lua = crossing.lua;
        let mut last = None;
        loop {
            let Some(record) = self.peek()? else { return Err(self.end(End::OutOfTape).into()) };
            match record.what.clone() {
                What::CallBack { arguments } => {
                    self.take(&record);
                    last = Some(self.call_script(crossing, &arguments)?);
                    if self.end.borrow().is_some() {
                        return Err(Ended.into());
                    }
                    if let Some(Err(error)) = last {
                        // What the function raised ended the call.
                        return match self.peek()? {
                            Some(end) if matches!(end.what, What::End { .. }) => {
                                self.take(&end);
                                Err(error)
                            }
                            other => Err(self.part(Kind::Missing, other, None).into()),
                        };
                    }
                }
                What::End { answer, stop } => {
                    self.take(&record);
                    self.stop.set(stop.or(self.stop.get()));
                    return self.answer(lua, answer, last.and_then(Result::ok));
                }
                _ => return Err(self.part(Kind::Missing, Some(record), None).into()),
            }
        }
    }

    /// Calls the function of the script that the call was given.
    fn call_script(
        &self,
        crossing: &Crossing<'_>,
        arguments: &[Datum],
    ) -> mlua::Result<mlua::Result<MultiValue>> {
        let function = crossing.arguments.iter().find_map(Value::as_function);
        let Some(function) = function else {
            return Err(self.part(Kind::DifferentArguments, None, Some(Happening::of_call(crossing))).into());
        };
        let arguments: MultiValue =
            arguments.iter().map(|datum| datum.to_lua(crossing.lua)).collect::<mlua::Result<_>>()?;
        let protected = matches!(crossing.name, "with_lock" | "transaction");
        Ok(CallBack { function, arguments: &arguments, protected }.run(crossing.lua))
    }
}

impl Boundary for Player {
    fn cross(&self, crossing: &Crossing<'_>, _: Work<'_>) -> mlua::Result<MultiValue> {
        match self.expect(Happening::of_call(crossing))?.what {
            What::Call { answer, .. } => self.answer(crossing.lua, answer, None),
            _ => self.play_call(crossing),
        }
    }

    fn call_back(&self, lua: &Lua, call_back: &CallBack<'_>) -> mlua::Result<MultiValue> {
        // Not reached: nothing that calls back is let out.
        call_back.run(lua)
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
            self.end(End::Stopped(Stop::Signal(number)));
            return Some(Stop::Replayed);
        }
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        match self.peek() {
            Ok(Some(record)) => match record.what {
                What::Stop { stop, looks: recorded } if looks >= recorded => {
                    self.take(&record);
                    return Some(stop);
                }
                _ => {}
            },
            Ok(None) => {}
            Err(Ended) => return Some(Stop::Replayed),
        }
        if self.since.get().elapsed() > LONGEST_SILENCE {
            self.end(End::Silent);
            return Some(Stop::Replayed);
        }
        None
    }

    fn step(&self, step: Step) -> Duration {
        match self.expect(Happening::of_step(&step)) {
            Ok(record) => {
                if step.name == "run finished" {
                    self.is_finished.set(true);
                }
                match record.what {
                    What::Step { took, .. } => Duration::from_micros(took),
                    _ => Duration::ZERO,
                }
            }
            Err(Ended) => Duration::ZERO,
        }
    }

    fn remark(&self, _: &str) {}
}

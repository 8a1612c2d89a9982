//! Records a run: the boundary that executes every call and records it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Value};

use super::encoding::{NameTable, encode};
use super::{Answer, DEFAULT_SIZE_LIMIT, Mask, Record, RecordKind};
use crate::lua::boundary::{Callback, HostCall, Work};
use crate::lua::error::{ScriptLine, caller, message, raised, stop_in};
use crate::lua::host_function::{CallEffect, CallTarget, CallbackKind, HostFunction};
use crate::lua::recorded_value::{ARGUMENT_LIMIT, COMPARED_LIMIT, RecordedValue, TextChange};
use crate::lua::{Boundary, Host, Stop};
use crate::store::{Actor, NewRun, RunEnd, Store, StoreError};
use crate::workflow::{CurrentTask, RunBoundary, RunEvent};

/// Buffered records are written when they have so many bytes,
const FLUSH_SIZE: usize = 64 * 1024;
/// or when nothing was written for so long,
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// unless a change may follow, in whose transaction they are written; but at the latest when they have so
/// many bytes, because of memory.
const MAX_PENDING: usize = 8 * 1024 * 1024;

/// The error that a call's function raised, if the result of the call contains it.
pub(in crate::workflow) fn raised_in(function: &HostFunction, answer: &MultiValue) -> Option<String> {
    let is_raised =
        function.callback == CallbackKind::Protected && matches!(answer.front(), Some(Value::Boolean(false)));
    is_raised.then(|| raised(answer.get(1).unwrap_or(&Value::Nil)))
}

/// The values that a call answers as its script gets them: tables are rebuilt in the same steps as in a replay.
pub(in crate::workflow) fn rebuilt(
    call: &HostCall<'_>,
    values: MultiValue,
    data: &[RecordedValue],
) -> mlua::Result<MultiValue> {
    match values.iter().any(Value::is_table) {
        true => data.iter().zip(&values).map(|(item, value)| item.to_lua_like(call.lua, value)).collect(),
        false => Ok(values),
    }
}

/// What the function of a call returned, without what `pcall` puts in front; `None` if it raised an error.
pub(in crate::workflow) fn returned_by(protected: bool, values: &MultiValue) -> Option<Vec<Value>> {
    match (protected, values.front()) {
        (false, _) => Some(values.iter().cloned().collect()),
        (true, Some(Value::Boolean(true))) => Some(values.iter().skip(1).cloned().collect()),
        (true, _) => None,
    }
}

/// The boundary of a recorded run. The run gets its number before its first change, or by
/// [`RecordingBoundary::begin`]: a file with a mistake leaves nothing behind.
pub struct RecordingBoundary {
    store: Rc<dyn Store>,
    host: Rc<dyn Host>,
    mask: Mask,
    new: RefCell<NewRun>,
    actor: Actor,
    run: Cell<Option<i64>>,
    /// Records from before the run had a number.
    early: RefCell<Vec<Record>>,
    names: RefCell<NameTable>,
    number: Cell<u64>,
    task: CurrentTask,
    /// Whether a call is running, whose polls of the limits are not recorded.
    inside: Cell<bool>,
    /// How many running calls write at their end.
    pending: Cell<usize>,
    looks: Cell<u64>,
    stopped_inside: Cell<Option<Stop>>,
    /// Why a poll stopped the script, until the place is known.
    stop_reason: Cell<Option<String>>,
    /// Whether the last callback raised an error that ends its call.
    has_raised: Cell<bool>,
    /// What the last callback of the running call returned.
    returned: Cell<Option<Vec<RecordedValue>>>,
    written_at: Cell<Duration>,
    buffer: RefCell<Vec<u8>>,
    /// How large the records may become, in bytes, and how large they are.
    limit: u64,
    size: Cell<u64>,
    /// The most memory that an answer may take while it is recorded, in bytes.
    memory: usize,
    /// Whether the recording has ended, since something did not fit into it.
    is_full: Cell<bool>,
}

impl RecordingBoundary {
    /// Records the run `new` in `store`.
    pub fn new(
        store: Rc<dyn Store>,
        host: Rc<dyn Host>,
        mask: Mask,
        new: NewRun,
        actor: Actor,
        task: CurrentTask,
    ) -> RecordingBoundary {
        RecordingBoundary {
            store,
            host,
            mask,
            new: RefCell::new(new),
            actor,
            run: Cell::default(),
            early: RefCell::default(),
            names: RefCell::default(),
            number: Cell::default(),
            task,
            inside: Cell::default(),
            pending: Cell::default(),
            looks: Cell::default(),
            stopped_inside: Cell::default(),
            stop_reason: Cell::default(),
            has_raised: Cell::default(),
            returned: Cell::default(),
            written_at: Cell::default(),
            buffer: RefCell::default(),
            limit: DEFAULT_SIZE_LIMIT,
            size: Cell::default(),
            memory: usize::MAX,
            is_full: Cell::default(),
        }
    }

    /// The same, whose records become no larger than `limit` bytes; an answer may take `memory` bytes while it is
    /// recorded.
    #[must_use]
    pub fn within(self, limit: u64, memory: usize) -> RecordingBoundary {
        RecordingBoundary { limit, memory, ..self }
    }

    /// Gives the run its number, if it has none yet.
    pub fn begin(&self) -> Result<i64, StoreError> {
        if let Some(run) = self.run.get() {
            return Ok(run);
        }
        let run = self.store.begin_run(&self.new.borrow())?;
        self.run.set(Some(run));
        self.store.set_actor(Actor { run: Some(run), ..self.actor.clone() });
        for record in self.early.take() {
            if !self.keep(run, record, self.host.elapsed()) {
                break;
            }
        }
        Ok(run)
    }

    /// The number of the run, if it has begun.
    pub fn run(&self) -> Option<i64> {
        self.run.get()
    }

    /// The number of the last record; 0 if there is none.
    #[cfg(test)]
    pub(crate) fn last(&self) -> u64 {
        self.number.get()
    }

    #[cfg(test)]
    pub(crate) fn keeps(&self) -> bool {
        self.store.pending_record_bytes() > 0
    }

    pub fn name(&self, workflow: &str) -> Result<(), StoreError> {
        let is_other = self.new.borrow().workflow != workflow;
        self.new.borrow_mut().workflow = workflow.to_string();
        match self.run.get() {
            Some(run) if is_other => self.store.name_run(run, workflow),
            _ => Ok(()),
        }
    }

    /// Records how the run ended, and writes the buffered records. A run that never began leaves nothing
    /// behind.
    pub fn end(&self, end: &RunEnd) -> Result<(), StoreError> {
        self.run.get().map_or(Ok(()), |run| self.store.end_run(run, end))
    }

    fn put(&self, place: Option<ScriptLine>, what: RecordKind) {
        self.put_at(self.host.elapsed(), place, what);
    }

    fn put_at(&self, now: Duration, place: Option<ScriptLine>, what: RecordKind) {
        if self.is_full.get() {
            return;
        }
        let is_note = matches!(what, RecordKind::Note(_));
        let number = self.number.get() + 1;
        self.number.set(number);
        if !is_note {
            self.looks.set(0);
        }
        let at = micros(now);
        let record = Record { number, at, task: self.task.name(), place, what, revision: None };
        match self.run.get() {
            Some(run) => drop(self.keep(run, record, now)),
            None => self.early.borrow_mut().push(record),
        }
    }

    /// Buffers a record until it is written, at the latest in the transaction of the change that follows it.
    /// The beginning of a call is never written before the change that the call makes.
    /// Returns false if the recording ends in its place, since it does not fit.
    fn keep(&self, run: i64, record: Record, now: Duration) -> bool {
        let landmark = matches!(record.what, RecordKind::Event(_));
        let is_pending = self.pending.get() > 0 || matches!(record.what, RecordKind::Begin { .. });
        let (number, at) = (record.number, record.at);
        if self.store.pending_record_bytes() >= MAX_PENDING {
            self.write();
        }
        let mut names = self.names.borrow_mut();
        if self.store.pending_record_bytes() == 0 {
            names.forget();
            self.written_at.set(now);
        }
        let mut data = self.buffer.borrow_mut();
        data.clear();
        data.shrink_to(FLUSH_SIZE);
        encode(record, &mut names, &mut data);
        let size = self.size.get().saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        let fits = size <= self.limit;
        if fits {
            self.size.set(size);
        } else {
            self.is_full.set(true);
            data.clear();
            let what = RecordKind::Full { limit: self.limit };
            let last = Record { number, at, task: None, place: None, what, revision: None };
            encode(last, &mut NameTable::default(), &mut data);
        }
        self.store.buffer_record(run, number, landmark, &data);
        drop((names, data));
        let is_old = now.saturating_sub(self.written_at.get()) >= FLUSH_INTERVAL;
        if !is_pending && (is_old || self.store.pending_record_bytes() >= FLUSH_SIZE) {
            self.write();
        }
        fits
    }

    /// How much memory an answer may take that is recorded, in bytes.
    fn room(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX).min(self.memory)
    }

    /// Values that a replay needs as they are, with every secret masked; `None` if the recording ends here, since
    /// they do not fit.
    fn whole(&self, values: &MultiValue) -> Option<Vec<RecordedValue>> {
        if self.is_full.get() {
            return None;
        }
        let whole = RecordedValue::all_within(values, self.room());
        if whole.is_none() {
            self.put(None, RecordKind::Full { limit: u64::try_from(self.room()).unwrap_or(u64::MAX) });
            self.is_full.set(true);
        }
        whole
    }

    /// Writes the buffered records. Records that cannot be written now stay buffered.
    fn write(&self) {
        self.written_at.set(self.host.elapsed());
        let _ = self.store.flush_records();
    }

    fn masked(&self, data: Vec<RecordedValue>) -> Vec<RecordedValue> {
        data.into_iter().map(|item| self.mask.value(item)).collect()
    }

    fn masked_text(&self, text: String) -> String {
        String::from_utf8_lossy(&self.mask.text(text.into_bytes())).into_owned()
    }

    /// The result of the call as data. Tables are rebuilt in the same steps as in a replay.
    fn answer(
        &self,
        call: &HostCall<'_>,
        result: mlua::Result<MultiValue>,
    ) -> (mlua::Result<MultiValue>, Answer) {
        match result {
            Ok(values) if call.function.returns_callback => {
                let answer = match raised_in(call.function, &values) {
                    Some(text) => Answer::CallbackRaised(self.masked_text(text)),
                    None => Answer::CallbackReturned,
                };
                (Ok(values), answer)
            }
            Ok(values) if call.answers_default(&values) => {
                // A replay answers with the argument itself.
                let data = RecordedValue::arguments(&values, self.change(&|text| self.mask.text(text)));
                (Ok(values), Answer::Default(data))
            }
            Ok(values) => {
                let Some(data) = self.whole(&values) else {
                    // Nothing is recorded any more.
                    return (Ok(values), Answer::Returned(Vec::new()));
                };
                let values = rebuilt(call, values, &data);
                let data = match call.function.target {
                    CallTarget::Variable => self.variable(call, data),
                    _ => self.masked(data),
                };
                (values, Answer::Returned(data))
            }
            Err(error) => {
                let text = || self.masked_text(message(&error));
                let answer = match stop_in(&error) {
                    Some(stop) => Answer::Stopped(stop),
                    None if self.has_raised.take() => Answer::CallbackRaised(text()),
                    None => Answer::Raised(text()),
                };
                (Err(error), answer)
            }
        }
    }

    fn variable(&self, call: &HostCall<'_>, data: Vec<RecordedValue>) -> Vec<RecordedValue> {
        if let (Some(Value::String(name)), [RecordedValue::Text(value)]) = (call.arguments.front(), &data[..])
            && let Some(shown) = self.mask.read(&name.as_bytes(), value)
        {
            return vec![RecordedValue::Text(shown)];
        }
        self.masked(data)
    }

    /// How texts are changed that are recorded.
    fn change<'a>(&self, mask: &'a dyn Fn(Vec<u8>) -> Vec<u8>) -> TextChange<'a> {
        (!self.mask.hides_nothing()).then_some(mask)
    }

    /// The arguments of a call as they are stored.
    fn arguments(&self, call: &HostCall<'_>) -> Vec<RecordedValue> {
        let target = call.function.target;
        let arguments = RecordedValue::arguments(call.arguments, None);
        let is_cut = |argument: &RecordedValue| matches!(argument, RecordedValue::Cut(..));
        if target == CallTarget::Command && arguments.iter().any(is_cut) {
            // The variables that it is given are known from now on.
            self.mask.arguments(target, RecordedValue::all(call.arguments));
        }
        let mut arguments = self.mask.arguments(target, arguments);
        for (argument, value) in arguments.iter_mut().zip(call.arguments) {
            if is_cut(argument) {
                let mask = |text| self.mask.text(text);
                *argument = RecordedValue::at_most(value, ARGUMENT_LIMIT, self.change(&mask));
            }
        }
        arguments
    }

    /// Executes a call after the recording has ended.
    fn call_unrecorded(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        if call.function.effect != CallEffect::Read {
            self.begin().map_err(mlua::Error::external)?;
        }
        let result = self.work(work);
        self.stopped_inside.take();
        result
    }

    /// Executes a call, whose polls of the limits do not count as those of the script.
    fn work(&self, work: Work<'_>) -> mlua::Result<MultiValue> {
        let outer = self.inside.replace(true);
        let result = work();
        self.inside.set(outer);
        result
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Boundary for RecordingBoundary {
    fn call(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        if self.is_full.get() {
            return self.call_unrecorded(call, work);
        }
        let function = call.function.name.to_string();
        let place = caller(call.lua);
        let arguments = self.arguments(call);
        self.has_raised.set(false);
        if call.function.effect == CallEffect::Read {
            let start = self.host.elapsed();
            let (result, answer) = self.answer(call, self.work(work));
            // Its answer contains the stop.
            self.stopped_inside.take();
            let now = self.host.elapsed();
            let took = micros(now.saturating_sub(start));
            self.put_at(now, place, RecordKind::Call { function, arguments, answer, took });
            return result;
        }
        self.begin().map_err(mlua::Error::external)?;
        self.put(place, RecordKind::Begin { function, arguments });
        if call.function.may_take_long() {
            self.write();
        }
        let pending = usize::from(call.function.writes_after_callback());
        self.pending.update(|calls| calls + pending);
        let outer = self.returned.take();
        let result = self.work(work);
        let returned = self.returned.replace(outer);
        self.pending.update(|calls| calls - pending);
        let (result, answer) = self.answer(call, result);
        self.put(None, RecordKind::End { answer, stop: self.stopped_inside.take(), returned });
        result
    }

    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
        if let Some(arguments) = self.whole(call_back.arguments) {
            self.put(None, RecordKind::Callback { arguments: self.masked(arguments) });
        }
        let outer = self.inside.replace(false);
        let result = call_back.run(lua);
        self.inside.set(outer);
        self.has_raised.set(result.is_err());
        let returned = result.as_ref().ok().and_then(|values| returned_by(call_back.protected, values));
        let compared = |values: Vec<Value>| values.iter().map(|value| self.compared(value)).collect();
        self.returned.set(returned.filter(|_| !self.is_full.get()).map(compared));
        result
    }

    fn stopped_at(&self, place: Option<ScriptLine>) {
        // A replay stops by the record before, and passes over this one.
        let reason = self.stop_reason.take();
        if let (Some(reason), Some(place)) = (reason, place) {
            self.put(Some(place.clone()), RecordKind::Note(format!("stopped at {place}: {reason}")));
        }
    }

    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        let stop = due();
        if self.inside.get() {
            if stop.is_some() {
                self.stopped_inside.set(stop.clone());
            }
            return stop;
        }
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        if let Some(stop) = stop.clone() {
            self.stop_reason.replace(Some(stop.to_string()));
            self.put(None, RecordKind::Stop { stop, looks });
        }
        stop
    }
}

impl RunBoundary for RecordingBoundary {
    fn event(&self, event: RunEvent) -> Duration {
        // The script sees the recorded duration.
        let duration = Duration::from_micros(micros(event.duration()));
        let event = event.with_texts(&mut |text| self.masked_text(text)).compared();
        self.put(None, RecordKind::Event(event));
        duration
    }

    fn compared(&self, value: &Value) -> RecordedValue {
        RecordedValue::at_most(value, COMPARED_LIMIT, self.change(&|text| self.mask.text(text)))
    }

    fn note(&self, line: &str) {
        self.put(None, RecordKind::Note(self.masked_text(line.to_string())));
    }
}

//! The border of a trial: the state is a copy that nobody else sees, and the world is answered from a
//! recording for as long as the path is the recorded one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlua::{Lua, MultiValue, Value};

use super::divergence::{Divergence, Happening, Kind};
use super::given::Stub;
use super::host::Nowhere;
use super::left::Left;
use super::shown::{OtherAnswer, Shown, TaskEnd};
use crate::escape::escape;
use crate::lua::boundary::{CallBack, Crossing, Step, Work};
use crate::lua::datum::Datum;
use crate::lua::fault::{message, raise};
use crate::lua::{Awake, Boundary, Signal, Stop};
use crate::store::{Clock, Entry, Expiry, Key, ManualClock, Millis, Store, Transaction};
use crate::workflow::recording::{Answer, HANDING_ON, Record, Tape, What};

/// How long a script may go on without leaving itself before its time is real.
const SILENCE: Duration = Duration::from_secs(10);
/// A script that goes on is looked at far more often than that.
const LOOK: Duration = Duration::from_millis(500);

/// What a trial goes by.
pub(super) struct Rules {
    /// The recorded run, if there is one.
    pub tape: Option<Tape>,
    /// When the run began.
    pub began_at: Millis,
    /// The keys whose values are not those of the recorded run.
    pub changed: Vec<Key>,
    /// Whether commands are run in truth once the path is another one.
    pub live: bool,
    /// What commands answer that are not run.
    pub stubs: Vec<Stub>,
    /// What the script is told when it wants a command run that nobody knows the answer of.
    pub refusal: &'static str,
    /// The signal that stops the trial.
    pub signal: Signal,
}

/// The border.
pub(super) struct Trial {
    rules: Rules,
    tape: RefCell<Option<Tape>>,
    /// The state of the trial.
    store: Rc<dyn Store>,
    clock: Arc<ManualClock>,
    host: Rc<Nowhere>,
    is_on_path: Cell<bool>,
    /// Answers of the recording that are left after the path was lost: of variables and of commands.
    left: RefCell<Left>,
    looks: Cell<u64>,
    silence: Awake,
    inside: Cell<bool>,
    shown: RefCell<Shown>,
}

impl Trial {
    pub(super) fn new(
        mut rules: Rules,
        store: Rc<dyn Store>,
        clock: Arc<ManualClock>,
        host: Rc<Nowhere>,
    ) -> Trial {
        let tape = rules.tape.take();
        let is_on_path = Cell::new(tape.is_some());
        if tape.is_none() {
            host.let_time_pass();
        }
        Trial {
            rules,
            tape: RefCell::new(tape),
            store,
            clock,
            host,
            is_on_path,
            left: RefCell::default(),
            looks: Cell::default(),
            silence: Awake::new(LOOK),
            inside: Cell::default(),
            shown: RefCell::default(),
        }
    }

    /// What the trial showed, at its end.
    pub(super) fn finish(&self) -> Shown {
        if self.is_on_path.get()
            && let Some(record) = self.peek()
        {
            self.part(Kind::Missing, Some(record), None);
        }
        self.shown.take()
    }

    /// The next record on the path; `None` where there is no path any more. A recording that cannot
    /// be read any further ends the path as its end does.
    fn peek(&self) -> Option<Record> {
        if !self.is_on_path.get() {
            return None;
        }
        let mut tape = self.tape.borrow_mut();
        let tape = tape.as_mut()?;
        while let Ok(Some(Record { what: What::Remark(_), .. })) = tape.peek() {
            let _ = tape.take();
        }
        tape.peek().ok().flatten().cloned()
    }

    /// The record that was looked at has come to pass: the time is what it was then.
    fn take(&self, record: &Record) {
        if let Some(tape) = self.tape.borrow_mut().as_mut() {
            let _ = tape.take();
        }
        self.left.borrow_mut().remember(&record.what);
        self.looks.set(0);
        self.silence.begin();
        self.shown.borrow_mut().recorded_to = record.number;
        let at = Duration::from_micros(record.at);
        if let Some(ahead) = at.checked_sub(self.clock.elapsed()) {
            self.clock.advance(ahead);
        }
        self.clock.set(self.rules.began_at.plus(at));
    }

    fn part(&self, kind: Kind, recorded: Option<Record>, actual: Option<Happening>) {
        if !self.is_on_path.replace(false) {
            return;
        }
        self.host.let_time_pass();
        let mut shown = self.shown.borrow_mut();
        let number = recorded.as_ref().map_or(shown.recorded_to + 1, |record| record.number);
        let task = recorded.as_ref().and_then(|record| record.task.clone());
        shown.parted = Some(Divergence { number, kind, task, recorded, actual });
    }

    /// The record of `actual`, if the path goes on with it.
    fn follow(&self, actual: &Happening) -> Option<Record> {
        if !self.is_on_path.get() {
            return None;
        }
        let Some(record) = self.peek() else {
            self.part(Kind::OneTooMany, None, Some(actual.clone()));
            return None;
        };
        let kind = match Happening::of_record(&record) {
            Some(recorded) => recorded.differs(actual),
            None => Some(Kind::OneTooMany),
        };
        match kind {
            None => {
                self.take(&record);
                Some(record)
            }
            Some(kind) => {
                self.part(kind, Some(record), Some(actual.clone()));
                None
            }
        }
    }

    /// Goes on to the end of a call that began, and answers what it answered; `None` if the path was
    /// lost within, or the recording ends there.
    fn end_of_call(&self) -> Option<Answer> {
        let mut depth = 0;
        loop {
            let record = self.peek()?;
            self.take(&record);
            match record.what {
                What::Begin { .. } => depth += 1,
                What::End { answer, .. } if depth == 0 => return Some(answer),
                What::End { .. } => depth -= 1,
                _ => {}
            }
        }
    }

    /// The recorded answer of a record that was followed, up to its end.
    fn recorded_answer(&self, record: &Record) -> Option<Answer> {
        match &record.what {
            What::Call { answer, .. } => Some(answer.clone()),
            _ => self.end_of_call(),
        }
    }

    /// What a call that was followed answered when it was recorded, as its answer now.
    fn as_recorded(
        &self,
        crossing: &Crossing<'_>,
        record: Option<Record>,
    ) -> Option<mlua::Result<MultiValue>> {
        let answer = self.recorded_answer(&record?)?;
        Some(self.play(crossing.lua, &answer))
    }

    fn play(&self, lua: &Lua, answer: &Answer) -> mlua::Result<MultiValue> {
        match answer {
            Answer::Returned(data) => data.iter().map(|datum| datum.to_lua(lua)).collect(),
            Answer::HandedOn => Ok(MultiValue::new()),
            Answer::Raised(text) => Err(mlua::Error::RuntimeError(text.clone())),
            Answer::Stopped(stop) => Err(mlua::Error::external(*stop)),
        }
    }

    fn work(&self, work: Work<'_>) -> mlua::Result<MultiValue> {
        let outer = self.inside.replace(true);
        let result = work();
        self.inside.set(outer);
        result
    }

    /// A call of the state: it is done on the copy, and answered as recorded where nothing that was
    /// changed has a part in it.
    fn state(
        &self,
        crossing: &Crossing<'_>,
        work: Work<'_>,
        record: Option<Record>,
    ) -> mlua::Result<MultiValue> {
        let Some(record) = record else { return self.work(work) };
        let function = crossing.function();
        let is_lock = matches!(crossing.name, "lock" | "try_lock" | "unlock" | "with_lock");
        // What was waited for, and who had a lock, was up to others as well.
        let is_up_to_others = crossing.name == "wait" || is_lock && self.is_about_to_be_refused();
        if is_up_to_others
            && !self.concerns_change(crossing)
            && let Some(answer) = self.recorded_answer(&record)
        {
            self.adopt(crossing, &answer)?;
            return self.play(crossing.lua, &answer);
        }
        let result = self.work(work);
        let Some(recorded) = self.recorded_answer(&record) else { return result };
        if HANDING_ON.contains(&function.as_str()) || is_lock {
            return result;
        }
        let actual = match &result {
            Ok(values) => Answer::Returned(Datum::all(values)),
            Err(error) => Answer::Raised(message(error)),
        };
        if actual == recorded || matches!(recorded, Answer::Stopped(_)) {
            return result;
        }
        if self.concerns_change(crossing) {
            let mut shown = self.shown.borrow_mut();
            if shown.other_answer.is_none() {
                let (recorded, actual) = (recorded.to_string(), actual.to_string());
                shown.other_answer = Some(OtherAnswer { record, recorded, actual });
            }
            return result;
        }
        // Others had a hand in it, or the time had: it is what it was.
        self.adopt(crossing, &recorded)?;
        self.play(crossing.lua, &recorded)
    }

    /// Whether the call that has just begun ended at once, without having got what it asked for.
    fn is_about_to_be_refused(&self) -> bool {
        match self.peek().map(|record| record.what) {
            Some(What::End { answer: Answer::Raised(_), .. }) => true,
            Some(What::End { answer: Answer::Returned(data), .. }) => {
                data.first() == Some(&Datum::Boolean(false))
            }
            _ => false,
        }
    }

    /// Whether what was changed has a part in a call: its key is a changed one, or it is about many.
    fn concerns_change(&self, crossing: &Crossing<'_>) -> bool {
        if self.rules.changed.is_empty() {
            return false;
        }
        match (crossing.name, key_of(crossing)) {
            ("keys" | "clear" | "stats", _) | (_, None) => true,
            (_, Some(key)) => self.rules.changed.contains(&key),
        }
    }

    /// Puts what others had made of an entry into the copy, as far as the answer tells it.
    fn adopt(&self, crossing: &Crossing<'_>, answer: &Answer) -> mlua::Result<()> {
        let (Some(key), Answer::Returned(data)) = (key_of(crossing), answer) else { return Ok(()) };
        let value = match crossing.name {
            "get" | "wait" | "increment" | "decrement" => data.first(),
            _ => None,
        };
        let Some(value) = value else { return Ok(()) };
        let is_default =
            crossing.name == "get" && crossing.arguments.get(1).map(Datum::of).as_ref() == Some(value);
        let stored = match value.to_lua(crossing.lua)? {
            Value::Nil => None,
            _ if is_default => None,
            value => crate::lua::convert::to_stored(&value, "value").ok(),
        };
        let failed = mlua::Error::external;
        let found = self.store.get(&key).map_err(failed)?;
        if found.as_ref().map(Entry::value) == stored {
            return Ok(());
        }
        let transaction = match stored {
            Some(value) => Transaction::put(key, value, Expiry::Keep),
            None if crossing.name == "wait" => return Ok(()),
            None => Transaction::delete(key),
        };
        self.store.commit(&transaction).map_err(failed)?;
        Ok(())
    }

    /// A command: as recorded, or from a stub, or in truth where that is allowed.
    fn command(
        &self,
        crossing: &Crossing<'_>,
        work: Work<'_>,
        record: Option<Record>,
    ) -> mlua::Result<MultiValue> {
        if let Some(answer) = self.as_recorded(crossing, record) {
            return answer;
        }
        let text = match crossing.arguments.front() {
            Some(Value::String(text)) => text.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let shown = String::from_utf8_lossy(&text).into_owned();
        if let Some(stub) = self.rules.stubs.iter().find(|stub| stub.command.is_match(&shown)) {
            self.shown.borrow_mut().commands.push(shown);
            let output = crossing.lua.create_string(&stub.output)?;
            let values = [
                Value::Boolean(true),
                Value::String(output),
                Value::String(crossing.lua.create_string("")?),
                Value::Integer(0),
            ];
            return Ok(MultiValue::from_iter(values));
        }
        if self.rules.live {
            return self.work(work);
        }
        self.shown.borrow_mut().commands.push(shown);
        if let Some(answer) = self.left(|left| left.command(&text)) {
            return self.play(crossing.lua, &answer);
        }
        let refusal = self.rules.refusal;
        Err(raise(crossing.lua, format!("exec.run(\"{}\"): {refusal}", escape(&text))))
    }

    /// A reading of the world: as recorded, or as it is in the trial.
    fn reading(
        &self,
        crossing: &Crossing<'_>,
        work: Work<'_>,
        record: Option<Record>,
    ) -> mlua::Result<MultiValue> {
        if let Some(answer) = self.as_recorded(crossing, record) {
            return answer;
        }
        if crossing.name == "getenv"
            && !self.rules.live
            && let Some(Value::String(name)) = crossing.arguments.front()
        {
            let name = name.as_bytes().to_vec();
            if let Some(answer) = self.left(|left| left.variable(&name)) {
                return self.play(crossing.lua, &answer);
            }
        }
        self.work(work)
    }

    /// What the rest of the recording knows, read when it is first asked for.
    fn left<T>(&self, find: impl FnOnce(&mut Left) -> Option<T>) -> Option<T> {
        let mut left = self.left.borrow_mut();
        if let Some(mut rest) = self.tape.take() {
            left.take_in(&mut rest);
        }
        find(&mut left)
    }
}

/// The key that a call of the state is about.
fn key_of(crossing: &Crossing<'_>) -> Option<Key> {
    match crossing.arguments.front() {
        Some(Value::String(text)) => Key::new(&text.to_str().ok()?).ok(),
        _ => None,
    }
}

impl Boundary for Trial {
    fn cross(&self, crossing: &Crossing<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        let record = match self.is_on_path.get() {
            true => self.follow(&Happening::of_call(crossing)),
            false => None,
        };
        self.silence.begin();
        match (crossing.module, crossing.name) {
            ("state", _) => self.state(crossing, work, record),
            ("exec", _) => self.command(crossing, work, record),
            ("log", _) => work(),
            ("", "sleep") => self.as_recorded(crossing, record).unwrap_or_else(|| self.work(work)),
            _ => self.reading(crossing, work, record),
        }
    }

    fn call_back(&self, lua: &Lua, call_back: &CallBack<'_>) -> mlua::Result<MultiValue> {
        if let Some(record) = self.peek() {
            match &record.what {
                What::CallBack { .. } => self.take(&record),
                _ => self.part(Kind::OneTooMany, Some(record), None),
            }
        }
        let outer = self.inside.replace(false);
        let result = call_back.run(lua);
        self.inside.set(outer);
        result
    }

    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        let number = self.rules.signal.load(Ordering::Relaxed);
        if number != 0 {
            return Some(Stop::Signal(number));
        }
        if self.inside.get() || !self.is_on_path.get() {
            return due();
        }
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        if let Some(record) = self.peek()
            && let What::Stop { stop, looks: recorded } = record.what
            && looks >= recorded
        {
            self.take(&record);
            return Some(stop);
        }
        // A script that was changed may go on and on where the recorded one did something.
        if self.silence.passed() > SILENCE {
            let next = self.peek();
            self.part(Kind::Missing, next, None);
        }
        None
    }

    fn step(&self, step: Step) -> Duration {
        let told = step.told.iter().map(|(name, datum)| (*name, datum));
        if let Some(end) = TaskEnd::of(step.name, told) {
            self.shown.borrow_mut().tasks.push(end);
        }
        match self.follow(&Happening::of_step(&step)).map(|record| record.what) {
            Some(What::Step { took, .. }) => Duration::from_micros(took),
            _ => step.took,
        }
    }

    fn remark(&self, _: &str) {}
}

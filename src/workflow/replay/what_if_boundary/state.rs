//! Calls of the state in a what-if run: they are executed on the copy, and answered as recorded where no
//! changed entry is involved.
//!
//! Other processes may have changed the recorded state and do not run now: their changes are made in the copy
//! as far as an answer shows them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use mlua::{MultiValue, Value};

use super::super::divergence::compared_arguments;
use super::super::observations::OtherAnswer;
use super::WhatIfBoundary;
use crate::lua::Boundary;
use crate::lua::boundary::{Callback, HostCall, Work};
use crate::lua::convert::{to_lua_or_digits, to_stored};
use crate::lua::error::message;
use crate::lua::host_function::{CallEffect, CallTarget, CallbackKind, ObservedCall, Proof};
use crate::lua::recorded_value::RecordedValue;
use crate::lua::typed_read;
use crate::store::{Entry, Expiry, Key, Locks, Revision, State as _, StoreError, Token, Transaction, Type};
use crate::workflow::recording::{Answer, Record, RecordKind, raised_in};

/// The running calls of the state, the outermost first.
#[derive(Default)]
pub(super) struct ActiveCalls(RefCell<CallState>);

#[derive(Default)]
struct CallState {
    active: Vec<ActiveCall>,
    /// The keys that the current transaction has read or written, which stay as they are for it; `None` for
    /// all keys.
    touched: Option<BTreeSet<Key>>,
    /// Entries that a function of the script may have made different, because it got other values.
    made: BTreeSet<Key>,
}

struct ActiveCall {
    /// Whether a changed entry is involved.
    is_changed: bool,
    is_transaction: bool,
}

impl CallState {
    fn transactions(&self) -> usize {
        self.active.iter().filter(|call| call.is_transaction).count()
    }
}

impl ActiveCalls {
    /// Whether a changed entry is involved in the innermost call.
    pub(super) fn is_changed(&self) -> bool {
        self.0.borrow().active.last().is_some_and(|call| call.is_changed)
    }

    /// The innermost call calls a function of the script.
    pub(super) fn call_back(&self) {
        let mut state = self.0.borrow_mut();
        // A nested transaction is a part of the outer one.
        if state.transactions() == 1 && state.active.last().is_some_and(|call| call.is_transaction) {
            state.touched = Some(BTreeSet::new());
        }
    }

    fn begin(&self, call: &HostCall<'_>, is_changed: bool) {
        let is_transaction = call.function.target == CallTarget::Transaction;
        let call = ActiveCall { is_changed, is_transaction };
        self.0.borrow_mut().active.push(call);
    }

    fn end(&self) {
        self.0.borrow_mut().active.pop();
    }

    /// Whether the changes of others can still be made to an entry of the copy.
    fn is_open(&self, key: &Key) -> bool {
        let state = self.0.borrow();
        state.transactions() == 0 || state.touched.as_ref().is_some_and(|touched| !touched.contains(key))
    }

    /// Notes that the entry of a call was read or written.
    fn touch(&self, call: &HostCall<'_>) {
        let touched = &mut self.0.borrow_mut().touched;
        match (call.function.target, entry_key(call), touched.as_mut()) {
            (CallTarget::Entries, ..) => *touched = None,
            (_, Some(key), Some(touched)) => drop(touched.insert(key)),
            _ => {}
        }
    }
}

impl WhatIfBoundary {
    /// A call of the state.
    pub(super) fn state(
        &self,
        call: &HostCall<'_>,
        work: Work<'_>,
        recorded: Option<(Record, Vec<RecordedValue>)>,
    ) -> mlua::Result<MultiValue> {
        let Some((record, arguments)) = recorded else { return self.work(call, work) };
        let is_changed = self.concerns_change(call);
        if !is_changed && let Some(answer) = self.known_answer(&record) {
            if !may_have_changed(call, &arguments, &answer) {
                // It changes nothing now either, and its answer shows the recorded state.
                let answer = self.recorded_answer(&record).unwrap_or(answer);
                self.prepare(call, &arguments, &answer)?;
                self.calls.touch(call);
                return self.play(call, &answer);
            }
            self.prepare(call, &arguments, &answer)?;
        }
        if !is_changed && call.function.effect == CallEffect::Wait {
            return self.wait(call, &arguments, work);
        }
        if !is_changed
            && let Some(Record { what: RecordKind::Callback { arguments: seen }, .. }) = self.peek()
        {
            self.prepare_callback(call, &arguments, &seen)?;
        }
        if is_lock(call) && call.function.callback != CallbackKind::None {
            self.free_lock(call).map_err(mlua::Error::external)?;
        }
        self.calls.begin(call, is_changed);
        let result = self.work(call, work);
        self.calls.end();
        self.calls.touch(call);
        let Some(recorded) = self.recorded_answer(&record) else { return result };
        if call.function.returns_callback {
            self.note_made(call);
            self.note_end(call, record, &recorded, &result);
            return match &recorded {
                // The function may have raised any value, of which only the text is recorded.
                Answer::Raised(text) if !is_changed => match &result {
                    Err(error) if message(error) == *text => result,
                    _ => self.play(call, &recorded),
                },
                Answer::Stopped(_) if !is_changed && result.is_ok() => self.play(call, &recorded),
                _ => result,
            };
        }
        let actual = match &result {
            Ok(values) if call.answers_default(values) => {
                Answer::Default(compared_arguments(values, self.rules.format))
            }
            Ok(values) => Answer::Returned(RecordedValue::all(values)),
            Err(error) => Answer::Raised(message(error)),
        };
        if actual == recorded {
            return result;
        }
        if is_changed {
            self.note_other_answer(record, &recorded, &actual);
            return result;
        }
        // Others or the time changed it: the recorded answer counts.
        self.adopt(call, &arguments, &recorded)?;
        self.play(call, &recorded)
    }

    /// Notes that the function of a call raised an error and did not when it was recorded, or vice versa.
    fn note_end(
        &self,
        call: &HostCall<'_>,
        record: Record,
        recorded: &Answer,
        result: &mlua::Result<MultiValue>,
    ) {
        let raised = match result {
            Ok(values) => raised_in(call.function, values),
            Err(error) => Some(message(error)),
        };
        if !recorded.fits_callback(self.rules.format, raised.is_some()) {
            let actual = raised.map_or(Answer::CallbackReturned, Answer::CallbackRaised);
            self.note_other_answer(record, recorded, &actual);
        }
    }

    /// Notes that a call got another answer than the recorded one; the first one counts.
    fn note_other_answer(&self, record: Record, recorded: &Answer, actual: &Answer) {
        self.observations.borrow_mut().other_answer.get_or_insert_with(|| OtherAnswer {
            record,
            recorded: recorded.to_string(),
            actual: actual.to_string(),
        });
    }

    /// The recorded answer of a call, if it is known before the call is executed: without callbacks.
    fn known_answer(&self, record: &Record) -> Option<Answer> {
        match (&record.what, self.peek()) {
            (RecordKind::Call { answer, .. }, _) => Some(answer.clone()),
            (_, Some(Record { what: RecordKind::End { answer, .. }, .. })) => Some(answer),
            _ => None,
        }
    }

    /// Whether a changed entry is involved in a call: its key was changed, or it is about many keys.
    fn concerns_change(&self, call: &HostCall<'_>) -> bool {
        let made = &self.calls.0.borrow().made;
        if is_lock(call) || (self.rules.changed.is_empty() && made.is_empty()) {
            return false;
        }
        match (call.function.target, entry_key(call)) {
            (CallTarget::Transaction, _) => false,
            (_, None) => true,
            (_, Some(key)) => self.rules.changed.contains(&key) || made.contains(&key),
        }
    }

    /// A function that got other values may have made an entry different: its result is not recorded.
    fn note_made(&self, call: &HostCall<'_>) {
        if self.observations.borrow().other_answer.is_some()
            && let Some(key) = entry_key(call)
        {
            self.calls.0.borrow_mut().made.insert(key);
        }
    }

    /// Restores the copy to its state before a call, as far as the answer shows it.
    fn prepare(&self, call: &HostCall<'_>, arguments: &[RecordedValue], answer: &Answer) -> mlua::Result<()> {
        let Some(data) = answer.values() else { return Ok(()) };
        if matches!(answer, Answer::Default(_))
            && let Some(key) = entry_key(call).filter(|key| self.calls.is_open(key))
        {
            return self.apply(call, key, Proof::Absent);
        }
        match (call.function.target, data) {
            // The token under which the lock was acquired.
            (CallTarget::Lock, [_, RecordedValue::Integer(token), ..]) => {
                self.free_lock(call).map_err(mlua::Error::external)?;
                self.store.expect_token(Token(Revision(*token)));
                return Ok(());
            }
            (CallTarget::Entries, [RecordedValue::Table(_, entries), ..]) => {
                for (key, value) in entries {
                    if let Some(key) = recorded_key(key).filter(|key| self.calls.is_open(key)) {
                        self.put_value(call, key, value)?;
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        let Some(key) = entry_key(call).filter(|key| self.calls.is_open(key)) else { return Ok(()) };
        let observed = ObservedCall { arguments, callback: None, returned: Some(data) };
        self.apply(call, key, (call.function.before)(&observed))
    }

    /// Sets the entry of a call to what its function was called with: what the copy has may be a value that
    /// Lua cannot read, and then the function would not be called.
    fn prepare_callback(
        &self,
        call: &HostCall<'_>,
        arguments: &[RecordedValue],
        seen: &[RecordedValue],
    ) -> mlua::Result<()> {
        let Some(key) = entry_key(call).filter(|key| self.calls.is_open(key)) else { return Ok(()) };
        let observed = ObservedCall { arguments, callback: Some(seen), returned: None };
        self.apply(call, key, (call.function.before)(&observed))
    }

    /// Sets an entry of the copy to the value that a call proves.
    fn apply(&self, call: &HostCall<'_>, key: Key, proof: Proof) -> mlua::Result<()> {
        match proof {
            Proof::Unknown => Ok(()),
            Proof::Absent => self.put_value(call, key, &RecordedValue::Nil),
            Proof::Value(value) => self.put_value(call, key, &value),
            Proof::AbsentOr(value) if self.holds(call, self.entry(&key)?.as_ref(), &value)? => Ok(()),
            Proof::AbsentOr(_) => self.put_value(call, key, &RecordedValue::Nil),
        }
    }

    /// Whether an entry of the copy, `found`, has a value, also as untyped text.
    fn holds(&self, call: &HostCall<'_>, found: Option<&Entry>, value: &RecordedValue) -> mlua::Result<bool> {
        if self.present(call, found)? == *value {
            return Ok(true);
        }
        let Some(entry) = found.filter(|entry| entry.stored_type.is_none()) else { return Ok(false) };
        // Nil is not a stored value.
        Ok(to_stored(call.lua, &value.to_lua(call.lua)?, "value").is_ok_and(|value| entry.equals(&value)))
    }

    /// An entry of the copy as a script sees it; nil if it does not exist.
    fn present(&self, call: &HostCall<'_>, found: Option<&Entry>) -> mlua::Result<RecordedValue> {
        let Some(entry) = found else { return Ok(RecordedValue::Nil) };
        let value = match call.function.default {
            Some(index) => {
                typed_read::value(entry, call.arguments.get(index).unwrap_or(&Value::Nil), call.reading)
            }
            None => entry.value(),
        };
        Ok(RecordedValue::of(&to_lua_or_digits(call.lua, &value)?))
    }

    fn entry(&self, key: &Key) -> mlua::Result<Option<Entry>> {
        self.store.get(key).map_err(mlua::Error::external)
    }

    /// Sets the copy to its state after a call, as far as the answer shows it.
    fn adopt(&self, call: &HostCall<'_>, arguments: &[RecordedValue], answer: &Answer) -> mlua::Result<()> {
        let (Some(key), Some(data)) = (entry_key(call), answer.values()) else { return Ok(()) };
        // A transaction buffers its changes until it ends.
        if self.calls.0.borrow().transactions() > 0 {
            return Ok(());
        }
        let observed = ObservedCall { arguments, callback: None, returned: Some(data) };
        self.apply(call, key, (call.function.after)(&observed))
    }

    /// Writes a value to the copy, unless it has it already; nil deletes.
    fn put_value(&self, call: &HostCall<'_>, key: Key, value: &RecordedValue) -> mlua::Result<()> {
        let found = self.entry(&key)?;
        if self.holds(call, found.as_ref(), value)? {
            return Ok(());
        }
        let is_untyped = found.is_some_and(|entry| entry.stored_type.is_none());
        let transaction = match value.to_lua(call.lua)? {
            Value::Nil => Transaction::delete(key),
            value => match (to_stored(call.lua, &value, "value"), is_untyped) {
                // Text that another program writes stays text.
                (Ok(value), true) if value.value_type() != Type::Table => {
                    Transaction::put(key, crate::store::Value::String(value.to_stored()), Expiry::Keep)
                }
                (Ok(value), _) => Transaction::put(key, value, Expiry::Keep),
                (Err(_), _) => return Ok(()),
            },
        };
        self.store.commit(&transaction).map_err(mlua::Error::external)?;
        Ok(())
    }

    /// Replays a wait for others, who do not run now: the function of the script gets the recorded arguments.
    fn wait(
        &self,
        call: &HostCall<'_>,
        arguments: &[RecordedValue],
        work: Work<'_>,
    ) -> mlua::Result<MultiValue> {
        loop {
            match self.peek() {
                Some(Record { what: RecordKind::Callback { .. }, .. }) => {
                    let Some(Value::Function(function)) = call.arguments.get(1) else { break };
                    let none = MultiValue::new();
                    self.calls.begin(call, false);
                    let call_back = Callback { function, arguments: &none, protected: false };
                    let called = self.call_back(call.lua, &call_back);
                    self.calls.end();
                    if called.is_err() {
                        self.end_of_call();
                        return called;
                    }
                }
                Some(Record { what: RecordKind::End { .. }, .. }) => {
                    let Some(answer) = self.end_of_call() else { break };
                    self.adopt(call, arguments, &answer)?;
                    return self.play(call, &answer);
                }
                None => {
                    self.run_out();
                    break;
                }
                _ => break,
            }
        }
        if self.is_over() {
            return Err(WhatIfBoundary::over());
        }
        self.work(call, work)
    }

    /// Releases a lock that is about to be acquired: its holder had lost it.
    fn free_lock(&self, call: &HostCall<'_>) -> Result<(), StoreError> {
        if let Some(Value::String(name)) = call.arguments.front()
            && let Some(lock) = self.store.lock(&name.to_string_lossy())?
        {
            self.store.release(&lock.name, lock.token)?;
        }
        Ok(())
    }
}

/// The key that a call of the state is about.
fn entry_key(call: &HostCall<'_>) -> Option<Key> {
    match call.arguments.front().filter(|_| call.function.target == CallTarget::Entry) {
        Some(Value::String(text)) => Key::new(&text.to_str().ok()?).ok(),
        _ => None,
    }
}

fn is_lock(call: &HostCall<'_>) -> bool {
    call.function.target == CallTarget::Lock
}

/// Whether a call with this answer may have changed something.
fn may_have_changed(call: &HostCall<'_>, arguments: &[RecordedValue], answer: &Answer) -> bool {
    match answer {
        Answer::CallbackReturned | Answer::CallbackRaised(_) => true,
        Answer::Raised(_) | Answer::Stopped(_) => false,
        Answer::Returned(data) | Answer::Default(data) => {
            let observed = ObservedCall { arguments, callback: None, returned: Some(data) };
            (call.function.changed)(&observed)
        }
    }
}

/// The key that an argument or a field of an answer names.
pub(in crate::workflow::replay) fn recorded_key(value: &RecordedValue) -> Option<Key> {
    let RecordedValue::Text(text) = value else { return None };
    Key::new(std::str::from_utf8(text).ok()?).ok()
}

//! Atomic changes that depend on the current value.

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::boundary::CommitFate;
use crate::lua::call::{Call, Native, to_lua};
use crate::lua::convert;
use crate::lua::error::CallError;
use crate::lua::host_function::{CallbackKind, HostFunction, ObservedCall, Proof};
use crate::lua::recorded_value::RecordedValue;
use crate::store::{
    Condition, Edit, EditOutcome, Entry, ErrorKind, Expiry, Number, StoreError, Transaction, Value,
};

const INCREMENT: Native = Native::new(
    HostFunction::writes("state.increment")
        .before(|call| before_sum(call, i64::checked_sub))
        .after(after_sum),
    increment,
);
const COMPARE_SWAP: Native = Native::new(
    HostFunction::writes("state.compare_swap")
        .changed_if(|call| !call.is_false())
        .before(|call| if call.is_true() { Proof::value(call.argument(1)) } else { Proof::Unknown }),
    compare_swap,
);
const UPDATE: Native = Native::new(
    HostFunction::writes("state.update").returns(CallbackKind::Plain).before(|call| {
        call.callback.and_then(<[_]>::first).map_or(Proof::Unknown, |value| Proof::value(value.clone()))
    }),
    update,
);

pub(super) static FUNCTIONS: [Native; 8] = [
    INCREMENT,
    INCREMENT.alias("state.atomic_increment", 3),
    Native::new(
        HostFunction::writes("state.decrement")
            .before(|call| before_sum(call, i64::checked_add))
            .after(after_sum),
        decrement,
    ),
    Native::new(HostFunction::writes("state.append"), append),
    COMPARE_SWAP,
    COMPARE_SWAP.alias("state.compare_and_swap", 3),
    UPDATE,
    UPDATE.alias("state.atomic_update", 3),
];

/// The number before an addition, which `undo` calculates from the sum and the step. An entry that did not
/// exist counts as 0.
fn before_sum(call: &ObservedCall<'_>, undo: fn(i64, i64) -> Option<i64>) -> Proof {
    let step = match call.argument(1) {
        RecordedValue::Nil => 1,
        RecordedValue::Integer(step) => step,
        _ => return Proof::Unknown,
    };
    match call.result() {
        Some(RecordedValue::Integer(sum)) => match undo(*sum, step) {
            None => Proof::Unknown,
            Some(0) => Proof::AbsentOr(RecordedValue::Integer(0)),
            Some(before) => Proof::Value(RecordedValue::Integer(before)),
        },
        _ => Proof::Unknown,
    }
}

fn after_sum(call: &ObservedCall<'_>) -> Proof {
    call.result().map_or(Proof::Unknown, |sum| Proof::value(sum.clone()))
}

/// `state.increment(key[, n])`: the new number; beyond 2^53 the text of its digits.
fn increment(call: &Call) -> Result<MultiValue, CallError> {
    add(call, Some)
}

/// `state.decrement(key[, n])`: the new number; beyond 2^53 the text of its digits.
fn decrement(call: &Call) -> Result<MultiValue, CallError> {
    add(call, Number::negated)
}

fn add(call: &Call, sign: fn(Number) -> Option<Number>) -> Result<MultiValue, CallError> {
    let step = if call.is_nil(1) { Number::Integer(1) } else { call.number(1, "step")? };
    let step = sign(step).ok_or_else(|| CallError::usage("the step does not fit into 64 bits"))?;
    let edited = edit(call, &Edit::Increment(step))?;
    // The store keeps a number that another program wrote as text; a script sees a number.
    match &edited.value {
        Some(Value::String(text)) => match Number::written(text) {
            Some(number) => call.answer(convert::to_lua_or_digits(call.lua, &Value::number(number))?),
            None => call.answer(LuaValue::Nil),
        },
        Some(value) => call.answer(convert::to_lua_or_digits(call.lua, value)?),
        None => call.answer(LuaValue::Nil),
    }
}

/// `state.append(key, text)`: the new length in bytes.
fn append(call: &Call) -> Result<MultiValue, CallError> {
    let tail = match call.value(1) {
        LuaValue::String(text) => text.as_bytes().to_vec(),
        number @ (LuaValue::Integer(_) | LuaValue::Number(_)) => number.to_string()?.into_bytes(),
        _ => call.text(1, "text")?.into_bytes(),
    };
    let edited = edit(call, &Edit::Append(tail))?;
    call.answer(edited.value.map(|value| value.to_stored().len()))
}

pub(super) fn edit(call: &Call, edit: &Edit) -> Result<EditOutcome, CallError> {
    Ok(call.context.store().edit(&call.key()?, edit)?)
}

/// `state.compare_swap(key, old, new)`: whether the value was `old` and is `new` now. An `old`
/// of nil means that there must be no entry. The expiry is kept.
fn compare_swap(call: &Call) -> Result<MultiValue, CallError> {
    let key = call.key()?;
    let condition = match call.value(1) {
        LuaValue::Nil => Condition::Absent(key.clone()),
        old => Condition::Equals(key.clone(), convert::to_stored(call.lua, old, "old")?),
    };
    let transaction = Transaction::put(key, call.stored(2)?, Expiry::Keep).when(condition);
    call.answer(call.context.store().commit(&transaction)?.is_committed())
}

/// `state.update(key, fn)`: the new value. `fn` gets the current value, or nil, and is called again if others
/// changed it meanwhile. The expiry is kept.
///
/// An update of the key that is being updated is refused: the outer one would find its entry changed each
/// time, and both would retry until they give up. Updates of other keys share their attempts.
fn update(call: &Call) -> Result<MultiValue, CallError> {
    const ATTEMPTS: u32 = 100;
    let key = call.key()?;
    let function = call.function(1, "function")?;
    let Some(_inside) = call.context.scope.update(&key) else {
        return Err(CallError::usage(
            "this is inside the function of another update of the same key; that function returns the new value",
        ));
    };
    let store = call.context.store();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 && !call.context.scope.may_retry() {
            break;
        }
        let found = store.get(&key)?;
        let spelled = found.as_ref().map(|entry| call.spelled(entry));
        let present = match &spelled {
            Some(value) => to_lua(call.lua, value)?,
            None => LuaValue::Nil,
        };
        let new = call.call_back(function, &present)?.pop_front().unwrap_or(LuaValue::Nil);
        if new.is_nil() {
            return Err(CallError::usage("the function returned nil; it must return the new value"));
        }
        let value = convert::to_stored_over(call.lua, &new, "value", spelled.as_ref())?;
        let mut transaction = match &found {
            // Unchanged untyped text stays untyped.
            Some(entry) if spelled.as_ref() == Some(&value) && entry.stored_type.is_none() => {
                Transaction::put(key.clone(), Value::String(entry.stored.clone()), Expiry::Keep)
            }
            _ => Transaction::put(key.clone(), value, Expiry::Keep),
        };
        match call.context.boundary.commit_fate() {
            Some(CommitFate::Retry) => continue,
            Some(CommitFate::Done) => {}
            Some(CommitFate::Refused) => break,
            None => transaction = transaction.when(unchanged(call, found)?),
        }
        if store.commit(&transaction)?.is_committed() {
            return call.answer(new);
        }
    }
    Err(StoreError::from(ErrorKind::Contended { key, attempts: ATTEMPTS }).into())
}

/// The condition that the entry is still what was `found`.
pub(super) fn unchanged(call: &Call, found: Option<Entry>) -> Result<Condition, CallError> {
    Ok(match found {
        Some(entry) => Condition::Unchanged(Box::new(entry)),
        None => Condition::Absent(call.key()?),
    })
}

//! Waiting for changes of others, and rate limits.

use std::time::Duration;

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::call::{Call, Native, to_lua};
use crate::lua::convert;
use crate::lua::error::CallError;
use crate::lua::host_function::{CallbackKind, HostFunction, Proof};
use crate::lua::recorded_value::RecordedValue;
use crate::lua::state::atomic::unchanged;
use crate::store::{Condition, Entry, ErrorKind, Expiry, Number, StoreError, Transaction, Value};

pub(super) static FUNCTIONS: [Native; 2] = [
    Native::new(
        HostFunction::waits("state.wait").calls(CallbackKind::Plain).after(|call| match call.result() {
            Some(value) if *value != RecordedValue::Nil => Proof::Value(value.clone()),
            _ => Proof::Unknown,
        }),
        wait,
    ),
    Native::new(HostFunction::writes("state.rate_limit").changed_if(|call| !call.is_false()), rate_limit),
];

/// `state.wait(key, predicate or value, seconds)`: the value once it holds, or nil and "timeout". The
/// predicate gets the current value, or nil.
fn wait(call: &Call) -> Result<MultiValue, CallError> {
    // Most changes come soon; a long wait polls less often.
    const FIRST_INTERVAL: Duration = Duration::from_millis(5);
    const LATER_INTERVAL: Duration = Duration::from_millis(15);
    const FIRST_PERIOD: Duration = Duration::from_secs(1);
    // An entry can expire without a change.
    const EXPIRY_INTERVAL: Duration = Duration::from_millis(200);
    if call.context.scope.overlay().is_some() {
        return Err(CallError::usage(
            "inside state.transaction, which sees nothing of what others write: wait before the transaction",
        ));
    }
    let key = call.key()?;
    let wanted = match call.value(1) {
        LuaValue::Function(_) => None,
        LuaValue::Nil => {
            return Err(CallError::usage(
                "what to wait for is missing: a value, or a function that tests one",
            ));
        }
        value => Some(convert::to_stored(call.lua, value, "value")?),
    };
    let patience = call.seconds(2, "time to wait")?;
    let (store, host) = (call.context.store(), &call.context.host);
    let start = host.elapsed();
    let mut last = None;
    let mut last_news = start;
    loop {
        let now = host.elapsed();
        let overdue = last.is_none_or(|last| now.saturating_sub(last) >= EXPIRY_INTERVAL);
        let news = store.poll_changes()?;
        if news {
            last_news = now;
        }
        if news || overdue {
            last = Some(now);
            let found = store.get(&key)?;
            // An entry that equals what is waited for is that value, of whatever type it is stored.
            let present = match (&found, &wanted) {
                (Some(entry), Some(wanted)) if entry.equals(wanted) => {
                    return call.answer_value(wanted);
                }
                (Some(entry), _) => to_lua(call.lua, &call.spelled(entry))?,
                (None, _) => LuaValue::Nil,
            };
            let holds = match &wanted {
                Some(_) => false,
                None => {
                    let answer = call.call_back(call.function(1, "predicate")?, &present)?;
                    !matches!(answer.front(), None | Some(LuaValue::Nil | LuaValue::Boolean(false)))
                }
            };
            if holds {
                return call.answer(present);
            }
        }
        if now.saturating_sub(start) >= patience {
            return call.answer((LuaValue::Nil, "timeout"));
        }
        call.pause(if now.saturating_sub(last_news) < FIRST_PERIOD {
            FIRST_INTERVAL
        } else {
            LATER_INTERVAL
        })?;
    }
}

/// `state.rate_limit(key, max, window_seconds)`: whether one more is allowed, how many remain,
/// and the seconds until the window ends. The entry counts the present window and expires with it.
fn rate_limit(call: &Call) -> Result<MultiValue, CallError> {
    const ATTEMPTS: u32 = 100;
    let key = call.key()?;
    let most = match call.number(1, "max")? {
        Number::Integer(most) if most >= 0 => most,
        _ => return Err(CallError::usage("max must be a whole number that is not negative")),
    };
    let window = call.positive_seconds(2, "window")?;
    let store = call.context.store();
    for _ in 0..ATTEMPTS {
        let now = store.clock().now();
        // A count that never ends is none: somebody removed its expiry. One that ends after more than
        // a window is of another window, or the clock was set back.
        let found = store.get(&key)?;
        let left = |entry: &Entry| entry.time_to_live(now);
        let running = found.as_ref().filter(|entry| left(entry).is_some_and(|left| left <= window));
        let used = match running.map(|entry| call.spelled(entry)) {
            None => 0,
            Some(Value::Number(number)) if let Number::Integer(used) = number.number() => used,
            Some(other) => {
                let text = format!("this is a {}, not the count of a rate limit", other.value_type());
                return Err(CallError::usage(text));
            }
        };
        let left = running.and_then(left).unwrap_or(window);
        if used >= most {
            return call.answer((false, 0, left.as_secs_f64()));
        }
        let expiry = if running.is_some() { Expiry::Keep } else { Expiry::After(window) };
        let condition: Condition = unchanged(call, found)?;
        let transaction = Transaction::put(key.clone(), Value::integer(used + 1), expiry).when(condition);
        if store.commit(&transaction)?.is_committed() {
            return call.answer((true, most - used - 1, left.as_secs_f64()));
        }
    }
    Err(StoreError::from(ErrorKind::Contended { key, attempts: ATTEMPTS }).into())
}

//! The expiry of entries.

use mlua::MultiValue;

use crate::lua::call::{Call, Native};
use crate::lua::error::CallError;
use crate::lua::host_function::HostFunction;
use crate::store::{Condition, Expiry, Operation, Outcome, Transaction};

const GET_TTL: Native = Native::new(HostFunction::reads("state.get_ttl"), get_ttl);

pub(super) static FUNCTIONS: [Native; 4] = [
    Native::new(HostFunction::writes("state.set_ttl").changed_if(|call| !call.is_false()), set_ttl),
    GET_TTL,
    GET_TTL.alias("state.ttl", 1),
    Native::new(HostFunction::writes("state.persist").changed_if(|call| !call.is_false()), persist),
];

/// `state.set_ttl(key, seconds)`: whether there is such an entry.
fn set_ttl(call: &Call) -> Result<MultiValue, CallError> {
    let expiry = Expiry::After(call.positive_seconds(1, "ttl")?);
    change(call, expiry)
}

/// `state.persist(key)`: whether the entry exists; it no longer expires.
fn persist(call: &Call) -> Result<MultiValue, CallError> {
    change(call, Expiry::Clear)
}

fn change(call: &Call, expiry: Expiry) -> Result<MultiValue, CallError> {
    let key = call.key()?;
    let operation = Operation::SetExpiry { key: key.clone(), expiry };
    let transaction = Transaction::of(operation).when(Condition::Exists(key));
    let outcome = call.context.store().commit(&transaction)?;
    call.answer(matches!(outcome, Outcome::Committed { .. }))
}

/// `state.get_ttl(key)`: whole seconds left, rounded up; -1 without an expiry, -2 without an entry.
fn get_ttl(call: &Call) -> Result<MultiValue, CallError> {
    let store = call.context.store();
    let Some(entry) = store.get_prefix(&call.key()?, 0)? else { return call.answer(-2) };
    match entry.time_to_live(store.clock().now()) {
        Some(left) => call.answer(left.as_secs_f64().ceil()),
        None => call.answer(-1),
    }
}

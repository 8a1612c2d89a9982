//! Lists: tables that are changed at their end.

use mlua::{MultiValue, Value as LuaValue};

use super::atomic::edit;
use crate::lua::call::{Call, Native};
use crate::lua::convert;
use crate::lua::error::CallError;
use crate::lua::host_function::HostFunction;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Edit, Value};

pub(super) static FUNCTIONS: [Native; 3] = [
    Native::new(HostFunction::writes("state.list_push"), list_push),
    Native::new(
        HostFunction::writes("state.list_pop").changed_if(|call| call.result() != Some(&RecordedValue::Nil)),
        list_pop,
    ),
    Native::new(HostFunction::reads("state.list_length"), list_length),
];

/// `state.list_push(key, item)`: the new length.
fn list_push(call: &Call) -> Result<MultiValue, CallError> {
    if call.is_nil(1) {
        return Err(CallError::usage("the item is nil, which a list cannot hold"));
    }
    let item = convert::to_json(call.lua, call.value(1), "item")?;
    let edited = edit(call, &Edit::ListPush(item))?;
    call.answer(edited.value.as_ref().and_then(length))
}

/// `state.list_pop(key)`: the last item, or nil.
fn list_pop(call: &Call) -> Result<MultiValue, CallError> {
    let edited = edit(call, &Edit::ListPop)?;
    match edited.popped {
        Some(item) => call.answer(convert::json_to_lua(call.lua, &item)?),
        None => call.answer(LuaValue::Nil),
    }
}

/// `state.list_length(key)`: 0 where there is none.
fn list_length(call: &Call) -> Result<MultiValue, CallError> {
    let Some(entry) = call.context.store().get(&call.key()?)? else { return call.answer(0) };
    let value = call.spelled(&entry);
    match length(&value) {
        Some(length) => call.answer(length),
        None => Err(CallError::usage(format!("this is a {}, not a list", value.value_type()))),
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Table(json) => json.length(),
        _ => None,
    }
}

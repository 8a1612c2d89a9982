//! Entries by the names that Sloth Runner's documentation has for them: many at once, and whether one differs.

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::call::{Call, Native};
use crate::lua::convert;
use crate::lua::error::CallError;
use crate::lua::host_function::{CallTarget, HostFunction, Proof};
use crate::lua::state::entries::each_key;

const LIST: Native = Native::new(HostFunction::reads("state.list").about(CallTarget::Entries).since(3), list);

pub(super) static FUNCTIONS: [Native; 3] = [
    LIST,
    LIST.alias("state.get_all", 3),
    Native::new(
        HostFunction::reads("state.changed").since(3).before(|call| match call.argument(1) {
            value if call.is_false() => Proof::value(value),
            _ => Proof::Unknown,
        }),
        changed,
    ),
];

/// `state.list([glob or prefix])`: a table of what `state.keys` lists for the same pattern, key → value.
fn list(call: &Call) -> Result<MultiValue, CallError> {
    let pattern = call.pattern(0)?;
    let table = call.lua.create_table()?;
    let store = call.context.store();
    each_key(call, &pattern, |keys| {
        for key in keys {
            // An entry may have been deleted since its page was read.
            if let Some(text) = key.as_str()
                && let Some(entry) = store.get(key)?
            {
                table.raw_set(text, convert::to_lua_or_digits(call.lua, &entry.value())?)?;
            }
        }
        Ok(())
    })?;
    call.answer(table)
}

/// `state.changed(key, value)`: true if the entry has a different value or does not exist. Writes nothing.
/// With nil: true if the entry exists.
fn changed(call: &Call) -> Result<MultiValue, CallError> {
    let found = call.context.store().get(&call.key()?)?;
    let differs = match (found, call.value(1)) {
        (found, LuaValue::Nil) => found.is_some(),
        (None, _) => true,
        (Some(entry), value) => !entry.equals(&convert::to_stored(call.lua, value, "value")?),
    };
    call.answer(differs)
}

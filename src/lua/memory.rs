//! Memory: what the program holds for its scripts, in Lua and outside.
//!
//! Lua's own allocator refuses more than the limit of the run. What scripts make the program hold besides (writes of a
//! transaction, records, arguments, results, outputs of commands) is counted by the allocator of the program.

use std::alloc::System;
use std::rc::Rc;

use cap::Cap;
use mlua::{Lua, MultiValue, Value};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// How much more than its limit a run may hold, in bytes, since the program needs memory of its own.
pub const ALLOWANCE: usize = 32 << 20;

/// How many bytes the program has allocated: those of Lua, but not those of SQLite.
pub fn allocated() -> usize {
    ALLOCATOR.allocated()
}

/// Lua's message when its memory is used up.
pub const OUT_OF_MEMORY: &str = "not enough memory";

/// How many copies the program makes of a text that is an argument: the value, and an operation with it.
const COPIES: usize = 2;

/// The limit of an interpreter.
#[derive(Clone)]
struct ScriptMemory {
    limit: usize,
    /// Fails if the program must not hold as many bytes more.
    reserve: Rc<dyn Fn(usize) -> mlua::Result<()>>,
}

/// Notes the memory limit of an interpreter in bytes, and how to ask for memory outside of it.
pub(super) fn set_limit(lua: &Lua, limit: usize, reserve: impl Fn(usize) -> mlua::Result<()> + 'static) {
    lua.set_app_data(ScriptMemory { limit, reserve: Rc::new(reserve) });
}

/// How large a text may be that is made of values of this interpreter, in bytes: Lua could not hold a larger one.
pub fn largest_text(lua: &Lua) -> usize {
    lua.app_data_ref::<ScriptMemory>().map_or(usize::MAX, |memory| memory.limit)
}

/// Asks for as many bytes that the program is about to hold for the script.
///
/// # Errors
/// The script must stop: that would exceed the limit of memory.
pub fn reserve(lua: &Lua, bytes: usize) -> mlua::Result<()> {
    let memory = lua.app_data_ref::<ScriptMemory>().map(|memory| memory.clone());
    memory.map_or(Ok(()), |memory| (memory.reserve)(bytes))
}

/// As [`reserve`], for the texts in the arguments of a call.
///
/// # Errors
/// As [`reserve`].
pub(super) fn reserve_arguments(lua: &Lua, arguments: &MultiValue) -> mlua::Result<()> {
    let texts = arguments.iter().map(|value| match value {
        Value::String(text) => text.as_bytes().len(),
        _ => 0,
    });
    reserve(lua, texts.sum::<usize>().saturating_mul(COPIES))
}

/// The error of Lua where its memory is used up.
pub(super) fn exhausted() -> mlua::Error {
    mlua::Error::MemoryError(OUT_OF_MEMORY.into())
}

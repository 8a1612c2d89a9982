//! The sandbox: scripts have the language, strings, tables and mathematics; everything of the machine goes
//! through the host.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use crate::lua::arguments::Arguments;
use crate::lua::boundary::{HostCall, outside};
use crate::lua::convert::double;
use crate::lua::error::{raise, raised};
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::key_order::{self, ObjectNumbers};
use crate::lua::load_functions;
use crate::lua::recorded_value::{RecordedValue, order};
use crate::lua::sealed_table::seal;
use crate::lua::{ScriptContext, Stop};
use crate::lua::{object_text, patterns, raised_value, string_format};

static SLEEP: HostFunction = HostFunction::waits("sleep").about(CallTarget::Machine);
static COLLECTGARBAGE: HostFunction = HostFunction::reads("collectgarbage").about(CallTarget::Machine);
static RANDOM: HostFunction = HostFunction::reads("math.random").about(CallTarget::Machine);
static RANDOMSEED: HostFunction = HostFunction::reads("math.randomseed").about(CallTarget::Machine);

/// The functions of the language that call the host.
pub(super) static FUNCTIONS: [&HostFunction; 4] = [&SLEEP, &COLLECTGARBAGE, &RANDOM, &RANDOMSEED];

/// An interpreter with the safe part of the standard library, and at most `memory` bytes.
pub(super) fn interpreter(memory: usize) -> mlua::Result<Lua> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    lua.set_memory_limit(memory)?;
    Ok(lua)
}

/// Removes access to the machine, and adds what goes through the host. `variants` are variants of our
/// functions; the result is the function that a rewritten source calls to choose one.
pub(super) fn close(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    state: &Table,
    variants: &Table,
) -> mlua::Result<Function> {
    let globals = lua.globals();
    if context.polls_long_calls() {
        patterns::install(lua, &context.limits)?;
    }
    let variant_of = prelude(lua, context, state, variants)?;
    globals.raw_set("sleep", sleep(lua, context)?)?;
    globals.raw_set("os", super::time::table(lua, context)?)?;
    globals.raw_set("collectgarbage", outside(lua, context, &COLLECTGARBAGE, collect)?)?;
    random(lua, context)?;
    if context.shows_raised_values() {
        string_format::replace(lua, &globals.raw_get("string")?, &globals.raw_get("tostring")?)?;
    }
    globals.get::<Table>("string")?.raw_set("dump", Value::Nil)?;
    // A finalizer would run outside of the limits.
    for name in ["newproxy", "module", "gcinfo", "package"] {
        globals.raw_set(name, Value::Nil)?;
    }
    for (name, instead) in [("dofile", "require"), ("loadfile", "require")] {
        let gone = move |lua: &Lua, _: MultiValue| -> mlua::Result<()> {
            Err(raise(
                lua,
                format!(
                    "{name} is not available to workflows; give the file with --require FILE and call {instead}(\"FILE without .lua\")"
                ),
            ))
        };
        globals.raw_set(name, lua.create_function(gone)?)?;
    }
    for module in ["io", "debug", "package"] {
        let why = move |name: &str| format!("{module}.{name} is not available to workflows");
        globals.raw_set(module, seal(lua, lua.create_table()?, why)?)?;
    }
    Ok(variant_of)
}

fn prelude(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    state: &Table,
    variants: &Table,
) -> mlua::Result<Function> {
    let host = lua.create_table()?;
    let limits = Rc::clone(&context.limits);
    host.raw_set(
        "check",
        lua.create_function(move |_, ()| match limits.stop() {
            Some(stop) => Err(mlua::Error::external(stop)),
            None => Ok(()),
        })?,
    )?;
    let limits = Rc::clone(&context.limits);
    host.raw_set("stopping", lua.create_function(move |_, ()| Ok(limits.stop().is_some()))?)?;
    let shared = Rc::clone(context);
    let text_of = move |lua: &Lua, value: Value| {
        let text = match &value {
            Value::Error(_) => Some(raised(&value)),
            Value::String(text) => {
                let text = text.to_string_lossy();
                let public = if shared.shows_raised_values() { raised_value::public(&text) } else { None };
                public.or_else(|| shared.mismatches.explain(&text))
            }
            _ => None,
        };
        text.map_or(Ok(value), |text| Ok(Value::String(lua.create_string(text)?)))
    };
    let text_of = lua.create_function(text_of)?;
    let shared = Rc::clone(context);
    let poll = lua.create_function(move |lua, ()| shared.poll_before_long_call(lua))?;
    load_functions::replace(lua, &lua.globals(), &host.raw_get("check")?, &text_of, &poll)?;
    host.raw_set("text_of", text_of)?;
    let numbers = ObjectNumbers::new(lua)?;
    if context.orders_objects() {
        host.raw_set("kind_of_keys", key_order::kind_function(lua)?)?;
        let (numbers, shared) = (numbers.clone(), Rc::clone(context));
        let keys = move |lua: &Lua, table: Table| {
            shared.poll_before_long_call(lua)?;
            numbers.ordered_keys(lua, &table)
        };
        host.raw_set("sorted_keys", lua.create_function(keys)?)?;
    } else {
        host.raw_set("sorted_keys", lua.create_function(|_, table: Table| sorted_keys(&table))?)?;
    }
    host.raw_set("state", state)?;
    host.raw_set("variants", variants)?;
    lua.load(include_str!("prelude.lua")).set_name("=[slothstate]").call::<()>(&host)?;
    if context.orders_objects() {
        numbers.add_functions(&lua.globals())?;
    }
    object_text::keep_tostring(lua, &lua.globals().raw_get("tostring")?)?;
    host.raw_get("variant_of")
}

/// The keys of a table in an order that depends only on its content, as up to format 4 of recordings. Keys that
/// differ only by identity are in any order.
fn sorted_keys(table: &Table) -> mlua::Result<Vec<Value>> {
    let mut rows = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        rows.push((RecordedValue::of(&key), RecordedValue::of(&value), key));
    }
    rows.sort_by(|left, right| order(&left.0, &right.0).then_with(|| order(&left.1, &right.1)));
    Ok(rows.into_iter().map(|(_, _, key)| key).collect())
}

/// `collectgarbage([what])`: how much memory is in use, in kilobytes, for "count"; anything else
/// collects.
fn collect(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    let arguments = Arguments::new(lua, "collectgarbage", &arguments);
    let what = arguments.optional_text(0)?.map_or("collect".into(), |what| what.to_string_lossy());
    match what.as_str() {
        "count" => return Ok(Value::Number(lua.used_memory() as f64 / 1024.0)),
        "collect" | "step" | "stop" | "restart" | "setpause" | "setstepmul" => lua.gc_collect()?,
        other => {
            let why = format!("invalid option '{}'", crate::text::escape::escape(other.as_bytes()));
            return Err(arguments.wrong(0, &why));
        }
    }
    // A step is a whole cycle.
    Ok(if what == "step" { Value::Boolean(true) } else { Value::Number(0.0) })
}

/// Whether a call collects what is not used any more.
pub fn collects(call: &HostCall<'_>) -> bool {
    call.function.name == COLLECTGARBAGE.name
        && !matches!(call.arguments.front(), Some(Value::String(what)) if what == "count")
}

fn sleep(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<mlua::Function> {
    let shared = Rc::clone(context);
    outside(lua, context, &SLEEP, move |lua, seconds: Value| {
        let time = double(&seconds).and_then(super::call::duration);
        let time =
            time.ok_or_else(|| raise(lua, "sleep: the time must be a number of seconds, 0 or more"))?;
        shared.limits.pause(time).map_err(|stop: Stop| mlua::Error::external(stop))
    })
}

/// `math.random` and `math.randomseed`, the same for the same seed on every machine.
fn random(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<()> {
    let math: Table = lua.globals().get("math")?;
    // Seeded at the first use: a run without random numbers does not ask the host.
    let generator: Rc<RefCell<Option<fastrand::Rng>>> = Rc::default();
    let (host, shared) = (Rc::clone(&context.host), Rc::clone(&generator));
    let draw = move |lua: &Lua, values: MultiValue| {
        let arguments = Arguments::new(lua, "random", &values);
        let mut generator = shared.borrow_mut();
        let generator = generator.get_or_insert_with(|| fastrand::Rng::with_seed(host.seed()));
        let (low, high) = match arguments.len() {
            0 => return Ok(Value::Number(generator.f64())),
            1 => (1, arguments.integer(0)?),
            2 => (arguments.integer(0)?, arguments.integer(1)?),
            _ => return Err(raise(lua, "wrong number of arguments")),
        };
        if low > high {
            return Err(arguments.wrong(arguments.len() - 1, "interval is empty"));
        }
        Ok(Value::Integer(generator.i64(low..=high)))
    };
    math.raw_set("random", outside(lua, context, &RANDOM, draw)?)?;
    let reseed = move |lua: &Lua, values: MultiValue| {
        let seed = Arguments::new(lua, "randomseed", &values).number(0)?;
        *generator.borrow_mut() = Some(fastrand::Rng::with_seed(seed.to_bits()));
        Ok(())
    };
    math.raw_set("randomseed", outside(lua, context, &RANDOMSEED, reseed)?)
}

//! The Lua that workflows are written in: the `state` module, the log, commands, the boundary to the machine,
//! and the limits of every script.
//!
//! It imports `store`, `supervisor` and the layers below them; it does not know tasks or recordings. A new
//! function is a body with its row beside it (`state`, `exec`, `log` …); `functions.rs` collects the rows,
//! and a test fails for a function without one.

mod arguments;
pub mod boundary;
mod call;
pub mod convert;
mod data_module;
pub mod error;
pub mod error_details;
pub mod exec;
pub mod functions;
pub mod held_locks;
pub mod host;
pub mod host_function;
mod key_order;
#[cfg(test)]
mod language_tests;
pub mod limits;
mod load_functions;
pub mod log;
pub mod memory;
pub mod object_text;
mod patterns;
mod pcall;
mod raised_value;
pub mod recorded_value;
pub mod sandbox;
mod sealed_table;
pub mod source;
mod state;
mod state_scope;
mod stop;
mod string_format;
mod table_origin;
#[cfg(test)]
mod tests;
mod time;
mod type_mismatch;
pub mod typed_read;
mod unknown_names;
mod value_digest;
pub mod workdir;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

pub use boundary::{Boundary, PassThrough};
pub use call::duration as seconds;
pub use held_locks::{HeldLocks, Losses, LostLock, StoreFactory, StuckGuard};
pub use host::{Host, SystemHost};
pub use limits::{Limits, Signal, StopSignal};
pub use log::LogLevel;
pub use sealed_table::seal;
pub use state_scope::{ScopeGuard, StateScope};
pub use stop::Stop;
pub use type_mismatch::Mismatches;

use self::error_details::{ErrorDetails, ScriptCall, script_calls};
use self::source::WrappedCall;
use self::typed_read::Reading;
use crate::store::Store;

/// The context that the scripts of one run share.
pub struct ScriptContext {
    pub scope: StateScope,
    /// The boundary that every call passes which leaves the script.
    pub boundary: Rc<dyn Boundary>,
    pub host: Rc<dyn Host>,
    pub limits: Rc<Limits>,
    pub locks: HeldLocks,
    /// The format of the recording that is made or played: scripts have the functions of that format.
    pub format: u32,
    /// The default name of the holder of locks.
    pub holder: String,
    /// Explains comparisons that fail because of the type of an entry.
    pub mismatches: Mismatches,
    #[allow(clippy::type_complexity)]
    pub log: Box<dyn Fn(LogLevel, &[u8])>,
}

impl ScriptContext {
    /// The state as the script sees it: inside a transaction, with its writes.
    pub fn store(&self) -> Rc<dyn Store> {
        self.scope.current()
    }

    /// Whether objects that are keys have an order of their own and weak tables keep their entries, as since
    /// format 5 of recordings.
    pub fn orders_objects(&self) -> bool {
        self.format >= 5
    }

    /// Whether long calls of C poll the limits, as since format 6 of recordings, which count polls.
    pub fn polls_long_calls(&self) -> bool {
        self.format >= 6
    }

    /// Polls before a call that may take long and does not leave the script.
    pub fn poll_before_long_call(&self, lua: &Lua) -> mlua::Result<()> {
        if self.polls_long_calls() { self.limits.poll(lua) } else { Ok(()) }
    }

    /// Whether errors show the values that were raised, and no names of the runtime, as since format 6 of
    /// recordings.
    pub fn shows_raised_values(&self) -> bool {
        self.format >= 6
    }

    /// The details of an error with this message, which was raised in `calls`.
    pub fn details(&self, message: &str, calls: &[ScriptCall]) -> ErrorDetails {
        let place = self.mismatches.place_in(message).or_else(|| Some(calls.first()?.place.clone()));
        let source = place.as_ref().and_then(|place| self.mismatches.source(&place.file));
        ErrorDetails::new(place, source.as_deref(), calls)
    }

    /// The details of the last stop: where the script was.
    pub fn details_of_stop(&self) -> ErrorDetails {
        let place = self.limits.stopped_at();
        let source = place.as_ref().and_then(|place| self.mismatches.source(&place.file));
        ErrorDetails::new(place, source.as_deref(), &[])
    }

    /// Whether the source of a script decides the types of its reads, as since format 3 of recordings.
    pub fn reads_sources(&self) -> bool {
        self.format >= 3
    }
}

/// The variant of `next` in the prelude for a source that only tests whether a table is empty.
const EMPTINESS_TEST: &str = "test";

/// An interpreter for the scripts of one run.
pub struct Runtime {
    pub lua: Lua,
    pub context: Rc<ScriptContext>,
    /// `exec.run`, also after a script has replaced it in the table.
    pub exec_run: Function,
    pcall: Function,
    xpcall: Function,
    /// The function that a rewritten source calls to choose a variant of another one.
    variant_of: Function,
    modules: Table,
}

/// Why a call of a script's code failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptError {
    /// It raised an error.
    Raised {
        /// The message, with the place if there is one.
        text: String,
        /// The functions of the script that were being called, the innermost first.
        calls: Vec<ScriptCall>,
    },
    Stopped(Stop),
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScriptError::Raised { text, .. } if text == error::OUT_OF_MEMORY => {
                f.write_str("it needs more memory than it may have (--memory MB)")
            }
            ScriptError::Raised { text, .. } => f.write_str(text),
            ScriptError::Stopped(stop) => stop.fmt(f),
        }
    }
}

impl From<mlua::Error> for ScriptError {
    fn from(error: mlua::Error) -> ScriptError {
        ScriptError::raised(error::message(&error))
    }
}

impl ScriptError {
    /// An error outside of the functions of the script.
    pub fn raised(text: impl Into<String>) -> ScriptError {
        ScriptError::Raised { text: text.into(), calls: Vec::new() }
    }

    /// The functions of the script that were being called, the innermost first.
    pub fn calls(&self) -> &[ScriptCall] {
        match self {
            ScriptError::Raised { calls, .. } => calls,
            ScriptError::Stopped(_) => &[],
        }
    }
}

impl Runtime {
    /// An interpreter that may use up to `memory_limit` bytes.
    ///
    /// # Errors
    /// Lua's own, if the memory is too small.
    pub fn new(context: Rc<ScriptContext>, memory_limit: usize) -> mlua::Result<Runtime> {
        let lua = sandbox::interpreter(memory_limit)?;
        let limits = Rc::clone(&context.limits);
        memory::set_limit(&lua, memory_limit, move |bytes| {
            limits.reserve(bytes).map_err(mlua::Error::external)
        });
        let pcall: Function = lua.globals().get("pcall")?;
        let xpcall: Function = lua.globals().get("xpcall")?;
        pcall::keep(&lua, &pcall)?;
        let state = state::install(&lua, &context)?;
        let log = log::install(&lua, &context)?;
        let exec = exec::install(&lua, &context)?;
        let exec_run = exec.raw_get("run")?;
        let data = if context.format >= 3 { Some(data_module::install(&lua, &context)?) } else { None };
        let variants = lua.create_table()?;
        state::add_variants(&lua, &context, &state, &variants)?;
        exec::add_variants(&lua, &context, &exec, &variants)?;
        let variant_of = sandbox::close(&lua, &context, &state, &variants)?;
        let modules = lua.create_table()?;
        let ours = [("state", state), ("log", log), ("exec", exec)];
        for (name, table) in ours.into_iter().chain(data.map(|data| ("data", data))) {
            modules.raw_set(name, &table)?;
            let (shown, is_suggested) = (table.clone(), context.shows_raised_values());
            let why = move |unknown: &str| match is_suggested {
                true => unknown_names::function(name, &shown, unknown),
                false => format!("{name}.{unknown} is unknown: there is no such function"),
            };
            sealed_table::seal(&lua, table, why)?;
        }
        let runtime = Runtime { lua, context, exec_run, pcall, xpcall, variant_of, modules };
        runtime.install_require()?;
        runtime.context.limits.watch(&runtime.lua)?;
        Ok(runtime)
    }

    /// Makes `value` a global, and the result of `require(name)`.
    pub fn provide(&self, name: &str, value: impl mlua::IntoLua) -> mlua::Result<()> {
        let value = value.into_lua(&self.lua)?;
        self.modules.raw_set(name, &value)?;
        self.lua.globals().raw_set(name, value)
    }

    /// Runs a script and returns its result. `file` is its name in errors.
    ///
    /// # Errors
    /// A syntax error or what the script raised, with file and line; or why it had to stop.
    pub fn run(&self, file: &Path, source: &[u8]) -> Result<Value, ScriptError> {
        // A `#!` line is not Lua; its line break stays, for the line numbers.
        let source = match source.strip_prefix(b"#") {
            Some(_) => &source[source.iter().position(|&byte| byte == b'\n').unwrap_or(source.len())..],
            None => source,
        };
        if source.starts_with(b"\x1b") {
            return Err(ScriptError::raised(format!(
                "{}: this is compiled code, not source text",
                file.display()
            )));
        }
        if self.context.reads_sources() {
            self.context.mismatches.add_source(&chunk_name(file)[1..], source);
        }
        let chunk = self.lua.load(source).set_name(chunk_name(file));
        let mut function = chunk.into_function().map_err(|error| {
            let text = error::message(&error);
            ScriptError::raised(match source::explain(&text, source) {
                Some(explanation) => format!("{text} ({explanation})"),
                None => text,
            })
        })?;
        if self.context.reads_sources() {
            function = self.rewritten(file, source).unwrap_or(function);
        }
        let mut values = self.call(&function, ())?;
        Ok(values.pop_front().unwrap_or(Value::Nil))
    }

    /// The script with its calls of variants, if there are any. `source` was compiled by Lua, so it is valid
    /// and not nested too deeply to be scanned.
    fn rewritten(&self, file: &Path, source: &[u8]) -> Option<Function> {
        let (get, run) = (state::GET.function.short_name(), exec::RUN.function.short_name());
        let scan = source::scan(source, &[get, run], &exec::FIELDS)?;
        let variant = |call: &source::SourceCall| match &source[call.name.0..call.name.1] {
            name if name == get.as_bytes() => Reading::variant_of(call),
            _ => call.is_read_by_fields.then_some(exec::READ_BY_FIELDS),
        };
        let tests = source::emptiness_tests(source);
        let wrapped: Vec<WrappedCall<'_>> = scan
            .calls
            .iter()
            .filter_map(|call| Some(WrappedCall { call, variant: variant(call)? }))
            .chain(tests.iter().map(|call| WrappedCall { call, variant: EMPTINESS_TEST }))
            .collect();
        if wrapped.is_empty() {
            return None;
        }
        let text = source::rewrite(source, &wrapped);
        // A source at one of Lua's limits, such as 60 upvalues of a function, stays unchanged.
        self.lua.load(text).set_name(chunk_name(file)).call(&self.variant_of).ok()
    }

    /// Runs a file given with `--require`; `require` returns its result under its name without extension.
    ///
    /// # Errors
    /// As [`Runtime::run`].
    pub fn run_module(&self, file: &Path, source: &[u8]) -> Result<(), ScriptError> {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        // Files with these names may be older than the built-in modules.
        let may_replace = matches!(stem.as_str(), "data" | "values");
        if !may_replace && self.modules.contains_key(stem.as_str())? {
            return Err(ScriptError::raised(format!("{}: there is a module {stem} already", file.display())));
        }
        let value = self.run(file, source)?;
        let value = if value.is_nil() { Value::Boolean(true) } else { value };
        Ok(self.modules.raw_set(stem, value)?)
    }

    /// Calls a function of a script.
    ///
    /// # Errors
    /// What it raised, or why it had to stop.
    pub fn call(&self, function: &Function, arguments: impl IntoLuaMulti) -> Result<MultiValue, ScriptError> {
        let outcome = self.call_caught(function, arguments);
        let (failed, mut calls) = match outcome {
            Ok(Ok(values)) => {
                return match self.context.limits.stop_before_return() {
                    Some(stop) => Err(ScriptError::Stopped(stop)),
                    None => Ok(values),
                };
            }
            Ok(Err(failed)) => failed,
            Err(error) => (error::message(&error), Vec::new()),
        };
        if failed == error::OUT_OF_MEMORY {
            // Lua says no line.
            calls.extend(beginning(function).filter(|_| calls.is_empty()));
            // Frees memory for what follows; a failure here cannot be handled.
            let _ = self.lua.gc_collect();
        }
        match self.context.limits.stop() {
            Some(stop) => Err(ScriptError::Stopped(stop)),
            None => {
                let explained =
                    self.context.mismatches.explain(&failed).or_else(|| self.explain_name(&failed));
                let text = explained.unwrap_or(failed);
                Err(ScriptError::Raised { text, calls })
            }
        }
    }

    /// The message with what may have been meant by a name that does not exist.
    fn explain_name(&self, message: &str) -> Option<String> {
        if !self.context.shows_raised_values() {
            return None;
        }
        let line = self.context.mismatches.place_in(message).and_then(|place| {
            let source = self.context.mismatches.source(&place.file)?;
            let line = source.from_line(place.line).split(|byte| *byte == b'\n').next()?;
            Some(String::from_utf8_lossy(line).into_owned())
        });
        unknown_names::explain(&self.lua, message, line.as_deref())
    }

    fn call_caught(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> mlua::Result<Result<MultiValue, (String, Vec<ScriptCall>)>> {
        let mut arguments = arguments.into_lua_multi(&self.lua)?;
        if !self.context.shows_raised_values() {
            arguments.push_front(Value::Function(function.clone()));
            // Through Lua's own pcall, which returns any raised value unchanged.
            let mut values: MultiValue = self.pcall.call(arguments)?;
            return match values.pop_front() {
                Some(Value::Boolean(true)) => Ok(Ok(values)),
                _ => Ok(Err((error::raised(&values.pop_front().unwrap_or(Value::Nil)), Vec::new()))),
            };
        }
        let calls: Rc<RefCell<Vec<ScriptCall>>> = Rc::default();
        let (seen, context) = (Rc::clone(&calls), Rc::clone(&self.context));
        let handler = self.lua.create_function(move |lua, raised: Value| {
            seen.replace(script_calls(lua, |file| context.mismatches.has_source(file)));
            Ok(raised)
        })?;
        let mut values: MultiValue = self.xpcall.call((function.bind(arguments)?, handler))?;
        if let Some(Value::Boolean(true)) = values.pop_front() {
            return Ok(Ok(values));
        }
        let calls = calls.take();
        let text = raised_value::message(&values.pop_front().unwrap_or(Value::Nil), calls.first());
        Ok(Err((text, calls)))
    }

    fn install_require(&self) -> mlua::Result<()> {
        let modules = self.modules.clone();
        let require = move |lua: &Lua, name: String| {
            let found: Value = modules.raw_get(name.as_str())?;
            if !found.is_nil() {
                return Ok(found);
            }
            let mut known: Vec<String> =
                modules.pairs::<String, Value>().filter_map(|pair| Some(pair.ok()?.0)).collect();
            known.sort();
            let text = format!(
                "there is no module \"{}\"; there are {}, and any file given with --require",
                crate::text::escape::escape(name.as_bytes()),
                known.join(", ")
            );
            Err(error::raise(lua, text))
        };
        self.lua.globals().raw_set("require", self.lua.create_function(require)?)
    }
}

/// Where a function of a script begins.
fn beginning(function: &Function) -> Option<ScriptCall> {
    let info = function.info();
    let (file, line) = (info.short_src.filter(|_| info.what != "C")?, info.line_defined?);
    let place = error::ScriptLine { file, line };
    Some(ScriptCall { place, function: "the function that begins there".into() })
}

/// The name of a file in Lua's messages, which have room for 59 bytes.
fn chunk_name(file: &Path) -> String {
    let path = file.to_string_lossy();
    match file.file_name() {
        Some(name) if path.len() > 58 => format!("@{}", name.to_string_lossy()),
        _ => format!("@{path}"),
    }
}

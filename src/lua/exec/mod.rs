//! The `exec` module: commands of the machine, run by a workflow and ended with it.
//!
//! `shell` starts commands under a supervisor, `output` captures what they print, `stub` answers in place of a
//! command. `bounds` decides which commands may start, by what `shell_syntax` makes of their texts.

mod bounds;
mod output;
mod shell;
mod shell_syntax;
mod stub;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value};

pub use bounds::{CommandBounds, CommandPattern};
pub use output::{CapturedOutput, MAX_OUTPUT, Sink, Stream};
pub use shell::{ExitReason, Finished, ShellCommand, Watch, run};
pub use stub::{ExecStub, find as find_stub};

use crate::lua::call::{self, Call, Native};
use crate::lua::convert::double;
use crate::lua::error::CallError;
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::memory::reserve;
use crate::lua::object_text::name_of;
use crate::lua::{LogLevel, ScriptContext};
use crate::text::escape::escape;

pub static FUNCTIONS: [Native; 2] = [RUN, RESULT];
pub const RUN: Native = Native::new(HostFunction::writes("exec.run").about(CallTarget::Command), run_command);
const RESULT: Native = Native::new(
    HostFunction::writes("exec.result").about(CallTarget::Command).answering_table().since(3),
    run_for_table,
);
/// `exec.result` where a source calls `exec.run` and reads fields of its answer.
static RUN_FOR_TABLE: Native = RESULT.alias(RUN.function.name, 3);

/// The exit code of a command that timed out, as in the program `timeout`.
const TIMEOUT_CODE: i32 = 124;
/// What a shell adds to the number of a signal to make an exit code.
const SIGNAL_CODE_BASE: i32 = 128;

/// The fields of a command's result table, in the order of the values that `exec.run` returns.
pub const FIELDS: [&str; 4] = ["success", "stdout", "stderr", "exit_code"];

/// The four values of `exec.run` as a table.
pub fn as_table(lua: &Lua, values: &MultiValue) -> mlua::Result<MultiValue> {
    let table = lua.create_table_with_capacity(0, FIELDS.len())?;
    for (name, value) in FIELDS.iter().zip(values) {
        table.raw_set(*name, value)?;
    }
    Ok(MultiValue::from_iter([Value::Table(table)]))
}

/// The table of a command's result as the four values of `exec.run`.
pub fn as_values(table: &Table) -> mlua::Result<MultiValue> {
    FIELDS.iter().map(|name| table.raw_get::<Value>(*name)).collect()
}

/// The variant of `exec.run` whose answer is read by fields.
pub const READ_BY_FIELDS: &str = "fields";

/// Adds the variant of `exec.run` that is called where the source reads fields of its answer: it returns the
/// table, and recordings name it `exec.run`.
pub fn add_variants(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    exec: &Table,
    variants: &Table,
) -> mlua::Result<()> {
    let of_run = lua.create_table()?;
    of_run.raw_set(READ_BY_FIELDS, call::function(lua, context, &RUN_FOR_TABLE, None)?)?;
    variants.raw_set(exec.raw_get::<Value>(RUN.function.short_name())?, of_run)
}

pub fn install(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<Table> {
    let exec = lua.create_table()?;
    call::install(lua, &exec, context, &FUNCTIONS)?;
    lua.globals().raw_set("exec", &exec)?;
    Ok(exec)
}

/// `exec.result(command[, {timeout=, env=, cwd=, stdin=}])`: the same as a table
/// `{success, stdout, stderr, exit_code}`.
fn run_for_table(call: &Call) -> Result<MultiValue, CallError> {
    Ok(as_table(call.lua, &run_command(call)?)?)
}

/// `exec.run(command[, {timeout=, env=, cwd=, stdin=}])`: whether the exit code was 0, what was
/// written to standard output and to standard error, and the exit code.
///
/// The command is one for `/bin/sh`. Each line of its output is logged as it arrives. Processes that it left
/// running are terminated.
fn run_command(call: &Call) -> Result<MultiValue, CallError> {
    if call.context.scope.overlay().is_some() {
        return Err(CallError::usage(
            "inside state.transaction, whose function may run more than once: run the command before or after it",
        ));
    }
    let command = read(call)?;
    call.context.host.check_command(&command).map_err(CallError::usage)?;
    let log = |level: LogLevel, line: &[u8]| (call.context.log)(level, line);
    let stop = || call.context.limits.stop().is_some();
    let mut sink = |stream: Stream, line: &[u8]| match stream {
        Stream::Stdout => log(LogLevel::Info, line),
        Stream::Stderr => log(LogLevel::Warn, line),
    };
    let watch = Watch { stop: &stop, locks: Some(&call.context.locks) };
    let done = call.context.host.execute(command, &watch, &mut sink);
    let mut done =
        done.map_err(|error| CallError::usage(format!("the command could not be run: {error}")))?;
    // It goes to the script and into the recording.
    reserve(call.lua, 3 * (done.stdout.bytes.len() + done.stderr.bytes.len()))?;
    let warn = |text: &str| log(LogLevel::Warn, format!("exec.run: {text}").as_bytes());
    for (stream, kept) in [(Stream::Stdout, &done.stdout), (Stream::Stderr, &done.stderr)] {
        if kept.is_cut {
            let most = MAX_OUTPUT >> 20;
            warn(&format!("{} is cut to its first {most} MiB; the log has all of it", stream.name()));
        }
    }
    if done.is_stub {
        warn("the command was not run; --stub answers it");
    }
    if done.left_processes {
        warn("the command left processes running, which were ended with it");
    }
    let mut failed = |code: i32, why: &str| {
        warn(why);
        let text = &mut done.stderr.bytes;
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(why.as_bytes());
        text.push(b'\n');
        code
    };
    let code = match done.ended {
        ExitReason::Exited(code) => code,
        ExitReason::Signalled(signal) => SIGNAL_CODE_BASE + signal,
        ExitReason::TimedOut(limit) => failed(
            TIMEOUT_CODE,
            &format!("the command timed out after {}", humantime::format_duration(limit)),
        ),
        ExitReason::WantedTerminal => failed(
            SIGNAL_CODE_BASE + nix::sys::signal::Signal::SIGTTIN as i32,
            "the command waited for the terminal, which it cannot have, and was ended",
        ),
        ExitReason::Stopped => {
            // Ends this call, since the limits demand it.
            call.pause(Duration::ZERO)?;
            SIGNAL_CODE_BASE + nix::sys::signal::Signal::SIGTERM as i32
        }
        ExitReason::LeaseEnded => {
            // Ends this call, unless the lease was renewed just in time.
            call.pause(Duration::ZERO)?;
            return Err(CallError::usage("the command was ended: its lock could not be renewed in time"));
        }
    };
    let stdout = call.lua.create_string(&done.stdout.bytes)?;
    let stderr = call.lua.create_string(&done.stderr.bytes)?;
    call.answer((code == 0, stdout, stderr, code))
}

/// The command that the arguments describe, as far as they do: what is wrong is left out.
pub fn outline(arguments: &MultiValue) -> ShellCommand {
    let text = match arguments.front() {
        Some(Value::String(text)) => text.to_string_lossy(),
        _ => String::new(),
    };
    let mut command = ShellCommand { text, ..ShellCommand::default() };
    if let Some(Value::Table(options)) = arguments.get(1) {
        for (name, value) in options.pairs::<String, Value>().flatten() {
            match (name.as_str(), value) {
                ("env", value) => command.env = variables(&value).unwrap_or_default(),
                ("cwd" | "workdir", Value::String(folder)) => {
                    command.cwd = Some(std::ffi::OsStr::from_bytes(&folder.as_bytes()).into());
                }
                _ => {}
            }
        }
    }
    command
}

/// The command that the arguments describe.
fn read(call: &Call) -> Result<ShellCommand, CallError> {
    let text = call.text(0, "command")?;
    if text.trim().is_empty() {
        return Err(CallError::usage("the command is empty"));
    }
    no_zero_byte("the command", text.as_bytes())?;
    let mut command = ShellCommand { text, ..ShellCommand::default() };
    match call.value(1) {
        Value::Nil => {}
        Value::Table(options) => {
            for pair in options.pairs::<Value, Value>() {
                let (name, value) = pair?;
                set(&mut command, &name_of(&name)?, &value)?;
            }
        }
        other => return Err(CallError::unfit("the options", "a table", other)),
    }
    Ok(command)
}

fn set(command: &mut ShellCommand, name: &str, value: &Value) -> Result<(), CallError> {
    match name {
        "timeout" => command.timeout = Some(timeout(value)?),
        "env" => command.env = variables(value)?,
        // Sloth Runner's name for it is the second.
        "cwd" | "workdir" => command.cwd = Some(folder(&bytes("cwd", value)?)?),
        "stdin" => command.stdin = Some(bytes("stdin", value)?),
        other => {
            return Err(CallError::usage(format!(
                "unknown option {}: there are timeout, env, cwd and stdin",
                escape(other.as_bytes())
            )));
        }
    }
    Ok(())
}

/// A duration as in tasks: seconds, or text such as `"30s"`.
fn timeout(value: &Value) -> Result<Duration, CallError> {
    let time = match value {
        Value::String(text) => humantime::parse_duration(&text.to_string_lossy()).ok(),
        other => double(other).and_then(call::duration),
    };
    let wanted = "timeout must be a number of seconds, or text such as \"30s\" or \"5m\"";
    call::positive(time.ok_or_else(|| CallError::usage(wanted))?, "timeout")
}

fn variables(value: &Value) -> Result<BTreeMap<String, Vec<u8>>, CallError> {
    let Value::Table(table) = value else {
        return Err(CallError::unfit("env", "a table of names and values", value));
    };
    let mut variables = BTreeMap::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = match &name {
            Value::String(name) => name.to_str().map(|name| name.to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(CallError::usage("env has a name that no variable can have"));
        }
        let place = format!("env.{}", escape(name.as_bytes()));
        let value = bytes(&place, &value)?;
        no_zero_byte(&place, &value)?;
        variables.insert(name, value);
    }
    Ok(variables)
}

fn folder(path: &[u8]) -> Result<PathBuf, CallError> {
    no_zero_byte("cwd", path)?;
    let folder = Path::new(std::ffi::OsStr::from_bytes(path));
    let unfit = |why: &str| Err(CallError::usage(format!("cwd is {}: {why}", escape(path))));
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(folder.into()),
        Ok(_) => unfit("this is no folder"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => unfit("there is no such folder"),
        Err(error) => unfit(&error.to_string()),
    }
}

fn bytes(name: &str, value: &Value) -> Result<Vec<u8>, CallError> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => {
            let text = value.to_string()?;
            Err(CallError::usage(format!("{name} is the number {text}, not text: write tostring({text})")))
        }
        other => Err(CallError::unfit(name, "text", other)),
    }
}

/// The system reads text only up to its first zero byte.
fn no_zero_byte(name: &str, text: &[u8]) -> Result<(), CallError> {
    match text.contains(&0) {
        true => Err(CallError::usage(format!("{name} contains a zero byte, which cannot be handed on"))),
        false => Ok(()),
    }
}

//! Commands and reads of the environment after the run has left the recording.

use mlua::{MultiValue, Value};

use super::super::leftover_answers::LeftoverAnswers;
use super::{UnknownCommand, WhatIfBoundary};
use crate::lua::Host;
use crate::lua::boundary::{HostCall, Work};
use crate::lua::error::raise;
use crate::lua::exec;
use crate::lua::host_function::CallTarget;
use crate::text::escape::escape;

impl WhatIfBoundary {
    /// A command after the divergence: answered by a stub, or really run if that is allowed.
    pub(super) fn command(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        let text = match call.arguments.front() {
            Some(Value::String(text)) => text.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let command = String::from_utf8_lossy(&text).into_owned();
        if let Some(stub) = exec::find_stub(&self.rules.stubs, &command) {
            self.observations.borrow_mut().commands.push(command);
            return success(call, &stub.output);
        }
        if self.rules.live {
            return self.work(call, work);
        }
        // A command that may not be started fails as in the run.
        if let Err(why) = self.host.check_command(&exec::outline(call.arguments)) {
            return Err(raise(call.lua, format!("{}(\"{}\"): {why}", call.function.name, escape(&text))));
        }
        self.observations.borrow_mut().commands.push(command);
        if let Some(answer) = self.leftovers(|leftovers| leftovers.command(&text)) {
            return adapt_output(call, self.play(call, &answer)?);
        }
        match self.rules.unknown_command {
            UnknownCommand::Assumed => {
                self.observations.borrow_mut().assumed += 1;
                success(call, b"")
            }
            UnknownCommand::Refused(refusal) => {
                Err(raise(call.lua, format!("{}(\"{}\"): {refusal}", call.function.name, escape(&text))))
            }
        }
    }

    /// A read of the environment after the divergence.
    pub(super) fn reading(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        if call.function.target == CallTarget::Variable
            && !self.rules.live
            && let Some(Value::String(name)) = call.arguments.front()
        {
            let name = name.as_bytes().to_vec();
            if let Some(answer) = self.leftovers(|leftovers| leftovers.variable(&name)) {
                return self.play(call, &answer);
            }
        }
        self.work(call, work)
    }

    /// Searches the rest of the recording, which is read at the first call.
    fn leftovers<T>(&self, find: impl FnOnce(&mut LeftoverAnswers) -> Option<T>) -> Option<T> {
        let mut leftovers = self.leftovers.borrow_mut();
        if let Some(mut rest) = self.events.take() {
            leftovers.take_in(&mut rest);
        }
        find(&mut leftovers)
    }
}

/// The result of a command in the form of the called function: as a table or as four values.
pub(in crate::workflow::replay) fn adapt_output(
    call: &HostCall<'_>,
    values: MultiValue,
) -> mlua::Result<MultiValue> {
    match (call.function.answers_table, values.front()) {
        (true, Some(Value::Boolean(_))) => exec::as_table(call.lua, &values),
        (false, Some(Value::Table(table))) => exec::as_values(table),
        _ => Ok(values),
    }
}

/// The answer of a command that succeeded and printed `output`.
fn success(call: &HostCall<'_>, output: &[u8]) -> mlua::Result<MultiValue> {
    let values = [
        Value::Boolean(true),
        Value::String(call.lua.create_string(output)?),
        Value::String(call.lua.create_string("")?),
        Value::Integer(0),
    ];
    adapt_output(call, MultiValue::from_iter(values))
}

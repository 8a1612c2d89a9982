//! Commands and reads of the environment after the run has left the recording.

use mlua::{MultiValue, Value};

use super::super::leftover_answers::LeftoverAnswers;
use super::super::virtual_host::CommandAnswer;
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
            return self.answered(call, work, command, CommandAnswer::Stub(stub.clone()));
        }
        if self.rules.live {
            return self.work(call, work);
        }
        // A command that may not be started fails as in the run.
        if let Err(why) = self.host.check_command(&exec::outline(call.arguments)) {
            return Err(raise(call.lua, format!("{}(\"{}\"): {why}", call.function.name, escape(&text))));
        }
        if let Some(answer) = self.leftovers(|leftovers| leftovers.command(&text)) {
            self.observations.borrow_mut().commands.push(command);
            return adapt_output(call, self.play(call, &answer)?);
        }
        match self.rules.unknown_command {
            UnknownCommand::Assumed => self.answered(call, work, command, CommandAnswer::Success),
            UnknownCommand::Refused(refusal) => {
                self.observations.borrow_mut().commands.push(command);
                Err(raise(call.lua, format!("{}(\"{}\"): {refusal}", call.function.name, escape(&text))))
            }
        }
    }

    /// A command that the host answers without running it, unless the call is refused before.
    fn answered(
        &self,
        call: &HostCall<'_>,
        work: Work<'_>,
        command: String,
        answer: CommandAnswer,
    ) -> mlua::Result<MultiValue> {
        let is_assumed = matches!(answer, CommandAnswer::Success);
        self.host.answer_next(Some(answer));
        let result = self.work(call, work);
        if self.host.answer_next(None).is_none() {
            let mut observations = self.observations.borrow_mut();
            observations.commands.push(command);
            observations.assumed += u64::from(is_assumed);
        }
        result
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

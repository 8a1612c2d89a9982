//! The options and the report of `replay --what-if` and `run --dry-run`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{CliError, output};
use crate::lua::StopSignal;
use crate::lua::exec::CommandBounds;
use crate::store::{Image, Type};
use crate::text::duration::parse_positive_duration;
use crate::workflow::Script;
use crate::workflow::replay::{
    BaseState, ExecStub, KeyOverride, TaskEnd, TrialLimit, WhatIfOptions, WhatIfOutcome,
};

/// Options common to what-if and dry run.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TrialArguments {
    /// Run commands in truth where nobody knows what they answer; for what a trial is not meant to touch
    #[arg(long)]
    live: bool,
    /// What commands that fit the pattern write to standard output, instead of being run; may be repeated
    #[arg(long, value_name = "PATTERN=OUTPUT")]
    stub: Vec<ExecStub>,
    /// How long a trial may go on once nothing is recorded, by its own time, in which a sleep takes none; by
    /// default ten times as long as the recording and at least a minute, 10m without a recording
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_positive_duration)]
    time: Option<Duration>,
}

impl TrialArguments {
    /// Fails if an option is given that only a trial has.
    pub(super) fn check_without_trial(&self, command: &str) -> Result<(), CliError> {
        match self.time {
            None => Ok(()),
            Some(_) => Err(CliError::Usage(format!("--for limits a trial: it needs {command}"))),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn stubs(&self) -> &[ExecStub] {
        &self.stub
    }

    pub(super) fn options(
        &self,
        values: Vec<KeyOverride>,
        source: Option<Script>,
        bounds: CommandBounds,
        stop_signal: StopSignal,
    ) -> WhatIfOptions {
        let stubs = self.stub.clone();
        WhatIfOptions { values, source, live: self.live, bounds, stubs, time: self.time, stop_signal }
    }
}

/// Prints the report of a what-if or dry run.
pub(super) fn show(name: &str, outcome: &WhatIfOutcome, json: bool) -> Result<(), CliError> {
    if json {
        output::json(&object(outcome))
    } else {
        output::line(outcome.report(name).join("\n").as_bytes())
    }
}

fn object(outcome: &WhatIfOutcome) -> Json {
    let end = |end: &TaskEnd| json!({ "task": end.task, "outcome": end.outcome, "message": end.message });
    let image = |image: &Option<Image>| {
        image.as_ref().map(|image| String::from_utf8_lossy(&image.stored).into_owned())
    };
    json!({
        "beginning": match outcome.base_state {
            BaseState::History(_) => "history",
            BaseState::Reads(_) => "reads",
            BaseState::Now => "now",
        },
        "revision": match outcome.base_state {
            BaseState::History(revision) => Some(revision.0),
            _ => None,
        },
        "other_answer": outcome.other_answer.as_ref().map(|other| json!({
            "record": other.record.number,
            "call": other.record.what.summary(),
            "recorded": other.recorded,
            "now": other.actual,
        })),
        "parted": outcome.divergence.as_ref().map(|divergence| json!({
            "record": divergence.number,
            "kind": divergence.kind,
            "task": divergence.task,
            "recorded": divergence.recorded.as_ref().map(|record| record.what.summary()),
            "now": divergence.actual.as_ref().map(|actual| actual.summary()),
            "place": divergence.place().map(ToString::to_string),
        })),
        "records": outcome.recorded_to,
        "cut_off": outcome.is_cut_off,
        "unrepeatable_from": outcome.unrepeatable,
        "recorded_tasks": outcome.recorded_tasks.iter().map(end).collect::<Vec<_>>(),
        "tasks": outcome.tasks.iter().map(end).collect::<Vec<_>>(),
        "commands_not_run": outcome.commands,
        "assumed": outcome.assumed,
        "ended_by": outcome.limit.map(TrialLimit::name),
        "state": outcome.state.iter().map(|difference| {
            let mut object = json!({
                "key": difference.key.to_text(),
                "recorded": image(&difference.recorded),
                "now": image(&difference.trial),
            });
            if difference.is_as_given {
                object["as_given"] = true.into();
            }
            let images = [("recorded", &difference.recorded), ("now", &difference.trial)];
            for (name, image) in images.map(|(name, image)| (name, image.as_ref())) {
                if let Some(image) = image.filter(|_| difference.has_other_type()) {
                    object[format!("{name}_type")] = image.stored_type.map_or("untyped", Type::name).into();
                }
                if let Some(at) = image.and_then(|image| image.expires_at) {
                    object[format!("{name}_expires_at")] = at.to_string().into();
                }
            }
            object
        }).collect::<Vec<_>>(),
        "outcome": outcome.summary.as_ref().map(|summary| summary.outcome.name()),
    })
}

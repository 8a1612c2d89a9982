//! `replay --what-if` and `run --dry-run`: what would happen, and what would be different.

use serde_json::{Value as Json, json};

use super::{Failure, output};
use crate::escape::escape;
use crate::lua::Alarm;
use crate::store::{Image, Key};
use crate::workflow::Script;
use crate::workflow::replay::{Beginning, EntryDifference, Outcome, Stub, TaskEnd, WhatIf};

/// What a trial may do, on the command line.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TrialArguments {
    /// Run commands in truth where nobody knows what they answer; for what a trial is not meant to touch
    #[arg(long)]
    live: bool,
    /// What commands that fit the pattern write to standard output, instead of being run; may be repeated
    #[arg(long, value_name = "PATTERN=OUTPUT", value_parser = stub)]
    stub: Vec<Stub>,
}

fn stub(text: &str) -> Result<Stub, String> {
    let (pattern, output) = text.split_once('=').ok_or("this is not PATTERN=OUTPUT")?;
    let glob = globset::Glob::new(pattern).map_err(|error| error.kind().to_string())?;
    Ok(Stub { command: glob.compile_matcher(), output: output.into() })
}

/// Reads `KEY=VALUE`.
pub(super) fn value(text: &str) -> Result<(Key, Vec<u8>), String> {
    let (key, value) = text.split_once('=').ok_or("this is not KEY=VALUE")?;
    Ok((Key::new(key).map_err(|error| error.to_string())?, value.into()))
}

impl TrialArguments {
    /// The wish that they describe.
    pub(super) fn wish(
        &self,
        values: Vec<(Key, Option<Vec<u8>>)>,
        source: Option<Script>,
        alarm: Alarm,
    ) -> WhatIf {
        WhatIf { values, source, live: self.live, stubs: self.stub.clone(), alarm }
    }
}

/// Prints what came of a trial.
pub(super) fn show(name: &str, outcome: &Outcome, json: bool) -> Result<(), Failure> {
    if json { output::json(&object(outcome)) } else { output::line(text(name, outcome).as_bytes()) }
}

fn text(name: &str, outcome: &Outcome) -> String {
    let mut lines = vec![match outcome.beginning {
        Beginning::History(revision) => format!("{name}, on the state of revision {revision}, when it began"),
        Beginning::Reads => format!(
            "{name}, on what it read itself, since history does not reach back to its beginning: what it did \
             not read is not there"
        ),
        Beginning::Now => format!("{name}: nothing is changed; this is what it would do"),
    }];
    let is_replay = outcome.beginning != Beginning::Now;
    if let Some(other) = &outcome.other_answer {
        lines.push(format!(
            "the first other answer is at record {}: {} is {}",
            other.record.number,
            other.record.what.words(),
            other.actual
        ));
    }
    match &outcome.parted {
        _ if !is_replay => {}
        None => {
            lines.push(format!("the path is the recorded one, all {} records of it", outcome.recorded_to))
        }
        Some(divergence) => {
            lines.push(format!(
                "the path parts at record {}: {}",
                divergence.number,
                divergence.kind.words()
            ));
            let at = |place: Option<String>| place.map_or(String::new(), |place| format!("   at {place}"));
            match &divergence.recorded {
                Some(record) => lines.push(format!(
                    "  recorded  {}{}",
                    record.what.words(),
                    at(record.place.as_ref().map(ToString::to_string))
                )),
                None => lines.push("  recorded  nothing more".into()),
            }
            match &divergence.actual {
                Some(actual) => lines.push(format!(
                    "  now       {}{}",
                    actual.words(),
                    at(actual.place.as_ref().map(ToString::to_string))
                )),
                None => lines.push("  now       nothing of that".into()),
            }
        }
    }
    lines.extend(tasks(outcome));
    for command in &outcome.commands {
        lines.push(format!("not run: {}", escape(command.as_bytes())));
    }
    match (outcome.state.as_slice(), is_replay) {
        ([], true) => lines.push("the state ends up the same".into()),
        ([], false) => lines.push("the state would not change".into()),
        (_, true) => lines.push("the state ends up differently (recorded → now):".into()),
        (_, false) => lines.push("the state would change:".into()),
    }
    lines.extend(outcome.state.iter().map(line));
    lines.join("\n")
}

/// The ends of tasks, where they are not the recorded ones.
fn tasks(outcome: &Outcome) -> Vec<String> {
    let words = |end: &TaskEnd| {
        let message = end.message.as_ref().map_or(String::new(), |message| format!(" ({message})"));
        escape(format!("{}{message}", end.outcome).as_bytes())
    };
    let recorded = |task: &str| outcome.recorded_tasks.iter().find(|end| end.task == task);
    let is_replay = outcome.beginning != Beginning::Now;
    let mut lines: Vec<String> = outcome
        .tasks
        .iter()
        .filter(|end| recorded(&end.task) != Some(*end))
        .map(|end| {
            let before = match recorded(&end.task) {
                Some(recorded) => format!("{} → ", words(recorded)),
                None if is_replay => "not there → ".into(),
                None => String::new(),
            };
            format!("task {}: {before}{}", escape(end.task.as_bytes()), words(end))
        })
        .collect();
    let gone = outcome
        .recorded_tasks
        .iter()
        .filter(|end| outcome.tasks.iter().all(|other| other.task != end.task))
        .map(|end| format!("task {}: {} → not there", escape(end.task.as_bytes()), words(end)));
    lines.extend(gone);
    lines
}

fn line(difference: &EntryDifference) -> String {
    let mark = match (&difference.recorded, &difference.trial) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    };
    let words =
        |image: &Option<Image>| image.as_ref().map_or("nothing".into(), |image| escape(&image.stored));
    format!("{mark} {}  {} → {}", difference.key, words(&difference.recorded), words(&difference.trial))
}

fn object(outcome: &Outcome) -> Json {
    let end = |end: &TaskEnd| json!({ "task": end.task, "outcome": end.outcome, "message": end.message });
    let image = |image: &Option<Image>| {
        image.as_ref().map(|image| String::from_utf8_lossy(&image.stored).into_owned())
    };
    json!({
        "beginning": match outcome.beginning {
            Beginning::History(_) => "history",
            Beginning::Reads => "reads",
            Beginning::Now => "now",
        },
        "revision": match outcome.beginning {
            Beginning::History(revision) => Some(revision.0),
            _ => None,
        },
        "other_answer": outcome.other_answer.as_ref().map(|other| json!({
            "record": other.record.number,
            "call": other.record.what.words(),
            "recorded": other.recorded,
            "now": other.actual,
        })),
        "parted": outcome.parted.as_ref().map(|divergence| json!({
            "record": divergence.number,
            "kind": divergence.kind,
            "task": divergence.task,
            "recorded": divergence.recorded.as_ref().map(|record| record.what.words()),
            "now": divergence.actual.as_ref().map(|actual| actual.words()),
            "place": divergence.place().map(ToString::to_string),
        })),
        "records": outcome.recorded_to,
        "recorded_tasks": outcome.recorded_tasks.iter().map(end).collect::<Vec<_>>(),
        "tasks": outcome.tasks.iter().map(end).collect::<Vec<_>>(),
        "commands_not_run": outcome.commands,
        "state": outcome.state.iter().map(|difference| json!({
            "key": difference.key.to_text(),
            "recorded": image(&difference.recorded),
            "now": image(&difference.trial),
        })).collect::<Vec<_>>(),
        "outcome": outcome.summary.outcome.name(),
    })
}

//! The report of a what-if run.

use std::collections::HashMap;

use super::{BaseState, EntryDifference, Missing, TaskEnd, WhatIfOutcome};
use crate::store::Image;
use crate::text::escape::escape;

impl WhatIfOutcome {
    /// The lines of the report, escaped; `name` is the name of the run.
    pub fn report(&self, name: &str) -> Vec<String> {
        let outcome = self;
        let mut lines = vec![match outcome.base_state {
            BaseState::History(revision) => {
                format!("{name}, on the state of revision {revision}, when it began")
            }
            BaseState::Reads(missing) => {
                let why = match missing {
                    Missing::Pruned => "history does not reach back to its beginning",
                    Missing::Elsewhere => {
                        "the state it began with is in the history of the database it ran on"
                    }
                };
                format!("{name}, on what it read itself, since {why}: what it did not read is not there")
            }
            BaseState::Now => format!("{name}: nothing is changed; this is what it would do"),
        }];
        let is_replay = outcome.base_state != BaseState::Now;
        if let Some(other) = &outcome.other_answer {
            lines.push(format!(
                "the first other answer is at record {}: {} is {}",
                other.record.number,
                other.record.what.summary(),
                other.actual
            ));
        }
        match &outcome.divergence {
            _ if !is_replay => {}
            None if outcome.is_cut_off => lines.push(format!(
                "the path is the recorded one up to record {}, where the recording ends before the run did; what \
             comes after is not known",
                outcome.recorded_to
            )),
            None => {
                lines.push(format!("the path is the recorded one, all {} records of it", outcome.recorded_to))
            }
            Some(divergence) => {
                lines.push(format!(
                    "the path parts at record {}: {}",
                    divergence.number,
                    divergence.kind.label()
                ));
                let [recorded, now] = divergence.sides();
                lines.extend([format!("  recorded  {recorded}"), format!("  now       {now}")]);
            }
        }
        lines.extend(tasks(outcome));
        lines.extend(commands(outcome));
        if let Some(limit) = outcome.limit {
            lines.push(format!("the trial was ended {limit}; what comes after is not known"));
        }
        if is_replay {
            lines.extend(self.limits());
        }
        let is_complete = !outcome.is_cut_off && outcome.unrepeatable.is_none() && outcome.limit.is_none();
        let assuming = self.assuming();
        let so_far = if outcome.limit.is_some() { " up to there" } else { "" };
        lines.push(match (outcome.state.as_slice(), is_replay) {
            ([], true) if is_complete => "the state ends up the same".into(),
            ([], true) => "the state ends up the same as far as that is known".into(),
            ([], false) => format!("{assuming}the state would not change{so_far}"),
            (_, true) if is_complete => "the state ends up differently (recorded → now):".into(),
            (_, true) => "the state ends up differently, as far as that is known (recorded → now):".into(),
            (_, false) => format!("{assuming}the state would change{so_far}:"),
        });
        lines.extend(outcome.state.iter().map(line));
        lines
    }
}

impl WhatIfOutcome {
    /// The lines that explain why the final state of the recorded run is not known.
    fn limits(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_cut_off && self.divergence.is_some() {
            lines.push("the recording ends before the run did: what it left is not known".into());
        }
        if let Some(record) = self.unrepeatable {
            lines.push(format!(
                "repeated without a change, the run differs from its recording at record {record}: what it left is \
             not known"
            ));
        }
        lines
    }

    /// The words that begin a statement that rests on commands that were not run.
    fn assuming(&self) -> String {
        match self.assumed {
            0 => String::new(),
            1 => "assuming that 1 command succeeds and prints nothing, ".into(),
            more => format!("assuming that {more} commands succeed and print nothing, "),
        }
    }
}

/// The commands that were not run, each once.
fn commands(outcome: &WhatIfOutcome) -> Vec<String> {
    let mut counts: Vec<(&str, u64)> = Vec::new();
    let mut places = HashMap::new();
    for command in &outcome.commands {
        let place = *places.entry(command.as_str()).or_insert_with(|| {
            counts.push((command, 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
    }
    let times = |count| if count == 1 { String::new() } else { format!(" ({count} times)") };
    let line =
        |(command, count): (&str, u64)| format!("not run: {}{}", escape(command.as_bytes()), times(count));
    counts.into_iter().map(line).collect()
}

/// The ends of tasks that differ from the recorded ones.
fn tasks(outcome: &WhatIfOutcome) -> Vec<String> {
    let words = |end: &TaskEnd| {
        let message = end.message.as_ref().map_or(String::new(), |message| format!(" ({message})"));
        escape(format!("{}{message}", end.outcome).as_bytes())
    };
    let recorded = |task: &str| outcome.recorded_tasks.iter().find(|end| end.task == task);
    let is_replay = outcome.base_state != BaseState::Now;
    let assuming = outcome.assuming();
    let mut lines: Vec<String> = outcome
        .tasks
        .iter()
        .filter(|end| !recorded(&end.task).is_some_and(|recorded| end.is_like(recorded)))
        .map(|end| {
            let before = match recorded(&end.task) {
                Some(recorded) => format!("{} → ", words(recorded)),
                None if is_replay => "not there → ".into(),
                None => String::new(),
            };
            format!("{assuming}task {}: {before}{}", escape(end.task.as_bytes()), words(end))
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
    let differs = |diverge: fn(&Image) -> String| {
        difference.recorded.as_ref().map(diverge) != difference.trial.as_ref().map(diverge)
    };
    let stored_type = |image: &Image| image.stored_type.map_or("untyped", |stored| stored.name()).to_string();
    let has_other_value = differs(|image| escape(&image.stored));
    let has_other_type = differs(stored_type);
    let words = |image: &Option<Image>| {
        let Some(image) = image else { return "nothing".into() };
        let value = escape(&image.stored);
        match (has_other_value, has_other_type) {
            (true, _) => value,
            (false, true) => format!("{value} ({})", stored_type(image)),
            (false, false) => match image.expires_at {
                Some(at) => format!("{value} (expires {at})"),
                None => format!("{value} (never expires)"),
            },
        }
    };
    let given = if difference.is_as_given { " (as given)" } else { "" };
    format!(
        "{mark} {}  {} → {}{given}",
        difference.key,
        words(&difference.recorded),
        words(&difference.trial)
    )
}

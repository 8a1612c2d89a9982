//! What came of a trial, in words.

use super::{Beginning, EntryDifference, Outcome, TaskEnd};
use crate::escape::escape;
use crate::store::Image;

impl Outcome {
    /// What came of it, a line each, escaped; `name` is what was run.
    pub fn words(&self, name: &str) -> Vec<String> {
        let outcome = self;
        let mut lines = vec![match outcome.beginning {
            Beginning::History(revision) => {
                format!("{name}, on the state of revision {revision}, when it began")
            }
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
                let [recorded, now] = divergence.sides();
                lines.extend([format!("  recorded  {recorded}"), format!("  now       {now}")]);
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
        lines
    }
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

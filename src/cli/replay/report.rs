//! What `replay` prints of how a replay ended.

use serde_json::json;

use crate::lua::error::ScriptLine;
use crate::text::escape::escape;
use crate::workflow::recording::Recording;
use crate::workflow::replay::{Divergence, Replay, ReplayedEvent, Verdict};

/// The source line of a divergence, escaped.
pub(super) fn source_line(recording: &Recording, source: &[u8], place: &ScriptLine) -> Option<String> {
    let is_same = |name: &str| place.file == name || name.ends_with(&format!("/{}", place.file));
    let source = match recording.header.modules.iter().find(|(name, _)| is_same(name)) {
        Some((_, module)) => module.as_slice(),
        None => source,
    };
    let line = source.split(|byte| *byte == b'\n').nth(place.line.checked_sub(1)?)?;
    Some(escape(line.trim_ascii()))
}

pub(super) fn name(recording: &Recording) -> String {
    let run = &recording.run;
    format!("run {} ({})", run.number, escape(run.new.workflow.as_bytes()))
}

pub(super) fn verdict(
    recording: &Recording,
    replayed: &Replay,
    line: &dyn Fn(&ScriptLine) -> Option<String>,
) -> String {
    let name = name(recording);
    let records = match replayed.last {
        1 => "1 record".into(),
        last => format!("{last} records"),
    };
    let source = if replayed.source_differs { ", with another source" } else { "" };
    match &replayed.verdict {
        Verdict::Same(_) => format!("{name}: {records}, all came to pass again{source}"),
        Verdict::RecordingEnded => {
            let why = match recording.run.ended {
                Some(_) => "the run went on, but the rest of its recording was removed",
                None => "the run was killed or had not ended yet",
            };
            format!("{name}: {records}, all came to pass again{source}; there the recording ends: {why}")
        }
        Verdict::Reached => format!("{name}: {records} came to pass again{source}"),
        Verdict::Silent => format!(
            "{name}: after record {} the script goes on for a minute, and nothing of it was recorded{source}",
            replayed.last
        ),
        Verdict::Stopped(stop) => format!("{name}: {stop} after record {}", replayed.last),
        Verdict::Diverged(divergence) => diverged(&name, replayed, divergence, line),
    }
}

fn diverged(
    name: &str,
    replayed: &Replay,
    divergence: &Divergence,
    line: &dyn Fn(&ScriptLine) -> Option<String>,
) -> String {
    let mut lines = vec![format!(
        "{name} parts from its recording at record {}: {}",
        divergence.number,
        divergence.kind.label()
    )];
    let mut add_line = |label: &str, text: &str| lines.push(format!("  {label:<11}{text}"));
    if let Some(task) = &divergence.task {
        add_line("task", &escape(task.as_bytes()));
    }
    let [recorded, replayed_now] = divergence.sides();
    add_line("recorded", &recorded);
    add_line("replayed", &replayed_now);
    for difference in divergence.differences() {
        add_line(&difference.field, &format!("{} became {}", difference.recorded, difference.actual));
    }
    if let Some(place) = divergence.place()
        && let Some(text) = line(place)
    {
        add_line("source", &format!("{place}: {text}"));
    }
    add_line("sources", if replayed.source_differs { "not the recorded ones" } else { "the recorded ones" });
    lines.join("\n")
}

pub(super) fn replay_to_json(
    recording: &Recording,
    replayed: &Replay,
    line: &dyn Fn(&ScriptLine) -> Option<String>,
) -> serde_json::Value {
    let word = match &replayed.verdict {
        Verdict::Same(_) => "same",
        Verdict::RecordingEnded => "end_of_recording",
        Verdict::Reached => "until",
        Verdict::Silent => "silent",
        Verdict::Stopped(_) => "stopped",
        Verdict::Diverged(_) => "parted",
    };
    let mut object = json!({
        "run": recording.run.number,
        "replay": word,
        "records": replayed.last,
        "source_differs": replayed.source_differs,
    });
    if let Verdict::Diverged(divergence) = &replayed.verdict {
        let happening = |happening: Option<&ReplayedEvent>| {
            happening.map(|happening| {
                json!({
                    "what": happening.summary(),
                    "place": happening.place.as_ref().map(ToString::to_string),
                })
            })
        };
        let recorded = divergence.recorded.as_ref();
        object["divergence"] = json!({
            "record": divergence.number,
            "kind": divergence.kind,
            "task": divergence.task,
            "recorded": recorded.map(|record| json!({
                "what": record.what.summary(),
                "place": record.place.as_ref().map(ToString::to_string),
            })),
            "replayed": happening(divergence.actual.as_ref()),
            "differences": divergence.differences().into_iter().map(|difference| json!({
                "field": difference.field,
                "recorded": difference.recorded,
                "replayed": difference.actual,
            })).collect::<Vec<_>>(),
            "place": divergence.place().map(ToString::to_string),
            "source": divergence.place().and_then(line),
        });
    }
    object
}

//! What `replay` prints of how a replay ended.

use serde_json::json;

use crate::lua::error::ScriptLine;
use crate::text::escape::escape;
use crate::text::masked::is_masked;
use crate::workflow::recording::{Recording, full};
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
    let source = match (replayed.source_differs, replayed.did_lines_move) {
        (true, true) => ", with another source; only lines moved",
        (true, false) => ", with another source",
        _ => "",
    };
    let stopped_at = replayed.stopped_at.as_ref().map_or(String::new(), |place| {
        let text = line(place).map_or(String::new(), |text| format!(": {text}"));
        format!("\n  it runs at {}{text}", escape(place.to_string().as_bytes()))
    });
    let masked = masks(recording, replayed);
    let source = if masked.is_empty() { source.into() } else { format!("{source}, {masked}") };
    match &replayed.verdict {
        Verdict::Same(_) => format!("{name}: {records}, all came to pass again{source}"),
        Verdict::RecordingEnded if replayed.last == 0 => {
            format!("{name}: nothing was replayed: the recording has no record of what the run did")
        }
        Verdict::RecordingEnded => {
            let why = match recording.run.ended {
                Some(_) => "the run went on, but the rest of its recording was removed",
                None => "the run was killed or had not ended yet",
            };
            let last = replayed.last;
            format!("{name}: came to pass again up to record {last}{source}; there the recording ends: {why}")
        }
        Verdict::RecordingFull(limit) if replayed.last == 0 => {
            format!(
                "{name}: nothing was replayed: the recording ends before its first record: {}",
                full(*limit)
            )
        }
        Verdict::RecordingFull(limit) => format!(
            "{name}: came to pass again up to record {}{source}; there the recording ends: {}",
            replayed.last,
            full(*limit)
        ),
        Verdict::Reached => format!("{name}: {records} came to pass again{source}"),
        Verdict::Silent => format!(
            "{name}: after record {} the script goes on for a minute, and nothing of it was recorded{source}{stopped_at}",
            replayed.last
        ),
        Verdict::Stopped(stop) => format!("{name}: {stop} after record {}{stopped_at}", replayed.last),
        Verdict::Diverged(divergence) => diverged(recording, &name, replayed, divergence, line),
    }
}

/// The line to show for a divergence: where the replayed script is, or else where its source was changed.
fn shown_place(recording: &Recording, replayed: &Replay, divergence: &Divergence) -> Option<ScriptLine> {
    let actual = divergence.actual.as_ref().and_then(|actual| actual.place.clone());
    let other = || match replayed.source_differs {
        true => changed_place(recording, replayed),
        false => divergence.place().cloned(),
    };
    actual.or_else(other)
}

/// The line of another source that was changed, nearest to the divergence.
fn changed_place(recording: &Recording, replayed: &Replay) -> Option<ScriptLine> {
    replayed.changed_line.map(|line| ScriptLine { file: recording.header.file.clone(), line })
}

fn diverged(
    recording: &Recording,
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
    // A line of the recorded source is not one of the other.
    let shown = shown_place(recording, replayed, divergence);
    if let Some((place, text)) = shown.as_ref().and_then(|place| Some((place, line(place)?))) {
        add_line("source", &format!("{place}: {text}"));
    }
    let changed = changed_place(recording, replayed).filter(|place| Some(place) != shown.as_ref());
    if let Some((place, text)) =
        changed.and_then(|place| Some((line(&place)?, place))).map(|(text, place)| (place, text))
    {
        add_line("changed", &format!("{place}: {text}"));
    }
    let masked = masks(recording, replayed);
    if !masked.is_empty() {
        add_line("masked", &masked);
    }
    add_line("sources", if replayed.source_differs { "not the recorded ones" } else { "the recorded ones" });
    lines.join("\n")
}

/// What was masked, if anything was.
fn masks(recording: &Recording, replayed: &Replay) -> String {
    let header = &recording.header;
    let masked = header.params.iter().filter(|(_, value)| is_masked(value));
    let names = masked.map(|(name, _)| escape(name.as_bytes()));
    let has_values = header.values.as_deref().is_some_and(is_masked);
    let names: Vec<String> = names.chain(has_values.then(|| "--values".to_string())).collect();
    let given =
        (!names.is_empty()).then(|| format!("with masks in place of the secrets in {}", names.join(", ")));
    let behind = replayed.is_behind_mask.then(|| "what is masked was not compared".to_string());
    given.into_iter().chain(behind).collect::<Vec<_>>().join(", ")
}

pub(super) fn replay_to_json(
    recording: &Recording,
    replayed: &Replay,
    line: &dyn Fn(&ScriptLine) -> Option<String>,
) -> serde_json::Value {
    let word = match &replayed.verdict {
        Verdict::Same(_) => "same",
        Verdict::RecordingEnded | Verdict::RecordingFull(_) => "end_of_recording",
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
        "masked": !masks(recording, replayed).is_empty(),
        "lines_moved": replayed.source_differs && replayed.did_lines_move,
    });
    if let Some(place) = &replayed.stopped_at {
        object["stopped_at"] = place.to_string().into();
        object["source"] = line(place).into();
    }
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
        let shown = shown_place(recording, replayed, divergence);
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
            "place": shown.as_ref().map(ToString::to_string),
            "source": shown.as_ref().and_then(line),
            "changed_at": changed_place(recording, replayed).map(|place| place.to_string()),
        });
    }
    object
}

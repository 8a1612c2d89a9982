//! Two runs beside each other: where the second one first took another way.

use std::rc::Rc;

use crate::store::Store;
use crate::store::secret_keys::Secrets;
use crate::text::escape::escape;
use crate::tui::screens::debugger::requests::DebuggerReport;
use crate::workflow::recording::masked_records::{Masker, masked};
use crate::workflow::recording::{Answer, Record, RecordKind, RecordedEvents, Recording, RecordingError};
use crate::workflow::replay::ReplayedEvent;

/// How many steps are compared between two looks at whether anybody still wants to know.
const STEPS: u64 = 1000;

/// Compares two runs; `None` if nobody wants to know any more.
pub fn compare(
    store: &Rc<dyn Store>,
    secrets: &Secrets,
    left: i64,
    right: i64,
    stops: &dyn Fn(u64) -> bool,
) -> Result<Option<DebuggerReport>, RecordingError> {
    let (one, other) = (Recording::of_store(store, left)?, Recording::of_store(store, right)?);
    let mut lines = vec![about(left, &one), about(right, &other), String::new()];
    if one.header.source != other.header.source || one.header.modules != other.header.modules {
        lines.push("the sources are not the same".into());
    }
    for (name, value) in &one.header.params {
        let there = other.header.params.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        if there != Some(value) {
            let there = there.map(|there| secrets.parameter(name, there));
            let there = there.map_or("not given".into(), |there| escape(there.as_bytes()));
            let value = secrets.parameter(name, value);
            lines.push(format!(
                "parameter {}: {} → {there}",
                escape(name.as_bytes()),
                escape(value.as_bytes())
            ));
        }
    }
    for (name, value) in &other.header.params {
        if one.header.params.iter().all(|(there, _)| there != name) {
            let value = secrets.parameter(name, value);
            let (name, value) = (escape(name.as_bytes()), escape(value.as_bytes()));
            lines.push(format!("parameter {name}: not given → {value}"));
        }
    }
    let formats = [&one, &other].map(|recording| recording.header.format);
    let (mut events, mut other_events) = (one.events(), other.events());
    let mut answered: Option<(Record, Record)> = None;
    // Whether each of the two is recorded up to the end of the run.
    let mut finished = [false; 2];
    let mut steps = 0;
    let mut maskers = [Masker::new(secrets.clone()), Masker::new(secrets.clone())];
    let shown = |record: &Record, is_secret| {
        let what = masked(secrets, record.what.clone(), is_secret);
        Record { what, ..record.clone() }
    };
    let divergence = loop {
        steps += 1;
        if steps % STEPS == 0 && stops(steps) {
            return Ok(None);
        }
        let (left, right) = (next(&mut events)?, next(&mut other_events)?);
        for (finished, record) in finished.iter_mut().zip([&left, &right]) {
            *finished |= record.as_ref().is_some_and(is_end);
        }
        let [first, second] = &mut maskers;
        let hidden = [
            left.as_ref().is_some_and(|record| first.follow(record)),
            right.as_ref().is_some_and(|record| second.follow(record)),
        ];
        let both = || {
            let left = left.as_ref().map(|record| shown(record, hidden[0]));
            (left, right.as_ref().map(|record| shown(record, hidden[1])))
        };
        let (Some(one), Some(other)) = (&left, &right) else {
            break (left.is_some() || right.is_some()).then(both);
        };
        if !is_same(one, other) {
            break Some(both());
        }
        if answered.is_none() && differs(answer(one), answer(other), formats) {
            answered = Some((shown(one, hidden[0]), shown(other, hidden[1])));
        }
    };
    if let Some((one, other)) = &answered {
        lines.push(format!("the first other answer is at step {}:", one.number));
        lines.extend([side(left, Some(one)), side(right, Some(other)), String::new()]);
    }
    let from = if answered.is_some() { "from there on " } else { "" };
    let mut step = answered.map(|(one, _)| one.number);
    let cut_off = |run: i64| format!("the recording of run {run} ends there, before the run did");
    match divergence {
        None if finished == [true; 2] => lines.push(format!("{from}both take the same way to the end")),
        None => {
            lines.push(format!("{from}both take the same way as far as they are recorded"));
            let runs = [left, right].into_iter().zip(finished).filter(|(_, is_finished)| !is_finished);
            lines.extend(runs.map(|(run, _)| cut_off(run)));
        }
        Some((one, other)) => {
            if let Some(one) = &one {
                step.get_or_insert(one.number);
            }
            lines.push(match (&one, &other) {
                (Some(one), Some(_)) => format!("the ways part at step {}:", one.number),
                (None, _) if !finished[0] => cut_off(left),
                (_, None) if !finished[1] => cut_off(right),
                _ => "one goes on where the other ends:".into(),
            });
            lines.extend([side(left, one.as_ref()), side(right, other.as_ref())]);
        }
    }
    Ok(Some(DebuggerReport { title: format!("Runs {left} and {right}"), lines, step, top: 0 }))
}

fn about(number: i64, recording: &Recording) -> String {
    let run = &recording.run;
    let outcome = run.ended.as_ref().map_or("without an end", |(_, end)| &end.outcome);
    format!("run {number}: {}, {}", escape(run.new.workflow.as_bytes()), escape(outcome.as_bytes()))
}

/// Whether a record is of the end of the run.
fn is_end(record: &Record) -> bool {
    matches!(&record.what, RecordKind::Event(event) if event.ends_run())
}

/// What one of the two did.
fn side(run: i64, record: Option<&Record>) -> String {
    let Some(record) = record else { return format!("  run {run}  nothing more is recorded") };
    let place = record.place.as_ref().map_or(String::new(), |place| format!("   at {place}"));
    format!("  run {run}  step {}: {}{}", record.number, record.what.summary(), escape(place.as_bytes()))
}

/// The next record of what a script or its run does, or was answered.
fn next(events: &mut RecordedEvents) -> Result<Option<Record>, RecordingError> {
    loop {
        match events.take()? {
            Some(record) if matches!(record.what, RecordKind::Note(_)) => {}
            other => return Ok(other),
        }
    }
}

/// Whether two records are of the same call, or the same step of a run, whatever came of it.
fn is_same(one: &Record, other: &Record) -> bool {
    match (ReplayedEvent::of_record(one), ReplayedEvent::of_record(other)) {
        (Some(one), Some(other)) => {
            one.name == other.name
                && one.arguments.len() == other.arguments.len()
                && one.arguments.iter().zip(&other.arguments).all(|(one, other)| one.is_like(other))
        }
        (None, None) => std::mem::discriminant(&one.what) == std::mem::discriminant(&other.what),
        _ => false,
    }
}

/// Whether two answers differ; recordings of format 1 do not say whether a function raised an error.
fn differs(one: Option<&Answer>, other: Option<&Answer>, formats: [u32; 2]) -> bool {
    let says =
        |answer: Option<&Answer>, format| !(format < 2 && matches!(answer, Some(Answer::CallbackReturned)));
    let is_of_function = |answer: Option<&Answer>| {
        matches!(answer, Some(Answer::CallbackReturned | Answer::CallbackRaised(_)))
    };
    let is_known = says(one, formats[0]) && says(other, formats[1]);
    one != other && (is_known || !is_of_function(one) || !is_of_function(other))
}

fn answer(record: &Record) -> Option<&Answer> {
    match &record.what {
        RecordKind::Call { answer, .. } | RecordKind::End { answer, .. } => Some(answer),
        _ => None,
    }
}

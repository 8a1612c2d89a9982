//! Divergences of a replay from its recording.

use mlua::MultiValue;

use crate::lua::boundary::HostCall;
use crate::lua::error::{ScriptLine, caller};
use crate::lua::recorded_value::RecordedValue;
use crate::text::escape::escape;
use crate::workflow::RunEvent;
use crate::workflow::recording::{Record, RecordKind, list};
use crate::workflow::run_event::MASKED_OUTCOME;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DivergenceKind {
    /// Another function is called than the recorded one, or something else happens.
    DifferentCall,
    /// The recorded function is called with other arguments, or the same event has other fields.
    DifferentArguments,
    /// Something happens after the end of the recording.
    OneTooMany,
    /// What was recorded does not happen.
    Missing,
    /// A function of the script raises an error instead of returning, or returns instead of raising.
    DifferentEnd,
    /// A function of the script returns something else to the call that it was given to.
    DifferentResult,
}

impl DivergenceKind {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            DivergenceKind::DifferentCall => "a different call",
            DivergenceKind::DifferentArguments => "different arguments",
            DivergenceKind::OneTooMany => "one call too many",
            DivergenceKind::Missing => "a call is missing",
            DivergenceKind::DifferentEnd => "the function ends differently",
            DivergenceKind::DifferentResult => "the function returns something else",
        }
    }
}

/// A call or an event in a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedEvent {
    /// The name of the function or of the event.
    pub name: String,
    /// The arguments, or the values of the fields.
    pub arguments: Vec<RecordedValue>,
    /// The names of the fields of an event.
    pub fields: Vec<String>,
    /// The line of the script that calls.
    pub place: Option<ScriptLine>,
}

/// The arguments of a call, as recordings of a format have them.
pub(super) fn compared_arguments(arguments: &MultiValue, format: u32) -> Vec<RecordedValue> {
    match format >= 7 {
        true => RecordedValue::arguments(arguments, None),
        false => RecordedValue::all(arguments),
    }
}

impl ReplayedEvent {
    pub(super) fn of_call(call: &HostCall<'_>, format: u32) -> ReplayedEvent {
        ReplayedEvent {
            name: call.function.name.to_string(),
            arguments: compared_arguments(call.arguments, format),
            fields: Vec::new(),
            place: caller(call.lua),
        }
    }

    pub(super) fn of_event(event: &RunEvent) -> ReplayedEvent {
        let (fields, arguments) =
            event.fields().into_iter().map(|(name, value)| (name.to_string(), value)).unzip();
        ReplayedEvent { name: event.name().into(), arguments, fields, place: None }
    }

    /// The end of a callback, with the error that it raised.
    pub(super) fn of_end(call: &HostCall<'_>, error: Option<String>) -> ReplayedEvent {
        let (field, what) = match error {
            Some(error) => ("raised", RecordedValue::text(error)),
            None => ("returned", RecordedValue::Other("values".into())),
        };
        ReplayedEvent {
            name: "the function".into(),
            arguments: vec![what],
            fields: vec![field.into()],
            place: caller(call.lua),
        }
    }

    /// What a callback returned, where something else was recorded.
    pub(super) fn of_result(call: &HostCall<'_>, values: Vec<RecordedValue>) -> ReplayedEvent {
        let fields = vec!["returned".to_string(); values.len()];
        let place = caller(call.lua);
        ReplayedEvent { name: "the function".into(), arguments: values, fields, place }
    }

    /// The call or event of a record; `None` for other records.
    pub fn of_record(record: &Record) -> Option<ReplayedEvent> {
        match &record.what {
            RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments } => {
                Some(ReplayedEvent {
                    name: function.clone(),
                    arguments: arguments.clone(),
                    fields: Vec::new(),
                    place: record.place.clone(),
                })
            }
            RecordKind::Event(event) => Some(ReplayedEvent::of_event(event)),
            _ => None,
        }
    }

    /// How another one differs from this one; `None` if it does not.
    pub(super) fn differs(&self, other: &ReplayedEvent) -> Option<DivergenceKind> {
        if self.name != other.name {
            return Some(DivergenceKind::DifferentCall);
        }
        let mut pairs = self.arguments.iter().zip(&other.arguments).enumerate();
        let same = self.arguments.len() == other.arguments.len()
            && pairs.all(|(index, (left, right))| left.is_like(right) || self.is_masked(index));
        (!same).then_some(DivergenceKind::DifferentArguments)
    }

    /// Whether an argument is an outcome that was masked in an older recording: any outcome may stand there.
    fn is_masked(&self, index: usize) -> bool {
        let is_mask =
            |value: &RecordedValue| matches!(value, RecordedValue::Other(text) if text == MASKED_OUTCOME);
        !self.fields.is_empty() && self.arguments.get(index).is_some_and(is_mask)
    }

    /// On one line, escaped.
    pub fn summary(&self) -> String {
        if self.fields.is_empty() {
            return format!("{}({})", escape(self.name.as_bytes()), list(&self.arguments));
        }
        let fields_shown: Vec<String> =
            self.fields.iter().zip(&self.arguments).map(|(name, value)| format!("{name} {value}")).collect();
        format!("{}: {}", escape(self.name.as_bytes()), fields_shown.join(", "))
    }
}

/// The first thing that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The number of the record that diverges; one more than the last for one too many.
    pub number: u64,
    pub kind: DivergenceKind,
    pub task: Option<String>,
    /// What was recorded; `None` after the end of the recording.
    pub recorded: Option<Record>,
    /// What happens instead; `None` if nothing does.
    pub actual: Option<ReplayedEvent>,
}

/// A field in which the two sides differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub field: String,
    pub recorded: String,
    pub actual: String,
}

impl Divergence {
    /// The line of the script in the replay, or else in the recording.
    pub fn place(&self) -> Option<&ScriptLine> {
        let actual = self.actual.as_ref().and_then(|actual| actual.place.as_ref());
        actual.or_else(|| self.recorded.as_ref().and_then(|recorded| recorded.place.as_ref()))
    }

    /// Both sides as escaped text with their lines of the script: the recorded one and the replayed one.
    pub fn sides(&self) -> [String; 2] {
        let side = |words: String, place: &Option<ScriptLine>| match place {
            Some(place) => format!("{words}   at {}", escape(place.to_string().as_bytes())),
            None => words,
        };
        let recorded = self.recorded.as_ref().map(|record| side(record.what.summary(), &record.place));
        let actual = self.actual.as_ref().map(|actual| side(actual.summary(), &actual.place));
        [recorded.unwrap_or("nothing more".into()), actual.unwrap_or("nothing of that".into())]
    }

    pub fn differences(&self) -> Vec<Difference> {
        let recorded = self.recorded.as_ref().and_then(ReplayedEvent::of_record);
        let (Some(recorded), Some(actual)) = (recorded, &self.actual) else { return Vec::new() };
        let mut differences = Vec::new();
        let mut compare = |field: String, recorded: String, actual: String| {
            if recorded != actual {
                differences.push(Difference { field, recorded, actual });
            }
        };
        let place = |place: &Option<ScriptLine>| place.as_ref().map_or("-".into(), ToString::to_string);
        compare("function".into(), recorded.name.clone(), actual.name.clone());
        let count = recorded.arguments.len().max(actual.arguments.len());
        for index in (0..count).filter(|index| !recorded.is_masked(*index)) {
            let shown = |data: &[RecordedValue]| data.get(index).map_or("-".into(), ToString::to_string);
            let field = match recorded.fields.get(index) {
                Some(name) => name.clone(),
                None => format!("argument {}", index + 1),
            };
            compare(field, shown(&recorded.arguments), shown(&actual.arguments));
        }
        compare("line".into(), place(&recorded.place), place(&actual.place));
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::RunOutcome;

    #[test]
    fn a_masked_outcome_is_like_any_other() {
        let finished = |outcome| {
            ReplayedEvent::of_event(&RunEvent::RunFinished {
                outcome,
                ok: 1,
                failed: 0,
                skipped: 0,
                lost_locks: Vec::new(),
                duration: std::time::Duration::ZERO,
            })
        };
        let (masked, done) = (finished(None), finished(Some(RunOutcome::Done)));
        assert_eq!(masked.summary(), "run finished: outcome masked, ok 1, failed 0, skipped 0");
        assert_eq!(masked.differs(&done), None);
        let failed = finished(Some(RunOutcome::Failed));
        assert_eq!(failed.differs(&done), Some(DivergenceKind::DifferentArguments));
    }

    #[test]
    fn both_sides_are_told_without_a_control_sequence() {
        let place = Some(ScriptLine { file: "a\u{1b}[2J.lua".into(), line: 7 });
        let arguments = vec![RecordedValue::text("k\u{1b}")];
        let actual = ReplayedEvent {
            name: "state.get".into(),
            arguments: arguments.clone(),
            fields: Vec::new(),
            place: place.clone(),
        };
        let what = RecordKind::Begin { function: "state.set".into(), arguments };
        let record = Record { number: 3, at: 0, task: None, place, what, revision: None };
        let kind = DivergenceKind::DifferentCall;
        let divergence =
            Divergence { number: 3, kind, task: None, recorded: Some(record), actual: Some(actual) };
        let at = "   at a\u{241b}[2J.lua:7";
        assert_eq!(
            divergence.sides(),
            [format!("state.set(\"k\u{241b}\"){at}"), format!("state.get(\"k\u{241b}\"){at}")]
        );
        let ended = Divergence { recorded: None, actual: None, ..divergence };
        assert_eq!(ended.sides(), ["nothing more", "nothing of that"]);
    }
}

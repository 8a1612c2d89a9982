//! Events of runs in recordings of the formats 1 to 3: a name, fields, and a time in microseconds.

use std::time::Duration;

use crate::lua::recorded_value::RecordedValue;
use crate::text::masked::is_masked;
use crate::workflow::{RunEvent, RunOutcome, TaskOutcome};

/// The event; `None` if no event has this name and such fields.
pub(super) fn read(name: &str, fields: &[(String, RecordedValue)], micros: u64) -> Option<RunEvent> {
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let text = |wanted: &str| field(wanted).and_then(as_text);
    let list = |wanted: &str| match field(wanted) {
        None => Some(Vec::new()),
        Some(RecordedValue::Table(items, _)) => items.iter().map(as_text).collect(),
        Some(_) => None,
    };
    let count = |wanted: &str| match field(wanted) {
        Some(RecordedValue::Integer(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    let small = |wanted: &str| count(wanted).and_then(|count| u32::try_from(count).ok());
    let duration = Duration::from_micros(micros);
    Some(match name {
        "run started" => RunEvent::RunStarted { workflow: text("workflow")?, tasks: list("tasks")? },
        "task started" => RunEvent::TaskStarted { task: text("task")? },
        "hook started" => RunEvent::HookStarted { task: text("task")?, hook: text("hook")? },
        "attempt failed" => RunEvent::AttemptFailed {
            task: text("task")?,
            attempt: small("attempt")?,
            attempts: small("attempts")?,
            reason: text("reason")?,
            retry_in: seconds(field("retry_in")?)?,
        },
        "task finished" => RunEvent::TaskFinished {
            task: text("task")?,
            outcome: outcome(&text("outcome")?, TaskOutcome::from_name)?,
            message: text("message"),
            attempts: small("attempts")?,
            duration,
        },
        "run finished" => match (text("outcome")?, text("reason")) {
            (_, Some(reason)) => RunEvent::RunRefused { reason },
            (name, None) => RunEvent::RunFinished {
                outcome: outcome(&name, RunOutcome::from_name)?,
                ok: count("ok")?,
                failed: count("failed")?,
                skipped: count("skipped")?,
                lost_locks: list("lost_locks")?,
                duration,
            },
        },
        _ => return None,
    })
}

/// The outcome of this name, if there is one; `Some(None)` if a secret was masked in it.
fn outcome<T>(name: &str, from_name: fn(&str) -> Option<T>) -> Option<Option<T>> {
    if is_masked(name) { Some(None) } else { from_name(name).map(Some) }
}

fn as_text(value: &RecordedValue) -> Option<String> {
    match value {
        RecordedValue::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

fn seconds(value: &RecordedValue) -> Option<Duration> {
    let seconds = match value {
        RecordedValue::Integer(seconds) => *seconds as f64,
        RecordedValue::Float(bits) => f64::from_bits(*bits),
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_from_the_name_and_fields_that_it_had() {
        let (task, millis) = (|| "t".to_string(), Duration::from_millis);
        let (reason, message) = (|| "no".to_string(), Some("m".to_string()));
        let finished = |outcome, message| RunEvent::TaskFinished {
            task: task(),
            outcome: Some(outcome),
            message,
            attempts: 2,
            duration: millis(7),
        };
        let ended = |outcome, lost_locks| RunEvent::RunFinished {
            outcome: Some(outcome),
            ok: 1,
            failed: 2,
            skipped: 3,
            lost_locks,
            duration: millis(9),
        };
        for event in [
            RunEvent::RunStarted { workflow: "w".into(), tasks: vec![task()] },
            RunEvent::TaskStarted { task: task() },
            RunEvent::HookStarted { task: task(), hook: "on_start".into() },
            RunEvent::AttemptFailed {
                task: task(),
                attempt: 1,
                attempts: 3,
                reason: reason(),
                retry_in: millis(1500),
            },
            finished(TaskOutcome::TimedOut, message),
            finished(TaskOutcome::Skipped, None),
            ended(RunOutcome::Done, Vec::new()),
            ended(RunOutcome::Stopped { signal: 0 }, vec!["lock l was lost".into()]),
            RunEvent::RunRefused { reason: reason() },
        ] {
            let fields: Vec<_> =
                event.fields().into_iter().map(|(name, value)| (name.to_string(), value)).collect();
            let micros = u64::try_from(event.duration().as_micros()).unwrap();
            assert_eq!(read(event.name(), &fields, micros).as_ref(), Some(&event));
            assert_eq!(read(event.name(), &[], micros), None, "{event:?}");
        }
        assert_eq!(read("run paused", &[], 0), None);
    }

    #[test]
    fn a_masked_outcome_is_unknown_and_any_other_word_is_damage() {
        let outcome = |word: &str| {
            let fields = [("task", RecordedValue::text("t")), ("outcome", RecordedValue::text(word))];
            let fields = fields.into_iter().chain([("attempts", RecordedValue::Integer(1))]);
            read("task finished", &fields.map(|(name, value)| (name.into(), value)).collect::<Vec<_>>(), 0)
        };
        let masked = outcome("<masked PIN>ed").unwrap();
        assert!(matches!(masked, RunEvent::TaskFinished { outcome: None, .. }), "{masked:?}");
        assert!(!masked.is_failure());
        assert_eq!(outcome("fine"), None);
    }
}

//! Masks the values of secret keys in records that are shown.

use super::{Answer, Record, RecordKind};
use crate::lua::functions;
use crate::lua::host_function::HostFunction;
use crate::lua::recorded_value::RecordedValue;
use crate::store::secret_keys::{MASK, Secrets};
use crate::workflow::RunEvent;

/// Masks the records of a run in order.
#[derive(Clone, Debug)]
pub struct Masker {
    secrets: Secrets,
    /// For each running call: whether it is about a secret key.
    open: Vec<bool>,
}

impl Masker {
    /// Masks the values of these keys.
    pub fn new(secrets: Secrets) -> Masker {
        Masker { secrets, open: Vec::new() }
    }

    /// The next record, as it is shown.
    #[must_use]
    pub fn record(&mut self, record: Record) -> Record {
        let is_secret = self.follow(&record);
        Record { what: masked_in_call(&self.secrets, record.what, is_secret), ..record }
    }

    /// Follows the next record; returns whether its call is about a secret.
    pub fn follow(&mut self, record: &Record) -> bool {
        match &record.what {
            RecordKind::Begin { .. } => {
                let is_secret = is_secret_call(&self.secrets, &record.what);
                self.open.push(is_secret);
                is_secret
            }
            RecordKind::Callback { .. } => self.open.last().copied().unwrap_or(false),
            RecordKind::End { .. } => self.open.pop().unwrap_or(false),
            what => is_secret_call(&self.secrets, what),
        }
    }
}

/// A masked record. `is_secret` says whether the call around it is about a secret, which counts for a record
/// that is not a call itself.
#[must_use]
pub fn masked(secrets: &Secrets, what: RecordKind, is_secret: bool) -> RecordKind {
    let is_secret = match what {
        RecordKind::Call { .. } | RecordKind::Begin { .. } => is_secret_call(secrets, &what),
        _ => is_secret,
    };
    masked_in_call(secrets, what, is_secret)
}

/// A masked record of a call that is about a secret or not.
fn masked_in_call(secrets: &Secrets, what: RecordKind, is_secret: bool) -> RecordKind {
    match what {
        RecordKind::Call { function, arguments, answer, took } => RecordKind::Call {
            function,
            arguments: masked_arguments(secrets, arguments, is_secret),
            answer: masked_answer(secrets, answer, is_secret),
            took,
        },
        RecordKind::Begin { function, arguments } => {
            RecordKind::Begin { function, arguments: masked_arguments(secrets, arguments, is_secret) }
        }
        RecordKind::Callback { arguments } => {
            RecordKind::Callback { arguments: masked_data(secrets, arguments, is_secret) }
        }
        RecordKind::End { answer, stop, returned } => RecordKind::End {
            answer: masked_answer(secrets, answer, is_secret),
            stop,
            returned: returned.map(|values| masked_data(secrets, values, is_secret)),
        },
        RecordKind::Event(RunEvent::TaskReturned { task, outputs }) => {
            RecordKind::Event(RunEvent::TaskReturned { task, outputs: masked_fields(secrets, outputs) })
        }
        other => other,
    }
}

/// Masked arguments of a call: the key stays.
pub fn masked_arguments(
    secrets: &Secrets,
    arguments: Vec<RecordedValue>,
    is_secret: bool,
) -> Vec<RecordedValue> {
    let mut arguments = arguments.into_iter();
    let first = arguments.next().map(|value| masked_fields(secrets, value));
    first.into_iter().chain(masked_data(secrets, arguments.collect(), is_secret)).collect()
}

/// Whether a call is one of the state's, about a key whose value is masked.
pub fn is_secret_call(secrets: &Secrets, what: &RecordKind) -> bool {
    match what {
        RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments } => {
            is_secret(secrets, function, arguments)
        }
        _ => false,
    }
}

/// Whether a call is one of the state's, about a key whose value is masked. A function that this program does
/// not know may be one.
pub fn is_secret(secrets: &Secrets, function: &str, arguments: &[RecordedValue]) -> bool {
    functions::find(function).is_none_or(HostFunction::is_about_state)
        && match arguments.first() {
            Some(RecordedValue::Text(key)) => secrets.hides_name(key),
            // The end of its name is not known.
            Some(RecordedValue::Cut(..)) => true,
            _ => false,
        }
}

fn masked_answer(secrets: &Secrets, answer: Answer, hides: bool) -> Answer {
    match answer {
        Answer::Returned(values) => Answer::Returned(masked_data(secrets, values, hides)),
        Answer::Default(values) => Answer::Default(masked_data(secrets, values, hides)),
        Answer::Raised(_) if hides => Answer::Raised(MASK.into()),
        Answer::CallbackRaised(_) if hides => Answer::CallbackRaised(MASK.into()),
        other => other,
    }
}

fn masked_data(secrets: &Secrets, data: Vec<RecordedValue>, hides: bool) -> Vec<RecordedValue> {
    let mask = |value| if hides { mask(value) } else { masked_fields(secrets, value) };
    data.into_iter().map(mask).collect()
}

fn mask(value: RecordedValue) -> RecordedValue {
    match value {
        RecordedValue::Integer(_)
        | RecordedValue::Float(_)
        | RecordedValue::Text(_)
        | RecordedValue::Cut(..)
        | RecordedValue::Table(..) => RecordedValue::text(MASK),
        other => other,
    }
}

/// Masks the fields of a value whose names look like secrets: a table of keys and values may be a part of the
/// state.
fn masked_fields(secrets: &Secrets, value: RecordedValue) -> RecordedValue {
    let RecordedValue::Table(list, fields) = value else { return value };
    let list = list.into_iter().map(|item| masked_fields(secrets, item)).collect();
    let fields = fields.into_iter().map(|(key, field)| match &key {
        RecordedValue::Text(name) if secrets.hides_name(name) => (key, mask(field)),
        _ => (key, masked_fields(secrets, field)),
    });
    RecordedValue::Table(list, fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(records: Vec<RecordKind>) -> String {
        let mut masker = Masker::new(Secrets::usual());
        let record = |what| Record { number: 1, at: 0, task: None, place: None, what, revision: None };
        let shown = records.into_iter().map(|what| masker.record(record(what)).what.summary());
        shown.collect::<Vec<_>>().join("; ")
    }

    fn call(function: &str, arguments: Vec<RecordedValue>, answer: Vec<RecordedValue>) -> RecordKind {
        RecordKind::Call { function: function.into(), arguments, answer: Answer::Returned(answer), took: 1 }
    }

    #[test]
    fn what_a_call_says_of_a_secret_is_masked() {
        let (key, value) = (|| RecordedValue::text("db_password"), || RecordedValue::text("hunter2"));
        let table = || {
            RecordedValue::Table(
                Vec::new(),
                vec![(key(), value()), (RecordedValue::text("a"), RecordedValue::text("b"))],
            )
        };
        let end =
            |value| RecordKind::End { answer: Answer::Returned(vec![value]), stop: None, returned: None };
        let begin = |arguments| RecordKind::Begin { function: "state.update".into(), arguments };
        for records in [
            vec![call("state.get", vec![key()], vec![value()])],
            vec![call("state.get", vec![key()], vec![RecordedValue::Integer(7_777_777)])],
            vec![call("state.get_all", vec![], vec![table()])],
            vec![call("state.of_a_later_version", vec![key()], vec![value()])],
            vec![
                begin(vec![key(), value()]),
                RecordKind::Callback { arguments: vec![value()] },
                end(value()),
            ],
            vec![
                RecordKind::Begin { function: "state.set".into(), arguments: vec![key(), value()] },
                end(RecordedValue::Nil),
            ],
        ] {
            let shown = words(records.clone());
            assert!(!shown.contains("hunter2") && !shown.contains("7777777"), "{shown}");
            assert!(shown.contains(MASK), "{shown}");
        }
        let nested =
            vec![begin(vec![RecordedValue::text("a")]), begin(vec![key()]), end(value()), end(value())];
        assert!(words(nested).ends_with("→ \"hunter2\""), "the outer call is about another key");
        assert!(
            words(vec![call("state.get", vec![RecordedValue::text("a")], vec![value()])]).contains("hunter2")
        );
    }
}

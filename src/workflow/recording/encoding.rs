//! Encodes records as bytes. A chunk is complete in itself: repeated names are written once per chunk, and
//! are numbers from then on.

use serde::{Deserialize, Serialize};

use super::{Answer, Record, RecordKind, RecordingError, older_events};
use crate::lua::Stop;
use crate::lua::error::ScriptLine;
use crate::lua::recorded_value::RecordedValue;
use crate::store::RecordingChunk;
use crate::workflow::RunEvent;

/// The number of a name in its chunk, from 1; 0 means no name.
type Name = u32;

#[derive(Serialize, Deserialize)]
enum ChunkItem {
    /// The next name.
    #[serde(rename = "n")]
    Name(String),
    /// Number, time, task, file and line, and what happened.
    #[serde(rename = "r")]
    Record(u64, u64, Name, Name, u32, StoredKind),
}

#[derive(Serialize, Deserialize)]
enum StoredKind {
    #[serde(rename = "c")]
    Call(Name, Vec<RecordedValue>, Answer, u64),
    #[serde(rename = "b")]
    Begin(Name, Vec<RecordedValue>),
    #[serde(rename = "f")]
    Callback(Vec<RecordedValue>),
    #[serde(rename = "e")]
    End(
        Answer,
        Option<Stop>,
        #[serde(default, skip_serializing_if = "Option::is_none")] Option<Vec<RecordedValue>>,
    ),
    #[serde(rename = "v")]
    Event(RunEvent),
    /// An event in formats 1 to 3, which is only read.
    #[serde(rename = "s")]
    OlderEvent(Name, Vec<(String, RecordedValue)>, u64),
    #[serde(rename = "x")]
    Stop(Stop, u64),
    #[serde(rename = "w")]
    Note(String),
    #[serde(rename = "l")]
    Full(u64),
}

/// The names in the current chunk, in their order: so few that a linear search is the fastest.
#[derive(Default)]
pub(super) struct NameTable(Vec<String>);

impl NameTable {
    /// Begins another chunk.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn of(&mut self, name: &str, data: &mut Vec<u8>) -> Name {
        if name.is_empty() {
            return 0;
        }
        let known = self.0.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            append(&ChunkItem::Name(name.to_string()), data);
            self.0.push(name.to_string());
            self.0.len() - 1
        });
        Name::try_from(place + 1).unwrap_or(Name::MAX)
    }
}

fn append(item: &ChunkItem, data: &mut Vec<u8>) {
    // Writing to memory does not fail, and the format can hold every item.
    let _ = rmp_serde::encode::write(data, item);
}

/// Adds a record to `data`, with the names that the chunk does not have yet.
pub(super) fn encode(record: Record, names: &mut NameTable, data: &mut Vec<u8>) {
    let task = names.of(record.task.as_deref().unwrap_or_default(), data);
    let (file, line) = match &record.place {
        Some(place) => (names.of(&place.file, data), u32::try_from(place.line).unwrap_or(u32::MAX)),
        None => (0, 0),
    };
    let happened = match record.what {
        RecordKind::Call { function, arguments, answer, took } => {
            StoredKind::Call(names.of(&function, data), arguments, answer, took)
        }
        RecordKind::Begin { function, arguments } => StoredKind::Begin(names.of(&function, data), arguments),
        RecordKind::Callback { arguments } => StoredKind::Callback(arguments),
        RecordKind::End { answer, stop, returned } => StoredKind::End(answer, stop, returned),
        RecordKind::Event(event) => StoredKind::Event(event),
        RecordKind::Stop { stop, looks } => StoredKind::Stop(stop, looks),
        RecordKind::Note(text) => StoredKind::Note(text),
        RecordKind::Full { limit } => StoredKind::Full(limit),
    };
    append(&ChunkItem::Record(record.number, record.at, task, file, line, happened), data);
}

/// The chunk `piece` with its records replaced by `records`.
#[cfg(test)]
pub(crate) fn with_records(piece: &RecordingChunk, records: Vec<Record>) -> RecordingChunk {
    let (mut names, mut data) = (NameTable::default(), Vec::new());
    records.into_iter().for_each(|record| encode(record, &mut names, &mut data));
    RecordingChunk { data, ..piece.clone() }
}

/// The records of a chunk.
///
/// # Errors
/// [`RecordingError::Damaged`].
pub fn decode(piece: &RecordingChunk) -> Result<Vec<Record>, RecordingError> {
    let damaged = |why: &str| RecordingError::Damaged(format!("records from {} on: {why}", piece.first));
    let mut names: Vec<String> = Vec::new();
    let mut records = Vec::new();
    let mut rest = piece.data.as_slice();
    while !rest.is_empty() {
        let item = rmp_serde::from_read(&mut rest).map_err(|error| damaged(&error.to_string()))?;
        match item {
            ChunkItem::Name(name) => names.push(name),
            ChunkItem::Record(number, at, task, file, line, happened) => {
                let name = |name: Name| match usize::try_from(name).unwrap_or(usize::MAX).checked_sub(1) {
                    None => Ok(None),
                    Some(index) => {
                        names.get(index).cloned().map(Some).ok_or_else(|| damaged("a name is missing"))
                    }
                };
                let required = |given| name(given).map(Option::unwrap_or_default);
                let what = match happened {
                    StoredKind::Call(function, arguments, answer, took) => {
                        RecordKind::Call { function: required(function)?, arguments, answer, took }
                    }
                    StoredKind::Begin(function, arguments) => {
                        RecordKind::Begin { function: required(function)?, arguments }
                    }
                    StoredKind::Callback(arguments) => RecordKind::Callback { arguments },
                    StoredKind::End(answer, stop, returned) => RecordKind::End { answer, stop, returned },
                    StoredKind::Event(event) => RecordKind::Event(event),
                    StoredKind::OlderEvent(name, fields, micros) => {
                        let event = older_events::read(&required(name)?, &fields, micros);
                        RecordKind::Event(event.ok_or_else(|| damaged("there is no such event"))?)
                    }
                    StoredKind::Stop(stop, looks) => RecordKind::Stop { stop, looks },
                    StoredKind::Note(text) => RecordKind::Note(text),
                    StoredKind::Full(limit) => RecordKind::Full { limit },
                };
                let line = usize::try_from(line).unwrap_or(usize::MAX);
                let place = name(file)?.map(|file| ScriptLine { file, line });
                records.push(Record { number, at, task: name(task)?, place, what, revision: None });
            }
        }
    }
    let numbers = records.iter().map(|record| record.number);
    if !numbers.eq(piece.first..=piece.last) {
        return Err(damaged("their numbers are not in sequence"));
    }
    if let Some(last) = records.last_mut() {
        last.revision = Some(piece.revision);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    fn record(number: u64, what: RecordKind) -> Record {
        let place = Some(ScriptLine { file: "w.lua".into(), line: 7 });
        Record { number, at: number * 10, task: Some("a".into()), place, what, revision: None }
    }

    fn sample() -> Vec<Record> {
        let text = |text: &str| RecordedValue::text(text);
        vec![
            record(
                1,
                RecordKind::Call {
                    function: "state.get".into(),
                    arguments: vec![text("k\0\u{ff}")],
                    answer: Answer::Returned(vec![
                        RecordedValue::Float(0.1f64.to_bits()),
                        RecordedValue::Nil,
                    ]),
                    took: 3,
                },
            ),
            record(2, RecordKind::Begin { function: "state.update".into(), arguments: vec![text("k")] }),
            record(
                3,
                RecordKind::Callback { arguments: vec![RecordedValue::Table(vec![text("x")], Vec::new())] },
            ),
            record(
                4,
                RecordKind::End {
                    answer: Answer::Raised("no".into()),
                    stop: Some(Stop::Signal(15)),
                    returned: None,
                },
            ),
            record(
                5,
                RecordKind::End {
                    answer: Answer::CallbackReturned,
                    stop: None,
                    returned: Some(vec![RecordedValue::Integer(7)]),
                },
            ),
            record(6, RecordKind::Event(RunEvent::TaskStarted { task: "a".into() })),
            record(7, RecordKind::Stop { stop: Stop::Timeout(std::time::Duration::from_secs(1)), looks: 9 }),
            record(8, RecordKind::Note("lock l was lost".into())),
            record(9, RecordKind::Full { limit: 1 << 20 }),
        ]
    }

    fn piece(records: &[Record]) -> RecordingChunk {
        let (mut names, mut data) = (NameTable::default(), Vec::new());
        records.iter().for_each(|record| encode(record.clone(), &mut names, &mut data));
        let (first, last) = (records[0].number, records[records.len() - 1].number);
        RecordingChunk { first, last, revision: Revision(4), landmark: true, data }
    }

    #[test]
    fn records_come_back_as_they_were() {
        let mut expected = sample();
        let decoded = decode(&piece(&expected)).unwrap();
        expected.last_mut().unwrap().revision = Some(Revision(4));
        assert_eq!(decoded, expected);
    }

    #[test]
    fn damage_is_found_and_never_panics() {
        let whole = piece(&sample());
        for length in 1..whole.data.len() {
            let cut = RecordingChunk { data: whole.data[..length].to_vec(), ..whole.clone() };
            assert!(decode(&cut).is_err(), "cut at {length}");
        }
        for place in 0..whole.data.len() {
            let mut changed = whole.clone();
            changed.data[place] ^= 0xff;
            let _ = decode(&changed);
        }
    }
}

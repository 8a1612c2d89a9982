//! Reads what is on the screen: the steps around one, and what one of them did.

use std::rc::Rc;

use crate::lua::recorded_value::RecordedValue;
use crate::store::{Process, RecordingChunk, Revision, Store, StoreError};
use crate::tui::list::RunRow;
use crate::tui::screens::debugger::folded_steps::Folds;
use crate::tui::screens::debugger::requests::{OpenAt, OpenedRun, StepPage};
use crate::workflow::RunEvent;
use crate::workflow::recording::{Answer, Record, RecordKind, Recording, RecordingError, decode};

/// How many steps are read before and after the one under the cursor.
const AROUND: u64 = 500;
/// Roughly how many bytes of a recording are read at a time.
const BYTES: usize = 1024 * 1024;
/// How much of a value is told, in bytes.
const VALUE: usize = 4096;

/// Goes through the pieces of a recording from the one that has record `from` in it, as long as
/// `take` says so.
pub fn each_piece(
    store: &dyn Store,
    run: i64,
    from: u64,
    take: &mut dyn FnMut(RecordingChunk) -> Result<bool, RecordingError>,
) -> Result<(), RecordingError> {
    let mut next = from.max(1);
    let mut limit = 8;
    loop {
        let page = store.recording_chunks(run, next, false, limit)?;
        // Where there is no such record the last piece comes, again and again.
        let pieces: Vec<RecordingChunk> =
            page.into_iter().filter(|piece| piece.first > 0 && piece.last >= next).collect();
        if pieces.is_empty() {
            return Ok(());
        }
        let bytes: usize = pieces.iter().map(|piece| piece.data.len()).sum();
        limit = (BYTES / (bytes / pieces.len()).max(1)).clamp(4, 1000);
        for piece in pieces {
            if piece.first > next {
                return Err(RecordingError::Removed(next));
            }
            next = piece.last + 1;
            if !take(piece)? {
                return Ok(());
            }
        }
    }
}

/// The run as it is seen from `here`.
pub fn row(store: &dyn Store, here: &Process, run: i64) -> Result<Option<RunRow>, StoreError> {
    Ok(store.run(run)?.map(|run| RunRow::of(run, store, here)))
}

/// The last record that has been written.
pub fn last(store: &dyn Store, run: i64) -> Result<u64, StoreError> {
    Ok(store.recording_chunks(run, u64::MAX >> 1, false, 1)?.last().map_or(0, |piece| piece.last))
}

pub fn open(
    store: &Rc<dyn Store>,
    here: &Process,
    run: i64,
    at: OpenAt,
) -> Result<OpenedRun, RecordingError> {
    let recording = Recording::of_store(store, run)?;
    let row = RunRow::of(recording.run, &**store, here);
    let follows = at == OpenAt::Begin && row.is_alive;
    let at = match at {
        OpenAt::Begin if follows => last(&**store, run)?,
        OpenAt::Begin => 1,
        OpenAt::Revision(_) if row.run.is_imported() => return Err(RecordingError::Imported(run)),
        OpenAt::Revision(revision) => match step_of(&**store, run, revision)? {
            Some(step) => step,
            None => return Err(RecordingError::NoStep { run, revision }),
        },
        OpenAt::Step(number) => number,
    };
    let window = window(&**store, run, at, &Folds::default())?;
    Ok(OpenedRun { run: row, header: recording.header, window, at, follows })
}

/// The steps around one of them, but for what is folded.
pub fn window(store: &dyn Store, run: i64, around: u64, folds: &Folds) -> Result<StepPage, RecordingError> {
    let last = last(store, run)?;
    let around = folds.shown(around.min(last)).max(1);
    let mut window = StepPage { at_end: true, at_start: true, last, ..StepPage::default() };
    for (from, to) in folds.stretches(around, AROUND, last) {
        window.at_start &= !window.records.is_empty() || from == 1;
        window.at_end = to == last;
        read_stretch(store, run, (from, to), last, &mut window)?;
    }
    Ok(window)
}

/// Reads the steps from one to another, of which `last` is the last of the recording.
fn read_stretch(
    store: &dyn Store,
    run: i64,
    (from, to): (u64, u64),
    last: u64,
    window: &mut StepPage,
) -> Result<(), RecordingError> {
    let mut known: Option<Revision> = None;
    // A change after the step before that is of this one, unless that one made it.
    let mut left: Option<(Revision, Revision)> = None;
    each_piece(store, run, from.saturating_sub(1), &mut |piece| {
        let mut revision = match known {
            Some(known) => known,
            None => revision_before(store, run, piece.first)?,
        };
        let is_last = piece.last >= to;
        for record in decode(&piece)? {
            let before = revision;
            revision = record.revision.unwrap_or(before);
            let mut changes = Vec::from_iter(left.take());
            let after = Some((before, revision)).filter(|(before, revision)| before < revision);
            if changed_by_itself(&record, last) {
                changes.extend(after);
            } else {
                left = after;
            }
            if (from..=to).contains(&record.number) {
                window.records.push(shortened(record));
                window.revisions.push(before);
                window.changes.push(changes);
            }
        }
        known = Some(revision);
        Ok(!is_last)
    })
}

/// Whether what was changed after a record and before the next is a change of that step, rather than of
/// the next one: a call changes something after its beginning and, where it calls a function, before
/// its end; and what a run changes outside of all calls is told of afterwards. Of a recording that
/// breaks off nothing follows.
fn changed_by_itself(record: &Record, last: u64) -> bool {
    matches!(record.what, RecordKind::Begin { .. }) || record.number >= last
}

/// The step that made what was changed in the transaction in which a piece was written.
pub fn step_after(piece: &RecordingChunk, last: u64) -> Result<u64, RecordingError> {
    let is_own = decode(piece)?.last().is_none_or(|record| changed_by_itself(record, last));
    Ok(if is_own { piece.last } else { piece.last + 1 })
}

/// The newest revision before the piece that begins with record `first`.
pub fn revision_before(store: &dyn Store, run: i64, first: u64) -> Result<Revision, StoreError> {
    let piece = store.recording_chunks(run, first.saturating_sub(1), false, 1)?;
    Ok(piece.first().map_or(Revision::default(), |piece| piece.revision))
}

/// A record with no more of its values than is shown: all of them are put into words for each picture.
fn shortened(mut record: Record) -> Record {
    let short = |data: Vec<RecordedValue>| short_list(data, &mut { VALUE });
    let of_answer = |answer| match answer {
        Answer::Returned(data) => Answer::Returned(short(data)),
        Answer::Default(data) => Answer::Default(short(data)),
        other => other,
    };
    record.what = match record.what {
        RecordKind::Call { function, arguments, answer, took } => {
            RecordKind::Call { function, arguments: short(arguments), answer: of_answer(answer), took }
        }
        RecordKind::Begin { function, arguments } => {
            RecordKind::Begin { function, arguments: short(arguments) }
        }
        RecordKind::Callback { arguments } => RecordKind::Callback { arguments: short(arguments) },
        RecordKind::End { answer, stop, returned } => {
            RecordKind::End { answer: of_answer(answer), stop, returned: returned.map(short) }
        }
        RecordKind::Event(RunEvent::RunStarted { workflow, mut tasks }) => {
            let mut room = VALUE;
            let fits = |task: &&String| {
                room = room.saturating_sub(task.len());
                room > 0
            };
            let shown = tasks.iter().take_while(fits).count();
            if shown < tasks.len() {
                tasks.truncate(shown);
                tasks.push("…".into());
            }
            RecordKind::Event(RunEvent::RunStarted { workflow, tasks })
        }
        RecordKind::Event(event) => RecordKind::Event(event.with_texts(&mut |mut text| {
            if text.len() > VALUE {
                text.truncate(text.floor_char_boundary(VALUE));
                text.push('…');
            }
            text
        })),
        other => other,
    };
    record
}

/// What is left out of data.
fn left_out() -> RecordedValue {
    RecordedValue::Other("…".into())
}

/// As much of a list as there is room for, in bytes; the room that is left then.
fn short_list(data: Vec<RecordedValue>, room: &mut usize) -> Vec<RecordedValue> {
    let mut shown = Vec::new();
    for datum in data {
        if *room == 0 {
            shown.push(left_out());
            break;
        }
        shown.push(short_datum(datum, room));
    }
    shown
}

fn short_datum(datum: RecordedValue, room: &mut usize) -> RecordedValue {
    /// What anything takes but a text.
    const PLAIN: usize = 8;
    match datum {
        RecordedValue::Text(mut text) => {
            if text.len() > *room {
                text.truncate(*room);
                text.extend_from_slice("…".as_bytes());
            }
            *room = room.saturating_sub(text.len());
            RecordedValue::Text(text)
        }
        RecordedValue::Table(list, fields) => {
            let list = short_list(list, room);
            let mut shown = Vec::new();
            for (key, field) in fields {
                if *room == 0 {
                    shown.push((left_out(), left_out()));
                    break;
                }
                shown.push((short_datum(key, room), short_datum(field, room)));
            }
            *room = room.saturating_sub(PLAIN);
            RecordedValue::Table(list, shown)
        }
        other => {
            *room = room.saturating_sub(PLAIN);
            other
        }
    }
}

/// The step that made a revision: the first transaction of the run that was not before it; `None` if
/// its recording ends before that. Revisions only grow, so that it is found by halves.
pub fn step_of(store: &dyn Store, run: i64, revision: Revision) -> Result<Option<u64>, RecordingError> {
    let last = last(store, run)?;
    let (mut low, mut high) = (1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        match store.recording_chunks(run, middle, false, 1)?.first() {
            Some(piece) if piece.revision < revision => low = piece.last.max(middle) + 1,
            Some(piece) => {
                high = piece.last.min(high).max(low).min(if piece.last < high { piece.last } else { middle })
            }
            None => break,
        }
    }
    let page = store.recording_chunks(run, low, false, 1)?;
    match page.first() {
        Some(piece) if piece.first > 0 && piece.revision >= revision => step_after(piece, last).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: Vec<RecordedValue>) -> String {
        let what = RecordKind::Begin { function: "f".into(), arguments };
        let record = Record { number: 1, at: 0, task: None, place: None, what, revision: None };
        shortened(record).what.summary()
    }

    #[test]
    fn of_long_values_no_more_is_kept_than_is_shown() {
        assert_eq!(
            words(vec![RecordedValue::text("key"), RecordedValue::Integer(7)]),
            "f(\"key\", 7)",
            "all of a short one"
        );
        let text = words(vec![RecordedValue::text("key"), RecordedValue::text("x".repeat(100_000))]);
        assert!(text.starts_with("f(\"key\", \"xxx") && text.ends_with("x…\")"), "{text}");
        let table =
            words(vec![RecordedValue::Table((0..100_000).map(RecordedValue::Integer).collect(), Vec::new())]);
        assert!(table.starts_with("f({0, 1, 2") && table.ends_with(", …})"), "{table}");
        let fields =
            (0..100_000).map(|number| (RecordedValue::Integer(-number), RecordedValue::Nil)).collect();
        let fields = words(vec![RecordedValue::Table(Vec::new(), fields), RecordedValue::Nil]);
        assert!(fields.ends_with("[…]=…}, …)"), "{fields}");
        assert!(text.len().max(table.len()).max(fields.len()) < 2 * VALUE);
    }
}

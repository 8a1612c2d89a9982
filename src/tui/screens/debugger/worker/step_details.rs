//! What one step of a run did: its changes, and the entry before it.

use std::ops::Bound;

use crate::lua::functions;
use crate::store::{
    Change, ErrorKind, HistoryScan, Key, Moment, Revision, Run, Store, StoreError, Subject, When,
};
use crate::time::Millis;
use crate::tui::screens::debugger::requests::{StateBefore, StepChanges, StepDetails, StepQuery, WriteFate};
use crate::tui::screens::debugger::worker::pages::{each_piece, last};
use crate::workflow::recording::{Answer, RecordKind, RecordingError, decode};

/// The most changes of one step that are told.
pub const CHANGES: usize = 100;
/// How much of a value is told, in bytes.
const VALUE: usize = 4096;
/// How many steps away the ends of a transaction are looked for.
const FAR: u64 = 20_000;

/// Whether history has no more what was changed at a revision.
pub fn is_pruned(store: &dyn Store, revision: Revision) -> Result<bool, StoreError> {
    Ok(store.history_span()?.is_none_or(|span| revision < span.oldest.0))
}

/// What a run changed between two revisions, without the first, oldest first. All of that is of one
/// step: the newest of it is the change in whose transaction the step was written, and if that is
/// not of the run, nothing is.
pub fn changes(
    store: &dyn Store,
    run: i64,
    (after, upto): (Revision, Revision),
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    /// How many changes are looked through at a time, and how often: others may have made most of them.
    const PAGE: usize = 256;
    const PAGES: usize = 40;
    let mut changes: Vec<Change> = Vec::new();
    let mut to = Bound::Included(upto);
    for _ in 0..PAGES {
        let page = if changes.is_empty() { 1 } else { PAGE };
        let scan = HistoryScan {
            from: Bound::Excluded(after),
            to,
            value_limit: VALUE as u64,
            ..HistoryScan::newest(page)
        };
        let found = store.history(&scan)?;
        let Some(oldest) = found.last().map(|change| change.revision) else { break };
        let is_short = found.len() < page;
        to = Bound::Excluded(oldest);
        changes.extend(found.into_iter().filter(|change| change.actor.run == Some(run)));
        if changes.is_empty() || changes.len() >= limit || is_short {
            break;
        }
    }
    changes.truncate(limit);
    changes.reverse();
    Ok(changes)
}

pub fn about(store: &dyn Store, step: &StepQuery) -> Result<StepDetails, RecordingError> {
    let mut about = StepDetails { number: step.number, ..StepDetails::default() };
    let Some(run) = store.run(step.sitting.run)? else { return Ok(about) };
    if run.is_imported() {
        about.changed = if step.call.is_some() { StepChanges::Elsewhere } else { StepChanges::Unknown };
        about.before = step.key.as_ref().map(|_| StateBefore::Elsewhere);
        return Ok(about);
    }
    about.changed = changed(store, step)?;
    about.before = before(store, step, &run, &about.changed)?;
    Ok(about)
}

fn changed(store: &dyn Store, step: &StepQuery) -> Result<StepChanges, RecordingError> {
    let run = step.sitting.run;
    for ranges in [&step.changes, &step.changes_at_end] {
        let mut found = Vec::new();
        let mut pruned = false;
        for range in ranges {
            let changes = changes(store, run, *range, CHANGES + 1)?;
            pruned |= changes.is_empty() && is_pruned(store, range.1)?;
            found.extend(changes);
        }
        if !found.is_empty() {
            let surplus = found.len().saturating_sub(CHANGES);
            found.drain(..surplus);
            return Ok(StepChanges::These { changes: found, has_more: surplus > 0 });
        }
        if pruned {
            return Ok(StepChanges::Pruned);
        }
    }
    let Some(call) = &step.call else { return Ok(StepChanges::Unknown) };
    // A call that has not ended may still change something.
    Ok(match transaction_around(store, run, call.begin)? {
        Around::Transaction(first, ended) => {
            let ended = if call.is_proven { ended } else { WriteFate::Unknown };
            StepChanges::InTransaction { first, ended }
        }
        Around::Nothing if call.has_ended && call.is_proven => StepChanges::Nothing,
        Around::Nothing | Around::Unknown => StepChanges::Unknown,
    })
}

/// What a call lies in.
enum Around {
    /// In no transaction.
    Nothing,
    /// In one that begins at this step; what became of what the call wrote.
    Transaction(u64, WriteFate),
    /// It is too far away to be looked for.
    Unknown,
}

/// The outermost transaction that a call lies in, and what became of what the call wrote.
fn transaction_around(store: &dyn Store, run: i64, begin: u64) -> Result<Around, RecordingError> {
    // The calls under way where the call begins: their first steps, and whether they are transactions.
    let mut under_way: Vec<(u64, bool)> = Vec::new();
    // Those that were under way where the call began.
    let mut around: Option<Vec<(u64, bool)>> = None;
    let mut ended = WriteFate::Unknown;
    let start = begin.saturating_sub(FAR).max(1);
    let mut is_known = start == 1;
    each_piece(store, run, start, &mut |piece| {
        for record in decode(&piece)? {
            if record.number < start {
                continue;
            }
            if record.number == begin {
                around = Some(under_way.clone());
            }
            let outermost = around
                .as_ref()
                .and_then(|around| around.iter().position(|(_, is_transaction)| *is_transaction));
            if around.is_some() && outermost.is_none() {
                return Ok(false);
            }
            match &record.what {
                // No call is under way when a task, a hook or an attempt begins or ends.
                RecordKind::Event(_) => {
                    under_way.clear();
                    is_known |= around.is_none();
                }
                RecordKind::Begin { function, .. } => {
                    let call = (record.number, functions::is_transaction(function));
                    under_way.push(call);
                    // A transaction inside another may be rolled back by itself.
                    if let Some(around) = around.as_mut().filter(|_| record.number == begin && call.1) {
                        around.push(call);
                    }
                }
                // The function is called once more: what it wrote before is dropped.
                RecordKind::Callback { .. }
                    if record.number > begin && outermost.is_some_and(|at| under_way.len() == at + 1) =>
                {
                    ended = WriteFate::Repeated(record.number);
                    return Ok(false);
                }
                RecordKind::End { answer, .. } => {
                    let call = under_way.pop();
                    let (Some(outermost), Some(around), Some(call)) = (outermost, &around, call) else {
                        continue;
                    };
                    let is_dropped = !matches!(
                        answer,
                        Answer::Returned(_) | Answer::Default(_) | Answer::CallbackReturned
                    );
                    if call.1 && around.contains(&call) && is_dropped {
                        ended = WriteFate::RolledBack(record.number);
                        return Ok(false);
                    }
                    if under_way.len() == outermost {
                        ended = WriteFate::Committed(record.number);
                        return Ok(false);
                    }
                }
                _ => {}
            }
        }
        Ok(piece.last < begin.saturating_add(FAR))
    })?;
    let first = around.and_then(|around| around.into_iter().find(|(_, is_transaction)| *is_transaction));
    Ok(match first {
        Some((first, _)) if is_known => Around::Transaction(first, ended),
        None if is_known => Around::Nothing,
        _ => Around::Unknown,
    })
}

/// The entry that a step is about, as it was before.
fn before(
    store: &dyn Store,
    step: &StepQuery,
    run: &Run,
    changed: &StepChanges,
) -> Result<Option<StateBefore>, RecordingError> {
    let Some(key) = &step.key else { return Ok(None) };
    if let StepChanges::These { changes, has_more: false } = changed
        && let Some(change) = first_of(changes, key)
    {
        return Ok(Some(StateBefore::Image(change.old.clone())));
    }
    let at = Millis(run.began_at.0.saturating_add(i64::try_from(step.at / 1000).unwrap_or(i64::MAX)));
    let state = store
        .moment(When::Revision(step.revision))
        .and_then(|moment| store.get_at(key, Moment { at, ..moment }));
    match state {
        Ok(entry) => {
            let mut image = entry.map(|entry| entry.image());
            image.iter_mut().for_each(|image| image.stored.truncate(VALUE));
            Ok(Some(StateBefore::At(step.revision, image)))
        }
        Err(
            error @ StoreError {
                kind: ErrorKind::Pruned { .. } | ErrorKind::NotRecorded | ErrorKind::NotYet { .. },
                ..
            },
        ) => Ok(Some(StateBefore::Unknown(error.to_string()))),
        Err(error) => Err(error.into()),
    }
}

fn first_of<'a>(changes: &'a [Change], key: &Key) -> Option<&'a Change> {
    changes.iter().find(|change| change.subject == Subject::Entry && change.key == *key)
}

/// Whether a recording is there up to a record that was seen of it; records are removed from its end.
pub fn check_reaches(store: &dyn Store, run: i64, known: u64) -> Result<(), RecordingError> {
    match last(store, run)? {
        last if last < known => Err(RecordingError::Removed(last + 1)),
        _ => Ok(()),
    }
}

/// Whether all that a run recorded is there: `known` is the last record that was seen of it.
pub fn check_complete(store: &dyn Store, run: i64, known: u64) -> Result<(), RecordingError> {
    check_reaches(store, run, known)?;
    let last = last(store, run)?;
    if store.run(run)?.is_some_and(|run| run.ended.is_some()) {
        let mut is_finished = false;
        each_piece(store, run, last.max(1), &mut |piece| {
            is_finished = decode(&piece)?
                .iter()
                .any(|record| matches!(&record.what, RecordKind::Event(event) if event.ends_run()));
            Ok(true)
        })?;
        if !is_finished {
            return Err(RecordingError::Removed(last + 1));
        }
    }
    Ok(())
}

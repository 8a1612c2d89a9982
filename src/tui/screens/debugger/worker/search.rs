//! Looks for steps, through as much of a recording as it takes.

use crate::store::{RecordingChunk, Revision, Store, StoreError};
use crate::tui::list::Tasks;
use crate::tui::screens::debugger::requests::{StepFilter, StepSearch};
use crate::tui::screens::debugger::source::{RunSource, is_failure};
use crate::tui::screens::debugger::steps::Nesting;
use crate::tui::screens::debugger::worker::pages::{each_piece, last, revision_before, step_after};
use crate::tui::screens::debugger::worker::step_details::{
    changes, check_complete, check_reaches, is_pruned,
};
use crate::workflow::recording::{Header, Record, RecordingError, decode};

/// How many records are looked at at once on the way back.
const BACK: u64 = 2000;
/// How many pieces in which a task begins or ends are read at a time.
const LANDMARKS: usize = 100;

/// The tasks of a run; `None` if nobody wants to know them any more.
pub fn tasks(store: &dyn Store, run: i64, stops: &dyn Fn() -> bool) -> Result<Option<Tasks>, RecordingError> {
    let mut tasks = Tasks::default();
    let mut next = 1;
    while !stops() {
        let page = store.recording_chunks(run, next, true, LANDMARKS)?;
        let pieces: Vec<RecordingChunk> =
            page.into_iter().filter(|piece| piece.first > 0 && piece.last >= next).collect();
        let Some(last) = pieces.last() else { return Ok(Some(tasks)) };
        next = last.last + 1;
        for piece in &pieces {
            decode(piece)?.iter().for_each(|record| tasks.add(record));
        }
    }
    Ok(None)
}

/// The step that is looked for; `None` if there is none, or nobody wants it any more.
pub fn seek(
    store: &dyn Store,
    seek: &StepSearch,
    stops: &dyn Fn(u64) -> bool,
) -> Result<Option<u64>, RecordingError> {
    let source = match seek.test {
        StepFilter::Break(_) => source(store, seek.run)?,
        _ => RunSource::default(),
    };
    let mut looking = StepMatcher { store, seek, source, level: 0, found: None };
    if let StepFilter::Over = seek.test {
        looking.begin()?;
    }
    if seek.forwards {
        looking.forwards(stops)?
    } else {
        looking.backwards(stops)?
    }
    // That there is nothing is only said of all that was recorded.
    if looking.found.is_none() && !stops(seek.from) {
        match seek.forwards {
            true => check_complete(store, seek.run, seek.last)?,
            false => check_reaches(store, seek.run, seek.from.saturating_sub(1).min(seek.last))?,
        }
    }
    Ok(looking.found)
}

fn source(store: &dyn Store, run: i64) -> Result<RunSource, RecordingError> {
    match store.recording_chunks(run, 0, false, 1)?.first() {
        Some(piece) if piece.first == 0 => Ok(RunSource::of(&Header::decode(&piece.data)?)),
        _ => Err(RecordingError::NotRecorded(run)),
    }
}

struct StepMatcher<'a> {
    store: &'a dyn Store,
    seek: &'a StepSearch,
    source: RunSource,
    /// How deep inside of the step at which it began.
    level: isize,
    found: Option<u64>,
}

impl StepMatcher<'_> {
    /// Looks at the step at which it begins.
    fn begin(&mut self) -> Result<(), RecordingError> {
        let from = self.seek.from;
        each_piece(self.store, self.seek.run, from, &mut |piece| {
            if let Some(record) = decode(&piece)?.iter().find(|record| record.number == from) {
                self.level = isize::from(Nesting::of(record) == self.opening());
            }
            Ok(false)
        })
    }

    fn opening(&self) -> Nesting {
        if self.seek.forwards { Nesting::Opens } else { Nesting::Closes }
    }

    fn is_ahead(&self, number: u64) -> bool {
        if self.seek.forwards { number > self.seek.from } else { number < self.seek.from }
    }

    fn forwards(&mut self, stops: &dyn Fn(u64) -> bool) -> Result<(), RecordingError> {
        let from = self.seek.from.saturating_sub(1);
        let mut before = None;
        each_piece(self.store, self.seek.run, from, &mut |piece| {
            let known = match before {
                Some(before) => before,
                None => revision_before(self.store, self.seek.run, piece.first)?,
            };
            before = Some(piece.revision);
            self.look_at(&piece, known)?;
            Ok(self.found.is_none() && !stops(piece.last))
        })
    }

    fn backwards(&mut self, stops: &dyn Fn(u64) -> bool) -> Result<(), RecordingError> {
        let mut end = self.seek.from;
        while end > 1 && self.found.is_none() && !stops(end) {
            let start = end.saturating_sub(BACK).max(1);
            let mut pieces: Vec<RecordingChunk> = Vec::new();
            each_piece(self.store, self.seek.run, start, &mut |piece| {
                let is_last = piece.last + 1 >= end;
                if piece.first < end {
                    pieces.push(piece);
                }
                Ok(!is_last)
            })?;
            let Some(first) = pieces.first() else { return Ok(()) };
            let mut before = vec![revision_before(self.store, self.seek.run, first.first)?];
            before.extend(pieces.iter().map(|piece| piece.revision));
            end = first.first;
            for (piece, before) in pieces.iter().zip(before).rev() {
                self.look_at(piece, before)?;
                if self.found.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn look_at(&mut self, piece: &RecordingChunk, before: Revision) -> Result<(), RecordingError> {
        if self.seek.test == StepFilter::Change {
            if before < piece.revision {
                self.look_for_change(piece, before)?;
            }
            return Ok(());
        }
        let records = decode(piece)?;
        let mut ahead: Vec<&Record> = records.iter().filter(|record| self.is_ahead(record.number)).collect();
        if !self.seek.forwards {
            ahead.reverse();
        }
        // The next pieces follow each other without a gap, whichever way it goes.
        self.found = ahead.into_iter().find(|record| self.is_it(record)).map(|record| record.number);
        Ok(())
    }

    fn look_for_change(&mut self, piece: &RecordingChunk, before: Revision) -> Result<(), RecordingError> {
        let number = step_after(piece, last(self.store, self.seek.run)?)?;
        if self.is_ahead(number) && self.changed(before, piece.revision)? {
            self.found = Some(number);
        }
        Ok(())
    }

    /// Whether the run changed something in this transaction; where history is gone, whether anybody
    /// did.
    fn changed(&self, before: Revision, revision: Revision) -> Result<bool, StoreError> {
        Ok(!changes(self.store, self.seek.run, (before, revision), 1)?.is_empty()
            || is_pruned(self.store, revision)?)
    }

    fn is_it(&mut self, record: &Record) -> bool {
        match &self.seek.test {
            StepFilter::Over => {
                let nesting = Nesting::of(record);
                if nesting != Nesting::Flat && nesting != self.opening() {
                    self.level -= 1;
                }
                let is_it = self.level <= 0;
                if nesting == self.opening() {
                    self.level += 1;
                }
                is_it
            }
            StepFilter::Break(breakpoints) => {
                breakpoints.iter().any(|breakpoint| breakpoint.stops(&self.source, record))
            }
            StepFilter::Text(needle) => {
                needle.is_in(record.what.summary().as_bytes())
                    || record.task.as_ref().is_some_and(|task| needle.is_in(task.as_bytes()))
            }
            StepFilter::Failure => is_failure(&record.what),
            StepFilter::Change => false,
        }
    }
}

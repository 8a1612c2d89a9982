//! Reading a recording from its beginning to its end, a few pieces at a time.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{Header, Record, RecordingError, decode};
use crate::store::{RecordingChunk, Run, Store, StoreError};

/// Reads pieces from the one that has a record in it.
type Pieces = Rc<dyn Fn(u64) -> Result<Vec<RecordingChunk>, StoreError>>;

/// A run and what was recorded of it, wherever that is kept.
#[derive(Clone)]
pub struct Recording {
    /// The run.
    pub run: Run,
    /// What was run.
    pub header: Header,
    pieces: Pieces,
}

impl Recording {
    /// The recording of a run in a store.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn of_store(store: &Rc<dyn Store>, number: i64) -> Result<Recording, RecordingError> {
        /// Pieces that are read at a time.
        const PIECES: usize = 256;
        let run = store.run(number)?.ok_or(RecordingError::NoRun(number))?;
        let first = store.recording_chunks(number, 0, false, 1)?;
        let header = match first.first() {
            Some(piece) if piece.first == 0 => Header::decode(&piece.data)?,
            _ => return Err(RecordingError::NotRecorded(number)),
        };
        let store = Rc::clone(store);
        let pieces = Rc::new(move |from| store.recording_chunks(number, from, false, PIECES));
        Ok(Recording { run, header, pieces })
    }

    /// A recording whose pieces are all there, without the header.
    pub fn of_pieces(run: Run, header: Header, pieces: Vec<RecordingChunk>) -> Recording {
        let pieces = Rc::new(move |from: u64| {
            // As a store does: where there is no such record, the last piece.
            let start = pieces.partition_point(|piece| piece.last < from).min(pieces.len().saturating_sub(1));
            Ok(pieces[start..].to_vec())
        });
        Recording { run, header, pieces }
    }

    /// All pieces after the header.
    ///
    /// # Errors
    /// The store's, and [`RecordingError::Removed`] if some are missing in between.
    pub fn all_pieces(&self) -> Result<Vec<RecordingChunk>, RecordingError> {
        let mut all: Vec<RecordingChunk> = Vec::new();
        loop {
            let mut next = all.last().map_or(1, |piece| piece.last.saturating_add(1));
            let page = (self.pieces)(next)?;
            let more: Vec<RecordingChunk> = page.into_iter().filter(|piece| piece.first >= next).collect();
            if more.is_empty() {
                return Ok(all);
            }
            for piece in more {
                if piece.first > next {
                    return Err(RecordingError::Removed(next));
                }
                next = piece.last.saturating_add(1);
                all.push(piece);
            }
        }
    }

    /// A tape at its beginning.
    pub fn tape(&self) -> RecordedEvents {
        self.tape_from(1)
    }

    /// A tape at the piece that has this record in it.
    pub fn tape_from(&self, number: u64) -> RecordedEvents {
        RecordedEvents { pieces: Rc::clone(&self.pieces), next: number.max(1), loaded: VecDeque::new() }
    }
}

/// The records of a recording, one after the other.
pub struct RecordedEvents {
    pieces: Pieces,
    next: u64,
    loaded: VecDeque<Record>,
}

impl RecordedEvents {
    /// The next record, which stays the next; `None` at the end.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn peek(&mut self) -> Result<Option<&Record>, RecordingError> {
        if self.loaded.is_empty() {
            for piece in (self.pieces)(self.next)? {
                if piece.last >= self.next && piece.first > 0 {
                    if piece.first > self.next {
                        return Err(RecordingError::Removed(self.next));
                    }
                    self.next = piece.last.saturating_add(1);
                    self.loaded.extend(decode(&piece)?);
                }
            }
        }
        Ok(self.loaded.front())
    }

    /// The next record; the one after it is the next then.
    ///
    /// # Errors
    /// As [`RecordedEvents::peek`].
    pub fn take(&mut self) -> Result<Option<Record>, RecordingError> {
        self.peek()?;
        Ok(self.loaded.pop_front())
    }
}

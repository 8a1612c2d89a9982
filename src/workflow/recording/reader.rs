//! Reading a recording from its beginning to its end, a few pieces at a time.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{Header, Record, RecordingError, decode};
use crate::store::{RecordingChunk, Run, Store, StoreError};

/// Reads pieces from the one that has a record in it.
type ReadChunks = Rc<dyn Fn(u64) -> Result<Vec<RecordingChunk>, StoreError>>;

/// A run and what was recorded of it, wherever that is kept.
#[derive(Clone)]
pub struct Recording {
    /// The run.
    pub run: Run,
    /// What was run.
    pub header: Header,
    chunks: ReadChunks,
}

impl Recording {
    /// The recording of a run in a store.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn of_store(store: &Rc<dyn Store>, number: i64) -> Result<Recording, RecordingError> {
        /// Pieces that are read at a time.
        const CHUNKS_PER_READ: usize = 256;
        let run = store.run(number)?.ok_or(RecordingError::NoRun(number))?;
        let first = store.recording_chunks(number, 0, false, 1)?;
        let header = match first.first() {
            Some(chunk) if chunk.first == 0 => Header::decode(&chunk.data)?,
            _ => return Err(RecordingError::NotRecorded(number)),
        };
        let store = Rc::clone(store);
        let chunks = Rc::new(move |from| store.recording_chunks(number, from, false, CHUNKS_PER_READ));
        Ok(Recording { run, header, chunks })
    }

    /// A recording whose pieces are all there, without the header.
    pub fn of_chunks(run: Run, header: Header, chunks: Vec<RecordingChunk>) -> Recording {
        let chunks = Rc::new(move |from: u64| {
            // As a store does: where there is no such record, the last piece.
            let start = chunks.partition_point(|chunk| chunk.last < from).min(chunks.len().saturating_sub(1));
            Ok(chunks[start..].to_vec())
        });
        Recording { run, header, chunks }
    }

    /// All pieces after the header.
    ///
    /// # Errors
    /// The store's, and [`RecordingError::Removed`] if some are missing in between.
    pub fn all_chunks(&self) -> Result<Vec<RecordingChunk>, RecordingError> {
        let mut all: Vec<RecordingChunk> = Vec::new();
        loop {
            let mut next = all.last().map_or(1, |chunk| chunk.last.saturating_add(1));
            let page = (self.chunks)(next)?;
            let more: Vec<RecordingChunk> = page.into_iter().filter(|chunk| chunk.first >= next).collect();
            if more.is_empty() {
                return Ok(all);
            }
            for chunk in more {
                if chunk.first > next {
                    return Err(RecordingError::Removed(next));
                }
                next = chunk.last.saturating_add(1);
                all.push(chunk);
            }
        }
    }

    /// A tape at its beginning.
    pub fn tape(&self) -> RecordedEvents {
        self.tape_from(1)
    }

    /// A tape at the piece that has this record in it.
    pub fn tape_from(&self, number: u64) -> RecordedEvents {
        RecordedEvents { chunks: Rc::clone(&self.chunks), next: number.max(1), loaded: VecDeque::new() }
    }
}

/// The records of a recording, one after the other.
pub struct RecordedEvents {
    chunks: ReadChunks,
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
            for chunk in (self.chunks)(self.next)? {
                if chunk.last >= self.next && chunk.first > 0 {
                    if chunk.first > self.next {
                        return Err(RecordingError::Removed(self.next));
                    }
                    self.next = chunk.last.saturating_add(1);
                    self.loaded.extend(decode(&chunk)?);
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

//! Reads a recording from its beginning to its end, a few chunks at a time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Header, Record, RecordingError, decode};
use crate::store::{RecordingChunk, Run, Store, StoreError};

/// Reads chunks from the one that contains a record.
type ReadChunks = Rc<dyn Fn(u64) -> Result<Vec<RecordingChunk>, StoreError>>;

/// A run and its recording, wherever it is stored.
#[derive(Clone)]
pub struct Recording {
    pub run: Run,
    pub header: Header,
    chunks: ReadChunks,
}

impl Recording {
    /// The recording of a run in a store.
    pub fn of_store(store: &Rc<dyn Store>, number: i64) -> Result<Recording, RecordingError> {
        /// How many chunks are read at a time at most, and how many bytes about.
        const CHUNKS_PER_READ: usize = 256;
        const BYTES_PER_READ: usize = 2 << 20;
        let run = store.run(number)?.ok_or(RecordingError::NoRun(number))?;
        let first = store.recording_chunks(number, 0, false, 1)?;
        let header = match first.first() {
            Some(chunk) if chunk.first == 0 => Header::decode(&chunk.data)?,
            _ => return Err(RecordingError::NotRecorded(number)),
        };
        let store = Rc::clone(store);
        let count = Cell::new(8);
        let chunks = Rc::new(move |from| {
            let read = store.recording_chunks(number, from, false, count.get())?;
            let bytes: usize = read.iter().map(|chunk| chunk.data.len()).sum();
            // Chunks are small where every call writes, and large where answers are.
            count.set(match bytes <= BYTES_PER_READ {
                true => (count.get() * 2).min(CHUNKS_PER_READ),
                false => (count.get() / 4).max(1),
            });
            Ok(read)
        });
        Ok(Recording { run, header, chunks })
    }

    /// A recording whose chunks are given, without the header.
    pub fn of_chunks(run: Run, header: Header, chunks: Vec<RecordingChunk>) -> Recording {
        let chunks = Rc::new(move |from: u64| {
            // As in a store: the last chunk if there is no such record.
            let start = chunks.partition_point(|chunk| chunk.last < from).min(chunks.len().saturating_sub(1));
            Ok(chunks[start..].to_vec())
        });
        Recording { run, header, chunks }
    }

    /// All chunks after the header.
    ///
    /// # Errors
    /// The store's, and [`RecordingError::Removed`] if some are missing in between.
    pub fn all_chunks(&self) -> Result<Vec<RecordingChunk>, RecordingError> {
        let mut all: Vec<RecordingChunk> = Vec::new();
        loop {
            let mut next = all.last().map_or(Ok(1), after)?;
            let page = (self.chunks)(next)?;
            let more: Vec<RecordingChunk> = page.into_iter().filter(|chunk| chunk.first >= next).collect();
            if more.is_empty() {
                return Ok(all);
            }
            for chunk in more {
                if chunk.first > next {
                    return Err(RecordingError::Removed(next));
                }
                next = after(&chunk)?;
                all.push(chunk);
            }
        }
    }

    /// The records from the first one on.
    pub fn events(&self) -> RecordedEvents {
        self.events_from(1)
    }

    /// The records from the chunk on that contains this record.
    pub fn events_from(&self, number: u64) -> RecordedEvents {
        RecordedEvents { chunks: Rc::clone(&self.chunks), next: number.max(1), loaded: VecDeque::new() }
    }
}

/// Reads the records of a recording in order.
pub struct RecordedEvents {
    chunks: ReadChunks,
    next: u64,
    loaded: VecDeque<Record>,
}

impl RecordedEvents {
    /// The next record without taking it; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<&Record>, RecordingError> {
        if self.loaded.is_empty() {
            for chunk in (self.chunks)(self.next)? {
                if chunk.last >= self.next && chunk.first > 0 {
                    if chunk.first > self.next {
                        return Err(RecordingError::Removed(self.next));
                    }
                    self.next = after(&chunk)?;
                    self.loaded.extend(decode(&chunk)?);
                }
            }
        }
        Ok(self.loaded.front())
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// As [`RecordedEvents::peek`].
    pub fn take(&mut self) -> Result<Option<Record>, RecordingError> {
        self.peek()?;
        Ok(self.loaded.pop_front())
    }
}

/// The number of the record after those of a chunk.
fn after(chunk: &RecordingChunk) -> Result<u64, RecordingError> {
    let next = chunk.last.checked_add(1);
    next.ok_or_else(|| RecordingError::Damaged(format!("a record has the number {}", chunk.last)))
}

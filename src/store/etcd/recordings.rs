//! Recordings of runs: buffered until something is written, and written with that.
//!
//! A piece is one value, so that it is written in the transaction of the change that it is about. Where it is
//! longer than etcd's requests allow, all but its end is written before, as parts that nobody reads without it.

use serde_bytes::ByteBuf;

use super::EtcdStore;
use super::commit_record::Retries;
use super::record::{self, revision_at};
use super::run_record::{PieceRecord, PieceRevision, RunRecord};
use super::wire::{Compare, KeyValue, Op, RangeRequest, RangeResponse, Txn};
use crate::store::{Key, RecordingChunk, RecordingRetention, Revision, State, Store, StoreError};

/// The most bytes of records in one value.
const PART: usize = 64 * 1024;
/// What a piece takes of a request, with its keys, at most.
const PIECE_BYTES: u64 = PART as u64 + 4096;
/// How many of them one transaction writes.
const PARTS: usize = 12;
/// How many pieces are read at a time.
const PIECES: usize = 12;

/// What a store has of the recording of its run.
#[derive(Default)]
pub(super) struct Records {
    /// Records that are not written yet: one piece that grows.
    kept: Option<KeptPiece>,
    /// The run and the first record of the piece that was written last.
    written: Option<(i64, u64)>,
}

struct KeptPiece {
    run: i64,
    piece: RecordingChunk,
    /// The etcd revision of the stored piece, 0 if none is known: an attempt without a reply may have stored it.
    seen: i64,
    /// How many of its parts are written.
    parts: usize,
}

impl Records {
    pub(super) fn keep(&mut self, run: i64, number: u64, landmark: bool, data: &[u8]) {
        match &mut self.kept {
            Some(KeptPiece { piece, .. }) => piece.add(number, landmark, data),
            None => {
                let piece = RecordingChunk::begin(number, landmark, data);
                self.kept = Some(KeptPiece { run, piece, seen: 0, parts: 0 });
            }
        }
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.piece.data.len())
    }

    fn are_written(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.written = Some((kept.run, kept.piece.first));
        }
    }
}

/// What is written of a recording together with a change.
#[derive(Debug, Default)]
pub(super) struct RecordsDraft {
    pub compares: Vec<Compare>,
    pub ops: Vec<Op>,
    /// The read of the piece that is there, if one is written.
    pub read: Option<Op>,
}

/// How many parts of some bytes are before its end.
fn parts_of(data: &[u8]) -> usize {
    data.len().saturating_sub(1) / PART
}

/// The value of a piece, without the parts before its end.
fn head_of(piece: &RecordingChunk, written: PieceRevision) -> Vec<u8> {
    let parts = parts_of(&piece.data);
    record::encode(&PieceRecord {
        last: piece.last,
        landmark: piece.landmark,
        written,
        parts: u16::try_from(parts).unwrap_or(u16::MAX),
        data: ByteBuf::from(&piece.data[parts * PART..]),
    })
}

impl EtcdStore {
    /// What is written of the recording with so many changes, if so many bytes of the request are left for it.
    /// Where nothing is buffered, a change that the run made belongs to the last record that was written: a call
    /// may make several changes, or wait before it makes one.
    pub(super) fn draft_records(&self, changes: u8, room: u64) -> Result<RecordsDraft, StoreError> {
        self.write_parts()?;
        let has_room = room >= PIECE_BYTES;
        if !has_room && self.records.borrow().kept.is_some() {
            self.write_records()?;
        }
        let records = self.records.borrow();
        Ok(match (&records.kept, records.written) {
            (Some(kept), _) => {
                let key = self.keys.chunk(kept.run, kept.piece.first);
                let value = head_of(&kept.piece, PieceRevision::WithChanges(changes));
                RecordsDraft {
                    compares: vec![Compare::modified_at(key.clone(), kept.seen)],
                    ops: vec![Op::put(key.clone(), value)],
                    read: Some(Op::get(key)),
                }
            }
            (None, Some((run, first))) if self.actor.borrow().run == Some(run) => {
                let mark = Op::put(self.keys.chunk_mark(run, first), vec![changes]);
                RecordsDraft { ops: vec![mark], ..RecordsDraft::default() }
            }
            (None, _) => RecordsDraft::default(),
        })
    }

    /// The draft was written.
    pub(super) fn records_are_written(&self) {
        self.records.borrow_mut().are_written();
    }

    /// Notes the stored piece after a refused transaction.
    pub(super) fn records_are_refused(&self, found: &RangeResponse) {
        if let Some(kept) = &mut self.records.borrow_mut().kept {
            kept.seen = found.first().map_or(0, |kv| kv.mod_revision);
        }
    }

    /// Writes what is buffered by itself.
    pub(super) fn write_records(&self) -> Result<(), StoreError> {
        if self.records.borrow().kept.is_none() {
            return Ok(());
        }
        self.check_writable()?;
        self.write_parts()?;
        let revision = self.revision()?;
        let mut retries = Retries::new(self.settings.busy_limit);
        loop {
            let (key, value, seen) = match &self.records.borrow().kept {
                None => return Ok(()),
                Some(kept) => {
                    let value = head_of(&kept.piece, PieceRevision::Alone(revision.0));
                    (self.keys.chunk(kept.run, kept.piece.first), value, kept.seen)
                }
            };
            let answer = self.txn(&Txn {
                compares: vec![Compare::modified_at(key.clone(), seen)],
                success: vec![Op::put(key.clone(), value.clone())],
                failure: vec![Op::get(key)],
            })?;
            let is_written = answer.succeeded;
            let found = answer.into_ranges().pop().unwrap_or_default();
            if is_written || found.first().is_some_and(|kv| kv.value == value) {
                self.records_are_written();
                return Ok(());
            }
            self.records_are_refused(&found);
            retries.again(&Key::new("recording")?)?;
        }
    }

    /// Writes the parts of the buffered piece before its end.
    fn write_parts(&self) -> Result<(), StoreError> {
        loop {
            let (ops, parts) = match &self.records.borrow().kept {
                Some(kept) if kept.parts < parts_of(&kept.piece.data) => {
                    let ops = self.part_ops(kept.run, &kept.piece, kept.parts);
                    let parts = kept.parts + ops.len();
                    (ops, parts)
                }
                _ => return Ok(()),
            };
            self.txn(&Txn { success: ops, ..Txn::default() })?;
            if let Some(kept) = &mut self.records.borrow_mut().kept {
                kept.parts = parts;
            }
        }
    }

    /// The next parts of a piece, as many as one transaction writes.
    fn part_ops(&self, run: i64, piece: &RecordingChunk, from: usize) -> Vec<Op> {
        let to = parts_of(&piece.data).min(from + PARTS);
        let part = |part: usize| {
            let bytes = piece.data[part * PART..(part + 1) * PART].to_vec();
            Op::put(self.keys.chunk_part(run, piece.first, part), bytes)
        };
        (from..to).map(part).collect()
    }

    /// Writes a piece of a run that is brought over.
    pub(super) fn write_piece(&self, run: i64, piece: &RecordingChunk) -> Result<(), StoreError> {
        let mut part = 0;
        while part < parts_of(&piece.data) {
            let ops = self.part_ops(run, piece, part);
            part += ops.len();
            self.txn(&Txn { success: ops, ..Txn::default() })?;
        }
        let head = head_of(piece, PieceRevision::Alone(piece.revision.0));
        let put = Op::put(self.keys.chunk(run, piece.first), head);
        self.txn(&Txn { success: vec![put], ..Txn::default() }).map(drop)
    }

    /// Pieces of a recording from the one that has that record in it; only landmarks, if that is wanted.
    pub(super) fn read_pieces(
        &self,
        (run, from): (i64, u64),
        landmarks: bool,
        limit: usize,
    ) -> Result<Vec<RecordingChunk>, StoreError> {
        let before = RangeRequest {
            limit: 1,
            keys_only: true,
            is_descending: true,
            ..RangeRequest::of(self.keys.chunks(run, 0, from.saturating_add(1)))
        };
        let found = self.range(&before)?;
        let first = found.first().and_then(|kv| self.keys.piece_of(&kv.key)).map_or(0, |(_, first)| first);
        let [mut span, ..] = self.keys.recording(run);
        span.start = self.keys.chunk(run, first);
        let mut pieces = Vec::new();
        while pieces.len() < limit {
            let most = if landmarks { PIECES } else { PIECES.min(limit - pieces.len()) };
            let marks = RangeRequest::of(self.keys.chunk_marks(run, first));
            let page = RangeRequest {
                limit: i64::try_from(most).unwrap_or(i64::MAX),
                ..RangeRequest::of(span.clone())
            };
            let (revision, answers) = self.read_all(vec![Op::Range(page), Op::Range(marks)])?;
            let [page, marks] = &answers[..] else { break };
            for kv in &page.kvs {
                let piece = self.piece(run, kv, &marks.kvs, revision)?;
                if !landmarks || piece.landmark {
                    pieces.push(piece);
                }
            }
            match page.kvs.last() {
                Some(last) if page.more => span.start = [&last.key[..], b"\0"].concat(),
                _ => break,
            }
        }
        pieces.truncate(limit);
        Ok(pieces)
    }

    fn piece(
        &self,
        run: i64,
        kv: &KeyValue,
        marks: &[KeyValue],
        revision: i64,
    ) -> Result<RecordingChunk, StoreError> {
        let damaged = || self.unreadable(record::Unreadable::Damaged, &kv.key);
        let (_, first) = self.keys.piece_of(&kv.key).ok_or_else(damaged)?;
        let head: PieceRecord = record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
        let with = |etcd: i64, changes: u8| revision_at(etcd, usize::from(changes.max(1)) - 1);
        let written = match head.written {
            PieceRevision::WithChanges(changes) => with(kv.mod_revision, changes),
            PieceRevision::Alone(revision) => Revision(revision),
        };
        let mark = self.keys.chunk_mark(run, first);
        let marked = marks.iter().find(|found| found.key == mark);
        let marked = marked.map(|found| with(found.mod_revision, found.value.first().copied().unwrap_or(1)));
        let mut data = Vec::new();
        if head.parts > 0 {
            let get = |part: u16| {
                let key = self.keys.chunk_part(run, first, usize::from(part));
                Op::Range(RangeRequest { revision, ..RangeRequest::key(key) })
            };
            let (_, parts) = self.read_all((0..head.parts).map(get).collect())?;
            for part in &parts {
                data.extend_from_slice(&part.first().ok_or_else(damaged)?.value);
            }
        }
        data.extend_from_slice(&head.data);
        let revision = marked.map_or(written, |marked| marked.max(written));
        Ok(RecordingChunk { first, last: head.last, revision, landmark: head.landmark, data })
    }

    /// Removes the oldest recording, if it is one too many or too old. The list of runs keeps the run.
    pub(super) fn prune_recordings(&self) -> Result<(), StoreError> {
        if !self.has_runs.get() {
            return Ok(());
        }
        let oldest = RangeRequest { limit: 1, keys_only: true, ..RangeRequest::of(self.keys.all_chunks()) };
        let reads = vec![Op::Range(oldest), Op::get(self.keys.last_run()), Op::get(self.keys.format())];
        let (_, answers) = self.read_all(reads)?;
        let [oldest, last, format] = &answers[..] else { return Ok(()) };
        let Some((run, _)) = oldest.first().and_then(|kv| self.keys.piece_of(&kv.key)) else { return Ok(()) };
        let last = self.number_in(last)?;
        let limits = self.format_of(format)?;
        let limits = limits.map_or_else(RecordingRetention::default, |format| format.recording_retention());
        let kept = i64::try_from(limits.count.max(1)).unwrap_or(i64::MAX).min(super::runs::KEPT);
        let is_beyond = run <= last.saturating_sub(kept);
        if is_beyond || self.is_older(run, &limits)? {
            let ops = self.keys.recording(run).map(Op::Delete).to_vec();
            self.txn(&Txn { success: ops, ..Txn::default() })?;
        }
        Ok(())
    }

    fn is_older(&self, run: i64, limits: &RecordingRetention) -> Result<bool, StoreError> {
        let found = self.range(&RangeRequest::key(self.keys.run(run)))?;
        let began = found.first().and_then(|kv| record::decode::<RunRecord>(&kv.value).ok());
        // One that is not in the list is being imported.
        Ok(began.is_some_and(|run| self.now().since(crate::time::Millis(run.began_at)) > limits.age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_cut_where_its_parts_end() {
        for (length, parts, rest) in
            [(0, 0, 0), (1, 0, 1), (PART, 0, PART), (PART + 1, 1, 1), (PART * 3, 2, PART)]
        {
            let data = vec![7; length];
            assert_eq!(parts_of(&data), parts, "{length}");
            let piece =
                RecordingChunk { first: 1, last: 2, revision: Revision::default(), landmark: false, data };
            let head: PieceRecord = record::decode(&head_of(&piece, PieceRevision::Alone(5))).unwrap();
            assert_eq!((usize::from(head.parts), head.data.len()), (parts, rest), "{length}");
        }
    }

    #[test]
    fn records_are_kept_as_one_piece_until_they_are_written() {
        let mut records = Records::default();
        records.are_written();
        assert_eq!((records.kept_bytes(), records.written), (0, None));
        records.keep(7, 1, false, b"one");
        records.keep(7, 2, true, b"two");
        assert_eq!(records.kept_bytes(), 6);
        let piece = records.kept.as_ref().map(|kept| &kept.piece).unwrap();
        assert_eq!((piece.first, piece.last, piece.landmark), (1, 2, true));
        records.are_written();
        assert_eq!((records.kept_bytes(), records.written), (0, Some((7, 1))));
    }
}

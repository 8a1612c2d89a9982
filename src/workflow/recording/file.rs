//! A run as one file: everything needed to replay it elsewhere.
//!
//! The file begins with a magic text, the number of its format, and a SHA-256 checksum of the rest.

use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Header, Recording, RecordingError};
use crate::atomic_file::NewFile;
use crate::input_file::{Accept, Input, InputError};
use crate::store::{
    Actor, NewRun, Process, RecordingChunk, Revision, Run, RunEnd, StoreError, UNKNOWN_ORIGIN,
};
use crate::time::Millis;

const MAGIC: &[u8; 16] = b"slothstate run\n\0";
/// The newest format of files that is read and the one that is written.
const FORMAT: u32 = 1;
const CHECKSUM_SIZE: usize = 32;
/// The largest file that is read, in bytes: it is kept in memory.
const MAX_FILE_SIZE: u64 = 1 << 30;

/// Why a file is not an exported run.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFile {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is not a file that can be read to its end.
    #[error("{0}")]
    Input(#[from] InputError),
    #[error("this is no exported run; slothstate runs export RUN FILE makes one")]
    Other,
    /// A later slothstate made it.
    #[error("a newer slothstate made it (format {found}; this one knows up to {known}): update slothstate")]
    Newer {
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    #[error("the file is damaged: {0}; get it again from where it came from")]
    Damaged(String),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct FileBody {
    run: RunFields,
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    pieces: Vec<PieceFields>,
}

#[derive(Serialize, Deserialize)]
struct RunFields {
    number: i64,
    workflow: String,
    file: String,
    params: std::collections::BTreeMap<String, String>,
    actor: String,
    process: Option<Process>,
    began_at: i64,
    revision: Option<i64>,
    /// The database that it ran on; files of earlier versions do not say.
    #[serde(default)]
    database: Option<String>,
    ended: Option<(i64, String, u32, u32, u32)>,
}

#[derive(Serialize, Deserialize)]
struct PieceFields {
    first: u64,
    last: u64,
    revision: i64,
    landmark: bool,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

/// Writes a run to a new file, completely or not at all. The file gets the permissions of `model`. `database`
/// is the identity of the database that the run is read from.
///
/// # Errors
/// [`InvalidFile`]; an existing file is never overwritten.
pub fn write_file(
    recording: &Recording,
    database: Option<String>,
    target: &Path,
    model: Option<&Path>,
) -> Result<(), InvalidFile> {
    let run = &recording.run;
    let pieces = recording.all_chunks()?;
    let body = FileBody {
        run: RunFields {
            number: run.number,
            workflow: run.new.workflow.clone(),
            file: run.new.file.clone(),
            params: run.new.params.clone(),
            actor: run.actor.name.clone(),
            process: run.process.clone(),
            began_at: run.began_at.0,
            revision: run.revision.map(|revision| revision.0),
            database: run.origin.clone().or(database),
            ended: run
                .ended
                .as_ref()
                .map(|(at, end)| (at.0, end.outcome.clone(), end.ok, end.failed, end.skipped)),
        },
        header: recording.header.encode(),
        pieces: pieces.into_iter().map(PieceFields::of).collect(),
    };
    let body = rmp_serde::to_vec_named(&body).map_err(|error| InvalidFile::Damaged(error.to_string()))?;
    let failed = |source| StoreError::of_file(target, source);
    let mut file = NewFile::create(target).map_err(failed)?;
    file.write_all(MAGIC)?;
    file.write_all(&FORMAT.to_le_bytes())?;
    file.write_all(&Sha256::digest(&body))?;
    file.write_all(&body)?;
    file.finish(model).map_err(failed)?;
    Ok(())
}

/// Reads a run from a file; `-` is standard input.
///
/// # Errors
/// [`InvalidFile`].
pub fn read_file(path: &Path) -> Result<(Recording, Vec<RecordingChunk>), InvalidFile> {
    let mut input = Input::open(path, Accept::Pipes, MAX_FILE_SIZE)?;
    // Another kind of file need not be read to its end.
    let mut name = Vec::new();
    input.by_ref().take(MAGIC.len() as u64).read_to_end(&mut name)?;
    if name != MAGIC {
        return Err(InvalidFile::Other);
    }
    let bytes = input.read_all()?;
    let rest = &bytes[..];
    let short = || InvalidFile::Damaged("it ends too early".into());
    let (format, rest) = rest.split_at_checked(4).ok_or_else(short)?;
    let format = u32::from_le_bytes(format.try_into().map_err(|_| short())?);
    if format > FORMAT {
        return Err(InvalidFile::Newer { found: format, known: FORMAT });
    }
    let (sum, body) = rest.split_at_checked(CHECKSUM_SIZE).ok_or_else(short)?;
    if Sha256::digest(body).as_slice() != sum {
        return Err(InvalidFile::Damaged("its checksum is another one".into()));
    }
    let body: FileBody =
        rmp_serde::from_slice(body).map_err(|error| InvalidFile::Damaged(error.to_string()))?;
    let header = Header::decode(&body.header)?;
    let pieces: Vec<RecordingChunk> = body.pieces.into_iter().map(PieceFields::piece).collect();
    Ok((Recording::of_chunks(body.run.run(), header, pieces.clone()), pieces))
}

/// The chunks of an exported run with its header, as a store keeps them.
pub fn with_header(recording: &Recording, pieces: Vec<RecordingChunk>) -> Vec<RecordingChunk> {
    let revision = recording.run.revision.unwrap_or_default();
    let header =
        RecordingChunk { first: 0, last: 0, revision, landmark: false, data: recording.header.encode() };
    std::iter::once(header).chain(pieces).collect()
}

impl RunFields {
    fn run(self) -> Run {
        let ended = self
            .ended
            .map(|(at, outcome, ok, failed, skipped)| (Millis(at), RunEnd { outcome, ok, failed, skipped }));
        Run {
            number: self.number,
            new: NewRun { workflow: self.workflow, file: self.file, params: self.params, header: None },
            actor: Actor { name: self.actor, run: Some(self.number), task: None },
            process: self.process,
            began_at: Millis(self.began_at),
            revision: self.revision.map(Revision),
            recorded: true,
            origin: Some(self.database.unwrap_or_else(|| UNKNOWN_ORIGIN.into())),
            ended,
        }
    }
}

impl PieceFields {
    fn of(piece: RecordingChunk) -> PieceFields {
        let RecordingChunk { first, last, revision, landmark, data } = piece;
        PieceFields { first, last, revision: revision.0, landmark, data }
    }

    fn piece(self) -> RecordingChunk {
        let PieceFields { first, last, revision, landmark, data } = self;
        RecordingChunk { first, last, revision: Revision(revision), landmark, data }
    }
}

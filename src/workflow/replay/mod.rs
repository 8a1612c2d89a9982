//! Replays recorded runs: exactly, or with something changed.
//!
//! `replay_boundary` answers from the recording and reports a `divergence`; `what_if` and `what_if_boundary` run
//! on an overlay once the run leaves the recording. A new option of a what-if run is a field of [`WhatIfOptions`],
//! its syntax stands in `overrides`; a new line of its result is in `report`.

mod divergence;
mod leftover_answers;
mod masked;
mod moved_lines;
mod observations;
pub mod overrides;
mod recorded_reads;
mod replay_boundary;
mod state_difference;
#[cfg(test)]
pub(crate) mod tests;
mod trial_budget;
mod virtual_host;
mod what_if;
mod what_if_boundary;
mod what_if_report;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

pub use divergence::{Difference, Divergence, DivergenceKind, ReplayedEvent};
pub use observations::{OtherAnswer, TaskEnd};
pub use overrides::{ExecStub, KeyOverride, StateOverride};
pub use state_difference::EntryDifference;
pub use trial_budget::TrialLimit;
pub use virtual_host::VirtualHost;
pub use what_if::{BaseState, Missing, WhatIfOptions, WhatIfOutcome, dry_run, what_if};

use self::moved_lines::MovedLines;
use self::replay_boundary::{ReplayBoundary, ReplayEnd};
use crate::lua::error::ScriptLine;
use crate::lua::{HeldLocks, Stop, StopSignal};
use crate::store::{Options, Store, StoreError, nothing};
use crate::time::ManualClock;
use crate::workflow::recording::{Header, Record, Recording, RecordingError};
use crate::workflow::{Reporter, RunEnv, RunError, RunRequest, Script, Summary, execute};

pub struct ReplayOptions {
    /// Another source in place of the recorded one.
    pub source: Option<Script>,
    /// The number of the last record to play; `None` for all.
    pub until: Option<u64>,
    pub stop_signal: StopSignal,
}

/// How a replay ended.
#[derive(Debug)]
pub enum Verdict {
    /// Everything was replayed; how the run ended, if it did.
    Same(Option<Summary>),
    Diverged(Box<Divergence>),
    /// Everything was replayed up to the end of an incomplete recording: its run was killed or is still
    /// running.
    RecordingEnded,
    /// Everything was replayed up to the end of a recording that reached its limit, in bytes.
    RecordingFull(u64),
    /// Everything was replayed up to the requested record.
    Reached,
    /// The script ran for a minute without a recorded call.
    Silent,
    Stopped(Stop),
}

#[derive(Debug)]
pub struct Replay {
    pub verdict: Verdict,
    /// The number of the last replayed record.
    pub last: u64,
    pub source_differs: bool,
    /// Whether calls or texts come from other lines of another source.
    pub did_lines_move: bool,
    /// Whether a value was not compared, since the recording has a mask in its place and the script has not.
    pub is_behind_mask: bool,
    /// The line of another source that was changed, nearest to a divergence.
    pub changed_line: Option<usize>,
    /// Where the script ran when the replay ended, if it was not in a call.
    pub stopped_at: Option<ScriptLine>,
}

/// Why nothing could be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    RunRequest(RunError),
    #[error("cannot start a thread: {0}")]
    System(std::io::Error),
    /// A value of the options is invalid.
    #[error("{0}")]
    Change(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The recorded request, optionally with another source.
pub(in crate::workflow) fn recorded_request(header: &Header, source: Option<Script>) -> RunRequest {
    let recorded = Script { file: PathBuf::from(&header.file), source: header.source.clone() };
    RunRequest {
        script: source.map_or(recorded, |other| Script { file: PathBuf::from(&header.file), ..other }),
        modules: header
            .modules
            .iter()
            .map(|(file, source)| Script { file: PathBuf::from(file), source: source.to_vec() })
            .collect(),
        params: header.params.clone(),
        selected_tasks: header.wanted.clone(),
        memory: usize::try_from(header.memory).unwrap_or(usize::MAX),
        timeout: header.timeout.map(std::time::Duration::from_millis),
        values: header.values.clone(),
        run_delegated_here: header.run_delegated_here,
        format: header.format,
    }
}

/// Replays a recording: every call is answered from it, and nothing else is touched.
///
/// # Errors
/// [`ReplayError`] if it cannot be replayed at all. A divergence is not an error.
pub fn replay(
    recording: &Recording,
    options: ReplayOptions,
    show: impl Fn(&Record) + 'static,
    reporter: Reporter,
) -> Result<Replay, ReplayError> {
    let header = &recording.header;
    let source_differs = options.source.as_ref().is_some_and(|other| other.source != header.source);
    let clock = Arc::new(ManualClock::at(header.began_at()));
    let settings = Options { clock: Arc::clone(&clock) as _, read_only: true, ..Options::default() };
    // A store that is never used.
    let nothing: Box<dyn Store> = nothing(settings);
    let store: Rc<dyn Store> = Rc::from(nothing);
    let player = Rc::new(ReplayBoundary::new(
        header.format,
        recording.events(),
        options.until,
        Arc::clone(&options.stop_signal.signal),
        options
            .source
            .as_ref()
            .filter(|_| source_differs)
            .map(|other| MovedLines::new(header, &other.source)),
        show,
    ));
    let env = RunEnv {
        host: Rc::new(VirtualHost::new(clock, header.utc_offset, 0)),
        boundary: Rc::clone(&player) as _,
        locks: HeldLocks::without_leases(Rc::clone(&store)),
        stop_signal: StopSignal::default(),
        holder: header.holder.clone(),
        store,
        reporter,
    };
    let actor = recording.run.actor.clone();
    let outcome = execute(&recorded_request(header, options.source), env, |_| Ok(actor));
    let verdict = match player.finish() {
        None => match outcome {
            Ok(summary) => Verdict::Same(Some(summary)),
            // The recorded run failed in the same way.
            Err(RunError::Invalid(_) | RunError::Stopped(Stop::LockLost(_))) => Verdict::Same(None),
            Err(error) => return Err(ReplayError::RunRequest(error)),
        },
        Some(ReplayEnd::Diverged(divergence)) => Verdict::Diverged(divergence),
        Some(ReplayEnd::RecordingEnded) => Verdict::RecordingEnded,
        Some(ReplayEnd::RecordingFull(limit)) => Verdict::RecordingFull(limit),
        Some(ReplayEnd::Reached) => Verdict::Reached,
        Some(ReplayEnd::Silent) => Verdict::Silent,
        Some(ReplayEnd::Stopped(stop)) => Verdict::Stopped(stop),
        Some(ReplayEnd::Unreadable(error)) => return Err(error.into()),
    };
    let changed_line = match &verdict {
        Verdict::Diverged(divergence) => player.changed_line(divergence),
        _ => None,
    };
    Ok(Replay {
        verdict,
        last: player.last(),
        source_differs,
        did_lines_move: player.did_lines_move(),
        is_behind_mask: player.is_behind_mask(),
        changed_line,
        stopped_at: player.stopped_at(),
    })
}

//! `replay`: executes a recorded run again, from its recording.

mod report;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use self::report::{name, replay_to_json, source_line, verdict};
use super::recording::find_with_store;
use super::runs::{record_to_json, record_to_line};
use super::what_if::{self, TrialArguments};
use super::{CliError, Database, output, run};
use crate::input_file::STANDARD_INPUT;
use crate::lua::error::ScriptLine;
use crate::store::{Key, Store};
use crate::workflow::recording::masked_records::Masker;
use crate::workflow::recording::{Record, Recording, RecordingError};
use crate::workflow::replay::{
    KeyOverride, ReplayError, ReplayOptions, StateOverride, Verdict, overrides, replay as play,
    what_if as try_again,
};
use crate::workflow::{Reporter, Script};

/// Arguments of `replay`.
#[derive(clap::Args, Debug)]
pub struct ReplayArguments {
    /// The number of a run, or a file that `runs export` made; - is standard input
    run: String,
    /// Replay another source on the recorded answers
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// See what would have happened with another value of a key when the run began; KEY:=JSON gives a
    /// value with its type; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = overrides::value, conflicts_with_all = ["until", "steps"])]
    what_if: Vec<(Key, StateOverride)>,
    /// See what would have happened without a key; may be repeated
    #[arg(long, value_name = "KEY", conflicts_with_all = ["until", "steps"])]
    without: Vec<String>,
    #[command(flatten)]
    trial: TrialArguments,
    /// Stop after the record of this number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    until: Option<u64>,
    /// Print each record as it comes to pass
    #[arg(long)]
    steps: bool,
    /// Print JSON objects: with --steps one a record, and one for how it ended
    #[arg(long)]
    json: bool,
}

/// Replays a run.
///
/// # Errors
/// [`CliError::Failed`] if it diverges from its recording.
pub fn replay(database: &Database, arguments: &ReplayArguments) -> Result<(), CliError> {
    if arguments.run == STANDARD_INPUT && arguments.source.as_deref() == Some(Path::new(STANDARD_INPUT)) {
        return Err(CliError::Usage("only one file can be -, which is standard input".into()));
    }
    let (recording, store) = find_with_store(database, &arguments.run)?;
    let source = arguments.source.as_deref().map(run::read).transpose()?;
    if !arguments.what_if.is_empty() || !arguments.without.is_empty() {
        return try_out(database, arguments, &recording, store.as_ref(), source);
    }
    arguments.trial.check_without_trial("--what-if or --without")?;
    let (steps, json) = (arguments.steps, arguments.json);
    let depth = std::cell::Cell::new(0);
    let run = recording.run.clone();
    let masker = std::cell::RefCell::new(Masker::new(database.secrets()));
    let show = move |record: &Record| {
        if !steps {
            return;
        }
        let record = &masker.borrow_mut().record(record.clone());
        // A reader that has gone away does not keep the replay from its end.
        let _ = match (steps, json) {
            (false, _) => Ok(()),
            (true, true) => output::json(&record_to_json(&run, record)),
            (true, false) => output::line(record_to_line(record, &depth).as_bytes()),
        };
    };
    let shown = source.clone();
    let options = ReplayOptions { source, until: arguments.until, stop_signal: run::what_if_stop_signal()? };
    let mut replayed = play(&recording, options, show, Reporter::new(|_| {}))?;
    let mut is_secret = false;
    if let Verdict::Diverged(divergence) = &mut replayed.verdict {
        is_secret = divergence.is_secret(&database.secrets());
        divergence.mask(&database.secrets());
    }
    let line = |place: &ScriptLine| {
        if is_secret {
            return None;
        }
        let source = shown.as_ref().map_or(&recording.header.source, |script| &script.source);
        source_line(&recording, source, place)
    };
    if json {
        output::json(&replay_to_json(&recording, &replayed, &line))?;
    } else {
        output::line(verdict(&recording, &replayed, &line).as_bytes())?;
    }
    match replayed.verdict {
        Verdict::Diverged(_) | Verdict::Silent => Err(CliError::Negative),
        Verdict::Stopped(crate::lua::Stop::Signal(signal)) => Err(CliError::Stopped { signal }),
        _ => Ok(()),
    }
}

/// Runs a what-if on a copy of the state.
fn try_out(
    database: &Database,
    arguments: &ReplayArguments,
    recording: &Recording,
    store: Option<&Rc<dyn Store>>,
    source: Option<Script>,
) -> Result<(), CliError> {
    let mut values: Vec<KeyOverride> =
        arguments.what_if.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    for key in &arguments.without {
        values.push((Key::new(key.as_str())?, None));
    }
    let bounds = database.read_only_bounds(database.command_bounds());
    let options = arguments.trial.options(values, source, bounds, run::what_if_stop_signal()?);
    let mut outcome = try_again(store, recording, &options, &database.settings(), Reporter::new(|_| {}))?;
    let ends_differently = outcome.state.iter().any(|difference| !difference.is_as_given);
    outcome.mask(&database.secrets());
    what_if::show(&name(recording), &outcome, arguments.json)?;
    match outcome.divergence.is_some() || outcome.other_answer.is_some() || ends_differently {
        true => Err(CliError::Negative),
        false => Ok(()),
    }
}

impl From<RecordingError> for CliError {
    fn from(error: RecordingError) -> CliError {
        match error {
            RecordingError::Store(error) => CliError::Store(error),
            other => CliError::Failed(other.to_string()),
        }
    }
}

impl From<ReplayError> for CliError {
    fn from(error: ReplayError) -> CliError {
        match error {
            ReplayError::Recording(error) => error.into(),
            ReplayError::RunRequest(error) => run::failed(error),
            ReplayError::Store(error) => CliError::Store(error),
            ReplayError::Change(text) => CliError::Usage(text),
            other => CliError::Failed(other.to_string()),
        }
    }
}

//! Recordings: all calls between a run and its environment, in order.
//!
//! A recording is a header and records. Records are numbered from 1, and are written in chunks, each in the
//! transaction of the change that its last record is about. A recording contains everything for a replay:
//! sources, parameters, and the result of every call.
//!
//! `recording_boundary` writes while a run goes on, `encoding` is the format, `file` the exported file; the
//! recordings of older formats are read in `older_events`. A new kind of record is a variant of [`RecordKind`] and
//! one in `encoding`; a new event is a variant of `RunEvent`.

mod encoding;
mod file;
pub mod masked_records;
mod older_events;
mod reader;
mod recording_boundary;
mod secret_variables;

use serde::{Deserialize, Serialize};

pub use encoding::decode;
#[cfg(test)]
pub(crate) use encoding::with_records;
pub use file::{InvalidFile, read_file, with_header, write_file};
pub use reader::{RecordedEvents, Recording};
pub use recording_boundary::RecordingBoundary;
pub(in crate::workflow) use recording_boundary::{raised_in, rebuilt, returned_by};
pub use secret_variables::{DEFAULT_PATTERNS, Mask};

use crate::lua::error::ScriptLine;
use crate::lua::log::level_of_function;
use crate::lua::recorded_value::RecordedValue;
use crate::lua::{Host, Stop};
use crate::store::{Actor, Revision, StoreError};
use crate::time::Millis;
use crate::workflow::{RunEvent, RunRequest};

/// The newest format of recordings that is read and the one that is written. Since 2 it is recorded that the
/// function of a call raised an error, and a call is written with its change. Since 3 the names of a
/// function's parameters decide its arguments, scripts have the functions of Sloth Runner, and the source
/// decides the types of reads. Since 4 the events of a run are a type of their own. Since 5 it is recorded what a
/// function of the script returned to a call and which outputs a task had, objects that are keys have an order of
/// their own, and weak tables keep their entries. Since 6 errors show the values that were raised, and the language's
/// own functions check their arguments as Lua 5.1 does. Since 7 large arguments are stored cut, a recording has a size limit,
/// and a run ends where it needs too much memory outside of Lua.
pub const FORMAT: u32 = 7;

/// How large the records of a run may become, in bytes, unless another limit is given.
pub const DEFAULT_SIZE_LIMIT: u64 = 64 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub version: String,
    /// The workflow's file, as it was given.
    pub file: String,
    /// The bytes of the file.
    #[serde(with = "serde_bytes")]
    pub source: Vec<u8>,
    /// The files that were given with `--require`: names and bytes.
    pub modules: Vec<(String, serde_bytes::ByteBuf)>,
    pub params: Vec<(String, String)>,
    /// The selected tasks; none for all.
    pub wanted: Vec<String>,
    /// The most memory that the workflow may use, in bytes.
    pub memory: u64,
    /// The timeout of the whole run in milliseconds, if one was given.
    pub timeout: Option<u64>,
    /// When the run began, in milliseconds since the epoch.
    pub began_at: i64,
    /// How many seconds local time was ahead of UTC.
    pub utc_offset: i32,
    /// The time zone, as the environment names it.
    pub zone: Option<String>,
    /// The locale, as the environment names it.
    pub locale: Option<String>,
    /// The default name of the holder of locks.
    pub holder: String,
    /// The variables whose values are masked, as patterns.
    pub masked: Vec<String>,
    /// The values that `--values` gave, as the text of a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// Whether tasks that are delegated to other hosts ran here.
    #[serde(default)]
    pub run_delegated_here: bool,
}

impl Header {
    /// The header of a run of `request` that begins now.
    pub fn of(request: &RunRequest, host: &dyn Host, actor: &Actor, masked: &[String]) -> Header {
        let variable = |name| host.variable(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let began_at = host.now();
        Header {
            format: request.format,
            version: env!("CARGO_PKG_VERSION").into(),
            file: request.script.file.display().to_string(),
            source: request.script.source.clone(),
            modules: request
                .modules
                .iter()
                .map(|module| (module.file.display().to_string(), module.source.clone().into()))
                .collect(),
            params: request.params.clone(),
            wanted: request.selected_tasks.clone(),
            memory: request.memory as u64,
            timeout: request.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            began_at: began_at.0,
            utc_offset: host.utc_offset(began_at),
            zone: variable("TZ"),
            locale: variable("LC_ALL").or_else(|| variable("LANG")),
            holder: actor.name.clone(),
            masked: masked.to_vec(),
            values: request.values.clone(),
            run_delegated_here: request.run_delegated_here,
        }
    }

    pub fn began_at(&self) -> Millis {
        Millis(self.began_at)
    }

    /// As bytes, for the first chunk of a recording.
    pub fn encode(&self) -> Vec<u8> {
        // The format can hold all of our plain data.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    pub(crate) fn decode(data: &[u8]) -> Result<Header, RecordingError> {
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        let damaged = |error: rmp_serde::decode::Error| RecordingError::Damaged(error.to_string());
        let FormatOnly { format } = rmp_serde::from_slice(data).map_err(damaged)?;
        if format > FORMAT {
            return Err(RecordingError::Newer { found: format, known: FORMAT });
        }
        rmp_serde::from_slice(data).map_err(damaged)
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("there is no run {0}; slothstate runs shows those there are")]
    NoRun(i64),
    /// The run was not recorded, or its recording was not kept.
    #[error("run {0} has no recording: it was run with --no-record, or its recording was too old to be kept")]
    NotRecorded(i64),
    /// Its records from this one on were removed.
    #[error("records from {0} on were removed from the recording: it was too old to be kept")]
    Removed(u64),
    /// It was imported: revisions of this database are not those of its recording.
    #[error("run {0} was imported: its changes are in the history of the database it ran on")]
    Imported(i64),
    /// Its recording ends before the step that made a change.
    #[error("the recording of run {run} ends before the step that made revision {revision}")]
    NoStep { run: i64, revision: Revision },
    #[error(
        "the recording was made by a newer slothstate (format {found}; this one knows up to {known}): update slothstate"
    )]
    Newer {
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    #[error("the recording is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, from 1.
    pub number: u64,
    /// When it happened, in microseconds since the run began.
    pub at: u64,
    pub task: Option<String>,
    pub place: Option<ScriptLine>,
    pub what: RecordKind,
    /// The newest revision, for the last record before a commit.
    pub revision: Option<Revision>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RecordKind {
    /// A call that reads or logs something.
    Call {
        function: String,
        arguments: Vec<RecordedValue>,
        answer: Answer,
        /// How long it took in microseconds.
        took: u64,
    },
    /// A call that may change something begins.
    Begin { function: String, arguments: Vec<RecordedValue> },
    /// The running call calls a function of the script.
    Callback { arguments: Vec<RecordedValue> },
    /// The innermost running call ends.
    End {
        answer: Answer,
        /// Why the script had to stop, if that happened during the call.
        stop: Option<Stop>,
        /// What its function returned when it was last called, cut to a digest where it is large; `None` if it
        /// called none, if that raised an error, and up to format 4.
        returned: Option<Vec<RecordedValue>>,
    },
    /// A task, a hook, an attempt, or the run itself begins or ends.
    Event(RunEvent),
    Stop {
        stop: Stop,
        /// How many polls it came after the record before.
        looks: u64,
    },
    /// A warning about something around the script.
    Note(String),
    /// The recording ends here, though the run does not: with what followed it would have been larger than so many
    /// bytes, or what followed would have taken so many.
    Full { limit: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// These values.
    #[serde(rename = "r")]
    Returned(Vec<RecordedValue>),
    /// Its default, which has this content: the very object that the call was given, since format 5.
    #[serde(rename = "d")]
    Default(Vec<RecordedValue>),
    /// What the function of the script that it called last returned; in recordings of format 1 also
    /// what it raised.
    #[serde(rename = "h")]
    CallbackReturned,
    /// The error that the called function of the script raised.
    #[serde(rename = "f")]
    CallbackRaised(String),
    /// An error.
    #[serde(rename = "e")]
    Raised(String),
    #[serde(rename = "s")]
    Stopped(Stop),
}

impl Answer {
    /// The returned values, if they are known.
    pub fn values(&self) -> Option<&[RecordedValue]> {
        match self {
            Answer::Returned(values) | Answer::Default(values) => Some(values),
            _ => None,
        }
    }

    /// Whether a call that was recorded with this answer, in that format, can end after its function has
    /// raised an error, or has not: the two are the same in format 1.
    pub(in crate::workflow) fn fits_callback(&self, format: u32, has_raised: bool) -> bool {
        match self {
            Answer::CallbackRaised(_) => has_raised,
            Answer::CallbackReturned => format < 2 || !has_raised,
            _ => true,
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Returned(values) if values.is_empty() => f.write_str("nothing"),
            Answer::Returned(values) | Answer::Default(values) => f.write_str(&list(values)),
            Answer::CallbackReturned => f.write_str("what the function returned"),
            Answer::Raised(text) | Answer::CallbackRaised(text) => {
                write!(f, "error: {}", crate::text::escape::escape(text.as_bytes()))
            }
            Answer::Stopped(stop) => stop.fmt(f),
        }
    }
}

/// Why a recording ends that has reached its limit.
pub fn full(limit: u64) -> String {
    format!("what followed did not fit into {} MiB (run --record-limit MB, --memory MB)", limit >> 20)
}

/// Values separated by commas.
pub fn list(values: &[RecordedValue]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RecordKind {
    /// The stop of the run, if the script was polled at least as often before it as `looks` says.
    pub fn stop_due(&self, looks: u64) -> Option<&Stop> {
        match self {
            RecordKind::Stop { stop, looks: recorded } if looks >= *recorded => Some(stop),
            _ => None,
        }
    }

    /// On one line, escaped: `state.get("k") → 1`.
    pub fn summary(&self) -> String {
        match self {
            RecordKind::Call { function, arguments, .. } if level_of_function(function).is_some() => {
                format!("{function}({})", list(arguments))
            }
            RecordKind::Call { function, arguments, answer, .. } => {
                format!("{function}({}) → {answer}", list(arguments))
            }
            RecordKind::Begin { function, arguments } => format!("{function}({})", list(arguments)),
            RecordKind::Callback { arguments } => format!("calls the function with ({})", list(arguments)),
            RecordKind::End { answer: Answer::CallbackReturned, returned: Some(values), .. }
                if !values.is_empty() =>
            {
                format!("→ {}", list(values))
            }
            RecordKind::End { answer, .. } => format!("→ {answer}"),
            RecordKind::Event(event) => {
                let fields = event.fields().into_iter().filter(|(_, value)| *value != RecordedValue::Nil);
                let fields: Vec<String> = fields.map(|(name, value)| format!("{name} {value}")).collect();
                format!("{}: {}", event.name(), fields.join(", "))
            }
            RecordKind::Stop { stop, .. } => format!("the script had to stop: {stop}"),
            RecordKind::Note(text) => format!("warning: {}", crate::text::escape::escape(text.as_bytes())),
            RecordKind::Full { limit } => format!("the recording ends here: {}", full(*limit)),
        }
    }
}

//! `runs`: lists, shows, exports and imports recorded runs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::database::print_notices;
use super::output::{self, Lines, table};
use super::{CliError, Database, recording, sloth_runner_stacks};
use crate::lua::error_details::{excerpt, excerpt_lines, place_in};
use crate::lua::recorded_value::RecordedValue;
use crate::store::secret_keys::Secrets;
use crate::store::time_point::show_time;
use crate::store::{Liveness, Process, Run, StackRun, Store, run_pages};
use crate::text::duration::show_short_span;
use crate::text::escape::escape;
use crate::time::Millis;
use crate::workflow::recording::masked_records::Masker;
use crate::workflow::recording::{Answer, Record, RecordKind, Recording, read_file, with_header, write_file};

/// Arguments of `runs`.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArguments {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    #[command(flatten)]
    list: ListArguments,
}

/// What can be done with runs besides listing them.
#[derive(clap::Subcommand, Debug)]
enum RunsCommand {
    /// Show what was recorded of a run, record by record
    Show(ShowArguments),
    /// Write a run to a file that can be replayed elsewhere, without the database
    Export(RunExportArguments),
    /// Bring a run over from such a file
    Import(RunImportArguments),
}

/// Arguments of `runs show`.
#[derive(clap::Args, Debug)]
struct ShowArguments {
    /// The number of a run, or a file that `runs export` made; - is standard input
    run: String,
    /// Begin with the record of this number
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    from: u64,
    /// Print no more than this many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print the source instead
    #[arg(long)]
    source: bool,
    /// Print a JSON object a record
    #[arg(long)]
    json: bool,
}

/// Arguments of `runs export`.
#[derive(clap::Args, Debug)]
struct RunExportArguments {
    /// The number of the run
    run: i64,
    /// The file, which must not be there yet
    file: PathBuf,
}

/// Arguments of `runs import`.
#[derive(clap::Args, Debug)]
struct RunImportArguments {
    /// A file that `runs export` made; - is standard input
    file: PathBuf,
}

/// How runs are listed.
#[derive(clap::Args, Debug)]
struct ListArguments {
    /// Print no more than this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Print a JSON object a run
    #[arg(long)]
    json: bool,
}

/// Lists runs, newest first, or runs the given subcommand.
pub fn runs(database: &Database, arguments: &RunsArguments) -> Result<(), CliError> {
    match &arguments.command {
        None => list(database, &arguments.list),
        Some(RunsCommand::Show(arguments)) => show(database, arguments),
        Some(RunsCommand::Export(arguments)) => export(database, arguments),
        Some(RunsCommand::Import(arguments)) => import(database, arguments),
    }
}

fn show(database: &Database, arguments: &ShowArguments) -> Result<(), CliError> {
    let recording = recording::find(database, &arguments.run)?;
    if arguments.source {
        return output::raw(&recording.header.source);
    }
    let mut events = recording.events_from(arguments.from);
    let mut lines = Lines::new();
    let depth = Cell::new(0);
    let mut masker = Masker::new(database.secrets());
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    while let Some(record) = events.take()? {
        let record = masker.record(record);
        if record.number < arguments.from {
            continue;
        }
        if left == 0 {
            break;
        }
        left -= 1;
        match arguments.json {
            true => lines.json(&record_to_json(&recording.run, &record))?,
            false => lines.line(record_to_line(&record, &depth).as_bytes())?,
        }
        if !arguments.json {
            for line in failed_source(&recording, &record) {
                lines.line(format!("{:16}{line}", "").as_bytes())?;
            }
        }
    }
    lines.finish()
}

fn export(database: &Database, arguments: &RunExportArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let store: Rc<dyn Store> = Rc::from(store);
    let database_id = store.identity()?.database;
    let recording = Recording::of_store(&store, arguments.run)?;
    let file = escape(arguments.file.as_os_str().as_encoded_bytes());
    write_file(&recording, database_id, &arguments.file, store.location().as_file())
        .map_err(|error| CliError::Failed(format!("{file}: {error}")))?;
    output::line(format!("wrote run {} to {file}", arguments.run).as_bytes())
}

fn import(database: &Database, arguments: &RunImportArguments) -> Result<(), CliError> {
    let file = escape(arguments.file.as_os_str().as_encoded_bytes());
    let (recording, pieces) =
        read_file(&arguments.file).map_err(|error| CliError::Failed(format!("{file}: {error}")))?;
    let store = database.open_or_create()?;
    // The revisions of the database that it ran on mean nothing here.
    let run = Run { revision: None, ..recording.run.clone() };
    let number = store.import_run(&run, &with_header(&recording, pieces))?;
    print_notices(&*store);
    output::line(format!("run {} of that file is run {number} here", recording.run.number).as_bytes())
}

/// The recorded source where a failure happened, if its reason names a line.
fn failed_source(recording: &Recording, record: &Record) -> Vec<String> {
    let RecordKind::Event(event) = &record.what else { return Vec::new() };
    let Some(message) = event.message().filter(|_| event.is_failure()) else { return Vec::new() };
    let header = &recording.header;
    let modules = header.modules.iter().map(|(name, source)| (name.as_str(), source.as_slice()));
    let sources = modules.chain([(header.file.as_str(), header.source.as_slice())]);
    // In messages a file has its path, or its name alone where that is long.
    let named = |(path, source)| {
        let short = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path);
        [(path, source), (short, source)]
    };
    let sources: BTreeMap<&str, &[u8]> = sources.flat_map(named).collect();
    let Some(place) = place_in(message, sources.keys().copied()) else { return Vec::new() };
    excerpt_lines(&excerpt(sources[place.file.as_str()], place.line))
}

/// A record as one line, indented by the nesting of calls.
pub(super) fn record_to_line(record: &Record, depth: &Cell<usize>) -> String {
    if matches!(record.what, RecordKind::End { .. }) {
        depth.set(depth.get().saturating_sub(1));
    }
    let indent = "  ".repeat(depth.get());
    if matches!(record.what, RecordKind::Begin { .. }) {
        depth.set(depth.get() + 1);
    }
    let place = record.place.as_ref().map_or(String::new(), |place| format!("   {place}"));
    let task = record.task.as_deref().map_or("-".into(), |task| escape(task.as_bytes()));
    let at = record.at as f64 / 1e6;
    format!("{:>6} {at:>9.3} {task}  {indent}{}{place}", record.number, record.what.summary())
}

/// A record of a run as JSON. Revisions of another database have a member name of their own.
pub(super) fn record_to_json(run: &Run, record: &Record) -> Json {
    let revision = record.revision.map(|revision| revision.0);
    let (here, elsewhere) = if run.is_imported() { (None, revision) } else { (revision, None) };
    let mut object = json!({
        "record": record.number,
        "at_us": record.at,
        "task": record.task,
        "place": record.place.as_ref().map(ToString::to_string),
        "revision": here,
    });
    if let Some(revision) = elsewhere {
        object["origin_revision"] = revision.into();
    }
    let data = |data: &[RecordedValue]| data.iter().map(value_to_json).collect::<Json>();
    let answered = |object: &mut Json, answer: &Answer| match answer {
        Answer::Returned(values) | Answer::Default(values) => object["result"] = data(values),
        Answer::CallbackReturned => object["result"] = Json::Null,
        Answer::Raised(text) | Answer::CallbackRaised(text) => object["error"] = text.as_str().into(),
        Answer::Stopped(stop) => object["error"] = stop.to_string().into(),
    };
    match &record.what {
        RecordKind::Call { function, arguments, answer, took: duration } => {
            object["call"] = function.as_str().into();
            object["arguments"] = data(arguments);
            object["took_us"] = (*duration).into();
            answered(&mut object, answer);
        }
        RecordKind::Begin { function, arguments } => {
            object["begin"] = function.as_str().into();
            object["arguments"] = data(arguments);
        }
        RecordKind::Callback { arguments } => object["call_back"] = data(arguments),
        RecordKind::End { answer, returned, .. } => {
            object["end"] = true.into();
            answered(&mut object, answer);
            if let Some(values) = returned {
                object["returned"] = data(values);
            }
        }
        RecordKind::Event(event) => {
            object["step"] = event.name().into();
            object["took_us"] = u64::try_from(event.duration().as_micros()).unwrap_or(u64::MAX).into();
            for (name, value) in event.fields() {
                object[name] = value_to_json(&value);
            }
        }
        RecordKind::Stop { stop, .. } => object["stop"] = stop.to_string().into(),
        RecordKind::Note(text) => object["remark"] = text.as_str().into(),
        RecordKind::Full { limit } => object["ends"] = crate::workflow::recording::full(*limit).into(),
    }
    object
}

/// Values that JSON lacks are described as text.
fn value_to_json(value: &RecordedValue) -> Json {
    match value {
        RecordedValue::Nil => Json::Null,
        RecordedValue::Boolean(truth) => (*truth).into(),
        RecordedValue::Integer(integer) => (*integer).into(),
        RecordedValue::Float(bits) => match serde_json::Number::from_f64(f64::from_bits(*bits)) {
            Some(number) => number.into(),
            None => value.to_string().into(),
        },
        RecordedValue::Text(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        RecordedValue::Table(list, fields) if fields.is_empty() => list.iter().map(value_to_json).collect(),
        RecordedValue::Table(list, fields) => {
            let numbered = list.iter().zip(1..).map(|(item, index)| (index.to_string(), value_to_json(item)));
            let named = fields.iter().map(|(key, field)| match key {
                RecordedValue::Text(name) => {
                    (String::from_utf8_lossy(name).into_owned(), value_to_json(field))
                }
                other => (other.to_string(), value_to_json(field)),
            });
            Json::Object(numbered.chain(named).collect())
        }
        RecordedValue::Function(_) | RecordedValue::Other(_) | RecordedValue::Cut(..) => {
            value.to_string().into()
        }
    }
}

fn list(database: &Database, arguments: &ListArguments) -> Result<(), CliError> {
    const PAGE: usize = 500;
    let store = database.open()?;
    let (here, now) = (Process::current(), store.clock().now());
    let liveness = |run: &Run| store.run_liveness(run, &here);
    let mut runs: Vec<Run> = Vec::new();
    for page in run_pages(&*store, None, arguments.limit.clamp(1, PAGE)) {
        if runs.len() >= arguments.limit {
            break;
        }
        runs.extend(page?);
    }
    runs.truncate(arguments.limit);
    let secrets = database.secrets();
    let of_stacks = sloth_runner_stacks::stacks(&*store).runs;
    let all = newest_first(&runs, &of_stacks, arguments.limit);
    if arguments.json {
        let mut lines = Lines::new();
        all.iter().try_for_each(|run| match run {
            ListedRun::Ours(run) => lines.json(&run_to_json(run, &secrets, liveness(run), now)),
            ListedRun::Stack(run) => lines.json(&sloth_runner_stacks::run_to_json(run)),
        })?;
        return lines.finish();
    }
    let mut rows = vec![["RUN", "STATUS", "WORKFLOW", "BEGAN", "TOOK", "TASKS", "BY"].map(String::from)];
    rows.extend(all.iter().map(|run| match run {
        ListedRun::Ours(run) => run_to_row(run, liveness(run), now),
        ListedRun::Stack(run) => sloth_runner_stacks::run_to_row(run),
    }));
    table(&rows)
}

/// A run of a workflow, or one of a stack of Sloth Runner's.
enum ListedRun<'a> {
    Ours(&'a Run),
    Stack(&'a StackRun),
}

/// Merges both kinds of runs by start time; each kind keeps its order.
fn newest_first<'a>(runs: &'a [Run], of_stacks: &'a [StackRun], limit: usize) -> Vec<ListedRun<'a>> {
    let (mut ours, mut theirs) = (runs.iter().peekable(), of_stacks.iter().peekable());
    let mut all = Vec::new();
    while all.len() < limit {
        let is_ours = match (ours.peek(), theirs.peek()) {
            (None, None) => break,
            (Some(run), Some(other)) => other.began_at.is_none_or(|at| run.began_at >= at),
            (ours, _) => ours.is_some(),
        };
        match is_ours {
            true => all.extend(ours.next().map(ListedRun::Ours)),
            false => all.extend(theirs.next().map(ListedRun::Stack)),
        }
    }
    all
}

/// How long it ran or has been running; `None` for a run that was killed.
fn duration(run: &Run, liveness: Liveness, now: Millis) -> Option<std::time::Duration> {
    match &run.ended {
        Some((at, _)) => Some(at.since(run.began_at)),
        None => matches!(liveness, Liveness::Alive | Liveness::Stopped).then(|| now.since(run.began_at)),
    }
}

fn run_to_row(run: &Run, liveness: Liveness, now: Millis) -> [String; 7] {
    let tasks = run.ended.as_ref().map_or("-".into(), |(_, end)| {
        let parts = [(end.ok, "ok"), (end.failed, "failed"), (end.skipped, "not run")];
        let counts = parts.iter().filter(|(count, _)| *count > 0);
        counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    });
    [
        run.number.to_string(),
        escape(run.status(liveness).as_bytes()),
        escape(run.new.workflow.as_bytes()),
        show_time(run.began_at),
        duration(run, liveness, now).map_or("-".into(), show_short_span),
        tasks,
        format!(
            "{}{}",
            escape(run.actor.name.as_bytes()),
            if run.is_imported() { " (imported)" } else { "" }
        ),
    ]
}

fn run_to_json(run: &Run, secrets: &Secrets, liveness: Liveness, now: Millis) -> serde_json::Value {
    let end = run.ended.as_ref();
    let shown = |(name, value): (&String, &String)| (name.clone(), secrets.parameter(name, value).into());
    let params: serde_json::Map<String, Json> = run.new.params.iter().map(shown).collect();
    json!({
        "run": run.number,
        "status": run.status(liveness),
        "process_state": end.is_none().then(|| liveness.name()),
        "workflow": run.new.workflow,
        "file": run.new.file,
        "params": params,
        "recorded": run.recorded,
        "origin": run.origin,
        "began_at": run.began_at.to_string(),
        "ended_at": end.map(|(at, _)| at.to_string()),
        "took_ms": duration(run, liveness, now).map(|duration| duration.as_millis() as u64),
        "ok": end.map(|(_, end)| end.ok),
        "failed": end.map(|(_, end)| end.failed),
        "skipped": end.map(|(_, end)| end.skipped),
        "actor": run.actor.name,
        "process": run.process,
    })
}

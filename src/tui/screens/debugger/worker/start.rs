//! Starts workflows: the program itself, as a process of its own.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::store::credentials::Handover;
use crate::store::{Store, StoreError};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::requests::{DebuggerReply, RunSuggestion, WorkflowStart};
use crate::tui::screens::debugger::worker::WorkerContext;

/// How often it is looked at whether the run has begun.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How many of the last runs are offered again, and how many of them are looked through.
const OFFERS: usize = 20;
const LOOKED_THROUGH: usize = 500;
/// The most that a path is completed with.
const COMPLETIONS: usize = 50;
/// How much of what a program complained of is told, in bytes.
const COMPLAINT: u64 = 2000;

/// The files that were run last, each once, with what it was given.
pub fn offers(store: &dyn Store) -> Result<Vec<RunSuggestion>, StoreError> {
    let mut offers: Vec<RunSuggestion> = Vec::new();
    for run in store.runs(None, LOOKED_THROUGH)? {
        if offers.len() < OFFERS && offers.iter().all(|(file, _)| *file != run.new.file) {
            offers.push((run.new.file, run.new.params.into_iter().collect()));
        }
    }
    Ok(offers)
}

/// What a path may go on to: folders, and files of Lua.
pub fn completions(text: &str) -> Vec<String> {
    let (folder, begun) = match text.rsplit_once('/') {
        Some((folder, begun)) => (format!("{folder}/"), begun),
        None => (String::new(), text),
    };
    let place = if folder.is_empty() { Path::new(".") } else { Path::new(&folder) };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_hidden = name.starts_with('.') && !begun.starts_with('.');
            if is_hidden || !name.starts_with(begun) {
                return None;
            }
            match entry.path().is_dir() {
                true => Some(format!("{folder}{name}/")),
                false => name.ends_with(".lua").then(|| format!("{folder}{name}")),
            }
        })
        .collect();
    found.sort();
    found.truncate(COMPLETIONS);
    found
}

/// Starts a workflow under a number, tells the number of its run, and stays with the process until it ends.
pub fn start(desk: &WorkerContext, under: RequestId, wanted: &WorkflowStart) {
    let started = newest(desk).and_then(|newest| {
        let (mut child, complaints) = begin(wanted)?;
        let number = wait_for_run(desk, newest, &mut child)?;
        match number {
            Some(number) => Ok((number, child)),
            None => Err(complaint(complaints)),
        }
    });
    match started {
        Ok((number, mut child)) => {
            desk.tell(DebuggerReply::Started(under, Ok(number)));
            // So that no dead process is left behind.
            let _ = child.wait();
        }
        Err(why) => desk.tell(DebuggerReply::Started(under, Err(why))),
    }
}

/// The process, in a group of its own so that no key typed here reaches it, and what it complains
/// of.
fn begin(wanted: &WorkflowStart) -> Result<(Child, std::fs::File), String> {
    let words = |error: std::io::Error| format!("cannot start it: {error}");
    let program = std::env::current_exe().map_err(words)?;
    // Not a pipe: it may go on when nobody reads any more.
    let complaints = tempfile::tempfile().map_err(words)?;
    let mut command = Command::new(program);
    if let Some(config) = &wanted.config {
        command.arg("--config").arg(config);
    }
    command.arg("--db").arg(wanted.database.as_arg()).arg("run");
    for param in &wanted.params {
        command.arg("--param").arg(param);
    }
    let handover = Handover::prepare(&wanted.database, &mut command);
    let mut child = command
        .arg("--")
        .arg(&wanted.file)
        .stdout(Stdio::null())
        .stderr(complaints.try_clone().map_err(words)?)
        .process_group(0)
        .spawn()
        .map_err(words)?;
    handover.give(&mut child).map_err(words)?;
    Ok((child, complaints))
}

/// The number of the newest run; 0 if there is none.
fn newest(desk: &WorkerContext) -> Result<i64, String> {
    let runs = desk.open().and_then(|store| store.runs(None, 1)).map_err(|error| error.to_string())?;
    Ok(runs.first().map_or(0, |run| run.number))
}

/// The number of the run that a process has begun, which is later than `newest`; `None` if it ended
/// without.
fn wait_for_run(desk: &WorkerContext, newest: i64, child: &mut Child) -> Result<Option<i64>, String> {
    let store = desk.open().map_err(|error| error.to_string())?;
    loop {
        let is_over = child.try_wait().map_err(|error| error.to_string())?.is_some();
        let runs = store.runs(None, OFFERS).map_err(|error| error.to_string())?;
        let run = runs
            .iter()
            .take_while(|run| run.number > newest)
            .find(|run| run.process.as_ref().is_some_and(|process| process.pid == child.id()));
        match run {
            Some(run) => return Ok(Some(run.number)),
            None if is_over => return Ok(None),
            None => std::thread::sleep(POLL_INTERVAL),
        }
    }
}

/// What a program said before it ended.
fn complaint(mut complaints: std::fs::File) -> String {
    let mut text = Vec::new();
    let _ = complaints.seek(SeekFrom::Start(0));
    let _ = complaints.take(COMPLAINT).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).trim().to_string();
    if text.is_empty() { "it ended before it began, and said nothing".into() } else { text }
}

//! `runs`: which workflows were at work on the state.

use serde_json::json;

use super::output::{Lines, table};
use super::when::show_time;
use super::{Database, Failure};
use crate::escape::escape;
use crate::span::show_span;
use crate::store::{Millis, Process, Run, Store};

/// What `runs` is called with.
#[derive(clap::Args, Debug)]
pub struct RunsArguments {
    /// Print no more than this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Print a JSON object a run
    #[arg(long)]
    json: bool,
}

/// Shows runs, the newest first.
pub fn runs(database: &Database, arguments: &RunsArguments) -> Result<(), Failure> {
    const PAGE: usize = 500;
    let store = database.open()?;
    let (here, now) = (Process::current(), store.clock().now());
    let mut runs: Vec<Run> = Vec::new();
    while runs.len() < arguments.limit {
        let limit = (arguments.limit - runs.len()).min(PAGE);
        let page = store.runs(runs.last().map(|run| run.number), limit)?;
        if page.is_empty() {
            break;
        }
        runs.extend(page);
    }
    if arguments.json {
        let mut lines = Lines::new();
        runs.iter().try_for_each(|run| lines.json(&object_of_run(run, &here, now)))?;
        return lines.finish();
    }
    let mut rows = vec![["RUN", "STATUS", "WORKFLOW", "BEGAN", "TOOK", "TASKS", "BY"].map(String::from)];
    rows.extend(runs.iter().map(|run| row_of_run(run, &here, now)));
    table(&rows)
}

/// How long it ran, or has run; not known of one that was killed.
fn took(run: &Run, here: &Process, now: Millis) -> Option<std::time::Duration> {
    match &run.ended {
        Some((at, _)) => Some(at.since(run.began_at)),
        None => (run.status(here) == "running").then(|| now.since(run.began_at)),
    }
}

fn row_of_run(run: &Run, here: &Process, now: Millis) -> [String; 7] {
    let tasks = run.ended.as_ref().map_or("-".into(), |(_, end)| {
        let parts = [(end.ok, "ok"), (end.failed, "failed"), (end.skipped, "not run")];
        let told = parts.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    });
    [
        run.number.to_string(),
        escape(run.status(here).as_bytes()),
        escape(run.new.workflow.as_bytes()),
        show_time(run.began_at),
        took(run, here, now).map_or("-".into(), show_span),
        tasks,
        escape(run.actor.name.as_bytes()),
    ]
}

fn object_of_run(run: &Run, here: &Process, now: Millis) -> serde_json::Value {
    let end = run.ended.as_ref();
    json!({
        "run": run.number,
        "status": run.status(here),
        "workflow": run.new.workflow,
        "file": run.new.file,
        "params": run.new.params,
        "began_at": run.began_at.to_string(),
        "ended_at": end.map(|(at, _)| at.to_string()),
        "took_ms": took(run, here, now).map(|took| took.as_millis() as u64),
        "ok": end.map(|(_, end)| end.ok),
        "failed": end.map(|(_, end)| end.failed),
        "skipped": end.map(|(_, end)| end.skipped),
        "actor": run.actor.name,
        "process": run.process,
    })
}

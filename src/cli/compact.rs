//! `compact`: frees unused space in the database file.

use std::time::Duration;

use serde_json::json;

use super::{CliError, Database, output};
use crate::store::{CompactionPlan, Liveness, PAGE, Process, Run, Store, run_pages};
use crate::text::duration::show_short_span;
use crate::text::escape::escape;
use crate::text::size::show_size;

/// Arguments of `compact`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Readers go on; writers wait until it is done. It needs about as much free disk space as the \
    entries and the history take, beside the file and in the folder for temporary files ($SQLITE_TMPDIR, $TMPDIR)."
)]
pub struct CompactArguments {
    /// Compact even while runs are running, or with too little free disk space
    #[arg(long)]
    force: bool,
    /// Only show how much is free, and how long it may take
    #[arg(long)]
    dry_run: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

pub fn compact(database: &Database, arguments: &CompactArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let plan = store.plan_compaction()?;
    let running = running(&*store)?;
    if arguments.dry_run {
        return show_plan(&*store, &plan, &running, arguments.json);
    }
    if !arguments.force {
        refuse(&plan, &running)?;
    }
    output::print_notice(format_args!("compacting {}: {}", show_size(plan.bytes), estimate(&plan)));
    let done = store.compact()?;
    let freed = done.bytes.0.saturating_sub(done.bytes.1);
    if arguments.json {
        return output::json(&json!({
            "bytes_before": done.bytes.0,
            "bytes": done.bytes.1,
            "freed_bytes": freed,
            "log_bytes_before": done.log.0,
            "log_bytes": done.log.1,
            "took_ms": u64::try_from(done.duration.as_millis()).unwrap_or(u64::MAX),
        }));
    }
    let duration = show_short_span(done.duration);
    let (before, after) = (show_size(done.bytes.0), show_size(done.bytes.1));
    output::line(format!("{before} became {after} in {duration}: {} freed", show_size(freed)).as_bytes())?;
    if done.log.1 > 0 {
        output::print_notice(format_args!(
            "the log (-wal) still has {}: another program is using it; a later write truncates it",
            show_size(done.log.1)
        ));
    }
    Ok(())
}

/// The runs that may be running: without an end, and the process not provably dead.
fn running(store: &dyn Store) -> Result<Vec<Run>, CliError> {
    let here = Process::current();
    let mut running = Vec::new();
    for page in run_pages(store, None, PAGE) {
        running.extend(
            page?
                .into_iter()
                .filter(|run| run.ended.is_none() && store.run_liveness(run, &here) != Liveness::Dead),
        );
    }
    Ok(running)
}

fn refuse(plan: &CompactionPlan, running: &[Run]) -> Result<(), CliError> {
    /// The most names that a message lists.
    const NAMED: usize = 3;
    if !running.is_empty() {
        let mut names: Vec<String> = running
            .iter()
            .take(NAMED)
            .map(|run| format!("{} ({})", run.number, escape(run.new.workflow.as_bytes())))
            .collect();
        if running.len() > NAMED {
            names.push("…".into());
        }
        return Err(CliError::Failed(format!(
            "not compacted: {} may be running, and could not write meanwhile: {}; wait, or use --force",
            if running.len() == 1 { "1 run".into() } else { format!("{} runs", running.len()) },
            names.join(", ")
        )));
    }
    match plan.short.first() {
        Some((folder, room, need)) => Err(CliError::Failed(format!(
            "not compacted: {} has {} free, and {} may be needed there; free some space, name another folder \
             for temporary files in $SQLITE_TMPDIR, or use --force",
            escape(folder.as_os_str().as_encoded_bytes()),
            show_size(*room),
            show_size(*need)
        ))),
        None => Ok(()),
    }
}

fn show_plan(
    store: &dyn Store,
    plan: &CompactionPlan,
    running: &[Run],
    as_json: bool,
) -> Result<(), CliError> {
    if as_json {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        return output::json(&json!({
            "bytes": plan.bytes,
            "free_bytes": plan.free,
            "at_least_ms": millis(plan.time.0),
            "at_most_ms": millis(plan.time.1),
            "running": running.iter().map(|run| run.number).collect::<Vec<_>>(),
            "short_of_room": !plan.short.is_empty(),
        }));
    }
    let name = store.location();
    let (bytes, free) = (show_size(plan.bytes), show_size(plan.free));
    output::line(format!("{name}: {bytes}, {free} free; {}", estimate(plan)).as_bytes())?;
    match refuse(plan, running) {
        Err(CliError::Failed(why)) => {
            output::line(why.replacen("not compacted", "would be refused", 1).as_bytes())
        }
        other => other,
    }
}

/// An estimate of how long writers are blocked.
fn estimate(plan: &CompactionPlan) -> String {
    const SHORT: Duration = Duration::from_secs(1);
    let (least, most) = plan.time;
    match (least < SHORT, most < SHORT) {
        (_, true) => "writers are likely to wait for less than a second".into(),
        (true, false) => format!("writers are likely to wait for up to {}", show_short_span(most)),
        (false, false) => {
            format!(
                "writers are likely to wait for {} to {}, by the speed of the disk",
                show_short_span(least),
                show_short_span(most)
            )
        }
    }
}

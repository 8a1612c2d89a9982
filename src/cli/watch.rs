//! `watch`: prints each change as it is committed.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::changes::change_to_json;
use super::output::{json_line, lines_until_stopped};
use super::{CliError, Database, database, output, signals};
use crate::store::feed::{Feed, News};
use crate::store::time_point::TimePoint;
use crate::store::{
    Change, EpochStart, ErrorKind, Identity, Maintenance, Options, Pattern, Reset, Revision, Store,
    StoreError, Subject, When, open,
};
use crate::text::escape::escape;
use crate::time::Millis;

/// Arguments of `watch`.
#[derive(clap::Args, Debug)]
pub struct WatchArguments {
    /// Only changes of keys, and of locks, that match this glob or begin with this text
    pattern: Option<String>,
    /// Begin with the changes after this revision (as the last line told), time, or so long ago;
    /// without it with those to come
    #[arg(long, value_name = "WHEN", value_parser = TimePoint::parse)]
    since: Option<TimePoint>,
    /// End after this many changes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print JSON lines, as it does anyway
    #[arg(long)]
    #[allow(dead_code)]
    json: bool,
}

/// The most changes read at once.
const PAGE: usize = 1000;

/// Prints changes until a signal arrives or the reader closes the pipe. If the database was replaced, prints
/// a reset record and continues with the new one.
pub fn watch(database: &Database, arguments: &WatchArguments) -> Result<(), CliError> {
    let text = arguments.pattern.as_deref().unwrap_or("");
    let pattern = Pattern::new(text).map_err(|error| CliError::Usage(error.to_string()))?;
    let signal = signals::stop_requested()?;
    signals::end_when_stuck()?;
    let mut store = database.open()?;
    let mut feed = Feed::after(beginning(&*store, arguments.since)?);
    // What expires while nobody writes is told too.
    let mut maintenance = Maintenance::start(store.location(), &database.settings());
    let secrets = database.secrets();
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let stopped = || match signal.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => Err(CliError::Stopped { signal }),
    };
    let mut has_gap = false;
    let mut is_looked_at = false;
    while left > 0 {
        stopped()?;
        match feed.look(&*store, PAGE, u64::MAX) {
            Ok(News::None) if is_looked_at => {}
            Ok(News::None) => {
                is_looked_at = true;
                warn_about_gap(&*store, &mut has_gap)?;
            }
            Ok(News::Changes(changes)) => {
                is_looked_at = true;
                warn_about_gap(&*store, &mut has_gap)?;
                let mut lines = String::new();
                let is_epoch = |change: &Change| change.subject == Subject::Database;
                for change in changes.iter().filter(|change| is_epoch(change) || pattern.matches(&change.key))
                {
                    if left == 0 {
                        break;
                    }
                    let line = if is_epoch(change) {
                        let identity = store.identity()?;
                        json_line(&epoch_to_json(change, &store.epochs()?, &identity))?
                    } else {
                        left -= 1;
                        json_line(&change_to_json(change, &secrets))?
                    };
                    lines.push_str(&line);
                    lines.push('\n');
                }
                lines_until_stopped(lines.as_bytes(), &signal)?;
            }
            Ok(News::Pruned { seen, oldest }) => return Err(lost(seen, oldest)),
            Ok(News::Unrecorded) => {
                return Err(store.not_recorded().into());
            }
            Err(ref lost) if let ErrorKind::Reset { why } = &lost.kind => {
                // It has the database open as well.
                drop(maintenance.take());
                store = open_again(database, store, lost, &stopped)?;
                maintenance = Maintenance::start(store.location(), &database.settings());
                database::print_notices(&*store);
                let now = store.identity()?;
                // What is committed from here on comes after the line; in an epoch that has just begun,
                // from its beginning on.
                let baseline = store
                    .epochs()?
                    .pop()
                    .filter(|baseline| matches!(why, Reset::Epoch { epoch, .. } if *epoch == baseline.epoch));
                let revision = baseline.map_or(now.revision, |baseline| baseline.revision);
                feed = Feed::after(revision);
                let identity = Identity { revision, ..now };
                let object = reset_to_json(why.cause(), &why.reason(), &identity, store.clock().now());
                let line = format!("{}\n", json_line(&object)?);
                lines_until_stopped(line.as_bytes(), &signal)?;
            }
            Err(error) => return Err(error.into()),
        }
        // Nobody is left to read what would be written.
        if left > 0 && feed.wait(&*store, Some(std::io::stdout().as_fd())) {
            return Ok(());
        }
    }
    Ok(())
}

/// Prints one notice if changes of other programs are not recorded and therefore not printed.
fn warn_about_gap(store: &dyn Store, has_gap: &mut bool) -> Result<(), CliError> {
    let gap = store.recorded()?.gap;
    let had_gap = std::mem::replace(has_gap, gap.is_some());
    if let Some(gap) = gap.filter(|_| !had_gap) {
        output::print_notice(gap);
    }
    Ok(())
}

/// The revision that the first printed change follows.
fn beginning(store: &dyn Store, since: Option<TimePoint>) -> Result<Revision, CliError> {
    let newest = store.revision()?;
    let Some(since) = since else { return Ok(newest) };
    match since.when(store.clock().now()) {
        When::Revision(revision) if revision > newest => Err(CliError::Failed(format!(
            "the newest revision is {newest}: {revision} has not come yet, or an earlier state was restored since; \
             to go on with what comes now leave out --since"
        ))),
        When::Revision(revision) => {
            if let Some(epoch) = store.epochs()?.iter().find(|epoch| epoch.skips(revision)) {
                let error = StoreError::lost(revision, epoch);
                let goes_on = epoch.revision.before();
                return Err(CliError::Failed(format!(
                    "{error}; to go on with what came since: --since {goes_on}"
                )));
            }
            // A feed says by itself what is gone.
            Ok(revision)
        }
        when => Ok(store.moment(when)?.revision),
    }
}

/// Reopens the database after it was replaced. Retries while the new file is missing or incomplete.
fn open_again(
    database: &Database,
    store: Box<dyn Store>,
    why: &StoreError,
    stopped: &dyn Fn() -> Result<(), CliError>,
) -> Result<Box<dyn Store>, CliError> {
    const POLL_TIMEOUT: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(50);
    let (location, settings) = (database.location()?, Options { seen: store.seen(), ..database.settings() });
    // SQLite has what is beside a file open once in a process: it has to be closed before.
    drop(store);
    let start = Instant::now();
    loop {
        stopped()?;
        match open(&location, &settings) {
            Ok(store) => return Ok(store),
            Err(_) if start.elapsed() < POLL_TIMEOUT => std::thread::sleep(PAUSE),
            Err(error) => {
                output::print_notice(why);
                return Err(error.into());
            }
        }
    }
}

/// A reset record: the database was replaced, and earlier changes may be missing from the new one.
fn reset_to_json(cause: &str, reason: &str, now: &Identity, at: Millis) -> Json {
    json!({
        "reset": {
            "cause": cause,
            "reason": reason,
            "database": now.database,
            "epoch": now.epoch,
            "revision": now.revision.0,
        },
        "revision": now.revision.0,
        "time": at.to_string(),
    })
}

/// A reset record for an epoch that begins among the changes.
fn epoch_to_json(change: &Change, epochs: &[EpochStart], identity: &Identity) -> Json {
    let epoch = epochs.iter().find(|epoch| epoch.revision == change.revision);
    let now = Identity {
        database: identity.database.clone(),
        epoch: epoch.map_or(identity.epoch, |epoch| epoch.epoch),
        revision: change.revision,
    };
    let reason = change.new.as_ref().map_or_else(String::new, |reason| escape(&reason.stored));
    reset_to_json("epoch", &reason, &now, change.at)
}

fn lost(seen: Revision, oldest: Revision) -> CliError {
    CliError::Failed(format!(
        "the changes after {seen} and before {oldest} are gone: history is kept no longer (see: slothstate \
         retention); to go on with what is left: --since {}",
        oldest.before()
    ))
}

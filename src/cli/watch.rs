//! `watch`: prints each change as it is committed.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use super::changes::object_of_change;
use super::output::{drawable_json, lines_until_stopped};
use super::when::Point;
use super::{Database, Failure, signals};
use crate::store::feed::{Feed, News};
use crate::store::{Maintenance, Pattern, Revision, Store, StoreError, When};

/// What `watch` is called with.
#[derive(clap::Args, Debug)]
pub struct WatchArguments {
    /// Only changes of keys, and of locks, that match this glob or begin with this text
    pattern: Option<String>,
    /// Begin with the changes after this revision (as the last line told), time, or so long ago;
    /// without it with those to come
    #[arg(long, value_name = "WHEN", value_parser = Point::parse)]
    since: Option<Point>,
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

/// Prints changes until a signal, or the end of whoever reads them.
pub fn watch(database: &Database, arguments: &WatchArguments) -> Result<(), Failure> {
    let text = arguments.pattern.as_deref().unwrap_or("");
    let pattern = Pattern::new(text).map_err(|error| Failure::Usage(error.to_string()))?;
    let signal = signals::asked_to_stop()?;
    signals::end_when_stuck()?;
    let store = database.open()?;
    let since = match arguments.since {
        None => store.revision()?,
        Some(since) => match since.when(store.clock().now()) {
            // A feed tells by itself what is gone.
            When::Revision(revision) if revision <= store.revision()? => revision,
            when => store.moment(when)?.revision,
        },
    };
    // What expires while nobody writes is told too.
    let _maintenance = Maintenance::start(store.path(), &database.settings());
    let mut feed = Feed::after(since);
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        match signal.load(Ordering::SeqCst) {
            0 => {}
            signal => return Err(Failure::Stopped { signal }),
        }
        match feed.look(&store, PAGE, u64::MAX)? {
            News::None => {}
            News::Changes(changes) => {
                let mut lines = String::new();
                for change in changes.iter().filter(|change| pattern.matches(&change.key)) {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    lines.push_str(&drawable_json(&object_of_change(change).to_string()));
                    lines.push('\n');
                }
                lines_until_stopped(lines.as_bytes(), &signal)?;
            }
            News::Pruned { seen, oldest } => return Err(lost(seen, oldest)),
            News::Unrecorded => {
                return Err(StoreError::NotRecorded { path: store.path().to_path_buf() }.into());
            }
        }
        // Nobody is left to read what would be written.
        if left > 0 && feed.wait(&store, Some(std::io::stdout().as_fd())) {
            return Ok(());
        }
    }
    Ok(())
}

fn lost(seen: Revision, oldest: Revision) -> Failure {
    Failure::No(format!(
        "the changes after {seen} and before {oldest} are gone: history is kept no longer (see: slothstate \
         retention); to go on with what is left: --since {}",
        oldest.0 - 1
    ))
}

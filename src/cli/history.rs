//! `history` and `diff`.

use std::ops::Bound;

use super::changes::{change_to_json, changes_to_lines, put_image, show_step};
use super::output::{Lines, Object, key_to_json};
use super::{CliError, Database, output};
use crate::store::time_point::{TimePoint, show_time};
use crate::store::{
    EntryDiff, ErrorKind, HistoryScan, Key, KeyRange, Moment, PAGE, Revision, Scan, Store, StoreError, When,
    change_pages, pages_by_key,
};
use crate::time::Millis;

/// Arguments of `history`.
#[derive(clap::Args, Debug)]
pub struct HistoryArguments {
    /// Only changes of this key, or of the lock of this name
    key: Option<String>,
    /// Only changes after this: a revision, a time (14:05, "2026-11-23 14:05"), or how long ago (10m)
    #[arg(long, value_name = "WHEN", value_parser = TimePoint::parse)]
    since: Option<TimePoint>,
    /// Only changes up to this
    #[arg(long, value_name = "WHEN", value_parser = TimePoint::parse)]
    until: Option<TimePoint>,
    /// Print no more than this many [default: 100, with --since all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print a JSON object a change, with whole values
    #[arg(long)]
    json: bool,
}

/// Shows changes, newest first.
pub fn history(database: &Database, arguments: &HistoryArguments) -> Result<(), CliError> {
    const PAGE: usize = 500;
    const DEFAULT_LIMIT: usize = 100;
    /// The most bytes of a value that a line shows.
    const VALUE_LIMIT: u64 = 4096;
    let store = database.open()?;
    let now = store.clock().now();
    let span = store.history_span()?.ok_or_else(|| store.not_recorded())?;
    let after = match arguments.since {
        Some(since) => revision_since(&*store, since.when(now))?,
        None => Revision::default(),
    };
    let to = match arguments.until {
        Some(until) => Bound::Included(store.moment(until.when(now))?.revision),
        None => Bound::Unbounded,
    };
    let all = if arguments.since.is_some() { usize::MAX } else { DEFAULT_LIMIT };
    let mut remaining = arguments.limit.unwrap_or(all);
    // One more than is printed tells whether there are more.
    let most = remaining.saturating_add(1);
    let page_size = most.div_ceil(most.div_ceil(PAGE));
    let scan = HistoryScan {
        key: arguments.key.as_deref().map(Key::new).transpose()?,
        from: Bound::Excluded(after),
        to,
        value_limit: if arguments.json { u64::MAX } else { VALUE_LIMIT },
        ..HistoryScan::newest(page_size)
    };
    let mut lines = Lines::new();
    let secrets = database.secrets();
    let (mut cut, mut is_empty) = (false, true);
    let key = scan.key.clone();
    for page in change_pages(&*store, scan) {
        let page = page?;
        cut = page.len() > remaining;
        let shown = &page[..page.len().min(remaining)];
        is_empty = false;
        if arguments.json {
            shown.iter().try_for_each(|change| lines.json(&change_to_json(change, &secrets)))?;
        } else {
            changes_to_lines(shown, &secrets).iter().try_for_each(|line| lines.line(line.as_bytes()))?;
        }
        remaining = remaining.saturating_sub(page.len());
        if cut {
            break;
        }
    }
    lines.finish()?;
    if is_empty {
        match &key {
            Some(key) => output::print_notice(format_args!("history has no such change of {key}")),
            None => output::print_notice("history has no such change"),
        }
    }
    if cut && arguments.limit.is_none() {
        output::print_notice(format_args!(
            "these are the newest {DEFAULT_LIMIT}; --limit NUMBER or --since WHEN shows more"
        ));
    } else if !cut && !span.reaches(after) {
        output::print_notice(format_args!(
            "history goes back to revision {} ({}); what was before is not known",
            span.oldest.0,
            show_time(span.oldest.1)
        ));
    }
    Ok(())
}

/// The revision that the changes since `point` follow; the beginning of history if `point` is older.
fn revision_since(store: &dyn Store, since: When) -> Result<Revision, CliError> {
    match (store.moment(since), since) {
        (Ok(moment), _) => Ok(moment.revision),
        (Err(StoreError { kind: ErrorKind::Pruned { .. }, .. }), When::Revision(revision)) => Ok(revision),
        (Err(StoreError { kind: ErrorKind::Pruned { .. }, .. }), When::Time(_)) => Ok(Revision::default()),
        (Err(error), _) => Err(error.into()),
    }
}

/// Arguments of `diff`.
#[derive(clap::Args, Debug)]
pub struct DiffArguments {
    /// The earlier state: a revision, a time (14:05, "2026-11-23 14:05"), or how long ago (10m)
    #[arg(value_name = "A", value_parser = TimePoint::parse)]
    from: TimePoint,
    /// The later state; without it the present one
    #[arg(value_name = "B", value_parser = TimePoint::parse)]
    to: Option<TimePoint>,
    /// Print a JSON object an entry
    #[arg(long)]
    json: bool,
}

/// Shows which entries differ between two states.
pub fn diff(database: &Database, arguments: &DiffArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let now = store.clock().now();
    let from = store.moment(arguments.from.when(now))?;
    let to = moment_or_now(&*store, arguments.to, now)?;
    let is_back = (from.revision, from.at) > (to.revision, to.at);
    let (first, second) = if is_back { (to, from) } else { (from, to) };
    let mut lines = Lines::new();
    let secrets = database.secrets();
    let read = |scan: &Scan| store.differences(first, second, scan);
    for page in pages_by_key(Scan::new(KeyRange::all(), PAGE), read, |difference| &difference.key) {
        for difference in page? {
            let difference = if is_back { turned(difference) } else { difference };
            if arguments.json {
                lines.json(&diff_to_json(&difference, secrets.hides(&difference.key)))?;
            } else {
                lines.line(diff_to_line(&difference, secrets.hides(&difference.key)).as_bytes())?;
            }
        }
    }
    lines.finish()
}

/// The moment of `point`; the present without one.
pub fn moment_or_now(store: &dyn Store, point: Option<TimePoint>, now: Millis) -> Result<Moment, CliError> {
    Ok(match point {
        Some(point) => store.moment(point.when(now))?,
        None => Moment { revision: store.revision()?, at: now },
    })
}

fn turned(difference: EntryDiff) -> EntryDiff {
    EntryDiff { key: difference.key, old: difference.new, new: difference.old }
}

fn diff_to_json(difference: &EntryDiff, is_masked: bool) -> Object {
    let mut object = key_to_json(&difference.key);
    put_image(&mut object, "old", difference.old.as_ref(), is_masked);
    put_image(&mut object, "new", difference.new.as_ref(), is_masked);
    if is_masked {
        object.insert("masked", true);
    }
    object
}

fn diff_to_line(difference: &EntryDiff, is_masked: bool) -> String {
    let mark = match (&difference.old, &difference.new) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    };
    let step = show_step(difference.old.as_ref(), difference.new.as_ref(), is_masked);
    format!("{mark} {}  {step}", difference.key)
}

//! The runs of the last day that failed, and those that go on: all runs are read once, then those that
//! are new or had not ended.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::{Process, Run, Store, StoreError, run_pages};
use crate::time::Millis;
use crate::tui::list::{Filter, RunRow};
use crate::tui::screens::overview::state::{DAY, Extent, Failures};

/// How many runs are read at a time.
const PAGE: usize = 200;

/// The runs that are worth a look.
#[derive(Default)]
pub struct FailedRuns {
    newest: i64,
    /// Since when all runs are known; `None` if nothing was read.
    since: Option<Millis>,
    /// Those that ended, not well, by number.
    failed: BTreeMap<Reverse<i64>, RunRow>,
    /// Those that have not ended, or of which that is not known.
    open: BTreeMap<Reverse<i64>, RunRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Done,
    Failed,
    Running,
    /// It has no end, and it is not known whether its process is there.
    Unknown,
}

fn standing(row: &RunRow) -> Standing {
    match &row.run.ended {
        Some((_, end)) if end.outcome == "done" => Standing::Done,
        Some(_) => Standing::Failed,
        None if row.is_alive => Standing::Running,
        None if row.status == "killed" => Standing::Failed,
        None => Standing::Unknown,
    }
}

impl FailedRuns {
    /// Brings them up to date; false if `stops` says that nobody wants to know any more.
    pub fn follow(
        &mut self,
        store: &dyn Store,
        here: &Process,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool, StoreError> {
        let mut new = Vec::new();
        for page in run_pages(store, None, PAGE) {
            if stops() {
                return Ok(false);
            }
            let page = page?;
            let count = new.len() + page.len();
            new.extend(page.into_iter().take_while(|run| run.number > self.newest));
            if new.len() < count {
                break;
            }
        }
        let now = store.clock().now();
        if self.since.is_none() {
            self.since = Some(since(&new));
        }
        let mut open = Vec::new();
        for Reverse(number) in self.open.keys() {
            open.extend(store.run(*number)?);
        }
        self.open.clear();
        self.newest = new.first().map_or(self.newest, |run: &Run| run.number);
        for run in new.into_iter().chain(open) {
            let row = RunRow::of(run, store, here);
            let number = Reverse(row.run.number);
            match standing(&row) {
                Standing::Done => {}
                Standing::Failed => {
                    self.failed.insert(number, row);
                }
                Standing::Running | Standing::Unknown => {
                    self.open.insert(number, row);
                }
            }
        }
        self.failed.retain(|_, row| is_lately(row, now));
        Ok(true)
    }

    /// The figures, and the runs that failed or may have, the newest first, of those that pass.
    pub fn shown(&self, filter: &Filter, now: Millis) -> (Failures, Vec<RunRow>) {
        let passes = |row: &&RunRow| filter.passes_run(&row.run, &row.status, now);
        let start = Millis(now.0.saturating_sub(millis(DAY)));
        let since = self.since.unwrap_or(now).max(start);
        let mut figures = Failures {
            failed: 0,
            unknown: 0,
            running: 0,
            since,
            extent: if since > start { Extent::History } else { Extent::Window },
        };
        let mut rows = Vec::new();
        for row in self.failed.values().chain(self.open.values()).filter(passes) {
            match standing(row) {
                Standing::Running => figures.running += 1,
                Standing::Failed if is_lately(row, now) => figures.failed += 1,
                Standing::Unknown if is_lately(row, now) => figures.unknown += 1,
                Standing::Done | Standing::Failed | Standing::Unknown => continue,
            }
            if standing(row) != Standing::Running {
                rows.push(row.clone());
            }
        }
        rows.sort_by_key(|row| Reverse(row.run.number));
        (figures, rows)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn is_lately(row: &RunRow, now: Millis) -> bool {
    now.since(row.run.began_at) < DAY
}

/// Since when all runs are known, of all that there are, the newest first: older ones are removed. Where
/// the first one is still there, that is always.
fn since(runs: &[Run]) -> Millis {
    match runs.last() {
        Some(oldest) if oldest.number > 1 => oldest.began_at,
        _ => Millis(i64::MIN),
    }
}

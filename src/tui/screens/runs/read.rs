//! The list of runs, the newest first, and what a recording says of one in short.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use crate::lua::log::level_of_function;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Process, Run, Store, StoreError};
use crate::tui::effect::Reply;
use crate::tui::list::read::PIECE;
use crate::tui::list::{ListReader, LoadFrom, Position, Refresh, Row, RowId, RunRow, RunSummary, window};
use crate::tui::message::{Message, send};
use crate::tui::request::CancelToken;
use crate::workflow::recording::{Record, RecordKind, decode};

/// How many runs are read at a time that may be new.
const NEW: usize = 16;
/// The most pieces of a recording that are read for its tasks.
const TASKS: usize = 500;
/// How many of the last records are looked through for lines of the log.
const LOG_RECORDS: u64 = 300;
/// The most lines of the log that are told.
const LOG_LINES: usize = 8;

impl ListReader<'_> {
    pub fn read_runs(&mut self) -> Result<(), StoreError> {
        if self.is_backwards() {
            return self.read_runs_backwards();
        }
        let mut before = match &self.load.from {
            LoadFrom::At(Position::Latest(Reverse(number))) => Some(number + 1),
            LoadFrom::After(Position::Latest(Reverse(number))) => Some(*number),
            _ => None,
        };
        let start = before;
        let asked = if self.load.filter.is_empty() { self.load.limit + 1 } else { PIECE };
        loop {
            let page = self.store.runs(before, asked)?;
            let read = page.len();
            before = page.last().map(|run| run.number);
            let rows = self.passing(page);
            self.found.extend(rows);
            if read < asked {
                let rows = self.of_stacks(&|number| start.is_none_or(|start| number < start));
                self.found.extend(rows);
            }
            if self.is_done(read, asked) {
                return Ok(());
            }
        }
    }

    /// Runs are read from the newest on, and there are not so many of them that this would matter.
    fn read_runs_backwards(&mut self) -> Result<(), StoreError> {
        let end = match &self.load.from {
            LoadFrom::Before(Position::Latest(Reverse(number))) => Some(*number),
            _ => None,
        };
        let mut last: VecDeque<Row> = VecDeque::new();
        let mut before = None;
        let mut left_out = false;
        loop {
            let page = self.store.runs(before, PIECE)?;
            let read = page.len();
            before = page.last().map(|run| run.number);
            let (wanted, rest): (Vec<Run>, Vec<Run>) =
                page.into_iter().partition(|run| end.is_none_or(|end| run.number > end));
            for row in self.passing(wanted) {
                last.push_back(row);
                if last.len() > self.load.limit {
                    last.pop_front();
                    left_out = true;
                }
            }
            self.scanned += read as u64;
            if self.is_outdated() {
                return Ok(());
            }
            if read < PIECE {
                for row in self.of_stacks(&|number| end.is_none_or(|end| number > end)) {
                    last.push_back(row);
                    if last.len() > self.load.limit {
                        last.pop_front();
                        left_out = true;
                    }
                }
            }
            if read < PIECE || !rest.is_empty() {
                self.found.extend(last.into_iter().rev());
                self.finish(!left_out);
                return Ok(());
            }
        }
    }

    /// The runs of Sloth Runner's stacks with these numbers, which come after all of ours. What cannot be read
    /// of another program's file does not keep ours from being shown.
    fn of_stacks(&self, is_wanted: &dyn Fn(i64) -> bool) -> Vec<Row> {
        let now = self.store.clock().now();
        let rows = self.store.stacks().unwrap_or_default().runs.into_iter().map(RunRow::of_stack);
        let passing = rows.filter(|row| {
            is_wanted(row.run.number) && self.load.filter.passes_run(&row.run, &row.status, now)
        });
        passing.map(|row| Row::Run(Box::new(row))).collect()
    }

    fn passing(&self, runs: Vec<Run>) -> Vec<Row> {
        let now = self.store.clock().now();
        let rows = runs.into_iter().map(|run| RunRow::of(run, self.store, self.here));
        let passing = rows.filter(|row| self.load.filter.passes_run(&row.run, &row.status, now));
        passing.map(|row| Row::Run(Box::new(row))).collect()
    }
}

/// Reads of a list of runs those that are new, and those that had not ended: every other is as it was.
pub fn refresh(
    store: &dyn Store,
    here: &Process,
    asked: &Refresh,
    answers: &Sender<Message>,
    lists: &CancelToken,
) -> Result<(), StoreError> {
    let now = store.clock().now();
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    let mut newest = asked.newest;
    let mut before = None;
    while let Some(known) = asked.newest {
        let page = store.runs(before, NEW)?;
        let is_last = page.len() < NEW || page.last().is_none_or(|run| run.number <= known);
        newest = newest.max(page.first().map(|run| run.number));
        before = page.last().map(|run| run.number);
        let new =
            page.into_iter().take_while(|run| run.number > known).map(|run| RunRow::of(run, store, here));
        rows.extend(new.filter(|row| asked.filter.passes_run(&row.run, &row.status, now)));
        if lists.is_cancelled(asked.generation) {
            return Ok(());
        }
        if is_last {
            break;
        }
    }
    let has_more = rows.len() > window::PAGE;
    for number in &asked.open {
        let row = run_of(store, here, *number)?;
        match row.filter(|row| asked.filter.passes_run(&row.run, &row.status, now)) {
            Some(row) => rows.push(row),
            None => gone.push(RowId::Run(*number)),
        }
    }
    rows.truncate(if has_more { 0 } else { usize::MAX });
    if !has_more {
        let of_stacks = store.stacks().unwrap_or_default().runs.into_iter().map(RunRow::of_stack);
        rows.extend(of_stacks.filter(|row| asked.filter.passes_run(&row.run, &row.status, now)));
    }
    let rows = rows.into_iter().map(|row| Row::Run(Box::new(row))).collect();
    send(answers, Reply::Refreshed { generation: asked.generation, rows, gone, newest, has_more });
    Ok(())
}

/// The run of that number, also of a stack; `None` if there is none.
fn run_of(store: &dyn Store, here: &Process, number: i64) -> Result<Option<RunRow>, StoreError> {
    if number >= 0 {
        return Ok(store.run(number)?.map(|run| RunRow::of(run, store, here)));
    }
    let runs = store.stacks().unwrap_or_default().runs;
    Ok(runs.into_iter().map(RunRow::of_stack).find(|row| row.run.number == number))
}

/// A run with what its recording says of it.
pub fn detail(store: &dyn Store, here: &Process, number: i64) -> Result<Option<Row>, StoreError> {
    let Some(mut row) = run_of(store, here, number)? else { return Ok(None) };
    if row.run.recorded {
        row.account = Some(account(store, number)?);
    }
    Ok(Some(Row::Run(Box::new(row))))
}

fn account(store: &dyn Store, run: i64) -> Result<RunSummary, StoreError> {
    let mut account = RunSummary::default();
    for piece in store.recording_chunks(run, 1, true, TASKS)?.iter().filter(|piece| piece.first > 0) {
        // What cannot be read is told of where the run is opened.
        decode(piece).unwrap_or_default().iter().for_each(|record| account.tasks.add(record));
    }
    let last = store.recording_chunks(run, u64::MAX >> 1, false, 1)?.first().map_or(0, |piece| piece.last);
    let from = last.saturating_sub(LOG_RECORDS).max(1);
    for piece in
        store.recording_chunks(run, from, false, usize::try_from(LOG_RECORDS).unwrap_or(usize::MAX))?
    {
        if piece.first > 0 {
            account.log.extend(decode(&piece).unwrap_or_default().iter().filter_map(line_of_log));
        }
    }
    let surplus = account.log.len().saturating_sub(LOG_LINES);
    account.log.drain(..surplus);
    Ok(account)
}

/// The level and the line, if a record writes to the log.
pub fn line_of_log(record: &Record) -> Option<(String, Vec<u8>)> {
    let RecordKind::Call { function, arguments, .. } = &record.what else { return None };
    let level = level_of_function(function)?.name();
    let words = arguments.iter().map(|datum| match datum {
        RecordedValue::Text(text) => text.clone(),
        other => other.to_string().into_bytes(),
    });
    Some((level.to_string(), words.collect::<Vec<_>>().join(&b' ')))
}

//! The steps that are in memory, with the cursor on one of them.

use std::time::Duration;

use crate::lua::functions;
use crate::lua::host_function::CallTarget;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Key, Revision};
use crate::tui::list::Window;
use crate::tui::screens::debugger::requests::StepPage;
use crate::workflow::RunEvent;
use crate::workflow::recording::{Record, RecordKind};

#[derive(Clone, Debug, Default)]
pub struct Steps {
    pub window: Window<Record>,
    /// What was read of them beside the records, which are in the window.
    page: StepPage,
    depths: Vec<usize>,
    /// Whether other steps have been asked for.
    pub is_reading: bool,
    /// The step to which the cursor goes once it is there.
    target: Option<u64>,
}

/// What a call or a task does to the depth of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// What follows is inside of it.
    Opens,
    /// What was inside of something ends.
    Closes,
    Flat,
}

impl Nesting {
    pub fn of(record: &Record) -> Nesting {
        match &record.what {
            RecordKind::Begin { .. } => Nesting::Opens,
            RecordKind::End { .. } => Nesting::Closes,
            RecordKind::Event(RunEvent::TaskStarted { .. }) => Nesting::Opens,
            // One that was not run ends without having begun.
            RecordKind::Event(RunEvent::TaskFinished { .. }) if record.task.is_some() => Nesting::Closes,
            _ => Nesting::Flat,
        }
    }
}

/// The key of the state that a call is about.
pub fn key_of(what: &RecordKind) -> Option<Key> {
    let (RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments }) = what
    else {
        return None;
    };
    functions::find(function).filter(|function| function.target == CallTarget::Entry)?;
    match arguments.first()? {
        RecordedValue::Text(key) => Key::new(std::str::from_utf8(key).ok()?).ok(),
        _ => None,
    }
}

/// How deep each record lies: tasks in the run, calls in what called them.
fn depths(records: &[Record]) -> Vec<usize> {
    let mut depths: Vec<isize> = Vec::with_capacity(records.len());
    let mut depth = 0;
    for record in records {
        let nesting = Nesting::of(record);
        if nesting == Nesting::Closes {
            depth -= 1;
        }
        depths.push(depth);
        if nesting == Nesting::Opens {
            depth += 1;
        }
    }
    // What had begun before the first record counts as well.
    let lowest = depths.iter().min().copied().unwrap_or(0).min(0);
    let inside =
        records.first().is_some_and(|first| first.task.is_some() && Nesting::of(first) == Nesting::Flat);
    let base = if lowest == 0 && inside { 1 } else { 0 };
    depths.into_iter().map(|depth| usize::try_from(depth - lowest + base).unwrap_or(0)).collect()
}

/// The place of the step of this number, or of the one next to it; `None` where it lies beyond those in memory.
fn place_of(records: &[Record], at_end: bool, number: u64) -> Option<usize> {
    let place = records.partition_point(|record| record.number < number);
    (place < records.len() || at_end).then(|| place.min(records.len().saturating_sub(1)))
}

impl Steps {
    /// Steps with the cursor on the one of this number.
    pub fn new(page: StepPage, number: u64) -> Steps {
        let mut steps = Steps::default();
        steps.put(page, 0);
        steps.select(number);
        steps
    }

    /// Puts other steps into the place of those that are there, with the cursor on the one at `place`.
    fn put(&mut self, mut page: StepPage, place: usize) {
        let records = std::mem::take(&mut page.records);
        self.depths = depths(&records);
        self.window.replace_at(records, page.at_start, page.at_end, place);
        self.page = page;
    }

    /// Lets the cursor go to a step once it has been read.
    pub fn goes_to(&mut self, number: u64) {
        self.is_reading = true;
        self.target = Some(number);
    }

    /// Puts other steps into the place of those that are there, with the cursor on the step of this
    /// number unless it is on its way to another; it stays on its line of the screen. Steps that were
    /// asked for before that one was come without it: then it is still on its way.
    pub fn replace(&mut self, page: StepPage, number: u64) {
        let target = self.target.take();
        let is_between = target.is_none_or(|target| {
            let is_after = page.records.first().is_none_or(|first| first.number <= target);
            let is_before = page.records.last().is_none_or(|last| target <= last.number);
            (is_after || page.at_start) && (is_before || page.at_end)
        });
        if !is_between {
            self.target = target;
        }
        self.is_reading = !is_between;
        let number = target.filter(|_| is_between).unwrap_or(number);
        let place = place_of(&page.records, page.at_end, number).unwrap_or(self.window.cursor());
        self.put(page, place);
    }

    /// What was asked for does not come.
    pub fn is_left_alone(&mut self) {
        self.is_reading = false;
        self.target = None;
    }

    pub fn records(&self) -> &[Record] {
        self.window.rows()
    }

    pub fn record(&self, place: usize) -> Option<&Record> {
        self.records().get(place)
    }

    /// How deep a step lies.
    pub fn depth(&self, place: usize) -> usize {
        self.depths.get(place).copied().unwrap_or(0)
    }

    /// The number of the step under the cursor; 0 where there is none.
    pub fn number(&self) -> u64 {
        self.window.selected().map_or(0, |record| record.number)
    }

    pub fn last(&self) -> u64 {
        self.page.last
    }

    /// Puts the cursor on the step of this number, or the one next to it; whether it is in memory.
    pub fn select(&mut self, number: u64) -> bool {
        if let Some(place) = place_of(self.records(), self.window.at_end, number) {
            self.window.select(place);
        }
        self.number() == number && !self.records().is_empty()
    }

    /// Whether steps should be read because the cursor comes near to an end that is not the last.
    pub fn wants(&self) -> bool {
        !self.is_reading && self.window.wants().is_some()
    }

    /// The newest revision before the step at `place`.
    pub fn revision_before(&self, place: usize) -> Revision {
        self.page.revisions.get(place).copied().unwrap_or_default()
    }

    /// The revisions between which the step at `place` may have changed something, each time without the
    /// first.
    pub fn changes_of(&self, place: usize) -> Vec<(Revision, Revision)> {
        self.page.changes.get(place).cloned().unwrap_or_default()
    }

    /// The place of the call that the step at `place` is the beginning or the end of, or that it is
    /// itself, as far as that is in memory.
    pub fn call_at(&self, place: usize) -> Option<usize> {
        match self.record(place)?.what {
            RecordKind::End { .. } => {
                let depth = self.depth(place);
                (0..place).rev().find(|at| {
                    self.depth(*at) == depth
                        && matches!(self.record(*at), Some(Record { what: RecordKind::Begin { .. }, .. }))
                })
            }
            RecordKind::Callback { .. } => {
                let depth = self.depth(place);
                (0..place).rev().find(|at| self.depth(*at) < depth)
            }
            _ => Some(place),
        }
    }

    /// The place of the call or the task that the step at `place` is the end of, or lies in, as far as
    /// its beginning is in memory.
    pub fn around(&self, place: usize) -> Option<usize> {
        let depth = self.depth(place);
        let is_end = Nesting::of(self.record(place)?) == Nesting::Closes;
        let begins = |at: &usize| {
            self.record(*at).is_some_and(|record| Nesting::of(record) == Nesting::Opens)
                && (self.depth(*at) < depth || is_end && self.depth(*at) == depth)
        };
        (0..place).rev().find(begins)
    }

    /// The end of the call or the task that begins at `place`, as far as it is in memory.
    pub fn end_of(&self, place: usize) -> Option<&Record> {
        self.end_place(place).and_then(|at| self.record(at))
    }

    /// The place of that end.
    pub fn end_place(&self, place: usize) -> Option<usize> {
        let depth = self.depth(place);
        (Nesting::of(self.record(place)?) == Nesting::Opens)
            .then(|| (place + 1..self.records().len()).find(|at| self.depth(*at) <= depth))
            .flatten()
    }

    /// How long the step at `place` took, in microseconds, where it took any time of its own.
    pub fn took(&self, place: usize) -> Option<u64> {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).ok();
        let record = self.record(place)?;
        match &record.what {
            RecordKind::Call { took, .. } => Some(*took),
            RecordKind::Begin { .. } => Some(self.end_of(place)?.at.saturating_sub(record.at)),
            RecordKind::Event(RunEvent::TaskStarted { .. }) => match &self.end_of(place)?.what {
                RecordKind::Event(end) => micros(end.duration()),
                _ => None,
            },
            RecordKind::Event(event) => micros(event.duration()).filter(|micros| *micros > 0),
            _ => None,
        }
    }

    /// The step at `place`, or the last before it, that stands at a line of the source.
    pub fn placed(&self, place: usize) -> Option<&Record> {
        let call = self.call_at(place).unwrap_or(place);
        (0..=call).rev().filter_map(|at| self.record(at)).find(|record| record.place.is_some())
    }
}

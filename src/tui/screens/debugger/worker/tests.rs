//! Which step of a run made which change, asked of random workflows: what the debugger says is what was
//! seen while they ran.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, MultiValue};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::lua::boundary::{Callback, CommitFate, HostCall, Work};
use crate::lua::host_function::CallEffect;
use crate::lua::{Boundary, Stop};
use crate::store::{Change, Changes, History, Revision, SqliteStore, State, Store};
use crate::testing::rounds;
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::folded_steps::Folds;
use crate::tui::screens::debugger::requests::{DebugSessionId, StepFilter, StepQuery, StepSearch};
use crate::tui::screens::debugger::steps::Steps;
use crate::tui::screens::debugger::worker::pages::{last, step_of, window};
use crate::tui::screens::debugger::worker::search::seek;
use crate::tui::screens::debugger::worker::step_details::{CHANGES, about};
use crate::workflow::recording::RecordingBoundary;
use crate::workflow::replay::tests::{Place, statement};
use crate::workflow::{RunBoundary, RunEvent};

/// Sees each change of a run as it is made, and after which record.
struct Witness {
    recorder: Rc<RecordingBoundary>,
    /// A connection of its own.
    store: SqliteStore,
    seen: Cell<Revision>,
    /// The last record that is the beginning of a call.
    begun: Cell<u64>,
    /// Of each change of the run: the record after which it was made, and whether a call began there.
    made: RefCell<Vec<(Revision, u64, bool)>>,
}

impl Witness {
    fn new(recorder: Rc<RecordingBoundary>, store: SqliteStore) -> Witness {
        let seen = Cell::new(store.revision().unwrap());
        Witness { recorder, store, seen, begun: Cell::default(), made: RefCell::default() }
    }

    /// Takes in what was changed since the last look; no record was made in between.
    fn look(&self) {
        let last = self.recorder.last();
        for change in changes(&self.store, self.seen.get()) {
            self.seen.set(change.revision);
            if change.actor.run.is_some() && change.actor.run == self.recorder.run() {
                self.made.borrow_mut().push((change.revision, last, last == self.begun.get()));
            }
        }
    }

    /// The steps that made changes, with the revisions of those.
    fn steps(&self) -> BTreeMap<u64, Vec<Revision>> {
        self.look();
        let mut steps: BTreeMap<u64, Vec<Revision>> = BTreeMap::new();
        for (revision, record, is_begin) in self.made.borrow().iter() {
            let step = if *is_begin { *record } else { (record + 1).min(self.recorder.last()) };
            steps.entry(step).or_default().push(*revision);
        }
        steps
    }
}

impl Boundary for Witness {
    fn call(&self, call: &HostCall<'_>, work: Work<'_>) -> mlua::Result<MultiValue> {
        self.look();
        self.recorder.call(call, &|| {
            if call.function.effect != CallEffect::Read {
                self.begun.set(self.recorder.last());
                assert!(
                    call.function.may_take_long() || self.recorder.keeps(),
                    "{} is written before its change",
                    call.function.name
                );
            }
            let done = work();
            self.look();
            done
        })
    }

    fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
        self.look();
        let done = self.recorder.call_back(lua, call_back);
        self.look();
        done
    }

    fn commit_fate(&self) -> Option<CommitFate> {
        self.recorder.commit_fate()
    }

    fn poll(&self, due: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
        self.look();
        self.recorder.poll(due)
    }
}

impl RunBoundary for Witness {
    fn event(&self, event: RunEvent) -> Duration {
        self.look();
        self.recorder.event(event)
    }

    fn note(&self, line: &str) {
        self.look();
        self.recorder.note(line);
    }
}

/// The changes after a revision.
fn changes(store: &SqliteStore, since: Revision) -> Vec<Change> {
    match store.changes(since, 100_000, 0).unwrap() {
        Changes::Since(changes) => changes,
        // Nothing was written yet.
        _ => Vec::new(),
    }
}

/// The steps that a search for changes stops at, one after the other.
fn found(store: &dyn Store, run: i64, from: u64, forwards: bool) -> Vec<u64> {
    let mut found = Vec::new();
    let mut from = from;
    while let Some(step) = seek(
        store,
        &StepSearch { run, from, forwards, test: StepFilter::Change, last: last(store, run).unwrap() },
        &|_| false,
    )
    .unwrap()
    {
        found.push(step);
        from = step;
    }
    found
}

/// What the debugger shows as the changes of each step.
fn shown(store: &dyn Store, run: i64, last: u64) -> BTreeMap<u64, Vec<Revision>> {
    let mut shown = BTreeMap::new();
    let mut next = 1;
    while next <= last {
        let steps = Steps::new(window(store, run, next, &Folds::default()).unwrap(), next);
        for place in 0..steps.records().len() {
            let record = steps.record(place).unwrap();
            if record.number < next {
                continue;
            }
            next = record.number + 1;
            let step = StepQuery {
                sitting: DebugSessionId { number: RequestId(1), run },
                number: record.number,
                at: record.at,
                revision: Revision::default(),
                changes: steps.changes_of(place),
                changes_at_end: Vec::new(),
                call: None,
                key: None,
            };
            let about = about(store, &step).unwrap();
            let changes = about.changes();
            if !changes.is_empty() {
                shown.insert(record.number, changes.iter().map(|change| change.revision).collect());
            }
        }
    }
    shown
}

/// Runs a workflow, and compares what was seen with what is said afterwards.
fn check(place: &Place, source: &str, seed: u64, with_others: bool) -> Result<(), TestCaseError> {
    let mut witness = None;
    let (store, run) = place.record_through(source, seed, with_others, true, |recorder| {
        let seen = Rc::new(Witness::new(recorder, place.open()));
        witness = Some(Rc::clone(&seen));
        seen
    });
    let witness = witness.unwrap();
    let (expected, last) = (witness.steps(), witness.recorder.last());
    let steps: Vec<u64> = expected.keys().copied().collect();
    let shown = shown(&*store, run, last);
    for step in 1..=last {
        let made = expected.get(&step).map_or(&[][..], |made| &made[made.len().saturating_sub(CHANGES)..]);
        let shown = shown.get(&step).map_or(&[][..], Vec::as_slice);
        prop_assert_eq!(shown, made, "step {}\n{}", step, source);
    }
    prop_assert_eq!(&found(&*store, run, 0, true), &steps, "{}", source);
    let backwards: Vec<u64> = steps.iter().rev().copied().collect();
    prop_assert_eq!(found(&*store, run, last + 1, false), backwards, "{}", source);
    for (step, revisions) in &expected {
        for revision in revisions {
            prop_assert_eq!(
                step_of(&*store, run, *revision).unwrap(),
                Some(*step),
                "revision {}\n{}",
                revision,
                source
            );
        }
        // The piece that ends before the change is of the revision of its last change.
        let is_begin = witness.made.borrow().iter().any(|(_, record, is_begin)| record == step && *is_begin);
        let end = if is_begin { *step } else { *step - 1 };
        let pieces = store.recording_chunks(run, end, false, 1).unwrap();
        prop_assert_eq!(
            pieces.first().map(|piece| (piece.last, piece.revision)),
            Some((end, *revisions.last().unwrap())),
            "step {}\n{}",
            step,
            source
        );
    }
    Ok(())
}

/// A statement that takes long, or has much to write.
fn heavy() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "state.set('k0', ('x'):rep(70000))",
        "state.append('log', ('y'):rep(200000))",
        "state.update('k1', function(old) return (old and 'again' or ''):rep(30000) .. ('z'):rep(90000) end)",
        "state.update('k2', function() sleep(2) log.info(('l'):rep(70000)) return 1 end)",
        "state.transaction(function() state.set('k1', ('x'):rep(70000)) sleep(3) state.set('k2', 2) end)",
        "state.transaction(function() state.set('k1', 1) log.info(('l'):rep(70000)) end)",
        "state.transaction(function() state.set('k1', 1) state.transaction(function() state.delete('k2') end) end)",
        "state.with_lock('long', function() sleep(2) state.set('k2', ('w'):rep(80000)) end)",
        "state.with_lock('long', function() state.update('k2', function() state.set('k3', 1) return 2 end) end)",
        "pcall(state.with_lock, 'long', function() state.set('k0', 1) error('x') end)",
        "pcall(state.transaction, function() state.set('k0', 1) error('x') end)",
        "if state.lock('a') then state.lock('b') error('with two locks') end",
        "state.lock('held') log.info('holding') state.unlock('held')",
        "for i = 1, 1100 do state.set('many/' .. i, i) end state.clear('many/*1')",
        "state.set('brief', 1, 0.001) sleep(1) state.set('brief', 2)",
        "state.set('brief', 1, 0.001) sleep(1) pcall(state.compare_swap, 'brief', 3, 4)",
        "for i = 1, 300000 do end",
    ])
    .prop_map(String::from)
}

fn workflow() -> impl Strategy<Value = String> {
    let line = prop_oneof![2 => statement(), 1 => heavy()];
    let body = prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"));
    prop::collection::vec((body, 0..3u8, prop::sample::select(vec!["0.001", "2"])), 1..3).prop_map(|tasks| {
        let tasks = tasks.iter().enumerate().map(|(place, (body, retries, pause))| {
            format!(
                "task('t{place}'):retries({retries}, 'fixed', {pause}):timeout(36000):command(function() {body}\nreturn true end)\
                 :on_failure(function(why) state.set('why', why) end):build()"
            )
        });
        tasks.collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #![proptest_config(Config { cases: rounds(5, 200), failure_persistence: None, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn each_change_is_said_to_be_of_the_step_that_made_it(source in workflow(), seed: u64, with_others: bool) {
        check(&Place::new(), &source, seed, with_others)?;
    }
}

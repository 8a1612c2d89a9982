//! Workflows at random, recorded and replayed: the same comes to pass, whatever they do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::lua::{Host, Machine};
use crate::store::{Actor, Key, NewRun, RunEnd, Value};
use crate::workflow::recording::{Mask, Recorder};

/// Something of a script, as text. What it is about is chosen so that all of it meets often.
fn statement() -> impl Strategy<Value = String> {
    let key = || (0..4u8).prop_map(|number| format!("'k{number}'"));
    let value = || {
        prop_oneof![
            (-3..9i64).prop_map(|number| number.to_string()),
            Just("'text\\0\\255'".to_string()),
            Just("true".to_string()),
            Just("{ 1, { x = 'y', n = 0.1 } }".to_string()),
            Just("os.time()".to_string()),
            Just("math.random(5)".to_string()),
            Just("state.get('k1', 7)".to_string()),
            Just("os.getenv('HOME')".to_string()),
            Just("tostring({})".to_string()),
            Just("#state.keys()".to_string()),
        ]
    };
    let leaf = prop_oneof![
        4 => (key(), value()).prop_map(|(key, value)| format!("state.set({key}, {value})")),
        2 => (key(), value()).prop_map(|(key, value)| format!("log.info(state.get({key}, {value}))")),
        2 => key().prop_map(|key| format!("pcall(state.increment, {key}, math.random(3))")),
        1 => key().prop_map(|key| format!("state.delete({key})")),
        1 => (key(), value(), value())
            .prop_map(|(key, old, new)| format!("state.compare_swap({key}, {old}, {new})")),
        1 => key().prop_map(|key| format!("pcall(state.list_push, {key}, {{ os.time() }})")),
        1 => key().prop_map(|key| format!("log.warn(state.get_ttl({key}), state.exists({key}))")),
        1 => key().prop_map(|key| format!("state.set({key}, 1, 3600)")),
        1 => key().prop_map(|key| format!("log.info(state.wait({key}, function(v) return v ~= nil end, 0))")),
        1 => Just("log.info(state.rate_limit('rate', 3, 60))".to_string()),
        1 => Just("for k, v in pairs({ [{}] = 1, [{ 2 }] = 2, [print] = 3, a = 4 }) do log.info(k, v) end".to_string()),
        1 => Just("log.info(math.random(), os.date('%H'), os.clock() >= 0)".to_string()),
        1 => Just("if math.random(6) == 1 then error('by chance') end".to_string()),
        1 => Just("state.clear('k3*')".to_string()),
        1 => Just("sleep(0)".to_string()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let block = prop::collection::vec(inner, 1..4).prop_map(|lines| lines.join("\n"));
        prop_oneof![
            block.clone().prop_map(|block| format!("pcall(function() {block} end)")),
            block.clone().prop_map(|block| format!("for i = 1, math.random(3) do {block} end")),
            block.clone().prop_map(|block| format!("if math.random(2) == 1 then {block} end")),
            block.clone().prop_map(|block| format!("pcall(state.transaction, function() {block} end)")),
            block.clone().prop_map(|block| format!("pcall(state.with_lock, 'l', function() {block} end)")),
            block.clone().prop_map(|block| {
                format!("pcall(state.update, 'u', function(v) {block} return os.time() end)")
            }),
            block.prop_map(|block| {
                format!("local co = coroutine.wrap(function() {block} coroutine.yield(1) {block} end) co() pcall(co)")
            }),
        ]
    })
}

fn workflow() -> impl Strategy<Value = String> {
    let task = prop::collection::vec(statement(), 0..6).prop_map(|lines| lines.join("\n"));
    prop::collection::vec((task, 0..3u8), 1..3).prop_map(|tasks| {
        let tasks = tasks.iter().enumerate().map(|(place, (body, retries))| {
            format!(
                "task('t{place}'):retries({retries}, 'fixed', 0.001):command(function() {body}\nreturn true end)\
                 :on_failure(function(why) log.info(why) end):build()"
            )
        });
        tasks.collect::<Vec<_>>().join("\n")
    })
}

fn record(folder: &std::path::Path, source: &str) -> (Rc<dyn Store>, i64) {
    let path = folder.join("state.db");
    let settings = Settings::default();
    let store: Rc<dyn Store> = Rc::new(SqliteStore::open_or_create(&path, settings.clone()).unwrap());
    let host: Rc<dyn Host> = Rc::new(Machine::new(BTreeMap::new()));
    let script = Script { file: "w.lua".into(), source: source.as_bytes().to_vec() };
    let job = Job {
        script,
        modules: Vec::new(),
        params: Vec::new(),
        wanted: Vec::new(),
        memory: 64 << 20,
        timeout: None,
    };
    let actor = settings.actor.clone();
    let header = Header::of(&job, &*host, &actor, &[]);
    let new = NewRun {
        workflow: "w".into(),
        file: "w.lua".into(),
        params: BTreeMap::new(),
        header: Some(header.encode()),
    };
    let mask = Mask::new(&[]).unwrap();
    let recorder = Rc::new(Recorder::new(Rc::clone(&store), Rc::clone(&host), mask, new, actor.clone()));
    let opener: Opener =
        Arc::new(move || Ok(Box::new(SqliteStore::open_or_create(&path, settings.clone())?) as _));
    let surroundings = Surroundings {
        locks: Locks::new(Rc::clone(&store), opener, None).unwrap(),
        boundary: Rc::clone(&recorder) as _,
        host,
        alarm: Alarm::default(),
        holder: "tester".into(),
        reporter: Reporter::new(|_| {}),
        store: Rc::clone(&store),
    };
    let begin = |_: &crate::workflow::Workflow| Ok(Actor { run: Some(recorder.begin()?), ..actor.clone() });
    let summary = execute(&job, surroundings, begin).unwrap();
    let outcome = summary.outcome.name().to_string();
    recorder.end(&RunEnd { outcome, ok: 0, failed: 0, skipped: 0 }).unwrap();
    (store, recorder.run().unwrap())
}

/// How many workflows: all that CI tries, or so many as nobody minds to wait for.
fn rounds() -> u32 {
    if std::env::var_os("SLOTHSTATE_TEST_FULL").is_some() { 1000 } else { 50 }
}

proptest! {
    #![proptest_config(Config { cases: rounds(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_random_workflow_is_replayed_and_tried_out_as_it_was(source in workflow()) {
        let folder = tempfile::tempdir().unwrap();
        let (store, number) = record(folder.path(), &source);
        let before = store.revision().unwrap();
        let recording = Recording::of_store(&store, number).unwrap();
        let wish = Wish { source: None, until: None, alarm: Alarm::default() };
        let replayed = replay(&recording, wish, |_| {}, Reporter::new(|_| {})).unwrap();
        prop_assert!(matches!(replayed.verdict, Verdict::Same(_)), "{:?}", replayed.verdict);

        // Tried out with something changed that nobody asks for, it ends in the very same state.
        let values = vec![(Key::new("elsewhere").unwrap(), Some(b"1".to_vec()))];
        let wish = WhatIf { values, source: None, live: false, stubs: Vec::new(), alarm: Alarm::default() };
        let reads_all = source.contains("state.keys") || source.contains("state.clear");
        if !reads_all {
            let settings = Settings::default();
            let outcome = what_if(Some(&store), &recording, &wish, &settings, Reporter::new(|_| {})).unwrap();
            prop_assert!(outcome.parted.is_none(), "{:?}", outcome.parted);
            prop_assert_eq!(outcome.state, vec![]);
        }
        // Nothing was changed by it. (What is there depends on the time: entries expire.)
        prop_assert_eq!(store.revision().unwrap(), before);
    }
}

#[test]
fn what_a_run_left_is_what_a_trial_without_a_change_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let source = "task('t'):command(function()
        state.set('a', math.random(1000)) state.update('b', function() return os.time() end)
        state.transaction(function() state.set('c', { state.get('a') }) state.delete('a') end)
        return true end):build()";
    let (store, number) = record(folder.path(), source);
    let recording = Recording::of_store(&store, number).unwrap();
    let wish = WhatIf {
        values: vec![(Key::new("c").unwrap(), Some(b"1".to_vec()))],
        source: None,
        live: false,
        stubs: Vec::new(),
        alarm: Alarm::default(),
    };
    let outcome =
        what_if(Some(&store), &recording, &wish, &Settings::default(), Reporter::new(|_| {})).unwrap();
    assert_eq!((outcome.parted, outcome.state), (None, vec![]));
    assert_eq!(outcome.beginning, Beginning::History(crate::store::Revision(0)));
    let c = store.get(&Key::new("c").unwrap()).unwrap().unwrap();
    assert!(matches!(c.value(), Value::Table(_)));
}

//! Recordings on etcd: pieces that are longer than a value, and the changes that they are about.

use super::super::wire::{RangeRequest, Wire};
use super::world::Place;
use crate::store::testing::conformance::World;
use crate::store::{
    Actor, Expiry, Key, NewRun, RecordingChunk, Revision, Run, RunEnd, Runs, State, Store, Transaction, Value,
};

fn new_run(header: &[u8]) -> NewRun {
    let header = Some(header.to_vec());
    NewRun { workflow: "w".into(), file: "w.sloth".into(), params: Default::default(), header }
}

fn put(store: &dyn Store, value: &str) -> Revision {
    let put = Transaction::put(Key::new("k").unwrap(), Value::text(value), Expiry::Clear);
    assert!(store.commit(&put).unwrap().is_committed());
    store.revision().unwrap()
}

fn chunks(store: &dyn Store, run: i64) -> Vec<RecordingChunk> {
    store.recording_chunks(run, 0, false, usize::MAX).unwrap()
}

#[test]
fn a_piece_of_any_length_is_written_and_no_value_is_long() {
    for place in [Place::new(), Place::lossy()] {
        let Some(place) = place else { return };
        let store = place.open(place.settings());
        let long: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
        let run = store.begin_run(&new_run(&long)).unwrap();
        store.set_actor(Actor { run: Some(run), ..place.settings().actor });
        store.buffer_record(run, 1, false, &long);
        let first = put(&store, "1");
        store.buffer_record(run, 2, true, &long[..70_000]);
        // Too long for the request of a change that is long itself.
        let second = put(&store, &"x".repeat(480_000));
        store.buffer_record(run, 3, false, &long[..70_000]);
        store.flush_records().unwrap();
        let found = chunks(&store, run);
        let lengths: Vec<usize> = found.iter().map(|chunk| chunk.data.len()).collect();
        assert_eq!(lengths, [3_000_000, 3_000_000, 70_000, 70_000]);
        assert!(found.iter().all(|chunk| long.starts_with(&chunk.data)));
        let revisions: Vec<Revision> = found.iter().map(|chunk| chunk.revision).collect();
        assert_eq!(revisions, [Revision(0), first, second, second]);
        let [_, own] = place.keys().all();
        let largest = place.wire().range(&RangeRequest::of(own)).unwrap().kvs;
        let pieces = largest.iter().filter(|kv| kv.key.ends_with(b"/0001") || kv.key.contains(&b'Z'));
        assert!(pieces.into_iter().all(|kv| kv.value.len() <= 65 * 1024));
        assert_eq!(store.recording_chunks(run, 3, false, 9).unwrap(), found[3..]);
        assert_eq!(store.recording_chunks(run, 0, true, 9).unwrap(), found[2..3]);
    }
}

#[test]
fn a_change_without_a_record_belongs_to_the_record_before() {
    let Some(place) = Place::new() else { return };
    let (store, other) = (place.open(place.settings()), place.open(place.settings()));
    let run = store.begin_run(&new_run(b"header")).unwrap();
    store.set_actor(Actor { run: Some(run), ..place.settings().actor });
    store.buffer_record(run, 1, false, b"one");
    store.flush_records().unwrap();
    let last = |store: &dyn Store| chunks(store, run).last().unwrap().revision;
    assert_eq!(last(&store), Revision(0));
    let changed = put(&store, "1");
    assert_eq!(last(&store), changed);
    let changed = put(&store, "2");
    put(&other, "3");
    assert_eq!(last(&store), changed, "the change of another one is not its own");
    store.buffer_record(run, 2, false, b"two");
    let end = RunEnd { outcome: "done".into(), ok: 1, failed: 0, skipped: 0 };
    store.end_run(run, &end).unwrap();
    assert_eq!(last(&store), other.revision().unwrap());
}

#[test]
fn runs_that_begin_together_have_numbers_of_their_own() {
    let Some(place) = Place::new() else { return };
    let numbers = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = place.open(place.settings());
                for _ in 0..5 {
                    let run = store.begin_run(&new_run(b"header")).unwrap();
                    numbers.lock().unwrap().push(run);
                }
            });
        }
    });
    let mut numbers = numbers.into_inner().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<i64>>());
    let runs: Vec<Run> = place.open(place.settings()).runs(None, 100).unwrap();
    assert!(runs.len() == 20 && runs.iter().all(|run| run.recorded));
}

//! Runs and their recordings.

use std::time::Duration;

use super::{Contract, World, put, value};
use crate::store::{Expiry, Liveness, NewRun, RecordingChunk, RecordingRetention, Run, RunEnd, Store, Value};

pub(super) const CONTRACTS: &[Contract] = &[
    ("a_run_is_noted_from_its_beginning_to_its_end", a_run_is_noted_from_its_beginning_to_its_end),
    ("runs_come_newest_first_in_pages", runs_come_newest_first_in_pages),
    ("records_are_written_with_the_next_write", records_are_written_with_the_next_write),
    ("a_recording_is_read_from_any_record_on", a_recording_is_read_from_any_record_on),
    ("a_run_is_imported_with_its_recording", a_run_is_imported_with_its_recording),
    ("recordings_are_bounded_and_runs_stay", recordings_are_bounded_and_runs_stay),
];

fn new_run(workflow: &str, header: Option<&[u8]>) -> NewRun {
    NewRun {
        workflow: workflow.into(),
        file: format!("{workflow}.sloth"),
        params: [("env".to_string(), "prod".to_string())].into(),
        header: header.map(<[u8]>::to_vec),
    }
}

fn end() -> RunEnd {
    RunEnd { outcome: "failed".into(), ok: 3, failed: 1, skipped: 2 }
}

fn all_chunks(store: &dyn Store, run: i64) -> Vec<RecordingChunk> {
    store.recording_chunks(run, 0, false, usize::MAX).unwrap()
}

fn data(chunks: Vec<RecordingChunk>) -> Vec<Vec<u8>> {
    chunks.into_iter().map(|chunk| chunk.data).collect()
}

fn a_run_is_noted_from_its_beginning_to_its_end(world: &dyn World) {
    let store = world.store();
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    let revision = store.revision().unwrap();
    let began_at = world.now();
    let number = store.begin_run(&new_run("", None)).unwrap();
    store.name_run(number, "deploy").unwrap();
    let run = Run {
        number,
        new: NewRun { workflow: "deploy".into(), ..new_run("", None) },
        actor: crate::store::Actor { run: Some(number), task: None, ..world.settings().actor },
        process: Some(world.settings().process),
        began_at,
        revision: Some(revision),
        recorded: false,
        origin: None,
        ended: None,
    };
    assert_eq!(store.run(number).unwrap().as_ref(), Some(&run));
    let here = world.settings().process;
    assert_eq!(store.run_liveness(&run, &here), Liveness::Alive);
    world.pass(Duration::from_secs(5));
    store.end_run(number, &end()).unwrap();
    let ended = Run { ended: Some((world.now(), end())), ..run };
    assert_eq!(world.store().run(number).unwrap(), Some(ended));
    assert_eq!(store.run(number + 1).unwrap(), None);
    assert_eq!(store.revision().unwrap(), revision, "a run is not a change of the state");
}

fn runs_come_newest_first_in_pages(world: &dyn World) {
    let store = world.store();
    assert_eq!(store.runs(None, 10).unwrap(), []);
    let numbers: Vec<i64> = (0..5).map(|_| store.begin_run(&new_run("w", None)).unwrap()).collect();
    let mut found = Vec::new();
    loop {
        let page = store.runs(found.last().copied(), 2).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().map(|run| run.number));
    }
    assert!(found.iter().eq(numbers.iter().rev()), "{found:?}");
}

fn records_are_written_with_the_next_write(world: &dyn World) {
    let (store, reader) = (world.store(), world.store());
    let run = store.begin_run(&new_run("w", Some(b"header"))).unwrap();
    assert!(reader.run(run).unwrap().unwrap().recorded);
    store.buffer_record(run, 1, false, b"one ");
    store.buffer_record(run, 2, true, b"two");
    assert_eq!(store.pending_record_bytes(), 7);
    assert_eq!(data(all_chunks(&*reader, run)), [b"header"]);
    put(&*store, "k", Value::integer(1), Expiry::Clear);
    assert_eq!(store.pending_record_bytes(), 0);
    let revision = store.revision().unwrap();
    let written = RecordingChunk { first: 1, last: 2, revision, landmark: true, data: b"one two".to_vec() };
    assert_eq!(all_chunks(&*reader, run)[1..], [written]);
    store.buffer_record(run, 3, false, b"three");
    store.flush_records().unwrap();
    store.flush_records().unwrap();
    store.buffer_record(run, 4, false, b"four");
    store.end_run(run, &end()).unwrap();
    let expected: [&[u8]; 4] = [b"header", b"one two", b"three", b"four"];
    assert_eq!(data(all_chunks(&*reader, run)), expected, "each record once, also the last ones");
    assert_eq!(value(&*reader, "k"), Some(Value::integer(1)));
}

fn a_recording_is_read_from_any_record_on(world: &dyn World) {
    let store = world.store();
    let [run, other] = [(); 2].map(|()| store.begin_run(&new_run("w", Some(b"0"))).unwrap());
    for (first, landmark) in [(1, false), (4, true), (7, false)] {
        for number in first..first + 3 {
            store.buffer_record(run, number, landmark, number.to_string().as_bytes());
        }
        store.flush_records().unwrap();
    }
    let from =
        |record, landmarks, limit| data(store.recording_chunks(run, record, landmarks, limit).unwrap());
    let expected: [&[u8]; 2] = [b"456", b"789"];
    assert_eq!(from(5, false, usize::MAX), expected, "from the piece that has the record in it");
    assert_eq!(from(0, false, 2), [b"0".to_vec(), b"123".to_vec()]);
    assert_eq!(from(0, true, usize::MAX), [b"456"]);
    assert_eq!(from(100, false, usize::MAX), [b"789"]);
    assert_eq!(data(all_chunks(&*store, other)), [b"0"]);
}

fn a_run_is_imported_with_its_recording(world: &dyn World) {
    let store = world.store();
    let run = store.begin_run(&new_run("w", Some(b"header"))).unwrap();
    store.buffer_record(run, 1, false, b"one");
    store.end_run(run, &end()).unwrap();
    let (noted, chunks) = (store.run(run).unwrap().unwrap(), all_chunks(&*store, run));
    let exported = Run { origin: Some("elsewhere".into()), ..noted };
    let other = world.another();
    let other = other.store();
    other.begin_run(&new_run("first", None)).unwrap();
    let number = other.import_run(&exported, &chunks).unwrap();
    let imported = other.run(number).unwrap().unwrap();
    assert_eq!(Run { number, actor: imported.actor.clone(), ..exported }, imported);
    assert!(imported.is_imported());
    assert_eq!(other.run_liveness(&imported, &world.settings().process), Liveness::Unknown);
    assert_eq!(all_chunks(&*other, number), chunks);
}

fn recordings_are_bounded_and_runs_stay(world: &dyn World) {
    let store = world.store();
    assert_eq!(store.recording_retention().unwrap(), RecordingRetention::default());
    let limits = RecordingRetention { count: 2, ..RecordingRetention::default() };
    store.set_recording_retention(&limits).unwrap();
    assert_eq!(world.store().recording_retention().unwrap(), limits);
    let runs: Vec<i64> = (0..5).map(|_| store.begin_run(&new_run("w", Some(b"header"))).unwrap()).collect();
    for number in 0..10 {
        world.pass(Duration::from_secs(1));
        put(&*store, "k", Value::integer(number), Expiry::Clear);
    }
    let recorded: Vec<bool> = runs.iter().map(|run| store.run(*run).unwrap().unwrap().recorded).collect();
    assert_eq!(recorded, [false, false, false, true, true]);
}

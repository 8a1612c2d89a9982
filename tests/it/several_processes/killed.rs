//! Writers that are killed at any moment: every change that was acknowledged is there, none took
//! effect by half, and history agrees with the state.

use std::time::Duration;

use slothstate::store::{
    Change, Edit, Expiry, Image, Number, Operation, Outcome, Revision, State, Transaction, Value,
};

use super::{AtWork, WORKERS, all_changes, assert_sound, key, lines, replay, store};
use crate::support::files::{Place, Worker, thorough, until};

/// How many runs there are on one file before another is begun.
const RUNS_ON_A_FILE: usize = 10;

impl AtWork {
    /// Changes things for ever, and notes each change that is acknowledged.
    pub fn write_until_killed(&self) {
        let store = self.store();
        // Most values fit into a page of the file, some take several.
        let tail = |turn: u64| "x".repeat(if turn.is_multiple_of(50) { 9000 } else { 200 });
        let own = key(&format!("own/{}", self.number));
        let put =
            |key, value: String| Operation::Put { key, value: Value::text(value), expiry: Expiry::Clear };
        for turn in fastrand::u64(1000..).. {
            let word = format!("{}/{turn}", self.number);
            let (operations, what) = match turn % 4 {
                0 => {
                    let halves = ["left", "right"].map(|half| {
                        put(key(&format!("{half}/{}", turn % 100)), format!("{word} {}", tail(turn)))
                    });
                    (halves.into(), format!("right/{} {word}", turn % 100))
                }
                1 => (vec![put(own.clone(), word.clone())], format!("{} {word}", own.to_text())),
                2 => (vec![Operation::Delete(own.clone())], format!("{} -", own.to_text())),
                _ => {
                    let edited = store.edit(&key("count"), &Edit::Increment(Number::Integer(1))).unwrap();
                    let count = String::from_utf8(edited.value.unwrap().to_stored()).unwrap();
                    self.note("acknowledged", format!("{} count {count}", edited.revision.unwrap()));
                    continue;
                }
            };
            match store.commit(&Transaction::all(operations)).unwrap() {
                Outcome::Committed { changed: 0, .. } => {}
                Outcome::Committed { revision, .. } => {
                    self.note("acknowledged", format!("{revision} {what}"))
                }
                refused @ Outcome::Refused { .. } => panic!("{refused:?}"),
            }
        }
    }
}

/// The first word of a value.
fn word(image: &Image) -> String {
    String::from_utf8_lossy(&image.stored).split(' ').next().unwrap_or_default().into()
}

/// What a writer notes about a change.
fn note_of(change: &Change) -> String {
    format!("{} {}", change.key.to_text(), change.new.as_ref().map_or("-".into(), word))
}

/// How many acknowledged changes there are, all of which have to be in history.
fn check(place: &Place) -> usize {
    if !place.db().exists() {
        assert!(lines(place, "acknowledged").is_empty());
        return 0;
    }
    assert_sound(place);
    let store = store(place);
    if store.revision().unwrap() == Revision(0) {
        assert!(lines(place, "acknowledged").is_empty());
        return 0;
    }
    replay(&store);
    let changes = all_changes(&store);
    let at = |revision: i64| usize::try_from(revision - 1).ok().and_then(|place| changes.get(place));
    for change in &changes {
        let revision = change.revision.0;
        let half = |of: &Change, name: &str| of.key.to_text().strip_prefix(name).map(String::from);
        if let Some(rest) = half(change, "left/") {
            let other = at(revision + 1).expect("the other half");
            assert_eq!(half(other, "right/"), Some(rest), "revision {revision} took effect by half");
        }
    }
    let acknowledged = lines(place, "acknowledged");
    for line in &acknowledged {
        let (revision, what) = line.split_once(' ').unwrap();
        let change = at(revision.parse().unwrap());
        assert_eq!(change.map(note_of).as_deref(), Some(what), "revision {revision}");
    }
    acknowledged.len()
}

#[test]
fn writers_killed_at_any_moment_leave_every_acknowledged_change() {
    let runs = if thorough() { 200 } else { 20 };
    let mut place = Place::new();
    let mut acknowledged = 0;
    let mut expected = 0;
    for run in 0..runs {
        if run % RUNS_ON_A_FILE == 0 {
            place = Place::new();
        }
        let seen = lines(&place, "acknowledged").len();
        let mut writers: Vec<Worker> =
            (0..WORKERS).map(|number| Worker::start(&place, "write", run * WORKERS + number)).collect();
        // Most are killed in the middle of their work, some before they come to it.
        if run % 4 > 0 {
            let enough = 4 * run % 60;
            until("something is acknowledged", || lines(&place, "acknowledged").len() > seen + enough);
            expected += enough;
        }
        for writer in &mut writers {
            std::thread::sleep(Duration::from_micros(fastrand::u64(..15_000)));
            writer.kill();
        }
        drop(writers);
        acknowledged += check(&place) - seen;
        place.done(&["set", "afterwards", &run.to_string()]);
    }
    assert!(acknowledged > expected, "{acknowledged} changes in {runs} runs");
    eprintln!("{acknowledged} acknowledged changes in {runs} runs of {WORKERS} writers");
}

//! What is read of the past.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{Expiry, Operation, Options, SqliteStore, State, Transaction, Value};
use crate::time::{Clock, ManualClock, Millis};
use crate::tui::list::{Filter, ListState, RowId, SortBy};
use crate::tui::screens::past::read::*;
use crate::tui::view::View;

const NOON: Millis = Millis(1_800_000_000_000);

fn key(number: usize) -> Key {
    Key::new(format!("k{number:05}")).unwrap()
}

fn put(key: Key, text: &str, expiry: Expiry) -> Operation {
    Operation::Put { key, value: Value::text(text), expiry }
}

fn store_and_clock() -> (tempfile::TempDir, SqliteStore, Arc<ManualClock>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let settings = Options { clock: clock.clone(), ..Options::default() };
    let store = SqliteStore::open_or_create(&folder.path().join("state.db"), settings).unwrap();
    (folder, store, clock)
}

fn store() -> (tempfile::TempDir, SqliteStore) {
    let (folder, store, _) = store_and_clock();
    (folder, store)
}

fn commit(store: &SqliteStore, operations: Vec<Operation>) -> Revision {
    store.commit(&Transaction::all(operations)).unwrap();
    store.revision().unwrap()
}

/// All that differs, or all that there is, since a revision.
fn asked(revision: Revision) -> PastRequest {
    let load = ListState::new(View::Keys).request(LoadFrom::Start, 300);
    PastRequest { goal: PastTarget::When(When::Revision(revision)), only_different: false, load }
}

fn by_key(key: Key) -> Position {
    Position::Name(RowId::Entry(key))
}

fn visited(store: &SqliteStore, visit: PastRequest) -> PastPage {
    PastReader { store, visit, is_outdated: &|| false }.answer(&mut None).unwrap().unwrap()
}

fn keys(visited: &PastPage) -> Vec<String> {
    visited.rows.iter().flatten().map(|row| row.key.to_text()).collect()
}

#[test]
fn what_differs_is_read_in_pieces_there_and_back() {
    let (_folder, store) = store();
    let put = |number, text| put(key(number), text, Expiry::Clear);
    let began = commit(&store, (0..1000).map(|number| put(number, "then")).collect());
    commit(&store, (0..500).map(|number| put(number * 2, "now")).collect());
    let differing = |from| {
        let asked = asked(began);
        visited(&store, PastRequest { only_different: true, load: Load { from, ..asked.load }, ..asked })
    };
    let first = differing(LoadFrom::Start);
    let expected = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|place| key(place * 2).to_text()).collect()
    };
    assert_eq!((keys(&first), first.is_end), (expected(0..300), false));
    let second = differing(LoadFrom::After(by_key(key(299 * 2))));
    assert_eq!((keys(&second), second.is_end), (expected(300..500), true));
    let back = differing(LoadFrom::Before(by_key(key(400 * 2))));
    assert_eq!((keys(&back), back.is_end), (expected(100..400), false));
    let back = differing(LoadFrom::Before(by_key(key(100 * 2))));
    assert_eq!((keys(&back), back.is_end), (expected(0..100), true));
    let here = differing(LoadFrom::At(by_key(key(77))));
    assert_eq!(keys(&here), expected(39..339));
    let last = differing(LoadFrom::End);
    assert_eq!((keys(&last), last.is_end), (expected(200..500), false));
}

#[test]
fn what_expired_soonest_at_that_moment_comes_first() {
    let (_folder, store) = store();
    let hours = |hours: u64| Expiry::After(Duration::from_secs(hours * 3600));
    let name = |name: &str| Key::new(name).unwrap();
    let then = vec![
        put(name("a:later"), "1", hours(9)),
        put(name("b:soon"), "1", hours(1)),
        put(name("c:never"), "1", Expiry::Clear),
        put(name("d:between"), "1", hours(5)),
    ];
    let began = commit(&store, then);
    let now = vec![
        put(name("a:later"), "1", hours(2)),
        put(name("c:never"), "1", hours(3)),
        put(name("e:new"), "1", hours(1)),
    ];
    commit(&store, now);
    let sort = Some(SortBy::Left.usual());
    let asked = asked(began);
    let load = Load { view: View::Expiring, sort, ..asked.load };
    let found = visited(&store, PastRequest { load, ..asked });
    // What did not expire then, or was not there, comes last.
    assert_eq!(keys(&found), ["b:soon", "d:between", "a:later", "c:never", "e:new"]);
    assert!(found.is_end);
}

#[test]
fn there_is_a_most_that_is_sorted() {
    let (_folder, store) = store();
    let began = commit(&store, (0..MOST).map(|number| put(key(number), "1", Expiry::Clear)).collect());
    let mut sorted = asked(began);
    sorted.load.sort = Some(SortBy::Name.usual());
    assert_eq!(visited(&store, sorted.clone()).rows.map(|rows| rows.len()), Some(MOST));
    commit(&store, vec![put(key(MOST), "1", Expiry::Clear)]);
    let found = visited(&store, sorted);
    assert!(found.rows.is_none() && found.place.is_some());
}

/// Commits something to one of so many keys, or lets time go by.
fn something(store: &SqliteStore, clock: &ManualClock, random: &mut fastrand::Rng, keys: usize) {
    let key = key(random.usize(..keys));
    let expiry = match random.usize(..3) {
        0 => Expiry::After(Duration::from_secs(random.u64(1..100))),
        _ => Expiry::Clear,
    };
    match random.usize(..8) {
        0 => clock.set(clock.now().plus(Duration::from_secs(random.u64(1..30)))),
        1 | 2 => drop(store.commit(&Transaction::delete(key)).unwrap()),
        _ => {
            let value = ["true", "false", "1", "2", "x"][random.usize(..5)];
            commit(store, vec![put(key, value, expiry)]);
        }
    }
}

#[test]
fn what_is_held_is_what_is_read_anew() {
    const KEYS: usize = 600;
    let (_folder, store, clock) = store_and_clock();
    let mut random = fastrand::Rng::with_seed(11);
    commit(&store, (0..KEYS).step_by(2).map(|number| put(key(number), "true", Expiry::Clear)).collect());
    (0..150).for_each(|_| something(&store, &clock, &mut random, KEYS));
    let lists = [
        (View::Keys, "", None),
        (View::Flags, "", None),
        (View::Counters, "!k00001", None),
        (View::Keys, "value:true", Some(SortBy::Changed.usual())),
        (View::Expiring, "", Some(SortBy::Left.usual())),
        (View::Keys, "ttl:<1m", Some(SortBy::Value.usual())),
    ];
    let mut held = None;
    let (mut visit, mut shown) = (asked(store.revision().unwrap()), Vec::new());
    let mut was_held = 0;
    for _ in 0..160 {
        if random.usize(..8) == 0 {
            let (view, filter, sort) = lists[random.usize(..lists.len())];
            let (filter, only_different) = (Filter::parse(filter).unwrap(), random.bool());
            let load = Load { view, filter, sort, from: LoadFrom::Start, ..visit.load };
            visit = PastRequest { only_different, load, ..visit };
            shown.clear();
        }
        (0..random.usize(..4)).for_each(|_| something(&store, &clock, &mut random, KEYS));
        let newest = store.revision().unwrap();
        visit.goal = match (random.usize(..10), visit.goal) {
            (0, _) => PastTarget::Newest,
            (1, _) => PastTarget::When(When::Revision(Revision(random.i64(0..newest.0)))),
            (_, PastTarget::When(When::Revision(now))) => {
                PastTarget::Steps(now, random.usize(..7) as isize - 3)
            }
            (_, PastTarget::Steps(now, _)) => PastTarget::Steps(now, random.usize(..7) as isize - 3),
            _ => PastTarget::Steps(newest, -1),
        };
        let place = |visit: &PastRequest| {
            let visiting = PastReader { store: &store, visit: visit.clone(), is_outdated: &|| false };
            visiting.place().unwrap().moment
        };
        let moment = place(&visit);
        let any = |random: &mut fastrand::Rng| random.choice(&shown).cloned().map(by_key);
        visit.load.from = match random.usize(..4) {
            _ if visit.load.sort.is_some() => LoadFrom::Start,
            0 => any(&mut random).map_or(LoadFrom::Start, LoadFrom::At),
            1 => any(&mut random).map_or(LoadFrom::Start, LoadFrom::After),
            2 => any(&mut random).map_or(LoadFrom::Start, LoadFrom::Before),
            _ => LoadFrom::Start,
        };
        visit.load.limit = random.usize(1..40);
        let asked = PastRequest { goal: PastTarget::Stay(moment), ..visit.clone() };
        was_held += usize::from(held.is_some());
        let visiting = PastReader { store: &store, visit: asked.clone(), is_outdated: &|| false };
        let found = visiting.answer(&mut held).unwrap().unwrap();
        let expected = visited(&store, asked.clone());
        assert_eq!((&found.rows, found.is_end), (&expected.rows, expected.is_end), "{asked:?}");
        shown = found.rows.into_iter().flatten().map(|row| row.key).collect();
        visit.goal = PastTarget::When(When::Revision(moment.revision));
    }
    assert!(was_held > 80, "{was_held}");
}

#[test]
fn a_step_in_a_list_that_was_looked_through_looks_at_what_is_changed_by_it() {
    let (_folder, store) = store();
    commit(&store, (0..3000).map(|number| put(key(number), "text", Expiry::Clear)).collect());
    let flag = || key(2999);
    let began = commit(&store, vec![put(flag(), "true", Expiry::Clear)]);
    commit(&store, vec![put(flag(), "false", Expiry::Clear)]);
    let mut held = None;
    let mut go = |revision| {
        let mut visit = asked(revision);
        visit.load.view = View::Flags;
        // Whoever looks through the whole list asks whether it is still wanted.
        let looks = std::cell::Cell::new(0);
        let is_outdated = || {
            looks.set(looks.get() + 1);
            false
        };
        let found = PastReader { store: &store, visit, is_outdated: &is_outdated }.answer(&mut held);
        let rows = found.unwrap().unwrap().rows.unwrap();
        let then = rows.into_iter().map(|row| row.then.unwrap().stored).next();
        (then, looks.get())
    };
    let newest = store.revision().unwrap();
    let (then, looks) = go(newest);
    assert!(then == Some(b"false".to_vec()) && looks > 5, "{then:?}, {looks}");
    assert_eq!(go(began), (Some(b"true".to_vec()), 0));
    assert_eq!(go(newest), (Some(b"false".to_vec()), 0));
}

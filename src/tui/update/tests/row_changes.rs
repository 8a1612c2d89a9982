//! The row of a changed entry becomes what the change says; it is read again only where the change does not say all.

use std::sync::Arc;

use rusqlite::Connection;

use crate::store::{Changes, History, Key, KeyRange, Number, Options, Scan, SqliteStore, State, undo};
use crate::time::ManualClock;
use crate::tui::list::LIST_VALUE;
use crate::tui::update::tests::*;

/// A database with the interface on its list of keys.
struct Database {
    folder: tempfile::TempDir,
    store: SqliteStore,
    seen: Revision,
    app: App,
}

impl Database {
    fn new(names: &[&str]) -> Database {
        let folder = tempfile::tempdir().unwrap();
        let settings = Options { clock: Arc::new(ManualClock::at(NOW)), ..Options::default() };
        let store = SqliteStore::open_or_create(&folder.path().join("state.db"), settings).unwrap();
        for name in names {
            put(&store, name, Value::text("1"));
        }
        let seen = store.revision().unwrap();
        let app = with(rows(all(&store)), SIZE);
        Database { folder, store, seen, app }
    }

    fn commit(&self, operation: Operation) {
        self.store.commit(&Transaction::of(operation)).unwrap();
    }

    /// Another program writes.
    fn external(&self, sql: &str) {
        Connection::open(self.folder.path().join("state.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// The next changes, as the watcher reads them.
    fn changes(&mut self) -> Vec<Change> {
        let Changes::Since(changes) = self.store.changes(self.seen, 500, LIST_VALUE).unwrap() else {
            panic!()
        };
        self.seen = self.store.revision().unwrap();
        changes
    }

    /// Takes in the changes; the keys that are read again, and the request.
    fn follow(&mut self) -> Option<(crate::tui::request::RequestId, Vec<String>)> {
        let changes = self.changes();
        refetched(&answer(&mut self.app, Reply::Changed(CommitNotice::Changes(changes))))
    }

    /// Takes in the changes, and what is read again; the list is as the database then. The keys that were read.
    fn follow_all(&mut self) -> Vec<String> {
        let Some((id, keys)) = self.follow() else {
            assert_eq!(self.shown(), all(&self.store));
            return Vec::new();
        };
        let entries = self.read(&keys);
        answer(&mut self.app, Reply::Entries(id, entries));
        assert_eq!(self.shown(), all(&self.store));
        keys
    }

    fn read(&self, keys: &[String]) -> Vec<(Key, Option<Entry>)> {
        keys.iter().map(|name| (key(name), self.store.get_prefix(&key(name), LIST_VALUE).unwrap())).collect()
    }

    fn shown(&self) -> Vec<Entry> {
        self.app.list.window.rows().iter().map(|row| row.entry().unwrap().clone()).collect()
    }
}

fn put(store: &SqliteStore, name: &str, value: Value) {
    store.commit(&Transaction::put(key(name), value, Expiry::Clear)).unwrap();
}

/// All entries as a list shows them.
fn all(store: &SqliteStore) -> Vec<Entry> {
    store.scan(&Scan { value_limit: LIST_VALUE, ..Scan::new(KeyRange::all(), 100) }).unwrap()
}

fn refetched(effects: &[Effect]) -> Option<(crate::tui::request::RequestId, Vec<String>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Refetch(id, keys) => Some((*id, keys.iter().map(Key::to_text).collect())),
        _ => None,
    })
}

#[test]
fn a_row_is_what_the_change_made_of_it() {
    let mut database = Database::new(&["a", "b", "c", "number"]);
    let edit = |name: &str, edit| Operation::Edit { key: key(name), edit };
    let steps: Vec<Operation> = vec![
        Operation::Put {
            key: key("a"),
            value: Value::parse(b"[1,2]", Type::Table).unwrap(),
            expiry: Expiry::Clear,
        },
        Operation::PutUntyped { key: key("a"), text: b"plain".to_vec(), expiry: Expiry::Clear },
        edit("number", Edit::Increment(Number::spelled(b"41").unwrap())),
        edit("c", Edit::Append(b" and more".to_vec())),
        edit("b", Edit::Toggle),
        // An expiry only, and none again.
        Operation::SetExpiry { key: key("b"), expiry: Expiry::After(Duration::from_secs(60)) },
        Operation::SetExpiry { key: key("b"), expiry: Expiry::Clear },
        Operation::Delete(key("c")),
    ];
    for step in steps {
        database.commit(step.clone());
        assert_eq!(database.follow_all(), Vec::<String>::new(), "{step:?}");
    }
    // Undoing a change of a row is a change of it; what was deleted is a new row.
    put(&database.store, "a", Value::integer(7));
    undo(&database.store, database.store.revision().unwrap(), false).unwrap();
    assert_eq!(database.follow_all(), Vec::<String>::new());
    // Several changes of several keys, told together: the last one of each counts.
    for number in 0..3 {
        put(&database.store, "a", Value::integer(number));
        put(&database.store, "b", Value::integer(number));
    }
    database.commit(Operation::Delete(key("b")));
    assert_eq!(database.follow_all(), Vec::<String>::new());
    assert_eq!(database.shown().iter().map(|entry| entry.key.to_text()).collect::<Vec<_>>(), ["a", "number"]);
}

#[test]
fn what_a_change_does_not_say_is_read() {
    let mut database = Database::new(&["a", "b", "short", "full", "long"]);
    // A value that was cut, or may have been.
    let text = |length| Value::text("x".repeat(length));
    put(&database.store, "short", text(LIST_VALUE as usize - 1));
    put(&database.store, "full", text(LIST_VALUE as usize));
    put(&database.store, "long", text(LIST_VALUE as usize + 1));
    assert_eq!(database.follow_all(), ["full", "long"]);
    // No value is as empty as one that was gone before it was read.
    put(&database.store, "short", Value::text(""));
    assert_eq!(database.follow_all(), ["short"]);
    // When an entry was created, and what the configuration says of its key.
    put(&database.store, "new", Value::integer(1));
    assert_eq!(database.follow_all(), ["new"]);
    database.commit(Operation::Delete(key("a")));
    put(&database.store, "a", Value::integer(1));
    put(&database.store, "a", Value::integer(2));
    assert_eq!(database.follow_all(), ["a"]);
    // Another program may have made the entry again, which history does not tell.
    database.external("INSERT OR REPLACE INTO state (key, value) VALUES ('b', 'theirs')");
    assert_eq!(database.follow_all(), ["b"]);
    database.external("UPDATE state SET value = 'again' WHERE key = 'b'");
    assert_eq!(database.follow_all(), ["b"]);
    database.external("DELETE FROM state WHERE key = 'b'");
    assert_eq!(database.follow_all(), Vec::<String>::new());
}

#[test]
fn another_program_that_keeps_no_history_has_everything_read_again() {
    let mut app = with(rows(entries()), SIZE);
    let effects = answer(&mut app, Reply::Changed(CommitNotice::Anything));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "{effects:?}");
    assert_eq!(refetched(&effects), None);
}

#[test]
fn a_change_that_was_told_late_leaves_a_newer_row_alone() {
    let mut database = Database::new(&["a", "b"]);
    put(&database.store, "a", Value::integer(2));
    database.commit(Operation::Delete(key("b")));
    let late = database.changes();
    put(&database.store, "a", Value::text("x".repeat(1000)));
    put(&database.store, "b", Value::integer(3));
    database.app = with(rows(all(&database.store)), SIZE);
    let effects = answer(&mut database.app, Reply::Changed(CommitNotice::Changes(late)));
    assert_eq!(refetched(&effects), None);
    assert_eq!(database.shown(), all(&database.store));
}

#[test]
fn while_something_is_being_read_a_change_is_read_behind_it() {
    let mut database = Database::new(&["a", "b"]);
    // A value that was read before the change comes after it.
    put(&database.store, "a", Value::text("x".repeat(1000)));
    let (first, keys) = database.follow().unwrap();
    let before = database.read(&keys);
    put(&database.store, "a", Value::integer(2));
    database.commit(Operation::Delete(key("b")));
    let (second, keys) = database.follow().unwrap();
    assert!(second > first);
    assert_eq!(keys, ["a", "b"]);
    answer(&mut database.app, Reply::Entries(first, before));
    put(&database.store, "a", Value::integer(3));
    let (third, keys) = database.follow().unwrap();
    assert_eq!(keys, ["a"], "the second was not answered");
    for id in [second, third] {
        let entries = database.read(&["a".into(), "b".into()]);
        answer(&mut database.app, Reply::Entries(id, entries));
    }
    assert_eq!(database.shown(), all(&database.store));
    put(&database.store, "a", Value::integer(4));
    assert_eq!(database.follow_all(), Vec::<String>::new(), "nothing is being read any more");
    // The same while the list is read again.
    press(&mut database.app, KeyCode::Char('R'));
    answer(&mut database.app, Reply::Changed(CommitNotice::Anything));
    assert!(database.app.list.reading.from.is_some());
    put(&database.store, "a", Value::integer(5));
    assert_eq!(database.follow().unwrap().1, ["a"]);
    // The list is another one since: nothing comes of what was asked for it.
    answer_rows(&mut database.app, rows(all(&database.store)));
    put(&database.store, "a", Value::integer(6));
    assert_eq!(
        database.follow().map(|(_, keys)| keys),
        Some(vec!["a".into()]),
        "the request before is still open"
    );
}

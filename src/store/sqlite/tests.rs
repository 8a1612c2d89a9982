//! The engine on real files, with a clock that is set by hand.

mod clock;
mod conformance;
mod identity;
mod migrations;
mod search;
mod writes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::*;
use crate::time::{Clock, ManualClock, SystemClock};

/// The present moment: the external triggers go by the machine's clock.
fn start() -> Millis {
    SystemClock.now()
}

/// Closes a store; what there is to open the database with at the same path.
fn close(store: SqliteStore) -> (PathBuf, Options) {
    (store.named.clone(), Options { seen: store.seen(), ..store.settings.clone() })
}

struct Place {
    _folder: TempDir,
    path: PathBuf,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        Place { _folder: folder, path, clock: Arc::new(ManualClock::at(start())) }
    }

    /// A file as Sloth Runner makes it.
    fn of_sloth_runner() -> Place {
        let place = Place::new();
        let shell = place.shell();
        shell
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                     created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
                 CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL,
                     acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL);
                 CREATE TRIGGER update_state_timestamp AFTER UPDATE ON state BEGIN
                     UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key; END;
                 INSERT INTO state (key, value) VALUES ('version', 'v1'), ('count', '41');
                 INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '2999-01-01T00:00:00+01:00');",
            )
            .unwrap();
        place
    }

    fn settings(&self) -> Options {
        Options { clock: self.clock.clone(), ..Options::default() }
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open_or_create(&self.path, self.settings()).unwrap()
    }

    /// Another program.
    fn shell(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(store: &SqliteStore, name: &str, value: Value, expiry: Expiry) {
    assert!(store.commit(&Transaction::put(key(name), value, expiry)).unwrap().is_committed());
}

fn value(store: &SqliteStore, name: &str) -> Option<Value> {
    store.get(&key(name)).unwrap().map(|entry| entry.value())
}

/// Key, operation, old and new value, actor.
type HistoryRow = (String, String, Option<String>, Option<String>, String);

fn history(store: &SqliteStore) -> Vec<HistoryRow> {
    let text = |image: Option<crate::store::Image>| {
        image.map(|image| String::from_utf8_lossy(&image.stored).into_owned())
    };
    match store.changes(Revision(0), 1000, u64::MAX).unwrap() {
        Changes::Since(changes) => changes
            .into_iter()
            .map(|change| {
                (
                    change.key.to_text(),
                    change.operation,
                    text(change.old),
                    text(change.new),
                    change.actor.name,
                )
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn row(key: &str, operation: &str, old: Option<&str>, new: Option<&str>, actor: &str) -> HistoryRow {
    (key.into(), operation.into(), old.map(Into::into), new.map(Into::into), actor.into())
}

#[test]
fn who_only_asks_for_news_waits_for_a_busy_database_too() {
    let place = Place::of_sloth_runner();
    let shell = place.shell();
    shell.pragma_update(None, "journal_mode", "DELETE").unwrap();
    let watching = SqliteStore::open(&place.path, place.settings()).unwrap();
    shell.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (thread, begun) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        // On a thread that has not read anything before, as the one that watches.
        let asked = threads.spawn(move || {
            thread.send(nix::unistd::gettid()).unwrap();
            watching.poll_changes()
        });
        // Until it sleeps (proc(5)).
        let syscall = format!("/proc/self/task/{}/syscall", begun.recv().unwrap());
        let sleep = format!("{} ", nix::libc::SYS_clock_nanosleep);
        while !std::fs::read_to_string(&syscall).unwrap_or_default().starts_with(&sleep) {
            assert!(!asked.is_finished(), "it did not wait");
            std::thread::yield_now();
        }
        shell.execute_batch("COMMIT").unwrap();
        assert!(asked.join().unwrap().is_ok());
    });
}

#[test]
fn looking_never_changes_a_file_and_the_first_write_adopts_it() {
    let place = Place::of_sloth_runner();
    let before = std::fs::read(&place.path).unwrap();
    let store = SqliteStore::open(&place.path, place.settings()).unwrap();
    assert_eq!(value(&store, "version"), Some(Value::text("v1")));
    assert_eq!(store.locks(None, 10).unwrap()[0].holder, "ann");
    assert_eq!(store.scan(&Scan::new(KeyRange::all(), 10)).unwrap().len(), 2);
    assert_eq!(store.changes(Revision(0), 10, 10).unwrap(), Changes::NotRecorded);
    assert_eq!(std::fs::read(&place.path).unwrap(), before);

    put(&store, "version", Value::text("v2"), Expiry::Clear);
    let notices = store.take_notices();
    assert!(notices[0].contains("before-slothstate"), "{notices:?}");
    let backup = PathBuf::from(format!("{}.before-slothstate", place.path.display()));
    let kept: String = Connection::open(backup)
        .unwrap()
        .query_row("SELECT value FROM state WHERE key = 'version'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, "v1");
    assert_eq!(history(&store), [row("version", "set", Some("v1"), Some("v2"), &store.settings.actor.name)]);
    // A lock that was held before keeps its time, read with its zone.
    let lock = store.locks(None, 10).unwrap().remove(0);
    assert_eq!(lock.expires_at, stored_time::parse("2998-12-31 23:00:00"));
}

#[test]
fn a_write_of_sloth_runner_is_seen_with_a_revision_and_in_history() {
    let place = Place::of_sloth_runner();
    let store = place.store();
    put(&store, "ours", Value::integer(5), Expiry::After(Duration::from_secs(60)));
    let shell = place.shell();
    let upsert = "INSERT INTO state (key, value) VALUES (?1, ?2)
        ON CONFLICT(key) DO UPDATE SET value = excluded.value, updated_at = CURRENT_TIMESTAMP";
    shell.execute(upsert, ["new", "1"]).unwrap();
    shell.execute(upsert, ["ours", "6"]).unwrap();
    shell.execute("REPLACE INTO state (key, value) VALUES ('version', 'v3')", []).unwrap();
    shell.execute("UPDATE state SET key = 'renamed' WHERE key = 'count'", []).unwrap();
    shell.execute("DELETE FROM state WHERE key = 'new'", []).unwrap();
    let us = store.settings.actor.name.clone();
    assert_eq!(
        history(&store),
        [
            row("ours", "set", None, Some("5"), &us),
            row("new", "set", None, Some("1"), "external"),
            row("ours", "set", Some("5"), Some("6"), "external"),
            row("version", "set", Some("v1"), Some("v3"), "external"),
            row("count", "delete", Some("41"), None, "external"),
            row("renamed", "set", None, Some("41"), "external"),
            row("new", "delete", Some("1"), None, "external"),
        ]
    );
    let ours = store.get(&key("ours")).unwrap().unwrap();
    assert_eq!((ours.version, ours.revision, ours.value()), (2, Revision(3), Value::text("6")));
    assert_eq!(ours.stored_type, None, "a program that knows no types leaves untyped text");
    assert_eq!(ours.expires_at, None, "a write without an expiry clears it");
    assert_eq!(ours.actor.unwrap().name, "external");
    let version = store.get(&key("version")).unwrap().unwrap();
    assert_eq!((version.version, version.revision), (2, Revision(4)));
}

#[test]
fn triggers_bear_recursion_and_ignored_inserts() {
    let place = Place::new();
    let store = place.store();
    put(&store, "a", Value::integer(1), Expiry::Clear);
    let shell = place.shell();
    shell
        .execute_batch(
            "PRAGMA recursive_triggers = ON;
         INSERT OR IGNORE INTO state (key, value) VALUES ('a', 'ignored');
         UPDATE state SET value = '2' WHERE key = 'a';
         INSERT OR REPLACE INTO state (key, value) VALUES ('a', '3');
         INSERT INTO state (key, value) VALUES ('b', '1'), ('c', '2');",
        )
        .unwrap();
    assert_eq!(value(&store, "a"), Some(Value::text("3")));
    let operations: Vec<(String, Option<String>)> =
        history(&store).into_iter().map(|(key, _, _, new, _)| (key, new)).collect();
    let expected = [
        ("a", Some("1")),
        ("a", Some("2")),
        ("a", None),
        ("a", Some("3")),
        ("b", Some("1")),
        ("c", Some("2")),
    ];
    assert_eq!(operations, expected.map(|(key, new)| (key.to_string(), new.map(String::from))));
}

#[test]
fn what_a_rename_takes_the_place_of_is_in_history() {
    for recursive in ["OFF", "ON"] {
        let place = Place::new();
        let store = place.store();
        put(&store, "a", Value::integer(1), Expiry::Clear);
        put(&store, "b", Value::integer(2), Expiry::After(Duration::from_secs(60)));
        place
            .shell()
            .execute_batch(&format!(
                "PRAGMA recursive_triggers = {recursive};
                 INSERT INTO locks (name, holder, expires_at) VALUES
                     ('c', 'ann', '2999-01-01 00:00:00'), ('d', 'bob', '2999-01-01 00:00:00');
                 UPDATE OR REPLACE state SET key = 'b' WHERE key = 'a';
                 UPDATE OR REPLACE locks SET name = 'd' WHERE name = 'c';"
            ))
            .unwrap();
        let mut state = std::collections::BTreeMap::new();
        for (key, operation, old, new, _) in history(&store) {
            let before = match &new {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(&key),
            };
            assert_eq!(before, old, "{operation} {key}, recursive triggers {recursive}");
        }
        let state: Vec<(&str, &str)> = state.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(state, [("b", "1"), ("d", "ann")]);
        let b = store.get(&key("b")).unwrap().unwrap();
        assert_eq!(b.expires_at, None);
    }
}

#[test]
fn a_range_of_a_file_that_is_only_now_adopted_is_refused_once() {
    let place = Place::of_sloth_runner();
    let store = place.store();
    let condition = Condition::RangeAtRevision(KeyRange::all(), store.revision().unwrap());
    let transaction = Transaction::put(key("k"), Value::integer(1), Expiry::Clear).when(condition);
    assert!(!store.commit(&transaction).unwrap().is_committed());
    assert!(store.commit(&transaction).unwrap().is_committed());
}

#[test]
fn keys_and_values_of_any_bytes_are_read_changed_and_deleted() {
    let place = Place::of_sloth_runner();
    let shell = place.shell();
    shell
        .execute_batch(
            "INSERT INTO state (key, value) VALUES (CAST(x'ff00fe' AS TEXT), CAST(x'80' AS TEXT));
         INSERT INTO state (key, value) VALUES (x'0102', x'0304');
         INSERT INTO state (key, value) VALUES (NULL, 'no key');",
        )
        .unwrap();
    let store = place.store();
    let keys = store.scan_keys(&Scan::new(KeyRange::all(), 10)).unwrap();
    assert_eq!(keys.len(), 4);
    for odd in &keys[2..] {
        let entry = store.get(odd).unwrap().unwrap();
        assert_eq!(&entry.key, odd);
        let put = Transaction::put(odd.clone(), Value::text("new"), Expiry::Keep)
            .when(Condition::Unchanged(Box::new(entry)));
        assert!(store.commit(&put).unwrap().is_committed());
        assert_eq!(store.get(odd).unwrap().unwrap().value(), Value::text("new"));
        assert!(store.commit(&Transaction::delete(odd.clone())).unwrap().is_committed());
        assert_eq!(store.get(odd).unwrap(), None);
    }
}

fn request(name: &str, holder: &str) -> LockRequest {
    LockRequest { name: name.into(), holder: holder.into(), lease: Duration::from_secs(30) }
}

fn acquired(acquisition: AcquireOutcome) -> Lock {
    match acquisition {
        AcquireOutcome::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

#[test]
fn locks_are_shared_with_sloth_runner() {
    let place = Place::of_sloth_runner();
    let store = place.store();
    let shell = place.shell();
    let foreign = store.locks(None, 10).unwrap().remove(0);
    assert!(matches!(store.acquire(&request("deploy", "bob"), None).unwrap(), AcquireOutcome::Held(_)));
    assert_eq!(store.clear_lock(&foreign).unwrap(), ClearOutcome::Cleared);
    let ours = acquired(store.acquire(&request("deploy", "bob"), None).unwrap());
    // What Sloth Runner does before it takes a lock, and how it takes it.
    shell.execute("DELETE FROM locks WHERE expires_at < datetime('now')", []).unwrap();
    let take =
        "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'sloth', '2999-01-01T00:00:00Z')";
    assert!(shell.execute(take, []).is_err());
    assert!(store.release("deploy", ours.token).unwrap());
    shell.execute(take, []).unwrap();
    let theirs = store.locks(None, 10).unwrap().remove(0);
    assert_eq!((theirs.holder.as_str(), theirs.process.as_ref()), ("sloth", None));
    assert!(theirs.token > ours.token);
    let rows = match store.changes(Revision(0), 100, 100).unwrap() {
        Changes::Since(rows) => rows,
        other => panic!("{other:?}"),
    };
    let last = rows.last().unwrap();
    assert_eq!(
        (last.subject, last.operation.as_str(), last.actor.name.as_str()),
        (Subject::Lock, "lock", "external")
    );
    shell.execute("DELETE FROM locks WHERE name = 'deploy' AND holder = 'sloth'", []).unwrap();
    assert_eq!(history(&store).last().unwrap().1, "unlock");
}

#[test]
fn a_reader_follows_when_another_process_makes_and_adopts_the_file() {
    let place = Place::of_sloth_runner();
    let reader = SqliteStore::open(&place.path, Options { read_only: true, ..place.settings() }).unwrap();
    assert_eq!(reader.revision().unwrap(), Revision(0));
    put(&place.store(), "k", Value::Boolean(true), Expiry::After(Duration::from_secs(9)));
    assert!(reader.poll_changes().unwrap());
    assert_eq!(value(&reader, "k"), Some(Value::Boolean(true)));
    assert_eq!(reader.scan_expiring(None, 10, 10).unwrap().len(), 1);
    let refused = reader.commit(&Transaction::delete(key("k")));
    assert!(matches!(refused, Err(StoreError { kind: ErrorKind::ReadOnly { .. }, .. })));
}

#[test]
fn a_busy_database_is_waited_for_up_to_the_limit() {
    let place = Place::new();
    put(&place.store(), "k", Value::integer(0), Expiry::Clear);
    let settings = Options { busy_limit: Duration::from_millis(50), ..place.settings() };
    let store = SqliteStore::open(&place.path, settings).unwrap();
    let shell = place.shell();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(
        store.commit(&Transaction::delete(key("k"))),
        Err(StoreError { kind: ErrorKind::Busy { .. }, .. })
    ));
    shell.execute_batch("COMMIT").unwrap();
    assert!(store.commit(&Transaction::delete(key("k"))).unwrap().is_committed());
}

#[test]
fn what_is_no_state_database_is_named() {
    let place = Place::new();
    let open = |path: &Path| SqliteStore::open(path, place.settings()).err().unwrap();
    assert!(matches!(open(&place.path), StoreError { kind: ErrorKind::NotFound, .. }));
    assert!(matches!(open(place.path.parent().unwrap()), StoreError { kind: ErrorKind::IsDirectory, .. }));
    let text = place.path.with_extension("txt");
    std::fs::write(
        &text,
        "a text that is long enough to be taken for the header of a database file ".repeat(20),
    )
    .unwrap();
    assert!(matches!(open(&text), StoreError { kind: ErrorKind::NotAStateDatabase { .. }, .. }));
    place.shell().execute_batch("CREATE TABLE cookies (id)").unwrap();
    assert!(
        matches!(open(&place.path), StoreError { kind: ErrorKind::NotAStateDatabase { reason, .. }, .. } if reason.contains("cookies"))
    );
    let newer = Place::new();
    put(&newer.store(), "k", Value::integer(0), Expiry::Clear);
    newer.shell().execute("UPDATE slothstate_meta SET value = 99 WHERE name = 'schema'", []).unwrap();
    assert!(matches!(open(&newer.path), StoreError { kind: ErrorKind::NewerSchema { found: 99, .. }, .. }));
}

#[test]
fn a_link_leads_to_the_file_and_to_what_is_beside_it() {
    let place = Place::of_sloth_runner();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    let store = SqliteStore::open(&link, place.settings()).unwrap();
    put(&store, "version", Value::text("v2"), Expiry::Clear);
    assert!(place.path.with_file_name("state.db.before-slothstate").exists());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    assert_eq!(value(&place.store(), "version"), Some(Value::text("v2")));
}

#[test]
fn a_log_that_was_switched_off_is_switched_on_again() {
    let place = Place::new();
    put(&place.store(), "k", Value::integer(1), Expiry::Clear);
    place.shell().pragma_update(None, "journal_mode", "DELETE").unwrap();
    put(&place.store(), "k", Value::integer(2), Expiry::Clear);
    let mode: String = place.shell().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn an_entry_used_as_a_lock_is_known_as_one() {
    let place = Place::new();
    let store = place.store();
    put(&store, "deploy_lock", Value::text("ann@web1:12"), Expiry::Clear);
    let entry = store.get(&key("deploy_lock")).unwrap().unwrap();
    assert_eq!(kind_inference::infer(&entry).0, Kind::Lock);
}

#[test]
fn a_lock_is_found_by_its_name_among_many() {
    let place = Place::new();
    let store = std::rc::Rc::new(place.store());
    put(&store, "begun", Value::Boolean(true), Expiry::Clear);
    let mut shell = place.shell();
    let all = shell.transaction().unwrap();
    for number in 0..1200 {
        let lease = if number == 700 { "1999-01-01 00:00:00" } else { "2999-01-01 00:00:00" };
        let sql = "INSERT INTO locks (name, holder, expires_at) VALUES (?1, ?2, ?3)";
        all.execute(sql, [format!("lock {number}"), format!("holder {number}"), lease.into()]).unwrap();
    }
    all.commit().unwrap();
    let overlay = crate::store::Overlay::new(std::rc::Rc::clone(&store) as _);
    for found in [&*store as &dyn Store, &overlay] {
        assert_eq!(found.lock("lock").unwrap(), None);
        assert_eq!(found.lock("lock 1200").unwrap(), None);
        for lock in crate::store::all_locks(found).unwrap() {
            assert_eq!(found.lock(&lock.name).unwrap().as_ref(), Some(&lock));
        }
        let expired = found.lock("lock 700").unwrap().unwrap();
        assert_eq!(expired.holder, "holder 700");
        assert!(expired.is_expired(place.clock.now()));
    }
}

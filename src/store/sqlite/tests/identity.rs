//! Whether a database is still the one that was opened: accidents, copies, and revisions that never
//! come again.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::store::sqlite::timeline;
use crate::testing::rounds;

/// Runs a command in the folder of the database: what this process itself opens and closes would drop
/// its locks.
fn shell(place: &Place, command: &str) {
    let folder = place.path.parent().unwrap();
    let status = Command::new("sh").args(["-ec", command]).current_dir(folder).status().unwrap();
    assert!(status.success(), "{command}");
}

/// A database with some history, a copy of it from the middle of that, and another database.
fn place_with_copies() -> Place {
    let place = Place::new();
    let store = place.store();
    for number in 0..40 {
        put(&store, &format!("key:{}", number % 10), Value::text("x".repeat(300)), Expiry::Clear);
        if number == 20 {
            store.back_up(&place.path.with_file_name("backup.db")).unwrap();
        }
    }
    let other =
        SqliteStore::open_or_create(&place.path.with_file_name("other.db"), place.settings()).unwrap();
    (0..5).for_each(|_| put(&other, "other", Value::integer(1), Expiry::Clear));
    place
}

fn try_put(store: &SqliteStore, text: &str) -> Result<Outcome, StoreError> {
    store.commit(&Transaction::put(key(text), Value::integer(1), Expiry::Clear))
}

/// What happens to the files, and the cause by which it is noticed.
const ACCIDENTS: [(&str, &str); 16] = [
    ("mv other.db state.db", "replaced"),
    ("rm state.db state.db-wal state.db-shm", "missing"),
    ("rm state.db", "missing"),
    ("mv state.db elsewhere.db", "missing"),
    ("cp backup.db state.db", "overwritten"),
    ("cat backup.db > state.db", "overwritten"),
    ("truncate -s 0 state.db", "truncated"),
    ("truncate -s 20000 state.db", "truncated"),
    ("dd if=/dev/zero of=state.db bs=4096 seek=1 count=1 conv=notrunc status=none", "overwritten"),
    ("rm state.db-wal", "log"),
    ("rm state.db-shm", "index"),
    ("rm state.db-wal state.db-shm", "log"),
    ("truncate -s 100 state.db-wal", "log"),
    ("rm state.db && mkdir state.db", "replaced"),
    ("rm state.db && mkfifo state.db", "replaced"),
    ("sqlite3 state.db '.restore backup.db'", "restored"),
];

#[test]
fn an_accident_is_noticed_by_who_reads_and_by_who_writes() {
    for (accident, cause) in ACCIDENTS {
        // The log was taken into the file, or has all that was written lately.
        for is_taken_in in [false, true] {
            let place = place_with_copies();
            let store = place.store();
            let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
            for number in 0..20 {
                put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear);
            }
            if is_taken_in {
                place.shell().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
                put(&store, "later", Value::integer(1), Expiry::Clear);
            }
            let feed = |reader: &SqliteStore| {
                reader.poll_changes()?;
                reader.changes(Revision(0), 1, 0)
            };
            feed(&reader).unwrap();
            files(&reader).unwrap();
            shell(&place, accident);
            let what = format!("{accident}, taken in: {is_taken_in}");
            match try_put(&store, "lost") {
                Err(StoreError { kind: ErrorKind::Reset { why, .. }, .. }) => {
                    assert_eq!(why.cause(), cause, "{what}")
                }
                other => panic!("{what}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(101));
            match feed(&reader) {
                // The writer has seen to it that no revision is given twice.
                Err(StoreError { kind: ErrorKind::Reset { why: Reset::Epoch { .. }, .. }, .. })
                    if cause == "restored" => {}
                Err(StoreError { kind: ErrorKind::Reset { why, .. }, .. }) => {
                    assert_eq!(why.cause(), cause, "{what}")
                }
                other => panic!("{what}: {other:?}"),
            }
            // It is not forgotten by the next try.
            assert!(
                matches!(try_put(&store, "lost"), Err(StoreError { kind: ErrorKind::Reset { .. }, .. })),
                "{what}"
            );
        }
    }
}

/// What others write afterwards can remove the traces, and the content is lost all the same.
#[test]
fn lost_content_is_known_also_after_others_have_written() {
    for accident in [
        "cp backup.db state.db",
        "cat backup.db > state.db",
        "truncate -s 0 state.db",
        "truncate -s 20000 state.db",
        "truncate -s 100 state.db-wal",
    ] {
        let place = place_with_copies();
        let store = place.store();
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        files(&store).unwrap();
        shell(&place, accident);
        let found = files(&store).unwrap_err();
        assert!(found.is_lasting(), "{accident}: {found}");
        let write =
            "CREATE TABLE traces (x); INSERT INTO traces VALUES (1); PRAGMA wal_checkpoint(TRUNCATE);";
        // A file that is damaged refuses that.
        shell(&place, &format!("sqlite3 state.db '{write}' >/dev/null 2>&1 || true"));
        for _ in 0..3 {
            assert_eq!(files(&store), Err(found.clone()), "{accident}");
        }
    }
}

#[test]
fn a_file_that_is_moved_with_its_folder_is_missed() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a/b");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("state.db");
    let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
    (0..20).for_each(|_| put(&store, "key", Value::integer(1), Expiry::Clear));
    std::fs::rename(outer.path().join("a"), outer.path().join("moved")).unwrap();
    assert!(matches!(
        try_put(&store, "key"),
        Err(StoreError { kind: ErrorKind::Reset { why: Reset::Missing, .. }, .. })
    ));
    std::fs::rename(outer.path().join("moved"), outer.path().join("a")).unwrap();
    // It is there again, and the same.
    assert!(try_put(&store, "key").is_ok());
}

#[test]
fn a_link_that_leads_elsewhere_is_another_file() {
    let place = place_with_copies();
    let link = place.path.with_file_name("link.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    let store = SqliteStore::open(&link, place.settings()).unwrap();
    (0..20).for_each(|_| put(&store, "key", Value::integer(1), Expiry::Clear));
    shell(&place, "ln -sfn other.db link.db");
    assert!(matches!(
        try_put(&store, "key"),
        Err(StoreError { kind: ErrorKind::Reset { why: Reset::Replaced, .. }, .. })
    ));
}

#[test]
fn what_is_no_accident_is_not_taken_for_one() {
    let place = place_with_copies();
    let store = place.store();
    let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
    for harmless in [
        "touch state.db",
        "chmod 600 state.db && chmod 644 state.db",
        "ln state.db second-name && rm second-name",
        "cat state.db > copy && cp state.db-wal copy-wal",
        "sqlite3 state.db 'PRAGMA wal_checkpoint(TRUNCATE)'",
        "sqlite3 state.db \"UPDATE state SET value = 'external' WHERE key = 'key:1'\"",
        "sqlite3 state.db 'PRAGMA wal_checkpoint(RESTART)'",
        "sqlite3 state.db VACUUM",
        "sqlite3 state.db 'PRAGMA wal_checkpoint(PASSIVE)'",
        "sqlite3 state.db 'DELETE FROM slothstate_history'",
        "sqlite3 state.db '.backup elsewhere.db'",
    ] {
        shell(&place, harmless);
        for _ in 0..12 {
            try_put(&store, "key").unwrap_or_else(|error| panic!("{harmless}: {error}"));
        }
        std::thread::sleep(Duration::from_millis(101));
        reader.poll_changes().unwrap_or_else(|error| panic!("{harmless}: {error}"));
        reader.changes(Revision(0), 1, 0).unwrap_or_else(|error| panic!("{harmless}: {error}"));
    }
}

#[test]
fn an_accident_after_the_index_was_made_anew_is_noticed_too() {
    let place = place_with_copies();
    let store = place.store();
    (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
    // As after a crash: a log, and no index.
    shell(&place, "cp state.db crashed.db && cp state.db-wal crashed.db-wal");
    let path = place.path.with_file_name("crashed.db");
    let reader = SqliteStore::open(&path, place.settings()).unwrap();
    assert_eq!(value(&reader, "late:19"), Some(Value::integer(1)));
    reader.poll_changes().unwrap();
    shell(&place, "cp backup.db crashed.db");
    std::thread::sleep(Duration::from_millis(101));
    let noticed = reader.poll_changes();
    assert!(
        matches!(noticed, Err(StoreError { kind: ErrorKind::Reset { why: Reset::Overwritten, .. }, .. })),
        "{noticed:?}"
    );
}

#[test]
fn what_was_restored_through_the_log_is_not_taken_for_a_log_of_another_file() {
    for (restored, has_other) in [("backup.db", false), ("same-home.db", false), ("other.db", true)] {
        let place = place_with_copies();
        let store = place.store();
        shell(&place, "sqlite3 state.db '.backup same-home.db'");
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        // It is in the file, and what is restored is in the log.
        place.shell().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
        reader.poll_changes().unwrap();
        shell(&place, &format!("sqlite3 state.db '.restore {restored}'"));
        // Whoever had it open before, and whoever comes now, reads that.
        assert_eq!(files(&reader), Ok(()), "{restored}");
        for _ in 0..2 {
            let fresh = SqliteStore::open(&place.path, place.settings()).unwrap();
            assert_eq!(value(&fresh, "late:1"), None, "{restored}");
            assert_eq!(value(&fresh, "other").is_some(), has_other, "{restored}");
            fresh.poll_changes().unwrap();
            assert_eq!(files(&fresh), Ok(()), "{restored}");
        }
        let names = std::fs::read_dir(place.path.parent().unwrap()).unwrap();
        assert!(
            !names.flatten().any(|name| name.file_name().to_string_lossy().contains("leftover")),
            "{restored}"
        );
    }
}

#[test]
fn a_checkpoint_that_was_interrupted_is_no_accident() {
    let place = place_with_copies();
    let store = place.store();
    for _ in 0..30 {
        let path = place.path.clone();
        let mut child = Command::new("sqlite3")
            .arg(&path)
            .arg("PRAGMA wal_checkpoint(PASSIVE)")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        (0..20)
            .for_each(|number| put(&store, &format!("key:{number}"), Value::integer(number), Expiry::Clear));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    (0..20).for_each(|number| put(&store, &format!("key:{number}"), Value::integer(number), Expiry::Clear));
}

#[test]
fn a_log_without_its_database_is_not_thrown_away() {
    let place = place_with_copies();
    let keeps_open = place.store();
    put(&keeps_open, "key", Value::integer(1), Expiry::Clear);
    for accident in ["truncate -s 0 state.db", "rm state.db"] {
        shell(&place, "cp state.db saved");
        shell(&place, accident);
        let opened = SqliteStore::open_or_create(&place.path, place.settings());
        let failed = opened.and_then(|store| try_put(&store, "key").map(|_| ()));
        assert!(
            matches!(failed, Err(StoreError { kind: ErrorKind::Emptied { .. }, .. })),
            "{accident}: {failed:?}"
        );
        assert!(
            std::fs::metadata(place.path.with_file_name("state.db-wal")).unwrap().len() > 32,
            "{accident}"
        );
        shell(&place, "cat saved > state.db");
    }
}

#[test]
fn what_is_in_a_log_that_was_removed_is_saved() {
    let place = place_with_copies();
    let store = place.store();
    for number in 0..20 {
        put(&store, &format!("late:{number}"), Value::integer(number), Expiry::Clear);
    }
    shell(&place, "rm state.db-wal");
    assert!(matches!(try_put(&store, "lost"), Err(StoreError { kind: ErrorKind::Reset { .. }, .. })));
    drop(store);
    let store = place.store();
    assert_eq!(value(&store, "late:19"), Some(Value::integer(19)));
    assert_eq!(value(&store, "lost"), None);
}

#[test]
fn a_database_that_was_put_in_place_is_not_written_over_when_the_one_before_is_closed() {
    for accident in ["cp backup.db state.db", "rm state.db*; cp backup.db state.db", "mv other.db state.db"] {
        let place = place_with_copies();
        let store = place.store();
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        shell(&place, accident);
        let before = Command::new("cksum").arg(&place.path).output().unwrap().stdout;
        drop(store);
        let after = Command::new("cksum").arg(&place.path).output().unwrap().stdout;
        assert_eq!(before, after, "{accident}");
    }
}

/// What a store notes of its own writes is what stands in history: after a write of somebody else it is
/// compared with that.
#[test]
fn what_a_store_wrote_itself_is_no_other_state() {
    let put = |text: &str| Operation::Put { key: key(text), value: Value::integer(1), expiry: Expiry::Clear };
    let soon = Operation::Put {
        key: key("soon"),
        value: Value::integer(1),
        expiry: Expiry::After(Duration::from_secs(1)),
    };
    let never = Operation::SetExpiry { key: key("a"), expiry: Expiry::Clear };
    let cases = [
        vec![put("a")],
        vec![Operation::Delete(key("none")), put("b")],
        vec![never.clone(), put("c")],
        vec![put("b"), Operation::Delete(key("none"))],
        vec![never],
        vec![soon],
        vec![Operation::Delete(key("soon"))],
        vec![Operation::SetExpiry { key: key("soon"), expiry: Expiry::Clear }, put("d")],
        vec![Operation::DeleteRange(KeyRange::all())],
        vec![Operation::PutUntyped { key: key("e"), text: b"true".to_vec(), expiry: Expiry::Keep }],
        vec![Operation::Delete(key("e"))],
    ];
    let place = Place::new();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let settings = Options { clock: clock.clone(), ..Options::default() };
    let store = SqliteStore::open_or_create(&place.path, settings.clone()).unwrap();
    try_put(&store, "first").unwrap();
    let other = SqliteStore::open(&place.path, settings).unwrap();
    for (number, operations) in cases.into_iter().enumerate() {
        clock.set(clock.now().plus(Duration::from_secs(2)));
        let text = format!("{operations:?}");
        store.commit(&Transaction { operations, ..Transaction::default() }).unwrap();
        try_put(&other, &format!("other:{number}")).unwrap();
        try_put(&store, "own").unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    assert!(store.epochs().unwrap().is_empty());
}

/// A write that is refused begins no epoch, and leaves none behind in what was seen.
#[test]
fn a_refused_write_to_a_copy_is_no_reason_to_take_it_for_another_state() {
    let place = place_with_copies();
    let copy = place.path.with_file_name("backup.db");
    let store = SqliteStore::open(&copy, place.settings()).unwrap();
    let absent = || {
        let put = Transaction::put(key("key:1"), Value::integer(1), Expiry::Clear);
        store.commit(&put.when(Condition::Absent(key("key:1")))).unwrap()
    };
    for _ in 0..2 {
        assert!(matches!(absent(), Outcome::Refused { .. }));
        shell(&place, "sqlite3 backup.db \"UPDATE state SET value = value || 'x' WHERE key = 'key:2'\"");
    }
    assert!(matches!(absent(), Outcome::Refused { .. }));
    assert!(store.epochs().unwrap().is_empty());
    try_put(&store, "key:1").unwrap();
    assert_eq!(store.epochs().unwrap().len(), 1);
}

/// What happened to the files of a store.
fn files(store: &SqliteStore) -> Result<(), Reset> {
    let link = store.link.borrow();
    link.guarded().map_or(Ok(()), |(guard, connection)| guard.check(connection))
}

/// What is only in the log is not lost where the file beside it is the one that the log is of.
#[test]
fn a_log_stays_with_its_own_file() {
    for accident in [
        "truncate -s +1M state.db",
        "printf x >> state.db",
        "ln -sfn other.db link.db",
        "rm link.db",
        "rm link.db; mkdir link.db",
    ] {
        let place = place_with_copies();
        shell(&place, "ln -s state.db link.db");
        let link = place.path.with_file_name("link.db");
        let store = SqliteStore::open(&link, place.settings()).unwrap();
        try_put(&store, "first").unwrap();
        let _ = store.poll_changes().unwrap();
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        shell(&place, accident);
        let found = files(&store);
        let is_noticed = found.is_err() || accident.contains(">>");
        assert!(is_noticed, "{accident}");
        assert_eq!(store.keep_leftover(), None, "{accident}");
        let (_, settings) = close(store);
        let again = SqliteStore::open(&place.path, settings).unwrap();
        assert_eq!(value(&again, "late:19"), Some(Value::integer(1)), "{accident}");
        drop(again);
        assert_eq!(value(&place.store(), "late:19"), Some(Value::integer(1)), "{accident}");
        let names = std::fs::read_dir(place.path.parent().unwrap()).unwrap();
        let kept =
            names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().contains("leftover"));
        assert_eq!(kept.count(), 0, "{accident}");
    }
}

fn meta(place: &Place, name: &str) -> Option<String> {
    let sql = "SELECT CAST(value AS TEXT) FROM slothstate_meta WHERE name = ?1";
    place.shell().query_row(sql, [name], |row| row.get(0)).unwrap()
}

#[test]
fn a_new_file_knows_where_it_is_at_home_and_a_copy_begins_an_epoch() {
    let place = place_with_copies();
    assert_eq!(meta(&place, "epoch").as_deref(), Some("1"));
    let home = meta(&place, "home").unwrap();
    assert_eq!(home.split(':').count(), if cfg!(target_os = "linux") { 4 } else { 3 });
    let database = meta(&place, "database");
    let copy = Place { path: place.path.with_file_name("backup.db"), ..Place::new() };
    assert_eq!((meta(&copy, "home"), meta(&copy, "database")), (None, database.clone()));
    assert!(!place.path.with_file_name("backup.db-wal").exists());

    // Reading begins nothing, nor does a write that is refused.
    let store = SqliteStore::open(&copy.path, place.settings()).unwrap();
    assert_eq!(store.revision().unwrap(), Revision(21));
    let refused = Transaction::put(key("key:1"), Value::integer(1), Expiry::Clear)
        .when(Condition::Absent(key("key:1")));
    assert!(matches!(store.commit(&refused).unwrap(), Outcome::Refused { .. }));
    assert_eq!(store.revision().unwrap(), Revision(21));
    let Outcome::Committed { revision, .. } = try_put(&store, "key:1").unwrap() else { panic!() };
    let epochs = store.epochs().unwrap();
    let [epoch] = &epochs[..] else { panic!("{epochs:?}") };
    assert_eq!((epoch.epoch, epoch.after), (2, Revision(21)));
    assert_eq!(revision, Revision(epoch.revision.0 + 1));
    assert!(epoch.revision.0 >= 1_000_000_000);
    let identity = store.identity().unwrap();
    assert_eq!(identity, Identity { database, epoch: 2, revision });
    let change = &store.history(&HistoryScan::newest(2)).unwrap()[1];
    assert_eq!((change.subject, change.operation.as_str()), (Subject::Database, "epoch"));
    // The next process finds it at home.
    let next = SqliteStore::open(&copy.path, place.settings()).unwrap();
    try_put(&next, "key:1").unwrap();
    assert_eq!(next.epochs().unwrap().len(), 1);
}

#[test]
fn a_copy_in_which_nothing_was_written_yet_begins_no_epoch() {
    let place = Place::new();
    place.store().set_retention(&Retention { rows: 5, ..Retention::default() }).unwrap();
    place.store().back_up(&place.path.with_file_name("copy.db")).unwrap();
    let copy = Place { path: place.path.with_file_name("copy.db"), ..Place::new() };
    put(&copy.store(), "key", Value::integer(1), Expiry::Clear);
    assert_eq!(copy.store().revision().unwrap(), Revision(1));
    assert!(meta(&copy, "home").is_some());
}

#[test]
fn a_gap_between_epochs_is_no_reason_to_forget_what_was_before_it() {
    let place = place_with_copies();
    let path = place.path.with_file_name("backup.db");
    let store = SqliteStore::open(&path, place.settings()).unwrap();
    store.set_retention(&Retention { rows: 15, ..Retention::default() }).unwrap();
    for number in 0..5 {
        put(&store, "key:3", Value::integer(number), Expiry::Clear);
    }
    // 5 changes and the beginning of the epoch: 9 of those before are left.
    store.maintenance_schedule.count(100_000);
    store.keep_up();
    let kept = store.history(&HistoryScan::newest(100)).unwrap();
    assert_eq!(kept.len(), 15);
    assert_eq!(kept.last().unwrap().revision, Revision(13));
    let epoch = store.epochs().unwrap().remove(0);
    // The past on both sides, and what was never.
    let at = |revision| store.moment(When::Revision(Revision(revision)));
    let moment = at(epoch.revision.0).unwrap();
    assert_eq!(store.get_at(&key("key:3"), moment).unwrap().unwrap().value(), Value::text("x".repeat(300)));
    let moment = at(epoch.revision.0 + 2).unwrap();
    assert_eq!(store.get_at(&key("key:3"), moment).unwrap().unwrap().value(), Value::integer(1));
    let before = at(epoch.after.0).unwrap();
    let scan = Scan::new(KeyRange::all(), 100);
    assert_eq!(store.scan_at(&scan, before).unwrap().len(), 10);
    let changed = store.differences(before, at(epoch.revision.0 + 5).unwrap(), &scan).unwrap();
    assert_eq!(changed.iter().map(|change| change.key.to_text()).collect::<Vec<_>>(), ["key:3"]);
    for lost in [epoch.after.0 + 1, epoch.revision.0 - 1] {
        assert!(matches!(at(lost), Err(StoreError { kind: ErrorKind::LostRevision { .. }, .. })), "{lost}");
    }
    let Changes::Since(changes) = store.changes(Revision(19), 100, 0).unwrap() else { panic!() };
    assert_eq!(changes.len(), 8);
    // Undo reaches over the gap as anywhere.
    let undone = crate::store::undo(&store, Revision(21), false).unwrap();
    assert!(matches!(undone, crate::store::UndoOutcome::Done { .. }), "{undone:?}");
    let nothing = crate::store::undo(&store, epoch.revision, false).unwrap();
    assert_eq!(nothing, crate::store::UndoOutcome::NothingToUndo(crate::store::NothingToUndo::Epoch));
}

#[test]
fn a_copy_of_history_that_is_on_the_same_way_is_told_from_another() {
    let place = place_with_copies();
    let store = place.store();
    let seen = || timeline::Anchor::read(&place.shell(), SchemaFlavor::Current).unwrap();
    let follow = |anchor: &timeline::Anchor| {
        anchor.clone().follow(&place.shell(), SchemaFlavor::Current, false).unwrap()
    };
    let anchor = seen();
    assert_eq!(follow(&anchor), Ok(()));
    put(&store, "key", Value::integer(1), Expiry::Clear);
    assert_eq!(follow(&anchor), Ok(()));
    // Other programs may remove what they like of history; that is no other state.
    place.shell().execute("DELETE FROM slothstate_history WHERE revision = 40", []).unwrap();
    assert_eq!(follow(&anchor), Ok(()));
    let newest = seen();
    place.shell().execute("DELETE FROM slothstate_history", []).unwrap();
    assert_eq!(follow(&newest), Ok(()));
    for (sql, cause) in [
        ("UPDATE slothstate_history SET at_ms = at_ms + 1", "restored"),
        ("UPDATE slothstate_history SET key = 'another'", "restored"),
        ("UPDATE slothstate_history SET revision = revision - 1", "restored"),
        ("UPDATE slothstate_meta SET value = 2 WHERE name = 'epoch'", "epoch"),
        ("UPDATE slothstate_meta SET value = 0 WHERE name = 'epoch'", "restored"),
        ("UPDATE slothstate_meta SET value = 'another' WHERE name = 'database'", "database"),
    ] {
        let shell = place.shell();
        shell.execute_batch("BEGIN").unwrap();
        shell.execute(sql, []).unwrap();
        let followed = newest.clone().follow(&shell, SchemaFlavor::Current, false).unwrap();
        assert_eq!(followed.unwrap_err().cause(), cause, "{sql}");
        assert!(!newest.is_followed(&shell).unwrap() || cause == "database", "{sql}");
        shell.execute_batch("ROLLBACK").unwrap();
    }
}

#[test]
fn after_an_earlier_state_was_restored_revisions_go_on_where_they_were() {
    let place = place_with_copies();
    let store = place.store();
    put(&store, "key", Value::integer(1), Expiry::Clear);
    // A copy by other means than ours has the home of the file.
    shell(&place, "sqlite3 state.db '.backup same-home.db'");
    (0..9).for_each(|_| put(&store, "key", Value::integer(2), Expiry::Clear));
    shell(&place, "sqlite3 state.db '.restore same-home.db'");
    assert!(matches!(
        try_put(&store, "key"),
        Err(StoreError { kind: ErrorKind::Reset { why: Reset::WentBack { .. }, .. }, .. })
    ));
    // It is seen to that nobody gives those revisions again, and nothing else is written.
    let epochs = store.epochs().unwrap();
    assert_eq!((epochs.len(), epochs[0].after), (1, Revision(41)));
    assert_eq!(value(&store, "key"), Some(Value::integer(1)));
    let (path, settings) = close(store);
    let store = SqliteStore::open(&path, settings).unwrap();
    let Outcome::Committed { revision, .. } = try_put(&store, "key").unwrap() else { panic!() };
    assert_eq!(revision.0, epochs[0].revision.0 + 1);
}

#[test]
fn who_only_read_before_an_earlier_state_was_restored_goes_on_above_it_too() {
    let place = place_with_copies();
    shell(&place, "sqlite3 state.db '.backup same-home.db'");
    let store = place.store();
    (0..9).for_each(|_| put(&store, "key", Value::integer(2), Expiry::Clear));
    let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
    drop(store);
    shell(&place, "sqlite3 state.db '.restore same-home.db'");
    reader.poll_changes().unwrap();
    assert!(matches!(
        reader.changes(Revision(0), 9, 0),
        Err(StoreError { kind: ErrorKind::Reset { .. }, .. })
    ));
    let (path, settings) = close(reader);
    let store = SqliteStore::open(&path, settings).unwrap();
    let Outcome::Committed { revision, .. } = try_put(&store, "key").unwrap() else { panic!() };
    assert!(revision.0 > 1_000_000_000, "{revision}");
}

#[test]
fn a_log_that_was_left_beside_another_file_is_not_applied_to_it() {
    for accident in ["mv other.db state.db", "cp backup.db state.db", "rm state.db && cp backup.db state.db"]
    {
        let place = place_with_copies();
        let store = place.store();
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
        reader.poll_changes().unwrap();
        shell(&place, accident);
        // Who had it open knows, and moves the log aside.
        assert!(files(&reader).is_err(), "{accident}");
        assert!(
            matches!(try_put(&store, "lost"), Err(StoreError { kind: ErrorKind::Reset { .. }, .. })),
            "{accident}"
        );
        drop(store);
        let (path, settings) = close(reader);
        let reader = SqliteStore::open(&path, settings).unwrap();
        assert!(reader.take_notices()[0].contains("state.db-wal.leftover"), "{accident}");
        let is_other = value(&reader, "other").is_some();
        assert_eq!(is_other, accident.starts_with("mv"), "{accident}");
        assert_eq!(value(&reader, "late:1"), None, "{accident}");
        let checked = place.shell().query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(checked.as_deref(), Ok("ok"), "{accident}");
    }
}

/// All of the log is in the file that was replaced, and whoever opens the new one begins the same log again.
#[test]
fn a_log_that_another_process_has_begun_again_is_left_to_it() {
    let place = place_with_copies();
    let store = place.store();
    (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
    shell(&place, "sqlite3 state.db 'PRAGMA wal_checkpoint'");
    let reader = SqliteStore::open(&place.path, place.settings()).unwrap();
    reader.poll_changes().unwrap();
    shell(&place, "mv other.db state.db");
    let beginning = || std::fs::read(place.path.with_file_name("state.db-wal")).unwrap()[..24].to_vec();
    let before = beginning();
    // It has the log open until its input ends.
    let mut other = Command::new("sqlite3").arg(&place.path).stdin(Stdio::piped()).spawn().unwrap();
    let input = other.stdin.as_mut().unwrap();
    writeln!(input, "INSERT INTO state (key, value) VALUES ('theirs', '1');").unwrap();
    while beginning() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(files(&reader).is_err());
    assert_eq!(reader.keep_leftover(), None);
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    drop((reader, store));
    let store = place.store();
    assert!(value(&store, "theirs").is_some() && value(&store, "other").is_some());
}

#[test]
fn a_database_that_is_copied_with_its_log_is_the_same_in_another_place() {
    let place = place_with_copies();
    let store = place.store();
    for copied in [
        "cp state.db-wal copy.db-wal && cp state.db copy.db",
        "cp state.db copy.db && cp state.db-wal copy.db-wal",
    ] {
        (0..20).for_each(|number| put(&store, &format!("late:{number}"), Value::integer(1), Expiry::Clear));
        shell(&place, copied);
        let copy = SqliteStore::open(&place.path.with_file_name("copy.db"), place.settings()).unwrap();
        assert_eq!(value(&copy, "late:19"), Some(Value::integer(1)), "{copied}");
        put(&copy, "key", Value::integer(1), Expiry::Clear);
        assert_eq!(copy.epochs().unwrap().len(), 1);
        drop(copy);
        shell(&place, "rm -f copy.db*");
    }
}

/// One step of what may happen to a database and its copies.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Lock,
    BackUp(usize),
    /// Raw copies of files that nobody has open.
    Copy(usize),
    Put(usize),
    Move(usize),
    EmptyHistory,
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let step = prop_oneof![
        6 => Just(Step::Write),
        1 => Just(Step::Lock),
        2 => (0..3usize).prop_map(Step::BackUp),
        1 => (0..3usize).prop_map(Step::Copy),
        3 => (0..3usize).prop_map(Step::Put),
        1 => (0..3usize).prop_map(Step::Move),
        1 => Just(Step::EmptyHistory),
    ];
    proptest::collection::vec(step, 1..30)
}

/// Whatever order databases are copied in, every revision and every token is given once. Raw copies are
/// put back only as new files, as a file that was deleted is: those by `cp` onto the same file while
/// nothing is running cannot be told from the file itself.
fn give_no_revision_twice(steps: &[Step]) {
    let place = Place::new();
    let mut given = HashSet::new();
    put(&place.store(), "first", Value::integer(1), Expiry::Clear);
    for step in steps {
        place.clock.advance(Duration::from_millis(1));
        let folder = place.path.parent().unwrap();
        let copy = |number: &usize| folder.join(format!("copy-{number}.db"));
        let remove = |path: &Path| {
            let _ = std::fs::remove_file(path);
        };
        match step {
            Step::Write => {
                for _ in 0..3 {
                    let Outcome::Committed { revision, .. } = try_put(&place.store(), "key").unwrap() else {
                        panic!()
                    };
                    assert!(given.insert(revision), "{revision} twice: {steps:?}");
                }
            }
            Step::Lock => {
                let request = LockRequest {
                    name: format!("lock {}", given.len()),
                    holder: "me".into(),
                    lease: Duration::from_secs(60),
                };
                let AcquireOutcome::Acquired(lock) = place.store().acquire(&request, None).unwrap() else {
                    panic!()
                };
                assert!(given.insert(lock.token.0), "{} twice: {steps:?}", lock.token.0);
            }
            Step::BackUp(number) => {
                remove(&copy(number));
                place.store().back_up(&copy(number)).unwrap();
            }
            Step::Copy(number) => {
                remove(&copy(number));
                std::fs::copy(&place.path, copy(number)).unwrap();
            }
            Step::Put(number) if copy(number).exists() => {
                std::fs::remove_file(&place.path).unwrap();
                std::fs::copy(copy(number), &place.path).unwrap();
            }
            Step::Move(number) if copy(number).exists() => {
                std::fs::rename(copy(number), &place.path).unwrap();
            }
            Step::Put(_) | Step::Move(_) => {}
            Step::EmptyHistory => {
                place.shell().execute("DELETE FROM slothstate_history", []).unwrap();
            }
        }
    }
}

#[test]
fn no_revision_and_no_token_is_given_twice() {
    let config = proptest::test_runner::Config {
        cases: rounds(6, 60),
        failure_persistence: None,
        ..Default::default()
    };
    proptest::test_runner::TestRunner::new(config)
        .run(&steps(), |steps| {
            give_no_revision_twice(&steps);
            Ok(())
        })
        .unwrap();
}

//! Databases that somebody made to do harm: every command on one ends, says which object is to blame, and
//! never claims a write that did not happen.

use std::process::Command;

use crate::support::files::{Answer, Place, answer, slothstate};

/// The tables as Sloth Runner makes them, with an entry.
const TABLES: &str = "
    CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL);
    INSERT INTO state (key, value) VALUES ('k', 'v');";
/// Rows without an end.
const ENDLESS: &str = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)";

/// Commands that only read, and commands that write.
const READING: [&[&str]; 7] =
    [&["get", "k"], &["keys"], &["locks"], &["stats"], &["export"], &["doctor"], &["keys", "--read-only"]];
const WRITING: [&[&str]; 3] = [&["set", "k", "other"], &["del", "k"], &["incr", "n"]];

/// A file of Sloth Runner, with `sql` done to it.
fn foreign(sql: &str) -> Place {
    let place = Place::new();
    place.connection().execute_batch(&format!("{TABLES} {sql}")).unwrap();
    place
}

/// A database of our own, with `sql` done to it.
fn adopted(sql: &str) -> Place {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    place.done(&["set", "n", "5"]);
    place.connection().execute_batch(sql).unwrap();
    place
}

/// The answer to a command; one that does not end is killed, and so fails its test.
fn ends(place: &Place, arguments: &[&str]) -> Answer {
    place.run(arguments)
}

#[test]
fn what_is_not_an_ordinary_table_is_refused_with_its_name() {
    let columns = "'v' AS value, '' AS created_at, '' AS updated_at";
    let view = format!(
        "CREATE VIEW state AS SELECT 'k' || i AS key, {columns}, 'string' AS type, NULL AS expires_at_ms, \
         1 AS version, 1 AS revision, 1 AS modified_at_ms, 'set' AS operation, 'x' AS actor, NULL AS run, \
         NULL AS task FROM {ENDLESS};"
    );
    let locks = format!(
        "CREATE VIEW locks AS SELECT 'l' || i AS name, 'h' AS holder, '' AS acquired_at, \
         '2999-01-01 00:00:00' AS expires_at FROM {ENDLESS};"
    );
    let older = format!(
        "CREATE VIEW state_locks AS SELECT 'l' || i AS key, 'h' AS holder FROM {ENDLESS}; DROP TABLE state;
         CREATE TABLE state_data (key TEXT PRIMARY KEY, value TEXT, type TEXT, created_at DATETIME,
             updated_at DATETIME, expires_at DATETIME, version INTEGER);"
    );
    let cases = [
        (foreign(&format!("DROP TABLE state; {view}")), "its state is a view"),
        (adopted(&format!("DROP TABLE state; {view}")), "its state is a view"),
        (foreign(&format!("DROP TABLE locks; {locks}")), "its locks is a view"),
        (
            foreign(&format!("DROP TABLE state; {}", view.replace("VIEW state", "VIEW \"STATE\""))),
            "its STATE is a view",
        ),
        (foreign(&older), "its state_locks is a view"),
        (
            adopted(&format!(
                "DROP TABLE slothstate_meta; CREATE VIEW slothstate_meta AS SELECT 'x' AS name, i AS value FROM {ENDLESS};"
            )),
            "its slothstate_meta is a view",
        ),
        (
            adopted(&format!(
                "DROP TABLE slothstate_runs; CREATE VIEW slothstate_runs AS SELECT i AS run FROM {ENDLESS};"
            )),
            "its slothstate_runs is a view",
        ),
        (
            foreign("CREATE VIEW slothstate_history AS SELECT 1 AS revision;"),
            "its slothstate_history is a view",
        ),
        (
            foreign(
                "DROP TABLE state; CREATE VIRTUAL TABLE state USING fts5(key, value, created_at, updated_at);",
            ),
            "its state is a virtual table",
        ),
        (
            foreign(
                "DROP TABLE state; CREATE TABLE state (key TEXT PRIMARY KEY, raw TEXT,
                     value TEXT GENERATED ALWAYS AS (hex(zeroblob(100000000))) VIRTUAL,
                     created_at DATETIME, updated_at DATETIME);
                 INSERT INTO state (key, raw) VALUES ('k', 'v');",
            ),
            "its table state has the generated column value",
        ),
        (
            adopted("ALTER TABLE slothstate_history ADD COLUMN more TEXT AS (upper(key)) VIRTUAL;"),
            "its table slothstate_history has the generated column more",
        ),
        (
            foreign(
                "DROP TABLE state; CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT,
                     created_at DATETIME, updated_at DATETIME) WITHOUT ROWID;",
            ),
            "its table state is WITHOUT ROWID",
        ),
        (
            foreign(
                "DROP TABLE state; CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT, created_at DATETIME, updated_at DATETIME, rowid TEXT);",
            ),
            "its table state has a column rowid",
        ),
    ];
    for (place, words) in cases {
        let before = std::fs::read(place.db()).unwrap();
        for arguments in READING.iter().chain(&WRITING) {
            let answer = ends(&place, arguments);
            assert_eq!(answer.code, Some(3), "{words}: {arguments:?} {answer:?}");
            let told = format!("{}{}", answer.err, String::from_utf8_lossy(&answer.out));
            assert!(told.contains(words), "{words}: {arguments:?} {answer:?}");
        }
        let answer = answer({
            let mut command = slothstate(place.folder());
            command.arg("--db").arg(place.file("target.db")).arg("import").arg(place.db());
            command
        });
        assert!(answer.code == Some(1) && answer.err.contains(words), "import: {answer:?}");
        assert!(std::fs::read(place.db()).unwrap() == before, "{words}: it was written to");
    }
}

/// What a schema makes of every write, and which words name it.
#[test]
fn a_write_that_the_schema_makes_endless_is_stopped_and_reading_is_not() {
    let insert = format!("INSERT INTO junk SELECT i FROM {ENDLESS};");
    let count = format!("SELECT count(*) FROM {ENDLESS};");
    let mut chain = String::new();
    for number in 0..14 {
        chain.push_str(&format!("CREATE TABLE t{number} (x);"));
    }
    for number in 0..13 {
        let inserts = format!("INSERT INTO t{} VALUES (1);", number + 1).repeat(10);
        chain.push_str(&format!(
            "CREATE TRIGGER chain{number} AFTER INSERT ON t{number} BEGIN {inserts} END;"
        ));
    }
    let each = |event: &str, body: &str| {
        format!("CREATE TABLE junk (x); CREATE TRIGGER evil {event} BEGIN {body} END;")
    };
    let cases = [
        (foreign(&each("AFTER UPDATE ON state", &insert)), "its trigger evil"),
        (adopted(&each("AFTER UPDATE ON state", &insert)), "its trigger evil"),
        (adopted(&each("BEFORE UPDATE ON state", &count)), "its trigger evil"),
        (adopted(&each("AFTER INSERT ON slothstate_history", &insert)), "its trigger evil"),
        (
            adopted(&each("AFTER INSERT ON slothstate_history", &insert).replace("evil", "slothstate_evil")),
            "its trigger slothstate_evil",
        ),
        (
            adopted(&format!(
                "{chain} CREATE TRIGGER first AFTER UPDATE ON state BEGIN INSERT INTO t0 VALUES (1); END;"
            )),
            "its trigger chain",
        ),
    ];
    for (place, words) in cases {
        let answer = ends(&place, &["set", "k", "other"]);
        answer.refused(3, words);
        assert!(answer.err.contains("cannot be used safely"), "{answer:?}");
        assert_eq!(place.done(&["get", "k"]), "v\n");
        for arguments in READING {
            let answer = ends(&place, arguments);
            assert_ne!(answer.code, Some(3), "{words}: {arguments:?} {answer:?}");
        }
    }
}

#[test]
fn functions_that_nothing_bounds_are_not_run_for_a_file() {
    // One call of this takes hours, and no call can be interrupted.
    const SLOW: &str = "value <> '' AND instr(hex(zeroblob(50000000)), hex(zeroblob(20000000)) || 'x') = 0";
    let checked = |check: &str| {
        format!(
            "DROP TABLE state; CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL CHECK ({check}),
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             PRAGMA ignore_check_constraints = ON; INSERT INTO state (key, value) VALUES ('k', 'v');"
        )
    };
    let cases = [
        (foreign(&checked(SLOW)), "its table state calls zeroblob()"),
        (foreign(&checked("printf('%s', value) <> ''")), "its table state calls printf()"),
        (foreign("CREATE INDEX odd ON state (replace(value, 'a', 'b'));"), "its index odd calls replace()"),
        (
            foreign("CREATE INDEX part ON state (key) WHERE instr(value, 'x') = 0;"),
            "its index part calls instr()",
        ),
        (
            adopted("CREATE TRIGGER t AFTER UPDATE ON state BEGIN SELECT hex(randomblob(900000000)); END;"),
            "its trigger t calls randomblob()",
        ),
        (
            adopted("CREATE TRIGGER t AFTER UPDATE ON state BEGIN SELECT trim(NEW.value, NEW.value); END;"),
            "its trigger t calls trim()",
        ),
    ];
    for (place, words) in cases {
        for arguments in READING {
            let answer = ends(&place, arguments);
            assert_ne!(answer.code, Some(3), "{words}: {arguments:?} {answer:?}");
        }
        let answer = ends(&place, &["set", "k", "other"]);
        assert!(answer.code == Some(3) && answer.err.contains(words), "{words}: {answer:?}");
        assert_eq!(place.done(&["get", "k"]), "v\n");
    }
    // The check for damage evaluates the expressions of indexes too.
    let place = foreign("CREATE INDEX odd ON state (replace(value, 'a', 'b'));");
    let doctor = String::from_utf8(ends(&place, &["doctor"]).out).unwrap();
    assert!(
        doctor.contains("cannot be searched for damage safely: its index odd calls replace()"),
        "{doctor}"
    );
}

#[test]
fn honest_triggers_constraints_and_indexes_of_other_programs_do_what_they_did() {
    let place = foreign(
        "CREATE TABLE audit (key TEXT, at TEXT, what TEXT);
         CREATE TRIGGER audit AFTER UPDATE ON state BEGIN
             INSERT INTO audit VALUES (NEW.key, strftime('%Y', 'now'), \"changed\" || substr(NEW.value, 1, 3));
         END;
         CREATE INDEX lengths ON state (length(value));
         CREATE INDEX flags ON state (key) WHERE value IN ('true', 'false');
         CREATE VIEW everything AS SELECT * FROM state;
         CREATE TABLE checked (x TEXT CHECK (x LIKE 'a%'), y TEXT AS (upper(x)));",
    );
    place.done(&["set", "k", "other"]);
    place.done(&["set", "k", "true"]);
    place.done(&["del", "k"]);
    let audited: Vec<String> = place
        .connection()
        .prepare("SELECT what FROM audit ORDER BY rowid")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(audited.first().unwrap(), "changedoth");
}

#[test]
fn a_write_that_a_trigger_discards_is_not_claimed() {
    let discard =
        |event: &str| adopted(&format!("CREATE TRIGGER no {event} BEGIN SELECT RAISE(IGNORE); END;"));
    let cases = [
        (discard("BEFORE UPDATE ON state"), &["set", "k", "other"][..]),
        (discard("BEFORE UPDATE ON state"), &["incr", "n"]),
        (discard("BEFORE UPDATE ON state"), &["ttl", "k", "5m"]),
        (discard("BEFORE INSERT ON state"), &["set", "new", "v"]),
        (discard("BEFORE DELETE ON state"), &["del", "k"]),
    ];
    for (place, arguments) in cases {
        ends(&place, arguments).refused(3, "its trigger no discards what is written");
        assert_eq!(place.done(&["get", "k"]), "v\n");
        assert_eq!(place.done(&["ttl", "k"]), "never\n");
        place.run(&["get", "new"]).refused(1, "there is no key new");
    }
}

#[test]
fn a_schema_of_very_many_tables_is_named_briefly_or_refused() {
    let place = Place::new();
    let tables =
        |count: usize| (0..count).map(|number| format!("CREATE TABLE t{number} (x);")).collect::<String>();
    place.connection().execute_batch(&format!("BEGIN; {} COMMIT;", tables(300))).unwrap();
    let answer = ends(&place, &["keys"]);
    answer.refused(3, "without a table state (it has t0, t1, ");
    assert!(answer.err.len() < 400, "{answer:?}");
    let place = foreign("");
    let connection = place.connection();
    // As fast as it can be made: the tables share their pages.
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000)
             SELECT 'view', 'v' || i, 'v' || i, 0, 'CREATE VIEW v' || i || ' AS SELECT 1' FROM n;",
        )
        .unwrap();
    drop(connection);
    ends(&place, &["keys"]).refused(3, "too many schema objects");
}

/// A tree of pages of which all inner ones lead to the same leaf: few pages, endless rows.
#[test]
fn a_tree_whose_pages_lead_to_each_other_is_not_read_for_ever() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    place
        .connection()
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000)
             INSERT INTO state (key, value) SELECT printf('key/%06d', i), hex(randomblob(40)) FROM n;
             PRAGMA journal_mode = DELETE;",
        )
        .unwrap();
    let mut bytes = std::fs::read(place.db()).unwrap();
    let page_size = 4096;
    // Every inner page of a table or an index leads to itself only, through all of its cells.
    let mut inner = 0;
    for (number, page) in bytes.chunks_mut(page_size).enumerate().skip(1) {
        if matches!(page[0], 2 | 5) {
            inner += 1;
            let cells = usize::from(u16::from_be_bytes([page[3], page[4]]));
            let own = u32::try_from(number + 1).unwrap().to_be_bytes();
            page[8..12].copy_from_slice(&own);
            for cell in 0..cells {
                let at = 12 + 2 * cell;
                let at = usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
                page[at..at + 4].copy_from_slice(&own);
            }
        }
    }
    assert!(inner > 1);
    std::fs::write(place.db(), &bytes).unwrap();
    for arguments in
        [&["keys"][..], &["get", "key/030000"], &["stats"], &["set", "key/030000", "v"], &["doctor"]]
    {
        let answer = ends(&place, arguments);
        assert!(answer.code == Some(3) || arguments == ["doctor"], "{arguments:?}: {answer:?}");
    }
}

/// The shell that other people use still reads what we write under hardening.
#[test]
fn the_views_for_other_programs_are_ours_and_refused_nowhere() {
    let place = adopted("");
    let mut shell = Command::new("sqlite3");
    shell.arg(place.db()).arg("SELECT count(*) FROM slothstate_entries");
    if let Ok(output) = shell.output() {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n");
    }
    assert_eq!(place.done(&["keys"]), "k\nn\n");
}

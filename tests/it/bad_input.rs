//! What is wrong with a file, a disk or an argument is said in one clear message, with nothing on
//! standard output, the right exit code, and nothing lost or half done.

mod hostile;
mod inputs;
mod locations;
mod system;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::json;

use crate::support::files::{
    self, Answer, Place, answer, answer_to, objects, set_mode, skipped, without_rights,
};

/// A command that reads and one that writes.
const EITHER: [&[&str]; 2] = [&["get", "k"], &["set", "k", "v"]];

#[test]
fn a_path_that_is_no_database() {
    let place = Place::new();
    std::fs::create_dir(place.db()).unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "is a directory");
    }
    std::fs::remove_dir(place.db()).unwrap();

    let text = "to do: write down where the state is kept\n".repeat(100);
    std::fs::write(place.db(), &text).unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "it is not an SQLite file");
    }
    assert_eq!(std::fs::read_to_string(place.db()).unwrap(), text);
    assert_eq!(place.names(), ["state.db"]);

    std::fs::write(place.db(), "short").unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "it is not an SQLite file");
    }
    std::fs::remove_file(place.db()).unwrap();

    place.connection().execute_batch("CREATE TABLE cookies (name)").unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "without a table state (it has cookies)");
    }
    std::fs::remove_file(place.db()).unwrap();

    nix::unistd::mkfifo(&place.db(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "it is not a regular file");
    }
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let place = Place::new();
    File::create(place.db()).unwrap();
    assert_eq!(place.done(&["keys"]), "");
    assert_eq!(place.json(&["stats", "--json"])["entries"], 0);
    place.run(&["get", "k"]).refused(1, "there is no key k");
    assert_eq!(std::fs::metadata(place.db()).unwrap().len(), 0);
    place.done(&["set", "k", "v"]);
    assert_eq!(place.done(&["get", "k"]), "v\n");
}

#[test]
fn a_file_that_is_not_there() {
    let place = Place::new();
    for arguments in [
        &["get", "k"][..],
        &["keys"],
        &["del", "k"],
        &["ttl", "k"],
        &["ttl", "k", "5m"],
        &["toggle", "k"],
        &["locks"],
        &["unlock", "k"],
        &["stats"],
        &["set", "k", "v", "--read-only"],
        &["incr", "k", "--read-only"],
    ] {
        place.run(arguments).refused(3, "there is no database at");
        assert!(place.names().is_empty(), "{arguments:?} made {:?}", place.names());
    }
    let deep = place.file("a/b/state.db");
    let at = |arguments: &[&str]| {
        let mut command = files::slothstate(place.folder());
        command.arg("--db").arg(&deep).args(arguments);
        answer(command)
    };
    at(&["get", "k"]).refused(3, "there is no database at");
    assert!(!deep.exists());
    let made = at(&["set", "k", "v"]);
    assert!(made.err.contains("made a new state database"), "{made:?}");
    assert_eq!(made.done(), "");
    assert_eq!(at(&["get", "k"]).done(), "v\n");
    // A folder that cannot be made, since there is a file of that name.
    let under = place.file("a/b/state.db/c/state.db");
    for arguments in EITHER {
        let mut command = files::slothstate(place.folder());
        command.arg("--db").arg(&under).args(arguments);
        answer(command).refused(3, "Not a directory");
    }
}

/// A database of many pages, closed in good order.
fn place_of_many_pages() -> Place {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let connection = place.connection();
    connection
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 3000)
             INSERT INTO state (key, value) SELECT printf('key/%05d', n), hex(randomblob(100)) FROM numbers;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
    drop(connection);
    place
}

#[test]
fn a_truncated_database() {
    let place = place_of_many_pages();
    let whole = std::fs::read(place.db()).unwrap();
    for size in [whole.len() / 2, 4096 * 3, 5000, 100] {
        std::fs::write(place.db(), &whole[..size]).unwrap();
        for arguments in [&["keys", "--json"][..], &["set", "key/02999", "v"], &["get", "key/01500"]] {
            let answer = place.run(arguments);
            assert_eq!(answer.code, Some(3), "{size} {answer:?}");
            assert!(answer.err.contains("is damaged"), "{size} {answer:?}");
        }
        assert!(std::fs::read(place.db()).unwrap() == whole[..size], "it was written to");
    }
}

#[test]
fn a_database_with_damaged_pages() {
    let place = place_of_many_pages();
    let mut bytes = std::fs::read(place.db()).unwrap();
    // All but the schema and what is beside it.
    for page in bytes.chunks_mut(4096).skip(20) {
        page.fill(0xa5);
    }
    std::fs::write(place.db(), &bytes).unwrap();
    for arguments in [&["keys", "--json"][..], &["set", "key/02000", "v"], &["del", "key/02000"]] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        assert!(answer.err.contains("is damaged"), "{answer:?}");
        assert!(answer.err.contains("sqlite3 FILE .recover"), "{answer:?}");
    }
    assert!(std::fs::read(place.db()).unwrap() == bytes, "it was written to");
}

#[test]
fn a_database_of_a_newer_slothstate() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    place.connection().execute("UPDATE slothstate_meta SET value = 99 WHERE name = 'schema'", []).unwrap();
    for arguments in EITHER {
        place.run(arguments).refused(3, "was made by a newer slothstate (schema 99; this one knows up to ");
    }
}

#[test]
fn no_permission() {
    if !nix::unistd::geteuid().is_root() {
        skipped("files of somebody else's", "this needs root, to give up its rights");
        return;
    }
    let place = Place::new();
    let ordinary = |arguments: &[&str]| answer(without_rights(&place, arguments));
    ordinary(&["set", "k", "v"]).refused(3, "no permission");
    assert!(place.names().is_empty());
    place.done(&["set", "k", "v"]);
    set_mode(&place.db(), 0o600);
    for arguments in EITHER {
        ordinary(arguments).refused(3, "no permission to read");
    }
    set_mode(place.folder(), 0o700);
    for arguments in EITHER {
        ordinary(arguments).refused(3, "no permission to open");
    }
    set_mode(place.folder(), 0o755);
    assert_eq!(place.done(&["get", "k"]), "v\n");
}

/// A disk so small that it can be filled, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Result<SmallDisk, String> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk(at.to_path_buf())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut rest = File::create(self.0.join("rest")).unwrap();
        for size in [65536, 4096, 1] {
            while rest.write_all(&vec![0; size]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let place = Place::new();
    let folder = place.file("disk");
    let disk = match SmallDisk::mount(&folder) {
        Ok(disk) => disk,
        Err(why) => return skipped("a full disk", &why),
    };
    let run = |arguments: &[&str], input: &[u8]| {
        let mut command = files::slothstate(place.folder());
        command.arg("--db").arg(folder.join("state.db")).args(arguments);
        answer_to(command, input)
    };
    run(&["set", "k", "before"], b"").done();
    let large = "x".repeat(2 << 20);
    run(&["set", "k", "-"], large.as_bytes()).refused(3, "no room left on the disk");
    assert_eq!(run(&["get", "k"], b"").done(), "before\n");
    disk.fill();
    run(&["set", "k", "-"], large.as_bytes()).refused(3, "no room left on the disk");
    for arguments in [&["get", "k"][..], &["keys"]] {
        let answer = run(arguments, b"");
        assert!(answer.code == Some(0) || answer.err.contains("no room left"), "{answer:?}");
    }
    // A file that is not there yet, and one to be adopted.
    let mut other = files::slothstate(place.folder());
    other.arg("--db").arg(folder.join("other.db")).args(["set", "k", "v"]);
    answer(other).refused(3, "no room left on the disk");
    std::fs::remove_file(folder.join("rest")).unwrap();
    assert_eq!(run(&["get", "k"], b"").done(), "before\n");
    run(&["set", "k", "after"], b"").done();
    assert_eq!(run(&["get", "k"], b"").done(), "after\n");
}

#[test]
fn a_file_to_be_adopted_on_a_full_disk_stays_as_it_is() {
    let place = Place::new();
    let folder = place.file("disk");
    let disk = match SmallDisk::mount(&folder) {
        Ok(disk) => disk,
        Err(why) => return skipped("a full disk", &why),
    };
    let path = folder.join("state.db");
    let runner = rusqlite::Connection::open(&path).unwrap();
    runner
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO state (key, value) VALUES ('k', hex(zeroblob(200000)));",
        )
        .unwrap();
    drop(runner);
    disk.fill();
    let run = |arguments: &[&str]| {
        let mut command = files::slothstate(place.folder());
        command.arg("--db").arg(&path).args(arguments);
        answer(command)
    };
    run(&["set", "k", "v"]).refused(3, "no room left on the disk");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("before-slothstate")), "{names:?}");
    std::fs::remove_file(folder.join("rest")).unwrap();
    assert_eq!(run(&["get", "k"]).done().len(), 400_001);
    assert!(run(&["set", "k", "v"]).err.contains("adopted"));
}

/// What the program shows on a terminal.
fn on_a_terminal(place: &Place, arguments: &[&str]) -> String {
    let terminal =
        native_pty_system().openpty(PtySize { rows: 24, cols: 200, ..PtySize::default() }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.env_remove("SLOTHSTATE_DB");
    // Otherwise it would begin at home, where there may be no way in.
    command.cwd(place.folder());
    command.arg("--db");
    command.arg(place.db());
    command.args(arguments);
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut shown = Vec::new();
    // At the end of a terminal Linux says EIO.
    let _ = terminal.master.try_clone_reader().unwrap().read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

#[test]
fn control_bytes_are_escaped_on_a_terminal_and_raw_in_a_pipe() {
    const KEY: &str = "a\u{1b}]0;title\u{7}b\u{202e}c";
    const VALUE: &str = "red\u{1b}[31m\ttwo\nlines\u{9b}2J";
    let place = Place::new();
    place.done(&["set", KEY, VALUE]);
    let locker = place.connection();
    locker
        .execute(
            "INSERT INTO locks (name, holder, expires_at) VALUES (?1, ?2, '2999-01-01 00:00:00')",
            [KEY, VALUE],
        )
        .unwrap();
    assert_eq!(place.done(&["get", KEY]), format!("{VALUE}\n"));
    assert_eq!(place.done(&["keys"]), format!("{KEY}\n"));
    assert_eq!(place.json(&["get", KEY, "--json"])["value"], VALUE);
    assert_eq!(place.json(&["get", KEY, "--json"])["key"], KEY);

    let shown_key = "a␛]0;title␇b\\u{202e}c";
    assert_eq!(on_a_terminal(&place, &["get", KEY]), "red␛[31m\\ttwo\r\nlines\\u{9b}2J\r\n");
    assert_eq!(on_a_terminal(&place, &["keys"]), format!("{shown_key}\r\n"));
    for arguments in [
        &["get", KEY][..],
        &["get", KEY, "--json"],
        &["keys", "--json"],
        &["keys", "[\u{1b}"],
        &["locks"],
        &["locks", "--json"],
        &["unlock", KEY],
        &["unlock", KEY, "--json"],
        &["unlock", "\u{1b}[2J"],
        &["get", "\u{1b}[2J"],
        &["incr", KEY],
        &["incr", "k", "\u{1b}[2J"],
        &["ttl", KEY],
        &["ttl", KEY, "\u{1b}[2J"],
        &["toggle", KEY],
        &["set", KEY, "\u{1b}[2J", "--type", "number"],
        &["set", KEY, "{\u{1b}[2J", "--type", "table"],
        &["set", KEY, "x", "--if-version", "9"],
        &["stats"],
    ] {
        let shown = on_a_terminal(&place, arguments);
        let controls: Vec<char> =
            shown.chars().filter(|c| c.is_control() && !matches!(c, '\r' | '\n')).collect();
        assert!(controls.is_empty(), "{arguments:?}: {controls:?} in {shown:?}");
        assert!(!shown.contains('\u{202e}'), "{arguments:?}: {shown:?}");
    }
    assert!(on_a_terminal(&place, &["locks"]).contains(shown_key));
}

#[test]
fn invalid_utf8_of_another_program() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    place
        .connection()
        .execute_batch(
            "INSERT INTO state (key, value) VALUES
                 ('broken_value', CAST(x'6f6bff0061' AS TEXT)), ('blob', x'00ff10'),
                 (CAST(x'6bff' AS TEXT), 'of a broken key'), (x'01ff', 'of a blob key'), ('integer', 5);
             INSERT INTO locks (name, holder, expires_at) VALUES
                 (CAST(x'6cff' AS TEXT), CAST(x'ff' AS TEXT), '2999-01-01 00:00:00'),
                 (x'ff01', 'blob', '2999-01-01 00:00:00'), ('no_time', 'ann', 'soon');",
        )
        .unwrap();
    assert_eq!(place.run(&["get", "broken_value"]).out, b"ok\xff\0a\n");
    let shown = place.json(&["get", "broken_value", "--json"]);
    assert_eq!((&shown["value"], &shown["value_hex"]), (&json!("ok\u{fffd}\0a"), &json!("6f6bff0061")));
    assert_eq!(place.run(&["get", "blob"]).out, b"\x00\xff\x10\n");
    assert_eq!(place.done(&["incr", "integer"]), "6\n");
    let keys = place.run(&["keys"]).out;
    assert!(keys.windows(3).any(|part| part == b"k\xff\n"), "{keys:?}");
    assert_eq!(objects(&place.done(&["keys", "--json"])).len(), 6);
    assert_eq!(objects(&place.done(&["locks", "--json"])).len(), 3);
    place.run(&["unlock", "nothing"]).refused(1, "there is no lock nothing");
    place.run(&["toggle", "broken_value"]).refused(1, "needs a flag");
    place.done(&["set", "broken_value", "mended"]);
    assert_eq!(place.done(&["get", "broken_value"]), "mended\n");
    assert_eq!(place.json(&["stats", "--json"])["entries"], 6);
}

#[test]
fn arguments_that_are_no_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let mut command = place.command(&["get"]);
    command.arg(std::ffi::OsStr::from_bytes(b"k\xff"));
    answer(command).refused(2, "invalid UTF-8");
    // A file may well be named so.
    let path = place.folder().join(std::ffi::OsStr::from_bytes(b"\xff.db"));
    let mut command = files::slothstate(place.folder());
    command.arg("--db").arg(&path).args(["set", "k", "v"]);
    answer(command).done();
    assert!(path.exists());
}

#[test]
fn a_value_of_50_megabytes() {
    let place = Place::new();
    let mut value = vec![b'x'; 50 << 20];
    value[1000] = b'\n';
    let set = |key: &str, value: &[u8]| answer_to(place.command(&["set", key, "-"]), value);
    set("large", &value).done();
    set("small", b"one line\n").done();
    set("two lines", b"one\n\n").done();
    let read = place.run(&["get", "large"]);
    assert_eq!(read.code, Some(0));
    assert!(read.out[..value.len()] == value && read.out.len() == value.len() + 1);
    assert_eq!(place.done(&["get", "small"]), "one line\n");
    assert_eq!(place.done(&["get", "two lines"]), "one\n\n");
    assert_eq!(place.done(&["keys"]), "large\nsmall\ntwo lines\n");
    let keys = objects(&place.done(&["keys", "--json"]));
    assert_eq!((&keys[0]["size"], &keys[0]["type"]), (&json!(50 << 20), &json!("untyped")));
    place.run(&["toggle", "large"]).refused(1, "needs a flag");
    place.run(&["incr", "large"]).refused(1, "needs a number");
    place.done(&["del", "large"]);
}

#[test]
fn keys_are_listed_without_reading_large_values() {
    let place = Place::new();
    answer_to(place.command(&["set", "large", "-"]), &vec![b'x'; 50 << 20]).done();
    // With less memory than the value alone takes, and what the program itself needs.
    let short_of_memory = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -c 0; ulimit -v 60000 && exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_slothstate"),
        ]);
        command.env_remove("SLOTHSTATE_DB").arg("--db").arg(place.db()).args(arguments);
        answer(command)
    };
    assert_ne!(short_of_memory(&["get", "large"]).code, Some(0), "the limit is none");
    for arguments in
        [&["keys"][..], &["keys", "--json"], &["keys", "--kind", "plain"], &["locks"], &["ttl", "large"]]
    {
        short_of_memory(arguments).done();
    }
}

#[test]
fn a_value_over_the_limit() {
    let place = Place::new();
    place.done(&["set", "k", "before"]);
    // A hole takes no room on the disk.
    let zeros = place.file("zeros");
    File::create(&zeros).unwrap().set_len(257 << 20).unwrap();
    let mut command = place.command(&["set", "k", "-"]);
    command.stdin(File::open(&zeros).unwrap());
    answer(command).refused(1, "the value of k is too large: 269484032 bytes, at most 268435456");
    assert_eq!(place.done(&["get", "k"]), "before\n");
    assert_eq!(place.json(&["stats", "--json"])["revision"], 1);
}

#[test]
fn arguments_that_make_no_sense() {
    let place = Place::new();
    place.done(&["set", "n", "41", "--ttl", "1h"]);
    place.done(&["set", "text", "hello"]);
    let refused = |arguments: &[&str], words: &str| place.run(arguments).refused(2, words);
    refused(&["get", ""], "a key cannot be empty");
    refused(&["set", "", "v"], "a key cannot be empty");
    refused(&["del", "n", ""], "a key cannot be empty");
    refused(&["incr", ""], "a key cannot be empty");
    refused(&["toggle", ""], "a key cannot be empty");
    refused(&["ttl", ""], "a key cannot be empty");
    for span in ["0", "0s", "-1", "soon", "", "NaN", "inf", "1e400", "5 parsecs"] {
        refused(&["set", "n", "1", &format!("--ttl={span}")], "--ttl");
    }
    for span in ["0", "0s", "soon", "", "+", "+soon", "inf"] {
        let answer = place.run(&["ttl", "n", span]);
        assert_eq!((answer.code, &answer.out[..]), (Some(2), &b""[..]), "{span:?} {answer:?}");
    }
    refused(&["set", "n", "1", "--ttl", "5m", "--keep-ttl"], "cannot be used with");
    refused(&["set", "n", "1", "--type", "date"], "the types are string, number, boolean and table");
    for number in ["many", "", "0x10", "1e400", "NaN", "inf", " 1"] {
        refused(&["set", "n", number, "--type", "number"], "is not a number");
        refused(&["incr", "n", number], "is not a number");
    }
    refused(&["set", "n", "many"], "to change its type say so with --type");
    refused(&["set", "flag", "yes", "--type", "boolean"], "neither true nor false");
    refused(&["set", "t", "{\"a\": ", "--type", "table"], "EOF");
    refused(&["set", "t", "7", "--type", "table"], "a table is a JSON array or object");
    refused(&["set", "n", "1", "--if-version=-1"], "--if-version");
    refused(&["set", "n", "1", "--if-version", "first"], "--if-version");
    refused(&["keys", "[a"], "the pattern [a");
    refused(&["keys", "--kind", "thing"], "the kinds are flag, counter");
    refused(&["keys", "--limit=-1"], "--limit");
    refused(&["unlock", "l", "--token", "abc"], "--token");
    refused(&["get"], "required arguments");
    refused(&["del"], "required arguments");
    refused(&["fetch", "k"], "unrecognized subcommand");
    refused(&["get", "n", "--busy-timeout", "long"], "--busy-timeout");
    refused(&["completions", "cmd.exe"], "invalid value");
    let mut no_name = files::slothstate(place.folder());
    no_name.args(["get", "n"]).env("SLOTHSTATE_DB", "");
    assert_eq!(answer(no_name).code, Some(2));

    // A plain no, which is about what is there and not about how it was asked.
    place.run(&["incr", "text"]).refused(1, "increment needs a number, and this is a string");
    place.run(&["incr", "n", "1e308"]).refused(1, "out of range");
    place.run(&["ttl", "text", "+5m"]).refused(1, "does not expire");
    place.run(&["ttl", "nothing", "5m"]).refused(1, "there is no key nothing");
    place.run(&["del", "no", "nor", "never"]).refused(1, "there is none of these keys");
    assert_eq!(place.done(&["get", "text"]), "hello\n");
}

#[test]
fn a_busy_database() {
    let place = Place::new();
    place.done(&["set", "k", "before", "--ttl", "1h"]);
    let hurried = |arguments: &[&str]| -> Answer {
        let mut command = place.command(arguments);
        command.args(["--busy-timeout", "200ms"]);
        answer(command)
    };
    let writes: [&[&str]; 5] =
        [&["set", "k", "v"], &["del", "k"], &["ttl", "k", "5m"], &["set", "flag", "true"], &["incr", "n"]];
    for begin in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let other = place.connection();
        other.execute_batch(begin).unwrap();
        for arguments in writes {
            hurried(arguments).refused(3, "was busy for 0.2 s");
        }
        // With a log nobody who reads has to wait.
        assert_eq!(hurried(&["get", "k"]).done(), "before\n");
        other.execute_batch("COMMIT").unwrap();
    }
    assert_eq!(place.json(&["stats", "--json"])["revision"], 1);
    hurried(&["set", "k", "after"]).done();
}

#[test]
fn a_busy_database_without_a_log() {
    let place = Place::new();
    let other = place.connection();
    other
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at, updated_at);
             INSERT INTO state (key, value) VALUES ('k', 'before');
             BEGIN EXCLUSIVE",
        )
        .unwrap();
    let hurried = |arguments: &[&str]| -> Answer {
        let mut command = place.command(arguments);
        command.args(["--busy-timeout", "200ms"]);
        answer(command)
    };
    for arguments in EITHER {
        hurried(arguments).refused(3, "was busy for 0.2 s");
    }
    other.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    assert_eq!(hurried(&["get", "k"]).done(), "before\n");
    hurried(&["set", "k", "v"]).refused(3, "was busy for 0.2 s");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(place.names(), ["state.db"], "nothing was begun");

    // Who has time waits, and gets there.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut patient = place.command(&["set", "k", "after", "--busy-timeout", "1m"]);
    let mut child = patient.stderr(Stdio::piped()).spawn().unwrap();
    // Of a program that is not busy nothing else sleeps for a time (proc(5)).
    let syscall = format!("/proc/{}/syscall", child.id());
    let sleep = format!("{} ", nix::libc::SYS_clock_nanosleep);
    files::until("it waits", || std::fs::read_to_string(&syscall).unwrap().starts_with(&sleep));
    assert!(child.try_wait().unwrap().is_none());
    other.execute_batch("COMMIT").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(place.done(&["get", "k"]), "after\n");
}

#[test]
fn an_answer_that_cannot_be_written() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    for arguments in [&["get", "k"][..], &["keys"], &["stats", "--json"], &["man"], &["completions", "bash"]]
    {
        let mut command = place.command(arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
        Answer::of(command.spawn().unwrap().wait_with_output().unwrap())
            .refused(1, "standard output: No space left");
    }
}

#[test]
fn whoever_does_not_read_errors_gets_the_same_exit_code() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    for (arguments, code) in [(&["get", "nothing"][..], 1), (&["undo", "1"], 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = place.command(arguments).stderr(writer).stdout(std::process::Stdio::null()).status();
        assert_eq!(status.unwrap().code(), Some(code), "{arguments:?}");
    }
}

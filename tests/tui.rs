//! The interface as people have it: the real program in a pseudo-terminal.

#[path = "support/files.rs"]
mod files;
#[path = "support/terminal.rs"]
mod terminal;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use slothstate::store::{Acquisition, LockRequest, Settings, SqliteStore, Store};

use self::files::{FOLDER, NUMBER, PART, Place, Worker, answer, set_mode, until};
use self::terminal::{Terminal, cursor_row};

const ESC: &str = "\x1b";

/// The tables as Sloth Runner makes them.
const TABLES: &str = "
    CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL);
    CREATE TRIGGER update_state_timestamp AFTER UPDATE ON state
    BEGIN UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key; END;";

/// A database of our own with these entries.
fn place_with(entries: &[(&str, &str)]) -> Place {
    let place = Place::new();
    place.done(&["set", "zz", "last"]);
    let shell = place.connection();
    for (key, value) in entries {
        shell.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", [key, value]).unwrap();
    }
    place
}

/// A file that slothstate has not adopted.
fn place_of_sloth_runner(entries: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let shell = place.connection();
    shell.execute_batch(TABLES).unwrap();
    for (key, value) in entries {
        shell.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", [key, value]).unwrap();
    }
    place
}

fn command(place: &Place, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    for name in ["SLOTHSTATE_DB", "SLOTHSTATE_THEME", "NO_COLOR", "COLORFGBG", "VISUAL", "EDITOR"] {
        command.env_remove(name);
    }
    command.env("HOME", place.folder());
    command.arg("--db");
    command.arg(place.db());
    command.args(arguments);
    command
}

fn open(place: &Place, arguments: &[&str]) -> Terminal {
    Terminal::start(command(place, arguments), 80, 24)
}

/// With the editor being a shell script of these lines; `$1` is the file to be edited.
fn open_with_editor(place: &Place, script: &str) -> Terminal {
    let editor = place.file("editor");
    std::fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&editor, 0o755);
    let mut command = command(place, &[]);
    command.env("EDITOR", &editor);
    Terminal::start(command, 80, 24)
}

fn quit(terminal: &mut Terminal) {
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn update(place: &Place, key: &str, value: &str) {
    let shell = place.connection();
    shell.busy_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(shell.execute("UPDATE state SET value = ?2 WHERE key = ?1", [key, value]).unwrap(), 1);
}

#[test]
#[ignore = "a part of the other tests, which they start as a process of its own"]
fn worker() {
    let Ok(part) = std::env::var(PART) else { return };
    assert_eq!(part, "hold");
    let _ = std::env::var(NUMBER);
    let folder = std::path::PathBuf::from(std::env::var(FOLDER).unwrap());
    let store = SqliteStore::open(&folder.join("state.db"), Settings::default()).unwrap();
    take(&store, "worker");
    until("the test is over", || folder.join("over").exists());
}

fn take(store: &SqliteStore, holder: &str) -> slothstate::store::Lock {
    let request =
        LockRequest { name: "deploy".into(), holder: holder.into(), lease: Duration::from_secs(600) };
    match store.acquire(&request, None).unwrap() {
        Acquisition::Acquired(lock) => lock,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_looks_around_filters_and_leaves() {
    let place = place_with(&[("config", "{\"replicas\":3}"), ("feature:new_ui", "true"), ("jobs", "7")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("feature:new_ui");
    terminal.wait_for("4 keys");
    terminal.wait_for_row("config");
    terminal.wait_for("\"replicas\": 3");
    terminal.keys("jj");
    terminal.wait_for_row("jobs");
    terminal.keys("/fea");
    terminal.wait_for("1 of 1");
    terminal.wait_for_row("feature:new_ui");
    terminal.keys(ESC);
    terminal.wait_for("config");
    terminal.keys("2");
    terminal.wait_for("● on");
    terminal.keys("?");
    terminal.wait_for("turn the flag round");
    terminal.keys(ESC);
    terminal.wait_without("turn the flag round");
    quit(&mut terminal);
}

#[test]
fn a_flag_keeps_its_type_when_it_is_toggled() {
    let place = place_with(&[]);
    place.done(&["set", "flag:text", "true", "--type", "string"]);
    place.done(&["set", "flag:truth", "true", "--type", "boolean"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("flag:text");
    terminal.keys("t");
    terminal.wait_for("flag:text is false now");
    terminal.wait_for_row(" false ");
    terminal.keys("j");
    terminal.wait_for_row("flag:truth");
    terminal.keys(" ");
    terminal.wait_for("flag:truth is false now");
    let stored = |key| place.json(&["get", key, "--json"]);
    assert_eq!(
        (&stored("flag:text")["type"], &stored("flag:text")["value"]),
        (&"string".into(), &"false".into())
    );
    assert_eq!(
        (&stored("flag:truth")["type"], &stored("flag:truth")["value"]),
        (&"boolean".into(), &false.into())
    );
    quit(&mut terminal);
}

#[test]
fn an_entry_is_added_edited_counted_and_deleted() {
    let place = place_with(&[]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("a");
    terminal.wait_for("Add an entry");
    terminal.keys("count\t41");
    terminal.keys("\r");
    terminal.wait_for("added count");
    terminal.wait_for("2 of 2");
    terminal.wait_for_row("zz");
    terminal.keys("k");
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for_row(" 42 ");
    terminal.keys("--");
    terminal.wait_for_row(" 40 ");
    terminal.keys("0");
    terminal.wait_for("Set count to 0?");
    terminal.keys("y");
    terminal.wait_for_row(" 0 ");
    terminal.keys("e");
    terminal.wait_for("Edit count");
    terminal.keys("\x15x");
    terminal.wait_for("is not a number");
    terminal.keys("\x1510\r");
    terminal.wait_for("changed count");
    terminal.wait_for_row(" 10 ");
    assert_eq!(place.json(&["get", "count", "--json"])["type"], "number");
    terminal.keys("d");
    terminal.wait_for("Delete count?");
    terminal.keys("d\r");
    terminal.keys("n");
    terminal.wait_without("Delete count?");
    terminal.wait_for_row("count");
    terminal.keys("dy");
    terminal.wait_for("deleted count");
    terminal.wait_for_row("zz");
    assert_eq!(place.run(&["get", "count"]).code, Some(1));
    quit(&mut terminal);
}

#[test]
fn an_expiry_is_set_extended_and_removed() {
    let place = place_with(&[("cached", "x")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("cached");
    terminal.keys("T1h\r");
    terminal.wait_for_row("59m");
    terminal.keys("T+2h\r");
    terminal.wait_for_row("2h59m");
    terminal.keys("Tnever\r");
    terminal.wait_for("does not expire");
    terminal.wait_without("2h59m");
    // What expires leaves the list by itself.
    terminal.keys("T0.3\r");
    terminal.wait_for_row("zz");
    terminal.wait_without("›cached");
    quit(&mut terminal);
}

#[test]
fn a_dead_holders_lock_is_cleared() {
    let place = place_with(&[]);
    let store = SqliteStore::open(&place.db(), Settings::default()).unwrap();
    let mut holder = Worker::start(&place, "hold", 1);
    until("the lock is held", || !store.locks(None, 9).unwrap().is_empty());
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("4");
    terminal.wait_for_row("alive");
    // Nobody commits anything when a process is killed.
    holder.kill();
    drop(holder);
    terminal.wait_for_row("dead");
    terminal.wait_for("nobody renews it");
    terminal.keys("x");
    terminal.wait_for("The holder is dead");
    terminal.keys("y");
    terminal.wait_for("cleared lock deploy");
    terminal.wait_for("nobody holds a lock");
    assert!(store.locks(None, 9).unwrap().is_empty());
    quit(&mut terminal);
}

#[test]
fn a_living_holders_lock_is_cleared_only_after_a_loud_question_and_only_as_it_was_seen() {
    let place = place_with(&[("db_lock", "ann@web1:77")]);
    let store = SqliteStore::open(&place.db(), Settings::default()).unwrap();
    let held = take(&store, "ann");
    let mut terminal = open(&place, &[]);
    terminal.wait_for("last");
    terminal.keys("4");
    terminal.wait_for_row("deploy");
    // A key that is used as a lock stands beside it.
    terminal.wait_for("ann@web1:77");
    terminal.keys("x");
    terminal.wait_for("THE HOLDER IS ALIVE");
    assert!(store.release("deploy", held.token).unwrap());
    let newer = take(&store, "bob");
    terminal.keys("y");
    terminal.wait_for("was not cleared: bob has taken it");
    assert_eq!(store.locks(None, 9).unwrap()[0].token, newer.token);
    terminal.wait_for_row("bob");
    terminal.keys("x");
    terminal.wait_for("Clear lock deploy? bob");
    terminal.keys("y");
    terminal.wait_for("cleared lock deploy");
    assert!(store.locks(None, 9).unwrap().is_empty());
    quit(&mut terminal);
}

#[test]
fn the_smallest_screen_is_of_use_and_nothing_is_lost_on_the_way_back() {
    let place = place_with(&[("alpha", "1"), ("beta", "2")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("alpha");
    terminal.keys("j");
    terminal.wait_for_row("beta");
    let before = terminal.contents();
    terminal.resize(20, 5);
    terminal.wait_until("a small picture", |screen| {
        cursor_row(screen).contains("beta")
            && screen.contents().contains("? help")
            && !screen.contents().contains("KEY")
    });
    terminal.keys("d");
    terminal.wait_for("Delete beta?");
    terminal.wait_for("y yes, do it");
    terminal.keys("n");
    terminal.wait_for_row("beta");
    terminal.resize(80, 24);
    let ages = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
    terminal.wait_until("the picture from before", |screen| {
        ages(&screen.contents()).lines().take(6).eq(ages(&before).lines().take(6))
    });
    quit(&mut terminal);
}

#[test]
fn what_others_change_appears() {
    let entries = [("counted", "1"), ("other", "x")];
    for (place, of) in [(place_with(&entries), "adopted"), (place_of_sloth_runner(&entries), "not adopted")] {
        let mut terminal = open(&place, &[]);
        terminal.wait_for_row("counted");
        update(&place, "counted", &format!("now {of}"));
        terminal.wait_for_row(&format!("now {of}"));
        update(&place, "other", "beside the cursor");
        terminal.wait_for("beside the cursor");
        quit(&mut terminal);
    }
    let place = place_with(&entries);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("counted");
    place.done(&["set", "counted", "by another process"]);
    terminal.wait_for_row("by another process");
    place.done(&["del", "counted"]);
    terminal.wait_for_row("other");
    quit(&mut terminal);
}

#[test]
fn the_cursor_stays_on_its_entry_when_rows_are_put_above_it() {
    for place in [place_with(&[("m", "middle")]), place_of_sloth_runner(&[("m", "middle"), ("zz", "last")])] {
        let mut terminal = open(&place, &[]);
        terminal.wait_for_row("m ");
        let shell = place.connection();
        shell.busy_timeout(Duration::from_secs(10)).unwrap();
        for number in 0..5 {
            let row = (format!("a{number}"), format!("above {number}"));
            shell.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", row).unwrap();
        }
        terminal.wait_for("above 4");
        assert!(terminal.cursor_row().contains("middle"), "{}", terminal.contents());
        // The row that is written is the one that is seen.
        terminal.keys("dy");
        terminal.wait_for_row("zz");
        let left: i64 = shell.query_row("SELECT count(*) FROM state", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 6);
        quit(&mut terminal);
    }
}

#[test]
fn a_value_that_changed_while_it_was_edited_is_not_overwritten() {
    let place = place_with(&[("version", "v1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("version");
    terminal.keys("e");
    terminal.wait_for("Edit version");
    terminal.keys("-mine");
    update(&place, "version", "v2-theirs");
    terminal.wait_for("changed meanwhile");
    terminal.keys("\r");
    terminal.wait_for("Changed by somebody else");
    terminal.wait_for("v1-mine");
    assert_eq!(place.done(&["get", "version"]).trim(), "v2-theirs");
    terminal.keys(ESC);
    terminal.wait_without("Changed by somebody else");
    assert_eq!(place.done(&["get", "version"]).trim(), "v2-theirs");
    terminal.keys("e");
    terminal.wait_for("Edit version");
    terminal.keys("\x15v3");
    update(&place, "version", "v2-again");
    terminal.wait_for("v2-again");
    terminal.keys("\r");
    terminal.wait_for("Changed by somebody else");
    terminal.keys("o");
    terminal.wait_for_row("v3");
    assert_eq!(place.done(&["get", "version"]).trim(), "v3");
    quit(&mut terminal);
}

#[test]
fn a_table_is_edited_in_the_users_editor() {
    let place = place_with(&[("config", "{\"replicas\":3}")]);
    let mut terminal = open_with_editor(&place, "sed -i 's/3/4/' \"$1\"; ls \"$1\" >\"$0.saw\"");
    terminal.wait_for_row("config");
    terminal.keys("E");
    terminal.wait_for("changed config");
    terminal.wait_for_row("4");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":4}");
    // Nothing of the value is left behind.
    let file = std::fs::read_to_string(place.file("editor.saw")).unwrap();
    assert!(!Path::new(file.trim()).exists());
    quit(&mut terminal);
}

#[test]
fn an_editor_that_fails_or_leaves_nonsense_changes_nothing() {
    let place = place_with(&[("plan", "a plan")]);
    place.done(&["set", "config", "{\"replicas\":3}", "--type", "table"]);
    let mut terminal = open_with_editor(&place, "echo '{' >\"$1\"; exit 3");
    terminal.wait_for_row("config");
    terminal.keys("e");
    terminal.wait_for("nothing was written");
    terminal.keys("j");
    terminal.wait_for_row("plan");
    quit(&mut terminal);

    let mut terminal = open_with_editor(
        &place,
        "if grep -q '^{$' \"$1\" && ! grep -q replicas \"$1\"; then echo '{\"replicas\":9}' >\"$1\"; else echo '{' >\"$1\"; fi",
    );
    terminal.wait_for_row("config");
    terminal.keys("e");
    terminal.wait_for("config was not written");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":3}");
    // The text is not lost: it can be put right.
    terminal.keys("e");
    terminal.wait_for("changed config");
    assert_eq!(place.done(&["get", "config"]).trim(), "{\"replicas\":9}");
    quit(&mut terminal);

    let mut terminal = open_with_editor(&place, "true");
    terminal.wait_for_row("config");
    terminal.keys("E");
    terminal.wait_for("config was left as it is");
    quit(&mut terminal);
}

#[test]
fn read_only_offers_nothing_that_writes_and_writes_nothing() {
    for place in [
        place_with(&[("count", "1"), ("flag", "true")]),
        place_of_sloth_runner(&[("count", "1"), ("flag", "true")]),
    ] {
        let before = std::fs::read(place.db()).unwrap();
        let mut terminal = open(&place, &["--read-only"]);
        terminal.wait_for_row("count");
        terminal.wait_for("read only");
        terminal.wait_for("? help");
        let hints = terminal.contents();
        let hints = hints.trim_end().lines().last().unwrap();
        for word in ["add", "edit", "delete", "ttl", "toggle", "reset"] {
            assert!(!hints.contains(word), "{hints}");
        }
        for key in ["+", "-", "0", "e", "E", "T", "d", "a", "t", "x", " "] {
            terminal.keys(key);
            terminal.wait_for("looking only");
            terminal.keys("?");
            terminal.wait_for("Keys of this view");
            terminal.keys("q");
            terminal.wait_without("Keys of this view");
        }
        terminal.keys("j");
        terminal.wait_for_row("flag");
        quit(&mut terminal);
        assert_eq!(std::fs::read(place.db()).unwrap(), before);
    }
}

#[test]
fn looking_changes_no_byte_and_the_first_change_adopts_the_file_and_says_so() {
    let place = place_of_sloth_runner(&[("count", "1"), ("flag", "true")]);
    let before = (std::fs::read(place.db()).unwrap(), place.names());
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("count");
    for view in ["2", "3", "4", "5", "1"] {
        terminal.keys(view);
    }
    terminal.keys("G");
    terminal.wait_for_row("flag");
    terminal.wait_for("2 keys");
    assert_eq!(std::fs::read(place.db()).unwrap(), before.0);
    assert_eq!(place.names(), before.1);
    terminal.keys("t");
    terminal.wait_for("adopted");
    terminal.wait_for("before-slothstate");
    terminal.wait_for_row("false");
    assert_eq!(place.done(&["get", "flag"]).trim(), "false");
    quit(&mut terminal);
}

#[test]
fn hostile_keys_and_values_draw_no_control_sequence() {
    let place = place_with(&[
        ("a\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07\x1b[2J"),
        ("b\x1b[?1049l\u{9b}31m", "x\r\ny\u{202e}z"),
    ]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("␛]0;owned␇");
    terminal.wait_for("␛]52;c;b3duZWQ=␇␛[2J");
    terminal.keys("j");
    terminal.wait_for_row("␛[?1049l");
    for (key, dialog) in [("d", "Are you sure?"), ("T", "Expiry of"), ("v", "j k scroll")] {
        terminal.keys(key);
        terminal.wait_for(dialog);
        terminal.keys(ESC);
        terminal.wait_without(dialog);
        terminal.wait_for_row("␛[?1049l");
    }
    let output = terminal.output();
    let has = |bytes: &[u8]| output.windows(bytes.len()).any(|window| window == bytes);
    assert!(!has(b"\x1b]"), "an operating system command");
    assert!(!has(b"\x07") && !has(b"\xc2\x9b") && !has("\u{202e}".as_bytes()));
    assert!(!has(b"\x1b[?1049l"), "the other screen was left");
    quit(&mut terminal);
}

/// The modes that are on after this output: the last word on each of them counts.
fn modes_on(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut on: Vec<String> = Vec::new();
    for part in text.split("\x1b[?").skip(1) {
        let end = part.find(|letter: char| !letter.is_ascii_digit() && letter != ';').unwrap_or(0);
        for mode in part[..end].split(';') {
            on.retain(|each| each != mode);
            if part[end..].starts_with('h') {
                on.push(mode.into());
            }
        }
    }
    on
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let place = place_with(&[]);
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGHUP), Some(Signal::SIGINT)] {
        // A shell keeps the terminal open, so that its modes can be looked at afterwards; the program
        // runs in the foreground, and its process id is written down.
        let pid_file = place.file("pid");
        let mut shell = CommandBuilder::new("sh");
        shell.args([
            "-c",
            "read start; sh -c 'echo $$ >\"$0\"; exec \"$@\"' \"$0\" \"$@\"; echo over; read end",
        ]);
        shell.arg(&pid_file);
        shell.args(command(&place, &[]).get_argv());
        shell.env("HOME", place.folder());
        let mut terminal = Terminal::start(shell, 80, 24);
        let before = terminal.modes();
        terminal.keys("\r");
        terminal.wait_for("last");
        assert_ne!(terminal.modes(), before);
        assert!(modes_on(&terminal.output()).contains(&"1049".to_string()));
        match end {
            None => terminal.keys("q"),
            Some(with) => {
                let pid = std::fs::read_to_string(&pid_file).unwrap();
                signal(pid.trim().parse().unwrap(), with);
            }
        }
        terminal.wait_for("over");
        assert_eq!(terminal.modes(), before, "{end:?}");
        assert_eq!(modes_on(&terminal.output()), ["25"], "only the cursor is on: {end:?}");
        assert!(!terminal.contents().contains("last"), "the first screen is back");
    }
}

#[test]
fn a_terminal_that_is_gone_ends_the_program() {
    let place = place_with(&[]);
    for ignores_hang_up in [false, true] {
        let size = PtySize { cols: 80, rows: 24, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut shell = CommandBuilder::new("sh");
        let trap = if ignores_hang_up { "trap '' HUP; " } else { "" };
        shell.args(["-c", &format!("{trap}exec \"$0\" \"$@\"")]);
        shell.args(command(&place, &[]).get_argv());
        shell.env("HOME", place.folder());
        shell.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(shell).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut output: Vec<u8> = Vec::new();
        let mut bytes = [0; 4096];
        while !output.windows(4).any(|window| window == b"last") {
            let read = reader.read(&mut bytes).unwrap();
            output.extend(&bytes[..read]);
        }
        drop(reader);
        drop(pair.master);
        until("the program ends", || child.try_wait().unwrap().is_some());
    }
}

#[test]
fn a_busy_database_keeps_the_interface_alive_and_is_waited_for() {
    let place = place_with(&[("count", "1"), ("other", "x")]);
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("the database is busy");
    terminal.keys("j");
    terminal.wait_for_row("other");
    other.execute_batch("ROLLBACK").unwrap();
    terminal.wait_for("count +1");
    terminal.wait_without("busy");
    assert_eq!(place.done(&["get", "count"]).trim(), "2");
    quit(&mut terminal);

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut terminal = open(&place, &["--busy-timeout", "300ms"]);
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("✗");
    quit(&mut terminal);
}

#[test]
fn without_a_terminal_it_says_so() {
    let place = place_with(&[]);
    let mut command = place.command(&[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = answer(command);
    assert!(said.err.contains("needs a terminal"), "{said:?}");
    assert!(said.out.is_empty() && said.code != Some(0), "{said:?}");
}

#[test]
fn no_color_means_no_colour_code() {
    let place = place_with(&[("flag", "true"), ("count", "7")]);
    let mut command = command(&place, &[]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command, 80, 24);
    terminal.wait_for_row("count");
    terminal.keys("j");
    terminal.wait_for_row("flag");
    terminal.keys("t");
    terminal.wait_for("flag is false now");
    terminal.keys("?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    let is_reversed = terminal.look(|screen| {
        (0..24).any(|row| screen.cell(row, 0).is_some_and(|cell| cell.contents() == "›" && cell.inverse()))
    });
    assert!(is_reversed, "the row under the cursor is not seen");
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    for sequence in output.split("\x1b[").skip(1) {
        let end = sequence.find(|letter: char| !letter.is_ascii_digit() && letter != ';').unwrap_or(0);
        if sequence[end..].starts_with('m') {
            let codes: Vec<u32> = sequence[..end].split(';').filter_map(|code| code.parse().ok()).collect();
            let colours = |code: &u32| {
                (30..=38).contains(code) || (40..=48).contains(code) || (90..=107).contains(code)
            };
            assert!(!codes.iter().any(colours), "{sequence:.12}");
        }
    }
    quit(&mut terminal);
}

#[test]
fn the_demo_is_at_work_at_once_and_leaves_nothing_behind() {
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
        let place = Place::new();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
        command.args(["demo", "--pace", "0.05"]);
        command.env("TMPDIR", place.folder());
        command.env("HOME", place.folder());
        let mut terminal = Terminal::start(command, 120, 40);
        terminal.wait_for("demo:readme");
        // Rows that were not there appear, and something changes.
        terminal.wait_until("rows of several workflows", |screen| {
            let rows = screen.rows(0, 40).filter(|row| row.contains(':') || row.contains('_'));
            rows.count() > 6
        });
        let before = terminal.contents();
        terminal.wait_until("something moves", |screen| screen.contents() != before);
        let folder = place.folder().to_path_buf();
        assert!(!processes_in(&folder).is_empty());
        match end {
            None => quit(&mut terminal),
            Some(with) => signal(terminal.pid(), with),
        }
        terminal.wait_for_end();
        until("the demo's folder is gone", || {
            place.names().iter().all(|name| !name.starts_with("slothstate-demo-"))
        });
        until("the demo's processes are gone", || processes_in(&folder).is_empty());
    }
}

/// The processes that have something of this folder in their command line.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap().as_bytes();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .filter(|line| line.windows(folder.len()).any(|window| window == folder))
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

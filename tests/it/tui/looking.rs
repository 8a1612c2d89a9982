//! Looking: what is on the screen, what appears on it, and what looking must not do.

use std::time::{Duration, Instant};

use crate::support::files::skipped;
use crate::support::terminal::{Terminal, cursor_row};
use crate::tui::{ESC, command, open, place_of_sloth_runner, place_with, quit, update};

#[test]
fn one_looks_around_filters_and_leaves() {
    let place = place_with(&[("config", "{\"replicas\":3}"), ("feature:new_ui", "true"), ("jobs", "7")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("feature:new_ui");
    terminal.wait_for("4 keys");
    terminal.wait_for_row("config");
    terminal.wait_for("replicas: 3");
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
fn the_smallest_screen_is_of_use_and_nothing_is_lost_on_the_way_back() {
    let place = place_with(&[("alpha", "1"), ("beta", "2")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("alpha");
    terminal.wait_for("3 keys");
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
    let lines = |text: &str| -> Vec<String> {
        let without_ages =
            text.replace(|letter: char| letter.is_ascii_digit() || "smh ".contains(letter), "");
        without_ages.lines().take(6).map(|line| line.trim_end().to_string()).collect()
    };
    terminal.wait_until("the picture from before", |screen| lines(&screen.contents()) == lines(&before));
    quit(&mut terminal);
}

/// Where both come at once, one of them was once noticed only with what came next.
#[test]
fn a_key_pressed_while_the_size_changes_is_not_lost_nor_is_the_size() {
    let place = place_with(&[("feature:x", "true"), ("visits", "3")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("feature:x");
    for round in 0..30 {
        let (rows, key, heading) = if round % 2 == 0 { (20, "2", " FLAG ") } else { (24, "3", " COUNTER ") };
        terminal.resize(80, rows);
        terminal.keys(key);
        terminal.wait_until(&format!("{heading}in {rows} rows"), |screen| {
            let hints = screen.rows(0, 80).last().unwrap_or_default();
            screen.contents().contains(heading) && hints.contains("? help")
        });
    }
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
fn what_the_sqlite3_shell_writes_appears() {
    let place = place_with(&[("counted", "1"), ("other", "x")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("counted");
    if !place.sqlite3("REPLACE INTO state (key, value) VALUES ('counted', 'from the shell')") {
        skipped("statements of the sqlite3 shell", "it is not installed");
        return;
    }
    terminal.wait_for_row("from the shell");
    place.sqlite3("INSERT INTO state (key, value) VALUES ('added', 'beside it')");
    terminal.wait_for("beside it");
    place.sqlite3("DELETE FROM state WHERE key = 'counted'");
    terminal.wait_for_row("other");
    terminal.keys("4");
    place.sqlite3(
        "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '2999-01-01 00:00:00')",
    );
    terminal.wait_for_row("deploy");
    place.sqlite3("DELETE FROM locks");
    terminal.wait_without("deploy");
    quit(&mut terminal);
}

#[test]
fn the_cursor_stays_on_its_entry_when_rows_are_put_above_it() {
    for place in [place_with(&[("m", "middle")]), place_of_sloth_runner(&[("m", "middle"), ("zz", "last")])] {
        let mut terminal = open(&place, &[]);
        terminal.wait_for_row("m ");
        let shell = place.connection();
        shell.busy_timeout(Duration::from_secs(60)).unwrap();
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
    let views =
        [("2", " FLAG "), ("3", " COUNTER "), ("4", "nobody holds"), ("5", "nothing expires"), ("1", "KIND")];
    for (key, words) in views {
        terminal.keys(key);
        terminal.wait_for(words);
    }
    // What is pressed before there are rows is about none.
    terminal.wait_for_row("count");
    terminal.keys("G");
    terminal.wait_for_row("flag");
    terminal.wait_for("2 keys");
    assert_eq!(std::fs::read(place.db()).unwrap(), before.0);
    assert_eq!(place.names(), before.1);
    terminal.keys("t");
    terminal.wait_for("adds columns and tables");
    terminal.keys("n");
    terminal.wait_without("Are you sure?");
    assert_eq!((std::fs::read(place.db()).unwrap(), place.names()), before);
    terminal.keys("ty");
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
    for (key, dialog) in [("d", "Are you sure?"), ("T", "write 1h30m"), ("v", "esc close")] {
        terminal.keys(key);
        terminal.wait_for(dialog);
        terminal.keys(ESC);
        terminal.wait_without(dialog);
        terminal.wait_for_row("␛[?1049l");
    }
    let output = terminal.output();
    let has = |bytes: &[u8]| output.windows(bytes.len()).any(|window| window == bytes);
    // But for the question what the background is.
    let commands = output.windows(2).filter(|window| window == b"\x1b]").count();
    assert!(commands == 1 && has(b"\x1b]11;?"), "an operating system command");
    assert!(!has(b"\x07") && !has(b"\xc2\x9b") && !has("\u{202e}".as_bytes()));
    assert!(!has(b"\x1b[?1049l"), "the other screen was left");
    quit(&mut terminal);
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
    terminal.wait_for("set flag to false");
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

/// Seconds that the screen says something lasts: the number before `unit`.
fn seconds(screen: &str, before: &str) -> Option<u64> {
    let (_, rest) = screen.split_once(before)?;
    rest.split_once('s')?.0.trim().parse().ok()
}

#[test]
fn a_file_that_another_program_locks_is_said_at_once_with_the_age_of_what_is_shown() {
    // Without a log whoever writes keeps others from reading.
    let place = place_of_sloth_runner(&[("key", "value")]);
    let mut terminal = Terminal::start(command(&place, &["--busy-timeout", "1s"]), 120, 24);
    terminal.wait_for_row("key");
    terminal.wait_for("1 key");
    let shell = place.connection();
    shell.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let locked = Instant::now();
    // Nobody asks for anything: it is said all the same, and counts from the last look that succeeded.
    terminal.wait_for("the database does not answer: another program has locked it");
    for (keys, least) in [("", 2), ("2", 4), ("7", 6), ("8", 8)] {
        terminal.keys(keys);
        let is_old = |screen: &str| {
            let age = seconds(screen, "what is shown is ").or_else(|| seconds(screen, "waiting for "));
            age.is_some_and(|age| age >= least)
        };
        terminal.wait_until(&format!("an age of {least} s"), |screen| is_old(&screen.contents()));
        let (shown, passed) = (terminal.contents(), locked.elapsed().as_secs());
        let age = seconds(&shown, "what is shown is ").or_else(|| seconds(&shown, "waiting for ")).unwrap();
        assert!(age <= passed + 1, "{age} s, after {passed} s:\n{shown}");
    }
    shell.execute_batch("COMMIT").unwrap();
    terminal.wait_for("the database answers again");
    terminal.keys("1");
    terminal.wait_for_row("key");
    quit(&mut terminal);
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    assert!(!output.contains("nothing was changed"), "nobody wanted to change anything");
}

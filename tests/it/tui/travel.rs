//! Going back in time: the state as it was, the difference to now, and what was made again.

use crate::tui::{ESC, open, place_with, quit};

#[test]
fn a_flag_is_flipped_found_in_the_past_and_made_again_what_it_was() {
    let place = place_with(&[]);
    place.done(&["set", "flag", "true"]);
    place.done(&["set", "other", "1"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("flag");
    terminal.keys(" ");
    terminal.wait_for("set flag to false");
    terminal.keys("p");
    terminal.wait_for("the newest, ");
    terminal.wait_for_row("flag");
    // One change back it was still on.
    terminal.keys("[");
    terminal.wait_for("~flag");
    terminal.wait_for("changed since then");
    terminal.keys("R");
    terminal.wait_for("Make 1 entry again what it was");
    terminal.wait_for("flag: false → true");
    terminal.keys("R");
    terminal.keys("y");
    terminal.wait_for("restored 1 entry");
    assert_eq!(place.done(&["get", "flag"]), "true\n");
    terminal.wait_without("~flag");
    // It is a change as any other.
    terminal.keys("u");
    terminal.wait_for("took back: restored 1 entry");
    assert_eq!(place.done(&["get", "flag"]), "false\n");
    terminal.wait_for("~flag");
    terminal.keys(ESC);
    terminal.wait_without("PAST");
    terminal.wait_for_row("flag");
    quit(&mut terminal);
}

#[test]
fn what_was_added_removed_and_changed_since_is_told_apart_and_nothing_can_be_edited_there() {
    let place = place_with(&[]);
    place.done(&["set", "kept", "1"]);
    place.done(&["set", "gone", "was here"]);
    place.done(&["set", "version", "v1"]);
    let revision = place.json(&["history", "--json", "--limit", "1"])["revision"].to_string();
    place.done(&["set", "version", "v2"]);
    place.done(&["del", "gone"]);
    place.done(&["set", "new", "x"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("version");
    terminal.keys(format!(":at {revision}\r"));
    terminal.wait_for("-gone");
    terminal.wait_for("+new");
    terminal.wait_for("~version");
    terminal.wait_for("was here");
    // Keys that would change something do nothing there.
    terminal.keys("ae+0xT");
    terminal.keys("d");
    terminal.wait_without("kept");
    terminal.wait_for("-gone");
    // All that differs is made again what it was, at once.
    terminal.keys("*");
    terminal.wait_for("3 marked");
    terminal.keys("R");
    terminal.wait_for("Make 3 entries again what they were");
    terminal.keys("y");
    terminal.wait_for("restored 3 entries");
    terminal.wait_for("everything is the same now");
    assert_eq!(place.done(&["keys"]), "gone\nkept\nversion\nzz\n");
    terminal.keys("u");
    terminal.wait_for("took back: restored 3 entries");
    assert_eq!(place.done(&["keys"]), "kept\nnew\nversion\nzz\n");
    terminal.keys(ESC);
    terminal.wait_without("PAST");
    quit(&mut terminal);
}

#[test]
fn somebody_elses_change_is_seen_live_and_never_overwritten_unseen() {
    let place = place_with(&[]);
    place.done(&["set", "version", "v1"]);
    place.done(&["set", "version", "v2"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("version");
    terminal.keys("p");
    terminal.wait_for("the newest, ");
    terminal.keys("[");
    terminal.wait_for("~version");
    terminal.keys("R");
    terminal.wait_for("version: v2 → v1");
    place.done(&["set", "version", "v3"]);
    terminal.keys("y");
    terminal.wait_for("nothing was restored");
    terminal.wait_for("left alone: version");
    assert_eq!(place.done(&["get", "version"]), "v3\n");
    terminal.wait_for_row("v3");
    terminal.keys(ESC);
    terminal.wait_without("PAST");
    quit(&mut terminal);
}

#[test]
fn history_that_was_pruned_is_said_with_the_oldest_moment_left() {
    let place = place_with(&[]);
    for number in 0..40 {
        place.done(&["set", "count", &number.to_string()]);
    }
    place.done(&["retention", "--rows", "10"]);
    // The next writes prune.
    for number in 40..60 {
        place.done(&["set", "count", &number.to_string()]);
    }
    let shell = place.connection();
    let oldest: i64 =
        shell.query_row("SELECT min(revision) FROM slothstate_history", [], |row| row.get(0)).unwrap();
    if oldest == 1 {
        shell.execute("DELETE FROM slothstate_history WHERE revision < 30", []).unwrap();
    }
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("count");
    terminal.keys(":at 2\r");
    terminal.wait_for("history goes back to revision");
    terminal.wait_for("the oldest state");
    terminal.wait_for("PAST");
    terminal.wait_for("~count");
    terminal.keys("@");
    terminal.wait_for("To which moment?");
    terminal.keys("yesterday\r");
    terminal.wait_for("a revision (1234)");
    // It stays there to be mended.
    terminal.keys(ESC);
    terminal.wait_without("To which moment?");
    quit_from_the_past(&mut terminal);
}

fn quit_from_the_past(terminal: &mut crate::support::terminal::Terminal) {
    terminal.keys(ESC);
    terminal.wait_without("PAST");
    quit(terminal);
}

#[test]
fn a_long_list_of_the_past_is_read_in_pieces() {
    let place = place_with(&[]);
    let mut shell = place.connection();
    let transaction = shell.transaction().unwrap();
    for number in 0..3000 {
        let row = (format!("k{number:05}"), "1");
        transaction.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", row).unwrap();
    }
    transaction.execute("UPDATE state SET value = '2' WHERE key >= 'k02000'", []).unwrap();
    transaction.commit().unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for("k00000");
    terminal.keys("p");
    terminal.wait_for("the newest, ");
    terminal.keys("(");
    // What is asked for in the meantime does not call the step back.
    terminal.keys("j");
    terminal.wait_for(" ago");
    terminal.wait_for_row("k00001");
    for _ in 0..15 {
        terminal.keys("G");
    }
    terminal.wait_until("far down", |screen| {
        crate::support::terminal::cursor_row(screen).contains("k0")
            && !crate::support::terminal::cursor_row(screen).contains("k00000")
    });
    terminal.keys("d");
    terminal.wait_for_row("k029");
    terminal.keys("\x1b[H");
    terminal.wait_for("revision 0 of");
    terminal.keys("\x1b[F");
    terminal.wait_for("the newest, ");
    terminal.wait_for("everything is the same now");
    quit_from_the_past(&mut terminal);
}

#[test]
fn the_past_is_filtered_read_on_the_whole_screen_and_explained_with_the_keys_of_the_user() {
    let place = place_with(&[]);
    place.done(&["set", "config", r#"{"zones":{"west":["a","b"]}}"#, "--type", "table"]);
    place.done(&["set", "other", "1"]);
    place.done(&["set", "config", r#"{"zones":{}}"#, "--type", "table"]);
    let folder = place.folder().join("configuration");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("keymap.toml"), "[keys]\nearlier = [\"x\"]\ndown = [\"ctrl-n\"]\n").unwrap();
    let mut terminal = open(&place, &["--config", folder.to_str().unwrap()]);
    terminal.wait_for("config");
    terminal.keys("p");
    terminal.wait_for("the newest, ");
    terminal.wait_for("x earlier");
    terminal.keys("x");
    terminal.wait_for("~config");
    terminal.keys("\x0e");
    terminal.wait_for_row("other");
    // It is filtered as one types, and the scrubber comes back.
    terminal.keys("/conf");
    terminal.wait_without("zz");
    terminal.wait_for_row("config");
    terminal.keys("\r");
    terminal.wait_for("/conf");
    terminal.wait_for("]~");
    terminal.keys("y");
    terminal.wait_for("the key was sent to the terminal");
    // What was, as a tree, with its own help.
    terminal.keys("v");
    terminal.wait_for("as it was at revision");
    terminal.wait_for("west: [2]");
    terminal.keys("\x0e\x0e");
    terminal.wait_for(".zones.west");
    terminal.keys("?");
    terminal.wait_for("Keys of this view: a value");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    terminal.wait_for("west: [2]");
    terminal.keys("q");
    terminal.wait_for("PAST");
    terminal.keys("?");
    terminal.wait_for("Keys of this view: the past");
    terminal.wait_for("one change back");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    // The palette has the commands of the past.
    terminal.keys(":oldest\r");
    terminal.wait_for("revision 0 of");
    terminal.keys(":at 2\r");
    terminal.wait_for("revision 2 of");
    terminal.keys(ESC);
    terminal.wait_for("zz");
    terminal.keys(ESC);
    terminal.wait_without("PAST");
    quit(&mut terminal);
}

#[test]
fn all_that_differs_is_marked_and_restored_far_beyond_what_was_read() {
    let place = place_with(&[]);
    let mut shell = place.connection();
    let transaction = shell.transaction().unwrap();
    for number in 0..2500 {
        let row = (format!("k{number:05}"), "1");
        transaction.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", row).unwrap();
    }
    transaction.commit().unwrap();
    let revision = place.json(&["history", "--json", "--limit", "1"])["revision"].to_string();
    shell.execute("UPDATE state SET value = '2' WHERE key >= 'k01000' AND key < 'k02500'", []).unwrap();
    let ones = || -> i64 {
        let count = "SELECT count(*) FROM state WHERE key LIKE 'k%' AND value = '1'";
        shell.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(ones(), 1000);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("k00000");
    terminal.keys(format!(":at {revision}\r"));
    terminal.wait_for(&format!("PAST  revision {revision} of"));
    terminal.keys("*");
    terminal.wait_for("1,500 marked");
    terminal.keys("R");
    terminal.wait_for("Make 1,500 entries again");
    terminal.wait_for("and 1,500 more");
    terminal.keys("y");
    terminal.wait_for("restored 1,500 entries");
    assert_eq!(ones(), 2500);
    // One key takes all of it back.
    terminal.keys("u");
    terminal.wait_for("took back: restored 1,500 entries");
    assert_eq!(ones(), 1000);
    // With a filter it is what passes.
    terminal.keys("/k0100");
    terminal.wait_for_row("~k01000");
    terminal.keys("\r*");
    terminal.wait_for("10 marked");
    terminal.keys(ESC);
    terminal.wait_without("marked");
    terminal.keys(ESC);
    terminal.wait_without("k0100 ");
    quit_from_the_past(&mut terminal);
}

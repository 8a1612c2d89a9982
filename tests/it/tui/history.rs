//! What happened: seen, looked through, followed to where it happened, and taken back.

use crate::support::files::until;
use crate::tui::{ESC, open, place_with, quit, take};

#[test]
fn every_change_is_seen_as_it_happens_with_what_it_changed_and_who_did_it() {
    let place = place_with(&[("version", "v1")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("version");
    terminal.keys("6");
    // What another program wrote is there too.
    terminal.wait_for_row("∅ → v1");
    terminal.wait_for("external");
    place.done(&["set", "version", "v2"]);
    // On the newest change the cursor stays on the newest.
    terminal.wait_for_row("v1 → v2");
    terminal.keys("j");
    terminal.wait_for_row("∅ → v1");
    place.done(&["set", "zz", "more"]);
    terminal.wait_for("last → more");
    assert!(terminal.cursor_row().contains("∅ → v1"), "{}", terminal.contents());
    terminal.keys("/version");
    terminal.wait_for("2 of 2");
    terminal.wait_without("last → more");
    terminal.keys(ESC);
    terminal.wait_for("last → more");
    quit(&mut terminal);
}

#[test]
fn one_goes_from_an_entry_to_its_history_and_from_a_change_to_its_entry() {
    let place = place_with(&[("aa", "1"), ("mm", "1")]);
    place.done(&["set", "mm", "2"]);
    place.done(&["set", "aa", "2"]);
    let store = place.store();
    take(&*store, "ann");
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("aa");
    terminal.keys("j");
    terminal.wait_for_row("mm");
    terminal.keys("H");
    terminal.wait_for("of mm");
    terminal.wait_for_row("1 → 2");
    terminal.wait_for("1 of 2");
    // It is live as well.
    place.done(&["set", "mm", "3"]);
    terminal.wait_for_row("2 → 3");
    place.done(&["set", "aa", "3"]);
    terminal.keys(ESC);
    terminal.wait_without("of mm");
    terminal.wait_for_row("mm");
    terminal.keys("6");
    terminal.wait_for("deploy");
    terminal.wait_for_row("aa");
    terminal.keys("o");
    terminal.wait_for("KIND");
    terminal.wait_for_row("aa");
    // The entry of a change may be gone; a lock is in another list.
    place.done(&["del", "mm"]);
    terminal.keys("6");
    terminal.wait_for_row("3 → ∅");
    terminal.keys("o");
    terminal.wait_for("it is gone");
    terminal.keys("6/deploy\r");
    terminal.wait_for("1 of 1");
    terminal.keys("o");
    terminal.wait_for("HOLDER");
    terminal.wait_for_row("deploy");
    quit(&mut terminal);
}

#[test]
fn a_change_of_anybody_is_taken_back_from_the_history() {
    let place = place_with(&[("version", "v1")]);
    place.done(&["set", "version", "v2"]);
    place.done(&["set", "other", "x"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("version");
    terminal.keys("6");
    terminal.wait_for_row("∅ → x");
    terminal.keys("j");
    terminal.wait_for_row("v1 → v2");
    terminal.keys("u");
    terminal.wait_for("Take back the set of version");
    terminal.keys("n");
    terminal.wait_without("Take back");
    assert_eq!(place.done(&["get", "version"]), "v2\n");
    terminal.keys("u");
    terminal.wait_for("Take back the set of version");
    terminal.keys("y");
    terminal.wait_for("took back: set of version");
    assert_eq!(place.done(&["get", "version"]), "v1\n");
    // It is a change as any other, and the one that was taken back says so.
    terminal.wait_for("v2 → v1");
    terminal.wait_for("↶set");
    terminal.wait_for_row("v1 → v2");
    terminal.keys("u");
    terminal.wait_for("took this back already");
    // Outside of the history the last change made here is meant: the taking back.
    terminal.keys("1u");
    terminal.wait_for("did again: set of version");
    assert_eq!(place.done(&["get", "version"]), "v2\n");
    quit(&mut terminal);
}

#[test]
fn a_long_history_is_read_in_pieces_from_both_ends() {
    let place = place_with(&[]);
    let shell = place.connection();
    for number in 0..1500 {
        let row = (format!("k{number:05}"), number.to_string());
        shell.execute("INSERT INTO state (key, value) VALUES (?1, ?2)", row).unwrap();
    }
    let mut terminal = open(&place, &[]);
    terminal.wait_for("k00000");
    terminal.keys("6");
    terminal.wait_for_row("k01499");
    terminal.keys("G");
    terminal.wait_for_row("zz");
    terminal.keys("kkk");
    terminal.wait_for_row("k00002");
    for _ in 0..40 {
        terminal.keys("\x1b[5~");
    }
    terminal.keys("g");
    terminal.wait_for_row("k01499");
    quit(&mut terminal);
}

#[test]
fn what_expires_is_removed_while_nobody_writes() {
    let place = place_with(&[("app", "sloth")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("app");
    place.done(&["set", "cache", "x", "--ttl", "300ms"]);
    let rows = || {
        let sql = "SELECT count(*) FROM state WHERE key = 'cache'";
        place.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    until("it is removed", || rows() == 0);
    quit(&mut terminal);
}

#[test]
fn an_interface_that_may_only_look_removes_nothing() {
    let place = place_with(&[("app", "sloth")]);
    place.done(&["set", "cache", "x", "--ttl", "50ms"]);
    let mut terminal = open(&place, &["--read-only"]);
    terminal.wait_for("app");
    terminal.wait_without("cache");
    quit(&mut terminal);
    let sql = "SELECT count(*) FROM state WHERE key = 'cache'";
    assert_eq!(place.connection().query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(1));
}

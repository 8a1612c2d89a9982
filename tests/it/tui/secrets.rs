//! Secrets on the screen, blanks and keys that look the same, and what is pasted.

use serde_json::json;

use crate::tui::{ESC, open, place_with, quit};

#[test]
fn a_secret_is_masked_everywhere_until_it_is_asked_for() {
    let place = place_with(&[("db_password", "hunter1"), ("session_token", "hunter2")]);
    place.done(&["set", "db_password", "hunter3"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("db_password");
    terminal.wait_for("••••••");
    let hidden = |terminal: &crate::support::terminal::Terminal| {
        let contents = terminal.contents();
        assert!(!contents.contains("hunter"), "{contents}");
    };
    // In the details, on the whole screen, in the history and in the past.
    for (keys, there) in
        [("", "P shows it"), ("v", "P shows it"), ("v6", "REVISION"), ("p", "PAST"), ("p1", "KIND")]
    {
        terminal.keys(keys);
        terminal.wait_for(there);
        hidden(&terminal);
    }
    // Marked, and in the preview of what would be done.
    terminal.keys("1g/db_password\r");
    terminal.wait_for_row("db_password");
    terminal.keys("m");
    terminal.wait_for("✓db_password");
    terminal.keys("d");
    terminal.wait_for("db_password: ••••••");
    hidden(&terminal);
    terminal.keys(ESC);
    terminal.wait_without("db_password: ••••••");
    terminal.keys("m");
    terminal.wait_without("✓db_password");
    // In the form, in questions and messages.
    terminal.wait_for_row("db_password");
    terminal.keys("e");
    terminal.wait_for("•••••••");
    terminal.keys("x\r");
    terminal.wait_for("changed db_password");
    hidden(&terminal);
    terminal.keys("d");
    terminal.wait_for("Delete db_password?");
    hidden(&terminal);
    terminal.keys(ESC);
    terminal.wait_without("Delete db_password?");
    terminal.keys("P");
    terminal.wait_for("hunter3x");
    terminal.keys("P");
    terminal.wait_without("hunter3x");
    quit(&mut terminal);
    let mut terminal = open(&place, &["--show-secrets"]);
    terminal.wait_for("hunter2");
    quit(&mut terminal);
}

#[test]
fn a_secret_is_masked_where_a_run_is_open() {
    let place = place_with(&[]);
    let file = place.file("login.lua");
    let source = "task('login'):command(function(params)
        state.update('api_token', function(value) return params.api_token end)
        return state.get('api_token') ~= nil
    end):build()";
    std::fs::write(&file, source).unwrap();
    place.done(&["run", file.to_str().unwrap(), "--param", "api_token=hunter4"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("api_token");
    terminal.keys("7");
    terminal.wait_for("api_token=••••••");
    terminal.keys("\r");
    terminal.wait_for("state.update");
    // The steps are on the screen together; their details one after the other.
    for key in ["g", "j", "j", "j", "j", "j"] {
        terminal.keys(key);
        let contents = terminal.contents();
        assert!(!contents.contains("hunter"), "{contents}");
    }
    terminal.wait_for("••••••");
    // What the run was given is not stored, whatever is to be shown.
    terminal.keys("gP");
    terminal.wait_for("<masked api_token>");
    terminal.keys("P");
    terminal.wait_without("<masked api_token>");
    quit(&mut terminal);
}

#[test]
fn pasted_lines_and_tabs_are_written_as_they_are() {
    let place = place_with(&[]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("zz");
    terminal.keys("anew\t\x1b[200~one\r\ttwo \r\x1b[201~");
    terminal.wait_for("one\\n\\ttwo \\n");
    terminal.keys("\r");
    terminal.wait_for("added new");
    assert_eq!(place.json(&["get", "new", "--json"])["value"], json!("one\n\ttwo \n"));
    quit(&mut terminal);
}

#[test]
fn blanks_and_keys_that_look_the_same_are_visible() {
    let place = place_with(&[("caf\u{e9}", "on "), ("cafe\u{301}", "on"), ("prod ", "x"), ("prod", "x")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("≈caf\u{e9}");
    terminal.wait_for("≈cafe\u{301}");
    terminal.wait_for("another key of the list differs only in its Unicode normal");
    terminal.wait_for("prod␠");
    terminal.wait_for("on␠");
    terminal.keys("aend  ");
    terminal.wait_for("end␠␠");
    terminal.keys(ESC);
    terminal.wait_without("end␠␠");
    quit(&mut terminal);
}

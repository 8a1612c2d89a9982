//! The list of what was changed here.

use crate::tui::{ESC, open, place_with, quit};

#[test]
fn a_change_that_is_not_the_last_is_chosen_and_taken_back() {
    let place = place_with(&[]);
    place.done(&["set", "a_flag", "true"]);
    place.done(&["set", "b_flag", "true"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("a_flag");
    terminal.keys(":undos\r");
    terminal.wait_for("nothing was changed here");
    terminal.keys(" ");
    terminal.wait_for("set a_flag to false");
    terminal.keys("j");
    terminal.wait_for_row("b_flag");
    terminal.keys(" ");
    terminal.wait_for("set b_flag to false");
    terminal.keys(":undos\r");
    terminal.wait_for("Changed here, the newest first");
    terminal.keys("j");
    terminal.keys("\r");
    terminal.wait_for("took back: set a_flag to false");
    assert_eq!(place.done(&["get", "a_flag"]), "true\n");
    assert_eq!(place.done(&["get", "b_flag"]), "false\n");
    terminal.keys(":undos\r");
    terminal.wait_for("taken back: set a_flag to false");
    terminal.keys(ESC);
    terminal.wait_without("Changed here");
    // That was the last thing done here: it is the first to be taken back.
    terminal.keys("u");
    terminal.wait_for("did again: set a_flag to false");
    assert_eq!(place.done(&["get", "a_flag"]), "false\n");
    terminal.keys("u");
    terminal.wait_for("took back: set b_flag to false");
    terminal.keys("u");
    terminal.wait_for("took back: set a_flag to false");
    assert_eq!(place.done(&["get", "a_flag"]), "true\n");
    assert_eq!(place.done(&["get", "b_flag"]), "true\n");
    terminal.keys("UU");
    terminal.wait_for("did again: set b_flag to false");
    terminal.keys("U");
    terminal.wait_for("took back: set a_flag to false");
    assert_eq!(place.done(&["get", "a_flag"]), "true\n");
    quit(&mut terminal);
}

//! Runs: seen as they come and go, found, and stopped.

use std::process::Stdio;

use crate::support::files::{Place, until};
use crate::tui::{ESC, open, quit};

/// Writes a workflow's file.
fn workflow(place: &Place, name: &str, source: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, source).unwrap();
    file.to_str().unwrap().into()
}

#[test]
fn runs_are_seen_as_they_come_found_and_stopped() {
    let place = Place::new();
    let fine = workflow(
        &place,
        "fine.lua",
        "task('one'):command(function()
            log.info('all is well')
            state.set('k', 1)
            return true
        end):build()",
    );
    let broken =
        workflow(&place, "broken.lua", "task('two'):command(function() error('no luck') end):build()");
    place.done(&["run", &fine, "--param", "colour=green"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("1 key");
    terminal.keys("7");
    terminal.wait_for_row("fine");
    terminal.wait_for("colour=green");
    terminal.wait_for("all is well");
    // One that comes is seen at once, and is the newest.
    assert_eq!(place.run(&["run", &broken]).code, Some(1));
    terminal.wait_for("broken");
    terminal.wait_for("failed");
    terminal.keys("/status:failed\r");
    terminal.wait_without("fine");
    terminal.wait_for_row("broken");
    terminal.keys(ESC);
    terminal.wait_for("fine");
    let waits = workflow(
        &place,
        "waits.lua",
        "task('wait'):command(function() state.set('waits', true) sleep(600) return true end):build()",
    );
    let mut child =
        place.command(&["run", &waits]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is at work", || place.run(&["get", "waits"]).code == Some(0));
    terminal.wait_for("running");
    terminal.keys("g");
    terminal.wait_for_row("waits");
    terminal.keys("X");
    terminal.wait_for("Stop run 3 of waits");
    // The key that asked is no answer.
    terminal.keys("X");
    terminal.keys("y");
    assert!(!child.wait().unwrap().success());
    terminal.wait_for_row("stopped");
    quit(&mut terminal);
}

#[test]
fn a_run_that_ends_while_it_is_open_has_ended_everywhere() {
    let place = Place::new();
    let steps = workflow(
        &place,
        "steps.lua",
        "task('steps'):command(function()
            for i = 1, 6000 do state.set('step', i) sleep(0.1) end
            return true
        end):build()",
    );
    // At the newest step, and far from it.
    for (number, keys) in [(1, ""), (2, "gg")] {
        let mut child =
            place.command(&["run", &steps]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("it is at work", || String::from_utf8_lossy(&place.run(&["runs"]).out).contains("running"));
        let mut terminal = open(&place, &[]);
        terminal.wait_for("1 key");
        terminal.keys("7g");
        terminal.wait_for_row("running");
        terminal.wait_for(&format!("running (run {number}"));
        terminal.keys("\r");
        terminal.wait_for("state.set");
        terminal.keys(keys);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(!child.wait().unwrap().success());
        terminal.wait_for("stopped");
        terminal.wait_without("running");
        terminal.keys(ESC);
        terminal.wait_for_row("stopped");
        terminal.wait_for(&format!("stopped (run {number}"));
        quit(&mut terminal);
    }
}

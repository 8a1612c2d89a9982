//! What people open it for, from the first key to the last, in a database full of what real ones have:
//! wide characters, emoji, text from right to left, control bytes, and a value of 50 megabytes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::files::{OF_THE_CALLER, Place, until};
use crate::support::terminal::Terminal;
use crate::tui::{ESC, command, place_with, quit};

/// Names of locks and parts of keys that a terminal could stumble over.
const AWKWARD: [&str; 5] =
    ["東京:展開", "🦥🚀", "עברית\u{202e}", "\x1b[2J\x1b]0;x\x07", "e\u{301}le\u{300}ve"];

/// A database with all of that.
fn place() -> Place {
    let place = place_with(&[]);
    let shell = place.connection();
    shell.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    let huge = "x".repeat(50_000_000);
    let mut put = shell.prepare("INSERT INTO state (key, value) VALUES (?1, ?2)").unwrap();
    put.execute(["huge", &huge]).unwrap();
    for text in AWKWARD {
        put.execute([&format!("note:{text}"), text]).unwrap();
        put.execute([&format!("feature:{text}"), "false"]).unwrap();
    }
    drop(put);
    drop(shell);
    place
}

/// A workflow at work in a process of its own, which ends with the test.
struct AtWork(Child);

impl AtWork {
    fn start(place: &Place, name: &str, source: &str) -> AtWork {
        let file = place.file(name);
        std::fs::write(&file, source).unwrap();
        AtWork::run(&place.db(), &file)
    }

    fn run(database: &Path, file: &Path) -> AtWork {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slothstate"));
        OF_THE_CALLER.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.arg("--db").arg(database).arg("run").arg(file);
        AtWork(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn holds(lock: &str) -> String {
    format!(
        "task('hold'):command(function() state.lock('{lock}', nil, 1) sleep(600) return true end):build()"
    )
}

/// On call: a deploy is stuck. Which lock, whose, is that process alive, and clear it without harm.
#[test]
fn on_call_a_stuck_lock_is_found_and_cleared_and_whoever_waits_gets_it() {
    let place = place();
    let mut stuck = AtWork::start(&place, "stuck.lua", &holds("deploy:東京"));
    let _busy = AtWork::start(&place, "busy.lua", &holds("backup:🦥"));
    let held = || place.done(&["locks"]);
    until("both locks are held", || held().contains("deploy:") && held().contains("backup:"));
    let waits = "task('next'):command(function()
        return state.with_lock('deploy:東京', function() state.set('deployed', 'by the next') return true end, 600)
    end):build()";
    let mut next = AtWork::start(&place, "next.lua", waits);
    let is_waited_for = |line: &str| line.contains("deploy:") && !line.contains("\"waiting\":[]");
    until("somebody waits", || place.done(&["locks", "--json"]).lines().any(is_waited_for));
    stuck.kill();

    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.keys("8");
    // The dead come first, and the cursor is there.
    terminal.wait_for_row("deploy:東京");
    terminal.wait_for_row("dead");
    terminal.keys("o");
    terminal.wait_for("nobody renews it");
    terminal.keys("x");
    terminal.wait_for("The holder is dead");
    terminal.wait_for("waits for it and gets it next");
    terminal.keys("y");
    terminal.wait_for("cleared lock deploy:東京");
    assert!(next.0.wait().unwrap().success());
    assert_eq!(place.done(&["get", "deployed"]), "by the next\n");
    assert!(held().contains("backup:") && !held().contains("deploy:"), "the living keep theirs: {}", held());
    // Who cleared it, and from whom, is in the history.
    terminal.keys("6/deploy:\r");
    terminal.wait_for("deploy:東京");
    terminal.wait_for("clear");
    quit(&mut terminal);
}

/// Release: a flag is flipped by hand, a workflow is seen to pick it up, and it is flipped back.
#[test]
fn release_a_flag_is_flipped_picked_up_and_taken_back() {
    let place = place();
    let follows = "task('serve'):command(function()
        while true do
            local on = state.get('feature:🦥🚀')
            if tostring(on) ~= state.get('served with') then state.set('served with', tostring(on)) end
            sleep(0.01)
        end
    end):build()";
    let _serve = AtWork::start(&place, "serve.lua", follows);
    let served = |with: &str| {
        until(with, || String::from_utf8_lossy(&place.run(&["get", "served with"]).out).trim() == with)
    };
    served("false");
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("2");
    terminal.wait_for_row("feature:");
    terminal.keys("/🚀\r");
    terminal.wait_for("1 of 1");
    terminal.wait_for_row("feature:🦥🚀");
    terminal.keys(" ");
    terminal.wait_for("set feature:🦥🚀 to true");
    served("true");
    // Seen in the interface too, with the run that wrote it.
    terminal.keys(ESC);
    terminal.wait_for("no filter");
    terminal.keys("6/served\r");
    terminal.wait_for("false → true");
    terminal.wait_for("run 1 task serve");
    terminal.keys(ESC);
    terminal.wait_for("no filter");
    terminal.keys("2u");
    terminal.wait_for("took back: set feature:🦥🚀 to true");
    served("false");
    assert_eq!(place.json(&["get", "feature:🦥🚀", "--json"])["value"], "false", "the text that it was");
    terminal.keys("U");
    terminal.wait_for("did again: set feature:🦥🚀 to true");
    served("true");
    quit(&mut terminal);
}

/// An author: runs a workflow from here, steps through it, and asks what would have been.
#[test]
fn author_a_workflow_is_run_stepped_through_and_asked_what_if() {
    let place = place();
    let file = place.file("ausrollen.lua");
    let source = "task('ausrollen'):command(function()
        log.info('\\27[31m' .. tostring(state.get('note:🦥🚀')))
        if state.get('feature:東京:展開') == 'true' then state.set('who', 'everybody') else state.set('who', 'nobody') end
        return true
    end):build()";
    std::fs::write(&file, source).unwrap();
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.wait_for_row("feature:");
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys(file.to_str().unwrap());
    terminal.keys("\r");
    terminal.wait_for("run finished");
    terminal.wait_for("ausrollen done");
    terminal.keys("gc");
    terminal.wait_for_row("state.set(\"who\", \"nobody\")");
    terminal.wait_for("␛[31m🦥🚀");
    // On the step that asked for the flag, its key is there already.
    terminal.keys("k");
    terminal.wait_for_row("state.get(\"feature:東京:展開\")");
    terminal.keys("w");
    terminal.wait_for("feature:東京:展開=");
    terminal.keys("true\r");
    terminal.wait_for("everybody");
    assert_eq!(place.done(&["get", "who"]), "nobody\n", "it only would have been");
    terminal.keys(ESC);
    terminal.wait_without("everybody");
    terminal.keys(ESC);
    terminal.wait_for("no filter");
    let output = terminal.output();
    let has = |bytes: &[u8]| output.windows(bytes.len()).any(|window| window == bytes);
    assert!(!has(b"\x1b]0;") && !has("\u{202e}".as_bytes()));
    quit(&mut terminal);
}

//! A workflow's author: starts it, watches it, steps through it, and asks what would have been.

use std::process::Stdio;

use crate::support::files::{Place, until};
use crate::support::terminal::Terminal;
use crate::tui::{ESC, command, open, quit};

/// Two tasks; what the second does depends on a flag.
const DEPLOY: &str = "task('build'):command(function(params)
    log.info('building ' .. params.version)
    state.set('built', params.version)
    return true
end):build()
task('deploy'):depends_on('build'):command(function(params)
    if state.get('flag') == 'on' then
        state.set('deployed', params.version)
    else
        state.set('skipped', true)
    end
    state.increment('count')
    log.warn('deployed')
    return true, 'fine'
end):build()
";

fn workflow(place: &Place, name: &str, source: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, source).unwrap();
    file.to_str().unwrap().into()
}

/// A database with one run of the workflow, open at its first step.
fn opened(place: &Place) -> Terminal {
    let file = workflow(place, "deploy.lua", DEPLOY);
    place.done(&["set", "flag", "on"]);
    place.done(&["run", &file, "--param", "version=v1"]);
    let mut terminal = Terminal::start(command(place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("deploy");
    terminal.keys("\r");
    terminal.wait_for("step 1 of");
    terminal
}

#[test]
fn a_run_is_stepped_through_forwards_and_back() {
    let place = Place::new();
    let mut terminal = opened(&place);
    terminal.wait_for_row("run started");
    terminal.keys("c");
    terminal.wait_for_row("state.set(\"built\", \"v1\") → true");
    terminal.wait_for("built: set ∅ → v1");
    // The source with the current line, and the log up to here.
    terminal.wait_for("› 3     state.set('built', params.version)");
    terminal.wait_for("building v1");
    terminal.keys("c");
    terminal.wait_for_row("state.set(\"deployed\", \"v1\")");
    terminal.keys("C");
    terminal.wait_for_row("state.set(\"built\", \"v1\")");
    terminal.keys("t");
    terminal.wait_for_row("task started: task \"deploy\"");
    // Over the task, to what follows it.
    terminal.keys("n");
    terminal.wait_for_row("task finished: task \"deploy\"");
    terminal.keys("p");
    terminal.wait_for_row("task started: task \"deploy\"");
    terminal.keys("/count\r");
    terminal.wait_for_row("state.increment(\"count\")");
    terminal.wait_for("count: there was none");
    terminal.keys("s1\r");
    terminal.wait_for_row("run started");
    // A key to stop at, and a line.
    terminal.keys("Bflag\r");
    terminal.wait_for("● flag");
    terminal.keys("r");
    terminal.wait_for_row("state.get(\"flag\") → \"on\"");
    terminal.keys("jb");
    terminal.wait_for("deploy.lua:");
    terminal.keys("g");
    terminal.wait_for_row("run started");
    terminal.keys("r");
    terminal.wait_for_row("state.get(\"flag\")");
    terminal.keys("r");
    terminal.wait_for_row("state.set(\"deployed\", \"v1\")");
    terminal.keys("R");
    terminal.wait_for_row("state.get(\"flag\")");
    terminal.keys("D");
    terminal.wait_without("●");
    terminal.keys("r");
    terminal.wait_for("nothing stops it");
    // To the end, and out.
    terminal.keys("G");
    terminal.wait_for_row("run finished");
    terminal.keys("/nothing like it\r");
    terminal.wait_for("there is no later step with");
    terminal.keys("?");
    terminal.wait_for("Keys of this view: a run, step by step");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_for("WORKFLOW");
    quit(&mut terminal);
}

#[test]
fn one_goes_from_a_step_to_its_change_and_from_a_change_to_its_step() {
    let place = Place::new();
    let mut terminal = opened(&place);
    terminal.keys("/deployed\r");
    terminal.wait_for_row("state.set(\"deployed\"");
    terminal.wait_for("deployed: set ∅ → v1");
    terminal.keys("o");
    terminal.wait_for("BEFORE → AFTER");
    terminal.wait_for_row("deployed");
    terminal.keys("/built\r");
    terminal.wait_for_row("built");
    terminal.keys("s");
    terminal.wait_for("› ");
    terminal.wait_for_row("state.set(\"built\"");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn what_if_shows_where_the_path_parts_and_what_is_left() {
    let place = Place::new();
    let mut terminal = opened(&place);
    terminal.keys("Bflag\r");
    terminal.wait_for("● flag");
    terminal.keys("r");
    terminal.wait_for_row("state.get(\"flag\")");
    // The key under the cursor stands there already.
    terminal.keys("w");
    terminal.wait_for("entry    flag=");
    terminal.keys("off\r");
    terminal.wait_for("What if flag had been off");
    terminal.wait_for("the path parts at record");
    terminal.wait_for("+ skipped");
    terminal.wait_for("- deployed");
    terminal.keys("\r");
    terminal.wait_for_row("state.get(\"flag\")");
    // Nothing of it happened.
    assert_eq!(place.run(&["get", "skipped"]).code, Some(1));
    terminal.keys(ESC);
    terminal.wait_for("WORKFLOW");
    quit(&mut terminal);
}

/// An author: a run from here, a step of it, and what would have been with other entries, another
/// answer of a command, another source.
#[test]
fn an_author_starts_a_run_and_asks_what_would_have_been() {
    let place = Place::new();
    let source = "task('ship'):command(function(params)
    local limit = state.get('limit', 1)
    if state.get('flag') == 'on' then
        local done, out = exec.run('touch ' .. params.marker .. ' && echo shipped')
        state.set('shipped', (out:gsub('%s+$', '')))
    end
    state.set('left', limit - 1)
    return true, 'fine'
end):build()
";
    let file = workflow(&place, "ship.lua", source);
    let marker = place.file("marker");
    place.done(&["set", "flag", "off"]);
    place.done(&["set", "limit", "3"]);
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.wait_for("2 keys");
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys(&file);
    terminal.keys("\x1b[B");
    terminal.keys(format!("marker={}\r", marker.display()));
    terminal.wait_for("Run 1  ship done");
    terminal.wait_for("run finished");
    terminal.keys("gBflag\r");
    terminal.wait_for("● flag");
    terminal.keys("r");
    terminal.wait_for_row("state.get(\"flag\") → \"off\"");
    terminal.keys("won");
    terminal.keys("\x1b[B");
    terminal.keys("limit=9");
    terminal.keys("\x1b[B\x1b[B\x1b[B");
    terminal.keys("touch *=from the stub");
    terminal.wait_for("stub     touch *=from the stub");
    terminal.keys("\r");
    terminal.wait_for("What if flag had been on, limit had been 9, touch * had written from the stub");
    terminal.wait_for("+ shipped  nothing → from the stub");
    terminal.wait_for("~ left  2 → 8");
    assert!(!marker.exists());
    terminal.keys(ESC);
    terminal.wait_without("+ shipped");
    // Without a stub, and in truth.
    terminal.keys("won");
    for _ in 0..9 {
        terminal.keys("\x1b[B");
    }
    terminal.keys(" ");
    terminal.wait_for("RUN IN TRUTH");
    terminal.keys("\r");
    terminal.wait_for("Run commands in truth?");
    assert!(!marker.exists());
    terminal.keys("y");
    terminal.wait_for("+ shipped  nothing → shipped");
    assert!(marker.exists());
    terminal.keys(ESC);
    terminal.wait_without("+ shipped");
    // The file was changed meanwhile: the run with what it is now.
    std::fs::write(&file, source.replace("limit - 1", "limit - 2")).unwrap();
    terminal.keys("w");
    terminal.wait_for("entry    flag=");
    // Nothing else is to be other than it was.
    terminal.keys("\x15");
    terminal.keys("\x1b[B\t");
    terminal.wait_for("ship.lua");
    terminal.keys("\r");
    terminal.wait_for("~ left  2 → 1");
    terminal.keys("\r");
    // Nothing of it happened.
    assert_eq!(place.run(&["get", "shipped"]).code, Some(1));
    place.done(&["set", "limit", "3"]);
    terminal.keys("w");
    terminal.wait_for("entry    ");
    terminal.keys("\x15");
    terminal.keys("\x1b[B/there/is/none.lua\r");
    terminal.wait_for("cannot read the workflow /there/is/none.lua");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

/// Of a long run only tasks are shown, and what is folded is opened where something in it is looked for.
#[test]
fn tasks_and_calls_of_a_long_run_are_folded() {
    let place = Place::new();
    let source = "task('fill'):command(function()
    state.with_lock('f', function()
        for number = 1, 3000 do state.set('k', number) end
    end)
    return true
end):build()
task('close'):depends_on('fill'):command(function()
    state.with_lock('c', function() state.set('closed', true) end)
    return true
end):build()
";
    let file = workflow(&place, "long.lua", source);
    place.done(&["run", &file]);
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("long");
    terminal.keys("\r");
    terminal.wait_for_row("run started");
    terminal.wait_for("close ");
    // Its end is far away.
    terminal.keys("jj");
    terminal.wait_for_row("state.with_lock(\"f\"");
    terminal.keys("z");
    terminal.wait_for("steps │ state.with_lock(\"f\"");
    terminal.wait_for("task started: task \"close\"");
    terminal.keys("-");
    terminal.wait_for("steps │ task started: task \"fi");
    terminal.wait_for("steps │ task started: task \"close\"");
    terminal.wait_for("run finished");
    terminal.wait_without("with_lock");
    // What is looked for is shown, and no more than that is unfolded.
    terminal.keys("/\"closed\"\r");
    terminal.wait_for_row("state.set(\"closed\", true)");
    terminal.wait_for("closed: set ∅ → true");
    terminal.wait_for("steps │ task started: task \"fi");
    terminal.keys("/2999\r");
    terminal.wait_for("there is no later step");
    terminal.keys(",");
    terminal.wait_for_row("state.set(\"k\", 2999)");
    terminal.wait_for("k: set 2998 → 2999");
    // From its last step, to the call that it is in.
    terminal.keys("/lock\r");
    terminal.wait_for_row("state.with_lock(\"c\"");
    terminal.keys(",");
    terminal.wait_for_row("state.with_lock(\"f\"");
    terminal.keys("\r");
    terminal.wait_for_row("steps │ state.with_lock(\"f\"");
    terminal.keys("+");
    terminal.wait_without("steps │");
    terminal.wait_for("state.set(\"k\", 1)");
    quit(&mut terminal);
}

/// Whatever a workflow says and stores: nothing of it reaches the terminal as a control sequence.
#[test]
fn hostile_bytes_in_a_run_are_shown_and_not_obeyed() {
    let place = Place::new();
    let source = r#"task('evil\27[2J'):command(function()
    local key = 'k\27]52;c;aGk=\7\226\128\174x'
    log.info('log\27[31m\r\nline\0\255')
    state.set(key, 'v\27[?1049l\8')
    error('why\27[0m\n' .. key)
end):build()
"#;
    let file = workflow(&place, "evil.lua", source);
    place.run(&["run", &file]);
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("evil");
    terminal.keys("\r");
    terminal.wait_for("step 1 of");
    terminal.wait_for("evil␛[2J");
    terminal.keys("c");
    terminal.wait_for_row("k␛]52;c;aGk=");
    terminal.wait_for("log␛[31m");
    // In the list of stops, what is typed, and the report.
    terminal.keys("B\r");
    terminal.wait_for("● k␛]52;c;aGk=");
    terminal.keys("L");
    terminal.wait_for("Runs stop at");
    terminal.keys(ESC);
    terminal.wait_without("Runs stop at");
    terminal.keys("wother\r");
    terminal.wait_for("What if k␛]52;c;aGk=␇\\u{202e}x had been other");
    terminal.keys(ESC);
    terminal.wait_without("What if k");
    terminal.keys("-");
    terminal.wait_for("steps │ task started: task \"evil␛[2J\"");
    quit(&mut terminal);
}

#[test]
fn two_runs_are_compared() {
    let place = Place::new();
    let mut terminal = opened(&place);
    terminal.keys(ESC);
    terminal.wait_for("WORKFLOW");
    place.done(&["set", "flag", "off"]);
    place.done(&["run", place.file("deploy.lua").to_str().unwrap(), "--param", "version=v1"]);
    // The cursor stays where it is when a newer one comes.
    terminal.wait_for("2 of 2");
    terminal.keys("g");
    terminal.wait_until("the newer run under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     2 done")
    });
    terminal.keys("M");
    terminal.wait_for("mark another run first");
    terminal.keys("j");
    terminal.wait_until("the older run under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     1 done")
    });
    terminal.keys("m");
    terminal.wait_for("run 1 is marked");
    terminal.keys("g");
    terminal.wait_until("the newer run under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     2 done")
    });
    terminal.keys("M");
    terminal.wait_for("Runs 1 and 2");
    terminal.wait_for("the first other answer is at step");
    terminal.wait_for("the ways part at step");
    terminal.wait_for("state.set(\"skipped\", true)");
    terminal.keys("q");
    terminal.wait_without("Runs 1 and 2");
    quit(&mut terminal);
}

#[test]
fn a_workflow_is_started_watched_and_stopped() {
    let place = Place::new();
    let file = workflow(
        &place,
        "waits.lua",
        "task('wait'):command(function(params)
            log.info('hello ' .. params.name)
            state.set('waits', true)
            sleep(600)
            return true
        end):build()",
    );
    place.done(&["set", "k", "v"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("1 key");
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys("\r");
    terminal.wait_for("which file?");
    terminal.keys(&file[..file.len() - 6]);
    terminal.keys("\t");
    terminal.wait_for("waits.lua");
    terminal.keys("\x1b[B");
    terminal.keys("name=ann\r");
    // It is at work, and what it does is seen.
    terminal.wait_for("following");
    terminal.wait_for_row("sleep(600)");
    until("it is at work", || place.run(&["get", "waits"]).code == Some(0));
    terminal.wait_for("running");
    terminal.keys("X");
    terminal.wait_for("Stop run 1 of waits");
    terminal.keys("y");
    terminal.wait_for("stopped");
    terminal.wait_for_row("run finished");
    terminal.keys(ESC);
    terminal.wait_for("2 keys");
    // The same again, with other parameters offered.
    terminal.keys("R");
    terminal.wait_for("1 file was run");
    terminal.keys("\x0e");
    terminal.wait_for("name=ann");
    terminal.keys(ESC);
    terminal.wait_without("Start a workflow");
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys("/there/is/none.lua\r");
    terminal.wait_for("none.lua");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn the_step_that_failed_is_found_with_its_line() {
    let place = Place::new();
    let file = workflow(
        &place,
        "fails.lua",
        "task('first'):command(function()
            state.set('n', 'text')
            pcall(state.increment, 'n')
            return true
        end):build()
        task('second'):depends_on('first'):command(function()
            state.set('m', 1)
            error('no such thing')
        end):build()",
    );
    assert_eq!(place.run(&["run", &file]).code, Some(1));
    let mut terminal = open(&place, &[]);
    terminal.keys("7");
    terminal.wait_for_row("fails");
    terminal.keys("\r");
    terminal.wait_for("Run 1  fails failed");
    terminal.wait_for("f failure");
    terminal.keys("f");
    terminal.wait_for_row("state.increment");
    terminal.keys("f");
    terminal.wait_for_row("task finished: task \"second\"");
    terminal.wait_for("fails.lua:8");
    terminal.keys("f");
    terminal.wait_for_row("run finished");
    terminal.keys("f");
    terminal.wait_for("there is no later step that failed");
    terminal.keys("F");
    terminal.wait_for_row("task finished: task \"second\"");
    terminal.keys("F");
    terminal.wait_for_row("state.increment");
    quit_run(&mut terminal);
}

/// Leaves a run and the program.
fn quit_run(terminal: &mut Terminal) {
    terminal.keys(ESC);
    terminal.wait_for("WORKFLOW");
    quit(terminal);
}

#[test]
fn a_run_of_somebody_else_is_followed_and_read_only_starts_nothing() {
    let place = Place::new();
    let file = workflow(
        &place,
        "steps.lua",
        "task('wait'):command(function()
            state.set('waits', true)
            state.wait('go', function(value) return value ~= nil end, 60)
            log.info('gone on')
            return true
        end):build()",
    );
    let mut child =
        place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is at work", || place.run(&["get", "waits"]).code == Some(0));
    let mut terminal = open(&place, &["--read-only"]);
    terminal.wait_for("read only");
    terminal.keys("R");
    terminal.wait_for("opened for looking only");
    terminal.keys("7");
    terminal.wait_for_row("steps");
    terminal.keys("\r");
    terminal.wait_for_row("state.wait(\"go\"");
    place.done(&["set", "go", "1"]);
    terminal.wait_for_row("run finished");
    assert!(child.wait().unwrap().success());
    terminal.wait_for("done");
    quit_run(&mut terminal);
}

/// A movement of the user's is not undone by what the run does next.
#[test]
fn whoever_leaves_the_end_of_a_run_at_work_does_not_follow_it_any_more() {
    let place = Place::new();
    let source = "task('count'):command(function(params)
    log.info('for ' .. params.who)
    for number = 1, 100000 do state.set('n', number) sleep(0.02) if state.get('stop') then break end end
    return true
end):build()";
    let file = workflow(&place, "count.lua", source);
    place.done(&["set", "stop", "true"]);
    place.done(&["run", &file, "--param", "who=ann"]);
    place.done(&["del", "stop"]);
    let mut child = place
        .command(&["run", &file, "--param", "who=bob"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let count = || String::from_utf8_lossy(&place.run(&["get", "n"]).out).trim().parse::<u64>().unwrap_or(0);
    let goes_on = || {
        let now = count();
        until("it goes on", || count() > now + 10);
    };
    until("it is at work", || count() > 20);
    let mut terminal = open(&place, &[]);
    terminal.keys("7");
    terminal.wait_for_row("count");
    terminal.wait_until("the run at work under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     2 running")
    });
    terminal.keys("mj");
    terminal.wait_until("the run that is done under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     1 done")
    });
    // Enter in a comparison.
    terminal.keys("M");
    terminal.wait_for("the ways part at step 3");
    terminal.keys("\r");
    terminal.wait_for("step 3 ");
    terminal.wait_without("following ");
    goes_on();
    terminal.keys("j");
    terminal.wait_for("step 4 ");
    for (keys, step) in [("g", 1), ("\x1b[H", 1), ("s5\r", 5), ("T", 2)] {
        terminal.keys("G");
        terminal.wait_for("following");
        goes_on();
        terminal.keys(keys);
        terminal.wait_for(&format!("step {step} "));
        terminal.wait_for("G follows the run again");
        goes_on();
        terminal.keys("j");
        terminal.wait_for(&format!("step {} ", step + 1));
    }
    // Nothing was found: the cursor is still at the end.
    terminal.keys("G");
    terminal.wait_for("following");
    terminal.keys("/no such text\r");
    terminal.wait_for("there is no later step");
    terminal.wait_for("following");
    place.done(&["set", "stop", "true"]);
    terminal.wait_for_row("run finished");
    assert!(child.wait().unwrap().success());
    quit_run(&mut terminal);
}

/// A breakpoint stops, or it is said that it cannot.
#[test]
fn a_breakpoint_that_cannot_stop_says_so_and_a_failing_line_stops() {
    let place = Place::new();
    std::fs::create_dir(place.file("a-folder-whose-name-is-so-long-that-lua-has-no-room-for-the-path"))
        .unwrap();
    let name = "a-folder-whose-name-is-so-long-that-lua-has-no-room-for-the-path/fails.lua";
    let source = "-- a comment
task('first'):command(function()
    state.set('deploy/web', 1)
    state.set('deploy/api', 2)
    pcall(state.update, 'n', function()
        error('in the function')
    end)
    return true
end):build()
task('second'):depends_on('first'):command(function()
    local none = nil
    return none.field
end):build()
";
    let file = workflow(&place, name, source);
    assert_eq!(place.run(&["run", &file]).code, Some(1));
    let mut terminal = open(&place, &[]);
    terminal.keys("7");
    terminal.wait_for_row("fails");
    terminal.keys("\r");
    terminal.wait_for("Run 1  fails failed");
    for (typed, says) in [
        ("other.lua:3", "this run never stops at other.lua:3: the files of this run are "),
        ("99", "this run never stops at line 99: the last line is 13"),
        ("1", "no step of this run stops at line 1"),
        ("fails.lua:8", "no step of this run stops at fails.lua:8"),
        ("deploy/x*", "no step of this run stops at deploy/x*"),
        ("nokey", "no step of this run stops at nokey"),
        ("3", "r stops there, first at step 3"),
        ("the-path/fails.lua:4", "r stops there, first at step "),
        ("deploy/*", "r stops there, first at step 3"),
        ("?eploy/api", "r stops there, first at step "),
    ] {
        terminal.keys("D");
        terminal.keys(format!("B\x15{typed}\r"));
        terminal.wait_for(says);
        terminal.wait_for("● ");
    }
    // Where nothing stops at all, going on says so; it says another thing where something did before.
    terminal.keys("D");
    terminal.keys("Bnokey\r");
    terminal.wait_for("no step of this run stops at nokey");
    terminal.keys("j");
    terminal.wait_without("no step of this run");
    terminal.keys("r");
    terminal.wait_for("no step of this run stops at nokey");
    terminal.keys("B\x15deploy/web\r");
    terminal.wait_for("r stops there");
    terminal.keys("Gr");
    terminal.wait_for("there is no later step that stops");
    // The line that is shown is the one that is marked, and it stops.
    terminal.keys("g");
    for line in [6, 12] {
        terminal.keys("D");
        terminal.keys("f");
        terminal.wait_for(&format!("fails.lua:{line} "));
        terminal.keys("b");
        terminal.wait_for(&format!("● fails.lua:{line}"));
        terminal.wait_for(&format!("●{line:>2} "));
        let step = terminal.cursor_row();
        terminal.keys("g");
        terminal.wait_for("step 1 of");
        terminal.keys("r");
        terminal.wait_until("the step that failed", |screen| {
            crate::support::terminal::cursor_row(screen) == step
        });
    }
    quit_run(&mut terminal);
}

/// What the pane of a step says, as words between single spaces.
fn said(terminal: &Terminal) -> String {
    let pane = |line: &str| line.rsplit('│').next().unwrap_or_default().trim().to_string();
    let lines: Vec<String> = terminal.contents().lines().map(pane).collect();
    lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn wait_for_pane(terminal: &Terminal, text: &str) {
    until(&format!("the pane says {text}: {}", said(terminal)), || said(terminal).contains(text));
}

/// A function that raises an error ends its transaction without a commit, and that is a failure.
#[test]
fn a_transaction_that_is_rolled_back_is_a_failure_that_changed_nothing() {
    let place = Place::new();
    let file = workflow(
        &place,
        "back.lua",
        "task('t'):command(function()
    pcall(state.transaction, function()
        state.set('a', 1)
        error('not like this')
    end)
    state.transaction(function() state.set('b', 2) end)
    pcall(state.with_lock, 'l', function() state.set('c', 3) error('under the lock') end)
    state.delete('none')
    return true
end):build()",
    );
    place.done(&["run", &file]);
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("back");
    terminal.keys("\r");
    terminal.wait_for("step 1 of");
    terminal.keys("f");
    terminal.wait_for_row("→ error: ");
    wait_for_pane(&terminal, "call state.transaction(");
    wait_for_pane(&terminal, "changed nothing: the transaction was rolled back");
    terminal.keys("o");
    terminal.wait_for("this step changed nothing");
    terminal.keys("kk");
    terminal.wait_for_row("state.set(\"a\", 1)");
    wait_for_pane(&terminal, "changed rolled back at step 7, as a part of the transaction of step 3");
    terminal.keys("f");
    terminal.wait_for_row("→ error: ");
    terminal.keys("f");
    wait_for_pane(&terminal, "call state.with_lock(");
    wait_for_pane(&terminal, "changed l: unlock");
    terminal.keys("g/\"b\"\r");
    terminal.wait_for_row("state.set(\"b\", 2)");
    wait_for_pane(&terminal, "changed committed with the transaction of step 8 at step 12");
    terminal.keys("o");
    terminal.wait_for("committed with the transaction of step 8 at step 12");
    terminal.keys("c");
    terminal.wait_for_row("12 ");
    wait_for_pane(&terminal, "changed b: set ∅ → 2");
    terminal.keys("/none\r");
    terminal.wait_for_row("state.delete(\"none\")");
    wait_for_pane(&terminal, "changed nothing");
    quit_run(&mut terminal);
}

/// The changes of a run that was imported are elsewhere.
#[test]
fn an_imported_run_is_not_read_against_the_history_that_is_here() {
    let place = Place::new();
    let mut terminal = opened(&place);
    terminal.keys("q");
    terminal.wait_for_end();
    let exported = place.file("run");
    place.done(&["runs", "export", "1", exported.to_str().unwrap()]);
    let here = Place::new();
    for number in 1..20 {
        here.done(&["set", "built", &number.to_string()]);
        here.done(&["set", "flag", &number.to_string()]);
    }
    here.done(&["runs", "import", exported.to_str().unwrap()]);
    // The database that it ran on has the run itself, and takes the imported one for another.
    place.done(&["runs", "import", exported.to_str().unwrap()]);
    for (place, run) in [(&here, 1), (&place, 2)] {
        let mut terminal = Terminal::start(command(place, &[]), 120, 40);
        terminal.keys("7");
        terminal.wait_for_row("deploy");
        terminal.wait_for("origin");
        terminal.keys("\r");
        terminal.wait_for(&format!("Run {run} "));
        terminal.wait_for("imported");
        terminal.keys("/built\",\r");
        terminal.wait_for_row("state.set(\"built\", \"v1\")");
        wait_for_pane(
            &terminal,
            "changed the run was imported: its changes are in the history of the database it ran on",
        );
        wait_for_pane(&terminal, "before in the history of the database that the run ran on");
        for key in ["c", "C", "o"] {
            terminal.keys("j");
            terminal.keys("k");
            terminal.wait_for_row("state.set(\"built\", \"v1\")");
            terminal.keys(key);
            terminal.wait_for("! the run was imported: its changes are in the history of");
        }
        terminal.keys("w");
        terminal.wait_for("entry    built=");
        terminal.keys("\x15flag=off\r");
        terminal.wait_for("on what it read itself, since the state it began with is in the history of the");
        terminal.keys(ESC);
        terminal.wait_without("on what it read itself");
        quit_run(&mut terminal);
    }
}

/// Nothing is said of records that are not kept any more.
#[test]
fn a_recording_that_is_removed_while_it_is_open_says_so() {
    let place = Place::new();
    let file = workflow(
        &place,
        "long.lua",
        "task('t'):command(function()
    for number = 1, 500 do state.set('k', number) end
    error('at the end')
end):build()",
    );
    assert_eq!(place.run(&["run", &file]).code, Some(1));
    let mut terminal = open(&place, &[]);
    terminal.keys("7");
    terminal.wait_for_row("long");
    terminal.keys("\r");
    terminal.wait_for("Run 1  long failed");
    let other = workflow(
        &place,
        "other.lua",
        "task('t'):command(function() state.set('other', 1) return true end):build()",
    );
    place.done(&["retention", "--recordings", "1"]);
    place.done(&["run", &other]);
    until("the recording is removed", || {
        place.done(&["incr", "noise"]);
        place.run(&["runs", "show", "1"]).code == Some(1)
    });
    for key in ["c", "f", "n", "/at the end\r"] {
        terminal.keys(key);
        terminal.wait_for("from 1 on were removed from the recording");
        terminal.keys("j");
        terminal.wait_without("removed from the recording: ");
    }
    quit_run(&mut terminal);
}

/// Of a task that was cut off nobody knows how long it took.
#[test]
fn a_task_without_an_end_is_running_for_a_time_or_took_nobody_knows_how_long() {
    let place = Place::new();
    let source = "task('wait'):command(function() state.set('waits', true) sleep(600) end):build()";
    let file = workflow(&place, "waits.lua", source);
    let mut child =
        place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is at work", || place.run(&["get", "waits"]).code == Some(0));
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("waits");
    terminal.keys("\r");
    terminal.wait_for_row("sleep(600)");
    wait_for_pane(&terminal, "result none yet took running for ");
    terminal.wait_until("the task has run for seconds", |screen| {
        let line =
            screen.contents().lines().find(|line| line.contains("▸wait")).unwrap_or_default().to_string();
        let took = line.split(['┌', '│']).next().and_then(|task| task.split_whitespace().last());
        line.contains("running") && took.is_some_and(|took| took.ends_with('s') && !took.ends_with("µs"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    terminal.wait_for("killed");
    terminal.wait_until("it is not known how long it took", |screen| {
        let line =
            screen.contents().lines().find(|line| line.contains("▸wait")).unwrap_or_default().to_string();
        line.contains("cut off") && line.contains("unknown")
    });
    wait_for_pane(&terminal, "result none: the run was killed before that took unknown");
    terminal.keys("/waits\"\r");
    terminal.wait_for("there is no later step");
    terminal.wait_without(" 0µs");
    quit_run(&mut terminal);
}

/// Of runs that were killed it is compared what was recorded of them, and no more is said.
#[test]
fn runs_that_were_killed_are_the_same_only_as_far_as_they_are_recorded() {
    let place = Place::new();
    let source = "task('t'):command(function()
    state.set('waits', true)
    sleep(600)
    return true
end):build()";
    let file = workflow(&place, "killed.lua", source);
    for run in ["1", "2"] {
        let mut child =
            place.command(&["run", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("it sleeps", || {
            String::from_utf8_lossy(&place.run(&["runs", "show", run]).out).contains("sleep(600)")
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut terminal = Terminal::start(command(&place, &[]), 120, 40);
    terminal.keys("7");
    terminal.wait_for_row("killed");
    terminal.keys("m");
    terminal.wait_for("run 2 is marked");
    terminal.keys("j");
    terminal.wait_until("the older run under the cursor", |screen| {
        crate::support::terminal::cursor_row(screen).contains("     1 killed")
    });
    terminal.keys("M");
    terminal.wait_for("both take the same way as far as they are recorded");
    terminal.wait_for("the recording of run 1 ends there, before the run did");
    terminal.wait_for("the recording of run 2 ends there, before the run did");
    terminal.wait_without("from there on");
    terminal.keys("q");
    terminal.wait_without("Runs 2 and 1");
    quit_run(&mut terminal);
}

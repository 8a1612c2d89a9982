//! A lock guards the work: the commands of a run are stopped and ended with its leases, and with it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;

use crate::support::files::{self, Answer, Place, is_suspended, objects, skipped, until};
use crate::support::terminal::Terminal;

/// Leases in seconds: a machine that stands still for longer than one loses it, and is tried with more.
const LEASES: [u64; 3] = [3, 12, 60];

/// A shell command that writes its number to `pid` and a line to `work` again and again, until there is
/// a file `finish`.
const WORK: &str =
    "echo $$ > pid.new; mv pid.new pid; until [ -e finish ]; do echo first >> work; sleep 0.02; done";

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(arguments);
    command.current_dir(place.folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, as a shell gives it to a job.
    command.process_group(0).spawn().unwrap()
}

/// Starts a run of a task with that code.
fn start_run(place: &Place, code: &str) -> Child {
    std::fs::write(place.file("w.lua"), format!("task('t'):command(function()\n{code}\nend)")).unwrap();
    start(place, &["run", "w.lua"])
}

fn run(place: &Place, code: &str) -> Answer {
    finish(start_run(place, code))
}

fn finish(child: Child) -> Answer {
    Answer::of(child.wait_with_output().unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// The number that a command wrote to a file.
fn number(place: &Place, file: &str) -> u32 {
    let path = place.file(file);
    until("a command has written its number", || path.exists());
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Whether that process is there and not only waits to be reaped.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

#[track_caller]
fn until_gone(process: u32) {
    until("a process is gone", || !is_alive(process));
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Waits until the command has written more.
#[track_caller]
fn until_it_works(place: &Place) {
    let before = lines(&place.file("work"));
    until("the command works", || lines(&place.file("work")) > before);
}

/// The processes whose parent is `process`, with their states.
fn children(process: u32) -> Vec<(u32, String)> {
    let listed = Command::new("ps").args(["-e", "-o", "pid=,ppid=,stat=,comm="]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let rows = listed.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1] == process.to_string())
        .map(|row| (row[0].parse().unwrap(), row[2..].join(" ")))
        .collect()
}

/// The supervisor of the only command of a run.
fn supervisor(process: u32) -> u32 {
    let mut found = Vec::new();
    until("the supervisor runs", || {
        found = children(process).into_iter().filter(|(_, state)| state.ends_with("sloth-guard")).collect();
        !found.is_empty()
    });
    found[0].0
}

// A run that is suspended.

#[test]
fn the_command_of_a_suspended_run_ends_before_another_holds_the_lock() {
    let outlasted = LEASES.into_iter().any(|lease| {
        let place = Place::new();
        let first = start_run(
            &place,
            &format!("assert(state.try_lock('E', {lease}))\nexec.run([[{WORK}]])\nreturn true"),
        );
        let command = number(&place, "pid");
        signal(&first, Signal::SIGSTOP);
        let suspended = Instant::now();
        let second = start(
            &place,
            &["lock", "E", "--", "sh", "-c", "echo second >> work; sleep 0.5; echo second >> work"],
        );
        let mut stopped = None;
        until("the command is stopped, and ended", || {
            if stopped.is_none() && is_suspended(command) {
                stopped = Some(suspended.elapsed());
            }
            !is_alive(command)
        });
        let ended = suspended.elapsed();
        finish(second).done();
        let work = std::fs::read_to_string(place.file("work")).unwrap();
        let overlap = work.lines().skip_while(|line| *line == "first").any(|line| line == "first");
        assert!(!overlap, "{work}");

        signal(&first, Signal::SIGCONT);
        let answer = finish(first);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.err.contains("lock E was lost: its lease ran out"), "{answer:?}");
        // It was stopped a third of the lease after the run was, if the machine had time for it.
        let lease = Duration::from_secs(lease);
        stopped.is_some_and(|stopped| stopped < lease / 2) && ended < lease
    });
    assert!(outlasted, "the command was not stopped and ended in time, however long the lease");
}

#[test]
fn a_run_that_goes_on_in_time_loses_nothing() {
    let went_on = LEASES.into_iter().any(|lease| {
        let place = Place::new();
        let lease = lease * 3;
        let first = start_run(
            &place,
            &format!(
                "assert(state.try_lock('E', {lease}))\nassert(exec.run([[{WORK}]]))\nreturn state.unlock('E')"
            ),
        );
        let command = number(&place, "pid");
        until_it_works(&place);
        signal(&first, Signal::SIGSTOP);
        until("the command is stopped", || is_suspended(command) || !is_alive(command));
        signal(&first, Signal::SIGCONT);
        until("the command goes on", || !is_suspended(command));
        std::fs::write(place.file("finish"), "").unwrap();
        let answer = finish(first);
        // A machine that stood still lost the lock, and says so.
        assert_eq!(answer.code == Some(0), !answer.err.contains("was lost"), "{answer:?}");
        answer.code == Some(0)
    });
    assert!(went_on, "the lock was lost, however long the lease");
}

#[test]
fn a_command_without_a_lock_is_suspended_with_its_run_and_lives_as_long() {
    let place = Place::new();
    let run = start_run(&place, &format!("assert(exec.run([[{WORK}]]))"));
    let command = number(&place, "pid");
    until_it_works(&place);
    for _ in 0..2 {
        signal(&run, Signal::SIGSTOP);
        until("the command is stopped", || is_suspended(command));
        signal(&run, Signal::SIGCONT);
        until_it_works(&place);
    }
    std::fs::write(place.file("finish"), "").unwrap();
    finish(run).done();
}

#[test]
fn ctrl_z_and_fg_suspend_a_run_with_its_command() {
    let place = Place::new();
    std::fs::write(
        place.file("w.lua"),
        format!("task('t'):command(function() assert(exec.run([[{WORK}]])) end)"),
    )
    .unwrap();
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-i"]);
    shell.cwd(place.folder());
    shell.env("PS1", "ready> ");
    shell.env("HOME", place.folder());
    let mut terminal = Terminal::start(shell, 100, 30);
    terminal.wait_for("ready>");
    let program = env!("CARGO_BIN_EXE_slothstate");
    terminal.keys(format!("{program} --db state.db run w.lua; echo code $?\r"));
    let command = number(&place, "pid");
    until_it_works(&place);
    terminal.keys("\x1a");
    until("the command is stopped", || is_suspended(command));
    terminal.keys("\rfg\r");
    until_it_works(&place);
    std::fs::write(place.file("finish"), "").unwrap();
    terminal.wait_for("done  1 ok");
    until_gone(command);
    terminal.keys("exit\r");
    terminal.wait_for_end();
}

// A run that is killed.

/// Starts something that leaves its group and its session and loses its parent, then works.
const DAEMON: &str = "sh -c 'setsid sh -c \"trap : TERM; echo \\$\\$ > daemon.new; mv daemon.new daemon; \
    while :; do sleep 0.02; done\" > /dev/null 2>&1 3>&- &'";
/// The same, with a parent that goes on.
const CHILD: &str = "setsid sh -c 'echo $$ > child.new; mv child.new child; while :; do sleep 0.02; done' &";

#[test]
fn a_killed_run_takes_everything_with_it() {
    for (around, whole_group) in
        [("", false), ("", true), ("assert(state.try_lock('E', 3600))", false), ("state.lock('E')", true)]
    {
        let place = Place::new();
        let mut run =
            start_run(&place, &format!("{around}\nexec.run([[trap '' TERM\n{DAEMON}\n{CHILD}\n{WORK}]])"));
        let processes = ["pid", "daemon", "child"].map(|file| number(&place, file));
        let guard = supervisor(run.id());
        assert!(processes.iter().all(|process| is_alive(*process)));
        match whole_group {
            // As `timeout -s KILL` does.
            true => killpg(Pid::from_raw(run.id().cast_signed()), Signal::SIGKILL).unwrap(),
            false => run.kill().unwrap(),
        }
        for process in processes {
            until_gone(process);
        }
        until_gone(guard);
        run.wait().unwrap();
    }
}

#[test]
fn what_was_started_with_setsid_ends_only_if_its_command_is_ended() {
    let place = Place::new();
    // By itself: it stays.
    run(&place, &format!("assert(exec.run([[{DAEMON}\nuntil [ -e daemon ]; do sleep 0.01; done]]))")).done();
    let daemon = number(&place, "daemon");
    assert!(is_alive(daemon));
    kill(Pid::from_raw(daemon.cast_signed()), Signal::SIGKILL).unwrap();
    std::fs::remove_file(place.file("daemon")).unwrap();
    // By its time.
    let answer = run(
        &place,
        &format!(
            "return exec.run([[{DAEMON}\nuntil [ -e daemon ]; do sleep 0.01; done; sleep 1000]], {{ timeout = 5 }})"
        ),
    );
    assert_eq!(answer.code, Some(1));
    if place.file("daemon").exists() {
        until_gone(number(&place, "daemon"));
    }
}

#[test]
fn a_supervisor_that_is_killed_takes_its_command_along() {
    let place = Place::new();
    let run = start_run(&place, &format!("exec.run([[{WORK}]])"));
    let command = number(&place, "pid");
    let guard = supervisor(run.id());
    kill(Pid::from_raw(guard.cast_signed()), Signal::SIGKILL).unwrap();
    let answer = finish(run);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("the supervisor of the command was killed"), "{answer:?}");
    until_gone(command);
}

#[test]
fn a_run_without_proc_ends_its_commands_too() {
    let place = Place::new();
    let script =
        format!("task('t'):command(function() exec.run([[trap '' TERM\n{DAEMON}\n{CHILD}\n{WORK}]]) end)");
    std::fs::write(place.file("w.lua"), script).unwrap();
    let program = env!("CARGO_BIN_EXE_slothstate");
    // The first process stays, since its end would end all the others.
    let inside = format!("umount -l /proc && {{ {program} --db state.db run w.lua & wait $!; sleep 1000; }}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "sh", "-c", &inside]);
    command.current_dir(place.folder()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let Ok(mut outside) = command.process_group(0).spawn() else {
        return skipped("commands without /proc", "there is no unshare");
    };
    // Numbers inside are others than outside: what is found there is told apart by what it does.
    let is_ready = || ["pid", "daemon", "child"].iter().all(|file| place.file(file).exists());
    let mut ended = None;
    until("the command runs, or cannot", || {
        ended = outside.try_wait().unwrap();
        is_ready() || ended.is_some()
    });
    if ended.is_some() {
        return skipped("commands without /proc", "it takes the rights of root");
    }
    let of_place = |name: &str| {
        let listed = Command::new("ps").args(["-e", "-o", "pid=,args="]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let found: Vec<u32> = listed
            .lines()
            .filter(|line| line.contains(name))
            .map(|line| line.split_ascii_whitespace().next().unwrap().parse().unwrap())
            .filter(|process| {
                std::fs::read_link(format!("/proc/{process}/cwd"))
                    .is_ok_and(|folder| folder == place.folder())
            })
            .collect();
        found
    };
    let run = of_place(&format!("{program} --db"));
    let run = run.into_iter().find(|process| {
        std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|exe| exe == Path::new(program))
    });
    kill(Pid::from_raw(run.expect("the run").cast_signed()), Signal::SIGKILL).unwrap();
    until("all of the command is gone", || of_place("sleep 0.02").is_empty() && of_place("trap").is_empty());
    let _ = killpg(Pid::from_raw(outside.id().cast_signed()), Signal::SIGKILL);
    outside.wait().unwrap();
}

// A lock that is lost.

#[test]
fn a_run_whose_lock_is_cleared_fails_and_says_so() {
    let program = env!("CARGO_BIN_EXE_slothstate");
    let unlock = format!("{program} --db DATABASE unlock E --force");
    // What a task does, and what is said of it beside the loss.
    let cases = [
        (
            "a command",
            format!("state.with_lock('E', function() exec.run([[{WORK}]]) end)"),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        (
            "a sleep",
            "state.with_lock('E', function() exec.run('echo 1 > pid.new; mv pid.new pid'); sleep(3600) end)".into(),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        (
            "a loop",
            "state.with_lock('E', function() exec.run('echo 1 > pid.new; mv pid.new pid'); while true do end end)".into(),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        (
            "a wait",
            "state.with_lock('E', function() exec.run('echo 1 > pid.new; mv pid.new pid'); state.wait('never', 1, 3600) end)"
                .into(),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        (
            "what catches it inside",
            format!("state.with_lock('E', function() while true do pcall(exec.run, [[{WORK}]]) end end)"),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        (
            "what catches it outside",
            format!("pcall(state.with_lock, 'E', function() exec.run([[{WORK}]]) end) return true"),
            "FAILED    t",
        ),
        (
            "one inside another",
            format!(
                "state.with_lock('E', function() state.with_lock('inner', function() exec.run([[{WORK}]]) end) end)"
            ),
            "state.with_lock(\"E\"): the lock was lost",
        ),
        ("a lock by hand", format!("state.lock('E'); exec.run([[{WORK}]])"), "FAILED    t"),
        (
            "a lock by hand and a loop",
            "state.lock('E'); exec.run('echo 1 > pid.new; mv pid.new pid'); while true do end".into(),
            "FAILED    t",
        ),
        // These have done all of their work before they can notice.
        (
            "the last command",
            format!("state.with_lock('E', function() exec.run('echo 1 > pid.new; mv pid.new pid; {unlock}') end) return true"),
            "FAILED    t",
        ),
        (
            "the last command by hand",
            format!("state.lock('E'); exec.run('echo 1 > pid.new; mv pid.new pid; {unlock}') return true"),
            "lock E was lost",
        ),
        (
            "a release",
            format!("state.lock('E'); exec.run('echo 1 > pid.new; mv pid.new pid; {unlock}') return not state.unlock('E')"),
            "FAILED    t",
        ),
    ];
    for (what, code, words) in cases {
        let place = Place::new();
        let run = start_run(&place, &code.replace("DATABASE", place.db().to_str().unwrap()));
        number(&place, "pid");
        // Some do it themselves.
        place.run(&["unlock", "E", "--force"]);
        let answer = finish(run);
        assert_eq!(answer.code, Some(1), "{what}: {answer:?}");
        let err = &answer.err;
        assert!(err.contains(words), "{what}: {err}");
        assert!(err.contains("lock E was lost: ") && err.contains(" cleared it"), "{what}: {err}");
        let last = err.lines().last().unwrap();
        assert!(
            last.starts_with("slothstate: w.lua: ") && last.contains("lock E was lost"),
            "{what}: {last}"
        );
        assert!(err.contains("\nfailed  "), "{what}: {err}");
        // The command has ended.
        let command = number(&place, "pid");
        assert!(command == 1 || !is_alive(command), "{what}");
        // What was recorded is the same once more.
        let shown = place.done(&["runs", "show", "1"]);
        assert!(shown.contains("lock E was lost: "), "{what}: {shown}");
        let replayed = place.run(&["replay", "1"]);
        assert_eq!(replayed.code, Some(0), "{what}: {replayed:?}\n{shown}");
        assert_eq!(place.json(&["runs", "--json"])["status"], "failed", "{what}");
        assert!(place.done(&["locks", "--json"]).is_empty(), "{what}");
    }
}

#[test]
fn who_has_the_lock_now_is_named() {
    let place = Place::new();
    let run = start_run(&place, &format!("state.with_lock('E', function() exec.run([[{WORK}]]) end)"));
    number(&place, "pid");
    // Both in one transaction: nobody can look in between.
    let connection = place.connection();
    connection
        .execute_batch(
            "BEGIN IMMEDIATE; DELETE FROM locks;
             INSERT INTO locks (name, holder, acquired_at, expires_at)
             VALUES ('E', 'mallory', datetime('now'), datetime('now', '+1 hour')); COMMIT",
        )
        .unwrap();
    let answer = finish(run);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let expected = "lock E was lost: another program removed it, and mallory holds it now";
    assert!(answer.err.contains(expected), "{answer:?}");
}

#[test]
fn a_retry_takes_the_lock_anew() {
    let place = Place::new();
    let (program, db) = (env!("CARGO_BIN_EXE_slothstate"), place.db());
    let db = db.display();
    let code = format!(
        "task('t'):retries(1, 'fixed', 0.01):command(function()
           state.with_lock('E', function()
             if state.increment('tries') == 1 then exec.run('{program} --db {db} unlock E --force; sleep 1000') end
           end)
         end)"
    );
    std::fs::write(place.file("w.lua"), code).unwrap();
    let answer = finish(start(&place, &["run", "w.lua", "--json"]));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let events = objects(&String::from_utf8(answer.out).unwrap());
    let end = events.last().unwrap();
    assert_eq!((&end["outcome"], &end["ok"]), (&"done".into(), &1.into()));
    assert_eq!(end["lost_locks"][0]["lock"], "E", "{end}");
    let failed = events.iter().find(|event| event["event"] == "attempt_failed").unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("the lock was lost"), "{failed}");
    assert_eq!(place.run(&["replay", "1"]).code, Some(0));
}

#[test]
fn a_lock_of_the_whole_run_ends_the_run() {
    let place = Place::new();
    let (program, db) = (env!("CARGO_BIN_EXE_slothstate"), place.db());
    let db = db.display();
    let code = format!(
        "task('a'):command(function() state.lock('E') end)
         task('b'):retries(3, 'fixed', 0.01):command(function()
           state.increment('tries')
           exec.run('{program} --db {db} unlock E --force; sleep 1000')
         end)
         task('c'):command(function() state.set('c', true) end)"
    );
    std::fs::write(place.file("w.lua"), code).unwrap();
    let answer = finish(start(&place, &["run", "w.lua"]));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("ok        a") && answer.err.contains("FAILED    b"), "{answer:?}");
    assert!(answer.err.contains("STOPPED   c  lock E was lost"), "{answer:?}");
    assert_eq!(place.done(&["get", "tries"]), "1\n");
    place.run(&["get", "c"]).refused(1, "there is no key c");
    assert_eq!(place.run(&["replay", "1"]).code, Some(0));
}

#[test]
fn a_lock_that_is_lost_after_the_last_task_fails_the_run() {
    let place = Place::new();
    let (program, db) = (env!("CARGO_BIN_EXE_slothstate"), place.db());
    let db = db.display();
    let code = format!(
        "task('a'):on_success(function() exec.run('{program} --db {db} unlock E --force') end)
           :command(function() state.lock('E') end)"
    );
    std::fs::write(place.file("w.lua"), code).unwrap();
    let answer = finish(start(&place, &["run", "w.lua"]));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("failed  1 ok"), "{answer:?}");
    assert!(answer.err.contains("slothstate: w.lua: lock E was lost: "), "{answer:?}");
    assert_eq!(place.run(&["replay", "1"]).code, Some(0));
}

#[test]
fn a_lease_that_cannot_be_renewed_ends_the_command_in_time() {
    let ended_in_time = LEASES.into_iter().any(|lease| {
        let place = Place::new();
        place.done(&["set", "k", "v"]);
        let code = format!("assert(state.try_lock('E', {lease}))\nexec.run([[trap '' TERM; {WORK}]])");
        std::fs::write(place.file("w.lua"), format!("task('t'):command(function()\n{code}\nend)")).unwrap();
        let run = start(&place, &["run", "w.lua", "--busy-timeout", "10m"]);
        let command = number(&place, "pid");
        // Nobody can write from here on.
        let connection = place.connection();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let blocked = Instant::now();
        until_gone(command);
        let took = blocked.elapsed();
        connection.execute_batch("COMMIT").unwrap();
        let answer = finish(run);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.err.contains("lock E was lost: its lease "), "{answer:?}");
        took < Duration::from_secs(lease)
    });
    assert!(ended_in_time, "the command outlived its lease, however long that was");
}

// What is left behind.

#[test]
fn neither_zombies_nor_supervisors_nor_open_files_are_left() {
    let place = Place::new();
    let code = "for _ = 1, 20 do exec.run('sleep 0 & true'); exec.run('exit 3') end
        exec.run([[setsid sleep 0.1 &]])
        exec.run('echo $$ > pid.new; mv pid.new pid; until [ -e finish ]; do sleep 0.02; done')
        exec.run('rm finish')
        state.set('ready', true)
        until_finish = state.wait('finish', true, 3600)";
    let run = start_run(&place, code);
    number(&place, "pid");
    let guard = supervisor(run.id());
    assert_eq!(children(run.id()).len(), 1, "only the supervisor of the present command");
    let open: Vec<String> = std::fs::read_dir(format!("/proc/{guard}/fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    let fits = |file: &String| file == "/dev/null" || file.starts_with("socket:");
    assert!(open.iter().all(fits), "{open:?}");
    std::fs::write(place.file("finish"), "").unwrap();
    until("the commands are done", || place.run(&["get", "ready"]).code == Some(0));
    assert_eq!(children(run.id()), []);
    place.done(&["set", "finish", "true"]);
    finish(run).done();
}

#[test]
fn a_run_in_a_pipeline_ends_it() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_slothstate");
    std::fs::write(
        place.file("w.lua"),
        format!("task('t'):command(function() assert(exec.run([[{DAEMON}\nuntil [ -e daemon ]; do sleep 0.01; done]])) end)"),
    )
    .unwrap();
    // A third file that the caller has open, too.
    let line = format!("{{ {program} --db state.db run w.lua 2>&1; }} 3>&1 | cat");
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(place.folder()).stdin(Stdio::null());
    let answer = files::answer(command);
    assert!(String::from_utf8_lossy(&answer.out).contains("done  1 ok"), "{answer:?}");
    let daemon = number(&place, "daemon");
    kill(Pid::from_raw(daemon.cast_signed()), Signal::SIGKILL).unwrap();
}

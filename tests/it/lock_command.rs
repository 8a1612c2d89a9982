//! `slothstate lock`: its exit codes, what its command finds, and when that ends.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;

use crate::support::files::{
    self, Answer, OF_THE_CALLER, Place, answer, answer_to, is_suspended, objects, until,
};
use crate::support::terminal::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_slothstate");

/// A shell command that writes its number to `pid`, and a line to `work` again and again.
const WORK: &str = "echo $$ > pid.new; mv pid.new pid; while :; do echo first >> work; sleep 0.02; done";

fn start(place: &Place, arguments: &[&str]) -> Child {
    // Tests that are run in the background may ignore signals, which would be inherited.
    let program = place.command(arguments);
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,QUIT,TERM").arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command.current_dir(place.folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).spawn().unwrap()
}

/// Runs a shell command under the lock `l`.
fn locked(place: &Place, script: &str) -> Answer {
    let mut command = place.command(&["lock", "l", "--", "sh", "-c", script]);
    command.current_dir(place.folder());
    answer(command)
}

fn finish(child: Child) -> Answer {
    Answer::of(child.wait_with_output().unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

fn number(place: &Place, file: &str) -> u32 {
    let path = place.file(file);
    until("a command has written its number", || path.exists());
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// How much the command has written.
fn written(place: &Place) -> u64 {
    std::fs::metadata(place.file("work")).map_or(0, |found| found.len())
}

#[track_caller]
fn until_gone(process: u32) {
    until("a process is gone", || !is_alive(process));
}

fn locks(place: &Place) -> Vec<serde_json::Value> {
    objects(&place.done(&["locks", "--json"]))
}

#[track_caller]
fn until_held(place: &Place) {
    until("the lock is held", || place.has_db() && !locks(place).is_empty());
}

// Its command and its exit code.

#[test]
fn the_exit_code_is_that_of_the_command_and_the_lock_is_released() {
    let place = Place::new();
    let script = place.file("script");
    std::fs::write(&script, "exit 0").unwrap();
    let script = script.display().to_string();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["true"], 0, ""),
        (&["--", "sh", "-c", "exit 7"], 7, ""),
        (&["sh", "-c", "exit 255"], 255, ""),
        (&["--", "sh", "-c", "kill -9 $$"], 137, ""),
        (&["--", "sh", "-c", "kill -TERM $$"], 143, ""),
        (&["--", "no-such-command"], 127, "no-such-command: command not found"),
        (&["--", "/no/such/command"], 127, "command not found"),
        (&["--", "/"], 126, "/ cannot be executed: Permission denied"),
        (&["--", &script], 126, "cannot be executed: Permission denied"),
    ];
    for (command, code, words) in cases {
        let answer = place.run(&[&["lock", "l"], command].concat());
        assert_eq!(answer.code, Some(code), "{command:?}: {answer:?}");
        assert!(answer.err.contains(words), "{command:?}: {answer:?}");
        assert!(locks(&place).is_empty(), "{command:?}");
    }
    // A signal that has no name.
    let answer = locked(&place, "kill -s RTMIN $$ 2>/dev/null || kill -34 $$");
    assert_eq!(answer.code, Some(128 + 34), "{answer:?}");
}

#[test]
fn options_stand_before_the_command_and_not_in_it() {
    let place = Place::new();
    let answer =
        place.run(&["lock", "l", "--ttl", "5s", "--wait", "1s", "echo", "--wait", "-x", "--", "--ttl"]);
    assert_eq!(answer.done(), "--wait -x -- --ttl\n");
    for (arguments, words) in [
        (&["lock"][..], "<NAME>"),
        (&["lock", "l"], "<COMMAND>"),
        (&["lock", "l", "--"], "<COMMAND>"),
        (&["lock", "", "true"], "the name of a lock cannot be empty"),
        (&["lock", "l", "--ttl", "0", "true"], "a lease lasts 100ms or longer"),
        (&["lock", "l", "--wait", "soon", "true"], "soon"),
        (&["lock", "l", "--conflict-exit-code", "256", "true"], "256"),
    ] {
        place.run(arguments).refused(2, words);
    }
    place.run(&["--read-only", "lock", "l", "touch", "made"]).refused(3, "");
}

#[test]
fn streams_and_files_pass_through() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..30_000_u32).map(|number| (number % 251) as u8).collect();
    let answer = answer_to(place.command(&["lock", "l", "--", "sh", "-c", "tee /dev/stderr"]), &bytes);
    assert_eq!((answer.code, &answer.out), (Some(0), &bytes));
    assert!(answer.err.len() >= bytes.len());
    // A file that the caller opened.
    let line = format!("{PROGRAM} --db state.db lock l -- sh -c 'echo three >&3' 3>third");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(place.folder());
    files::answer(shell).done();
    assert_eq!(std::fs::read_to_string(place.file("third")).unwrap(), "three\n");
    // In a pipeline, whoever ends first.
    let line = format!("yes | {PROGRAM} --db state.db lock l -- cat | head -n 1; echo done");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(place.folder()).stdin(Stdio::null());
    assert_eq!(files::answer(shell).done(), "y\ndone\n");
}

// The lock and its token in the environment.

#[test]
fn the_command_finds_the_lock_its_token_and_the_database() {
    let place = Place::new();
    // By a name that means something else elsewhere.
    let mut command = files::slothstate(place.folder());
    command.current_dir(place.folder()).args(["--db", "./state.db", "lock", "a b", "--", "sh", "-c"]);
    command.arg(format!(
        "cd /; echo \"$SLOTHSTATE_LOCK,$SLOTHSTATE_TOKEN,$SLOTHSTATE_DB\"; {PROGRAM} locks --json"
    ));
    let out = answer(command).done();
    let (first, rest) = out.split_once('\n').unwrap();
    let held = &objects(rest)[0];
    let file = place.db().canonicalize().unwrap();
    assert_eq!(first, format!("a b,{},{}", held["token"], file.display()));
    assert_eq!((&held["name"], &held["state"]), (&"a b".into(), &"alive".into()));
}

#[test]
fn writes_inside_are_refused_once_the_lock_is_lost() {
    let place = Place::new();
    for (key, value) in [("n", "1"), ("flag", "true"), ("gone", "x"), ("short", "x")] {
        place.done(&["set", key, value]);
    }
    let writes = ["set n 2", "incr n", "del gone", "toggle flag", "ttl short 1h"];
    let tries: String =
        writes.iter().map(|write| format!("{PROGRAM} {write}; echo \"{write}: $?\"\n")).collect();
    let before = place.done(&["keys", "--json"]);
    // The lock is lost, and so the command is told to end, which it does not.
    let answer = locked(&place, &format!("trap '' TERM\n{PROGRAM} unlock l --force >/dev/null\n{tries}"));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let out = String::from_utf8(answer.out).unwrap();
    let refused: Vec<String> = out.lines().map(String::from).collect();
    assert!(!refused.is_empty() && refused.iter().all(|line| line.ends_with(": 1")), "{out}");
    assert!(answer.err.contains("lock l is not held under token"), "{}", answer.err);
    assert_eq!(place.done(&["keys", "--json"]), before);
    // All of them, where nobody ends the command: outside of it.
    let of_lost = |write: &str| {
        let mut command = place.command(&write.split(' ').collect::<Vec<_>>());
        command.env("SLOTHSTATE_LOCK", "l").env("SLOTHSTATE_TOKEN", "1");
        files::answer(command)
    };
    for write in writes {
        of_lost(write).refused(1, "lock l is not held under token 1");
    }
    assert_eq!(place.done(&["keys", "--json"]), before);
    // And while it is held.
    let answer = locked(&place, &tries);
    let out = String::from_utf8(answer.out).unwrap();
    assert!(writes.iter().all(|write| out.contains(&format!("{write}: 0\n"))), "{out}{}", answer.err);
}

#[test]
fn options_win_over_the_environment_and_another_database_is_told_apart() {
    let place = Place::new();
    place.done(&["set", "k", "0"]);
    // Another lock by its options.
    let answer = locked(
        &place,
        &format!(
            "{PROGRAM} set k 1 --lock other --token 5; echo $?
             {PROGRAM} --db other.db set k 1; echo $?
             {PROGRAM} --db state.db set k 2; echo $?
             ln -s state.db link.db; {PROGRAM} --db link.db set k 3; echo $?
             env -u SLOTHSTATE_TOKEN {PROGRAM} set k 4; echo $?
             SLOTHSTATE_TOKEN=x {PROGRAM} set k 5; echo $?
             {PROGRAM} get k; {PROGRAM} --db other.db get k"
        ),
    );
    assert_eq!(String::from_utf8_lossy(&answer.out), "1\n0\n0\n0\n2\n2\n3\n1\n", "{answer:?}");
    let err = &answer.err;
    assert!(err.contains("lock other is not held under token 5"), "{err}");
    let file = place.db().canonicalize().unwrap();
    let note =
        format!("lock l is held in {}, so it does not guard what is written to other.db", file.display());
    assert_eq!(err.matches(&note).count(), 1, "{err}");
    assert!(err.contains("$SLOTHSTATE_TOKEN is not") && err.contains("not a number: x"), "{err}");
}

#[test]
fn a_lock_inside_itself_is_refused_and_not_waited_for() {
    let place = Place::new();
    let answer = locked(
        &place,
        &format!("{PROGRAM} lock l --conflict-exit-code 9 true; echo $?; {PROGRAM} lock m true; echo $?"),
    );
    assert_eq!(String::from_utf8_lossy(&answer.out), "9\n0\n", "{answer:?}");
    assert!(answer.err.contains("lock l is held already by the slothstate lock that runs this command"));
}

// Waiting.

#[test]
fn a_lock_that_is_held_is_waited_for_in_turn() {
    let place = Place::new();
    let first = start(
        &place,
        &["lock", "l", "--", "sh", "-c", "until [ -e finish ]; do sleep 0.02; done; echo 1 >> order"],
    );
    until_held(&place);
    // Not at all, for a while, and with a code of one's own.
    place.run(&["lock", "l", "--wait", "0", "touch", "made"]).refused(1, "lock l was not free: ");
    place
        .run(&["lock", "l", "--wait", "200ms", "--conflict-exit-code", "75", "touch", "made"])
        .refused(75, "lock l was not free within 200ms: ");
    assert!(!place.file("made").exists());
    // As long as it takes, first come, first served.
    let second = start(&place, &["lock", "l", "--", "sh", "-c", "echo 2 >> order"]);
    until("the second one waits", || locks(&place)[0]["waiting"].as_array().unwrap().len() == 1);
    let third = start(&place, &["lock", "l", "--wait", "1h", "--", "sh", "-c", "echo 3 >> order"]);
    until("the third one waits", || locks(&place)[0]["waiting"].as_array().unwrap().len() == 2);
    let holder = locks(&place)[0]["holder"].as_str().unwrap().to_string();
    std::fs::write(place.file("finish"), "").unwrap();
    finish(first).done();
    let second = finish(second);
    assert!(
        second.err.contains(&format!("waiting for lock l: {holder} (alive) has held it for ")),
        "{second:?}"
    );
    second.done();
    finish(third).done();
    assert_eq!(std::fs::read_to_string(place.file("order")).unwrap(), "1\n2\n3\n");
}

#[test]
fn a_signal_ends_a_wait() {
    let place = Place::new();
    let mut first = start(&place, &["lock", "l", "--", "sleep", "1000"]);
    until_held(&place);
    let second = start(&place, &["lock", "l", "touch", "made"]);
    until("the second one waits", || locks(&place)[0]["waiting"].as_array().unwrap().len() == 1);
    signal(&second, Signal::SIGTERM);
    assert_eq!(finish(second).code, Some(143));
    assert_eq!(locks(&place)[0]["waiting"], serde_json::json!([]));
    assert!(!place.file("made").exists());
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_waiter_is_told_when_the_holder_dies() {
    let place = Place::new();
    let mut first = start(&place, &["lock", "l", "--", "sleep", "1000"]);
    until_held(&place);
    let mut second = start(&place, &["lock", "l", "--", "true"]);
    let mut told = BufReader::new(second.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut next = || told.next().unwrap_or_default();
    assert!(next().contains("(alive) has held it for"));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(next().contains("(dead) has held it for"));
    place.done(&["unlock", "l"]);
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

// How a command is ended.

#[test]
fn signals_end_the_command_and_release_the_lock() {
    for (sent, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        // A program, for a shell in the background ignores some.
        let place = Place::new();
        let run = start(&place, &["lock", "l", "--", "sleep", "1000"]);
        until_held(&place);
        // It may be passed on before the command runs, or after.
        signal(&run, sent);
        let answer = finish(run);
        assert_eq!(answer.code, Some(code), "{sent}: {answer:?}");
        assert!(locks(&place).is_empty(), "{sent}");
    }
    // One that takes leave by itself.
    let place = Place::new();
    let run =
        start(&place, &["lock", "l", "--", "sh", "-c", &format!("trap 'echo bye; exit 3' TERM; {WORK}")]);
    let command = number(&place, "pid");
    signal(&run, Signal::SIGTERM);
    let answer = finish(run);
    assert_eq!((answer.code, &answer.out[..]), (Some(3), &b"bye\n"[..]), "{answer:?}");
    assert!(!is_alive(command) && locks(&place).is_empty());
    // One that does not.
    let place = Place::new();
    let run = start(&place, &["lock", "l", "--", "sh", "-c", &format!("trap '' TERM INT HUP; {WORK}")]);
    let command = number(&place, "pid");
    signal(&run, Signal::SIGTERM);
    assert_eq!(finish(run).code, Some(137));
    assert!(!is_alive(command) && locks(&place).is_empty());
}

#[test]
fn other_signals_are_passed_on() {
    let place = Place::new();
    let run = start(&place, &["lock", "l", "--", "sh", "-c", &format!("trap 'exit 5' USR1; {WORK}")]);
    number(&place, "pid");
    signal(&run, Signal::SIGUSR1);
    assert_eq!(finish(run).code, Some(5));
}

#[test]
fn what_the_caller_ignores_stays_ignored() {
    let place = Place::new();
    let line =
        format!("trap '' HUP; exec {PROGRAM} --db state.db lock l -- sh -c \"{}\"", WORK.replace('$', "\\$"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(place.folder()).process_group(0);
    let run = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let command = number(&place, "pid");
    killpg(Pid::from_raw(run.id().cast_signed()), Signal::SIGHUP).unwrap();
    let before = written(&place);
    until("it works on", || written(&place) > before);
    assert!(is_alive(command));
    signal(&run, Signal::SIGTERM);
    assert_eq!(finish(run).code, Some(143));
}

#[test]
fn a_lost_lock_ends_the_command_whatever_it_does() {
    for trap in ["", "trap '' TERM;"] {
        let place = Place::new();
        let daemon = "sh -c 'setsid sh -c \"trap : TERM; echo \\$\\$ > daemon.new; mv daemon.new daemon; \
            while :; do sleep 0.02; done\" &'";
        let run = start(&place, &["lock", "l", "--", "sh", "-c", &format!("{trap} {daemon}; {WORK}")]);
        let processes = ["pid", "daemon"].map(|file| number(&place, file));
        let token = locks(&place)[0]["token"].clone();
        place.done(&["unlock", "l", "--force"]);
        let answer = finish(run);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(
            answer.err.contains("lock l was lost: ")
                && answer.err.contains(" cleared it; the command was ended")
        );
        for process in processes {
            assert!(!is_alive(process), "{trap} {token}");
        }
    }
    // One that had ended when it was noticed.
    let place = Place::new();
    let answer = locked(&place, &format!("trap '' TERM; {PROGRAM} unlock l --force"));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("lock l was lost: "), "{answer:?}");
}

#[test]
fn a_killed_program_takes_its_command_along() {
    for whole_group in [false, true] {
        let place = Place::new();
        let child = "setsid sh -c 'echo $$ > child.new; mv child.new child; trap \"\" TERM; while :; do sleep 0.02; done' &";
        let mut run =
            start(&place, &["lock", "l", "--", "sh", "-c", &format!("trap '' TERM; {child} {WORK}")]);
        let processes = ["pid", "child"].map(|file| number(&place, file));
        match whole_group {
            true => killpg(Pid::from_raw(run.id().cast_signed()), Signal::SIGKILL).unwrap(),
            false => run.kill().unwrap(),
        }
        assert_eq!(run.wait().unwrap().signal(), Some(9));
        processes.into_iter().for_each(until_gone);
        // The lock is that of a dead process, until it is cleared or its lease ends.
        assert_eq!(locks(&place)[0]["state"], "dead");
        place.done(&["unlock", "l"]);
    }
}

#[test]
fn a_suspended_program_has_its_command_ended_before_another_holds_the_lock() {
    let in_time = [3, 12, 60].into_iter().any(|lease: u64| {
        let place = Place::new();
        let ttl = format!("{lease}s");
        let first = start(&place, &["lock", "l", "--ttl", &ttl, "--", "sh", "-c", WORK]);
        let command = number(&place, "pid");
        signal(&first, Signal::SIGSTOP);
        let suspended = Instant::now();
        let second = start(
            &place,
            &["lock", "l", "--", "sh", "-c", "echo second >> work; sleep 0.5; echo second >> work"],
        );
        let mut was_stopped = false;
        until("the command has ended", || {
            was_stopped |= is_suspended(command);
            !is_alive(command)
        });
        let ended = suspended.elapsed();
        finish(second).done();
        let work = std::fs::read_to_string(place.file("work")).unwrap();
        assert!(!work.lines().skip_while(|line| *line == "first").any(|line| line == "first"), "{work}");
        signal(&first, Signal::SIGCONT);
        let answer = finish(first);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.err.contains("lock l was lost: its lease ran out"), "{answer:?}");
        was_stopped && ended < Duration::from_secs(lease)
    });
    assert!(in_time, "the command was not stopped and ended in time, however long the lease");
}

#[test]
fn what_the_command_leaves_ends_with_it_unless_it_left_the_session() {
    let place = Place::new();
    let answer = locked(
        &place,
        "sh -c 'echo $$ > left.new; mv left.new left; exec sleep 1000' > /dev/null 2>&1 &
         setsid sh -c 'echo $$ > daemon.new; mv daemon.new daemon; exec sleep 1000' > /dev/null 2>&1 &
         until [ -e left ] && [ -e daemon ]; do sleep 0.01; done; exit 4",
    );
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.err.contains("the command left processes running"), "{answer:?}");
    until_gone(number(&place, "left"));
    let daemon = number(&place, "daemon");
    assert!(is_alive(daemon));
    kill(Pid::from_raw(daemon.cast_signed()), Signal::SIGKILL).unwrap();
}

// On a terminal.

fn shell(place: &Place) -> Terminal {
    let mut shell = CommandBuilder::new("env");
    shell.args(["--default-signal=HUP,INT,QUIT,TERM", "sh", "-i"]);
    shell.cwd(place.folder());
    for name in OF_THE_CALLER {
        shell.env_remove(name);
    }
    shell.env("PS1", "ready> ");
    shell.env("HOME", place.folder());
    shell.env("SLOTHSTATE_DB", place.db());
    let terminal = Terminal::start(shell, 100, 30);
    terminal.wait_for("ready>");
    terminal
}

#[test]
fn an_interactive_command_has_the_terminal() {
    let place = Place::new();
    let mut terminal = shell(&place);
    terminal.keys(format!("{PROGRAM} lock l -- sh -c 'read line; echo got $line; exit 6'; echo code $?\r"));
    until_held(&place);
    terminal.keys("words\r");
    terminal.wait_for("got words");
    terminal.wait_for("code 6");
    // Ctrl-C reaches the command, which is free to go on.
    std::fs::write(place.file("loop.sh"), "trap 'echo not yet' INT; echo up; read line; echo end $line")
        .unwrap();
    terminal.keys(format!("{PROGRAM} lock l -- sh loop.sh; echo again $?\r"));
    terminal.wait_until("up", |screen| screen.rows(0, u16::MAX).any(|row| row.trim_end().ends_with("up")));
    terminal.keys("\x03");
    terminal.wait_for("not yet");
    terminal.keys("\r");
    terminal.wait_for("again 0");
    terminal.keys(format!("{PROGRAM} lock l -- sleep 1000; echo last $?\r"));
    until_held(&place);
    terminal.keys("\x03");
    terminal.wait_for("last 130");
    assert!(locks(&place).is_empty());
    terminal.keys("exit\r");
    terminal.wait_for_end();
}

#[test]
fn ctrl_z_and_fg_suspend_the_command_too() {
    let place = Place::new();
    let mut terminal = shell(&place);
    terminal.keys(format!(
        "{PROGRAM} lock l --ttl 1h -- sh -c '{}'; echo code $?\r",
        WORK.replace("while :", "until [ -e finish ]")
    ));
    let command = number(&place, "pid");
    terminal.keys("\x1a");
    until("the command is stopped", || is_suspended(command));
    terminal.keys("\rfg\r");
    until("the command goes on", || !is_suspended(command));
    let before = written(&place);
    until("it works on", || written(&place) > before);
    std::fs::write(place.file("finish"), "").unwrap();
    until_gone(command);
    until("the lock is released", || locks(&place).is_empty());
    terminal.keys("exit\r");
    terminal.wait_for_end();
}

#[test]
fn the_terminal_is_usable_after_a_command_that_was_ended() {
    let place = Place::new();
    let mut terminal = shell(&place);
    let before = terminal.modes();
    terminal.keys(format!("{PROGRAM} lock l -- sh -c 'stty raw -echo; echo up; sleep 1000'; echo code $?\r"));
    terminal.wait_for("up");
    until("the modes are others", || terminal.modes() != before);
    place.done(&["unlock", "l", "--force"]);
    terminal.wait_for("code 1");
    until("the modes are those of the shell", || terminal.modes() == before);
    terminal.keys("exit\r");
    terminal.wait_for_end();
}

#[test]
fn a_ctrl_c_between_the_lock_and_the_start_of_the_command_is_not_lost() {
    let place = Place::new();
    let store = place.store();
    for round in 0..if std::env::var_os("SLOTHSTATE_TEST_FULL").is_some() { 200 } else { 12 } {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
        command.arg("--db");
        command.arg(place.db());
        command.args(["lock", "L", "--", "sleep", "1000"]);
        command.env("HOME", place.folder());
        let mut terminal = Terminal::start(command, 80, 10);
        until("the lock is held", || store.lock("L").unwrap().is_some());
        // Sometimes the command is started, sometimes not yet.
        std::thread::sleep(std::time::Duration::from_micros(fastrand::u64(..1 + 400 * (round % 4))));
        terminal.keys("\x03");
        assert_eq!(terminal.wait_for_end(), 130, "{round}");
        assert_eq!(store.lock("L").unwrap(), None);
    }
}

//! What reaches a terminal, and what happens where nobody reads it: no text of a file, a key, an argument
//! or a script is a command to the terminal, and a pipe that is closed or full is no trouble.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::process::{Child, Stdio};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::files::{self, Answer, OF_THE_CALLER, Place, until};

/// Control characters of both sets, a deletion, and characters that turn the direction of writing round.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}]0;t\u{7}\u{9b}2J\u{202e}\u{2066}\u{7f}\r\u{8}y";

/// What a terminal would obey, or hide, in a text of which nothing should be.
fn obeyed(text: &str) -> Vec<char> {
    let is_meant = |character: &char| matches!(character, '\n');
    let is_hidden = |character: &char| matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars()
        .filter(|character| character.is_control() && !is_meant(character) || is_hidden(character))
        .collect()
}

/// All that the program writes to a terminal, without the line ends that the terminal adds and the colours
/// that the program itself uses.
fn on_a_terminal(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let size = PtySize { rows: 24, cols: 200, ..PtySize::default() };
    let terminal = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    OF_THE_CALLER.iter().for_each(|name| command.env_remove(name));
    command.env("HOME", place.folder());
    command.env("NO_COLOR", "1");
    command.env("TERM", "dumb");
    command.cwd(place.folder());
    environment.iter().for_each(|(name, value)| command.env(name, value));
    command.args(arguments);
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut shown = Vec::new();
    // At the end of a terminal Linux says EIO.
    let _ = terminal.master.try_clone_reader().unwrap().read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

/// Runs the program on a terminal and on pipes; nothing that it says may be obeyed.
#[track_caller]
fn check(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let shown = on_a_terminal(place, arguments, environment);
    assert!(obeyed(&shown).is_empty(), "{arguments:?} on a terminal: {shown:?}");
    let mut command = files::slothstate(place.folder());
    command.current_dir(place.folder()).args(arguments).envs(environment.iter().copied());
    let said = files::answer(command);
    assert!(obeyed(&said.err).is_empty(), "{arguments:?}: {:?}", said.err);
    said.err
}

#[test]
fn arguments_that_are_refused_are_named_without_being_obeyed() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let database = place.db().display().to_string();
    let option = format!("--{HOSTILE}");
    let assigned = format!("--ttl={HOSTILE}");
    for arguments in [
        &[HOSTILE][..],
        &[&option],
        &["get", &option],
        &["get", "k", HOSTILE],
        &["set", "k", "v", &assigned],
        &["set", "k", "v", "--type", HOSTILE],
        &["set", "k", "v", "--if-version", HOSTILE],
        &["set", "k", "v", "--lock", HOSTILE, "--token", "1"],
        &["get", "k", "--at", HOSTILE],
        &["keys", "--at", HOSTILE],
        &["keys", &format!("{HOSTILE}[")],
        &["keys", "--kind", HOSTILE],
        &["diff", HOSTILE],
        &["watch", "--since", HOSTILE],
        &["watch", "--count", HOSTILE],
        &["watch", &format!("{HOSTILE}[")],
        &["history", "--since", HOSTILE],
        &["history", "--limit", HOSTILE],
        &["undo", HOSTILE],
        &["incr", "k", HOSTILE],
        &["ttl", "k", HOSTILE],
        &["retention", "--age", HOSTILE],
        &["retention", "--bytes", HOSTILE],
        &["unlock", HOSTILE],
        &["unlock", "k", "--token", HOSTILE],
        &["completions", HOSTILE],
        &["config", "--print", HOSTILE],
        &["replay", HOSTILE],
        &["runs", HOSTILE],
        &["runs", "show", HOSTILE],
        &["runs", "import", HOSTILE],
        &["run", HOSTILE],
        &["run", "a.lua", "--param", HOSTILE],
        &["run", "a.lua", "--timeout", HOSTILE],
        &["run", "a.lua", "--memory", HOSTILE],
        &["run", "a.lua", "--mask", &format!("{HOSTILE}[")],
        &["demo", "--pace", HOSTILE],
        &["--log-level", HOSTILE, "stats"],
        &["--busy-timeout", HOSTILE, "stats"],
        &["--context", HOSTILE, "stats"],
        &["--db", "a.db", "--context", HOSTILE, "stats"],
        &["stats", "k\nsecond line"],
        &["stats", "\t"],
    ] {
        let said = check(&place, arguments, &[("SLOTHSTATE_DB", &database)]);
        assert!(!said.is_empty(), "{arguments:?}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
    let said = check(&place, &["stats", "k\nslothstate: all is well"], &[]);
    assert!(said.contains("k\\nslothstate: all is well"), "{said}");
    // What is right is said in full, with what helps.
    let said = check(&place, &["histroy"], &[]);
    assert!(said.contains("unrecognized subcommand 'histroy'") && said.contains("'history'"), "{said}");
    let said = check(&place, &["stats"], &[("SLOTHSTATE_LOG_LEVEL", HOSTILE)]);
    assert!(said.contains("x␛[31m"), "{said}");
}

#[test]
fn names_of_files_are_shown_and_not_obeyed() {
    let place = Place::new();
    let name = format!("{HOSTILE}\nslothstate: all is well");
    let file = place.file(&name);
    let path = file.to_str().unwrap();
    let below = file.join("state.db").display().to_string();
    let database = place.db().display().to_string();
    let all = |place: &Place| {
        for arguments in [
            &["--db", path, "get", "k"][..],
            &["--db", path, "set", "k", "v"],
            &["--db", path],
            &["--db", &below, "get", "k"],
            &["--db", &below, "set", "k", "v"],
            &["--db", path, "doctor"],
            &["--db", path, "stats"],
            &["--db", path, "backup", path],
            &["--db", &database, "backup", path],
            &["--db", &database, "backup", &below],
            &["--db", &database, "export", "--output", path],
            &["--db", &database, "export", "--output", &below],
            &["--db", &database, "import", path],
            &["--db", &database, "run", path],
            &["--db", &database, "runs", "export", "1", path],
            &["--db", &database, "runs", "import", path],
            &["--db", &database, "replay", path],
            &["--db", &database, "--log", path, "stats"],
            &["--db", &database, "--log", &below, "stats"],
            &["--db", &database, "--config", path, "config"],
            &["--db", &database, "--config", path, "--context", "c", "stats"],
        ] {
            let said = check(place, arguments, &[]);
            let begins = said
                .lines()
                .any(|line| line == "slothstate: all is well" || line.starts_with("slothstate: all"));
            assert!(!begins, "{arguments:?}: {said}");
        }
        check(place, &["stats"], &[("SLOTHSTATE_DB", path)]);
        check(place, &["config"], &[("SLOTHSTATE_CONFIG", path)]);
        check(place, &["stats"], &[("SLOTHSTATE_LOG", &below)]);
    };
    // It is not there; it is a database, then text, then a folder.
    all(&place);
    place.done(&["set", "k", "v"]);
    let _ = std::fs::remove_file(&file);
    all(&place);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.file(&format!("{name}{suffix}")));
    }
    std::fs::write(&file, "no database, no workflow\u{1b}[2J").unwrap();
    all(&place);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    all(&place);
}

/// A workflow that says hostile things in every place where it can say anything.
fn workflow() -> String {
    // Lua writes bytes: what is beyond ASCII is taken as it stands.
    let hostile: String = HOSTILE
        .chars()
        .map(|character| match character.is_ascii_control() {
            true => format!("\\{:03}", character as u32),
            false => character.to_string(),
        })
        .collect();
    format!(
        "local h = \"{hostile}\"\n\
         task(\"one\" .. h):command(function() log.info(h); log.warn(h); print(h); state.set(h, h)\n\
           exec.run(\"printf '\" .. h .. \"\\\\n'; printf '\" .. h .. \"' >&2\")\n\
           return true, h end)\n\
         task(\"two\"):command(function() error(h) end)\n"
    )
}

#[test]
fn what_a_workflow_says_is_shown_and_not_obeyed() {
    let place = Place::new();
    let name = format!("w{HOSTILE}.lua");
    std::fs::write(place.file(&name), workflow()).unwrap();
    let database = place.db().display().to_string();
    let environment = [("SLOTHSTATE_DB", database.as_str())];
    for arguments in [
        &["run", &name][..],
        &["run", &name, "--json"],
        &["run", &name, "--dry-run"],
        &["run", &name, "--dry-run", "--json"],
        &["runs"],
        &["runs", "--json"],
        &["runs", "show", "1"],
        &["runs", "show", "1", "--json"],
        &["runs", "show", "1", "--source"],
        &["replay", "1"],
        &["replay", "1", "--steps"],
        &["replay", "1", "--steps", "--json"],
        &["replay", "1", "--what-if", "a=1"],
        &["replay", "1", "--what-if", &format!("{HOSTILE}={HOSTILE}")],
        &["replay", "1", "--without", HOSTILE, "--json"],
        &["history"],
        &["history", "--json"],
        &["history", HOSTILE],
        &["diff", "0"],
        &["diff", "0", "--json"],
        &["keys"],
        &["keys", "--json"],
        &["get", HOSTILE],
        &["locks"],
        &["doctor"],
        &["doctor", "--json"],
        &["stats"],
        &["export"],
        &["watch", "--since", "0", "--count", "1"],
        &["undo", "--last"],
        &["toggle", HOSTILE],
        &["incr", HOSTILE],
        &["ttl", HOSTILE, "5m"],
        &["del", HOSTILE],
        &["del", HOSTILE],
    ] {
        check(&place, arguments, &environment);
    }
    let shown = on_a_terminal(&place, &["run", &name, "--json"], &environment);
    let logged = shown.lines().find(|line| line.contains("\"log\"")).unwrap();
    let read: serde_json::Value = serde_json::from_str(logged).unwrap();
    assert!(read.to_string().contains("\\u001b[31m"), "it is the same text for a program: {logged}");
}

/// A database with more in it than a pipe takes.
fn place_of_much() -> Place {
    let place = Place::new();
    place.done(&["set", "first", "1"]);
    std::fs::write(
        place.file("w.lua"),
        "task(\"t\"):command(function() for i = 1, 200 do log.info(string.rep(\"x\", 500)) end end)",
    )
    .unwrap();
    place.done(&["run", place.file("w.lua").to_str().unwrap()]);
    place
        .connection()
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 3000)
             INSERT INTO state (key, value) SELECT printf('many/%06d', n), printf('%0200d', n) FROM numbers;",
        )
        .unwrap();
    place
}

/// Every command that may have much to say.
fn talking() -> Vec<Vec<&'static str>> {
    let commands = "keys|keys --json|history --limit 100000|history --json --limit 100000|diff 0|diff 0 --json|\
        get first|get first --json|locks|locks --json|runs|runs --json|runs show 1|runs show 1 --json|runs show 1 --source|\
        replay 1|replay 1 --steps|replay 1 --what-if a=1|stats|stats --json|watch --since 0|watch --since 0 --count 2000|\
        export|config|config --print keymap.toml|retention|completions bash|man|--help|--version|\
        help run|run --help|ttl first";
    commands.split('|').map(|command| command.split_whitespace().collect()).collect()
}

#[test]
fn a_pipe_that_nobody_reads_is_a_quiet_end() {
    let place = place_of_much();
    for arguments in talking() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(&arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        // It holds the other end too.
        drop(command);
        let said = Answer::of(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_a_quiet_end() {
    let place = place_of_much();
    for arguments in talking() {
        let mut command = place.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let said = Answer::of(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_negative_answer_stays_one_where_nobody_reads_it() {
    let place = place_of_much();
    let folder = place.folder().join(".config/slothstate");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "nonsense = 1\n").unwrap();
    std::fs::write(place.file("other.lua"), "task(\"t\"):command(function() state.set(\"a\", 1) end)")
        .unwrap();
    let other = place.file("other.lua").display().to_string();
    for arguments in [
        &["get", "nothing"][..],
        &["config"],
        &["config", "--json"],
        &["doctor", "--quick"],
        &["doctor", "--json"],
        &["del", "nothing", "--json"],
        &["replay", "1", "--source", &other],
        &["replay", "1", "--source", &other, "--json"],
        &["replay", "1", "--source", &other, "--what-if", "a=1"],
    ] {
        let with_reader = place.run(arguments);
        assert_eq!(with_reader.code, Some(1), "{arguments:?}: {with_reader:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let said = Answer::of(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err), (Some(1), with_reader.err), "{arguments:?}");
    }
}

/// How many bytes wait in a pipe.
fn waiting_in(pipe: &PipeReader) -> i32 {
    let mut count = 0;
    // SAFETY: it writes one number.
    assert_eq!(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) }, 0);
    count
}

/// Waits until a program has filled a pipe and waits for somebody to read it.
fn until_it_waits(child: &Child, pipe: &PipeReader) {
    let [stat, syscall] = ["stat", "syscall"].map(|name| format!("/proc/{}/{name}", child.id()));
    let (mut before, mut same) = (String::new(), 0);
    until("the pipe is full", || {
        let used = std::fs::read_to_string(&stat).unwrap_or_default();
        let fields: Vec<&str> =
            used.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| rest.split(' ').collect());
        // Its state, the time that it used up, and what it waits in.
        let mut now = [0, 11, 12].map(|field| fields.get(field).copied().unwrap_or_default()).join(" ");
        now += &std::fs::read_to_string(&syscall).unwrap_or_default();
        same =
            if now == before && now.starts_with('S') && waiting_in(pipe) > 32 * 1024 { same + 1 } else { 0 };
        before = now;
        same > 10
    });
}

#[test]
fn a_pipe_that_is_full_keeps_nobody_from_ending_a_command() {
    let place = place_of_much();
    for arguments in [
        &["watch", "--since", "0"][..],
        &["keys", "--json"],
        &["export"],
        &["history", "--json", "--limit", "100000"],
        &["replay", "1", "--steps", "--json"],
        &["run", "w.lua", "--json"],
    ] {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let mut command = place.command(arguments);
            let mut child =
                command.current_dir(place.folder()).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
            drop(command);
            until_it_waits(&child, &reader);
            kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
            let mut ended = None;
            until("it ends", || {
                ended = child.try_wait().unwrap();
                ended.is_some()
            });
            use std::os::unix::process::ExitStatusExt;
            let status = ended.unwrap();
            let number = signal as i32;
            let is_told = status.code() == Some(128 + number) || status.signal() == Some(number);
            assert!(is_told, "{arguments:?} {signal}: {status:?}");
            if arguments[0] == "watch" {
                let mut written = String::new();
                reader.read_to_string(&mut written).unwrap();
                assert!(
                    written.ends_with('\n'),
                    "no half of a line: …{}",
                    &written[written.len().saturating_sub(80)..]
                );
            }
        }
    }
}

#[test]
fn watch_ends_when_a_terminal_takes_no_output() {
    let place = place_of_much();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let size = PtySize { rows: 24, cols: 80, ..PtySize::default() };
        let terminal = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
        command.arg("--db");
        command.arg(place.db());
        command.args(["watch", "--since", "0"]);
        command.cwd(place.folder());
        let mut child = terminal.slave.spawn_command(command).unwrap();
        let pid = child.process_id().unwrap();
        let (mut before, mut same) = (String::new(), 0);
        until("it waits", || {
            let [io, syscall] = ["io", "syscall"]
                .map(|name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default());
            let now = format!("{io}{syscall}");
            same = if now == before && now.contains("wchar") && !now.contains("wchar: 0\n") {
                same + 1
            } else {
                0
            };
            before = now;
            same > 20
        });
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        let mut ended = None;
        until("it ends", || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().exit_code(), 128 + signal as u32);
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_no_death() {
    let place = Place::new();
    place.done(&["set", "small", "1"]);
    let long = "x".repeat(100_000);
    std::fs::write(place.file("long"), long.repeat(20)).unwrap();
    std::fs::write(
        place.file("w.lua"),
        "task(\"t\"):command(function() state.set(\"long\", string.rep(\"x\", 2000000)) end)",
    )
    .unwrap();
    let program = env!("CARGO_BIN_EXE_slothstate");
    for line in [
        // No argument may be longer.
        "\"$PROGRAM\" set long \"$(head -c 120000 long)\"",
        "\"$PROGRAM\" run w.lua",
        "\"$PROGRAM\" export --output out.jsonl",
        "\"$PROGRAM\" backup copy.db",
    ] {
        // Blocks of 512 bytes.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -f 100; {line}; echo \"code=$?\" >&2")]);
        shell.env("PROGRAM", program).env("SLOTHSTATE_DB", place.db()).env("HOME", place.folder());
        shell.current_dir(place.folder());
        let said = files::answer(shell);
        assert!(!said.err.contains("code=153") && !said.err.contains("limit exceeded"), "{line}: {said:?}");
        assert_eq!(place.done(&["get", "small"]), "1\n");
    }
}

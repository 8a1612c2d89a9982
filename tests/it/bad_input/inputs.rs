//! Files that are named as arguments: devices and folders are refused, pipes are read to their end, and
//! nothing is read without a limit.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::files::{Answer, Place, answer, answer_to, slothstate, until};

const WORKFLOW: &str = "task(\"a\"):command(function() state.set(\"ran\", \"yes\") return true end)\n";

/// A database with a recorded run, and beside it a workflow, an export and an exported run.
fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.file("w.lua"), WORKFLOW).unwrap();
    place.run(&["run", place.file("w.lua").to_str().unwrap()]).done();
    std::fs::write(place.file("export.jsonl"), place.done(&["export"])).unwrap();
    place.done(&["runs", "export", "1", place.file("run.slothstate").to_str().unwrap()]);
    place
}

/// The commands that take a file.
const COMMANDS: [&[&str]; 6] = [
    &["run"],
    &["run", "w.lua", "--require"],
    &["replay"],
    &["replay", "1", "--source"],
    &["import"],
    &["runs", "import"],
];

fn on(place: &Place, arguments: &[&str], file: &str) -> Command {
    let mut command = slothstate(place.folder());
    command.current_dir(place.folder()).arg("--db").arg(place.db()).args(arguments).arg(file);
    command
}

#[test]
fn devices_folders_and_sockets_are_refused() {
    let place = place();
    let _socket = std::os::unix::net::UnixListener::bind(place.file("socket")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.file("link")).unwrap();
    let before = std::fs::read(place.db()).unwrap();
    for arguments in COMMANDS {
        for (file, words) in [
            ("/dev/zero", "it is a device, not a file"),
            ("/dev/null", "it is a device, not a file"),
            ("link", "it is a device, not a file"),
            ("/", "it is a folder, not a file"),
            ("socket", "it is a socket, not a file"),
        ] {
            let answer = answer(on(&place, arguments, file));
            let words = if (arguments, file) == (&["import"], "/") { "names a directory" } else { words };
            assert!(matches!(answer.code, Some(1..=3)), "{arguments:?} {file}: {answer:?}");
            assert!(answer.err.contains(words) && answer.out.is_empty(), "{arguments:?} {file}: {answer:?}");
        }
    }
    assert!(std::fs::read(place.db()).unwrap() == before);
}

/// A pipe to which a command of the shell writes, as `<(COMMAND)` in bash.
fn substituted(place: &Place, arguments: &[&str], file: &str, writes: &str) -> Answer {
    let pipe = place.file("pipe");
    let _ = std::fs::remove_file(&pipe);
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let shell = format!("{writes} > pipe");
    let mut writer = Command::new("sh")
        .args(["-c", &shell, "sh", file])
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answer = answer(on(place, arguments, "pipe"));
    let _ = writer.kill();
    let _ = writer.wait();
    answer
}

#[test]
fn pipes_and_standard_input_are_read_to_their_end() {
    let place = place();
    let import: &[&str] = &["import", "--replace"];
    for (arguments, file) in [
        (&["run"][..], "w.lua"),
        (&["replay"], "run.slothstate"),
        (&["replay", "1", "--source"], "w.lua"),
        (import, "export.jsonl"),
        (&["runs", "import"], "run.slothstate"),
    ] {
        substituted(&place, arguments, file, "cat \"$1\"").done();
        // Piece by piece, as a program that takes its time.
        substituted(&place, arguments, file, "{ head -c 20 \"$1\"; sleep 0.1; tail -c +21 \"$1\"; }").done();
        let content = std::fs::read(place.file(file)).unwrap();
        answer_to(on(&place, arguments, "-"), &content).done();
    }
    // Unpacked on the way, into another database, which then has all that is in the first.
    let target = place.file("target.db");
    let shell = format!("gzip -c \"$1\" | gzip -dc | \"$2\" --db {target:?} import -");
    let unpacked = Command::new("sh")
        .args(["-c", &shell, "sh", "export.jsonl", env!("CARGO_BIN_EXE_slothstate")])
        .current_dir(place.folder())
        .env("HOME", place.folder())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&unpacked.stdout);
    assert!(told.starts_with("imported 1 entry and 0 locks from -\n"), "{told}");
}

#[test]
fn a_database_comes_through_a_pipe_too() {
    let place = place();
    place.connection().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    let content = std::fs::read(place.db()).unwrap();
    let target = |name: &str| {
        let mut command = slothstate(place.folder());
        command.env("TMPDIR", place.folder()).arg("--db").arg(place.file(name)).args(["import", "-"]);
        command
    };
    assert!(answer_to(target("one.db"), &content).done().contains("imported 1 entry"));
    let copied = answer_to(target("two.db"), b"SQLite format 3\0 and nothing else");
    assert_eq!(copied.code, Some(3), "{copied:?}");
    let left: Vec<String> =
        place.names().into_iter().filter(|name| name.contains("slothstate-import")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_comes_without_an_end_is_refused() {
    let place = place();
    let zeros = |arguments: &[&str], shell: &str| substituted(&place, arguments, "export.jsonl", shell);
    for arguments in COMMANDS {
        let answer = zeros(arguments, "cat /dev/zero");
        assert!(matches!(answer.code, Some(1 | 2)), "{arguments:?}: {answer:?}");
        let mut command = on(&place, arguments, "-");
        command.stdin(std::fs::File::open("/dev/zero").unwrap());
        let answer = crate::support::files::answer(command);
        assert!(matches!(answer.code, Some(1 | 2)), "{arguments:?} -: {answer:?}");
    }
    zeros(&["run"], "cat /dev/zero").refused(2, "it is too large: at most 16.0 MiB are read");
    zeros(&["import"], "cat /dev/zero").refused(1, "is neither an SQLite database nor an export");
    zeros(&["replay"], "cat /dev/zero").refused(1, "this is no exported run");
    let mut set = place.command(&["set", "k", "-"]);
    set.stdin(std::fs::File::open("/dev/zero").unwrap());
    crate::support::files::answer(set)
        .refused(1, "standard input: it is too large: at most 512.0 MiB are read");
    // A hole is not a line.
    let export = std::fs::read_to_string(place.file("export.jsonl")).unwrap();
    let mut file = std::fs::File::create(place.file("hole.jsonl")).unwrap();
    file.write_all(export.lines().next().unwrap().as_bytes()).unwrap();
    file.write_all(b"\n").unwrap();
    file.set_len(1 << 40).unwrap();
    answer(on(&place, &["import"], "hole.jsonl")).refused(1, "line 2: the line is not text");
    for arguments in [&["run"][..], &["replay"], &["runs", "import"]] {
        answer(on(&place, arguments, "hole.jsonl"))
            .refused(if arguments == ["run"] { 2 } else { 1 }, "it is too large");
    }
}

#[test]
fn a_pipe_that_nobody_writes_to_is_left_at_a_signal() {
    let place = place();
    nix::unistd::mkfifo(&place.file("silent"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for arguments in COMMANDS {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let mut child =
                on(&place, arguments, "silent").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let pid = child.id();
            until("it waits for the pipe", || waits_to_open(pid));
            kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
            let mut status = None;
            until("it has ended", || {
                status = child.try_wait().unwrap();
                status.is_some()
            });
            let status = status.unwrap();
            let number = signal as i32;
            assert!(
                status.signal() == Some(number) || status.code() == Some(128 + number),
                "{arguments:?} {signal}: {status:?}"
            );
        }
    }
}

/// Whether a process sleeps in the system, having opened all that it opens before.
fn waits_to_open(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    let syscall = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    // openat is 257 on x86-64 and 56 on arm64; where the system does not tell, its sleep has to do.
    call.contains("fifo") || syscall.starts_with("257 ") || syscall.starts_with("56 ")
}

#[test]
fn files_of_the_system_are_read_whatever_size_they_claim() {
    let place = place();
    let file = Path::new("/proc/self/status");
    if !file.exists() {
        return crate::support::files::skipped("files of /proc", "there is no /proc");
    }
    answer(on(&place, &["run"], "/proc/self/status")).refused(2, "/proc/self/status:");
    answer(on(&place, &["import"], "/proc/self/status"))
        .refused(1, "is neither an SQLite database nor an export");
}

#[test]
fn what_is_added_while_an_export_is_imported_is_no_part_of_it() {
    let place = place();
    let export = std::fs::read_to_string(place.file("export.jsonl")).unwrap();
    std::fs::write(place.file("longer.jsonl"), format!("{export}more\n")).unwrap();
    answer(on(&place, &["import"], "longer.jsonl")).refused(1, "there is something after the last line");
}

#[test]
fn the_configuration_is_read_from_files_only() {
    let place = place();
    let folder = place.file("config");
    std::fs::create_dir_all(folder.join("themes")).unwrap();
    nix::unistd::mkfifo(&folder.join("config.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("keymap.toml")).unwrap();
    std::fs::File::create(folder.join("filters.toml")).unwrap().set_len(1 << 40).unwrap();
    std::fs::create_dir(folder.join("themes/odd.toml")).unwrap();
    let mut command = place.command(&["config"]);
    command.arg("--config").arg(&folder);
    let shown = answer(command);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let out = String::from_utf8(shown.out).unwrap();
    for words in [
        "config.toml: it is a named pipe, not a file",
        "keymap.toml: it is a device, not a file",
        "filters.toml: it is too large: at most 1.0 MiB are read",
        "odd.toml: it is a folder, not a file",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let mut command = place.command(&["get", "ran"]);
    command.arg("--config").arg(&folder);
    assert_eq!(answer(command).done(), "yes\n");
}

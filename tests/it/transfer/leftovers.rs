//! What a backup, an export and an adoption leave when they are ended before they are done.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use crate::support::files::{PATIENCE, Place, is_stopped, objects, until};

const SIGNALS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL];

fn incomplete(place: &Place) -> Vec<String> {
    place.names().into_iter().filter(|name| name.starts_with(".slothstate-unfinished-")).collect()
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Ends a program that was stopped; what ended it.
fn end(mut child: Child, signal: Signal) -> Option<i32> {
    send(&child, signal);
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGCONT);
    child.wait().unwrap().signal()
}

/// A Sloth Runner file that takes a while to copy.
fn heavy() -> Place {
    let place = Place::new();
    let shell = place.connection();
    shell
        .execute_batch(
            "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, \
                 created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
             INSERT INTO state (key, value) SELECT i, hex(zeroblob(100000)) FROM n",
        )
        .unwrap();
    place
}

/// Starts the command over and over until it was stopped while it had an incomplete file.
fn stopped_half_way(prepare: &dyn Fn() -> (Place, Command)) -> (Place, Child) {
    for _ in 0..50 {
        let (place, mut command) = prepare();
        let mut child = start(&mut command);
        while incomplete(&place).is_empty() && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGSTOP);
        until("it is stopped", || is_stopped(child.id()) || child.try_wait().unwrap().is_some());
        if child.try_wait().unwrap().is_none() && !incomplete(&place).is_empty() {
            return (place, child);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("it was never stopped half-way");
}

fn check(signal: Signal, prepare: &dyn Fn() -> (Place, Command)) {
    let (place, child) = stopped_half_way(prepare);
    assert_eq!(end(child, signal), Some(signal as i32));
    let left = incomplete(&place);
    if signal != Signal::SIGKILL {
        assert_eq!(left, [""; 0], "{signal}");
        return;
    }
    assert_eq!(left.len(), 1, "nothing can be removed after {signal}");
    let findings = objects(std::str::from_utf8(&place.run(&["doctor", "--json"]).out).unwrap());
    let finding = findings.iter().find(|finding| finding["check"] == "unfinished").unwrap();
    assert!(finding["finding"].as_str().unwrap().contains(&left[0]), "{finding}");
    let remedy = finding["remedy"].as_str().unwrap();
    assert!(remedy.starts_with("rm ") && remedy.ends_with(&left[0]), "{remedy}");
    place.done(&["backup", place.file("next.db").to_str().unwrap()]);
    assert_eq!(incomplete(&place), [""; 0]);
}

#[test]
fn a_backup_that_is_ended_leaves_nothing_for_long() {
    for signal in SIGNALS {
        check(signal, &|| {
            let place = heavy();
            let command = place.command(&["backup", place.file("copy.db").to_str().unwrap()]);
            (place, command)
        });
    }
}

#[test]
fn an_adoption_that_is_ended_leaves_nothing_for_long() {
    for signal in SIGNALS {
        check(signal, &|| {
            let place = heavy();
            let command = place.command(&["set", "key", "value"]);
            (place, command)
        });
    }
}

#[test]
fn a_backup_that_is_still_at_work_keeps_its_file() {
    let (place, child) = stopped_half_way(&|| {
        let place = heavy();
        let command = place.command(&["backup", place.file("copy.db").to_str().unwrap()]);
        (place, command)
    });
    let writing = incomplete(&place);
    let findings = objects(std::str::from_utf8(&place.run(&["doctor", "--json"]).out).unwrap());
    let finding = findings.iter().find(|finding| finding["check"] == "unfinished").unwrap();
    assert!(finding["finding"].as_str().unwrap().contains("is being written"), "{finding}");
    assert!(finding["remedy"].is_null());
    place.done(&["backup", place.file("other.db").to_str().unwrap()]);
    assert_eq!(incomplete(&place), writing);
    send(&child, Signal::SIGCONT);
    let mut child = child;
    assert!(child.wait().unwrap().success());
    assert_eq!(incomplete(&place), [""; 0]);
    let copy = Connection::open(place.file("copy.db")).unwrap();
    let rows: i64 = copy.query_row("SELECT count(*) FROM state", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 300);
}

#[test]
fn a_program_that_ignores_hangups_goes_on() {
    let (place, child) = stopped_half_way(&|| {
        let place = heavy();
        let backup = place.command(&["backup", place.file("copy.db").to_str().unwrap()]);
        let mut command = Command::new("nohup");
        command.arg(backup.get_program()).args(backup.get_args()).env("HOME", place.folder());
        command.stdin(Stdio::null());
        (place, command)
    });
    assert_eq!(end(child, Signal::SIGHUP), None);
    assert_eq!(incomplete(&place), [""; 0]);
    assert!(place.file("copy.db").exists());
}

/// Whether the process has an open file in the folder that has no name.
fn has_unnamed(pid: u32, folder: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let folder = std::fs::canonicalize(folder).unwrap().to_str().unwrap().to_string();
    open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|leads| {
        let leads = leads.to_string_lossy().into_owned();
        leads.starts_with(&format!("{folder}/#")) && leads.ends_with(" (deleted)")
    })
}

#[test]
fn an_export_that_is_ended_leaves_nothing_at_all() {
    for signal in SIGNALS {
        let place = heavy();
        let before = place.names();
        let target = place.file("export.jsonl");
        let mut child = start(&mut place.command(&["export", "--output", target.to_str().unwrap()]));
        let since = std::time::Instant::now();
        let mut seen = false;
        while child.try_wait().unwrap().is_none() && !seen {
            assert!(since.elapsed() < PATIENCE);
            seen = has_unnamed(child.id(), place.folder()) || !incomplete(&place).is_empty();
        }
        let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
        let status = child.wait().unwrap();
        if status.signal() == Some(signal as i32) {
            assert!(!target.exists(), "{signal}");
            assert_eq!(place.names(), before, "{signal}");
        }
    }
}

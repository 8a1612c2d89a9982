//! The log (-wal): it gets shorter again, and what keeps it from that is told as far as it is proved.

use std::process::{Child, Stdio};

use crate::doctor::*;
use crate::support::files::{Place, until};

const MIB: u64 = 1 << 20;

fn log(place: &Place) -> u64 {
    std::fs::metadata(place.file("state.db-wal")).map_or(0, |log| log.len())
}

/// A connection that reads the state as it is, while the log grows to more than 64 MiB.
fn with_long_reader(place: &Place) -> Connection {
    let reader = place.connection();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM state", [], |_| Ok(())).unwrap();
    let writer = place.connection();
    writer.pragma_update(None, "synchronous", "OFF").unwrap();
    while log(place) < 70 * MIB {
        writer.execute("REPLACE INTO slothstate_meta VALUES ('test', zeroblob(4000000))", []).unwrap();
        writer.execute("DELETE FROM slothstate_meta WHERE name = 'test'", []).unwrap();
    }
    reader
}

struct Running(Child);

impl Running {
    fn start(place: &Place, arguments: &[&str]) -> Running {
        let mut command = place.command(arguments);
        Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_reads_an_old_state_is_named() {
    let place = sound();
    let reader = with_long_reader(&place);
    let report = doctor(&place);
    let finding = report.has("wal", "warning", "has been reading an old state")["finding"].as_str().unwrap();
    assert!(finding.contains(&format!("process {} (", std::process::id())), "{finding}");
    report.ended(1);
    drop(reader);
}

#[test]
fn where_nobody_reads_nobody_is_said_to() {
    let place = sound();
    let other = place.connection();
    other.query_row("SELECT count(*) FROM state", [], |_| Ok(())).unwrap();
    drop(with_long_reader(&place));
    assert!(log(&place) > 64 * MIB);
    let report = doctor(&place);
    report.has("wal", "note", "nobody reads it");
    assert!(
        report.findings.iter().all(|finding| !finding["finding"].as_str().unwrap().contains("been reading"))
    );
    report.ended(0);
    drop(other);
}

#[test]
fn the_log_of_a_killed_program_is_told() {
    let (original, place) = (sound(), Place::new());
    let other = original.connection();
    other.query_row("SELECT count(*) FROM state", [], |_| Ok(())).unwrap();
    drop(with_long_reader(&original));
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(original.file(name), place.file(name)).unwrap();
        set_mode(&place.file(name), 0o600);
    }
    drop(other);
    let report = doctor(&place);
    let remedy = report.remedy("wal", "note", "no program has it open");
    carry_out(&place, remedy);
    assert_eq!(log(&place), 0);
    doctor(&place).is_content_with("wal");
}

#[test]
fn a_write_makes_a_log_shorter_that_a_long_reader_left() {
    let place = sound();
    let other = place.connection();
    other.query_row("SELECT count(*) FROM state", [], |_| Ok(())).unwrap();
    let reader = with_long_reader(&place);
    place.done(&["incr", "n"]);
    assert!(log(&place) > 64 * MIB, "somebody reads it");
    drop(reader);
    place.done(&["incr", "n"]);
    assert!(log(&place) <= 32 * MIB, "{}", log(&place));
    drop(other);
}

#[test]
fn a_log_gets_shorter_while_nobody_writes() {
    let place = sound();
    let _watch = Running::start(&place, &["watch"]);
    let reader = with_long_reader(&place);
    drop(reader);
    until("the log is shorter", || log(&place) <= 32 * MIB);
}

//! Locks, and who waits for them.

use super::*;

#[test]
fn a_lock_that_is_held_in_both_programs_eyes_is_no_finding() {
    let place =
        after("INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '2999-01-01 00:00:00')");
    let report = doctor(&place);
    report.ended(0);
    report.has("locks", "ok", "1 lock, none of them stale");
}

#[test]
fn an_expired_lock_is_a_note_and_its_remedy_clears_it() {
    for name in ["deploy", "two words; 'quoted'", "-f", "line\nbreak \x1b[31m"] {
        let place = sound();
        let connection = place.connection();
        let sql = "INSERT INTO locks (name, holder, expires_at) VALUES (?1, 'ann', '2020-01-01 00:00:00')";
        connection.execute(sql, [name]).unwrap();
        let report = doctor(&place);
        report.ended(0);
        let remedy = report.remedy("locks", "note", "nobody has taken or removed it").to_string();
        let shown = answer(command(&place, &[])).out;
        assert!(!shown.iter().any(|byte| *byte != b'\n' && byte.is_ascii_control()), "{shown:?}");
        carry_out(&place, &remedy);
        assert_eq!(locks(&connection), 0, "{remedy}");
    }
}

fn locks(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM locks", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_expired_lock_that_sloth_runner_still_honours_is_a_warning() {
    // A minute ago, written where the day begins first: as text it is never before now.
    let expired = chrono::DateTime::from_timestamp_millis(now().0 - 60_000).unwrap();
    let east = expired.with_timezone(&chrono::FixedOffset::east_opt(14 * 3600).unwrap());
    let sql = format!(
        "INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', '{}')",
        east.to_rfc3339()
    );
    for place in [sound(), plain()] {
        let connection = place.connection();
        connection.execute_batch(&sql).unwrap();
        let is_held: bool = connection
            .query_row("SELECT expires_at > datetime('now') FROM locks", [], |row| row.get(0))
            .unwrap();
        assert!(is_held, "Sloth Runner's own question");
        let report = doctor(&place);
        report.ended(1);
        let remedy = report.remedy("locks", "warning", "takes it for held").to_string();
        carry_out(&place, &remedy);
        assert_eq!(locks(&connection), 0);
    }
}

#[test]
fn a_lock_of_a_dead_process_is_a_warning_and_that_of_a_living_one_is_not() {
    let place = sound();
    let connection = place.connection();
    let here = Process::current();
    // The same PID, started at another time: a process that has ended.
    let gone = Process { start_ticks: here.start_ticks.map(|ticks| ticks - 1), ..here.clone() };
    let later = now().0 + 3_600_000;
    for (name, process) in [("living", &here), ("dead", &gone)] {
        connection
            .execute(
                "INSERT INTO locks (name, holder, expires_at) VALUES (?1, 'ann', '2999-01-01 00:00:00')",
                [name],
            )
            .unwrap();
        connection
            .execute(
                "UPDATE locks SET process = ?2, expires_at_ms = ?3 WHERE name = ?1",
                rusqlite::params![name, serde_json::to_string(process).unwrap(), later],
            )
            .unwrap();
    }
    let report = doctor(&place);
    report.ended(1);
    let remedy =
        report.remedy("locks", "warning", "lock dead of ann is held by a process that has ended").to_string();
    assert!(!report.findings.iter().any(|finding| finding["finding"].as_str().unwrap().contains("living")));
    carry_out(&place, &remedy);
    assert_eq!(locks(&connection), 1);
}

#[test]
fn a_lock_whose_expiry_cannot_be_read_is_a_warning() {
    let place = after("INSERT INTO locks (name, holder, expires_at) VALUES ('deploy', 'ann', 'soon')");
    let report = doctor(&place);
    report.ended(1);
    let remedy = report.remedy("locks", "warning", "an expiry that cannot be read (soon)").to_string();
    carry_out(&place, &remedy);
    assert_eq!(locks(&place.connection()), 0);
}

#[test]
fn waiters_that_fell_silent_are_noted() {
    let place = after(
        "INSERT INTO slothstate_waiters (lock, holder, since_ms, seen_ms, process)
             VALUES ('deploy', 'bob', 1, 1, '{}')",
    );
    let report = doctor(&place);
    report.ended(0);
    report.has("locks", "note", "1 waiter was not heard of for over 10s");
}

//! The program on a real node of etcd: commands, errors, transfer from and to a file, the interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;

use crate::support::etcd_node::etcd_node;
use crate::support::files::{OF_THE_CALLER, Place, answer, answer_to, objects, slothstate, until};
use crate::support::losing_proxy::LosingProxy;
use crate::support::terminal::Terminal;

#[test]
fn commands_answer_as_on_a_file() {
    let Some(on_etcd) = Place::on_etcd() else { return };
    let commands: &[&[&str]] = &[
        &["set", "a/count", "1", "--type", "number"],
        &["incr", "a/count"],
        &["incr", "a/count", "0.5"],
        &["set", "feature:x", "true", "--type", "boolean"],
        &["toggle", "feature:x"],
        &["set", "table", "{\"b\":1,\"a\":[1.50]}", "--type", "table"],
        &["get", "table"],
        &["set", "text", "ä b", "--type", "string"],
        &["get", "text"],
        &["get", "nowhere"],
        &["keys"],
        &["keys", "--prefix", "a"],
        &["del", "text"],
        &["del", "text"],
        &["undo", "--last"],
        &["get", "text"],
        &["ttl", "text", "1h"],
        &["set", "a/count", "x", "--if-version", "7"],
        &["incr", "text"],
        &["locks"],
        &["retention"],
        &["set", "", "x"],
    ];
    let on_a_file = Place::new();
    for command in commands {
        let [one, other] = [&on_a_file, &on_etcd].map(|place| place.run(command));
        assert_eq!(one.code, other.code, "{command:?}: {one:?} {other:?}");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text(&one.out), text(&other.out), "{command:?}");
    }
    // History has the same changes, under other numbers.
    let rows = |place: &Place| -> Vec<String> {
        let changes = objects(&place.done(&["history", "--json"]));
        changes
            .iter()
            .map(|it| format!("{} {} {} {}", it["key"], it["operation"], it["old"], it["new"]))
            .collect()
    };
    assert_eq!(rows(&on_etcd), rows(&on_a_file));
    let newest = objects(&on_etcd.done(&["history", "--json", "--limit", "1"]));
    let before = newest[0]["revision"].as_i64().unwrap() - 1;
    assert_eq!(on_etcd.done(&["get", "a/count", "--at", &before.to_string()]), "2.5\n");
    on_etcd.run(&["doctor"]).is_healthy();
    on_etcd.done(&["stats"]);
}

#[test]
fn entries_go_from_a_file_to_etcd_and_back() {
    let Some(on_etcd) = Place::on_etcd() else { return };
    let (from, to) = (Place::new(), Place::new());
    for number in 0..30 {
        from.done(&[
            "set",
            &format!("k/{number:02}"),
            &number.to_string(),
            "--type",
            "number",
            "--ttl",
            "1h",
        ]);
    }
    from.done(&["set", "large", &"x".repeat(100_000)]);
    let entries = |place: &Place| -> Vec<String> {
        let lines = objects(&place.done(&["export"]));
        let entries = lines.iter().filter_map(|line| line.get("entry"));
        entries
            .map(|it| format!("{} {} {} {}", it["key"], it["value"], it["type"], it["expires_at_ms"]))
            .collect()
    };
    let carry = |from: &Place, to: &Place| {
        let file = from.file("export.jsonl");
        std::fs::write(&file, from.done(&["export"])).unwrap();
        to.done(&["import", file.to_str().unwrap()]);
    };
    carry(&from, &on_etcd);
    assert_eq!(entries(&on_etcd), entries(&from));
    carry(&on_etcd, &to);
    assert_eq!(entries(&to), entries(&from));
}

#[test]
fn what_etcd_cannot_do_is_refused_with_what_to_do_instead() {
    let Some(place) = Place::on_etcd() else { return };
    place.done(&["set", "k", "1"]);
    let copy = place.file("copy.db");
    place.run(&["backup", copy.to_str().unwrap()]).refused(1, "use slothstate export");
    assert!(!copy.exists());
    place.run(&["compact"]).refused(1, "does not support compacting");
    place.run(&["--read-only", "set", "k", "2"]).refused(3, "it was opened read-only");
    let large = "x".repeat(490_001);
    answer_to(place.command(&["set", "k", "--type", "string", "-"]), large.as_bytes())
        .refused(1, "490001 bytes, at most 490000");
    assert_eq!(place.done(&["get", "k"]), "1\n");
}

#[test]
fn an_address_that_leads_nowhere_says_why() {
    let home = Place::new();
    let run = |address: &str, arguments: &[&str]| {
        let mut command = slothstate(home.folder());
        command.args(["--busy-timeout", "300ms", "--db", address]).args(arguments);
        answer(command)
    };
    run("etcd://127.0.0.1:1/p", &["keys"]).refused(3, "127.0.0.1:1: connection refused");
    run("etcd://127.0.0.1:1/p", &["set", "k", "1"]).refused(3, "no node of etcd://127.0.0.1:1/p answered");
    run("etcd://ann:secret@127.0.0.1:1/p", &["keys"]).refused(3, "etcd://ann@127.0.0.1:1/p");
    run("etcd://127.0.0.1:1/", &["keys"]).refused(2, "the prefix is empty");
    run("etcd://127.0.0.1:1/p?x=1", &["keys"]).refused(2, "x is not an option");
    // Something else answers there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("etcd://{}/p", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut connection: TcpStream = connection;
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    run(&address, &["keys"]).refused(3, "--enable-grpc-gateway");
}

#[test]
fn a_write_whose_answer_is_lost_is_done_once_and_called_unconfirmed() {
    let (Some(place), Some(node)) = (Place::on_etcd(), etcd_node()) else { return };
    place.done(&["set", "k", "1", "--type", "number"]);
    let prefix = place.db().to_str().unwrap().rsplit_once('/').unwrap().1.to_string();
    let through = |nodes: &str, arguments: &[&str]| {
        let mut command = slothstate(place.folder());
        let address = format!("etcd://{nodes}/{prefix}");
        command.args(["--busy-timeout", "500ms", "--db", &address]).args(arguments);
        answer(command)
    };
    let losing = LosingProxy::of_answers(node, 0);
    through(&losing.address, &["incr", "k"]).refused(3, "it is not known whether this took effect");
    assert_eq!(place.done(&["get", "k"]), "2\n", "it did, once");
    // The next node answers for it.
    assert_eq!(through(&format!("{},{node}", losing.address), &["incr", "k"]).done(), "3\n");
    assert_eq!(place.done(&["get", "k"]), "3\n");
    assert_eq!(objects(&place.done(&["history", "k", "--json"])).len(), 3);
}

#[test]
fn a_context_is_an_address() {
    let Some(place) = Place::on_etcd() else { return };
    place.done(&["set", "k", "1"]);
    let folder = place.file("config");
    std::fs::create_dir(&folder).unwrap();
    let text = format!("[contexts.far]\ndb = \"{}\"\nread_only = true\n", place.db().display());
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = slothstate(place.folder());
        command.arg("--config").arg(&folder).args(["--context", "far"]).args(arguments);
        answer(command)
    };
    assert_eq!(run(&["get", "k"]).done(), "1\n");
    run(&["set", "k", "2"]).refused(3, "it was opened read-only");
}

#[test]
fn the_interface_is_live_and_changes_are_undone() {
    let Some(place) = Place::on_etcd() else { return };
    for (key, value) in [("config", "{\"replicas\":3}"), ("feature:new_ui", "true"), ("jobs", "7")] {
        place.done(&["set", key, value]);
    }
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    OF_THE_CALLER.iter().for_each(|name| command.env_remove(name));
    command.env("HOME", place.folder());
    command.arg("--db");
    command.arg(place.db());
    let mut terminal = Terminal::start(command, 100, 24);
    terminal.wait_for("feature:new_ui");
    terminal.wait_for("3 keys");
    // Another process, and another program.
    place.done(&["set", "late", "1"]);
    terminal.wait_for("late");
    place.write_foreign("foreign", "hello");
    terminal.wait_for("foreign");
    terminal.keys("jj");
    terminal.wait_for_row("foreign");
    terminal.keys("d");
    terminal.wait_for("Delete foreign?");
    terminal.keys("y");
    terminal.wait_for("deleted");
    terminal.wait_for("4 keys");
    terminal.keys("u");
    terminal.wait_for("5 keys");
    assert_eq!(place.done(&["get", "foreign"]), "hello\n");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn a_prefix_is_imported_into_a_file_and_another_prefix() {
    let (Some(from), Some(to)) = (Place::on_etcd(), Place::on_etcd()) else { return };
    let file = Place::on_file();
    let address = from.db().to_str().unwrap().to_string();
    // More than one transaction takes.
    for number in 0..60 {
        from.done(&["set", &format!("k{number:02}"), &number.to_string(), "--type", "number"]);
    }
    from.write_foreign("foreign", "text");
    for target in [&file, &to] {
        let said = target.done(&["import", &address]);
        assert!(said.starts_with(&format!("imported 61 entries and 0 locks from {address}")), "{said}");
        assert_eq!(target.done(&["keys"]), from.done(&["keys"]));
        let again = target.json(&["import", &address, "--json"]);
        assert_eq!((again["imported"].as_i64(), again["equal"].as_i64()), (Some(0), Some(61)), "{again}");
    }
    from.run(&["import", &address]).refused(2, "cannot be imported into itself");
    file.run(&["import", "--older", &address]).refused(2, "is not a file");
    // Back into a prefix from the file, by its name.
    let back = Place::on_etcd().unwrap();
    back.done(&["import", file.db().to_str().unwrap()]);
    assert_eq!(back.done(&["get", "k59"]), "59\n");
}

#[test]
fn an_import_that_ends_early_says_what_was_imported() {
    let Some(to) = Place::on_etcd() else { return };
    let from = Place::on_file();
    let lines: String = (0..40).map(|number| format!("state.set('k{number:02}', 1) ")).collect();
    std::fs::write(from.file("w.lua"), format!("task('t'):command(function() {lines} end)")).unwrap();
    from.done(&["run", from.file("w.lua").to_str().unwrap()]);
    let prefix = to.db().to_str().unwrap().rsplit_once('/').unwrap().1.to_string();
    let node = etcd_node().unwrap();
    let losing = LosingProxy::of_answers(node, 1);
    let mut command = slothstate(to.folder());
    command
        .args(["--busy-timeout", "1s", "--db", &format!("etcd://{}/{prefix}", losing.address), "import"])
        .arg(from.db());
    answer(command).refused(3, "were imported; run it again to go on");
    to.done(&["import", from.db().to_str().unwrap()]);
    assert_eq!(to.done(&["keys"]).lines().count(), 40);
}

/// All keys at a prefix and beside it.
fn keys_at(place: &Place) -> Vec<String> {
    let address = place.db();
    let (node, prefix) = address.to_str().unwrap().strip_prefix("etcd://").unwrap().split_once('/').unwrap();
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(["--endpoints", node, "get", "--prefix", "--keys-only"]);
    let listed = command.arg(format!("/{prefix}")).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(String::from).collect()
}

#[test]
fn the_demo_removes_from_a_prefix_what_it_wrote_and_nothing_else() {
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
        let Some(place) = Place::on_etcd() else { return };
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
        command.arg("--db");
        command.arg(place.db());
        command.args(["demo", "--pace", "0.05"]);
        command.env("TMPDIR", place.folder());
        command.env("HOME", place.folder());
        let mut terminal = Terminal::start(command, 120, 40);
        terminal.wait_for("about:demo");
        terminal.wait_until("rows of several workflows", |screen| {
            let rows = screen.rows(0, 40).filter(|row| row.contains(':') || row.contains('_'));
            rows.count() > 6
        });
        assert!(!terminal.contents().contains("lease="), "{}", terminal.contents());
        let mut second = place.command(&["demo"]);
        second.env("TMPDIR", place.folder());
        let second = answer(second);
        second.refused(2, "is not a terminal");
        place.write_foreign("theirs", "1");
        place.write_foreign("about:demo", "theirs too");
        terminal.wait_for("theirs");
        match end {
            None => terminal.keys("q"),
            Some(with) => kill(Pid::from_raw(terminal.pid().cast_signed()), with).unwrap(),
        }
        terminal.wait_for_end();
        let prefix = place.db().to_str().unwrap().rsplit_once('/').unwrap().1.to_string();
        let theirs = [format!("/{prefix}/about:demo"), format!("/{prefix}/theirs")];
        until("only what others wrote is there", || keys_at(&place) == theirs);
        until("the demo's folder is gone", || {
            place.names().iter().all(|name| !name.starts_with("slothstate-demo-"))
        });
        if end.is_none() {
            let said = terminal.contents();
            assert!(said.contains("2 entries") && said.contains("were not written by this demo"), "{said}");
        }
        assert_eq!(place.done(&["get", "about:demo"]), "theirs too\n");
    }
}

#[test]
fn the_demo_leaves_a_prefix_alone_that_is_not_empty() {
    let Some(place) = Place::on_etcd() else { return };
    place.write_foreign("theirs", "1");
    let before = keys_at(&place);
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    command.arg("--db");
    command.arg(place.db());
    command.arg("demo");
    command.env("TMPDIR", place.folder());
    command.env("HOME", place.folder());
    let mut terminal = Terminal::start(command, 120, 40);
    assert_eq!(terminal.wait_for_end(), 1);
    let said = terminal.contents();
    assert!(said.contains("is not empty; name a prefix without keys"), "{said}");
    assert_eq!(keys_at(&place), before);
    place.run(&["--read-only", "demo"]).refused(2, "leave out --read-only");
}

#[test]
fn a_lock_that_cannot_be_read_is_named_beside_the_others() {
    let Some(place) = Place::on_etcd() else { return };
    let mut holder = place.command(&["lock", "good", "--", "sleep", "600"]);
    let mut holder = holder.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("the lock is held", || !objects(&place.done(&["locks", "--json"])).is_empty());
    let address = place.db().to_str().unwrap().to_string();
    let (node, prefix) = address.strip_prefix("etcd://").unwrap().split_once('/').unwrap();
    let put = |name: &str| {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", node, "put", "--"]);
        command.args([&format!("/{prefix}.s/l/{name}"), "true"]).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
    };
    put("odd\u{1b}");
    let said = place.run(&["locks"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let table = String::from_utf8(said.out).unwrap();
    assert!(table.contains("good") && table.contains("unreadable:"), "{table}");
    let locks = objects(&place.done(&["locks", "--json"]));
    let of = |name: &str| locks.iter().find(|lock| lock["name"] == name).unwrap().clone();
    let odd = of("odd\u{1b}");
    assert_eq!((&odd["unreadable"], &odd["expired"]), (&true.into(), &serde_json::Value::Null), "{odd}");
    assert_eq!((&of("good")["unreadable"], &of("good")["expired"]), (&false.into(), &false.into()));
    place.run(&["lock", "odd\u{1b}", "--", "true"]).refused(3, "is not as it was written");
    place.run(&["unlock", "odd\u{1b}"]).refused(1, "may be alive; --force clears it anyway");
    place.done(&["unlock", "odd\u{1b}", "--force"]);
    place.done(&["lock", "odd\u{1b}", "--", "true"]);
    kill(Pid::from_raw(holder.id().cast_signed()), Signal::SIGTERM).unwrap();
    holder.wait().unwrap();
}

#[test]
fn a_user_is_let_in_where_there_is_no_authentication() {
    let Some(place) = Place::on_etcd() else { return };
    let address = place.db().to_str().unwrap().replacen("etcd://", "etcd://ann@", 1);
    let run = |arguments: &[&str]| {
        let mut command = slothstate(place.folder());
        command.env("SLOTHSTATE_ETCD_PASSWORD", "secret").args(["--db", &address]).args(arguments);
        answer(command)
    };
    run(&["set", "k", "1"]).done();
    assert_eq!(run(&["get", "k"]).done(), "1\n");
    let examined = run(&["doctor"]);
    let text = String::from_utf8(examined.out.clone()).unwrap();
    assert!(text.contains("the server has no authentication"), "{text}");
    assert!(text.contains("the quota is unknown") || text.contains(" MB are used"), "{text}");
}

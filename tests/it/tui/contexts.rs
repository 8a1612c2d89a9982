//! Several databases: going from one to another, and those where mistakes are felt by others.

use std::process::Stdio;

use portable_pty::CommandBuilder;

use crate::support::files::{OF_THE_CALLER, Place, slothstate};
use crate::support::terminal::{Terminal, cursor_row};
use crate::tui::{ESC, command, place_of_sloth_runner, place_with, quit, take};

/// Two databases, `dev` and `live`, of which the second is production.
fn place() -> Place {
    let place = place_with(&[("here", "dev"), ("count", "1")]);
    let live = place.file("live.db");
    for (key, value) in [("there", "live"), ("version", "v1")] {
        let mut set = slothstate(place.folder());
        assert!(
            set.arg("--db")
                .arg(&live)
                .args(["set", key, value])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    }
    let config = format!(
        "[contexts.dev]\npath = {:?}\n[contexts.live]\npath = {live:?}\nproduction = true\n\
         [contexts.gone]\npath = \"/nowhere/state.db\"\n",
        place.db()
    );
    std::fs::create_dir_all(place.folder().join(".config/slothstate")).unwrap();
    std::fs::write(place.folder().join(".config/slothstate/config.toml"), config).unwrap();
    place
}

fn value_in_live(place: &Place, key: &str) -> String {
    let mut get = slothstate(place.folder());
    get.args(["--context", "live", "get", key]);
    String::from_utf8(get.output().unwrap().stdout).unwrap()
}

#[test]
fn one_goes_from_one_database_to_another_and_back() {
    let place = place();
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("dev · 3 keys");
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("added 1 to count");
    terminal.keys("C");
    terminal.wait_for("PRODUCTION /");
    terminal.keys("gone\r");
    terminal.wait_for("gone was not opened");
    let screen = terminal.contents();
    assert!(screen.contains("config.toml") && !screen.contains("--db"), "{screen}");
    terminal.wait_for_row("count");
    terminal.keys("Clive\r");
    terminal.wait_for("PRODUCTION: live");
    terminal.wait_for("live · 2 keys");
    terminal.wait_for("there");
    terminal.wait_without("count");

    // What others change there is seen, and what is changed in the first is not.
    let mut set = slothstate(place.folder());
    assert!(set.args(["--context", "live", "set", "there", "news"]).status().unwrap().success());
    terminal.wait_for("news");
    terminal.keys("jd");
    terminal.wait_for("Delete version?");
    terminal.keys("d\r ");
    terminal.keys(ESC);
    terminal.wait_without("Delete version?");
    assert_eq!(value_in_live(&place, "version"), "v1\n");
    terminal.keys("dy");
    terminal.wait_for("deleted version");
    assert_eq!(value_in_live(&place, "version"), "");
    terminal.keys("u");
    terminal.wait_for("Undo: deleted version?");
    terminal.keys("y");
    terminal.wait_for("took back: deleted version");
    assert_eq!(value_in_live(&place, "version"), "v1\n");

    terminal.keys("Cdev\r");
    terminal.wait_for("dev · 3 keys");
    terminal.wait_without("PRODUCTION");
    terminal.keys("u");
    terminal.wait_for("took back: added 1 to count");
    assert_eq!(place.done(&["get", "count"]), "1\n");
    quit(&mut terminal);
}

#[test]
fn a_locked_database_is_waited_for_with_a_picture() {
    // A file that nobody has adopted has no log beside which it could be read.
    let place = place_of_sloth_runner(&[("k", "v")]);
    let other = place.connection();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(command(&place, &["--busy-timeout", "200ms"]), 80, 24);
    terminal.wait_for("another program has locked it");
    terminal.wait_for(" opening…");
    terminal.keys("8");
    terminal.wait_without("there are no keys yet");
    terminal.wait_for(" opening…");
    terminal.keys("1?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    other.execute_batch("ROLLBACK").unwrap();
    terminal.wait_for_row("k ");
    terminal.wait_without("locked");
    quit(&mut terminal);

    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("another program has locked it");
    quit(&mut terminal);
}

#[test]
fn a_database_that_is_locked_while_it_is_looked_at_says_so_and_comes_back() {
    let place = place_of_sloth_runner(&[("flag", "true"), ("k", "v")]);
    let log = place.file("slothstate.log");
    let mut terminal = Terminal::start(
        command(&place, &["--busy-timeout", "300ms", "--log", log.to_str().unwrap()]),
        80,
        24,
    );
    terminal.wait_for_row("flag");
    terminal.wait_for("2 keys");
    let other = place.connection();
    other.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; UPDATE state SET value = 'locked away' WHERE key = 'k'").unwrap();
    terminal.keys("\x12");
    terminal.wait_for("the database does not answer");
    terminal.wait_for("old");
    // What was read before is still there to be looked at.
    terminal.keys("j");
    terminal.wait_for_row("k ");
    terminal.keys("?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    other.execute_batch("COMMIT").unwrap();
    terminal.wait_for("locked away");
    terminal.wait_without("does not answer");
    terminal.keys("M");
    terminal.wait_for("Messages");
    terminal.wait_for("answers again");
    terminal.keys(ESC);
    terminal.wait_without("Messages");
    quit(&mut terminal);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("INFO") && log.contains("reading failed"), "{log}");
    assert!(!log.contains("locked away"), "a value in the log: {log}");
}

#[test]
fn the_interface_opens_as_it_was_left_if_that_is_wanted() {
    let place = place_with(&[("feature:a", "true"), ("feature:b", "true"), ("other", "off")]);
    let mut terminal = Terminal::start(command(&place, &["--resume"]), 80, 24);
    terminal.wait_for_row("feature:a");
    terminal.keys("2/feature\r");
    terminal.wait_for("1 of 2");
    terminal.keys("j");
    terminal.wait_for_row("feature:b");
    quit(&mut terminal);
    let mut terminal = Terminal::start(command(&place, &["--resume"]), 80, 24);
    terminal.wait_for_row("feature:b");
    terminal.wait_for("/ feature");
    terminal.wait_for("STATE");
    quit(&mut terminal);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for("no filter");
    terminal.wait_for("KIND");
    quit(&mut terminal);
}

#[test]
fn every_frame_is_shown_whole_or_not_at_all() {
    let place = place_with(&[("a", "1"), ("b", "2")]);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for_row("a");
    terminal.keys("jk?");
    terminal.wait_for("Keys of this view");
    terminal.keys(ESC);
    terminal.wait_without("Keys of this view");
    terminal.keys("2");
    terminal.wait_for("FLAG");
    quit(&mut terminal);
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    let drawn = output.rsplit_once("\x1b[?1049l").unwrap().0;
    // Between the frames nothing is drawn: no text outside of a synchronised update.
    let mut begun = drawn.split("\x1b[?2026h");
    assert!(!begun.next().unwrap().contains('a'));
    let frames: Vec<&str> = begun.collect();
    assert!(frames.len() > 3);
    for frame in frames {
        let (_, after) = frame.split_once("\x1b[?2026l").expect("an end");
        assert!(after.chars().all(|letter| letter != 'K' && letter != 'F'), "{after:?}");
    }
}

/// The program without --db: which database it is stands in the configuration.
fn in_context(place: &Place, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    for name in OF_THE_CALLER {
        command.env_remove(name);
    }
    command.env("HOME", place.folder());
    command.args(arguments);
    command
}

fn configure(place: &Place, config: &str) {
    let folder = place.folder().join(".config/slothstate");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), config).unwrap();
}

/// One file that has two contexts, one of them read-only.
fn place_with_two_contexts() -> Place {
    let place = place_with(&[("flag", "true")]);
    let db = place.db();
    configure(
        &place,
        &format!("[contexts.live-ro]\npath = {db:?}\nread_only = true\n[contexts.live]\npath = {db:?}\n"),
    );
    place
}

#[test]
fn a_context_is_its_name_and_flags_and_not_its_file() {
    let place = place_with_two_contexts();
    let is_read_only = |terminal: &mut Terminal| {
        terminal.wait_for("live-ro · read only");
        terminal.wait_for_row("flag");
        terminal.keys(" ");
        terminal.wait_for("looking only");
        terminal.keys("e");
        terminal.wait_for("edit: this database");
        assert_eq!(place.done(&["get", "flag"]), "true\n");
    };
    let is_writable = |terminal: &mut Terminal| {
        terminal.wait_for("live · 2 keys");
        terminal.wait_without("read only");
        terminal.wait_for_row("flag");
        terminal.keys(" ");
        terminal.wait_for("set flag to false");
        assert_eq!(place.done(&["get", "flag"]), "false\n");
        terminal.keys("u");
        terminal.wait_for("took back: set flag");
        assert_eq!(place.done(&["get", "flag"]), "true\n");
    };
    // Named on the command line, and from one to the other by the palette and by its key.
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live", "--resume"]), 100, 24);
    is_writable(&mut terminal);
    terminal.keys(":context live-ro\r");
    is_read_only(&mut terminal);
    terminal.keys("Clive\r");
    is_writable(&mut terminal);
    terminal.keys("Clive\r");
    terminal.wait_for("this is live");
    terminal.keys("Clive-ro\r");
    is_read_only(&mut terminal);
    quit(&mut terminal);
    // How it was left does not make another context of it.
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live", "--resume"]), 100, 24);
    is_writable(&mut terminal);
    quit(&mut terminal);
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live-ro", "--resume"]), 100, 24);
    is_read_only(&mut terminal);
    terminal.keys(":context live\r");
    is_writable(&mut terminal);
    quit(&mut terminal);
    // The file by itself is not the read-only one of its contexts; --read-only holds in all of them.
    let mut terminal = Terminal::start(command(&place, &[]), 100, 24);
    is_writable(&mut terminal);
    quit(&mut terminal);
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live", "--read-only"]), 100, 24);
    terminal.wait_for("live · read only");
    terminal.keys("Clive-ro\r");
    is_read_only(&mut terminal);
    terminal.keys("Clive\r");
    terminal.wait_for("live · read only");
    quit(&mut terminal);
    // The commands agree.
    let run = |arguments: &[&str]| {
        let mut command = slothstate(place.folder());
        crate::support::files::answer({
            command.args(arguments);
            command
        })
    };
    run(&["--context", "live-ro", "set", "flag", "false"]).refused(3, "read-only");
    run(&["--context", "live", "set", "flag", "false"]).done();
}

#[test]
fn in_production_every_change_asks_first() {
    let place = place_with(&[("count", "1"), ("flag", "true")]);
    let db = place.db();
    configure(&place, &format!("[contexts.live]\npath = {db:?}\nproduction = true\n"));
    std::fs::write(
        place.file("w.lua"),
        "task(\"a\"):command(function() state.set(\"ran\", true) return true end)\n",
    )
    .unwrap();
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live"]), 80, 24);
    terminal.wait_for("PRODUCTION: live");
    terminal.wait_for("›count");
    let value = |key: &str| place.done(&["get", key]);
    terminal.keys("+");
    terminal.wait_for("Add 1 to count?");
    terminal.keys("+++");
    terminal.keys(ESC);
    terminal.wait_without("Are you sure?");
    assert_eq!(value("count"), "1\n");
    terminal.keys("+y");
    terminal.wait_for("added 1 to count");
    assert_eq!(value("count"), "2\n");
    terminal.keys("j");
    terminal.wait_for("›flag");
    terminal.keys("   ");
    terminal.wait_for("Change flag: true → false?");
    assert_eq!(value("flag"), "true\n");
    terminal.keys("y");
    terminal.wait_for("set flag to false");
    assert_eq!(value("flag"), "false\n");
    // The form is of what the list shows.
    terminal.wait_until("the new value", |screen| {
        screen.rows(0, 80).any(|row| row.contains("›flag") && row.contains("false"))
    });
    // Enter writes in a form, and asks here; no leads back to it.
    terminal.keys("\r\x15true\r");
    terminal.wait_for("Change flag: false → true?");
    terminal.keys("n");
    terminal.wait_without("Are you sure?");
    assert_eq!(value("flag"), "false\n");
    terminal.keys("\r");
    terminal.wait_for("Change flag: false → true?");
    terminal.keys("y");
    terminal.wait_for("changed flag");
    assert_eq!(value("flag"), "true\n");
    terminal.keys("u");
    terminal.wait_for("Undo: changed flag?");
    terminal.keys("uuny");
    terminal.wait_without("Are you sure?");
    assert_eq!(value("flag"), "true\n");
    terminal.keys("uy");
    terminal.wait_for("took back: changed flag");
    // What a run does cannot be undone: the name is asked for.
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys(place.file("w.lua").to_str().unwrap());
    terminal.keys("\r");
    terminal.wait_for("type live to do it");
    terminal.keys("y\r");
    terminal.wait_for("that is not its name");
    assert_eq!(place.run(&["get", "ran"]).code, Some(1));
    terminal.keys("\x7flive\r");
    terminal.wait_for("Run 1 ");
    quit(&mut terminal);
    assert_eq!(value("ran"), "true\n");
    // Scripts are not asked.
    let mut set = slothstate(place.folder());
    assert!(set.args(["--context", "live", "set", "count", "7"]).status().unwrap().success());
}

#[test]
fn which_changes_ask_can_be_configured() {
    let place = place_with(&[("count", "1"), ("flag", "true")]);
    let db = place.db();
    configure(
        &place,
        &format!(
            "[contexts.live]\npath = {db:?}\nproduction = true\nconfirm = \"dangerous\"\n\
             [contexts.dev]\npath = {db:?}\nconfirm = \"always\"\n"
        ),
    );
    let mut terminal = Terminal::start(in_context(&place, &["--context", "live"]), 80, 24);
    terminal.wait_for("›count");
    terminal.keys("+");
    terminal.wait_for("added 1 to count");
    terminal.keys("Cdev\r");
    terminal.wait_for("this is dev");
    terminal.wait_for_row("count");
    terminal.keys("+");
    terminal.wait_for("Add 1 to count?");
    terminal.keys("y");
    terminal.wait_for("added 1 to count");
    quit(&mut terminal);
    assert_eq!(place.done(&["get", "count"]), "3\n");
}

#[test]
fn a_file_of_sloth_runner_is_adopted_only_after_a_question() {
    let place = place_of_sloth_runner(&[("count", "1"), ("flag", "true")]);
    let before = (std::fs::read(place.db()).unwrap(), place.names());
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for_row("count");
    // Whichever command it is.
    for keys in ["+", "e9\r", "mm d", "d", "ak\tv\r", "0"] {
        terminal.keys(keys);
        terminal.wait_for("adds columns and tables");
        terminal.wait_for("Sloth Runner goes on using it");
        terminal.keys(ESC);
        terminal.wait_without("Are you sure?");
        for _ in 0..4 {
            terminal.keys(ESC);
        }
        terminal.keys("g");
        terminal.wait_for_row("count");
    }
    assert_eq!((std::fs::read(place.db()).unwrap(), place.names()), before);
    terminal.keys("+y");
    terminal.wait_for("adopted");
    assert_eq!(place.done(&["get", "count"]), "2\n");
    assert!(place.names().contains(&"state.db.before-slothstate".to_string()));
    // The question is asked once.
    terminal.keys("+");
    terminal.wait_until("the second write or a question", |screen| {
        cursor_row(screen).contains(" 3 ") || screen.contents().contains("Are you sure?")
    });
    assert!(!terminal.contents().contains("Are you sure?"), "{}", terminal.contents());
    assert_eq!(place.done(&["get", "count"]), "3\n");
    quit(&mut terminal);
    // Another program adopts it while it is looked at: there is nothing to be asked.
    let place = place_of_sloth_runner(&[("count", "1")]);
    let mut terminal = Terminal::start(command(&place, &[]), 80, 24);
    terminal.wait_for_row("count");
    place.run(&["set", "other", "v"]);
    terminal.wait_for("2 keys");
    terminal.keys("+");
    terminal.wait_for("added 1 to count");
    quit(&mut terminal);
}

#[test]
fn a_command_asks_in_production_before_a_lock_is_cleared_by_force_and_only_on_a_terminal() {
    let place = place_with(&[]);
    let db = place.db();
    configure(&place, &format!("[contexts.live]\npath = {db:?}\nproduction = true\n"));
    let store = place.store();
    take(&*store, "ann");
    let unlock = |more: &[&str]| {
        let arguments = [&["--context", "live", "unlock", "deploy", "--force"], more].concat();
        Terminal::start(in_context(&place, &arguments), 120, 24)
    };
    for (typed, code) in [("y\r", 1), ("\r", 1), ("lives\r", 1), ("\x04", 1)] {
        let mut terminal = unlock(&[]);
        terminal.wait_for("PRODUCTION live: Clear lock deploy, held by ann (alive)? type live to do it:");
        terminal.keys(typed);
        assert_eq!(terminal.wait_for_end(), code, "{}", terminal.contents());
        assert!(place.done(&["locks"]).contains("deploy"));
    }
    let mut terminal = unlock(&[]);
    terminal.wait_for("type live to do it:");
    terminal.keys("live\r");
    assert_eq!(terminal.wait_for_end(), 0, "{}", terminal.contents());
    assert!(!place.done(&["locks"]).contains("deploy"));
    // With --yes, without a terminal, and elsewhere, nothing is asked.
    take(&*store, "ann");
    let mut terminal = unlock(&["--yes"]);
    assert_eq!(terminal.wait_for_end(), 0, "{}", terminal.contents());
    assert!(!terminal.contents().contains("type live"), "{}", terminal.contents());
    take(&*store, "ann");
    let mut command = slothstate(place.folder());
    assert!(command.args(["--context", "live", "unlock", "deploy", "--force"]).status().unwrap().success());
    take(&*store, "ann");
    configure(&place, &format!("[contexts.live]\npath = {db:?}\n"));
    let mut terminal = unlock(&[]);
    assert_eq!(terminal.wait_for_end(), 0, "{}", terminal.contents());
}

//! What happens to the file of a database, or to the files beside it, while it is open: in the
//! interface, under `watch`, and under a run that writes in a loop.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;
use serde_json::Value as Json;

use crate::support::files::{Answer, OF_THE_CALLER, Place, answer, objects, skipped, slothstate, until};
use crate::support::terminal::Terminal;

/// What there is after an accident.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    /// The state of the backup: `early` is there, and `late` is not.
    Backup,
    /// Another database, which has `other`.
    Other,
    /// The state as it was: nothing was lost.
    Same,
    /// Nothing that can be read.
    Nothing,
    /// It is no accident for those who have it open.
    Fine,
}

/// The command, which is run in the folder of the database, and what is there after it.
const ACCIDENTS: [(&str, After); 19] = [
    ("mv other.db state.db", After::Other),
    ("rm state.db state.db-wal state.db-shm; mv other.db state.db", After::Other),
    ("rm state.db*", After::Nothing),
    ("rm state.db", After::Nothing),
    ("mv state.db elsewhere.db", After::Nothing),
    ("cp backup.db state.db", After::Backup),
    ("cat backup.db > state.db", After::Backup),
    ("rm state.db; cp backup.db state.db", After::Backup),
    ("rm state.db*; cp backup.db state.db", After::Backup),
    ("sqlite3 state.db '.restore backup.db'", After::Backup),
    ("\"$SLOTHSTATE\" --db state.db restore backup.db --yes --force", After::Backup),
    ("truncate -s 0 state.db", After::Nothing),
    ("truncate -s 20000 state.db", After::Nothing),
    ("rm state.db-wal", After::Same),
    ("rm state.db-shm", After::Same),
    ("rm state.db && mkdir state.db", After::Nothing),
    ("rm state.db && mkfifo state.db", After::Nothing),
    ("mv ../work ../moved", After::Nothing),
    ("sqlite3 state.db 'DELETE FROM slothstate_history'", After::Fine),
];

struct World {
    place: Place,
}

impl World {
    /// A database that was backed up when it had `early`, has `late` by now, and another one beside it.
    fn new() -> World {
        let world = World { place: Place::new() };
        std::fs::create_dir(world.folder()).unwrap();
        world.done(&["set", "early", "1"]);
        world.done(&["backup", world.file("backup.db").to_str().unwrap()]);
        world.done(&["set", "late", "1"]);
        let other = world.file("other.db");
        assert_eq!(answer(world.command_on(&other, &["set", "other", "1"])).code, Some(0));
        world
    }

    fn folder(&self) -> PathBuf {
        self.place.file("work")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn db(&self) -> PathBuf {
        self.file("state.db")
    }

    fn command_on(&self, db: &std::path::Path, arguments: &[&str]) -> Command {
        let mut command = slothstate(self.place.folder());
        command.arg("--db").arg(db).args(arguments);
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_on(&self.db(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments))
    }

    fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    /// Starts the program with its output in files.
    fn start(&self, name: &str, arguments: &[&str]) -> Running {
        let out = |suffix: &str| File::create(self.place.file(&format!("{name}.{suffix}"))).unwrap();
        let child = self.command(arguments).stdout(out("out")).stderr(out("err")).spawn().unwrap();
        Running {
            child,
            out: self.place.file(&format!("{name}.out")),
            err: self.place.file(&format!("{name}.err")),
        }
    }

    fn happen(&self, accident: &str) {
        // The shell would give up at once while somebody writes.
        let patient = accident.replace("sqlite3 state.db", "sqlite3 -cmd '.timeout 60000' state.db");
        let status = Command::new("sh")
            .args(["-ec", &patient])
            .env("SLOTHSTATE", env!("CARGO_BIN_EXE_slothstate"))
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{accident}");
    }
}

/// The accidents that can be brought about here.
fn accidents() -> impl Iterator<Item = (&'static str, After)> {
    let has_shell = Command::new("sqlite3").arg("-version").output().is_ok();
    if !has_shell {
        skipped("accidents by the sqlite3 shell", "it is not installed");
    }
    ACCIDENTS.into_iter().filter(move |(accident, _)| has_shell || !accident.contains("sqlite3"))
}

struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    fn out(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    fn err(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// Whole lines, each a JSON object.
    fn objects(&self) -> Vec<Json> {
        let out = self.out();
        objects(&out[..out.rfind('\n').map_or(0, |end| end + 1)])
    }

    fn end(&mut self) -> Option<i32> {
        let mut ended = None;
        until("the program has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watch_says_so_and_goes_on_or_ends() {
    for (accident, after) in accidents() {
        let world = World::new();
        let mut watch = world.start("watch", &["watch"]);
        // It is there once it prints what is written.
        until("watch prints", || {
            world.done(&["incr", "sign"]);
            !watch.objects().is_empty()
        });
        world.happen(accident);
        if after == After::Nothing {
            assert_eq!(watch.end(), Some(3), "{accident}: {}", watch.err());
            let said = watch.err();
            assert!(said.contains("changed while it was in use"), "{accident}: {said}");
            assert!(!said.contains("panicked"), "{accident}: {said}");
            continue;
        }
        let is_reset = |object: &Json| object.get("reset").is_some();
        let resets = || watch.objects().into_iter().filter(is_reset).collect::<Vec<_>>();
        if after != After::Fine {
            until(&format!("watch says so: {accident}"), || !resets().is_empty());
            let reset = &resets()[0]["reset"];
            assert!(reset["reason"].is_string() && reset["cause"].is_string(), "{reset}");
            assert!(reset["database"].is_string() && reset["epoch"].is_i64(), "{reset}");
            let revision = reset["revision"].as_i64().unwrap();
            assert!(revision >= 1, "{reset}");
        }
        // It goes on with what there is.
        until(&format!("watch goes on: {accident}"), || {
            world.done(&["set", "afterwards", "1"]);
            watch.objects().iter().any(|object| object["key"] == "afterwards")
        });
        assert_eq!(resets().is_empty(), after == After::Fine, "{accident}");
        // No revision is printed twice. Where only `watch` knew of what was lost, which writes nothing, that
        // cannot be helped.
        if accident.contains("cp backup.db") || accident.contains("restore backup.db --yes") {
            let objects = watch.objects();
            let changes = objects.iter().filter(|object| !is_reset(object));
            let mut all: Vec<i64> = changes.map(|object| object["revision"].as_i64().unwrap()).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{accident}: {all:?}");
        }
        kill(Pid::from_raw(watch.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(watch.end(), Some(143), "{accident}: {}", watch.err());
    }
}

/// Writes until it is refused, whatever the script makes of that.
const LOOP: &str = r#"
local t = task("loop"):command(function()
  for i = 1, 100000 do
    local ok, err = pcall(state.set, "loop", i)
    if not ok then log.info("refused " .. err) return true, "ended" end
    log.info("wrote " .. i)
    if i > 20 then sleep(0.001) end
  end
  return true
end):build()
workflow.define("loop", { tasks = { t } })
"#;

#[test]
fn a_run_writes_nothing_more_and_fails() {
    for (accident, after) in accidents() {
        let world = World::new();
        let script = world.place.file("loop.lua");
        std::fs::write(&script, LOOP).unwrap();
        let mut run = world.start("run", &["run", script.to_str().unwrap()]);
        let wrote = |run: &Running| run.err().matches("wrote ").count();
        until("the run writes", || wrote(&run) > 30);
        world.happen(accident);
        if after == After::Fine {
            let before = wrote(&run);
            until("the run goes on", || wrote(&run) > before + 30);
            continue;
        }
        assert_eq!(run.end(), Some(3), "{accident}: {}", run.err());
        let said = run.err();
        assert!(said.contains("changed while it was in use"), "{accident}: {said}");
        assert!(!said.contains("panicked"), "{accident}: {said}");
        // Whatever was acknowledged is in the database that is there now, or that database is not the one it
        // was written to; and none was made.
        match after {
            After::Nothing => {
                assert!(!world.db().is_file() || world.run(&["get", "loop"]).code == Some(3), "{accident}")
            }
            After::Same => {
                let last = world.done(&["get", "loop"]).trim().parse::<usize>().unwrap();
                assert_eq!(last, wrote(&run), "{accident}");
            }
            After::Backup | After::Other => {
                let found = world.run(&["get", "loop"]);
                if found.code == Some(3) {
                    // The run had ended before there was another file: it was not up to it to move its log aside.
                    found.refused(3, "do not belong together");
                    world.happen("mkdir aside; mv state.db-wal aside");
                }
                world.run(&["get", "loop"]).refused(1, "no key loop");
                assert_eq!(world.run(&["get", "late"]).code, Some(1), "{accident}");
                let key = if after == After::Other { "other" } else { "early" };
                assert_eq!(world.done(&["get", key]), "1\n", "{accident}");
                // What is written from here on has other revisions than what was lost.
                if !matches!(after, After::Other) {
                    world.done(&["set", "next", "1"]);
                    let next = world.done(&["get", "next", "--json"]);
                    let revision = objects(&next)[0]["revision"].as_i64().unwrap();
                    assert!(revision > 1_000_000_000, "{accident}: {revision}");
                }
            }
            After::Fine => {}
        }
    }
}

/// A shell command that works until it is ended.
const WORK: &str = "while :; do echo beat >> work; sleep 0.02; done";

/// Starts `slothstate lock` and a run, each of which works under a lock with a lease of an hour.
fn workers(world: &World) -> [(&'static str, PathBuf, Running); 2] {
    let beat = |name: &str| world.place.file(name);
    let work = |beat: &std::path::Path| WORK.replace("work", beat.to_str().unwrap());
    let (by_command, by_run) = (beat("beat.lock"), beat("beat.run"));
    let script = world.place.file("work.lua");
    let code = format!(
        "task('t'):command(function()\n\
           state.with_lock('R', function() exec.run([[{}]]) end, {{lease = 3600}})\nend)",
        work(&by_run)
    );
    std::fs::write(&script, code).unwrap();
    let lock = world.start("lock", &["lock", "L", "--ttl", "1h", "--", "sh", "-c", &work(&by_command)]);
    let run = world.start("run", &["run", script.to_str().unwrap()]);
    let workers = [("lock", by_command, lock), ("run", by_run, run)];
    for (what, beat, _) in &workers {
        until(&format!("the command of {what} works"), || beat.exists());
    }
    workers
}

/// The commands have ended, long before the leases do, and both programs say why.
#[track_caller]
fn both_lost(accident: &str, workers: [(&'static str, PathBuf, Running); 2]) {
    let size = |beat: &std::path::Path| std::fs::metadata(beat).unwrap().len();
    let mut ended = Vec::new();
    for (what, beat, mut worker) in workers {
        let code = worker.end();
        let said = worker.err();
        assert_eq!(code, Some(1), "{accident}: {what}: {said}");
        let name = if what == "lock" { "L" } else { "R" };
        let last = said.lines().last().unwrap();
        assert!(last.contains(&format!("lock {name} was lost: ")), "{accident}: {what}: {said}");
        assert!(last.contains("changed while the lock was held: "), "{accident}: {what}: {said}");
        if what == "lock" {
            assert!(last.ends_with("; the command was ended"), "{accident}: {said}");
        } else {
            assert!(said.contains("state.with_lock(\"R\"): the lock was lost: "), "{accident}: {said}");
        }
        assert!(!said.contains("panicked") && !said.contains("could not be released"), "{accident}: {said}");
        ended.push((what, size(&beat), beat));
    }
    // Time for a beat, of which a command that still runs makes five.
    std::thread::sleep(std::time::Duration::from_millis(100));
    for (what, before, beat) in ended {
        assert_eq!(size(&beat), before, "{accident}: the command of {what} works on");
    }
}

#[test]
fn a_lock_is_lost_with_its_database() {
    for (accident, after) in accidents() {
        let world = World::new();
        let workers = workers(&world);
        world.happen(accident);
        if after != After::Fine {
            both_lost(accident, workers);
            continue;
        }
        // Longer than it takes to notice what happened.
        std::thread::sleep(std::time::Duration::from_secs(1));
        for (what, beat, mut worker) in workers {
            let before = std::fs::metadata(&beat).unwrap().len();
            until(&format!("the command of {what} goes on: {accident}"), || {
                std::fs::metadata(&beat).unwrap().len() > before
            });
            assert_eq!(worker.child.try_wait().unwrap(), None, "{accident}: {}", worker.err());
            kill(Pid::from_raw(worker.child.id().cast_signed()), Signal::SIGTERM).unwrap();
            assert_eq!(worker.end(), Some(143), "{accident}: {}", worker.err());
        }
    }
}

#[test]
fn a_lock_is_lost_when_a_link_leads_to_another_database() {
    let world = World::new();
    world.happen("mv state.db real.db; ln -s real.db state.db");
    let workers = workers(&world);
    world.happen("ln -s other.db new; mv -T new state.db");
    both_lost("a link leads elsewhere", workers);
    // Who comes now finds another database, in which nobody holds anything.
    assert_eq!(world.done(&["get", "other"]), "1\n");
    assert_eq!(world.done(&["lock", "L", "--wait", "0", "echo", "in"]), "in\n");
}

#[test]
fn a_lock_of_the_same_name_and_token_in_another_database_is_another_one() {
    let world = World::new();
    let workers = workers(&world);
    // They begin with the same revision, and so with the same tokens.
    let [command, run] = ["L", "R"].map(|lock| {
        let mut command = world.command_on(&world.file("twin.db"), &["lock", lock, "--", "sleep", "1000"]);
        command.spawn().unwrap()
    });
    until("both are held in the other database", || {
        let listed = answer(world.command_on(&world.file("twin.db"), &["locks", "--json"]));
        listed.code == Some(0) && listed.out.iter().filter(|byte| **byte == b'\n').count() == 2
    });
    world.happen("rm state.db*; for x in '' -wal -shm; do ln twin.db$x state.db$x; done");
    both_lost("a twin", workers);
    for mut holder in [command, run] {
        assert!(holder.try_wait().unwrap().is_none());
        kill(Pid::from_raw(holder.id().cast_signed()), Signal::SIGTERM).unwrap();
        holder.wait().unwrap();
    }
}

fn open(world: &World, arguments: &[&str]) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    for name in OF_THE_CALLER.iter().chain(&["SLOTHSTATE_THEME", "NO_COLOR", "COLORFGBG"]) {
        command.env_remove(name);
    }
    command.env("HOME", world.place.folder());
    command.arg("--db");
    command.arg(world.db());
    command.args(arguments);
    Terminal::start(command, 120, 40)
}

#[test]
fn the_interface_says_so_and_shows_what_there_is() {
    for (accident, after) in accidents() {
        let world = World::new();
        let mut terminal = open(&world, &[]);
        terminal.wait_for("late");
        world.happen(accident);
        match after {
            After::Fine => {
                world.done(&["set", "afterwards", "1"]);
                terminal.wait_for("afterwards");
                assert!(terminal.contents().contains("late"), "{accident}");
            }
            After::Nothing => {
                terminal.wait_for("no database:");
                assert!(!terminal.contents().contains("late"), "{accident}: {}", terminal.contents());
                // Nothing can be done, and nothing breaks.
                terminal.keys("a");
                terminal.wait_for("Add an entry");
                terminal.keys(crate::tui::ESC);
                terminal.wait_without("Add an entry");
                terminal.keys("2");
                terminal.keys("1");
                terminal.wait_for("no database:");
            }
            After::Backup | After::Other | After::Same => {
                terminal.wait_for("was read again");
                let (there, gone) = match after {
                    After::Other => ("other", "late"),
                    After::Same => ("late", "nothing at all"),
                    _ => ("early", "late"),
                };
                terminal.wait_until(accident, |screen| {
                    let contents = screen.contents();
                    contents.contains(there) && !contents.contains(gone)
                });
                // It follows what is written from here on.
                world.done(&["set", "afterwards", "1"]);
                terminal.wait_for("afterwards");
            }
        }
        terminal.keys("q");
        assert_eq!(terminal.wait_for_end(), 0, "{accident}");
    }
}

#[test]
fn the_interface_finds_a_database_that_comes_back() {
    let world = World::new();
    let mut terminal = open(&world, &[]);
    terminal.wait_for("late");
    world.happen("mkdir aside; mv state.db state.db-wal state.db-shm aside");
    terminal.wait_for("no database:");
    world.happen("mv other.db state.db");
    terminal.wait_for("was read again");
    terminal.wait_until("the other database", |screen| {
        screen.contents().contains("other") && !screen.contents().contains("late")
    });
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn what_is_gone_with_a_restored_state_cannot_be_undone() {
    let world = World::new();
    let mut terminal = open(&world, &[]);
    terminal.wait_for_row("early");
    // A change that the backup will have, and one that it will not.
    terminal.keys("+");
    terminal.wait_until("the first change", |screen| screen.contents().contains("takes it back"));
    world.done(&["backup", world.file("between.db").to_str().unwrap()]);
    terminal.keys("j");
    terminal.wait_for_row("late");
    terminal.keys("+");
    until("the second change", || world.done(&["get", "late"]) == "2\n");
    world.done(&["restore", world.file("between.db").to_str().unwrap(), "--yes"]);
    terminal.wait_for("cannot be undone");
    terminal.wait_until("the state of the backup", |screen| {
        screen.rows(0, 120).any(|row| row.contains("late") && !row.contains('2'))
    });
    terminal.keys("u");
    until("the change that is still there is undone", || world.done(&["get", "early"]) == "1\n");
    assert_eq!(world.done(&["get", "late"]), "1\n");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn a_run_that_is_not_in_the_restored_state_is_left() {
    let world = World::new();
    let script = world.place.file("once.lua");
    let text = "local t = task('once'):command(function() state.set('by run', 1) return true end):build()\n\
                workflow.define('once', { tasks = { t } })\n";
    std::fs::write(&script, text).unwrap();
    world.done(&["run", script.to_str().unwrap()]);
    let mut terminal = open(&world, &[]);
    terminal.wait_for("by run");
    terminal.keys("7");
    terminal.wait_for_row("once");
    terminal.keys("\r");
    terminal.wait_for("task started");
    world.done(&["restore", world.file("backup.db").to_str().unwrap(), "--yes"]);
    terminal.wait_without("task started");
    terminal.keys("1");
    terminal.wait_for_row("early");
    assert!(!terminal.contents().contains("by run"));
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn the_past_is_that_of_the_database_as_it_is() {
    let world = World::new();
    let mut terminal = open(&world, &[]);
    terminal.wait_for_row("early");
    // The change that is shown is not in the backup.
    terminal.keys("p");
    terminal.wait_for("the newest");
    world.done(&["restore", world.file("backup.db").to_str().unwrap(), "--yes"]);
    terminal.wait_without("PAST");
    terminal.wait_until("the state of the backup", |screen| !screen.contents().contains("late"));
    // This one is in every state.
    world.done(&["set", "early", "2"]);
    terminal.wait_until("a later change", |screen| {
        screen.rows(0, 120).any(|row| row.starts_with('›') && row.contains(" 2 "))
    });
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn a_log_that_was_left_beside_another_file_is_refused_and_named() {
    let world = World::new();
    let mut watch = world.start("watch", &["watch"]);
    until("watch prints", || {
        world.done(&["incr", "sign"]);
        !watch.objects().is_empty()
    });
    // It is gone before it can say anything.
    kill(Pid::from_raw(watch.child.id().cast_signed()), Signal::SIGKILL).unwrap();
    watch.end();
    world.happen("mv other.db state.db");
    let before = std::fs::read(world.db()).unwrap();
    for arguments in [&["get", "other"][..], &["keys"], &["set", "x", "1"], &["watch"]] {
        world.run(arguments).refused(3, "do not belong together");
    }
    let doctor = world.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.out).contains("do not belong together"), "{doctor:?}");
    assert_eq!(std::fs::read(world.db()).unwrap(), before, "nothing was written to it");
    assert!(std::fs::metadata(world.file("state.db-wal")).unwrap().len() > 0);
    // As the message says.
    world.happen("mkdir aside; mv state.db-wal aside");
    assert_eq!(world.done(&["get", "other"]), "1\n");
}

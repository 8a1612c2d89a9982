//! What the single pictures show.

use portable_pty::CommandBuilder;

use crate::album::Album;
use crate::interface::{open, to};
use crate::picture::{DARK, LIGHT};
use crate::terminal::Terminal;
use crate::world::World;

/// Takes all of them.
pub fn take(mut album: Album) {
    let world = World::new();
    world.wait_for_the_lock();
    looking(&mut album, &world);
    form(&mut album, &world);
    light(&mut album, &world);
    locks(&mut album, &world);
    past(&mut album, &world);
    runs(&mut album, &world);
    small(&mut album, &world);
    shell(&mut album, &world);
    album.close();
}

/// The list of keys, flat, as a tree and filtered.
fn looking(album: &mut Album, world: &World) {
    let mut keys = open(world, "dark", 120, 32);
    keys.wait_for("accounts:audit");
    keys.keys("j");
    keys.wait_for("alice: ");
    keys.wait_for("last changes");
    album.take(&keys, "keys", &DARK);
    keys.keys("/metr type:number changed:<1h");
    keys.wait_without("accounts:audit");
    keys.wait_for("metrics:samples");
    album.take(&keys, "filter", &DARK);
    keys.keys("\r\x1b");
    keys.wait_for("no filter");
    keys.keys("gw");
    keys.wait_for("▸ session:");
    keys.wait_for_row("accounts:");
    to(&mut keys, 'j', "deploy:");
    keys.keys("\r");
    keys.wait_for("wanted_version");
    to(&mut keys, 'j', "metrics:");
    keys.keys("\r");
    keys.wait_for("requests:");
    to(&mut keys, 'j', "requests:");
    keys.wait_for("▁");
    album.take(&keys, "tree", &DARK);
    keys.keys("w3");
    keys.wait_for("LATELY");
    keys.wait_for_row("accounts:transfers");
    to(&mut keys, 'j', "metrics:samples");
    album.take(&keys, "counters", &DARK);
}

/// A value, its type and its expiry are edited; nothing is written.
fn form(album: &mut Album, world: &World) {
    let mut form = open(world, "dark", 100, 22);
    form.wait_for("accounts:audit");
    form.keys("/session\r");
    form.wait_for_row("session:ann");
    form.keys("e");
    form.wait_for("‹ string ›");
    form.keys("\t\t+10m");
    form.wait_for("it expires in 35m");
    album.take(&form, "edit", &DARK);
}

/// A light terminal.
fn light(album: &mut Album, world: &World) {
    let mut flags = open(world, "light", 100, 24);
    flags.wait_for("accounts:audit");
    flags.keys("2");
    flags.wait_for("maintenance");
    flags.keys("jjj");
    flags.wait_for("the value is true");
    album.take(&flags, "flags", &LIGHT);
    flags.keys("5");
    flags.wait_for("LEFT");
    flags.wait_for("cache:report:daily");
    album.take(&flags, "expiring", &LIGHT);
}

/// Somebody is woken up.
fn locks(album: &mut Album, world: &World) {
    let mut locks = open(world, "dark", 120, 28);
    locks.wait_for("accounts:audit");
    locks.keys("4");
    locks.wait_for("alive");
    locks.wait_for("nobody renews it");
    locks.keys("x");
    locks.wait_for("Are you sure?");
    album.take(&locks, "locks", &DARK);
    locks.keys("n8");
    locks.wait_for("CHANGING");
    locks.wait_for("EXPIRING  the soonest");
    album.take(&locks, "overview", &DARK);
}

/// History, and the state as it was.
fn past(album: &mut Album, world: &World) {
    let mut past = open(world, "dark", 120, 28);
    past.wait_for("accounts:audit");
    past.keys("6");
    past.wait_for("BEFORE → AFTER");
    past.keys("/deploy\r");
    past.wait_for_row("deploy");
    album.take(&past, "history", &DARK);
    past.keys("1\x1b");
    past.wait_for("no filter");
    past.keys(":at 5m\r");
    past.wait_for("PAST");
    past.wait_for("~deploy:count");
    past.keys("d");
    past.wait_without("accounts:audit");
    past.wait_for_row("deploy:count");
    // The last row: what is read of the list until then puts the cursor where it was.
    past.wait_for("workers:total");
    past.keys("jjj");
    past.wait_for_row("deploy:last_version");
    album.take(&past, "travel", &DARK);
}

/// Runs, one of them step by step, and what it would have done if something had been otherwise.
fn runs(album: &mut Album, world: &World) {
    let mut list = open(world, "dark", 120, 28);
    list.wait_for("accounts:audit");
    list.keys("7");
    list.wait_for_row("metrics");
    to(&mut list, 'j', "nightly_backup");
    list.wait_for("no space left on");
    album.take(&list, "runs", &DARK);
    let mut run = open_the_deployment(world, 36);
    // To a change in the midst of it.
    run.keys("/deploy:last_version\", \"1\r");
    run.wait_for("deploy:last_version: set");
    album.take(&run, "debugger", &DARK);
    let mut trial = open_the_deployment(world, 20);
    trial.keys("w");
    trial.wait_for("What if");
    trial.keys("deploy:last_version=1.14.2\r");
    trial.wait_for("What if deploy:last_version had been");
    trial.wait_for("the path parts at record");
    album.take(&trial, "what_if", &DARK);
}

/// The last deployment, at its first step.
fn open_the_deployment(world: &World, rows: u16) -> Terminal {
    let mut run = open(world, "dark", 120, rows);
    run.wait_for("accounts:audit");
    run.keys("7");
    run.wait_for_row("metrics");
    run.keys("/deploy\r");
    run.wait_for(" of 3");
    to(&mut run, 'k', " 16 ");
    run.keys("\r");
    run.wait_for_row("run started");
    run
}

/// Eighty columns, as much contrast as there is.
fn small(album: &mut Album, world: &World) {
    let small = open(world, "high-contrast", 80, 24);
    small.wait_for("accounts:audit");
    album.take(&small, "small", &DARK);
}

/// The program in a shell. It is the one that is installed, and goes by the clock of the machine.
fn shell(album: &mut Album, world: &World) {
    /// How long things took in one run. It is never quite the same, and nobody is to see that here.
    const TOOK: [&str; 5] = ["1 ms", "0 ms", "155 ms", "1 ms", "157 ms"];
    const ROWS: u16 = 13;
    let mut run = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    run.cwd(env!("CARGO_MANIFEST_DIR"));
    run.env("HOME", world.file(""));
    run.arg("--db");
    run.arg(world.shell());
    run.args(["run", "assets/workflows/deploy.lua", "--param", "version=2.0.0"]);
    run.env_remove("NO_COLOR");
    let mut run = Terminal::start(run, 100, ROWS);
    assert_eq!(run.wait_for_end(), 0);
    let mut took = TOOK.into_iter();
    let words: Vec<String> = String::from_utf8(run.output())
        .unwrap()
        .split(" ms")
        .map(|text| text.trim_end_matches(|character: char| character.is_ascii_digit()).to_string())
        .collect();
    let mut output = words[0].clone();
    for text in &words[1..] {
        output.push_str(took.next().unwrap());
        output.push_str(text);
    }
    let mut shown = vt100::Parser::new(ROWS.try_into().unwrap(), 100.try_into().unwrap(), 0);
    shown.process(output.as_bytes());
    album.keep(shown.screen(), "run", &DARK);
}

//! The recording: somebody on call finds a stuck lock and clears it, turns a flag, takes that back, and
//! looks at the state as it was.

use std::time::Duration;

use slothstate::store::Value;

use crate::album::Album;
use crate::film::{Caption, Film};
use crate::interface::{open, to};
use crate::picture::DARK;
use crate::terminal::Terminal;
use crate::world::World;

const NAME: &str = "on_call";

/// Where the frames come from and where they go.
struct Scene<'a> {
    terminal: Terminal,
    film: Film<'a>,
    album: &'a mut Album,
    world: &'a World,
}

impl Scene<'_> {
    /// A frame of what is there.
    fn show(&mut self, keys: &[&str], words: &str, millis: u32) {
        self.album.shoot(&self.terminal, &mut self.film, NAME, Caption { keys, words }, millis);
    }

    /// Presses a key and waits for what it leads to.
    fn press(&mut self, key: &str, until: &str) {
        self.terminal.keys(key);
        self.terminal.wait_for(until);
    }

    /// Lets a second pass.
    fn second(&self) {
        self.world.clock.advance(Duration::from_secs(1));
    }
}

/// Takes it.
pub fn shoot(mut album: Album) {
    let world = World::new();
    let ticket = world.wait_for_the_lock();
    let terminal = open(&world, "dark", 104, 26);
    terminal.wait_for("accounts:audit");
    terminal.wait_for("correct: ");
    let mut scene = Scene { terminal, film: Film::new(&DARK), album: &mut album, world: &world };
    live(&mut scene);
    world.keep_waiting(ticket);
    scene.press("4", "alive");
    scene.terminal.wait_for("nobody renews it");
    scene.show(&["4"], "the locks: a migration is stuck, its holder is dead, and somebody waits", 3200);
    scene.press("x", "Are you sure?");
    scene.show(&["x"], "clear it: only if it still is the lock that was seen", 3000);
    scene.press("y", "✓");
    // The list of locks is not read again at once after it was read.
    scene.second();
    scene.terminal.wait_without("dead");
    scene.show(&["y"], "cleared", 1200);
    world.serve(ticket);
    scene.second();
    scene.terminal.wait_for("ci@build7:812");
    scene.show(&[], "who waited has it at once", 2400);
    flag(&mut scene);
    past(&mut scene);
    let Scene { film, album: kept, .. } = scene;
    assert!((20_000..=40_000).contains(&film.length()), "{} ms", film.length());
    kept.finish(&film, NAME);
    album.close();
}

/// Workflows at work.
fn live(scene: &mut Scene) {
    const WORDS: &str = "the state of all workflows, live: what anybody changes flashes";
    scene.show(&["slothstate"], "every key, with its details", 1800);
    for (number, latency) in [74, 71, 77, 82].into_iter().enumerate() {
        scene.second();
        scene.world.count("api:calls");
        if number % 2 == 1 {
            scene.world.count("accounts:transfers");
            scene.terminal.wait_for(&format!("counter   {}", 5 + number.div_ceil(2)));
        }
        scene.world.write("circuit:payments:state", Value::text(if number < 2 { "open" } else { "closed" }));
        scene.world.write("backup:last_dump", Value::integer(1_795_489_920 + latency));
        scene.terminal.wait_for(&(1_795_489_920 + latency).to_string());
        scene.terminal.wait_for(&format!("counter   {}", 9 + number));
        scene.show(&[], WORDS, 700);
    }
    scene.second();
}

/// A flag is turned, and turned back.
fn flag(scene: &mut Scene) {
    scene.second();
    scene.press("2", "maintenance");
    to(&mut scene.terminal, 'j', "feature:new_checkout");
    scene.terminal.wait_for("the value is true");
    scene.show(&["2"], "the feature flags", 1500);
    scene.press(" ", "set feature:new_checkout to true");
    scene.show(&["space"], "turned: it keeps its type and its spelling", 2200);
    scene.second();
    scene.press("u", "took back");
    scene.show(&["u"], "and taken back", 2200);
}

/// The state as it was.
fn past(scene: &mut Scene) {
    // Long enough for what was said last to be gone.
    scene.world.clock.advance(Duration::from_secs(10));
    scene.press("p", "the newest, ");
    scene.terminal.wait_without("took back");
    scene.show(&["p"], "back in time: each letter is a change", 1800);
    scene.press("[", "~feature:new_checkout");
    to(&mut scene.terminal, 'j', "feature:new_checkout");
    scene.terminal.wait_for("changed since then");
    scene.show(&["["], "one change back: the flag was on", 2200);
    scene.press("\x1b", "1 Keys");
    scene.press("1", "accounts:audit");
    scene.press(":at 6m\r", "~deploy:count");
    scene.show(&[":at 6m", "enter"], "all of the state, six minutes ago", 2200);
    scene.press("d", "workers:total");
    scene.terminal.wait_without("accounts:audit");
    to(&mut scene.terminal, 'j', "deploy:last_version");
    scene.show(&["d"], "only what is not the same now; R would restore it", 2600);
    scene.press("\x1b", "1 Keys");
    scene.press("8", "EXPIRING");
    scene.terminal.wait_for("CHANGING");
    scene.show(&["esc", "8"], "back to now, and all of it on one screen", 3000);
}

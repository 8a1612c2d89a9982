//! The database that the pictures show: the same on every machine and on every day, written by the
//! example workflows and a few people on a clock of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use slothstate::store::{
    AcquireOutcome, Actor, Edit, Expiry, Key, LockRequest, Locks, Number, Options, Process, SqliteStore,
    State, Store, Ticket, Transaction, Value,
};
use slothstate::time::Millis;
use tempfile::TempDir;

use crate::clock::SharedClock;
use crate::studio;

/// The moment at which the pictures begin: 2026-11-24 03:12:00 UTC, when people are woken up.
pub const NOW: Millis = Millis(1_795_489_920_000);

const HOUR: u64 = 3600;
const MINUTE: u64 = 60;

/// The lock that nobody will release.
pub const STUCK: &str = "database:migration";

/// A database in a folder of its own, and the clock that everything there goes by.
pub struct World {
    folder: TempDir,
    pub clock: Arc<SharedClock>,
}

/// Whoever looks at the pictures.
pub fn reader() -> (Actor, Process) {
    person("ann@web1", 4242)
}

/// Somebody on a host, as an actor and as a process that cannot be alive.
fn person(place: &str, pid: u32) -> (Actor, Process) {
    let host = place.rsplit('@').next().unwrap().to_string();
    let actor = Actor { name: format!("{place}:{pid}"), run: None, task: None };
    // No process of today was started with the machine.
    let start_ticks = Some(0);
    let boot_id = "of the pictures".into();
    (actor, Process { host, boot_id, pid, started: 1, start_ticks, ..Process::current() })
}

impl World {
    /// Everything as it is at [`NOW`].
    pub fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SharedClock::create(&folder.path().join("clock"), NOW));
        let world = World { folder, clock };
        world.live_through_a_day();
        world.clock.set(NOW);
        world
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store, opened by somebody.
    pub fn store(&self, (actor, process): (Actor, Process)) -> SqliteStore {
        SqliteStore::open_or_create(&self.file("state.db"), self.settings((actor, process))).unwrap()
    }

    fn settings(&self, (actor, process): (Actor, Process)) -> Options {
        Options { clock: self.clock.clone(), actor, process, ..Options::default() }
    }

    /// The store as a process of the continuous integration.
    pub fn builder(&self) -> SqliteStore {
        self.store(person("ci@build7", 812))
    }

    fn at(&self, seconds_before: u64) {
        self.clock.set(Millis(NOW.0 - i64::try_from(seconds_before).unwrap() * 1000));
    }

    /// Runs a workflow so many seconds before [`NOW`].
    fn run(&self, seconds_before: u64, workflow: &str, params: &[(&str, &str)]) {
        self.at(seconds_before);
        let pid = 2000 + u32::try_from(seconds_before % 997).unwrap();
        let file = format!("assets/workflows/{workflow}.lua");
        let source = std::fs::read(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let done = studio::run(
            &self.file("state.db"),
            &self.settings(person("ci@build7", pid)),
            &self.clock,
            (&file, source),
            params,
        );
        assert!(done, "{workflow}");
    }

    fn live_through_a_day(&self) {
        self.run(26 * HOUR, "feature_flags", &[]);
        self.run(25 * HOUR, "critical_section", &[]);
        self.run(9 * HOUR, "deploy", &[("version", "1.13.0"), ("pace", "4.1")]);
        self.run(3 * HOUR + 11 * MINUTE, "cached_report", &[]);
        self.run(2 * HOUR + 4 * MINUTE, "deploy", &[("version", "1.14.0"), ("pace", "3.6")]);
        for minutes in (25..=60).rev().step_by(5) {
            let samples = (3 + minutes % 7).to_string();
            self.run(minutes * MINUTE, "metrics", &[("samples", &samples)]);
        }
        self.run(24 * MINUTE, "circuit_breaker", &[]);
        self.hold(14 * MINUTE + 7, STUCK, person("ci@web1", 3187), HOUR);
        self.fail(13 * MINUTE);
        self.by_hand(6 * MINUTE);
        self.run(4 * MINUTE, "deploy", &[("version", "1.14.2"), ("pace", "5.2")]);
        self.run(3 * MINUTE + 10, "workers", &[]);
        self.run(2 * MINUTE, "feature_flags", &[("pace", "2")]);
        self.run(40, "metrics", &[("samples", "9")]);
        self.hold(21, "deploy", alive(), MINUTE);
    }

    /// Another database, for the program that goes by the clock of the machine.
    pub fn shell(&self) -> PathBuf {
        let file = self.file("shell.db");
        let store = SqliteStore::open_or_create(&file, Options::default()).unwrap();
        put(&store, "deploy:last_version", Value::text("1.14.2"), Expiry::Clear);
        file
    }

    /// Has somebody take a lock and keep it.
    fn hold(&self, seconds_before: u64, name: &str, who: (Actor, Process), lease: u64) {
        self.at(seconds_before);
        let lease = Duration::from_secs(lease);
        let holder = who.0.name.clone();
        let request = LockRequest { name: name.into(), holder, lease };
        let taken = self.store(who).acquire(&request, None).unwrap();
        assert!(matches!(taken, AcquireOutcome::Acquired(_)));
    }

    /// Runs a workflow that fails.
    fn fail(&self, seconds_before: u64) {
        const BACKUP: &str = r#"
task("dump"):command(function()
  log.info("dumping 3 databases")
  sleep(1.8)
  state.set("backup:last_dump", os.time())
  return true
end)

task("upload"):depends_on("dump"):command(function()
  sleep(4.2)
  log.error("backup.example.org: no space left on device")
  return false, "2 of 3 uploaded"
end)
"#;
        self.at(seconds_before);
        let who = person("cron@db2", 907);
        let script = ("assets/workflows/nightly_backup.lua", BACKUP.as_bytes().to_vec());
        let done = studio::run(&self.file("state.db"), &self.settings(who), &self.clock, script, &[]);
        assert!(!done);
    }

    /// What people keep by hand.
    fn by_hand(&self, seconds_before: u64) {
        self.at(seconds_before);
        let store = self.store(person("bob@web2", 640));
        let hour = Duration::from_secs(HOUR);
        let left = |seconds: u64| Expiry::After(Duration::from_secs(seconds_before + seconds));
        for (key, value, expiry) in [
            ("maintenance", "off", Expiry::Clear),
            ("session:ann", "3f9c1e", left(25 * MINUTE)),
            ("session:bob", "77ab02", left(48)),
            ("session:eve", "c01d55", Expiry::After(2 * hour)),
            ("backup_lock", "bob@db2:4711", Expiry::Clear),
            ("release:notes", "Straße, 東京 and 🚀", Expiry::Clear),
        ] {
            put(&store, key, Value::text(value), expiry);
        }
    }

    /// Has the continuous integration wait for the stuck lock since a while ago; its place in the queue.
    pub fn wait_for_the_lock(&self) -> Ticket {
        self.at(95);
        let ticket = self.builder().join_queue(&waiting()).unwrap();
        self.clock.set(NOW);
        self.keep_waiting(ticket);
        ticket
    }

    /// Has it go on waiting: who is silent for long is forgotten.
    pub fn keep_waiting(&self, ticket: Ticket) {
        self.builder().keep_waiting(&waiting(), ticket).unwrap();
    }

    /// Gives the lock to who waited for it.
    pub fn serve(&self, ticket: Ticket) {
        let taken = self.builder().acquire(&waiting(), Some(ticket)).unwrap();
        assert!(matches!(taken, AcquireOutcome::Acquired(_)));
    }

    /// Has a workflow at work count something.
    pub fn count(&self, key: &str) {
        let store = self.builder();
        store.set_actor(Actor { name: "ci@build7:812".into(), run: Some(21), task: Some("serve".into()) });
        store.edit(&Key::new(key).unwrap(), &Edit::Increment(Number::Integer(1))).unwrap();
    }

    /// Has a workflow at work write something.
    pub fn write(&self, key: &str, value: Value) {
        put(&self.builder(), key, value, Expiry::Keep);
    }
}

/// A process that lives on every machine: its first one.
fn alive() -> (Actor, Process) {
    let (actor, process) = person("deploy@web1", 1);
    let stat = std::fs::read_to_string("/proc/1/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    // Field 22 of proc_pid_stat(5); the first one here is field 3.
    let start_ticks = after_name.split(' ').nth(22 - 3).unwrap().parse().ok();
    (actor, Process { start_ticks, ..process })
}

fn waiting() -> LockRequest {
    LockRequest { name: STUCK.into(), holder: "ci@build7:812".into(), lease: Duration::from_secs(30) }
}

fn put(store: &SqliteStore, key: &str, value: Value, expiry: Expiry) {
    store.commit(&Transaction::put(Key::new(key).unwrap(), value, expiry)).unwrap();
}

//! What the tests of the real binary share: a folder with a database in it, the program and what it
//! answers, other programs on the same file, and a way to wait without guessing how long.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value as Json;
use slothstate::store::{Location, Options, Store, open_or_create};
use tempfile::TempDir;

use super::etcd_node::etcd_node;

/// A folder of its own for one test.
pub struct Place {
    folder: TempDir,
    db: PathBuf,
}

/// The engine that [`Place::new`] puts its database on: `etcd`, or a file without it. Set for the tests that
/// run on both (`every_engine`).
pub const ENGINE: &str = "SLOTHSTATE_TEST_DB";

/// The file to which each test that has a database on etcd adds its name.
pub const PLACES: &str = "SLOTHSTATE_TEST_PLACES";

impl Place {
    /// With a database on the engine that `$SLOTHSTATE_TEST_DB` names.
    pub fn new() -> Place {
        match std::env::var(ENGINE).as_deref() {
            Err(_) | Ok("sqlite") => Place::on_file(),
            Ok("etcd") => Place::on_etcd().expect("etcd is installed"),
            Ok(other) => panic!("${ENGINE} is sqlite or etcd, not {other}"),
        }
    }

    /// With a file as its database, also where the other tests run on etcd.
    pub fn on_file() -> Place {
        let folder = tempfile::tempdir().unwrap();
        // Tests that give up the rights of root still come in.
        set_mode(folder.path(), 0o755);
        let db = folder.path().join("state.db");
        Place { folder, db }
    }

    /// A folder beside a database of its own on etcd; `None` where that is not installed.
    pub fn on_etcd() -> Option<Place> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let prefix = format!("/it-{}-{number}", std::process::id());
        let db = PathBuf::from(format!("etcd://{}{prefix}", etcd_node()?));
        // The harness names the thread of a test after it.
        if let (Some(file), Some(test)) = (std::env::var_os(PLACES), std::thread::current().name()) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
            file.write_all(format!("{test}\n").as_bytes()).unwrap();
        }
        Some(Place { db, ..Place::on_file() })
    }

    /// Whether the database is a prefix of etcd.
    pub fn is_on_etcd(&self) -> bool {
        self.db.to_string_lossy().starts_with("etcd://")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database, whether it is there or not.
    pub fn db(&self) -> PathBuf {
        self.db.clone()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program at work on the database.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments))
    }

    /// As [`Place::run`], for what must be done.
    pub fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    /// As [`Place::done`], with the answer read as one JSON object.
    pub fn json(&self, arguments: &[&str]) -> Json {
        object(&self.done(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = slothstate(self.folder());
        command.arg("--db").arg(self.db()).args(arguments);
        command
    }

    /// Whether anything may be in the database: a file is made by the first write.
    pub fn has_db(&self) -> bool {
        self.is_on_etcd() || self.db.exists()
    }

    /// The database, opened by this process.
    #[track_caller]
    pub fn store(&self) -> Box<dyn Store> {
        open_or_create(&Location::parse(self.db.as_os_str()).unwrap(), &Options::default()).unwrap()
    }

    /// Another program on the same file.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        assert!(!self.is_on_etcd(), "this test needs a file: name it in tests/it/every_engine.rs");
        let connection = Connection::open(self.db()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// Another program, which knows nothing of types and history, writes an entry.
    #[track_caller]
    pub fn write_foreign(&self, key: &str, value: &str) {
        if self.is_on_etcd() {
            return self.etcdctl(&["put", "--"], key, &[value]);
        }
        const WRITE: &str = "INSERT INTO state (key, value) VALUES (?1, ?2)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.connection().execute(WRITE, [key, value]).unwrap();
    }

    /// etcdctl works on a key of the database.
    #[track_caller]
    pub fn etcdctl(&self, arguments: &[&str], key: &str, value: &[&str]) {
        let address = self.db.to_str().unwrap();
        let (node, prefix) = address.strip_prefix("etcd://").unwrap().split_once('/').unwrap();
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", node]).args(arguments);
        command.arg(format!("/{prefix}/{key}")).args(value).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
    }

    /// Has the sqlite3 shell do `sql`; false where it is not installed.
    #[track_caller]
    pub fn sqlite3(&self, sql: &str) -> bool {
        assert!(!self.is_on_etcd(), "this test needs a file: name it in tests/it/every_engine.rs");
        let mut command = Command::new("sqlite3");
        command.args(["-bail", "-cmd", ".timeout 60000"]).arg(self.db()).arg(sql).stdin(Stdio::null());
        match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            output => {
                let output = output.unwrap();
                assert!(output.status.success(), "{}: {sql}", String::from_utf8_lossy(&output.stderr));
                true
            }
        }
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// What in the caller's environment leads the program to databases, settings and folders.
pub const OF_THE_CALLER: [&str; 9] = [
    "SLOTHSTATE_DB",
    "SLOTHSTATE_CONFIG",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "SLOTHSTATE_LOG",
    "SLOTHSTATE_LOCK",
    "SLOTHSTATE_TOKEN",
    "SLOTHSTATE_LOCK_DB",
    "SLOTHSTATE_ETCD_PASSWORD",
];

/// The program with nothing of the caller's environment that could lead it to a real database.
pub fn slothstate(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slothstate"));
    for name in OF_THE_CALLER {
        command.env_remove(name);
    }
    command.env("HOME", home).stdin(Stdio::null());
    command
}

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Answer {
    pub fn of(output: Output) -> Answer {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Answer { code: output.status.code(), out: output.stdout, err }
    }

    /// The answer as text; the program must have ended well.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        String::from_utf8(self.out).unwrap()
    }

    /// `doctor` must have found nothing, but that an etcd which may damage its data is to be replaced.
    #[track_caller]
    pub fn is_healthy(&self) {
        let out = String::from_utf8_lossy(&self.out);
        let is_old = out.contains("may damage its data") && self.err.contains("0 problems, 1 warning");
        assert!(self.code == Some(0) || (self.code == Some(1) && is_old), "{self:?}");
    }

    /// The program must have ended with `code`, said nothing on standard output, and on standard
    /// error one message that has `words` in it.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        assert!(self.err.contains(words), "{words:?} in {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
    }
}

pub fn answer(mut command: Command) -> Answer {
    Answer::of(output(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
}

/// What a program writes until it ends. One that does not end is killed, and so fails its test.
fn output(child: Child) -> Output {
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    output
}

/// The answer to `command` with `input` on its standard input.
pub fn answer_to(mut command: Command, input: &[u8]) -> Answer {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A program that refuses early closes its end, which is no failure of the test.
    let _ = pipe.write_all(input);
    drop(pipe);
    Answer::of(output(child))
}

#[track_caller]
pub fn object(line: &str) -> Json {
    let read: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(read.is_object(), "{line}");
    read
}

/// One JSON object a line.
#[track_caller]
pub fn objects(lines: &str) -> Vec<Json> {
    lines.lines().map(object).collect()
}

/// How long something is waited for before a test fails: long enough for any machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for something that must come about sooner or later.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Whether the tests that take long do all that they can, as `.ci/run` has them do, and not a part of it.
pub fn thorough() -> bool {
    std::env::var_os("SLOTHSTATE_TEST_FULL").is_some()
}

/// Says aloud that a test, or a part of one, was not done here.
pub fn skipped(what: &str, why: &str) {
    // Past the harness, which keeps the words of tests that pass to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}: {why}");
}

/// Has `command` run with the rights of an ordinary user: root may do everything. The program is
/// taken from a copy, since the folder that it was built in may be closed to others.
pub fn without_rights(place: &Place, arguments: &[&str]) -> Command {
    if !nix::unistd::geteuid().is_root() {
        return place.command(arguments);
    }
    const NOBODY: u32 = 65534;
    let program = program_for_all();
    let mut command = Command::new(program);
    for name in OF_THE_CALLER {
        command.env_remove(name);
    }
    command.env("HOME", place.folder()).stdin(Stdio::null());
    command.uid(NOBODY).gid(NOBODY).current_dir("/").arg("--db").arg(place.db()).args(arguments);
    command
}

fn program_for_all() -> &'static Path {
    static COPY: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    COPY.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_slothstate"));
        let closed = built.ancestors().skip(1).any(|folder| mode(folder) & 0o001 == 0);
        if !closed {
            return built.to_path_buf();
        }
        let folder = std::env::temp_dir().join(format!("slothstate-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        set_mode(&folder, 0o755);
        let copy = folder.join("slothstate");
        std::fs::copy(built, &copy).unwrap();
        copy
    })
}

/// Whether a process was stopped by a signal, as proc(5) tells.
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

/// Whether a process does nothing since it was stopped, or a child of it that it started just then: until
/// that runs a program of its own, its parent waits for it, and counts as busy and not as stopped.
pub fn is_suspended(pid: u32) -> bool {
    let stat = |process: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<String> =
            stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').map(String::from).collect();
        fields
    };
    if is_stopped(pid) {
        return true;
    }
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children = processes.filter(|process| stat(*process).get(1) == Some(&pid.to_string()));
    stat(pid)[0] == "D" && children.any(is_stopped)
}

/// The test binary itself, started as a process of its own to do `part` of a test. The part is a
/// branch of the ignored test named `worker`.
pub struct Worker {
    child: Child,
}

/// What tells a worker its part and the folder that it works in.
pub const PART: &str = "SLOTHSTATE_TEST_PART";
pub const FOLDER: &str = "SLOTHSTATE_TEST_FOLDER";
pub const NUMBER: &str = "SLOTHSTATE_TEST_NUMBER";

impl Worker {
    pub fn start(place: &Place, part: &str, number: usize) -> Worker {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(FOLDER, place.folder())
            .env(NUMBER, number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Worker { child }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the part is done; it must have gone well.
    #[track_caller]
    pub fn finish(mut self) {
        let mut ended = None;
        until("a worker is done", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        assert!(ended.unwrap().success(), "a worker failed");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the worker in the middle of whatever it does; false if it had ended before that.
    pub fn stop(&mut self) -> bool {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
        let mut running = true;
        until("a worker is stopped", || {
            running = self.is_running();
            !running || is_stopped(self.pid())
        });
        running
    }

    /// Lets a stopped worker go on.
    pub fn go_on(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// `kill -9`. What is left is a zombie until the worker is dropped.
    pub fn kill(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

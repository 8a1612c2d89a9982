//! Makes the pictures of the README anew, from the real program in a real terminal:
//!
//! `cargo test --test screenshots -- --ignored`

#[path = "support/picture.rs"]
mod picture;
#[path = "support/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use picture::{DARK, LIGHT, Palette};
use portable_pty::CommandBuilder;
use terminal::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_slothstate");
const WORKFLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/workflows");
const SCREENSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/screenshots");

/// Holds a lock until it is told to stop, or killed.
const HOLDER: &str = r#"
task("migrate"):command(function()
  state.lock("database:migration")
  sleep(600)
  return true
end)
"#;

#[test]
#[ignore = "makes the pictures in the folder screenshots anew"]
fn make_the_screenshots() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("state.db");
    fill(&database);
    let holders = Holders::start(folder.path(), &database);

    let mut keys = open(&database, "dark", 120, 32);
    keys.wait_for("deploy:history");
    keys.keys("/");
    keys.keys("deploy");
    keys.wait_for("deploy:history");
    keys.wait_without("accounts:balances");
    keys.keys("\r");
    keys.wait_for("deploy:count");
    keys.keys("j");
    keys.wait_for("seconds: ");
    save(&keys, "filter", &DARK);
    keys.keys("\x1b");
    keys.wait_for("session:ann");
    keys.keys("g");
    keys.wait_for("correct: ");
    keys.keys("j");
    keys.wait_for("alice: ");
    save(&keys, "keys", &DARK);
    keys.keys("4");
    keys.wait_for("dead");
    keys.wait_for("alive");
    keys.keys("j");
    keys.wait_for("held for");
    // Long enough that there is something to be seen of the time.
    keys.wait_for("12s");
    keys.keys("x");
    keys.wait_for("Are you sure?");
    save(&keys, "locks", &DARK);
    keys.keys("n8");
    keys.wait_for("CHANGING");
    keys.wait_for("EXPIRING  the soonest");
    save(&keys, "overview", &DARK);
    drop(keys);

    let mut run = open(&database, "dark", 120, 36);
    run.wait_for("deploy:history");
    run.keys("7/deploy status:done\r");
    run.wait_for("1 of 1");
    run.keys("\r");
    run.wait_for_row("run started");
    // To a change in the midst of it.
    run.keys("/deploy:last_version\r");
    run.wait_for("deploy:last_version: there was none");
    run.keys("c");
    run.wait_for("changed");
    save(&run, "debugger", &DARK);
    drop(run);

    let mut flags = open(&database, "light", 100, 24);
    flags.wait_for("accounts:balances");
    flags.keys("2");
    flags.wait_for("maintenance");
    flags.keys("jjj");
    flags.wait_for("the value is a boolean");
    save(&flags, "flags", &LIGHT);
    flags.keys("5");
    flags.wait_for("LEFT");
    flags.wait_for("cache:report:daily");
    save(&flags, "expiring", &LIGHT);
    drop(flags);

    let mut run = CommandBuilder::new(PROGRAM);
    run.arg("--db");
    run.arg(&database);
    run.arg("run");
    run.arg(format!("{WORKFLOWS}/deploy.lua"));
    run.args(["--param", "version=2.0.0"]);
    let run = Terminal::start(run, 100, 16);
    run.wait_for("done  ");
    save(&run, "run", &DARK);
    drop(holders);
}

fn open(database: &Path, theme: &str, columns: u16, rows: u16) -> Terminal {
    let mut command = CommandBuilder::new(PROGRAM);
    command.arg("--db");
    command.arg(database);
    command.env("SLOTHSTATE_THEME", theme);
    command.env_remove("NO_COLOR");
    Terminal::start(command, columns, rows)
}

/// Saves the picture, once it stands still: what is on the screen may be half of one.
fn save(terminal: &Terminal, name: &str, palette: &Palette) {
    let mut shown = String::new();
    while shown != terminal.contents() {
        shown = terminal.contents();
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    std::fs::create_dir_all(SCREENSHOTS).unwrap();
    let picture = terminal.look(|screen| picture::svg(screen, palette));
    std::fs::write(PathBuf::from(SCREENSHOTS).join(format!("{name}.svg")), picture).unwrap();
}

fn slothstate(database: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--db").arg(database).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs the example workflows, and adds what people keep by hand.
fn fill(database: &Path) {
    for name in [
        "critical_section",
        "deploy",
        "feature_flags",
        "metrics",
        "workers",
        "circuit_breaker",
        "cached_report",
    ] {
        // From the folder of the project, so that no picture shows where that is.
        let file = format!("assets/workflows/{name}.lua");
        let mut command = slothstate(database);
        let ran = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(file).status().unwrap();
        assert!(ran.success(), "{name}");
    }
    for arguments in [
        &["set", "maintenance", "off", "--type", "string"][..],
        &["set", "session:ann", "3f9c1e", "--ttl", "25m"],
        &["set", "session:bob", "77ab02", "--ttl", "48s"],
        &["set", "backup_lock", "bob@db2:4711"],
        &["set", "release:notes", "Straße, 東京 and 🚀"],
    ] {
        assert!(slothstate(database).args(arguments).status().unwrap().success());
    }
}

/// Processes that hold a lock: one that lives, and one that was killed.
struct Holders(Vec<Child>);

impl Holders {
    fn start(folder: &Path, database: &Path) -> Holders {
        let mut holders = Holders(Vec::new());
        for name in ["deploy:production", "database:migration"] {
            let script = folder.join(format!("{}.lua", name.replace(':', "_")));
            std::fs::write(&script, HOLDER.replace("database:migration", name)).unwrap();
            holders.0.push(slothstate(database).arg("run").arg(&script).spawn().unwrap());
            while !String::from_utf8_lossy(
                &Command::new(PROGRAM).arg("--db").arg(database).arg("locks").output().unwrap().stdout,
            )
            .contains(name)
            {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        holders.0[0].kill().unwrap();
        holders.0[0].wait().unwrap();
        holders
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

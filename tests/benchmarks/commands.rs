//! What it costs to start and end a command of a workflow, against `/bin/sh -c` from Rust.
//!
//! `cargo bench --bench commands`

#[path = "report.rs"]
mod report;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 7;
const COMMANDS: u32 = 200;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("commands.lua");
    let code = "task('t'):command(function(params)
        for _ = 1, tonumber(params.count) do assert(exec.run('exit 0')) end
    end)";
    std::fs::write(&script, code).expect("a script");
    let mut best = [Duration::MAX; 3];
    // In turn, so that a machine whose speed drifts is the same for all.
    for _ in 0..ROUNDS {
        best[0] = best[0].min(run(&script, COMMANDS));
        best[1] = best[1].min(run(&script, 0));
        best[2] = best[2].min(plain());
    }
    let each = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(COMMANDS);
    let shell = each(best[2]);
    let note = format!("/bin/sh -c alone {shell:.2} ms");
    report::at_most("exec.run('exit 0')", each(best[0].saturating_sub(best[1])), "ms", 5.0, &note);
}

/// How long a run with that many commands takes.
fn run(script: &Path, count: u32) -> Duration {
    let start = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(script.with_extension("db"))
        .arg("run")
        .arg(script)
        .args(["--no-record", "--param", &format!("count={count}")])
        .output()
        .expect("slothstate");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    start.elapsed()
}

fn plain() -> Duration {
    let start = Instant::now();
    for _ in 0..COMMANDS {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exit 0"]).stdin(Stdio::null());
        assert!(shell.output().expect("a shell").status.success());
    }
    start.elapsed()
}

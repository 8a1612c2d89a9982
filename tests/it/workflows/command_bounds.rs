//! Which commands a run may start: `--read-only`, `--no-exec`, `--allow-exec` and what a context allows.

use crate::workflows::{Bench, Run};

/// Starts a command that leaves a file behind, and says what came of it.
const TOUCH: &str = r#"task("t"):command(function() exec.run("touch made") end)"#;

impl Bench {
    /// A run with this configuration.
    fn run_configured(&self, config: &str, before: &[&str], code: &str, arguments: &[&str]) -> Run {
        let folder = self.place.file("config");
        std::fs::create_dir_all(&folder).unwrap();
        let config = config.replace("DB", &self.database().display().to_string());
        std::fs::write(folder.join("config.toml"), config).unwrap();
        let script = self.script("w.lua", code);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_slothstate"));
        command.current_dir(self.place.folder()).env("SLOTHSTATE_CONFIG", &folder);
        command.args(before).arg("run").arg(script.file_name().unwrap()).args(arguments);
        Run::of(command.output().unwrap())
    }

    fn has_made(&self) -> bool {
        self.place.file("made").exists()
    }
}

#[test]
fn a_read_only_run_starts_no_command() {
    let bench = Bench::new();
    bench.run_code("task('t'):command(function() state.set('k', 1) end)", &[]).succeeds();
    let functions = [
        "exec.run('touch made')",
        "exec.result('touch made')",
        "local r = exec.run('touch made') return r.success",
    ];
    for call in functions {
        let code = format!("task('t'):command(function()\n {call} end)");
        let words = ["w.lua:2: exec.", "(\"touch made\"): this run starts no commands: --read-only"];
        bench.run_code(&code, &["--read-only"]).fails(1, &words);
    }
    for (option, action) in
        [("command", ""), ("run_if", ":command(function() end)"), ("abort_if", ":command(function() end)")]
    {
        let code = format!(
            "task('first'):command(function() print('begun') end)\ntask('t'):{option}('touch made'){action}"
        );
        let run = bench.run_code(&code, &["--read-only"]);
        assert!(!run.stderr.contains("start  "), "{}", run.stderr);
        run.fails(
            2,
            &["w.lua:2: task t: its ", option, "\"touch made\" this run starts no commands: --read-only"],
        );
    }
    assert!(!bench.has_made());
    // A stub starts nothing, nor does a dry run.
    bench.run_code(TOUCH, &["--read-only", "--stub", "touch *="]).succeeds();
    bench.run_code(TOUCH, &["--read-only", "--dry-run"]).succeeds();
    bench.run_code(TOUCH, &["--read-only", "--dry-run", "--live"]).fails(1, &["no commands: --read-only"]);
    // A task that is not selected is not run.
    let code = "task('a'):command('touch made')\ntask('b'):command(function() end)";
    bench.run_code(code, &["--read-only", "--task", "b"]).succeeds();
    assert!(!bench.has_made());
}

#[test]
fn a_refusal_is_an_error_like_others() {
    let bench = Bench::new();
    let code = r#"task("t"):command(function()
        local ok, why = pcall(exec.run, "touch made")
        assert(not ok and why:find("this run starts no commands: --no-exec", 1, true), why)
      end)"#;
    bench.run_code(code, &["--no-exec"]).succeeds();
    bench
        .run_code(TOUCH, &["--no-exec"])
        .fails(1, &["w.lua:1: exec.run(\"touch made\"): this run starts no commands: --no-exec"]);
    bench.run_code(TOUCH, &["--no-exec", "--allow-exec", "*"]).fails(2, &["--allow-exec"]);
    assert!(!bench.has_made());
}

#[test]
fn only_what_matches_a_pattern_is_started() {
    let bench = Bench::new();
    let run = |command: &str| {
        let code = format!("task('t'):command(function() assert(exec.run([==[{command}]==])) end)");
        bench.run_code(&code, &["--allow-exec", "echo *", "--allow-exec", "test -e *"])
    };
    run("echo a && test -e . || echo b").succeeds().says(&["info", "a"]);
    run("echo 'a; touch made' \"b|c\" 2>&1 >/dev/null").succeeds();
    for command in [
        "echo a; touch made",
        "echo a\ntouch made",
        "echo a && touch made",
        "echo $(touch made)",
        "echo \"$(touch made)\"",
        "echo `touch made`",
        "echo a > made",
        "echo a | tee made",
        "echo # '\ntouch made #'",
        "echo \"$\\\n(touch made)\"",
        "touch made",
        "PATH=/tmp echo a",
    ] {
        run(command).fails(1, &["--allow-exec", "(echo *, test -e *)"]);
        assert!(!bench.has_made(), "{command}");
    }
    let shell = "task('t'):command('echo a; touch made'):run_if('test -e .')";
    bench
        .run_code(shell, &["--allow-exec", "echo *", "--allow-exec", "test -e *"])
        .fails(2, &["w.lua:1: task t: its command", "`touch made` matches no pattern of --allow-exec"]);
    let options = "task('t'):command(function() exec.run('echo a', {env = {LD_PRELOAD = 'x'}}) end)";
    bench.run_code(options, &["--allow-exec", "echo *"]).fails(1, &["sets LD_PRELOAD"]);
    let options = "task('t'):command(function() exec.run('echo a', {cwd = '/'}) end)";
    bench.run_code(options, &["--allow-exec", "echo *"]).fails(1, &["`cd /` matches no pattern"]);
    bench.run_code(options, &["--allow-exec", "echo *", "--allow-exec", "cd /"]).succeeds();
    bench.run_code(TOUCH, &["--allow-exec", "touch ["]).fails(2, &["--allow-exec"]);
}

#[test]
fn trials_and_replays_know_the_bounds() {
    let bench = Bench::new();
    // A dry run fails where the run would.
    bench
        .run_code(TOUCH, &["--dry-run", "--allow-exec", "echo *"])
        .fails(1, &["matches no pattern of --allow-exec"]);
    bench.run_code(TOUCH, &["--dry-run", "--no-exec"]).fails(1, &["starts no commands: --no-exec"]);
    bench.run_code(TOUCH, &["--dry-run", "--allow-exec", "touch *"]).succeeds();
    bench.run_code(TOUCH, &["--dry-run", "--no-exec", "--stub", "touch *="]).succeeds();
    assert!(!bench.has_made());
    // The recording answers, whatever may be started now.
    bench
        .run_code("task('t'):command(function() exec.run('echo a') end)", &["--allow-exec", "echo *"])
        .succeeds();
    bench.place.done(&["--read-only", "replay", "1"]);
    bench.run_code(TOUCH, &["--no-exec"]).fails(1, &["no commands"]);
    bench.place.done(&["replay", "2"]);
    // What-if with --live starts nothing on a read-only database.
    let made = bench.place.file("made");
    let code = format!("task('t'):command(function() exec.run('touch {}') end)", made.display());
    let other = bench.script("other.lua", &code).display().to_string();
    let live = ["replay", "1", "--what-if", "k=1", "--source", &other, "--live"];
    bench.place.run(&[&["--read-only"], &live[..]].concat());
    assert!(!bench.has_made());
    bench.place.run(&live);
    assert!(bench.has_made());
}

#[test]
fn no_option_allows_more_than_the_context() {
    let bench = Bench::new();
    let db = bench.database().display().to_string();
    let live = "[contexts.live]\ndb = \"DB\"\nallow_exec = [\"echo *\"]\n";
    let echo = "task('t'):command(function() exec.run('echo a') end)";
    let ways: [&[&str]; 2] = [&["--context", "live"], &["--db", &db]];
    for way in ways {
        bench.run_configured(live, way, echo, &[]).succeeds();
        for options in
            [&[][..], &["--allow-exec", "*"], &["--allow-exec", "touch *"], &["--dry-run", "--live"]]
        {
            let run = bench.run_configured(live, way, TOUCH, options);
            run.fails(1, &["matches no pattern of allow_exec of context live (echo *)"]);
        }
        // An option may allow less.
        let run = bench.run_configured(live, way, echo, &["--allow-exec", "echo b"]);
        run.fails(1, &["matches no pattern of --allow-exec (echo b)"]);
        let none = "[contexts.live]\ndb = \"DB\"\nno_exec = true\n";
        let run = bench.run_configured(none, way, echo, &["--allow-exec", "*"]);
        run.fails(1, &["this run starts no commands: no_exec of context live"]);
        let read_only = "[contexts.live]\ndb = \"DB\"\nread_only = true\n";
        let run = bench.run_configured(read_only, way, echo, &["--allow-exec", "*"]);
        run.fails(1, &["this run starts no commands: context live is read-only"]);
    }
    // By its path, a database has the bounds of all of its contexts; by name, those of one.
    let two = format!("{live}[contexts.other]\ndb = \"DB\"\n");
    bench.run_configured(&two, &["--db", &db], TOUCH, &[]).fails(1, &["context live"]);
    assert!(!bench.has_made());
    bench.run_configured(&two, &["--context", "other"], TOUCH, &[]).succeeds();
    assert!(bench.has_made());
}

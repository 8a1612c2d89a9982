//! Workflows in the forms in which Sloth Runner's users write them.

use super::Bench;
use crate::support::files::Place;

#[test]
fn commands_and_conditions_may_be_for_the_shell() {
    let bench = Bench::new();
    let code = "task('hello'):command('echo hello'):on_success(function(params, out) assert(out.stdout == 'hello\\n' and out.success and out.exit_code == 0) log.info('done') end)
    task('yes'):run_if('test 1 = 1'):command('echo ran')
    task('no'):condition('test 1 = 2'):run('echo never')
    task('after'):depends_on('hello'):command(function(params, deps) log.info('got ' .. deps.hello.stdout) return true end)";
    let run = bench.run_code(code, &[]).succeeds();
    let run = run.says(&["hello", "info      hello  done", "ran", "run_if said no", "got hello"]);
    assert!(!run.stderr.contains("never"), "{}", run.stderr);
    let code = "task('t'):retries(1, 'fixed', 0.01):command('echo one; echo bad >&2; exit 3')";
    let run = bench.run_code(code, &[]).fails(1, &["the command ended with code 3: bad"]);
    assert_eq!(run.stderr.matches("ended with code 3").count(), 2, "{}", run.stderr);
    bench.run_code("task('t'):abort_if('true'):command('echo never')", &[]).fails(1, &["abort_if said yes"]);
    bench.run_code("task('t'):command('')", &[]).fails(1, &["the command is empty"]);
    bench.run_code("task('t'):timeout(0.05):command('sleep 100')", &[]).fails(1, &["timed out"]);
    bench
        .run_code("task('t'):command(7)", &[])
        .fails(2, &["task t: command must be a function or a shell command, and this is a number"]);
    // What it did is recorded, and played again.
    for run in ["1", "2"] {
        let replay = super::Command::new(env!("CARGO_BIN_EXE_slothstate"))
            .arg("--db")
            .arg(bench.database())
            .args(["replay", run])
            .output()
            .unwrap();
        assert!(replay.status.success(), "{replay:?}");
    }
}

#[test]
fn what_has_no_effect_is_accepted_with_one_warning_each() {
    let bench = Bench::new();
    let code =
        "for i = 1, 3 do task('t' .. i):tags({'a'}):version('1'):artifacts({'x'}):consumes({'y'}):async(true)
        :env({A = 'b'}):metadata({}):defaults({}):command(function() return true end):build() end
      workflow.define('w', {tags = {}, metadata = {}, version = '1', tasks = {'t1', 't2', 't3'}})";
    let run = bench.run_code(code, &[]).succeeds();
    for name in ["tags", "version", "artifacts", "consumes", "async", "env", "metadata", "defaults"] {
        let warning = format!("{name} has no effect here (first at w.lua:1)");
        let warning = if name == "env" || name == "metadata" || name == "defaults" {
            format!("{name} has no effect here (first at w.lua:")
        } else {
            warning
        };
        assert_eq!(run.stderr.matches(&warning).count(), 1, "{warning}:\n{}", run.stderr);
    }
    let fails = |code: &str, expected: &str| drop(bench.run_code(code, &[]).fails(2, &[expected]));
    fails("task('t'):consume({})", "task t has no :consume(); did you mean");
    fails("task('t'):command('true'):run()", "task t: run() without a function would run it at once");
    fails("task('t'):user('root')", "user would run the task as another user");
}

#[test]
fn tasks_are_declared_in_every_form() {
    let bench = Bench::new();
    let codes = [
        "task{name = 'a', run = function() log.info('ran a') return true end}",
        "task({name = 'a', command = 'echo ran a', description = 'd', retries = 1, timeout = '5s'})",
        "task('a', {run = 'echo ran a'})",
        "task('a', function() log.info('ran a') end)",
        "task('a'):run(function() log.info('ran a') end):build()",
        "local t = task('a'):command('echo ran a'):build() workflow.define('w'):tasks({t}):description('d'):build()",
        "workflow.define('w', {tasks = {{name = 'a', run = 'echo ran a'}}})",
        "workflow.define('w', {tasks = {a = {command = 'echo ran a'}}})",
        "workflow.define('w', {tasks = {a = function() log.info('ran a') end}})",
        "workflow.define({name = 'w', tasks = {task{name = 'a', run = 'echo ran a'}}})",
        "workflow.define{tasks = {{name = 'a', command = function(this) log.info('ran ' .. this.name) end}}}",
        "workflow('w', {tasks = {{name = 'a', command = 'echo ran a'}}})",
    ];
    for code in codes {
        let run = bench.run_code(code, &[]);
        assert_eq!(run.code, Some(0), "{code}\n{}", run.stderr);
        run.says(&["ran a", "ok        a"]);
    }
    bench.run_code("workflow.define{name = 'w'}", &[]).fails(2, &["declares no task"]);
    bench.run_code("task{run = 'x'}", &[]).fails(2, &["task: name must be text, and this is a nil"]);
}

#[test]
fn a_workflow_is_told_of_its_beginning_and_its_end() {
    let bench = Bench::new();
    let code = |ending: &str| {
        format!(
            "task('a'):command(function() {ending} end)
            workflow.define('w', {{
              on_start = function() log.info('begins') end,
              on_success = function(results) log.info('went well ' .. results.a.status) end,
              on_failure = function(err, results) log.info('went wrong: ' .. err .. ' | ' .. err.error .. ' | ' .. results.a.status) end,
              on_complete = function(success, results) log.info('complete ' .. tostring(success) .. ' ' .. results.a.status) end,
            }})"
        )
    };
    let run = bench.run_code(&code("return true"), &[]).succeeds();
    let run = run.says(&["begins", "went well ok", "complete true ok"]);
    assert!(!run.stderr.contains("went wrong"));
    let run = bench.run_code(&code("error('broken', 0)"), &[]);
    run.fails(1, &["went wrong: task a: broken | task a: broken | failed", "complete false failed"]);
    let code = "task('a'):command('true')
      workflow.define('w'):on_start(function(this, params) log.info(this.name .. params.x) end)
        :on_success(function(this, params, results) log.info(this.name .. params.x .. results.a.status) end)
        :on_complete(function(success, results) error('mistake', 0) end)";
    bench.run_code(code, &["--param", "x=1"]).succeeds().says(&["w1", "w1ok", "on_complete: mistake"]);
}

#[test]
fn delegation_is_refused_unless_it_is_to_this_machine() {
    let bench = Bench::new();
    let code = |host: &str| format!("task('a'):delegate_to({host}):command('echo ran a')");
    for host in ["'localhost'", "'127.0.0.1'", "{'localhost'}", "{address = 'localhost'}"] {
        bench.run_code(&code(host), &[]).succeeds().says(&["ran a", "warn", "run here: a"]);
    }
    for host in ["'web1'", "{'localhost', 'web1'}", "{address = 'web1'}"] {
        let run = bench.run_code(&code(host), &[]);
        let run = run.fails(2, &["task a is delegated to web1", "--run-delegated-here"]);
        assert!(!run.stderr.contains("start  "));
        let run = bench.run_code(&code(host), &["--run-delegated-here"]).succeeds();
        run.says(&["ran a", "delegated to web1, run here: a"]);
    }
    bench.run_code(&code("values.host"), &[]).fails(2, &["delegate_to must be the name of a host"]);
    bench.run_code(&code("values.host"), &["--param", "host=localhost"]).succeeds();
    bench.run_code(&code("values.host"), &["--run-delegated-here"]).succeeds();
    let code = "task('a'):command('echo ran a') workflow.define('w'):delegate_to('web1')";
    bench.run_code(code, &[]).fails(2, &["workflow w is delegated to web1"]);
}

#[test]
fn values_come_from_a_file_and_from_parameters() {
    let bench = Bench::new();
    let code = "log.info('at load ' .. tostring(values.branch))
      task('t'):command(function(params)
        local servers = values.servers or {}
        log.info(tostring(values.branch) .. ' ' .. #servers .. ' ' .. tostring((values.db or {}).port) .. ' ' .. tostring(values.none))
        return true
      end)";
    bench.run_code(code, &[]).succeeds().says(&["at load nil", "nil 0 nil nil"]);
    let yaml = bench.script("values.yaml", "branch: main\nservers: [a, b]\ndb:\n  port: 5432\n");
    let json =
        bench.script("values.json", r#"{"branch": "main", "servers": ["a", "b"], "db": {"port": 5432}}"#);
    for file in [yaml, json] {
        let file = file.to_str().unwrap();
        let run = bench.run_code(code, &["--values", file]).succeeds();
        run.says(&["at load main", "main 2 5432 nil"]);
        let run = bench.run_code(code, &["--values", file, "--param", "branch=dev"]).succeeds();
        run.says(&["at load dev", "dev 2 5432 nil"]);
    }
    let wrong = bench.script("wrong.yaml", "- a\n- b\n");
    let run = bench.run_code(code, &["--values", wrong.to_str().unwrap()]);
    run.fails(2, &["wrong.yaml: values are names with what they stand for"]);
    bench.run_code(code, &["--values", "none.yaml"]).fails(2, &["cannot read the values none.yaml"]);
    // They are part of the recording.
    let replay = super::Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .arg("--db")
        .arg(bench.database())
        .args(["replay", "2"])
        .output()
        .unwrap();
    assert!(replay.status.success(), "{replay:?}");
}

#[test]
fn the_older_form_is_recognised() {
    let bench = Bench::new();
    let code = "TaskDefinitions = { group = { description = 'd', tasks = {
        { name = 'build', command = function() end }, { name = 'test', command = 'x' } } } }";
    bench.run_code(code, &[]).fails(
        2,
        &[
            "w.lua sets TaskDefinitions (build, test): the form of older Sloth Runner versions",
            "workflow.define",
        ],
    );
    let code = format!("{code} task('a'):command('true')");
    bench.run_code(&code, &[]).succeeds().says(&["TaskDefinitions is the older form"]);
}

#[test]
fn statements_of_newer_versions_of_lua_are_named() {
    let bench = Bench::new();
    let code = "for i = 1, 3 do\n  if i == 2 then goto continue end\n  ::continue::\nend";
    bench.run_code(code, &[]).fails(2, &["w.lua:2: '=' expected near 'continue'", "Lua 5.1 has no goto"]);
    let code = "for i = 1, 3 do\n  if i == 2 then\n    continue\n  end\nend";
    bench.run_code(code, &[]).fails(2, &["w.lua:4: '=' expected near 'end'", "Lua 5.1 has no continue"]);
    let run = bench.run_code("x = = 1", &[]).fails(2, &["w.lua:1: unexpected symbol near '='"]);
    assert!(!run.stderr.contains("Lua 5.1"));
}

#[test]
fn a_stub_answers_a_command_of_a_real_run() {
    let bench = Bench::new();
    let witness = bench.place.folder().join("witness");
    let code = format!(
        "task('t'):command(function()
          local ok, out, err, code = exec.run('touch {0}; deploy')
          assert(ok and out == 'released\\n' and err == '' and code == 0)
          assert(exec.result('touch {0}; deploy').stdout == 'released\\n')
          assert(exec.run('echo real'))
          return true
        end)
        task('s'):command('touch {0}; deploy now')",
        witness.display()
    );
    let run = bench.run_code(&code, &["--stub", "*deploy*=released\n"]).succeeds();
    assert!(!witness.exists());
    let run = run.says(&["real", "exec.run: the command was not run; --stub answers it"]);
    assert_eq!(run.stderr.matches("released").count(), 3, "{}", run.stderr);
}

#[test]
fn older_recordings_are_played_as_they_were_made() {
    for name in OLDER_RECORDINGS {
        let replay = super::Command::new(env!("CARGO_BIN_EXE_slothstate"))
            .args(["replay", &recording(&format!("{name}.run"))])
            .output()
            .unwrap();
        assert!(replay.status.success(), "{name}: {}", String::from_utf8_lossy(&replay.stdout));
    }
}

#[test]
fn older_recordings_are_shown_as_when_they_were_made() {
    for name in OLDER_RECORDINGS {
        let place = Place::new();
        place.done(&["runs", "import", &recording(&format!("{name}.run"))]);
        let shown = place.done(&["runs", "show", "1", "--json"]);
        let expected = std::fs::read_to_string(recording(&format!("{name}.jsonl"))).unwrap();
        for (shown, expected) in shown.lines().zip(expected.lines()) {
            assert_eq!(shown, expected, "{name}");
        }
        assert_eq!(shown.lines().count(), expected.lines().count(), "{name}");
    }
}

/// Recordings that earlier versions made: of every form of a workflow, and of one that was refused.
const OLDER_RECORDINGS: [&str; 8] = [
    "format-2",
    "format-2-refused",
    "format-3",
    "format-3-refused",
    "format-4",
    "format-4-refused",
    "format-5",
    "format-5-refused",
];

/// A file in `tests/recordings`: a recording that an earlier version made, or what it showed of it.
fn recording(name: &str) -> String {
    format!("{}/tests/recordings/{name}", env!("CARGO_MANIFEST_DIR"))
}

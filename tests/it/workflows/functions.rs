//! What the functions of a workflow are given, and what they call, as Sloth Runner's users know it.

use super::{Bench, Run};
use crate::support::files::until;

/// Runs `code`; the log of the script, without the levels and the names of tasks.
#[track_caller]
fn logged(code: &str, arguments: &[&str]) -> (Run, Vec<String>) {
    let run = Bench::new().run_code(code, &[&["--json"], arguments].concat());
    let lines = run.stdout.lines().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_info = event["event"] == "log" && event["level"] == "info";
        is_info.then(|| event["line"].as_str().unwrap().to_string())
    });
    let lines = lines.collect();
    (run, lines)
}

/// What each name of a parameter list is given, in one word: task, params or other.
const WHAT: &str = "local function what(value)
  if type(value) ~= 'table' then return value == nil and 'nil' or type(value) end
  if rawget(value, 'workdir') then return 'task ' .. value.name end
  if rawget(value, 'is_params') then return 'params' end
  if rawget(value, 'error') then return 'reason ' .. value.error end
  if rawget(value, 'first') then return 'deps ' .. value.first.made end
  return rawget(value, 'made') and 'outputs ' .. value.made or 'table'
end ";

#[test]
fn the_names_of_the_parameters_decide_in_every_place() {
    // The parameters of a function, and what they get, T being the task, P the parameters and R the rest.
    let forms = [
        ("", ""),
        ("params", "P"),
        ("p", "P"),
        ("params, deps", "P R"),
        ("params, deps, session", "P R nil"),
        ("this, params", "T P"),
        ("this, params, input", "T P R"),
        ("_, params, err", "T P R"),
        ("self", "T"),
        ("this, input", "T P"),
        ("t, p, output", "T P R"),
        ("a, b", "P R"),
        ("a, b, c", "T P R"),
        ("a, b, c, d", "T P R nil"),
        ("...", "P R"),
        ("this, ...", "T P R"),
        ("params, ...", "P R"),
    ];
    for (names, given) in forms {
        let report = |place: &str| {
            let listed = if names.contains("...") {
                let first = names.strip_suffix("...").unwrap().trim().trim_end_matches(',');
                let first = if first.is_empty() { String::new() } else { format!("{first}, ") };
                format!("{{{first}...}}, select('#', {first}...)")
            } else {
                format!("{{{names}}}, {}", names.split(',').filter(|name| !name.trim().is_empty()).count())
            };
            format!(
                "function({names}) local all, count = {listed} local words = {{}} \
                 for i = 1, count do words[i] = what(all[i]) end \
                 log.info('{place}: ' .. table.concat(words, ' ')) "
            )
        };
        let code = format!(
            "{WHAT}
            task('first'):command(function() return true, nil, {{made = 'x'}} end)
            local made = {{}}
            task('good'):depends_on('first')
              :run_if({run_if} return true end)
              :abort_if({abort_if} return false end)
              :on_start({on_start} end)
              :pre_hook({pre} end)
              :command({command} return true, nil, {{made = 'y'}} end)
              :post_hook({post} end)
              :on_success({success} end)
            task('bad'):depends_on('first')
              :command(function() return false, 'no' end)
              :on_failure({failure} end)
            task('slow'):depends_on('first'):timeout(0.05)
              :command(function() while true do sleep(0.01) end end)
              :on_timeout({timeout} end)",
            run_if = report("run_if"),
            abort_if = report("abort_if"),
            on_start = report("on_start"),
            pre = report("pre_hook"),
            command = report("command"),
            post = report("post_hook"),
            success = report("on_success"),
            failure = report("on_failure"),
            timeout = report("on_timeout"),
        );
        let (_, lines) = logged(&code, &["--param", "is_params=1"]);
        let places = [
            ("abort_if", "good", "deps x"),
            ("run_if", "good", "deps x"),
            ("on_start", "good", "deps x"),
            ("pre_hook", "good", "deps x"),
            ("command", "good", "deps x"),
            ("post_hook", "good", "outputs y"),
            ("on_success", "good", "outputs y"),
            ("on_failure", "bad", "no"),
            ("on_timeout", "slow", "out of time"),
        ];
        let expected = places.map(|(place, task, rest)| {
            let reason = match (rest, given.starts_with('T')) {
                ("no", true) => "reason no".to_string(),
                ("no", false) => "string".into(),
                ("out of time", true) => "reason ?".into(),
                ("out of time", false) => "string".into(),
                (rest, _) => rest.into(),
            };
            let words = given.split(' ').filter(|word| !word.is_empty()).map(|word| match word {
                "T" => format!("task {task}"),
                "P" => "params".into(),
                "R" => reason.clone(),
                other => other.into(),
            });
            format!("{place}: {}", words.collect::<Vec<_>>().join(" "))
        });
        let lines: Vec<String> = lines
            .into_iter()
            .map(|line| match line.split_once("reason ") {
                Some((before, _)) if line.starts_with("on_timeout") => {
                    let after = if given.ends_with("nil") { " nil" } else { "" };
                    format!("{before}reason ?{after}")
                }
                _ => line,
            })
            .collect();
        assert_eq!(lines, expected, "function({names})");
    }
}

#[test]
fn functions_from_elsewhere_have_their_names_too() {
    let code = format!(
        "{WHAT}
        local function shared(this, params) log.info(what(this) .. ' ' .. what(params)) return true end
        local function factory(n) return function(params, deps) log.info(n .. ' ' .. what(params)) return true end end
        local jobs = {{}} function jobs:run(params) log.info('self ' .. what(self) .. ' ' .. what(params)) return true end
        local a, b = function(this, p) log.info('a ' .. what(this)) end, function(p) log.info('b ' .. what(p)) end
        task('1'):command(shared) task('2'):command(shared) task('3'):command(factory(3)) task('4'):command(jobs.run)
        task('5'):command(a) task('6'):command(b)"
    );
    let (run, lines) = logged(&code, &["--param", "is_params=1"]);
    run.succeeds();
    let expected =
        ["task 1 params", "task 2 params", "3 params", "self task 4 params", "a task 5", "b params"];
    assert_eq!(lines, expected);
}

#[test]
fn a_reason_is_a_text_and_a_table() {
    let code = "task('t'):command(function() error('broken', 0) end)
      :on_fail(function(this, params, err)
        log.info(err.error) log.info(tostring(err)) log.info('a ' .. err) log.info(err .. ' b') print(err, 1)
        log.info(err .. err) state.set('why', err) log.info(state.get('why').error)
        log.info(select(2, pcall(function() return err .. {} end)))
      end)";
    let (run, lines) = logged(code, &[]);
    run.fails(1, &[]);
    let expected =
        ["broken", "broken", "a broken", "broken b", "broken\t1", "brokenbroken", "broken"].map(String::from);
    assert_eq!(lines[..7], expected);
    assert!(lines[7].contains("attempt to concatenate a table value"), "{lines:?}");
}

#[test]
fn this_has_a_name_and_a_directory() {
    let code = "task('build it'):command(function(this, params)
      assert(this.name == 'build it')
      assert(this.workdir:exists() == false and this.workdir:ensure() == true and this.workdir.ensure())
      local directory = this.workdir:get()
      assert(directory == this.workdir.get() and this.workdir.exists())
      assert(exec.run('touch file && ls', {workdir = directory}))
      assert(this.workdir:cleanup() == true and not this.workdir:exists())
      assert(not exec.run('test -e ' .. directory))
      log.info(select(2, pcall(function() return this.agent end)))
      log.info(select(2, pcall(function() return this.workdir.remove end)))
      return true
    end)";
    let (run, lines) = logged(code, &[]);
    run.succeeds();
    assert!(
        lines[1].ends_with(
            "this.agent does not exist here; there is name and workdir (get, ensure, exists, cleanup)"
        ),
        "{lines:?}"
    );
    assert!(
        lines[2]
            .ends_with("this.workdir.remove does not exist here; there is get, ensure, exists and cleanup"),
        "{lines:?}"
    );
}

#[test]
fn a_directory_that_was_there_before_is_left_alone() {
    let bench = Bench::new();
    let kept = bench.place.folder().join("kept");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("file"), "mine").unwrap();
    let code = format!(
        "task('t'):workdir('{}'):command(function(this, params)
          assert(this.workdir:exists() and this.workdir:ensure())
          local ok, why = this.workdir:cleanup()
          assert(ok == false and why:find('was not made by this run'), why)
          return true
        end)
        task('s'):workdir('{}'):command('cat file')",
        kept.display(),
        kept.display()
    );
    bench.run_code(&code, &[]).succeeds().says(&["mine"]);
    assert_eq!(std::fs::read_to_string(kept.join("file")).unwrap(), "mine");
}

#[test]
fn names_of_the_state_that_sloth_runner_documents() {
    let bench = Bench::new();
    let code = r#"task('t'):command(function()
      assert(state.has('k') == false)
      state.set('config:a', 1) state.set('config:b', {x = 'y'}) state.set('other', 'z')
      assert(state.has('other') == true)
      local some, all = state.list('config:'), state.get_all()
      assert(some['config:a'] == 1 and some['config:b'].x == 'y' and some.other == nil)
      assert(all.other == 'z' and all['config:a'] == 1)
      local count = 0 for _ in pairs(state.list('none:')) do count = count + 1 end
      assert(count == 0 and state.list('config:*')['config:a'] == 1)
      assert(state.is_locked('l') == false)
      state.lock('l', 'ann', 1)
      local locked, holder = state.is_locked('l')
      assert(locked == true and holder == 'ann')
      state.unlock('l')
      assert(state.compare_and_swap('version', nil, 1) == true and state.compare_and_swap('version', 7, 8) == false)
      assert(state.atomic_increment('n') == 1 and state.atomic_increment('n', 5) == 6)
      assert(state.atomic_update('n', function(n) return n * 2 end) == 12)
      assert(state.ttl('n') == -1)
      assert(state.changed('hash', 'abc') == true and state.has('hash') == false)
      state.set('hash', 'abc')
      assert(state.changed('hash', 'abc') == false and state.changed('hash', 'abd') == true)
      assert(state.changed('config:b', {x = 'y'}) == false and state.changed('config:b', {x = 'z'}))
      assert(state.changed('none', nil) == false and state.changed('hash', nil) == true)
      local stats = state.stats()
      assert(stats.total_keys == stats.entries and stats.total_keys == 6, stats.total_keys)
      assert(stats.expired_keys == 0 and stats.active_locks == 0)
      assert(stats.db_size_bytes > 0 and stats.db_path:find('state.db', 1, true))
      local text = data.to_json({a = {1, 2}, b = 'x'})
      assert(text == '{"a":[1,2],"b":"x"}', text)
      local back = data.parse_json(text)
      assert(back.a[2] == 2 and back.b == 'x' and require('data') == data)
      assert(data.parse_json('"text"') == 'text' and data.parse_json('7') == 7)
      local none, why = data.parse_json('{"a":')
      assert(none == nil and why:find('not JSON'), why)
      none, why = data.to_json({f = print})
      assert(none == nil and why:find('value.f is a function'), why)
      log.info(select(2, pcall(function() return state.hass end)))
      return true
    end)"#;
    let run = bench.run_code(code, &[]).succeeds();
    run.says(&["state.hass is unknown"]);
    let slothstate = |arguments: &[&str]| {
        let mut command = super::Command::new(env!("CARGO_BIN_EXE_slothstate"));
        command.arg("--db").arg(bench.database()).args(arguments).output().unwrap()
    };
    assert!(slothstate(&["replay", "1"]).status.success());
    let shown = String::from_utf8(slothstate(&["runs", "show", "1"]).stdout).unwrap();
    for name in [
        "has",
        "list",
        "get_all",
        "is_locked",
        "compare_and_swap",
        "atomic_increment",
        "atomic_update",
        "changed",
    ] {
        assert!(shown.contains(&format!("state.{name}(")), "{name}:\n{shown}");
    }
}

#[test]
fn what_if_and_dry_runs_know_every_name() {
    let bench = Bench::new();
    let code = r"task('t'):command(function()
      if state.has('flag') then log.info('has') end
      if state.changed('hash', 'new') then state.set('hash', 'new') end
      log.info('listed ' .. tostring(state.list('conf:')['conf:a']))
      state.atomic_increment('n', 2)
      state.atomic_update('text', function(old) return (old or '') .. 'x' end)
      log.info(tostring(state.compare_and_swap('cas', 'old', 'new')))
      log.info(tostring(state.is_locked('l')))
      return true
    end)";
    let slothstate = |arguments: &[&str]| {
        let mut command = super::Command::new(env!("CARGO_BIN_EXE_slothstate"));
        let output = command.arg("--db").arg(bench.database()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for (key, value) in [("conf:a", "1"), ("n", "5"), ("text", "abc"), ("cas", "old"), ("hash", "old")] {
        slothstate(&["set", key, value]);
    }
    let everything = || slothstate(&["keys", "--json"]).1;
    let before = everything();
    let run = bench.run_code(code, &["--dry-run"]).succeeds();
    assert_eq!(everything(), before);
    for expected in ["hash  old → new", "n  5 → 7", "text  abc → abcx", "cas  old → new"] {
        assert!(run.stdout.contains(expected), "{expected}:\n{}", run.stdout);
    }
    bench.run_code(code, &[]).succeeds();
    assert_eq!(bench.integer("n"), 7);
    let (code, same) = slothstate(&["replay", "1", "--what-if", "n=5"]);
    assert_eq!(code, Some(0), "{same}");
    for change in ["flag=1", "hash=new", "conf:a=2", "n=10", "text=other", "cas=else"] {
        let (code, shown) = slothstate(&["replay", "1", "--what-if", change]);
        assert_eq!(code, Some(1), "{change}: {shown}");
    }
}

#[test]
fn the_seconds_of_a_lock_are_the_time_to_wait() {
    let bench = Bench::new();
    // Somebody holds it for longer than the test.
    let mut holder = bench.start("task('t'):command(function() state.lock('l') sleep(600) end)");
    until("the lock is held", || bench.held_locks().contains(&"l".to_string()));
    let code = "task('t'):command(function()
      local before = os.time()
      for _, times in ipairs({ 0.05, {wait = 0.05}, {wait = 0, lease = 5} }) do
        assert(state.lock('l', times) == false)
        assert(state.lock('l', nil, times) == false)
        assert(state.lock('l', 'me', times) == false)
        for _, call in ipairs({
          function() state.with_lock('l', function() error('ran') end, times) end,
          function() state.with_lock('l', 'me', times, function() error('ran') end) end,
          function() state.with_lock('l', 'me', function() error('ran') end, times) end,
          function() state.with_lock('l', times, function() error('ran') end) end,
          function() state.with_lock('l', nil, function() error('ran') end, times) end,
        }) do
          local ok, why = pcall(call)
          assert(not ok and why:find('the lock was not free within'), why)
        end
      end
      assert(state.try_lock('l', 5) == false and state.try_lock('l', {lease = 5}) == false)
      assert(os.time() - before < 60)
      assert(state.lock('free', {lease = 600}))
      assert(state.with_lock('free2', function() return 7 end, {lease = 600}) == 7)
      log.info(select(2, pcall(state.lock, 'x', {waits = 1})))
      log.info(select(2, pcall(state.lock, 'x', {wait = 'long'})))
      log.info(select(2, pcall(state.lock, 'x', {lease = 0})))
      log.info(select(2, pcall(state.try_lock, 'x', {wait = 1})))
      state.set('ready', true)
      sleep(600)
      return true
    end)";
    let mut run = bench.command(&bench.script("w.lua", code), &[]).spawn().unwrap();
    until("it is done", || bench.get("ready").is_some());
    let store = bench.store();
    let lock = store.locks(None, 100).unwrap().into_iter().find(|lock| lock.name == "free").unwrap();
    let left = lock.expires_at.unwrap().0 - store.clock().now().0;
    assert!(left > 300_000, "{left} ms");
    super::kill(&run, nix::sys::signal::Signal::SIGTERM);
    super::kill(&holder, nix::sys::signal::Signal::SIGTERM);
    holder.wait().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(run.stderr.as_mut().unwrap(), &mut text).unwrap();
    run.wait().unwrap();
    let expected = [
        "unknown option waits: there are wait and lease",
        "wait must be a number of seconds",
        "lease must be greater than 0",
        "try_lock does not wait",
    ];
    for expected in expected {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn exec_run_answers_a_table_where_its_fields_are_read() {
    let bench = Bench::new();
    let code = r"
    local exec2 = require('exec')
    task('t'):command(function()
      local r = exec.run('echo out; echo err >&2; exit 3')
      assert(type(r) == 'table' and r.success == false and r.stdout == 'out\n' and r.stderr == 'err\n' and r.exit_code == 3)
      local ok = exec.run('false')
      assert(ok == false)
      if exec.run('false') then error('a table') end
      assert(not pcall(function() assert(exec.run('false')) end))
      local fine, out, err, code = exec.run('echo x; exit 2')
      assert(fine == false and out == 'x\n' and err == '' and code == 2)
      assert(exec.run('echo direct').stdout == 'direct\n')
      assert((exec.run 'echo direct').stdout:match('dir'))
      local tries, last = 0
      repeat tries = tries + 1 last = exec2.run('test ' .. tries .. ' = 2') until last.success
      assert(tries == 2)
      local always = exec.result('exit 4')
      assert(type(always) == 'table' and always.exit_code == 4 and always.success == false)
      assert(type(exec.result('true')) == 'table')
      local timed = exec.run('sleep 100', {timeout = 0.05})
      assert(timed.exit_code == 124)
      local ok2, why = pcall(function() local bad = exec.run('') return bad.stdout end)
      assert(not ok2 and why:find('w.lua:22: exec.run', 1, true) and why:find('the command is empty'), why)
      local mine = { run = function(text) return { stdout = 'mine ' .. text } end }
      local exec = mine
      local own = exec.run('x')
      assert(own.stdout == 'mine x')
      return true
    end)";
    bench.run_code(code, &[]).succeeds();
    let slothstate = |arguments: &[&str]| {
        let mut command = super::Command::new(env!("CARGO_BIN_EXE_slothstate"));
        command.arg("--db").arg(bench.database()).args(arguments).output().unwrap()
    };
    assert!(slothstate(&["replay", "1"]).status.success());
    let shown = String::from_utf8(slothstate(&["runs", "show", "1"]).stdout).unwrap();
    assert!(shown.contains("exec.run(\"echo out; echo err >&2; exit 3\")"), "{shown}");
    assert!(!shown.contains("exec.result(\"echo out"), "{shown}");
    // The recorded source is the one that was written.
    let source = String::from_utf8(slothstate(&["runs", "show", "1", "--source"]).stdout).unwrap();
    assert_eq!(source.trim(), code.trim());
}

#[test]
fn errors_of_a_rewritten_source_are_those_of_the_written_one() {
    let bench = Bench::new();
    let cases = [
        ("local r = exec.run('true')\nif r.success then\n  error('here')\nend", "w.lua:3: here"),
        (
            "local r = nothing.run('true')\nprint(r.stdout)",
            "w.lua:1: attempt to index global 'nothing' (a nil value)",
        ),
        (
            "local t = {}\nlocal r = t.run('true')\nprint(r.stdout)",
            "w.lua:2: attempt to call field 'run' (a nil value)",
        ),
        ("local r = exec.run('true')\nprint(r.stdout)\nx = = 1", "w.lua:3: unexpected symbol near '='"),
    ];
    for (code, expected) in cases {
        bench.run_code(code, &[]).fails(2, &[expected]);
    }
    let run = bench.run_code(
        "local r = exec.run('true') -- r.stdout\ntask('t'):command('true') print(r.stdout) -- end",
        &[],
    );
    run.succeeds();
    // A function at Lua's limit of 60 variables from outside of it.
    let names: Vec<String> = (0..60).map(|number| format!("v{number}")).collect();
    let code = format!(
        "local {0} = 1\nlocal function f() local r = {1} return r, exec.run('true').success end\ntask('t'):command(function() f() end)",
        names.join(", "),
        names.join(" or ")
    );
    let run = bench.run_code(&code, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[test]
fn a_trial_answers_commands_in_the_form_that_is_read() {
    let bench = Bench::new();
    let code = r"task('t'):command(function()
      if state.has('other') then log.info('other path') end
      local r = exec.run('echo ' .. tostring(values.x))
      local ok, out = exec.run('echo two')
      log.info(r.stdout .. out .. exec.result('echo three').stdout)
      return true
    end)";
    bench.run_code(code, &["--param", "x=one"]).succeeds();
    let slothstate = |arguments: &[&str]| {
        let mut command = super::Command::new(env!("CARGO_BIN_EXE_slothstate"));
        let output = command.arg("--db").arg(bench.database()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    // The recorded answers serve on the other path as well.
    let (code_of, shown) = slothstate(&["replay", "1", "--what-if", "other=1", "--json"]);
    assert_eq!(code_of, Some(1), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["tasks"][0]["outcome"], "ok", "{shown}");
    // Another source may read the same answers in the other form.
    let other = code.replace(
        "local ok, out = exec.run('echo two')",
        "local two = exec.run('echo two') local out = two.stdout",
    );
    let other = bench.script("other.lua", &other);
    let (code_of, shown) = slothstate(&["replay", "1", "--source", other.to_str().unwrap()]);
    assert_eq!(code_of, Some(0), "{shown}");
    let source = ["replay", "1", "--source", other.to_str().unwrap(), "--what-if", "unrelated=1"];
    let (code_of, shown) = slothstate(&source);
    assert_eq!(code_of, Some(0), "{shown}");
    // A dry run answers by stubs, in both forms.
    let run = bench.run_code(code, &["--dry-run", "--stub", "echo*=stub\n", "--json"]).succeeds();
    assert!(run.stdout.contains("\"ok\""), "{}", run.stdout);
}

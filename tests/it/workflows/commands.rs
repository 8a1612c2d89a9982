//! `exec.run` through the real program: what commands see, how they end, and what ends with them.

use nix::sys::signal::Signal;

use crate::support::files::until;
use crate::workflows::{Bench, Run, kill};

/// Whether that process is at work; one that only waits to be reaped is not.
fn is_alive(pid: i64) -> bool {
    let listed =
        std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(listed.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

#[test]
fn output_and_codes_reach_the_workflow_and_the_log() {
    let bench = Bench::new();
    let code = r##"
        task("t"):command(function()
          local ok, out, err, code = exec.run("echo one; echo two; echo bad >&2; printf half")
          assert(ok == true and out == "one\ntwo\nhalf" and err == "bad\n" and code == 0)
          ok, out, err, code = exec.run("exit 7")
          assert(ok == false and out == "" and err == "" and code == 7)
          assert(select(4, exec.run("kill -KILL $$")) == 137)
          ok, out, err, code = exec.run("nonesuch-command")
          assert(not ok and code == 127 and err:find("nonesuch%-command"))
          -- Bytes are kept as they are; the log shows what is safe.
          ok, out = exec.run([[printf '\033[31mred\000\377\n']])
          assert(out == "\27[31mred\0\255\n")
          assert(require("exec") == exec)
        end)
        "##;
    let run = bench.run_code(code, &[]).succeeds();
    run.says(&["info", "one", "two", "half", "bad", "␛[31mred␀"]);
    let run = bench.run_code("task('t'):command(function() exec.run('echo a; echo b >&2') end)", &["--json"]);
    let logged: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut logged: Vec<_> = logged.iter().filter(|event| event["event"] == "log").collect();
    logged.sort_by_key(|event| event["line"].as_str().unwrap());
    let seen: Vec<_> = logged.iter().map(|event| (&event["level"], &event["line"], &event["task"])).collect();
    let (info, warn, task) = (&"info".into(), &"warn".into(), &"t".into());
    assert_eq!(seen, [(info, &"a".into(), task), (warn, &"b".into(), task)]);
}

#[test]
fn a_command_sees_its_input_its_variables_and_its_folder() {
    let bench = Bench::new();
    std::fs::create_dir(bench.place.folder().join("sub")).unwrap();
    let code = r##"
        task("t"):command(function()
          local function out(...) local ok, out = exec.run(...) assert(ok) return out end
          assert(out("cat") == "", "there is nothing to read")
          assert(out("cat", { stdin = "a\0b" }) == "a\0b")
          assert(out("true", { stdin = ("x"):rep(1000000) }) == "")
          assert(out("basename \"$PWD\"", { cwd = "sub" }) == "sub\n")
          assert(out('echo "$STAGE $OTHER $INHERITED"') == "test  yes\n")
          local env = { OTHER = "b c", STAGE = "mine" }
          assert(out('echo "$STAGE $OTHER $INHERITED"', { env = env }) == "mine b c yes\n")
          assert(out("echo $STAGE") == "test\n" and os.getenv("OTHER") == nil)
          local big = out("head -c 3000000 /dev/zero | tr '\\0' x")
          assert(#big == 3000000 and big == ("x"):rep(3000000))
        end)
        "##;
    let file = bench.script("w.lua", code);
    let mut command = bench.command(&file, &["--env", "STAGE=test"]);
    // What the program itself could read is none of a command's business.
    command.stdin(std::fs::File::open(&file).unwrap()).env("INHERITED", "yes");
    Run::of(command.output().unwrap()).succeeds();
}

#[test]
fn a_timeout_ends_the_command_with_everything_it_started() {
    let bench = Bench::new();
    let code = r##"
        task("t"):command(function()
          local ok, out, err, code
          for _, limit in ipairs({ 2, 20, 200 }) do
            ok, out, err, code = exec.run(
              "printf half >&2; sh -c 'sleep 1000 & echo $!; trap \"\" TERM; wait; sleep 1000'", { timeout = limit })
            assert(ok == false and code == 124, err)
            -- A machine that has other things to do may not have come to the number by then.
            if out ~= "" then
              assert(err == "half\nthe command timed out after " .. (limit < 60 and limit .. "s" or "3m 20s") .. "\n", err)
              break
            end
          end
          state.set("pid", tonumber(out))
          return true, "went on"
        end)
        "##;
    bench.run_code(code, &[]).succeeds().says(&["went on", "warn", "timed out after 2s"]);
    let pid = bench.integer("pid");
    until("the sleep is gone", || !is_alive(pid));
}

#[test]
fn the_task_s_own_timeout_ends_the_command() {
    let bench = Bench::new();
    let file = bench.place.folder().join("pid");
    for limit in [2, 20, 200] {
        let code = format!(
            r##"
            task("t"):timeout({limit}):command(function()
              pcall(exec.run, "sleep 1000 & echo $! > pid.new; mv pid.new pid; wait")
              state.set("wrong", true)
            end)
            "##
        );
        bench.run_code(&code, &[]).fails(1, &["TIMED OUT t"]);
        assert_eq!(bench.get("wrong"), None);
        // A machine that has other things to do may not have come to it by then.
        if file.exists() {
            break;
        }
    }
    let pid = std::fs::read_to_string(file).unwrap();
    let pid = pid.trim().parse().unwrap();
    until("the sleep is gone", || !is_alive(pid));
}

#[test]
fn a_signal_to_the_program_ends_the_command() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let bench = Bench::new();
        let child = bench.start(
            r##"
            task("t"):command(function()
              state.lock("gate")
              exec.run("trap '' TERM INT; echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.1; done")
            end)
            "##,
        );
        let file = bench.place.folder().join("pid");
        until("the command runs", || file.exists());
        let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        kill(&child, signal);
        Run::of(child.wait_with_output().unwrap()).fails(code, &["STOPPED   t"]);
        until("the command is gone", || !is_alive(pid));
        assert!(bench.held_locks().is_empty());
    }
}

#[test]
fn a_shell_that_leaves_a_child_behind_does_not_hang_the_run() {
    let bench = Bench::new();
    let code = r##"
        task("t"):command(function()
          local ok, out, err, code = exec.run("sleep 1000 & echo $!")
          assert(ok)
          state.set("pid", tonumber(out))
        end)
        "##;
    bench.run_code(code, &[]).succeeds().says(&["left processes running, which were ended"]);
    let pid = bench.integer("pid");
    until("the sleep is gone", || !is_alive(pid));
}

#[test]
fn too_much_output_is_cut_and_said_so() {
    let bench = Bench::new();
    let code = r##"
        task("t"):command(function()
          local ok, out, err = exec.run("head -c 17000000 /dev/zero | tr '\\0' x; echo; echo the end")
          assert(ok and #out == 16 * 1024 * 1024 and err == "")
        end)
        "##;
    bench.run_code(code, &[]).succeeds().says(&["stdout is cut to its first 16 MiB", "the end"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_has_no_file_of_the_program_open() {
    let bench = Bench::new();
    let code = r##"
        task("t"):command(function()
          state.set("k", 1)
          local _, out = exec.run("for file in /proc/$$/fd/*; do readlink $file; done", { stdin = "x" })
          assert(not out:find("state.db", 1, true) and not out:find(".lua", 1, true), out)
        end)
        "##;
    bench.run_code(code, &[]).succeeds();
}

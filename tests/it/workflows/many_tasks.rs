//! Files of thousands of tasks: all of them run, and what they cost grows with their number and no faster.

use std::process::Command;

use super::Bench;

const HOOKS: [&str; 8] =
    ["on_start", "pre_hook", "post_hook", "on_success", "on_failure", "on_timeout", "run_if", "abort_if"];

/// A file of `count` tasks, each made by `task` from its number.
fn tasks(count: usize, task: impl Fn(usize) -> String) -> String {
    (0..count).map(task).collect::<Vec<_>>().join("\n")
}

fn with_all_hooks(number: usize) -> String {
    let hook = |name: &&str| format!(":{name}(function() return {} end)", *name != "abort_if");
    let hooks: String = HOOKS.iter().map(hook).collect();
    let after = if number == 0 { String::new() } else { format!(":depends_on('t{}')", number - 1) };
    format!("task('t{number}'):command(function(this, params, deps) return true end){hooks}{after}")
}

/// The processor time of a run of the program, in seconds, as the shell measures it.
fn processor_time(bench: &Bench, code: &str, arguments: &[&str]) -> f64 {
    let file = bench.script("w.lua", code);
    let output = Command::new("sh")
        .args(["-c", "\"$0\" \"$@\" > /dev/null 2>&1; times", env!("CARGO_BIN_EXE_slothstate"), "--db"])
        .arg(bench.database())
        .arg("run")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let times = String::from_utf8(output.stdout).unwrap();
    // The second line is about the children: user and system time, each as 0m1.23s.
    let of_children = times.lines().nth(1).unwrap_or_else(|| panic!("{times:?}"));
    let seconds = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
    };
    of_children.split_whitespace().map(seconds).sum()
}

#[test]
fn five_thousand_chained_tasks_with_all_hooks_run() {
    let bench = Bench::new();
    let run = bench.run_code(&tasks(5_000, with_all_hooks), &["--json"]).succeeds();
    let count = |text: &str| run.stdout.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("\"task_finished\""), 5_000);
    assert!(run.stdout.lines().last().unwrap().contains("\"ok\":5000"), "{:?}", run.stdout.lines().last());
    let replayed = bench.place.done(&["replay", "1"]);
    assert!(replayed.contains("all came to pass again"), "{replayed}");
}

#[test]
fn the_cost_of_tasks_is_linear_in_their_number() {
    type TasksOf = fn(usize) -> String;
    let few_or_many: [(&str, &[&str], usize, TasksOf); 7] = [
        ("loaded", &["--task", "t0"], 10_000, |count| tasks(count, with_all_hooks)),
        ("loaded against the order", &["--task", "t0"], 5_000, |count| {
            tasks(count, |number| {
                let after = if number + 1 == count {
                    String::new()
                } else {
                    format!(":depends_on('t{}')", number + 1)
                };
                format!("task('t{number}'):command(function() return true end){after}")
            })
        }),
        ("in a table", &["--task", "t0"], 10_000, |count| {
            format!(
                "local all = {{}} {} workflow.define('w', {{ tasks = all }})",
                tasks(count, |number| {
                    format!(
                        "all[#all + 1] = task{{ name = 't{number}', run = function() return state.get('x') or 1 end }}"
                    )
                })
            )
        }),
        ("failed", &[], 5_000, |count| {
            tasks(count, |number| {
                format!("task('t{number}'):command(function() error('no') end):on_failure(function() end)")
            })
        }),
        ("failed by a type", &[], 5_000, |count| {
            let all = tasks(count, |number| {
                format!("task('t{number}'):command(function() return state.get('n') < 5 end)")
            });
            format!("state.set('n', 'text')\n{all}")
        }),
        ("delegated", &["--run-delegated-here"], 5_000, |count| {
            tasks(count, |number| {
                format!("task('t{number}'):command(function() return true end):delegate_to('host{number}')")
            })
        }),
        ("with outputs", &[], 5_000, |count| {
            let all = tasks(count, |number| {
                format!("task('t{number}'):command(function() return true, nil, {{ n = {number} }} end)")
            });
            let names: Vec<String> = (0..count).map(|number| format!("'t{number}'")).collect();
            format!(
                "{all}\ntask('last'):depends_on({{{}}}):command(function() return true end)",
                names.join(",")
            )
        }),
    ];
    for (name, arguments, many, source) in few_or_many {
        let cost = |count: usize| processor_time(&Bench::new(), &source(count), arguments);
        // What a start costs without a task.
        let start = cost(1);
        let few = (cost(many / 10) - start).max(0.02);
        let ratio = (cost(many) - start) / few;
        assert!(
            ratio < 30.0,
            "{name}: {ratio:.1} times the cost for 10 times the tasks, {few:.3} s for {}",
            many / 10
        );
    }
}

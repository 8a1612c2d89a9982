//! The seven kinds of workflow that Sloth Runner documents for its state, in its forms: each leaves the same
//! output, state and history on a file and on etcd.

use serde_json::{Value as Json, json};

use crate::support::files::{Place, objects};

/// A file with a workflow, and how often it runs: what it does depends on what it did before.
const WORKFLOWS: [(&str, usize, &str); 7] = [
    (
        "deploy",
        2,
        r#"
        local deploy = task("deploy"):command(function()
            local state = require("state")
            local last = state.get("last_deployed_version") or "v1.0.0"
            log.info("last: " .. last)
            if last == "v1.2.3" then
                return true, "deployed already"
            end
            state.set("last_deployed_version", "v1.2.3")
            state.set("last_deploy_time", os.date())
            return true, "deployed"
        end)
        "#,
    ),
    (
        "workers",
        5,
        r#"
        local worker = task("worker"):command(function()
            local state = require("state")
            local completed = state.increment("workers_completed") or 1
            log.info("workers that are done: " .. completed)
            state.set("worker_" .. os.getenv("WORKER_ID") .. "_status", "completed")
            return true, "done"
        end)
        local master = task("master"):command(function()
            local state = require("state")
            local completed = state.get("workers_completed") or 0
            if completed >= 5 then
                state.set("final_processing_status", "in_progress")
                return true, "all are done"
            end
            return false, "some still work: " .. completed .. " of 5"
        end)
        "#,
    ),
    (
        "circuit breaker",
        8,
        r#"
        local api = task("api"):command(function()
            local state = require("state")
            local failures = state.get("api_failures") or 0
            local last = state.get("last_api_failure")
            if failures >= 5 and last and os.time() - tonumber(last) < 300 then
                log.warn("the circuit is open")
                return false, "the circuit is open"
            end
            local calls = "api_calls_" .. os.date("%Y%m%d")
            if (state.get(calls) or 0) >= 10 then
                return false, "too many calls"
            end
            if failures == 1 then
                state.increment(calls)
            end
            state.increment("api_failures")
            state.set("last_api_failure", os.time())
            return false, "the call failed"
        end)
        "#,
    ),
    (
        "metrics",
        4,
        r#"
        local metrics = task("metrics"):command(function()
            local state = require("state")
            state.increment("total_deployments")
            state.increment("deployments_today_" .. os.date("%Y%m%d"))
            local start = state.get("deploy_start")
            if start then
                local duration = 100 - tonumber(start)
                local average = ((state.get("avg_deploy_duration") or duration) + duration) / 2
                state.set("avg_deploy_duration", average)
                log.info("average: " .. average .. "s")
            end
            state.set("deploy_start", state.get("total_deployments") * 7)
            return true, "collected"
        end)
        "#,
    ),
    (
        "critical operation",
        2,
        r#"
        local critical = task("critical"):command(function()
            local state = require("state")
            local owner, me = state.get("critical_operation_lock"), "instance_" .. os.getenv("HOSTNAME")
            if owner and owner ~= me then
                return false, "it runs on " .. owner
            end
            state.set("critical_operation_lock", me)
            state.set("critical_operation_started", os.time())
            state.delete("critical_operation_lock")
            return true, "done"
        end)
        local other = task("other"):command(function()
            state.set("critical_operation_lock", "instance_other")
        end)
        "#,
    ),
    (
        "cache",
        3,
        r#"
        local expensive = task("expensive"):command(function()
            local state = require("state")
            local key = "processed_dataset_v2"
            local cached = state.get(key)
            if cached then
                log.info("from the cache: " .. cached.rows .. " rows")
                return true, "from the cache", { result = cached }
            end
            local result = { rows = 3, names = { "a", "b" }, mean = 0.5 }
            state.set_with_ttl(key, result, 24 * 3600)
            return true, "processed", { result = result }
        end)
        "#,
    ),
    (
        "feature flags",
        2,
        r#"
        local features = task("features"):command(function()
            local state = require("state")
            local new = state.get("feature_new_algorithm") == "true"
            local beta = state.get("beta_features_enabled") == "true"
            log.info("new algorithm: " .. tostring(new) .. ", beta: " .. tostring(beta))
            state.set("feature_new_algorithm", tostring(not new))
            return true, "deployed " .. (new and "with the new algorithm" or "as always")
        end)
        "#,
    ),
];

/// Without what is another one in each run: times, and the number of the run.
fn steady(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_time = |place: usize| ["ms", "s"].contains(words.get(place + 1).unwrap_or(&""));
        let steady = words.iter().enumerate().map(|(place, word)| match is_time(place) {
            true => "TIME".to_owned(),
            false => without_dates(word),
        });
        lines.push(steady.collect::<Vec<String>>().join(" "));
    }
    lines.join("\n")
}

/// Dates and times in digits are of one length.
fn without_dates(text: &str) -> String {
    let mut steady = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(std::iter::once('\n')) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        steady += if digits.len() >= 8 { "DATE" } else { &digits };
        digits.clear();
        steady.push(letter);
    }
    steady.pop();
    steady
}

fn value_of(change: &Json, image: &str, key: &str) -> Json {
    match &change[image] {
        Json::String(_) if key == "last_deploy_time" => json!("DATE"),
        other => json!(without_dates(&other.to_string())),
    }
}

/// All that can be seen of the runs of a workflow, without what is another one in each run.
fn trace(place: &Place, runs: usize, code: &str) -> Vec<Json> {
    std::fs::write(place.file("workflow.lua"), code).unwrap();
    let mut trace = Vec::new();
    for run in 1..=runs {
        let mut command = place.command(&["run", "workflow.lua"]);
        command.current_dir(place.folder()).env("WORKER_ID", run.to_string()).env("HOSTNAME", "web1");
        let answer = crate::support::files::answer(command);
        let out = String::from_utf8(answer.out).unwrap();
        // The first run on a file says that it made it.
        let said: Vec<&str> = answer.err.lines().filter(|line| !line.contains("made a new state")).collect();
        trace.push(json!([answer.code, steady(&out), steady(&said.join("\n"))]));
    }
    for change in objects(&place.done(&["history", "--json"])) {
        let key = change["key"].as_str().unwrap();
        let (old, new) = (value_of(&change, "old", key), value_of(&change, "new", key));
        let types = [&change["old_type"], &change["new_type"]];
        trace.push(json!([without_dates(key), change["operation"], old, new, types, change["version"]]));
    }
    for entry in objects(&place.done(&["keys", "--json"])) {
        let key = without_dates(entry["key"].as_str().unwrap());
        let expires = entry["expires_at"].is_string();
        trace.push(json!([key, entry["type"], entry["kind"], entry["version"], entry["size"], expires]));
    }
    for run in objects(&place.done(&["runs", "--json"])) {
        trace.push(json!([run["run"], run["workflow"], run["status"]]));
    }
    for run in 1..=runs {
        let replayed = place.run(&["replay", &run.to_string()]);
        trace.push(json!([replayed.code, steady(&String::from_utf8(replayed.out).unwrap())]));
    }
    trace
}

#[test]
fn workflows_of_sloth_runner_leave_the_same_on_both_engines() {
    for (name, runs, code) in WORKFLOWS {
        let Some(etcd) = Place::on_etcd() else { return };
        let on_file = trace(&Place::on_file(), runs, code);
        let on_etcd = trace(&etcd, runs, code);
        assert!(on_file.len() > 2 * runs, "{name}: {on_file:#?}");
        assert_eq!(on_etcd, on_file, "{name}");
    }
}

//! Values of keys that look like secrets are masked, except where they are asked for.

use std::process::Stdio;

use portable_pty::CommandBuilder;

use crate::support::etcd_cluster::{Cluster, Network};
use crate::support::files::{Answer, OF_THE_CALLER, Place, answer, answer_to, slothstate, until};
use crate::support::terminal::Terminal;

/// What is in every value that must not be shown.
const SECRET: &str = "hunter";
const MASK: &str = "••••••";

/// The workflow reads and changes a secret in every way, and says nothing of it itself.
const WORKFLOW: &str = "task('a'):command(function(params)
    state.get('db_password')
    state.get('db_password', 'none')
    state.set('db_password', 'hunter2' .. (params.more or ''))
    state.update('db_password', function(value) return value .. '3' end)
    state.set('plain', 'shown')
    return true
end):build()";

/// A database with a secret that was changed by hand and by run 1.
fn place() -> (Place, String) {
    let place = Place::new();
    place.done(&["set", "db_password", "hunter1", "--type", "string"]);
    place.done(&["set", "API_TOKEN_LOCK", "hunter-holder"]);
    place.done(&["set", "plain", "x"]);
    let file = place.file("secret.lua");
    std::fs::write(&file, WORKFLOW).unwrap();
    let file = file.to_str().unwrap().to_string();
    place.done(&["run", &file, "--param", "admin_password=hunter-param"]);
    (place, file)
}

/// Every command, and what it does with a secret.
const MASKED: &[&[&str]] = &[
    &["history"],
    &["history", "db_password"],
    &["history", "--json"],
    &["diff", "1"],
    &["diff", "1", "--json"],
    &["watch", "--since", "0", "--count", "5"],
    &["locks"],
    &["locks", "--json"],
    &["runs", "show", "1"],
    &["runs", "show", "1", "--json"],
    &["replay", "1", "--steps"],
    &["replay", "1", "--steps", "--json"],
    &["replay", "1", "--what-if", "db_password=hunter9"],
    &["replay", "1", "--what-if", "db_password=hunter9", "--json"],
    &["replay", "1", "--source", "OTHER"],
    &["replay", "1", "--source", "OTHER", "--json"],
    &["run", "FILE", "--dry-run", "--param", "more=x"],
    &["run", "FILE", "--dry-run", "--param", "more=x", "--json"],
    &["unlock", "API_TOKEN_LOCK"],
    &["unlock", "API_TOKEN_LOCK", "--force"],
];

/// What never has a value.
const WITHOUT: &[&[&str]] = &[
    &["keys"],
    &["keys", "--json"],
    &["runs"],
    &["runs", "--json"],
    &["ttl", "db_password", "1h"],
    &["undo", "1", "--force"],
    &["undo", "--last", "--json"],
    &["del", "db_password", "--json"],
    &["retention"],
    &["stats"],
    &["doctor"],
    &["config"],
    &["compact", "--dry-run"],
    &["lock", "API_TOKEN", "--", "true"],
    &["run", "FILE"],
    &["replay", "1"],
];

/// What gives the value that it is asked for by its key, or is to be read by a program that brings all of it
/// back.
const PLAIN: &[&[&str]] = &[
    &["get", "db_password"],
    &["get", "db_password", "--json"],
    &["get", "db_password", "--at", "1"],
    &["export"],
];

fn arguments(line: &[&str], file: &str, other: &str) -> Vec<String> {
    let word = |word: &&str| match *word {
        "FILE" => file.to_string(),
        "OTHER" => other.to_string(),
        word => word.to_string(),
    };
    line.iter().map(word).collect()
}

fn shown(place: &Place, line: &[String]) -> String {
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let answer = place.run(&line);
    assert!(matches!(answer.code, Some(0 | 1)), "{line:?}: {answer:?}");
    format!("{}{}", String::from_utf8_lossy(&answer.out), answer.err)
}

#[test]
fn no_command_shows_a_secret_unless_it_is_asked_to() {
    let other = |place: &Place| {
        let file = place.file("other.lua");
        std::fs::write(&file, WORKFLOW.replace("hunter2", "hunter8")).unwrap();
        file.to_str().unwrap().to_string()
    };
    for line in MASKED {
        let (place, file) = place();
        let line = arguments(line, &file, &other(&place));
        let masked = shown(&place, &line);
        assert!(!masked.contains(SECRET), "{line:?}: {masked}");
        assert!(masked.contains(MASK), "{line:?}: {masked}");
        let (place, file) = self::place();
        let mut line = arguments(&line.iter().map(String::as_str).collect::<Vec<_>>(), &file, &other(&place));
        // The files of the other place are gone.
        for word in &mut line {
            if word.ends_with("secret.lua") {
                word.clone_from(&file);
            } else if word.ends_with("other.lua") {
                *word = other(&place);
            }
        }
        line.push("--show-secrets".into());
        let open = shown(&place, &line);
        assert!(open.contains(SECRET) && !open.contains(MASK), "{line:?}: {open}");
    }
    for line in WITHOUT {
        let (place, file) = place();
        let line = arguments(line, &file, "");
        let told = shown(&place, &line);
        assert!(!told.contains(SECRET), "{line:?}: {told}");
    }
    for line in PLAIN {
        let (place, file) = place();
        let told = shown(&place, &arguments(line, &file, ""));
        assert!(told.contains(SECRET) && !told.contains(MASK), "{line:?}: {told}");
    }
}

/// Everything that a database has in its files, and what is exported of it.
fn stored(place: &Place, run: &str) -> Vec<u8> {
    let export = place.file("exported.run");
    let mut bytes = place.run(&["runs", "export", run, export.to_str().unwrap()]).out;
    let wal = place.db().with_extension("db-wal");
    for file in [place.db(), wal, export] {
        bytes.extend(std::fs::read(file).unwrap_or_default());
    }
    bytes.extend(place.run(&["runs", "--json"]).out);
    bytes.extend(place.run(&["runs", "show", run]).out);
    bytes.extend(place.run(&["replay", run, "--steps"]).out);
    bytes
}

#[test]
fn what_a_run_is_given_as_a_secret_is_not_stored_anywhere() {
    let place = Place::new();
    let file = place.file("w.lua");
    let source = "task('t'):command(function(params)
    local token = params.api_token .. '/' .. params.door_pin .. '/' .. values.db.password
    log.info(token)
    print(token)
    exec.run('echo $T', { env = { T = token } })
    local ok, problem = pcall(error, 'no: ' .. token)
    log.warn(tostring(problem))
    exec.run('echo ' .. token .. '; echo $MY_SECRET')
    state.set('length', #token)
    error('with ' .. token)
end):build()";
    std::fs::write(&file, source).unwrap();
    let values = place.file("values.json");
    std::fs::write(&values, r#"{"db":{"password":"zebra-values"}}"#).unwrap();
    let (file, values) = (file.to_str().unwrap(), values.to_str().unwrap());
    let arguments = [
        "run",
        file,
        "--values",
        values,
        "--param",
        "api_token=zebra-param",
        "--param",
        "door_pin=zebra-pin",
        "--param",
        "stage=giraffe",
        "--env",
        "MY_SECRET=zebra-env",
        "--mask",
        "*_pin",
    ];
    assert_eq!(place.run(&arguments).code, Some(1));
    let found = stored(&place, "1");
    let contains = |found: &[u8], text: &str| memchr::memmem::find(found, text.as_bytes()).is_some();
    assert!(contains(&found, "<masked api_token>") && contains(&found, "giraffe"));
    if let Some(place) = memchr::memmem::find(&found, b"zebra") {
        let around = &found[place.saturating_sub(200)..(place + 100).min(found.len())];
        panic!("{}", around.escape_ascii());
    }
    // What depends on the secrets is not the same without them, and the replay says why.
    let masks = "with masks in place of the secrets in api_token, door_pin, --values";
    let replayed = place.run(&["replay", "1"]);
    let text = String::from_utf8(replayed.out).unwrap();
    assert!(replayed.code == Some(1) && text.contains(masks) && text.contains("length"), "{text}");
    std::fs::write(file, source.replace("state.set('length', #token)", "")).unwrap();
    place.run(&arguments);
    let same = place.done(&["replay", "2"]);
    assert!(same.contains("all came to pass again") && same.contains(masks), "{same}");

    place.run(&[&arguments[..], &["--no-record"]].concat());
    let listed = place.done(&["runs", "--json"]);
    assert_eq!(listed.matches("giraffe").count(), 2, "{listed}");
}

#[test]
fn a_secret_of_the_environment_is_masked_before_the_script_reads_it() {
    let place = Place::new();
    let file = place.file("w.lua");
    let source = "task('t'):command(function()
    exec.run('echo $DB_PASSWORD')
    log.info('zebra-inherited as a literal')
    exec.run('echo hidden', { env = { OTHER_TOKEN = 'q7', DEPLOY_SECRET = 'zebra-option' } })
    log.info('zebra-option')
    state.set('n', #(os.getenv('DB_PASSWORD') or ''))
    return true, 'zebra-inherited'
end):build()";
    std::fs::write(&file, source).unwrap();
    let file = file.to_str().unwrap();
    let mut command = place.command(&["run", file]);
    command.env("DB_PASSWORD", "zebra-inherited");
    answer(command).done();
    let found = stored(&place, "1");
    assert!(has(&found, "<masked DB_PASSWORD>") && has(&found, "<masked DEPLOY_SECRET>"));
    let shown = place.done(&["runs", "show", "1"]);
    assert!(!shown.contains("zebra") && !shown.contains("\"q7\""), "{shown}");
    // A literal in the place of a mask is no divergence; one that depends on the secret is.
    let replayed = place.run(&["replay", "1", "--json"]);
    let told = crate::support::files::object(&String::from_utf8_lossy(&replayed.out));
    assert_eq!((&told["replay"], &told["masked"]), (&"parted".into(), &true.into()), "{told}");
    assert!(told["divergence"]["replayed"]["what"].as_str().unwrap().contains("state.set"), "{told}");
    std::fs::write(file, source.replace("state.set('n', #(os.getenv('DB_PASSWORD') or ''))", "")).unwrap();
    let mut command = place.command(&["run", file]);
    command.env("DB_PASSWORD", "zebra-inherited");
    answer(command).done();
    let same = place.done(&["replay", "2"]);
    assert!(same.contains("all came to pass again, what is masked was not compared"), "{same}");
}

#[test]
fn every_command_is_in_the_table() {
    /// They show nothing of a database, or change it and answer with what they were given.
    const OTHERS: &[&str] =
        &["demo", "import", "set", "incr", "toggle", "backup", "restore", "completions", "man", "help"];
    let help = Place::new().done(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 20, "{help}");
    let known = |name: &str| {
        OTHERS.contains(&name)
            || [MASKED, WITHOUT, PLAIN].iter().any(|table| table.iter().any(|line| line[0] == name))
    };
    let missing: Vec<&&str> = names.iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "which of the tables is {missing:?} in?");
}

#[test]
fn other_keys_can_be_secret() {
    let (place, _) = place();
    let folder = place.file("config");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[hide]\nkeys = [\"pl*\"]\n").unwrap();
    let folder = folder.to_str().unwrap();
    let history = place.done(&["--config", folder, "history"]);
    assert!(history.contains("hunter1") && !history.contains("shown"), "{history}");
}

#[test]
fn what_is_to_be_imported_elsewhere_is_complete() {
    let (place, _) = place();
    let export = place.done(&["export", "--no-history"]);
    let copy = Place::new();
    std::fs::write(copy.file("state.jsonl"), export).unwrap();
    copy.done(&["import", copy.file("state.jsonl").to_str().unwrap()]);
    assert_eq!(copy.done(&["get", "db_password"]), place.done(&["get", "db_password"]));
    place.done(&["backup", place.file("copy.db").to_str().unwrap()]);
    let value: String = rusqlite::Connection::open(place.file("copy.db"))
        .unwrap()
        .query_row("SELECT value FROM state WHERE key = 'db_password'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(format!("{value}\n"), place.done(&["get", "db_password"]));
}

/// The command line and the environment of a process, and of everything that it started.
fn of_all_descendants(root: u32) -> Vec<u8> {
    let mut found = Vec::new();
    let mut processes = vec![root];
    while let Some(process) = processes.pop() {
        for file in ["cmdline", "environ"] {
            // That of the first one is what this test gave it.
            if process != root || file == "cmdline" {
                found.extend(std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default());
            }
        }
        for task in std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            processes.extend(children.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
        }
    }
    found
}

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

const PASSWORD: &str = "k9/q?v@z-pass";
const ENCODED: &str = "k9%2Fq%3Fv%40z-pass";

/// A node that lets only `root` in, and the address of a database on it without the password.
fn node_with_users() -> Option<(Cluster, String)> {
    let cluster = Cluster::start("password", 1, Network::Loopback, &[])?;
    for arguments in [
        &["user", "add", &format!("root:{PASSWORD}")][..],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        assert!(cluster.etcdctl(0, arguments).status.success(), "{arguments:?}");
    }
    let db = format!("etcd://root@{}/p", cluster.client(0));
    Some((cluster, db))
}

#[test]
fn the_password_of_a_database_reaches_no_command_and_no_recording() {
    let Some((_cluster, db)) = node_with_users() else { return };
    let place = Place::on_file();
    let (password, encoded) = (PASSWORD, ENCODED);
    let with_password = db.replace("root@", &format!("root:{encoded}@"));
    let done = |arguments: &[&str]| {
        let mut command = slothstate(place.folder());
        command.env("SLOTHSTATE_ETCD_PASSWORD", password).args(["--db", &db]).args(arguments);
        answer(command).done()
    };
    // So that the command line of no command has it.
    std::fs::write(place.file("said"), format!("{password} {encoded}")).unwrap();
    let script = "task('t'):command(function()
             state.set('seen', tostring(os.getenv('SLOTHSTATE_ETCD_PASSWORD')) .. tostring(os.getenv('SLOTHSTATE_DB')))
             local _, said = exec.run('cat /proc/self/environ | tr \"\\\\0\" \"\\\\n\"; touch begun; while [ ! -e go ]; do sleep 0.05; done; cat said')
             state.set('environment', said)
         end)";
    std::fs::write(place.file("w.lua"), script).unwrap();
    for (variable, value, database) in
        [("SLOTHSTATE_ETCD_PASSWORD", password, db.as_str()), ("SLOTHSTATE_DB", with_password.as_str(), "")]
    {
        let _ = (std::fs::remove_file(place.file("begun")), std::fs::remove_file(place.file("go")));
        let mut command = slothstate(place.folder());
        command.env(variable, value).current_dir(place.folder()).stderr(Stdio::piped());
        if !database.is_empty() {
            command.args(["--db", database]);
        }
        let mut run = command.args(["run", "w.lua"]).spawn().unwrap();
        until("the command has begun", || place.file("begun").exists() || run.try_wait().unwrap().is_some());
        let seen = of_all_descendants(run.id());
        std::fs::write(place.file("go"), "").unwrap();
        let answer = Answer::of(run.wait_with_output().unwrap());
        answer.done();
        assert!(has(&seen, "while [ ! -e go ]"), "its command was seen");
        for form in [password, encoded] {
            assert!(!has(&seen, form), "{variable}: {form} in {}", String::from_utf8_lossy(&seen));
        }
        let environment = done(&["get", "seen"]) + &done(&["get", "environment"]);
        let environment = environment.replace(&format!("{password} {encoded}"), "");
        assert!(!environment.contains(password) && !environment.contains(encoded), "{environment}");
        let recorded = done(&["runs", "show", "1", "--json"]);
        assert!(!recorded.contains(password) && !recorded.contains(encoded), "{recorded}");
        assert!(recorded.contains("<masked "), "{recorded}");
    }
    // A program of ours reads it from a pipe.
    std::fs::write(place.file("piped.lua"), "task('t'):command(function() state.set('piped', 1) end)")
        .unwrap();
    let mut command = slothstate(place.folder());
    command.current_dir(place.folder()).args(["--db", &db, "--password-stdin", "run", "piped.lua"]);
    answer_to(command, password.as_bytes()).done();
    assert_eq!(done(&["get", "piped"]), "1\n");
    // A lock's command gets the address without the password.
    let mut command = slothstate(place.folder());
    command.env("SLOTHSTATE_DB", &with_password).env("SLOTHSTATE_ETCD_PASSWORD", password);
    command.args(["lock", "l", "--", "sh", "-c", "env; echo \"$SLOTHSTATE_DB\""]);
    let said = answer(command).done();
    assert!(said.contains("root@") && !said.contains(encoded) && !said.contains(password), "{said}");
}

#[test]
fn a_run_that_the_interface_starts_gets_the_password_and_its_commands_do_not() {
    let Some((_cluster, db)) = node_with_users() else { return };
    let place = Place::on_file();
    let script =
        "task('t'):command(function() exec.run('touch begun; while [ ! -e go ]; do sleep 0.05; done') end)";
    std::fs::write(place.file("w.lua"), script).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slothstate"));
    OF_THE_CALLER.iter().for_each(|name| command.env_remove(name));
    command.env("HOME", place.folder());
    command.env("SLOTHSTATE_ETCD_PASSWORD", PASSWORD);
    command.cwd(place.folder());
    command.args(["--db", &db]);
    let mut terminal = Terminal::start(command, 100, 30);
    terminal.wait_for("there are no keys yet");
    terminal.keys("R");
    terminal.wait_for("Start a workflow");
    terminal.keys(place.file("w.lua").to_str().unwrap());
    terminal.wait_for("w.lua");
    terminal.keys("\r");
    until("the command has begun", || place.file("begun").exists());
    let seen = of_all_descendants(terminal.pid());
    assert!(has(&seen, "while [ ! -e go ]") && has(&seen, "w.lua"), "both were seen");
    assert!(!has(&seen, PASSWORD) && !has(&seen, ENCODED), "{}", String::from_utf8_lossy(&seen));
    std::fs::write(place.file("go"), "").unwrap();
    terminal.wait_for("run finished");
}

//! Values of keys that look like secrets are masked, except where they are asked for.

use crate::support::files::Place;

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
    &["runs", "--json"],
    &["unlock", "API_TOKEN_LOCK"],
    &["unlock", "API_TOKEN_LOCK", "--force"],
];

/// What never has a value.
const WITHOUT: &[&[&str]] = &[
    &["keys"],
    &["keys", "--json"],
    &["runs"],
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

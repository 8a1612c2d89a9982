//! What is not the path of a database file is refused wherever one is named, and nothing is made.

use std::process::Command;

use crate::support::files::{Place, answer, slothstate};

const LOCATIONS: [(&str, &str); 11] = [
    (":memory:", "is not a file"),
    ("file:x.db", "is a URI"),
    ("file:x.db?mode=memory", "is a URI"),
    ("etcd://host:2379/", "the prefix is empty"),
    ("http://host/x", "http:// is not a kind of database"),
    ("etcd:/x", "write ./etcd:/x"),
    ("etcd:x", "write ./etcd:x"),
    ("sqlite:x.db", "write ./sqlite:x.db"),
    ("x/", "x/ names a directory"),
    ("x/.", "x/. names a directory"),
    ("", "cannot be empty"),
];

const COMMANDS: [&[&str]; 24] = [
    &["get", "k"],
    &["set", "k", "v"],
    &["del", "k"],
    &["keys"],
    &["incr", "k"],
    &["ttl", "k"],
    &["toggle", "k"],
    &["locks"],
    &["unlock", "k"],
    &["history"],
    &["diff", "1"],
    &["watch", "--count", "1"],
    &["undo", "1"],
    &["retention"],
    &["retention", "--rows", "5"],
    &["stats"],
    &["doctor"],
    &["import", "other.db"],
    &["export"],
    &["backup", "copy.db"],
    &["run", "flow.lua"],
    &["runs"],
    &["replay", "1"],
    &[],
];

/// An empty argument is refused before it is read as a location.
fn in_arguments<'a>(location: &str, words: &'a str) -> &'a str {
    if location.is_empty() { "a value is required" } else { words }
}

fn command(place: &Place) -> Command {
    let mut command = slothstate(place.folder());
    command.current_dir(place.folder()).env("TERM", "xterm");
    command
}

#[test]
fn every_command_refuses_what_is_not_a_path() {
    let place = Place::new();
    std::fs::write(place.file("flow.lua"), "").unwrap();
    for (location, words) in LOCATIONS {
        for arguments in COMMANDS {
            let mut named = command(&place);
            named.arg("--db").arg(location).args(arguments);
            let mut in_environment = command(&place);
            in_environment.env("SLOTHSTATE_DB", location).args(arguments);
            answer(named).refused(2, in_arguments(location, words));
            answer(in_environment).refused(2, words);
        }
        assert_eq!(place.names(), ["flow.lua"], "{location}");
    }
}

#[test]
fn sources_targets_and_contexts_refuse_it_too() {
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let names = place.names();
    for (location, words) in LOCATIONS {
        for arguments in [["import", location], ["backup", location]] {
            let mut named = command(&place);
            named.arg("--db").arg(place.db()).args(arguments);
            answer(named).refused(2, in_arguments(location, words));
        }
        assert_eq!(place.names(), names, "{location}");
        let settings = Place::new();
        let text = format!("[contexts.live]\npath = \"{location}\"\n");
        std::fs::write(settings.file("config.toml"), text).unwrap();
        let mut told = command(&place);
        told.arg("--config").arg(settings.folder()).arg("config");
        let told = answer(told);
        assert_eq!(told.code, Some(1), "{told:?}");
        let out = String::from_utf8_lossy(&told.out).into_owned();
        assert!(out.contains("config.toml:2: the path of context live:") && out.contains(words), "{out}");
        let mut used = command(&place);
        used.arg("--config").arg(settings.folder()).args(["--context", "live", "set", "k", "w"]);
        answer(used).refused(2, words);
    }
    assert_eq!(place.done(&["get", "k"]), "v\n");
}

#[test]
fn with_a_folder_in_front_it_is_a_file() {
    let place = Place::new();
    for name in [":memory:", "file:x.db", "file:x.db?mode=memory", "etcd:x", "a:b.db"] {
        let at = |arguments: &[&str]| {
            let mut named = command(&place);
            named.arg("--db").arg(format!("./{name}")).args(arguments);
            answer(named)
        };
        at(&["set", "k", name]).done();
        assert_eq!(at(&["get", "k"]).done(), format!("{name}\n"));
        assert!(place.file(name).exists(), "{:?}", place.names());
        at(&["backup", &format!("./{name}.copy")]).done();
        assert!(place.file(&format!("{name}.copy")).exists());
    }
}

//! The configuration folder, as the commands see it.

use std::path::Path;

use crate::support::files::{self, Answer, Place, answer, objects};

/// A database with some entries, and a configuration folder beside it.
fn place(config: &str) -> Place {
    let place = Place::new();
    for (key, value) in [("leader:web", "ann"), ("build", "17"), ("rollout", "50")] {
        place.done(&["set", key, value]);
    }
    write(&place, "config.toml", config);
    place
}

fn write(place: &Place, name: &str, text: &str) {
    let file = place.file("config").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn run(place: &Place, arguments: &[&str]) -> Answer {
    let mut command = place.command(arguments);
    command.env("SLOTHSTATE_CONFIG", place.file("config"));
    answer(command)
}

/// Without `--db`: which database it is stands in the configuration or in the environment.
fn run_without_db(place: &Place, arguments: &[&str], db: Option<&Path>) -> Answer {
    let mut command = files::slothstate(place.folder());
    command.env("SLOTHSTATE_CONFIG", place.file("config")).args(arguments);
    if let Some(db) = db {
        command.env("SLOTHSTATE_DB", db);
    }
    answer(command)
}

#[test]
fn kinds_of_the_configuration_count_wherever_kinds_do() {
    let place = place("[kinds]\n\"leader:*\" = \"lock\"\nbuild = \"plain\"\n");
    let keys = |kind: &str| run(&place, &["keys", "--kind", kind]).done();
    assert_eq!(keys("lock"), "leader:web\n");
    assert_eq!(keys("counter"), "rollout\n");
    assert_eq!(keys("plain"), "build\n");
    let kind = |json: String| objects(&json)[0]["kind"].clone();
    assert_eq!(kind(run(&place, &["get", "leader:web", "--json"]).done()), "lock");
    assert_eq!(kind(run(&place, &["keys", "build", "--json"]).done()), "plain");
    assert_eq!(kind(run(&place, &["keys", "build", "--at", "3", "--json"]).done()), "plain");
    assert!(run(&place, &["locks"]).done().contains("leader:web"));
    assert_eq!(place.done(&["keys", "--kind", "counter"]), "build\nrollout\n", "without it as ever");
}

#[test]
fn what_is_wrong_is_told_and_the_rest_counts() {
    let place = place("[kinds]\nbuild = \"plane\"\nrollout = \"plain\"\n");
    write(&place, "keymap.toml", "[keys]\nfly = [\"f\"]\n");
    write(&place, "themes/mine.toml", "\n\nkey = \"blod\"\n");
    let answer = run(&place, &["keys", "--kind", "plain"]);
    let config = place.file("config").join("config.toml");
    let told = format!("{}:2: plane is no kind; the kinds are flag, counter", config.display());
    assert!(answer.err.contains(&told), "{answer:?}");
    assert_eq!(answer.done(), "leader:web\nrollout\n");

    let shown = run(&place, &["config"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.err.contains("3 entries are wrong"), "{shown:?}");
    let out = String::from_utf8(shown.out).unwrap();
    for words in
        ["config.toml:2: plane", "keymap.toml:2: fly is no command", "mine.toml:3: key: blod is no colour"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }
    let problems = run(&place, &["config", "--json"]).out;
    let problems = objects(&String::from_utf8(problems).unwrap());
    assert_eq!((problems.len(), &problems[1]["line"]), (3, &2.into()));
    let doctor = run(&place, &["doctor", "--json"]).out;
    let doctor = objects(&String::from_utf8(doctor).unwrap());
    let warnings: Vec<_> = doctor.iter().filter(|finding| finding["check"] == "config").collect();
    assert_eq!(warnings.len(), 3, "{doctor:?}");
}

#[test]
fn the_files_that_come_with_it_can_be_printed_and_used_as_they_are() {
    let place = place("");
    for name in ["keymap.toml", "themes/dark.toml", "themes/plain.toml"] {
        let text = run(&place, &["config", "--print", name]).done();
        write(&place, name, &text);
    }
    let shown = run(&place, &["config"]).done();
    assert_eq!(shown, format!("configuration in {}\n", place.file("config").display()));
    run(&place, &["config", "--print", "themes/none.toml"]).refused(2, "keymap.toml, themes/dark.toml");
}

#[test]
fn a_database_has_a_name() {
    let place = place(
        "[contexts.here]\npath = \"../state.db\"\n[contexts.look]\npath = \"../state.db\"\nread_only = true\n",
    );
    let other = place.file("other.db");
    let in_context = |arguments: &[&str]| run_without_db(&place, arguments, Some(&other));
    assert_eq!(
        in_context(&["--context", "here", "get", "build"]).done(),
        "17\n",
        "it counts for more than $SLOTHSTATE_DB"
    );
    in_context(&["--context", "here", "set", "build", "18"]).done();
    in_context(&["--context", "look", "set", "build", "19"]).refused(3, "read-only");
    assert_eq!(in_context(&["get", "build", "--context", "look"]).done(), "18\n");
    in_context(&["--context", "there", "get", "build"])
        .refused(2, "there is no context there: there are here, look");
    run(&place, &["--context", "here", "get", "build"]).refused(2, "--db");
    let shown = run_without_db(&place, &["config"], None).done();
    assert!(shown.contains("context look: ") && shown.contains("state.db, read only"), "{shown}");
    write(
        &place,
        "config.toml",
        "[contexts.a]\npath = \"../state.db\"\nallow_exec = [\"git *\", \"ls\"]\n[contexts.b]\npath = \"../state.db\"\nno_exec = true\n",
    );
    let shown = run_without_db(&place, &["config"], None).done();
    assert!(shown.contains("state.db, only commands git *, ls\n"), "{shown}");
    assert!(shown.contains("state.db, no commands\n"), "{shown}");
    // A file is the database that it is, whichever way it is named.
    run(&place, &["set", "build", "20"]).done();
    write(&place, "config.toml", "[contexts.look]\npath = \"../state.db\"\nread_only = true\n");
    run(&place, &["set", "build", "21"]).refused(3, "read-only");
}

#[test]
fn where_a_context_has_no_database_it_is_the_configuration_that_is_to_be_mended() {
    let place =
        place("[contexts.gone]\npath = \"gone.db\"\n[contexts.look]\npath = \"gone.db\"\nread_only = true\n");
    let words = "gone.db, the path of context gone in config.toml: mend it there, or make the database by \
                 writing: slothstate --context gone set KEY VALUE\n";
    run_without_db(&place, &["--context", "gone", "keys"], None).refused(3, words);
    let words = "the path of context look in config.toml: mend it there\n";
    run_without_db(&place, &["--context", "look", "keys"], None).refused(3, words);
}

#[test]
fn a_theme_that_is_not_there_is_told_with_its_line() {
    let place = place("resume = true\ntheme = \"lihgt\"\n");
    let shown = run(&place, &["config"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let out = String::from_utf8(shown.out).unwrap();
    assert!(out.contains("config.toml:2: there is no theme lihgt; there are "), "{out}");
}

//! Contexts: named databases.

use std::path::Path;

use super::document::{ConfigItem, ConfigValue, Document};
use crate::store::Location;
use crate::text::escape::escape;
use crate::text::suggestion::meant;

/// A named database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub name: String,
    pub location: Location,
    /// Whether it is opened read-only.
    pub read_only: bool,
    /// Whether it is a production database: the interface marks it and asks for more confirmations.
    pub production: bool,
    /// Which changes the interface confirms.
    pub confirm: ConfirmPolicy,
    /// Whether its workflows start no commands.
    pub no_exec: bool,
    /// The patterns of the commands that its workflows may start; `None` for all commands.
    pub allow_exec: Option<Vec<String>>,
}

/// Which changes of the interface need a confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmPolicy {
    /// Every change.
    Always,
    /// Changes that delete or overwrite more than the screen shows, or that cannot be undone.
    #[default]
    Dangerous,
}

impl ConfirmPolicy {
    /// The default of a context.
    pub fn of_production(production: bool) -> ConfirmPolicy {
        if production { ConfirmPolicy::Always } else { ConfirmPolicy::Dangerous }
    }
}

impl Context {
    /// The error for a context whose database does not exist.
    pub fn missing(&self) -> String {
        let (name, path) = (escape(self.name.as_bytes()), &self.location);
        let lead = format!("there is no database at {path}, the path of context {name} in config.toml");
        match self.read_only {
            true => format!("{lead}: mend it there"),
            false => format!(
                "{lead}: mend it there, or make the database by writing: slothstate --context {name} set KEY VALUE"
            ),
        }
    }
}

/// The named databases, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts(Vec<Context>);

impl Contexts {
    pub(super) fn of(items: Vec<ConfigItem>, folder: &Path, document: &mut Document) -> Contexts {
        let mut contexts = Vec::new();
        for ConfigItem { name, line, value } in items {
            match value {
                ConfigValue::Table(items) => contexts.extend(context(name, line, items, folder, document)),
                other => document.refuse(
                    line,
                    format!("a context is a table with a path: [contexts.{name}], not {}", other.what()),
                ),
            }
        }
        Contexts(contexts)
    }

    /// All contexts of a database.
    pub fn all_of_location(&self, location: &Location) -> impl Iterator<Item = &Context> {
        let wanted = location.identity();
        let is_meant = move |it: &Location| it == location || it.identity() == wanted;
        self.0.iter().filter(move |context| is_meant(&context.location))
    }

    pub fn all(&self) -> &[Context] {
        &self.0
    }

    pub fn named(&self, name: &str) -> Option<&Context> {
        self.0.iter().find(|context| context.name == name)
    }

    /// The context of a database under any of its names. A database may have several contexts: unless one is
    /// chosen by name, it counts as production if any of them is, and as read-only if all of them are.
    pub fn of_location(&self, location: &Location) -> Option<&Context> {
        // The first of the best: `min_by_key` takes the first of several.
        self.all_of_location(location).min_by_key(|context| (!context.production, context.read_only))
    }
}

fn context(
    name: String,
    line: usize,
    items: Vec<ConfigItem>,
    folder: &Path,
    document: &mut Document,
) -> Option<Context> {
    let (mut place, mut has_place, mut read_only, mut production, mut confirm) =
        (None, false, false, false, None);
    let (mut no_exec, mut allow_exec) = (false, None);
    for ConfigItem { name: setting, line, value } in items {
        match (setting.as_str(), value) {
            ("path" | "db", ConfigValue::Text(_)) if place.is_some() => {
                document
                    .refuse(line, format!("the context {name} has a path already: leave one of them out"));
            }
            ("path" | "db", ConfigValue::Text(text)) => match Location::parse(text.as_ref()) {
                Ok(location) => place = Some(resolved(location, folder)),
                Err(invalid) => {
                    document.refuse(line, format!("the {setting} of context {name}: {invalid}"));
                    has_place = true;
                }
            },
            ("read_only", ConfigValue::Truth(truth)) => read_only = truth,
            ("production", ConfigValue::Truth(truth)) => production = truth,
            ("confirm", ConfigValue::Text(text)) if text == "always" => confirm = Some(ConfirmPolicy::Always),
            ("confirm", ConfigValue::Text(text)) if text == "dangerous" => {
                confirm = Some(ConfirmPolicy::Dangerous)
            }
            ("no_exec", ConfigValue::Truth(truth)) => no_exec = truth,
            ("allow_exec", ConfigValue::List(items)) => {
                allow_exec = Some(command_patterns(items, line, document));
            }
            ("path", _) => document.refuse(line, "path is the name of a file"),
            ("db", _) => {
                document.refuse(line, "db is the name of a file or an address such as etcd://host/prefix")
            }
            // What was meant to protect protects, also if it is misspelt.
            ("read_only", value) => {
                read_only = true;
                document.refuse(line, format!("read_only is true or false, not {}", value.what()));
            }
            ("production", value) => {
                production = true;
                document.refuse(line, format!("production is true or false, not {}", value.what()));
            }
            ("no_exec", value) => {
                no_exec = true;
                document.refuse(line, format!("no_exec is true or false, not {}", value.what()));
            }
            ("allow_exec", value) => {
                allow_exec = Some(Vec::new());
                document.refuse(
                    line,
                    format!("allow_exec is a list of patterns such as [\"git *\"], not {}", value.what()),
                );
            }
            ("confirm", _) => {
                confirm = Some(ConfirmPolicy::Always);
                document.refuse(line, "confirm is \"always\" or \"dangerous\"");
            }
            _ => {
                no_exec |= meant(&setting, ["no_exec", "allow_exec"]).is_some();
                read_only |= meant(&setting, ["read_only"]).is_some();
                production |= meant(&setting, ["production"]).is_some();
                document.refuse(
                    line,
                    format!(
                        "{setting} is not a setting of a context; the settings are path, db, read_only, production, confirm, no_exec and allow_exec"
                    ),
                );
            }
        }
    }
    if place.is_none() && !has_place {
        document.refuse(line, format!("the context {name} has no path"));
    }
    let confirm = confirm.unwrap_or(ConfirmPolicy::of_production(production));
    Some(Context { name, location: place?, read_only, production, confirm, no_exec, allow_exec })
}

/// The patterns of commands; one that is wrong is reported and allows nothing.
fn command_patterns(items: Vec<ConfigValue>, line: usize, document: &mut Document) -> Vec<String> {
    let mut patterns = Vec::new();
    for item in items {
        match item {
            ConfigValue::Text(text) => match globset::Glob::new(&text) {
                Ok(_) if !text.trim().is_empty() => patterns.push(text),
                Ok(_) => document.refuse(line, "a pattern in allow_exec is empty"),
                Err(error) => document.refuse(
                    line,
                    format!("the pattern {text} in allow_exec is not a glob: {}", error.kind()),
                ),
            },
            other => document.refuse(
                line,
                format!("a pattern in allow_exec is a text such as \"git *\", not {}", other.what()),
            ),
        }
    }
    patterns
}

/// `~/` is the home directory; other relative paths start at the configuration folder.
fn resolved(location: Location, folder: &Path) -> Location {
    let Some(path) = location.as_file() else { return location };
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(folders)) => Location::File(folders.home_dir().join(rest)),
        _ => Location::File(folder.join(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(text: &str, folder: &Path) -> (Contexts, Vec<String>) {
        let mut document = Document::parse(Path::new("config.toml"), text);
        let items = std::mem::take(&mut document.entries);
        let Some(ConfigItem { value: ConfigValue::Table(items), .. }) = items.into_iter().next() else {
            panic!("{text}")
        };
        let contexts = Contexts::of(items, folder, &mut document);
        (contexts, document.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_context_is_found_by_its_name_and_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("live.db");
        std::fs::write(&file, "").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let text = "[contexts.dev]\npath = \"/tmp/dev.db\"\n[contexts.live]\npath = \"live.db\"\nproduction = true\n";
        let (contexts, problems) = contexts(text, folder.path());
        assert_eq!(problems, [""; 0]);
        let live = Context {
            name: "live".into(),
            location: Location::File(file.clone()),
            read_only: false,
            production: true,
            confirm: ConfirmPolicy::Always,
            no_exec: false,
            allow_exec: None,
        };
        assert_eq!(contexts.named("live"), Some(&live));
        assert_eq!(contexts.of_location(&file.as_path().into()), Some(&live));
        assert_eq!(
            contexts.of_location(&link.as_path().into()),
            Some(&live),
            "a link leads to the same database"
        );
        assert_eq!(contexts.of_location(&Path::new("/tmp/other.db").into()), None);
        assert_eq!(contexts.named("other"), None);
    }

    #[test]
    fn a_context_may_be_an_address() {
        let text = "[contexts.far]\ndb = \"etcd://a,b/prod\"\n[contexts.two]\npath = \"/x.db\"\ndb = \"/y.db\"\n\
                    [contexts.bad]\ndb = \"etcd://a/\"\n";
        let (contexts, problems) = contexts(text, Path::new("/etc"));
        let same = Location::parse("etcd://b:2379,a:2379/prod".as_ref()).unwrap();
        assert_eq!(contexts.of_location(&same).map(|context| context.name.as_str()), Some("far"));
        assert_eq!(contexts.named("two").unwrap().location, Path::new("/x.db").into());
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("the context two has a path already"), "{problems:?}");
        assert!(problems[1].contains("the db of context bad: the prefix is empty"), "{problems:?}");
    }

    #[test]
    fn a_path_that_is_not_one_is_told_once_and_its_context_left_out() {
        let text = "[contexts.live]\npath = \":memory:\"\n[contexts.far]\npath = \"redis://host/x\"\n\
                    [contexts.none]\npath = \"\"\n[contexts.odd]\npath = \"./file:x\"\n";
        let (contexts, problems) = contexts(text, Path::new("/etc"));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("config.toml:2: the path of context live: :memory: is not a file"));
        assert!(problems[1].starts_with("config.toml:4: the path of context far: redis:// is not"));
        let names: Vec<&str> = contexts.all().iter().map(|context| context.name.as_str()).collect();
        assert_eq!(names, ["odd"]);
        assert_eq!(contexts.named("odd").unwrap().location, Path::new("/etc/./file:x").into());
    }

    #[test]
    fn a_file_with_several_contexts_is_the_one_that_protects_without_hindering() {
        let chosen = |flags: &[(&str, &str)]| {
            let table =
                |(name, flags): &(&str, &str)| format!("[contexts.{name}]\npath = \"/x.db\"\n{flags}\n");
            let (contexts, problems) =
                contexts(&flags.iter().map(table).collect::<String>(), Path::new("/etc"));
            assert_eq!(problems, [""; 0]);
            contexts.of_location(&Path::new("/x.db").into()).map(|context| context.name.clone()).unwrap()
        };
        const RO: &str = "read_only = true";
        const PRODUCTION: &str = "production = true";
        assert_eq!(chosen(&[("a", RO), ("b", "")]), "b");
        assert_eq!(chosen(&[("a", ""), ("b", RO)]), "a");
        assert_eq!(chosen(&[("a", RO), ("b", RO)]), "a");
        assert_eq!(chosen(&[("a", ""), ("b", PRODUCTION)]), "b");
        assert_eq!(chosen(&[("a", "read_only = true\nproduction = true"), ("b", PRODUCTION)]), "b");
        assert_eq!(chosen(&[("a", ""), ("b", "read_only = true\nproduction = true")]), "b");
    }

    #[test]
    fn production_asks_about_every_change_unless_it_is_told_otherwise() {
        let confirm = |flags: &str| {
            let text = format!("[contexts.a]\npath = \"/x.db\"\n{flags}\n");
            let (contexts, problems) = contexts(&text, Path::new("/etc"));
            (contexts.named("a").unwrap().confirm, problems)
        };
        let (always, dangerous) = (ConfirmPolicy::Always, ConfirmPolicy::Dangerous);
        assert_eq!(confirm(""), (dangerous, vec![]));
        assert_eq!(confirm("confirm = \"always\""), (always, vec![]));
        assert_eq!(confirm("production = true"), (always, vec![]));
        assert_eq!(confirm("production = true\nconfirm = \"dangerous\""), (dangerous, vec![]));
        assert_eq!(confirm("confirm = \"dangerous\"\nproduction = true"), (dangerous, vec![]));
        for wrong in ["confirm = true", "confirm = \"never\""] {
            let (policy, problems) = confirm(wrong);
            assert_eq!(policy, always, "what was meant to protect protects");
            assert!(
                problems[0].contains("config.toml:3: confirm is \"always\" or \"dangerous\""),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn what_bounds_commands_bounds_them_also_with_mistakes() {
        let bounds = |flags: &str| {
            let text = format!("[contexts.a]\npath = \"/x.db\"\n{flags}\n");
            let (contexts, problems) = contexts(&text, Path::new("/etc"));
            let context = contexts.named("a").unwrap();
            (context.no_exec, context.allow_exec.clone(), problems.len())
        };
        let list = |patterns: &[&str]| Some(patterns.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(bounds(""), (false, None, 0));
        assert_eq!(bounds("no_exec = true"), (true, None, 0));
        assert_eq!(bounds("no_exec = \"yes\""), (true, None, 1));
        assert_eq!(bounds("allow_exce = [\"git *\"]"), (true, None, 1));
        assert_eq!(bounds("noexec = true"), (true, None, 1));
        assert_eq!(bounds("colour = true"), (false, None, 1));
        assert_eq!(bounds("allow_exec = [\"git *\", \"ls\"]"), (false, list(&["git *", "ls"]), 0));
        assert_eq!(bounds("allow_exec = []"), (false, list(&[]), 0));
        assert_eq!(bounds("allow_exec = \"git *\""), (false, list(&[]), 1));
        assert_eq!(bounds("allow_exec = [\"git [\", 3, \"\", \"ls\"]"), (false, list(&["ls"]), 3));
    }

    #[test]
    fn mistakes_are_told_and_what_protects_stays() {
        let text = "[contexts]\nbare = \"x.db\"\n[contexts.none]\nread_only = true\n\
                    [contexts.live]\npath = \"a.db\"\nproduction = \"yes\"\nowner = \"ann\"\n";
        let (contexts, problems) = contexts(text, Path::new("/etc"));
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(
            problems.iter().any(|problem| problem.starts_with("config.toml:3: the context none has no path"))
        );
        assert!(problems.iter().any(|problem| problem.contains("owner is not a setting")));
        assert_eq!(contexts.all().len(), 1);
        assert!(contexts.named("live").unwrap().production);
        assert_eq!(contexts.named("live").unwrap().location, Path::new("/etc/a.db").into());
    }
}

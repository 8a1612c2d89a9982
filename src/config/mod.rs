//! The configuration folder: `config.toml`, `keymap.toml`, `filters.toml` and `themes/NAME.toml`, all
//! optional. A wrong entry is reported with file, line and reason; all other entries apply.
//!
//! It imports `store` and the layers below it. A new setting is a field of [`Config`] and an arm where the
//! file is read; keys and themes are parsed by the interface with [`Document`].

mod contexts;
mod document;
pub mod sloth_runner;

use std::path::{Path, PathBuf};

pub use self::contexts::{ConfirmPolicy, Context, Contexts};
pub use self::document::{ConfigItem, ConfigProblem, ConfigValue, Document, MAX_CONFIG_SIZE, line_number};
use crate::store::kind_inference::Kinds;
use crate::store::secret_keys::{self, Secrets};
use crate::store::{Kind, Pattern};

#[derive(Clone, Debug)]
pub struct Config {
    /// The folder it was read from; `None` if there is none.
    pub folder: Option<PathBuf>,
    pub theme: Option<String>,
    /// The line of `config.toml` that names it.
    pub theme_line: Option<usize>,
    /// Whether the interface restores the last session.
    pub resume: bool,
    /// Whether the interface leaves the mouse to the terminal.
    pub no_mouse: bool,
    /// Configured kinds of keys, which override inferred ones.
    pub kinds: Kinds,
    /// Keys whose values are masked.
    pub secrets: Secrets,
    /// The named databases.
    pub contexts: Contexts,
    pub problems: Vec<ConfigProblem>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            folder: None,
            theme: None,
            theme_line: None,
            resume: false,
            no_mouse: false,
            kinds: Kinds::default(),
            secrets: Secrets::usual(),
            contexts: Contexts::default(),
            problems: Vec::new(),
        }
    }
}

impl Config {
    /// The default folder.
    pub fn usual_folder() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "slothstate").map(|folders| folders.config_dir().into())
    }

    /// Reads `config.toml` of `folder`.
    pub fn read(folder: Option<PathBuf>) -> Config {
        let file = folder.as_deref().map(|folder| folder.join("config.toml"));
        let document = file.as_deref().and_then(Document::read);
        let mut config = match (document, &folder) {
            (Some(document), Some(folder)) => Config::of(document, folder),
            _ => Config::default(),
        };
        config.folder = folder;
        config
    }

    fn of(mut document: Document, folder: &Path) -> Config {
        let mut config = Config::default();
        for ConfigItem { name, line, value } in std::mem::take(&mut document.entries) {
            match (name.as_str(), value) {
                ("theme", ConfigValue::Text(theme)) => {
                    (config.theme, config.theme_line) = (Some(theme), Some(line));
                }
                ("resume", ConfigValue::Truth(resume)) => config.resume = resume,
                ("mouse", ConfigValue::Truth(mouse)) => config.no_mouse = !mouse,
                ("kinds", ConfigValue::Table(items)) => config.kinds = kinds(items, &mut document),
                ("hide", ConfigValue::Table(items)) => config.secrets = secrets(items, &mut document),
                ("contexts", ConfigValue::Table(items)) => {
                    config.contexts = Contexts::of(items, folder, &mut document);
                }
                ("theme", value) => document.refuse(line, format!("theme is a text, not {}", value.what())),
                ("resume" | "mouse", value) => {
                    document.refuse(line, format!("{name} is true or false, not {}", value.what()));
                }
                ("kinds" | "hide" | "contexts", value) => {
                    document.refuse(line, format!("{name} is a table, not {}", value.what()));
                }
                _ => document.refuse(
                    line,
                    format!(
                        "{name} is not a setting; there are theme, resume, mouse, [kinds], [hide] and [contexts.NAME]"
                    ),
                ),
            }
        }
        config.problems = document.problems;
        config
    }
}

/// Kinds of keys by pattern; the first match applies.
fn kinds(items: Vec<ConfigItem>, document: &mut Document) -> Kinds {
    let mut rules = Vec::new();
    for ConfigItem { name: pattern, line, value } in items {
        let ConfigValue::Text(name) = value else {
            document.refuse(line, format!("a kind is a text such as \"flag\", not {}", value.what()));
            continue;
        };
        match (Pattern::new(&pattern), Kind::from_name(&name)) {
            (Err(error), _) => document.refuse(line, error.to_string()),
            (_, None) => {
                let names = Kind::ALL.map(Kind::name).join(", ");
                document.refuse(line, format!("{name} is no kind; the kinds are {names}"));
            }
            (Ok(pattern), Some(kind)) => rules.push((pattern, kind)),
        }
    }
    Kinds::new(rules)
}

/// Keys whose values are masked. If the entry is wrong, the default patterns apply as well.
fn secrets(items: Vec<ConfigItem>, document: &mut Document) -> Secrets {
    let mut patterns: Option<Vec<String>> = None;
    let mut is_wrong = false;
    for ConfigItem { name, line, value } in items {
        let problem = match (name.as_str(), value) {
            ("keys", ConfigValue::List(items)) => {
                let mut good = Vec::new();
                for item in items {
                    let problem = match item {
                        ConfigValue::Text(text) => match Secrets::new(&[&text]) {
                            Ok(_) => {
                                good.push(text);
                                continue;
                            }
                            Err(error) => error.to_string(),
                        },
                        other => format!("a pattern is a text such as \"*password*\", not {}", other.what()),
                    };
                    is_wrong = true;
                    document.refuse(line, problem);
                }
                patterns = Some(good);
                continue;
            }
            ("keys", value) => {
                format!("keys is a list of patterns such as [\"*password*\"], not {}", value.what())
            }
            _ => format!("{name} is not a setting of [hide]; use keys"),
        };
        is_wrong = true;
        document.refuse(line, problem);
    }
    let Some(mut patterns) = patterns else { return Secrets::usual() };
    if is_wrong {
        patterns.extend(secret_keys::DEFAULT.map(String::from));
    }
    Secrets::new(&patterns).unwrap_or_else(|_| Secrets::usual())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    fn config(text: &str) -> Config {
        let folder = Path::new("/home/ann/.config/slothstate");
        Config::of(Document::parse(&folder.join("config.toml"), text), folder)
    }

    #[test]
    fn settings_are_read() {
        let config = config(
            "theme = \"light\"\nresume = true\nmouse = false\n[kinds]\n\"deploy:*:owner\" = \"lock\"\n",
        );
        assert_eq!(config.problems, []);
        assert_eq!((config.theme.as_deref(), config.resume, config.no_mouse), (Some("light"), true, true));
        let kind = |key: &str| config.kinds.of(&Key::new(key).unwrap());
        assert_eq!(kind("deploy:web:owner"), Some(Kind::Lock));
        assert_eq!(kind("deploy:web"), None);
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let config = config("[kinds]\n\"z:1\" = \"plain\"\n\"*1\" = \"flag\"\n\"z:\" = \"counter\"\n");
        let kind = |key: &str| config.kinds.of(&Key::new(key).unwrap());
        assert_eq!(kind("z:1"), Some(Kind::Plain));
        assert_eq!(kind("a1"), Some(Kind::Flag));
        assert_eq!(kind("z:2"), Some(Kind::Counter), "without a star it is a prefix");
    }

    #[test]
    fn keys_to_hide_take_the_place_of_the_usual_ones() {
        let hides = |config: &Config, key: &str| config.secrets.hides(&Key::new(key).unwrap());
        let usual = config("");
        assert!(hides(&usual, "db_password") && !hides(&usual, "pin"));
        let other = config("[hide]\nkeys = [\"pin\", \"*_key\"]\n");
        assert_eq!(other.problems, []);
        assert!(hides(&other, "pin") && hides(&other, "API_KEY") && !hides(&other, "db_password"));
        assert!(!hides(&config("[hide]\nkeys = []\n"), "db_password"));
        for text in [
            "[hide]\nkeys = [\"[\", \"pin\"]\n",
            "[hide]\nkeys = \"pin\"\n",
            "[hide]\nkey = [\"pin\"]\n",
            "hide = 3\n",
        ] {
            let wrong = config(text);
            assert_eq!(wrong.problems.len(), 1, "{text}");
            assert!(hides(&wrong, "db_password"), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_lines_and_the_rest_is_kept() {
        let config = config(
            "theme = 3\ncolour = \"red\"\nresume = true\nmouse = \"off\"\n[kinds]\n\"a\" = \"flagg\"\n\"b\" = \"flag\"\n\"[\" = \"flag\"\n",
        );
        let messages: Vec<String> = config.problems.iter().map(ToString::to_string).collect();
        for (line, words) in [
            (1, "theme is a text"),
            (2, "colour is not a setting"),
            (4, "mouse is true or false"),
            (6, "flagg is no kind"),
            (8, "is no glob"),
        ] {
            let at = format!("/home/ann/.config/slothstate/config.toml:{line}: ");
            assert!(
                messages.iter().any(|message| message.starts_with(&at) && message.contains(words)),
                "{line}: {messages:?}"
            );
        }
        assert_eq!(messages.len(), 5);
        assert!(config.resume);
        assert_eq!(config.kinds.of(&Key::new("b").unwrap()), Some(Kind::Flag));
    }

    #[test]
    fn without_a_folder_or_a_file_everything_is_as_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        for config in [Config::read(None), Config::read(Some(folder.path().into()))] {
            assert_eq!(config.problems, []);
            assert_eq!((config.theme, config.resume), (None, false));
        }
    }
}

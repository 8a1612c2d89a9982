//! What a user changed about keys and colours, and the filters that have a name, as the configuration folder has it.

use std::path::Path;

use crate::config::{Config, ConfigProblem, Document};
use crate::tui::keys::{Keymap, keymap};
use crate::tui::list::{SavedFilter, saved_filters};
use crate::tui::theme;
use crate::tui::theme::Themes;

/// Keys, colours and filters.
pub struct Appearance {
    /// Which key calls which command.
    pub keymap: Keymap,
    pub themes: Themes,
    pub filters: Vec<SavedFilter>,
    pub problems: Vec<ConfigProblem>,
}

impl Appearance {
    /// Reads `keymap.toml`, `filters.toml` and `themes/NAME.toml` of the configuration folder.
    pub fn read(folder: Option<&Path>) -> Appearance {
        let mut keymap = Keymap::shipped();
        let Some(folder) = folder else {
            let themes = Themes::shipped();
            return Appearance { keymap, themes, filters: Vec::new(), problems: Vec::new() };
        };
        let (themes, mut problems) = Themes::with(&folder.join("themes"));
        if let Some(mut document) = Document::read(&folder.join("keymap.toml")) {
            keymap.put(&mut document);
            problems.splice(0..0, document.problems);
        }
        let (filters, wrong) = saved_filters::read(folder);
        problems.extend(wrong);
        Appearance { keymap, themes, filters, problems }
    }
}

/// What in the keymap, the filters and the themes of the configuration folder could not be used, and
/// whether there is the theme that is wanted.
pub fn problems_in(config: &Config) -> Vec<ConfigProblem> {
    let Some(folder) = &config.folder else { return Vec::new() };
    let Appearance { themes, mut problems, .. } = Appearance::read(Some(folder));
    // What the environment wants instead is no matter of the configuration.
    if let Some(reason) = themes.choose(config.theme.as_deref(), |_| None).problem {
        problems.push(ConfigProblem { file: folder.join("config.toml"), line: config.theme_line, reason });
    }
    problems
}

/// The files that come with the program and can be changed by a file of the same name in the
/// configuration folder, with their text.
pub fn shipped_files() -> Vec<(String, &'static str)> {
    let themes = theme::SHIPPED.iter().map(|(name, text)| (format!("themes/{name}.toml"), *text));
    std::iter::once(("keymap.toml".to_string(), keymap::SHIPPED)).chain(themes).collect()
}
